"""Days and moments as the site reads them."""

import datetime as dt

from django.utils import formats, timezone


def site_day(moment: dt.datetime) -> dt.date:
    """The calendar day at the site."""
    return timezone.localtime(moment).date()


def end_of_day(day: dt.date) -> dt.datetime:
    """The last moment of a calendar day at the site."""
    return dt.datetime.combine(day, dt.time.max, timezone.get_current_timezone())


def minute(moment: dt.datetime) -> dt.datetime:
    """People type minutes: within the same one nothing came first."""
    return moment.replace(second=0, microsecond=0)


def long_date(day: dt.date) -> str:
    return formats.date_format(day, "DATE_FORMAT")


def long_moment(moment: dt.datetime) -> str:
    return formats.date_format(timezone.localtime(moment), "DATETIME_FORMAT")
