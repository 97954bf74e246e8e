"""Who was shown what names a participant."""

from __future__ import annotations

import pgtrigger
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from participants.models.people import Participant
from trialsite.models import ClockTimestamp, User


class ReadHow(models.TextChoices):
    PAGE = "page", pgettext_lazy("identity", "on a page")
    LIST = "list", pgettext_lazy("identity", "in a list of several")
    SEARCH = "search", pgettext_lazy("identity", "by a search")
    EXPORT = "export", pgettext_lazy("identity", "in a file")
    BESIDE = "beside", pgettext_lazy("identity", "beside the number, that day for the first time")


class IdentityRead(models.Model):
    """Somebody was shown this of a participant, or searched by it; kept with the page, never changed or deleted.

    What was searched for is never kept: a search that found nobody has no participant.
    """

    How = ReadHow

    at = models.DateTimeField(_("at"), db_default=ClockTimestamp(), editable=False)
    by = models.ForeignKey(User, models.PROTECT, verbose_name=_("seen by"), related_name="+")
    participant = models.ForeignKey(
        Participant, models.PROTECT, verbose_name=_("participant"), related_name="identity_reads", null=True
    )
    how = models.CharField(pgettext_lazy("identity", "where"), max_length=10, choices=ReadHow)
    # Names of the fields, in the order of the model.
    fields = models.JSONField(pgettext_lazy("identity", "what"))
    ip = models.CharField(_("from"), max_length=45, blank=True)
    # The day of the site, for what is kept once a day.
    day = models.DateField(null=True, editable=False)

    class Meta:
        verbose_name = _("reading of identity")
        verbose_name_plural = _("readings of identity")
        ordering = ["-at", "-id"]
        default_permissions = ("view",)
        indexes = [models.Index(fields=["participant", "-at", "-id"], name="identityread_of_participant")]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]
        constraints = [
            models.CheckConstraint(
                name="identityread_nobody_by_search_only",
                condition=Q(participant__isnull=False) | Q(how="search"),
            ),
            models.CheckConstraint(
                name="identityread_day_of_those_beside",
                condition=Q(how="beside", day__isnull=False) | (~Q(how="beside") & Q(day__isnull=True)),
            ),
            models.UniqueConstraint(
                fields=["by", "participant", "day"],
                name="identityread_beside_once_a_day",
                violation_error_message=_("That this was read today is kept already."),
            ),
        ]

    def __str__(self) -> str:
        return f"{timezone.localtime(self.at):%Y-%m-%d %H:%M} {self.get_how_display()}"

    @property
    def fields_in_words(self) -> str:
        names = {one.name: str(one.verbose_name) for one in Participant._meta.concrete_fields}
        return str(_(", ")).join(names[name] for name in self.fields)
