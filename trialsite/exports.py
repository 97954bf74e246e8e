"""Tables as files: CSV and Excel that open without surprises, and in which no text runs as a formula.

File names carry the study, the content and the day only.
"""

import csv
import datetime as dt
import io
import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import chain, zip_longest
from typing import IO, Any

from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from xlsxwriter import Workbook
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from trialsite.cells import CELL_LENGTH, SHEET_NAME_LENGTH, TEXT_STAYS_TEXT, inert
from trialsite.study import get_study

CSV_TYPE = "text/csv; charset=utf-8"
XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
NARROWEST, WIDEST = 8, 48
# Written into the file as its birthday, so that equal content gives equal bytes.
CREATED = dt.datetime(2025, 1, 1)  # noqa: DTZ001  # the format knows no time zone


def file_name(content: str, day: dt.date) -> str:
    """Study, content and day: `NCT07072494_screening-log_2026-03-05`; the ending comes with the format."""
    return f"{get_study().latest.registry_id}_{content}_{day:%Y-%m-%d}"


def timed_name(content: str, at: dt.datetime) -> str:
    """Study, content and minute at the site: `NCT07072494_visit_2026-03-05_0930`."""
    return f"{file_name(content, timezone.localtime(at).date())}_{timezone.localtime(at):%H%M}"


def attachment(name: str, content: bytes, content_type: str) -> HttpResponse:
    """A file to keep. `name` is ASCII letters, digits, dots and dashes; anything else is a ValueError."""
    if not FILE_NAME.fullmatch(name):
        raise ValueError("a file name holds study, content and day in plain letters")
    response = HttpResponse(content, content_type=content_type)
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


# --- CSV ---------------------------------------------------------------------------------------------


def csv_response(name: str, header: Sequence[Any], rows: Iterable[Sequence[Any]]) -> HttpResponse:
    file = io.BytesIO()
    write_csv(file, header, rows)
    return attachment(f"{name}.csv", file.getvalue(), CSV_TYPE)


def write_csv(file: IO[bytes], header: Sequence[Any], rows: Iterable[Sequence[Any]]) -> int:
    """Rows into a file, one after the other; how many there were.

    UTF-8 with a byte order mark: without it Excel in China reads the file as GBK.
    """
    text = io.TextIOWrapper(file, "utf-8-sig", newline="", write_through=True)
    writer, count = csv.writer(text), -1
    for count, row in enumerate(chain([header], rows)):  # noqa: B007  # it is the answer
        writer.writerow([inert(cell_text(value)) for value in row])
    text.detach()  # the file stays open: it is the caller's
    return count


def cell_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, dt.datetime):
        return f"{_site_time(value):%Y-%m-%d %H:%M}"
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def _site_time(moment: dt.datetime) -> dt.datetime:
    """As the clock at the site showed it; spreadsheets know no time zones."""
    return timezone.localtime(moment).replace(tzinfo=None) if timezone.is_aware(moment) else moment


# --- Excel -------------------------------------------------------------------------------------------


def xlsx_response(name: str, header: Sequence[Any], rows: Iterable[Sequence[Any]], *, sheet: Any = "") -> HttpResponse:
    file = io.BytesIO()
    with Workbook(file, {"in_memory": True, **TEXT_STAYS_TEXT}) as book:
        _write_sheet(book, sheet, header, rows)
    return attachment(f"{name}.xlsx", file.getvalue(), XLSX_TYPE)


def write_xlsx(file: IO[bytes], header: Sequence[Any], rows: Iterable[Sequence[Any]], *, sheet: Any = "") -> int:
    """Rows into a workbook of one sheet, with one row in memory at a time; how many there were."""
    with Workbook(file, {"constant_memory": True, **TEXT_STAYS_TEXT}) as book:
        return _write_sheet(book, sheet, header, rows)


def _sheet_name(wanted: str) -> str:
    return re.sub(r"[\[\]:*?/\\']", " ", wanted).strip()[:SHEET_NAME_LENGTH] or "Data"


def _write_sheet(book: Workbook, name: Any, header: Sequence[Any], rows: Iterable[Sequence[Any]]) -> int:
    """Dates are dates, numbers are numbers, and every text stays a text."""
    book.set_properties({"created": CREATED})
    page = book.add_worksheet(_sheet_name(str(name)))
    bold = book.add_format({"bold": True})
    day = book.add_format({"num_format": "yyyy-mm-dd"})
    moment = book.add_format({"num_format": "yyyy-mm-dd hh:mm"})
    widths = [_width(title) for title in header]
    for column, title in enumerate(header):
        page.write_string(0, column, cell_text(title), bold)
    number = 0
    for number, row in enumerate(rows, start=1):
        widths = [max(pair) for pair in zip_longest(widths, map(_width, row), fillvalue=0)]
        for column, value in enumerate(row):
            _write(page, number, column, value, day, moment)
    page.freeze_panes(1, 0)
    for column, width in enumerate(widths):
        page.set_column(column, column, min(max(NARROWEST, width) + 2, WIDEST))
    return number


def _write(page: Worksheet, row: int, column: int, value: Any, day: Format, moment: Format) -> None:
    if isinstance(value, dt.datetime):
        page.write_datetime(row, column, _site_time(value), moment)
    elif isinstance(value, dt.date):
        page.write_datetime(row, column, value, day)
    elif isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        page.write_number(row, column, value)
    elif text := cell_text(value):
        page.write_string(row, column, text if len(text) <= CELL_LENGTH else f"{text[: CELL_LENGTH - 1]}…")


def _width(value: Any) -> int:
    """In characters; a Chinese one is twice as wide as a Latin one."""
    return sum(2 if ord(letter) > 0x2E7F else 1 for letter in cell_text(value))
