"""Tables of adverse events: participants and events by class, term and highest grade.

As tables of treatment-emergent events are made everywhere (ICH E3, section 12.2.2 and 14.3.1): a participant counts
once for each term, and once for each class, at the highest grade; the events themselves are counted beside it. The
denominator is the whole population, those without any event included.
"""

from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

GRADES = (1, 2, 3, 4, 5)
SEVERE = 3


@dataclass(frozen=True)
class Event:
    """One event: whose, its class and term as they are counted, its highest grade, and whether it was serious."""

    participant: int
    soc: str
    term: str
    grade: int
    is_serious: bool = False


@dataclass(frozen=True)
class Count:
    """Of `population` participants, how many had it, by their highest grade; and how many events they had."""

    population: int
    by_grade: tuple[int, ...]
    events: int
    severe_events: int
    serious: int

    @property
    def participants(self) -> int:
        return sum(self.by_grade)

    @property
    def severe(self) -> int:
        """Participants whose highest grade is 3 or more."""
        return sum(self.by_grade[SEVERE - 1 :])


@dataclass(frozen=True)
class Line:
    """A class (`term` empty), or a term in it."""

    soc: str
    term: str
    count: Count


def percent(part: int, whole: int) -> str:
    """One decimal, a half rounded up; empty where there is nobody: 0 of 0 is no share."""
    if not whole:
        return ""
    return str((Decimal(100) * part / whole).quantize(Decimal("0.1"), ROUND_HALF_UP))


def count(events: Iterable[Event], population: Set[int]) -> Count:
    """Events of others than the population are left out."""
    ours = [one for one in events if one.participant in population]
    highest: dict[int, int] = {}
    for one in ours:
        highest[one.participant] = max(one.grade, highest.get(one.participant, 0))
    return Count(
        population=len(population),
        by_grade=tuple(sum(grade == found for found in highest.values()) for grade in GRADES),
        events=len(ours),
        severe_events=sum(one.grade >= SEVERE for one in ours),
        serious=len({one.participant for one in ours if one.is_serious}),
    )


def by_class_and_term(events: Iterable[Event], population: Set[int]) -> tuple[Line, ...]:
    """Each class followed by its terms; classes by name, terms by how many participants had them, most first.

    What has no class stands last.
    """
    ours = [one for one in events if one.participant in population]
    lines: list[Line] = []
    for soc, of_class in sorted(_grouped(ours, lambda one: one.soc).items(), key=lambda pair: (not pair[0], pair[0])):
        lines.append(Line(soc, "", count(of_class, population)))
        terms = (Line(soc, term, count(found, population)) for term, found in _by_term(of_class).items())
        lines += sorted(terms, key=lambda line: (-line.count.participants, -line.count.events, line.term))
    return tuple(lines)


def _by_term(events: Iterable[Event]) -> dict[str, list[Event]]:
    return _grouped(events, lambda one: one.term)


def _grouped(events: Iterable[Event], key: Callable[[Event], str]) -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = {}
    for one in events:
        found.setdefault(key(one), []).append(one)
    return found
