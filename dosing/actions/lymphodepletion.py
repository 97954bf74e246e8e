"""Verbs of lymphodepletion: plan it from the planned infusion, move it with that, record what was given."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from dosing.actions.amounts import check_lymphodepletion_amount
from dosing.actions.infusion import look_again
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
from trialsite.study import Drug, Protocol, get_study
from trialsite.voiding import void

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
    age: int | None
    creatinine_umol_l: Decimal | None
    creatinine_on: dt.date | None
    weight_on: dt.date | None


def _protocol(participant: Participant) -> Protocol:
    return get_study().protocol(participant.protocol_version)


def body_of(participant: Participant, *, on: dt.date | None = None, now: dt.datetime) -> Body:
    """From the newest weight, height and creatinine; of that day where a plan is typed late. Raises Refused while
    weight or height are missing."""
    until = min(participants.end_of_day(on), now) if on else now
    facts = participants.facts_of(participant, until=until)
    height, weight = _number(facts.get("HEIGHT")), _number(facts.get("WEIGHT"))
    if height is None or weight is None:
        raise Refused(
            _("Weight and height of %(number)s are needed for the body surface area. Enter them first.")
            % {"number": participant.number}
        )
    formula = BsaFormula(_protocol(participant).policy.bsa_formula)
    age = participant.age_on(participants.site_day(until))
    creatinine = _number(facts.get("CREAT"))
    clearance = _clearance(participant, age, weight, creatinine)
    limits = _protocol(participant).lymphodepletion.creatinine_clearance_warnings_ml_min
    below = regimen.clearance_warning(clearance, limits) if clearance is not None else None
    return Body(
        height,
        weight,
        regimen.bsa_m2(height, weight, formula),
        formula,
        clearance,
        below,
        age,
        creatinine,
        _day(facts.get("CREAT")),
        _day(facts.get("WEIGHT")),
    )


def _day(fact: Fact | None) -> dt.date | None:
    return fact.on if fact else None


def _number(fact: Fact | None) -> Decimal | None:
    return fact.value if fact is not None and isinstance(fact.value, Decimal) else None


def _clearance(
    participant: Participant, age: int | None, weight: Decimal, creatinine: Decimal | None
) -> Decimal | None:
    if not creatinine or age is None:
        return None
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
        Timing.NOT_BEFORE: _("Nothing of it is given before the planned infusion."),
    }
    return texts[timing] % values


# --- The plan ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DrugLevel:
    """A drug with the levels that the study file names, and the one that the kidney suggests."""

    drug: Drug
    suggested: Decimal

    @property
    def choices(self) -> tuple[Decimal, ...]:
        """The full dose first."""
        return (self.drug.planned_mg_m2, *(level.mg_m2 for level in self.drug.reduced))


def levels_of(participant: Participant, body: Body) -> list[DrugLevel]:
    found = []
    for drug in _protocol(participant).lymphodepletion.drugs:
        levels = [regimen.Level(one.below_ml_min, one.mg_m2) for one in drug.reduced]
        level = regimen.suggested_level(body.clearance_ml_min, levels)
        found.append(DrugLevel(drug, level.mg_m2 if level else drug.planned_mg_m2))
    return found


@transaction.atomic
def plan_lymphodepletion(
    *,
    participant: Participant,
    first_on: dt.date,
    levels: Mapping[str, Decimal] | None = None,
    level_reason: str = "",
    new_course_reason: str = "",
    by: User,
    now: dt.datetime,
) -> tuple[list[LymphodepletionDose], list[str]]:
    """Plan every dose of the study's regimen from this day; the doses, and what an investigator must look at.

    `levels` are mg/m² by drug, where less than the full dose is chosen, with its reason. Planning again replaces
    doses that are still planned; once one was given it is another course, with its reason.
    """
    participant = Participant.objects.select_for_update().get(pk=participant.pk)
    check_plan(participant, first_on=first_on, new_course_reason=new_course_reason, now=now)
    body = body_of(participant, on=first_on, now=now)
    chosen = _chosen(participant, body, levels or {}, level_reason)
    course = _make_room(participant, new_course_reason, by=by, now=now)
    plan = _Plan(participant, body, course, new_course_reason.strip(), level_reason.strip(), by, now)
    doses = [
        _dose(plan, drug, number, day, chosen[drug.code])
        for drug in _protocol(participant).lymphodepletion.drugs
        if chosen[drug.code]
        for number, day in enumerate(regimen.planned_days(first_on, drug.planned_doses), start=1)
    ]
    found = _warnings_of(participant, body, doses)
    return LymphodepletionDose.objects.bulk_create(doses), found


def _warnings_of(participant: Participant, body: Body, doses: Sequence[LymphodepletionDose]) -> list[str]:
    assert participant.planned_infusion_on is not None
    days = [dose.planned_on for dose in doses]
    return warnings_of(participant, body, days=days, infusion_on=participant.planned_infusion_on) if days else []


def _chosen(participant: Participant, body: Body, levels: Mapping[str, Decimal], reason: str) -> dict[str, Decimal]:
    """The mg/m² of each drug. Raises Refused for a level that the study file does not name, or without its reason."""
    chosen = {}
    for one in levels_of(participant, body):
        drug = one.drug
        level = levels.get(drug.code, drug.planned_mg_m2)
        if level not in one.choices:
            raise Refused(
                _("%(drug)s: the study file names %(levels)s mg/m², not %(level)s. Choose one of these.")
                % {"drug": drug.name, "levels": _(", ").join(f"{mg:f}" for mg in one.choices), "level": level}
            )
        if level != drug.planned_mg_m2 and not reason.strip():
            raise Refused(
                _("%(drug)s: %(level)s instead of %(full)s mg/m². Give the reason for the lower level.")
                % {"drug": drug.name, "level": f"{level:f}", "full": f"{drug.planned_mg_m2:f}"}
            )
        chosen[drug.code] = level
    return chosen


def newest_course(participant: Participant) -> int:
    """0 while nothing is planned."""
    rows = participant.lymphodepletion_doses.standing()
    newest: int = rows.aggregate(newest=Max("course"))["newest"] or 0
    return newest


def doses_of_course(participant: Participant, course: int) -> list[LymphodepletionDose]:
    rows = participant.lymphodepletion_doses.standing().filter(course=course)
    return list(rows.order_by("planned_on", "drug", "number"))


def _make_room(participant: Participant, new_course_reason: str, *, by: User, now: dt.datetime) -> int:
    """The course that is planned now. What was still planned of it is void; of the course before, left out."""
    course = newest_course(participant)
    rows = doses_of_course(participant, course)
    open_doses = [dose for dose in rows if dose.state == DoseState.PLANNED]
    if len(open_doses) == len(rows):
        for dose in open_doses:
            void(dose, reason=_("planned anew"), by=by, now=now, by_rule=True)
        return max(course, 1)
    for dose in open_doses:
        dose.state, dose.change_reason = DoseState.NOT_GIVEN, new_course_reason
        dose.save(update_fields=["state", "change_reason"])
    return course + 1


def check_plan(participant: Participant, *, first_on: dt.date, new_course_reason: str, now: dt.datetime) -> None:
    """Raises Refused for somebody not enrolled, without a planned infusion, or with a dose that was given."""
    here = Status(participant.status)
    # What is typed late was planned while the participant stood elsewhere.
    is_late = participant.participant_number is not None and first_on <= participants.site_day(now)
    if here not in {Status.ENROLLED, Status.LYMPHODEPLETED} and not is_late:
        raise Refused(
            _("%(number)s is “%(status)s”; lymphodepletion is planned after the enrolment and before the infusion.")
            % {"number": participant.number, "status": participant.get_status_display()}
        )
    if participant.planned_infusion_on is None:
        raise Refused(_("Its days count from the infusion: plan the infusion first."))
    if first_on >= participant.planned_infusion_on:
        raise Refused(
            _(
                "It would begin on %(first)s, and the infusion is planned for %(day)s: begin before it, or move the "
                "infusion."
            )
            % {
                "first": participants.long_date(first_on),
                "day": participants.long_date(participant.planned_infusion_on),
            }
        )
    settled = [dose for dose in doses_of_course(participant, newest_course(participant)) if dose.is_settled]
    if settled and not new_course_reason.strip():
        raise Refused(
            _(
                "A dose is recorded already: change the single doses that are still planned. If all is given again, "
                "because the product was lost for one, plan another course and give its reason."
            )
        )
    if new_course_reason.strip() and not settled:
        raise Refused(
            _("Nothing of the present course is recorded yet: it is planned anew, not another one. Leave this empty.")
        )


@dataclass(frozen=True)
class _Plan:
    """What all doses of one planning have in common."""

    participant: Participant
    body: Body
    course: int
    course_reason: str
    level_reason: str
    by: User
    now: dt.datetime


def _dose(plan: _Plan, drug: Drug, number: int, day: dt.date, mg_m2: Decimal) -> LymphodepletionDose:
    body = plan.body
    clearance = body.clearance_ml_min
    return LymphodepletionDose(
        participant=plan.participant,
        drug=drug.code,
        course=plan.course,
        course_reason=plan.course_reason,
        number=number,
        planned_on=day,
        infusion_on=plan.participant.planned_infusion_on,
        mg_m2=mg_m2,
        level_reason=plan.level_reason if mg_m2 != drug.planned_mg_m2 else "",
        height_cm=body.height_cm,
        weight_kg=body.weight_kg,
        bsa_m2=body.bsa_m2,
        bsa_formula=body.formula,
        planned_mg=regimen.planned_mg(mg_m2, body.bsa_m2).quantize(TENTH),
        clearance_ml_min=None if clearance is None else clearance.quantize(TENTH),
        creatinine_on=body.creatinine_on,
        created_by=plan.by,
        created_at=plan.now,
    )


# --- Moving with the infusion ----------------------------------------------------------------------------


def moves_of(participant: Participant) -> list[tuple[LymphodepletionDose, dt.date]]:
    """The doses that are still planned for another day of the infusion, and where they belong now."""
    day = participant.planned_infusion_on
    if day is None:
        return []
    return [
        (dose, regimen.shifted(dose.planned_on, planned_for=dose.infusion_on, infusion_on=day))
        for dose in doses_of_course(participant, newest_course(participant))
        if dose.state == DoseState.PLANNED and dose.infusion_on is not None and dose.infusion_on != day
    ]


@transaction.atomic
def shift_lymphodepletion(
    *, participant: Participant, by: User, now: dt.datetime
) -> tuple[list[LymphodepletionDose], list[str]]:
    """Move what is still planned with the infusion, by as many days; what was given stays. The doses, and warnings.

    Raises Refused where nothing is to be moved.
    """
    participant = Participant.objects.select_for_update().get(pk=participant.pk)
    moves = moves_of(participant)
    if not moves or participant.planned_infusion_on is None:
        raise Refused(_("No planned dose counts from another day of the infusion; nothing was moved."))
    for dose, day in moves:
        dose.planned_on, dose.infusion_on = day, participant.planned_infusion_on
        dose.save(update_fields=["planned_on", "infusion_on"])
    body = body_of(participant, now=now)
    course = doses_of_course(participant, moves[0][0].course)
    return [dose for dose, _day in moves], _warnings_of(participant, body, course)


# --- What was given --------------------------------------------------------------------------------------


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
    found = [_before_enrolment(dose), _not_fit(dose) if _is_first(dose) else ""]
    if _protocol(dose.participant).policy.fc_outside_accepted_range == "deviation":
        found.append(range_text(dose))
    found += [_("Held: %(reasons)s") % {"reasons": hold.reason} for hold in holds_at(dose.participant, dose.given_at)]
    return [text for text in found if text]


def _before_enrolment(dose: LymphodepletionDose) -> str:
    assert dose.given_at is not None
    history = participants.history_of(dose.participant)
    enrolled = next((row.effective_on for row in history if row.status == Status.ENROLLED), None)
    day = participants.site_day(dose.given_at)
    if enrolled is None or day >= enrolled:
        return ""
    return _("It was given on %(day)s, before the enrolment of %(enrolled)s.") % {
        "day": participants.long_date(day),
        "enrolled": participants.long_date(enrolled),
    }


def _is_first(dose: LymphodepletionDose) -> bool:
    rows = dose.participant.lymphodepletion_doses.standing().filter(state=DoseState.GIVEN, course=dose.course)
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
    # A level that was chosen for the kidney is no deviation by itself.
    low = min(drug.accepted_low_mg_m2, dose.mg_m2)
    accepted = AcceptedRange(low, drug.accepted_high_mg_m2)
    if regimen.check_dose(mg_m2.quantize(TENTH), accepted) is regimen.DoseCheck.TYPICAL:
        return ""
    return _("%(drug)s: %(given)s mg/m² is outside the accepted %(low)s to %(high)s mg/m².") % {
        "drug": dose.drug_name,
        "given": f"{mg_m2.quantize(TENTH).normalize():f}",
        # Two decimals where it comes from the database, none where it comes from the study file.
        "low": f"{low.normalize():f}",
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
    keep_lymphodepleted(participant, by=by, now=now)
    participants.report_deviation(
        participant=participant,
        kind=DeviationKind.LYMPHODEPLETION,
        about=f"lymphodepletion:{dose.pk}",
        description=" ".join(_against(dose)) if dose.state == DoseState.GIVEN else "",
        reason=deviation_reason,
        by=by,
        now=now,
    )
    look_again(participant, by=by, now=now)
    return dose


def keep_lymphodepleted(participant: Participant, *, by: User, now: dt.datetime) -> None:
    """The status follows the doses: since the first that was given of the newest course that was begun."""
    rows = participant.lymphodepletion_doses.standing().filter(given_at__isnull=False)
    first = rows.order_by("-course", "given_at").values_list("given_at", flat=True).first()
    history = participants.history_of(participant)
    enrolled = next((row.effective_on for row in history if row.status == Status.ENROLLED), dt.date.min)
    participants.follow_fact(
        participant=participant,
        reached=Status.LYMPHODEPLETED,
        # A dose before the enrolment is a deviation of its own; the steps keep their order.
        on=max(participants.site_day(first), enrolled) if first else None,
        why=_("The doses of lymphodepletion were corrected."),
        by=by,
        now=now,
    )
