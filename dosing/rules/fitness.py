"""Whether somebody is fit for the first dose of lymphodepletion, or for the cells.

Source: the checklist of a comparable Chinese CD19 CAR-T protocol (temperature at most 38 °C in 48 hours, SpO2 at
least 91 %, LVEF at least 45 %, ECOG below 2, no vasopressors, no uncontrolled infection). The registry record names
none of it, so every limit is a setting of the study file [P]; what lies outside is for an investigator's judgement,
an uncontrolled infection and vasopressors rule treatment out until they are over [P]. Oxygen support is judged [P].
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class Fit(StrEnum):
    """From good to bad: the worst finding decides."""

    FIT = "FIT"
    JUDGE = "JUDGE"
    UNFIT = "UNFIT"


class Finding(StrEnum):
    INFECTION = "infection"
    VASOPRESSORS = "vasopressors"
    TEMPERATURE = "temperature"
    SPO2 = "spo2"
    OXYGEN = "oxygen"
    LVEF = "lvef"
    ECOG = "ecog"
    NOT_RECORDED = "not_recorded"


@dataclass(frozen=True)
class FitnessLimits:
    """Temperatures in °C, saturation and ejection fraction in percent; every limit is still fit."""

    max_temperature_c: Decimal
    min_spo2_percent: Decimal
    min_lvef_percent: Decimal
    max_ecog: int


@dataclass(frozen=True)
class Examined:
    """What was found; None: not recorded, which is never a yes."""

    max_temperature_48h_c: Decimal | None
    spo2_percent: Decimal | None
    is_on_oxygen: bool
    lvef_percent: Decimal | None
    ecog: int | None
    has_uncontrolled_infection: bool
    needs_vasopressors: bool


def findings(found: Examined, limits: FitnessLimits) -> tuple[Finding, ...]:
    """Everything that speaks against treating now, the gravest first; empty for somebody fit."""
    return tuple(_findings(found, limits))


def _findings(found: Examined, limits: FitnessLimits) -> Iterator[Finding]:
    if found.has_uncontrolled_infection:
        yield Finding.INFECTION
    if found.needs_vasopressors:
        yield Finding.VASOPRESSORS
    if found.max_temperature_48h_c is not None and found.max_temperature_48h_c > limits.max_temperature_c:
        yield Finding.TEMPERATURE
    if found.spo2_percent is not None and found.spo2_percent < limits.min_spo2_percent:
        yield Finding.SPO2
    if found.is_on_oxygen:
        yield Finding.OXYGEN
    if found.lvef_percent is not None and found.lvef_percent < limits.min_lvef_percent:
        yield Finding.LVEF
    if found.ecog is not None and found.ecog > limits.max_ecog:
        yield Finding.ECOG
    if None in (found.max_temperature_48h_c, found.spo2_percent, found.lvef_percent, found.ecog):
        yield Finding.NOT_RECORDED


RULED_OUT = frozenset({Finding.INFECTION, Finding.VASOPRESSORS})


def verdict(found: tuple[Finding, ...]) -> Fit:
    if RULED_OUT & set(found):
        return Fit.UNFIT
    return Fit.JUDGE if found else Fit.FIT
