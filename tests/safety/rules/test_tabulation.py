"""Tables of events: a participant counts once, at the highest grade; the whole population is the denominator."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safety.rules.tabulation import Event, by_class_and_term, count, percent

BLOOD, INFECTION = "Blood", "Infections"
EVENTS = [
    Event(1, BLOOD, "Anaemia", 2),
    Event(1, BLOOD, "Anaemia", 4),
    Event(2, BLOOD, "Anaemia", 3, is_serious=True),
    Event(2, BLOOD, "Neutropenia", 2),
    Event(3, INFECTION, "Sepsis", 5, is_serious=True),
    Event(4, "", "Odd", 1),
]
EVERYBODY = {1, 2, 3, 4, 5}

events = st.lists(
    st.builds(Event, st.integers(1, 6), st.sampled_from("AB"), st.sampled_from("xyz"), st.integers(1, 5), st.booleans())
)
populations = st.sets(st.integers(1, 6))


def test_once_for_each_term_at_the_highest_grade() -> None:
    found = {(line.soc, line.term): line.count for line in by_class_and_term(EVENTS, EVERYBODY)}
    anaemia = found[BLOOD, "Anaemia"]
    assert (anaemia.participants, anaemia.events, anaemia.by_grade) == (2, 3, (0, 0, 1, 1, 0))
    assert (anaemia.severe, anaemia.severe_events, anaemia.serious) == (2, 2, 1)
    of_class = found[BLOOD, ""]
    assert (of_class.participants, of_class.events, of_class.population) == (2, 4, 5)


def test_classes_by_name_terms_by_frequency_and_what_has_no_class_last() -> None:
    lines = [(line.soc, line.term) for line in by_class_and_term(EVENTS, EVERYBODY)]
    assert lines == [
        (BLOOD, ""),
        (BLOOD, "Anaemia"),
        (BLOOD, "Neutropenia"),
        (INFECTION, ""),
        (INFECTION, "Sepsis"),
        ("", ""),
        ("", "Odd"),
    ]


def test_others_than_the_population_are_left_out() -> None:
    assert [line.soc for line in by_class_and_term(EVENTS, {3, 5})] == [INFECTION, INFECTION]
    assert count(EVENTS, set()).participants == 0


@pytest.mark.parametrize(
    ("part", "whole", "words"),
    [(1, 3, "33.3"), (2, 3, "66.7"), (1, 16, "6.3"), (0, 5, "0.0"), (5, 5, "100.0"), (0, 0, "")],
)
def test_a_share_has_one_decimal(part: int, whole: int, words: str) -> None:
    assert percent(part, whole) == words


@given(events, populations)
def test_a_class_holds_its_terms(rows: Sequence[Event], population: set[int]) -> None:
    lines = by_class_and_term(rows, population)
    for whole in (line for line in lines if not line.term):
        parts = [line.count for line in lines if line.soc == whole.soc and line.term]
        assert sum(part.events for part in parts) == whole.count.events
        most, total = max(part.participants for part in parts), sum(part.participants for part in parts)
        assert most <= whole.count.participants <= min(total, len(population))
        assert whole.count.severe <= whole.count.participants <= whole.count.events


@given(events, populations)
def test_a_worse_grade_never_counts_less(rows: Sequence[Event], population: set[int]) -> None:
    worse = [Event(one.participant, one.soc, one.term, 5, one.is_serious) for one in rows]
    assert count(worse, population).severe >= count(rows, population).severe
    assert count(worse, population).participants == count(rows, population).participants
