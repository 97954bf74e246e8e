"""What is observed at the bedside at one moment, and what each scale takes from it.

Source: the tables of Lee DW et al., Biol Blood Marrow Transplant 2019;25:625-638, as cited in `safety.rules.crs` and
`safety.rules.icans`. Vital signs, fluids, urine and the names of the vasopressors are kept beside them: the scale asks
for what is required, not for numbers.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar

from participants.rules.measures import MEASURES
from safety.rules.crs import FEVER_C, CrsDeath, CrsFindings, OxygenDevice, OxygenReason
from safety.rules.grading import check_range
from safety.rules.icans import (
    ICE_FROM_AGE_YEARS,
    Consciousness,
    IcansDeath,
    IcansFindings,
    IcePerformed,
    Oedema,
    PressureSign,
    Seizure,
)

T = TypeVar("T")

# What each vital sign can be, and what it usually is: as where the laboratory's and the visits' values are typed.
MEASURE_OF = {
    "temperature_c": "TEMP",
    "systolic": "SYSBP",
    "diastolic": "DIABP",
    "heart_rate": "HR",
    "respiratory_rate": "RESP",
    "spo2_percent": "OXYSAT",
}
# Urine of one hour in mL: nobody makes three litres in it; half a litre is rather that of a shift or of the day [P].
URINE_POSSIBLE = (Decimal(0), Decimal(3000))
URINE_USUAL = (Decimal(20), Decimal(500))


def possible(name: str) -> tuple[Decimal, Decimal]:
    """The lowest and the highest value that a vital sign can have.

    >>> possible("heart_rate")
    (Decimal('0'), Decimal('350'))
    """
    return (MEASURES[MEASURE_OF[name]].possible if name in MEASURE_OF else None) or URINE_POSSIBLE


def usual(name: str) -> tuple[Decimal, Decimal]:
    """Outside of these a value can be true, and is asked about."""
    return (MEASURES[MEASURE_OF[name]].probable if name in MEASURE_OF else None) or URINE_USUAL


VITAL_SIGNS = (*MEASURE_OF, "urine_ml_h")


class Vasopressor(StrEnum):
    """Each counts as one; vasopressin stands apart in the scale."""

    NOREPINEPHRINE = "norepinephrine"
    EPINEPHRINE = "epinephrine"
    DOPAMINE = "dopamine"
    DOBUTAMINE = "dobutamine"
    PHENYLEPHRINE = "phenylephrine"
    METARAMINOL = "metaraminol"
    OTHER = "other"


class Anticytokine(StrEnum):
    """What keeps a fever away for days, by the names of the record of medication."""

    TOCILIZUMAB = "tocilizumab"
    CORTICOSTEROID = "corticosteroid"
    ANAKINRA = "anakinra"
    SILTUXIMAB = "siltuximab"


class Death(StrEnum):
    NONE = "none"
    CRS = "crs"
    ICANS = "icans"
    OTHER = "other"


@dataclass(frozen=True)
class Observations:
    """Everything seen at one moment; None means not recorded, never no.

    Temperature in °C, pressures in mmHg, rates in 1/min, urine in mL/h, flow in L/min, saturation in percent, longest
    seizure in minutes. A question that was not asked has its reason in `…_not_done`.
    """

    temperature_c: Decimal | None = None
    temperature_not_done: str = ""
    fever_attributable: bool | None = None
    antipyretic_given: bool | None = None
    anticytokine_given: bool | None = None
    # Which of them, as far as somebody said.
    anticytokines: tuple[Anticytokine, ...] | None = None
    systolic: int | None = None
    diastolic: int | None = None
    heart_rate: int | None = None
    respiratory_rate: int | None = None
    urine_ml_h: Decimal | None = None
    hypotension: bool | None = None
    hypotension_attributable: bool | None = None
    fluids_given: bool | None = None
    # Empty: somebody looked, and none is running.
    vasopressors: tuple[Vasopressor, ...] | None = None
    vasopressin: bool | None = None
    spo2_percent: Decimal | None = None
    oxygen_device: OxygenDevice | None = None
    oxygen_flow_l_min: Decimal | None = None
    oxygen_reason: OxygenReason | None = None
    in_icu: bool | None = None
    ice_performed: IcePerformed | None = None
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
    use_capd: bool | None = None
    capd_score: int | None = None
    consciousness: Consciousness | None = None
    consciousness_attributable: bool | None = None
    seizure: Seizure | None = None
    seizure_minutes: Decimal | None = None
    deep_focal_weakness: bool | None = None
    cerebral_oedema: Oedema | None = None
    pressure_sign: PressureSign | None = None
    intracranial_haemorrhage: bool | None = None
    attributable_to_other_cause: bool | None = None
    death: Death | None = None
    # Codes of the questions that somebody answered with “yes, it is so”.
    confirmed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in VITAL_SIGNS:
            low, high = possible(name)
            check_range(name, getattr(self, name), int(low), int(high))


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


def _is_febrile(seen: Observations) -> bool:
    return seen.temperature_c is None or seen.temperature_c >= FEVER_C


def _is_pressed(seen: Observations) -> bool:
    """A vasopressor is hypotension even where the box says no."""
    return seen.hypotension is not False or bool(seen.vasopressors or seen.vasopressin)


# Questions that only another answer makes questions, and when. What no answer makes a question has none.
ONLY_WHEN: dict[str, Callable[[Observations], bool]] = {
    "temperature_not_done": lambda seen: seen.temperature_c is None,
    "fever_attributable": _is_febrile,
    "anticytokines": lambda seen: seen.anticytokine_given is not False,
    **dict.fromkeys(("hypotension_attributable", "fluids_given", "vasopressors", "vasopressin"), _is_pressed),
    **dict.fromkeys(("oxygen_flow_l_min", "oxygen_reason"), lambda seen: seen.oxygen_device is not OxygenDevice.NONE),
    **dict.fromkeys(
        (*(name for names in ICE_POINTS.values() for name in names), "sentence"),
        lambda seen: seen.ice_performed in (None, IcePerformed.YES),
    ),
    "ice_not_done": lambda seen: seen.ice_performed in (None, IcePerformed.NOT_DONE),
    "capd_score": lambda seen: seen.use_capd is not False,
    "consciousness_attributable": lambda seen: seen.consciousness is not Consciousness.ALERT,
    # A duration counts even where the kind says none.
    "seizure_minutes": lambda seen: seen.seizure is not Seizure.NONE or bool(seen.seizure_minutes),
}


def applicable(seen: Observations) -> Observations:
    """Without what is no question here: room air has no reason for oxygen, and no fever has no cause.

    >>> applicable(Observations(oxygen_device=OxygenDevice.NONE, oxygen_reason=OxygenReason.OTHER)).oxygen_reason
    """
    empty = Observations()
    return replace(seen, **{name: getattr(empty, name) for name, asks in ONLY_WHEN.items() if not asks(seen)})


@dataclass(frozen=True)
class Context:
    """What the record knows at that moment."""

    days_since_infusion: int
    age_years: int | None
    crs_established: bool
    crs_established_since: dt.datetime | None = None
    # From this age on ICE is used, unless development is delayed.
    ice_from_age_years: int = ICE_FROM_AGE_YEARS
    # Drugs that are on record and work at that moment, or run, as people name them; empty where there is none.
    antipyretic_on_record: str = ""
    anticytokine_on_record: str = ""
    vasopressor_on_record: str = ""


def crs_findings(seen: Observations, context: Context) -> CrsFindings:
    """What the CRS table takes; raises ImpossibleFinding for a number that cannot be true."""
    return CrsFindings(
        days_since_infusion=context.days_since_infusion,
        temperature_c=seen.temperature_c,
        fever_attributable=seen.fever_attributable,
        crs_established=context.crs_established,
        crs_established_since=context.crs_established_since,
        antipyretic_or_anticytokine_given=_either(seen.antipyretic_given, seen.anticytokine_given),
        hypotension=seen.hypotension,
        hypotension_attributable=seen.hypotension_attributable,
        vasopressors=None if seen.vasopressors is None else len(seen.vasopressors),
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


def ice_points(seen: Observations) -> int | None:
    """Of ten; None unless it was performed and all was asked."""
    items = [points(seen, item) for item in ICE_POINTS]
    if seen.ice_performed is not IcePerformed.YES or None in items:
        return None
    return sum(item for item in items if item is not None)


def _either(one: bool | None, other: bool | None) -> bool | None:
    """Yes as soon as one says so; no only where both do."""
    if one or other:
        return True
    return None if None in (one, other) else False


def _death(seen: Death | None, own: Death, due: T, other: T, none: T) -> T | None:
    if seen is None:
        return None
    if seen is Death.NONE:
        return none
    return due if seen is own else other
