"""When the next bedside assessment is due, in hospital after the infusion, and the ICE score before it.

Source: ASCO 2021 (Santomasso, J Clin Oncol 2021): CRS and ICANS are assessed at least twice a day; ICE before the
infusion is the baseline. One text says every 8 hours.

Policy [P]: the next assessment is due 12 hours after the last (the first: 12 hours after the infusion's start, or after
a readmission), may be done from 8 hours on, and is overdue after 12 hours; while nobody comes a further one falls due
every 12 hours; this holds to the end of Day 14, or to discharge or death. The baseline is due once, from the day of the
first lymphodepletion to the infusion, and late from the day for which the infusion is planned.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    WAITING = "waiting"
    OPEN = "open"
    OVERDUE = "overdue"


@dataclass(frozen=True)
class RoundPolicy:
    """How often, and how long [P]; the defaults are those of the first study."""

    every: dt.timedelta = dt.timedelta(hours=12)
    opens_after: dt.timedelta = dt.timedelta(hours=8)
    last_day: int = 14


FIRST_STUDY = RoundPolicy()


@dataclass(frozen=True)
class Round:
    """The next assessment: from when it may be done, when it is due, and the newest due moment that was missed."""

    opens_at: dt.datetime
    due_at: dt.datetime
    state: State
    missed_at: dt.datetime | None = None


def next_round(
    *,
    start: dt.datetime,
    assessed: Iterable[dt.datetime],
    until: dt.datetime,
    now: dt.datetime,
    policy: RoundPolicy = FIRST_STUDY,
) -> Round | None:
    """None before the start, when it is over at `until` (not included), and when no more falls due before that.

    `assessed` are the moments of assessments, in any order; those before the start do not count.
    """
    if not start <= now < until:
        return None
    last = max((at for at in assessed if start <= at <= now), default=start)
    opens_at, due_at = last + policy.opens_after, last + policy.every
    if due_at >= until:
        return None
    if now > due_at:
        return Round(opens_at, due_at, State.OVERDUE, _newest_missed(due_at, now, policy.every))
    return Round(opens_at, due_at, State.OPEN if now >= opens_at else State.WAITING)


def _newest_missed(due_at: dt.datetime, now: dt.datetime, every: dt.timedelta) -> dt.datetime:
    """The last of due_at, due_at + every, … that lies before now."""
    passed = -((due_at - now) // every)
    return due_at + (passed - 1) * every


def baseline(
    *,
    lymphodepletion_from: dt.datetime | None,
    infused_at: dt.datetime | None,
    planned_from: dt.datetime | None,
    scored: Iterable[dt.datetime],
    now: dt.datetime,
) -> State | None:
    """Whether the ICE score before the infusion is to be taken; None once it is, or while it is not time.

    `lymphodepletion_from` and `planned_from` are the beginnings of those days, `scored` the moments of ICE scores.
    """
    if infused_at is not None or lymphodepletion_from is None or now < lymphodepletion_from:
        return None
    if any(lymphodepletion_from <= at <= now for at in scored):
        return None
    return State.OVERDUE if planned_from is not None and now >= planned_from else State.OPEN
