"""Contradictions in the record, as the checks found them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pghistory
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from participants.models import Participant
from trialsite.models import Record, RecordQuerySet, User
from trialsite.search import list_indexes


class ClosedHow(models.TextChoices):
    DATA = "data", _("the data agree now")
    PERSON = "person", _("closed by a person")


class FindingQuerySet(RecordQuerySet["DataFinding"]):
    def present(self) -> FindingQuerySet:
        """Those that the data still show, whether or not a person has closed them."""
        return self.standing().filter(gone_at__isnull=True)

    def open(self) -> FindingQuerySet:
        """Those that somebody has to look at."""
        return self.standing().filter(closed_at__isnull=True)


@pghistory.track()
class DataFinding(Record):
    """Two facts of the record disagree: found by a check, closed once they agree, or by a person who says why."""

    participant = models.ForeignKey(
        Participant, models.PROTECT, verbose_name=_("participant"), related_name="data_findings"
    )
    code = models.CharField(pgettext_lazy("finding", "check"), max_length=40, editable=False)
    # The row that is looked at first, by its model (`safety.adverseevent`) and number.
    row_model = models.CharField(_("kind of entry"), max_length=60, editable=False)
    row_id = models.BigIntegerField(_("entry"), editable=False)
    # What disagrees, by the names of `safety.checks.words`; as it was found, or as it is while the finding is open.
    facts = models.JSONField(_("what disagrees"), default=dict, editable=False)
    found_at = models.DateTimeField(_("found at"), editable=False)
    closed_at = models.DateTimeField(_("closed at"), null=True, blank=True, editable=False)
    closed_how = models.CharField(_("closed how"), max_length=6, choices=ClosedHow, blank=True, editable=False)
    closed_by = models.ForeignKey(
        User, models.PROTECT, verbose_name=_("closed by"), related_name="+", null=True, blank=True, editable=False
    )
    close_reason = models.TextField(_("why it was closed"), blank=True, editable=False)
    # Since when the data do not show it any more; until then one that a person has closed is not found again.
    gone_at = models.DateTimeField(_("gone from the data since"), null=True, blank=True, editable=False)

    objects = FindingQuerySet.as_manager()  # type: ignore[misc]  # more than every record's

    class Meta(Record.Meta):
        verbose_name = _("contradiction in the record")
        verbose_name_plural = _("contradictions in the record")
        ordering = ["found_at", "id"]
        default_permissions = ("view",)
        permissions = [("close_datafinding", "Can close a contradiction in the record, with a reason")]
        indexes = [
            *list_indexes("finding", "found_at", "code"),
            models.Index(fields=["found_at"], name="finding_open", condition=Q(closed_at__isnull=True)),
        ]
        constraints = [
            *Record.Meta.constraints,
            models.UniqueConstraint(
                fields=["code", "row_model", "row_id"],
                condition=Q(voided_at__isnull=True, gone_at__isnull=True),
                name="finding_present_once",
                violation_error_message=_("This contradiction is listed already."),
            ),
            models.CheckConstraint(
                name="finding_closed_says_how",
                condition=Q(closed_at__isnull=True, closed_how="", closed_by__isnull=True, close_reason="")
                | Q(closed_at__isnull=False, closed_how="data", closed_by__isnull=True, close_reason="")
                | Q(closed_at__isnull=False, closed_how="person", closed_by__isnull=False, close_reason__regex=r"\S"),
            ),
            models.CheckConstraint(
                name="finding_gone_is_closed", condition=Q(gone_at__isnull=True) | Q(closed_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        from safety.checks import title_of

        return f"{self.participant} · {title_of(self.code)}"

    @property
    def is_open(self) -> bool:
        return self.closed_at is None and not self.is_void

    @property
    def key(self) -> tuple[Any, ...]:
        """What it is about: of one key at most one is present."""
        return self.code, self.row_model, self.row_id

    def days_open(self, now: dt.datetime) -> int:
        """Until it was closed, or until now; whole days."""
        return ((self.closed_at or now) - self.found_at).days
