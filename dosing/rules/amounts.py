"""Amounts of a drug that are far beyond the usual, and amounts that cannot be.

Source: highest usual single amounts of the products' labels (paracetamol 1 g; methylprednisolone 1 g; levetiracetam
60 mg/kg; tocilizumab 800 mg; anakinra 8 mg/kg; fosfomycin 8 g; immunoglobulin 1 g/kg), taken wide, and the rates of the
devices (oxygen up to 60 L/min by high flow); all of it [P]. A slip by ten has happened to people and can be recorded.
A hundred times the usual amount, half a kilogram of anything, or a flow of oxygen that no device gives is a slip of the
unit, and refused.
"""

import unicodedata
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

IMPOSSIBLE_FROM = 100


class Amount(StrEnum):
    USUAL = "usual"
    UNUSUAL = "unusual"
    IMPOSSIBLE = "impossible"


@dataclass(frozen=True)
class Limits:
    """Up to `usual` nothing is asked; from `impossible` on it is refused."""

    usual: Decimal
    impossible: Decimal

    def judge(self, value: Decimal) -> Amount:
        if value >= self.impossible:
            return Amount.IMPOSSIBLE
        return Amount.UNUSUAL if value > self.usual else Amount.USUAL


def hundredfold(usual: Decimal | int | str) -> Limits:
    return Limits(Decimal(usual), Decimal(usual) * IMPOSSIBLE_FROM)


# What nobody is given of anything, in grams.
TOO_MANY_GRAMS = Decimal(500)


def grams(usual: str) -> Limits:
    return Limits(Decimal(usual), min(hundredfold(usual).impossible, TOO_MANY_GRAMS))


# One amount of each kind; other kinds, immunoglobulin among them, have the widest.
GRAMS = {
    "tocilizumab": grams("0.8"),
    "corticosteroid": grams("1"),
    "anakinra": grams("0.8"),
    "siltuximab": grams("1.5"),
    "vasopressor": grams("0.5"),
    "antipyretic": grams("1"),
    "antiepileptic": grams("6"),
    "antiinfective": grams("24"),
    "growth_factor": grams("0.2"),
    "antihistamine": grams("0.1"),
}
ANY_GRAMS = grams("100")
IN_GRAMS = {
    "kg": Decimal(1000),
    "g": Decimal(1),
    "mg": Decimal("0.001"),
    "µg": Decimal("0.000001"),
    "ng": Decimal("0.000000001"),
}
# What is not an amount of a substance, whatever the kind.
OTHER_UNITS = {
    "ml": Limits(Decimal(1000), Decimal(10_000)),
    "l": Limits(Decimal(1), Decimal(10)),
    "l/min": Limits(Decimal(60), Decimal(100)),
    "µg/kg/min": hundredfold(20),
    "mg/kg": hundredfold(60),
    "mg/m²": hundredfold(3000),
}
TRANSFUSED = hundredfold(4)
SPELLINGS = {"μg": "µg", "ug": "µg", "mcg": "µg", "微克": "µg", "毫克": "mg", "克": "g", "毫升": "ml", "升": "l"}
UNITS_OF_BLOOD = frozenset({"u", "unit", "units", "单位", "袋"})


def plain_unit(text: str) -> str:
    """The unit as the tables above write it.

    >>> plain_unit(" ＭＧ ")
    'mg'
    """
    # Both signs for micro become the same; the square of m² would become a plain 2.
    text = unicodedata.normalize("NFKC", text.replace("²", "^2")).replace("^2", "²").strip().lower()
    parts = (SPELLINGS.get(part, part) for part in text.replace(" ", "").replace("m2", "m²").split("/"))
    return "/".join(parts)


def limits_of(kind: str, unit: str) -> tuple[Limits, Decimal] | None:
    """The limits, and what the number is multiplied by to be held against them; None where nothing is known."""
    plain = plain_unit(unit)
    if plain in IN_GRAMS:
        return GRAMS.get(kind, ANY_GRAMS), IN_GRAMS[plain]
    if kind == "transfusion" and plain in UNITS_OF_BLOOD:
        return TRANSFUSED, Decimal(1)
    return (OTHER_UNITS[plain], Decimal(1)) if plain in OTHER_UNITS else None


@dataclass(frozen=True)
class Judged:
    """`usual` and `impossible` in the unit in which the amount was given."""

    amount: Amount
    usual: Decimal
    impossible: Decimal


def judge(kind: str, dose: Decimal, unit: str) -> Judged | None:
    """One amount of a kind of medication; None where its unit has no limits."""
    found = limits_of(kind, unit)
    if found is None:
        return None
    limits, factor = found
    return Judged(limits.judge(dose * factor), limits.usual / factor, limits.impossible / factor)


def judge_lymphodepletion(given: Decimal, *, lowest: Decimal, highest: Decimal) -> Amount:
    """A dose in mg/m² against the range that the study accepts: outside, and by the hundredfold."""
    if given >= highest * IMPOSSIBLE_FROM:
        return Amount.IMPOSSIBLE
    return Amount.USUAL if lowest <= given <= highest else Amount.UNUSUAL
