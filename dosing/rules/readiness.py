"""May we infuse? Each condition on a line of its own: fine, blocks, or for an investigator to judge.

Sources: registry record NCT07072494 (eligibility, autologous product, dose, lymphodepletion one week before); the
fitness checklist of `dosing.rules.fitness`; two doses of tocilizumab on hand as the risk programmes of licensed CAR-T
products ask for [M]; two people who check identity as for a transfusion [M]. What the record leaves open is [P].
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from dosing.rules.dose import BagDose, BagFit
from dosing.rules.fitness import Finding, Fit, verdict
from dosing.rules.product import State
from dosing.rules.regimen import DrugPlan, Given, Timing, TimingLimits, atypical, short_of_doses, skipped, timing
from participants.rules.again import Signature


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
    """`why` is the code of a sentence, `more` are those of others that follow it, `values` what goes into them."""

    code: Code
    outcome: Outcome
    why: str
    values: dict[str, str] = field(default_factory=dict)
    more: tuple[str, ...] = ()


@dataclass(frozen=True)
class Eligibility:
    """Everything that eligibility asks, asked again; each by the codes of its criteria.

    `on_day` and `on_day_open` count back from the infusion; `broken` and `open` are decided for the screening, from
    what is recorded now; `later` are not met by a result that was taken since the enrolment. `facts` is a digest of all
    that was found, so that a judgement holds for exactly that.
    """

    on_day: tuple[str, ...] = ()
    on_day_open: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    open: tuple[str, ...] = ()
    later: tuple[str, ...] = ()
    signature: Signature = Signature.CURRENT
    facts: str = ""
    # Not met by blood counts that lymphodepletion lowered on purpose: told, and not counted.
    lowered: tuple[str, ...] = ()


@dataclass(frozen=True)
class Doses:
    """Lymphodepletion as it was: the doses that were given, and how many are still open or were left out."""

    given: tuple[Given, ...]
    open: int
    not_given: int

    @property
    def given_on(self) -> tuple[dt.date, ...]:
        return tuple(dose.on for dose in self.given)


@dataclass(frozen=True)
class Bag:
    """`dose` is None where it is not known yet, and once the infusion itself says what was given of it."""

    lot: str
    state: State
    expires_on: dt.date | None
    is_out_of_specification: bool
    dose: BagDose | None = None


@dataclass(frozen=True)
class Fitness:
    """The newest check before the infusion: how old it is, what speaks against, tocilizumab on the ward."""

    age: dt.timedelta
    findings: tuple[Finding, ...]
    tocilizumab_doses: int | None


@dataclass(frozen=True)
class Limits:
    timing: TimingLimits
    # By the code of the drug.
    drugs: Mapping[str, DrugPlan]
    fitness_valid_for: dt.timedelta
    tocilizumab_doses: int
    identity_checkers: int
    later_results_block: bool = False
    outdated_signature_blocks: bool = False


@dataclass(frozen=True)
class Situation:
    """Everything that the answer rests on, at one moment; `infusion_on` is the planned or the real Day 0."""

    infusion_on: dt.date
    eligibility: Eligibility
    has_consent: bool
    consent_overdue: bool
    doses: Doses
    bag: Bag | None
    fitness: Fitness | None
    holds: tuple[str, ...]
    identity_checkers: int
    # Signatures under what was changed since: they do not count.
    identity_broken: int = 0
    # When somebody signed first after that moment, as people read it; empty where nobody did.
    identity_signed_after: str = ""


def lines(now: Situation, limits: Limits) -> tuple[Line, ...]:
    return (
        eligibility(now.eligibility, limits),
        consent(now),
        lymphodepletion(now, limits),
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


Found = list[tuple[Outcome, str]]


def _worst_first(code: Code, found: Found, values: dict[str, str]) -> Line:
    """One line with every finding, those that block before those that are judged."""
    found = sorted(found, key=lambda one: one[0] is not Outcome.BLOCKS)
    (outcome, why), *more = found
    return Line(code, outcome, why, values, tuple(reason for _outcome, reason in more))


def eligibility(asked: Eligibility, limits: Limits) -> Line:
    """Corrected facts are those of the screening, and block; a result since the enrolment is judged [P]."""
    blocks, judge = Outcome.BLOCKS, Outcome.JUDGE
    named = (
        ("failed", asked.on_day, blocks, "criteria-failed"),
        ("broken", asked.broken, blocks, "criteria-broken"),
        ("open", asked.open, judge, "criteria-open"),
        ("day_open", asked.on_day_open, judge, "criteria-day-open"),
        ("later", asked.later, blocks if limits.later_results_block else judge, "criteria-later"),
    )
    found = [(outcome, why) for _name, codes, outcome, why in named if codes]
    if asked.signature is Signature.MISSING:
        found.append((blocks, "signature-missing"))
    if asked.signature is Signature.BROKEN:
        found.append((blocks, "signature-broken"))
    # Confirmed again it can be once all criteria are met: until then what is not met is said alone.
    if asked.signature is Signature.OUTDATED and not asked.broken and not asked.open:
        found.append((blocks if limits.outdated_signature_blocks else judge, "signature-outdated"))
    if not found and asked.lowered:
        told = {"lowered": ", ".join(asked.lowered)}
        return Line(Code.ELIGIBILITY, Outcome.FINE, "criteria-met", told, ("criteria-lowered",))
    if not found:
        return Line(Code.ELIGIBILITY, Outcome.FINE, "criteria-met")
    values = {name: ", ".join(codes) for name, codes, _outcome, _why in named if codes}
    return _worst_first(Code.ELIGIBILITY, found, {**values, "facts": asked.facts})


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


def lymphodepletion(now: Situation, limits: Limits) -> Line:
    """As it was: what is open or missing, left out or too few, a day between, another dose, and when it was."""
    code, (counted, counts), (found, values) = Code.LYMPHODEPLETION, _counted(now.doses), _given(now, limits)
    if not (counted or found):
        return Line(code, Outcome.FINE, "lymphodepletion-fits", values)
    # Only what is told belongs to what is judged.
    return _worst_first(code, [*found, *counted], (values if found else {}) | (counts if counted else {}))


def _counted(doses: Doses) -> tuple[Found, dict[str, str]]:
    """What is open, missing or left out."""
    found: Found = []
    if doses.open:
        found.append((Outcome.BLOCKS, "lymphodepletion-open"))
    if not (doses.open or doses.given or doses.not_given):
        found.append((Outcome.BLOCKS, "lymphodepletion-missing"))
    if doses.not_given:
        found.append((Outcome.JUDGE, "lymphodepletion-left-out"))
    return found, {"given": str(len(doses.given)), "open": str(doses.open), "left_out": str(doses.not_given)}


def _given(now: Situation, limits: Limits) -> tuple[Found, dict[str, str]]:
    """What is to be said about the doses that were given: when it was, and each that was another than planned."""
    doses, day0 = now.doses, now.infusion_on
    if not doses.given:
        return [], {}
    values = {
        "first": str((min(doses.given_on) - day0).days),
        "last": str((max(doses.given_on) - day0).days),
        "earliest": str(limits.timing.earliest_day),
        "latest": str(limits.timing.last_day),
        "days": str(limits.timing.question_after_days),
    }
    fits = timing(doses.given_on, day0, limits.timing)
    found: Found = []
    if fits is not Timing.OK:
        found.append((Outcome.BLOCKS if fits is Timing.NOT_BEFORE else Outcome.JUDGE, TIMING_WHY[fits]))
    listed = {name: ",".join(rows) for name, rows in _listed(doses, day0, limits).items() if rows}
    return [*found, *((Outcome.JUDGE, LISTED_WHY[name]) for name in listed)], values | listed


LISTED_WHY = {
    "day0": "lymphodepletion-day0",
    "skipped": "lymphodepletion-skipped",
    "short": "lymphodepletion-short",
    "atypical": "lymphodepletion-atypical",
}


def _listed(doses: Doses, day0: dt.date, limits: Limits) -> dict[str, list[str]]:
    """By the name of the list its rows, of codes and numbers: a judgement of them holds in every language."""
    # Planned doses that are open or were left out say themselves what is missing.
    short = [] if doses.open or doses.not_given else short_of_doses(doses.given, limits.drugs)
    return {
        "day0": [f"{dose.drug}|{(dose.on - day0).days}" for dose in doses.given if dose.on >= day0],
        "skipped": [f"{drug}|{(day - day0).days}" for drug, day in skipped(doses.given)],
        "short": [f"{drug}|{count}" for drug, count in short],
        "atypical": [
            f"{dose.drug}|{(dose.on - day0).days}|{_plain(dose.mg_m2)}|{_plain(low)}|{_plain(high)}"
            for dose, low, high in atypical(doses.given, limits.drugs)
        ],
    }


def _plain(number: Decimal) -> str:
    return f"{number.normalize():f}"


READY_STATES = frozenset({State.THAWED, State.INFUSED})


def product(now: Situation) -> Line:
    """Received in the house or thawed, and within its last day."""
    bag, code = now.bag, Code.PRODUCT
    if bag is None:
        return Line(code, Outcome.BLOCKS, "product-missing")
    values = {"lot": bag.lot, "state": bag.state.value, "day": f"{bag.expires_on:%Y-%m-%d}" if bag.expires_on else ""}
    found: Found = []
    if bag.state not in READY_STATES | {State.RECEIVED}:
        found.append((Outcome.BLOCKS, "product-not-here"))
    if bag.expires_on is not None and bag.expires_on < now.infusion_on:
        found.append((Outcome.BLOCKS, "product-expired"))
    if bag.is_out_of_specification:
        found.append((Outcome.JUDGE, "product-out-of-specification"))
    if bag.dose is not None and bag.dose.fit is not BagFit.IN_RANGE:
        found.append((Outcome.JUDGE, "product-dose-low" if bag.dose.fit is BagFit.TOO_LOW else "product-dose-high"))
        values |= dose_values(bag.dose)
    return _worst_first(code, found, values) if found else Line(code, Outcome.FINE, "product-ready", values)


def dose_values(dose: BagDose) -> dict[str, str]:
    """For the sentences about what a bag holds."""
    return {
        "whole": _plain(dose.whole_e8),
        "low": _plain(dose.limits.tolerance_low),
        "high": _plain(dose.limits.tolerance_high),
        "planned": _plain(dose.planned_e8),
        "ml": "" if dose.planned_ml is None else _plain(dose.planned_ml),
        "volume": _plain(dose.volume_ml),
    }


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
    if now.identity_broken:
        values["broken"] = str(now.identity_broken)
        return Line(Code.IDENTITY, Outcome.BLOCKS, "identity-broken", values)
    if now.identity_signed_after:
        values["first"] = now.identity_signed_after
        return Line(Code.IDENTITY, Outcome.BLOCKS, "identity-late", values)
    return Line(Code.IDENTITY, Outcome.BLOCKS, "identity-open", values)
