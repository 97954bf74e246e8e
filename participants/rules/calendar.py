"""Which days are worked, and on which day of its window a visit is best booked.

Source: the State Council's yearly notices of public holidays and make-up working days; before a year's notice is out,
only the days that the law names are known (Order 795 of 2024). The preference is policy [P]: a working day as near to
the target as there is one in the window, of two that are equally near the earlier, so that the window still has room if
the participant does not come. Where the window has no working day, the target stays.
"""

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

DAY = dt.timedelta(days=1)
SATURDAY = 5


class Kind(StrEnum):
    WORKING = "working"
    WEEKEND = "weekend"
    HOLIDAY = "holiday"
    # A day of a weekend that is worked, because another day is off.
    MAKE_UP = "make_up"


@dataclass(frozen=True)
class Workdays:
    """What is known of holidays: days off with their names, worked weekends, and the years with a notice."""

    off: Mapping[dt.date, Any] = field(default_factory=dict)
    worked: frozenset[dt.date] = frozenset()
    published: frozenset[int] = frozenset()

    def kind(self, day: dt.date) -> Kind:
        if day in self.off:
            return Kind.HOLIDAY
        if day.weekday() >= SATURDAY:
            return Kind.MAKE_UP if day in self.worked else Kind.WEEKEND
        return Kind.WORKING

    def is_worked(self, day: dt.date) -> bool:
        return self.kind(day) in (Kind.WORKING, Kind.MAKE_UP)

    def unknown_years(self, first: dt.date, last: dt.date) -> tuple[int, ...]:
        """The years between these days whose notice is not known: their bridge days and worked weekends are not."""
        return tuple(year for year in range(first.year, last.year + 1) if year not in self.published)


def days_between(first: dt.date, last: dt.date) -> Iterator[dt.date]:
    """Both included.

    >>> [day.day for day in days_between(dt.date(2026, 3, 1), dt.date(2026, 3, 3))]
    [1, 2, 3]
    """
    return (first + number * DAY for number in range((last - first).days + 1))


def preferred_day(target: dt.date, *, opens: dt.date, closes: dt.date, workdays: Workdays) -> dt.date:
    """The working day of the window that is nearest to the target.

    >>> preferred_day(dt.date(2026, 3, 8), opens=dt.date(2026, 3, 5), closes=dt.date(2026, 3, 11), workdays=Workdays())
    datetime.date(2026, 3, 9)
    """
    worked = [day for day in days_between(opens, closes) if workdays.is_worked(day)]
    return min(worked, key=lambda day: (abs((day - target).days), day), default=target)
