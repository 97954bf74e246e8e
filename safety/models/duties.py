"""Reports that are owed because of an event, and those that were sent."""

from __future__ import annotations

import datetime as dt

import pghistory
import pgtrigger
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from safety.models.events import AdverseEvent
from trialsite.models import Record, User, all_or_none, immutable
from trialsite.search import list_indexes
from trialsite.study import get_study


class DutyKind(models.TextChoices):
    """What the report is."""

    INITIAL = "initial", pgettext_lazy("report", "first report")
    COMPLETION = "completion", pgettext_lazy("report", "complete report")
    FOLLOW_UP = "follow_up", pgettext_lazy("report", "follow-up with new information")
    UPGRADE = "upgrade", pgettext_lazy("report", "upgrade: it became worse")
    DOWNGRADE = "downgrade", pgettext_lazy("report", "downgrade: it is less than was said")
    NULLIFICATION = "nullification", pgettext_lazy("report", "nullification: it was no event")


class ClosedBecause(models.TextChoices):
    """What made a duty pointless before it was met."""

    NULLIFIED = "nullified", pgettext_lazy("duty", "it was no event")
    NOT_SERIOUS = "not_serious", pgettext_lazy("duty", "the event is not serious")
    NOT_RELATED = "not_related", pgettext_lazy("duty", "investigator and sponsor exclude a relation")
    EXPECTED = "expected", pgettext_lazy("duty", "the event is expected")
    REPLACED = "replaced", pgettext_lazy("duty", "another duty stands in its place")


class DutyState(models.TextChoices):
    OPEN = "open", pgettext_lazy("duty", "open")
    MET = "met", pgettext_lazy("duty", "report sent")
    LATE = "late", pgettext_lazy("duty", "report sent late")
    CLOSED = "closed", pgettext_lazy("duty", "not needed any more")


@pghistory.track()
class Submission(Record):
    """One report about an event went to one recipient at this moment; it meets one duty or several."""

    part_of = ("event__participant",)

    event = models.ForeignKey(AdverseEvent, models.PROTECT, verbose_name=_("adverse event"), related_name="submissions")
    recipient = models.CharField(_("recipient"), max_length=40)
    submitted_at = models.DateTimeField(_("sent at"))
    submitted_by = models.ForeignKey(User, models.PROTECT, verbose_name=_("sent by"), related_name="+")
    reference = models.CharField(
        _("reference"), max_length=80, help_text=_("The recipient's number, or how it was told, such as by e-mail.")
    )
    late_reason = models.TextField(_("why it is late"), blank=True)

    class Meta(Record.Meta):
        verbose_name = _("report sent")
        verbose_name_plural = _("reports sent")
        ordering = ["-submitted_at", "-id"]
        triggers = immutable()
        permissions = [("void_submission", "Can void a report recorded as sent by mistake")]
        indexes = [*list_indexes("submission", "submitted_at")]

    def __str__(self) -> str:
        return f"{self.event} · {self.recipient}"


class SubmissionFile(models.Model):
    """What was sent, byte for byte, with its checksum; written once, with the submission, and kept in the database."""

    submission = models.OneToOneField(Submission, models.PROTECT, verbose_name=_("report sent"), related_name="file")
    # Made of the study's numbers: the name that somebody's computer gave it may name a person.
    name = models.CharField(_("name of the file"), max_length=80)
    content_type = models.CharField(_("format"), max_length=80)
    size = models.PositiveIntegerField(_("size in bytes"))
    sha256 = models.CharField("SHA-256", max_length=64)
    content = models.BinaryField(_("content"))

    class Meta:
        verbose_name = _("file of a report")
        verbose_name_plural = _("files of reports")
        ordering = ["-id"]
        # Read with the report that it belongs to.
        default_permissions = ()
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return self.name


@pghistory.track()
class ReportingDuty(Record):
    """Somebody must have a report about an event by this moment. It stays: met, not needed any more, or open."""

    # A void event still owes the reports that take it back.
    part_of = ("event__participant",)

    event = models.ForeignKey(AdverseEvent, models.PROTECT, verbose_name=_("adverse event"), related_name="duties")
    regime = models.CharField(_("regime"), max_length=40)
    clock = models.CharField(_("clock"), max_length=40)
    recipient = models.CharField(_("recipient"), max_length=40)
    kind = models.CharField(_("kind of report"), max_length=16, choices=DutyKind)
    # `first`, `worse`, `death`, or `news-17`: what started it.
    trigger = models.CharField(_("started by"), max_length=40)
    why = models.JSONField(_("because"), default=list)
    counted_from = models.DateTimeField(_("counted from"))
    due_at = models.DateTimeField(_("due"))
    # False: the other reading of a limit, which is shown and about which nobody is called.
    is_alarming = models.BooleanField(_("somebody is reminded"), default=True)
    met_by = models.ForeignKey(
        Submission, models.PROTECT, verbose_name=_("met by"), related_name="duties", null=True, blank=True
    )
    closed_at = models.DateTimeField(_("not needed since"), null=True, blank=True)
    closed_because = models.CharField(_("not needed because"), max_length=12, choices=ClosedBecause, blank=True)
    acknowledged_at = models.DateTimeField(_("acknowledged at"), null=True, blank=True)
    acknowledged_by = models.ForeignKey(
        User, models.PROTECT, verbose_name=_("acknowledged by"), related_name="+", null=True, blank=True
    )

    class Meta(Record.Meta):
        verbose_name = _("reporting duty")
        verbose_name_plural = _("reporting duties")
        ordering = ["due_at", "id"]
        triggers = immutable("why", "met_by", "closed_at", "closed_because", "acknowledged_at", "acknowledged_by")
        permissions = [("acknowledge_reportingduty", "Can acknowledge a reporting duty")]
        indexes = [
            *list_indexes("duty", "due_at"),
            # The first page and the sweep ask for these all the time.
            models.Index(fields=["due_at"], name="duty_open", condition=Q(met_by__isnull=True, closed_at__isnull=True)),
        ]
        constraints = [
            *Record.Meta.constraints,
            models.UniqueConstraint(
                fields=["event", "regime", "clock", "recipient", "trigger", "counted_from", "due_at"],
                name="reporting_duty_once",
                violation_error_message=_("This duty is there already."),
            ),
            models.CheckConstraint(
                name="reporting_duty_due_after_awareness", condition=Q(due_at__gt=models.F("counted_from"))
            ),
            models.CheckConstraint(
                name="reporting_duty_closed_has_cause",
                condition=Q(closed_at__isnull=True, closed_because="")
                | (Q(closed_at__isnull=False, met_by__isnull=True) & ~Q(closed_because="")),
            ),
            all_or_none("reporting_duty_acknowledged_by_somebody", "acknowledged_at", "acknowledged_by"),
        ]

    def __str__(self) -> str:
        recipients = get_study().protocol(self.event.participant.protocol_version).recipients
        whom = next((str(one.name) for one in recipients if one.code == self.recipient), self.recipient)
        return f"{self.event} · {self.get_kind_display()} · {whom}"

    @property
    def name(self) -> str:
        """As `rules.reporting.Duty.name`: what makes two duties the same."""
        return f"{self.clock}:{self.recipient}:{self.trigger}"

    @property
    def is_open(self) -> bool:
        return self.met_by_id is None and self.closed_at is None

    @property
    def state(self) -> DutyState:
        if self.met_by is not None:
            return DutyState.LATE if self.met_by.submitted_at > self.due_at else DutyState.MET
        return DutyState.OPEN if self.closed_at is None else DutyState.CLOSED

    def is_overdue(self, now: dt.datetime) -> bool:
        return self.is_open and now > self.due_at
