"""Verbs of readiness: look whether somebody is fit, hold treatment, judge, check identity; and the answer itself."""

import datetime as dt
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from django.db import transaction
from django.db.models import prefetch_related_objects
from django.utils import timezone
from django.utils.translation import gettext as _

from dosing.actions.product import bag_dose_of, product_of_lot
from dosing.actions.stops import codes_of, keeping_stops, stopped_check
from dosing.models import (
    Before,
    CellProduct,
    DoseState,
    DosingHold,
    FitnessCheck,
    IdentityCheck,
    LymphodepletionDose,
    ReadinessRuling,
)
from dosing.rules import fitness, readiness
from dosing.rules.product import State
from dosing.rules.readiness import Code, Line, Outcome
from dosing.rules.regimen import AcceptedRange, DrugPlan, Given, TimingLimits, course_before
from participants import actions as participants
from participants.models import Participant
from participants.rules.again import Signature
from participants.rules.eligibility import Decision, Result
from trialsite import signing
from trialsite.clinical import check_clinical
from trialsite.models import Meaning, User
from trialsite.reading import is_same_code, read_code
from trialsite.refusal import Refused
from trialsite.study import Protocol, get_study

TENTH = Decimal("0.1")


def _protocol(participant: Participant) -> Protocol:
    return get_study().protocol(participant.protocol_version)


def fitness_limits(participant: Participant) -> fitness.FitnessLimits:
    limits = _protocol(participant).fitness
    return fitness.FitnessLimits(
        limits.max_temperature_48h_c, limits.min_spo2_percent, limits.min_lvef_percent, limits.max_ecog
    )


def limits_of(participant: Participant) -> readiness.Limits:
    protocol = _protocol(participant)
    plan, bedside = protocol.lymphodepletion, protocol.bedside
    return readiness.Limits(
        timing=TimingLimits(plan.earliest_day, plan.last_day, plan.question_after_days),
        drugs={
            drug.code: DrugPlan(AcceptedRange(drug.accepted_low_mg_m2, drug.accepted_high_mg_m2), drug.accepted_doses)
            for drug in plan.drugs
        },
        fitness_valid_for=dt.timedelta(hours=protocol.fitness.valid_hours),
        tocilizumab_doses=bedside.tocilizumab_doses,
        identity_checkers=bedside.identity_checkers,
        later_results_block=protocol.policy.later_result_against_criterion == "blocks",
        outdated_signature_blocks=protocol.policy.signature_no_longer_current == "blocks",
    )


def end_of_minute(at: dt.datetime) -> dt.datetime:
    """Whoever typed minutes meant the whole minute."""
    return participants.minute(at) + dt.timedelta(minutes=1)


# --- The answer --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Judged:
    """A line, and the investigator's judgement where one holds for exactly these facts."""

    line: Line
    ruling: ReadinessRuling | None

    @property
    def outcome(self) -> Outcome:
        return Outcome.FINE if self.ruling else self.line.outcome


@dataclass(frozen=True)
class Readiness:
    infusion_on: dt.date
    lines: tuple[Judged, ...]
    product: CellProduct | None
    # Judgements that do not count, for they were changed after they were signed.
    broken: tuple[ReadinessRuling, ...] = ()

    @property
    def overall(self) -> Outcome:
        outcomes = {judged.outcome for judged in self.lines}
        return next((one for one in (Outcome.BLOCKS, Outcome.JUDGE) if one in outcomes), Outcome.FINE)

    @property
    def against(self) -> tuple[Judged, ...]:
        """What stands against the infusion, and no judgement has settled."""
        return tuple(judged for judged in self.lines if judged.outcome is not Outcome.FINE)


def readiness_of(
    participant: Participant,
    *,
    at: dt.datetime,
    now: dt.datetime,
    product: CellProduct | None = None,
    infusion_on: dt.date | None = None,
    is_given: bool = False,
    was_signed: bool = False,
    known: participants.Known | None = None,
) -> Readiness:
    """May we infuse? As things stood at that moment, for its day, or for the planned day if that is later.

    Of an infusion that was given the dose is judged by itself, not by what the bag could have given; `was_signed` says
    that the confirmation of eligibility was current when it was logged. What is `known` is not read again.
    """
    known = known or participants.Known(participant)
    day = participants.site_day(at)
    infusion_on = infusion_on or max(day, participant.planned_infusion_on or day)
    product = product or product_to_give(participant)
    situation = _situation(known, infusion_on, product, is_given=is_given, at=at, now=now)
    if was_signed:
        situation = replace(situation, eligibility=replace(situation.eligibility, signature=Signature.CURRENT))
    lines = readiness.lines(situation, limits_of(participant))
    rulings, broken = _rulings(participant)
    return Readiness(infusion_on, _judged(rulings, infusion_on, lines), product, broken)


def _rulings(participant: Participant) -> tuple[list[ReadinessRuling], tuple[ReadinessRuling, ...]]:
    """Those that count, and those that do not, for they were changed after they were signed."""
    rows = participants.standing_of(ReadinessRuling, participant)[::-1]
    prefetch_related_objects(rows, "created_by")
    signed = signing.counting(rows)
    return signed, tuple(row for row in rows if row not in signed)


def _judged(rulings: Iterable[ReadinessRuling], infusion_on: dt.date, lines: tuple[Line, ...]) -> tuple[Judged, ...]:
    known = {(row.line, row.basis): row for row in rulings}
    return tuple(
        Judged(line, known.get((line.code, basis_of(line, infusion_on))) if line.outcome is Outcome.JUDGE else None)
        for line in lines
    )


def basis_of(line: Line, infusion_on: dt.date) -> str:
    """A digest of what is judged."""
    facts = (line.code, line.why, *line.more, *sorted(line.values.items()), infusion_on)
    return hashlib.sha256(repr(facts).encode()).hexdigest()


# The bag that is nearest to the vein first.
NEAREST = (State.THAWED, State.RECEIVED, State.RELEASED, State.IN_MANUFACTURE, State.COLLECTED, State.ORDERED)


def product_to_give(participant: Participant) -> CellProduct | None:
    bags = [bag for bag in participants.standing_of(CellProduct, participant) if State(bag.state) in NEAREST]
    return min(bags, key=lambda bag: (NEAREST.index(State(bag.state)), -bag.pk), default=None)


def _situation(
    known: participants.Known,
    infusion_on: dt.date,
    product: CellProduct | None,
    *,
    is_given: bool,
    at: dt.datetime,
    now: dt.datetime,
) -> readiness.Situation:
    participant = known.participant
    checks, later = _identity_checks(participant, product, at=at) if product else ([], [])
    signed = signing.counting(checks)
    return readiness.Situation(
        infusion_on=infusion_on,
        eligibility=_eligibility(known, infusion_on, at=at, now=now),
        has_consent=known.has_consent(at),
        consent_overdue=known.is_consent_overdue(infusion_on),
        doses=_doses(participant, infusion_on),
        bag=_bag(product, is_given=is_given),
        fitness=_fitness(participant, at=at),
        holds=tuple(_why_held(hold, at=at) for hold in holds_at(participant, at)),
        identity_checkers=len({row.created_by_id for row in signed}),
        identity_broken=len(checks) - len(signed),
        identity_signed_after=_first_moment(later),
    )


def _eligibility(
    known: participants.Known, infusion_on: dt.date, *, at: dt.datetime, now: dt.datetime
) -> readiness.Eligibility:
    asked = participants.asked_again(known.participant, on=infusion_on, at=at, now=now, known=known)
    failed = [decision for decision in asked.on_day if decision.result == Result.FAIL]
    return readiness.Eligibility(
        on_day=_codes(failed),
        on_day_open=_codes(decision for decision in asked.on_day if decision not in failed),
        broken=_codes(asked.broken),
        open=_codes(asked.open),
        later=_codes(asked.later),
        signature=asked.signature,
        lowered=_codes(asked.lowered),
        facts=asked.facts,
    )


def _codes(decisions: Iterable[Decision]) -> tuple[str, ...]:
    return tuple(sorted({decision.item for decision in decisions}))


def _doses(participant: Participant, infusion_on: dt.date) -> readiness.Doses:
    """Of the course that prepares this infusion."""
    known = participants.standing_of(LymphodepletionDose, participant)
    begins: dict[int, dt.date] = {}
    for row in known:
        day = participants.site_day(row.given_at) if row.given_at else row.planned_on
        begins[row.course] = min(begins.get(row.course, day), day)
    course = course_before(infusion_on, begins)
    rows = [row for row in known if row.course == course]
    return readiness.Doses(
        given=tuple(_given(row) for row in sorted(rows, key=_in_order) if row.given_at is not None),
        open=sum(row.state == DoseState.PLANNED for row in rows),
        not_given=sum(row.state == DoseState.NOT_GIVEN for row in rows),
    )


def _in_order(row: LymphodepletionDose) -> tuple[dt.datetime, str]:
    return row.given_at or row.created_at, row.drug


def _given(row: LymphodepletionDose) -> Given:
    assert row.given_at is not None
    assert row.given_mg is not None
    # The planned mg are rounded to a tenth: so is the way back.
    mg_m2 = (row.given_mg / row.bsa_m2).quantize(TENTH)
    return Given(row.drug, participants.site_day(row.given_at), mg_m2, row.mg_m2)


def _bag(product: CellProduct | None, *, is_given: bool) -> readiness.Bag | None:
    if product is None:
        return None
    lot, state = product.lot or product.chain_of_identity, State(product.state)
    dose = None if is_given or state is State.INFUSED else bag_dose_of(product)
    return readiness.Bag(lot, state, product.expires_on, product.is_out_of_specification, dose)


def newest_fitness(participant: Participant, before: str, *, at: dt.datetime) -> FitnessCheck | None:
    looks = participants.standing_of(FitnessCheck, participant)
    rows = [row for row in looks if row.before == before and row.checked_at < end_of_minute(at)]
    return max(rows, key=lambda row: (row.checked_at, row.pk), default=None)


def _fitness(participant: Participant, *, at: dt.datetime) -> readiness.Fitness | None:
    row = newest_fitness(participant, Before.INFUSION, at=at)
    if row is None:
        return None
    return readiness.Fitness(at - row.checked_at, findings_of(row), row.tocilizumab_doses)


def findings_of(check: FitnessCheck) -> tuple[fitness.Finding, ...]:
    return fitness.findings(check.examined, fitness_limits(check.participant))


# --- Judgement ---------------------------------------------------------------------------------------


@transaction.atomic
def judge_readiness(
    *, participant: Participant, code: Code, reason: str, by: User, now: dt.datetime
) -> ReadinessRuling:
    """An investigator settles a line for exactly these facts. Raises Refused for a line that is not theirs to judge."""
    participant = Participant.objects.select_for_update().get(pk=participant.pk)
    check_clinical(by, participant.site, permission="dosing.judge_readiness")
    found = readiness_of(participant, at=now, now=now)
    judged = next(one for one in found.lines if one.line.code is code)
    if judged.line.outcome is not Outcome.JUDGE:
        raise Refused(_("This line is not open to judgement any more. Look at the page again."))
    if not reason.strip():
        raise Refused(_("Give the reason of the judgement."))
    ruling = ReadinessRuling.objects.create(
        participant=participant,
        line=code,
        basis=basis_of(judged.line, found.infusion_on),
        reason=reason,
        created_by=by,
        created_at=now,
    )
    signing.sign(ruling, meaning=Meaning.READINESS, by=by)
    return ruling


# --- Fitness -----------------------------------------------------------------------------------------


def check_fitness(check: FitnessCheck, *, now: dt.datetime) -> None:
    """Raises Refused for a moment in the future."""
    if check.checked_at > now:
        raise Refused(
            _("%(at)s is in the future (now: %(now)s). Correct the date and time.")
            % {"at": participants.long_moment(check.checked_at), "now": participants.long_moment(now)}
        )


# --- Holds -------------------------------------------------------------------------------------------


def holds_at(participant: Participant, at: dt.datetime) -> list[DosingHold]:
    """Those that nobody had lifted or voided then; a lift or a void that nobody signed lets nothing through."""
    rows = [row for row in reversed(participants.recorded_of(DosingHold, participant)) if row.created_at <= at]
    found = signing.verify(rows)
    return [row for row in rows if is_holding(row, found.get(row.pk, ()), at=at)]


def _why_held(hold: DosingHold, *, at: dt.datetime) -> str:
    """Of one that somebody lifted or voided and that holds all the same, why it does."""
    if hold.is_void or (hold.lifted_at is not None and hold.lifted_at <= at):
        return f"{hold.reason} ({_('signature broken')})"
    return hold.reason


def is_holding(row: DosingHold, found: Iterable[signing.Checked], *, at: dt.datetime) -> bool:
    """`found` are its signatures, verified now."""
    signed = {one.meaning for one in found if one.counts}
    is_lifted = row.lifted_at is not None and row.lifted_at <= at and Meaning.LIFT in signed
    return not is_lifted and not (row.is_void and Meaning.VOID in signed)


@transaction.atomic
def place_hold(*, hold: DosingHold, by: User, now: dt.datetime) -> DosingHold:
    """Nothing is given until it is lifted. Safety places holds too."""
    hold.created_by, hold.created_at = by, now
    hold.save()
    return hold


@transaction.atomic
def lift_hold(*, hold: DosingHold, reason: str, by: User, now: dt.datetime) -> DosingHold:
    hold = DosingHold.objects.select_for_update().get(pk=hold.pk)
    if not hold.is_active:
        raise Refused(_("This hold is lifted or void already; nothing was changed."))
    check_clinical(by, hold.participant.site, permission="dosing.lift_dosinghold")
    if not reason.strip():
        raise Refused(_("Say why the hold is lifted."))
    hold.lifted_at, hold.lifted_by, hold.lift_reason = now, by, reason
    hold.save(update_fields=["lifted_at", "lifted_by", "lift_reason"])
    signing.sign(hold, meaning=Meaning.LIFT, by=by)
    return hold


# --- Identity ----------------------------------------------------------------------------------------


def checkers(participant: Participant, product: CellProduct, *, at: dt.datetime) -> set[int]:
    """Who has compared wristband and bag by that moment, and recently enough; what was changed since does not count."""
    return {row.created_by_id for row in signing.counting(identity_checks(participant, product, at=at))}


def identity_checks(participant: Participant, product: CellProduct, *, at: dt.datetime) -> list[IdentityCheck]:
    found = _identity_checks(participant, product, at=at)[0]
    prefetch_related_objects(found, "created_by")
    return found


def _identity_checks(
    participant: Participant, product: CellProduct, *, at: dt.datetime
) -> tuple[list[IdentityCheck], list[IdentityCheck]]:
    """Those that hold at that moment, and those that came only after it."""
    oldest = at - dt.timedelta(hours=_protocol(participant).bedside.identity_valid_hours)
    known = participants.standing_of(IdentityCheck, participant)
    rows = [row for row in known if row.product_id == product.pk and row.created_at >= oldest]
    in_time = [row for row in rows if row.created_at < end_of_minute(at)]
    return in_time, [row for row in rows if row not in in_time]


def _first_moment(checks: Iterable[IdentityCheck]) -> str:
    first = min((row.created_at for row in checks), default=None)
    return f"{timezone.localtime(first):%Y-%m-%d %H:%M}" if first else ""


def match(participant_code: str, product_code: str, participant: Participant) -> CellProduct:
    """The bag, once both codes belong to this participant. Raises Stopped otherwise, with what is kept of it.

    The codes are compared and not kept: a wristband may carry the hospital number.
    """
    product = product_of_lot(read_code(product_code))
    is_other_person = not any(is_same_code(participant_code, code) for code in codes_of(participant))
    if product is not None and product.participant_id == participant.pk and not is_other_person:
        return product
    raise stopped_check(
        participant,
        wristband=participant_code,
        bag=product,
        is_wristband_wrong=is_other_person,
        is_bag_wrong=product is None or product.participant_id != participant.pk,
    )


@keeping_stops
@transaction.atomic
def sign_identity(
    *,
    participant: Participant,
    participant_code: str,
    product_code: str,
    by: User,
    entered_by: User,
    now: dt.datetime,
) -> IdentityCheck:
    """One person's signature that this bag is for this participant; `by` has given the password.

    What does not belong together is kept as a stop, and refused.
    """
    participant = Participant.objects.select_for_update().get(pk=participant.pk)
    check_clinical(by, participant.site, permission="dosing.sign_identitycheck")
    product = match(participant_code, product_code, participant)
    if product.state not in (State.RECEIVED, State.THAWED):
        raise Refused(
            _("Lot %(lot)s is “%(state)s”: identity is checked at the bedside, with the bag in hand.")
            % {"lot": product.lot, "state": product.get_state_display()}
        )
    if by.pk in checkers(participant, product, at=now):
        raise Refused(_("%(name)s has signed already: the second check is another person's.") % {"name": by})
    check = IdentityCheck.objects.create(
        participant=participant, product=product, entered_by=entered_by, created_by=by, created_at=now
    )
    signing.sign(check, meaning=Meaning.IDENTITY, by=by)
    return check
