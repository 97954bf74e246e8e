"""In which band a dose of CAR-T cells lies.

Source: registry record NCT07072494, arm description (recommended 0.5 × 10⁸ CAR-T live cells, range
0.25–0.5 × 10⁸, ± 20 %, that is 0.2–0.6 × 10⁸; a flat total, not per kg). Limits come from the study file.
Decimal throughout, and never rounded before a comparison: 0.199 is out, 0.2 is in, 0.601 is out.
"""

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
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


class BagFit(StrEnum):
    IN_RANGE = "IN_RANGE"
    TOO_LOW = "TOO_LOW"
    TOO_HIGH = "TOO_HIGH"


@dataclass(frozen=True)
class BagDose:
    """What the whole bag would give, and how many mL of it give the planned dose; None where it holds less."""

    whole_e8: Decimal
    volume_ml: Decimal
    planned_e8: Decimal
    planned_ml: Decimal | None
    limits: DoseLimits

    @property
    def fit(self) -> BagFit:
        found = band(self.whole_e8, self.limits)
        if found not in OUT_OF_RANGE:
            return BagFit.IN_RANGE
        return BagFit.TOO_LOW if found is DoseBand.OUT_LOW else BagFit.TOO_HIGH


# A syringe is read to a tenth of a millilitre [P].
READ_TO_ML = Decimal("0.1")


def bag_dose(whole_e8: Decimal, volume_ml: Decimal, *, planned_e8: Decimal, limits: DoseLimits) -> BagDose:
    """The bag judged before it is thawed: the planned dose is the share planned / whole of its volume.

    Rounded to what a syringe shows, unless that left the range: then to a thousandth of a millilitre.

    >>> limits = DoseLimits(Decimal("0.2"), Decimal("0.25"), Decimal("0.5"), Decimal("0.6"))
    >>> bag_dose(Decimal("0.9"), Decimal(20), planned_e8=Decimal("0.5"), limits=limits).planned_ml
    Decimal('11.1')
    """
    if whole_e8 < planned_e8:
        return BagDose(whole_e8, volume_ml, planned_e8, None, limits)
    exact = volume_ml * planned_e8 / whole_e8
    read = min(exact.quantize(READ_TO_ML, ROUND_HALF_EVEN), volume_ml)
    if band(whole_e8 * read / volume_ml, limits) in OUT_OF_RANGE:
        read = min(exact.quantize(Decimal("0.001"), ROUND_HALF_EVEN), volume_ml)
    return BagDose(whole_e8, volume_ml, planned_e8, read, limits)
