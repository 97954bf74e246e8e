"""Verbs of reporting duties."""

import datetime as dt

from safety.models import AdverseEvent
from trialsite.models import User


def renew(event: AdverseEvent, *, by: User, now: dt.datetime) -> None:
    """Called inside the transaction of every change of an event, its agents, its grades or its follow-ups."""
