"""Completed years of life."""

import calendar
import datetime as dt
from enum import StrEnum

from trialsite.partialdate import PartialDate


class LeapDay(StrEnum):
    """When somebody born on 29 February turns older in a common year [P]."""

    MAR_1 = "mar_1"
    FEB_28 = "feb_28"


def birthday(born: dt.date, years: int, leap_day: LeapDay = LeapDay.MAR_1) -> dt.date:
    """The day on which so many years are completed.

    >>> birthday(dt.date(2008, 2, 29), 18).isoformat()
    '2026-03-01'
    """
    year = born.year + years
    if (born.month, born.day) == (2, 29) and not calendar.isleap(year):
        return dt.date(year, 3, 1) if leap_day == LeapDay.MAR_1 else dt.date(year, 2, 28)
    return born.replace(year=year)


def completed_years(born: dt.date, day: dt.date, leap_day: LeapDay = LeapDay.MAR_1) -> int:
    """Years completed on `day`; negative before birth."""
    years = day.year - born.year
    return years - (day < birthday(born, years, leap_day))


def years_span(born: dt.date | PartialDate, day: dt.date, leap_day: LeapDay = LeapDay.MAR_1) -> tuple[int, int]:
    """The fewest and the most years completed on `day`, where the birth is known only in part.

    >>> years_span(PartialDate(2008), dt.date(2026, 3, 1)), years_span(PartialDate(2008, 2), dt.date(2026, 3, 1))
    ((17, 18), (18, 18))
    """
    first, last = (born.earliest, born.latest) if isinstance(born, PartialDate) else (born, born)
    return completed_years(last, day, leap_day), completed_years(first, day, leap_day)


# Completed years with which another group of reference intervals begins: children by WS/T 779-2021, adults from 18
# by WS/T 405-2012, creatinine and others anew from 60 by WS/T 404.5-2015.
GROUPS_BEGIN = (0, 1, 2, 6, 13, 18, 60)


def age_group(years: int) -> int:
    """The years with which the person's group of reference intervals begins.

    >>> [age_group(years) for years in (12, 13, 17, 18, 59, 60)]
    [6, 13, 13, 18, 18, 60]
    """
    return max((begin for begin in GROUPS_BEGIN if begin <= years), default=0)


def months_before(day: dt.date, months: int) -> dt.date:
    """The same day so many calendar months earlier; the last of the month where it has no such day.

    >>> months_before(dt.date(2026, 2, 28), 6).isoformat()
    '2025-08-28'
    """
    count = day.year * 12 + day.month - 1 - months
    year, month = divmod(count, 12)
    return dt.date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))
