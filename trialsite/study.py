"""The study as data: one TOML file for each protocol version, read once and checked whole.

A file with a mistake stops the start. `StudyFileError` lists every mistake at once, each with its file,
line, key, value and reason, so that one reading of the message is enough to repair the file.
"""

import datetime as dt
import inspect
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args, get_origin

from django.conf import settings
from django.utils.translation import get_language
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

STUDIES = Path(__file__).resolve().parent / "studies"


def mark(text: str) -> str:
    """Leaves the text as it is; the message extractor collects it, whoever shows it calls gettext."""
    return text


def _exact(value: object) -> object:
    """A TOML float is binary already, 0.6 no longer exactly 0.6: decimal numbers stand in quotes."""
    if not isinstance(value, str):
        # A ValueError becomes a mistake of the file; a TypeError would end the reading.
        raise ValueError("write the number in quotes, so that it stays exact")
    try:
        return Decimal(value)
    except InvalidOperation:
        raise ValueError("is not a decimal number") from None


Exact = Annotated[Decimal, BeforeValidator(_exact), Field(gt=0, allow_inf_nan=False)]
Words = Annotated[str, Field(min_length=1, pattern=r"\S")]
Code = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
Location = tuple[str | int, ...]


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


# --- The parts of a protocol version -----------------------------------------------------------


class Text(Part):
    """One text in both languages; `str()` gives the reader's."""

    en: Words
    zh: Words

    def __str__(self) -> str:
        return self.zh if (get_language() or "").startswith("zh") else self.en


class Site(Part):
    code: Annotated[str, Field(pattern=r"^[A-Z0-9]{2,10}$")]
    name: Text
    city: Text
    country: Annotated[str, Field(pattern=r"^[A-Z]{3}$", description="ISO 3166-1 alpha-3")]


class Design(Part):
    """Words of the registry, as the results report and the trial summary need them."""

    allocation: Words
    intervention_model: Words
    masking: Words
    primary_purpose: Words
    arm_code: Code
    arm: Text
    minimum_age_years: Annotated[int, Field(ge=0)]
    maximum_age_years: Annotated[int, Field(le=120)]
    sex: Literal["ALL", "FEMALE", "MALE"]
    healthy_volunteers: bool

    @model_validator(mode="after")
    def _ages_in_order(self) -> Self:
        if self.minimum_age_years > self.maximum_age_years:
            raise ValueError("minimum_age_years is above maximum_age_years")
        return self


class Window(Part):
    """From the first to the last day of the study, both included."""

    starts_on: dt.date
    ends_on: dt.date

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.starts_on > self.ends_on:
            raise ValueError(f"starts_on {self.starts_on} lies after ends_on {self.ends_on}")
        return self


class Recruitment(Part):
    """From the first to the last day on which somebody may be enrolled, both included."""

    opens_on: dt.date
    closes_on: dt.date

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.opens_on > self.closes_on:
            raise ValueError(f"opens_on {self.opens_on} lies after closes_on {self.closes_on}")
        return self


class ConsentVersion(Part):
    version: Words
    effective_on: dt.date


class Dose(Part):
    """A flat total, in 10⁸ viable CAR-T cells; every limit belongs to its range."""

    nominal_low_e8: Exact
    nominal_high_e8: Exact
    recommended_e8: Exact
    tolerance_low_e8: Exact
    tolerance_high_e8: Exact
    implausible_above_e8: Exact
    route: Text
    cell_source: Text

    @model_validator(mode="after")
    def _nested(self) -> Self:
        low, high = self.tolerance_low_e8, self.tolerance_high_e8
        if not low <= self.nominal_low_e8 <= self.nominal_high_e8 <= high:
            raise ValueError(
                f"the range {self.nominal_low_e8} to {self.nominal_high_e8} must lie inside the tolerance "
                f"{low} to {high}"
            )
        if not self.nominal_low_e8 <= self.recommended_e8 <= self.nominal_high_e8:
            raise ValueError(f"recommended_e8 {self.recommended_e8} lies outside the range")
        if self.implausible_above_e8 <= high:
            raise ValueError(f"implausible_above_e8 {self.implausible_above_e8} would refuse a dose in tolerance")
        return self


class Drug(Part):
    code: Code
    name: Text
    planned_mg_m2: Exact
    accepted_low_mg_m2: Exact
    accepted_high_mg_m2: Exact
    planned_doses: Annotated[int, Field(ge=1)]
    accepted_doses: tuple[Annotated[int, Field(ge=1)], ...]

    @model_validator(mode="after")
    def _plan_is_accepted(self) -> Self:
        if not self.accepted_low_mg_m2 <= self.planned_mg_m2 <= self.accepted_high_mg_m2:
            raise ValueError(
                f"planned_mg_m2 {self.planned_mg_m2} lies outside the accepted {self.accepted_low_mg_m2} to "
                f"{self.accepted_high_mg_m2}"
            )
        if self.planned_doses not in self.accepted_doses:
            raise ValueError(f"planned_doses {self.planned_doses} is not one of accepted_doses")
        return self


class Lymphodepletion(Part):
    """Days count from the infusion, Day 0; those before it are negative."""

    drugs: tuple[Drug, ...]
    planned_days: tuple[int, ...]
    earliest_day: Annotated[int, Field(lt=0)]
    last_day: Annotated[int, Field(lt=0)]
    clear_days_before_infusion: Annotated[int, Field(ge=0)]
    question_after_days: Annotated[int, Field(ge=1)]
    creatinine_clearance_warnings_ml_min: tuple[int, ...]

    @model_validator(mode="after")
    def _days_fit(self) -> Self:
        outside = [day for day in self.planned_days if not self.earliest_day <= day <= self.last_day]
        if outside:
            raise ValueError(f"planned day {outside[0]} lies outside {self.earliest_day} to {self.last_day}")
        if -self.last_day <= self.clear_days_before_infusion:
            raise ValueError(
                f"last_day {self.last_day} leaves fewer than {self.clear_days_before_infusion} clear days "
                "before the infusion"
            )
        return self


class ProhibitedMedication(Part):
    """A kind of medication that is not given within so many days before the infusion."""

    kind: Words
    days_before_infusion: Annotated[int, Field(ge=1)]
    text: Text


class Fitness(Part):
    """What is checked again before lymphodepletion and before the cells; every limit is still fit."""

    max_temperature_48h_c: Exact
    min_spo2_percent: Exact
    min_lvef_percent: Exact
    max_ecog: Annotated[int, Field(ge=0, le=4)]
    valid_hours: Annotated[int, Field(ge=1, le=168)]


class Bedside(Part):
    """What must be at hand, and who must have looked, before the cells are given."""

    tocilizumab_doses: Annotated[int, Field(ge=0, le=10)]
    identity_checkers: Annotated[int, Field(ge=2, le=4)]
    identity_valid_hours: Annotated[int, Field(ge=1, le=24)]


class Procedure(Part):
    code: Code
    name: Text


class ReminderStage(Part):
    """A reminder `offset_days` from its anchor, not worth sending after so many days more."""

    code: Code
    name: Text
    anchor: Literal["target", "window_closes"]
    offset_days: int
    lapses_after_days: Annotated[int, Field(ge=0)]
    min_window_days: Annotated[int, Field(ge=0)] = 0


Phase = Literal["screening", "treatment", "inpatient", "follow_up", "long_term"]


class Visit(Part):
    """A line of the schedule; days count from the infusion, Day 0."""

    code: Code
    name: Text
    phase: Phase
    follows_infusion: bool
    target_day: int
    window_open_day: int
    window_close_day: int
    procedures: tuple[str, ...]
    reminders: tuple[str, ...]

    @model_validator(mode="after")
    def _window_holds_target(self) -> Self:
        if not self.window_open_day <= self.target_day <= self.window_close_day:
            raise ValueError(
                f"{self.code}: the window from Day {self.window_open_day} to Day {self.window_close_day} must "
                f"hold the target, Day {self.target_day}"
            )
        if self.follows_infusion != (self.target_day > 0):
            raise ValueError(f"{self.code}: follows_infusion is true for days after Day 0, and only for those")
        if self.reminders and not self.follows_infusion:
            raise ValueError(f"{self.code}: only visits planned from the infusion are reminded of; leave it empty")
        return self


CheckRule = Literal[
    "number",
    "one_of",
    "any_yes",
    "consent",
    "age",
    "cd19",
    "oxygen",
    "pregnancy",
    "contraception",
    "virus_dna",
    "qtcb",
    "hypertension",
    "clear_since",
    "other_malignancy",
    "unapproved_agent",
    "marketed_agent",
]
# What each rule needs besides its name; what is not named here must be left out.
NEEDED: dict[str, tuple[frozenset[str], ...]] = {
    "number": tuple(frozenset({"measure", limit}) for limit in ("at_least", "at_most", "above", "below")),
    "one_of": (frozenset({"measure", "passes", "fails"}), frozenset({"measure", "passes"})),
    "any_yes": (frozenset({"measures"}),),
    "consent": (frozenset(),),
    "age": (frozenset({"at_least", "at_most"}),),
    "cd19": (frozenset(),),
    "oxygen": (frozenset({"above"}), frozenset({"at_least"})),
    "pregnancy": (frozenset(),),
    "contraception": (frozenset(),),
    "virus_dna": (frozenset({"measure"}),),
    "qtcb": (frozenset({"below"}), frozenset({"at_most"})),
    "hypertension": (frozenset({"measure", "below"}), frozenset({"measure", "at_most"})),
    "clear_since": tuple(frozenset({"event", "measure", unit}) for unit in ("days", "months")),
    "other_malignancy": (frozenset({"months"}),),
    "unapproved_agent": (frozenset({"months"}),),
    "marketed_agent": (frozenset({"at_least"}),),
}
WITH_DEFAULT = frozenset({"is_times_uln", "on_room_air"})


def _is_empty(value: object) -> bool:
    """Nothing given; a limit of 0 is given."""
    return value is None or value is False or value in ("", ())


class Check(Part):
    """How recorded facts decide a criterion or a part of it: the name of the rule, and its limits."""

    rule: CheckRule
    measure: str = ""
    event: str = ""
    measures: tuple[str, ...] = ()
    at_least: Annotated[Decimal | None, BeforeValidator(_exact)] = None
    at_most: Annotated[Decimal | None, BeforeValidator(_exact)] = None
    above: Annotated[Decimal | None, BeforeValidator(_exact)] = None
    below: Annotated[Decimal | None, BeforeValidator(_exact)] = None
    is_times_uln: bool = False
    passes: tuple[str, ...] = ()
    fails: tuple[str, ...] = ()
    days: Annotated[int | None, Field(ge=1)] = None
    months: Annotated[int | None, Field(ge=1)] = None
    on_room_air: bool = False

    @model_validator(mode="after")
    def _complete(self) -> Self:
        given = {name for name in type(self).model_fields if not _is_empty(getattr(self, name))}
        given -= {"rule", *WITH_DEFAULT}
        if given not in NEEDED[self.rule]:
            wanted = " or ".join("+".join(sorted(names)) or "nothing" for names in NEEDED[self.rule])
            raise ValueError(f"rule {self.rule!r} needs {wanted}; here stands {'+'.join(sorted(given)) or 'nothing'}")
        if self.is_times_uln and (self.rule != "number" or self.at_most is None):
            raise ValueError("is_times_uln belongs to rule 'number' with at_most")
        return self


class CriterionPart(Part):
    code: Annotated[str, Field(pattern=r"^(INCL|EXCL)\d\d[a-z]$")]
    text: Text
    checks: tuple[Check, ...] = ()


class Criterion(Part):
    """What the protocol asks of, or rules out for, a participant."""

    code: Annotated[str, Field(pattern=r"^(INCL|EXCL)\d\d$")]
    text: Text
    parts: tuple[CriterionPart, ...] = ()
    relative_to: Literal["consent", "screening", "infusion"]
    judgement: bool
    overridable: bool
    checks: tuple[Check, ...] = ()

    @property
    def items(self) -> tuple[tuple[str, Text, tuple[Check, ...]], ...]:
        """The criterion and its lettered parts: code, text and checks, in the order of the protocol."""
        parts = tuple((part.code, part.text, part.checks) for part in self.parts)
        return ((self.code, self.text, self.checks), *parts)

    @property
    def is_inclusion(self) -> bool:
        return self.code.startswith("INCL")

    @model_validator(mode="after")
    def _parts_belong(self) -> Self:
        expected = [f"{self.code}{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"[: len(self.parts)]]
        if [part.code for part in self.parts] != expected:
            raise ValueError(f"{self.code}: its parts must be called {', '.join(expected)}, in this order")
        if not any(checks for _code, _text, checks in self.items):
            raise ValueError(f"{self.code}: nothing decides it; give it, or its parts, checks")
        return self


class SpecialInterestEvent(Part):
    code: Code
    name: Text


class Recipient(Part):
    code: Code
    name: Text


ReportedThing = Literal["sae", "susar_fatal_or_life_threatening", "susar_other", "new_information", "yearly"]
CountedFrom = Literal["site_awareness", "sponsor_awareness", "initial_report", "new_information", "full_year"]


class Clock(Part):
    """By when a thing must be with its recipients; days and months of the calendar, holidays included."""

    code: Code
    name: Text
    applies_to: ReportedThing
    recipients: Annotated[tuple[str, ...], Field(min_length=1)]
    limit: Annotated[int, Field(ge=1)]
    unit: Literal["hours", "days", "months"]
    counted_from: CountedFrom
    alarms: bool
    source: Text


class Regime(Part):
    code: Code
    name: Text
    source: Text
    clocks: Annotated[tuple[Clock, ...], Field(min_length=1)]


class Reporting(Part):
    regime: str
    note: Text


# --- Policy ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PolicySetting:
    name: str
    value: object
    allowed: str
    help: str


class Policy(Part):
    """Choices where the sources are silent or disagree. The file must make every one of them."""

    ctcae_version: Literal["5.0", "6.0"] = Field(
        description=mark("Version of CTCAE that grades every adverse event. Stored with each event, never mixed.")
    )
    ef_drop_reading: Literal["percentage_points", "relative_percent"] = Field(
        description=mark(
            "How “10–19 % drop from baseline” of the ejection fraction is read: 60 to 50 is 10 percentage "
            "points, and a relative drop of 17 percent."
        )
    )
    vasopressin_alone_grade: Literal[2, 3] = Field(
        description=mark(
            "CRS grade of hypotension that needs vasopressin and no other vasopressor. The table does not name "
            "this case; the assessment is always flagged for review."
        )
    )
    crs_afebrile_without_therapy: Literal["keep_graded", "grade_0"] = Field(
        description=mark(
            "Established CRS, no fever now, no antipyretic or anticytokine therapy, still hypotensive or hypoxic: "
            "go on grading by the two axes, or grade 0. Flagged for review either way."
        )
    )
    crs_fever_masked: Literal["grade_0", "grade_axes"] = Field(
        description=mark(
            "Never febrile, but on steroids, with hypotension or hypoxia: grade 0, or grade by the axes. Flagged "
            "“fever may be masked” either way."
        )
    )
    crs_usual_onset_days: Annotated[int, Field(ge=7, le=30)] = Field(
        description=mark("CRS that begins later than this many days after the infusion is flagged: another cause?")
    )
    episode_joins_within_hours: Annotated[int, Field(ge=0, le=168)] = Field(
        description=mark("CRS or ICANS that comes back within this many hours of grade 0 belongs to the same episode.")
    )
    ice_from_age_years: Literal[12, 13] = Field(
        description=mark("From this age the ICE score is used, below it the CAPD. Sources differ at exactly 12.")
    )
    capd_zero: Literal["grade_0", "grade_1"] = Field(
        description=mark("CAPD 0: no ICANS (grade 1 is 1 to 8), or grade 1 (everything below 9).")
    )
    car_t_cells_reading: Literal["viable_car_positive", "viable_total"] = Field(
        description=mark(
            "What “CAR-T live cells” counts: viable CAR-positive T cells (volume × concentration × viability × CAR "
            "share), or all viable cells."
        )
    )
    second_infusion_day0: Literal["first_infusion", "last_infusion"] = Field(
        description=mark(
            "The record knows one infusion. If there is a second one it is reviewed, and Day 0 of the visits stays "
            "the first infusion or becomes the last."
        )
    )
    fc_outside_accepted_range: Literal["warn", "deviation"] = Field(
        description=mark(
            "A lymphodepletion dose outside the accepted range: only a warning, since the record names no doses, "
            "or a protocol deviation."
        )
    )
    bsa_formula: Literal["mosteller", "du_bois"] = Field(
        description=mark("Formula of the body surface area; they differ by up to 2.5 %. Stored with each result.")
    )
    tocilizumab_max_total: Annotated[int, Field(ge=2, le=4)] = Field(
        description=mark("Most doses of tocilizumab in one episode of CRS before a warning; texts say 2 to 4.")
    )
    tocilizumab_max_per_24h: Annotated[int, Field(ge=1, le=3)] = Field(
        description=mark("Most doses of tocilizumab within 24 hours before a warning.")
    )
    tocilizumab_min_interval_hours: Annotated[int, Field(ge=8, le=24)] = Field(
        description=mark("Fewest hours between two doses of tocilizumab before a warning.")
    )
    guardian_below_age: Annotated[int, Field(ge=14, le=21)] = Field(
        description=mark("Below this age in completed years at consent a guardian signs too.")
    )
    screening_window_days: Annotated[int, Field(ge=7, le=90)] = Field(
        description=mark("Results of the screening are used for this many days; what is older is measured again.")
    )
    reconsent_within_days: Annotated[int, Field(ge=0, le=90)] = Field(
        description=mark("Days to consent again once a new version of the consent form is in force.")
    )
    leap_day_birthday: Literal["mar_1", "feb_28"] = Field(
        description=mark("Somebody born on 29 February is a year older, in other years, on this day.")
    )
    spo2_on_room_air: bool = Field(
        description=mark("INCL07 asks for an oxygen saturation measured without added oxygen.")
    )
    live_vaccine_excluded_days: Literal[41, 42] = Field(
        description=mark(
            "EXCL11: a live vaccine this many days before screening, or fewer, excludes. 42 reads “within six "
            "weeks” with its last day, 41 without."
        )
    )
    relapse_blasts_percent: Annotated[int, Field(ge=5, le=25)] = Field(
        description=mark("Share of marrow blasts, in percent, that makes a haematological relapse after remission.")
    )
    relapse_includes_threshold: bool = Field(
        description=mark("Exactly this share of blasts is a relapse already (≥ rather than >).")
    )
    mrd_relapse_needs_confirmation: bool = Field(
        description=mark("MRD that turns positive is a relapse of MRD only once a second sample confirms it.")
    )
    cr_counts_include_threshold: bool = Field(
        description=mark("ANC 1.0 and platelets 100 exactly count as recovered (≥ rather than >).")
    )
    cr_untransfused_days: Annotated[int, Field(ge=0, le=28)] = Field(
        description=mark("Blood counts show a complete remission only without transfusion for this many days.")
    )
    rfs_subsequent_therapy: Literal["both", "censor", "ignore"] = Field(
        description=mark(
            "Relapse-free survival and a later therapy or transplant: censor there, ignore it, or report both."
        )
    )
    visit_windows: Literal["proposed", "protocol"] = Field(
        description=mark("Whether the visit windows are a proposal or were copied from the approved protocol.")
    )
    visits_after_study_end: Literal["long_term", "drop"] = Field(
        description=mark("Visits whose target lies after the end of the study go on as long-term follow-up, or not.")
    )
    long_term_years: Literal[5, 15] = Field(
        description=mark("Years of long-term follow-up after the infusion: 15 for integrating vectors.")
    )
    sae_site_to_sponsor_hours: Annotated[int, Field(ge=1, le=72)] = Field(
        description=mark("“Immediately”, from the investigator to the sponsor, in hours from awareness.")
    )
    overdose_notice_hours: Annotated[int, Field(ge=1, le=72)] = Field(
        description=mark("An overdose without symptoms is told to the sponsor within this many hours.")
    )
    day0_awareness: Literal["earliest_of_any_staff", "sponsor"] = Field(
        description=mark(
            "Sponsor and site are one hospital. The clock of a report starts when anybody on the delegation list "
            "first knows, or only when the sponsor's office knows."
        )
    )
    completion_reading: Literal["from_initial_report", "from_day_0"] = Field(
        description=mark(
            "“Within the following 8 days” alarms 8 days after the first report was really sent, or on Day 15. "
            "Both days are shown."
        )
    )
    upgrade_restarts_clock: bool = Field(
        description=mark("A report that becomes fatal or life-threatening starts a 7-day clock on that day.")
    )
    planned_admission_is_adverse_event: bool = Field(
        description=mark("A planned admission, or one that the protocol asks for, counts as an adverse event.")
    )
    all_events_from: Literal["consent", "lymphodepletion", "infusion"] = Field(
        description=mark(
            "From here all adverse events are recorded; from consent on, those of study procedures and serious ones."
        )
    )
    all_events_until_day: Annotated[int, Field(ge=28, le=730)] = Field(
        description=mark(
            "To this day all adverse events are recorded; afterwards serious ones, those of special interest, new "
            "therapies and second malignancies."
        )
    )
    results_frequency_threshold_percent: Annotated[int, Field(ge=0, le=5)] = Field(
        description=mark("Results list other adverse events that affect more than this percentage.")
    )

    def settings(self) -> tuple[PolicySetting, ...]:
        """Every choice with its value, what is allowed, and its help text (still to be translated)."""
        return tuple(
            PolicySetting(name, getattr(self, name), _allowed(name), field.description or "")
            for name, field in type(self).model_fields.items()
        )


def _allowed(name: str) -> str:
    field = Policy.model_fields[name]
    if get_origin(field.annotation) is Literal:
        return " | ".join(str(choice) for choice in get_args(field.annotation))
    if field.annotation is bool:
        return "true | false"
    bounds = {side: getattr(rule, side) for rule in field.metadata for side in ("ge", "le") if hasattr(rule, side)}
    return f"{bounds['ge']}–{bounds['le']}"


# --- A protocol version ------------------------------------------------------------------------


class Protocol(Part):
    """One protocol version: what a participant who consented to it is held to."""

    version: Annotated[str, Field(pattern=r"^\d+(\.\d+)*$")]
    effective_on: dt.date
    source: Text
    registry_id: Annotated[str, Field(pattern=r"^NCT\d{8}$")]
    org_study_id: Words
    title: Text
    short_title: Words
    conditions: Annotated[tuple[Text, ...], Field(min_length=1)]
    phase: Words
    sponsor: Text
    enrolment_target: Annotated[int, Field(ge=1)]
    design: Design
    sites: Annotated[tuple[Site, ...], Field(min_length=1)]
    window: Window
    recruitment: Recruitment
    consent_versions: Annotated[tuple[ConsentVersion, ...], Field(min_length=1)]
    dose: Dose
    lymphodepletion: Lymphodepletion
    fitness: Fitness
    bedside: Bedside
    prohibited_medications: tuple[ProhibitedMedication, ...] = ()
    policy: Policy
    procedures: tuple[Procedure, ...]
    reminder_stages: Annotated[tuple[ReminderStage, ...], Field(min_length=1)]
    visits: Annotated[tuple[Visit, ...], Field(min_length=1)]
    criteria: Annotated[tuple[Criterion, ...], Field(min_length=1)]
    special_interest_events: tuple[SpecialInterestEvent, ...]
    recipients: tuple[Recipient, ...]
    regimes: Annotated[tuple[Regime, ...], Field(min_length=1)]
    reporting: Reporting

    @field_validator("*", mode="after")
    @classmethod
    def _keep_for_comparison(cls, value: Any, info: ValidationInfo) -> Any:
        """Sections without a mistake are still compared with each other when another section has one."""
        if info.context is not None and info.field_name is not None:
            info.context[info.field_name] = value
        return value

    @property
    def follow_up_visits(self) -> tuple[Visit, ...]:
        """The visits that an infusion plans, in order."""
        return tuple(visit for visit in self.visits if visit.follows_infusion)

    @property
    def regime(self) -> Regime:
        """The reporting regime in force."""
        return {regime.code: regime for regime in self.regimes}[self.reporting.regime]

    def recruits_on(self, day: dt.date) -> bool:
        return self.recruitment.opens_on <= day <= self.recruitment.closes_on

    def visit(self, code: str) -> Visit:
        """Raises KeyError for a code that the schedule lacks; so do those below."""
        return {visit.code: visit for visit in self.visits}[code]

    def criterion(self, code: str) -> Criterion:
        return {criterion.code: criterion for criterion in self.criteria}[code]

    def procedure(self, code: str) -> Procedure:
        return {procedure.code: procedure for procedure in self.procedures}[code]

    def reminder_stage(self, code: str) -> ReminderStage:
        return {stage.code: stage for stage in self.reminder_stages}[code]

    def recipient(self, code: str) -> Recipient:
        return {recipient.code: recipient for recipient in self.recipients}[code]


@dataclass(frozen=True)
class Study:
    """All protocol versions of the study, oldest first."""

    versions: Mapping[str, Protocol]

    @property
    def latest(self) -> Protocol:
        return list(self.versions.values())[-1]

    def current(self, on: dt.date) -> Protocol:
        """The version in force on a day. Before the first one it is that first one: a study in preparation."""
        in_force = [protocol for protocol in self.versions.values() if protocol.effective_on <= on]
        return in_force[-1] if in_force else next(iter(self.versions.values()))

    def protocol(self, version: str) -> Protocol:
        """Raises KeyError for a version that the study lacks."""
        return self.versions[version]


# --- Mistakes ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mistake:
    """One thing to repair; `key` is dotted as in `visits[3].target_day`, lists counting from 0 as TOML tools do."""

    file: Path
    reason: str
    key: str = ""
    line: int | None = None
    value: str = ""

    def __str__(self) -> str:
        place = f"{self.file}, line {self.line}" if self.line else str(self.file)
        what = f"{self.key} = {self.value}" if self.key and self.value else self.key
        return ": ".join(text for text in (place, what, self.reason) if text)


class StudyFileError(Exception):
    """The study's files cannot be used; `mistakes` holds all of them."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(sorted(mistakes, key=lambda one: (str(one.file), one.line or 0)))
        super().__init__(self.mistakes)

    def __str__(self) -> str:
        count = len(self.mistakes)
        head = "The study definition has a mistake:" if count == 1 else f"The study definition has {count} mistakes:"
        return "\n".join([head, *(f"  {mistake}" for mistake in self.mistakes)])


Found = Iterator[tuple[Location, object, str]]


# --- Comparing sections; the names of a check's arguments are the sections it compares -----------


def _twice(section: str, keys: Iterable[object], field: str = "code") -> Found:
    seen: set[object] = set()
    for index, key in enumerate(keys):
        if key in seen:
            yield (section, index, field), key, "stands there twice; every one must be different"
        seen.add(key)


def _unknown(place: Location, names: Iterable[str], known: Iterable[Any], kind: str) -> Found:
    codes = [part.code for part in known]
    for name in names:
        if name not in codes:
            yield place, name, f"is not a known {kind}; known are: {', '.join(codes)}"


def _check_sites(sites: tuple[Site, ...]) -> Found:
    yield from _twice("sites", (site.code for site in sites))


def _check_procedures(procedures: tuple[Procedure, ...]) -> Found:
    yield from _twice("procedures", (procedure.code for procedure in procedures))


def _check_stages(reminder_stages: tuple[ReminderStage, ...]) -> Found:
    yield from _twice("reminder_stages", (stage.code for stage in reminder_stages))


def _check_visits(visits: tuple[Visit, ...]) -> Found:
    yield from _twice("visits", (visit.code for visit in visits))
    for index in range(1, len(visits)):
        before, visit = visits[index - 1], visits[index]
        if visit.target_day < before.target_day:
            reason = (
                f"visits stand in the order of their target days; {before.code} before it is Day {before.target_day}"
            )
            yield ("visits", index, "target_day"), visit.target_day, reason


def _check_visit_procedures(visits: tuple[Visit, ...], procedures: tuple[Procedure, ...]) -> Found:
    for index, visit in enumerate(visits):
        yield from _unknown(("visits", index, "procedures"), visit.procedures, procedures, "procedure")


def _check_visit_reminders(visits: tuple[Visit, ...], reminder_stages: tuple[ReminderStage, ...]) -> Found:
    for index, visit in enumerate(visits):
        yield from _unknown(("visits", index, "reminders"), visit.reminders, reminder_stages, "reminder stage")


def _check_long_term(visits: tuple[Visit, ...], policy: Policy) -> Found:
    last = max(visit.window_close_day for visit in visits)
    if last < policy.long_term_years * 365:
        reason = f"the schedule ends on Day {last}, before so many years have passed"
        yield ("policy", "long_term_years"), policy.long_term_years, reason


def _check_lymphodepletion(lymphodepletion: Lymphodepletion) -> Found:
    for index, drug in enumerate(lymphodepletion.drugs):
        if drug.code in [other.code for other in lymphodepletion.drugs[:index]]:
            yield ("lymphodepletion", "drugs", index, "code"), drug.code, "stands there twice"


def _check_criteria(criteria: tuple[Criterion, ...]) -> Found:
    yield from _twice("criteria", (criterion.code for criterion in criteria))
    counts = {"INCL": 0, "EXCL": 0}
    for index, criterion in enumerate(criteria):
        kind = criterion.code[:4]
        counts[kind] += 1
        if criterion.code != f"{kind}{counts[kind]:02d}":
            reason = f"numbers follow each other: {kind}{counts[kind]:02d} is expected here"
            yield ("criteria", index, "code"), criterion.code, reason
            return


def _check_oxygen(criteria: tuple[Criterion, ...], policy: Policy) -> Found:
    """A reading that stands twice, as a policy and in the check of its criterion, must be the same."""
    for place, check in _checks(criteria):
        if check.rule == "oxygen" and check.on_room_air != policy.spo2_on_room_air:
            reason = f"policy.spo2_on_room_air says {str(policy.spo2_on_room_air).lower()}"
            yield (*place, "on_room_air"), check.on_room_air, reason


def _check_vaccine(criteria: tuple[Criterion, ...], policy: Policy) -> Found:
    for place, check in _checks(criteria):
        if check.event == "LIVE_VACCINE" and check.days != policy.live_vaccine_excluded_days:
            reason = f"policy.live_vaccine_excluded_days says {policy.live_vaccine_excluded_days}"
            yield (*place, "days"), check.days, reason


def _checks(criteria: tuple[Criterion, ...]) -> Iterator[tuple[Location, Check]]:
    for index, criterion in enumerate(criteria):
        for number, check in enumerate(criterion.checks):
            yield ("criteria", index, "checks", number), check
        for letter, part in enumerate(criterion.parts):
            for number, check in enumerate(part.checks):
                yield ("criteria", index, "parts", letter, "checks", number), check


def _check_ages(criteria: tuple[Criterion, ...], design: Design) -> Found:
    for place, check in _checks(criteria):
        limits = (design.minimum_age_years, design.maximum_age_years)
        if check.rule == "age" and (check.at_least, check.at_most) != limits:
            yield (*place, "at_least"), check.at_least, f"the design says {limits[0]} to {limits[1]} years"


def _check_events(special_interest_events: tuple[SpecialInterestEvent, ...]) -> Found:
    yield from _twice("special_interest_events", (event.code for event in special_interest_events))


def _check_consents(consent_versions: tuple[ConsentVersion, ...]) -> Found:
    yield from _twice("consent_versions", (consent.version for consent in consent_versions), "version")
    days = (consent.effective_on for consent in consent_versions)
    yield from _twice("consent_versions", days, "effective_on")


def _check_recruitment(recruitment: Recruitment, window: Window) -> Found:
    if not window.starts_on <= recruitment.opens_on:
        yield (
            ("recruitment", "opens_on"),
            recruitment.opens_on,
            f"lies before the study starts, {window.starts_on}",
        )
    if not recruitment.closes_on <= window.ends_on:
        yield (
            ("recruitment", "closes_on"),
            recruitment.closes_on,
            f"lies after the study ends, {window.ends_on}",
        )


def _check_regimes(regimes: tuple[Regime, ...]) -> Found:
    yield from _twice("regimes", (regime.code for regime in regimes))
    for index, regime in enumerate(regimes):
        for place, value, reason in _twice("clocks", (clock.code for clock in regime.clocks)):
            yield ("regimes", index, *place), value, reason


def _check_regime_in_force(regimes: tuple[Regime, ...], reporting: Reporting) -> Found:
    yield from _unknown(("reporting", "regime"), [reporting.regime], regimes, "regime")


def _check_recipients(regimes: tuple[Regime, ...], recipients: tuple[Recipient, ...]) -> Found:
    yield from _twice("recipients", (recipient.code for recipient in recipients))
    for index, regime in enumerate(regimes):
        for number, clock in enumerate(regime.clocks):
            place = ("regimes", index, "clocks", number, "recipients")
            yield from _unknown(place, clock.recipients, recipients, "recipient")


def _check_site_clock(regimes: tuple[Regime, ...], policy: Policy) -> Found:
    """The one limit that stands twice, as a policy and in the clocks, must be the same."""
    for index, regime in enumerate(regimes):
        for number, clock in enumerate(regime.clocks):
            hours = (policy.sae_site_to_sponsor_hours, "hours")
            if clock.code == "site_to_sponsor" and (clock.limit, clock.unit) != hours:
                reason = f"policy.sae_site_to_sponsor_hours says {policy.sae_site_to_sponsor_hours} hours"
                yield ("regimes", index, "clocks", number, "limit"), f"{clock.limit} {clock.unit}", reason


CHECKS: tuple[Callable[..., Found], ...] = (
    _check_sites,
    _check_procedures,
    _check_stages,
    _check_visits,
    _check_visit_procedures,
    _check_visit_reminders,
    _check_long_term,
    _check_lymphodepletion,
    _check_criteria,
    _check_oxygen,
    _check_vaccine,
    _check_ages,
    _check_events,
    _check_consents,
    _check_recruitment,
    _check_regimes,
    _check_regime_in_force,
    _check_recipients,
    _check_site_clock,
)


def _compare(sections: Mapping[str, Any]) -> Found:
    for check in CHECKS:
        names = inspect.signature(check).parameters
        if all(name in sections for name in names):
            yield from check(**{name: sections[name] for name in names})


# --- Reading one file --------------------------------------------------------------------------

PLAIN_REASONS = {
    "missing": "is missing",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "string_type": "must be a text in quotes",
    "date_type": "must be a date such as 2025-07-19, without quotes",
    "tuple_type": "must be a list in square brackets",
    "model_type": "must be a table with its keys",
    "string_too_short": "must not be empty",
}


def load_protocol(file: Path) -> Protocol:
    """One protocol version. Raises StudyFileError with all mistakes of the file."""
    protocol, mistakes = _read(file)
    if protocol is None or mistakes:
        raise StudyFileError(mistakes)
    return protocol


def _read(file: Path) -> tuple[Protocol | None, list[Mistake]]:
    try:
        text = file.read_text(encoding="utf-8")
        raw = tomllib.loads(text)
    except OSError as error:
        return None, [Mistake(file, f"cannot be read: {error.strerror}")]
    except UnicodeDecodeError as error:
        return None, [Mistake(file, f"is not UTF-8 text: byte {error.start} does not fit")]
    except tomllib.TOMLDecodeError as error:
        return None, [_syntax_mistake(file, text, error)]
    return _validate(file, text, raw)


def _syntax_mistake(file: Path, text: str, error: tomllib.TOMLDecodeError) -> Mistake:
    place = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)$", str(error))
    reason = str(error)[: place.start()] if place else str(error)
    lines = text.splitlines()
    line = int(place[1]) if place and place[1] else max(len(lines), 1)
    shown = lines[line - 1].strip()[:80] if line <= len(lines) else ""
    return Mistake(file, f"is not TOML: {reason} in “{shown}”", line=line)


def _validate(file: Path, text: str, raw: dict[str, Any]) -> tuple[Protocol | None, list[Mistake]]:
    sections: dict[str, Any] = {}
    found: list[tuple[Location, object, str]] = []
    protocol = None
    try:
        protocol = Protocol.model_validate(_with_tuples(raw), context=sections)
    except ValidationError as error:
        found += [_plain(one) for one in error.errors()]
    found += _compare(sections)
    lines = key_lines(text)
    return protocol, [
        Mistake(file, reason, dotted(place), _nearest_line(lines, place), _shown(value))
        for place, value, reason in found
    ]


def _with_tuples(value: Any) -> Any:
    """Strict models take tuples only, so that nothing that was read can change later."""
    if isinstance(value, list):
        return tuple(_with_tuples(one) for one in value)
    if isinstance(value, dict):
        return {key: _with_tuples(one) for key, one in value.items()}
    return value


def _plain(error: Any) -> tuple[Location, object, str]:
    """Pydantic's error as place, value and a reason in plain words."""
    kind, place = error["type"], error["loc"]
    value = None if kind in {"missing", "extra_forbidden"} else error["input"]
    if kind == "extra_forbidden":
        return place, value, f"is not a known key{_meant(str(place[-1]))}"
    if kind == "literal_error":
        return place, value, f"must be one of: {error['ctx']['expected']}"
    if kind == "value_error":
        return place, value, str(error["ctx"]["error"])
    return place, value, PLAIN_REASONS.get(kind, error["msg"])


def _meant(key: str) -> str:
    known = {name for part in Part.__subclasses__() for name in part.model_fields}
    close = get_close_matches(key, sorted(known), n=1)
    return f"; perhaps you meant {close[0]}" if close else ""


def _shown(value: object) -> str:
    """The value as the file has it; tables and lists are too long to repeat."""
    if value is None or isinstance(value, dict | tuple | BaseModel):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value[:60]}"'
    return str(value)


def dotted(place: Location) -> str:
    """("visits", 3, "target_day") -> visits[3].target_day"""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)
    return text.removeprefix(".")


HEADER = re.compile(r"^\s*(\[\[?)\s*([A-Za-z0-9_.-]+)\s*\]")
KEY = re.compile(r"^\s*([A-Za-z0-9_-]+)\s*=")


def key_lines(text: str) -> dict[Location, int]:
    """On which line each table and key begins. Finds what stands at the start of a line, which is enough here."""
    lines: dict[Location, int] = {}
    counts: dict[Location, int] = {}
    table: Location = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if header := HEADER.match(line):
            table = _table(header[2].split("."), counts, is_list=header[1] == "[[")
            lines.setdefault(table, number)
        elif key := KEY.match(line):
            lines.setdefault((*table, key[1]), number)
    return lines


def _table(names: list[str], counts: dict[Location, int], *, is_list: bool) -> Location:
    """The place of a header; [[visits]] for the fourth time is ("visits", 3)."""
    place: Location = ()
    for name in names[:-1]:
        place = (*place, name)
        place = (*place, counts[place] - 1) if place in counts else place
    place = (*place, names[-1])
    if is_list:
        counts[place] = counts.get(place, 0) + 1
        place = (*place, counts[place] - 1)
    return place


def _nearest_line(lines: Mapping[Location, int], place: Location) -> int | None:
    """The line of the key itself, else of the nearest table around it."""
    for length in range(len(place), 0, -1):
        if place[:length] in lines:
            return lines[place[:length]]
    return None


# --- Reading a study ---------------------------------------------------------------------------


def load_study(folder: Path) -> Study:
    """All `*.toml` of the folder, oldest version first. Raises StudyFileError with the mistakes of all files."""
    files = sorted(folder.glob("*.toml"))
    if not files:
        raise StudyFileError([Mistake(folder, _no_files(folder))])
    mistakes: list[Mistake] = []
    read: list[tuple[Path, Protocol]] = []
    for file in files:
        protocol, found = _read(file)
        mistakes += found
        if protocol is not None:
            read.append((file, protocol))
    mistakes += _check_versions(read)
    if mistakes:
        raise StudyFileError(mistakes)
    return Study({protocol.version: protocol for _, protocol in sorted(read, key=lambda one: one[1].effective_on)})


def _no_files(folder: Path) -> str:
    if folder.is_dir():
        return "holds no protocol version: a study is one v<version>.toml for each"
    others = sorted(one.name for one in folder.parent.glob("*") if one.is_dir())
    return f"does not exist; STUDY names one of: {', '.join(others) or 'none yet'}"


def _check_versions(read: Iterable[tuple[Path, Protocol]]) -> Iterator[Mistake]:
    """Across the files: each has the name of its version, its own day to take effect, and the same study."""
    days: dict[dt.date, Path] = {}
    studies: set[str] = set()
    for file, protocol in read:
        lines = key_lines(file.read_text(encoding="utf-8"))
        if file.name != f"v{protocol.version}.toml":
            reason = f"the file of this version is called v{protocol.version}.toml"
            yield Mistake(file, reason, "version", lines.get(("version",)), _shown(protocol.version))
        if protocol.effective_on in days:
            reason = f"{days[protocol.effective_on].name} takes effect on the same day; nobody could tell which holds"
            yield Mistake(file, reason, "effective_on", lines.get(("effective_on",)), str(protocol.effective_on))
        if studies and protocol.registry_id not in studies:
            reason = "another file of this folder belongs to another study"
            yield Mistake(file, reason, "registry_id", lines.get(("registry_id",)), _shown(protocol.registry_id))
        days.setdefault(protocol.effective_on, file)
        studies.add(protocol.registry_id)


@cache
def _cached(folder: Path) -> Study:
    return load_study(folder)


def get_study() -> Study:
    """The study of this installation, read once."""
    return _cached(STUDIES / settings.STUDY)
