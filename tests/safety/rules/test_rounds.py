"""Assessments at least twice a day from Day 0 to Day 14 in hospital, and the ICE score before the infusion."""

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safety.rules.rounds import Looked, Round, RoundPolicy, State, baseline, next_round

SITE = ZoneInfo("Asia/Shanghai")
START = dt.datetime(2026, 3, 5, 10, tzinfo=SITE)
# The first moment of Day 15.
UNTIL = dt.datetime(2026, 3, 20, tzinfo=SITE)
SECOND = dt.timedelta(seconds=1)
HOUR = dt.timedelta(hours=1)
W, O, V = State.WAITING, State.OPEN, State.OVERDUE  # noqa: E741


def round_at(
    now: dt.datetime,
    at: dt.datetime | None = None,
    *,
    grade: int | None = 0,
    present_at: dt.datetime | None = None,
    until: dt.datetime = UNTIL,
) -> Round | None:
    looked = Looked(at, grade, at if grade else present_at)
    return next_round(start=START, looked=[looked], until=until, now=now)


@pytest.mark.parametrize(
    ("after", "state"),
    [
        pytest.param(0 * HOUR, W, id="at-the-infusion"),
        pytest.param(8 * HOUR - SECOND, W, id="just-before-8-h"),
        pytest.param(8 * HOUR, O, id="exactly-8-h"),
        pytest.param(12 * HOUR, O, id="exactly-12-h"),
        pytest.param(12 * HOUR + SECOND, V, id="12-h-and-a-second"),
    ],
)
@pytest.mark.parametrize("last", [None, START + 30 * HOUR], ids=["from-the-infusion", "from-the-last"])
def test_open_from_8_hours_overdue_after_12(last: dt.datetime | None, after: dt.timedelta, state: State) -> None:
    base = last or START
    found = round_at(base + after, *([last] if last else []))
    assert found is not None
    assert (found.opens_at, found.due_at, found.state) == (base + 8 * HOUR, base + 12 * HOUR, state)


@pytest.mark.parametrize(
    ("hours", "missed"),
    [
        pytest.param(12, None, id="12-h-nothing-missed"),
        pytest.param(13, 12, id="13-h-the-first"),
        pytest.param(24, 12, id="24-h-the-second-is-due-now"),
        pytest.param(25, 24, id="25-h-the-second"),
        pytest.param(84, 72, id="three-days-and-a-half-of-silence"),
    ],
)
def test_each_twelve_hours_without_anybody_are_a_round_missed(hours: int, missed: int | None) -> None:
    found = round_at(START + hours * HOUR)
    assert found is not None
    assert found.due_at == START + 12 * HOUR
    assert found.missed_at == (None if missed is None else START + missed * HOUR)


@pytest.mark.parametrize(
    ("now", "last", "state"),
    [
        pytest.param(UNTIL - HOUR / 60, UNTIL - 16 * HOUR, V, id="day-14-23:59-overdue"),
        pytest.param(UNTIL, UNTIL - 16 * HOUR, None, id="day-15-no-more"),
        pytest.param(UNTIL + 5 * HOUR, UNTIL - 16 * HOUR, None, id="day-15-morning"),
        pytest.param(UNTIL - HOUR, UNTIL - 12 * HOUR - SECOND, O, id="due-in-the-last-second"),
        pytest.param(UNTIL - HOUR, UNTIL - 12 * HOUR, None, id="would-be-due-on-day-15"),
        pytest.param(START - SECOND, START - HOUR, None, id="before-the-infusion"),
    ],
)
def test_until_the_end_of_day_14(now: dt.datetime, last: dt.datetime, state: State | None) -> None:
    found = round_at(now, last)
    assert (found.state if found else None) == state


@pytest.mark.parametrize(
    ("now", "state"),
    [
        pytest.param(START + 15 * HOUR, V, id="while-in-hospital"),
        pytest.param(START + 20 * HOUR - SECOND, V, id="the-second-before"),
        pytest.param(START + 20 * HOUR, None, id="from-discharge-on"),
    ],
)
def test_none_after_discharge_or_death(now: dt.datetime, state: State | None) -> None:
    found = round_at(now, until=START + 20 * HOUR)
    assert (found.state if found else None) == state


def test_assessments_before_the_start_do_not_count() -> None:
    found = round_at(START + 9 * HOUR, START - HOUR)
    assert found == Round(START + 8 * HOUR, START + 12 * HOUR, O)


def test_a_study_may_choose_every_nine_hours() -> None:
    often = RoundPolicy(every=(9 * HOUR,))
    found = next_round(start=START, looked=[], until=UNTIL, now=START + 20 * HOUR, policy=often)
    assert found == Round(START + 6 * HOUR, START + 9 * HOUR, V, START + 18 * HOUR)


# --- By grade ------------------------------------------------------------------------------------

HOURS = {0: 12, 1: 8, 2: 6, 3: 4, 4: 2, 5: 2, None: 12}


@pytest.mark.parametrize(
    ("grade", "after", "state"),
    [
        pytest.param(grade, after, state, id=f"grade-{grade}-{name}")
        for grade, hours in HOURS.items()
        for name, after, state in (
            ("waits", hours * HOUR * 2 / 3 - SECOND, W),
            ("may-be-done", hours * HOUR * 2 / 3, O),
            ("on-time", hours * HOUR, O),
            ("late", hours * HOUR + SECOND, V),
        )
    ],
)
def test_the_worse_the_sooner(grade: int | None, after: dt.timedelta, state: State) -> None:
    at = START + 30 * HOUR
    found = round_at(at + after, at, grade=grade)
    assert found is not None
    assert (found.state, found.due_at) == (state, at + HOURS[grade] * HOUR)


def test_the_worst_grade_decides_how_soon_and_the_oldest_from_when() -> None:
    looked = [Looked(START + 10 * HOUR, 3, START + 10 * HOUR), Looked(START + 8 * HOUR, 0)]
    found = next_round(start=START, looked=looked, until=UNTIL, now=START + 10 * HOUR)
    assert found is not None
    assert found.due_at == START + 12 * HOUR


@pytest.mark.parametrize(("worst", "hours"), [(None, 12), (0, 12), (1, 8), (2, 6), (3, 4), (4, 2)])
def test_one_good_reading_does_not_end_a_close_watch(worst: int | None, hours: int) -> None:
    last = START + 30 * HOUR
    looked = Looked(last, 0, last - HOUR if worst else None, worst)
    found = next_round(start=START, looked=[looked], until=UNTIL, now=last)
    assert found is not None
    assert found.due_at == last + hours * HOUR


def test_a_severe_one_that_nobody_looks_at_is_missed_again_as_often_as_without_a_grade() -> None:
    found = round_at(START + 40 * HOUR, START + 10 * HOUR, grade=4)
    assert found is not None
    assert (found.due_at, found.missed_at) == (START + 12 * HOUR, START + 36 * HOUR)


# --- What is still there -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("last", "grade", "present_at", "is_owed"),
    [
        pytest.param(UNTIL - HOUR, 1, None, True, id="grade-1-on-day-14"),
        pytest.param(UNTIL + 9 * HOUR, 1, None, True, id="grade-1-on-day-15"),
        pytest.param(UNTIL - HOUR, 0, None, False, id="never-there"),
        pytest.param(UNTIL - HOUR, 0, UNTIL - 25 * HOUR, False, id="gone-for-24-h"),
        pytest.param(UNTIL - HOUR, 0, UNTIL - 25 * HOUR + SECOND, True, id="gone-for-a-second-less"),
        pytest.param(UNTIL - HOUR, None, UNTIL - 9 * HOUR, True, id="not-gradable-ends-nothing"),
        pytest.param(UNTIL - 30 * HOUR, 2, None, True, id="nobody-came-for-a-day"),
    ],
)
def test_an_open_toxicity_is_owed_after_day_14_and_after_discharge(
    last: dt.datetime, grade: int | None, present_at: dt.datetime | None, is_owed: bool
) -> None:
    now = UNTIL + 10 * HOUR
    for until in (UNTIL, UNTIL - 20 * HOUR):
        assert (round_at(now, last, grade=grade, present_at=present_at, until=until) is not None) == is_owed


LYMPHODEPLETION = dt.datetime(2026, 2, 28, tzinfo=SITE)
PLANNED = dt.datetime(2026, 3, 5, tzinfo=SITE)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        pytest.param({}, O, id="due-in-lymphodepletion"),
        pytest.param({"now": LYMPHODEPLETION}, O, id="from-its-day-on"),
        pytest.param({"now": LYMPHODEPLETION - SECOND}, None, id="not-before"),
        pytest.param({"lymphodepletion_from": None}, None, id="without-lymphodepletion"),
        pytest.param({"now": PLANNED - SECOND}, O, id="the-evening-before-the-infusion"),
        pytest.param({"now": PLANNED}, V, id="late-on-the-planned-day"),
        pytest.param({"now": PLANNED, "planned_from": None}, O, id="no-day-is-planned"),
        pytest.param({"infused_at": START, "now": START}, None, id="infused"),
        pytest.param({"scored": [LYMPHODEPLETION]}, None, id="scored-on-its-day"),
        pytest.param({"scored": [LYMPHODEPLETION - SECOND]}, O, id="scored-before"),
        pytest.param({"scored": [PLANNED]}, O, id="a-score-of-later-does-not-count-yet"),
    ],
)
def test_the_baseline_is_due_once(facts: dict[str, Any], expected: State | None) -> None:
    usual: dict[str, Any] = {
        "lymphodepletion_from": LYMPHODEPLETION,
        "infused_at": None,
        "planned_from": PLANNED,
        "scored": [],
        "now": LYMPHODEPLETION + 30 * HOUR,
    }
    assert baseline(**{**usual, **facts}) == expected


# --- What must always hold -----------------------------------------------------------------------

MOMENTS = st.integers(-12 * 3600, 16 * 24 * 3600).map(lambda seconds: START + seconds * SECOND)


GRADES = st.one_of(st.none(), st.integers(0, 5))


@given(st.one_of(st.none(), MOMENTS), GRADES, MOMENTS)
def test_a_round_follows_the_last_assessment(last: dt.datetime | None, grade: int | None, now: dt.datetime) -> None:
    found = round_at(now, last, grade=grade)
    if found is None:
        return
    base = max(last or START, START)
    assert base < found.opens_at < found.due_at <= base + 12 * HOUR
    assert found.due_at < UNTIL or grade
    assert (found.missed_at is not None) == (found.state is V) == (now > found.due_at)
    if found.missed_at is not None:
        assert found.due_at <= found.missed_at < now <= found.missed_at + 12 * HOUR


@given(MOMENTS, GRADES)
def test_assessed_just_now_nothing_is_due(now: dt.datetime, grade: int | None) -> None:
    found = round_at(now, now, grade=grade)
    assert found is None or found.state is W


@given(MOMENTS, st.integers(0, 3))
def test_a_worse_grade_is_never_due_later(at: dt.datetime, grade: int) -> None:
    low, high = (round_at(at, at, grade=one) for one in (grade, grade + 1))
    assert low is None or (high is not None and high.due_at < low.due_at)
