"""Any table that a hospital's system writes: a workbook or a text, as sheets of rows of texts.

Dates and numbers of a workbook become the texts that a person would read in it; a day that has no time gets none.
"""

import csv
import datetime as dt
import io
import json
import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from participants.imports.file import DELIMITERS, MAX_ROWS, check_size, decoded, split_rows
from trialsite.cells import FORMULA_STARTS
from trialsite.refusal import Refused

MAX_COLUMNS = 300
# What a workbook may grow to when it is unpacked; a file made to fill the memory grows a thousandfold.
MAX_UNPACKED = 400_000_000
ZIP, OLD_EXCEL = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"


@dataclass(frozen=True)
class Sheet:
    """One table as it stands in the file: from its first line on, empty rows too, so that lines keep their number."""

    name: str
    rows: list[list[str]]

    @property
    def is_empty(self) -> bool:
        return not any(any(row) for row in self.rows)


def read_sheets(content: bytes) -> list[Sheet]:
    """The sheets of the file that hold something. Raises Refused for what is no table."""
    check_size(len(content))
    if content.startswith(OLD_EXCEL):
        raise Refused(_("This is a workbook of an old Excel (XLS). In Excel, save it as XLSX and upload that file."))
    sheets = _workbook(content) if content.startswith(ZIP) else [Sheet("", _text_rows(decoded(content)))]
    found = [sheet for sheet in sheets if not sheet.is_empty]
    if not found:
        raise Refused(_("The file is empty. Put the names of the columns into a row, and one result below each."))
    return found


def as_json(sheets: list[Sheet]) -> str:
    return json.dumps([[sheet.name, sheet.rows] for sheet in sheets], ensure_ascii=False)


def from_json(text: str) -> list[Sheet]:
    return [Sheet(name, rows) for name, rows in json.loads(text)]


# --- Text --------------------------------------------------------------------------------------------


def _text_rows(text: str) -> list[list[str]]:
    """By the separator that makes most columns; quotation marks that make no sense are refused with their line."""
    best = max(DELIMITERS, key=lambda one: _width(text, one))
    rows: list[list[str]] = []
    for number, cells in split_rows(text, best):
        rows += [[] for _skipped in range(number - 1 - len(rows))]
        rows.append(_limited(cells, len(rows)))
    return rows


def _width(text: str, delimiter: str) -> int:
    first = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        return max((len(cells) for _number, cells in zip(range(20), first, strict=False)), default=0)
    except csv.Error:
        return 0


def _limited(cells: list[str], count: int) -> list[str]:
    if count >= MAX_ROWS + 100 or len(cells) > MAX_COLUMNS:
        raise Refused(
            _("The file has more than %(rows)s rows or %(columns)s columns. Split it into several files.")
            % {"rows": f"{MAX_ROWS:,}", "columns": MAX_COLUMNS}
        )
    return [_unquoted(cell) for cell in cells]


def _unquoted(cell: str) -> str:
    """Without the apostrophe that keeps a spreadsheet from calculating a text, in files that we handed back."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(FORMULA_STARTS) else cell


# --- Workbooks ---------------------------------------------------------------------------------------


def _workbook(content: bytes) -> list[Sheet]:
    try:
        _check_unpacked(content)
        return list(_sheets(content))
    except Refused:
        raise
    except Exception as error:  # openpyxl fails in as many ways as a file can be damaged
        raise Refused(_("This workbook cannot be read. Open it in Excel, save it as XLSX, and upload that.")) from error


def _check_unpacked(content: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        size = sum(one.file_size for one in file.infolist())
    if size > MAX_UNPACKED:
        raise Refused(
            _("Unpacked, the workbook has %(size)s MB; %(limit)s MB is the most. Split it into several files.")
            % {"size": size // 1_000_000, "limit": MAX_UNPACKED // 1_000_000}
        )


def _sheets(content: bytes) -> Iterator[Sheet]:
    from openpyxl import load_workbook  # for the moment of an upload alone

    with warnings.catch_warnings():
        # Programs other than Excel leave out styles, which openpyxl mentions and nobody needs.
        warnings.simplefilter("ignore")
        book = load_workbook(io.BytesIO(content), read_only=True, data_only=True)
        try:
            for page in book.worksheets:
                rows: list[list[str]] = []
                for cells in page.iter_rows():
                    rows.append(_limited(_trimmed([_cell_text(cell) for cell in cells]), len(rows)))
                yield Sheet(page.title, rows)
        finally:
            book.close()


def _trimmed(cells: list[str]) -> list[str]:
    while cells and not cells[-1]:
        cells.pop()
    return cells


def _cell_text(cell: Any) -> str:
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dt.datetime):
        # A cell that shows no hours holds a day; midnight in it was written by nobody.
        has_time = value.time() != dt.time() or "h" in cell.number_format.casefold()
        return f"{value:%Y-%m-%d %H:%M}" if has_time else f"{value:%Y-%m-%d}"
    if isinstance(value, dt.time):
        return f"{value:%H:%M}"
    if isinstance(value, int | float):
        percent = "%" in cell.number_format
        # As many digits as Excel keeps: 0.1 + 0.2 reads 0.3.
        return f"{value * 100 if percent else value:.15g}{'%' if percent else ''}"
    return str(value).strip()
