"""For how long something has waited, in words of the reader's language."""

import datetime as dt

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

# From here on nobody counts in hours.
IN_HOURS = dt.timedelta(days=2)


def since(begun: dt.datetime | dt.date, *, now: dt.datetime) -> str:
    """“waiting 13 h 5 min”, or in whole days where only a day is known, or where it is long ago.

    A day that is not over, or a moment that is still to come, has not waited: empty.
    """
    if not isinstance(begun, dt.datetime):
        return _days((timezone.localtime(now).date() - begun).days)
    waited = now - begun
    if waited >= IN_HOURS:
        return _days(waited.days)
    hours, minutes = divmod(max(waited, dt.timedelta()) // dt.timedelta(minutes=1), 60)
    if hours:
        return _("waiting %(hours)s h %(minutes)s min") % {"hours": hours, "minutes": minutes}
    return _("waiting %(minutes)s min") % {"minutes": minutes} if minutes else ""


def _days(days: int) -> str:
    if days <= 0:
        return ""
    return ngettext("waiting %(days)s day", "waiting %(days)s days", days) % {"days": days}
