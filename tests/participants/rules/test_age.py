"""Completed years and calendar months: the day before, the day, 29 February and the ends of months."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from participants.rules.age import LeapDay, birthday, completed_years, months_before, years_span
from trialsite.partialdate import PartialDate

MAR_1, FEB_28 = LeapDay.MAR_1, LeapDay.FEB_28
day = dt.date.fromisoformat


@pytest.mark.parametrize(
    ("born", "on", "leap_day", "expected"),
    [
        pytest.param("2011-07-19", "2011-07-18", MAR_1, -1, id="before-birth"),
        pytest.param("2011-07-19", "2011-07-19", MAR_1, 0, id="day-of-birth"),
        pytest.param("2011-07-19", "2025-07-18", MAR_1, 13, id="eve-of-14"),
        pytest.param("2011-07-19", "2025-07-19", MAR_1, 14, id="14th-birthday"),
        pytest.param("1944-07-20", "2025-07-19", MAR_1, 80, id="last-day-of-80"),
        pytest.param("1944-07-19", "2025-07-19", MAR_1, 81, id="81st-birthday"),
        pytest.param("2007-12-31", "2025-12-30", MAR_1, 17, id="eve-of-18-at-year-end"),
        pytest.param("2007-12-31", "2026-01-01", MAR_1, 18, id="new-year-adds-none"),
        pytest.param("2008-02-29", "2026-02-27", FEB_28, 17, id="leap-day-27-feb-read-28-feb"),
        pytest.param("2008-02-29", "2026-02-28", FEB_28, 18, id="leap-day-28-feb-read-28-feb"),
        pytest.param("2008-02-29", "2026-02-28", MAR_1, 17, id="leap-day-28-feb-read-1-mar"),
        pytest.param("2008-02-29", "2026-03-01", MAR_1, 18, id="leap-day-1-mar-read-1-mar"),
        pytest.param("2008-02-29", "2028-02-28", MAR_1, 19, id="leap-year-28-feb-read-1-mar"),
        pytest.param("2008-02-29", "2028-02-28", FEB_28, 19, id="leap-year-28-feb-read-28-feb"),
        pytest.param("2008-02-29", "2028-02-29", MAR_1, 20, id="leap-year-29-feb-read-1-mar"),
        pytest.param("2008-02-29", "2028-02-29", FEB_28, 20, id="leap-year-29-feb-read-28-feb"),
        pytest.param("2008-02-28", "2026-02-28", MAR_1, 18, id="born-28-feb-in-a-leap-year"),
        pytest.param("2008-03-01", "2026-02-28", FEB_28, 17, id="born-1-mar"),
    ],
)
def test_completed_years(born: str, on: str, leap_day: LeapDay, expected: int) -> None:
    assert completed_years(day(born), day(on), leap_day) == expected


def test_without_a_choice_a_leap_day_counts_on_1_march() -> None:
    assert birthday(day("2008-02-29"), 18) == day("2026-03-01")
    assert completed_years(day("2008-02-29"), day("2026-02-28")) == 17


@pytest.mark.parametrize(
    ("born", "years", "leap_day", "expected"),
    [
        pytest.param("2008-02-29", 18, MAR_1, "2026-03-01", id="common-year-1-mar"),
        pytest.param("2008-02-29", 18, FEB_28, "2026-02-28", id="common-year-28-feb"),
        pytest.param("2008-02-29", 20, MAR_1, "2028-02-29", id="leap-year-1-mar"),
        pytest.param("2008-02-29", 20, FEB_28, "2028-02-29", id="leap-year-28-feb"),
        pytest.param("1896-02-29", 4, MAR_1, "1900-03-01", id="1900-is-no-leap-year"),
        pytest.param("1996-02-29", 4, MAR_1, "2000-02-29", id="2000-is-a-leap-year"),
        pytest.param("2008-02-28", 18, MAR_1, "2026-02-28", id="28-feb-stays"),
        pytest.param("2008-07-19", 0, FEB_28, "2008-07-19", id="the-day-itself"),
    ],
)
def test_birthday(born: str, years: int, leap_day: LeapDay, expected: str) -> None:
    assert birthday(day(born), years, leap_day) == day(expected)


@pytest.mark.parametrize(
    ("on", "months", "expected"),
    [
        pytest.param("2026-01-15", 6, "2025-07-15", id="over-the-year"),
        pytest.param("2026-07-15", 6, "2026-01-15", id="within-the-year"),
        pytest.param("2026-12-15", 12, "2025-12-15", id="december-a-year"),
        pytest.param("2026-01-31", 1, "2025-12-31", id="january-to-december"),
        pytest.param("2026-02-28", 6, "2025-08-28", id="end-of-february-is-not-end-of-august"),
        pytest.param("2026-08-31", 6, "2026-02-28", id="no-31-february"),
        pytest.param("2028-08-31", 6, "2028-02-29", id="no-31-february-in-a-leap-year"),
        pytest.param("2026-05-31", 3, "2026-02-28", id="three-months"),
        pytest.param("2026-10-31", 4, "2026-06-30", id="no-31-june"),
        pytest.param("2028-02-29", 60, "2023-02-28", id="five-years-from-a-leap-day"),
        pytest.param("2025-08-01", 60, "2020-08-01", id="five-years"),
        pytest.param("2025-08-01", 0, "2025-08-01", id="none"),
    ],
)
def test_months_before(on: str, months: int, expected: str) -> None:
    assert months_before(day(on), months) == day(expected)


# --- What must always hold -----------------------------------------------------------------------

LEAP_DAYS = st.integers(1904 // 4, 2048 // 4).map(lambda quarter: dt.date(quarter * 4, 2, 29))
BORN = st.dates(dt.date(1900, 1, 1), dt.date(2050, 12, 31)) | LEAP_DAYS
DAYS = st.dates(dt.date(1950, 1, 1), dt.date(2150, 12, 31))
YEARS = st.integers(0, 120)
MONTHS = st.integers(0, 240)


@given(BORN, YEARS, st.sampled_from(LeapDay))
def test_a_year_is_completed_on_the_birthday_and_not_the_day_before(
    born: dt.date, years: int, leap_day: LeapDay
) -> None:
    on = birthday(born, years, leap_day)
    assert completed_years(born, on, leap_day) == years
    assert completed_years(born, on - dt.timedelta(days=1), leap_day) == years - 1


@given(BORN, DAYS, st.integers(0, 3000), st.sampled_from(LeapDay))
def test_nobody_grows_younger(born: dt.date, on: dt.date, more: int, leap_day: LeapDay) -> None:
    later = on + dt.timedelta(days=more)
    assert completed_years(born, later, leap_day) >= completed_years(born, on, leap_day)


@given(BORN, DAYS)
def test_the_two_readings_differ_on_28_february_of_a_leap_day_child_only(born: dt.date, on: dt.date) -> None:
    early, late = completed_years(born, on, FEB_28), completed_years(born, on, MAR_1)
    is_leap_child = (born.month, born.day) == (2, 29)
    is_between = is_leap_child and (on.month, on.day) == (2, 28) and on + dt.timedelta(days=1) == dt.date(on.year, 3, 1)
    assert early - late == int(is_between)


@given(DAYS, MONTHS, st.integers(0, 400))
def test_months_before_keeps_the_order_of_days(on: dt.date, months: int, more: int) -> None:
    assert months_before(on, months) <= months_before(on + dt.timedelta(days=more), months)


@given(DAYS, MONTHS, st.integers(1, 60))
def test_more_months_reach_further_back(on: dt.date, months: int, more: int) -> None:
    assert months_before(on, months + more) < months_before(on, months) <= on


@given(DAYS, MONTHS)
def test_months_before_lies_so_many_months_back(on: dt.date, months: int) -> None:
    found = months_before(on, months)
    assert (on.year - found.year) * 12 + on.month - found.month == months
    assert found.day == on.day or (found + dt.timedelta(days=1)).day == 1


@given(BORN, DAYS, st.sampled_from(LeapDay), st.integers(1, 3))
def test_a_birth_known_in_part_allows_the_ages_of_its_days_and_no_other(
    born: dt.date, on: dt.date, leap_day: LeapDay, parts: int
) -> None:
    known = PartialDate(*(born.year, born.month, born.day)[:parts])
    days = [known.earliest + dt.timedelta(days=n) for n in range((known.latest - known.earliest).days + 1)]
    ages = {completed_years(one, on, leap_day) for one in days}
    fewest, most = years_span(known, on, leap_day)
    assert ages == set(range(fewest, most + 1))
    assert years_span(born, on, leap_day) == (completed_years(born, on, leap_day),) * 2
