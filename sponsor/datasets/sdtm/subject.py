"""What is known of one participant, as the rows of the datasets take it.

All dates are texts of ISO 8601, moved already where the agreement says so: days, perhaps known in part, and moments
as the clock at the site showed them (2026-03-05T09:30). Texts that people typed are "" where they do not leave.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal


@dataclass(frozen=True)
class Standing:
    """A line of the status history, in its order."""

    status: str
    on: str
    reason_code: str = ""
    criteria: tuple[str, ...] = ()


@dataclass(frozen=True)
class Seen:
    """A visit that was planned or took place; `state` as its row says."""

    code: str
    state: str
    on: str
    contact: str
    reason: str


@dataclass(frozen=True)
class Result:
    """One answer. `standard` and its limits are in the measure's own unit; `sign` is the bound before the number."""

    key: str
    code: str
    panel: str
    at: str
    value: Decimal | None
    sign: str
    unit: str
    standard: Decimal | None
    low: Decimal | None
    high: Decimal | None
    standard_low: Decimal | None
    standard_high: Decimal | None
    choice: str
    day: str
    is_not_done: bool
    reason: str
    laboratory: str
    is_fasting: bool | None


@dataclass(frozen=True)
class Assessment:
    """The leukaemia was looked for; `response` and `mrd` as judged, the investigator's view before the rule's."""

    key: str
    on: str
    response: str
    rule_response: str
    mrd: str
    mrd_method: str
    mrd_level: str
    mrd_sensitivity: str
    blasts: Decimal | None
    blasts_sign: str


@dataclass(frozen=True)
class Therapy:
    key: str
    kind: str
    name: str
    start: str
    end: str
    is_ongoing: bool
    reason: str


@dataclass(frozen=True)
class Contact:
    key: str
    on: str
    means: str
    vital: str
    alive_on: str
    died_on: str


@dataclass(frozen=True)
class Collection:
    """A leukapheresis."""

    key: str
    start: str
    end: str
    processed_ml: Decimal | None
    collected_ml: Decimal | None
    t_cells_e8: Decimal | None


@dataclass(frozen=True)
class Cells:
    """An infusion."""

    key: str
    start: str
    end: str
    lot: str
    dose_e8: Decimal
    volume_ml: Decimal | None
    band: str
    occasion: str
    interruptions: int


@dataclass(frozen=True)
class Dose:
    """A dose of the lymphodepletion that was given, or left out."""

    key: str
    drug: str
    at: str
    planned_on: str
    is_given: bool
    given_mg: Decimal | None
    planned_mg: Decimal
    mg_m2: Decimal
    bsa_m2: Decimal
    reason: str


@dataclass(frozen=True)
class Drug:
    """A medication."""

    key: str
    kind: str
    name: str
    dose: Decimal | None
    unit: str
    route: str
    start: str
    end: str
    is_ongoing: bool
    indication: str
    is_premedication: bool


@dataclass(frozen=True)
class Relation:
    agent: str
    investigator: str
    sponsor: str
    action: str


@dataclass(frozen=True)
class Event:
    """An adverse event. `pt_code` is "" where its coding is open. `number` is how the site calls it."""

    key: str
    number: str
    term: str
    start: str
    end: str
    grade: int
    ctcae_version: str
    ctcae_code: str
    ctcae_term: str
    meddra_version: str
    llt_code: str
    llt: str
    pt_code: str
    pt: str
    hlt_code: str
    hlt: str
    hlgt_code: str
    hlgt: str
    soc_code: str
    soc: str
    special_interest: str
    criteria: frozenset[str]
    outcome: str
    died_on: str
    cause_of_death: str
    autopsy: str
    pattern: str
    is_treated: bool
    relations: tuple[Relation, ...]
    grades: tuple[tuple[int, str], ...]
    drugs: tuple[str, ...]
    note: str

    @property
    def is_fatal(self) -> bool:
        return "results_in_death" in self.criteria


@dataclass(frozen=True)
class Graded:
    """A grade of CRS, ICANS, IEC-HS or ICAHT at one moment; `event` is the key of the event of its episode."""

    key: str
    toxicity: str
    scale: str
    at: str
    grade: int | None
    computed: int | None
    event: str


@dataclass(frozen=True)
class Ice:
    """What was asked for the ICE score: each point answered, right or wrong; None: not asked."""

    key: str
    at: str
    points: tuple[tuple[str, bool | None], ...]
    total: int | None
    performed: str
    reason: str


@dataclass(frozen=True)
class Vital:
    """A number that was read at the bedside."""

    key: str
    code: str
    at: str
    value: Decimal


@dataclass(frozen=True)
class Subject:
    key: int
    usubjid: str
    number: str
    participant_number: str
    site: str
    country: str
    sex: str
    age: int | None
    age_group: str
    protocol_version: str
    # Until when this participant is known: the day of the cut-off; where dates are moved, that of the last record.
    cut_off: str
    consents: tuple[str, ...]
    statuses: tuple[Standing, ...]
    visits: tuple[Seen, ...] = ()
    results: tuple[Result, ...] = ()
    assessments: tuple[Assessment, ...] = ()
    therapies: tuple[Therapy, ...] = ()
    contacts: tuple[Contact, ...] = ()
    collections: tuple[Collection, ...] = ()
    infusions: tuple[Cells, ...] = ()
    doses: tuple[Dose, ...] = ()
    drugs: tuple[Drug, ...] = ()
    events: tuple[Event, ...] = ()
    grades: tuple[Graded, ...] = ()
    ice: tuple[Ice, ...] = ()
    vitals: tuple[Vital, ...] = ()
    # Texts about the whole examination, visit or event: key of what they are about, and the text.
    remarks: tuple[tuple[str, str], ...] = field(default=())

    def last_record(self) -> str:
        """The last day on which anything is recorded, the cut-off at most."""
        days = (day[:10] for day in self._days() if len(day) >= 10)
        return max((day for day in days if day <= self.cut_off), default=self.cut_off)

    def _days(self) -> Iterator[str]:
        yield from self.consents
        for status in self.statuses:
            yield status.on
        for seen in self.visits:
            yield seen.on
        for contact in self.contacts:
            yield contact.on
        for assessment in self.assessments:
            yield assessment.on
        spans: tuple[Therapy | Collection | Cells | Drug | Event, ...]
        spans = (*self.therapies, *self.collections, *self.infusions, *self.drugs, *self.events)
        for span in spans:
            yield from (span.start, span.end)
        for event in self.events:
            yield from (since for _grade, since in event.grades)
        moments: tuple[Result | Graded | Ice | Vital | Dose, ...]
        moments = (*self.results, *self.grades, *self.ice, *self.vitals, *self.doses)
        for moment in moments:
            yield moment.at
