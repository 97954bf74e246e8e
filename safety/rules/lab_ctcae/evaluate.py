"""From a value to a suggested grade: which bands hold, which cannot be judged, and what decides."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from safety.rules.grading import Reason
from safety.rules.lab_ctcae.bounded import Reported, joined
from safety.rules.lab_ctcae.model import (
    CIRCUMSTANCES,
    EXACT,
    FIRST_STUDY,
    Analyte,
    Band,
    Basis,
    Finding,
    LabPolicy,
    LabValue,
    Limit,
    Row,
    Suggestion,
    Version,
    When,
)
from safety.rules.lab_ctcae.published import ROWS
from safety.rules.lab_ctcae.units import in_scale, known_units
from trialsite.bounds import examples

SIGN_TEXT = {"<": "<", "<=": "≤", ">": ">", ">=": "≥"}
BASIS = {Limit.ULN: Basis.LIMIT, Limit.LLN: Basis.LIMIT, Limit.BASELINE: Basis.BASELINE}


def suggest(result: LabValue, version: Version, term: str = "", policy: LabPolicy = FIRST_STUDY) -> Suggestion:
    """The grade that the value suggests for one term of this version; without a term, for the worst of them.

    Of a bound, the grades of all values that it allows: one where they agree, else the lowest and the highest.
    A suggestion and no more: an investigator grades. Raises ValueError for a term that this analyte does not have.

    >>> suggest(LabValue(Analyte.NEUTROPHILS, Decimal("0.49"), "10^9/L"), Version.V6).grade
    3
    >>> suggest(LabValue(Analyte.POTASSIUM, Decimal("2.8"), "mmol/L", sign="<"), Version.V5, "Hypokalemia").span
    (3, 4)
    """
    found = suggestions(result, version, policy)
    if not term:
        return max(found, key=_rank)
    for one in found:
        if one.term.lower() == term.lower():
            return one
    known = ", ".join(one.term for one in found if one.term)
    raise ValueError(f"{term} is no term of CTCAE {version} for this value. Known: {known or 'none'}.")


def suggestions(result: LabValue, version: Version, policy: LabPolicy = FIRST_STUDY) -> tuple[Suggestion, ...]:
    """One for each term that this version has for the analyte; where it has none, one without term and grade."""
    rows = [row for row in ROWS if row.analyte is result.analyte and row.version is version]
    if rows:
        return tuple(suggest_by(row, result, policy) for row in rows)
    return (_cannot("", "", version, Reason("no-term", {"version": version}), "NO_TERM"),)


def _rank(suggestion: Suggestion) -> int:
    """The highest grade first; what cannot be said is worse than 0, so that 0 never hides it."""
    return 1 if suggestion.highest is None else suggestion.highest * 2


def suggest_by(row: Row, result: LabValue, policy: LabPolicy = FIRST_STUDY) -> Suggestion:
    """The same by one row of the published table."""
    if not row.bands:
        return _cannot(row.term, row.meddra_code, row.version, Reason(row.composite), *row.notes)
    scaled = in_scale(result)
    if scaled is None:
        value = _number(result.value, result.unit, result.sign)
        known = {"value": value, "known": ", ".join(known_units(result.analyte))}
        return _cannot(row.term, row.meddra_code, row.version, Reason("unknown-unit", known), "UNKNOWN_UNIT")
    if not _is_bound(row, scaled):
        return Grading(row, scaled, policy).suggestion()
    found = [Grading(row, one, policy, scaled).suggestion() for one in _allowed(row, scaled, policy)]
    said = Grading(row, scaled, policy, scaled)
    baseline = said.baseline_text if scaled.baseline_sign and _by_baseline(row) else ""
    return joined(found, Reported(said.value_text, baseline, is_value_exact=not scaled.sign))


def _by_baseline(row: Row) -> bool:
    """Whether the grade may hang on the baseline."""
    bands = (*row.bands, *row.other)
    return row.when is not None or any(band.limit is Limit.BASELINE or band.beyond_baseline for band in bands)


def _is_bound(row: Row, result: LabValue) -> bool:
    return bool(result.sign) or (bool(result.baseline_sign) and _by_baseline(row))


def _allowed(row: Row, reported: LabValue, policy: LabPolicy) -> Iterator[LabValue]:
    """A result for each piece into which the edges of the bands cut what the report allows."""
    for baseline in _baselines(row, reported, policy):
        exact = replace(reported, sign="", baseline=baseline, baseline_sign="")
        for value in examples(reported.value, reported.sign, Grading(row, exact, policy).edges()):
            yield replace(exact, value=value)


def _baselines(row: Row, reported: LabValue, policy: LabPolicy) -> tuple[Decimal | None, ...]:
    """The baseline; of a bound, one for each order in which the edges may lie that hang on it."""
    if reported.baseline is None or not (reported.baseline_sign and _by_baseline(row)):
        return (reported.baseline,)
    fixed = Grading(row, replace(reported, baseline=None, baseline_sign=""), policy).edges()
    slopes = list(_slopes(row, reported.unit))
    heights = [(Decimal(0), height) for height in (reported.value, *fixed)]
    lines = [*heights, (Decimal(1), Decimal(0)), *slopes]
    crossings = (
        EXACT.divide(EXACT.subtract(high, low), EXACT.subtract(times, other))
        for times, low in lines
        for other, high in lines
        if times != other
    )
    limits = [*crossings, reported.lln_then, reported.uln_then]
    return examples(reported.baseline, reported.baseline_sign, limits)


def _slopes(row: Row, unit: str) -> Iterator[tuple[Decimal, Decimal]]:
    """The edges that hang on the baseline: how many times it, and what is added."""
    for band in (*row.bands, *row.other):
        if band.limit is Limit.BASELINE:
            yield band.times, band.plus.get(unit, Decimal(0))


def _cannot(term: str, code: str, version: Version, reason: Reason, *flags: str) -> Suggestion:
    return Suggestion(version, term, code, None, (), (reason,), flags)


@dataclass(frozen=True)
class Verdict:
    """Whether a band holds: None where something that decides it is missing, and what that is."""

    band: Band
    is_reached: bool | None
    holds: bool | None
    missing: str = ""


@dataclass(frozen=True)
class Grading:
    """One row, applied to one result in a unit of that row; `reported` is the bound that the result is one value of."""

    row: Row
    result: LabValue
    policy: LabPolicy
    reported: LabValue | None = None

    def suggestion(self) -> Suggestion:
        verdicts = [self.verdict(band) for band in self.bands]
        level = max((verdict.band.grade for verdict in verdicts if verdict.holds), default=0)
        worse = [verdict for verdict in verdicts if verdict.band.grade > level]
        # Beside a grade, only what might raise it; without one, also limits of bands that nobody's words reach.
        missing = _unique(one.missing for one in worse if one.missing and (one.holds is None or level == 0))
        undecided = [verdict.band for verdict in worse if self.is_undecided(verdict)]
        if level == 0 and self.row.open_with in self.result.findings:
            return self.without_grade([self.says("no-band")], ["NEEDS_CLINICAL_JUDGEMENT"])
        if level == 0 and (missing or undecided):
            return self.cannot_say(missing, undecided)
        deciding = [verdict.band for verdict in verdicts if verdict.holds and verdict.band.grade == level]
        flags = _unique([*missing, *self.flags(level, deciding, worse)])
        reasons = tuple(reason for band in deciding for reason in self.reasons(band)) or (self.says("none"),)
        decided_by = tuple(Basis(name) for name in _unique(_basis(band) for band in deciding))
        return Suggestion(
            self.row.version, self.row.term, self.row.meddra_code, level, decided_by, reasons, tuple(flags)
        )

    # --- which bands, and whether they hold -------------------------------------------------------

    @property
    def bands(self) -> tuple[Band, ...]:
        bands = self.row.other if self.uses_other else self.row.bands
        if self.result.analyte is Analyte.LVEF and not self.policy.ef_only_changes:
            return tuple(replace(band, beyond_baseline=False) for band in bands)
        return bands

    @property
    def uses_other(self) -> bool | None:
        """Whether the second set of bands applies; None where the baseline does not tell."""
        match self.row.when:
            case When.BASELINE_ABNORMAL:
                return self.is_baseline_abnormal
            case When.BASELINE_BELOW_LLN:
                return _below(self.result.baseline, self.result.lln_then)
            case When.BASELINE_KNOWN:
                return self.result.baseline is not None
            case When.ANTICOAGULATED:
                return Finding.ANTICOAGULATED in self.result.findings
            case When.RELATIVE_DROP:
                return self.policy.ef_drop_is_relative
        return False

    @property
    def is_baseline_abnormal(self) -> bool | None:
        """As somebody said; otherwise beyond the limit of its own laboratory, on the side of the term only [P]."""
        if self.result.baseline_abnormal is not None:
            return self.result.baseline_abnormal
        if self.row.is_low:
            return _below(self.result.baseline, self.result.lln_then)
        return _below(self.result.uln_then, self.result.baseline)

    def verdict(self, band: Band) -> Verdict:
        reached, missing = self.reaches(band)
        said = self.is_said(band.needs)
        if reached is False or said is False:
            return Verdict(band, reached, False, missing)
        if reached is None:
            return Verdict(band, None, None, missing)
        return Verdict(band, True, said, "" if said else "SYMPTOMS_UNKNOWN")

    def is_said(self, needs: Finding | None) -> bool | None:
        """Symptoms may be unknown; any other finding that nobody recorded is not there."""
        if needs is Finding.SYMPTOMATIC:
            return self.result.symptomatic
        return needs is None or needs in self.result.findings

    def reaches(self, band: Band) -> tuple[bool | None, str]:
        """Whether the value is beyond the edge, or what is missing to say so."""
        edge, missing = self.edge(band)
        if edge is None:
            return (None, missing) if band.sign else (True, "")
        beyond = _compare(self.result.value, band.sign, edge)
        if band.beyond_baseline and self.result.baseline is not None:
            beyond = beyond and _compare(self.result.value, band.sign[0], self.result.baseline)
        return beyond, ""

    def edge(self, band: Band) -> tuple[Decimal | None, str]:
        scale = self.result.unit if band.plus else ""
        if band.plus and scale not in band.plus:
            return None, "UNKNOWN_UNIT"
        plus = band.plus.get(scale, Decimal(0))
        if band.limit is None:
            return (plus, "") if band.sign else (None, "")
        limit = self.limit(band.limit)
        if limit is None:
            return None, f"MISSING_{band.limit.name}"
        return EXACT.add(EXACT.multiply(band.times, limit), plus), ""

    def edges(self) -> list[Decimal]:
        """All values at which the grade, or what is said about it, may change."""
        found = [self.edge(band)[0] for band in (*self.row.bands, *self.row.other)]
        limits = (self.result.baseline, self.result.lln, self.result.uln)
        return [edge for edge in (*found, *limits) if edge is not None]

    def limit(self, limit: Limit) -> Decimal | None:
        return {Limit.ULN: self.result.uln, Limit.LLN: self.result.lln, Limit.BASELINE: self.result.baseline}[limit]

    # --- what is said about it --------------------------------------------------------------------

    def is_undecided(self, verdict: Verdict) -> bool:
        """The value is beyond the edge, but nobody said what the grade depends on, nor that nothing was done."""
        nothing_done = Finding.NO_INTERVENTION in self.result.findings
        open_question = verdict.band.needs is Finding.FASTING or not nothing_done
        return bool(verdict.band.sign and verdict.is_reached) and open_question

    def cannot_say(self, missing: Sequence[str], undecided: Sequence[Band]) -> Suggestion:
        """Something that would decide is not recorded: no grade, which is not grade 0."""
        if missing:
            return self.without_grade([self.says(name) for name in missing], missing)
        if any(band.needs is Finding.FASTING for band in undecided):
            return self.without_grade([self.says("undecided-fasting")], ["NEEDS_FASTING"])
        return self.without_grade([self.says("undecided")], ["NEEDS_CLINICAL_JUDGEMENT"])

    def without_grade(self, reasons: Sequence[Reason], flags: Sequence[str]) -> Suggestion:
        row = self.row
        return Suggestion(row.version, row.term, row.meddra_code, None, (), tuple(reasons), tuple(flags))

    def flags(self, level: int, deciding: Sequence[Band], worse: Sequence[Verdict]) -> list[str]:
        found = {
            "BASELINE_GAP": level == 0 and self.is_in_gap,
            "BASELINE_UNKNOWN": level > 0 and self.uses_other is None,
            "MISSING_BASELINE": self.result.baseline is None and any(band.beyond_baseline for band in deciding),
            "BASELINE_ABOVE_LIMIT": level == 3 and self.is_baseline_too_high,
            "NOT_WORSE_THAN_BASELINE": level > 0 and self.uses_other is True and self.is_at_baseline,
            "WITHIN_LIMITS": level > 0 and self.is_within_limits,
            "NEEDS_CLINICAL_JUDGEMENT": level > 0 and self.needs_judgement(level, worse),
        }
        return [*(flag for flag, is_so in found.items() if is_so), *(self.row.notes if level else ())]

    @property
    def is_in_gap(self) -> bool:
        """CTCAE 5.0: above an abnormal baseline, but below the first multiple of it that has a grade."""
        by_baseline = self.row.when is When.BASELINE_ABNORMAL and self.uses_other is True and not self.row.is_low
        return by_baseline and _below(self.result.baseline, self.result.value) is True

    @property
    def is_baseline_too_high(self) -> bool:
        """Version 6.0 defines grade 3 of ALT and AST for a baseline of up to 5 × ULN: it stays grade 3 [P]."""
        most, uln = self.row.baseline_up_to_uln, self.result.uln_then
        if most is None or uln is None or not self.uses_other:
            return False
        return _below(EXACT.multiply(most, uln), self.result.baseline) is True

    @property
    def is_at_baseline(self) -> bool:
        return self.row.when is When.BASELINE_ABNORMAL and self.result.value == self.result.baseline

    @property
    def is_within_limits(self) -> bool:
        """Known to be no worse than the limit on the side of the term."""
        if self.row.is_low:
            return self.result.lln is not None and self.result.value >= self.result.lln
        return self.result.uln is not None and self.result.value <= self.result.uln

    def needs_judgement(self, level: int, worse: Sequence[Verdict]) -> bool:
        """No number leads higher, but a finding would, and nobody recorded what was found or done."""
        by_number = max((band.grade for band in self.bands if band.needs is None), default=0)
        open_grades = {verdict.band.grade for verdict in worse if verdict.is_reached and verdict.band.sign}
        return level >= by_number and bool(open_grades) and not self.result.findings - CIRCUMSTANCES

    def reasons(self, band: Band) -> list[Reason]:
        said = [Reason(f"finding-{band.needs}")] if band.needs else []
        if not band.sign:
            return [Reason("any", {"grade": str(band.grade)}), *said]
        return [self.why(band), *said]

    def why(self, band: Band) -> Reason:
        """Of a bound it is said under which condition the grade holds."""
        values = {"value": self.value_text, "sign": SIGN_TEXT[band.sign], "grade": str(band.grade)}
        prefix = "if-" if self.reported else ""
        plus = band.plus.get(self.result.unit)
        if band.limit is None:
            return Reason(f"{prefix}number", {**values, "edge": self.shown(plus or Decimal(0))})
        is_baseline = band.limit is Limit.BASELINE
        values["limit"] = self.baseline_text if is_baseline else self.shown(self.limit(band.limit) or Decimal(0))
        if plus is None:
            return Reason(f"{prefix}{band.limit}", {**values, "times": str(band.times)})
        sign = "−" if plus < 0 else "+"
        return Reason(f"{prefix}{band.limit}-change", {**values, "change": f"{sign} {self.shown(abs(plus))}"})

    def says(self, code: str) -> Reason:
        return Reason(code, {"value": self.value_text})

    @property
    def value_text(self) -> str:
        """As the report has it."""
        said = self.reported or self.result
        return _number(said.value, said.unit, said.sign)

    @property
    def baseline_text(self) -> str:
        said = self.reported or self.result
        return _number(said.baseline or Decimal(0), said.unit, said.baseline_sign)

    def shown(self, number: Decimal) -> str:
        return _number(number, self.result.unit)


def _number(number: Decimal, unit: str, sign: str = "") -> str:
    """As it was entered, without zeros that a change of unit brought, and never in powers of ten."""
    text = f"{number:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return f"{sign} {text} {unit}".strip()


def _basis(band: Band) -> str:
    if not band.sign:
        return Basis.FINDING
    return BASIS[band.limit] if band.limit else Basis.NUMBER


def _compare(value: Decimal, sign: str, edge: Decimal) -> bool:
    if value == edge:
        return sign in ("<=", ">=")
    return value < edge if sign.startswith("<") else value > edge


def _below(low: Decimal | None, high: Decimal | None) -> bool | None:
    """Whether the first is below the second; None where one of them is not recorded."""
    return None if low is None or high is None else low < high


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
