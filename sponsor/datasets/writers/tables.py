"""Plain CSV and one Excel workbook, each with a codebook, for whoever works without the standards.

CSV is RFC 4180 in UTF-8 with a byte order mark, as every list of the site leaves: without it Excel in China reads GBK.
A text that a spreadsheet would calculate has an apostrophe before it in CSV; in Excel every text stays a text as it is.
"""

import csv
import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from xlsxwriter import Workbook
from xlsxwriter.worksheet import Worksheet

from sponsor.datasets.model import Package, Staged, Value, Variable
from sponsor.datasets.scope import Tick
from sponsor.datasets.writers import common, terms
from sponsor.datasets.writers.common import Problem, Unwritable
from trialsite.cells import CELL_LENGTH, SHEET_ROWS, TEXT_STAYS_TEXT, inert

XLSX = "xlsx"
CODEBOOK = ("dataset", "variable", "label", "type", "codelist", "terms", "origin", "method", "comment")
PENDING = ("dataset", "participant", "row", "reason")


def codebook(package: Package) -> Iterator[list[str]]:
    """A row for each variable that is written, in the order of the files."""
    lists = terms.used(package)
    for staged in common.written(package):
        for one in common.shown(staged):
            yield _explained(staged, one, lists)


def _explained(staged: Staged, one: Variable, lists: dict[str, terms.Used]) -> list[str]:
    codelist = one.codelist.name if one.codelist else ""
    said = [terms.in_words(one, lists), str(one.origin), one.method, one.comment]
    return [staged.dataset.name, one.name, one.label, str(one.kind), codelist, *said]


def pending(package: Package) -> list[list[str]]:
    return [[one.dataset, one.participant, one.row, one.reason] for one in package.pending]


# --- CSV ----------------------------------------------------------------------------------------------


def write_csv(package: Package, folder: Path, tick: Tick) -> list[Path]:
    """One file a dataset, `codebook.csv`, and `pending.csv` where something is left out."""
    paths = [_csv_of(staged, folder, tick) for staged in common.written(package)]
    paths.append(_csv(folder / "codebook.csv", CODEBOOK, codebook(package)))
    if package.pending:
        paths.append(_csv(folder / "pending.csv", PENDING, pending(package)))
    return paths


def _csv_of(staged: Staged, folder: Path, tick: Tick) -> Path:
    path = folder / f"{staged.dataset.name.lower()}.csv"
    names = [one.name for one in common.shown(staged)]
    return _csv(path, names, common.rows_of(staged, "csv", tick, path.name))


def _csv(path: Path, head: Sequence[str], rows: Iterable[Sequence[Value]]) -> Path:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(head)
        writer.writerows([inert(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
    return path


# --- Excel --------------------------------------------------------------------------------------------


def write_xlsx(package: Package, folder: Path, tick: Tick) -> list[Path]:
    """One workbook: a sheet a dataset (further ones where Excel's rows do not suffice), the codebook, and what the
    whole is. Raises Unwritable for a text that is longer than a cell."""
    path = folder / f"{package.study_id}.xlsx"
    with Workbook(str(path), {"constant_memory": True, "tmpdir": str(folder), **TEXT_STAYS_TEXT}) as book:
        # The format knows no time zone.
        book.set_properties({"created": package.cut_off.astimezone(dt.UTC).replace(tzinfo=None)})
        for staged in common.written(package):
            _sheets_of(book, staged, tick, path.name)
        _sheet(book, "CODEBOOK", CODEBOOK, codebook(package))
        if package.pending:
            _sheet(book, "PENDING", PENDING, pending(package))
        _sheet(book, "ABOUT", ("what", "value"), _about(package))
    return [path]


def _sheets_of(book: Workbook, staged: Staged, tick: Tick, what: str) -> None:
    dataset, variables = staged.dataset.name, common.shown(staged)
    names, page, at = [one.name for one in variables], None, 0
    for number, row in enumerate(common.rows_of(staged, XLSX, tick, f"{what} {dataset}"), start=1):
        if page is None or at == SHEET_ROWS - 1:
            page, at = _page(book, dataset if page is None else f"{dataset} {number // (SHEET_ROWS - 1) + 1}", names), 0
        at += 1
        for place, cell in enumerate(row):
            if not _put(page, at, place, cell):
                raise Unwritable(XLSX, Problem.LONG_TEXT, dataset, variables[place].name, number, CELL_LENGTH)


def _sheet(book: Workbook, name: str, head: Sequence[str], rows: Iterable[Sequence[Value]]) -> None:
    page = _page(book, name, head)
    for number, row in enumerate(rows, start=1):
        for place, cell in enumerate(row):
            _put(page, number, place, cell[:CELL_LENGTH] if isinstance(cell, str) else cell)


def _page(book: Workbook, name: str, head: Sequence[str]) -> Worksheet:
    page = book.add_worksheet(name)
    for place, title in enumerate(head):
        page.write_string(0, place, title)
    page.freeze_panes(1, 0)
    return page


def _put(page: Worksheet, row: int, column: int, cell: Value) -> bool:
    """Whether it fits."""
    if isinstance(cell, int | float):
        page.write_number(row, column, cell)
    elif cell and len(cell) > CELL_LENGTH:
        return False
    elif cell:
        page.write_string(row, column, cell)
    return True


def _about(package: Package) -> Iterator[tuple[str, str]]:
    yield "study", package.study_id
    yield "title", package.study_name
    yield "protocol version", package.protocol_version
    yield "cut-off", common.moment(package)
    yield "written by", package.software
    yield "controlled terminology", package.terminology
    yield from (("note", one) for one in package.notes)
