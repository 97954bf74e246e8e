"""What the site itself says about the management of a grade."""

from __future__ import annotations

import pghistory
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from safety.models.assessments import Scale, graded
from trialsite.models import Record, Site, User, all_or_none, immutable
from trialsite.twins import Twin


@pghistory.track()
class GuidanceText(Record):
    """The site's own text for one grade; from its approval on it stands in the place of the shipped one."""

    part_of = ()

    site = models.ForeignKey(Site, models.PROTECT, verbose_name=_("site"), related_name="guidance_texts")
    toxicity = models.CharField(_("toxicity"), max_length=10, choices=Scale)
    grade = models.PositiveSmallIntegerField(_("grade"), validators=[MinValueValidator(1), MaxValueValidator(4)])
    with_crs = models.BooleanField(
        _("ICANS together with CRS"), default=False, help_text=_("Only for ICANS: it is managed otherwise then.")
    )
    text_zh = models.TextField(_("text (Chinese)"), help_text=_("One step a line."))
    text_en = models.TextField(_("text (English)"), help_text=_("One step a line."))
    source = models.CharField(_("source"), max_length=200, help_text=_("Which guideline, or which of the site's SOPs."))
    version = models.CharField(_("version"), max_length=30)
    approved_at = models.DateTimeField(_("approved at"), null=True, blank=True, editable=False)
    approved_by = models.ForeignKey(
        User,
        models.PROTECT,
        verbose_name=_("approved by"),
        related_name="+",
        null=True,
        blank=True,
        editable=False,
    )

    twin = Twin(same=("site", "toxicity", "grade", "with_crs", "version"))

    class Meta(Record.Meta):
        verbose_name = _("guidance text")
        verbose_name_plural = _("guidance texts")
        ordering = ["toxicity", "with_crs", "grade", "-id"]
        # Another wording is another row: what people read in an emergency stays on record.
        triggers = immutable("approved_at", "approved_by")
        permissions = [
            ("approve_guidancetext", "Can approve what the site says about the management of a grade"),
            ("void_guidancetext", "Can void a guidance text"),
        ]
        constraints = [
            *Record.Meta.constraints,
            all_or_none("guidance_approved_by_somebody", "approved_at", "approved_by"),
            models.CheckConstraint(name="guidance_grade_1_to_4", condition=Q(grade__gte=1, grade__lte=4)),
            models.CheckConstraint(
                name="guidance_with_crs_is_icans",
                condition=Q(with_crs=False) | Q(toxicity="ICANS"),
                violation_error_message=_("“Together with CRS” is for ICANS only."),
            ),
            models.CheckConstraint(
                name="guidance_has_both_languages",
                condition=Q(text_zh__regex=r"\S", text_en__regex=r"\S"),
                violation_error_message=_("Give the text in both languages."),
            ),
        ]

    def __str__(self) -> str:
        return f"{graded(self.toxicity, self.grade)}{' + CRS' if self.with_crs else ''} · {self.version}"
