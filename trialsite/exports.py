"""Tables as files: CSV and Excel that open without surprises, and in which no text runs as a formula.

A cell that a spreadsheet would calculate is a way into the reader's machine (OWASP, CSV injection). File names
carry the study, the content and the day only.
"""

import csv
import datetime as dt
import io
import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from xlsxwriter import Workbook
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from trialsite.study import get_study

CSV_TYPE = "text/csv; charset=utf-8"
XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
# Chinese Excel reads the full-width signs as the narrow ones.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
PLAIN_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
# Excel's own limits: a longer text would be left out without a word.
CELL_LENGTH, SHEET_NAME_LENGTH = 32767, 31
NARROWEST, WIDEST = 8, 48
# Written into the file as its birthday, so that equal content gives equal bytes.
CREATED = dt.datetime(2025, 1, 1)  # noqa: DTZ001  # the format knows no time zone


def file_name(content: str, day: dt.date) -> str:
    """Study, content and day: `NCT07072494_screening-log_2026-03-05`; the ending comes with the format."""
    return f"{get_study().latest.registry_id}_{content}_{day:%Y-%m-%d}"


def attachment(name: str, content: bytes, content_type: str) -> HttpResponse:
    """A file to keep. `name` is ASCII letters, digits, dots and dashes; anything else is a ValueError."""
    if not FILE_NAME.fullmatch(name):
        raise ValueError("a file name holds study, content and day in plain letters")
    response = HttpResponse(content, content_type=content_type)
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


# --- CSV ---------------------------------------------------------------------------------------------


def csv_response(name: str, header: Sequence[Any], rows: Iterable[Sequence[Any]]) -> HttpResponse:
    """UTF-8 with a byte order mark: without it Excel in China reads the file as GBK."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerows([_csv_cell(value) for value in row] for row in (header, *rows))
    return attachment(f"{name}.csv", text.getvalue().encode("utf-8-sig"), CSV_TYPE)


def _csv_cell(value: Any) -> str:
    text = _text(value)
    if text.startswith(FORMULA_STARTS) and not PLAIN_NUMBER.fullmatch(text):
        return f"'{text}"
    return text


def _text(value: Any) -> str:
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
    """One sheet; dates are dates, numbers are numbers, and every text stays a text."""
    file = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with Workbook(file, options) as book:
        book.set_properties({"created": CREATED})
        _write_sheet(book, _sheet_name(str(sheet)), [list(header), *(list(row) for row in rows)])
    return attachment(f"{name}.xlsx", file.getvalue(), XLSX_TYPE)


def _sheet_name(wanted: str) -> str:
    return re.sub(r"[\[\]:*?/\\']", " ", wanted).strip()[:SHEET_NAME_LENGTH] or "Data"


def _write_sheet(book: Workbook, name: str, table: list[list[Any]]) -> None:
    page = book.add_worksheet(name)
    bold = book.add_format({"bold": True})
    day = book.add_format({"num_format": "yyyy-mm-dd"})
    moment = book.add_format({"num_format": "yyyy-mm-dd hh:mm"})
    for column, title in enumerate(table[0]):
        page.write_string(0, column, _text(title), bold)
    for number, row in enumerate(table[1:], start=1):
        for column, value in enumerate(row):
            _write(page, number, column, value, day, moment)
    page.freeze_panes(1, 0)
    for column in range(len(table[0])):
        page.set_column(column, column, _width([row[column] for row in table]))


def _write(page: Worksheet, row: int, column: int, value: Any, day: Format, moment: Format) -> None:
    if isinstance(value, dt.datetime):
        page.write_datetime(row, column, _site_time(value), moment)
    elif isinstance(value, dt.date):
        page.write_datetime(row, column, value, day)
    elif isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        page.write_number(row, column, value)
    elif text := _text(value):
        page.write_string(row, column, text if len(text) <= CELL_LENGTH else f"{text[: CELL_LENGTH - 1]}…")


def _width(values: Iterable[Any]) -> int:
    """In characters; a Chinese one is twice as wide as a Latin one."""
    widths = [sum(2 if ord(letter) > 0x2E7F else 1 for letter in _text(value)) for value in values]
    return min(max(NARROWEST, *widths) + 2, WIDEST)
