"""What nobody looked at is no "no": it gives no grade where it could change one, and never hides what was seen."""

from dataclasses import fields
from decimal import Decimal
from typing import Any

import pytest

from safety.rules import bedside, crs, icans
from safety.rules.bedside import ONLY_WHEN, Context, Observations, Vasopressor, applicable
from safety.rules.crs import CrsFindings, OxygenDevice, OxygenReason
from safety.rules.icans import Consciousness, IcansFindings, IcePerformed, Oedema, PressureSign, Seizure

FULL_ICE = {"orientation": 4, "naming": 3, "commands": 1, "writing": 1, "attention": 1}


def crs_of(**findings: Any) -> tuple[int | None, tuple[str, ...]]:
    graded = crs.grade(CrsFindings(**{"days_since_infusion": 3, "temperature_c": Decimal("38.5"), **findings}))
    return graded.grade, graded.flags


def icans_of(**findings: Any) -> tuple[int | None, tuple[str, ...]]:
    graded = icans.grade(IcansFindings(**{"age_years": 30, **FULL_ICE, **findings}))
    return graded.grade, graded.flags


@pytest.mark.parametrize(
    ("findings", "grade"),
    [
        pytest.param({"hypotension": None}, None, id="pressure"),
        pytest.param({"oxygen_device": None}, None, id="oxygen"),
        pytest.param({"hypotension": True, "vasopressors": None}, None, id="vasopressor"),
        pytest.param({"hypotension": None, "oxygen_device": OxygenDevice.HFNC}, None, id="could-be-4"),
        pytest.param({"hypotension": None, "oxygen_device": OxygenDevice.CPAP}, 4, id="is-4-whatever-the-pressure"),
        pytest.param({"hypotension": True, "vasopressors": 2, "oxygen_device": None}, 4, id="is-4-whatever-the-oxygen"),
        pytest.param({"hypotension": None, "vasopressors": 1}, 3, id="a-vasopressor-answers-it"),
        pytest.param({"hypotension": None, "temperature_c": Decimal("36.8")}, 0, id="no-fever-no-crs"),
    ],
)
def test_crs(findings: dict[str, Any], grade: int | None) -> None:
    assert crs_of(**findings)[0] == grade
    assert ("NOT_ASKED" in crs_of(**findings)[1]) == (grade is None or grade == 4)


def test_unasked_axes_are_no_masked_fever() -> None:
    afebrile = {"temperature_c": Decimal("36.8"), "antipyretic_or_anticytokine_given": True}
    assert crs_of(**afebrile, hypotension=None) == (0, ())
    assert crs_of(**afebrile, hypotension=True)[1] == ("FEVER_MASKED_BY_PRIOR_THERAPY",)


def test_established_crs_is_not_over_while_nobody_has_looked() -> None:
    afebrile = {"temperature_c": Decimal("36.8"), "crs_established": True}
    assert crs_of(**afebrile, hypotension=None)[0] is None
    assert crs_of(**afebrile, hypotension=False)[0] == 0


@pytest.mark.parametrize(
    "name", ["fever_attributable", "hypotension_attributable", "oxygen_reason", "consciousness_attributable"]
)
def test_a_cause_that_nobody_named_counts_as_the_toxicity(name: str) -> None:
    """The careful way: a lower grade needs somebody who says why."""
    low = {"hypotension": True, "vasopressors": 1, "oxygen_device": OxygenDevice.HFNC}
    if name == "consciousness_attributable":
        assert icans_of(consciousness=Consciousness.AWAKENS_TO_VOICE, **{name: None})[0] == 2
    else:
        assert crs_of(**low, **{name: None})[0] == 3


@pytest.mark.parametrize("name", ["consciousness", "seizure", "deep_focal_weakness", "pressure_sign", "ice_performed"])
def test_icans_needs_every_look_for_a_grade_0(name: str) -> None:
    grade, flags = icans_of(**{name: None})
    assert (grade, len(flags)) == (None, 1)
    higher, flags = icans_of(
        **{"seizure": Seizure.CLINICAL_RESOLVES, name: None}
        if name != "seizure"
        else {"deep_focal_weakness": True, name: None}
    )
    assert higher in {3, 4}, "what was seen counts"
    assert len(flags) == 1, "and it is said that it may be more"


@pytest.mark.parametrize(
    "name", ["cerebral_oedema", "intracranial_haemorrhage", "attributable_to_other_cause", "death"]
)
def test_imaging_that_was_not_made_shows_nothing(name: str) -> None:
    assert icans_of(**{name: None}) == (0, ())


def test_oedema_counts_before_the_signs_were_looked_for() -> None:
    assert icans_of(cerebral_oedema=Oedema.FOCAL, pressure_sign=None) == (3, ("NOT_LOOKED_AT",))
    assert icans_of(cerebral_oedema=None, pressure_sign=PressureSign.PAPILLOEDEMA)[0] == 4


def test_a_long_seizure_counts_whatever_its_kind() -> None:
    assert icans_of(seizure=None, seizure_minutes=Decimal(6))[0] == 4
    assert icans_of(seizure=None, seizure_minutes=Decimal(1))[0] == 3


def test_nothing_observed_gives_neither_grade() -> None:
    context = Context(days_since_infusion=3, age_years=30, crs_established=False)
    assert crs.grade(bedside.crs_findings(Observations(), context)).grade is None
    assert icans.grade(bedside.icans_findings(Observations(), context)).grade is None


def test_no_observation_has_a_value_before_somebody_gave_one() -> None:
    preset = [one.name for one in fields(Observations) if getattr(Observations(), one.name) not in (None, "", ())]
    assert not preset


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [(True, None, True), (None, True, True), (False, False, False), (False, None, None), (None, None, None)],
)
def test_either_drug(one: bool | None, other: bool | None, expected: bool | None) -> None:
    context = Context(days_since_infusion=3, age_years=30, crs_established=False)
    seen = Observations(antipyretic_given=one, anticytokine_given=other)
    assert bedside.crs_findings(seen, context).antipyretic_or_anticytokine_given is expected


def test_what_applies_stays() -> None:
    full = Observations(
        temperature_c=Decimal("38.0"),
        fever_attributable=False,
        hypotension=True,
        hypotension_attributable=True,
        fluids_given=False,
        vasopressors=(Vasopressor.DOPAMINE,),
        vasopressin=False,
        oxygen_device=OxygenDevice.NASAL_CANNULA,
        oxygen_flow_l_min=Decimal(2),
        oxygen_reason=OxygenReason.OTHER,
        ice_performed=IcePerformed.YES,
        year=False,
        sentence="今天",
        consciousness=Consciousness.DROWSY,
        consciousness_attributable=False,
        seizure=Seizure.PROLONGED,
        seizure_minutes=Decimal(7),
        use_capd=True,
        capd_score=0,
    )
    assert applicable(full) == full
    assert set(ONLY_WHEN) <= {one.name for one in fields(Observations)}
