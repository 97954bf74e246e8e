"""Tables as files: nothing runs, nothing is lost, equal content gives equal bytes."""

import csv
import datetime as dt
import io
import zipfile
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree

import pytest
from django.http import HttpResponse
from django.utils.translation import gettext_lazy, override
from hypothesis import given
from hypothesis import strategies as st

from trialsite.exports import csv_response, file_name, xlsx_response

NS = {"s": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}
FORMULAS = ("=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("http://x")', "＝1+1")


def read_csv(response: HttpResponse) -> list[list[str]]:
    return list(csv.reader(io.StringIO(response.content.decode("utf-8-sig"), newline="")))


def parts(response: HttpResponse) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(response.content)) as file:
        return {name: file.read(name) for name in file.namelist()}


def cells(response: HttpResponse) -> dict[str, Any]:
    """Address → the element of the cell in the sheet."""
    sheet = ElementTree.fromstring(parts(response)["xl/worksheets/sheet1.xml"])
    return {str(cell.get("r")): cell for cell in sheet.iterfind(".//s:c", NS)}


# --- CSV ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_in_csv_becomes_a_text(text: str) -> None:
    assert read_csv(csv_response("x", ["a"], [[text]]))[1] == [f"'{text}"]


@pytest.mark.parametrize("value", [-3, Decimal("-0.5"), "+86", "-1.25", "ZJ-001", "a=b"])
def test_a_plain_number_or_text_in_csv_stays_as_it_is(value: Any) -> None:
    assert read_csv(csv_response("x", ["a"], [[value]]))[1] == [str(value)]


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_no_csv_cell_starts_a_formula(row: list[str]) -> None:
    text = csv_response("x", ["a"], [row]).content.decode("utf-8-sig")
    read = list(csv.reader(io.StringIO(text, newline="")))[1]
    for cell, value in zip(read, row, strict=True):
        assert cell in {value, f"'{value}"}
        assert not cell.startswith(("=", "@", "\t", "\r"))


def test_csv_has_a_byte_order_mark_and_the_sites_own_time() -> None:
    moment = dt.datetime(2026, 3, 5, 1, 30, tzinfo=dt.UTC)
    with override("en"):
        response = csv_response("x", [gettext_lazy("status")], [[dt.date(2026, 3, 5), moment, None, True, "筛选"]])
    assert response.content.startswith(b"\xef\xbb\xbf")
    assert read_csv(response)[1] == ["2026-03-05", "2026-03-05 09:30", "", "yes", "筛选"]


# --- Excel -------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [*FORMULAS, "http://example.org", "007"])
def test_a_formula_in_excel_is_a_text(text: str) -> None:
    response = xlsx_response("x", ["a"], [[text]])
    cell = cells(response)["A2"]
    assert cell.get("t") == "s"
    assert cell.find("s:f", NS) is None
    assert b"<f>" not in parts(response)["xl/worksheets/sheet1.xml"]
    assert not any(b"hyperlink" in name.encode() for name in parts(response))


def test_dates_and_numbers_in_excel_are_dates_and_numbers() -> None:
    moment = dt.datetime(2026, 3, 5, 1, 30, tzinfo=dt.UTC)
    row = [dt.date(2026, 3, 5), moment, 36, Decimal("0.5"), None, "", "x"]
    found = cells(xlsx_response("x", list("abcdefg"), [row]))
    values = {key: cell.findtext("s:v", namespaces=NS) for key, cell in found.items()}
    assert (values["A2"], values["C2"], values["D2"]) == ("46086", "36", "0.5")
    assert float(values["B2"] or 0) == pytest.approx(46086 + 9.5 / 24)  # half past nine in Guangzhou
    assert all(found[key].get("t") in {None, "n"} for key in ("A2", "B2", "C2", "D2"))
    assert "E2" not in values
    assert "F2" not in values
    assert found["G2"].get("t") == "s"


def test_the_header_is_bold_and_stays_in_sight() -> None:
    response = xlsx_response("x", ["a", "b"], [[1, 2]], sheet="Log: of/all [things] that were screened here")
    sheet = parts(response)["xl/worksheets/sheet1.xml"].decode()
    assert 'state="frozen"' in sheet
    assert "<cols>" in sheet
    assert cells(response)["A1"].get("s") not in {None, "0"}
    assert cells(response)["A2"].get("s") in {None, "0"}
    assert b"<b/>" in parts(response)["xl/styles.xml"]


def test_equal_content_gives_equal_bytes() -> None:
    def make() -> bytes:
        return xlsx_response("x", ["a"], [["筛选", dt.date(2026, 3, 5)], [1, Decimal("2.5")]]).content

    assert make() == make()


def test_a_text_too_long_for_a_cell_is_cut_and_says_so() -> None:
    strings = parts(xlsx_response("x", ["a"], [["x" * 40_000]]))["xl/sharedStrings.xml"].decode()
    assert "x…" in strings


# --- names -------------------------------------------------------------------------------------


def test_a_file_is_named_by_study_content_and_day() -> None:
    name = file_name("screening-log", dt.date(2026, 3, 5))
    assert csv_response(name, ["a"], [])["Content-Disposition"] == (
        'attachment; filename="NCT07072494_screening-log_2026-03-05.csv"'
    )


@pytest.mark.parametrize("name", ["王小明", "a b", 'a"b', "../a", ""])
def test_a_file_is_not_named_by_anything_else(name: str) -> None:
    with pytest.raises(ValueError, match="plain letters"):
        csv_response(name, ["a"], [])
