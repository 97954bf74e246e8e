"""Death: the status, the events, the assessments and everything that goes on must tell the same."""

from collections.abc import Iterable, Iterator
from typing import Any

from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from dosing.models import Infusion, Leukapheresis, LymphodepletionDose, Medication
from participants.models import Examination, Participant, ParticipantStatus, Visit
from participants.rules.status import Status
from safety.checks import sql
from safety.checks.registry import Found, Scope, add, check, found
from safety.models import (
    AdverseEvent,
    BedsideAssessment,
    CrsAssessment,
    IcansAssessment,
    IecHsAssessment,
    Outcome,
    Scale,
    ToxicityAssessment,
    current,
)
from trialsite.models import Record

# Anything of an event that tells a death; see `safety.deaths.is_death`.
FATAL = Q(outcome=Outcome.FATAL) | Q(results_in_death=True) | Q(grade=5)
STATUS = (Participant, ParticipantStatus)


@check(
    title=_("Died, but no event is fatal"),
    why=_("The status says that the participant died; no adverse event has a fatal outcome, so the cause is missing."),
    way_out=_("Record the event that led to death with grade 5 and outcome “fatal”, or correct the status."),
    looks_at=(*STATUS, AdverseEvent),
)
def died_without_fatal_event(scope: Scope) -> Iterable[Found]:
    fatal = AdverseEvent.objects.standing().filter(FATAL, participant=OuterRef("pk"))
    rows = sql.dead(scope).exclude(Exists(fatal)).annotate(died_on=sql.died_on("pk"))
    return found(rows, "status", "died_on", along="")


@check(
    title=_("Fatal event, but the participant has not died"),
    why=_("An adverse event tells a death (outcome, grade 5 or “results in death”); the status is another one."),
    way_out=_("Record the status “died” with its day, or correct the event."),
    looks_at=(*STATUS, AdverseEvent),
)
def fatal_event_without_death(scope: Scope) -> Iterable[Found]:
    rows = scope.of(AdverseEvent).filter(FATAL).exclude(participant__status=Status.DIED)
    return found(rows, "grade", "outcome", "results_in_death", status="participant__status")


@check(
    title=_("Graded 5, but the participant has not died"),
    why=_("An assessment of CRS, ICANS or IEC-HS has grade 5, which is death; the status is another one."),
    way_out=_("Record the status “died” with its day, or correct the assessment."),
    looks_at=(*STATUS, ToxicityAssessment, IecHsAssessment),
)
def grade_5_without_death(scope: Scope) -> Iterator[Found]:
    for model, rows in (
        (CrsAssessment, Q(toxicity=Scale.CRS)),
        (IcansAssessment, Q(toxicity=Scale.ICANS)),
        (IecHsAssessment, Q()),
    ):
        graded = current(scope.of(model)).annotate(final=Coalesce("investigator_grade", "grade"))
        alive = graded.filter(rows, final=5).exclude(participant__status=Status.DIED)
        yield from found(alive, "assessed_at", grade="final", status="participant__status")


@check(
    title=_("Two days of death"),
    why=_("A fatal event ended on another day than that on which the participant died by the status."),
    way_out=_("Find the day in the source, and correct the event's end or the status."),
    looks_at=(*STATUS, AdverseEvent),
)
def days_of_death_differ(scope: Scope) -> Iterable[Found]:
    rows = scope.of(AdverseEvent).filter(FATAL, participant__status=Status.DIED).exclude(resolved="")
    rows = rows.annotate(died_on=sql.died_on(), died_text=sql.text_of(sql.died_on()))
    differ = sql.certainly_before(F("resolved"), F("died_text")) | sql.certainly_after(F("resolved"), F("died_text"))
    return found(rows.filter(differ), "resolved", "died_on")


@check(
    title=_("More than one fatal event"),
    why=_("Two adverse events of one participant are fatal; one of them led to death, others went on until it."),
    way_out=_("Keep the outcome “fatal” for the event that led to death, and write “not recovered” in the others."),
    looks_at=(AdverseEvent,),
)
def several_fatal_events(scope: Scope) -> Iterable[Found]:
    earlier = AdverseEvent.objects.standing().filter(FATAL, participant=OuterRef("participant"), pk__lt=OuterRef("pk"))
    other = earlier.order_by("pk").values("pk")[:1]
    rows = scope.of(AdverseEvent).filter(FATAL).annotate(other_row=other).filter(other_row__isnull=False)
    return found(rows, "onset", "grade", "other_row")


@check(
    title=_("Event goes on after death"),
    why=_("An event has no end, and is recovering or open, though the participant has died."),
    way_out=_("Give its end, or the outcome “not recovered” if it went on until death."),
    looks_at=(*STATUS, AdverseEvent),
)
def event_goes_on_after_death(scope: Scope) -> Iterable[Found]:
    rows = scope.of(AdverseEvent).filter(participant__status=Status.DIED, resolved="")
    rows = rows.filter(outcome__in=["", Outcome.RECOVERING]).annotate(died_on=sql.died_on())
    return found(rows, "onset", "outcome", "died_on")


@check(
    title=_("Event begins after death"),
    why=_("The onset of an event lies certainly after the day of death."),
    way_out=_("Correct the onset, or the day of the status “died”."),
    looks_at=(*STATUS, AdverseEvent),
)
def event_after_death(scope: Scope) -> Iterable[Found]:
    rows = scope.of(AdverseEvent).filter(participant__status=Status.DIED)
    rows = rows.annotate(died_on=sql.died_on(), died_text=sql.text_of(sql.died_on()))
    return found(rows.filter(sql.certainly_after(F("onset"), F("died_text"))), "onset", "died_on")


@check(
    title=_("Visit done after death"),
    why=_("A visit took place after the day of death."),
    way_out=_("Correct the day of the visit, say that it was not done, or correct the status."),
    looks_at=(*STATUS, Visit),
)
def visit_after_death(scope: Scope) -> Iterable[Found]:
    rows = scope.of(Visit).filter(participant__status=Status.DIED, occurred_on__isnull=False)
    rows = rows.annotate(died_on=sql.died_on()).filter(occurred_on__gt=F("died_on"))
    return found(rows, "occurred_on", "died_on", visit="code")


@check(
    title=_("Medication goes on after death"),
    why=_("A medication is marked as ongoing though the participant has died."),
    way_out=_("Give its end: at the latest the day of death."),
    looks_at=(*STATUS, Medication),
)
def medication_goes_on_after_death(scope: Scope) -> Iterable[Found]:
    rows = scope.of(Medication).filter(participant__status=Status.DIED, is_ongoing=True)
    return found(rows.annotate(died_on=sql.died_on()), "started_at", "died_on", medication="kind")


# --- The same of every moment at which something was done or found ------------------------------------


def _after_death(model: type[Record], moment: str) -> Any:
    def find(scope: Scope) -> Iterable[Found]:
        rows = scope.of(model).filter(participant__status=Status.DIED)
        if model is BedsideAssessment:
            rows = current(rows)
        rows = rows.annotate(died_on=sql.died_on()).filter(**{f"{moment}__date__gt": F("died_on")})
        return found(rows, moment, "died_on")

    return find


for _code, _model, _moment, _title, _why in (
    (
        "infusion_after_death",
        Infusion,
        "infused_at",
        _("Infusion after death"),
        _("Cells were infused after the day of death."),
    ),
    (
        "dose_after_death",
        LymphodepletionDose,
        "given_at",
        _("Lymphodepletion after death"),
        _("A dose of lymphodepletion was given after the day of death."),
    ),
    (
        "leukapheresis_after_death",
        Leukapheresis,
        "started_at",
        _("Leukapheresis after death"),
        _("Cells were collected after the day of death."),
    ),
    (
        "medication_after_death",
        Medication,
        "started_at",
        _("Medication begun after death"),
        _("A medication was given or begun after the day of death."),
    ),
    (
        "sample_after_death",
        Examination,
        "taken_at",
        _("Sample or examination after death"),
        _("Something was taken or examined after the day of death."),
    ),
    (
        "bedside_after_death",
        BedsideAssessment,
        "assessed_at",
        _("Bedside assessment after death"),
        _("The participant was assessed at the bedside after the day of death."),
    ),
):
    add(
        _code,
        _after_death(_model, _moment),
        title=_title,
        why=_why,
        way_out=_("Correct its day, void it if it is another person's, or correct the day of the status “died”."),
        looks_at=(*STATUS, _model),
    )
