"""What was seen at the bedside at one moment, and the episodes that its grades add up to."""

from __future__ import annotations

import pghistory
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from participants.models import Participant
from participants.rules.contradictions import Kind
from safety.models.assessments import Scale
from safety.models.corrections import corrected_once
from safety.models.events import AdverseEvent
from safety.rules.bedside import Observations
from trialsite.models import Record, immutable
from trialsite.search import list_indexes
from trialsite.twins import Twin


@pghistory.track()
class BedsideAssessment(Record):
    """Somebody examined the participant at this moment; never changed, a correction is a new one."""

    participant = models.ForeignKey(
        Participant, models.PROTECT, verbose_name=_("participant"), related_name="bedside_assessments"
    )
    assessed_at = models.DateTimeField(_("assessed at"))
    # Everything observed, by the names of the rule; None stands for "not recorded", never for "no".
    observations = models.JSONField(_("observations"), editable=False)
    corrects = models.ForeignKey(
        "self",
        models.PROTECT,
        verbose_name=_("corrects the assessment"),
        related_name="corrections",
        null=True,
        blank=True,
        editable=False,
    )
    correction_reason = models.TextField(_("why it is corrected"), blank=True)
    note = models.TextField(_("note"), blank=True)

    # What was typed, before it is saved: for the questions about it.
    observed: Observations | None = None

    twin = Twin(same=("participant",), at="assessed_at", but="corrects")
    dated = {"assessed_at": Kind.PROCEDURE}

    class Meta(Record.Meta):
        verbose_name = _("bedside assessment")
        verbose_name_plural = _("bedside assessments")
        ordering = ["-assessed_at", "-id"]
        triggers = immutable()
        permissions = [("void_bedsideassessment", "Can void a bedside assessment entered by mistake")]
        indexes = [
            *list_indexes("bedside", "assessed_at"),
            models.Index(fields=["participant", "assessed_at"], name="bedside_of_participant"),
        ]
        constraints = [
            *Record.Meta.constraints,
            corrected_once("bedside"),
            models.CheckConstraint(
                name="bedside_correction_says_why",
                condition=Q(corrects__isnull=True, correction_reason="")
                | (Q(corrects__isnull=False) & Q(correction_reason__regex=r"\S")),
                violation_error_message=_("A correction says why."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.participant} · {timezone.localtime(self.assessed_at):%Y-%m-%d %H:%M}"


@pghistory.track()
class ToxicityEpisode(Record):
    """CRS or ICANS from its first grade above 0 until it was gone; computed, and kept in step with the assessments."""

    participant = models.ForeignKey(
        Participant, models.PROTECT, verbose_name=_("participant"), related_name="toxicity_episodes"
    )
    toxicity = models.CharField(_("toxicity"), max_length=10, choices=Scale)
    number = models.PositiveSmallIntegerField(_("episode"))
    onset_at = models.DateTimeField(_("onset"))
    highest_grade = models.PositiveSmallIntegerField(
        _("highest grade"), validators=[MinValueValidator(1), MaxValueValidator(5)]
    )
    highest_at = models.DateTimeField(_("highest grade at"))
    resolved_at = models.DateTimeField(_("resolved"), null=True, blank=True)
    adverse_event = models.OneToOneField(
        AdverseEvent,
        models.PROTECT,
        verbose_name=_("adverse event"),
        related_name="episode",
        null=True,
        blank=True,
    )

    class Meta(Record.Meta):
        verbose_name = _("toxicity episode")
        verbose_name_plural = _("toxicity episodes")
        ordering = ["-onset_at", "-id"]
        indexes = [*list_indexes("episode", "onset_at")]
        permissions = [("propose_event", "Can make an adverse event of a toxicity episode")]
        constraints = [
            *Record.Meta.constraints,
            models.UniqueConstraint(
                fields=["participant", "toxicity", "number"],
                condition=Q(voided_at__isnull=True),
                name="episode_number_once",
                violation_error_message=_("This episode is recorded already: open the page anew."),
            ),
            models.CheckConstraint(
                name="episode_grade_1_to_5", condition=Q(highest_grade__gte=1, highest_grade__lte=5)
            ),
            models.CheckConstraint(
                name="episode_resolves_after_onset",
                condition=Q(resolved_at__isnull=True) | Q(resolved_at__gte=F("onset_at")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.participant} · {self.toxicity} #{self.number}"
