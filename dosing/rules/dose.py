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
    """The band of a total dose in 10⁸ viable CAR-T cells. Raises ValueError below 0."""
    if cells_e8 < 0:
        raise ValueError(f"A dose is not less than 0 cells; {cells_e8} × 10⁸ is.")
    if cells_e8 < limits.tolerance_low:
        return DoseBand.OUT_LOW
    if cells_e8 < limits.nominal_low:
        return DoseBand.TOLERANCE_LOW
    if cells_e8 <= limits.nominal_high:
        return DoseBand.NOMINAL
    if cells_e8 <= limits.tolerance_high:
        return DoseBand.TOLERANCE_HIGH
    return DoseBand.OUT_HIGH


@dataclass(frozen=True)
class Fill:
    """What a bag held, as its release certificate tells: fractions from 0 to 1, never percent."""

    volume_ml: Decimal
    cells_per_ml: Decimal
    viability: Decimal
    car_positive: Decimal


def viable_car_t_cells_e8(fill: Fill, *, counts_all_viable: bool = False) -> Decimal:
    """Volume × concentration × viability × CAR share, in 10⁸ cells; exact, for the band is decided on it.

    "CAR-T live cells" of the record is read as viable CAR-positive T cells [P]; `counts_all_viable` is the
    other reading. Raises ValueError for a fraction outside 0 to 1, or a negative volume or count.
    """
    for name in ("viability", "car_positive"):
        if not 0 <= getattr(fill, name) <= 1:
            raise ValueError(f"{name} is a fraction from 0 to 1; {getattr(fill, name)} is not.")
    if fill.volume_ml < 0 or fill.cells_per_ml < 0:
        raise ValueError("A volume and a concentration are not less than 0.")
    share = Decimal(1) if counts_all_viable else fill.car_positive
    return fill.volume_ml * fill.cells_per_ml * fill.viability * share / Decimal(100_000_000)
