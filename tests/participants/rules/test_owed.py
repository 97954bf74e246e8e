"""What each event takes from what is owed: both sides of its day, by the rules of the study file."""

import datetime as dt

import pytest

from participants.rules.owed import (
    AfterEvent,
    Because,
    Happened,
    Window,
    agrees_to_long_term,
    asked,
    beyond,
    from_steps,
    released,
)
from participants.rules.status import Status, Step

D = dt.date.fromisoformat
B = Because
RULES = {
    B.RELAPSE: AfterEvent(frozenset({"follow_up", "long_term"}), frozenset({"MRD"}), spares_open=True),
    B.NEW_THERAPY: AfterEvent(frozenset({"long_term"}), frozenset({"MRD"}), spares_open=True),
    B.COMPLETED: AfterEvent(frozenset({"long_term"})),
    B.WITHDRAWAL: AfterEvent(frozenset({"long_term"}), only_by_telephone=True),
}
M3 = Window("follow_up", D("2026-05-01"), D("2026-05-15"))
Y3 = Window("long_term", D("2028-05-01"), D("2028-08-30"))
Y6 = Window("long_term", D("2031-05-01"), D("2031-08-30"), may_be_a_call=True)


def because(window: Window, *happened: Happened) -> Because | None:
    found = released(window, happened, RULES)
    return found.because if found else None


@pytest.mark.parametrize(
    ("what", "on", "m3", "y3"),
    [
        pytest.param(B.DEATH, "2026-05-15", B.DEATH, B.DEATH, id="died-on-the-last-day-of-the-window"),
        pytest.param(B.DEATH, "2026-05-16", None, B.DEATH, id="missed-before-the-death"),
        pytest.param(B.WITHDRAWAL, "2026-05-01", B.WITHDRAWAL, B.WITHDRAWAL, id="withdrew"),
        pytest.param(B.LOST, "2026-05-15", B.LOST, B.LOST, id="lost"),
        pytest.param(B.COMPLETED, "2026-05-10", B.COMPLETED, None, id="completed-goes-on-in-the-long-term"),
        pytest.param(B.RELAPSE, "2026-04-01", None, None, id="a-relapse-takes-no-visit"),
        pytest.param(B.NEW_THERAPY, "2026-04-30", B.NEW_THERAPY, None, id="therapy-the-day-before-the-window"),
        pytest.param(B.NEW_THERAPY, "2026-05-01", None, None, id="therapy-once-the-window-is-open"),
        pytest.param(B.NO_LONG_TERM, "2026-01-01", None, B.NO_LONG_TERM, id="no-consent-beyond-the-study"),
    ],
)
def test_each_event_by_its_rule(what: Because, on: str, m3: Because | None, y3: Because | None) -> None:
    event = Happened(what, D(on))
    assert (because(M3, event), because(Y3, event)) == (m3, y3)


def test_whoever_withdrew_is_called_and_comes_no_more() -> None:
    withdrawal, refusal = Happened(B.WITHDRAWAL, D("2026-05-01")), Happened(B.NO_LONG_TERM, D("2026-05-01"))
    assert (because(Y3, withdrawal), because(Y6, withdrawal)) == (B.WITHDRAWAL, None)
    assert because(Y6, withdrawal, refusal) is B.NO_LONG_TERM, "unless they said that nobody may"


def test_the_end_of_the_study_takes_what_lies_beyond_it() -> None:
    late = Window("long_term", D("2028-05-01"), D("2028-08-30"), is_beyond=True)
    end = D("2027-08-19")
    assert because(late, *beyond(late, ends_on=end)) is B.STUDY_END
    assert because(late) is None, "where the file lets it go on"
    assert not beyond(Y3, ends_on=end)


def test_the_first_event_is_the_reason() -> None:
    death, therapy = Happened(B.DEATH, D("2026-04-10")), Happened(B.NEW_THERAPY, D("2026-04-01"))
    assert because(M3, death, therapy) is B.NEW_THERAPY
    assert because(Y3, death, therapy) is B.DEATH
    assert because(M3) is None


@pytest.mark.parametrize(("found_on", "reason"), [("2026-05-15", None), ("2026-05-16", B.LOST)])
def test_who_is_found_again_owes_what_can_still_be_done(found_on: str, reason: Because | None) -> None:
    event = Happened(B.LOST, D("2026-04-01"), until=D(found_on))
    assert (because(M3, event), because(Y3, event)) == (reason, None)


@pytest.mark.parametrize(
    ("on", "left"),
    [("2026-04-01", ("CBC", "MRD")), ("2026-04-02", ("CBC",))],
    ids=["at-the-visit-that-finds-it", "from-the-next-day-on"],
)
def test_what_a_relapse_asks_no_more(on: str, left: tuple[str, ...]) -> None:
    relapse = [Happened(B.RELAPSE, D("2026-04-01"))]
    assert asked(["CBC", "MRD"], on=D(on), happened=relapse, rules=RULES) == left


def test_the_history_says_what_happened_and_when_a_loss_was_over() -> None:
    steps = [
        Step(Status.INFUSED, D("2026-01-01")),
        Step(Status.LOST_TO_FOLLOW_UP, D("2026-02-01")),
        Step(Status.RELAPSED, D("2026-03-01")),
        Step(Status.DIED, D("2026-04-01")),
    ]
    assert from_steps(steps) == (
        Happened(B.LOST, D("2026-02-01"), D("2026-03-01")),
        Happened(B.RELAPSE, D("2026-03-01")),
        Happened(B.DEATH, D("2026-04-01")),
    )
    assert from_steps(steps[:2]) == (Happened(B.LOST, D("2026-02-01")),)
    # Nothing is left of the history of somebody who is void.
    assert from_steps([]) == ()


@pytest.mark.parametrize(
    ("answer", "is_included", "agrees"),
    [(True, False, True), (True, True, True), (False, True, False), (None, True, True), (None, False, False)],
)
def test_no_is_an_answer_and_unasked_is_as_the_form_says(answer: bool | None, is_included: bool, agrees: bool) -> None:
    assert agrees_to_long_term(answer, is_included=is_included) is agrees
