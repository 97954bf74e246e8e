"""A protocol version, put together from its parts, and the study as all its versions."""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, ValidationInfo, field_validator

from trialsite.study.criteria import Criterion
from trialsite.study.parts import (
    UNSCHEDULED,
    AfterEvent,
    Bedside,
    CollectionWindow,
    ConsentVersion,
    Design,
    Dose,
    EnteredBy,
    Fitness,
    Identity,
    Lymphodepletion,
    Monitoring,
    OutcomeMeasure,
    Part,
    Procedure,
    ProhibitedMedication,
    Recruitment,
    ReminderStage,
    Reminding,
    Site,
    SpecialInterestEvent,
    SponsorAgreement,
    Stopping,
    Text,
    UnscheduledVisit,
    Visit,
    Window,
    Words,
)
from trialsite.study.policy import Policy
from trialsite.study.reporting import Recipient, Regime, Reporting, ReportSender


def _unscheduled(code: str, asked: UnscheduledVisit) -> Visit:
    """A line for a visit that the schedule does not have: its day is the day on which it was."""
    return Visit(
        code=code,
        name=asked.name,
        phase="unscheduled",
        follows_infusion=True,
        target_day=1,
        window_open_day=1,
        window_close_day=1,
        procedures=asked.procedures,
        reminders=(),
        by_telephone=True,
    )


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
    identity: Identity
    monitoring: Monitoring
    prohibited_medications: tuple[ProhibitedMedication, ...] = ()
    policy: Policy
    procedures: tuple[Procedure, ...]
    reminder_stages: Annotated[tuple[ReminderStage, ...], Field(min_length=1)]
    reminding: Reminding
    visits: Annotated[tuple[Visit, ...], Field(min_length=1)]
    # None where the study knows of no visits beside its schedule.
    unscheduled: UnscheduledVisit | None = None
    after_events: tuple[AfterEvent, ...] = ()
    criteria: Annotated[tuple[Criterion, ...], Field(min_length=1)]
    special_interest_events: tuple[SpecialInterestEvent, ...]
    # None where the study has no such rule.
    stopping: Stopping | None = None
    # In the order of time.
    collection_windows: tuple[CollectionWindow, ...] = ()
    # As the registry lists them, the primary ones first.
    outcome_measures: tuple[OutcomeMeasure, ...] = ()
    recipients: tuple[Recipient, ...]
    regimes: Annotated[tuple[Regime, ...], Field(min_length=1)]
    reporting: Reporting
    report_sender: ReportSender | None = None
    # The careful one where the file says nothing.
    sponsor_agreement: SponsorAgreement = SponsorAgreement()

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
        if self.unscheduled is not None and UNSCHEDULED.fullmatch(code):
            return _unscheduled(code, self.unscheduled)
        return {visit.code: visit for visit in self.visits}[code]

    def entered_by(self, form: EnteredBy) -> tuple[str, ...]:
        """The codes of the visits that ask for what this form enters, in the order of the schedule."""
        asking = {procedure.code for procedure in self.procedures if procedure.form == form}
        return tuple(visit.code for visit in self.visits if asking.intersection(visit.procedures))

    def criterion(self, code: str) -> Criterion:
        return {criterion.code: criterion for criterion in self.criteria}[code]

    def procedure(self, code: str) -> Procedure:
        return {procedure.code: procedure for procedure in self.procedures}[code]

    def reminder_stage(self, code: str) -> ReminderStage:
        return {stage.code: stage for stage in self.reminder_stages}[code]

    def recipient_name(self, code: str) -> str:
        """In the reader's language; a code that this version lacks stands for itself."""
        return next((str(one.name) for one in self.recipients if one.code == code), code)

    def recipient(self, code: str) -> Recipient:
        return {recipient.code: recipient for recipient in self.recipients}[code]

    def recipient_files(self, code: str) -> tuple[str, ...]:
        """Which report files this recipient usually gets; none for one that this version does not know."""
        return next((one.files for one in self.recipients if one.code == code), ())


@dataclass(frozen=True)
class Study:
    """All protocol versions of the study, oldest first."""

    versions: Mapping[str, Protocol]

    @property
    def latest(self) -> Protocol:
        return list(self.versions.values())[-1]

    def ever(self, look: Callable[[Protocol], Iterable[str]]) -> list[str]:
        """What any version names, each once and in their order: what rows of all times may hold."""
        return list(dict.fromkeys(one for protocol in self.versions.values() for one in look(protocol)))

    def current(self, on: dt.date) -> Protocol:
        """The version in force on a day. Before the first one it is that first one: a study in preparation."""
        in_force = [protocol for protocol in self.versions.values() if protocol.effective_on <= on]
        return in_force[-1] if in_force else next(iter(self.versions.values()))

    def protocol(self, version: str) -> Protocol:
        """Raises KeyError for a version that the study lacks."""
        return self.versions[version]
