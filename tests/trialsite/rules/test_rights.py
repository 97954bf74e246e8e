"""Rights told from statements: both sides of each midnight at the site, of an end, and of a token's last moment."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trialsite.rules.reviews import is_due, reminder
from trialsite.rules.rights import Act, Kind, Right, Span, Stated, held_on, spans, within_day

SHANGHAI = ZoneInfo("Asia/Shanghai")
DAY = dt.date(2026, 11, 3)
ROLE, OTHER = Right(7, Kind.ROLE, "1"), Right(7, Kind.ROLE, "2")
SECOND = dt.timedelta(seconds=1)
MIDNIGHT = dt.datetime(2026, 11, 3, tzinfo=SHANGHAI)
NEXT = MIDNIGHT + dt.timedelta(days=1)


def said(at: dt.datetime, *rights: Right, row: str = "1", **more: object) -> Stated:
    return Stated(("role", row), Act(at, "bob"), frozenset(rights), **more)  # type: ignore[arg-type]


def held(*stated: Stated, on: dt.date = DAY) -> list[Right]:
    return [span.right for span in held_on(spans(stated), on, SHANGHAI)]


@pytest.mark.parametrize(
    ("given_at", "is_held"),
    [(MIDNIGHT, True), (NEXT - SECOND, True), (NEXT, False), (MIDNIGHT - SECOND, True)],
)
def test_a_right_is_held_from_the_day_on_which_it_was_given(given_at: dt.datetime, is_held: bool) -> None:
    assert (held(said(given_at, ROLE)) == [ROLE]) is is_held


@pytest.mark.parametrize(
    ("taken_at", "is_held"), [(MIDNIGHT - SECOND, False), (MIDNIGHT, False), (MIDNIGHT + SECOND, True), (NEXT, True)]
)
def test_a_right_is_held_to_the_day_on_which_it_was_taken_away(taken_at: dt.datetime, is_held: bool) -> None:
    start = MIDNIGHT - dt.timedelta(days=9)
    assert (held(said(start, ROLE), said(taken_at)) == [ROLE]) is is_held


def test_the_day_is_that_of_the_site_whatever_zone_the_database_speaks() -> None:
    evening_before_in_utc = dt.datetime(2026, 11, 2, 16, 0, tzinfo=dt.UTC)
    assert held(said(evening_before_in_utc, ROLE)) == [ROLE]
    assert held(said(evening_before_in_utc, ROLE), on=DAY - dt.timedelta(days=1)) == []


def test_given_and_taken_within_one_day_was_held_on_it() -> None:
    (span,) = held_on(spans([said(MIDNIGHT + SECOND, ROLE), said(NEXT - SECOND)]), DAY, SHANGHAI)
    assert within_day(span, DAY, SHANGHAI) == (MIDNIGHT + SECOND, NEXT - SECOND)
    assert span.taken == Act(NEXT - SECOND, "bob")


def test_a_whole_day_has_no_hours() -> None:
    (span,) = held_on(spans([said(MIDNIGHT, ROLE), said(NEXT)]), DAY, SHANGHAI)
    assert within_day(span, DAY, SHANGHAI) == (None, None)


def test_what_was_found_has_no_hour_at_which_it_began() -> None:
    (span,) = spans([said(MIDNIGHT + SECOND, ROLE, is_found=True)])
    assert within_day(span, DAY, SHANGHAI) == (None, None)


def test_a_row_that_comes_to_say_something_else_ends_the_one_and_begins_the_other() -> None:
    one, two = spans([said(MIDNIGHT, ROLE), said(NEXT, OTHER)])
    assert (one.right, one.until, two.right, two.until) == (ROLE, NEXT, OTHER, None)


def test_a_right_that_stays_while_its_row_changes_is_one() -> None:
    (span,) = spans([said(MIDNIGHT, ROLE), said(NEXT, ROLE)])
    assert span == Span(ROLE, Act(MIDNIGHT, "bob"), is_found=False)


@pytest.mark.parametrize(
    ("taken_at", "until", "was_taken"),
    [
        (None, MIDNIGHT, False),
        (MIDNIGHT - SECOND, MIDNIGHT - SECOND, True),
        (MIDNIGHT, MIDNIGHT, False),
        (NEXT, MIDNIGHT, False),
    ],
)
def test_a_token_ends_when_it_runs_out_or_is_taken_away_before(
    taken_at: dt.datetime | None, until: dt.datetime, was_taken: bool
) -> None:
    token = Right(7, Kind.TOKEN, "abc")
    given_at = MIDNIGHT - dt.timedelta(days=9)
    stated = [said(given_at, token, expires=MIDNIGHT), *([said(taken_at)] if taken_at else [])]
    (span,) = spans(stated)
    assert (span.until, span.taken is not None) == (until, was_taken)


@given(st.lists(st.tuples(st.sampled_from("12"), st.booleans()), max_size=12))
def test_at_any_moment_exactly_what_was_last_said_of_each_row_is_held(steps: list[tuple[str, bool]]) -> None:
    stated, now = [], {"1": False, "2": False}
    for number, (row, is_there) in enumerate(steps):
        right = Right(7, Kind.ROLE, row)
        stated.append(said(MIDNIGHT + number * SECOND, *([right] if is_there else []), row=row))
        now[row] = is_there
    still = {span.right.what for span in spans(stated) if span.until is None}
    assert still == {row for row, is_there in now.items() if is_there}


@pytest.mark.parametrize(
    ("last", "today", "due", "number"),
    [
        (None, DAY, True, 0),
        (dt.date(2025, 11, 3), dt.date(2026, 11, 2), False, None),
        (dt.date(2025, 11, 3), dt.date(2026, 11, 3), True, 0),
        (dt.date(2025, 11, 3), dt.date(2026, 12, 2), True, 0),
        (dt.date(2025, 11, 3), dt.date(2026, 12, 3), True, 1),
    ],
)
def test_a_review_is_due_after_its_days_and_asked_for_again(
    last: dt.date | None, today: dt.date, due: bool, number: int | None
) -> None:
    assert is_due(last, 365, today) is due
    assert reminder(last, 365, today) == number
