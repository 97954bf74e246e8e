"""The visits as bars on a calendar: each its window, with the target, the day on which it was, and today.

Places are shares of the width in per cent, so that the bars fit any screen and nothing has to be scrolled.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from participants.models import Visit
from participants.models.visits import TOOK_PLACE, VisitState
from participants.rules.schedule import Standing

DAY = dt.timedelta(days=1)
# The first month by the day; what comes later has a calendar of its own, and so has the long-term follow-up.
FIRST_MONTH = 30
NAMES = {
    "first": gettext_lazy("The first month"),
    "main": gettext_lazy("To the end of the main study"),
    "long": gettext_lazy("Long-term follow-up"),
}
# A window of one day can still be seen.
LEAST = 0.8
TICKS = 4


@dataclass(frozen=True)
class Calendar:
    """From its first day to its last, both whole."""

    first: dt.date
    last: dt.date

    def at(self, day: dt.date, *, is_end: bool = False) -> float:
        """Where a day begins, or ends, in per cent; what lies outside stands at the edge.

        >>> Calendar(dt.date(2026, 3, 1), dt.date(2026, 3, 10)).at(dt.date(2026, 3, 2))
        10.0
        """
        days = (self.last - self.first).days + 1
        share = ((day - self.first).days + is_end) / days
        return round(min(max(share, 0.0), 1.0) * 100, 1)

    def middle(self, day: dt.date) -> float:
        return round((self.at(day) + self.at(day, is_end=True)) / 2, 1)

    def inside(self, day: dt.date) -> float | None:
        return self.middle(day) if self.first <= day <= self.last else None

    @property
    def ticks(self) -> tuple[tuple[float, dt.date], ...]:
        """A few days with their dates, the first among them; whole days apart."""
        step = max(((self.last - self.first).days + 1) // TICKS, 1)
        days = [self.first + number * step * DAY for number in range(TICKS)]
        return tuple((self.at(day), day) for day in days if day <= self.last)


@dataclass(frozen=True)
class Bar:
    """One visit: the window from `x` on, `width` wide; `target` and `done` are the middles of their days."""

    code: str
    title: str
    link: str
    state: str
    words: str
    x: float
    width: float
    target: float
    done: float | None = None
    # What somebody should see about it, and whether something is wrong.
    remark: str = ""
    is_late: bool = False
    # How much of what it asks nobody has recorded.
    missing: str = ""

    @property
    def is_left_out(self) -> bool:
        return self.state in (VisitState.NOT_DONE, VisitState.CANCELLED)


@dataclass(frozen=True)
class Stretch:
    code: str
    name: Any
    calendar: Calendar
    bars: tuple[Bar, ...]
    today: float | None

    @property
    def is_folded(self) -> bool:
        return self.code == "long"


def stretches(
    visits: Iterable[Visit],
    *,
    today: dt.date,
    link: Callable[[Visit], str],
    missing: Mapping[int, str] = MappingProxyType({}),
) -> tuple[Stretch, ...]:
    """Those that have visits, each with its own calendar; what is `missing` of them in words, by their keys."""
    groups: dict[str, list[Visit]] = {code: [] for code in NAMES}
    for visit in visits:
        groups[_group(visit)].append(visit)
    return tuple(_stretch(code, found, today, link, missing) for code, found in groups.items() if found)


def _group(visit: Visit) -> str:
    if visit.is_long_term_follow_up:
        return "long"
    return "first" if visit.target_day <= FIRST_MONTH else "main"


def _stretch(
    code: str, visits: Sequence[Visit], today: dt.date, link: Callable[[Visit], str], missing: Mapping[int, str]
) -> Stretch:
    days = [day for visit in visits for day in _days(visit)]
    calendar = Calendar(min(days), max(days))
    bars = tuple(bar(visit, calendar, today, link(visit), missing.get(visit.pk, "")) for visit in visits)
    return Stretch(code, NAMES[code], calendar, bars, calendar.inside(today))


def _days(visit: Visit) -> Iterator[dt.date]:
    yield visit.window_opens_on
    yield visit.window_closes_on
    if visit.occurred_on:
        yield visit.occurred_on


def bar(visit: Visit, calendar: Calendar, today: dt.date, link: str, missing: str = "") -> Bar:
    """Of one visit; what of it lies outside the calendar stands at its edge."""
    begins, ends = calendar.at(visit.window_opens_on), calendar.at(visit.window_closes_on, is_end=True)
    width = max(round(ends - begins, 1), LEAST)
    remark, is_late = _remark(visit, today)
    return Bar(
        code=visit.code,
        title=visit.title,
        link=link,
        state=visit.state,
        words=_words(visit),
        # A short one at the very end stays inside.
        x=min(begins, round(100 - width, 1)),
        width=width,
        target=calendar.middle(visit.target_date),
        done=calendar.middle(visit.occurred_on) if visit.occurred_on else None,
        remark=remark,
        is_late=is_late,
        missing=missing,
    )


def _words(visit: Visit) -> str:
    """What became of it, and of one that is still to come its days."""
    if visit.state == VisitState.PARTLY:
        return _("partly done on %(day)s") % {"day": f"{visit.occurred_on:%Y-%m-%d}"}
    if visit.occurred_on:
        return _("done on %(day)s") % {"day": f"{visit.occurred_on:%Y-%m-%d}"}
    if visit.released_because:
        return f"{visit.get_state_display()} · {visit.get_released_because_display()}"
    if visit.state != VisitState.PLANNED:
        return str(visit.get_state_display())
    if visit.window_opens_on == visit.window_closes_on:
        return f"{visit.target_date:%Y-%m-%d}"
    opens, closes = f"{visit.window_opens_on:%m-%d}", f"{visit.window_closes_on:%m-%d}"
    return f"{visit.target_date:%Y-%m-%d} ({opens} – {closes})"


def _remark(visit: Visit, today: dt.date) -> tuple[str, bool]:
    """In words, and whether something is wrong; nothing to say of what is still to come, or no longer due."""
    if visit.occurred_on and visit.days_outside(visit.occurred_on):
        return _("outside its window"), True
    standing = visit.standing_on(today)
    if standing is Standing.OVERDUE:
        return _("window closed"), True
    return (_("window open"), False) if standing is Standing.OPEN else ("", False)


def summary(visits: Sequence[Visit], *, today: dt.date) -> str:
    """How many are done, how many windows have closed, and which one is next."""
    if not visits:
        return _("none planned")
    due = [visit for visit in visits if visit.state != VisitState.CANCELLED]
    done = sum(visit.state in TOOK_PLACE for visit in due)
    said = [_("%(done)s of %(all)s done") % {"done": done, "all": len(due)}]
    planned = [visit for visit in visits if visit.state == VisitState.PLANNED]
    if late := [visit.code for visit in planned if visit.window_closes_on < today]:
        said.append(_("window closed: %(visits)s") % {"visits": _(", ").join(late[:3]) + (" …" if late[3:] else "")})
    if coming := next((visit for visit in planned if visit.window_closes_on >= today), None):
        said.append(_("next %(code)s on %(day)s") % {"code": coming.code, "day": f"{coming.target_date:%Y-%m-%d}"})
    return " · ".join(said)
