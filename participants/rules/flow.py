"""The participant flow: how many were screened, enrolled, infused and followed, and why the others were not.

Source: CONSORT 2025 flow diagram, for a study of one arm; words of the reasons from the results report
(ClinicalTrials.gov, participant flow). Everything is counted from the status histories, so each box is the sum
of the boxes that follow it; who was infused without lymphodepletion goes past that box.
"""

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from participants.rules.status import Status

S = Status

# After these somebody does not come back into the study; death after them does not change why they left it.
FOR_GOOD = frozenset({S.SCREEN_FAILED, S.COMPLETED, S.WITHDRAWN, S.DIED})
# From here an infusion is still possible.
BEFORE_INFUSION = frozenset({S.SCREENING, S.ENROLLED, S.LYMPHODEPLETED})


# --- reading one history -----------------------------------------------------------------------------


def screening_end(statuses: Sequence[Status]) -> int | None:
    """Which step ended the screening: enrolled, screen failure, withdrawn, died; None while it goes on."""
    return next((index for index, status in enumerate(statuses) if status != S.SCREENING), None)


def participation_end(statuses: Sequence[Status]) -> int | None:
    """Which step ended the participation; None while it goes on. Who was lost and found again goes on."""
    final = next((index for index, status in enumerate(statuses) if status in FOR_GOOD), None)
    if final is not None:
        return final
    return len(statuses) - 1 if statuses and statuses[-1] == S.LOST_TO_FOLLOW_UP else None


def infusion_missed(statuses: Sequence[Status]) -> int | None:
    """Which step took the infusion away; None for the infused, and while one is possible."""
    if S.INFUSED in statuses:
        return None
    return next((index for index, status in enumerate(statuses) if status not in BEFORE_INFUSION), None)


@dataclass(frozen=True)
class Step:
    """A row of the status history: the status, since when, and for those who left the reason."""

    status: Status
    on: dt.date
    reason_code: str = ""
    criteria: tuple[str, ...] = ()


@dataclass(frozen=True)
class History:
    """One screening and what followed, oldest step first; a person who is screened again has two."""

    steps: tuple[Step, ...]
    is_rescreening: bool = False

    @property
    def statuses(self) -> tuple[Status, ...]:
        return tuple(step.status for step in self.steps)

    def until(self, day: dt.date) -> "History":
        return History(tuple(step for step in self.steps if step.on <= day), self.is_rescreening)


class Place(StrEnum):
    """How the screening ended: everybody who was screened is in exactly one of these."""

    IN_SCREENING = "in_screening"
    FAILED = "failed"
    LEFT = "left"
    ENROLLED = "enrolled"


LEFT_STATUSES = frozenset({S.WITHDRAWN, S.LOST_TO_FOLLOW_UP, S.DIED})


def place(statuses: Sequence[Status]) -> Place:
    end = screening_end(statuses)
    if end is None:
        return Place.IN_SCREENING
    if statuses[end] == S.SCREEN_FAILED:
        return Place.FAILED
    return Place.LEFT if statuses[end] in LEFT_STATUSES else Place.ENROLLED


# --- counting all of them ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Tally:
    """How many, under a code: a criterion or a kind of reason (empty where none was recorded)."""

    code: str
    count: int


@dataclass(frozen=True)
class Leaving:
    """How many went on to this status instead of to the next box, for this kind of reason."""

    status: Status
    reason_code: str
    count: int


@dataclass(frozen=True)
class Flow:
    """The numbers of the diagram on one day. Counts are of screenings; one person can have several."""

    as_of: dt.date
    screenings: int
    rescreenings: int
    in_screening: int
    # Screen failures with a criterion; one of them can have failed several, so the tallies may sum to more.
    not_eligible: int
    criteria: tuple[Tally, ...]
    failed_otherwise: tuple[Tally, ...]
    left_before_enrolment: tuple[Leaving, ...]
    enrolled: int
    waiting_for_lymphodepletion: int
    left_before_lymphodepletion: tuple[Leaving, ...]
    # Reality can be recorded: the cells were given without it.
    infused_without_lymphodepletion: int
    lymphodepleted: int
    waiting_for_infusion: int
    left_before_infusion: tuple[Leaving, ...]
    infused: int
    in_follow_up: int
    relapsed: int
    completed: int
    discontinued: tuple[Leaving, ...]

    @property
    def persons(self) -> int:
        return self.screenings - self.rescreenings

    @property
    def failed(self) -> int:
        return self.not_eligible + total(self.failed_otherwise)

    @property
    def not_infused(self) -> int:
        """Enrolled, and can no longer be infused."""
        return total(self.left_before_lymphodepletion) + total(self.left_before_infusion)

    @property
    def waiting(self) -> int:
        """Enrolled, and may still be infused."""
        return self.waiting_for_lymphodepletion + self.waiting_for_infusion


def total(tallies: Iterable[Tally | Leaving]) -> int:
    return sum(tally.count for tally in tallies)


def flow(histories: Iterable[History], *, as_of: dt.date) -> Flow:
    """The flow as it stood at the end of this day."""
    known = [history for one in histories if (history := one.until(as_of)).steps]
    at = {where: [one for one in known if place(one.statuses) == where] for where in Place}
    failures = [_step(one, screening_end(one.statuses)) for one in at[Place.FAILED]]
    depleted, not_depleted = _split(at[Place.ENROLLED], _is_lymphodepleted)
    given_without, not_depleted = _split(not_depleted, _is_infused)
    infused, not_infused = _split(depleted, _is_infused)
    infused += given_without
    followed, left = _split(infused, _is_followed)
    ended = [_step(one, participation_end(one.statuses)) for one in left]
    return Flow(
        as_of=as_of,
        screenings=len(known),
        rescreenings=sum(one.is_rescreening for one in known),
        in_screening=len(at[Place.IN_SCREENING]),
        not_eligible=sum(1 for step in failures if step.criteria),
        criteria=_tallies(code for step in failures for code in set(step.criteria)),
        failed_otherwise=_tallies(step.reason_code for step in failures if not step.criteria),
        left_before_enrolment=_leavings(_step(one, screening_end(one.statuses)) for one in at[Place.LEFT]),
        enrolled=len(at[Place.ENROLLED]),
        waiting_for_lymphodepletion=_waiting(not_depleted),
        left_before_lymphodepletion=_missed(not_depleted),
        infused_without_lymphodepletion=len(given_without),
        lymphodepleted=len(depleted),
        waiting_for_infusion=_waiting(not_infused),
        left_before_infusion=_missed(not_infused),
        infused=len(infused),
        in_follow_up=sum(1 for one in followed if S.RELAPSED not in one.statuses),
        relapsed=sum(1 for one in followed if S.RELAPSED in one.statuses),
        completed=sum(1 for step in ended if step.status == S.COMPLETED),
        discontinued=_leavings(step for step in ended if step.status != S.COMPLETED),
    )


def _split(histories: Iterable[History], holds: Callable[[History], bool]) -> tuple[list[History], list[History]]:
    yes: list[History] = []
    no: list[History] = []
    for one in histories:
        (yes if holds(one) else no).append(one)
    return yes, no


def _is_lymphodepleted(history: History) -> bool:
    """Before the cells; what was given, not what the protocol wants. What came after them prepared nothing."""
    before = history.statuses[: history.statuses.index(S.INFUSED)] if _is_infused(history) else history.statuses
    return S.LYMPHODEPLETED in before


def _is_infused(history: History) -> bool:
    return S.INFUSED in history.statuses


def _is_followed(history: History) -> bool:
    return participation_end(history.statuses) is None


def _step(history: History, index: int | None) -> Step:
    assert index is not None, "only those are asked who have such a step"
    return history.steps[index]


def _waiting(histories: Sequence[History]) -> int:
    return sum(1 for one in histories if infusion_missed(one.statuses) is None)


def _missed(histories: Sequence[History]) -> tuple[Leaving, ...]:
    missed = ((one, infusion_missed(one.statuses)) for one in histories)
    return _leavings(_step(one, index) for one, index in missed if index is not None)


def _tallies(codes: Iterable[str]) -> tuple[Tally, ...]:
    return tuple(Tally(code, count) for code, count in sorted(Counter(codes).items()))


def _leavings(steps: Iterable[Step]) -> tuple[Leaving, ...]:
    """By status in the order of the study, then by reason."""
    order = list(S)
    counts = Counter((step.status, step.reason_code) for step in steps)
    keys = sorted(counts, key=lambda key: (order.index(key[0]), key[1]))
    return tuple(Leaving(status, code, counts[status, code]) for status, code in keys)
