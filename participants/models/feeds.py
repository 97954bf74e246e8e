"""The secret links under which calendars of people's own devices read the visits of their sites."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from trialsite.models import User


class CalendarFeed(models.Model):
    """A link that somebody made for their own calendar; of its secret only the digest is kept."""

    person = models.ForeignKey(User, models.PROTECT, verbose_name=_("person"), related_name="calendar_feeds")
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(_("made at"))
    revoked_at = models.DateTimeField(_("revoked at"), null=True)
    # Once a day is enough to see that it is in use.
    last_read_on = models.DateField(_("last read on"), null=True)

    class Meta:
        verbose_name = _("calendar link")
        verbose_name_plural = _("calendar links")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["person"],
                condition=Q(revoked_at__isnull=True),
                name="calendar_feed_one_each",
                violation_error_message=_("There is a link already: revoke it first."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.person} · {self.created_at:%Y-%m-%d}"
