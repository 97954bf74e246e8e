"""Where a participant stands in the study, and which steps are possible.

Source: study design of the registry record NCT07072494 (screening, enrolment, infusion, follow-up) and
ICH E6(R3) trial participant; SDTM names appear only where data leaves. Death can follow any state, for
reality can always be recorded.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    SCREENING = "screening"
    SCREEN_FAILED = "screen_failed"
    ENROLLED = "enrolled"
    LYMPHODEPLETED = "lymphodepleted"
    INFUSED = "infused"
    IN_FOLLOW_UP = "in_follow_up"
    RELAPSED = "relapsed"
    COMPLETED = "completed"
    WITHDRAWN = "withdrawn"
    LOST_TO_FOLLOW_UP = "lost_to_follow_up"
    DIED = "died"


S = Status

TRANSITIONS: dict[Status | None, frozenset[Status]] = {
    None: frozenset({S.SCREENING}),
    S.SCREENING: frozenset({S.SCREEN_FAILED, S.ENROLLED, S.WITHDRAWN, S.DIED}),
    S.SCREEN_FAILED: frozenset({S.DIED}),
    S.ENROLLED: frozenset(
        {S.LYMPHODEPLETED, S.INFUSED, S.RELAPSED, S.WITHDRAWN, S.LOST_TO_FOLLOW_UP, S.DIED},
    ),
    S.LYMPHODEPLETED: frozenset({S.INFUSED, S.RELAPSED, S.WITHDRAWN, S.LOST_TO_FOLLOW_UP, S.DIED}),
    S.INFUSED: frozenset({S.IN_FOLLOW_UP, S.RELAPSED, S.WITHDRAWN, S.LOST_TO_FOLLOW_UP, S.DIED}),
    S.IN_FOLLOW_UP: frozenset({S.RELAPSED, S.COMPLETED, S.WITHDRAWN, S.LOST_TO_FOLLOW_UP, S.DIED}),
    S.RELAPSED: frozenset({S.COMPLETED, S.WITHDRAWN, S.LOST_TO_FOLLOW_UP, S.DIED}),
    S.COMPLETED: frozenset({S.RELAPSED, S.DIED}),
    S.WITHDRAWN: frozenset({S.DIED}),
    # Somebody who was lost can be found again.
    S.LOST_TO_FOLLOW_UP: frozenset({S.IN_FOLLOW_UP, S.RELAPSED, S.WITHDRAWN, S.DIED}),
    S.DIED: frozenset(),
}

# After these nobody comes to visits, so none is owed and nobody is reminded. Who has completed the main study goes on
# with the long-term follow-up: which visits that leaves, the study file says.
NO_MORE_VISITS = frozenset({S.SCREEN_FAILED, S.WITHDRAWN, S.LOST_TO_FOLLOW_UP, S.DIED})


def is_followed(status: Status, *, is_long_term: bool) -> bool:
    """Whether a planned visit of somebody who stands there is waited for.

    Of whoever withdrew and may be contacted, the long-term follow-up is: what is planned of it, the study file keeps.
    """
    return status not in NO_MORE_VISITS or (status is Status.WITHDRAWN and is_long_term)


# Those who hold one of the study's places, whatever happened later.
ENROLLED_BEFORE_INFUSION = frozenset({S.ENROLLED, S.LYMPHODEPLETED, S.RELAPSED})
# Steps that an action of their own takes, with its own checks: never chosen from a list.
BY_OWN_ACTION = frozenset({S.SCREENING, S.SCREEN_FAILED, S.ENROLLED, S.INFUSED})


def can_become(current: Status | None, new: Status) -> bool:
    return new in TRANSITIONS[current]


def choices_from(current: Status) -> tuple[Status, ...]:
    """The steps that a person may choose from this state, in the order of the study."""
    return tuple(s for s in Status if s in TRANSITIONS[current] and s not in BY_OWN_ACTION)


# --- The history: by the days on which things happened, whenever they are typed ------------------------


@dataclass(frozen=True)
class Step:
    status: Status
    on: dt.date


def around(history: Sequence[Step], on: dt.date) -> tuple[Step | None, Step | None]:
    """The step that holds on a day, and the next one; a further step of the same day follows those that are there.

    `history` is in the order of its days.
    """
    before = [step for step in history if step.on <= on]
    return (before[-1] if before else None), next((step for step in history if step.on > on), None)


def fits(before: Step | None, new: Status, after: Step | None) -> bool:
    """Whether a step can stand between these two."""
    return can_become(before.status if before else None, new) and (after is None or can_become(new, after.status))


def choices_within(history: Sequence[Status]) -> tuple[Status, ...]:
    """The steps that a person may record now or late: possible from some state that the participant was in."""
    return tuple(new for new in Status if any(new in choices_from(state) for state in history))
