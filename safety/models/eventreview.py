"""What people say about an event as a whole: signatures under what it tells, questions and their answers."""

from __future__ import annotations

import pghistory
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from safety.models.events import AdverseEvent
from trialsite.models import Meaning, Record, User, immutable
from trialsite.twins import Twin


class ReviewKind(models.TextChoices):
    ASSESSMENT = "assessment", pgettext_lazy("review", "assessment by an investigator")
    REVIEW = "review", pgettext_lazy("review", "review by the principal investigator")


@pghistory.track()
class EventReview(Record):
    """Somebody signed what an event told at that moment; void by rule once it tells something else."""

    part_of = ("event", "event__participant")
    signed_as = {Meaning.EVENT: "created_at"}

    event = models.ForeignKey(AdverseEvent, models.PROTECT, verbose_name=_("adverse event"), related_name="reviews")
    kind = models.CharField(_("kind"), max_length=10, choices=ReviewKind)
    # The event with its agents, course and follow-ups, and a checksum of it.
    content = models.JSONField(_("what was signed"))
    sha256 = models.CharField("SHA-256", max_length=64)

    class Meta(Record.Meta):
        verbose_name = _("signature under an event")
        verbose_name_plural = _("signatures under events")
        ordering = ["event", "id"]
        triggers = immutable()
        permissions = [
            ("void_eventreview", "Can void a signature under an event"),
            ("review_eventreview", "Can review a serious event as principal investigator"),
        ]
        constraints = [
            *Record.Meta.constraints,
            models.UniqueConstraint(
                fields=["event", "kind"],
                condition=Q(voided_at__isnull=True),
                name="event_review_once",
                violation_error_message=_("This is signed already."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event} · {self.get_kind_display()}"


@pghistory.track()
class EventQuery(Record):
    """A monitor's question about an event, and the site's answer once there is one."""

    part_of = ("event", "event__participant")

    event = models.ForeignKey(AdverseEvent, models.PROTECT, verbose_name=_("adverse event"), related_name="queries")
    question = models.TextField(_("question"))
    answer = models.TextField(_("answer"), blank=True)
    answered_at = models.DateTimeField(_("answered at"), null=True, blank=True, editable=False)
    answered_by = models.ForeignKey(
        User,
        models.PROTECT,
        verbose_name=_("answered by"),
        related_name="+",
        null=True,
        blank=True,
        editable=False,
    )

    twin = Twin(same=("event", "question"))

    class Meta(Record.Meta):
        verbose_name = _("question about an event")
        verbose_name_plural = _("questions about events")
        ordering = ["event", "id"]
        triggers = immutable("answer", "answered_at", "answered_by")
        permissions = [
            ("void_eventquery", "Can void a question about an event"),
            ("answer_eventquery", "Can answer a question about an event"),
        ]
        constraints = [
            *Record.Meta.constraints,
            models.CheckConstraint(
                name="event_query_answered_by_somebody",
                condition=Q(answer="", answered_at__isnull=True, answered_by__isnull=True)
                | (~Q(answer="") & Q(answered_at__isnull=False, answered_by__isnull=False)),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event} · {self.question[:40]}"
