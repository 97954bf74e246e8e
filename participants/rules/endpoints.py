"""Time to an event: overall, relapse-free and event-free survival, their curves, and relapse against death.

Sources of the endpoints: OS from the infusion to death, else censored when last known alive (NCT03919240); RFS from the
infusion, as all are enrolled in remission, to relapse or death, else censored at the last adequate assessment of the
disease; ELIANA reported it both with and without censoring at later therapy (JCO 2023); EFS as RFS, and a treatment
failure is an event, dated at the origin [M]; CNCT19 (NCT04684147) also counts new anti-tumour treatment as one.

Sources of the estimates: Kaplan and Meier 1958 (product limit); Greenwood 1926 (variance); Kalbfleisch and Prentice
1980 (limits on the log-log scale); Brookmeyer and Crowley 1982 (limits of the median); Aalen and Johansen 1978
(cumulative incidence with a competing event), its variance and limits by the delta method as in Collett, Modelling
Survival Data in Medical Research, 3rd ed., and SAS/STAT PROC LIFETEST, after Marubini and Valsecchi 1995.
"""

import datetime as dt
import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from statistics import NormalDist


class Endpoint(StrEnum):
    OS = "OS"
    RFS = "RFS"
    EFS = "EFS"


class Subsequent(StrEnum):
    """What a later therapy of the leukaemia does to RFS and EFS, transplantation among them."""

    CENSOR = "censor"
    IGNORE = "ignore"
    EVENT = "event"


class Cause(StrEnum):
    """Why a time ends."""

    RELAPSE = "relapse"
    DEATH = "death"
    FAILURE = "failure"
    THERAPY = "therapy"
    # Censored.
    ASSESSED = "assessed"
    ALIVE = "alive"
    LOST = "lost"


@dataclass(frozen=True)
class Course:
    """What became of one participant, as far as it is known.

    `assessed_on`: days of adequate assessments of the disease. `therapies_on`: first days of later therapies of the
    leukaemia, transplantation among them. `has_failed`: the remission that the treatment should bring did not come.
    """

    origin: dt.date
    relapsed_on: dt.date | None = None
    died_on: dt.date | None = None
    last_alive_on: dt.date | None = None
    lost_on: dt.date | None = None
    assessed_on: tuple[dt.date, ...] = ()
    therapies_on: tuple[dt.date, ...] = ()
    has_failed: bool = False


@dataclass(frozen=True)
class Outcome:
    """An event or a censoring, its day, and the days from the origin."""

    is_event: bool
    on: dt.date
    cause: Cause
    days: int


def outcome(course: Course, endpoint: Endpoint, subsequent: Subsequent = Subsequent.CENSOR) -> Outcome:
    """When and how the time of this endpoint ends.

    Of a relapse, a death and a later therapy the first decides; on one day the relapse or death comes first, for the
    therapy followed from it. Later therapy changes nothing of OS.
    """
    if endpoint is Endpoint.OS:
        return _overall(course)
    if endpoint is Endpoint.EFS and course.has_failed:
        return _ended(course, course.origin, Cause.FAILURE, is_event=True)
    therapy = min((on for on in course.therapies_on if on >= course.origin), default=None)
    events = [(course.relapsed_on, Cause.RELAPSE), (course.died_on, Cause.DEATH)]
    if subsequent is Subsequent.EVENT:
        events.append((therapy, Cause.THERAPY))
    first = min(((on, cause) for on, cause in events if on is not None), key=lambda one: one[0], default=None)
    if subsequent is Subsequent.CENSOR and therapy is not None and (first is None or therapy < first[0]):
        return _censored_before(course, therapy)
    if first is not None:
        return _ended(course, *first, is_event=True)
    return _ended(course, _last_assessed(course), Cause.ASSESSED, is_event=False)


def _overall(course: Course) -> Outcome:
    if course.died_on is not None:
        return _ended(course, course.died_on, Cause.DEATH, is_event=True)
    alive = [on for on in (course.last_alive_on, course.relapsed_on, *course.assessed_on) if on is not None]
    last = max((*alive, *course.therapies_on), default=None)
    if course.lost_on is not None and (last is None or last <= course.lost_on):
        return _ended(course, last or course.lost_on, Cause.LOST, is_event=False)
    return _ended(course, last or course.origin, Cause.ALIVE, is_event=False)


def _censored_before(course: Course, therapy: dt.date) -> Outcome:
    """At the last assessment up to the therapy; at the therapy itself where none is on record."""
    before = [on for on in course.assessed_on if course.origin <= on <= therapy]
    return _ended(course, max(before, default=therapy), Cause.THERAPY, is_event=False)


def _last_assessed(course: Course) -> dt.date:
    return max((on for on in course.assessed_on if on >= course.origin), default=course.origin)


def _ended(course: Course, on: dt.date, cause: Cause, *, is_event: bool) -> Outcome:
    """Never before the origin: nobody has a negative time."""
    on = max(on, course.origin)
    return Outcome(is_event, on, cause, (on - course.origin).days)


# --- The product-limit estimate -----------------------------------------------------------------------


@dataclass(frozen=True)
class Time:
    """How long one participant was followed, and whether that ended with the event; `cause` tells competing ones."""

    days: float
    is_event: bool
    cause: str = ""


@dataclass(frozen=True)
class Step:
    """A time at which somebody had the event or was censored, and the estimate from there on with its limits."""

    days: float
    at_risk: int
    events: int
    censored: int
    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class Curve:
    """A step function that begins at `start`; the limits are of the confidence `level`."""

    steps: tuple[Step, ...]
    days: tuple[float, ...]
    start: float
    level: float

    def at(self, day: float) -> float:
        """The estimate on a day; it changes on the day of an event."""
        place = bisect_right([step.days for step in self.steps], day)
        return self.steps[place - 1].estimate if place else self.start

    def at_risk(self, day: float) -> int:
        """How many are still followed just before that day's end: who leaves on the day itself is counted."""
        return len(self.days) - bisect_left(self.days, day)

    @property
    def events(self) -> int:
        return sum(step.events for step in self.steps)

    @property
    def median(self) -> float | None:
        """The first day on which the estimate is a half or less; None where it is not reached."""
        return _first_below(self.steps, lambda step: step.estimate)

    @property
    def median_limits(self) -> tuple[float | None, float | None]:
        """Brookmeyer and Crowley: the days on which the limits of the curve pass a half."""
        low, high = _first_below(self.steps, lambda s: s.low), _first_below(self.steps, lambda s: s.high)
        return low, high


HALF = 0.5
# What products of many fractions lose: a half is a half.
ROUNDING = 1e-12


def _first_below(steps: Sequence[Step], value: Callable[[Step], float]) -> float | None:
    return next((step.days for step in steps if value(step) <= HALF + ROUNDING), None)


def kaplan_meier(times: Iterable[Time], *, level: float = 0.95) -> Curve:
    """The share without the event. On one day events come before censorings, who are at risk on it still.

    >>> curve = kaplan_meier([Time(6, True), Time(6, False), Time(7, True), Time(9, False)])
    >>> [(step.days, step.at_risk, round(step.estimate, 3)) for step in curve.steps], curve.median
    ([(6, 4, 0.75), (7, 2, 0.375), (9, 1, 0.375)], 7)
    """
    ordered = sorted(times, key=lambda one: one.days)
    z, survival, spread, steps = _z(level), 1.0, 0.0, []
    at_risk = len(ordered)
    for days, group in groupby(ordered, key=lambda one: one.days):
        here = list(group)
        events = sum(one.is_event for one in here)
        survival *= 1 - events / at_risk
        spread += events / (at_risk * (at_risk - events)) if events < at_risk else math.inf if events else 0.0
        low, high = _log_log(survival, spread, z)
        steps.append(Step(days, at_risk, events, len(here) - events, survival, low, high))
        at_risk -= len(here)
    return Curve(tuple(steps), tuple(one.days for one in ordered), 1.0, level)


def _z(level: float) -> float:
    return NormalDist().inv_cdf(0.5 + level / 2)


def _log_log(survival: float, spread: float, z: float) -> tuple[float, float]:
    """Limits that stay between 0 and 1; `spread` is Greenwood's sum. At 1 nothing has happened, at 0 all has."""
    if survival >= 1 or survival <= 0:
        return survival, survival
    half = z * math.sqrt(spread) / math.log(survival)
    inner = math.log(-math.log(survival))
    return math.exp(-math.exp(inner - half)), math.exp(-math.exp(inner + half))


# --- One event against another ------------------------------------------------------------------------


def cumulative_incidence(times: Iterable[Time], cause: str, *, level: float = 0.95) -> Curve:
    """The share that had this event first, where another (death) makes it impossible; by Aalen and Johansen.

    The competing event is no censoring: one minus Kaplan-Meier would count those who died as if they could relapse.

    >>> curve = cumulative_incidence([Time(5, True, "relapse"), Time(8, True, "death"), Time(9, False)], "relapse")
    >>> round(curve.at(9), 3)
    0.333
    """
    ordered = sorted(times, key=lambda one: one.days)
    groups = [(days, list(group)) for days, group in groupby(ordered, key=lambda one: one.days)]
    points = _incidence(groups, cause, len(ordered))
    z = _z(level)
    steps = [
        Step(
            point.days,
            point.at_risk,
            point.own,
            point.censored,
            point.incidence,
            *_incidence_limits(point.incidence, _variance(points[: number + 1]), z),
        )
        for number, point in enumerate(points)
    ]
    return Curve(tuple(steps), tuple(one.days for one in ordered), 0.0, level)


@dataclass(frozen=True)
class _Point:
    days: float
    at_risk: int
    all_events: int
    own: int
    censored: int
    before: float  # free of any event just before
    incidence: float


def _incidence(groups: Sequence[tuple[float, list[Time]]], cause: str, at_risk: int) -> list[_Point]:
    free, incidence, points = 1.0, 0.0, []
    for days, here in groups:
        events = sum(one.is_event for one in here)
        own = sum(one.is_event and one.cause == cause for one in here)
        incidence += free * own / at_risk
        points.append(_Point(days, at_risk, events, own, len(here) - events, free, incidence))
        free *= 1 - events / at_risk
        at_risk -= len(here)
    return points


def _variance(points: Sequence[_Point]) -> float:
    """By the delta method (Marubini and Valsecchi 1995, 10.12), at the last of the points."""
    last, total = points[-1].incidence, 0.0
    for point in points:
        n, d, own = point.at_risk, point.all_events, point.own
        ahead = last - point.incidence
        if d and n > d:
            total += ahead**2 * d / (n * (n - d))
        total += point.before**2 * own * (n - own) / n**3
        total -= 2 * ahead * point.before * own / n**2
    return max(total, 0.0)


# The log of about the largest number that there is.
FARTHEST = 700.0


def _incidence_limits(incidence: float, variance: float, z: float) -> tuple[float, float]:
    """On the log-log scale of the incidence itself, so that they stay between 0 and 1 (Collett, as SAS and lifelines).

    Where nothing or all has happened the scale has no value, and the estimate stands alone.
    """
    if incidence <= 0 or incidence >= 1:
        return incidence, incidence
    half = z * math.sqrt(variance) / (incidence * -math.log(incidence))
    inner = math.log(-math.log(incidence))
    # Beyond this the limit is 0 to the last digit, and the number that says so would be too large to hold.
    return math.exp(-math.exp(min(inner + half, FARTHEST))), math.exp(-math.exp(inner - half))
