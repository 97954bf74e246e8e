"""What is known of the trial, as the rows of the trial design take it: pure, in English, from the study file."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PlannedVisit:
    """A line of the schedule. Days count from the infusion, Day 0; `number` is VISITNUM."""

    code: str
    number: int
    name: str
    day: int
    opens: int
    closes: int
    follows_infusion: bool
    phase: str


@dataclass(frozen=True)
class Rule:
    """A criterion, or a lettered part of one."""

    code: str
    text: str
    is_inclusion: bool
    version: str


@dataclass(frozen=True)
class Trial:
    study_id: str
    org_study_id: str
    title: str
    sponsor: str
    indication: str
    phase: str
    enrolment_target: int
    starts_on: str
    ends_on: str
    cut_off: str
    minimum_age: int
    maximum_age: int
    sex: str
    healthy: bool
    masking: str
    intervention_model: str
    arm_code: str
    arm: str
    country: str
    dose_e8: str
    stopping: str
    drugs: dict[str, str]
    visits: tuple[PlannedVisit, ...]
    rules: tuple[Rule, ...]

    @property
    def by_code(self) -> dict[str, PlannedVisit]:
        return {one.code: one for one in self.visits}

    def rule(self, code: str) -> Rule | None:
        return next((one for one in self.rules if one.code == code), None)
