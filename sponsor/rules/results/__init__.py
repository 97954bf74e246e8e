"""The published results of a study in the form of the registry: flow, baseline, outcomes, adverse events.

Source: the results section of ClinicalTrials.gov as its programming interface returns it (the record NCT05594173 shows
the shape, a study of one arm). In flow, baseline and outcomes numbers are texts, in the adverse events they are
numbers. What that record lacks is recalled [M]: `preAssignmentDetails`, `dispersionType` "95% Confidence Interval",
`reportingStatus` NOT_POSTED, `seriousEvents`, `sourceVocabulary`, `moreInfoModule.limitationsAndCaveats`.

The texts are English: they are the registry's, not the reader's. Nothing is rounded before it is compared.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sponsor.rules.results import baseline, events, flow, outcomes
from sponsor.rules.results.model import Arm, Json

# Counts of so few persons can tell who they were, beside other knowledge.
SMALL = range(1, 5)
COUNTED = frozenset({"numSubjects", "numAffected", "deathsNumAffected", "seriousNumAffected", "otherNumAffected"})


@dataclass(frozen=True)
class Facts:
    """All that the results are made from; `caveats` is what a reader must know of them."""

    arm: Arm
    flow: flow.Screened
    people: tuple[baseline.Person, ...]
    outcomes: tuple[outcomes.Outcome, ...]
    safety: events.Safety
    caveats: str


def section(facts: Facts) -> Json:
    """The `resultsSection`."""
    return {
        "participantFlowModule": flow.module(facts.arm, facts.flow),
        "baselineCharacteristicsModule": baseline.module(facts.arm, facts.people),
        "outcomeMeasuresModule": {"outcomeMeasures": [outcomes.measure(facts.arm, one) for one in facts.outcomes]},
        "adverseEventsModule": events.module(facts.arm, facts.safety),
        "moreInfoModule": {"limitationsAndCaveats": {"description": facts.caveats}},
    }


def is_small(count: int) -> bool:
    return count in SMALL


def small_counts(part: Any) -> int:
    """How many counts of persons in this part of the section are from 1 to 4."""
    return sum(is_small(count) for count in _counts(part))


def _counts(part: Any) -> Iterator[int]:
    if isinstance(part, list):
        for one in part:
            yield from _counts(one)
    elif isinstance(part, dict):
        yield from (int(value) for name, value in part.items() if name in COUNTED)
        if part.get("paramType") == "COUNT_OF_PARTICIPANTS":
            yield from _values(part.get("classes", []))
        for value in part.values():
            yield from _counts(value)


def _values(classes: list[Json]) -> Iterator[int]:
    for one in classes:
        for category in one["categories"]:
            yield from (int(measured["value"]) for measured in category["measurements"])
