"""Verbs of dosing: log an infusion, correct one."""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal

from django.db import transaction
from django.utils.translation import gettext as _

from dosing.actions.product import check_product, mark_product_infused
from dosing.models import Infusion
from dosing.rules.dose import OUT_OF_RANGE, DoseBand, DoseLimits, band
from participants import actions as participants
from participants.models import DeviationKind, Participant, Visit
from participants.rules.status import Status
from trialsite.models import User
from trialsite.refusal import Refused
from trialsite.study import Protocol, get_study


@dataclass(frozen=True)
class Infused:
    infusion: Infusion
    new_visits: list[Visit]
    moved_visits: list[Visit]


def dose_limits(protocol: Protocol) -> DoseLimits:
    dose = protocol.dose
    return DoseLimits(dose.tolerance_low_e8, dose.nominal_low_e8, dose.nominal_high_e8, dose.tolerance_high_e8)


def dose_band(participant: Participant, cells_e8: Decimal) -> DoseBand:
    return band(cells_e8, dose_limits(get_study().protocol(participant.protocol_version)))


def check_infusion(infusion: Infusion, *, deviation_reason: str, now: dt.datetime) -> None:
    """Raises Refused for what cannot be true, or for a dose out of range without its reason."""
    _check_moment(infusion, now=now)
    if infusion.pk is None:
        check_product(infusion.product_lot, infusion.participant)
        participants.check_can_become(infusion.participant, Status.INFUSED, on=infusion.day0, now=now)
    text = participants.not_met_at_infusion(infusion.participant, on=infusion.day0, now=now)
    if text and not deviation_reason.strip():
        raise Refused(" ".join([text, _("Record it and give a reason for the protocol deviation.")]))
    if dose_band(infusion.participant, infusion.viable_car_t_cells_e8) in OUT_OF_RANGE and not deviation_reason.strip():
        raise Refused(" ".join([_dose_text(infusion), _("Record it and give a reason for the protocol deviation.")]))


def _check_moment(infusion: Infusion, *, now: dt.datetime) -> None:
    if infusion.infused_at > now:
        raise Refused(
            _("An infusion is logged once it was given: %(at)s is after now, %(now)s. Correct the date and time.")
            % {"at": participants.long_moment(infusion.infused_at), "now": participants.long_moment(now)}
        )
    consented_at = participants.first_consent_at(infusion.participant)
    if consented_at is None or infusion.infused_at < consented_at:
        raise Refused(
            _("Consent comes before every procedure: consent was given %(consent)s, the infusion is %(at)s.")
            % {
                "consent": participants.long_moment(consented_at) if consented_at else _("never"),
                "at": participants.long_moment(infusion.infused_at),
            }
        )


def _dose_text(infusion: Infusion) -> str:
    dose = get_study().protocol(infusion.participant.protocol_version).dose
    return _("The protocol's dose is %(low)s–%(high)s × 10⁸ viable CAR-T cells; %(given)s × 10⁸ is outside.") % {
        "low": dose.tolerance_low_e8,
        "high": dose.tolerance_high_e8,
        "given": infusion.viable_car_t_cells_e8.normalize(),
    }


@transaction.atomic
def infuse(*, infusion: Infusion, deviation_reason: str = "", by: User, now: dt.datetime) -> Infused:
    """Log an infusion: it becomes Day 0, and the follow-up visits appear in the same transaction."""
    participant = Participant.objects.select_for_update().get(pk=infusion.participant_id)
    infusion.participant = participant
    check_infusion(infusion, deviation_reason=deviation_reason, now=now)
    infusion.dose_band = dose_band(participant, infusion.viable_car_t_cells_e8)
    infusion.created_by, infusion.created_at = by, now
    infusion.save()
    mark_product_infused(lot=infusion.product_lot, participant=participant, at=infusion.infused_at, by=by, now=now)
    participants.mark_infused(participant=participant, on=infusion.day0, by=by, now=now)
    return _follow(infusion, deviation_reason, by=by, now=now)


@transaction.atomic
def correct_infusion(*, infusion: Infusion, deviation_reason: str = "", by: User, now: dt.datetime) -> Infused:
    """Save a corrected infusion. Another Day 0 moves the visits that are still planned, and only those."""
    Participant.objects.select_for_update().get(pk=infusion.participant_id)
    check_infusion(infusion, deviation_reason=deviation_reason, now=now)
    infusion.dose_band = dose_band(infusion.participant, infusion.viable_car_t_cells_e8)
    infusion.save()
    return _follow(infusion, deviation_reason, by=by, now=now)


def _follow(infusion: Infusion, deviation_reason: str, *, by: User, now: dt.datetime) -> Infused:
    participants.infused_on(
        participant=infusion.participant, on=infusion.day0, deviation_reason=deviation_reason, by=by, now=now
    )
    new, moved = participants.schedule_follow_up(participant=infusion.participant, day0=infusion.day0, by=by, now=now)
    if infusion.is_out_of_range:
        participants.report_deviation(
            participant=infusion.participant,
            kind=DeviationKind.DOSE,
            about=f"infusion:{infusion.pk}",
            description=_dose_text(infusion),
            reason=deviation_reason,
            by=by,
            now=now,
        )
    return Infused(infusion, new, moved)
