"""What people are warned of at once, who is on call, and who has left the hospital."""

from __future__ import annotations

import pghistory
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from participants.models import Participant
from participants.rules.contradictions import Kind
from safety.models.assessments import Scale, graded
from trialsite.models import Record, Site, User, all_or_none, immutable
from trialsite.search import list_indexes
from trialsite.twins import Twin


class AlertKind(models.TextChoices):
    NEW_CRS = "new_crs", _("new CRS")
    NEW_ICANS = "new_icans", _("new ICANS")
    RISE = "rise", _("rise by two grades or more within 24 hours")
    SEVERE = "severe", _("grade 3 or higher")
    MASKED = "masked", _("vasopressor or high-flow oxygen without a grade: fever may be masked")
    IEC_HS = "iec_hs", _("IEC-HS screen positive")
    OVERDUE = "overdue", _("bedside assessment overdue")
    STOPPING = "stopping", _("stopping rule of the study crossed")


class Toxicity(models.TextChoices):
    """What an alert can be about: the graded scales, and the screen for IEC-HS."""

    CRS = Scale.CRS.value, Scale.CRS.label
    ICANS = Scale.ICANS.value, Scale.ICANS.label
    IEC_HS = "IEC-HS", _("IEC-HS")


class SettledBy(models.TextChoices):
    """What made an alert pointless."""

    ASSESSED = "assessed", _("assessed since")
    CORRECTED = "corrected", _("corrected: it says so no longer")
    VOIDED = "voided", _("the assessment is void")
    UNSUPPORTED = "bare", _("nothing supports it any more: what it rested on is void")
    OVER = "over", _("no more assessments are due")


class AlertState(models.TextChoices):
    OPEN = "open", pgettext_lazy("alert", "open")
    ACKNOWLEDGED = "acknowledged", pgettext_lazy("alert", "acknowledged")
    SETTLED = "settled", pgettext_lazy("alert", "settled")
    SUPERSEDED = "superseded", pgettext_lazy("alert", "a newer alert stands in its place")


LATER = (
    "acknowledged_at",
    "acknowledged_by",
    "acknowledge_note",
    "escalated_at",
    "escalated_steps",
    "superseded_by",
    "settled_at",
    "settled_because",
)


@pghistory.track()
class SafetyAlert(Record):
    """People were told at this moment of something that cannot wait; somebody says that they know."""

    participant = models.ForeignKey(
        Participant, models.PROTECT, verbose_name=_("participant"), related_name="safety_alerts"
    )
    kind = models.CharField(_("warning"), max_length=12, choices=AlertKind)
    # Empty where both are missing.
    toxicity = models.CharField(_("toxicity"), max_length=10, choices=Toxicity, blank=True)
    # Empty where no grade goes with it.
    grade = models.PositiveSmallIntegerField(_("grade"), null=True)
    # When it was assessed, or was due to be.
    happened_at = models.DateTimeField(_("assessed, or due, at"))
    # `assessment:17` or `rounds:4:2026-03-05T13:30:00Z`: alerts about the same thing are told and answered together.
    about = models.CharField(_("about"), max_length=80, db_index=True)
    key = models.CharField(_("key"), max_length=120, unique=True)
    raised_at = models.DateTimeField(_("raised at"))
    escalated_at = models.DateTimeField(_("others told, too, at"), null=True, blank=True)
    # How many steps of the study's escalation were taken, whether or not they reached anybody new.
    escalated_steps = models.PositiveSmallIntegerField(_("steps of escalation"), default=0)
    # The newest open alert of the same toxicity: whoever answers that one answers this one, too.
    superseded_by = models.ForeignKey(
        "self",
        models.PROTECT,
        verbose_name=_("newer alert in its place"),
        related_name="supersedes",
        null=True,
        blank=True,
    )
    settled_at = models.DateTimeField(_("settled at"), null=True, blank=True)
    settled_because = models.CharField(_("settled because"), max_length=10, choices=SettledBy, blank=True)
    acknowledged_at = models.DateTimeField(_("acknowledged at"), null=True, blank=True)
    acknowledged_by = models.ForeignKey(
        User, models.PROTECT, verbose_name=_("acknowledged by"), related_name="+", null=True, blank=True
    )
    acknowledge_note = models.TextField(_("what was done"), blank=True)

    class Meta(Record.Meta):
        verbose_name = _("safety alert")
        verbose_name_plural = _("safety alerts")
        ordering = ["-raised_at", "-id"]
        triggers = immutable(*LATER)
        permissions = [
            ("acknowledge_safetyalert", "Can acknowledge a safety alert"),
            ("view_safety_tables", "Can see the tables of safety and the watch on the stopping rule"),
        ]
        indexes = [
            *list_indexes("alert", "raised_at"),
            # The first page and the sweep ask for these all the time.
            models.Index(
                fields=["raised_at"],
                name="safetyalert_unanswered",
                condition=Q(acknowledged_at__isnull=True, settled_at__isnull=True),
            ),
        ]
        constraints = [
            *Record.Meta.constraints,
            all_or_none("safetyalert_acknowledged_by_somebody", "acknowledged_at", "acknowledged_by"),
            models.CheckConstraint(
                name="safetyalert_settled_has_cause",
                condition=Q(settled_at__isnull=True, settled_because="")
                | (Q(settled_at__isnull=False) & ~Q(settled_because="")),
            ),
            models.CheckConstraint(
                name="safetyalert_grade_with_toxicity",
                condition=Q(kind="overdue", grade__isnull=True)
                | Q(kind="stopping", grade__isnull=True, toxicity="")
                | Q(kind="masked", grade=0, toxicity="CRS")
                | Q(Q(grade__isnull=True) | Q(grade__lte=5), kind="iec_hs", toxicity="IEC-HS")
                | (
                    ~Q(kind__in=["overdue", "stopping", "masked", "iec_hs"])
                    & Q(grade__gte=1, grade__lte=5)
                    & ~Q(toxicity="")
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.participant} · {self.what}"

    @property
    def what(self) -> str:
        """In a few words: “CRS grade 3”, or the toxicity that was not assessed."""
        if self.kind in (AlertKind.OVERDUE, AlertKind.IEC_HS, AlertKind.STOPPING):
            return str(self.get_kind_display())
        return graded(self.toxicity, self.grade)

    @property
    def state(self) -> AlertState:
        """An answer counts first: people want to see who gave it."""
        if self.acknowledged_at is not None:
            return AlertState.ACKNOWLEDGED
        if self.settled_at is not None:
            return AlertState.SETTLED
        return AlertState.OPEN if self.superseded_by_id is None else AlertState.SUPERSEDED

    @property
    def is_death(self) -> bool:
        return self.grade == 5


@pghistory.track()
class OnCallShift(Record):
    """This person is told of safety alerts of the site between these two moments."""

    part_of = ()

    site = models.ForeignKey(Site, models.PROTECT, verbose_name=_("site"), related_name="on_call_shifts")
    person = models.ForeignKey(User, models.PROTECT, verbose_name=_("person"), related_name="on_call_shifts")
    starts_at = models.DateTimeField(pgettext_lazy("beginning", "from"))
    ends_at = models.DateTimeField(pgettext_lazy("time", "until"))

    twin = Twin(same=("site", "person"), at="starts_at")

    class Meta(Record.Meta):
        verbose_name = _("shift on call")
        verbose_name_plural = _("shifts on call")
        ordering = ["-starts_at", "-id"]
        permissions = [("void_oncallshift", "Can void a shift on call entered by mistake")]
        indexes = [
            *list_indexes("shift", "starts_at"),
            models.Index(fields=["site", "starts_at", "ends_at"], name="oncallshift_covering"),
        ]
        constraints = [
            *Record.Meta.constraints,
            models.CheckConstraint(
                name="oncallshift_ends_after_start",
                condition=Q(ends_at__gt=F("starts_at")),
                violation_error_message=_("The shift ends before it begins. Correct one of the two times."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.person} · {timezone.localtime(self.starts_at):%Y-%m-%d %H:%M}"


@pghistory.track()
class Discharge(Record):
    """The participant left the hospital at this moment; with a readmission the bedside assessments begin again."""

    participant = models.ForeignKey(
        Participant, models.PROTECT, verbose_name=_("participant"), related_name="discharges"
    )
    discharged_at = models.DateTimeField(_("discharged at"))
    readmitted_at = models.DateTimeField(
        _("readmitted at"),
        null=True,
        blank=True,
        help_text=_("Only if the participant came back: assessments at the bedside are due again from then on."),
    )

    twin = Twin(same=("participant",), at="discharged_at", minutes=60)
    dated = {"discharged_at": Kind.EVENT, "readmitted_at": Kind.EVENT}

    class Meta(Record.Meta):
        verbose_name = _("discharge")
        verbose_name_plural = _("discharges")
        ordering = ["-discharged_at", "-id"]
        indexes = [*list_indexes("discharge", "discharged_at")]
        permissions = [("void_discharge", "Can void a discharge entered by mistake")]
        constraints = [
            *Record.Meta.constraints,
            models.UniqueConstraint(
                fields=["participant"],
                condition=Q(voided_at__isnull=True, readmitted_at__isnull=True),
                name="discharge_once",
                violation_error_message=_(
                    "A discharge of this participant is recorded already: correct that one, or give the time of the "
                    "readmission there first."
                ),
            ),
            models.CheckConstraint(
                name="discharge_before_readmission",
                condition=Q(readmitted_at__isnull=True) | Q(readmitted_at__gt=F("discharged_at")),
                violation_error_message=_("The readmission comes before the discharge. Correct one of the two times."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.participant} · {timezone.localtime(self.discharged_at):%Y-%m-%d %H:%M}"
