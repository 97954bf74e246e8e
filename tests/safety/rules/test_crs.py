"""CRS, ASTCT 2019 (Lee, BBMT 25:625, Table 2): each cell of the table, its boundaries, and what must always hold."""

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safety.rules import crs
from safety.rules.crs import CrsDeath, CrsFindings, OxygenDevice, OxygenReason, grade
from safety.rules.grading import ImpossibleFinding

D, R = OxygenDevice, OxygenReason
FEVER = CrsFindings(days_since_infusion=3, temperature_c=Decimal("38.5"))
AFEBRILE = replace(FEVER, temperature_c=Decimal("36.9"))
UNMEASURED = replace(FEVER, temperature_c=None)
TREATED = replace(AFEBRILE, crs_established=True, antipyretic_or_anticytokine_given=True)
UNTREATED = replace(AFEBRILE, crs_established=True)


def litres(flow: str) -> dict[str, Any]:
    return {"oxygen_device": D.NASAL_CANNULA, "oxygen_flow_l_min": Decimal(flow)}


@pytest.mark.parametrize(
    ("temperature", "expected"),
    [
        pytest.param("37.9", 0, id="below"),
        pytest.param("37.99", 0, id="not-rounded-up"),
        pytest.param("38.0", 1, id="boundary"),
        pytest.param("38", 1, id="boundary-without-decimals"),
        pytest.param("42", 1, id="high-fever-alone-stays-1"),
    ],
)
def test_fever_begins_at_38(temperature: str, expected: int) -> None:
    assert grade(replace(FEVER, temperature_c=Decimal(temperature))).grade == expected


@pytest.mark.parametrize(
    ("findings", "expected", "determinants"),
    [
        pytest.param({}, 1, "fever", id="g1-fever-only"),
        pytest.param({"hypotension": True}, 2, "hypotension", id="g2-hypotension-no-vasopressor"),
        pytest.param({"hypotension": True, "vasopressors": 1}, 3, "hypotension", id="g3-one-vasopressor"),
        pytest.param({"vasopressors": 1, "vasopressin": True}, 3, "hypotension", id="g3-one-and-vasopressin"),
        pytest.param({"vasopressors": 1}, 3, "hypotension", id="g3-vasopressor-though-box-says-no"),
        pytest.param({"vasopressin": True}, 3, "hypotension", id="g3-vasopressin-alone-policy"),
        pytest.param({"hypotension": True, "vasopressors": 2}, 4, "hypotension", id="g4-two-vasopressors"),
        pytest.param({"vasopressors": 2, "vasopressin": True}, 4, "hypotension", id="g4-two-and-vasopressin"),
        pytest.param({"vasopressors": 3}, 4, "hypotension", id="g4-three-vasopressors"),
        pytest.param(litres("0.5"), 2, "hypoxia", id="g2-cannula-half-litre"),
        pytest.param(litres("6"), 2, "hypoxia", id="g2-cannula-6-boundary"),
        pytest.param(litres("6.1"), 3, "hypoxia", id="g3-cannula-just-above-6"),
        pytest.param({"oxygen_device": D.BLOW_BY}, 2, "hypoxia", id="g2-blow-by"),
        pytest.param({"oxygen_device": D.HFNC}, 3, "hypoxia", id="g3-high-flow-cannula"),
        pytest.param(
            {"oxygen_device": D.SIMPLE_FACEMASK, "oxygen_flow_l_min": Decimal(2)},
            3,
            "hypoxia",
            id="g3-facemask-at-any-flow",
        ),
        pytest.param({"oxygen_device": D.NONREBREATHER}, 3, "hypoxia", id="g3-nonrebreather"),
        pytest.param({"oxygen_device": D.VENTURI}, 3, "hypoxia", id="g3-venturi"),
        pytest.param({"oxygen_device": D.CPAP}, 4, "hypoxia", id="g4-cpap"),
        pytest.param({"oxygen_device": D.BIPAP}, 4, "hypoxia", id="g4-bipap"),
        pytest.param({"oxygen_device": D.INVASIVE_VENTILATION}, 4, "hypoxia", id="g4-ventilation"),
        pytest.param({"hypotension": True, **litres("2")}, 2, "hypotension+hypoxia", id="g2-both-axes"),
        pytest.param({"vasopressors": 1, "oxygen_device": D.VENTURI}, 3, "hypotension+hypoxia", id="g3-both-axes"),
        pytest.param({"vasopressors": 2, "oxygen_device": D.CPAP}, 4, "hypotension+hypoxia", id="g4-both-axes"),
        pytest.param({"hypotension": True, "oxygen_device": D.CPAP}, 4, "hypoxia", id="g4-hypoxia-is-worse"),
        pytest.param({"vasopressors": 1, **litres("6")}, 3, "hypotension", id="g3-hypotension-is-worse"),
        pytest.param({"death": CrsDeath.CRS}, 5, "death", id="g5-death-due-to-crs"),
        pytest.param({"hypotension": True, "death": CrsDeath.OTHER}, 2, "hypotension", id="g2-death-of-another-cause"),
    ],
)
def test_table_2(findings: dict[str, Any], expected: int, determinants: str) -> None:
    graded = grade(replace(FEVER, **findings))
    assert (graded.grade, "+".join(graded.determinants)) == (expected, determinants)
    assert graded.scale == "ASTCT 2019"


@pytest.mark.parametrize(
    ("findings", "expected", "flags"),
    [
        pytest.param({"fever_attributable": False}, 0, (), id="fever-explained"),
        pytest.param({"fever_attributable": False, "vasopressors": 2}, 0, (), id="fever-explained-with-shock"),
        pytest.param({"hypotension": True, "hypotension_attributable": False}, 1, (), id="bleeding"),
        pytest.param({"vasopressors": 2, "hypotension_attributable": False}, 1, (), id="septic-shock"),
        pytest.param({"vasopressin": True, "hypotension_attributable": False}, 1, (), id="vasopressin-for-bleeding"),
        *(
            pytest.param({"oxygen_device": D.INVASIVE_VENTILATION, "oxygen_reason": reason}, 1, (), id=reason.value)
            for reason in R
            if reason is not R.CRS_HYPOXIA
        ),
        pytest.param(
            {"oxygen_device": D.NASAL_CANNULA, "oxygen_reason": R.BASELINE_CHRONIC}, 1, (), id="home-oxygen-no-flow"
        ),
        pytest.param({"days_since_infusion": -1, "vasopressors": 2}, 0, (), id="day-minus-1"),
        pytest.param({"days_since_infusion": 0}, 1, (), id="day-0"),
        pytest.param({"days_since_infusion": 14}, 1, (), id="day-14"),
        pytest.param({"days_since_infusion": 15}, 1, ("LATE_ONSET_GT14D",), id="day-15-new"),
        pytest.param({"days_since_infusion": 15, "crs_established": True}, 1, (), id="day-15-established"),
        pytest.param({"vasopressin": True}, 3, ("VASOPRESSIN_ALONE",), id="vasopressin-alone"),
    ],
)
def test_what_counts_and_what_is_flagged(findings: dict[str, Any], expected: int, flags: tuple[str, ...]) -> None:
    graded = grade(replace(FEVER, **findings))
    assert (graded.grade, graded.flags) == (expected, flags)


HYPOTENSION = {"hypotension": True}


@pytest.mark.parametrize(
    ("findings", "expected", "flags"),
    [
        pytest.param(replace(AFEBRILE, **HYPOTENSION), 0, (), id="never-febrile-no-therapy-is-not-crs"),
        pytest.param(
            replace(AFEBRILE, antipyretic_or_anticytokine_given=True, **HYPOTENSION),
            0,
            ("FEVER_MASKED_BY_PRIOR_THERAPY",),
            id="never-febrile-on-therapy-hypotension",
        ),
        pytest.param(
            replace(AFEBRILE, antipyretic_or_anticytokine_given=True, oxygen_device=D.NASAL_CANNULA),
            0,
            ("FEVER_MASKED_BY_PRIOR_THERAPY",),
            id="never-febrile-on-therapy-hypoxia",
        ),
        pytest.param(replace(AFEBRILE, antipyretic_or_anticytokine_given=True), 0, (), id="never-febrile-well"),
        pytest.param(TREATED, 0, (), id="established-treated-all-gone"),
        pytest.param(replace(TREATED, **HYPOTENSION), 2, (), id="established-treated-hypotension"),
        pytest.param(replace(TREATED, **litres("7")), 3, (), id="established-treated-hypoxia"),
        pytest.param(replace(TREATED, temperature_c=None, **HYPOTENSION), 2, (), id="established-treated-unmeasured"),
        pytest.param(replace(TREATED, temperature_c=Decimal(38)), 1, (), id="established-treated-fever-persists"),
        pytest.param(UNTREATED, 0, (), id="established-untreated-all-gone"),
        pytest.param(replace(UNTREATED, **HYPOTENSION), 2, ("AFEBRILE_NO_THERAPY",), id="established-untreated"),
        pytest.param(
            replace(UNTREATED, oxygen_device=D.CPAP), 4, ("AFEBRILE_NO_THERAPY",), id="established-untreated-cpap"
        ),
        pytest.param(
            replace(FEVER, crs_established=True, fever_attributable=False, **HYPOTENSION),
            2,
            (),
            id="established-fever-of-another-cause",
        ),
        pytest.param(
            replace(FEVER, crs_established=True, fever_attributable=False),
            0,
            (),
            id="established-only-fever-of-another-cause",
        ),
        pytest.param(
            replace(UNTREATED, hypotension=True, hypotension_attributable=False), 0, (), id="established-bleeding"
        ),
    ],
)
def test_fever_that_is_gone(findings: CrsFindings, expected: int, flags: tuple[str, ...]) -> None:
    graded = grade(findings)
    assert (graded.grade, graded.flags) == (expected, flags)


@pytest.mark.parametrize(
    ("findings", "expected", "flags"),
    [
        pytest.param(UNMEASURED, None, ("MISSING_TEMPERATURE",), id="new"),
        pytest.param(replace(UNMEASURED, vasopressors=2), None, ("MISSING_TEMPERATURE",), id="new-with-shock"),
        pytest.param(replace(UNMEASURED, fever_attributable=False), 0, (), id="new-fever-would-not-count"),
        pytest.param(replace(UNMEASURED, days_since_infusion=-1), 0, (), id="before-infusion"),
        pytest.param(
            replace(UNMEASURED, crs_established=True), None, ("MISSING_TEMPERATURE",), id="established-nothing-else"
        ),
        pytest.param(
            replace(UNMEASURED, crs_established=True, fever_attributable=False),
            0,
            (),
            id="established-fever-would-not-count",
        ),
        pytest.param(
            replace(UNMEASURED, crs_established=True, **HYPOTENSION),
            2,
            ("MISSING_TEMPERATURE",),
            id="established-untreated-graded-by-axes",
        ),
    ],
)
def test_temperature_missing(findings: CrsFindings, expected: int | None, flags: tuple[str, ...]) -> None:
    graded = grade(findings)
    assert (graded.grade, graded.flags) == (expected, flags)
    assert "None" not in sentences(findings)


@pytest.mark.parametrize(
    ("findings", "expected", "determinants"),
    [
        pytest.param({}, None, (), id="alone"),
        pytest.param({"hypotension": True}, None, (), id="hypotension-2-could-be-passed"),
        pytest.param({"vasopressors": 1}, 3, ("hypotension",), id="vasopressor-decides"),
        pytest.param({"vasopressors": 2}, 4, ("hypotension",), id="vasopressors-decide"),
    ],
)
def test_cannula_without_its_flow(
    findings: dict[str, Any], expected: int | None, determinants: tuple[str, ...]
) -> None:
    graded = grade(replace(FEVER, oxygen_device=D.NASAL_CANNULA, **findings))
    assert (graded.grade, graded.determinants) == (expected, determinants)
    assert graded.flags == ("INCOMPLETE_O2_FLOW",)


def test_death_of_crs_is_grade_5_whatever_else_was_found() -> None:
    assert grade(replace(UNMEASURED, death=CrsDeath.CRS)).grade == 5


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature_c", Decimal("24.9")),
        ("temperature_c", Decimal("45.1")),
        ("temperature_c", Decimal(385)),
        ("oxygen_flow_l_min", Decimal("-0.1")),
        ("oxygen_flow_l_min", Decimal(101)),
        ("vasopressors", -1),
        ("vasopressors", 11),
    ],
)
def test_impossible_values_are_refused_with_rule_value_and_way_out(name: str, value: Any) -> None:
    with pytest.raises(ImpossibleFinding, match=rf"{name} is {value}: it must lie between .* Correct") as raised:
        replace(FEVER, **{name: value})
    assert raised.value.name == name


@pytest.mark.parametrize("temperature", ["25", "45"])
def test_extreme_temperatures_are_possible(temperature: str) -> None:
    assert replace(FEVER, temperature_c=Decimal(temperature))


# --- What must always hold -----------------------------------------------------------------------

FOUND = st.builds(
    CrsFindings,
    days_since_infusion=st.integers(-2, 40),
    temperature_c=st.none() | st.decimals(35, 42, places=1),
    fever_attributable=st.booleans(),
    crs_established=st.booleans(),
    antipyretic_or_anticytokine_given=st.booleans(),
    hypotension=st.booleans(),
    hypotension_attributable=st.booleans(),
    vasopressors=st.integers(0, 3),
    vasopressin=st.booleans(),
    oxygen_device=st.sampled_from(D),
    oxygen_flow_l_min=st.none() | st.decimals(0, 15, places=1),
    oxygen_reason=st.sampled_from(R),
    death=st.sampled_from(CrsDeath),
)
# Devices from none to the strongest support; the cannula's place depends on its flow.
BY_SUPPORT = [
    {"oxygen_device": D.NONE},
    litres("6"),
    litres("6.1"),
    {"oxygen_device": D.VENTURI},
    {"oxygen_device": D.BIPAP},
]


def level(findings: CrsFindings) -> int:
    """A grade that can be compared: not gradable is the lowest."""
    found = grade(findings).grade
    return -1 if found is None else found


def sentences(findings: CrsFindings) -> str:
    graded = grade(findings)
    said = [crs.REASON_TEXT[reason.code].format(**reason.values) for reason in graded.reasons]
    return " ".join([*said, *(crs.FLAG_TEXT[flag] for flag in graded.flags)])


@given(FOUND)
def test_every_grade_is_explained_in_words(findings: CrsFindings) -> None:
    graded = grade(findings)
    assert graded.reasons
    assert sentences(findings)
    assert "{" not in sentences(findings)


@given(FOUND)
def test_determinants_stand_for_the_grade(findings: CrsFindings) -> None:
    graded = grade(findings)
    assert bool(graded.determinants) == bool(graded.grade)


@given(FOUND)
def test_established_grade_is_the_worse_axis_and_1_with_fever(findings: CrsFindings) -> None:
    findings = replace(findings, crs_established=True, death=CrsDeath.NONE, days_since_infusion=5)
    axes = [crs.hypotension_axis(findings).grade, crs.hypoxia_axis(findings).grade]
    found = grade(findings).grade
    if found is not None and None not in axes:
        temperature = findings.temperature_c
        fever = findings.fever_attributable and temperature is not None and temperature >= 38
        assert found == max(int(fever), *(axis for axis in axes if axis is not None))


@given(FOUND, st.sampled_from(["hypotension", "vasopressin", "vasopressors", "crs_established", "death"]))
def test_a_worse_finding_never_lowers_the_grade(findings: CrsFindings, name: str) -> None:
    worse: dict[str, Any] = {"vasopressors": (findings.vasopressors or 0) + 1, "death": CrsDeath.CRS}
    if name == "crs_established" and crs.hypoxia_axis(findings).grade is None:
        return  # what cannot be told is missing, not worse
    assert level(replace(findings, **{name: worse.get(name, True)})) >= level(findings)


@given(FOUND, st.decimals(35, 42, places=1), st.decimals(0, 3, places=1))
def test_more_fever_never_lowers_the_grade(findings: CrsFindings, temperature: Decimal, more: Decimal) -> None:
    if crs.hypoxia_axis(findings).grade is None:
        return  # without fever the flow is not asked for: the grade is known only there
    cooler, hotter = replace(findings, temperature_c=temperature), replace(findings, temperature_c=temperature + more)
    assert level(hotter) >= level(cooler)


@given(FOUND, st.integers(0, len(BY_SUPPORT) - 2))
def test_more_support_never_lowers_the_grade(findings: CrsFindings, index: int) -> None:
    less, more = replace(findings, **BY_SUPPORT[index]), replace(findings, **BY_SUPPORT[index + 1])
    assert level(more) >= level(less)


@given(FOUND, st.decimals(0, 60, places=1), st.decimals(0, 40, places=1))
def test_more_flow_never_lowers_the_grade(findings: CrsFindings, flow: Decimal, more: Decimal) -> None:
    low, high = replace(findings, oxygen_flow_l_min=flow), replace(findings, oxygen_flow_l_min=flow + more)
    assert level(high) >= level(low)


def test_every_device_and_code_has_its_sentence() -> None:
    graded = {device for device in D if device not in {D.NONE, D.NASAL_CANNULA}}
    assert {f"hypoxia-{device}" for device in graded} <= set(crs.REASON_TEXT)
    assert set(crs.DEVICE_GRADE) == graded | {D.NONE}


SINCE = dt.datetime(2026, 3, 12, 7, 5, tzinfo=dt.timezone(dt.timedelta(hours=8)))


@given(FOUND)
def test_the_grade_tells_since_when_crs_is_established_and_is_no_other_for_it(found: CrsFindings) -> None:
    """Nothing but the sentence changes; before the infusion, and without CRS before, nothing is told."""
    told = grade(replace(found, crs_established_since=SINCE))
    plain = grade(found)
    assert (told.grade, told.flags, told.determinants) == (plain.grade, plain.flags, plain.determinants)
    first, *rest = told.reasons
    if found.crs_established and found.days_since_infusion >= 0 and found.death is not CrsDeath.CRS:
        assert crs.REASON_TEXT[first.code].format(**first.values) == "CRS has been established since 2026-03-12 07:05."
        assert tuple(rest) == plain.reasons
    else:
        assert told.reasons == plain.reasons
