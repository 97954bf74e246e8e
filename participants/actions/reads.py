"""Keeping who was shown what names a participant."""

import datetime as dt
from collections.abc import Collection, Iterable, Mapping

from participants.actions.days import site_day
from participants.models import IdentityRead, Participant, ReadHow
from trialsite.models import User

BATCH = 1000


def note_reading(
    participants: Iterable[Participant], *, fields: Collection[str], how: ReadHow, by: User, ip: str = ""
) -> None:
    """These fields of all these participants are shown, or were searched by: kept before the page leaves.

    A search that found nobody is kept, too. Nothing is kept where nothing is shown.
    """
    shown = dict.fromkeys(participants, fields)
    if not shown and how == ReadHow.SEARCH:
        IdentityRead.objects.create(by=by, how=how, fields=_in_order(fields), ip=ip)
    note_readings(shown, how=how, by=by, ip=ip)


def note_readings(shown: Mapping[Participant, Collection[str]], *, how: ReadHow, by: User, ip: str = "") -> None:
    """The same, with what is shown of each: one row for each participant, in one statement."""
    rows = [
        IdentityRead(participant=one, by=by, how=how, fields=_in_order(fields), ip=ip)
        for one, fields in shown.items()
        if _in_order(fields)
    ]
    if rows:
        IdentityRead.objects.bulk_create(rows, batch_size=BATCH)


def note_beside(keys: Iterable[int], *, by: User, now: dt.datetime, ip: str = "") -> None:
    """The names of these participants stood beside their numbers: once for each reader, participant and day.

    A list that is looked at every few minutes says nothing more. One statement, whoever else asks at the same moment.
    """
    day = site_day(now)
    rows = [
        IdentityRead(participant_id=key, by=by, how=ReadHow.BESIDE, fields=["name"], ip=ip, day=day)
        for key in sorted(keys)
    ]
    if rows:
        IdentityRead.objects.bulk_create(rows, ignore_conflicts=True)


def _in_order(fields: Collection[str]) -> list[str]:
    return [one.name for one in Participant._meta.concrete_fields if one.name in fields]
