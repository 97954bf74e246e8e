"""The small lines of a laboratory: where the points of one test stand, beside its limits. Pure: no Django.

All tests of a participant share the axis of time, so that what happened on one day stands below each other. Coordinates
are whole numbers of a frame of its own, `WIDTH` × `HEIGHT`.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from trialsite.bounds import ABOVE, BELOW, agreed, examples

WIDTH, HEIGHT, EDGE = 240, 56, 10
# From a bound on, so far to where the value may lie.
ARROW = 9


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


@dataclass(frozen=True)
class Value:
    """A number in the test's own unit, its sign where the laboratory gave a bound, and the limits beside it."""

    at: dt.datetime
    value: Decimal
    sign: str = ""
    limits: Limits = Limits()


@dataclass(frozen=True)
class Point:
    x: int
    y: int
    place: Place
    sign: str = ""

    @property
    def shape(self) -> str:
        """A circle within the limits, a triangle that points to where the value lies outside; a bound is hollow."""
        x, y = self.x, self.y
        if self.place is Place.ABOVE:
            return f"M{x - 5} {y + 4}l5 -9l5 9Z"
        if self.place is Place.BELOW:
            return f"M{x - 5} {y - 4}l5 9l5 -9Z"
        return f"M{x - 3} {y}a3 3 0 1 0 6 0a3 3 0 1 0 -6 0Z"

    @property
    def arrow(self) -> str:
        """From a bound to where the value may lie."""
        if self.sign in BELOW:
            return f"M{self.x} {self.y}v{ARROW}m-3 -3l3 3l3 -3"
        return f"M{self.x} {self.y}v-{ARROW}m-3 3l3 -3l3 3" if self.sign in ABOVE else ""


@dataclass(frozen=True)
class Trend:
    """`band` is the top and the height of what is normal, as far as the frame shows it."""

    points: tuple[Point, ...]
    band: tuple[int, int] | None
    day0_x: int | None = None
    # Where something was to be measured, and was not.
    missed: tuple[int, ...] = ()

    @property
    def line(self) -> str:
        return " ".join(f"{point.x},{point.y}" for point in self.points)


@dataclass(frozen=True)
class Time:
    """The axis that all lines share."""

    first: dt.datetime
    last: dt.datetime

    def x(self, at: dt.datetime) -> int:
        """In the middle where all is of one moment."""
        whole = (self.last - self.first).total_seconds()
        share = (at - self.first).total_seconds() / whole if whole else 0.5
        return EDGE + round(min(max(share, 0.0), 1.0) * (WIDTH - 2 * EDGE))

    def inside(self, at: dt.datetime | None) -> int | None:
        return None if at is None or not self.first <= at <= self.last else self.x(at)


def trend(
    values: Sequence[Value],
    *,
    time: Time,
    limits: Limits,
    day0: dt.datetime | None = None,
    missed: Sequence[dt.datetime] = (),
) -> Trend:
    """At least one value; `limits` are those that the band shows."""
    numbers = [*(one.value for one in values), *limits.both]
    lowest, highest = min(numbers), max(numbers)

    def y(number: Decimal) -> int:
        share = (number - lowest) / (highest - lowest) if highest > lowest else Decimal("0.5")
        return HEIGHT - EDGE - round(share * (HEIGHT - 2 * EDGE))

    points = tuple(
        Point(time.x(one.at), y(one.value), one.limits.place(one.value, one.sign), one.sign) for one in values
    )
    band = None
    if limits.both:
        top = 0 if limits.high is None else y(limits.high)
        bottom = HEIGHT if limits.low is None else y(limits.low)
        band = (top, max(bottom - top, 1))
    return Trend(points, band, time.inside(day0), tuple(time.x(at) for at in missed))
