"""Outcome measures: how many had it, or what share was free of it after so many months by the estimates of survival.

Source: the results section of ClinicalTrials.gov, outcome measures; estimates of `participants.rules.endpoints`. An
estimate is told for a time to which somebody was followed, or before which all had the event; else it is not posted.
"""

from dataclasses import dataclass

from participants.rules.endpoints import Curve, Time, cumulative_incidence, kaplan_meier
from sponsor.rules.results.model import Arm, Json, counted, denominators, group, measurement

GROUP = "OG000"


@dataclass(frozen=True)
class Asked:
    """As the study words it; `population` says who is counted."""

    is_primary: bool
    title: str
    description: str
    time_frame: str
    population: str


@dataclass(frozen=True)
class Counted:
    """`yes` of `of` had it; of the others of the population nobody can tell yet, or any more."""

    asked: Asked
    yes: int
    of: int
    not_evaluable: int = 0

    @property
    def is_estimable(self) -> bool:
        return self.of > 0

    @property
    def is_complete(self) -> bool:
        return self.is_estimable and not self.not_evaluable


@dataclass(frozen=True)
class TimeTo:
    """The share without the event on `day`; with `cause` the share that had this one first."""

    asked: Asked
    times: tuple[Time, ...]
    day: float
    cause: str = ""

    @property
    def curve(self) -> Curve:
        return cumulative_incidence(self.times, self.cause) if self.cause else kaplan_meier(self.times)

    @property
    def not_evaluable(self) -> int:
        """Without the event, and not followed so far."""
        return sum(not one.is_event and one.days < self.day for one in self.times)

    @property
    def is_estimable(self) -> bool:
        longest = max((one.days for one in self.times), default=0)
        return longest >= self.day or (bool(self.times) and all(one.is_event for one in self.times))

    @property
    def is_complete(self) -> bool:
        return self.is_estimable and not self.not_evaluable


Outcome = Counted | TimeTo


def measure(arm: Arm, one: Outcome) -> Json:
    asked = one.asked
    head = {
        "type": "PRIMARY" if asked.is_primary else "SECONDARY",
        "title": asked.title,
        "description": asked.description,
        "populationDescription": asked.population,
        "timeFrame": asked.time_frame,
    }
    if not one.is_estimable:
        return head | {"reportingStatus": "NOT_POSTED"}
    found = _counted(one) if isinstance(one, Counted) else _estimated(one)
    return head | {"reportingStatus": "POSTED", "groups": [group(GROUP, arm)]} | found


def _counted(one: Counted) -> Json:
    return {
        "paramType": "COUNT_OF_PARTICIPANTS",
        "unitOfMeasure": "Participants",
        "denoms": denominators(GROUP, one.of),
        "classes": counted(GROUP, [("", one.yes)]),
    }


def _estimated(one: TimeTo) -> Json:
    curve = one.curve
    step = next((step for step in reversed(curve.steps) if step.days <= one.day), None)
    shares = (step.estimate, step.low, step.high) if step else (curve.start,) * 3
    value, low, high = (f"{100 * share:.1f}" for share in shares)
    return {
        "paramType": "NUMBER",
        "dispersionType": "95% Confidence Interval",
        "unitOfMeasure": "percentage of participants",
        "denoms": denominators(GROUP, len(one.times)),
        "classes": [{"categories": [{"measurements": [measurement(GROUP, value, lowerLimit=low, upperLimit=high)]}]}],
    }
