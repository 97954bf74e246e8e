"""Working days, holidays and worked weekends, and the day of a window that a visit is best booked for."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from participants import workdays
from participants.rules.calendar import DAY, Kind, Workdays, preferred_day

KNOWN = workdays.known()
D = dt.date.fromisoformat


@pytest.mark.parametrize(
    ("day", "kind"),
    [
        ("2025-01-27", Kind.WORKING),
        ("2025-01-28", Kind.HOLIDAY),
        ("2025-02-04", Kind.HOLIDAY),
        ("2025-02-05", Kind.WORKING),
        ("2025-01-26", Kind.MAKE_UP),
        ("2025-10-08", Kind.HOLIDAY),
        ("2025-10-11", Kind.MAKE_UP),
        ("2026-02-14", Kind.MAKE_UP),
        ("2026-02-23", Kind.HOLIDAY),
        ("2026-02-24", Kind.WORKING),
        ("2026-02-28", Kind.MAKE_UP),
        ("2026-03-01", Kind.WEEKEND),
        ("2026-09-20", Kind.MAKE_UP),
        ("2026-10-07", Kind.HOLIDAY),
        ("2026-10-08", Kind.WORKING),
        ("2027-02-08", Kind.HOLIDAY),
    ],
)
def test_the_notices_say_what_a_day_is(day: str, kind: Kind) -> None:
    assert KNOWN.kind(D(day)) is kind


def test_days_off_and_worked_weekends_balance_as_the_notices_count_them() -> None:
    """2025 has 28 days off and five worked weekends, 2026 has 33 and six; the law gives 13 in each year."""
    counts = {year: sum(day.year == year for day in KNOWN.off) for year in (2025, 2026, 2027)}
    assert counts == {2025: 28, 2026: 33, 2027: 13}
    assert sorted(day.year for day in KNOWN.worked) == [2025] * 5 + [2026] * 6
    for day in KNOWN.worked:
        assert day.weekday() >= 5
        assert day not in KNOWN.off
    for year in (2025, 2026):
        weekdays = sum(day.year == year and day.weekday() < 5 for day in KNOWN.off)
        # 13 by law; each further working day off is worked on a weekend, or stands for a holiday on one.
        assert weekdays - sum(day.year == year for day in KNOWN.worked) == 13


def test_what_is_not_known_is_said() -> None:
    assert KNOWN.unknown_years(D("2026-12-01"), D("2026-12-31")) == ()
    assert KNOWN.unknown_years(D("2026-12-01"), D("2028-01-05")) == (2027, 2028)


@pytest.mark.parametrize(
    ("target", "opens", "closes", "preferred"),
    [
        pytest.param("2026-03-05", "2026-03-02", "2026-03-08", "2026-03-05", id="a-working-day-stays"),
        pytest.param("2026-03-07", "2026-03-04", "2026-03-10", "2026-03-06", id="saturday-goes-to-friday"),
        pytest.param("2026-03-08", "2026-03-05", "2026-03-11", "2026-03-09", id="sunday-goes-to-monday"),
        pytest.param("2026-02-28", "2026-02-25", "2026-03-03", "2026-02-28", id="a-worked-saturday-stays"),
        pytest.param("2026-10-04", "2026-09-20", "2026-10-18", "2026-09-30", id="out-of-a-golden-week"),
        pytest.param("2026-10-04", "2026-10-01", "2026-10-07", "2026-10-04", id="nothing-is-worked-in-the-window"),
        pytest.param("2026-03-07", "2026-03-07", "2026-03-10", "2026-03-09", id="never-before-the-window"),
    ],
)
def test_a_working_day_near_the_target_is_preferred(target: str, opens: str, closes: str, preferred: str) -> None:
    assert preferred_day(D(target), opens=D(opens), closes=D(closes), workdays=KNOWN) == D(preferred)


@given(st.dates(dt.date(2025, 1, 1), dt.date(2027, 12, 31)), st.integers(0, 30), st.integers(0, 30))
def test_the_preference_lies_in_the_window_and_is_worked_if_anything_is(
    target: dt.date, before: int, after: int
) -> None:
    opens, closes = target - before * DAY, target + after * DAY
    found = preferred_day(target, opens=opens, closes=closes, workdays=KNOWN)
    assert opens <= found <= closes
    others = [opens + number * DAY for number in range(before + after + 1)]
    if KNOWN.is_worked(found):
        assert all(abs((day - target).days) >= abs((found - target).days) for day in others if KNOWN.is_worked(day))
    else:
        assert found == target
        assert not any(map(KNOWN.is_worked, others))


def test_without_any_list_only_weekends_are_known() -> None:
    assert Workdays().kind(D("2026-10-01")) is Kind.WORKING
    assert Workdays().kind(D("2026-10-03")) is Kind.WEEKEND
