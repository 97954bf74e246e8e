"""What left the site: every read of the API."""

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


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
    sha256 = models.CharField(_("SHA-256 of the answer"), max_length=64, blank=True)
    # Every change before this moment is in the answer.
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

    def __str__(self) -> str:
        return f"{timezone.localtime(self.at):%Y-%m-%d %H:%M} {self.path}"
