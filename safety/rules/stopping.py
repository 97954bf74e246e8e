"""The watch on the stopping rule: how sure we are that too many participants are harmed.

The rate of the watched events has a Beta prior; each participant who was watched to the end is an event or none, so
that after k events in n participants the rate is Beta(a + k, b + n - k) (Thall and Simon, Biometrics 1994;50:337: a
Bayesian rule for a single arm). The rule stops when the posterior probability that the rate lies above the limit is
larger than the study's threshold. All numbers come from the study file.

Nothing is simulated: the regularised incomplete beta function is an exact sum for whole parameters, and the continued
fraction of Numerical Recipes, third edition, section 6.4, for others.
"""

import datetime as dt
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

TINY, PRECISION, MOST_STEPS = 1e-300, 1e-15, 10_000


@dataclass(frozen=True)
class Rule:
    """A Beta prior worth so many events and so many participants without one; the limit of the rate; how sure one must
    be that it is exceeded; from how many participants on the rule speaks at all."""

    prior_events: Decimal
    prior_without: Decimal
    limit: Decimal
    probability: Decimal
    from_treated: int


@dataclass(frozen=True)
class Watched:
    """One participant who counts: since which day, and whether as an event."""

    on: dt.date
    key: int
    is_event: bool


@dataclass(frozen=True)
class Point:
    """How things stood once this participant counted; `is_crossing`: the rule said stop, and had not just before."""

    on: dt.date
    key: int
    treated: int
    events: int
    probability: float
    is_crossed: bool
    is_crossing: bool


@dataclass(frozen=True)
class Characteristics:
    """What the rule does if the rate is truly this: how likely it stops before all are treated, after how many."""

    rate: Decimal
    stops: float
    mean_treated: float
    mean_events: float


# --- the incomplete beta function --------------------------------------------------------------------


def beta_below(x: Decimal, a: Decimal, b: Decimal) -> float:
    """The probability that a Beta(a, b) variable is at most x: the regularised incomplete beta function I_x(a, b).

    Raises ValueError for parameters that are not above 0, and for x outside 0 to 1.
    """
    if a <= 0 or b <= 0 or not 0 <= x <= 1:
        raise ValueError(f"I_x(a, b) needs a, b > 0 and 0 <= x <= 1, not x={x}, a={a}, b={b}")
    if a == int(a) and b == int(b):
        return float(_exact(Fraction(x), int(a), int(b)))
    return _by_fraction(float(x), float(a), float(b))


def _exact(x: Fraction, a: int, b: int) -> Fraction:
    """As the binomial tail: at least a successes in a + b - 1 trials."""
    n = a + b - 1
    return sum((math.comb(n, j) * x**j * (1 - x) ** (n - j) for j in range(a, n + 1)), Fraction(0))


def _by_fraction(x: float, a: float, b: float) -> float:
    if x in (0.0, 1.0):
        return x
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x),
    )
    # On this side the fraction converges fast; the other side is its mirror.
    if x < (a + 1) / (a + b + 2):
        return front * _continued(x, a, b) / a
    return 1 - front * _continued(1 - x, b, a) / b


def _continued(x: float, a: float, b: float) -> float:
    """Lentz's method."""
    c, d = 1.0, 1 / _away_from_zero(1 - (a + b) * x / (a + 1))
    found = d
    for m in range(1, MOST_STEPS):
        for part in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / _away_from_zero(1 + part * d)
            c = _away_from_zero(1 + part / c)
            found *= d * c
        if abs(d * c - 1) < PRECISION:
            return found
    raise ArithmeticError(f"the incomplete beta function did not settle for x={x}, a={a}, b={b}")


def _away_from_zero(value: float) -> float:
    return value if abs(value) > TINY else TINY


# --- the rule ----------------------------------------------------------------------------------------


def probability_above(rule: Rule, *, events: int, treated: int) -> float:
    """The posterior probability that the rate lies above the limit. Raises ValueError for more events than treated."""
    if not 0 <= events <= treated:
        raise ValueError(f"{events} events in {treated} participants")
    # The other tail, so that a small probability is not the difference of two large ones.
    return beta_below(1 - rule.limit, rule.prior_without + treated - events, rule.prior_events + events)


def says_stop(rule: Rule, *, events: int, treated: int) -> bool:
    if treated < rule.from_treated:
        return False
    return probability_above(rule, events=events, treated=treated) > float(rule.probability)


def stop_from(rule: Rule, treated: int) -> int | None:
    """The smallest number of events among so many at which the rule says stop; None where no number does."""
    return next((k for k in range(treated + 1) if says_stop(rule, events=k, treated=treated)), None)


def bounds(rule: Rule, *, upto: int) -> tuple[tuple[int, int | None], ...]:
    """For each number of treated participants: stop from so many events."""
    return tuple((n, stop_from(rule, n)) for n in range(1, upto + 1))


def path(rule: Rule, watched: Iterable[Watched]) -> tuple[Point, ...]:
    """How things stood after each participant who counts, in the order in which they came to count."""
    points: list[Point] = []
    events = 0
    for treated, one in enumerate(sorted(watched, key=lambda one: (one.on, one.key)), start=1):
        events += one.is_event
        is_crossed = says_stop(rule, events=events, treated=treated)
        is_crossing = is_crossed and not (points and points[-1].is_crossed)
        found = probability_above(rule, events=events, treated=treated)
        points.append(Point(one.on, one.key, treated, events, found, is_crossed, is_crossing))
    return tuple(points)


def counted(
    key: int, *, infused_on: dt.date, event_on: dt.date | None, window_days: int, today: dt.date
) -> Watched | None:
    """How a participant counts; None while the window is open and nothing has happened: nobody is safe before that.

    An event counts from its own day, up to the last day of the window, `window_days` after the infusion.
    """
    closes_on = infused_on + dt.timedelta(days=window_days)
    if event_on is not None and infused_on <= event_on <= closes_on:
        return Watched(event_on, key, True)
    return Watched(closes_on, key, False) if closes_on < today else None


# --- what the rule does in the long run --------------------------------------------------------------


def characteristics(rule: Rule, rate: Decimal, *, upto: int) -> Characteristics:
    """Exact, over all courses of the study: after each participant the rule is asked, and the study ends when it says
    stop or when so many were treated."""
    return _characteristics(dict(bounds(rule, upto=upto)), rate, upto)


def table(rule: Rule, rates: Sequence[Decimal], *, upto: int) -> tuple[Characteristics, ...]:
    limits = dict(bounds(rule, upto=upto))
    return tuple(_characteristics(limits, rate, upto) for rate in rates)


def _characteristics(limits: dict[int, int | None], rate: Decimal, upto: int) -> Characteristics:
    p, going = float(rate), {0: 1.0}
    stops = mean_treated = mean_events = 0.0
    for treated in range(1, upto + 1):
        going = _one_more(going, p)
        limit = limits[treated]
        stopped = {k: share for k, share in going.items() if limit is not None and k >= limit}
        stops += sum(stopped.values())
        ended = going if treated == upto else stopped
        mean_treated += treated * sum(ended.values())
        mean_events += sum(k * share for k, share in ended.items())
        going = {k: share for k, share in going.items() if k not in stopped}
    return Characteristics(rate, stops, mean_treated, mean_events)


def _one_more(going: dict[int, float], p: float) -> dict[int, float]:
    """The shares of the courses that go on, by their number of events, after one more participant."""
    found: dict[int, float] = {}
    for k, share in going.items():
        found[k] = found.get(k, 0.0) + share * (1 - p)
        found[k + 1] = found.get(k + 1, 0.0) + share * p
    return found
