"""Who is in the study: participants, their consent, their standing, and when each is seen."""

from __future__ import annotations

import datetime as dt

import pghistory
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from participants.rules import schedule
from participants.rules.status import NO_MORE_VISITS, Status
from trialsite.fields import EncryptedDateField, EncryptedTextField
from trialsite.models import Record, Site, immutable
from trialsite.study import get_study

STATUS_NAMES = {
    Status.SCREENING: _("In screening"),
    Status.SCREEN_FAILED: _("Screen failure"),
    Status.ENROLLED: _("Enrolled"),
    Status.INFUSED: _("Infused"),
    Status.IN_FOLLOW_UP: _("In follow-up"),
    Status.RELAPSED: _("Relapsed"),
    Status.COMPLETED: _("Completed"),
    Status.WITHDRAWN: _("Withdrawn"),
    Status.LOST_TO_FOLLOW_UP: _("Lost to follow-up"),
    Status.DIED: _("Died"),
}


class Sex(models.TextChoices):
    FEMALE = "F", _("female")
    MALE = "M", _("male")


@pghistory.track()
class Participant(Record):
    """A person who gave, or was asked for, consent to this study; known outside the site by number only."""

    site = models.ForeignKey(Site, models.PROTECT, verbose_name=_("site"), related_name="participants")
    screening_number = models.CharField(_("screening number"), max_length=20, unique=True, editable=False)
    participant_number = models.CharField(
        _("participant number"), max_length=20, unique=True, null=True, blank=True, editable=False
    )
    protocol_version = models.CharField(_("protocol version"), max_length=20, editable=False)
    # The newest status row's status, written with it, so that lists can filter by an index.
    status = models.CharField(
        _("status"),
        max_length=20,
        choices=[(s.value, STATUS_NAMES[s]) for s in Status],
        editable=False,
        db_index=True,
    )
    name = EncryptedTextField(pgettext_lazy("person", "name"), max_length=100, label="participant.name")
    birth_date = EncryptedDateField(_("birth date"), label="participant.birth_date")
    sex = models.CharField(_("sex"), max_length=1, choices=Sex)
    phone = EncryptedTextField(_("phone"), max_length=40, blank=True, label="participant.phone")
    hospital_number = EncryptedTextField(
        _("hospital number"), max_length=40, blank=True, label="participant.hospital_number"
    )

    class Meta(Record.Meta):
        verbose_name = _("participant")
        verbose_name_plural = _("participants")
        ordering = ["-screening_number"]
        permissions = [
            ("view_identity", "Can see names, birth dates, phones and hospital numbers"),
            ("enrol_participant", "Can confirm eligibility and enrol"),
            ("change_status", "Can record a change of status"),
            ("void_participant", "Can void a participant entered by mistake"),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def number(self) -> str:
        """The number that people use: the participant number once there is one."""
        return self.participant_number or self.screening_number

    def age_on(self, day: dt.date) -> int:
        """Completed years; somebody born on 29 February turns older on 1 March in common years [P]."""
        born = self.birth_date
        return day.year - born.year - ((day.month, day.day) < (born.month, born.day))


@pghistory.track()
class Consent(Record):
    """The participant (or guardian) agreed to a version of the consent form at this moment."""

    participant = models.ForeignKey(Participant, models.PROTECT, verbose_name=_("participant"), related_name="consents")
    version = models.CharField(_("version of the consent form"), max_length=20)
    consented_at = models.DateTimeField(_("consented at"))
    guardian_consented = models.BooleanField(
        _("guardian signed too"),
        null=True,
        blank=True,
        help_text=_("Required under 18 years; leave open for adults."),
    )

    class Meta(Record.Meta):
        verbose_name = _("consent")
        verbose_name_plural = _("consents")
        ordering = ["consented_at"]
        permissions = [("void_consent", "Can void a consent entered by mistake")]
        constraints = [
            *Record.Meta.constraints,
            models.UniqueConstraint(
                fields=["participant", "version"],
                condition=Q(voided_at__isnull=True),
                name="consent_version_once",
                violation_error_message=_("This version of the consent form is recorded already."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.participant} · {self.version}"


@pghistory.track()
class ParticipantStatus(Record):
    """From this day the participant stood here in the study; a row is never changed, a new one follows."""

    participant = models.ForeignKey(Participant, models.PROTECT, verbose_name=_("participant"), related_name="statuses")
    status = models.CharField(_("status"), max_length=20, choices=[(s.value, STATUS_NAMES[s]) for s in Status])
    effective_on = models.DateField(_("since"))
    reason = models.TextField(_("reason"), blank=True)

    class Meta(Record.Meta):
        verbose_name = _("status")
        verbose_name_plural = _("status history")
        ordering = ["id"]
        triggers = immutable()

    def __str__(self) -> str:
        return f"{self.participant} · {self.get_status_display()}"


class VisitState(models.TextChoices):
    PLANNED = "planned", _("planned")
    DONE = "done", _("done")
    NOT_DONE = "not_done", _("not done")
    CANCELLED = "cancelled", _("no longer due")


class VisitQuerySet(models.QuerySet["Visit"]):
    def owed(self) -> VisitQuerySet:
        """Planned visits of people who still come."""
        return self.filter(state=VisitState.PLANNED, voided_at__isnull=True).exclude(
            participant__status__in=[status.value for status in NO_MORE_VISITS]
        )

    def open_on(self, day: dt.date) -> VisitQuerySet:
        return self.owed().filter(window_opens_on__lte=day, window_closes_on__gte=day)

    def overdue_on(self, day: dt.date) -> VisitQuerySet:
        return self.owed().filter(window_closes_on__lt=day)


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
    not_done_reason = models.TextField(_("why it was not done"), blank=True)
    note = models.TextField(_("note"), blank=True)

    objects = VisitQuerySet.as_manager()

    class Meta(Record.Meta):
        verbose_name = _("visit")
        verbose_name_plural = _("visits")
        ordering = ["target_date", "id"]
        indexes = [
            # The reminder sweep and the first page ask for planned visits around today.
            models.Index(
                fields=["window_opens_on", "window_closes_on"],
                name="visit_planned",
                condition=Q(state="planned"),
            )
        ]
        constraints = [
            *Record.Meta.constraints,
            models.UniqueConstraint(
                fields=["participant", "code"], condition=Q(voided_at__isnull=True), name="visit_once"
            ),
            models.CheckConstraint(
                name="visit_window_holds_target",
                condition=Q(window_opens_on__lte=F("target_date"), target_date__lte=F("window_closes_on")),
            ),
            models.CheckConstraint(
                name="visit_done_has_day",
                condition=Q(state="done", occurred_on__isnull=False) | (~Q(state="done") & Q(occurred_on__isnull=True)),
                violation_error_message=_("A visit that was done has a day; one that was not has none."),
            ),
            models.CheckConstraint(
                name="visit_not_done_has_reason",
                condition=~Q(state="not_done") | ~Q(not_done_reason=""),
                violation_error_message=_("Say why the visit was not done."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.participant} · {self.code}"

    @property
    def title(self) -> str:
        """The schedule's name of the visit, in the reader's language."""
        return str(get_study().protocol(self.protocol_version).visit(self.code).name)

    def days_outside(self, day: dt.date) -> int:
        return schedule.days_outside(day, opens=self.window_opens_on, closes=self.window_closes_on)


class DeviationKind(models.TextChoices):
    VISIT_WINDOW = "visit_window", _("visit outside its window")
    VISIT_NOT_DONE = "visit_not_done", _("visit not done")
    DOSE = "dose", _("dose outside the protocol's range")
    OVERRIDE = "override", _("a limit set aside by the principal investigator")


@pghistory.track()
class ProtocolDeviation(Record):
    """Reality differed from the protocol: what, by how much, and why."""

    participant = models.ForeignKey(
        Participant, models.PROTECT, verbose_name=_("participant"), related_name="deviations"
    )
    kind = models.CharField(_("kind"), max_length=20, choices=DeviationKind)
    # What the deviation is about, such as `visit:17`, so that a repeated save does not report it twice.
    about = models.CharField(_("about"), max_length=80)
    description = models.TextField(_("what happened"))
    reason = models.TextField(_("reason"))

    class Meta(Record.Meta):
        verbose_name = _("protocol deviation")
        verbose_name_plural = _("protocol deviations")
        ordering = ["-id"]
        constraints = [
            *Record.Meta.constraints,
            models.UniqueConstraint(
                fields=["about", "kind"], condition=Q(voided_at__isnull=True), name="deviation_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.participant} · {self.get_kind_display()}"
