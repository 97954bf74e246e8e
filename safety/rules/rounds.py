"""When the next bedside assessment is due, in hospital after the infusion, and the ICE score before it.

Source: ASCO 2021 (Santomasso, J Clin Oncol 2021): CRS and ICANS are assessed at least twice a day; ICE before the
infusion is the baseline. One text says every 8 hours. ICANS of grade 2 is looked at again after 6 to 12 hours.

Policy [P]: how long after each grade the next assessment is due (the study's setting; the first: as after grade 0, from
the infusion's start or a readmission), that it may be done once two thirds of that time have passed, and that it is
overdue afterwards; while nobody comes it is missed again as often as after grade 0. One good reading does not end a
close watch: the worst grade counts that was found within the time that is due after grade 0, before the last look.
This holds to the end of Day 14, or to discharge, unless CRS or ICANS is still there: then it goes on until the
toxicity has been gone for as long as joins two bouts to one episode. Death ends it. The baseline is due once, from the
day of the first lymphodepletion to the infusion, and late from the day for which the infusion is planned.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from safety.rules.episodes import JOINS_WITHIN


class State(StrEnum):
    WAITING = "waiting"
    OPEN = "open"
    OVERDUE = "overdue"


@dataclass(frozen=True)
class RoundPolicy:
    """How often after each grade from 0 on, and how long [P]; the defaults are those of the first study."""

    every: tuple[dt.timedelta, ...] = tuple(dt.timedelta(hours=hours) for hours in (12, 8, 6, 4, 2))
    last_day: int = 14
    joins_within: dt.timedelta = JOINS_WITHIN

    def after(self, grade: int) -> dt.timedelta:
        """Grade 5 is as grade 4 here: that nobody assesses the dead is said elsewhere.

        >>> RoundPolicy().after(3)
        datetime.timedelta(seconds=14400)
        """
        return self.every[min(grade, len(self.every) - 1)]


FIRST_STUDY = RoundPolicy()


@dataclass(frozen=True)
class Looked:
    """What is known of one toxicity: when it was assessed last, its newest grade, when it was last above 0, and the
    worst grade of the time before its last assessment in which one good reading does not count yet."""

    last_at: dt.datetime | None = None
    grade: int | None = None
    present_at: dt.datetime | None = None
    worst: int | None = None

    def is_open(self, policy: RoundPolicy = FIRST_STUDY) -> bool:
        """Whether it is still there, or has not been gone for long enough to be over."""
        if self.last_at is None or self.present_at is None:
            return False
        return bool(self.grade) or self.last_at - self.present_at < policy.joins_within


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
    looked: Iterable[Looked],
    until: dt.datetime,
    now: dt.datetime,
    policy: RoundPolicy = FIRST_STUDY,
) -> Round | None:
    """None before the start; and, where no toxicity is open, once it is over at `until` (not included) and when no more
    falls due before that.

    `looked` is one entry for each toxicity that belongs to a round: the round is done once all were assessed, so that
    the one that is longest ago decides; the worst grade says how soon. What was before the start does not count.
    """
    looked = tuple(looked)
    if now < start:
        return None
    last = min((max(one.last_at or start, start) for one in looked), default=start)
    every = policy.after(max((max(one.grade or 0, one.worst or 0) for one in looked), default=0))
    opens_at, due_at = last + every * 2 / 3, last + every
    if not any(one.is_open(policy) for one in looked) and (now >= until or due_at >= until):
        return None
    if now > due_at:
        return Round(opens_at, due_at, State.OVERDUE, _newest_missed(due_at, now, policy.after(0)))
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
