"""When vital signs are due around an infusion, and which of them were taken.

Source: the study's visit schedule, procedure VITALS_INFUSION: 15 minutes before, during, every 15 minutes for one
hour after, then hourly for four hours. How far a reading may lie from its moment is [P]: half the step.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

MINUTE = dt.timedelta(minutes=1)


class Phase(StrEnum):
    BEFORE = "before"
    DURING = "during"
    AFTER = "after"


@dataclass(frozen=True)
class Due:
    """A reading that belongs between two moments; `taken_at` is the first that was taken there."""

    phase: Phase
    minutes: int
    opens_at: dt.datetime
    closes_at: dt.datetime
    taken_at: dt.datetime | None = None

    def is_missed(self, now: dt.datetime) -> bool:
        return self.taken_at is None and now > self.closes_at

    def is_open(self, now: dt.datetime) -> bool:
        return self.taken_at is None and self.opens_at <= now <= self.closes_at


# Minutes after the end, and how far from it a reading may lie.
AFTER = ((15, 7), (30, 7), (45, 7), (60, 7), (120, 30), (180, 30), (240, 30), (300, 30))
BEFORE_MINUTES, BEFORE_OPENS = 15, 60


def due(started_at: dt.datetime, ended_at: dt.datetime | None, taken: Sequence[dt.datetime]) -> tuple[Due, ...]:
    """The readings of one infusion in their order. Those after the end are known once it has ended."""
    # While the cells still run, a reading belongs to its first quarter of an hour.
    last = ended_at or started_at + BEFORE_MINUTES * MINUTE
    spans = [
        (Phase.BEFORE, BEFORE_MINUTES, started_at - BEFORE_OPENS * MINUTE, started_at),
        (Phase.DURING, 0, started_at, last),
    ]
    if ended_at is not None:
        spans += [
            (Phase.AFTER, minutes, ended_at + (minutes - near) * MINUTE, ended_at + (minutes + near) * MINUTE)
            for minutes, near in AFTER
        ]
    return tuple(_with_reading(*span, sorted(taken)) for span in spans)


def _with_reading(
    phase: Phase, minutes: int, opens_at: dt.datetime, closes_at: dt.datetime, taken: Sequence[dt.datetime]
) -> Due:
    found = next((at for at in taken if opens_at <= at <= closes_at), None)
    return Due(phase, minutes, opens_at, closes_at, found)
