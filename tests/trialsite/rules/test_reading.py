"""What people type: read where it has one meaning, asked about where it has two."""

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from trialsite import reading
from trialsite.reading import Doubt, Unreadable

DAY = dt.date(2026, 11, 24)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-24",
        " 2026-11-24 ",
        "2026/11/24",
        "2026.11.24",
        "2026。11。24",
        "2026 11 24",
        "2026年11月24日",
        "2026 年 11 月 24 日",
        "2026年11月24号",
        "2026年11月24",
        "20261124",
        "２０２６－１１－２４",
        "２０２６／１１／２４",
        "２０２６年１１月２４日",
        "2026–11–24",
        "2026-11-24 00:00:00",
        "\u202a2026-11-24\u202c",
    ],
)
def test_a_date_has_many_spellings(text: str) -> None:
    assert reading.read_date(text) == DAY


@pytest.mark.parametrize("text", ["2026-3-5", "2026/03/05", "2026年3月5日", "20260305"])
def test_a_date_needs_no_zeros(text: str) -> None:
    assert reading.read_date(text) == dt.date(2026, 3, 5)


@pytest.mark.parametrize(
    ("text", "clock"),
    [
        ("08:05", "08:05:00"),
        ("8:5", "08:05:00"),
        ("8：05", "08:05:00"),
        ("０８：０５", "08:05:00"),
        ("8 : 05", "08:05:00"),
        ("08:05:09", "08:05:09"),
        ("0805", "08:05:00"),
        ("8.05", "08:05:00"),
        ("8时5分", "08:05:00"),
        ("8时05分09秒", "08:05:09"),
        ("8点5分", "08:05:00"),
        ("8点05", "08:05:00"),
        ("8点", "08:00:00"),
        ("8点整", "08:00:00"),
        ("8点半", "08:30:00"),
        ("上午8点5分", "08:05:00"),
        ("下午3:05", "15:05:00"),
        ("晚上11点半", "23:30:00"),
        ("12:10 pm", "12:10:00"),
        ("3:05 PM", "15:05:00"),
        ("00:00", "00:00:00"),
        ("23:59", "23:59:00"),
    ],
)
def test_a_time_has_many_spellings(text: str, clock: str) -> None:
    assert reading.read_time(text).isoformat() == clock


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-24 08:05",
        "2026-11-24T08:05",
        "2026/11/24 8:05",
        "20261124 0805",
        "2026年11月24日8时5分",
        "2026年11月24日 8点5分",
        "２０２６－１１－２４　０８：０５",
        "2026.11.24 8：05",
    ],
)
def test_a_moment_has_many_spellings(text: str) -> None:
    assert reading.read_moment(text) == dt.datetime.combine(DAY, dt.time(8, 5))


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("39.1", "39.1"),
        ("３９．１", "39.1"),
        ("39。1", "39.1"),
        (" 39 .1 ", "39.1"),
        ("39 。 1", "39.1"),
        ("−3", "-3"),
        ("－ 3", "-3"),
        ("+3", "3"),
        (".5", "0.5"),
        ("5.", "5"),
        ("2.5e7", "25000000"),
        ("0", "0"),
        ("12000", "12000"),
    ],
)
def test_a_number_has_many_spellings(text: str, number: str) -> None:
    assert reading.read_decimal(text) == Decimal(number)


@pytest.mark.parametrize(("text", "number"), [("５", 5), ("5.0", 5), (" 12 ", 12), ("0", 0)])
def test_a_whole_number(text: str, number: int) -> None:
    assert reading.read_whole(text) == number


@pytest.mark.parametrize(
    ("read", "text", "doubt", "meant"),
    [
        (reading.read_decimal, "37,5", Doubt.DECIMAL_COMMA, ("37.5",)),
        (reading.read_decimal, "37，5", Doubt.DECIMAL_COMMA, ("37.5",)),
        (reading.read_decimal, "37、5", Doubt.DECIMAL_COMMA, ("37.5",)),
        (reading.read_decimal, "1.234,5", Doubt.DECIMAL_COMMA, ("1234.5",)),
        (reading.read_decimal, "12,000", Doubt.THOUSANDS, ("12000", "12.000")),
        (reading.read_decimal, "１２，０００", Doubt.THOUSANDS, ("12000", "12.000")),
        (reading.read_decimal, "1,234,567", Doubt.THOUSANDS, ("1234567",)),
        (reading.read_decimal, "1,234.5", Doubt.THOUSANDS, ("1234.5",)),
        (reading.read_decimal, "12 000", Doubt.SPACED, ("12000",)),
        (reading.read_decimal, "39.1℃", Doubt.UNIT, ("39.1",)),
        (reading.read_decimal, "39.1 °C", Doubt.UNIT, ("39.1",)),
        (reading.read_decimal, "120mmHg", Doubt.UNIT, ("120",)),
        (reading.read_decimal, "3 9", Doubt.NUMBER, ()),
        (reading.read_decimal, "10⁷", Doubt.NUMBER, ()),
        (reading.read_decimal, "½", Doubt.NUMBER, ()),
        (reading.read_decimal, "三十九", Doubt.NUMBER, ()),
        (reading.read_decimal, "NaN", Doubt.NUMBER, ()),
        (reading.read_decimal, "1e999", Doubt.NUMBER, ()),
        (reading.read_decimal, "", Doubt.NUMBER, ()),
        (reading.read_whole, "5.5", Doubt.WHOLE, ()),
        (reading.read_whole, "5,5", Doubt.DECIMAL_COMMA, ("5.5",)),
        (reading.read_date, "11/24/2026", Doubt.YEAR_LAST, ("2026-11-24",)),
        (reading.read_date, "24.11.2026", Doubt.YEAR_LAST, ("2026-11-24",)),
        (reading.read_date, "03/05/2026", Doubt.YEAR_LAST, ("2026-03-05", "2026-05-03")),
        (reading.read_date, "26-11-24", Doubt.SHORT_YEAR, ("2026-11-24",)),
        (reading.read_date, "11月24日", Doubt.NO_YEAR, ()),
        (reading.read_date, "2026-02-30", Doubt.NO_SUCH_DAY, ()),
        (reading.read_date, "20261324", Doubt.NO_SUCH_DAY, ()),
        (reading.read_date, "2026-11", Doubt.DATE, ()),
        (reading.read_date, "2026-11/24", Doubt.DATE, ()),
        (reading.read_date, "tomorrow", Doubt.DATE, ()),
        (reading.read_time, "24:00", Doubt.NO_SUCH_TIME, ()),
        (reading.read_time, "8:75", Doubt.NO_SUCH_TIME, ()),
        (reading.read_time, "8", Doubt.BARE_HOUR, ("08:00",)),
        (reading.read_time, "early", Doubt.TIME, ()),
        (reading.read_time, "²", Doubt.TIME, ()),
        (reading.read_moment, "2026-11-24", Doubt.MOMENT, ()),
        (reading.read_moment, "2026-11-24 25:00", Doubt.NO_SUCH_TIME, ()),
        (reading.read_partial_date, "2026-13", Doubt.NO_SUCH_DAY, ()),
        (reading.read_partial_date, "200512", Doubt.DATE, ()),
    ],
)
def test_what_may_have_two_meanings_is_asked_about(
    read: Callable[[str], Any], text: str, doubt: Doubt, meant: tuple[str, ...]
) -> None:
    with pytest.raises(Unreadable) as asked:
        read(text)
    assert (asked.value.doubt, asked.value.meant) == (doubt, meant)


@pytest.mark.parametrize(
    ("text", "partial"),
    [
        ("2026", "2026"),
        ("2026年", "2026"),
        ("２０２６", "2026"),
        ("2026-3", "2026-03"),
        ("2026/03", "2026-03"),
        ("2026年3月", "2026-03"),
        ("2026年3月5日", "2026-03-05"),
        ("20260305", "2026-03-05"),
    ],
)
def test_a_date_known_in_part(text: str, partial: str) -> None:
    assert str(reading.read_partial_date(text)) == partial


@pytest.mark.parametrize(
    "text", ["ZJ-022", "ＺＪ－０２２", "zj-022", " ZJ - 022 ", "ZJ–022", "zj－　０22", "ZJ-022\u200b"]
)
def test_one_code_in_many_spellings(text: str) -> None:
    assert reading.is_same_code(text, "ZJ-022")


@pytest.mark.parametrize("text", ["ZJ-023", "ZJ022", "ZJ-0222", "ZJ-02²", ""])
def test_another_code_stays_another(text: str) -> None:
    assert not reading.is_same_code(text, "ZJ-022")


def test_an_empty_code_names_nothing() -> None:
    assert not reading.is_same_code("", "　")


def test_a_code_is_kept_as_it_was_written_but_for_width_and_spaces() -> None:
    assert reading.read_code(" ｃｄ19 －０２７ b ") == "cd19-027 b"
