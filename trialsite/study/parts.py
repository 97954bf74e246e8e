"""The parts of a protocol version that say who does what, when and with how much.

Each part is checked within itself here; what must fit between parts is compared in `checks`.
"""

import datetime as dt
import itertools
import re
from decimal import Decimal, InvalidOperation
from typing import Annotated, Literal, Self

from django.utils.translation import get_language
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from trialsite.roles import ROLE_PERMISSIONS

ADD_PARTICIPANT = "participants.add_participant"


def exact(value: object) -> object:
    """A TOML float is binary already, 0.6 no longer exactly 0.6: decimal numbers stand in quotes."""
    if not isinstance(value, str):
        # A ValueError becomes a mistake of the file; a TypeError would end the reading.
        raise ValueError("write the number in quotes, so that it stays exact")
    try:
        return Decimal(value)
    except InvalidOperation:
        raise ValueError("is not a decimal number") from None


Exact = Annotated[Decimal, BeforeValidator(exact), Field(gt=0, allow_inf_nan=False)]
Words = Annotated[str, Field(min_length=1, pattern=r"\S")]
Code = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
Location = tuple[str | int, ...]


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


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
    # Whether who signs it agrees to be followed beyond the study's end, or is asked for that by itself.
    long_term: Literal["included", "asked"] = "included"


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


class ReducedLevel(Part):
    """Below this creatinine clearance the drug is usually given at this level; 0 leaves it out."""

    below_ml_min: Annotated[int, Field(ge=1, le=200)]
    mg_m2: Annotated[Decimal, BeforeValidator(exact), Field(ge=0, allow_inf_nan=False)]


class Drug(Part):
    code: Code
    name: Text
    planned_mg_m2: Exact
    accepted_low_mg_m2: Exact
    accepted_high_mg_m2: Exact
    planned_doses: Annotated[int, Field(ge=1)]
    accepted_doses: tuple[Annotated[int, Field(ge=1)], ...]
    reduced: tuple[ReducedLevel, ...] = ()

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

    @model_validator(mode="after")
    def _levels_fall_with_the_clearance(self) -> Self:
        levels = [(level.below_ml_min, level.mg_m2) for level in self.reduced]
        falling = all(a > c and b > d for (a, b), (c, d) in itertools.pairwise(levels))
        if not falling or any(mg >= self.planned_mg_m2 for _limit, mg in levels):
            raise ValueError(
                f"reduced levels are listed from the highest limit to the lowest, each with less than the one before "
                f"and all below planned_mg_m2 {self.planned_mg_m2}"
            )
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
    # Results that it lowers on purpose: once it has begun they say nothing more about a criterion.
    lowers: tuple[str, ...]

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


Seer = Literal["coordinator", "investigator", "principal investigator", "pharmacist", "data manager"]


class Identity(Part):
    """Which roles see each field that names a participant; whoever is not named by a field never sees it.

    Monitors, auditors and the sponsor's programs cannot be named: what they read holds no identity.
    """

    name: tuple[Seer, ...]
    birth_date: tuple[Seer, ...]
    phone: tuple[Seer, ...]
    hospital_number: tuple[Seer, ...]
    bed: tuple[Seer, ...]
    initials: tuple[Seer, ...]

    @model_validator(mode="after")
    def _who_screens_sees_whom(self) -> Self:
        """Name and birth date are asked on the form by which somebody is screened."""
        screening = [role.value for role, granted in ROLE_PERMISSIONS.items() if ADD_PARTICIPANT in granted]
        for role in screening:
            if role not in self.name or role not in self.birth_date:
                raise ValueError(f"name and birth_date must name {role!r}: this role screens, and enters both")
        return self


class Escalation(Part):
    """Who else is told of an alert that nobody has acknowledged for so long."""

    after_minutes: Annotated[int, Field(ge=5, le=1440)]
    roles: Annotated[tuple[Literal["coordinator", "investigator", "principal investigator"], ...], Field(min_length=1)]


class Monitoring(Part):
    """How often CRS and ICANS are looked for at the bed, and who is called when nobody answers an alert."""

    # After grade 0, 1, 2, 3 and 4.
    assess_every_hours: Annotated[tuple[Annotated[int, Field(ge=1, le=24)], ...], Field(min_length=5, max_length=5)]
    last_day: Annotated[int, Field(ge=1, le=90)]
    masked_fever_again_after_hours: Annotated[int, Field(ge=1, le=168)]
    escalation: Annotated[tuple[Escalation, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _worse_is_sooner(self) -> Self:
        if any(later > sooner for sooner, later in itertools.pairwise(self.assess_every_hours)):
            raise ValueError("assess_every_hours must not grow with the grade: a worse grade is looked at sooner")
        minutes = [step.after_minutes for step in self.escalation]
        if any(later <= sooner for sooner, later in itertools.pairwise(minutes)):
            raise ValueError("the steps of escalation follow each other: each with more after_minutes than the last")
        return self


class PanelTests(Part):
    """A panel of the laboratory, or a list of questions, and what of it the study asks; the rest stands folded."""

    panel: Code
    tests: Annotated[tuple[Code, ...], Field(min_length=1)]


# Forms that belong to the program: each is known to one app, which says what it has recorded for a visit.
EnteredBy = Literal[
    "identity",
    "consent",
    "leukapheresis",
    "product",
    "fitness",
    "lymphodepletion",
    "bedside_identity",
    "infusion",
    "infusion_vitals",
    "medication",
    "bedside",
    "blood",
    "adverse_events",
]


class Procedure(Part):
    """What a visit asks, and how it is entered: as results of panels, by a form of its own, or ticked with its day."""

    code: Code
    name: Text
    panels: tuple[PanelTests, ...] = ()
    form: EnteredBy | None = None
    # How often at one visit.
    times: Annotated[int, Field(ge=1, le=24)] = 1
    # Asked of one sex only.
    sex: Literal["F", "M"] | None = None

    @model_validator(mode="after")
    def _entered_one_way(self) -> Self:
        if self.panels and self.form:
            raise ValueError("is entered as results of panels or by a form, not as both")
        return self


class ReminderStage(Part):
    """A reminder `offset_days` from its anchor, not worth sending after so many days more."""

    code: Code
    name: Text
    anchor: Literal["target", "window_closes"]
    offset_days: int
    lapses_after_days: Annotated[int, Field(ge=0)]
    min_window_days: Annotated[int, Field(ge=0)] = 0


Reminded = Literal["coordinator", "investigator", "principal investigator", "data manager", "pharmacist"]


class WindowEscalation(Part):
    """Who else is told when a window is about to close and nobody has said that they know; never held back."""

    days_before_close: Annotated[int, Field(ge=0)]
    lapses_after_days: Annotated[int, Field(ge=0)]
    roles: Annotated[tuple[Reminded, ...], Field(min_length=1)]


class ToParticipants(Part):
    """Which stages a participant who agreed to it hears of too, and in which language unless they chose another."""

    stages: tuple[str, ...]
    language: Literal["zh-hans", "en"]


class Reminding(Part):
    """Who is reminded, and at which hours of the site's day."""

    hour: dt.time
    # Unless a person chose others: hours at which nothing leaves that is not urgent.
    quiet_from: dt.time
    quiet_until: dt.time
    # The first of these roles in which somebody can be reached.
    recipients: Annotated[tuple[Reminded, ...], Field(min_length=1)]
    escalation: WindowEscalation
    participants: ToParticipants


Phase = Literal["screening", "treatment", "inpatient", "follow_up", "long_term", "unscheduled"]


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
    # Whether a call may stand for coming to the site.
    by_telephone: bool = False

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


# Visits beside the schedule are numbered as they come.
UNSCHEDULED = re.compile(r"U[0-9]{2,}")


class UnscheduledVisit(Part):
    """What is offered at a visit that the schedule does not have; none of it is missing where it is not entered."""

    name: Text
    procedures: tuple[str, ...] = ()


AfterWhat = Literal["death", "withdrawal", "lost", "completed", "relapse", "new_therapy"]


class AfterEvent(Part):
    """What is still owed once this has happened: the phases that go on, and the procedures that are asked no more."""

    event: AfterWhat
    keeps: tuple[Phase, ...] = ()
    drops: tuple[str, ...] = ()
    # A visit whose window is open on that day still takes place.
    spares_open: bool = False
    # Of the phases that go on, only visits that may be calls.
    only_by_telephone: bool = False


MedDRACode = Annotated[str, Field(pattern=r"^\d{8}$")]
# What the program grades by itself, as it is called in the record.
GradedToxicity = Literal["CRS", "ICANS", "IEC-HS", "ICAHT"]


class Recognised(Part):
    """How an event of special interest is known in the record, besides the code that somebody sets on it.

    Any of these is enough; where `grade_from` is given, each of them from that grade on alone.
    """

    graded: GradedToxicity | None = None
    ctcae: tuple[MedDRACode, ...] = ()
    soc: Words | None = None
    # Recorded as a reaction to an infusion.
    infusion: bool = False
    grade_from: Annotated[int, Field(ge=1, le=5)] = 1

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not (self.graded or self.ctcae or self.soc or self.infusion):
            raise ValueError("names nothing to recognise the event by; leave `recognised` out instead")
        return self


class CollectionWindow(Part):
    """From a moment of the study on, until the next window: which adverse events are collected."""

    starts: Literal["consent", "lymphodepletion", "day"]
    # Counted from the infusion, Day 0; only where it starts on a day.
    day: int | None = None
    collects: Annotated[tuple[Literal["all", "serious", "special_interest", "procedure"], ...], Field(min_length=1)]
    name: Text

    @model_validator(mode="after")
    def _day_where_it_starts_on_one(self) -> Self:
        if (self.starts == "day") != (self.day is not None):
            raise ValueError("day belongs to a window that starts on a day, and only to that")
        return self


class SpecialInterestEvent(Part):
    code: Code
    name: Text
    # Without it, an event is known by the code that somebody sets on it alone.
    recognised: Recognised | None = None


class OutcomeMeasure(Part):
    """What the published results tell, in the words of the registry, and by which of three ways it is found.

    `mrd_negative_at` counts those without detectable disease at a visit; `special_interest` those who had the event in
    this grade or worse; `endpoint` estimates the share without it (of `relapse` the share with it) after so many
    months.
    """

    kind: Literal["primary", "secondary"]
    title: Text
    description: Text
    time_frame: Text
    mrd_negative_at: Code | None = None
    special_interest: Code | None = None
    grade_from: Annotated[int, Field(ge=1, le=5)] = 1
    endpoint: Literal["OS", "RFS", "EFS", "relapse"] | None = None
    months: Annotated[int, Field(ge=1)] | None = None
    # What a later therapy of the leukaemia does to RFS and EFS.
    later_therapy: Literal["censor", "ignore", "event"] = "censor"

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = (self.mrd_negative_at, self.special_interest, self.endpoint)
        if sum(way is not None for way in ways) != 1:
            raise ValueError("needs one of mrd_negative_at, special_interest and endpoint")
        if (self.endpoint is None) != (self.months is None):
            raise ValueError("months belongs to an endpoint, and an endpoint needs it")
        return self


Share = Annotated[Decimal, BeforeValidator(exact), Field(gt=0, lt=1, allow_inf_nan=False)]


class Stopping(Part):
    """When the study is to be stopped for harm: the rule of `safety.rules.stopping`, and what it counts."""

    prior_events: Exact
    prior_without: Exact
    limit: Share
    probability: Share
    from_treated: Annotated[int, Field(ge=1)]
    window_days: Annotated[int, Field(ge=1, le=365)]
    grade_from: Annotated[int, Field(ge=1, le=5)]
    events: Annotated[tuple[Literal["CRS", "ICANS"], ...], Field(min_length=1)]
    sources: Annotated[tuple[Literal["assessments", "adverse_events"], ...], Field(min_length=1)]
    true_rates: tuple[Share, ...]
    reason: Text


class SponsorAgreement(Part):
    """What the sponsor receives of days and of texts; identity never leaves.

    `dates`: as they are, or all dates of a participant moved by one number of days that a key draws. `free_text`: what
    people typed stays at the site until a data manager releases it for one export.
    """

    dates: Literal["as_is", "shifted"] = "shifted"
    free_text: Literal["withheld", "on_release"] = "withheld"
