"""Writing down where reality differed from the protocol."""

import datetime as dt

from participants.models import DeviationKind, Participant, ProtocolDeviation
from trialsite.models import User


def report_deviation(
    *,
    participant: Participant,
    kind: DeviationKind,
    about: str,
    description: str,
    reason: str,
    by: User,
    now: dt.datetime,
) -> ProtocolDeviation:
    """Write the deviation, or bring the open one about the same thing up to date."""
    deviation, is_new = ProtocolDeviation.objects.get_or_create(
        about=about,
        kind=kind,
        voided_at=None,
        defaults={
            "participant": participant,
            "description": description,
            "reason": reason,
            "created_by": by,
            "created_at": now,
        },
    )
    if not is_new and (deviation.description, deviation.reason) != (description, reason):
        deviation.description, deviation.reason = description, reason
        deviation.save(update_fields=["description", "reason"])
    return deviation
