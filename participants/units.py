"""Units of measurements: the library converts, exactly in decimals and with molar masses."""

import fcntl
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings

from participants.rules.measures import MEASURES, Measure

if TYPE_CHECKING:
    import pint

_SPELT = {
    "10^9/L": ("1e9", "1/liter"),
    "10^3/uL": ("1e3", "1/microliter"),
    "/uL": ("1", "1/microliter"),
    "/min": ("1", "1/minute"),
    "%": ("1", "percent"),
    "umol/L": ("1", "micromole/liter"),
    "mg/dL": ("1", "milligram/deciliter"),
    "ug/L": ("1", "microgram/liter"),
    "ug/mL": ("1", "microgram/milliliter"),
    "lb": ("1", "pound"),
    "h": ("1", "hour"),
    "d": ("1", "day"),
    "s": ("1", "second"),
}


class UnknownUnit(ValueError):
    """A unit in which this measure is not printed."""


def convert(measure: Measure, value: Decimal, unit: str) -> Decimal:
    """`value` in `unit` as a value in the measure's own unit. Raises UnknownUnit.

    >>> from participants.rules.measures import MEASURES
    >>> convert(MEASURES["HGB"], Decimal("8.05"), "g/dL").normalize()
    Decimal('80.5')
    """
    if unit not in measure.all_units:
        raise UnknownUnit(unit)
    if unit == measure.unit:
        return value
    if measure.unit == "degC":
        return (value - 32) * 5 / 9  # degrees have a zero of their own, so a factor is not enough
    return value * _factor(measure.code, unit)


@cache
def _registry() -> "pint.UnitRegistry":
    """The library's units, read when the first value is converted: a start need not wait for a thousand of them."""
    from pint import UnitRegistry

    # Decimals throughout: 0.1 stays 0.1. Counts of cells and copies have no dimension of their own.
    try:
        registry = _kept(settings.UNITS_CACHE) if settings.UNITS_CACHE else UnitRegistry(non_int_type=Decimal)
    except Exception:  # whatever is wrong with what was kept costs a moment, never a result
        registry = UnitRegistry(non_int_type=Decimal)
    registry.define("copies = []")
    return registry


def _kept(folder: Path) -> "pint.UnitRegistry":
    """As it was read before; one process after the other, for two that write at once leave a file of both."""
    from pint import UnitRegistry

    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return UnitRegistry(non_int_type=Decimal, cache_folder=folder)


@cache
def _factor(code: str, unit: str) -> Decimal:
    measure = MEASURES[code]
    if {unit, measure.unit} == {"IU/mL", "copies/mL"}:
        # Every assay has a factor of its own: the numbers stay as they are, and so does the limit beside them.
        return Decimal(1)
    (scale, spelt), (target_scale, target) = (_SPELT.get(name, ("1", name)) for name in (unit, measure.unit))
    quantity = _registry().Quantity(Decimal(scale), spelt)
    if measure.molar_mass is None:
        converted = quantity.to(target)
    else:
        mass = _registry().Quantity(measure.molar_mass, "gram/mole")
        converted = quantity.to(target, "chemistry", mw=mass)
    return Decimal(converted.magnitude) / Decimal(target_scale)
