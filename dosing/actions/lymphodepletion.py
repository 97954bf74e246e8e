"""Verbs of lymphodepletion: plan it from the planned infusion, record what was given."""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal

from django.db import transaction
from django.utils.translation import gettext as _

from dosing.actions.amounts import check_lymphodepletion_amount
from dosing.actions.readiness import findings_of, holds_at, newest_fitness
from dosing.models import Before
from dosing.models.lymphodepletion import DoseState, LymphodepletionDose
from dosing.rules import regimen
from dosing.rules.regimen import AcceptedRange, BsaFormula, Timing, TimingLimits
from dosing.wording import findings_text
from participants import actions as participants
from participants.models import DeviationKind, Participant
from participants.rules.eligibility import Fact
from participants.rules.status import Status
from trialsite.models import User
from trialsite.refusal import Refused
from trialsite.study import Protocol, get_study

TENTH = Decimal("0.1")


@dataclass(frozen=True)
class Body:
    """What the doses are computed from, and the kidney that fludarabine leaves by."""

    height_cm: Decimal
    weight_kg: Decimal
    bsa_m2: Decimal
    formula: BsaFormula
    clearance_ml_min: Decimal | None
    clearance_below: int | None


def _protocol(participant: Participant) -> Protocol:
    return get_study().protocol(participant.protocol_version)


def body_of(participant: Participant, *, now: dt.datetime) -> Body:
    """From the newest weight, height and creatinine. Raises Refused while weight or height are missing."""
    facts = participants.facts_of(participant, until=now)
    height, weight = _number(facts.get("HEIGHT")), _number(facts.get("WEIGHT"))
    if height is None or weight is None:
        raise Refused(
            _("Weight and height of %(number)s are needed for the body surface area. Enter them first.")
            % {"number": participant.number}
        )
    formula = BsaFormula(_protocol(participant).policy.bsa_formula)
    clearance = _clearance(participant, weight, _number(facts.get("CREAT")), now=now)
    limits = _protocol(participant).lymphodepletion.creatinine_clearance_warnings_ml_min
    below = regimen.clearance_warning(clearance, limits) if clearance is not None else None
    return Body(height, weight, regimen.bsa_m2(height, weight, formula), formula, clearance, below)


def _number(fact: Fact | None) -> Decimal | None:
    return fact.value if fact is not None and isinstance(fact.value, Decimal) else None


def _clearance(
    participant: Participant, weight: Decimal, creatinine: Decimal | None, *, now: dt.datetime
) -> Decimal | None:
    if not creatinine:
        return None
    age = participant.age_on(participants.site_day(now))
    return regimen.creatinine_clearance_ml_min(age, weight, creatinine, is_female=participant.sex == "F")


def warnings_of(participant: Participant, body: Body, *, days: list[dt.date], infusion_on: dt.date) -> list[str]:
    """What an investigator must look at before the first dose; none of it stops the plan."""
    found = []
    if body.clearance_ml_min is None:
        found.append(_("No creatinine is recorded: the clearance for fludarabine is not known."))
    elif body.clearance_below is not None:
        found.append(
            _("Creatinine clearance %(clearance)s mL/min is below %(limit)s: consider less fludarabine.")
            % {"clearance": round(body.clearance_ml_min), "limit": body.clearance_below}
        )
    plan = _protocol(participant).lymphodepletion
    limits = TimingLimits(plan.earliest_day, plan.last_day, plan.question_after_days)
    timing = regimen.timing(days, infusion_on, limits)
    if timing is not Timing.OK:
        found.append(str(_timing_text(timing, limits)))
    return found


def _timing_text(timing: Timing, limits: TimingLimits) -> str:
    values = {"earliest": limits.earliest_day, "last": limits.last_day, "days": limits.question_after_days}
    texts = {
        Timing.TOO_EARLY: _("It begins before Day %(earliest)s of the planned infusion."),
        Timing.TOO_LATE: _("It ends after Day %(last)s of the planned infusion."),
        Timing.TOO_OLD: _("It ends more than %(days)s days before the planned infusion: must it be repeated?"),
    }
    return texts[timing] % values


@transaction.atomic
def plan_lymphodepletion(
    *, participant: Participant, first_on: dt.date, by: User, now: dt.datetime
) -> tuple[list[LymphodepletionDose], list[str]]:
    """Plan every dose of the study's regimen from this day; the doses, and what an investigator must look at.

    Planning again replaces doses that are still planned, and is refused once one was given.
    """
    participant = Participant.objects.select_for_update().get(pk=participant.pk)
    check_plan(participant)
    assert participant.planned_infusion_on is not None
    body = body_of(participant, now=now)
    known = participant.lymphodepletion_doses.filter(voided_at__isnull=True)
    for old in known:
        old.voided_at, old.voided_by, old.void_reason = now, by, "planned anew"
        old.save(update_fields=["voided_at", "voided_by", "void_reason"])
    doses = [
        _dose(participant, drug.code, number, day, drug.planned_mg_m2, body, by=by, now=now)
        for drug in _protocol(participant).lymphodepletion.drugs
        for number, day in enumerate(regimen.planned_days(first_on, drug.planned_doses), start=1)
    ]
    days = [dose.planned_on for dose in doses]
    found = warnings_of(participant, body, days=days, infusion_on=participant.planned_infusion_on)
    return LymphodepletionDose.objects.bulk_create(doses), found


def check_plan(participant: Participant) -> None:
    """Raises Refused for somebody not enrolled, without a planned infusion, or with a dose that was given."""
    if Status(participant.status) not in {Status.ENROLLED, Status.LYMPHODEPLETED}:
        raise Refused(
            _("%(number)s is “%(status)s”; lymphodepletion is planned after the enrolment and before the infusion.")
            % {"number": participant.number, "status": participant.get_status_display()}
        )
    if participant.planned_infusion_on is None:
        raise Refused(_("Its days count from the infusion: plan the infusion first."))
    settled = participant.lymphodepletion_doses.filter(voided_at__isnull=True).exclude(state=DoseState.PLANNED)
    if settled.exists():
        raise Refused(_("A dose is recorded already: change the single doses that are still planned."))


def _dose(
    participant: Participant,
    drug: str,
    number: int,
    day: dt.date,
    mg_m2: Decimal,
    body: Body,
    *,
    by: User,
    now: dt.datetime,
) -> LymphodepletionDose:
    return LymphodepletionDose(
        participant=participant,
        drug=drug,
        number=number,
        planned_on=day,
        mg_m2=mg_m2,
        height_cm=body.height_cm,
        weight_kg=body.weight_kg,
        bsa_m2=body.bsa_m2,
        bsa_formula=body.formula,
        planned_mg=regimen.planned_mg(mg_m2, body.bsa_m2).quantize(TENTH),
        created_by=by,
        created_at=now,
    )


def check_dose(dose: LymphodepletionDose, *, deviation_reason: str = "", now: dt.datetime) -> None:
    """Raises Refused for a moment in the future; for another dose, or none, without its reason; and for what the
    protocol does not want until its reason is given."""
    if dose.given_at is not None and dose.given_at > now:
        raise Refused(
            _("%(at)s is in the future (now: %(now)s). Record it when it was given.")
            % {"at": participants.long_moment(dose.given_at), "now": participants.long_moment(now)}
        )
    if dose.given_mg is None:
        return
    check_lymphodepletion_amount(dose)
    if regimen.needs_reason(dose.planned_mg, dose.given_mg) and not dose.change_reason.strip():
        raise Refused(
            _("Planned were %(planned)s mg, given %(given)s mg. Say why another dose was given.")
            % {"planned": dose.planned_mg, "given": dose.given_mg}
        )
    against = _against(dose)
    if against and not deviation_reason.strip():
        raise Refused(" ".join([*against, _("If it was given all the same, record it and give a reason.")]))


def _against(dose: LymphodepletionDose) -> list[str]:
    """In words, what about a given dose is a deviation from the protocol."""
    assert dose.given_at is not None
    found = [_not_fit(dose)] if _is_first(dose) else []
    if _protocol(dose.participant).policy.fc_outside_accepted_range == "deviation":
        found.append(range_text(dose))
    found += [_("Held: %(reasons)s") % {"reasons": hold.reason} for hold in holds_at(dose.participant, dose.given_at)]
    return [text for text in found if text]


def _is_first(dose: LymphodepletionDose) -> bool:
    rows = dose.participant.lymphodepletion_doses.filter(voided_at__isnull=True, state=DoseState.GIVEN)
    return not rows.exclude(pk=dose.pk).filter(given_at__lt=dose.given_at).exists()


def _not_fit(dose: LymphodepletionDose) -> str:
    """Why the fitness check does not allow the first dose; empty where it does."""
    assert dose.given_at is not None
    check = newest_fitness(dose.participant, Before.LYMPHODEPLETION, at=dose.given_at)
    hours = _protocol(dose.participant).fitness.valid_hours
    if check is None or dose.given_at - check.checked_at > dt.timedelta(hours=hours):
        return _(
            "Before the first dose fitness is checked, at most %(hours)s hours ahead; no such check is recorded."
        ) % {"hours": hours}
    found = findings_of(check)
    return _("The fitness check found: %(findings)s.") % {"findings": findings_text(found)} if found else ""


def range_text(dose: LymphodepletionDose) -> str:
    """In words, that a given dose lies outside the range that the study file accepts; empty inside."""
    drug = next((d for d in _protocol(dose.participant).lymphodepletion.drugs if d.code == dose.drug), None)
    if drug is None or dose.given_mg is None:
        return ""
    mg_m2 = dose.given_mg / dose.bsa_m2
    # The planned mg are rounded to a tenth: so is the way back.
    accepted = AcceptedRange(drug.accepted_low_mg_m2, drug.accepted_high_mg_m2)
    if regimen.check_dose(mg_m2.quantize(TENTH), accepted) is regimen.DoseCheck.TYPICAL:
        return ""
    return _("%(drug)s: %(given)s mg/m² is outside the accepted %(low)s to %(high)s mg/m².") % {
        "drug": dose.drug_name,
        "given": f"{mg_m2.quantize(TENTH):f}",
        "low": f"{drug.accepted_low_mg_m2:f}",
        "high": f"{drug.accepted_high_mg_m2:f}",
    }


@transaction.atomic
def record_dose(
    *, dose: LymphodepletionDose, deviation_reason: str = "", by: User, now: dt.datetime
) -> LymphodepletionDose:
    """Save what became of a dose; the first that is given makes the participant "lymphodepleted"."""
    participant = Participant.objects.select_for_update().get(pk=dose.participant_id)
    check_dose(dose, deviation_reason=deviation_reason, now=now)
    dose.save()
    if dose.state != DoseState.GIVEN:
        return dose
    assert dose.given_at is not None
    if participant.status == Status.ENROLLED:
        participants.change_status(
            participant=participant,
            new=Status.LYMPHODEPLETED,
            on=participants.site_day(dose.given_at),
            reason="",
            by=by,
            now=now,
        )
    if against := _against(dose):
        participants.report_deviation(
            participant=participant,
            kind=DeviationKind.LYMPHODEPLETION,
            about=f"lymphodepletion:{dose.pk}",
            description=" ".join(against),
            reason=deviation_reason,
            by=by,
            now=now,
        )
    return dose
