"""Units of laboratory values: how they are written, and which of CTCAE's printed columns each belongs to.

Only powers of ten are converted, so that nothing is rounded. Where CTCAE prints a number for mg/dL and another for
mmol/L, the two are not exactly the same limit: a value is compared with the number printed for its own unit.
"""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from types import MappingProxyType

from safety.rules.lab_ctcae.model import EXACT, Analyte, LabValue

A = Analyte
# Written form (lower case, without spaces) → the form that is looked up.
SPELLINGS = {
    "10e9/l": "10^9/l",
    "10*9/l": "10^9/l",
    "109/l": "10^9/l",
    "10^6/ml": "10^9/l",
    "10*3/ul": "10^3/ul",
    "10e3/ul": "10^3/ul",
    "10^3/mm3": "10^3/ul",
    "k/ul": "10^3/ul",
    "1000/ul": "10^3/ul",
    "cells/ul": "/ul",
    "cells/mm3": "/ul",
    "/mm3": "/ul",
    "mm3": "/ul",
    "c": "degc",
    "celsius": "degc",
    "f": "degf",
    "fahrenheit": "degf",
    "sec": "s",
    "seconds": "s",
    "msec": "ms",
    "percent": "%",
    "ratio": "",
    "1": "",
    "g/24h": "g/d",
    "g/24hr": "g/d",
    "g/24hrs": "g/d",
    "g/day": "g/d",
    "mg/24h": "mg/d",
    "mg/24hr": "mg/d",
    "mg/24hrs": "mg/d",
    "mg/day": "mg/d",
    "ml/min/1.73m^2": "ml/min/1.73m2",
    "ml/min/1.73": "ml/min/1.73m2",
    "ml/min/mmhg": "ml/min/mmhg",
    "+": "plus",
}
REWRITTEN = {" ": "", "µ": "u", "μ": "u", "×": "", "³": "3", "⁹": "^9", "²": "2", "°": "deg"}

Scales = Mapping[str, tuple[str, Decimal]]


def _of(scale: str, others: Mapping[str, str] = MappingProxyType({})) -> Scales:
    """A unit that CTCAE prints limits in, and others that are a power of ten away: unit → factor."""
    return {unit_key(unit): (scale, Decimal(factor)) for unit, factor in {scale: "1", **others}.items()}


def unit_key(text: str) -> str:
    """The unit without differences of writing: "×10⁹/L" and "10e9/L" are the same."""
    key = text.strip().lower()
    for written, plain in REWRITTEN.items():
        key = key.replace(written, plain)
    key = key.removeprefix("x")
    return SPELLINGS.get(key, key)


CELLS = _of("10^9/L", {"10^3/uL": "1", "/uL": "0.001"})
GRAMS = _of("g/L", {"g/dL": "10", "mg/dL": "0.01"})
MOLES = _of("mmol/L", {"umol/L": "0.001"})
CHARGE = _of("mmol/L", {"mEq/L": "1"})
MOLES_OR_MASS = {**MOLES, **_of("mg/dL")}
PERCENT = _of("%")
PLAIN = _of("")
FILTRATION = _of("mL/min", {"mL/min/1.73m2": "1"})
MMHG = _of("mmHg")

# An analyte that is not here is graded by multiples of its limits only, in any unit.
UNITS: Mapping[Analyte, Scales] = {
    **dict.fromkeys((A.NEUTROPHILS, A.LEUKOCYTES, A.LYMPHOCYTES, A.CD4, A.PLATELETS), CELLS),
    A.HEMOGLOBIN: {**GRAMS, **_of("mmol/L")},
    A.ALBUMIN: GRAMS,
    A.FIBRINOGEN: {**GRAMS, **_of("g/L", {"mg/L": "0.001"})},
    A.INR: PLAIN,
    A.PH: PLAIN,
    **dict.fromkeys((A.SODIUM, A.POTASSIUM), CHARGE),
    **dict.fromkeys((A.CALCIUM_CORRECTED, A.MAGNESIUM, A.GLUCOSE, A.TRIGLYCERIDES, A.CHOLESTEROL), MOLES_OR_MASS),
    A.CALCIUM_IONIZED: MOLES,
    A.QTC: _of("ms", {"s": "1000"}),
    **dict.fromkeys((A.LVEF, A.SPO2, A.SPO2_EXERCISE, A.FEV1, A.VITAL_CAPACITY), PERCENT),
    **dict.fromkeys((A.PAO2, A.SYSTOLIC, A.DIASTOLIC), MMHG),
    A.DLCO: _of("mL/min/mmHg"),
    A.TEMPERATURE: {**_of("degC"), **_of("degF")},
    **dict.fromkeys((A.EGFR, A.CREATININE_CLEARANCE), FILTRATION),
    A.URINE_PROTEIN_24H: _of("g/d", {"mg/d": "0.001"}),
    A.URINE_PROTEIN_CREATININE: {**PLAIN, **_of("", {"g/g": "1", "mg/mg": "1", "mg/g": "0.001"})},
    A.URINE_PROTEIN_DIPSTICK: _of("", {"plus": "1"}),
    A.URINE_OUTPUT_8H: _of("mL", {"L": "1000"}),
    A.URINE_OUTPUT_24H: _of("mL", {"L": "1000"}),
}


def known_units(analyte: Analyte) -> tuple[str, ...]:
    """The printed scales of an analyte, for a message."""
    return tuple(dict.fromkeys(scale for scale, _factor in UNITS[analyte].values()))


def in_scale(result: LabValue) -> LabValue | None:
    """The same result in the unit of a printed column, exactly; None for a unit that CTCAE has no column for.

    >>> in_scale(LabValue(Analyte.PLATELETS, Decimal(60000), "/uL")).value
    Decimal('60.000')
    """
    scales = UNITS.get(result.analyte)
    if scales is None:
        return result
    key = unit_key(result.unit)
    if key not in scales:
        return None
    scale, factor = scales[key]
    scaled = {name: EXACT.multiply(number, factor) for name, number in result.numbers()}
    return replace(result, unit=scale, **scaled)  # type: ignore[arg-type]
