"""A visit owes at most one reminder a day: the newest whose day has come, while it is of use."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from participants.rules.reminders import Anchor, Stage, VisitDates, owed

STAGES = [
    Stage("T-7", Anchor.TARGET, -7, 30),
    Stage("T-1", Anchor.TARGET, -1, 30),
    Stage("day", Anchor.TARGET, 0, 30),
    Stage("closing-7", Anchor.WINDOW_CLOSES, -7, 30, min_window_days=28),
    Stage("closing", Anchor.WINDOW_CLOSES, -2, 30),
    Stage("missed", Anchor.WINDOW_CLOSES, 1, 7),
]
D28 = VisitDates(dt.date(2026, 3, 8), dt.date(2026, 3, 5), dt.date(2026, 3, 11))
D1 = VisitDates(dt.date(2026, 3, 8), dt.date(2026, 3, 8), dt.date(2026, 3, 8))
M12 = VisitDates(dt.date(2026, 3, 15), dt.date(2026, 3, 1), dt.date(2026, 3, 29))


@pytest.mark.parametrize(
    ("visit", "today", "stage"),
    [
        pytest.param(D28, "2026-02-28", None, id="eight-days-before-nothing"),
        pytest.param(D28, "2026-03-01", "T-7", id="seven-days-before"),
        pytest.param(D28, "2026-03-04", "T-7", id="after-three-silent-days-still-the-one-of-seven"),
        pytest.param(D28, "2026-03-06", "T-7", id="two-days-before"),
        pytest.param(D28, "2026-03-07", "T-1", id="the-day-before"),
        pytest.param(D28, "2026-03-08", "day", id="the-day-itself"),
        pytest.param(D28, "2026-03-09", "closing", id="two-days-before-the-window-closes"),
        pytest.param(D28, "2026-03-11", "closing", id="the-last-day-of-the-window"),
        pytest.param(D28, "2026-03-12", "missed", id="the-day-after-the-window"),
        pytest.param(D28, "2026-03-19", "missed", id="missed-for-seven-days-more"),
        pytest.param(D28, "2026-03-20", None, id="then-it-has-lapsed"),
        pytest.param(D1, "2026-03-08", "day", id="a-one-day-window-has-no-closing"),
        pytest.param(D1, "2026-03-09", "missed", id="a-one-day-window-is-missed-the-day-after"),
        pytest.param(M12, "2026-03-22", "closing-7", id="a-long-window-warns-a-week-before-it-closes"),
        pytest.param(M12, "2026-03-27", "closing", id="and-again-two-days-before"),
    ],
)
def test_the_stage_owed(visit: VisitDates, today: str, stage: str | None) -> None:
    found = owed(visit, STAGES, today=dt.date.fromisoformat(today))
    assert (found and found.stage) == stage


def test_a_stage_is_useful_until_the_next_begins() -> None:
    found = owed(D28, STAGES, today=dt.date(2026, 3, 1))
    assert found is not None
    assert (found.due_on, found.useful_until) == (dt.date(2026, 3, 1), dt.date(2026, 3, 6))


@given(
    target=st.dates(dt.date(2026, 1, 1), dt.date(2026, 12, 31)),
    before=st.integers(0, 60),
    after=st.integers(0, 60),
    offset=st.integers(-80, 80),
)
def test_what_is_owed_has_come_and_is_still_of_use(target: dt.date, before: int, after: int, offset: int) -> None:
    visit = VisitDates(target, target - dt.timedelta(days=before), target + dt.timedelta(days=after))
    today = target + dt.timedelta(days=offset)
    found = owed(visit, STAGES, today=today)
    if found is not None:
        assert found.due_on <= today <= found.useful_until
        assert (found.stage == "missed") == (today > visit.closes)
