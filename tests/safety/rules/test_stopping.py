"""The stopping rule: its probabilities against known values, its laws, and what it does in the long run."""

import datetime as dt
import math
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safety.rules import stopping
from safety.rules.stopping import (
    Rule,
    Watched,
    beta_below,
    bounds,
    characteristics,
    counted,
    path,
    probability_above,
    says_stop,
    stop_from,
)

D = Decimal
RULE = Rule(D("0.6"), D("1.4"), D("0.30"), D("0.90"), 3)
DAY0 = dt.date(2026, 3, 1)
DAY = dt.timedelta(days=1)

parameters = st.decimals("0.1", "60", places=2)
shares = st.decimals("0.01", "0.99", places=2)
rules = st.builds(
    Rule,
    st.decimals("0.1", "5", places=1),
    st.decimals("0.1", "5", places=1),
    st.decimals("0.05", "0.8", places=2),
    st.decimals("0.5", "0.99", places=2),
    st.integers(1, 10),
)
counts = st.integers(0, 40).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


# --- the incomplete beta function --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "a", "b", "known"),
    [
        # Uniform; symmetric; powers; the arcsine law.
        ("0.25", "1", "1", 0.25),
        ("0.5", "7", "7", 0.5),
        ("0.3", "4", "1", 0.3**4),
        ("0.3", "1", "4", 1 - 0.7**4),
        ("0.3", "0.5", "0.5", 2 / math.pi * math.asin(math.sqrt(0.3))),
        # Abramowitz and Stegun, 26.5: the binomial tail, P(X >= 3), X ~ B(10, 0.2).
        ("0.2", "3", "8", 0.3222004736),
        # SciPy 1.x, scipy.special.betainc.
        ("0.3", "2.6", "5.4", 0.47660071025306444),
        ("0.25", "0.5", "30.5", 0.9999698573478812),
        ("0.3", "10.6", "21.4", 0.3682172930752189),
        ("0.5", "1.2", "0.8", 0.36326318596542945),
        ("0.3", "6.6", "9.4", 0.18164302885990868),
    ],
)
def test_known_values(x: str, a: str, b: str, known: float) -> None:
    assert beta_below(D(x), D(a), D(b)) == pytest.approx(known, rel=1e-12)


@given(shares, st.integers(1, 40), st.integers(1, 40))
def test_the_fraction_agrees_with_the_exact_sum(x: Decimal, a: int, b: int) -> None:
    exact = beta_below(x, D(a), D(b))
    assert stopping._by_fraction(float(x), float(a), float(b)) == pytest.approx(exact, abs=1e-12)


@given(shares, parameters, parameters)
def test_the_two_tails_make_one(x: Decimal, a: Decimal, b: Decimal) -> None:
    assert beta_below(x, a, b) + beta_below(1 - x, b, a) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("a", ["1", "1.5"])
def test_its_ends(a: str) -> None:
    assert (beta_below(D(0), D(a), D(2)), beta_below(D(1), D(a), D(2))) == (0, 1)


@pytest.mark.parametrize(("x", "a", "b"), [("-0.1", "1", "1"), ("1.1", "1", "1"), ("0.5", "0", "1"), ("0.5", "1", "0")])
def test_what_it_does_not_take(x: str, a: str, b: str) -> None:
    with pytest.raises(ValueError, match="needs"):
        beta_below(D(x), D(a), D(b))


# --- the rule ----------------------------------------------------------------------------------------


@given(rules, counts)
def test_more_events_are_never_better_and_more_treated_without_one_never_worse(
    rule: Rule, count: tuple[int, int]
) -> None:
    k, n = count
    here = probability_above(rule, events=k, treated=n)
    assert 0 <= here <= 1
    assert probability_above(rule, events=k + 1, treated=n + 1) >= here - 1e-12
    assert probability_above(rule, events=k, treated=n + 1) <= here + 1e-12
    if k < n:
        assert probability_above(rule, events=k + 1, treated=n) >= here - 1e-12


@given(rules)
@settings(max_examples=20)
def test_it_says_stop_from_its_bound_on_and_never_below(rule: Rule) -> None:
    for n, bound in bounds(rule, upto=12):
        stops = [says_stop(rule, events=k, treated=n) for k in range(n + 1)]
        assert stops == [bound is not None and k >= bound for k in range(n + 1)]


def test_its_table() -> None:
    found = dict(bounds(RULE, upto=30))
    assert (found[2], found[3], found[5], found[10], found[20], found[30]) == (None, 3, 4, 6, 9, 13)


def test_it_is_silent_before_enough_were_treated() -> None:
    assert stop_from(RULE, 2) is None
    assert stop_from(replace(RULE, from_treated=2), 2) == 2


def test_the_threshold_itself_does_not_stop() -> None:
    flat = Rule(D(1), D(1), D("0.5"), D("0.75"), 1)
    assert probability_above(flat, events=1, treated=1) == 0.75
    assert not says_stop(flat, events=1, treated=1)
    assert says_stop(replace(flat, probability=D("0.7499")), events=1, treated=1)


def test_more_events_than_participants_are_nonsense() -> None:
    with pytest.raises(ValueError, match="4 events in 3"):
        probability_above(RULE, events=4, treated=3)


# --- the course --------------------------------------------------------------------------------------


def watched(*are_events: int) -> list[Watched]:
    return [Watched(DAY0 + number * DAY, number, bool(one)) for number, one in enumerate(are_events, start=1)]


def test_each_crossing_is_told_once_and_again_after_it_was_over() -> None:
    points = path(RULE, watched(1, 1, 1, 1, 0, 0, 1, 1))
    assert [one.is_crossed for one in points] == [False, False, True, True, True, True, True, True]
    assert [one.key for one in points if one.is_crossing] == [3]
    over = path(RULE, watched(1, 1, 1, 0, 0, 0, 1, 1))
    assert [one.is_crossed for one in over] == [False, False, True, True, False, False, True, True]
    assert [one.key for one in over if one.is_crossing] == [3, 7]


def test_it_can_be_crossed_by_the_participant_who_completes_the_number() -> None:
    strict = replace(RULE, probability=D("0.70"))
    (point,) = [one for one in path(strict, watched(1, 1, 0)) if one.is_crossing]
    assert (point.key, point.events, point.treated) == (3, 2, 3)


@given(st.permutations(watched(1, 0, 1, 1, 0, 1)))
def test_the_order_of_entry_does_not_matter(rows: list[Watched]) -> None:
    assert path(RULE, rows) == path(RULE, sorted(rows, key=lambda one: one.on))


@pytest.mark.parametrize(
    ("event_day", "today", "expected"),
    [
        (3, 3, (3, True)),
        (None, 28, None),
        (None, 29, (28, False)),
        (28, 28, (28, True)),
        (29, 30, (28, False)),
        (-1, 10, None),
        (0, 0, (0, True)),
    ],
)
def test_who_counts(event_day: int | None, today: int, expected: tuple[int, bool] | None) -> None:
    found = counted(
        7,
        infused_on=DAY0,
        event_on=None if event_day is None else DAY0 + event_day * DAY,
        window_days=28,
        today=DAY0 + today * DAY,
    )
    assert found == (None if expected is None else Watched(DAY0 + expected[0] * DAY, 7, expected[1]))


# --- in the long run ---------------------------------------------------------------------------------


def test_the_characteristics_are_those_of_every_course() -> None:
    """Against all 2^8 courses of eight participants, one by one."""
    rate, upto = D("0.4"), 8
    stops = mean = events = 0.0
    for course in product((0, 1), repeat=upto):
        weight = math.prod(0.4 if one else 0.6 for one in course)
        at = next((n for n in range(1, upto + 1) if says_stop(RULE, events=sum(course[:n]), treated=n)), None)
        stops += weight * (at is not None)
        mean += weight * (at or upto)
        events += weight * sum(course[: at or upto])
    found = characteristics(RULE, rate, upto=upto)
    assert (found.stops, found.mean_treated, found.mean_events) == pytest.approx((stops, mean, events))


def test_a_higher_rate_stops_sooner() -> None:
    table = stopping.table(RULE, [D(rate) for rate in ("0", "0.1", "0.3", "0.5", "1")], upto=30)
    for lower, higher in pairwise(table):
        assert lower.stops < higher.stops
        assert lower.mean_treated > higher.mean_treated
    assert table[0].stops == 0
    assert (table[-1].stops, table[-1].mean_treated) == (1, 3)
