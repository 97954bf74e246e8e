"""Graded assessments of what was found at the bedside."""

from __future__ import annotations

import pghistory
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext, pgettext
from django.utils.translation import gettext_lazy as _

from participants.models import Participant
from participants.rules.contradictions import Kind
from safety.models.corrections import corrected_once
from safety.rules.bedside import Observations
from trialsite.models import Meaning, Record, immutable
from trialsite.search import list_indexes
from trialsite.twins import Twin


class Scale(models.TextChoices):
    CRS = "CRS", _("CRS")
    ICANS = "ICANS", _("ICANS")


def graded(toxicity: str, grade: int | None) -> str:
    """A toxicity with its grade as people write it: “CRS grade 3”; without one, that it could not be graded."""
    if grade is None:
        return gettext("%(toxicity)s not gradable") % {"toxicity": toxicity}
    return gettext("%(toxicity)s grade %(grade)s") % {"toxicity": toxicity, "grade": grade}


def badge(toxicity: str, grade: int | None) -> str:
    """The same in the least letters, as it stands in the coloured box: “CRS 3”, “CRS 3 级”."""
    if grade is None:
        return graded(toxicity, grade)
    return pgettext("badge", "%(toxicity)s %(grade)s") % {"toxicity": toxicity, "grade": grade}


@pghistory.track()
class ToxicityAssessment(Record):
    """What was found at the bedside at one moment, and the grade that the scale gives for it."""

    participant = models.ForeignKey(
        Participant, models.PROTECT, verbose_name=_("participant"), related_name="assessments"
    )
    bedside = models.ForeignKey(
        "safety.BedsideAssessment",
        models.PROTECT,
        verbose_name=_("bedside assessment"),
        related_name="grades",
        null=True,
        editable=False,
    )
    toxicity = models.CharField(_("toxicity"), max_length=10, choices=Scale, editable=False)
    scale = models.CharField(_("scale"), max_length=30, editable=False)
    assessed_at = models.DateTimeField(_("assessed at"))
    # The findings as the rule reads them; None stands for "not recorded", never for "no".
    findings = models.JSONField(_("findings"), editable=False)
    grade = models.PositiveSmallIntegerField(_("computed grade"), null=True, editable=False)
    determinants = models.CharField(_("determined by"), max_length=80, blank=True, editable=False)
    flags = models.JSONField(_("flags"), default=list, editable=False)
    # Code and values of each reason: the words are made in the reader's language.
    reasons = models.JSONField(_("reasons"), default=list, editable=False)
    investigator_grade = models.PositiveSmallIntegerField(
        _("investigator's grade, if different"),
        null=True,
        blank=True,
        validators=[MinValueValidator(0), MaxValueValidator(5)],
    )
    investigator_reason = models.TextField(_("reason for the different grade"), blank=True)
    corrects = models.ForeignKey(
        "self",
        models.PROTECT,
        verbose_name=_("corrects the assessment"),
        related_name="corrections",
        null=True,
        blank=True,
    )
    note = models.TextField(_("note"), blank=True)

    # What was typed, before it is saved: for the questions about it.
    observed: Observations | None = None

    twin = Twin(same=("participant", "toxicity"), at="assessed_at", but="corrects")
    dated = {"assessed_at": Kind.PROCEDURE}
    signed_as = {Meaning.GRADE: "investigator_grade"}

    class Meta(Record.Meta):
        verbose_name = _("toxicity assessment")
        verbose_name_plural = _("toxicity assessments")
        ordering = ["-assessed_at", "-id"]
        triggers = immutable()
        indexes = [
            *list_indexes("toxicity", "assessed_at"),
            models.Index(fields=["participant", "toxicity", "assessed_at"], name="assessment_of_participant"),
        ]
        permissions = [("regrade_assessment", "Can set a grade other than the computed one, with a reason")]
        constraints = [
            *Record.Meta.constraints,
            corrected_once("assessment"),
            models.CheckConstraint(
                name="assessment_grades_0_to_5",
                condition=(Q(grade__isnull=True) | Q(grade__lte=5))
                & (Q(investigator_grade__isnull=True) | Q(investigator_grade__lte=5)),
            ),
            models.CheckConstraint(
                name="assessment_other_grade_has_reason",
                condition=Q(investigator_grade__isnull=True, investigator_reason="")
                | (Q(investigator_grade__isnull=False) & ~Q(investigator_reason="")),
                violation_error_message=_("A grade other than the computed one needs its reason."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.participant} · {self.toxicity} · {timezone.localtime(self.assessed_at):%Y-%m-%d %H:%M}"

    @property
    def final_grade(self) -> int | None:
        """The investigator's grade where there is one, else the computed one."""
        return self.grade if self.investigator_grade is None else self.investigator_grade

    @property
    def page_model(self) -> type[ToxicityAssessment]:
        """The kind whose page shows this row."""
        return CrsAssessment if self.toxicity == Scale.CRS else IcansAssessment


class CrsAssessment(ToxicityAssessment):
    """A CRS assessment: the same rows, with a form of its own."""

    class Meta:
        proxy = True
        verbose_name = _("CRS assessment")
        verbose_name_plural = _("CRS assessments")
        permissions = [("void_crsassessment", "Can void a CRS assessment entered by mistake")]


class IcansAssessment(ToxicityAssessment):
    """An ICANS assessment: the same rows, with a form of its own."""

    class Meta:
        proxy = True
        verbose_name = _("ICANS assessment")
        verbose_name_plural = _("ICANS assessments")
        permissions = [("void_icansassessment", "Can void an ICANS assessment entered by mistake")]
