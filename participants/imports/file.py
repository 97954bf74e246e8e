"""The file: from bytes to rows; what is no file of results is refused before anything is stored."""

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from trialsite.refusal import Refused

MAX_MEGABYTES = 20
MAX_ROWS = 100_000
DELIMITERS = (",", ";", "\t")
REQUIRED = ("participant", "measure", "value", "unit", "taken_at")
COLUMNS: dict[str, Any] = {
    "participant": gettext_lazy("Screening or participant number"),
    "measure": gettext_lazy("Our code (HGB), or the name in English or Chinese"),
    "value": gettext_lazy("7.5, <0.5, >100, negative or 阴性, yes or 是; a date as 2026, 2026-03 or 2026-03-05"),
    "unit": gettext_lazy("As the laboratory prints it; empty for an answer in words"),
    "low": gettext_lazy("Lower limit of normal"),
    "high": gettext_lazy("Upper limit of normal"),
    "lloq": gettext_lazy("Lower limit of quantification"),
    "taken_at": gettext_lazy("When it was taken, in the site's time: 2026-03-05 08:10"),
    "fasting": gettext_lazy("yes, no or empty"),
    "laboratory": gettext_lazy("Laboratory or device"),
    "study_procedure": gettext_lazy(
        "no for what routine care did anyway; empty means yes, and no for what is only told (history)"
    ),
    "not_done": gettext_lazy("Why there is no value"),
}


# Columns that we add when we read a laboratory's own file: where a result stood, whether its time was assumed, and what
# is wrong with it that its cells no longer tell.
ADDED = ("source", "time_assumed", "problem")
KNOWN = (*COLUMNS, *ADDED)


@dataclass(frozen=True)
class Line:
    """One row of the file: where it stands, and its cells by our names of the columns."""

    number: int
    cells: dict[str, str]

    @property
    def place(self) -> str:
        """Where a person finds it: the line, or the line or cell of the laboratory's own file."""
        return self.cells.get("source") or str(self.number)


def inspected(content: bytes) -> tuple[str, int]:
    """The file's text and its number of rows. Raises Refused, before anything is stored, for what is no such file."""
    check_size(len(content))
    text = decoded(content)
    rows = sum(1 for _line in lines(text))
    if rows > MAX_ROWS:
        raise Refused(
            _("The file has %(rows)s rows; %(limit)s is the most. Split it into several files.")
            % {"rows": f"{rows:,}", "limit": f"{MAX_ROWS:,}"}
        )
    if not rows:
        raise Refused(_("The file has no rows below its column names. Put one result in each row."))
    return text, rows


def check_size(size: int) -> None:
    """Raises Refused; asked before a large file is read into memory."""
    if size > MAX_MEGABYTES * 1_000_000:
        raise Refused(
            _("The file has %(size)s MB; %(limit)s MB is the most. Split it into several files.")
            % {"size": f"{size / 1_000_000:.1f}", "limit": MAX_MEGABYTES}
        )


def decoded(content: bytes) -> str:
    # Excel in China writes GB18030, which takes nearly every file: so it comes second.
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\x00" not in text:
            return text
    raise Refused(_("The file is not text in UTF-8 or GB18030. Save it as “CSV UTF-8” and upload it again."))


def is_ours(content: bytes) -> bool:
    """Whether the file is a text whose columns all bear our own names, as in the template."""
    try:
        text = decoded(content)
    except Refused:
        return False
    headers = [_header(text, delimiter) for delimiter in DELIMITERS]
    return any(header and all(_column(name) in (*KNOWN, "") for name in header) for header in headers)


# What people and laboratories write in their own words, and every other cell that can hold some.
FREE = ("laboratory", "not_done")
SAID = (*FREE, "measure", "value", "unit", "fasting", "study_procedure", "problem")
_NUMBER = re.compile(r"[<>=≤≥]{0,2}\d{0,6}(?:\.\d{0,6})?", re.ASCII)


def sayings(line: Line) -> Iterator[tuple[str, str]]:
    """The cells of a row that hold words, by their columns."""
    for name in SAID:
        if (text := line.cells.get(name, "")) and not _NUMBER.fullmatch(text):
            yield name, text


def ending(content: bytes) -> str:
    """What a file of this content is called by: a workbook is a ZIP file, all else is text."""
    return ".xlsx" if content.startswith(b"PK") else ".csv"


def lines(text: str) -> Iterator[Line]:
    """The rows below the column names, without empty ones. Raises Refused."""
    delimiter, columns = _layout(text)
    header_seen = False
    for number, cells in split_rows(text, delimiter):
        if header_seen and any(cells):
            _check_width(number, cells, columns)
            # Not strict: a missing cell at the end of a row is an empty one.
            yield Line(number, {name: cell for name, cell in zip(columns, cells, strict=False) if name})
        header_seen = header_seen or any(cells)


def split_rows(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Each row with the number of its first line."""
    # NUL-free, so that the reader fails for its quotes and for endless cells only.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    number = 1
    try:
        for cells in reader:
            yield number, [cell.strip() for cell in cells]
            number = reader.line_num + 1
    except csv.Error:
        raise Refused(
            _("Line %(line)s cannot be read: a quotation mark is opened or closed in the wrong place. Correct it.")
            % {"line": number}
        ) from None


def _layout(text: str) -> tuple[str, list[str]]:
    """The delimiter, and our names of the columns in the file's order; "" where a column has no name and no cells."""
    readings = {delimiter: _header(text, delimiter) for delimiter in DELIMITERS}
    delimiter = max(readings, key=lambda one: sum(_column(name) in KNOWN for name in readings[one]))
    given = readings[delimiter]
    columns = [_column(name) for name in given]
    if unknown := [name for name, column in zip(given, columns, strict=True) if column not in KNOWN and column]:
        raise Refused(_unknown_columns(unknown))
    if missing := [name for name in REQUIRED if name not in columns]:
        raise Refused(
            _("The file has no column %(missing)s. Add it to the first row; the template shows every column.")
            % {"missing": quoted(missing)}
        )
    if twice := [name for name in KNOWN if columns.count(name) > 1]:
        raise Refused(_("The column %(names)s is there twice. Keep one of them.") % {"names": quoted(twice)})
    return delimiter, columns


def _header(text: str, delimiter: str) -> list[str]:
    try:
        return next((cells for _number, cells in split_rows(text, delimiter) if any(cells)), [])
    except Refused:
        # Quotes that make no sense with this delimiter may with another one.
        return []


def _column(name: str) -> str:
    return re.sub(r"[\s_-]+", "_", unicodedata.normalize("NFKC", name).strip().casefold())


def _unknown_columns(names: list[str]) -> str:
    values = {"names": quoted(name[:40] for name in names[:5]), "known": _(", ").join(COLUMNS)}
    return _(
        "Nothing was stored: the file has unknown columns, and such a column could hold a name: %(names)s. "
        "Delete them, or rename them to one of: %(known)s."
    ) % {**values}


def quoted(names: Iterable[str]) -> str:
    return _(", ").join(f"“{name}”" for name in names)


def _check_width(number: int, cells: list[str], columns: list[str]) -> None:
    nameless = [cell for place, cell in enumerate(cells) if place >= len(columns) or not columns[place]]
    if any(nameless):
        raise Refused(
            _(
                "Nothing was stored: line %(line)s has a cell without a column name above it, which could hold a name. "
                "Delete the cell; if a text holds the separator, put the text in quotation marks."
            )
            % {"line": number}
        )
