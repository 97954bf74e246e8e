"""Whether a participant meets each inclusion and no exclusion criterion, decided from recorded facts.

Source: eligibility criteria of the registry record NCT07072494 (9 inclusion, 15 exclusion); readings and
boundaries that it leaves open are policy [P] of the study file. Limits come from there too: a rule here knows
how to compare, never with what. Numbers are compared unrounded. `0`, "no" and "negative" are answers; what
was not asked, not done or has expired is MISSING, and never counts as met. A bound ("<0.5") decides only where
all values that it allows decide alike; else an investigator has to.
"""

import datetime as dt
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from participants.rules.age import LeapDay, months_before, years_span
from participants.rules.measures import MEASURES
from trialsite.bounds import agreed, examples
from trialsite.partialdate import PartialDate


class Result(StrEnum):
    PASS = "PASS"
    PASS_BY_OVERRIDE = "PASS_BY_OVERRIDE"
    NEEDS_INVESTIGATOR = "NEEDS_INVESTIGATOR"
    MISSING = "MISSING"
    FAIL_OVERRIDABLE = "FAIL_OVERRIDABLE"
    FAIL = "FAIL"


class Overall(StrEnum):
    ELIGIBLE = "ELIGIBLE"
    INCOMPLETE = "INCOMPLETE"
    NOT_ELIGIBLE = "NOT_ELIGIBLE"


# From the best to the worst: a criterion is as good as its worst part.
ORDER = tuple(Result)
MET = frozenset({Result.PASS, Result.PASS_BY_OVERRIDE})
NOT_MET = frozenset({Result.FAIL, Result.FAIL_OVERRIDABLE})


class Why(StrEnum):
    """What the state of a criterion rests on, where value and limit do not say it."""

    COMPARED = "compared"
    NOTHING_RECORDED = "nothing_recorded"
    NOT_DONE = "not_done"
    EXPIRED = "expired"
    NO_UPPER_LIMIT = "no_upper_limit"
    NO_LLOQ = "no_lloq"
    BOUND_ONLY = "bound_only"
    OXYGEN_UNKNOWN = "oxygen_unknown"
    ON_OXYGEN = "on_oxygen"
    NOT_BY_FLOW = "not_by_flow"
    NEEDS_JUDGEMENT = "needs_judgement"
    NO_REASON_OF_THREE = "no_reason_of_three"
    NO_CONSENT = "no_consent"
    CONSENT_AFTER_PROCEDURE = "consent_after_procedure"
    GUARDIAN_MISSING = "guardian_missing"
    NOT_WILLING = "not_willing"
    AGE = "age"
    MAN = "man"
    NOT_FERTILE = "not_fertile"
    SERUM_NEEDED = "serum_needed"
    NO_INTERVAL = "no_interval"
    UNTREATED = "untreated"
    NO_EVENT = "no_event"
    DATE_NEEDED = "date_needed"
    DATE_TOO_COARSE = "date_too_coarse"
    BIRTH_TOO_COARSE = "birth_too_coarse"
    QTCB_NEEDED = "qtcb_needed"
    NO_INFUSION_DATE = "no_infusion_date"
    INTERVAL = "interval"
    ACTIVE = "active"
    NOT_LOW_RISK = "not_low_risk"
    NO_AGENT = "no_agent"
    HALF_LIVES = "half_lives"
    RULED = "ruled"


@dataclass(frozen=True)
class Fact:
    """One answer: a number in its measure's unit, a choice, or a date; None with the reason why it was not done."""

    code: str
    value: Decimal | str | PartialDate | None
    on: dt.date | None = None
    comparator: str = ""  # < ≤ > or ≥: the laboratory gave a bound only
    # The number as printed, if in another unit; limits are in that unit, so that ratios need no conversion.
    printed: Decimal | None = None
    upper_limit: Decimal | None = None
    lloq: Decimal | None = None
    not_done: str = ""
    examination: int | None = None
    source: int | None = None

    @property
    def number(self) -> Decimal:
        assert isinstance(self.value, Decimal), f"{self.code} is no number"
        return self.value

    @property
    def as_printed(self) -> Decimal:
        """In the unit of the limits that are printed beside it."""
        return self.number if self.printed is None else self.printed


@dataclass(frozen=True)
class Facts:
    """The newest answer to each question, and what was found beside it in the same examination."""

    newest: Mapping[str, Fact]
    beside: Mapping[tuple[int | None, str], Fact] = field(default_factory=dict)

    def get(self, code: str) -> Fact | None:
        return self.newest.get(code)

    def companion(self, fact: Fact, code: str) -> Fact | None:
        """The other value of the same moment: the heart rate of this ECG, not of another."""
        return self.beside.get((fact.examination, code))


@dataclass(frozen=True)
class Anchors:
    """The days that criteria count from. `today` is the site's day, or that of the enrolment once there is one."""

    today: dt.date
    screened_on: dt.date | None = None
    consented_on: dt.date | None = None
    first_procedure_on: dt.date | None = None
    # Set where both moments are known: the day alone cannot tell which came first.
    is_consent_first: bool | None = None
    birth_date: dt.date | PartialDate | None = None
    sex: str = ""
    # None: the birth is known only in part, and some days that it may mean need one while others do not.
    is_guardian_needed: bool | None = False
    has_guardian: bool | None = None
    infusion_on: dt.date | None = None
    leap_day: LeapDay = LeapDay.MAR_1
    expires_after_days: int | None = None
    # Which of these days the criterion in hand counts from.
    counts_from: str = "screening"


class Check(Protocol):
    """One question of a criterion, as the study file puts it: which rule decides, and its limits."""

    @property
    def rule(self) -> str: ...
    @property
    def measure(self) -> str: ...
    @property
    def event(self) -> str: ...
    @property
    def measures(self) -> tuple[str, ...]: ...
    @property
    def at_least(self) -> Decimal | None: ...
    @property
    def at_most(self) -> Decimal | None: ...
    @property
    def above(self) -> Decimal | None: ...
    @property
    def below(self) -> Decimal | None: ...
    @property
    def is_times_uln(self) -> bool: ...
    @property
    def passes(self) -> tuple[str, ...]: ...
    @property
    def fails(self) -> tuple[str, ...]: ...
    @property
    def days(self) -> int | None: ...
    @property
    def months(self) -> int | None: ...
    @property
    def on_room_air(self) -> bool: ...


@dataclass(frozen=True)
class Verdict:
    """What one rule found, before anybody ruled on it."""

    result: Result
    why: Why = Why.COMPARED
    facts: tuple[Fact, ...] = ()
    derived: Decimal | None = None
    # The measure to be recorded, where one is missing.
    wanted: str = ""


@dataclass(frozen=True)
class Ruling:
    """An investigator decided what the rule left open, or set a failed limit aside; always with a reason."""

    check: str
    is_met: bool
    reason: str
    basis: str
    is_override: bool = False
    source: int | None = None


@dataclass(frozen=True)
class Decision:
    """One check of one item (a criterion, or a lettered part of it), with all that it rests on."""

    item: str
    check: str
    rule: Check
    result: Result
    verdict: Verdict
    basis: str
    ruling: Ruling | None = None


# --- small helpers -------------------------------------------------------------------------------


def _usable(facts: Facts, code: str, anchors: Anchors) -> tuple[Fact | None, Verdict]:
    """The newest answer if it may be used, else None; beside it the verdict that it is missing, and why."""
    fact = facts.get(code)
    if fact is None:
        return None, Verdict(Result.MISSING, Why.NOTHING_RECORDED, wanted=code)
    if fact.value is None:
        return None, Verdict(Result.MISSING, Why.NOT_DONE, (fact,), wanted=code)
    if is_expired(fact, anchors):
        return None, Verdict(Result.MISSING, Why.EXPIRED, (fact,), wanted=code)
    return fact, Verdict(Result.PASS, facts=(fact,))


def is_expired(fact: Fact, anchors: Anchors) -> bool:
    """Older than the screening window allows; facts of history do not expire."""
    if anchors.expires_after_days is None or fact.on is None or MEASURES[fact.code].lasts:
        return False
    return (anchors.today - fact.on).days > anchors.expires_after_days


def _holds(check: Check, value: Decimal) -> bool:
    return (
        (check.at_least is None or value >= check.at_least)
        and (check.at_most is None or value <= check.at_most)
        and (check.above is None or value > check.above)
        and (check.below is None or value < check.below)
    )


def _compare(check: Check, fact: Fact, value: Decimal) -> Verdict:
    limits = (check.at_least, check.at_most, check.above, check.below)
    return _of_all(fact, value, limits, lambda one: _holds(check, one))


def _of_all(fact: Fact, value: Decimal, limits: Iterable[Decimal | None], is_met: Callable[[Decimal], bool]) -> Verdict:
    """A bound such as "< 0.5" decides only where every value that it allows gives the same answer."""
    answer = agreed(is_met(one) for one in examples(value, fact.comparator, limits))
    if answer is None:
        return Verdict(Result.NEEDS_INVESTIGATOR, Why.BOUND_ONLY, (fact,))
    return Verdict(Result.PASS if answer else Result.FAIL, facts=(fact,))


def _anchor_day(anchors: Anchors) -> dt.date | None:
    if anchors.counts_from == "infusion":
        return anchors.infusion_on
    return anchors.screened_on if anchors.counts_from == "screening" else anchors.consented_on


def _first_day_within(check: Check, day: dt.date) -> dt.date:
    """The first day of the interval before `day`; it belongs to it, so exactly six months are within six months."""
    if check.months is not None:
        return months_before(day, check.months)
    assert check.days is not None, "the study file is checked for one of the two"
    return day - dt.timedelta(days=check.days)


# --- the rules -------------------------------------------------------------------------------------


def number(check: Check, facts: Facts, anchors: Anchors) -> Verdict:
    """A number within its limit, or within so many times the upper limit of normal (unrounded)."""
    fact, found = _usable(facts, check.measure, anchors)
    if fact is None:
        return found
    if not check.is_times_uln:
        return _compare(check, fact, fact.number)
    if not fact.upper_limit:
        return Verdict(Result.MISSING, Why.NO_UPPER_LIMIT, (fact,), wanted=fact.code)
    ratio = _ratio(check, fact)
    # Of a bound there is no ratio that could be shown as a number.
    return ratio if fact.comparator else replace(ratio, derived=fact.as_printed / fact.upper_limit)


def _ratio(check: Check, fact: Fact) -> Verdict:
    """value ≤ 2.0 × ULN by multiplication: a quotient such as 1/3 could not be held exactly."""
    assert fact.upper_limit is not None
    assert check.at_most is not None
    limit = check.at_most * fact.upper_limit
    return _of_all(fact, fact.as_printed, [limit], lambda value: value <= limit)


def one_of(check: Check, facts: Facts, anchors: Anchors) -> Verdict:
    """An answer that the study file counts as met or as not met; every other one is for an investigator."""
    fact, found = _usable(facts, check.measure, anchors)
    if fact is None:
        return found
    if fact.value in check.passes:
        return found
    if fact.value in check.fails:
        return Verdict(Result.FAIL, facts=(fact,))
    return Verdict(Result.NEEDS_INVESTIGATOR, Why.NEEDS_JUDGEMENT, (fact,))


def any_yes(check: Check, facts: Facts, anchors: Anchors) -> Verdict:
    """At least one of several reasons holds (INCL02: not fit for a transplant, no donor, or declines one)."""
    found = [_usable(facts, code, anchors) for code in check.measures]
    known = tuple(fact for fact, _verdict in found if fact is not None)
    if any(fact.value == "yes" for fact in known):
        return Verdict(Result.PASS, facts=known)
    for fact, missing in found:
        if fact is None:
            return missing
    return Verdict(Result.FAIL, Why.NO_REASON_OF_THREE, known)


def consent(check: Check, facts: Facts, anchors: Anchors) -> Verdict:
    """INCL01: the consent form was signed on or before the first study procedure, by those who must sign [P].

    The record asks that the subject agreed, signed, and is willing and able to comply.
    """
    if anchors.consented_on is None:
        return Verdict(Result.MISSING, Why.NO_CONSENT)
    if is_consent_late(anchors):
        return Verdict(Result.FAIL, Why.CONSENT_AFTER_PROCEDURE)
    if anchors.is_guardian_needed is None and not anchors.has_guardian:
        return Verdict(Result.MISSING, Why.BIRTH_TOO_COARSE)
    if anchors.is_guardian_needed and not anchors.has_guardian:
        return Verdict(Result.MISSING if anchors.has_guardian is None else Result.FAIL, Why.GUARDIAN_MISSING)
    fact, found = _usable(facts, "WILLING_ABLE", anchors)
    if fact is not None and fact.value == "no":
        return Verdict(Result.FAIL, Why.NOT_WILLING, (fact,))
    return found


def is_consent_late(anchors: Anchors) -> bool:
    """By the moment where both are known, else by the day: the same day is in time."""
    if anchors.is_consent_first is not None:
        return not anchors.is_consent_first
    if anchors.consented_on is None or anchors.first_procedure_on is None:
        return False
    return anchors.consented_on > anchors.first_procedure_on


def age(check: Check, facts: Facts, anchors: Anchors) -> Verdict:
    """INCL03: completed years at consent, both limits included.

    A birth known only in part decides where all ages that it allows decide alike; else it has to be completed.
    """
    if anchors.consented_on is None:
        return Verdict(Result.MISSING, Why.NO_CONSENT)
    if anchors.birth_date is None:
        return Verdict(Result.MISSING, Why.BIRTH_TOO_COARSE)
    fewest, most = years_span(anchors.birth_date, anchors.consented_on, anchors.leap_day)
    allowed = {_holds(check, Decimal(years)) for years in range(fewest, most + 1)}
    if len(allowed) > 1:
        return Verdict(Result.MISSING, Why.BIRTH_TOO_COARSE)
    return Verdict(Result.PASS if allowed == {True} else Result.FAIL, Why.AGE, derived=Decimal(fewest))


def cd19(check: Check, facts: Facts, anchors: Anchors) -> Verdict:
    """INCL05: positive by flow cytometry; the record has no percentage, so "partial" is for an investigator."""
    fact, found = _usable(facts, "CD19", anchors)
    if fact is None:
        return found
    method = facts.companion(fact, "CD19_METHOD")
    if method is not None and method.value is None:
        method = None
    used = (fact, method) if method else (fact,)
    if fact.value == "negative":
        return Verdict(Result.FAIL, facts=used)
    if fact.value == "partial":
        return Verdict(Result.NEEDS_INVESTIGATOR, Why.NEEDS_JUDGEMENT, used)
    if method is None:
        return Verdict(Result.MISSING, Why.NOTHING_RECORDED, used, wanted="CD19_METHOD")
    if method.value != "flow":
        return Verdict(Result.NEEDS_INVESTIGATOR, Why.NOT_BY_FLOW, used)
    return Verdict(Result.PASS, facts=used)


def oxygen(check: Check, facts: Facts, anchors: Anchors) -> Verdict:
    """INCL07: saturation above the limit; measured without added oxygen where the study file asks for it [P]."""
    fact, found = _usable(facts, "OXYSAT", anchors)
    if fact is None:
        return found
    added = facts.companion(fact, "ON_OXYGEN")
    used = (fact, added) if added else (fact,)
    compared = _compare(check, fact, fact.number)
    if compared.result == Result.FAIL or not check.on_room_air:
        return Verdict(compared.result, compared.why, used)
    if added is None or added.value is None:
        return Verdict(Result.MISSING, Why.OXYGEN_UNKNOWN, used, wanted="ON_OXYGEN")
    if added.value == "yes":
        return Verdict(Result.NEEDS_INVESTIGATOR, Why.ON_OXYGEN, used)
    return Verdict(compared.result, compared.why, used)


def is_fertile(facts: Facts, anchors: Anchors) -> bool | None:
    """A woman who was sterilised or is two years past the menopause is not; None while neither is known."""
    sterilised, _missing = _usable(facts, "STERILISED", anchors)
    years, _missing = _usable(facts, "POSTMENOPAUSAL_YEARS", anchors)
    if sterilised is not None and sterilised.value == "yes":
        return False
    if years is not None:
        return years.number < 2
    return None if sterilised is None else True


def pregnancy(check: Check, facts: Facts, anchors: Anchors) -> Verdict:
    """INCL09: negative serum test of a woman who can bear a child; a urine test does not replace it."""
    if anchors.sex == "M":
        return Verdict(Result.PASS, Why.MAN)
    if is_fertile(facts, anchors) is False:
        known = tuple(f for code in ("STERILISED", "POSTMENOPAUSAL_YEARS") if (f := facts.get(code)))
        return Verdict(Result.PASS, Why.NOT_FERTILE, known)
    fact, found = _usable(facts, "HCG_SERUM", anchors)
    if fact is None:
        urine = facts.get("HCG_URINE")
        if urine is not None and found.why == Why.NOTHING_RECORDED:
            return Verdict(Result.MISSING, Why.SERUM_NEEDED, (urine,), wanted="HCG_SERUM")
        return found
    return Verdict(Result.PASS if fact.value == "negative" else Result.FAIL, facts=(fact,))


def contraception(check: Check, facts: Facts, anchors: Anchors) -> Verdict:
    """INCL09: men and women who can have a child agree to contraception during the study."""
    able, _missing = _usable(facts, "REPRODUCTIVE", anchors)
    if (anchors.sex == "F" and is_fertile(facts, anchors) is False) or (able is not None and able.value == "no"):
        return Verdict(Result.PASS, Why.NOT_FERTILE, (able,) if able else ())
    fact, found = _usable(facts, "CONTRACEPTION", anchors)
    if fact is None:
        return found
    return Verdict(Result.PASS if fact.value == "yes" else Result.FAIL, facts=(fact,))


def virus_dna(check: Check, facts: Facts, anchors: Anchors) -> Verdict:
    """EXCL04: a load above the lower limit of quantification excludes; at the limit it does not.

    "Not detected" is 0 and passes without a limit beside it; a bound such as "< 20" needs one, for nobody
    knows whether it is the limit.
    """
    fact, found = _usable(facts, check.measure, anchors)
    if fact is None:
        return found
    load, lloq = fact.as_printed, fact.lloq
    if lloq is None:
        is_not_detected = load == 0 and not fact.comparator
        return found if is_not_detected else Verdict(Result.MISSING, Why.NO_LLOQ, (fact,), wanted=fact.code)
    return _of_all(fact, load, [lloq], lambda value: value <= lloq)


def qtcb_ms(qt_ms: Decimal, rr_ms: Decimal) -> Decimal:
    """QTcB = QT/√RR, RR in seconds (Bazett, as the record prints it), in ms."""
    return qt_ms / (rr_ms / 1000).sqrt()


def qtcf_ms(qt_ms: Decimal, rr_ms: Decimal) -> Decimal:
    """QTcF = QT/∛RR, RR in seconds (Fridericia), in ms."""
    return qt_ms / (rr_ms / 1000) ** (Decimal(1) / 3)


def rr_of_rate(per_minute: Decimal) -> Decimal:
    """RR = 60/HR, in ms."""
    return Decimal(60_000) / per_minute


def qtcb(check: Check, facts: Facts, anchors: Anchors) -> Verdict:
    """EXCL06: QTcB at or above the limit. Squares are compared, QT² with limit² × RR, so nothing is rounded."""
    qt, found = _usable(facts, "QT", anchors)
    if qt is None:
        return _qtcf_alone(facts, anchors) if found.why == Why.NOTHING_RECORDED else found
    rr, rate = _positive(facts.companion(qt, "RR")), _positive(facts.companion(qt, "EGHR"))
    if rr is not None:
        used, span, scale = (qt, rr), rr.number, Decimal(1000)
    elif rate is not None:
        used, span, scale = (qt, rate), Decimal(60), rate.number
    else:
        return Verdict(Result.MISSING, Why.NO_INTERVAL, (qt,), wanted="RR")
    limit = check.below if check.below is not None else check.at_most
    assert limit is not None, "the study file is checked for one of the two"
    left, right = qt.number**2 * scale, limit**2 * span
    is_met = left < right or (check.below is None and left == right)
    derived = qtcb_ms(qt.number, rr.number if rr is not None else rr_of_rate(scale))
    return Verdict(Result.PASS if is_met else Result.FAIL, facts=used, derived=derived)


def _qtcf_alone(facts: Facts, anchors: Anchors) -> Verdict:
    """The record counts by Bazett's formula: a QTcF without QT is told, and does not replace it [P]."""
    qtcf, _missing = _usable(facts, "QTCF", anchors)
    if qtcf is None:
        return Verdict(Result.MISSING, Why.NOTHING_RECORDED, wanted="QT")
    return Verdict(Result.MISSING, Why.QTCB_NEEDED, (qtcf,), wanted="QT")


def _positive(fact: Fact | None) -> Fact | None:
    return fact if fact is not None and isinstance(fact.value, Decimal) and fact.value > 0 else None


def hypertension(check: Check, facts: Facts, anchors: Anchors) -> Verdict:
    """EXCL06: systolic ≥ 150 and/or diastolic ≥ 100 *despite standard treatment*; untreated is for an investigator.

    Each pressure is a check of its own.
    """
    fact, found = _usable(facts, check.measure, anchors)
    if fact is None:
        return found
    if _holds(check, fact.number):
        return found
    treated, missing = _usable(facts, "HTN_TREATED", anchors)
    if treated is None:
        return Verdict(Result.MISSING, missing.why, (fact,), wanted="HTN_TREATED")
    if treated.value == "no":
        return Verdict(Result.NEEDS_INVESTIGATOR, Why.UNTREATED, (fact, treated))
    return Verdict(Result.FAIL, facts=(fact, treated))


def clear_since(check: Check, facts: Facts, anchors: Anchors) -> Verdict:
    """No such event within the interval before the anchor; its first day belongs to it [P].

    Without a planned infusion an event that is clear of today's interval is clear of every later one.
    """
    event, found = _usable(facts, check.event, anchors)
    if event is None:
        return found
    if event.value == "no":
        return Verdict(Result.PASS, Why.NO_EVENT, (event,))
    day, _missing = _usable(facts, check.measure, anchors)
    if day is None:
        return Verdict(Result.MISSING, Why.DATE_NEEDED, (event,), wanted=check.measure)
    return _interval(check, day, anchors, (event, day))


def _interval(check: Check, day: Fact, anchors: Anchors, used: tuple[Fact, ...]) -> Verdict:
    assert isinstance(day.value, PartialDate)
    anchor = _anchor_day(anchors)
    if anchor is None and anchors.counts_from == "infusion":
        if day.value.latest < _first_day_within(check, anchors.today):
            return Verdict(Result.PASS, Why.INTERVAL, used)
        return Verdict(Result.MISSING, Why.NO_INFUSION_DATE, used)
    if anchor is None:
        return Verdict(Result.MISSING, Why.NO_CONSENT, used)
    first = _first_day_within(check, anchor)
    if day.value.latest < first:
        return Verdict(Result.PASS, Why.INTERVAL, used)
    if day.value.earliest < first:
        return Verdict(Result.NEEDS_INVESTIGATOR, Why.DATE_TOO_COARSE, used)
    return Verdict(Result.FAIL, Why.INTERVAL, used)


def other_malignancy(check: Check, facts: Facts, anchors: Anchors) -> Verdict:
    """EXCL05: active, or treated within five years: excluded; longer ago and of low risk by judgement: not.

    The record says "more than five years", so exactly five are too few [P].
    """
    had, found = _usable(facts, "OTHER_MALIGNANCY", anchors)
    if had is None:
        return found
    if had.value == "no":
        return Verdict(Result.PASS, Why.NO_EVENT, (had,))
    active, missing = _usable(facts, "MALIGNANCY_ACTIVE", anchors)
    if active is None:
        return Verdict(Result.MISSING, missing.why, (had,), wanted="MALIGNANCY_ACTIVE")
    if active.value == "yes":
        return Verdict(Result.FAIL, Why.ACTIVE, (had, active))
    risk, _missing = _usable(facts, "MALIGNANCY_LOW_RISK", anchors)
    if risk is not None and risk.value == "no":
        return Verdict(Result.FAIL, Why.NOT_LOW_RISK, (had, active, risk))
    day, missing = _usable(facts, "MALIGNANCY_TREATED_UNTIL", anchors)
    if day is None:
        return Verdict(Result.MISSING, Why.DATE_NEEDED, (had, active), wanted="MALIGNANCY_TREATED_UNTIL")
    interval = _interval(check, day, anchors, (had, active, day))
    if interval.result != Result.PASS:
        return interval
    if risk is None:
        return Verdict(Result.NEEDS_INVESTIGATOR, Why.NEEDS_JUDGEMENT, interval.facts, wanted="MALIGNANCY_LOW_RISK")
    return Verdict(Result.PASS, Why.INTERVAL, (*interval.facts, risk))


def _agent(facts: Facts, anchors: Anchors, *, marketed: bool) -> Verdict | tuple[Fact, ...]:
    """Another trial and its agent: the verdict where there is none of this kind, else the facts so far."""
    used: tuple[Fact, ...] = ()
    for code in ("OTHER_TRIAL", "TRIAL_AGENT"):
        fact, found = _usable(facts, code, anchors)
        if fact is None:
            return Verdict(Result.MISSING, found.why, used, wanted=code)
        used = (*used, fact)
        if fact.value == "no":
            return Verdict(Result.PASS, Why.NO_AGENT, used)
    kind, found = _usable(facts, "AGENT_MARKETED", anchors)
    if kind is None:
        return Verdict(Result.MISSING, found.why, used, wanted="AGENT_MARKETED")
    used = (*used, kind)
    return used if (kind.value == "yes") == marketed else Verdict(Result.PASS, Why.NO_AGENT, used)


def unapproved_agent(check: Check, facts: Facts, anchors: Anchors) -> Verdict:
    """EXCL13: took part in another trial *and* received its unapproved agent within the interval before infusion."""
    found = _agent(facts, anchors, marketed=False)
    if isinstance(found, Verdict):
        return found
    day, _missing = _usable(facts, "AGENT_LAST_DOSE", anchors)
    if day is None:
        return Verdict(Result.MISSING, Why.DATE_NEEDED, found, wanted="AGENT_LAST_DOSE")
    return _interval(check, day, anchors, (*found, day))


def marketed_agent(check: Check, facts: Facts, anchors: Anchors) -> Verdict:
    """EXCL13: fewer than five half-lives between the last dose of a marketed agent and the infusion."""
    found = _agent(facts, anchors, marketed=True)
    if isinstance(found, Verdict):
        return found
    for code in ("AGENT_LAST_DOSE", "AGENT_HALF_LIFE"):
        fact, _missing = _usable(facts, code, anchors)
        if fact is None:
            return Verdict(Result.MISSING, Why.DATE_NEEDED, found, wanted=code)
        found = (*found, fact)
    day, half_life = found[-2], found[-1]
    assert isinstance(day.value, PartialDate)
    until = anchors.infusion_on or anchors.today
    fewest = half_lives(until - day.value.latest, half_life.number)
    if _holds(check, fewest):
        return Verdict(Result.PASS, Why.HALF_LIVES, found, derived=fewest)
    if anchors.infusion_on is None:
        return Verdict(Result.MISSING, Why.NO_INFUSION_DATE, found)
    if _holds(check, half_lives(until - day.value.earliest, half_life.number)):
        return Verdict(Result.NEEDS_INVESTIGATOR, Why.DATE_TOO_COARSE, found, derived=fewest)
    return Verdict(Result.FAIL, Why.HALF_LIVES, found, derived=fewest)


def half_lives(elapsed: dt.timedelta, half_life_h: Decimal) -> Decimal:
    return Decimal(elapsed.days) * 24 / half_life_h


RULES: dict[str, Callable[[Check, Facts, Anchors], Verdict]] = {
    rule.__name__: rule
    for rule in (
        number,
        one_of,
        any_yes,
        consent,
        age,
        cd19,
        oxygen,
        pregnancy,
        contraception,
        virus_dna,
        qtcb,
        hypertension,
        clear_since,
        other_malignancy,
        unapproved_agent,
        marketed_agent,
    )
}

# --- from checks to criteria -------------------------------------------------------------------------


@dataclass(frozen=True)
class Item:
    """A criterion or a lettered part of one, with its checks."""

    code: str
    checks: tuple[Check, ...]
    is_overridable: bool = False
    counts_from: str = "screening"


def name_of(item: str, check: Check) -> str:
    """The name of a check, by which rulings are tied to it: INCL08b:NEUT."""
    return f"{item}:{check.measure or check.rule}"


# Rules that compare with something else than a limit of their own measure: a bound decides none of them.
EXACT_RULES = frozenset({"pregnancy", "contraception", "qtcb", "hypertension", "marketed_agent"})
# Rules that count back from a day.
DATED_RULES = frozenset({"clear_since", "other_malignancy", "unapproved_agent", "marketed_agent"})


def basis_of(facts: Iterable[Fact], counted_from: dt.date | None = None) -> str:
    """A digest of the values that a ruling was made on, and of the day: with others it holds no longer."""
    parts = [f"{f.code}|{f.comparator}{f.value}|{f.on}|{f.upper_limit}|{f.lloq}|{f.not_done}" for f in facts]
    return hashlib.sha256("\n".join([*sorted(parts), str(counted_from)]).encode()).hexdigest()


def _verdict(check: Check, facts: Facts, anchors: Anchors) -> Verdict:
    found = RULES[check.rule](check, facts, anchors)
    if check.rule in EXACT_RULES and any(fact.comparator for fact in found.facts):
        return Verdict(Result.NEEDS_INVESTIGATOR, Why.BOUND_ONLY, found.facts)
    return found


def decide(item: Item, check: Check, facts: Facts, anchors: Anchors, rulings: Sequence[Ruling] = ()) -> Decision:
    """One check: what its rule found, then what an investigator ruled on exactly these values."""
    if anchors.counts_from != item.counts_from:
        anchors = replace(anchors, counts_from=item.counts_from)
    verdict = _verdict(check, facts, anchors)
    name = name_of(item.code, check)
    basis = basis_of(verdict.facts, _anchor_day(anchors) if check.rule in DATED_RULES else None)
    failed = Result.FAIL_OVERRIDABLE if item.is_overridable else Result.FAIL
    result = failed if verdict.result == Result.FAIL else verdict.result
    for ruling in rulings:
        if ruling.check != name or ruling.basis != basis or not ruling.reason.strip():
            continue
        if result == Result.NEEDS_INVESTIGATOR and not ruling.is_override:
            result = Result.PASS if ruling.is_met else failed
        elif result == Result.FAIL_OVERRIDABLE and ruling.is_override and ruling.is_met:
            result = Result.PASS_BY_OVERRIDE
        else:
            continue
        return Decision(item.code, name, check, result, verdict, basis, ruling)
    return Decision(item.code, name, check, result, verdict, basis)


def decide_all(
    items: Iterable[Item], facts: Facts, anchors: Anchors, rulings: Sequence[Ruling] = ()
) -> tuple[Decision, ...]:
    return tuple(decide(item, check, facts, anchors, rulings) for item in items for check in item.checks)


def worst(results: Iterable[Result]) -> Result:
    """A criterion is as good as its worst check."""
    return max(results, key=ORDER.index, default=Result.MISSING)


def overall(results: Iterable[Result]) -> Overall:
    """Any criterion not met: not eligible; else any missing or open: incomplete; else eligible.

    A failed limit that may be overridden, and was not, is not met.
    """
    found = set(results)
    if found & NOT_MET:
        return Overall.NOT_ELIGIBLE
    return Overall.ELIGIBLE if found and found <= MET else Overall.INCOMPLETE
