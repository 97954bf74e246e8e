"""Keeping who was shown what names a participant."""

from collections.abc import Collection, Iterable

from participants.models import IdentityRead, Participant, ReadHow
from trialsite.models import User

BATCH = 1000


def note_reading(
    participants: Iterable[Participant], *, fields: Collection[str], how: ReadHow, by: User, ip: str = ""
) -> None:
    """One row for each participant, in one statement, before the page leaves; a search that found nobody leaves one.

    `fields` are those shown, or searched by. Nothing is kept where nothing was shown.
    """
    shown = [one.name for one in Participant._meta.concrete_fields if one.name in fields]
    found = {one.pk: one for one in participants}
    if not shown or not (found or how == ReadHow.SEARCH):
        return
    rows = [IdentityRead(participant=one, by=by, how=how, fields=shown, ip=ip) for one in found.values() or [None]]
    IdentityRead.objects.bulk_create(rows, batch_size=BATCH)
