"""When the next neutrophil count is due, so that early ICAHT can be graded.

Source: Liang EC (Fred Hutchinson), automated grading of ICAHT: days without a count are interpolated over gaps of at
most 7 days, for weekly blood draws of outpatients; a longer gap leaves the grade open. The days are those of early
ICAHT (Rejeski K et al., EHA/EBMT, Blood 2023;142:865-877): Day 0 to 30.

Policy [P]: the study says how many days after the last count the next one is due, and how many days before that the
site is told. The first is due so many days after Day 0; a count of an earlier day moves nothing. After Day 30 none is
owed any more: up to 7 days without a count at the end are read like the last one.
"""

from dataclasses import dataclass
from enum import StrEnum

from safety.rules.icaht import EARLY_DAYS


class Stage(StrEnum):
    COMING = "coming"
    OVERDUE = "overdue"


@dataclass(frozen=True)
class CountPolicy:
    """How far apart counts may be, and how many days before one is due the site is told."""

    within_days: int
    told_days_before: int


@dataclass(frozen=True)
class DueCount:
    """A count that is owed, by trial days; it is worth a message to its last useful day."""

    due_day: int
    stage: Stage
    useful_until_day: int


def due_count(*, last_day: int | None, today: int, policy: CountPolicy) -> DueCount | None:
    """None where the next count is not near, and outside Day 0 to 30. `last_day` is the day of the newest count.

    >>> due_count(last_day=14, today=21, policy=CountPolicy(7, 2))
    DueCount(due_day=21, stage=<Stage.COMING: 'coming'>, useful_until_day=21)
    """
    due_day = max(last_day or 0, EARLY_DAYS.start) + policy.within_days
    if today not in EARLY_DAYS or due_day not in EARLY_DAYS:
        return None
    if today > due_day:
        return DueCount(due_day, Stage.OVERDUE, EARLY_DAYS[-1])
    return DueCount(due_day, Stage.COMING, due_day) if today >= due_day - policy.told_days_before else None
