"""Which visits are still owed after what has happened to a participant, and which procedures of them.

Source: the study file's `after_events` [P]: a death, a withdrawal, a loss to follow-up, a relapse and a new anti-cancer
therapy each say which phases go on and which procedures are asked no more. Long-term follow-up goes on to year 15 where
the participant agreed to it (FDA guidance of January 2020 for integrating vectors). What somebody has said of a visit
stands, and what was missed before the event stays missed.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import zip_longest

from participants.rules.status import Status, Step


class Because(StrEnum):
    """Why a visit is no longer due."""

    DEATH = "death"
    WITHDRAWAL = "withdrawal"
    LOST = "lost"
    COMPLETED = "completed"
    RELAPSE = "relapse"
    NEW_THERAPY = "new_therapy"
    # Agreed to the study, not to be followed beyond it.
    NO_LONG_TERM = "no_long_term"
    # The study file follows nobody of the main study beyond its end.
    STUDY_END = "study_end"


LONG_TERM = "long_term"


@dataclass(frozen=True)
class AfterEvent:
    """What the study file says of an event: phases that go on, and procedures that are asked no more.

    `spares_open`: a visit whose window is open on the day still takes place, for the event is found at it.
    `only_by_telephone`: of the phases that go on, those visits that the study file lets be calls.
    """

    keeps: frozenset[str] = frozenset()
    drops: frozenset[str] = frozenset()
    spares_open: bool = False
    only_by_telephone: bool = False


@dataclass(frozen=True)
class Happened:
    """An event with its day; `until` where it is over: somebody who was lost was found again."""

    because: Because
    on: dt.date
    until: dt.date | None = None


@dataclass(frozen=True)
class Window:
    """What counts of a visit here; its phase is long-term too once its target lies after the study's end."""

    phase: str
    opens: dt.date
    closes: dt.date
    may_be_a_call: bool = False
    # Of the main study, with its target after the study's end.
    is_beyond: bool = False


def beyond(window: Window, *, ends_on: dt.date) -> tuple[Happened, ...]:
    """What the end of the study takes, where the file lets nothing of the main study go on after it."""
    return (Happened(Because.STUDY_END, ends_on),) if window.is_beyond else ()


def released(window: Window, happened: Iterable[Happened], rules: Mapping[Because, AfterEvent]) -> Happened | None:
    """The first event after which this visit is no longer due; None while it is owed."""
    taking = (one for one in happened if _takes(one, window, rules.get(one.because, AfterEvent())))
    return min(taking, key=lambda one: (one.on, one.because), default=None)


def _takes(event: Happened, window: Window, rule: AfterEvent) -> bool:
    if event.because is Because.NO_LONG_TERM:
        return window.phase == LONG_TERM and window.closes >= event.on
    if event.because is Because.STUDY_END:
        return True
    is_kept = window.phase in rule.keeps and (window.may_be_a_call or not rule.only_by_telephone)
    if is_kept or _reaches(event, window):
        return False
    return window.opens > event.on if rule.spares_open else window.closes >= event.on


def _reaches(event: Happened, window: Window) -> bool:
    """Whether the window outlasts the event, so that the participant can still come."""
    return event.until is not None and window.closes >= event.until


def asked(
    procedures: Sequence[str], *, on: dt.date, happened: Iterable[Happened], rules: Mapping[Because, AfterEvent]
) -> tuple[str, ...]:
    """The procedures that a visit on this day still asks, in the order of the study file.

    >>> asked(["CBC", "MRD"], on=dt.date(2026, 3, 2), happened=[Happened(Because.RELAPSE, dt.date(2026, 3, 1))],
    ...       rules={Because.RELAPSE: AfterEvent(drops=frozenset({"MRD"}))})
    ('CBC',)
    """
    before = [one for one in happened if one.on < on and (one.until is None or on < one.until)]
    dropped = {code for one in before for code in rules.get(one.because, AfterEvent()).drops}
    return tuple(code for code in procedures if code not in dropped)


def agrees_to_long_term(answer: bool | None, *, is_included: bool) -> bool:
    """Whether somebody is followed beyond the study: as they answered; unasked, as their consent form says.

    >>> agrees_to_long_term(None, is_included=True), agrees_to_long_term(False, is_included=True)
    (True, False)
    """
    return is_included if answer is None else answer


# --- from the status history ----------------------------------------------------------------------

OF_STATUS = {
    Status.DIED: Because.DEATH,
    Status.WITHDRAWN: Because.WITHDRAWAL,
    Status.LOST_TO_FOLLOW_UP: Because.LOST,
    Status.COMPLETED: Because.COMPLETED,
    Status.RELAPSED: Because.RELAPSE,
}


def from_steps(steps: Sequence[Step]) -> tuple[Happened, ...]:
    """What the history says, in the order of its days; the next step ends a loss to follow-up.

    >>> lost, found = dt.date(2026, 3, 1), dt.date(2026, 5, 1)
    >>> from_steps([Step(Status.LOST_TO_FOLLOW_UP, lost), Step(Status.IN_FOLLOW_UP, found)])
    (Happened(because=<Because.LOST: 'lost'>, on=datetime.date(2026, 3, 1), until=datetime.date(2026, 5, 1)),)
    """
    followed = zip_longest(steps, steps[1:])
    return tuple(_happened(step, following) for step, following in followed if step.status in OF_STATUS)


def _happened(step: Step, following: Step | None) -> Happened:
    is_over = step.status is Status.LOST_TO_FOLLOW_UP and following is not None
    return Happened(OF_STATUS[step.status], step.on, following.on if is_over and following else None)
