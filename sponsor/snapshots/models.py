"""Snapshots and their files: what was handed out, from which moment, and what it was made by."""

from __future__ import annotations

from typing import ClassVar

import pghistory
import pgtrigger
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from trialsite.fields import EncryptedTextField
from trialsite.models import Meaning, User, all_or_none


class SnapshotState(models.TextChoices):
    WAITING = "waiting", pgettext_lazy("snapshot", "waiting for a worker")
    RUNNING = "running", pgettext_lazy("snapshot", "being made")
    COMPLETE = "complete", pgettext_lazy("snapshot", "complete")
    FAILED = "failed", pgettext_lazy("snapshot", "failed")
    CANCELLED = "cancelled", pgettext_lazy("snapshot", "cancelled")
    EXPIRED = "expired", pgettext_lazy("snapshot", "expired: files removed")


AT_WORK = (SnapshotState.WAITING, SnapshotState.RUNNING)
ENDED = ("complete", "failed", "cancelled", "expired")


class SnapshotError(models.TextChoices):
    """Why there is none, in words that say how to go on."""

    DISK_FULL = (
        "disk full",
        _(
            "The disk that holds the snapshots is full; what was written so far is removed. Whoever looks after the "
            "machine makes room, or an older snapshot expires; then ask for a new one."
        ),
    )
    TOO_OFTEN = (
        "too often",
        _(
            "The worker was lost in the middle of it several times, and it is not tried again. Whoever looks after the "
            "machine reads in the worker's log why (memory, disk); then ask for a new one."
        ),
    )
    UNSIGNED = (
        "unsigned",
        _(
            "Its free text was to leave, and the signature that releases it is missing or broken: nothing was made. "
            "Ask for a new one, and sign again."
        ),
    )
    BROKEN = (
        "broken",
        _("Something in it could not be made; nothing of it is kept. Tell whoever runs this site the words below."),
    )


@pghistory.track(exclude=["step", "steps", "doing", "done", "total", "lease_until"])
class Snapshot(models.Model):
    """Everything of the study that leaves for the sponsor, as it was at one moment; its files lie outside.

    How far the work is stands in columns that no trail keeps: they are written many times while it lasts.
    """

    State = SnapshotState

    # The day on which it was asked for, and a number: it stands in addresses and names of files.
    label = models.CharField(
        pgettext_lazy("snapshot", "label"),
        max_length=20,
        unique=True,
        error_messages={"unique": _("There is a snapshot of this label.")},
    )
    study = models.CharField(pgettext_lazy("snapshot", "study"), max_length=40)
    # As the files call the study; an OID of the standard.
    study_oid = models.CharField("studyOID", max_length=100, blank=True)
    state = models.CharField(
        pgettext_lazy("snapshot", "state"), max_length=10, choices=SnapshotState, default=SnapshotState.WAITING
    )
    asked_by = models.ForeignKey(User, models.PROTECT, verbose_name=_("asked for by"), related_name="+")
    asked_at = models.DateTimeField(_("asked for at"))
    # Every change that was committed before it is in.
    cut_off = models.DateTimeField(_("cut-off"), null=True, blank=True)
    shifts_dates = models.BooleanField(_("dates shifted"), default=False)
    has_free_text = models.BooleanField(_("with free text"), default=False)
    protocol_version = models.CharField(_("protocol version"), max_length=40, blank=True)
    software = models.CharField(_("made by software"), max_length=80, blank=True)
    terminology = models.CharField(_("controlled terminology"), max_length=40, blank=True)

    # --- the work
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    started_at = models.DateTimeField(_("started at"), null=True, blank=True)
    lease_until = models.DateTimeField(_("in a worker's hands until"), null=True, blank=True)
    step = models.PositiveSmallIntegerField(_("step"), default=0)
    steps = models.PositiveSmallIntegerField(_("steps"), default=0)
    doing = models.CharField(_("being done"), max_length=80, blank=True)
    done = models.PositiveBigIntegerField(_("done of it"), default=0)
    total = models.PositiveBigIntegerField(_("of so much"), default=0)
    cancel_asked_by = models.ForeignKey(
        User, models.PROTECT, verbose_name=_("cancelled by"), related_name="+", null=True, blank=True
    )
    cancel_asked_at = models.DateTimeField(_("cancelled at"), null=True, blank=True)

    # --- what became of it
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)
    error = models.CharField(_("error"), max_length=12, choices=SnapshotError, blank=True)
    # Kind of error and line of the program; never its words, which may quote a value.
    error_detail = models.CharField(_("details of the error"), max_length=200, blank=True)
    rows = models.PositiveBigIntegerField(_("rows"), default=0)
    pending = models.PositiveIntegerField(_("rows left out as pending"), default=0)
    # Formats that cannot hold what was recorded: which, where, and by which rule; never the value.
    left_out = models.JSONField(_("formats left out"), default=list, blank=True)
    sha256 = models.CharField(_("SHA-256 of the manifest"), max_length=64, blank=True)
    expires_at = models.DateTimeField(_("files are kept until"), null=True, blank=True)

    class Meta:
        verbose_name = _("snapshot for the sponsor")
        verbose_name_plural = _("snapshots for the sponsor")
        ordering = ["-asked_at", "-id"]
        default_permissions = ("add", "view")
        permissions = [("download_snapshot", "Can download the files of a snapshot")]
        triggers = [pgtrigger.Protect(name="keep", operation=pgtrigger.Delete)]
        indexes = [
            # A worker and a sweep ask for these, every few minutes at least.
            models.Index(fields=["id"], name="snapshot_due", condition=Q(state__in=["waiting", "running"])),
            models.Index(fields=["expires_at"], name="snapshot_to_expire", condition=Q(state="complete")),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["study"],
                condition=Q(state__in=["waiting", "running"]),
                name="snapshot_one_at_a_time",
                violation_error_message=_(
                    "A snapshot is being made already. Wait until it is complete, or cancel it; then ask for another."
                ),
            ),
            models.CheckConstraint(
                name="snapshot_lease_while_running",
                condition=Q(state="running", lease_until__isnull=False)
                | (~Q(state="running") & Q(lease_until__isnull=True)),
            ),
            models.CheckConstraint(
                name="snapshot_finished_when_ended",
                condition=Q(state__in=ENDED, finished_at__isnull=False)
                | (~Q(state__in=ENDED) & Q(finished_at__isnull=True)),
            ),
            models.CheckConstraint(
                name="snapshot_whole_when_complete",
                condition=~Q(state__in=["complete", "expired"])
                | (Q(cut_off__isnull=False, expires_at__isnull=False) & ~Q(sha256="")),
            ),
            models.CheckConstraint(
                name="snapshot_error_when_failed",
                condition=(Q(state="failed") & ~Q(error="")) | (~Q(state="failed") & Q(error="")),
            ),
            all_or_none("snapshot_cancelled_by_somebody", "cancel_asked_by", "cancel_asked_at"),
        ]

    def __str__(self) -> str:
        return self.label

    @property
    def is_at_work(self) -> bool:
        return self.state in AT_WORK

    @property
    def percent(self) -> int:
        """How much of the work is done, by steps that count alike."""
        if not self.steps:
            return 0
        part = min(self.done / self.total, 1) if self.total else 0
        return int(100 * (self.step + part) / self.steps)


class SnapshotFile(models.Model):
    """One file of a snapshot: its checksum stays when the file itself is removed."""

    snapshot = models.ForeignKey(Snapshot, models.PROTECT, verbose_name=_("snapshot"), related_name="files")
    name = models.CharField(_("file"), max_length=100)
    format = models.CharField(_("format"), max_length=20)
    # Empty for what holds several, such as a workbook.
    dataset = models.CharField(_("dataset"), max_length=20, blank=True)
    label = models.CharField(pgettext_lazy("dataset", "label"), max_length=200, blank=True)
    # As the standard's door names it.
    oid = models.CharField("itemGroupOID", max_length=100, blank=True)
    rows = models.PositiveBigIntegerField(_("rows"), default=0)
    bytes = models.PositiveBigIntegerField(_("bytes"))
    sha256 = models.CharField("SHA-256", max_length=64)

    class Meta:
        verbose_name = _("file of a snapshot")
        verbose_name_plural = _("files of snapshots")
        ordering = ["id"]
        default_permissions = ()
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]
        constraints = [
            models.UniqueConstraint(
                fields=["snapshot", "name"],
                name="snapshot_file_once",
                violation_error_message=_("The snapshot has a file of this name."),
            )
        ]

    def __str__(self) -> str:
        return self.name


class ShiftSecret(models.Model):
    """The one secret by which dates are shifted. It is drawn once, so that no key that is changed moves a date."""

    secret = EncryptedTextField(max_length=200, label="sponsor.shift", editable=False)

    class Meta:
        verbose_name = _("secret of shifted dates")
        verbose_name_plural = _("secrets of shifted dates")
        default_permissions = ()
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]
        constraints = [models.CheckConstraint(name="shift_secret_only_one", condition=Q(pk=1))]

    def __str__(self) -> str:
        return str(self._meta.verbose_name)


@pghistory.track()
class FreeTextRelease(models.Model):
    """A data manager's signature: the free text of this one snapshot may leave."""

    snapshot = models.OneToOneField(Snapshot, models.PROTECT, verbose_name=_("snapshot"), related_name="release")
    released_at = models.DateTimeField(_("released at"))
    released_by = models.ForeignKey(User, models.PROTECT, verbose_name=_("released by"), related_name="+")

    signed_as: ClassVar[dict[Meaning, str]] = {Meaning.RELEASE: "released_at"}

    class Meta:
        verbose_name = _("release of free text")
        verbose_name_plural = _("releases of free text")
        ordering = ["-released_at", "-id"]
        # Nobody adds or changes one but by signing.
        default_permissions = ("view",)
        permissions = [("release_free_text", "Can release free text to the sponsor")]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.snapshot.label}: {self.released_by}"
