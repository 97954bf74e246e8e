"""Adverse events: all-cause mortality, all serious events, and of the others those above the threshold.

Source: the results section of ClinicalTrials.gov, adverse events. A participant counts once for a term, the events
beside them; one person can stand in both tables. The threshold is decided by `registry.is_listed`, of exact numbers.
Who had an "other" event is told of those that are listed [M].
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from sponsor.rules.registry import is_listed
from sponsor.rules.results.model import Arm, Json, group

GROUP = "EG000"


@dataclass(frozen=True)
class Event:
    """One event: whose, under which class and term of which vocabulary it counts, and whether it was serious."""

    participant: int
    soc: str
    term: str
    is_serious: bool


@dataclass(frozen=True)
class Safety:
    """`at_risk` are all who were treated; of events and deaths of others nothing is told."""

    at_risk: frozenset[int]
    died: frozenset[int]
    events: tuple[Event, ...]
    threshold: Decimal
    vocabulary: str
    time_frame: str
    description: str


@dataclass(frozen=True)
class Row:
    """A line of a table: how many events, of how many participants, of how many at risk."""

    soc: str
    term: str
    events: int
    affected: frozenset[int]
    at_risk: int


def rows(safety: Safety, *, serious: bool) -> list[Row]:
    """The table of serious events, or of the others above the threshold, by class and term."""
    found: dict[tuple[str, str], list[int]] = {}
    for one in _counting(safety):
        if one.is_serious == serious:
            found.setdefault((one.soc, one.term), []).append(one.participant)
    whole = len(safety.at_risk)
    lines = [Row(*key, len(people), frozenset(people), whole) for key, people in sorted(found.items())]
    return [one for one in lines if serious or is_listed(len(one.affected), whole, safety.threshold)]


def _counting(safety: Safety) -> Iterable[Event]:
    return (one for one in safety.events if one.participant in safety.at_risk)


def _affected(lines: Iterable[Row]) -> int:
    return len(frozenset().union(*(one.affected for one in lines)))


def module(arm: Arm, safety: Safety) -> Json:
    whole = len(safety.at_risk)
    serious, other = rows(safety, serious=True), rows(safety, serious=False)
    counts = {
        "deathsNumAffected": len(safety.died & safety.at_risk),
        "deathsNumAtRisk": whole,
        "seriousNumAffected": _affected(serious),
        "seriousNumAtRisk": whole,
        "otherNumAffected": _affected(other),
        "otherNumAtRisk": whole,
    }
    return {
        "frequencyThreshold": f"{safety.threshold.normalize():f}",
        "timeFrame": safety.time_frame,
        "description": safety.description,
        "eventGroups": [group(GROUP, arm) | counts],
        "seriousEvents": [_as_json(one, safety.vocabulary) for one in serious],
        "otherEvents": [_as_json(one, safety.vocabulary) for one in other],
    }


def _as_json(row: Row, vocabulary: str) -> Json:
    stats = {
        "groupId": GROUP,
        "numEvents": row.events,
        "numAffected": len(row.affected),
        "numAtRisk": row.at_risk,
    }
    return {
        "term": row.term,
        "organSystem": row.soc,
        "sourceVocabulary": vocabulary,
        "assessmentType": "SYSTEMATIC_ASSESSMENT",
        "stats": [stats],
    }
