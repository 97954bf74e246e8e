"""Days and ages that may leave."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sponsor.rules.deidentify import LARGEST_OFFSET, grouped_age, offset_days, shifted, study_day

DATES = st.dates(dt.date(2000, 1, 1), dt.date(2050, 12, 31))
OFFSETS = st.integers(-LARGEST_OFFSET, LARGEST_OFFSET)


@given(st.text(min_size=1, max_size=20))
def test_an_offset_is_always_drawn_again_and_never_leaves_a_day_where_it_was(name: str) -> None:
    drawn = offset_days(b"key", name)
    assert drawn == offset_days(b"key", name)
    assert 1 <= abs(drawn) <= LARGEST_OFFSET


def test_every_offset_can_be_drawn_and_another_key_draws_another() -> None:
    drawn = {offset_days(b"key", f"S-{number}") for number in range(5000)}
    assert drawn == set(range(-LARGEST_OFFSET, LARGEST_OFFSET + 1)) - {0}
    assert [offset_days(b"a", f"S-{n}") for n in range(9)] != [offset_days(b"b", f"S-{n}") for n in range(9)]


def test_without_a_key_nothing_is_shifted_in_silence() -> None:
    with pytest.raises(ValueError, match="key"):
        offset_days(b"", "S-1")


@given(DATES, DATES, OFFSETS)
def test_intervals_are_kept(first: dt.date, second: dt.date, days: int) -> None:
    moved = [dt.date.fromisoformat(shifted(day.isoformat(), days)) for day in (first, second)]
    assert moved[1] - moved[0] == second - first


@given(DATES, OFFSETS, st.sampled_from([4, 7]))
def test_what_is_left_of_a_date_in_part_holds_for_every_day_that_it_can_mean(
    day: dt.date, days: int, known: int
) -> None:
    left = shifted(day.isoformat()[:known], days)
    assert (day + dt.timedelta(days=days)).isoformat().startswith(left)
    assert len(left) <= known


@pytest.mark.parametrize(
    ("text", "days", "left"),
    [
        ("2026-03", 0, "2026-03"),
        ("2026-03", 1, "2026"),
        ("2026-12", 1, ""),
        ("2026-12", -1, "2026"),
        ("2026-02", 28, "2026-03"),
        ("2026", 1, ""),
        ("", 9, ""),
    ],
    ids=["not moved", "two months", "two years", "one year", "a short month within a long one", "a year", "nothing"],
)
def test_a_month_that_moves_comes_to_lie_in_two(text: str, days: int, left: str) -> None:
    assert shifted(text, days) == left


@pytest.mark.parametrize(
    ("day", "expected"),
    [("2026-03-05", 1), ("2026-03-06T00:00", 2), ("2026-03-04T23:59", -1), ("2026-03", None), ("", None)],
    ids=["the day itself", "the day after", "the day before", "in part", "none"],
)
def test_there_is_no_study_day_0(day: str, expected: int | None) -> None:
    assert study_day(day, "2026-03-05") == expected


@pytest.mark.parametrize(
    ("years", "left"), [(89, (89, "")), (90, (None, ">89")), (None, (None, ""))], ids=["89", "90", "not known"]
)
def test_ages_over_89_are_one_group(years: int | None, left: tuple[int | None, str]) -> None:
    assert grouped_age(years) == left
