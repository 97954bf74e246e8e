"""What is observed at the bedside at one moment, and what each scale takes from it.

Source: the tables of Lee DW et al., Biol Blood Marrow Transplant 2019;25:625-638, as cited in `safety.rules.crs` and
`safety.rules.icans`. Blood pressure, fluids, saturation and the names of the vasopressors are kept beside them: the
scale asks for what is required, not for numbers.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar

from safety.rules.crs import CrsDeath, CrsFindings, OxygenDevice, OxygenReason
from safety.rules.grading import check_range
from safety.rules.icans import (
    Consciousness,
    IcansDeath,
    IcansFindings,
    IcePerformed,
    Oedema,
    PressureSign,
    Seizure,
)

T = TypeVar("T")


class Vasopressor(StrEnum):
    """Each counts as one; vasopressin stands apart in the scale."""

    NOREPINEPHRINE = "norepinephrine"
    EPINEPHRINE = "epinephrine"
    DOPAMINE = "dopamine"
    DOBUTAMINE = "dobutamine"
    PHENYLEPHRINE = "phenylephrine"
    METARAMINOL = "metaraminol"
    OTHER = "other"


class Death(StrEnum):
    NONE = "none"
    CRS = "crs"
    ICANS = "icans"
    OTHER = "other"


@dataclass(frozen=True)
class Observations:
    """Everything seen at one moment; None means not recorded, never no.

    Temperature in °C, pressures in mmHg, flow in L/min, saturation in percent, longest seizure in minutes. A question
    that was not asked has its reason in `…_not_done`.
    """

    temperature_c: Decimal | None = None
    temperature_not_done: str = ""
    fever_attributable: bool = True
    antipyretic_given: bool = False
    anticytokine_given: bool = False
    systolic: int | None = None
    diastolic: int | None = None
    hypotension: bool = False
    hypotension_attributable: bool = True
    fluids_given: bool = False
    vasopressors: tuple[Vasopressor, ...] = ()
    vasopressin: bool = False
    spo2_percent: Decimal | None = None
    oxygen_device: OxygenDevice = OxygenDevice.NONE
    oxygen_flow_l_min: Decimal | None = None
    oxygen_reason: OxygenReason = OxygenReason.CRS_HYPOXIA
    in_icu: bool = False
    ice_performed: IcePerformed = IcePerformed.NOT_DONE
    ice_not_done: str = ""
    year: bool | None = None
    month: bool | None = None
    city: bool | None = None
    hospital: bool | None = None
    object_1: bool | None = None
    object_2: bool | None = None
    object_3: bool | None = None
    command: bool | None = None
    writes: bool | None = None
    sentence: str = ""
    counts: bool | None = None
    use_capd: bool = False
    capd_score: int | None = None
    consciousness: Consciousness = Consciousness.ALERT
    consciousness_attributable: bool = True
    seizure: Seizure = Seizure.NONE
    seizure_minutes: Decimal | None = None
    deep_focal_weakness: bool = False
    cerebral_oedema: Oedema = Oedema.NONE
    pressure_sign: PressureSign = PressureSign.NONE
    intracranial_haemorrhage: bool = False
    attributable_to_other_cause: bool = False
    death: Death = Death.NONE

    def __post_init__(self) -> None:
        check_range("systolic", self.systolic, 0, 350)
        check_range("diastolic", self.diastolic, 0, 250)
        check_range("spo2_percent", self.spo2_percent, 20, 100)


# The ten points of the ICE score, one by one, under the five items of the table.
ICE_POINTS: dict[str, tuple[str, ...]] = {
    "orientation": ("year", "month", "city", "hospital"),
    "naming": ("object_1", "object_2", "object_3"),
    "commands": ("command",),
    "writing": ("writes",),
    "attention": ("counts",),
}


def points(seen: Observations, item: str) -> int | None:
    """The points of an item; None while one of its questions was not asked."""
    answers = [getattr(seen, name) for name in ICE_POINTS[item]]
    return None if None in answers else sum(answers)


@dataclass(frozen=True)
class Context:
    """What the record knows at that moment."""

    days_since_infusion: int
    age_years: int
    crs_established: bool


def crs_findings(seen: Observations, context: Context) -> CrsFindings:
    """What the CRS table takes; raises ImpossibleFinding for a number that cannot be true."""
    return CrsFindings(
        days_since_infusion=context.days_since_infusion,
        temperature_c=seen.temperature_c,
        fever_attributable=seen.fever_attributable,
        crs_established=context.crs_established,
        antipyretic_or_anticytokine_given=seen.antipyretic_given or seen.anticytokine_given,
        hypotension=seen.hypotension,
        hypotension_attributable=seen.hypotension_attributable,
        vasopressors=len(seen.vasopressors),
        vasopressin=seen.vasopressin,
        oxygen_device=seen.oxygen_device,
        oxygen_flow_l_min=seen.oxygen_flow_l_min,
        oxygen_reason=seen.oxygen_reason,
        death=_death(seen.death, Death.CRS, CrsDeath.CRS, CrsDeath.OTHER, CrsDeath.NONE),
    )


def icans_findings(seen: Observations, context: Context) -> IcansFindings:
    """What the ICANS table takes; raises ImpossibleFinding for a number that cannot be true."""
    return IcansFindings(
        age_years=context.age_years,
        days_since_infusion=context.days_since_infusion,
        use_capd=seen.use_capd,
        ice_performed=seen.ice_performed,
        **{item: points(seen, item) for item in ICE_POINTS},
        capd_score=seen.capd_score,
        consciousness=seen.consciousness,
        consciousness_attributable=seen.consciousness_attributable,
        seizure=seen.seizure,
        seizure_minutes=seen.seizure_minutes,
        deep_focal_weakness=seen.deep_focal_weakness,
        cerebral_oedema=seen.cerebral_oedema,
        pressure_sign=seen.pressure_sign,
        intracranial_haemorrhage=seen.intracranial_haemorrhage,
        attributable_to_other_cause=seen.attributable_to_other_cause,
        death=_death(seen.death, Death.ICANS, IcansDeath.ICANS, IcansDeath.OTHER, IcansDeath.NONE),
    )


def _death(seen: Death, own: Death, due: T, other: T, none: T) -> T:
    if seen is Death.NONE:
        return none
    return due if seen is own else other
