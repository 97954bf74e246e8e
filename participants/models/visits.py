"""When each participant is seen, and where reality differed from the protocol."""

from __future__ import annotations

import datetime as dt
from typing import Any, ClassVar

import pghistory
from django.contrib.postgres.fields import DateRangeField
from django.contrib.postgres.indexes import GistIndex
from django.db import models
from django.db.backends.postgresql.psycopg_any import DateRange
from django.db.models import F, Func, Q, Value
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from participants.models.people import Participant
from participants.names import PANEL_NAMES
from participants.rules import schedule
from participants.rules.contradictions import Kind
from participants.rules.owed import Because
from participants.rules.schedule import Standing
from participants.rules.settling import ToldBy
from participants.rules.status import NO_MORE_VISITS, Status
from trialsite.models import Record, RecordQuerySet, User, all_or_none
from trialsite.search import list_indexes, search_index
from trialsite.study import UNSCHEDULED, get_study
from trialsite.twins import Twin


class VisitState(models.TextChoices):
    PLANNED = "planned", _("planned")
    DONE = "done", _("done")
    PARTLY = "partly", _("partly done")
    NOT_DONE = "not_done", _("missed")
    CANCELLED = "cancelled", pgettext_lazy("visit", "not applicable")


# It took place, whatever of it was done.
TOOK_PLACE = (VisitState.DONE, VisitState.PARTLY)

STANDING_NAMES = {
    Standing.PLANNED: _("planned"),
    Standing.OPEN: _("window open"),
    Standing.OVERDUE: _("overdue"),
    Standing.DONE: _("done"),
    Standing.PARTLY: _("partly done"),
    Standing.MISSED: _("missed"),
    Standing.NOT_APPLICABLE: pgettext_lazy("visit", "not applicable"),
}
BECAUSE_NAMES = {
    Because.DEATH: pgettext_lazy("reason", "death"),
    Because.WITHDRAWAL: _("withdrawal of consent"),
    Because.LOST: _("lost to follow-up"),
    Because.COMPLETED: _("main study completed"),
    Because.RELAPSE: _("relapse"),
    Because.NEW_THERAPY: _("new anti-cancer therapy"),
    Because.NO_LONG_TERM: _("no consent to long-term follow-up"),
    Because.STUDY_END: _("after the end of the study"),
}


class VisitContact(models.TextChoices):
    """How participant and site met."""

    SITE = "site", _("at the site")
    TELEPHONE = "telephone", _("by telephone")


TOLD_NAMES = {ToldBy.RECORDS: _("the records of the day"), ToldBy.PERSON: _("a person")}
# The days on which a reminder of a visit may be due, before those that come before and after them.
REMINDED = Func(
    F("target_date"), F("window_closes_on"), Value("[]"), function="DATERANGE", output_field=DateRangeField()
)


# Visits of people who come to none of that kind any more: what `rules.status.is_followed` says of one.
NOT_FOLLOWED = Q(participant__status__in=[one.value for one in NO_MORE_VISITS]) & ~Q(
    participant__status=Status.WITHDRAWN.value, is_long_term_follow_up=True
)


class VisitQuerySet(RecordQuerySet["Visit"]):
    def owed(self) -> VisitQuerySet:
        """Planned visits of people who still come."""
        return self.standing().filter(state=VisitState.PLANNED).exclude(NOT_FOLLOWED)

    def owed_between(self, first: dt.date, last: dt.date) -> VisitQuerySet:
        """Owed visits with a day from their target to the end of their window in this span, both days included.

        Their keys are read first: nobody can tell beforehand how few of a million days lie in a span, and who guesses
        too many reads all participants to join them.
        """
        return self.owed().filter(pk__in=list(self.planned_between(first, last).values_list("pk", flat=True)))

    def planned_between(self, first: dt.date, last: dt.date) -> VisitQuerySet:
        """The same whoever they are of, in no order: by the visits' own index, which knows of no participant."""
        planned = self.own_standing().filter(state=VisitState.PLANNED).order_by()
        return planned.alias(reminded=REMINDED).filter(reminded__overlap=DateRange(first, last, "[]"))

    def meeting(self, first: dt.date, last: dt.date) -> VisitQuerySet:
        """Whose window or own day meets these days, both included.

        No window is longer than the study's longest: so an index finds those that opened in reach.
        """
        opened = Q(window_opens_on__range=(first - _longest_window(), last), window_closes_on__gte=first)
        return self.filter(opened | Q(occurred_on__range=(first, last)))

    def open_on(self, day: dt.date) -> VisitQuerySet:
        return self.owed().filter(window_opens_on__lte=day, window_closes_on__gte=day)

    def overdue_on(self, day: dt.date) -> VisitQuerySet:
        return self.owed().filter(window_closes_on__lt=day)


def _longest_window() -> dt.timedelta:
    visits = (visit for protocol in get_study().versions.values() for visit in protocol.visits)
    return dt.timedelta(days=max(visit.window_close_day - visit.window_open_day for visit in visits))


@pghistory.track()
class Visit(Record):
    """A follow-up visit with the window it was planned with, and what became of it."""

    State = VisitState

    participant = models.ForeignKey(Participant, models.PROTECT, verbose_name=_("participant"), related_name="visits")
    code = models.CharField(_("visit"), max_length=10)
    protocol_version = models.CharField(_("protocol version"), max_length=20, editable=False)
    target_day = models.IntegerField(_("trial day"), editable=False)
    target_date = models.DateField(_("target date"), editable=False)
    window_opens_on = models.DateField(_("window opens"), editable=False)
    window_closes_on = models.DateField(_("window closes"), editable=False)
    is_long_term_follow_up = models.BooleanField(_("long-term follow-up"), default=False, editable=False)
    state = models.CharField(_("state"), max_length=10, choices=VisitState, default=VisitState.PLANNED)
    occurred_on = models.DateField(_("took place on"), null=True, blank=True)
    contact = models.CharField(_("how"), max_length=10, choices=VisitContact, blank=True)
    not_done_reason = models.TextField(_("why it was missed, done in part, or does not apply"), blank=True)
    # What took it from what is owed, where no person has said so.
    released_because = models.CharField(
        _("no longer due because of"),
        max_length=15,
        choices=[(one.value, BECAUSE_NAMES[one]) for one in Because],
        blank=True,
        editable=False,
    )
    released_on = models.DateField(_("no longer due since"), null=True, blank=True, editable=False)
    note = models.TextField(_("note"), blank=True)
    told_by = models.CharField(
        _("told by"),
        max_length=10,
        choices=[(one.value, TOLD_NAMES[one]) for one in TOLD_NAMES],
        blank=True,
        editable=False,
    )

    objects = VisitQuerySet.as_manager()  # type: ignore[misc]  # more than every record's

    not_filled_in: ClassVar[dict[str, str]] = {"state": VisitState.PLANNED}
    dated = {"occurred_on": Kind.PROCEDURE}

    class Meta(Record.Meta):
        verbose_name = _("visit")
        verbose_name_plural = _("visits")
        ordering = ["target_date", "id"]
        permissions = [("void_visit", "Can void a visit entered by mistake")]
        indexes = [
            *list_indexes("visit", "target_date", "window_opens_on", "state", "occurred_on", "code"),
            *list_indexes("visit", "state target_date", "code target_date"),
            search_index("visit_search", "code"),
            # What the reminder sweep reads, however many visits there were and will be.
            GistIndex(REMINDED, name="visit_reminded", condition=Q(state="planned", voided_at__isnull=True)),
            # The first page asks for planned visits around today.
            models.Index(
                fields=["window_opens_on", "window_closes_on"],
                name="visit_planned",
                condition=Q(state="planned"),
            ),
        ]
        constraints = [
            *Record.Meta.constraints,
            models.UniqueConstraint(
                fields=["participant", "code"],
                condition=Q(voided_at__isnull=True),
                name="visit_once",
                violation_error_message=_("This visit is planned already: record it there."),
            ),
            models.CheckConstraint(
                name="visit_window_holds_target",
                condition=Q(window_opens_on__lte=F("target_date"), target_date__lte=F("window_closes_on")),
            ),
            models.CheckConstraint(
                name="visit_done_has_day",
                condition=Q(state__in=["done", "partly"], occurred_on__isnull=False)
                | (~Q(state__in=["done", "partly"]) & Q(occurred_on__isnull=True)),
                violation_error_message=_("A visit that took place has a day; one that did not has none."),
            ),
            models.CheckConstraint(
                name="visit_not_done_has_reason",
                condition=~Q(state__in=["not_done", "partly"]) | ~Q(not_done_reason=""),
                violation_error_message=_("Say why the visit was missed, or what was not done at it."),
            ),
            models.CheckConstraint(
                name="visit_released_is_not_due",
                condition=Q(released_because="", released_on__isnull=True)
                | (~Q(released_because="") & Q(released_on__isnull=False, state="cancelled")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.participant} · {self.code}"

    @property
    def is_unscheduled(self) -> bool:
        return UNSCHEDULED.fullmatch(self.code) is not None

    def standing_on(self, today: dt.date) -> Standing:
        """Planned, open, overdue, or what became of it."""
        return schedule.standing(self.state, opens=self.window_opens_on, closes=self.window_closes_on, today=today)

    @property
    def why(self) -> str:
        """In the reader's words, why it was missed, done in part, or is not applicable."""
        if self.released_because:
            return f"{self.get_released_because_display()} ({self.released_on:%Y-%m-%d})"
        return self.not_done_reason

    @property
    def title(self) -> str:
        """The schedule's name of the visit, in the reader's language."""
        return str(get_study().protocol(self.protocol_version).visit(self.code).name)

    def days_outside(self, day: dt.date) -> int:
        return schedule.days_outside(day, opens=self.window_opens_on, closes=self.window_closes_on)


class ProcedureState(models.TextChoices):
    DONE = "done", _("done")
    NOT_DONE = "not_done", _("not done")


@pghistory.track()
class VisitProcedure(Record):
    """A procedure of a visit that no other record holds, done on a day; or any that was not done, and why."""

    State = ProcedureState

    participant = models.ForeignKey(
        Participant, models.PROTECT, verbose_name=_("participant"), related_name="procedures"
    )
    # The schedule's codes: visits before the infusion are no rows.
    visit_code = models.CharField(_("visit"), max_length=10)
    code = models.CharField(_("procedure"), max_length=40)
    state = models.CharField(_("state"), max_length=10, choices=ProcedureState)
    done_on = models.DateField(_("done on"), null=True, blank=True)
    result = models.CharField(_("result"), max_length=200, blank=True)
    not_done_reason = models.TextField(_("why it was not done"), blank=True)

    dated = {"done_on": Kind.PROCEDURE}

    class Meta(Record.Meta):
        verbose_name = _("procedure of a visit")
        verbose_name_plural = _("procedures of visits")
        ordering = ["participant", "visit_code", "code"]
        permissions = [("void_visitprocedure", "Can void a procedure of a visit entered by mistake")]
        indexes = [search_index("visit_procedure_search", "code")]
        constraints = [
            *Record.Meta.constraints,
            models.UniqueConstraint(
                fields=["participant", "visit_code", "code"],
                condition=Q(voided_at__isnull=True),
                name="visit_procedure_once",
                violation_error_message=_("This procedure is recorded already for this visit."),
            ),
            models.CheckConstraint(
                name="visit_procedure_done_has_day",
                condition=Q(state="done", done_on__isnull=False, not_done_reason="")
                | Q(state="not_done", done_on__isnull=True, result="", not_done_reason__regex=r"\S"),
                violation_error_message=_("Done has a day; not done has its reason, and no result."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.participant} · {self.visit_code} · {self.title}"

    @property
    def title(self) -> str:
        """What it is called: the panel, or the procedure of the schedule, in the reader's language."""
        return procedure_title(self.code, self.participant.protocol_version)


def procedure_title(code: str, version: str = "") -> str:
    """The panel, or the procedure of a protocol version that is entered by this code."""
    if code in PANEL_NAMES:
        return str(PANEL_NAMES[code])
    study = get_study()
    asked = (study.protocol(version) if version else study.latest).procedures
    return next((str(one.name) for one in asked if code in (one.code, one.form)), code)


def _person(name: Any) -> models.ForeignKey[Any, Any]:
    """Who did a step of the work on a row, beside its moment."""
    return models.ForeignKey(
        User, models.PROTECT, verbose_name=name, related_name="+", null=True, blank=True, editable=False
    )


class DeviationKind(models.TextChoices):
    VISIT_WINDOW = "visit_window", _("visit outside its window")
    VISIT_NOT_DONE = "visit_not_done", _("visit not done")
    DOSE = "dose", _("dose outside the protocol's range")
    CONSENT = "consent", _("study procedure before the consent")
    MEDICATION = "medication", _("medication that the protocol does not allow")
    PRODUCT = "product", _("product not as the protocol wants it")
    ELIGIBILITY = "eligibility", _("infused although a criterion was not met")
    READINESS = "readiness", _("infused although something stood against it")
    LYMPHODEPLETION = "lymphodepletion", _("lymphodepletion not as the protocol wants it")
    OVERRIDE = "override", _("a limit set aside by the principal investigator")
    VOIDED = "voided", _("an entry that others rest on is void")
    PROCEDURE = "procedure", _("study procedure not done, or done otherwise")
    SAMPLE = "sample", _("sample missing, late or lost")
    REPORTING = "reporting", _("report sent late or not at all")
    OTHER = "other", pgettext_lazy("deviation", "other")


class Severity(models.TextChoices):
    """How much a deviation weighs. Important: may bear on the participant's rights, safety or well-being, or on
    the reliability of the data (ICH E3 Q&A (R1), 2012)."""

    MINOR = "minor", pgettext_lazy("deviation", "minor")
    MAJOR = "major", pgettext_lazy("deviation", "major")
    IMPORTANT = "important", pgettext_lazy("deviation", "important")


class DeviationQuerySet(RecordQuerySet["ProtocolDeviation"]):
    def open(self) -> DeviationQuerySet:
        return self.standing().filter(closed_at__isnull=True)

    def true(self) -> DeviationQuerySet:
        """Those that did happen: not void, and no correction has shown otherwise."""
        return self.standing().filter(is_untrue=False)

    def unclassified(self) -> DeviationQuerySet:
        return self.true().filter(severity="")

    def unreported(self) -> DeviationQuerySet:
        """Important ones that the sponsor or the ethics committee was not told of."""
        unsaid = Q(reported_to_sponsor_at__isnull=True) | Q(reported_to_ethics_at__isnull=True)
        return self.true().filter(unsaid, severity=Severity.IMPORTANT)


@pghistory.track()
class ProtocolDeviation(Record):
    """Reality differed from the protocol: what, by how much, why; how much it weighs, and who was told."""

    participant = models.ForeignKey(
        Participant, models.PROTECT, verbose_name=_("participant"), related_name="deviations"
    )
    kind = models.CharField(_("kind"), max_length=20, choices=DeviationKind)
    # What the deviation is about, such as `visit:17`, so that a repeated save does not report it twice.
    about = models.CharField(_("about"), max_length=80)
    description = models.TextField(_("what happened"))
    reason = models.TextField(_("reason"))
    occurred_on = models.DateField(_("happened on"), null=True, blank=True)
    severity = models.CharField(
        _("severity of the deviation"), max_length=10, choices=Severity, blank=True, editable=False
    )
    classified_at = models.DateTimeField(_("classified at"), null=True, blank=True, editable=False)
    classified_by = _person(_("classified by"))
    closed_at = models.DateTimeField(_("closed at"), null=True, blank=True, editable=False)
    closed_by = _person(_("closed by"))
    close_note = models.TextField(_("what was done"), blank=True, editable=False)
    is_untrue = models.BooleanField(_("untrue after a correction"), default=False, editable=False)
    reported_to_sponsor_at = models.DateTimeField(
        _("reported to the sponsor at"), null=True, blank=True, editable=False
    )
    reported_to_sponsor_by = _person(_("reported to the sponsor by"))
    reported_to_ethics_at = models.DateTimeField(
        _("reported to the ethics committee at"), null=True, blank=True, editable=False
    )
    reported_to_ethics_by = _person(_("reported to the ethics committee by"))

    twin = Twin(same=("participant", "kind", "occurred_on"))
    # What the site did or left undone: before the consent, or in a report after a death, it is one all the same.
    dated = {"occurred_on": Kind.KNOWLEDGE}

    objects = DeviationQuerySet.as_manager()  # type: ignore[misc]  # more than every record's

    class Meta(Record.Meta):
        verbose_name = _("protocol deviation")
        verbose_name_plural = _("protocol deviations")
        ordering = ["-id"]
        indexes = [*list_indexes("deviation", "kind"), search_index("deviation_search", "description")]
        permissions = [
            ("assess_protocoldeviation", "Can classify, close and report a protocol deviation"),
            ("void_protocoldeviation", "Can void a protocol deviation entered by mistake"),
        ]
        constraints = [
            *Record.Meta.constraints,
            all_or_none("deviation_classified_complete", "classified_at", "classified_by"),
            all_or_none("deviation_closed_complete", "closed_at", "closed_by"),
            all_or_none("deviation_sponsor_complete", "reported_to_sponsor_at", "reported_to_sponsor_by"),
            all_or_none("deviation_ethics_complete", "reported_to_ethics_at", "reported_to_ethics_by"),
            models.CheckConstraint(
                name="deviation_classified_has_weight",
                condition=Q(severity="", classified_at__isnull=True)
                | (~Q(severity="") & Q(classified_at__isnull=False)),
            ),
            models.CheckConstraint(
                name="deviation_closed_says_what_was_done",
                condition=Q(closed_at__isnull=True, close_note="", is_untrue=False)
                | Q(closed_at__isnull=False, close_note__regex=r"\S"),
            ),
            models.UniqueConstraint(
                fields=["about", "kind"],
                condition=Q(voided_at__isnull=True),
                name="deviation_once",
                violation_error_message=_("This deviation is recorded already."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.participant} · {self.get_kind_display()}"

    @property
    def is_open(self) -> bool:
        return self.closed_at is None and not self.is_void
