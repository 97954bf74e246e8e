"""Verbs that take back what was recorded about treatment by mistake, with all that followed; and what each would do.

Each verb has a preview beside it, which reads what the verb will write.
"""

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from dosing.actions.infusion import day0_of, dose_band
from dosing.actions.medication import advice_of
from dosing.actions.readiness import newest_fitness
from dosing.models import (
    STATE_NAMES,
    CellProduct,
    DoseState,
    FitnessCheck,
    IdentityCheck,
    IdentityStop,
    Infusion,
    Leukapheresis,
    LymphodepletionDose,
    Medication,
    MedicationKind,
    Occasion,
    ProductStep,
    ReadinessRuling,
)
from dosing.rules.dose import OUT_OF_RANGE
from dosing.rules.product import State
from dosing.rules.tocilizumab import Advice
from participants import actions as participants
from participants.models import DeviationKind, Participant, ParticipantStatus
from participants.rules.status import Status
from trialsite.models import User
from trialsite.refusal import Refused
from trialsite.voiding import Consequences, entangled, void

# --- The infusion ------------------------------------------------------------------------------------


def infusion_consequences(infusion: Infusion) -> Consequences:
    lines = [*participants.deviation_lines(_about(infusion)), *_product_lines(infusion)]
    others = _others(infusion)
    if not others:
        lines = [*participants.infusion_lines(infusion.participant), *lines]
    elif (after := day0_of(infusion.participant, without=infusion)) != day0_of(infusion.participant):
        assert after is not None
        moves, stay = participants.preview_follow_up(infusion.participant, day0=after)
        lines.append(
            _("Day 0 is then %(day)s: %(count)s planned visits move, %(stay)s that happened stay.")
            % {"day": participants.long_date(after), "count": len(moves), "stay": len(stay)}
        )
    return Consequences(tuple(lines), _rests_on_first(infusion, others)) + entangled(infusion)


def _about(infusion: Infusion) -> str:
    return f"infusion:{infusion.pk}"


def _others(infusion: Infusion) -> list[Infusion]:
    return list(infusion.participant.infusions.standing().exclude(pk=infusion.pk).order_by("infused_at"))


def _rests_on_first(infusion: Infusion, others: list[Infusion]) -> tuple[str, ...]:
    if infusion.occasion != Occasion.FIRST:
        return ()
    text = _("%(occasion)s of %(day)s goes on from it: void that one before, if it was a mistake too.")
    return tuple(
        text % {"occasion": one.get_occasion_display(), "day": participants.long_date(one.day)} for one in others
    )


def _product_lines(infusion: Infusion) -> list[str]:
    step = _step_of(infusion)
    if step is None:
        return []
    before = _state_without(step)
    return [
        _("Lot %(lot)s goes back from “%(before)s” to “%(after)s”.")
        % {
            "lot": infusion.product_lot,
            "before": STATE_NAMES[State(step.state)],
            "after": STATE_NAMES[before] if before else "—",
        }
    ]


def _step_of(infusion: Infusion) -> ProductStep | None:
    """The step "infused" of its product, unless a further part of the same bag stands."""
    product = infusion.product
    if product is None or product.infusions.standing().exclude(pk=infusion.pk).exists():
        return None
    found: ProductStep | None = product.steps.standing().filter(state=State.INFUSED).order_by("-id").first()
    return found


@transaction.atomic
def void_infusion(*, infusion: Infusion, reason: str, by: User, now: dt.datetime) -> None:
    """Take an infusion back: its status, its planned visits with their reminders, its product's step, its deviations.

    Where another infusion of this participant stands, Day 0 is that one's, and the visits move.
    """
    participant = participants.locked(infusion.participant_id)
    step = _step_of(infusion)
    void(infusion, reason=reason, by=by, now=now)
    participants.void_about(_about(infusion), reason=reason, by=by, now=now)
    if step is not None:
        _take_back_step(step, reason=reason, by=by, now=now)
    day0 = day0_of(participant)
    if day0 is None:
        participants.take_back_infusion(participant=participant, reason=reason, by=by, now=now)
        return
    participants.note_day0(participant=participant, on=day0)
    participants.schedule_follow_up(participant=participant, day0=day0, by=by, now=now)
    _band_anew(participant, reason=reason, by=by, now=now)


def _band_anew(participant: Participant, *, reason: str, by: User, now: dt.datetime) -> None:
    """The parts that stay lie in the band of what they are together; that it was too much may be true no longer."""
    parts = list(participant.infusions.standing().exclude(occasion=Occasion.SECOND))
    band = dose_band(participant, sum((part.viable_car_t_cells_e8 for part in parts), start=Decimal(0)))
    for part in parts:
        if part.dose_band != band:
            part.dose_band = band
            part.save(update_fields=["dose_band"])
    if band not in OUT_OF_RANGE:
        untrue = participants.deviations_about(*(_about(part) for part in parts)).filter(kind=DeviationKind.DOSE)
        for deviation in untrue:
            void(deviation, reason=reason, by=by, now=now, by_rule=True)


# --- Lymphodepletion ---------------------------------------------------------------------------------


def _about_dose(dose: LymphodepletionDose) -> str:
    return f"lymphodepletion:{dose.pk}"


def dose_consequences(dose: LymphodepletionDose) -> Consequences:
    if dose.state == DoseState.PLANNED:
        return entangled(dose)
    lines = [
        _("The dose is planned again as it was: %(mg)s mg on %(day)s.")
        % {"mg": dose.planned_mg, "day": participants.long_date(dose.planned_on)},
        *participants.deviation_lines(_about_dose(dose)),
        *participants.status_lines(dose.participant, _lymphodepleted_by(dose)),
    ]
    given_at = dose.given_at if dose.state == DoseState.GIVEN else None
    return Consequences(tuple(lines), _infused_after(dose.participant, given_at)) + entangled(dose)


def _lymphodepleted_by(dose: LymphodepletionDose) -> list[ParticipantStatus]:
    """The status that goes when this was the only dose that was given."""
    given = dose.participant.lymphodepletion_doses.standing().filter(state=DoseState.GIVEN).exclude(pk=dose.pk)
    if dose.state != DoseState.GIVEN or given.exists():
        return []
    return participants.standing_statuses(dose.participant, Status.LYMPHODEPLETED)


def _infused_after(participant: Participant, at: dt.datetime | None) -> tuple[str, ...]:
    """In words, the infusions that were given in the belief that something at this moment was true."""
    return () if at is None else _given_on_it(_infusions_after(participant, at))


def _infusions_after(participant: Participant, at: dt.datetime) -> QuerySet[Infusion]:
    # An infusion may be entered long after it was given: what was judged in between was judged for it.
    rows: QuerySet[Infusion] = participant.infusions.standing().filter(Q(infused_at__gte=at) | Q(created_at__gte=at))
    return rows


def _given_on_it(infusions: Iterable[Infusion]) -> tuple[str, ...]:
    text = _("The infusion of %(day)s was given on it.")
    return tuple(text % {"day": participants.long_date(row.day)} for row in infusions)


@transaction.atomic
def void_dose(*, dose: LymphodepletionDose, reason: str, by: User, now: dt.datetime) -> None:
    """Take back what became of a dose: the entry is void, and the same dose is planned anew.

    A dose that is still planned is withdrawn. When no dose stays that was given, the status goes back.
    """
    participant = participants.locked(dose.participant_id)
    gone, rests = _lymphodepleted_by(dose), dose_consequences(dose).rests
    void(dose, reason=reason, by=by, now=now)
    if dose.state == DoseState.PLANNED:
        return
    participants.void_about(_about_dose(dose), reason=reason, by=by, now=now)
    participants.take_back_statuses(participant, gone, reason=reason, by=by, now=now)
    plan = {name: getattr(dose, name) for name in PLAN_OF_DOSE}
    LymphodepletionDose.objects.create(**plan, created_by=by, created_at=now)
    participants.report_void(dose, participant, rests, reason=reason, by=by, now=now)


PLAN_OF_DOSE = (
    "participant",
    "drug",
    "course",
    "course_reason",
    "number",
    "planned_on",
    "infusion_on",
    "mg_m2",
    "height_cm",
    "weight_kg",
    "bsa_m2",
    "bsa_formula",
    "planned_mg",
    "clearance_ml_min",
    "creatinine_on",
    "level_reason",
)


# --- Products ----------------------------------------------------------------------------------------


def _state_without(step: ProductStep) -> State | None:
    before = step.product.steps.standing().exclude(pk=step.pk).order_by("-id").first()
    if before is None and step.state == State.INFUSED:
        # A product from before its steps were recorded: it was thawed, or it could not have been given.
        return State.THAWED
    return State(before.state) if before else None


def _take_back_step(step: ProductStep, *, reason: str, by: User, now: dt.datetime, by_rule: bool = True) -> None:
    """Void the step; the product is again where the newest step that stands left it."""
    product = CellProduct.objects.select_for_update().get(pk=step.product_id)
    before = _state_without(step)
    if before is None:
        raise Refused(instead_of_order())
    void(step, reason=reason, by=by, now=now, by_rule=by_rule)
    participants.void_about(f"product:{product.pk}:{step.state}", reason=reason, by=by, now=now)
    product.state = before
    product.save(update_fields=["state"])


def instead_of_order() -> str:
    return _("A product begins with its order. If nothing was ordered, void the product.")


def instead_of_step(step: ProductStep) -> str:
    """What to void in place of a step that follows from something else, or is not the newest."""
    if step.state == State.INFUSED:
        return _("This step follows from the infusion. Void the infusion, and it goes with it.")
    if step.state == State.ORDERED or _state_without(step) is None:
        return instead_of_order()
    newest = step.product.steps.standing().order_by("-id").first()
    if newest is not None and newest.pk != step.pk:
        return _("Only the newest step is taken back. Void “%(state)s” of %(at)s first.") % {
            "state": newest.get_state_display(),
            "at": participants.long_moment(newest.at),
        }
    return ""


def step_consequences(step: ProductStep) -> Consequences:
    before = _state_without(step)
    lines = [
        _("Lot %(lot)s goes back from “%(before)s” to “%(after)s”.")
        % {
            "lot": step.product.lot or step.product.chain_of_identity,
            "before": STATE_NAMES[State(step.state)],
            "after": STATE_NAMES[before] if before else "—",
        },
        *participants.deviation_lines(f"product:{step.product_id}:{step.state}"),
    ]
    if step.state == State.FAILED and step.product.participant.planned_infusion_on is None:
        lines.append(_("An infusion that was planned then is not planned again by itself."))
    return Consequences(tuple(lines)) + entangled(step)


@transaction.atomic
def void_step(*, step: ProductStep, reason: str, by: User, now: dt.datetime) -> None:
    """Take back the newest step of a product: the one before it holds again."""
    participants.locked(step.product.participant_id)
    if not step.is_void and (instead := instead_of_step(step)):
        raise Refused(instead)
    _take_back_step(step, reason=reason, by=by, now=now, by_rule=False)


def product_consequences(product: CellProduct) -> Consequences:
    given = tuple(
        _("It was given on %(day)s, and the infusion stays. Void the infusion first if it was a mistake too.")
        % {"day": participants.long_date(row.day)}
        for row in product.infusions.standing()
    )
    about = participants.deviation_lines(*_abouts(product))
    # The infusions are named one by one: no need to count them too.
    known = entangled(product)
    return Consequences(about + known.follows, given or known.rests)


def _abouts(product: CellProduct) -> list[str]:
    return [f"product:{product.pk}:{state}" for state in State]


@transaction.atomic
def void_product(*, product: CellProduct, reason: str, by: User, now: dt.datetime) -> None:
    """With its steps and identity checks. One that was given was given: that becomes a deviation."""
    participant = participants.locked(product.participant_id)
    rests = product_consequences(product).rests
    void(product, reason=reason, by=by, now=now)
    participants.void_about(*_abouts(product), reason=reason, by=by, now=now)
    participants.report_void(product, participant, rests, reason=reason, by=by, now=now)


def leukapheresis_consequences(row: Leukapheresis) -> Consequences:
    products = list(row.products.standing())
    lines = tuple(
        _("%(product)s waits for its cells again.") % {"product": one} for one in products if _is_waiting(one)
    )
    rests = tuple(
        _("%(product)s was made from it, and is “%(state)s”.") % {"product": one, "state": one.get_state_display()}
        for one in products
        if not _is_waiting(one)
    )
    return Consequences(lines, rests)


def _is_waiting(product: CellProduct) -> bool:
    return product.state in (State.ORDERED, State.COLLECTED)


@transaction.atomic
def void_leukapheresis(*, row: Leukapheresis, reason: str, by: User, now: dt.datetime) -> None:
    """A product that had only been collected waits for its cells again; one that was made from it is a deviation."""
    participant = participants.locked(row.participant_id)
    products, rests = list(row.products.standing()), leukapheresis_consequences(row).rests
    void(row, reason=reason, by=by, now=now)
    for product in products:
        product.leukapheresis = None
        product.save(update_fields=["leukapheresis"])
        for step in _collected(product):
            _take_back_step(step, reason=reason, by=by, now=now)
    participants.report_void(row, participant, rests, reason=reason, by=by, now=now)


def _collected(product: CellProduct) -> QuerySet[ProductStep]:
    """The step "collected", where the product did not go further."""
    is_last = product.state == State.COLLECTED
    return product.steps.standing().filter(state=State.COLLECTED) if is_last else product.steps.none()


# --- What was checked and judged ---------------------------------------------------------------------


Checked = FitnessCheck | IdentityCheck | IdentityStop | ReadinessRuling


def check_consequences(row: Checked) -> Consequences:
    """Of a fitness check, an identity check or a judgement: an infusion may have been given on it."""
    if isinstance(row, FitnessCheck):
        rests = _given_on_it(_infusions_on(row))
    elif isinstance(row, IdentityStop):
        # Nothing was given on what was stopped.
        rests = ()
    else:
        rests = _infused_after(row.participant, row.created_at)
    return Consequences(rests=rests) + entangled(row)


def _infusions_on(check: FitnessCheck) -> list[Infusion]:
    """Those for which no newer check of the same kind stood."""
    rows = _infusions_after(check.participant, check.checked_at)
    return [row for row in rows if newest_fitness(check.participant, check.before, at=row.infused_at) in (check, None)]


@transaction.atomic
def void_check(*, row: Checked, reason: str, by: User, now: dt.datetime) -> None:
    """It no longer counts for readiness; an infusion that was given on it becomes a deviation."""
    participant = participants.locked(row.participant_id)
    rests = check_consequences(row).rests
    void(row, reason=reason, by=by, now=now)
    participants.report_void(row, participant, rests, reason=reason, by=by, now=now)


# --- Medication --------------------------------------------------------------------------------------


def medication_consequences(medication: Medication) -> Consequences:
    return Consequences(participants.deviation_lines(f"medication:{medication.pk}")) + entangled(medication)


@transaction.atomic
def void_medication(*, medication: Medication, reason: str, by: User, now: dt.datetime) -> None:
    """With its deviation; warnings of later doses that counted this one are asked anew."""
    participant = participants.locked(medication.participant_id)
    void(medication, reason=reason, by=by, now=now)
    participants.void_about(f"medication:{medication.pk}", reason=reason, by=by, now=now)
    for other in participant.medications.standing().filter(kind=MedicationKind.TOCILIZUMAB).exclude(warning=""):
        advice = advice_of(other)
        other.warning = "" if advice is Advice.ALLOW else advice.value
        other.save(update_fields=["warning"])
