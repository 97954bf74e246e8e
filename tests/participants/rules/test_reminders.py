"""A visit owes at most one reminder a day: the newest whose day has come, while it is of use."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from participants.rules.reminders import (
    Anchor,
    Due,
    Hold,
    Owed,
    Post,
    Quiet,
    Stage,
    VisitDates,
    due_at,
    leaves_at,
    owed,
    readers,
    sort_out,
    stage_day,
    stage_days,
    stand_in,
)

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


def test_the_days_of_a_span_are_those_of_each_stage_in_order() -> None:
    days = stage_days(D28, STAGES, first=dt.date(2026, 3, 1), last=dt.date(2026, 3, 9))
    assert [(day.day, stage.code) for day, stage in days] == [(1, "T-7"), (7, "T-1"), (8, "day"), (9, "closing")]
    assert stage_days(D28, STAGES, first=dt.date(2026, 3, 2), last=dt.date(2026, 3, 6)) == []


# --- When it leaves ----------------------------------------------------------------------------------

SITE = dt.timezone(dt.timedelta(hours=8))
NIGHT = Quiet(dt.time(21), dt.time(7))
NOON = Quiet(dt.time(12), dt.time(14))


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(f"2026-03-{text}").replace(tzinfo=SITE)


@pytest.mark.parametrize(
    ("quiet", "due", "leaves"),
    [
        pytest.param(None, "05 23:00", "05 23:00", id="nobody-asked-for-quiet"),
        pytest.param(NIGHT, "05 20:59", "05 20:59", id="a-minute-before-the-night"),
        pytest.param(NIGHT, "05 21:00", "06 07:00", id="the-night-begins"),
        pytest.param(NIGHT, "05 23:59", "06 07:00", id="late-in-the-evening"),
        pytest.param(NIGHT, "06 00:00", "06 07:00", id="midnight"),
        pytest.param(NIGHT, "06 06:59", "06 07:00", id="a-minute-before-the-morning"),
        pytest.param(NIGHT, "06 07:00", "06 07:00", id="the-morning"),
        pytest.param(NOON, "05 11:59", "05 11:59", id="before-a-rest-within-the-day"),
        pytest.param(NOON, "05 12:00", "05 14:00", id="the-rest-begins"),
        pytest.param(NOON, "05 14:00", "05 14:00", id="the-rest-is-over"),
        pytest.param(Quiet(dt.time(9), dt.time(9)), "05 09:00", "05 09:00", id="the-same-hour-twice-is-never-quiet"),
    ],
)
def test_quiet_hours_hold_back_until_they_end(quiet: Quiet | None, due: str, leaves: str) -> None:
    assert leaves_at(at(due), quiet, is_urgent=False) == at(leaves)
    assert leaves_at(at(due), quiet, is_urgent=True) == at(due)


def test_a_days_reminders_are_due_at_the_hour_of_the_study_file() -> None:
    assert due_at(dt.date(2026, 3, 5), dt.time(7, 30), zone=SITE) == at("05 07:30")


# --- Who reads it ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("away", "reachable", "reader"),
    [
        pytest.param({}, {1, 2, 3}, 1, id="present"),
        pytest.param({1: 2}, {1, 2, 3}, 2, id="the-deputy"),
        pytest.param({1: 2, 2: 3}, {1, 2, 3}, 3, id="the-deputy-of-the-deputy"),
        pytest.param({1: None}, {1, 2, 3}, None, id="nobody-stands-in"),
        pytest.param({1: 2, 2: None}, {1, 2, 3}, None, id="the-deputy-is-away-too"),
        pytest.param({1: 2, 2: 1}, {1, 2, 3}, None, id="each-for-the-other"),
        pytest.param({1: 4}, {1, 2, 3}, None, id="a-deputy-who-works-elsewhere"),
        pytest.param({}, {2, 3}, None, id="not-to-be-reached"),
    ],
)
def test_who_reads_anothers_mail(away: dict[int, int | None], reachable: set[int], reader: int | None) -> None:
    assert stand_in(1, away, reachable) == reader


@pytest.mark.parametrize(
    ("circles", "away", "told"),
    [
        pytest.param([{1, 2}, {3}], {}, {1: set(), 2: set()}, id="all-of-the-first-circle"),
        pytest.param([set(), {3}], {}, {3: set()}, id="the-second-where-the-first-is-empty"),
        pytest.param([{9}, {3}], {}, {3: set()}, id="nobody-of-the-first-can-be-reached"),
        pytest.param([{1, 2}, {3}], {1: 2}, {2: {1}}, id="for-oneself-and-for-another-at-once"),
        pytest.param([{1, 2}, {3}], {1: 3}, {2: set(), 3: {1}}, id="a-deputy-of-another-circle"),
        pytest.param([{1, 2}, {3}], {1: None}, {2: set()}, id="the-others-are-there"),
        pytest.param([{1}, {3}], {1: None}, {3: set()}, id="nobody-of-the-first-is-there"),
        pytest.param([{1}, {3}], {1: None, 3: None}, {1: set()}, id="all-are-away-told-all-the-same"),
        pytest.param([set(), {3}], {3: None}, {3: set()}, id="the-only-one-is-away"),
        pytest.param([set(), set()], {}, {}, id="there-is-nobody"),
    ],
)
def test_who_is_told(circles: list[set[int]], away: dict[int, int | None], told: dict[int, set[int]]) -> None:
    assert readers(circles, away=away, reachable={1, 2, 3}) == told


PEOPLE = st.sets(st.integers(1, 6), max_size=6)


@given(
    circles=st.lists(PEOPLE, max_size=3),
    away=st.dictionaries(st.integers(1, 6), st.one_of(st.none(), st.integers(1, 6)), max_size=6),
    reachable=PEOPLE,
)
def test_nobody_is_told_who_cannot_be_reached_and_somebody_is(
    circles: list[set[int]], away: dict[int, int | None], reachable: set[int]
) -> None:
    told = readers(circles, away=away, reachable=reachable)
    assert set(told) <= reachable
    assert bool(told) == any(circle & reachable for circle in circles)
    if any(one not in away for one in told):
        assert not [one for one in told if one in away], "whoever is away is told only where nobody else is"
    assert not [one for one, places in told.items() if one in places]


# --- What one person is sent -------------------------------------------------------------------------

MORNING = at("05 07:30")


def due(key: str, *, when: dt.datetime = MORNING, is_urgent: bool = False) -> Due:
    return Due(key, when, is_urgent)


@pytest.mark.parametrize(
    ("post", "now", "told", "mails", "held"),
    [
        pytest.param(Post(), "05 07:30", (), ["u", "a b"], {}, id="together-and-the-urgent-alone"),
        pytest.param(Post(is_single=True), "05 07:30", (), ["a", "u", "b"], {}, id="each-by-itself"),
        pytest.param(Post(), "05 07:29", (), [], {"a": "HOUR", "u": "HOUR", "b": "HOUR"}, id="before-the-hour"),
        pytest.param(Post(quiet=NIGHT), "05 21:00", (), ["u"], {"a": "QUIET", "b": "QUIET"}, id="at-night"),
        pytest.param(Post(quiet=NIGHT), "05 21:00", "u", [], {"a": "QUIET", "u": "TOLD", "b": "QUIET"}, id="told"),
        pytest.param(Post(), "05 09:00", "au", ["b"], {"a": "TOLD", "u": "TOLD"}, id="what-came-up-after-the-digest"),
    ],
)
def test_what_leaves_now(post: Post, now: str, told: str, mails: list[str], held: dict[str, str]) -> None:
    three = [due("a"), due("u", is_urgent=True), due("b")]
    found = sort_out(three, post=post, told=set(told), now=at(now))
    assert [" ".join(one.key for one in mail) for mail in found.mails] == mails
    assert {one.key: reason.name for one, reason in found.held} == held


MOMENTS = st.integers(0, 2 * 24 * 60).map(lambda minutes: at("05 00:00") + dt.timedelta(minutes=minutes))
QUIET = st.one_of(st.none(), st.builds(Quiet, st.times(), st.times()))


@given(
    things=st.lists(st.builds(Due, st.sampled_from("abcdef"), MOMENTS, st.booleans()), max_size=12),
    post=st.builds(Post, st.booleans(), QUIET),
    told=st.sets(st.sampled_from("abcdef")),
    now=MOMENTS,
)
def test_everything_due_is_in_one_place_and_nothing_twice(
    things: list[Due], post: Post, told: set[str], now: dt.datetime
) -> None:
    found = sort_out(things, post=post, told=told, now=now)
    sent = [one.key for mail in found.mails for one in mail]
    held = {one.key: reason for one, reason in found.held}
    assert sorted([*sent, *held]) == sorted({one.key for one in things}), "each once: in a mail, or held back"
    assert not told & set(sent), "nothing twice"
    last = {one.key: one for one in things}
    assert all(last[key].at <= now for key in sent), "nothing before its hour"
    quiet = [key for key, reason in held.items() if reason is Hold.QUIET]
    assert not [key for key in quiet if last[key].is_urgent], "quiet hours never delay an urgent one"
    assert len([mail for mail in found.mails if len(mail) > 1]) <= 1, "one digest"
    assert all(len(mail) == 1 for mail in found.mails if post.is_single or any(one.is_urgent for one in mail))
    again = sort_out(things, post=post, told=told | set(sent), now=now)
    assert again.mails == (), "a second sweep sends nothing"


@given(due=MOMENTS, quiet=QUIET, is_urgent=st.booleans())
def test_it_leaves_once_at_the_first_moment_that_is_not_quiet(
    due: dt.datetime, quiet: Quiet | None, is_urgent: bool
) -> None:
    leaves = leaves_at(due, quiet, is_urgent=is_urgent)
    assert due <= leaves <= due + DAY
    assert leaves_at(leaves, quiet, is_urgent=is_urgent) == leaves
    if is_urgent or quiet is None:
        assert leaves == due
    elif leaves > due:
        assert leaves.time() == quiet.until
