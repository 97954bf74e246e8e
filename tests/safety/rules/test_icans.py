"""ICANS, ASTCT 2019 (Lee, BBMT 25:625, Tables 5 and 6): each cell, its boundaries, and what must always hold."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safety.rules import icans
from safety.rules.grading import ImpossibleFinding
from safety.rules.icans import (
    Consciousness,
    IcansDeath,
    IcansFindings,
    IcePerformed,
    Oedema,
    PressureSign,
    Seizure,
    grade,
    ice_total,
)

C, S = Consciousness, Seizure
WELL = IcansFindings(age_years=34, orientation=4, naming=3, commands=1, writing=1, attention=1)
ZERO = {"orientation": 0, "naming": 0, "commands": 0, "writing": 0, "attention": 0}
NO_ITEMS = dict.fromkeys(ZERO)
NOT_DONE = replace(WELL, ice_performed=IcePerformed.NOT_DONE, **NO_ITEMS)
CHILD = replace(NOT_DONE, age_years=8, use_capd=True, capd_score=0)
SIGNS = [sign for sign in PressureSign if sign is not PressureSign.NONE]


def scored(total: int) -> dict[str, int]:
    """Items that add up to an ICE score."""
    items, left = {}, total
    for name, top in icans.ICE_ITEMS.items():
        items[name] = min(top, left)
        left -= items[name]
    return items


@pytest.mark.parametrize(
    ("total", "expected"),
    [(10, 0), (9, 1), (8, 1), (7, 1), (6, 2), (5, 2), (4, 2), (3, 2), (2, 3), (1, 3), (0, 3)],
)
def test_table_6_ice(total: int, expected: int) -> None:
    graded = grade(replace(WELL, **scored(total)))
    assert (graded.grade, graded.ice_total) == (expected, total)
    assert graded.determinants == (("ice",) if expected else ())


@pytest.mark.parametrize(
    ("findings", "expected", "determinants"),
    [
        pytest.param({"consciousness": C.DROWSY}, 1, "consciousness", id="g1-awakens-spontaneously"),
        pytest.param({"consciousness": C.AWAKENS_TO_VOICE}, 2, "consciousness", id="g2-to-voice"),
        pytest.param({"consciousness": C.AWAKENS_ONLY_TO_TACTILE}, 3, "consciousness", id="g3-only-to-tactile"),
        pytest.param({"consciousness": C.UNAROUSABLE}, 4, "consciousness", id="g4-unarousable"),
        pytest.param({"consciousness": C.UNAROUSABLE, **ZERO}, 4, "ice+consciousness", id="g4-ice-0-unarousable"),
        pytest.param({"seizure": S.CLINICAL_RESOLVES}, 3, "seizure", id="g3-clinical-seizure"),
        pytest.param({"seizure": S.NONCONVULSIVE_RESOLVES}, 3, "seizure", id="g3-nonconvulsive"),
        pytest.param({"seizure": S.PROLONGED}, 4, "seizure", id="g4-prolonged"),
        pytest.param({"seizure": S.REPETITIVE}, 4, "seizure", id="g4-repetitive"),
        pytest.param({"deep_focal_weakness": True}, 4, "motor", id="g4-hemiparesis"),
        pytest.param({"cerebral_oedema": Oedema.FOCAL}, 3, "icp", id="g3-focal-oedema"),
        pytest.param({"cerebral_oedema": Oedema.DIFFUSE}, 4, "icp", id="g4-diffuse-oedema"),
        *(pytest.param({"pressure_sign": sign}, 4, "icp", id=f"g4-{sign.value}") for sign in SIGNS),
        pytest.param(
            {"cerebral_oedema": Oedema.FOCAL, "pressure_sign": PressureSign.PAPILLOEDEMA}, 4, "icp", id="g4-sign-wins"
        ),
        pytest.param(
            {"consciousness": C.AWAKENS_ONLY_TO_TACTILE, "seizure": S.CLINICAL_RESOLVES, **scored(1)},
            3,
            "ice+consciousness+seizure",
            id="g3-three-domains",
        ),
        pytest.param(
            {
                "consciousness": C.UNAROUSABLE,
                "seizure": S.REPETITIVE,
                "deep_focal_weakness": True,
                "cerebral_oedema": Oedema.DIFFUSE,
                **ZERO,
            },
            4,
            "ice+consciousness+seizure+motor+icp",
            id="g4-all-domains-in-order",
        ),
        pytest.param({"seizure": S.CLINICAL_RESOLVES, **scored(3)}, 3, "seizure", id="g3-the-papers-example"),
        pytest.param({"death": IcansDeath.ICANS}, 5, "death", id="g5-death-due-to-icans"),
        pytest.param({"death": IcansDeath.OTHER, **scored(8)}, 1, "ice", id="g1-death-of-another-cause"),
    ],
)
def test_table_6_other_domains(findings: dict[str, Any], expected: int, determinants: str) -> None:
    graded = grade(replace(WELL, **findings))
    assert (graded.grade, "+".join(graded.determinants)) == (expected, determinants)
    assert (graded.flags, graded.scale) == ((), "ASTCT 2019")


@pytest.mark.parametrize(
    ("kind", "minutes", "expected"),
    [
        pytest.param(S.CLINICAL_RESOLVES, "5.0", 3, id="5.0-is-not-prolonged"),
        pytest.param(S.CLINICAL_RESOLVES, "5.1", 4, id="just-above-5"),
        pytest.param(S.NONCONVULSIVE_RESOLVES, "5.1", 4, id="whatever-its-kind"),
        pytest.param(S.PROLONGED, "3", 4, id="life-threatening-below-5"),
        pytest.param(S.NONE, "0", 0, id="none-0-minutes"),
        pytest.param(S.NONE, "0.5", 3, id="duration-without-kind"),
        pytest.param(S.NONE, "8", 4, id="long-without-kind"),
    ],
)
def test_seizure_of_so_many_minutes(kind: Seizure, minutes: str, expected: int) -> None:
    assert grade(replace(WELL, seizure=kind, seizure_minutes=Decimal(minutes))).grade == expected


@pytest.mark.parametrize(
    ("findings", "expected", "total", "flags"),
    [
        pytest.param({"ice_performed": IcePerformed.UNABLE_AROUSABLE}, 3, 0, (), id="aphasia-scored-0"),
        pytest.param({"ice_performed": IcePerformed.UNABLE_UNAROUSABLE}, 4, 0, (), id="unarousable"),
        pytest.param(
            {"ice_performed": IcePerformed.UNABLE_AROUSABLE, "consciousness": C.UNAROUSABLE}, 4, 0, (), id="worse-wins"
        ),
        pytest.param({}, None, None, ("ICE_NOT_DONE",), id="not-done-nothing-else"),
        pytest.param({"seizure": S.CLINICAL_RESOLVES}, 3, None, ("ICE_NOT_DONE",), id="not-done-seizure-at-least"),
        pytest.param({"consciousness": C.DROWSY}, 1, None, ("ICE_NOT_DONE",), id="not-done-drowsy-at-least"),
        pytest.param(
            {"ice_performed": IcePerformed.YES, "orientation": 4}, None, None, ("ICE_NOT_DONE",), id="only-in-part"
        ),
        pytest.param(
            {
                "ice_performed": IcePerformed.UNABLE_UNAROUSABLE,
                "consciousness": C.UNAROUSABLE,
                "consciousness_attributable": False,
            },
            None,
            None,
            ("ICE_NOT_DONE", "LOC_EXCLUDED_OTHER_CAUSE"),
            id="sedated-has-no-score",
        ),
    ],
)
def test_ice_that_was_not_scored(
    findings: dict[str, Any], expected: int | None, total: int | None, flags: tuple[str, ...]
) -> None:
    graded = grade(replace(NOT_DONE, **findings))
    assert (graded.grade, graded.ice_total, graded.flags) == (expected, total, flags)


@pytest.mark.parametrize(
    ("findings", "expected", "determinants", "flags"),
    [
        pytest.param({}, 0, "", (), id="capd-0"),
        pytest.param({"capd_score": 1}, 1, "capd", (), id="g1-capd-1"),
        pytest.param({"capd_score": 8}, 1, "capd", (), id="g1-capd-8"),
        pytest.param({"capd_score": 8, "consciousness": C.AWAKENS_TO_VOICE}, 2, "consciousness", (), id="g2-to-voice"),
        pytest.param({"capd_score": 9}, 3, "capd", (), id="g3-capd-9"),
        pytest.param({"capd_score": 32}, 3, "capd", (), id="g3-capd-32"),
        pytest.param({"capd_score": None}, None, "", ("CAPD_NOT_DONE",), id="not-done"),
        pytest.param(
            {"capd_score": None, "consciousness": C.DROWSY}, 1, "consciousness", ("CAPD_NOT_DONE",), id="at-least"
        ),
        pytest.param(
            {"capd_score": None, "consciousness": C.UNAROUSABLE}, 4, "capd+consciousness", (), id="g4-unarousable"
        ),
        pytest.param(
            {"capd_score": None, "ice_performed": IcePerformed.UNABLE_UNAROUSABLE}, 4, "capd", (), id="g4-cannot"
        ),
        pytest.param({"age_years": 16, "capd_score": 9}, 3, "capd", (), id="developmental-delay"),
    ],
)
def test_table_6_capd(
    findings: dict[str, Any], expected: int | None, determinants: str, flags: tuple[str, ...]
) -> None:
    graded = grade(replace(CHILD, **findings))
    assert (graded.grade, "+".join(graded.determinants), graded.flags) == (expected, determinants, flags)
    assert graded.ice_total is None


@pytest.mark.parametrize(("age", "flags"), [(11, ("AGE_LT12_USE_CAPD",)), (12, ()), (14, ())])
def test_ice_from_12_years_on(age: int, flags: tuple[str, ...]) -> None:
    graded = grade(replace(WELL, age_years=age, **scored(7)))
    assert (graded.grade, graded.flags) == (1, flags)


@pytest.mark.parametrize(
    ("findings", "expected", "flags"),
    [
        pytest.param(
            {"consciousness": C.UNAROUSABLE, "consciousness_attributable": False, **scored(6)},
            2,
            ("LOC_EXCLUDED_OTHER_CAUSE",),
            id="sedated-after-ice-6",
        ),
        pytest.param({"consciousness_attributable": False}, 0, (), id="alert-nothing-to-exclude"),
        pytest.param(
            {
                "intracranial_haemorrhage": True,
                "cerebral_oedema": Oedema.DIFFUSE,
                "pressure_sign": PressureSign.CN6_PALSY,
            },
            0,
            ("ICH_GRADE_BY_CTCAE",),
            id="haemorrhage-with-oedema",
        ),
        pytest.param(
            {"intracranial_haemorrhage": True, **scored(5)}, 2, ("ICH_GRADE_BY_CTCAE",), id="haemorrhage-and-ice"
        ),
        pytest.param({"attributable_to_other_cause": True, "seizure": S.REPETITIVE}, 0, (), id="other-cause"),
        pytest.param({"days_since_infusion": -1, **scored(8)}, 0, (), id="baseline-before-infusion"),
        pytest.param({"days_since_infusion": 0, **scored(8)}, 1, (), id="day-0"),
    ],
)
def test_what_does_not_count(findings: dict[str, Any], expected: int, flags: tuple[str, ...]) -> None:
    graded = grade(replace(WELL, **findings))
    assert (graded.grade, graded.flags) == (expected, flags)


def test_the_ice_score_stays_readable_where_it_does_not_count() -> None:
    assert grade(replace(WELL, attributable_to_other_cause=True, **scored(5))).ice_total == 5
    assert ice_total(replace(WELL, use_capd=True)) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, -1) for name in icans.ICE_ITEMS),
        *((name, top + 1) for name, top in icans.ICE_ITEMS.items()),
        ("capd_score", -1),
        ("capd_score", 33),
        ("seizure_minutes", Decimal("-0.1")),
        ("age_years", -1),
        ("age_years", 121),
    ],
)
def test_impossible_values_are_refused_with_rule_value_and_way_out(name: str, value: Any) -> None:
    with pytest.raises(ImpossibleFinding, match=rf"{name} is {value}: it must lie between .* Correct") as raised:
        replace(WELL, **{name: value})
    assert raised.value.name == name


# --- What must always hold -----------------------------------------------------------------------

FOUND = st.builds(
    IcansFindings,
    age_years=st.integers(8, 80),
    use_capd=st.booleans(),
    ice_performed=st.sampled_from(IcePerformed),
    **{name: st.none() | st.integers(0, top) for name, top in icans.ICE_ITEMS.items()},
    capd_score=st.none() | st.integers(0, 32),
    consciousness=st.sampled_from(C),
    consciousness_attributable=st.booleans(),
    seizure=st.sampled_from(S),
    seizure_minutes=st.none() | st.decimals(0, 20, places=1),
    deep_focal_weakness=st.booleans(),
    cerebral_oedema=st.sampled_from(Oedema),
    pressure_sign=st.sampled_from(PressureSign),
    intracranial_haemorrhage=st.booleans(),
    attributable_to_other_cause=st.booleans(),
    death=st.sampled_from(IcansDeath),
    days_since_infusion=st.none() | st.integers(-2, 40),
)
# From harmless to worst, in the order in which the members stand.
SCALES: dict[str, Any] = {"consciousness": C, "cerebral_oedema": Oedema}


def level(findings: IcansFindings) -> int:
    """A grade that can be compared: not gradable is the lowest."""
    found = grade(findings).grade
    return -1 if found is None else found


@given(FOUND)
def test_every_grade_is_explained_in_words(findings: IcansFindings) -> None:
    graded = grade(findings)
    said = [icans.REASON_TEXT[reason.code].format(**reason.values) for reason in graded.reasons]
    said += [icans.FLAG_TEXT[flag] for flag in graded.flags]
    assert graded.reasons
    assert not any("{" in text or "None" in text for text in said)
    assert bool(graded.determinants) == bool(graded.grade)


@given(FOUND)
def test_grade_is_the_worst_domain(findings: IcansFindings) -> None:
    findings = replace(
        findings, attributable_to_other_cause=False, death=IcansDeath.NONE, days_since_infusion=5, use_capd=False
    )
    domains = [
        icans.ice_domain(findings, ice_total(findings)),
        icans.consciousness_domain(findings),
        icans.seizure_domain(findings),
        icans.motor_domain(findings),
        icans.pressure_domain(findings),
    ]
    worst = max(domain.grade or 0 for domain in domains)
    unknown = any(domain.grade is None for domain in domains)
    assert grade(findings).grade == (None if worst == 0 and unknown else worst)


@given(FOUND, st.sampled_from(sorted(SCALES)), st.data())
def test_a_worse_step_never_lowers_the_grade(findings: IcansFindings, name: str, data: st.DataObject) -> None:
    steps = list(SCALES[name])
    index = data.draw(st.integers(0, len(steps) - 2))
    milder, worse = replace(findings, **{name: steps[index]}), replace(findings, **{name: steps[index + 1]})
    assert level(worse) >= level(milder)


@given(FOUND, st.sampled_from(sorted(icans.ICE_ITEMS)))
def test_a_lost_point_never_lowers_the_grade(findings: IcansFindings, name: str) -> None:
    points = getattr(findings, name)
    if points:
        assert level(replace(findings, **{name: points - 1})) >= level(findings)


@given(
    FOUND,
    st.sampled_from(
        [
            {"deep_focal_weakness": True},
            {"seizure": S.REPETITIVE},
            {"pressure_sign": PressureSign.CUSHING_TRIAD},
            {"death": IcansDeath.ICANS},
            {"capd_score": 32},
            {"seizure_minutes": Decimal("20.1")},
        ]
    ),
)
def test_a_worse_finding_never_lowers_the_grade(findings: IcansFindings, worse: dict[str, Any]) -> None:
    assert level(replace(findings, **worse)) >= level(findings)


def test_every_kind_has_its_grade_and_its_sentence() -> None:
    codes = {f"seizure-{kind}" for kind in S} | {f"pressure-{sign}" for sign in SIGNS}
    assert codes <= set(icans.REASON_TEXT)
    assert (set(icans.SEIZURE_GRADE), set(icans.CONSCIOUSNESS_GRADE)) == (set(S), set(C))
