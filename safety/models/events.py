"""Adverse events, as reported."""

from __future__ import annotations

import pghistory
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from dosing.models import Infusion
from participants.models import Participant
from participants.rules.contradictions import Kind
from safety.models.ctcae import CODE, is_code
from trialsite.fields import PartialDateField
from trialsite.models import Record, record_triggers
from trialsite.search import list_indexes, search_index
from trialsite.twins import Twin


class Relatedness(models.TextChoices):
    """Five categories of the CDE guideline 2024 No. 31; the first three count as related."""

    DEFINITE = "definite", _("definitely related")
    PROBABLE = "probable", _("probably related")
    POSSIBLE = "possible", _("possibly related")
    UNLIKELY = "unlikely", _("unlikely to be related")
    UNRELATED = "unrelated", _("not related")


class Outcome(models.TextChoices):
    """ICH E2B(R3) E.i.7, the outcome of the event at the last observation."""

    RECOVERED = "recovered", _("recovered")
    RECOVERING = "recovering", _("recovering")
    NOT_RECOVERED = "not_recovered", _("not recovered")
    SEQUELAE = "sequelae", _("recovered with sequelae")
    FATAL = "fatal", _("fatal")
    UNKNOWN = "unknown", pgettext_lazy("outcome", "unknown")


class ActionTaken(models.TextChoices):
    NONE = "none", pgettext_lazy("action taken", "none")
    INTERRUPTED = "interrupted", _("infusion interrupted")
    STOPPED = "stopped", _("infusion stopped")
    NOT_APPLICABLE = "not_applicable", _("not applicable (infusion completed before)")


SERIOUSNESS = (
    "results_in_death",
    "is_life_threatening",
    "requires_hospitalisation",
    "results_in_disability",
    "is_congenital_anomaly",
    "is_other_important",
)


@pghistory.track(exclude=["is_serious"])
class AdverseEvent(Record):
    """Something untoward that happened to a participant, as reported; its grade is not its seriousness."""

    participant = models.ForeignKey(
        Participant, models.PROTECT, verbose_name=_("participant"), related_name="adverse_events"
    )
    term = models.CharField(_("reported term"), max_length=200)
    onset = PartialDateField(_("onset"))
    resolved = PartialDateField(_("resolved"), blank=True, help_text=_("Leave empty while it goes on."))
    grade = models.PositiveSmallIntegerField(
        _("grade (CTCAE)"), validators=[MinValueValidator(1), MaxValueValidator(5)]
    )
    ctcae_version = models.CharField(_("CTCAE version"), max_length=5, editable=False)
    # Eight digits and, as they stood in that version when the event was saved, the term and its class; all empty
    # for an event from before they were asked for.
    ctcae_code = models.CharField(_("CTCAE term"), max_length=8, blank=True, validators=[is_code])
    ctcae_term = models.CharField(_("CTCAE term (English)"), max_length=200, blank=True, editable=False)
    ctcae_soc = models.CharField(_("system organ class"), max_length=120, blank=True, editable=False)
    results_in_death = models.BooleanField(_("results in death"), default=False)
    is_life_threatening = models.BooleanField(
        _("life-threatening"), default=False, help_text=_("At risk of death at the time, not hypothetically.")
    )
    requires_hospitalisation = models.BooleanField(_("hospitalisation or prolongation of one"), default=False)
    results_in_disability = models.BooleanField(_("persistent or significant disability"), default=False)
    is_congenital_anomaly = models.BooleanField(_("congenital anomaly"), default=False)
    is_other_important = models.BooleanField(_("other important medical event"), default=False)
    is_serious = models.GeneratedField(
        expression=models.ExpressionWrapper(
            Q(results_in_death=True)
            | Q(is_life_threatening=True)
            | Q(requires_hospitalisation=True)
            | Q(results_in_disability=True)
            | Q(is_congenital_anomaly=True)
            | Q(is_other_important=True),
            output_field=models.BooleanField(),
        ),
        output_field=models.BooleanField(_("serious")),
        db_persist=True,
        verbose_name=_("serious"),
    )
    relatedness = models.CharField(
        _("relatedness to the CAR-T cells"),
        max_length=10,
        choices=Relatedness,
        help_text=_("Investigator's view."),
    )
    outcome = models.CharField(_("outcome"), max_length=15, choices=Outcome)
    action_taken = models.CharField(_("action taken"), max_length=15, choices=ActionTaken)
    site_aware_at = models.DateTimeField(
        _("site aware at"), help_text=_("When anybody of the site's team first knew of it.")
    )
    infusion = models.ForeignKey(
        Infusion,
        models.PROTECT,
        verbose_name=_("reaction to the infusion"),
        related_name="reactions",
        null=True,
        blank=True,
        help_text=_("Only for a reaction to the cells while they were given, or shortly after."),
    )
    note = models.TextField(_("course and treatment"), blank=True)

    twin = Twin(same=("participant", "term", "onset"))
    dated = {"onset": Kind.EVENT, "resolved": Kind.EVENT, "site_aware_at": Kind.KNOWLEDGE}

    class Meta(Record.Meta):
        verbose_name = _("adverse event")
        verbose_name_plural = _("adverse events")
        ordering = ["-id"]
        triggers = record_triggers("is_serious")
        permissions = [("void_adverseevent", "Can void an adverse event entered by mistake")]
        indexes = [
            *list_indexes(
                "ae", "term", "ctcae_term", "grade", "is_serious", "onset", "resolved", "outcome", "relatedness"
            ),
            search_index("ae_search", "term", "ctcae_term", "ctcae_code"),
        ]
        constraints = [
            *Record.Meta.constraints,
            models.CheckConstraint(
                name="adverse_event_grade_1_to_5",
                condition=Q(grade__gte=1, grade__lte=5),
                violation_error_message=_("A grade is 1, 2, 3, 4 or 5."),
            ),
            models.CheckConstraint(
                name="adverse_event_ctcae_term_complete",
                condition=Q(ctcae_code="", ctcae_term="", ctcae_soc="")
                | (Q(ctcae_code__regex=CODE) & ~Q(ctcae_term="") & ~Q(ctcae_soc="")),
                violation_error_message=_("A CTCAE term has its code, its name and its class, or none of them."),
            ),
            models.CheckConstraint(
                name="adverse_event_death_agrees",
                condition=Q(results_in_death=True, grade=5, outcome="fatal")
                | (Q(results_in_death=False) & ~Q(grade=5) & ~Q(outcome="fatal")),
                violation_error_message=_(
                    "Death is told three times and must agree: “results in death”, grade 5 and outcome “fatal” "
                    "go together, or none of them."
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.participant} · {self.term}"
