"""Curves of survival and of incidence as a picture: steps, limits, marks of censoring, and who is still at risk.

No line is told from another by its colour: the second is dashed, and each has its number at its end and in the legend.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from django.utils.translation import gettext as _

from participants.efficacy import DAYS_OF_A_MONTH, Line, Plot, median_in_words, percent
from participants.rules.endpoints import Curve
from trialsite.sentences import joined

WIDTH, LEFT, RIGHT, TOP, PLOT = 640, 56, 34, 14, 250
# Below the axis: months, the title of the axis, and a line of numbers for each curve.
AXIS, ROW = 44, 20
# At most so many marks on the axis of months.
MOST_TICKS = 9
STEPS = (1, 2, 3, 6, 12, 24, 36)


@dataclass(frozen=True)
class Text:
    x: str
    y: str
    words: str


@dataclass(frozen=True)
class Drawn:
    """One curve: its steps, the area between its limits, the marks of those censored, and its number at its end."""

    number: int
    name: str
    path: str
    area: str
    marks: str
    is_dashed: bool
    end: Text
    at_risk: tuple[Text, ...]
    row_y: str
    legend: str


@dataclass(frozen=True)
class Picture:
    width: int
    height: int
    title: str
    description: str
    axis: str
    shares: tuple[Text, ...]
    months: tuple[Text, ...]
    curves: tuple[Drawn, ...]
    risk_title: Text
    axis_title: Text


def picture(plot: Plot) -> Picture:
    """To the last day that anybody was followed to, at least three months."""
    last = max((line.curve.days[-1] for line in plot.lines if line.curve.days), default=0.0)
    span = max(last / DAYS_OF_A_MONTH, 3.0)
    ticks = list(_ticks(span))
    scale = _Scale(ticks[-1])
    bottom = TOP + PLOT
    curves = tuple(_drawn(number, line, scale, ticks) for number, line in enumerate(plot.lines, start=1))
    return Picture(
        WIDTH,
        bottom + AXIS + ROW * (len(curves) + 1),
        plot.title,
        _description(plot),
        f"M{LEFT} {TOP}V{bottom}H{WIDTH - RIGHT}",
        tuple(Text(str(LEFT - 8), f"{scale.y(share / 100) + 4:.1f}", f"{share}") for share in range(0, 101, 25)),
        tuple(Text(f"{scale.x(month * DAYS_OF_A_MONTH):.1f}", str(bottom + 18), str(month)) for month in ticks),
        curves,
        Text("4", str(bottom + AXIS + 12), _("At risk")),
        Text(f"{(LEFT + WIDTH - RIGHT) / 2:.0f}", str(bottom + 36), _("Months since Day 0")),
    )


def _ticks(months: float) -> Iterator[int]:
    step = next((one for one in STEPS if months / one <= MOST_TICKS - 1), STEPS[-1])
    return iter(range(0, math.ceil(months / step) * step + 1, step))


@dataclass(frozen=True)
class _Scale:
    months: int

    def x(self, days: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * days / (self.months * DAYS_OF_A_MONTH)

    def y(self, share: float) -> float:
        return TOP + PLOT * (1 - share)

    def steps(self, start: float, points: list[tuple[float, float]], last: float) -> list[tuple[float, float]]:
        """Corners of a step function, from the origin to the last day."""
        corners, level = [(self.x(0), self.y(start))], start
        for days, value in points:
            corners += [(self.x(days), self.y(level)), (self.x(days), self.y(value))]
            level = value
        return [*corners, (self.x(last), self.y(level))]


def _path(corners: list[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in corners)


def _drawn(number: int, line: Line, scale: _Scale, ticks: list[int]) -> Drawn:
    curve = line.curve
    last = curve.days[-1] if curve.days else 0.0
    corners = scale.steps(curve.start, [(one.days, one.estimate) for one in curve.steps], last)
    row_y = TOP + PLOT + AXIS + 12 + ROW * number
    return Drawn(
        number,
        line.name,
        _path(corners),
        _area(curve, scale, last),
        "".join(_mark(scale.x(one.days), scale.y(one.estimate)) for one in curve.steps if one.censored),
        number > 1,
        # Above or below the end, so that two curves that end in one place keep their numbers apart.
        Text(f"{corners[-1][0] + 6:.1f}", f"{corners[-1][1] - 4 + 14 * (number - 1):.1f}", f"({number})"),
        tuple(
            Text(f"{scale.x(day):.1f}", str(row_y), str(curve.at_risk(day)))
            for day in (month * DAYS_OF_A_MONTH for month in ticks)
        ),
        str(row_y),
        _legend(curve, line.name),
    )


def _area(curve: Curve, scale: _Scale, last: float) -> str:
    low = scale.steps(curve.start, [(one.days, one.low) for one in curve.steps], last)
    high = scale.steps(curve.start, [(one.days, one.high) for one in curve.steps], last)
    return _path([*low, *reversed(high)]) + "Z"


def _mark(x: float, y: float) -> str:
    return f"M{x:.1f} {y - 5:.1f}v10"


def _legend(curve: Curve, name: str) -> str:
    values = {"name": name, "n": len(curve.days), "events": curve.events}
    text = _("%(name)s: %(events)s events of %(n)s") % values
    if curve.start == 0:
        return text
    return text + _("; median %(median)s months") % {"median": median_in_words(curve)}


def _description(plot: Plot) -> str:
    """The whole picture in words, for whoever does not see it."""
    ends = (
        _("%(legend)s; at the end %(share)s %%.") % {"legend": _legend(one.curve, one.name), "share": _end(one.curve)}
        for one in plot.lines
    )
    return joined((_("Steps over months since Day 0."), *ends))


def _end(curve: Curve) -> str:
    return percent(curve.steps[-1].estimate if curve.steps else curve.start)
