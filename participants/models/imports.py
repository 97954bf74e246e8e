"""Files of results that somebody brought in: what became of each, row by row."""

from __future__ import annotations

from typing import Any

import pghistory
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from trialsite.fields import EncryptedTextField
from trialsite.models import Site, User, all_or_none


class ImportState(models.TextChoices):
    ASKED = "asked", pgettext_lazy("import", "waiting for an answer: how the file is read")
    UPLOADED = "uploaded", pgettext_lazy("import", "waiting to be checked")
    CHECKING = "checking", pgettext_lazy("import", "being checked")
    CHECKED = "checked", pgettext_lazy("import", "checked")
    IMPORTING = "importing", pgettext_lazy("import", "being imported")
    IMPORTED = "imported", pgettext_lazy("import", "imported")
    DISCARDED = "discarded", pgettext_lazy("import", "discarded")
    FAILED = "failed", pgettext_lazy("import", "failed")
    VOIDED = "voided", pgettext_lazy("import", "voided")


WITH_CONTENT = (
    ImportState.ASKED,
    ImportState.UPLOADED,
    ImportState.CHECKING,
    ImportState.CHECKED,
    ImportState.IMPORTING,
)
AT_WORK = (ImportState.CHECKING, ImportState.IMPORTING)
ENDED = ("imported", "discarded", "failed", "voided")


class MeasurementImport(models.Model):
    """A laboratory's file, or the study's earlier paper records, brought in by somebody at this moment."""

    State = ImportState

    site = models.ForeignKey(Site, models.PROTECT, verbose_name=_("site"), related_name="+")
    uploaded_by = models.ForeignKey(User, models.PROTECT, verbose_name=_("uploaded by"), related_name="+")
    uploaded_at = models.DateTimeField(_("uploaded at"))
    # Ours, of the study and the minute: as the person's computer called it, it may name somebody.
    file_name = models.CharField(_("file"), max_length=80, blank=True)
    laboratory = models.CharField(
        _("laboratory"), max_length=100, blank=True, help_text=_("Whose file it is; its columns are matched once.")
    )
    # Of the file as it was uploaded, so that the site can show which of its files this was.
    sha256 = models.CharField("SHA-256", max_length=64)
    # Kept until the import has ended, and not a moment longer.
    content = models.TextField(_("content"), blank=True)
    # The laboratory's own table, names and all: encrypted, and gone as soon as the import has ended.
    raw = EncryptedTextField(_("the file's own table"), blank=True, label="import.raw", editable=False)
    state = models.CharField(_("state"), max_length=10, choices=ImportState, default=ImportState.UPLOADED)
    rows_total = models.PositiveIntegerField(_("rows"))
    # Results of tests that are no part of the study, as somebody said for this laboratory.
    left_out = models.PositiveIntegerField(_("left out"), default=0)
    rows_done = models.PositiveIntegerField(_("rows looked at"), default=0)
    counts = models.JSONField(_("rows by fate"), default=dict, blank=True)
    # One entry a row: line, fate, message, participant, measure; and the examination that says otherwise.
    fates = models.JSONField(_("fate of each row"), default=list, blank=True)
    accept_unusual = models.BooleanField(_("unusual values were compared with the source"), default=False)
    is_partial = models.BooleanField(_("good rows taken, the others handed back"), default=False)
    # The rows that were handed back, to be mended: they are in nobody's hands otherwise.
    handed_back = models.TextField(_("rows handed back"), blank=True, editable=False)
    decided_by = models.ForeignKey(
        User,
        models.PROTECT,
        verbose_name=_("imported or discarded by"),
        related_name="+",
        null=True,
        blank=True,
    )
    decided_at = models.DateTimeField(_("decided at"), null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    lease_until = models.DateTimeField(_("in a worker's hands until"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)
    error = models.TextField(_("error"), blank=True)
    voided_at = models.DateTimeField(_("voided at"), null=True, blank=True, editable=False)
    voided_by = models.ForeignKey(
        User, models.PROTECT, verbose_name=_("voided by"), related_name="+", null=True, blank=True, editable=False
    )
    void_reason = models.TextField(_("reason for voiding"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("import of results")
        verbose_name_plural = _("imports of results")
        ordering = ["-uploaded_at", "-id"]
        permissions = [("void_measurementimport", "Can void all that an import brought in")]
        indexes = [
            # A worker asks for these, every few minutes at least.
            models.Index(
                fields=["id"],
                name="import_due",
                condition=Q(state__in=["uploaded", "checking", "importing"]),
            ),
            models.Index(fields=["site", "sha256"], name="import_same_file"),
        ]
        constraints = [
            models.CheckConstraint(
                name="import_lease_while_at_work",
                condition=Q(lease_until__isnull=True) | Q(state__in=["checking", "importing"]),
            ),
            models.CheckConstraint(
                name="import_finished_when_ended",
                condition=Q(state__in=ENDED, finished_at__isnull=False, content="", raw="")
                | (~Q(state__in=ENDED) & Q(finished_at__isnull=True)),
            ),
            models.CheckConstraint(
                name="import_decided_by_somebody",
                condition=Q(decided_by__isnull=True, decided_at__isnull=True)
                | Q(decided_by__isnull=False, decided_at__isnull=False),
            ),
            all_or_none("import_void_complete", "voided_at", "voided_by", "void_reason"),
            models.CheckConstraint(
                name="import_voided_by_somebody",
                condition=Q(state="voided", voided_at__isnull=False) | (~Q(state="voided") & Q(voided_at__isnull=True)),
            ),
            models.CheckConstraint(
                name="import_decided_when_done",
                condition=~Q(state__in=["importing", "imported", "discarded", "voided"]) | Q(decided_by__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return str(_("import %(number)s") % {"number": self.pk})

    @property
    def is_working(self) -> bool:
        """Whether a worker has it, or will take it next."""
        return self.state in (ImportState.UPLOADED, *AT_WORK)

    def count(self, fate: str) -> int:
        counts: dict[str, Any] = self.counts
        return int(counts.get(fate, 0))


@pghistory.track()
class LaboratoryLayout(models.Model):
    """What the columns and tests of one laboratory's files are, as somebody at this site matched them once."""

    site = models.ForeignKey(Site, models.PROTECT, verbose_name=_("site"), related_name="+")
    laboratory = models.CharField(_("laboratory"), max_length=100, blank=True)
    layout = models.JSONField(_("columns and tests"), default=dict)
    saved_by = models.ForeignKey(User, models.PROTECT, verbose_name=_("matched by"), related_name="+")
    saved_at = models.DateTimeField(_("matched at"))

    class Meta:
        verbose_name = _("layout of a laboratory's files")
        verbose_name_plural = _("layouts of laboratories' files")
        ordering = ["site", "laboratory"]
        constraints = [
            models.UniqueConstraint(
                fields=["site", "laboratory"],
                name="layout_of_a_laboratory_once",
                violation_error_message=_("How this laboratory's files are read was kept meanwhile: upload it again."),
            ),
        ]

    def __str__(self) -> str:
        return self.laboratory
