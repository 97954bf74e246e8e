"""Which results of the laboratory a report tells."""

import datetime as dt
from decimal import Decimal

import pytest

from participants.rules.normal import Limits
from sponsor.icsr.model import LabTest
from sponsor.icsr.relevant import Result, days, relevant
from trialsite.partialdate import PartialDate

NOW = dt.datetime(2026, 3, 5, 9, 30, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


def result(code: str, value: str, low: str = "", high: str = "", *, hours: int = 0, sign: str = "") -> Result:
    limits = Limits(*(Decimal(one) if one else None for one in (low, high)))
    told = LabTest(f"{code} {value}", NOW + hours * HOUR, Decimal(value), "", sign)
    return Result(code, Decimal(value), sign, limits, told)


def told(*results: Result) -> list[str]:
    return [test.name for test in relevant(results)]


@pytest.mark.parametrize(
    ("value", "is_told"), [("9", False), ("10", False), ("40", False), ("40.1", True), ("9.9", False), ("0", False)]
)
def test_what_lies_above_its_limits_is_told(value: str, is_told: bool) -> None:
    assert told(result("ALT", value, high="40")) == ([f"ALT {value}"] if is_told else [])


@pytest.mark.parametrize(("value", "is_told"), [("0", True), ("1.79", True), ("1.8", False)])
def test_what_lies_below_its_limits_is_told(value: str, is_told: bool) -> None:
    assert bool(told(result("NEUT", value, low="1.8", high="6.3"))) is is_told


def test_of_each_test_the_farthest_outside() -> None:
    counts = (result("NEUT", value, "1.8", "6.3", hours=n) for n, value in enumerate(("1.5", "0.2", "0.9", "7")))
    assert told(*counts, result("ALT", "100", high="40", hours=9), result("ALT", "80", high="40")) == [
        "NEUT 0.2",
        "ALT 100",
    ]


def test_markers_are_told_whatever_their_limits() -> None:
    assert told(result("CRP", "3", high="5"), result("FERRITIN", "900"), result("CRP", "4", high="5")) == [
        "CRP 4",
        "FERRITIN 900",
    ]
    assert told(result("LDH", "900")) == []


def test_a_bound_counts_where_it_can_be_told() -> None:
    assert told(result("NEUT", "0.5", "1.8", "6.3", sign="<")) == ["NEUT 0.5"]
    assert told(result("NEUT", "3", "1.8", "6.3", sign="<")) == []


def test_limits_of_nought_divide_nothing() -> None:
    assert told(result("X", "1", high="0")) == ["X 1"]


@pytest.mark.parametrize(
    ("onset", "resolved", "span"),
    [
        (PartialDate(2026, 3, 5), None, ("2026-03-04", "2026-03-12")),
        (PartialDate(2026, 3, 5), PartialDate(2026, 3, 7), ("2026-03-04", "2026-03-07")),
        (PartialDate(2026, 3, 5), PartialDate(2026, 4), ("2026-03-04", "2026-03-12")),
        (PartialDate(2026, 3), None, ("2026-02-28", "2026-04-07")),
    ],
)
def test_the_days_that_are_looked_at(onset: PartialDate, resolved: PartialDate | None, span: tuple[str, str]) -> None:
    assert tuple(str(day) for day in days(onset, resolved)) == span
