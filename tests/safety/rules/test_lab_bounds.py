"""A bound is not a number: what CTCAE suggests for "<2.5" are the grades of all values that it allows."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safety.cases import CASES
from safety.rules.grading import ImpossibleFinding
from safety.rules.lab_ctcae import (
    FLAG_TEXT,
    REASON_TEXT,
    ROWS,
    Analyte,
    FebrileFindings,
    Finding,
    LabPolicy,
    LabValue,
    Row,
    Suggestion,
    Version,
    febrile_neutropenia,
    lab_value,
    suggest,
    suggest_by,
    suggestions,
)
from safety.rules.lab_ctcae.evaluate import Grading
from safety.rules.lab_ctcae.units import UNITS, in_scale
from trialsite.bounds import SIGNS
from trialsite.casetables import run

A, F, V5, V6 = Analyte, Finding, Version.V5, Version.V6
GIVEN = Path(__file__).parent.parent / "cases" / "lab_ctcae_bounds.csv"
CELLS = "10^9/L"


def split(text: str) -> tuple[str, Decimal]:
    sign = text[0] if text[0] in SIGNS else ""
    return sign, Decimal(text.removeprefix(sign))


def lab(analyte: Analyte, text: str, unit: str = "", baseline: str = "", **limits: Any) -> LabValue:
    """ "<2.5" is a bound, of the value and of the baseline."""
    sign, value = split(text)
    numbers = {name: Decimal(given) if isinstance(given, str) else given for name, given in limits.items()}
    if baseline:
        numbers["baseline_sign"], numbers["baseline"] = split(baseline)
    return LabValue(analyte, value, unit, sign=sign, **numbers)


def sentence(suggestion: Suggestion) -> str:
    said = [REASON_TEXT[reason.code].format(**reason.values) for reason in suggestion.reasons]
    return " ".join([*said, *(f"[{flag}]" for flag in suggestion.flags)])


K = {"lln": "3.5", "uln": "5.3", "symptomatic": False}
ANC = "Neutrophil count decreased"
CASES_ = [
    pytest.param(lab(A.POTASSIUM, "<2.5", "mmol/L", **K), V5, "Hypokalemia", "4", id="K-<2.5"),
    pytest.param(lab(A.POTASSIUM, "≤2.5", "mmol/L", **K), V5, "Hypokalemia", "3-4", id="K-≤2.5"),
    pytest.param(lab(A.POTASSIUM, "<2.6", "mmol/L", **K), V5, "Hypokalemia", "3-4", id="K-<2.6"),
    pytest.param(lab(A.POTASSIUM, "<3.0", "mmol/L", **K), V5, "Hypokalemia", "3-4", id="K-<3.0"),
    pytest.param(lab(A.POTASSIUM, "≤3.0", "mmol/L", **K), V5, "Hypokalemia", "1-4", id="K-≤3.0"),
    pytest.param(lab(A.POTASSIUM, "<2.5", "mmol/L", **K), V5, "Hyperkalemia", "0", id="K-<2.5-is-not-high"),
    pytest.param(lab(A.POTASSIUM, ">7.0", "mmol/L", **K), V5, "Hyperkalemia", "4", id="K->7.0"),
    pytest.param(lab(A.POTASSIUM, "≥7.0", "mmol/L", **K), V5, "Hyperkalemia", "3-4", id="K-≥7.0"),
    pytest.param(lab(A.POTASSIUM, "≥7.1", "mmol/L", **K), V5, "Hyperkalemia", "4", id="K-≥7.1"),
    pytest.param(lab(A.POTASSIUM, ">5.0", "mmol/L", **K), V5, "Hyperkalemia", "0-4", id="K->5.0"),
    pytest.param(lab(A.NEUTROPHILS, "<0.5", CELLS, lln="1.8"), V5, ANC, "4", id="ANC-<0.5-v5"),
    pytest.param(lab(A.NEUTROPHILS, "≤0.5", CELLS, lln="1.8"), V5, ANC, "3-4", id="ANC-≤0.5-v5"),
    pytest.param(lab(A.NEUTROPHILS, "<0.5", CELLS, lln="1.8"), V6, ANC, "3-4", id="ANC-<0.5-v6"),
    pytest.param(lab(A.NEUTROPHILS, "<0.1", CELLS, lln="1.8"), V6, ANC, "4", id="ANC-<0.1-v6"),
    pytest.param(lab(A.NEUTROPHILS, "<500", "/uL"), V5, ANC, "4", id="ANC-<500-per-uL"),
    pytest.param(lab(A.NEUTROPHILS, ">2.0", CELLS, lln="1.8"), V5, ANC, "0", id="ANC->2.0"),
    pytest.param(lab(A.PLATELETS, "<10", CELLS), V5, "Platelet count decreased", "4", id="PLAT-<10"),
    pytest.param(lab(A.ALT, ">800", "U/L", uln="40"), V5, "", "4", id="ALT->20-ULN"),
    pytest.param(lab(A.ALT, "≥800", "U/L", uln="40"), V5, "", "3-4", id="ALT-≥20-ULN"),
    pytest.param(lab(A.ALT, ">200", "U/L", uln="40"), V5, "", "3-4", id="ALT->5-ULN"),
    pytest.param(lab(A.ALT, "<5", "U/L", uln="40"), V5, "", "0", id="ALT-<5"),
    pytest.param(lab(A.ALT, ">200", "U/L"), V5, "", "", id="ALT-without-limit"),
    pytest.param(lab(A.ALT, "300", "U/L", baseline="<100", uln="40"), V5, "", "2-3", id="ALT-baseline-<100"),
    pytest.param(lab(A.ALT, "300", "U/L", baseline="<30", uln="40"), V5, "", "3", id="ALT-baseline-normal"),
    pytest.param(lab(A.ALT, "300", "U/L", baseline=">100", uln="40"), V5, "", "0-1", id="ALT-baseline->100"),
    pytest.param(lab(A.ALT, ">300", "U/L", baseline="<100", uln="40"), V5, "", "2-4", id="ALT-both-are-bounds"),
    pytest.param(lab(A.QTC, ">500", "ms"), V5, "", "3", id="QTc->500"),
    pytest.param(lab(A.CRP, "<5", "mg/L"), V5, "", "", id="CRP-has-no-term"),
    pytest.param(lab(A.POTASSIUM, "<3.2", "mmol/L"), V5, "Hypokalemia", "", id="K-<3.2-without-LLN"),
    pytest.param(lab(A.POTASSIUM, "<2.5", "mmol/L"), V5, "Hypokalemia", "4", id="K-<2.5-without-LLN"),
    pytest.param(lab(A.POTASSIUM, "<2.5", "mg/dL"), V5, "Hypokalemia", "", id="unknown-unit"),
    pytest.param(lab(A.LVEF, "<20", "%", baseline="60"), V5, "", "4", id="EF-<20"),
]


@pytest.mark.parametrize(("result", "version", "term", "expected"), CASES_)
def test_the_grades_that_a_bound_allows(result: LabValue, version: Version, term: str, expected: str) -> None:
    found = suggest(result, version, term)
    assert found.grade_text == expected, sentence(found)
    assert ("BOUND_ONLY" in found.flags) == any(one.code.endswith(("-differ", "-open")) for one in found.reasons)


@pytest.mark.parametrize(
    ("result", "said"),
    [
        pytest.param(
            lab(A.POTASSIUM, "<2.5", "mmol/L", **K),
            "< 2.5 mmol/L: every value that the report allows is grade 4. Grade 4 where it is < 2.5 mmol/L.",
            id="one-grade",
        ),
        pytest.param(
            lab(A.POTASSIUM, "<3.0", "mmol/L", **K),
            "< 3 mmol/L: the report gives only a bound, and the grade lies between 3 and 4. "
            "Grade 4 where it is < 2.5 mmol/L. Grade 3 where it is < 3 mmol/L. [BOUND_ONLY]",
            id="two-grades",
        ),
        pytest.param(
            lab(A.POTASSIUM, "<3.2", "mmol/L"),
            "< 3.2 mmol/L: the report gives only a bound, and for some of the values no grade can be suggested. "
            "< 3.2 mmol/L: without the lower limit of normal no grade can be suggested. [BOUND_ONLY] [MISSING_LLN]",
            id="some-without-a-grade",
        ),
    ],
)
def test_a_bound_in_words(result: LabValue, said: str) -> None:
    assert sentence(suggest(result, V5, "Hypokalemia")) == said


def test_the_baseline_that_is_a_bound_is_said_so() -> None:
    found = suggest(lab(A.ALT, "300", "U/L", baseline="<100", uln="40"), V5)
    assert sentence(found) == (
        "300 U/L: the baseline is only a bound (< 100 U/L), and the grade lies between 2 and 3. "
        "Grade 3 where it is > 5.0 × upper limit of normal (40 U/L). "
        "Grade 3 where it is > 5.0 × baseline (< 100 U/L). "
        "Grade 2 where it is > 3.0 × baseline (< 100 U/L). [BOUND_ONLY]"
    )
    found = suggest(lab(A.ALT, "300", "U/L", baseline="<30", uln="40"), V5)
    assert sentence(found).startswith("300 U/L: grade 3, whatever the baseline is of those that < 30 U/L allows.")
    found = suggest(lab(A.ALT, ">300", "U/L", baseline="<100", uln="40"), V5)
    assert "between 2 and 4. The baseline is only a bound: < 100 U/L." in sentence(found)


@pytest.mark.parametrize("bad", ["<0", "~5"])
def test_what_no_number_is_is_refused(bad: str) -> None:
    sign, value = bad[0], Decimal(bad[1:])
    with pytest.raises(ImpossibleFinding, match="no number is that"):
        LabValue(A.POTASSIUM, value, "mmol/L", sign=sign)
    with pytest.raises(ImpossibleFinding, match="no number is that"):
        LabValue(A.POTASSIUM, Decimal(4), "mmol/L", baseline=value, baseline_sign=sign)


def test_a_bound_of_nothing_is_refused() -> None:
    with pytest.raises(ImpossibleFinding, match="no number is that"):
        LabValue(A.POTASSIUM, Decimal(4), "mmol/L", baseline_sign="<")


# --- The parts that are computed -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("calcium", "albumin", "expected"),
    [
        pytest.param("<1.50", "40", "4", id="calcium"),
        pytest.param("1.50", ">40", "4", id="albumin"),
        pytest.param("<1.50", "≥40", "4", id="both-on-one-side"),
        pytest.param("1.60", "<40", "0-3", id="albumin-lower"),
    ],
)
def test_calcium_corrected_by_a_bound(calcium: str, albumin: str, expected: str) -> None:
    sign, value = split(calcium)
    albumin_sign, albumin_value = split(albumin)
    limits = {"lln": Decimal("2.15"), "uln": Decimal("2.55")}
    found = lab_value("CA", value, **limits, albumin_g_l=albumin_value, sign=sign, albumin_sign=albumin_sign)
    assert found is not None
    assert suggest(found, V5, "Hypocalcemia").grade_text == expected


def test_calcium_is_not_corrected_where_the_bounds_leave_it_open() -> None:
    found = lab_value("CA", Decimal("1.5"), albumin_g_l=Decimal(20), sign="<", albumin_sign="<")
    assert found is not None
    assert (found.analyte, found.sign) == (A.CALCIUM, "<")
    assert suggest(found, V5).flags == ("NEEDS_ALBUMIN",)


@pytest.mark.parametrize(
    ("anc", "temperature", "expected"),
    [
        pytest.param("<1.0", "39", "3", id="<1.0"),
        pytest.param("≤1.0", "39", "0-3", id="≤1.0"),
        pytest.param("<1.1", "39", "0-3", id="<1.1"),
        pytest.param(">1.0", "39", "0", id=">1.0"),
        pytest.param("<1.1", "37", "0", id="no-fever"),
        pytest.param("<1.1", "38.2", "", id="duration"),
    ],
)
def test_febrile_neutropenia_with_a_bound(anc: str, temperature: str, expected: str) -> None:
    sign, value = split(anc)
    found = febrile_neutropenia(FebrileFindings(value, Decimal(temperature), neutrophils_sign=sign), V5)
    assert found.grade_text == expected
    assert all(REASON_TEXT[one.code].format(**one.values) for one in found.reasons)
    with pytest.raises(ImpossibleFinding):
        FebrileFindings(Decimal(0), Decimal(38), neutrophils_sign="<")


# --- What must always hold -----------------------------------------------------------------------

NUMBERS = st.decimals("0.01", "1000", places=2)
REPORT = st.fixed_dictionaries(
    {
        "value": NUMBERS,
        "sign": st.sampled_from(SIGNS),
        "limits": st.none() | st.tuples(NUMBERS, NUMBERS).map(sorted),
        "baseline": st.none() | NUMBERS,
        "baseline_sign": st.sampled_from(("", *SIGNS)),
        "baseline_abnormal": st.none() | st.booleans(),
        "symptomatic": st.none() | st.booleans(),
        "findings": st.frozensets(st.sampled_from(F), max_size=2),
    }
)
# A bound is many values, and a busy machine may take its time for them.
unhurried = settings(deadline=None)
# Of the way from the end of what a bound allows to the bound itself, both included.
SHARES = st.decimals("0", "1", places=3)


def reported(row: Row, given_: dict[str, Any]) -> LabValue:
    lln, uln = given_["limits"] or (None, None)
    unit = next((scale for scale, _factor in UNITS.get(row.analyte, {}).values()), "")
    rest = {name: one for name, one in given_.items() if name not in ("limits", "value", "baseline_sign")}
    baseline_sign = given_["baseline_sign"] if given_["baseline"] is not None else ""
    return LabValue(row.analyte, given_["value"], unit, lln, uln, baseline_sign=baseline_sign, **rest)


def is_allowed(number: Decimal, sign: str, bound: Decimal) -> bool:
    ordered = {"<": number < bound, "≤": number <= bound, ">": number > bound, "≥": number >= bound}
    return ordered.get(sign, number == bound) and number >= 0


def one_of(sign: str, bound: Decimal, share: Decimal) -> Decimal:
    """A number that the bound allows, or the bound itself."""
    if not sign:
        return bound
    return bound * share if sign in "<≤" else bound + share * 1000


@unhurried
@given(st.sampled_from([row for row in ROWS if row.bands]), REPORT, SHARES, SHARES)
def test_every_value_that_the_report_allows_has_a_grade_of_the_span(
    row: Row, given_: dict[str, Any], share: Decimal, other: Decimal
) -> None:
    result = reported(row, given_)
    found = suggest_by(row, result)
    value, baseline = one_of(result.sign, result.value, share), result.baseline
    if baseline is not None:
        baseline = one_of(result.baseline_sign, baseline, other)
        if not is_allowed(baseline, result.baseline_sign, result.baseline or Decimal(0)):
            return
    if not is_allowed(value, result.sign, result.value):
        return
    exact = suggest_by(row, replace(result, value=value, sign="", baseline=baseline, baseline_sign=""))
    if found.grade is not None:
        assert exact.grade == found.grade
    elif found.span is not None:
        assert exact.grade is not None
        assert found.span[0] <= exact.grade <= found.span[1]


@unhurried
@given(st.sampled_from([row for row in ROWS if row.bands]), REPORT)
def test_both_ends_of_a_span_are_reached(row: Row, given_: dict[str, Any]) -> None:
    """At the edges themselves, and a little beside them, and far away."""
    result = replace(reported(row, given_), baseline_sign="")
    exact = replace(result, sign="")
    scaled = in_scale(exact)
    assert scaled is not None
    grading = Grading(row, scaled, LabPolicy())
    edges = [edge for band in (*row.bands, *row.other) if (edge := grading.edge(band)[0]) is not None]
    marks = [*edges, exact.value, *(one for one in (exact.baseline, Decimal(0)) if one is not None)]
    tiny = Decimal("0.0000001")
    tried = {mark + step for mark in marks for step in (-tiny, Decimal(0), tiny, Decimal(10_000))}
    grades = {
        suggest_by(row, replace(exact, value=value)).grade
        for value in tried
        if is_allowed(value, result.sign, result.value)
    }
    found = suggest_by(row, result)
    if None in grades:
        assert found.grade_text == ""
    else:
        known = {grade for grade in grades if grade is not None}
        assert (found.lowest, found.highest) == (min(known), max(known))


@unhurried
@given(st.sampled_from(ROWS), REPORT)
def test_every_bound_is_explained_in_words(row: Row, given_: dict[str, Any]) -> None:
    result = reported(row, given_)
    found = suggest_by(row, result)
    said = [REASON_TEXT[reason.code].format(**reason.values) for reason in found.reasons]
    assert said
    assert not any("{" in text or "None" in text for text in (*said, *(FLAG_TEXT[flag] for flag in found.flags)))
    assert len(found.flags) == len(set(found.flags))
    assert bool(found.decided_by) == bool(found.highest)
    assert (found.span is None) or found.span[0] < found.span[1]
    if found.span or (found.grade and row.bands):
        assert any(f"{result.sign} " in text or result.baseline_sign in text for text in said)


@unhurried
@given(st.sampled_from([row for row in ROWS if row.analyte is A.PLATELETS]), REPORT, st.sampled_from(Version))
def test_another_unit_keeps_the_grades(row: Row, given_: dict[str, Any], version: Version) -> None:
    here = reported(row, given_)
    numbers = {name: number * 1000 for name, number in here.numbers()}
    there = replace(here, unit="/uL", **numbers)  # type: ignore[arg-type]
    assert [(one.grade, one.span, one.flags) for one in suggestions(here, version)] == [
        (one.grade, one.span, one.flags) for one in suggestions(there, version)
    ]


# --- A hospital's own table ----------------------------------------------------------------------


def test_all_worked_cases_as_one_table() -> None:
    outcome = run(CASES["lab_ctcae"], GIVEN)
    assert outcome.last_line == "20 passed, 0 failed", outcome.differences
