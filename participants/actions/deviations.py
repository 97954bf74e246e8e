"""Writing down where reality differed from the protocol, and what became of it."""

import datetime as dt
import uuid
from collections.abc import Mapping

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from participants.actions.days import long_date, long_moment, site_day
from participants.models import DeviationKind, Participant, ProtocolDeviation, Severity
from trialsite.models import User
from trialsite.refusal import Refused

CLOSED = ("closed_at", "closed_by", "close_note", "is_untrue")
# What was typed by a person is about nothing that could be looked up.
BY_HAND = "hand:"
RECEIVERS = {"sponsor": gettext_lazy("sponsor"), "ethics": gettext_lazy("ethics committee")}


def report_deviation(
    *,
    participant: Participant,
    kind: DeviationKind,
    about: str,
    description: str,
    reason: str,
    by: User,
    now: dt.datetime,
) -> ProtocolDeviation | None:
    """Keep the deviation of this kind in step with the thing it is about; None where there is none.

    Called at every save of that thing: it is written, brought up to date, or, with an empty description, closed
    with a note, for a correction has made it untrue. One that is true again is open again.
    """
    known = ProtocolDeviation.objects.standing().filter(about=about, kind=kind).first()
    return _in_step(known, participant, kind, about, description, reason, by=by, now=now)


def report_deviations(
    *,
    participant: Participant,
    about: str,
    descriptions: Mapping[DeviationKind, str],
    reason: str,
    by: User,
    now: dt.datetime,
) -> None:
    """The same of several kinds about one thing, which is looked up once; empty where there is none of a kind."""
    rows = ProtocolDeviation.objects.standing().filter(about=about, kind__in=[kind.value for kind in descriptions])
    known = {row.kind: row for row in rows}
    for kind, description in descriptions.items():
        _in_step(known.get(kind), participant, kind, about, description, reason, by=by, now=now)


def _in_step(
    known: ProtocolDeviation | None,
    participant: Participant,
    kind: DeviationKind,
    about: str,
    description: str,
    reason: str,
    *,
    by: User,
    now: dt.datetime,
) -> ProtocolDeviation | None:
    if not description:
        if known is not None and not known.is_untrue:
            _close_as_untrue(known, by=by, now=now)
        return known
    if known is None:
        # Two people may save the same thing at the same moment: the second brings the first one's up to date.
        known, _is_new = ProtocolDeviation.objects.get_or_create(
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
    return _bring_up_to_date(known, description, reason)


def _bring_up_to_date(deviation: ProtocolDeviation, description: str, reason: str) -> ProtocolDeviation:
    """What was closed about other facts is open again."""
    reason = reason.strip() or deviation.reason
    if (deviation.description, deviation.reason) == (description, reason) and not deviation.is_untrue:
        return deviation
    if deviation.description != description or deviation.is_untrue:
        _reopen(deviation)
    deviation.description, deviation.reason = description, reason
    deviation.save(update_fields=["description", "reason", *CLOSED])
    return deviation


def _reopen(deviation: ProtocolDeviation) -> None:
    deviation.closed_at, deviation.closed_by, deviation.close_note, deviation.is_untrue = None, None, "", False


def _close_as_untrue(deviation: ProtocolDeviation, *, by: User, now: dt.datetime) -> None:
    note = _("A correction of %(day)s has made it untrue.") % {"day": long_date(site_day(now))}
    deviation.close_note = f"{deviation.close_note} {note}".strip()
    deviation.closed_at, deviation.closed_by, deviation.is_untrue = now, by, True
    deviation.save(update_fields=CLOSED)


# --- By hand -------------------------------------------------------------------------------------------


def is_by_hand(deviation: ProtocolDeviation) -> bool:
    return deviation.about.startswith(BY_HAND)


@transaction.atomic
def add_deviation(*, deviation: ProtocolDeviation, by: User, now: dt.datetime) -> ProtocolDeviation:
    """Save what a person saw, new or corrected. Raises Refused for a day in the future."""
    if deviation.occurred_on is not None and deviation.occurred_on > site_day(now):
        raise Refused(
            _("%(day)s is in the future. Record the deviation when it has happened.")
            % {"day": long_date(deviation.occurred_on)}
        )
    if deviation.pk is None:
        deviation.about = f"{BY_HAND}{uuid.uuid4().hex}"
        deviation.created_by, deviation.created_at = by, now
    deviation.save()
    return deviation


def _locked(deviation: ProtocolDeviation) -> ProtocolDeviation:
    deviation = ProtocolDeviation.objects.select_for_update().get(pk=deviation.pk)
    if deviation.is_void:
        raise Refused(_("This entry is void; nothing was changed."))
    return deviation


@transaction.atomic
def classify_deviation(
    *, deviation: ProtocolDeviation, severity: Severity, by: User, now: dt.datetime
) -> ProtocolDeviation:
    deviation = _locked(deviation)
    deviation.severity, deviation.classified_at, deviation.classified_by = severity, now, by
    deviation.save(update_fields=["severity", "classified_at", "classified_by"])
    return deviation


@transaction.atomic
def close_deviation(*, deviation: ProtocolDeviation, note: str, by: User, now: dt.datetime) -> ProtocolDeviation:
    """What had to be done is done. Raises Refused before it is classified, without a note, or when it is closed."""
    deviation = _locked(deviation)
    if deviation.closed_at is not None:
        raise Refused(
            _("It was closed on %(at)s already; nothing was changed.") % {"at": long_moment(deviation.closed_at)}
        )
    if not deviation.severity:
        raise Refused(_("A deviation is closed once it is classified. Classify it first: minor, major or important."))
    if not note.strip():
        raise Refused(_("Say what was done about it, and against its coming again."))
    deviation.closed_at, deviation.closed_by, deviation.close_note = now, by, note.strip()
    deviation.save(update_fields=CLOSED)
    return deviation


@transaction.atomic
def reopen_deviation(*, deviation: ProtocolDeviation, by: User, now: dt.datetime) -> ProtocolDeviation:
    """Raises Refused for one that is open, or that a correction has made untrue."""
    deviation = _locked(deviation)
    if deviation.closed_at is None or deviation.is_untrue:
        raise Refused(_("Only a deviation that a person has closed is opened again; nothing was changed."))
    _reopen(deviation)
    deviation.save(update_fields=CLOSED)
    return deviation


@transaction.atomic
def mark_reported(
    *, deviation: ProtocolDeviation, to: str, at: dt.datetime, by: User, now: dt.datetime
) -> ProtocolDeviation:
    """Somebody told the sponsor or the ethics committee at this moment. Raises Refused for one in the future, or before
    it happened."""
    deviation = _locked(deviation)
    if at > now:
        raise Refused(
            _("%(at)s is in the future (now: %(now)s). Mark it when it has been reported.")
            % {"at": long_moment(at), "now": long_moment(now)}
        )
    if deviation.occurred_on is not None and site_day(at) < deviation.occurred_on:
        raise Refused(
            _("It happened on %(day)s, and cannot have been reported on %(at)s. Correct the date and time.")
            % {"day": long_date(deviation.occurred_on), "at": long_moment(at)}
        )
    names = (f"reported_to_{to}_at", f"reported_to_{to}_by")
    for name, value in zip(names, (at, by), strict=True):
        setattr(deviation, name, value)
    deviation.save(update_fields=names)
    return deviation
