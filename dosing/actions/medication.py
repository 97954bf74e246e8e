"""Verbs of concomitant and supportive medication."""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal

from django.db import transaction
from django.utils.translation import gettext as _

from dosing.actions.amounts import check_amount
from dosing.models import Medication, MedicationKind
from dosing.models.medication import ADVICE_NAMES
from dosing.rules import tocilizumab
from dosing.rules.tocilizumab import Advice, Limits
from participants import actions as participants
from participants.models import DeviationKind, Participant
from trialsite.models import User
from trialsite.refusal import Refused
from trialsite.study import ProhibitedMedication, get_study


def tocilizumab_limits(participant: Participant) -> Limits:
    policy = get_study().protocol(participant.protocol_version).policy
    return Limits(
        Decimal(policy.tocilizumab_min_interval_hours), policy.tocilizumab_max_per_24h, policy.tocilizumab_max_total
    )


@dataclass(frozen=True)
class TocilizumabHelp:
    """What the bedside asks: how much, what was given, when the next may be. Decision support, never an order."""

    weight_kg: Decimal | None
    weighed_on: dt.date | None
    dose_mg: Decimal | None
    given_at: tuple[dt.datetime, ...]
    advice: Advice
    next_at: dt.datetime | None
    limits: Limits


def tocilizumab_help(participant: Participant, *, now: dt.datetime) -> TocilizumabHelp:
    weight = participants.facts_of(participant, until=now).get("WEIGHT")
    kg = weight.number if weight and isinstance(weight.value, Decimal) else None
    given_at = tuple(_doses_of(participant))
    limits = tocilizumab_limits(participant)
    return TocilizumabHelp(
        weight_kg=kg,
        weighed_on=weight.on if weight else None,
        dose_mg=tocilizumab.dose_mg(kg) if kg else None,
        given_at=given_at,
        advice=tocilizumab.advice_at(now, given_at, limits),
        next_at=tocilizumab.next_possible(given_at, limits),
        limits=limits,
    )


def _doses_of(participant: Participant, *, but: Medication | None = None) -> list[dt.datetime]:
    doses = participant.medications.standing().filter(kind=MedicationKind.TOCILIZUMAB)
    if but is not None and but.pk:
        doses = doses.exclude(pk=but.pk)
    return list(doses.order_by("started_at").values_list("started_at", flat=True))


def advice_of(medication: Medication) -> Advice:
    """What the limits say of this dose among the others; ALLOW for every other kind."""
    if medication.kind != MedicationKind.TOCILIZUMAB:
        return Advice.ALLOW
    others = _doses_of(medication.participant, but=medication)
    return tocilizumab.advice_at(medication.started_at, others, tocilizumab_limits(medication.participant))


def check_medication(
    medication: Medication, *, is_accepted: bool = False, deviation_reason: str = "", now: dt.datetime
) -> None:
    """Raises Refused for a moment in the future; for an amount that cannot be; for a warned dose until it is accepted
    as really given; and for what the study file prohibits before the infusion until the deviation has its reason."""
    for moment in (medication.started_at, medication.ended_at):
        if moment is not None and moment > now:
            raise Refused(
                _("%(at)s is in the future (now: %(now)s). Record it when it was given.")
                % {"at": participants.long_moment(moment), "now": participants.long_moment(now)}
            )
    check_amount(medication)
    advice = advice_of(medication)
    if advice is not Advice.ALLOW and not is_accepted:
        raise Refused(_warning_text(medication, advice))
    prohibited = prohibition_of(medication)
    if prohibited is not None and not deviation_reason.strip():
        text = _prohibited_text(medication, prohibited)
        raise Refused(f"{text} {_('Record it and give a reason for the protocol deviation.')}")


def _warning_text(medication: Medication, advice: Advice) -> str:
    limits = tocilizumab_limits(medication.participant)
    return _(
        "Tocilizumab: %(warning)s (at least %(hours)s hours apart, at most %(day)s in 24 hours and %(total)s in all). "
        "If it was really given, tick “given all the same”."
    ) % {
        "warning": ADVICE_NAMES[advice],
        "hours": limits.min_interval_h,
        "day": limits.max_per_24h,
        "total": limits.max_total,
    }


def prohibition_of(medication: Medication) -> ProhibitedMedication | None:
    """The line of the study file that this falls under; only before the infusion, and within its days."""
    participant = medication.participant
    prohibited = get_study().protocol(participant.protocol_version).prohibited_medications
    found = next((one for one in prohibited if one.kind == medication.kind), None)
    infusion_on = participant.planned_infusion_on
    day = participants.site_day(medication.started_at)
    if found is None or (infusion_on is not None and not 0 <= (infusion_on - day).days <= found.days_before_infusion):
        return None
    return found


def _prohibited_text(medication: Medication, prohibited: ProhibitedMedication) -> str:
    return _("%(name)s is not allowed within %(days)s days before the infusion (%(rule)s).") % {
        "name": medication.get_kind_display(),
        "days": prohibited.days_before_infusion,
        "rule": prohibited.text,
    }


@transaction.atomic
def record_medication(
    *, medication: Medication, is_accepted: bool = False, deviation_reason: str = "", by: User, now: dt.datetime
) -> Medication:
    """Save a medication, new or corrected, with what the limits said of it."""
    medication.participant = Participant.objects.select_for_update().get(pk=medication.participant_id)
    check_medication(medication, is_accepted=is_accepted, deviation_reason=deviation_reason, now=now)
    advice = advice_of(medication)
    medication.warning = "" if advice is Advice.ALLOW else advice.value
    if medication.pk is None:
        medication.created_by, medication.created_at = by, now
    medication.save()
    prohibited = prohibition_of(medication)
    participants.report_deviation(
        participant=medication.participant,
        kind=DeviationKind.MEDICATION,
        about=f"medication:{medication.pk}",
        description=_prohibited_text(medication, prohibited) if prohibited else "",
        reason=deviation_reason,
        by=by,
        now=now,
    )
    return medication
