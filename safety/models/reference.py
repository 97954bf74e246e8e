"""What events are held against: the reference safety information, and the site's own release of MedDRA."""

from __future__ import annotations

import pghistory
from django.db import models
from django.utils.translation import gettext_lazy as _

from safety.models.ctcae import is_code
from trialsite.models import Record, Site, immutable
from trialsite.search import search_index
from trialsite.twins import Twin


@pghistory.track()
class ReferenceSafety(Record):
    """One version of the reference safety information; whether an event is expected is said against one of them."""

    part_of = ()

    site = models.ForeignKey(Site, models.PROTECT, verbose_name=_("site"), related_name="reference_safety")
    version = models.CharField(_("version"), max_length=30)
    effective_on = models.DateField(_("in force from"))
    source = models.CharField(_("source"), max_length=200, help_text=_("Such as the investigator's brochure."))
    expected = models.TextField(
        _("what is expected"), help_text=_("One term a line, with the highest grade that is expected.")
    )

    twin = Twin(same=("site", "version"))

    class Meta(Record.Meta):
        verbose_name = _("reference safety information")
        verbose_name_plural = _("reference safety information")
        ordering = ["-effective_on", "-id"]
        # Another text is another version: what an event was held against stays on record.
        triggers = immutable()
        permissions = [("void_referencesafety", "Can void a version of the reference safety information")]

    def __str__(self) -> str:
        return f"{self.version} ({self.effective_on})"


class MeddraTerm(models.Model):
    """A lowest level term of the release that the site has a licence for, and its place; none is shipped."""

    version = models.CharField(_("MedDRA version"), max_length=10)
    llt_code = models.CharField(_("code"), max_length=8, validators=[is_code])
    llt = models.CharField(_("lowest level term"), max_length=200)
    is_current = models.BooleanField(_("current"))
    pt_code = models.CharField(_("code of the preferred term"), max_length=8, validators=[is_code])
    pt = models.CharField(_("preferred term"), max_length=200)
    # Empty in a release that was loaded before these were kept: loaded again, it has them.
    hlt_code = models.CharField(_("code of the high level term"), max_length=8, blank=True)
    hlt = models.CharField(_("high level term"), max_length=200, blank=True)
    hlgt_code = models.CharField(_("code of the high level group term"), max_length=8, blank=True)
    hlgt = models.CharField(_("high level group term"), max_length=200, blank=True)
    soc_code = models.CharField(_("code of the class"), max_length=8, validators=[is_code])
    soc = models.CharField(_("system organ class (MedDRA)"), max_length=200)

    class Meta:
        verbose_name = _("MedDRA term")
        verbose_name_plural = _("MedDRA terms")
        ordering = ["version", "llt"]
        default_permissions = ("view",)
        indexes = [search_index("meddra_search", "llt", "pt", "llt_code")]
        constraints = [
            models.UniqueConstraint(
                fields=["version", "llt_code"],
                name="meddra_term_once",
                violation_error_message=_("This release has the term already."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.llt} ({self.llt_code})"
