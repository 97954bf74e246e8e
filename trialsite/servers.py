"""What we know of the servers behind the ways of sending: whether one answers, and when it is asked again.

While a server is down nobody hammers it, and no message pays for it: whoever finds it down says so here, once for all
deliverers, and one of them looks again when the time has come.
"""

import datetime as dt
from typing import Any

from django.db.models import F

from trialsite.models import ChannelName, ChannelState

FIRST_PAUSE, LONGEST_PAUSE = dt.timedelta(seconds=5), dt.timedelta(minutes=2)


def state_of(name: ChannelName) -> ChannelState:
    """As it is kept; a server that nothing was said of yet has no row, and reading makes none."""
    return ChannelState.objects.filter(name=name).first() or ChannelState(name=name)


def _write(name: ChannelName, **values: Any) -> None:
    ChannelState.objects.get_or_create(name=name)
    ChannelState.objects.filter(name=name).update(**values)


def may_try(name: ChannelName, *, now: dt.datetime) -> bool:
    """Whether to send now. Of several who ask a server that was down, one goes first and the others wait for it."""
    row = state_of(name)
    if row.next_try_at is None:
        return True
    if row.next_try_at > now:
        return False
    same = ChannelState.objects.filter(name=name, next_try_at=row.next_try_at)
    return bool(same.update(next_try_at=now + pause(row.failures)))


def pause(failures: int) -> dt.timedelta:
    return min(FIRST_PAUSE * 2 ** min(failures, 10), LONGEST_PAUSE)


def is_down(name: ChannelName, error: str, *, now: dt.datetime) -> None:
    """It took nothing: everybody waits, twice as long each time."""
    row = state_of(name)
    _write(
        name,
        down_since=row.down_since or now,
        failures=F("failures") + 1,
        next_try_at=now + pause(row.failures),
        error=error,
    )


def has_taken(name: ChannelName, *, now: dt.datetime) -> None:
    """It has taken a message: whatever waits goes now."""
    _write(name, last_sent_at=now, down_since=None, failures=0, next_try_at=None, error="")
