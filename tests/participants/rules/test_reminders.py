"""A visit owes at most one reminder a day: the newest whose day has come, while it is of use."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from participants.rules.reminders import Anchor, Owed, Stage, VisitDates, owed, stage_day

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
DAY = dt.timedelta(days=1)


def around(before: int, after: int) -> VisitDates:
    """Around 15 Mar 2026: a window from so many days before it until so many after."""
    target = dt.date(2026, 3, 15)
    return VisitDates(target, target - before * DAY, target + after * DAY)


def ends(offset: int, *, window: int = 0) -> Stage:
    return Stage("closing", Anchor.WINDOW_CLOSES, offset, 3, min_window_days=window)


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


@pytest.mark.parametrize(
    ("before", "after", "stage", "days_from_target"),
    [
        pytest.param(3, 3, Stage("T-7", Anchor.TARGET, -7, 5), -7, id="before-the-target-and-the-window"),
        pytest.param(0, 0, Stage("day", Anchor.TARGET, 0, 2), 0, id="the-target-itself"),
        pytest.param(3, 3, ends(-2), 1, id="two-days-before-the-window-closes"),
        pytest.param(3, 3, ends(1), 4, id="the-day-after-the-window"),
        pytest.param(3, 2, ends(-1), 1, id="a-warning-the-day-after-the-target"),
        pytest.param(3, 2, ends(-2), None, id="a-warning-on-the-target-says-nothing-new"),
        pytest.param(3, 1, ends(-2), None, id="a-warning-before-the-target-neither"),
        pytest.param(0, 0, ends(1), 1, id="missed-in-a-window-of-one-day"),
        pytest.param(3, 3, ends(1, window=7), 4, id="a-window-of-just-the-days-it-takes"),
        pytest.param(3, 3, ends(1, window=6), 4, id="a-window-of-one-day-more"),
        pytest.param(3, 3, ends(1, window=8), None, id="a-window-of-one-day-less"),
        pytest.param(0, 0, ends(1, window=1), 1, id="one-day-is-a-window-of-one-day"),
        pytest.param(0, 0, ends(1, window=2), None, id="one-day-is-no-window-of-two"),
        pytest.param(0, 6, Stage("T", Anchor.TARGET, -1, 1, 8), None, id="a-short-window-has-no-notice-of-its-target"),
    ],
)
def test_the_day_of_a_stage(before: int, after: int, stage: Stage, days_from_target: int | None) -> None:
    dates = around(before, after)
    expected = None if days_from_target is None else dates.target + days_from_target * DAY
    assert stage_day(stage, dates) == expected


def test_a_stage_that_names_no_window_is_for_all() -> None:
    """Any number above 1 would leave the visits of one day out."""
    assert Stage("day", Anchor.TARGET, 0, 2).min_window_days == 0
    assert stage_day(Stage("day", Anchor.TARGET, 0, 2), around(0, 0)) == around(0, 0).target


@pytest.mark.parametrize(
    ("lapses", "days_after", "is_owed"),
    [
        pytest.param(0, 0, True, id="on-its-only-day"),
        pytest.param(0, 1, False, id="after-its-only-day"),
        pytest.param(2, 2, True, id="on-its-last-day"),
        pytest.param(2, 3, False, id="the-day-after-its-last"),
        pytest.param(2, -1, False, id="the-day-before-it-is-due"),
    ],
)
def test_a_stage_lapses(lapses: int, days_after: int, is_owed: bool) -> None:
    dates = around(3, 3)
    found = owed(dates, [Stage("day", Anchor.TARGET, 0, lapses)], today=dates.target + days_after * DAY)
    expected = Owed("day", dates.target, dates.target + lapses * DAY) if is_owed else None
    assert found == expected


def test_of_two_stages_on_one_day_the_later_of_the_study_file_is_owed() -> None:
    dates = around(3, 3)
    two = [Stage("first", Anchor.TARGET, 0, 4), Stage("second", Anchor.TARGET, 0, 2)]
    assert owed(dates, two, today=dates.target) == Owed("second", dates.target, dates.target + 2 * DAY)
    assert owed(dates, two[::-1], today=dates.target) == Owed("first", dates.target, dates.target + 4 * DAY)


def test_without_a_stage_nothing_is_owed() -> None:
    assert owed(D28, [], today=D28.target) is None
    assert owed(D1, [ends(0)], today=D1.closes) is None


A_STAGE = st.builds(
    Stage,
    st.sampled_from("ABCDEF"),
    st.sampled_from(Anchor),
    st.integers(-10, 10),
    st.integers(0, 12),
    st.integers(0, 20),
)


@given(
    before=st.integers(0, 12),
    after=st.integers(0, 12),
    stages=st.lists(A_STAGE, max_size=6),
    offset=st.integers(-25, 40),
    data=st.data(),
)
def test_the_answer_depends_on_visit_and_day_alone(
    before: int, after: int, stages: list[Stage], offset: int, data: st.DataObject
) -> None:
    """It is the newest day that has come, in whatever order the stages stand, until it lapses or another comes."""
    dates = around(before, after)
    today = dates.target + offset * DAY
    days = [day for stage in stages if (day := stage_day(stage, dates)) is not None]
    found = owed(dates, stages, today=today)
    shuffled = owed(dates, data.draw(st.permutations(stages)), today=today)
    if len(set(days)) == len(days):
        assert shuffled == found
    if found is None:
        reached = [(day, one) for one in stages if (day := stage_day(one, dates)) is not None and day <= today]
        for newest, stage in sorted(reached, key=lambda pair: pair[0])[-1:]:
            assert newest + stage.lapses_after_days * DAY < today
        return
    assert found.due_on == max(day for day in days if day <= today)
    assert found.due_on <= today <= found.useful_until
    assert not [day for day in days if found.due_on < day <= found.useful_until]
    assert owed(dates, stages, today=found.due_on) == owed(dates, stages, today=found.useful_until) == found
    assert owed(dates, stages, today=found.useful_until + DAY) != found
    assert owed(dates, stages, today=found.due_on - DAY) != found


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
