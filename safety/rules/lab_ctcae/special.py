"""What is not one value against one limit: febrile neutropenia, and calcium corrected for albumin."""

from dataclasses import dataclass, replace
from decimal import Decimal

from safety.rules.grading import ImpossibleFinding, Reason, check_range
from safety.rules.lab_ctcae.model import EXACT, Basis, Suggestion, Version
from safety.rules.lab_ctcae.published import FEBRILE_NEUTROPENIA
from trialsite.bounds import FLIPPED, combined, examples

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
    neutrophils_sign: str = ""

    def __post_init__(self) -> None:
        check_range("neutrophils_e9_l", self.neutrophils_e9_l, 0, 1000)
        if self.neutrophils_sign == "<" and self.neutrophils_e9_l == 0:
            raise ImpossibleFinding("neutrophils_e9_l", "neutrophils_e9_l is <0: no number is that. Correct it.")
        check_range("temperature_c", self.temperature_c, 20, 45)
        check_range("minutes", self.minutes, 0, 100_000)

    @property
    def values(self) -> dict[str, str]:
        return {
            "anc": f"{self.neutrophils_sign} {self.neutrophils_e9_l}".strip(),
            "temperature": str(self.temperature_c),
            "minutes": str(self.minutes),
        }


def febrile_neutropenia(found: FebrileFindings, version: Version) -> Suggestion:
    """Grade 3: neutrophils below 1.0 with one temperature above 38.3 °C, or 38.0 °C or more for over one hour.

    The same in CTCAE 5.0 and 6.0; grade 4 only where somebody records life-threatening consequences. One reading
    of 38.0 to 38.3 °C cannot be judged without its duration. A suggestion: an investigator grades.
    """
    code = _rule(found)
    if code == "febrile-bound":
        span = _says(version, None, Reason(code, found.values), "BOUND_ONLY")
        return replace(span, span=(0, 4 if found.life_threatening else 3), decided_by=(Basis.NUMBER,))
    if code == "febrile-duration":
        return _says(version, None, Reason(code, found.values), "NEEDS_DURATION")
    if code == "febrile-none":
        return _says(version, 0, Reason(code, found.values))
    if found.life_threatening:
        return _says(version, 4, Reason("finding-life_threatening"))
    return _says(version, 3, Reason(code, found.values), "NEEDS_CLINICAL_JUDGEMENT")


def _rule(found: FebrileFindings) -> str:
    """The code of the sentence; of a bound that of all its values, if they have one."""
    values = examples(found.neutrophils_e9_l, found.neutrophils_sign, [NEUTROPENIA_E9_L])
    codes = {_rule_of(replace(found, neutrophils_e9_l=one, neutrophils_sign="")) for one in values}
    if len(codes) == 1:
        return codes.pop()
    return "febrile-duration" if "febrile-duration" in codes else "febrile-bound"


def _rule_of(found: FebrileFindings) -> str:
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


def corrected_sign(total: str, albumin: str) -> str | None:
    """Whether the corrected calcium is a bound, as its two values are; None where they leave it open on both sides.

    >>> corrected_sign("", "<"), corrected_sign("<", "<")
    ('>', None)
    """
    return combined(total, FLIPPED[albumin])
