"""Graded assessments of the blood: IEC-HS as an investigator judged it, ICAHT as it was computed and confirmed."""

from __future__ import annotations

import pghistory
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from participants.models import Participant
from participants.rules.contradictions import Kind
from safety.models.corrections import corrected_once
from trialsite.models import Meaning, Record, immutable
from trialsite.search import list_indexes
from trialsite.twins import Twin

OTHER_GRADE_NEEDS_REASON = _("A grade other than the computed one needs its reason.")


class IecHsScreen(models.TextChoices):
    POSITIVE = "positive", _("positive")
    NEGATIVE = "negative", _("negative")
    OPEN = "open", _("cannot be excluded")


class IecHsSeverity(models.TextChoices):
    OBSERVE = "observe", _("no or mild symptoms: observation only")
    INTERVENTION = "intervention", _("moderate: intervention needed")
    SEVERE = "severe", _("severe, not immediately life-threatening")
    LIFE_THREATENING = "life_threatening", _("life-threatening, urgent intervention needed")
    DEATH = "death", _("death due to IEC-HS")


class IcahtPhase(models.TextChoices):
    EARLY = "early", _("early (Day 0 to 30)")
    LATE = "late", _("late (Day 31 to 100)")


def _own_grade() -> models.PositiveSmallIntegerField[int | None, int | None]:
    return models.PositiveSmallIntegerField(
        _("investigator's grade, if different"),
        null=True,
        blank=True,
        validators=[MinValueValidator(0), MaxValueValidator(5)],
    )


def _grade_constraints(name: str, highest: int) -> list[models.CheckConstraint]:
    """Grades of the scale only, and a reason for every grade that a person sets instead."""
    return [
        models.CheckConstraint(
            name=f"{name}_grades_in_scale",
            condition=(Q(grade__isnull=True) | Q(grade__lte=highest))
            & (Q(investigator_grade__isnull=True) | Q(investigator_grade__lte=5)),
        ),
        models.CheckConstraint(
            name=f"{name}_other_grade_has_reason",
            condition=Q(investigator_grade__isnull=True, investigator_reason="")
            | (Q(investigator_grade__isnull=False) & Q(investigator_reason__regex=r"\S")),
            violation_error_message=OTHER_GRADE_NEEDS_REASON,
        ),
    ]


@pghistory.track()
class IecHsAssessment(Record):
    """Somebody asked at this moment whether it is IEC-HS; never changed, a correction is a new one."""

    participant = models.ForeignKey(
        Participant, models.PROTECT, verbose_name=_("participant"), related_name="iec_hs_assessments"
    )
    assessed_at = models.DateTimeField(_("assessed at"))
    # By the names of the rule; None stands for "not recorded", never for "no". `others`: seen besides.
    findings = models.JSONField(_("findings"), editable=False)
    # What laboratory values said at that moment, by finding: code and values of each sentence.
    laboratory = models.JSONField(_("laboratory values"), default=dict, editable=False)
    screen = models.CharField(_("screen"), max_length=10, choices=IecHsScreen, editable=False)
    severity = models.CharField(_("severity"), max_length=20, choices=IecHsSeverity, blank=True)
    scale = models.CharField(_("scale"), max_length=30, editable=False)
    grade = models.PositiveSmallIntegerField(_("computed grade"), null=True, editable=False)
    flags = models.JSONField(_("flags"), default=list, editable=False)
    reasons = models.JSONField(_("reasons"), default=list, editable=False)
    investigator_grade = _own_grade()
    investigator_reason = models.TextField(_("reason for the different grade"), blank=True)
    corrects = models.ForeignKey(
        "self",
        models.PROTECT,
        verbose_name=_("corrects the assessment"),
        related_name="corrections",
        null=True,
        blank=True,
        editable=False,
    )
    correction_reason = models.TextField(_("why it is corrected"), blank=True)
    note = models.TextField(_("note"), blank=True)

    twin = Twin(same=("participant",), at="assessed_at", but="corrects")
    dated = {"assessed_at": Kind.PROCEDURE}
    signed_as = {Meaning.GRADE: "investigator_grade"}

    class Meta(Record.Meta):
        verbose_name = _("IEC-HS assessment")
        verbose_name_plural = _("IEC-HS assessments")
        ordering = ["-assessed_at", "-id"]
        triggers = immutable()
        permissions = [("void_iechsassessment", "Can void an IEC-HS assessment entered by mistake")]
        indexes = [
            *list_indexes("iec_hs", "assessed_at"),
            models.Index(fields=["participant", "assessed_at"], name="iec_hs_of_participant"),
        ]
        constraints = [
            *Record.Meta.constraints,
            *_grade_constraints("iec_hs", 5),
            corrected_once("iec_hs"),
            models.CheckConstraint(
                name="iec_hs_correction_says_why",
                condition=Q(corrects__isnull=True, correction_reason="")
                | (Q(corrects__isnull=False) & Q(correction_reason__regex=r"\S")),
                violation_error_message=_("A correction says why."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.participant} · IEC-HS · {timezone.localtime(self.assessed_at):%Y-%m-%d %H:%M}"

    @property
    def final_grade(self) -> int | None:
        """The investigator's grade where there is one, else the computed one."""
        return self.grade if self.investigator_grade is None else self.investigator_grade


@pghistory.track()
class IcahtAssessment(Record):
    """A person confirmed at this moment the ICAHT grade of all neutrophil counts until then; never changed."""

    participant = models.ForeignKey(
        Participant, models.PROTECT, verbose_name=_("participant"), related_name="icaht_assessments"
    )
    phase = models.CharField(pgettext_lazy("ICAHT", "time"), max_length=5, choices=IcahtPhase)
    computed_at = models.DateTimeField(_("computed at"), editable=False)
    # Days, runs and gaps that it was computed from.
    summary = models.JSONField(_("counts and runs"), editable=False)
    scale = models.CharField(_("scale"), max_length=30, editable=False)
    grade = models.PositiveSmallIntegerField(_("computed grade"), null=True, editable=False)
    determinants = models.CharField(_("determined by"), max_length=80, blank=True, editable=False)
    flags = models.JSONField(_("flags"), default=list, editable=False)
    reasons = models.JSONField(_("reasons"), default=list, editable=False)
    investigator_grade = _own_grade()
    investigator_reason = models.TextField(_("reason for the different grade"), blank=True)

    signed_as = {Meaning.GRADE: "investigator_grade"}

    class Meta(Record.Meta):
        verbose_name = _("ICAHT grade")
        verbose_name_plural = _("ICAHT grades")
        ordering = ["-computed_at", "-id"]
        triggers = immutable()
        permissions = [("void_icahtassessment", "Can void an ICAHT grade recorded by mistake")]
        indexes = [
            *list_indexes("icaht", "computed_at"),
            models.Index(fields=["participant", "phase", "computed_at"], name="icaht_of_participant"),
        ]
        constraints = [*Record.Meta.constraints, *_grade_constraints("icaht", 4)]

    def __str__(self) -> str:
        return f"{self.participant} · ICAHT · {timezone.localtime(self.computed_at):%Y-%m-%d %H:%M}"

    @property
    def final_grade(self) -> int | None:
        """The investigator's grade where there is one, else the computed one."""
        return self.grade if self.investigator_grade is None else self.investigator_grade
