"""May we infuse? Each condition on a line of its own: fine, blocks, or for an investigator to judge.

Sources: registry record NCT07072494 (eligibility, autologous product, lymphodepletion one week before); the fitness
checklist of `dosing.rules.fitness`; two doses of tocilizumab on hand as the risk programmes of licensed CAR-T
products ask for [M]; two people who check identity as for a transfusion [M]. What the record leaves open is [P].
"""

import datetime as dt
from dataclasses import dataclass, field
from enum import StrEnum

from dosing.rules.fitness import Finding, Fit, verdict
from dosing.rules.product import State
from dosing.rules.regimen import Timing, TimingLimits, timing


class Outcome(StrEnum):
    FINE = "FINE"
    JUDGE = "JUDGE"
    BLOCKS = "BLOCKS"


class Code(StrEnum):
    """The lines, in the order in which they are settled."""

    ELIGIBILITY = "eligibility"
    CONSENT = "consent"
    LYMPHODEPLETION = "lymphodepletion"
    PRODUCT = "product"
    FITNESS = "fitness"
    TOCILIZUMAB = "tocilizumab"
    HOLDS = "holds"
    IDENTITY = "identity"


@dataclass(frozen=True)
class Line:
    """`why` is the code of a sentence, `values` what goes into it."""

    code: Code
    outcome: Outcome
    why: str
    values: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Doses:
    """Lymphodepletion so far: days that were given, and how many doses are still open or were left out."""

    given_on: tuple[dt.date, ...]
    open: int
    not_given: int


@dataclass(frozen=True)
class Bag:
    lot: str
    state: State
    expires_on: dt.date | None
    is_out_of_specification: bool


@dataclass(frozen=True)
class Fitness:
    """The newest check before the infusion: how old it is, what speaks against, tocilizumab on the ward."""

    age: dt.timedelta
    findings: tuple[Finding, ...]
    tocilizumab_doses: int | None


@dataclass(frozen=True)
class Limits:
    timing: TimingLimits
    fitness_valid_for: dt.timedelta
    tocilizumab_doses: int
    identity_checkers: int


@dataclass(frozen=True)
class Situation:
    """Everything that the answer rests on, at one moment; `infusion_on` is the planned or the real Day 0."""

    infusion_on: dt.date
    criteria_failed: tuple[str, ...]
    criteria_open: tuple[str, ...]
    has_consent: bool
    consent_overdue: bool
    doses: Doses
    bag: Bag | None
    fitness: Fitness | None
    holds: tuple[str, ...]
    identity_checkers: int
    # When somebody signed first after that moment, as people read it; empty where nobody did.
    identity_signed_after: str = ""


def lines(now: Situation, limits: Limits) -> tuple[Line, ...]:
    return (
        eligibility(now),
        consent(now),
        lymphodepletion(now, limits.timing),
        product(now),
        fitness(now, limits),
        tocilizumab(now, limits),
        holds(now),
        identity(now, limits),
    )


def overall(found: tuple[Line, ...]) -> Outcome:
    """The worst line decides."""
    outcomes = {line.outcome for line in found}
    return next((one for one in (Outcome.BLOCKS, Outcome.JUDGE) if one in outcomes), Outcome.FINE)


def eligibility(now: Situation) -> Line:
    """The criteria that count back from the infusion, decided for its day."""
    if now.criteria_failed:
        return Line(Code.ELIGIBILITY, Outcome.BLOCKS, "criteria-failed", {"codes": ", ".join(now.criteria_failed)})
    if now.criteria_open:
        return Line(Code.ELIGIBILITY, Outcome.JUDGE, "criteria-open", {"codes": ", ".join(now.criteria_open)})
    return Line(Code.ELIGIBILITY, Outcome.FINE, "criteria-met")


def consent(now: Situation) -> Line:
    if not now.has_consent:
        return Line(Code.CONSENT, Outcome.BLOCKS, "consent-missing")
    if now.consent_overdue:
        return Line(Code.CONSENT, Outcome.JUDGE, "consent-overdue")
    return Line(Code.CONSENT, Outcome.FINE, "consent-in-force")


TIMING_WHY = {
    Timing.TOO_EARLY: "lymphodepletion-early",
    Timing.TOO_LATE: "lymphodepletion-late",
    Timing.TOO_OLD: "lymphodepletion-old",
    Timing.NOT_BEFORE: "lymphodepletion-after",
}


def lymphodepletion(now: Situation, limits: TimingLimits) -> Line:
    doses, code = now.doses, Code.LYMPHODEPLETION
    counts = {"given": str(len(doses.given_on)), "open": str(doses.open), "left_out": str(doses.not_given)}
    if doses.open or not (doses.given_on or doses.not_given):
        why = "lymphodepletion-open" if doses.open else "lymphodepletion-missing"
        return Line(code, Outcome.BLOCKS, why, counts)
    if doses.not_given:
        return Line(code, Outcome.JUDGE, "lymphodepletion-left-out", counts)
    fits = timing(doses.given_on, now.infusion_on, limits)
    values = {
        "first": str((min(doses.given_on) - now.infusion_on).days),
        "last": str((max(doses.given_on) - now.infusion_on).days),
        "earliest": str(limits.earliest_day),
        "latest": str(limits.last_day),
        "days": str(limits.question_after_days),
    }
    if fits is Timing.OK:
        return Line(code, Outcome.FINE, "lymphodepletion-fits", values)
    outcome = Outcome.BLOCKS if fits is Timing.NOT_BEFORE else Outcome.JUDGE
    return Line(code, outcome, TIMING_WHY[fits], values)


READY_STATES = frozenset({State.THAWED, State.INFUSED})


def product(now: Situation) -> Line:
    """Received in the house or thawed, and within its last day."""
    bag, code = now.bag, Code.PRODUCT
    if bag is None:
        return Line(code, Outcome.BLOCKS, "product-missing")
    values = {"lot": bag.lot, "state": bag.state.value, "day": f"{bag.expires_on:%Y-%m-%d}" if bag.expires_on else ""}
    if bag.state not in READY_STATES | {State.RECEIVED}:
        return Line(code, Outcome.BLOCKS, "product-not-here", values)
    if bag.expires_on is not None and bag.expires_on < now.infusion_on:
        return Line(code, Outcome.BLOCKS, "product-expired", values)
    if bag.is_out_of_specification:
        return Line(code, Outcome.JUDGE, "product-out-of-specification", values)
    return Line(code, Outcome.FINE, "product-ready", values)


def fitness(now: Situation, limits: Limits) -> Line:
    checked, code = now.fitness, Code.FITNESS
    hours = str(int(limits.fitness_valid_for.total_seconds() // 3600))
    if checked is None or checked.age > limits.fitness_valid_for:
        return Line(code, Outcome.BLOCKS, "fitness-missing" if checked is None else "fitness-old", {"hours": hours})
    values = {"findings": ",".join(checked.findings)}
    outcome = {Fit.FIT: Outcome.FINE, Fit.JUDGE: Outcome.JUDGE, Fit.UNFIT: Outcome.BLOCKS}[verdict(checked.findings)]
    return Line(code, outcome, "fitness-good" if outcome is Outcome.FINE else "fitness-findings", values)


def tocilizumab(now: Situation, limits: Limits) -> Line:
    code, needed = Code.TOCILIZUMAB, limits.tocilizumab_doses
    on_hand = now.fitness.tocilizumab_doses if now.fitness else None
    if on_hand is None:
        return Line(code, Outcome.BLOCKS, "tocilizumab-unknown", {"needed": str(needed)})
    values = {"needed": str(needed), "on_hand": str(on_hand)}
    outcome = Outcome.FINE if on_hand >= needed else Outcome.BLOCKS
    return Line(code, outcome, "tocilizumab-enough" if outcome is Outcome.FINE else "tocilizumab-too-few", values)


def holds(now: Situation) -> Line:
    if now.holds:
        return Line(Code.HOLDS, Outcome.BLOCKS, "held", {"reasons": " · ".join(now.holds)})
    return Line(Code.HOLDS, Outcome.FINE, "not-held")


def identity(now: Situation, limits: Limits) -> Line:
    values = {"needed": str(limits.identity_checkers), "done": str(now.identity_checkers)}
    if now.identity_checkers >= limits.identity_checkers:
        return Line(Code.IDENTITY, Outcome.FINE, "identity-checked", values)
    if now.identity_signed_after:
        values["first"] = now.identity_signed_after
        return Line(Code.IDENTITY, Outcome.BLOCKS, "identity-late", values)
    return Line(Code.IDENTITY, Outcome.BLOCKS, "identity-open", values)
