"""Which reminder a visit owes today: at most one, the newest, and only while it is of use; who reads it, and when.

Source: the study file's reminder stages and its part `reminding` [P]. Stages are days, not timers: a sweep may come
twice, late or after days of silence and gets the same answer, for the answer depends on the visit and today only.
"""

import datetime as dt
from collections.abc import Collection, Iterable, Mapping
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


def stage_days(
    visit: VisitDates, stages: Iterable[Stage], *, first: dt.date, last: dt.date
) -> list[tuple[dt.date, Stage]]:
    """The stages whose day lies in this span, both ends included, in the order of their days."""
    days = [(day, stage) for stage in stages if (day := stage_day(stage, visit)) is not None]
    return sorted(((day, stage) for day, stage in days if first <= day <= last), key=lambda pair: pair[0])


# --- When it leaves ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Quiet:
    """The hours of a day in which a person is left alone, by the site's clock; over midnight where it ends earlier than
    it begins. The same hour twice: never quiet."""

    since: dt.time
    until: dt.time

    def holds_at(self, at: dt.time) -> bool:
        if self.since <= self.until:
            return self.since <= at < self.until
        return at >= self.since or at < self.until


def due_at(due_on: dt.date, hour: dt.time, *, zone: dt.tzinfo) -> dt.datetime:
    """The moment of a day's reminders: the hour that the study file says, never midnight."""
    return dt.datetime.combine(due_on, hour, tzinfo=zone)


def leaves_at(due: dt.datetime, quiet: Quiet | None, *, is_urgent: bool) -> dt.datetime:
    """The first moment from `due` on at which it may leave: quiet hours hold it back until they end, an urgent one
    never. `due` is in the site's zone."""
    if is_urgent or quiet is None or not quiet.holds_at(due.time()):
        return due
    end = dt.datetime.combine(due.date(), quiet.until, tzinfo=due.tzinfo)
    return end if end > due else end + dt.timedelta(days=1)


# --- Who reads it ------------------------------------------------------------------------------------


def stand_in(person: int, away: Mapping[int, int | None], reachable: Collection[int]) -> int | None:
    """Who reads this person's mail: the person, or, while away, the deputy, or the deputy's; None: nobody does."""
    seen: set[int] = set()
    reader: int | None = person
    while reader is not None and reader in away and reader not in seen:
        seen.add(reader)
        reader = away[reader]
    return reader if reader in reachable and reader not in away else None


def readers(
    circles: Iterable[Collection[int]], *, away: Mapping[int, int | None], reachable: Collection[int]
) -> dict[int, frozenset[int]]:
    """Who is told, and in whose place: the first circle of which somebody reads, or has somebody who does.

    `away` names a deputy for everybody who is away today, or None; whoever reads must be among the `reachable`. Where
    all are away and nobody stands in, those of the first circle are told all the same: nothing is lost in silence.
    """
    known = [[one for one in circle if one in reachable] for circle in circles]
    for circle in known:
        found: dict[int, set[int]] = {}
        for person in circle:
            if (reader := stand_in(person, away, reachable)) is not None:
                found.setdefault(reader, set()).add(person)
        if found:
            return {reader: frozenset(those - {reader}) for reader, those in found.items()}
    first = next((circle for circle in known if circle), [])
    return {person: frozenset() for person in first}


# --- What one person is sent -------------------------------------------------------------------------


@dataclass(frozen=True)
class Due:
    """One thing that one person is to be told of: `key` says what, so that it is told once."""

    key: str
    at: dt.datetime
    is_urgent: bool = False


@dataclass(frozen=True)
class Post:
    """How a person wants it: each thing by itself, or once a day together; and when not at all."""

    is_single: bool = False
    quiet: Quiet | None = None


class Hold(StrEnum):
    """Why something that is due does not leave now."""

    TOLD = "told already"
    HOUR = "before the hour of the day"
    QUIET = "quiet hours"


@dataclass(frozen=True)
class Sorted:
    """The mails that leave now, each with the things it tells of, and what is held back with its reason."""

    mails: tuple[tuple[Due, ...], ...]
    held: tuple[tuple[Due, Hold], ...]


def sort_out(due: Iterable[Due], *, post: Post, told: Collection[str], now: dt.datetime) -> Sorted:
    """What one person is sent now: an urgent thing by itself, the others as the person wants them.

    Everything due is in one mail or held back with a reason, and in one place only; what is named twice counts once.
    """
    once = list({one.key: one for one in due}.values())
    reasons = {one.key: _hold(one, post, told, now) for one in once}
    free = [one for one in once if reasons[one.key] is None]
    alone = [(one,) for one in free if one.is_urgent or post.is_single]
    together = tuple(one for one in free if not (one.is_urgent or post.is_single))
    mails = [*alone, *([together] if together else [])]
    held = tuple((one, reason) for one in once if (reason := reasons[one.key]) is not None)
    return Sorted(tuple(mails), held)


def _hold(one: Due, post: Post, told: Collection[str], now: dt.datetime) -> Hold | None:
    if one.key in told:
        return Hold.TOLD
    if now < one.at:
        return Hold.HOUR
    return Hold.QUIET if leaves_at(now, post.quiet, is_urgent=one.is_urgent) > now else None
