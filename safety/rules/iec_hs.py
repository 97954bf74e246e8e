"""IEC-HS, the haemophagocytic syndrome after immune effector cells: a screen, and a severity that a person chooses.

Source: Hines MR et al. (ASTCT), Transplant Cell Ther 2023;29:438. Ferritin above 2 × ULN or 2 × baseline, or rapidly
rising, is required; common are an onset with resolving CRS or a worsening after initial improvement, ALT or AST above
5 × ULN (5 × baseline where that is abnormal), fibrinogen below 1.5 g/L or the lower limit, haemophagocytosis, and new,
worsening or refractory cytopenia. Grade 1 is observed, 2 needs intervention, 3 is severe, 4 life-threatening, 5 death;
CTCAE 6.0 words the grades of secondary haemophagocytic lymphohistiocytosis alike.

Unverified [M]: the criteria are recalled, the full text was not read.

Policy, where the text is silent [P]: the screen is positive with the required ferritin and one common finding, since
a screen should rather ask once too often (ferritin alone is usual in CRS); what nobody recorded is neither yes nor
no: where it could still turn the screen positive, IEC-HS cannot be excluded and there is no grade; a negative screen
is grade 0 whatever severity was chosen, flagged. From the laboratory: a ferritin within its limits is not elevated,
whatever the baseline was; rapidly rising is doubled within 72 hours and above the upper limit; an enzyme without a
baseline counts as normal before. A bound ("<1.5") answers a finding only where every value that it allows does.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from safety.rules.grading import Graded, ImpossibleFinding, Reason, check_range, mark
from trialsite.bounds import FLIPPED, SIGNS, Allowed, agreed, allowed, combined, examples, least

SCALE = "ASTCT 2023 (IEC-HS)"
FERRITIN_TIMES = Decimal(2)
ENZYME_TIMES = Decimal(5)
FIBRINOGEN_G_L = Decimal("1.5")
# More than any limit times its factor.
LARGEST = 10**15


class Screen(StrEnum):
    POSITIVE = "positive"
    NEGATIVE = "negative"
    OPEN = "open"


class Severity(StrEnum):
    """What the investigator chooses; the words of the grades are those of CTCAE 6.0 for secondary HLH, shortened."""

    OBSERVE = "observe"
    INTERVENTION = "intervention"
    SEVERE = "severe"
    LIFE_THREATENING = "life_threatening"
    DEATH = "death"


SEVERITY_GRADE = {severity: grade for grade, severity in enumerate(Severity, start=1)}
REQUIRED = ("ferritin_high", "ferritin_rising")
COMMON = ("onset_with_resolving_crs", "transaminases_high", "fibrinogen_low", "cytopenia", "haemophagocytosis")
# Seen as well, and no part of the screen.
OTHER = (
    "ldh_high",
    "coagulation_prolonged",
    "direct_bilirubin_high",
    "splenomegaly",
    "fever",
    "neurotoxicity",
    "pulmonary",
    "renal",
    "triglycerides_high",
)

REASON_TEXT = {
    "ferritin_high": mark("Ferritin above 2 × the upper limit or 2 × the baseline."),
    "ferritin_rising": mark("Ferritin rises rapidly."),
    "onset_with_resolving_crs": mark("Onset with resolving CRS, or worsening after initial improvement."),
    "transaminases_high": mark("ALT or AST above 5 × the upper limit, or 5 × an abnormal baseline."),
    "fibrinogen_low": mark("Fibrinogen below 1.5 g/L or the lower limit."),
    "cytopenia": mark("New, worsening or refractory cytopenia."),
    "haemophagocytosis": mark("Haemophagocytosis in the bone marrow or another tissue."),
    "no-ferritin": mark(
        "Ferritin is neither above 2 × the upper limit or baseline nor rapidly rising: the screen is negative."
    ),
    "few-findings": mark("Common findings: {found}, needed beside ferritin: {needed}. The screen is negative."),
    "ferritin-unknown": mark("What ferritin is, or how fast it rises, is not recorded: IEC-HS cannot be excluded."),
    "findings-unknown": mark("Common findings are not recorded: IEC-HS cannot be excluded."),
    "severity-observe": mark("Observation only: grade 1."),
    "severity-intervention": mark("Intervention is needed: grade 2."),
    "severity-severe": mark("Severe, not immediately life-threatening: grade 3."),
    "severity-life_threatening": mark("Life-threatening: grade 4."),
    "severity-death": mark("Death due to IEC-HS: grade 5."),
    "severity-open": mark("The screen is positive: an investigator has to choose the severity."),
    # What a laboratory value says about a finding.
    "lab-none": mark("No value is recorded."),
    "lab-bound": mark("The report gives only a bound, which leaves it open."),
    "lab-ferritin": mark("Ferritin {value} µg/L: {times} × the upper limit {limit}."),
    "lab-ferritin-baseline": mark("Ferritin {value} µg/L: {times} × the baseline {limit}."),
    "lab-no-limit": mark("{value}: the laboratory's limit is not recorded."),
    "lab-no-baseline": mark("The baseline before the infusion is not recorded."),
    "lab-rise": mark("Ferritin {earlier} to {value} µg/L within {hours} hours: {times} times."),
    "lab-no-rise": mark("No earlier ferritin within {hours} hours to compare with."),
    "lab-enzyme": mark("{name} {value} U/L: {times} × the upper limit {limit}."),
    "lab-enzyme-baseline": mark("{name} {value} U/L: {times} × the abnormal baseline {limit}."),
    "lab-enzyme-open": mark("{name}: no value or no upper limit is recorded."),
    "lab-fibrinogen": mark("Fibrinogen {value} g/L: lower limit {limit}."),
    "lab-fibrinogen-low": mark("Fibrinogen {value} g/L is below 1.5 g/L."),
}
FLAG_TEXT = {
    "CANNOT_EXCLUDE": mark("IEC-HS cannot be excluded: record what is missing and assess again."),
    "SEVERITY_MISSING": mark("Choose the severity: without it there is no grade."),
    "SEVERITY_WITHOUT_SCREEN": mark(
        "A severity was chosen, but the screen is not positive: if it is IEC-HS, record another grade with the reason."
    ),
    "FINDINGS_UNKNOWN": mark("Some findings are not recorded: the result does not depend on them."),
}


@dataclass(frozen=True)
class IecHsPolicy:
    """What the study chose where the source is silent [P]; the defaults are those of the first study."""

    # How many common findings the screen needs beside ferritin.
    common_needed: int = 1
    # "Rapidly rising" in numbers: so many times an earlier value, within so many hours.
    rising_times: Decimal = Decimal(2)
    rising_hours: int = 72


FIRST_STUDY = IecHsPolicy()


@dataclass(frozen=True)
class IecHsFindings:
    """What was found: yes, no, or None where nobody recorded it. Severity is the investigator's choice."""

    ferritin_high: bool | None = None
    ferritin_rising: bool | None = None
    onset_with_resolving_crs: bool | None = None
    transaminases_high: bool | None = None
    fibrinogen_low: bool | None = None
    cytopenia: bool | None = None
    haemophagocytosis: bool | None = None
    severity: Severity | None = None

    def of(self, names: Iterable[str]) -> list[bool | None]:
        return [getattr(self, name) for name in names]


# --- The screen and the grade --------------------------------------------------------------------


def screen(findings: IecHsFindings, policy: IecHsPolicy = FIRST_STUDY) -> Screen:
    """Whether IEC-HS is to be considered; open where what is not recorded could still turn a no into a yes.

    >>> screen(IecHsFindings(ferritin_high=True, cytopenia=True)).value
    'positive'
    >>> screen(IecHsFindings(ferritin_high=True)).value
    'open'
    """
    required, common = findings.of(REQUIRED), findings.of(COMMON)
    if True in required and common.count(True) >= policy.common_needed:
        return Screen.POSITIVE
    possible = common.count(True) + common.count(None)
    if (True in required or None in required) and possible >= policy.common_needed:
        return Screen.OPEN
    return Screen.NEGATIVE


def grade(findings: IecHsFindings, policy: IecHsPolicy = FIRST_STUDY) -> Graded:
    """Grade 0 with a negative screen, the chosen severity with a positive one, and none while it is open."""
    result = screen(findings, policy)
    unknown = None in findings.of((*REQUIRED, *COMMON))
    found = tuple(Reason(name) for name in (*REQUIRED, *COMMON) if getattr(findings, name))
    if result is not Screen.POSITIVE:
        chosen = ("SEVERITY_WITHOUT_SCREEN",) if findings.severity else ()
        if result is Screen.OPEN:
            reasons = (*found, *_unknown_reasons(findings, policy))
            return Graded(None, (), ("CANNOT_EXCLUDE", *chosen), reasons, SCALE)
        flags = (*(("FINDINGS_UNKNOWN",) if unknown else ()), *chosen)
        return Graded(0, (), flags, (*found, _why_negative(findings, policy)), SCALE)
    flags = ("FINDINGS_UNKNOWN",) if unknown else ()
    if findings.severity is None:
        return Graded(None, (), (*flags, "SEVERITY_MISSING"), (*found, Reason("severity-open")), SCALE)
    level = SEVERITY_GRADE[findings.severity]
    return Graded(level, ("severity",), flags, (*found, Reason(f"severity-{findings.severity}")), SCALE)


def _why_negative(findings: IecHsFindings, policy: IecHsPolicy) -> Reason:
    if findings.of(REQUIRED) == [False, False]:
        return Reason("no-ferritin")
    count = findings.of(COMMON).count(True)
    return Reason("few-findings", {"found": str(count), "needed": str(policy.common_needed)})


def _unknown_reasons(findings: IecHsFindings, policy: IecHsPolicy) -> tuple[Reason, ...]:
    required, common = findings.of(REQUIRED), findings.of(COMMON)
    ferritin = (Reason("ferritin-unknown"),) if True not in required else ()
    return (*ferritin, *((Reason("findings-unknown"),) if common.count(True) < policy.common_needed else ()))


# --- What laboratory values say ------------------------------------------------------------------


@dataclass(frozen=True)
class LabResult:
    """A value with the limits of its own laboratory and the last value before the infusion, all in one unit.

    `baseline_uln` is the limit of the laboratory that found the baseline; without it, it is the value's. The signs
    (< ≤ > ≥) are those of a report that gives a bound only.
    """

    value: Decimal
    lln: Decimal | None = None
    uln: Decimal | None = None
    baseline: Decimal | None = None
    baseline_uln: Decimal | None = None
    sign: str = ""
    baseline_sign: str = ""

    def __post_init__(self) -> None:
        for name in ("value", "lln", "uln", "baseline", "baseline_uln"):
            check_range(name, getattr(self, name), 0, LARGEST)
        for name, sign, bound in (("value", self.sign, self.value), ("baseline", self.baseline_sign, self.baseline)):
            if sign and (sign not in SIGNS or bound is None or (sign == "<" and bound == 0)):
                raise ImpossibleFinding(name, f"{name} is {sign}{bound}: that is no bound. Correct the value.")

    @property
    def allowed(self) -> Allowed:
        return allowed(self.value, self.sign)

    def exact(self, times: Decimal) -> "Iterator[LabResult]":
        """A result for each piece into which so many times its limits cut what the report allows."""
        heights = [one for one in (self.lln, self.uln, FIBRINOGEN_G_L) if one is not None]
        heights += [times * one for one in heights]
        for baseline in self._baselines([*heights, self.value], times):
            at = replace(self, baseline=baseline, sign="", baseline_sign="")
            cuts = [*heights, *((baseline, times * baseline) if baseline is not None else ())]
            yield from (replace(at, value=value) for value in examples(self.value, self.sign, cuts))

    def _baselines(self, heights: Sequence[Decimal], times: Decimal) -> Sequence[Decimal | None]:
        if self.baseline is None:
            return (None,)
        cuts = [*heights, *(one / times for one in heights), self.baseline_uln]
        return examples(self.baseline, self.baseline_sign, cuts)


@dataclass(frozen=True)
class Derived:
    """What a value says about a finding, None where it cannot tell, with the values that say so."""

    finding: bool | None
    reasons: tuple[Reason, ...]


NOTHING = Derived(None, (Reason("lab-none"),))


def ratio_is_high(ratio: Decimal | None, sign: str = "") -> bool | None:
    """Whether ferritin as a multiple of its upper limit or baseline is above 2; exactly 2 is not."""
    check_range("ratio", ratio, 0, LARGEST)
    if ratio is None:
        return None
    return agreed(one > FERRITIN_TIMES for one in examples(ratio, sign, [FERRITIN_TIMES]))


def _of_all(result: LabResult, times: Decimal, rule: Callable[[LabResult], Derived]) -> Derived:
    """What a rule says of every value that the report allows, with the values as reported."""
    finding = agreed(rule(one).finding for one in result.exact(times))
    said = rule(result)
    is_open = finding is None and said.finding is not None
    return Derived(finding, (*said.reasons, Reason("lab-bound")) if is_open else said.reasons)


def ferritin_high(result: LabResult | None) -> Derived:
    """Above 2 × ULN, or above 2 × baseline once it is above ULN; one limit that is missing leaves a no open.

    >>> ferritin_high(LabResult(Decimal(700), uln=Decimal(400), baseline=Decimal(300))).finding
    True
    """
    return NOTHING if result is None else _of_all(result, FERRITIN_TIMES, _ferritin)


def _ferritin(result: LabResult) -> Derived:
    reasons = _multiple("lab-ferritin", result, result.uln)
    reasons += _multiple("lab-ferritin-baseline", result, result.baseline, result.baseline_sign)
    if result.uln is not None and result.value <= result.uln:
        return Derived(False, reasons)
    by_limits = [_above(result.value, limit, FERRITIN_TIMES) for limit in (result.uln, result.baseline)]
    if result.uln is None:
        reasons += (Reason("lab-no-limit", {"value": _bounded(result.value, result.sign)}),)
    if result.baseline is None:
        reasons += (Reason("lab-no-baseline"),)
    return Derived(_any(by_limits), reasons)


def ferritin_rising(
    series: Sequence[tuple[dt.datetime, LabResult]], uln: Decimal | None, policy: IecHsPolicy = FIRST_STUDY
) -> Derived:
    """Whether the newest ferritin of the series is above ULN and doubled against the lowest of the last 72 hours."""
    if not series:
        return NOTHING
    # Of two values of one moment the later in the series is the newer, as it was recorded later.
    *before, (newest_at, newest) = sorted(series, key=lambda point: point[0])
    if uln is not None and agreed(one <= uln for one in newest.allowed.examples([uln])):
        return Derived(False, _multiple("lab-ferritin", newest, uln))
    since = newest_at - dt.timedelta(hours=policy.rising_hours)
    within = [point for point in before if since <= point[0] < newest_at]
    if not within:
        return Derived(None, (Reason("lab-no-rise", {"hours": str(policy.rising_hours)}),))
    at, lowest = min(within, key=lambda point: point[1].value)
    has_risen = _has_risen(newest, least(one.allowed for _at, one in within), uln, policy.rising_times)
    hours = int((newest_at - at).total_seconds() // 3600)
    values = {
        "earlier": _bounded(lowest.value, lowest.sign),
        "value": _bounded(newest.value, newest.sign),
        "hours": str(hours),
        "times": _times(newest, lowest.value, lowest.sign),
    }
    bound = (Reason("lab-bound"),) if has_risen is None else ()
    # Without the upper limit a rise may lie within the normal.
    return Derived(None if has_risen and uln is None else has_risen, (Reason("lab-rise", values), *bound))


def _has_risen(newest: LabResult, lowest: Allowed, uln: Decimal | None, times: Decimal) -> bool | None:
    """Whether the newest is so many times the lowest, and above ULN; None where a bound leaves it open."""
    heights = [one for one in (newest.value, uln) if one is not None]
    answers = []
    for earlier in lowest.examples([*heights, *(one / times for one in heights)]):
        for value in newest.allowed.examples([uln, earlier, times * earlier]):
            is_up = value >= times * earlier and value > earlier
            answers.append(is_up and (uln is None or value > uln))
    return agreed(answers)


def transaminases_high(alt: LabResult | None, ast: LabResult | None) -> Derived:
    """Whether ALT or AST is above 5 × ULN, or 5 × its baseline where that was above ULN."""
    both = [_enzyme("ALT", alt), _enzyme("AST", ast)]
    return Derived(_any([one.finding for one in both]), tuple(reason for one in both for reason in one.reasons))


def _enzyme(name: str, result: LabResult | None) -> Derived:
    if result is None or result.uln is None:
        return Derived(None, (Reason("lab-enzyme-open", {"name": name}),))
    return _of_all(result, ENZYME_TIMES, lambda one: _enzyme_of(name, one))


def _enzyme_of(name: str, result: LabResult) -> Derived:
    assert result.uln is not None, "looked at before"
    uln_then = result.uln if result.baseline_uln is None else result.baseline_uln
    is_abnormal = result.baseline is not None and result.baseline > uln_then
    code, limit, sign = "lab-enzyme", result.uln, ""
    if is_abnormal and result.baseline is not None:
        code, limit, sign = "lab-enzyme-baseline", result.baseline, result.baseline_sign
    return Derived(_above(result.value, limit, ENZYME_TIMES), _multiple(code, result, limit, sign, name=name))


def fibrinogen_low(result: LabResult | None) -> Derived:
    """Below 1.5 g/L, or below the laboratory's lower limit; without that limit a higher value leaves it open."""
    return NOTHING if result is None else _of_all(result, Decimal(1), _fibrinogen)


def _fibrinogen(result: LabResult) -> Derived:
    value = _bounded(result.value, result.sign)
    is_below = agreed(one < FIBRINOGEN_G_L for one in result.allowed.examples([FIBRINOGEN_G_L]))
    if is_below:
        return Derived(True, (Reason("lab-fibrinogen-low", {"value": value}),))
    if result.lln is None:
        return Derived(None, (Reason("lab-no-limit", {"value": value}),))
    reason = Reason("lab-fibrinogen", {"value": value, "limit": _plain(result.lln)})
    return Derived(result.value < result.lln, (reason,))


def _above(value: Decimal, limit: Decimal | None, times: Decimal) -> bool | None:
    return None if limit is None else value > times * limit


def _any(answers: Sequence[bool | None]) -> bool | None:
    """Yes if one is yes, no if all are no."""
    if True in answers:
        return True
    return None if None in answers else False


def _multiple(
    code: str, result: LabResult, limit: Decimal | None, limit_sign: str = "", **names: str
) -> tuple[Reason, ...]:
    if limit is None:
        return ()
    values = {
        "value": _bounded(result.value, result.sign),
        "limit": _bounded(limit, limit_sign),
        "times": _times(result, limit, limit_sign),
        **names,
    }
    return (Reason(code, values),)


def _times(result: LabResult, limit: Decimal, limit_sign: str = "") -> str:
    """How many times the limit, for people: cut after two decimals, never rounded up over a threshold."""
    if not limit:
        return "∞"
    sign = combined(result.sign, FLIPPED[limit_sign])
    if sign is None:
        return "?"
    return _bounded((result.value / limit).quantize(Decimal("0.01"), rounding="ROUND_DOWN"), sign)


def _bounded(value: Decimal, sign: str) -> str:
    return f"{sign} {_plain(value)}".strip()


def _plain(value: Decimal) -> str:
    """A number as people write it: no trailing zeros, no exponent."""
    return f"{value.normalize():f}"
