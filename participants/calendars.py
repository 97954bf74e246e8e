"""A site's visits as a calendar: a month or a week with what is on each day and the open windows as bars, or a list.

A visit that is still to come stands on the working day of its window that is nearest to its target; one that took place
on its own day. Places of bars are shares of the width in per cent, as on the page of a participant.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from django.db.models import Q

from participants import visitbars, workdays
from participants.models import Visit, VisitState
from participants.models.visits import NOT_FOLLOWED, STANDING_NAMES
from participants.rules.calendar import DAY, Kind, days_between, preferred_day
from participants.rules.schedule import Standing
from trialsite.models import Site

WEEK = 7
# More than anybody reads; the list of visits has them all.
MOST = 400
LATE = (Standing.OVERDUE, Standing.MISSED)
Link = Callable[[Visit], str]


class View(StrEnum):
    MONTH = "month"
    WEEK = "week"
    LIST = "list"


@dataclass(frozen=True)
class Span:
    """What is shown around a day, and the days that lead to the span before and after it."""

    view: View
    on: dt.date
    first: dt.date
    last: dt.date

    @property
    def before(self) -> dt.date:
        return self.first - DAY

    @property
    def after(self) -> dt.date:
        return self.last + DAY


def span(view: View, on: dt.date) -> Span:
    """A week from Monday, or the month.

    >>> span(View.MONTH, dt.date(2026, 2, 10)).last
    datetime.date(2026, 2, 28)
    """
    if view is View.WEEK:
        monday = on - on.weekday() * DAY
        return Span(view, on, monday, monday + (WEEK - 1) * DAY)
    first = on.replace(day=1)
    return Span(view, on, first, (first + 31 * DAY).replace(day=1) - DAY)


def visits_between(sites: Iterable[Site], first: dt.date, last: dt.date) -> list[Visit]:
    """Those whose window or own day meets these days, without those that do not apply; one more than are shown."""
    gone = Q(state=VisitState.PLANNED) & NOT_FOLLOWED
    rows = Visit.objects.standing().meeting(first, last).filter(participant__site__in=list(sites))
    rows = rows.exclude(state=VisitState.CANCELLED).exclude(gone)
    return list(rows.select_related("participant").order_by("target_date", "pk")[: MOST + 1])


def day_of(visit: Visit, *, today: dt.date | None = None) -> dt.date:
    """The day on which it stands in a calendar: its own, or of one that is to come the best of its window.

    Of a window that is open the best day is today or later, where `today` is given.
    """
    if visit.occurred_on is not None:
        return visit.occurred_on
    opens, closes = visit.window_opens_on, visit.window_closes_on
    if visit.state != VisitState.PLANNED or (today is not None and closes < today):
        return visit.target_date
    opens = opens if today is None else max(opens, today)
    return preferred_day(max(visit.target_date, opens), opens=opens, closes=closes, workdays=workdays.known())


# --- What stands on the page --------------------------------------------------------------------------


@dataclass(frozen=True)
class Entry:
    """A visit on its day."""

    visit: Visit
    on: dt.date
    link: str
    standing: Standing
    words: str
    # How much of what it asks nobody has recorded.
    missing: str = ""

    @property
    def label(self) -> str:
        return f"{self.visit.participant.number} · {self.visit.code}"

    @property
    def is_late(self) -> bool:
        return self.standing in LATE

    @property
    def is_moved(self) -> bool:
        """Whether its best day is another than its target: that one is not worked, or has passed."""
        return self.visit.state == VisitState.PLANNED and self.on != self.visit.target_date


@dataclass(frozen=True)
class Day:
    date: dt.date
    kind: Kind
    holiday: Any
    entries: tuple[Entry, ...]
    is_today: bool = False
    # Of the month before or after, shown to fill the week.
    is_beside: bool = False

    @property
    def is_off(self) -> bool:
        return self.kind in (Kind.WEEKEND, Kind.HOLIDAY)

    @property
    def is_make_up(self) -> bool:
        return self.kind is Kind.MAKE_UP


@dataclass(frozen=True)
class Strip:
    """An open window over the days of a week; where it goes on beyond them, it reaches the edge."""

    entry: Entry
    x: float
    width: float
    target: float | None


@dataclass(frozen=True)
class Week:
    days: tuple[Day, ...]
    strips: tuple[Strip, ...]
    today: float | None


def entries(
    visits: Iterable[Visit], *, today: dt.date, link: Link, missing: Mapping[int, str] = MappingProxyType({})
) -> tuple[Entry, ...]:
    """In the order of their days; what is `missing` of them in words, by their keys."""
    found = (_entry(visit, today, link, missing.get(visit.pk, "")) for visit in visits)
    return tuple(sorted(found, key=lambda one: (one.on, one.visit.participant.number, one.visit.pk)))


def _entry(visit: Visit, today: dt.date, link: Link, missing: str) -> Entry:
    standing = visit.standing_on(today)
    return Entry(visit, day_of(visit, today=today), link(visit), standing, str(STANDING_NAMES[standing]), missing)


def weeks(shown: Span, found: Sequence[Entry], *, today: dt.date) -> tuple[Week, ...]:
    """From the Monday on or before the first day to the Sunday on or after the last."""
    monday = shown.first - shown.first.weekday() * DAY
    sunday = shown.last + (WEEK - 1 - shown.last.weekday()) * DAY
    by_day: dict[dt.date, list[Entry]] = {}
    for one in found:
        by_day.setdefault(one.on, []).append(one)
    days = [_day(date, shown, by_day.get(date, []), today) for date in days_between(monday, sunday)]
    return tuple(_week(days[start : start + WEEK], found, today) for start in range(0, len(days), WEEK))


def _day(date: dt.date, shown: Span, found: Sequence[Entry], today: dt.date) -> Day:
    known = workdays.known()
    is_beside = not shown.first <= date <= shown.last
    return Day(date, known.kind(date), known.off.get(date), tuple(found), date == today, is_beside)


def _week(days: Sequence[Day], found: Iterable[Entry], today: dt.date) -> Week:
    calendar = visitbars.Calendar(days[0].date, days[-1].date)
    return Week(tuple(days), tuple(_strips(found, calendar)), calendar.inside(today))


def _strips(found: Iterable[Entry], calendar: visitbars.Calendar) -> Iterator[Strip]:
    """Windows of what is still to come; one of a single day is seen on that day already."""
    for one in found:
        visit = one.visit
        is_over_days = visit.window_opens_on != visit.window_closes_on
        meets = visit.window_opens_on <= calendar.last and calendar.first <= visit.window_closes_on
        if visit.state == VisitState.PLANNED and is_over_days and meets:
            x = calendar.at(visit.window_opens_on)
            width = round(calendar.at(visit.window_closes_on, is_end=True) - x, 1)
            yield Strip(one, x, width, calendar.inside(visit.target_date))


# --- The list, with each window as a bar ----------------------------------------------------------------


def scale(shown: Span) -> visitbars.Calendar:
    return visitbars.Calendar(shown.first, shown.last)


def bars(shown: Span, found: Iterable[Entry], *, today: dt.date) -> tuple[tuple[Entry, visitbars.Bar], ...]:
    calendar = scale(shown)
    return tuple((one, visitbars.bar(one.visit, calendar, today, one.link, one.missing)) for one in found)
