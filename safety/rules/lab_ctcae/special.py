"""What is not one value against one limit: febrile neutropenia, and calcium corrected for albumin."""

from dataclasses import dataclass
from decimal import Decimal

from safety.rules.grading import Reason, check_range
from safety.rules.lab_ctcae.model import EXACT, Basis, Suggestion, Version
from safety.rules.lab_ctcae.published import FEBRILE_NEUTROPENIA

NEUTROPENIA_E9_L = Decimal("1.0")
SINGLE_C = Decimal("38.3")
SUSTAINED_C = Decimal("38.0")
SUSTAINED_MINUTES = Decimal(60)


@dataclass(frozen=True)
class FebrileFindings:
    """Neutrophils in 10⁹/L, the temperature and for how many minutes it lasted at least; None: one reading only."""

    neutrophils_e9_l: Decimal
    temperature_c: Decimal
    minutes: Decimal | None = None
    life_threatening: bool = False

    def __post_init__(self) -> None:
        check_range("neutrophils_e9_l", self.neutrophils_e9_l, 0, 1000)
        check_range("temperature_c", self.temperature_c, 20, 45)
        check_range("minutes", self.minutes, 0, 100_000)

    @property
    def values(self) -> dict[str, str]:
        return {
            "anc": str(self.neutrophils_e9_l),
            "temperature": str(self.temperature_c),
            "minutes": str(self.minutes),
        }


def febrile_neutropenia(found: FebrileFindings, version: Version) -> Suggestion:
    """Grade 3: neutrophils below 1.0 with one temperature above 38.3 °C, or 38.0 °C or more for over one hour.

    The same in CTCAE 5.0 and 6.0; grade 4 only where somebody records life-threatening consequences. One reading
    of 38.0 to 38.3 °C cannot be judged without its duration. A suggestion: an investigator grades.
    """
    code = _rule(found)
    if code == "febrile-duration":
        return _says(version, None, Reason(code, found.values), "NEEDS_DURATION")
    if code == "febrile-none":
        return _says(version, 0, Reason(code, found.values))
    if found.life_threatening:
        return _says(version, 4, Reason("finding-life_threatening"))
    return _says(version, 3, Reason(code, found.values), "NEEDS_CLINICAL_JUDGEMENT")


def _rule(found: FebrileFindings) -> str:
    if found.neutrophils_e9_l >= NEUTROPENIA_E9_L or found.temperature_c < SUSTAINED_C:
        return "febrile-none"
    if found.temperature_c > SINGLE_C:
        return "febrile-single"
    if found.minutes is None:
        return "febrile-duration"
    return "febrile-sustained" if found.minutes > SUSTAINED_MINUTES else "febrile-none"


def _says(version: Version, grade: int | None, reason: Reason, *flags: str) -> Suggestion:
    term, code = FEBRILE_NEUTROPENIA
    return Suggestion(version, term, code, grade, (Basis.NUMBER,) if grade else (), (reason,), flags)


def corrected_calcium_mmol_l(total_mmol_l: Decimal, albumin_g_l: Decimal) -> Decimal:
    """Total calcium + 0.02 × (40 − albumin in g/L), unrounded: the usual formula after Payne 1973 [M].

    >>> corrected_calcium_mmol_l(Decimal("1.90"), Decimal(30))
    Decimal('2.10')
    """
    missing = EXACT.subtract(Decimal(40), albumin_g_l)
    return EXACT.add(total_mmol_l, EXACT.multiply(Decimal("0.02"), missing))
