"""What left the site: every read of the API; and the tokens with which programs read."""

import datetime as dt
from enum import StrEnum

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

# The rows of snapshots stand in their own room.
from sponsor.snapshots.models import FreeTextRelease, ShiftSecret, Snapshot, SnapshotFile
from trialsite.search import list_indexes

__all__ = ["ApiRead", "ApiToken", "FreeTextRelease", "ReadStage", "Scope", "ShiftSecret", "Snapshot", "SnapshotFile"]


class Scope(StrEnum):
    """What a token is good for: pages of rows, or whole snapshots."""

    READ = "read"
    EXPORT = "export"


SCOPE_NAMES = {
    Scope.READ: _("read: pages of the API"),
    Scope.EXPORT: _("export: snapshots and their files"),
}


class ApiToken(models.Model):
    """What a program's token is good for, since and until when; the token itself is kept as a digest elsewhere."""

    program = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, verbose_name=_("program"), related_name="api_tokens"
    )
    # As the reads and the log of the door name it.
    token_key = models.CharField(_("token begins with"), max_length=25, unique=True)
    can_read = models.BooleanField(_("may read pages"))
    can_export = models.BooleanField(_("may take snapshots"))
    issued_at = models.DateTimeField(_("issued at"), default=timezone.now)
    # Empty where it was issued on the server itself.
    issued_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, verbose_name=_("issued by"), related_name="+", null=True
    )
    expires_at = models.DateTimeField(_("good until"))
    revoked_at = models.DateTimeField(_("revoked at"), null=True)
    revoked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, verbose_name=_("revoked by"), related_name="+", null=True
    )
    # At most one write in a minute: that it is in use is what counts.
    last_used_at = models.DateTimeField(_("last used at"), null=True)

    class Meta:
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")
        ordering = ["-issued_at", "-id"]
        default_permissions = ("view",)
        permissions = [("manage_apitoken", "Can issue, rotate and revoke the tokens of the sponsor's programs")]
        indexes = list_indexes("api_token", "issued_at", "expires_at")
        triggers = [
            # What a token is good for is said once: a program that needs more gets another one.
            pgtrigger.ReadOnly(name="fixed", exclude=["expires_at", "revoked_at", "revoked_by", "last_used_at"])
        ]
        constraints = [
            models.CheckConstraint(
                name="api_token_is_good_for_something", condition=Q(can_read=True) | Q(can_export=True)
            ),
            models.CheckConstraint(
                name="api_token_revoked_at_some_time",
                condition=Q(revoked_by__isnull=True) | Q(revoked_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.program} · {self.token_key}"

    @property
    def scopes(self) -> tuple[Scope, ...]:
        may = {Scope.READ: self.can_read, Scope.EXPORT: self.can_export}
        return tuple(scope for scope, is_given in may.items() if is_given)

    def is_good(self, now: dt.datetime) -> bool:
        return self.revoked_at is None and self.expires_at > now


class ReadStage(models.TextChoices):
    """Of an answer that is sent as it is made: a row before the first byte, and one after the last."""

    AT_ONCE = "", _("answered at once")
    BEGUN = "begun", pgettext_lazy("export", "begun")
    WHOLE = "whole", _("sent whole")
    BROKEN_OFF = "broken_off", _("broken off")


class ApiRead(models.Model):
    """One request to the API: who asked for what, what was answered, and a checksum of the answer.

    Rows are never changed. An export leaves two: that it began, and how it ended; without the second it never did.
    """

    at = models.DateTimeField(_("at"))
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, verbose_name=_("program"), related_name="+", null=True
    )
    # The first letters of the token, as the token's own row shows them: which of a program's tokens it was.
    token_key = models.CharField(_("token begins with"), max_length=25, blank=True)
    ip = models.CharField(_("from"), max_length=45, blank=True)
    path = models.CharField(_("address"), max_length=200)
    query = models.CharField(_("query"), max_length=1000, blank=True)
    status = models.PositiveSmallIntegerField(_("HTTP status"))
    rows = models.PositiveIntegerField(_("rows"), default=0)
    bytes = models.PositiveBigIntegerField(_("bytes"), default=0)
    # Of the text, before it is compressed for the way.
    sha256 = models.CharField(_("SHA-256 of the answer"), max_length=64, blank=True)
    # The answer holds every change before this moment; a single row and a refusal have none.
    complete_until = models.DateTimeField(_("complete until"), null=True)
    stage = models.CharField(_("how it was sent"), max_length=10, choices=ReadStage, blank=True)
    # The row that says that it began.
    begun = models.ForeignKey("self", models.PROTECT, verbose_name=_("begun by"), related_name="+", null=True)

    class Meta:
        verbose_name = _("API read")
        verbose_name_plural = _("API reads")
        ordering = ["-at", "-id"]
        permissions = [
            ("read_api", "Can read the sponsor's API"),
            ("view_registry_results", "Can see the results as a registry publishes them, and take them along"),
        ]
        indexes = list_indexes("api_read", "at", "user at", "status at")

    def __str__(self) -> str:
        return f"{timezone.localtime(self.at):%Y-%m-%d %H:%M} {self.path}"
