"""Whether a process knows what time it is.

Every lease and every hour is counted by clocks: a worker with a wrong one would take messages out of the hands of
others, and give up as too late what is not. It does nothing in place of that, and says so.
"""

import datetime as dt

from django.db import connection
from django.utils import timezone

# Clocks that are set by the network differ by less than one second, and a lease lasts a minute.
MOST = dt.timedelta(seconds=10)


class WrongClock(Exception):
    """How far it is from the database's clock, which all share."""


def check() -> None:
    """One query. Raises WrongClock."""
    if abs(off := off_by()) > MOST:
        seconds = round(off.total_seconds())
        raise WrongClock(f"the clock here is {seconds:+} s off the database's: nothing is done until it is right")


def off_by() -> dt.timedelta:
    """Positive where ours is ahead; nothing where the time that the question took explains the difference."""
    before = timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (there,) = cursor.fetchone()
    after = timezone.now()
    if before <= there <= after:
        return dt.timedelta()
    return before - there if there < before else after - there
