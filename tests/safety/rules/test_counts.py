"""When the next neutrophil count is due: the days on both sides of each limit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safety.rules.counts import CountPolicy, DueCount, Stage, due_count
from safety.rules.icaht import MAX_GAP_DAYS

WEEKLY = CountPolicy(within_days=7, told_days_before=2)
COMING, OVERDUE = Stage.COMING, Stage.OVERDUE


@pytest.mark.parametrize(
    ("last_day", "today", "expected"),
    [
        pytest.param(14, 18, None, id="three-days-before"),
        pytest.param(14, 19, DueCount(21, COMING, 21), id="two-days-before"),
        pytest.param(14, 21, DueCount(21, COMING, 21), id="on-the-day"),
        pytest.param(14, 22, DueCount(21, OVERDUE, 30), id="a-day-late"),
        pytest.param(14, 30, DueCount(21, OVERDUE, 30), id="late-on-the-last-day"),
        pytest.param(14, 31, None, id="after-the-last-day"),
        pytest.param(23, 30, DueCount(30, COMING, 30), id="due-on-the-last-day"),
        pytest.param(24, 30, None, id="due-after-the-last-day"),
        pytest.param(None, 4, None, id="no-count-yet-day-4"),
        pytest.param(None, 5, DueCount(7, COMING, 7), id="no-count-yet-day-5"),
        pytest.param(None, 8, DueCount(7, OVERDUE, 30), id="no-count-yet-day-8"),
        pytest.param(-3, 5, DueCount(7, COMING, 7), id="a-count-before-day-0-moves-nothing"),
        pytest.param(-3, 4, None, id="a-count-before-day-0-makes-nothing-earlier"),
        pytest.param(0, 5, DueCount(7, COMING, 7), id="a-count-of-day-0"),
        pytest.param(None, -1, None, id="before-day-0"),
    ],
)
def test_the_next_count(last_day: int | None, today: int, expected: DueCount | None) -> None:
    assert due_count(last_day=last_day, today=today, policy=WEEKLY) == expected


@pytest.mark.parametrize(
    ("policy", "today", "expected"),
    [
        pytest.param(CountPolicy(3, 0), 16, None, id="told-on-the-day-alone"),
        pytest.param(CountPolicy(3, 0), 17, DueCount(17, COMING, 17), id="on-the-day"),
        pytest.param(CountPolicy(1, 6), 14, DueCount(15, COMING, 15), id="every-day"),
    ],
)
def test_the_study_says_how_far_apart_and_how_early(policy: CountPolicy, today: int, expected: DueCount | None) -> None:
    assert due_count(last_day=14, today=today, policy=policy) == expected


POLICY = st.builds(CountPolicy, st.integers(1, 7), st.integers(0, 6))


@given(st.none() | st.integers(-10, 40), st.integers(-5, 45), POLICY)
def test_a_count_of_today_answers_what_was_overdue(last_day: int | None, today: int, policy: CountPolicy) -> None:
    before = due_count(last_day=last_day, today=today, policy=policy)
    after = due_count(last_day=today, today=today, policy=policy)
    assert after is None or after.stage is COMING
    if before is not None and after is not None and (last_day is None or last_day <= today):
        assert after.due_day >= before.due_day


@given(st.integers(0, 30), POLICY)
def test_who_counts_when_asked_leaves_no_gap_that_the_grade_cannot_bridge(first: int, policy: CountPolicy) -> None:
    due = due_count(last_day=first, today=first + policy.within_days, policy=policy)
    assert first + policy.within_days > 30 or due is not None
    assert policy.within_days <= MAX_GAP_DAYS
