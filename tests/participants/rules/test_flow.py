"""The participant flow: what each box counts, and that the boxes add up, whatever happened."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from participants.flowchart import as_data, boxes
from participants.rules.flow import (
    Flow,
    History,
    Leaving,
    Place,
    Step,
    Tally,
    flow,
    infusion_missed,
    participation_end,
    place,
    screening_end,
    total,
)
from participants.rules.status import TRANSITIONS, Status

S = Status
DAY = dt.timedelta(days=1)
START, TODAY = dt.date(2026, 1, 1), dt.date(2026, 12, 31)
CODES = ("", "not_eligible", "adverse_event", "withdrawal_by_subject", "death")


def history(*statuses: Status, code: str = "", criteria: tuple[str, ...] = (), again: bool = False) -> History:
    """Screened first; the last status has the reason and the criteria."""
    steps = [Step(S.SCREENING, START)]
    steps += [Step(status, START + (index + 1) * DAY) for index, status in enumerate(statuses)]
    if statuses:
        steps[-1] = Step(steps[-1].status, steps[-1].on, code, criteria)
    return History(tuple(steps), is_rescreening=again)


def count(*histories: History, as_of: dt.date = TODAY) -> Flow:
    return flow(histories, as_of=as_of)


# --- one history -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        pytest.param((), Place.IN_SCREENING, id="nothing-yet"),
        pytest.param((S.SCREEN_FAILED,), Place.FAILED, id="failed"),
        pytest.param((S.SCREEN_FAILED, S.DIED), Place.FAILED, id="failed-and-died-later"),
        pytest.param((S.WITHDRAWN,), Place.LEFT, id="withdrew"),
        pytest.param((S.DIED,), Place.LEFT, id="died"),
        pytest.param((S.ENROLLED, S.DIED), Place.ENROLLED, id="enrolled-and-died-later"),
    ],
)
def test_everybody_who_was_screened_has_one_place(statuses: tuple[Status, ...], expected: Place) -> None:
    assert place((S.SCREENING, *statuses)) == expected


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        pytest.param((S.INFUSED, S.IN_FOLLOW_UP), None, id="goes-on"),
        pytest.param((S.INFUSED, S.LOST_TO_FOLLOW_UP), 2, id="lost"),
        pytest.param((S.INFUSED, S.LOST_TO_FOLLOW_UP, S.IN_FOLLOW_UP), None, id="lost-and-found"),
        pytest.param((S.INFUSED, S.LOST_TO_FOLLOW_UP, S.DIED), 3, id="lost-then-known-to-have-died"),
        pytest.param((S.INFUSED, S.WITHDRAWN, S.DIED), 2, id="withdrew-and-died-later"),
        pytest.param((S.INFUSED, S.IN_FOLLOW_UP, S.COMPLETED, S.DIED), 3, id="completed-and-died-later"),
        pytest.param((S.INFUSED, S.RELAPSED), None, id="relapsed-still-followed"),
    ],
)
def test_the_end_is_the_first_step_without_return(statuses: tuple[Status, ...], expected: int | None) -> None:
    assert participation_end((S.ENROLLED, *statuses)) == expected


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        pytest.param((S.ENROLLED, S.LYMPHODEPLETED), None, id="still-possible"),
        pytest.param((S.ENROLLED, S.INFUSED, S.DIED), None, id="was-given"),
        pytest.param((S.ENROLLED, S.RELAPSED, S.WITHDRAWN), 1, id="the-relapse-took-it-away"),
    ],
)
def test_an_infusion_is_missed_from_the_first_step_that_rules_it_out(
    statuses: tuple[Status, ...], expected: int | None
) -> None:
    assert infusion_missed(statuses) == expected


def test_nothing_has_ended_before_the_first_step() -> None:
    assert (screening_end(()), participation_end(()), infusion_missed(())) == (None, None, None)


# --- all of them -------------------------------------------------------------------------------


def test_a_person_who_is_screened_again_counts_once() -> None:
    numbers = count(history(S.SCREEN_FAILED), history(S.ENROLLED, again=True), history())
    assert (numbers.screenings, numbers.persons, numbers.rescreenings) == (3, 2, 1)
    assert (numbers.failed, numbers.enrolled, numbers.in_screening) == (1, 1, 1)


def test_one_person_can_fail_several_criteria() -> None:
    numbers = count(
        history(S.SCREEN_FAILED, code="not_eligible", criteria=("EXCL04", "INCL08", "INCL08")),
        history(S.SCREEN_FAILED, code="not_eligible", criteria=("INCL08",)),
        history(S.SCREEN_FAILED, code="physician_decision"),
        history(S.SCREEN_FAILED),
    )
    assert numbers.criteria == (Tally("EXCL04", 1), Tally("INCL08", 2))
    assert (numbers.not_eligible, numbers.failed) == (2, 4)
    assert numbers.failed_otherwise == (Tally("", 1), Tally("physician_decision", 1))


def test_why_somebody_was_not_infused_is_the_step_that_took_the_infusion_away() -> None:
    numbers = count(
        history(S.ENROLLED, S.WITHDRAWN, code="withdrawal_by_subject"),
        history(S.ENROLLED, S.RELAPSED, S.DIED),
        history(S.ENROLLED, S.LYMPHODEPLETED, S.DIED, code="adverse_event"),
        history(S.ENROLLED),
        history(S.ENROLLED, S.LYMPHODEPLETED),
    )
    assert numbers.left_before_lymphodepletion == (
        Leaving(S.RELAPSED, "", 1),
        Leaving(S.WITHDRAWN, "withdrawal_by_subject", 1),
    )
    assert numbers.left_before_infusion == (Leaving(S.DIED, "adverse_event", 1),)
    assert (numbers.waiting_for_lymphodepletion, numbers.waiting_for_infusion) == (1, 1)
    assert (numbers.enrolled, numbers.lymphodepleted, numbers.infused, numbers.not_infused) == (5, 2, 0, 3)


@pytest.mark.parametrize(
    ("statuses", "with_it", "without"),
    [
        pytest.param((S.LYMPHODEPLETED, S.INFUSED), 1, 0, id="as-the-protocol-wants-it"),
        pytest.param((S.INFUSED,), 0, 1, id="never-given"),
        pytest.param((S.RELAPSED,), 0, 0, id="neither"),
        pytest.param((S.LYMPHODEPLETED,), 1, 0, id="not-infused-yet"),
        pytest.param((S.INFUSED, S.LYMPHODEPLETED), 0, 1, id="given-after-the-cells"),
    ],
)
def test_infused_without_lymphodepletion_is_not_lymphodepleted(
    statuses: tuple[Status, ...], with_it: int, without: int
) -> None:
    numbers = count(history(S.ENROLLED, *statuses))
    assert (numbers.lymphodepleted, numbers.infused_without_lymphodepletion) == (with_it, without)
    assert numbers.infused == int(S.INFUSED in statuses)
    shown = {box.code: box for box in boxes(numbers)}
    assert ("infused_without_lymphodepletion" in shown) == bool(without)
    assert [line.count for line in shown["infused"].lines] == ([0, 1] if without else [])
    assert as_data(numbers)["infused_without_lymphodepletion"]["count"] == without


def test_after_the_infusion_everybody_has_one_box() -> None:
    infused = (S.ENROLLED, S.INFUSED)
    numbers = count(
        history(*infused),
        history(*infused, S.IN_FOLLOW_UP),
        history(*infused, S.RELAPSED),
        history(*infused, S.RELAPSED, S.LOST_TO_FOLLOW_UP, S.IN_FOLLOW_UP),
        history(*infused, S.IN_FOLLOW_UP, S.COMPLETED),
        history(*infused, S.IN_FOLLOW_UP, S.COMPLETED, S.DIED),
        history(*infused, S.WITHDRAWN, code="withdrawal_by_subject"),
        history(*infused, S.LOST_TO_FOLLOW_UP, code="lost_to_follow_up"),
        history(*infused, S.DIED, code="death"),
        history(*infused, S.DIED, code="adverse_event"),
    )
    assert (numbers.in_follow_up, numbers.relapsed, numbers.completed) == (2, 2, 2)
    assert numbers.discontinued == (
        Leaving(S.WITHDRAWN, "withdrawal_by_subject", 1),
        Leaving(S.LOST_TO_FOLLOW_UP, "lost_to_follow_up", 1),
        Leaving(S.DIED, "adverse_event", 1),
        Leaving(S.DIED, "death", 1),
    )


def test_a_day_in_the_past_knows_nothing_of_what_came_later() -> None:
    one = history(S.ENROLLED, S.INFUSED)
    assert count(one, as_of=START - DAY).screenings == 0
    assert count(one, as_of=START).in_screening == 1
    assert count(one, as_of=START + DAY).enrolled == 1
    assert count(one, as_of=START + DAY).infused == 0
    assert count(one, as_of=START + 2 * DAY).infused == 1


# --- laws --------------------------------------------------------------------------------------


@st.composite
def possible(draw: st.DrawFn) -> History:
    """A walk through the transition table, with days that never go back."""
    status, on = S.SCREENING, START
    steps = [Step(status, on)]
    for _n in range(draw(st.integers(0, 7))):
        if not TRANSITIONS[status]:
            break
        status = draw(st.sampled_from(sorted(TRANSITIONS[status])))
        on += draw(st.integers(0, 40)) * DAY
        criteria = draw(st.lists(st.sampled_from(("INCL03", "EXCL04", "EXCL09")), max_size=3))
        steps.append(Step(status, on, draw(st.sampled_from(CODES)), tuple(criteria)))
    return History(tuple(steps), draw(st.booleans()))


@st.composite
def any_at_all(draw: st.DrawFn) -> History:
    """What no table allows, as a wrong import might bring it."""
    statuses = draw(st.lists(st.sampled_from(list(S)), max_size=6))
    return History(tuple(Step(status, START) for status in statuses), draw(st.booleans()))


DAYS = st.integers(0, 300).map(lambda days: START + days * DAY)


@given(st.lists(possible() | any_at_all(), max_size=25), DAYS)
def test_the_boxes_add_up(histories: list[History], as_of: dt.date) -> None:
    numbers = count(*histories, as_of=as_of)
    left = total(numbers.left_before_enrolment)
    assert numbers.screenings == numbers.enrolled + numbers.failed + numbers.in_screening + left
    assert numbers.persons + numbers.rescreenings == numbers.screenings
    assert numbers.enrolled == numbers.infused + numbers.not_infused + numbers.waiting
    assert numbers.enrolled == (
        numbers.lymphodepleted
        + numbers.infused_without_lymphodepletion
        + numbers.waiting_for_lymphodepletion
        + total(numbers.left_before_lymphodepletion)
    )
    assert numbers.lymphodepleted == (
        numbers.infused
        - numbers.infused_without_lymphodepletion
        + numbers.waiting_for_infusion
        + total(numbers.left_before_infusion)
    )
    followed = numbers.in_follow_up + numbers.relapsed
    assert numbers.infused == followed + numbers.completed + total(numbers.discontinued)
    assert numbers.failed == numbers.not_eligible + total(numbers.failed_otherwise)


@given(st.lists(possible(), max_size=25))
def test_criteria_are_counted_once_for_each_who_failed_them(histories: list[History]) -> None:
    numbers = count(*histories)
    assert all(0 < one.count <= numbers.not_eligible for one in numbers.criteria)
    assert total(numbers.criteria) >= numbers.not_eligible


@given(st.lists(possible(), max_size=12), st.lists(possible(), max_size=12), DAYS)
def test_two_sites_are_counted_as_each_by_itself(one: list[History], two: list[History], as_of: dt.date) -> None:
    both, first, second = count(*one, *two, as_of=as_of), count(*one, as_of=as_of), count(*two, as_of=as_of)
    for name in ("screenings", "rescreenings", "failed", "enrolled", "infused", "in_follow_up", "completed"):
        assert getattr(both, name) == getattr(first, name) + getattr(second, name)


@given(st.lists(possible(), max_size=12), DAYS, DAYS)
def test_who_was_once_enrolled_or_infused_stays_so(histories: list[History], one: dt.date, two: dt.date) -> None:
    before, after = count(*histories, as_of=min(one, two)), count(*histories, as_of=max(one, two))
    for name in ("screenings", "failed", "enrolled", "lymphodepleted", "infused"):
        assert getattr(before, name) <= getattr(after, name)
