"""In which band a dose of CAR-T cells lies.

Source: registry record NCT07072494, arm description (recommended 0.5 × 10⁸ CAR-T live cells, range
0.25–0.5 × 10⁸, ± 20 %, that is 0.2–0.6 × 10⁸; a flat total, not per kg). Limits come from the study file.
Decimal throughout, and never rounded before a comparison: 0.199 is out, 0.2 is in, 0.601 is out.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class DoseBand(StrEnum):
    OUT_LOW = "OUT_LOW"
    TOLERANCE_LOW = "TOLERANCE_LOW"
    NOMINAL = "NOMINAL"
    TOLERANCE_HIGH = "TOLERANCE_HIGH"
    OUT_HIGH = "OUT_HIGH"


OUT_OF_RANGE = frozenset({DoseBand.OUT_LOW, DoseBand.OUT_HIGH})


@dataclass(frozen=True)
class DoseLimits:
    """All in 10⁸ viable CAR-T cells; each limit belongs to the range that it closes."""

    tolerance_low: Decimal
    nominal_low: Decimal
    nominal_high: Decimal
    tolerance_high: Decimal


def band(cells_e8: Decimal, limits: DoseLimits) -> DoseBand:
    """The band of a total dose in 10⁸ viable CAR-T cells. Raises ValueError unless it is above 0."""
    if not cells_e8 > 0:
        raise ValueError(f"A dose is more than 0 cells; {cells_e8} × 10⁸ is not.")
    if cells_e8 < limits.tolerance_low:
        return DoseBand.OUT_LOW
    if cells_e8 < limits.nominal_low:
        return DoseBand.TOLERANCE_LOW
    if cells_e8 <= limits.nominal_high:
        return DoseBand.NOMINAL
    if cells_e8 <= limits.tolerance_high:
        return DoseBand.TOLERANCE_HIGH
    return DoseBand.OUT_HIGH
