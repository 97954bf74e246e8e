"""The curve of the neutrophils over the days, with the runs that the ICAHT grades rest on."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from math import log10
from typing import Any

from django.utils.translation import gettext

from safety.bloodwords import day_in_words, run_in_words
from safety.rules import icaht
from safety.rules.icaht import Anc, Run


@dataclass(frozen=True)
class Dot:
    x: str
    y: str
    title: str
    is_interpolated: bool
    # A bound: an arrow from the dot to where the count may lie.
    arrows: tuple[str, ...] = ()


@dataclass(frozen=True)
class Line:
    """A straight line of the picture with its label; `kind` is a class of the picture's own style."""

    x1: str
    y1: str
    x2: str
    y2: str
    label: str
    kind: str = ""
    # Where the words begin, or end: beside a bar.
    text_x: str = ""
    is_left: bool = False


@dataclass(frozen=True)
class Curve:
    """A picture of counts over days: logarithmic, since 100 and 500 matter as much as 5000."""

    width: int
    height: int
    label_x: int
    description: str
    grid: list[Line]
    ticks: list[Line]
    segments: list[str]
    dots: list[Dot]
    bars: list[Line]


WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 290, 56, 12, 12, 74
LOWEST, HIGHEST = 10, 20_000
GRID = ((10, "faint"), (100, "limit"), (500, "limit"), (1000, "faint"), (10_000, "faint"))


def curve_of(days: Sequence[Anc], runs: Sequence[tuple[str, Run | None]]) -> Curve | None:
    """Days from 0 on, at most to Day 100; None without any. Runs are drawn as bars below, with their words."""
    shown = [day for day in days if 0 <= day.day <= icaht.LATE_DAYS[-1]]
    if not shown:
        return None
    last = icaht.EARLY_DAYS[-1] if shown[-1].day <= icaht.EARLY_DAYS[-1] else shown[-1].day

    def x(day: float) -> str:
        return f"{LEFT + (WIDTH - LEFT - RIGHT) * day / last:.1f}"

    return Curve(
        WIDTH,
        HEIGHT,
        LEFT - 6,
        gettext("Neutrophils per microlitre by trial day, Day %(first)s to Day %(last)s; the table has the numbers.")
        % {"first": shown[0].day, "last": shown[-1].day},
        [Line(x(0), _y(value), x(last), _y(value), str(value), kind) for value, kind in GRID],
        [Line(x(day), str(HEIGHT - BOTTOM), x(day), str(HEIGHT - BOTTOM + 5), f"D{day}") for day in _ticks(last)],
        _segments(shown, x),
        [Dot(x(day.day), _y(day.per_ul), day_in_words(day), day.is_interpolated, _arrows(day)) for day in shown],
        [_bar(label, run, x, number, last) for number, (label, run) in enumerate(runs) if run],
    )


# Relative to the dot: a shaft of 15 with its head.
DOWN, UP = "v 15 m -4 -5 l 4 5 l 4 -5", "v -15 m -4 5 l 4 -5 l 4 5"


def _arrows(day: Anc) -> tuple[str, ...]:
    """Where a bound points: below, above, or both ways on a day between two that point apart."""
    may_be_lower, may_be_higher = day.least < day.per_ul, day.most > day.per_ul
    return ((DOWN,) if may_be_lower else ()) + ((UP,) if may_be_higher else ())


def _y(value: Decimal | int) -> str:
    inside = min(max(float(value), LOWEST), HIGHEST)
    share = log10(inside / LOWEST) / log10(HIGHEST / LOWEST)
    return f"{HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * share:.1f}"


def _ticks(last: int) -> range:
    return range(0, last + 1, 5 if last <= icaht.EARLY_DAYS[-1] else 10)


def _segments(days: Sequence[Anc], x: Any) -> list[str]:
    """Where days have no value the line is broken."""
    parts: list[list[Anc]] = [[days[0]]]
    for one, other in pairwise(days):
        if other.day - one.day > 1:
            parts.append([])
        parts[-1].append(other)
    return [" ".join(f"{x(day.day)},{_y(day.per_ul)}" for day in part) for part in parts]


def _bar(label: str, run: Run, x: Any, number: int, last: int) -> Line:
    """Half a day to both sides, so that a single day can be seen; the words stand where there is room."""
    y = str(HEIGHT - BOTTOM + 34 + number * 22)
    first, end = max(run.first_day - 0.5, 0), min(run.last_day + 0.5, last)
    words = f"{label}: {run_in_words(run)}"
    is_left = first > last - end
    text_x = f"{float(x(first)) - 6:.1f}" if is_left else f"{float(x(end)) + 6:.1f}"
    return Line(x(first), y, x(end), y, words, label, text_x, is_left)
