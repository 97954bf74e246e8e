"""How the site's people are reminded of visits: what each of them wants, who stands in, and what each was told."""

from __future__ import annotations

import datetime as dt

import pghistory
import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from participants.models.visits import Visit
from participants.rules.reminders import Post, Quiet
from trialsite.models import Notification, User
from trialsite.study import Protocol


@pghistory.track()
class ReminderPreference(models.Model):
    """How a person wants to be reminded; who has no such row gets what the study file says, once a day together."""

    person = models.OneToOneField(
        User, models.PROTECT, verbose_name=_("person"), related_name="reminder_preference", editable=False
    )
    is_single = models.BooleanField(_("each reminder as a mail of its own"), default=False)
    # None: the hours of the study file. The same hour twice: never quiet.
    quiet_from = models.TimeField(_("quiet from"), null=True, blank=True)
    quiet_until = models.TimeField(_("quiet until"), null=True, blank=True)

    class Meta:
        verbose_name = _("preference for reminders")
        verbose_name_plural = _("preferences for reminders")
        default_permissions = ()
        constraints = [
            models.CheckConstraint(
                name="reminderpreference_hours_complete",
                condition=Q(quiet_from__isnull=True, quiet_until__isnull=True)
                | Q(quiet_from__isnull=False, quiet_until__isnull=False),
                violation_error_message=_("Give both hours, or neither: then those of the study hold."),
            )
        ]

    def __str__(self) -> str:
        return str(self.person)

    def post(self, protocol: Protocol) -> Post:
        """What the rule of reminders asks for."""
        if self.quiet_from is None or self.quiet_until is None:
            return Post(self.is_single, study_quiet(protocol))
        return Post(self.is_single, Quiet(self.quiet_from, self.quiet_until))


def study_quiet(protocol: Protocol) -> Quiet:
    return Quiet(protocol.reminding.quiet_from, protocol.reminding.quiet_until)


@pghistory.track()
class Absence(models.Model):
    """Days on which a person reads no mail, and who reads it instead; taken back, never deleted."""

    person = models.ForeignKey(User, models.PROTECT, verbose_name=_("person"), related_name="absences", editable=False)
    first_on = models.DateField(_("first day away"))
    last_on = models.DateField(_("last day away"))
    deputy = models.ForeignKey(User, models.PROTECT, verbose_name=_("deputy"), related_name="+", null=True, blank=True)
    taken_back_at = models.DateTimeField(_("taken back at"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("absence")
        verbose_name_plural = _("absences")
        ordering = ["first_on", "id"]
        default_permissions = ()
        indexes = [models.Index(fields=["last_on"], name="absence_still_to_come", condition=Q(taken_back_at=None))]
        constraints = [
            models.CheckConstraint(
                name="absence_ends_after_it_begins",
                condition=Q(last_on__gte=F("first_on")),
                violation_error_message=_("The last day away is the first one or a later one."),
            ),
            models.CheckConstraint(
                name="absence_deputy_is_somebody_else",
                condition=Q(deputy=None) | ~Q(deputy=F("person")),
                violation_error_message=_("Nobody stands in for themselves: choose somebody else."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.person} {self.first_on:%Y-%m-%d} – {self.last_on:%Y-%m-%d}"

    def holds_on(self, day: dt.date) -> bool:
        return self.taken_back_at is None and self.first_on <= day <= self.last_on


class VisitReminder(models.Model):
    """That one person was, or is being, told of one stage of a visit's date, and in which message.

    Once for each date: a visit that moved is told of anew. Where the message was cancelled, it is told in another.
    """

    visit = models.ForeignKey(Visit, models.PROTECT, verbose_name=_("visit"), related_name="reminders")
    target_date = models.DateField(_("target date"))
    stage = models.CharField(pgettext_lazy("reminder", "stage"), max_length=20)
    recipient = models.ForeignKey(User, models.PROTECT, verbose_name=_("recipient"), related_name="+")
    message = models.ForeignKey(
        Notification, models.PROTECT, to_field="dedupe_key", verbose_name=_("message"), related_name="+"
    )
    # How many messages were written for it: all before the last were cancelled before they left.
    times = models.PositiveSmallIntegerField(_("messages"), default=1)

    class Meta:
        verbose_name = _("reminder of a visit")
        verbose_name_plural = _("reminders of visits")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["visit", "target_date", "stage", "recipient"],
                name="visitreminder_once",
                violation_error_message=_("This person is told of it already."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.visit_id} {self.stage} → {self.recipient_id}"


class Outcome(models.TextChoices):
    TOLD = "told", pgettext_lazy("participant", "told")
    NOT_REACHED = "not_reached", _("not reached")


@pghistory.track()
class ParticipantReminder(models.Model):
    """Somebody of the site passed the reminder of a visit's date on to the participant, or tried to."""

    visit = models.ForeignKey(Visit, models.PROTECT, verbose_name=_("visit"), related_name="passed_on")
    target_date = models.DateField(_("target date"))
    stage = models.CharField(pgettext_lazy("reminder", "stage"), max_length=20)
    outcome = models.CharField(_("what came of it"), max_length=12, choices=Outcome)
    at = models.DateTimeField(_("at"))
    by = models.ForeignKey(User, models.PROTECT, verbose_name=_("by"), related_name="+")

    class Meta:
        verbose_name = _("reminder passed on to a participant")
        verbose_name_plural = _("reminders passed on to participants")
        ordering = ["-at", "-id"]
        default_permissions = ()
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]
        constraints = [
            models.UniqueConstraint(
                fields=["visit", "target_date", "stage"],
                condition=Q(outcome="told"),
                name="participantreminder_told_once",
                violation_error_message=_("The participant is told already."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.visit_id} {self.stage} {self.outcome}"


class DutyReminder(models.Model):
    """That one person was, or is being, told of one stage of something owed besides visits, and in which message."""

    # As the message says it: a consent to be given again, a blood count that is missing.
    about = models.CharField(_("about"), max_length=100)
    stage = models.CharField(pgettext_lazy("reminder", "stage"), max_length=40)
    recipient = models.ForeignKey(User, models.PROTECT, verbose_name=_("recipient"), related_name="+")
    message = models.ForeignKey(
        Notification, models.PROTECT, to_field="dedupe_key", verbose_name=_("message"), related_name="+"
    )
    times = models.PositiveSmallIntegerField(_("messages"), default=1)

    class Meta:
        verbose_name = _("reminder of a duty")
        verbose_name_plural = _("reminders of duties")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["about", "stage", "recipient"],
                name="dutyreminder_once",
                violation_error_message=_("This person is told of it already."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.about} {self.stage} → {self.recipient_id}"


@pghistory.track()
class VisitAcknowledgement(models.Model):
    """Somebody has said that they know of a visit whose window closes on this day, and see to it."""

    visit = models.ForeignKey(Visit, models.PROTECT, verbose_name=_("visit"), related_name="acknowledgements")
    # A window that moved is another one: it is acknowledged anew.
    closes_on = models.DateField(_("window closes"))
    at = models.DateTimeField(_("acknowledged at"))
    by = models.ForeignKey(User, models.PROTECT, verbose_name=_("acknowledged by"), related_name="+")
    note = models.CharField(_("what is planned"), max_length=300, blank=True)

    class Meta:
        verbose_name = _("acknowledged reminder")
        verbose_name_plural = _("acknowledged reminders")
        ordering = ["-at", "-id"]
        default_permissions = ()
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]
        constraints = [
            models.UniqueConstraint(
                fields=["visit", "closes_on"],
                name="visitacknowledgement_once",
                violation_error_message=_("Somebody has acknowledged it already."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.visit_id} {self.closes_on:%Y-%m-%d}"
