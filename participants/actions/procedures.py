"""Verbs of the procedures of a visit that no other record holds."""

import datetime as dt

from django.db import transaction
from django.utils.translation import gettext as _

from participants.actions.days import long_date, site_day
from participants.actions.deviations import report_deviation
from participants.actions.voids import deviation_lines, locked, void_about
from participants.models import DeviationKind, VisitProcedure
from trialsite.models import User
from trialsite.refusal import Refused
from trialsite.voiding import Consequences, entangled, void


def check_procedure(row: VisitProcedure, *, now: dt.datetime) -> None:
    """Raises Refused for a day in the future."""
    if row.done_on is not None and row.done_on > site_day(now):
        raise Refused(_("%(day)s is in the future. Record it when it has been done.") % {"day": long_date(row.done_on)})


@transaction.atomic
def record_procedure(*, row: VisitProcedure, by: User, now: dt.datetime) -> VisitProcedure:
    """Done on a day, or not done and why; what was not done is a deviation beside it. Raises Refused."""
    locked(row.participant_id)
    check_procedure(row, now=now)
    row.created_by, row.created_at = by, now
    row.save()
    report_deviation(
        participant=row.participant,
        kind=DeviationKind.PROCEDURE,
        about=_about(row),
        description=_not_done(row),
        reason=row.not_done_reason,
        by=by,
        now=now,
    )
    return row


def _not_done(row: VisitProcedure) -> str:
    if row.state == VisitProcedure.State.DONE:
        return ""
    return _("%(visit)s: %(procedure)s was not done.") % {"visit": row.visit_code, "procedure": row.title}


def _about(row: VisitProcedure) -> str:
    return f"procedure:{row.pk}"


def procedure_consequences(row: VisitProcedure) -> Consequences:
    return Consequences(tuple(deviation_lines(_about(row)))) + entangled(row)


@transaction.atomic
def void_procedure(*, row: VisitProcedure, reason: str, by: User, now: dt.datetime) -> None:
    """Take it back, with the deviation that it was: it is missing again."""
    locked(row.participant_id)
    void(row, reason=reason, by=by, now=now)
    void_about(_about(row), reason=reason, by=by, now=now)
