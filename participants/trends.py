"""The small lines of a laboratory: where the points of one test stand, beside its limits. Pure: no Django.

All tests of a participant share the axis of time, so that what happened on one day stands below each other. Coordinates
are whole numbers of a frame of its own, `WIDTH` × `HEIGHT`.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from participants.rules.normal import NO_LIMITS, Limits, Place
from trialsite.bounds import ABOVE, BELOW

WIDTH, HEIGHT, EDGE = 240, 56, 10
# From a bound on, so far to where the value may lie.
ARROW = 9


@dataclass(frozen=True)
class Value:
    """A number in the test's own unit, its sign where the laboratory gave a bound, and the limits beside it."""

    at: dt.datetime
    value: Decimal
    sign: str = ""
    limits: Limits = NO_LIMITS


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
