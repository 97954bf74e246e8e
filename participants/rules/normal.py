"""Where a result lies beside the limits of normal that its laboratory printed.

The limits belong to what is normal, as on a laboratory's report. A bound, "<0.5", lies where all numbers lie that it
allows; where they do not agree, nobody can tell.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from trialsite.bounds import agreed, examples


class Place(StrEnum):
    """Where a value lies beside the limits of normal; of a bound that could be here or there, nobody can tell."""

    WITHIN = "within"
    ABOVE = "above"
    BELOW = "below"
    OPEN = "open"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Limits:
    """Of normal, both ends belonging to it; None where the report has none on this side."""

    low: Decimal | None = None
    high: Decimal | None = None

    @property
    def both(self) -> tuple[Decimal, ...]:
        return tuple(one for one in (self.low, self.high) if one is not None)

    def place(self, value: Decimal, sign: str = "") -> Place:
        """
        >>> Limits(Decimal(2), Decimal(7)).place(Decimal("0.5"), "<"), Limits(Decimal(2)).place(Decimal(3), "<")
        (<Place.BELOW: 'below'>, <Place.OPEN: 'open'>)
        """
        if not self.both:
            return Place.UNKNOWN
        return agreed(self._place(one) for one in examples(value, sign, self.both)) or Place.OPEN

    def _place(self, value: Decimal) -> Place:
        if self.low is not None and value < self.low:
            return Place.BELOW
        return Place.ABOVE if self.high is not None and value > self.high else Place.WITHIN


NO_LIMITS = Limits()
