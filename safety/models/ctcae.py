"""Reference texts that a site loads from its own copies: NCI's grade texts, MedDRA's Chinese names.

They are no records of the trial: an event keeps the code, the term and the class in its own row, and these rows
may be loaded anew.
"""

from __future__ import annotations

import pghistory
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from safety.ctcae.catalogue import VERSIONS

CODE = r"^\d{8}$"
is_code = RegexValidator(CODE, _("A MedDRA code has eight digits."))


@pghistory.track()
class CtcaeText(models.Model):
    """What NCI writes about one term of one version of CTCAE; empty where it writes nothing."""

    version = models.CharField(_("CTCAE version"), max_length=5)
    code = models.CharField(_("MedDRA code"), max_length=8, validators=[is_code])
    definition = models.TextField(_("definition"), blank=True)
    note = models.TextField(_("navigational note"), blank=True)
    grade_1 = models.TextField(_("grade 1"), blank=True)
    grade_2 = models.TextField(_("grade 2"), blank=True)
    grade_3 = models.TextField(_("grade 3"), blank=True)
    grade_4 = models.TextField(_("grade 4"), blank=True)
    grade_5 = models.TextField(_("grade 5"), blank=True)
    loaded_at = models.DateTimeField(_("loaded at"))
    source_sha256 = models.CharField(_("checksum of the workbook (SHA-256)"), max_length=64)

    class Meta:
        verbose_name = _("CTCAE text")
        verbose_name_plural = _("CTCAE texts")
        ordering = ["version", "code"]
        # Loaded by a command, read beside the terms: nobody edits them, so there is nothing to permit.
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["version", "code"],
                name="one_text_for_each_term",
                violation_error_message=_("This term has its text already."),
            ),
            models.CheckConstraint(
                name="ctcae_text_of_a_term",
                condition=Q(version__in=VERSIONS, code__regex=CODE),
            ),
        ]

    def __str__(self) -> str:
        return f"CTCAE {self.version} · {self.code}"

    def of_grade(self, grade: int) -> str:
        return str(getattr(self, f"grade_{grade}"))


@pghistory.track()
class SiteTermName(models.Model):
    """The Chinese name of a term in the MedDRA release that the site holds a licence for."""

    code = models.CharField(_("MedDRA code"), max_length=8, unique=True, validators=[is_code])
    name_zh = models.CharField(_("name (Chinese)"), max_length=200)
    release = models.CharField(_("MedDRA release"), max_length=10, blank=True)
    loaded_at = models.DateTimeField(_("loaded at"))

    class Meta:
        verbose_name = _("MedDRA name")
        verbose_name_plural = _("MedDRA names")
        ordering = ["code"]
        default_permissions = ()
        constraints = [
            models.CheckConstraint(name="site_term_name_of_a_code", condition=Q(code__regex=CODE) & ~Q(name_zh="")),
        ]

    def __str__(self) -> str:
        return f"{self.code} · {self.name_zh}"
