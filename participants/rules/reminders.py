"""Which reminder a visit owes today: at most one, the newest, and only while it is of use.

Source: the study file's reminder stages [P]. Stages are days, not timers: a sweep may come twice, late or
after days of silence and gets the same answer, for the answer depends on the visit and today only.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Anchor(StrEnum):
    TARGET = "target"
    WINDOW_CLOSES = "window_closes"


@dataclass(frozen=True)
class Stage:
    """A reminder `offset_days` from its anchor; it lapses after so many days more if nobody ran a sweep."""

    code: str
    anchor: Anchor
    offset_days: int
    lapses_after_days: int
    min_window_days: int = 0


@dataclass(frozen=True)
class VisitDates:
    target: dt.date
    opens: dt.date
    closes: dt.date


@dataclass(frozen=True)
class Owed:
    stage: str
    due_on: dt.date
    # The last day on which sending it makes sense: until the next stage, or until it lapses.
    useful_until: dt.date


def stage_day(stage: Stage, visit: VisitDates) -> dt.date | None:
    """The day of a stage; None where it does not apply to this visit.

    A warning before the window closes is for visits that are late already: one that would come before or
    on the target date says nothing that the reminder of the day itself does not say.
    """
    anchor = visit.target if stage.anchor is Anchor.TARGET else visit.closes
    day = anchor + dt.timedelta(days=stage.offset_days)
    if (visit.closes - visit.opens).days + 1 < stage.min_window_days:
        return None
    if stage.anchor is Anchor.WINDOW_CLOSES and day <= visit.target:
        return None
    return day


def owed(visit: VisitDates, stages: Iterable[Stage], *, today: dt.date) -> Owed | None:
    """The newest stage whose day has come, unless it has lapsed; None when nothing is owed today."""
    days = [(day, stage) for stage in stages if (day := stage_day(stage, visit)) is not None]
    days.sort(key=lambda pair: pair[0])
    reached = [pair for pair in days if pair[0] <= today]
    if not reached:
        return None
    day, stage = reached[-1]
    last = day + dt.timedelta(days=stage.lapses_after_days)
    following = [later for later, _ in days if later > day]
    if following:
        last = min(last, following[0] - dt.timedelta(days=1))
    return Owed(stage.code, day, last) if today <= last else None
