"""A number that a laboratory gave as a bound, "<0.5" or "≥1000": which numbers it allows, and how a rule judges all.

A rule that compares with limits says the same of all numbers between two neighbouring limits. So it is asked once for
each piece into which its limits cut the allowed numbers, and once at each limit; where all answers are one, the bound
decides. Pure: no Django. Nothing that is measured lies below 0, unless a rule says otherwise.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Context, Decimal
from itertools import pairwise
from typing import TypeVar

BELOW, ABOVE = ("<", "≤"), (">", "≥")
SIGNS = (*BELOW, *ABOVE)
FLIPPED = {"": "", "<": ">", "≤": "≥", ">": "<", "≥": "≤"}
# Between two limits there is room, however many digits they have.
_EXACT = Context(prec=100)
ZERO = Decimal(0)
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Allowed:
    """All numbers from `low` to `high`, each of which belongs to them or not; `high` None: without an end."""

    low: Decimal
    high: Decimal | None
    has_low: bool = True
    has_high: bool = True

    def examples(self, limits: Iterable[Decimal | None]) -> tuple[Decimal, ...]:
        """A number of each piece into which the limits cut them, and the limits among them, in order.

        >>> [str(one) for one in allowed(Decimal(3), "<").examples([Decimal(2), Decimal(5)])]
        ['0', '1', '2', '2.5']
        """
        inside = sorted({one for one in limits if one is not None and self._is_inside(one)})
        last = (inside or [self.low])[-1] + 2 if self.high is None else self.high
        ends = [self.low, *inside, last]
        between = (_EXACT.divide(_EXACT.add(one, other), 2) for one, other in pairwise(ends) if one < other)
        found = {*between, *inside, *self._own_ends()}
        # No number is below 0: of "<0" the number itself remains.
        return tuple(sorted(found)) or (self.low,)

    def _is_inside(self, number: Decimal) -> bool:
        return self.low < number and (self.high is None or number < self.high)

    def _own_ends(self) -> set[Decimal]:
        if self.low == self.high:
            return {self.low} if self.has_low and self.has_high else set()
        ends = ((self.low, self.has_low), (self.high, self.has_high))
        return {end for end, is_in in ends if is_in and end is not None}


def allowed(value: Decimal, sign: str = "", lowest: Decimal = ZERO) -> Allowed:
    """The numbers that a report allows; without a sign that number alone."""
    if sign in BELOW:
        return Allowed(min(lowest, value), value, has_high=sign == "≤")
    if sign in ABOVE:
        return Allowed(value, None, has_low=sign == "≥")
    return Allowed(value, value)


def examples(value: Decimal, sign: str, limits: Iterable[Decimal | None]) -> tuple[Decimal, ...]:
    """The same for a number with its sign."""
    return allowed(value, sign).examples(limits)


def least(several: Iterable[Allowed]) -> Allowed:
    """What the lowest of several numbers may be; at least one is given.

    >>> least([allowed(Decimal(4)), allowed(Decimal(3), ">")])
    Allowed(low=Decimal('3'), high=Decimal('4'), has_low=False, has_high=True)
    """
    spans = list(several)
    low = min(one.low for one in spans)
    highs = [one.high for one in spans if one.high is not None]
    high = min(highs, default=None)
    return Allowed(
        low,
        high,
        any(one.has_low for one in spans if one.low == low),
        all(one.has_high for one in spans if one.high == high),
    )


def agreed(answers: Iterable[Answer]) -> Answer | None:
    """The one answer that all give; None where they differ.

    >>> agreed([True, True]), agreed([True, False])
    (True, None)
    """
    found = set(answers)
    return found.pop() if len(found) == 1 else None


def combined(one: str, other: str) -> str | None:
    """The sign of a sum of two numbers with these signs; None where they point against each other.

    >>> combined("", "<"), combined("≤", "<"), combined("<", ">")
    ('<', '<', None)
    """
    if not one or not other:
        return one or other
    for same in (BELOW, ABOVE):
        if one in same and other in same:
            return same[0] if same[0] in (one, other) else same[1]
    return None
