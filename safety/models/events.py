"""Adverse events: what was seen, its relation to each agent, its course of grades, and what became known later."""

from __future__ import annotations

import datetime as dt

import pghistory
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from dosing.models import Infusion, Medication
from participants.models import Participant
from participants.rules.contradictions import Kind
from safety.models.ctcae import CODE, is_code
from safety.models.reference import ReferenceSafety
from trialsite.fields import PartialDateField
from trialsite.models import Record, immutable, record_triggers
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
    """ICH E2B(R3) G.k.8, of the study treatment that was or was not changed because of the event."""

    NONE = "none", pgettext_lazy("action taken", "none")
    REDUCED = "reduced", pgettext_lazy("action taken", "dose reduced")
    INTERRUPTED = "interrupted", pgettext_lazy("action taken", "interrupted")
    STOPPED = "stopped", pgettext_lazy("action taken", "stopped")
    NOT_APPLICABLE = "not_applicable", pgettext_lazy("action taken", "not applicable (completed before)")


class Agent(models.TextChoices):
    """What an event may be due to; each is judged for itself."""

    CAR_T = "car_t", _("CAR-T cells")
    FLUDARABINE = "fludarabine", _("fludarabine")
    CYCLOPHOSPHAMIDE = "cyclophosphamide", _("cyclophosphamide")
    LEUKAPHERESIS = "leukapheresis", _("leukapheresis")
    PROCEDURE = "procedure", pgettext_lazy("agent", "another procedure of the study")
    DISEASE = "disease", pgettext_lazy("agent", "the disease")
    OTHER = "other", pgettext_lazy("agent", "something else")


# What is given for the study, and can be changed because of an event.
TREATMENTS = (Agent.CAR_T, Agent.FLUDARABINE, Agent.CYCLOPHOSPHAMIDE, Agent.LEUKAPHERESIS)


class Pattern(models.TextChoices):
    SINGLE = "single", pgettext_lazy("pattern", "once")
    INTERMITTENT = "intermittent", pgettext_lazy("pattern", "intermittent")
    CONTINUOUS = "continuous", pgettext_lazy("pattern", "continuous")


class Autopsy(models.TextChoices):
    DONE = "done", pgettext_lazy("autopsy", "done")
    NOT_DONE = "not_done", pgettext_lazy("autopsy", "not done")
    PLANNED = "planned", pgettext_lazy("autopsy", "planned")


class SeriousnessSaid(models.TextChoices):
    """What an investigator says of it; the criteria tell why."""

    SERIOUS = "serious", _("serious")
    NOT_SERIOUS = "not_serious", _("not serious")


SERIOUSNESS = (
    "results_in_death",
    "is_life_threatening",
    "requires_hospitalisation",
    "results_in_disability",
    "is_congenital_anomaly",
    "is_other_important",
)


DEATH_AGREES = _(
    "Death is told three times and must agree: “results in death”, grade 5 and outcome “fatal” go together, or none of "
    "them."
)


@pghistory.track(exclude=["is_serious"])
class AdverseEvent(Record):
    """Something untoward that happened to a participant, as reported; its grade is not its seriousness."""

    participant = models.ForeignKey(
        Participant, models.PROTECT, verbose_name=_("participant"), related_name="adverse_events"
    )
    term = models.CharField(_("reported term"), max_length=200)
    onset = PartialDateField(_("onset"))
    onset_time = models.TimeField(_("time of onset, where known"), null=True, blank=True)
    resolved = PartialDateField(_("resolved"), blank=True, help_text=_("Leave empty while it goes on."))
    resolved_time = models.TimeField(_("time of the end, where known"), null=True, blank=True)
    pattern = models.CharField(_("pattern"), max_length=12, choices=Pattern, blank=True)
    # The highest of its course, which stands in its own rows.
    grade = models.PositiveSmallIntegerField(
        _("grade (CTCAE)"),
        validators=[MinValueValidator(1), MaxValueValidator(5)],
        help_text=_("The highest so far."),
    )
    ctcae_version = models.CharField(_("CTCAE version"), max_length=5, editable=False)
    # Eight digits and, as they stood in that version when the event was saved, the term and its class; all empty
    # for an event from before they were asked for.
    ctcae_code = models.CharField(_("CTCAE term"), max_length=8, blank=True, validators=[is_code])
    ctcae_term = models.CharField(_("CTCAE term (English)"), max_length=200, blank=True, editable=False)
    ctcae_soc = models.CharField(_("system organ class"), max_length=120, blank=True, editable=False)
    # As they stood in the site's own release of MedDRA when the event was coded; all empty where it is not.
    meddra_version = models.CharField(_("MedDRA version"), max_length=10, blank=True, editable=False)
    meddra_llt_code = models.CharField(_("MedDRA term (LLT)"), max_length=8, blank=True, validators=[is_code])
    meddra_llt = models.CharField(_("lowest level term"), max_length=200, blank=True, editable=False)
    meddra_pt_code = models.CharField(_("code of the preferred term"), max_length=8, blank=True, editable=False)
    meddra_pt = models.CharField(_("preferred term"), max_length=200, blank=True, editable=False)
    meddra_soc = models.CharField(_("system organ class (MedDRA)"), max_length=200, blank=True, editable=False)
    # A code of the study's list.
    special_interest = models.CharField(_("event of special interest"), max_length=40, blank=True)
    # Empty: the investigator has not said it yet. What is ticked below makes it serious even so.
    seriousness_said = models.CharField(_("serious?"), max_length=12, choices=SeriousnessSaid, blank=True)
    results_in_death = models.BooleanField(_("results in death"), default=False)
    is_life_threatening = models.BooleanField(
        _("life-threatening"), default=False, help_text=_("At risk of death at the time, not hypothetically.")
    )
    requires_hospitalisation = models.BooleanField(_("hospitalisation or prolongation of one"), default=False)
    results_in_disability = models.BooleanField(_("persistent or significant disability"), default=False)
    is_congenital_anomaly = models.BooleanField(_("congenital anomaly"), default=False)
    is_other_important = models.BooleanField(_("other important medical event"), default=False)
    results_in_death_on = PartialDateField(_("died on"), blank=True)
    is_life_threatening_on = PartialDateField(_("life-threatening since"), blank=True)
    requires_hospitalisation_on = PartialDateField(_("admitted, or stay prolonged, on"), blank=True)
    results_in_disability_on = PartialDateField(_("disability since"), blank=True)
    is_congenital_anomaly_on = PartialDateField(_("anomaly found on"), blank=True)
    is_other_important_on = PartialDateField(_("medically important since"), blank=True)
    cause_of_death = models.CharField(_("cause of death"), max_length=200, blank=True)
    autopsy = models.CharField(_("autopsy"), max_length=10, choices=Autopsy, blank=True)
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
    # Empty: the investigator has not judged it yet.
    outcome = models.CharField(_("outcome"), max_length=15, choices=Outcome, blank=True)
    site_aware_at = models.DateTimeField(
        _("site aware at"), help_text=_("When anybody of the site's team first knew of it.")
    )
    # Empty: the site's moment counts, for the sponsor is the hospital.
    sponsor_aware_at = models.DateTimeField(
        _("sponsor aware at"),
        null=True,
        blank=True,
        help_text=_("Only where the sponsor knew of it before the site's team: else the site's moment counts."),
    )
    # The sponsor's judgement, against the reference of that time.
    is_expected = models.BooleanField(_("expected"), null=True, blank=True, editable=False)
    reference_safety = models.ForeignKey(
        ReferenceSafety,
        models.PROTECT,
        verbose_name=_("reference safety information"),
        related_name="judged_events",
        null=True,
        blank=True,
        editable=False,
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
    treatment_given = models.TextField(_("treatment given"), blank=True)
    note = models.TextField(_("course"), blank=True)

    twin = Twin(same=("participant", "term", "onset"))
    dated = {
        "onset": Kind.EVENT,
        "resolved": Kind.EVENT,
        "site_aware_at": Kind.KNOWLEDGE,
        "sponsor_aware_at": Kind.KNOWLEDGE,
        **{f"{name}_on": Kind.EVENT for name in SERIOUSNESS},
    }

    class Meta(Record.Meta):
        verbose_name = _("adverse event")
        verbose_name_plural = _("adverse events")
        ordering = ["-id"]
        triggers = record_triggers("is_serious")
        permissions = [
            ("void_adverseevent", "Can void an adverse event entered by mistake"),
            ("assess_adverseevent", "Can assess relatedness, outcome and seriousness of an adverse event"),
            ("judge_adverseevent", "Can judge relatedness and expectedness for the sponsor"),
        ]
        indexes = [
            *list_indexes("ae", "term", "ctcae_term", "grade", "is_serious", "onset", "resolved", "outcome"),
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
                name="adverse_event_seriousness_agrees",
                condition=Q(seriousness_said="")
                | Q(seriousness_said="serious", is_serious=True)
                | Q(seriousness_said="not_serious", is_serious=False),
                violation_error_message=_(
                    "What is ticked makes it serious: tick what is true, and say the same in “serious?”."
                ),
            ),
            models.CheckConstraint(
                name="adverse_event_expected_by_reference",
                condition=Q(is_expected__isnull=True, reference_safety__isnull=True)
                | Q(is_expected__isnull=False, reference_safety__isnull=False),
                violation_error_message=_("What is expected or not is said by one version of the reference."),
            ),
            models.CheckConstraint(
                name="adverse_event_death_agrees",
                condition=Q(results_in_death=True, grade=5, outcome__in=["fatal", ""])
                | (Q(results_in_death=False) & ~Q(grade=5) & ~Q(outcome="fatal")),
                violation_error_message=DEATH_AGREES,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.participant} · {self.term}"

    def relation_to(self, agent: str) -> EventAgent | None:
        """The standing row of one agent; no query of its own where the agents are prefetched."""
        return next((one for one in self.agents.all() if one.agent == agent and not one.is_void), None)

    @property
    def criteria(self) -> list[str]:
        """What makes it serious, as the row stands in memory."""
        return [name for name in SERIOUSNESS if getattr(self, name)]

    @property
    def first_aware_at(self) -> dt.datetime:
        """When the first of site and sponsor knew of it: clocks count from here."""
        return min(filter(None, (self.site_aware_at, self.sponsor_aware_at)))


@pghistory.track()
class EventAgent(Record):
    """How an event relates to one agent, by the investigator and by the sponsor apart; all empty while it is open."""

    part_of = ("event", "event__participant")

    event = models.ForeignKey(AdverseEvent, models.PROTECT, verbose_name=_("adverse event"), related_name="agents")
    agent = models.CharField(_("agent"), max_length=20, choices=Agent)
    named = models.CharField(pgettext_lazy("agent", "what"), max_length=120, blank=True)
    investigator = models.CharField(_("investigator's view"), max_length=10, choices=Relatedness, blank=True)
    sponsor = models.CharField(_("sponsor's view"), max_length=10, choices=Relatedness, blank=True)
    action_taken = models.CharField(_("action taken"), max_length=15, choices=ActionTaken, blank=True)

    class Meta(Record.Meta):
        verbose_name = _("relation to an agent")
        verbose_name_plural = _("relations to agents")
        ordering = ["event", "id"]
        permissions = [("void_eventagent", "Can void the relation of an event to an agent")]
        constraints = [
            *Record.Meta.constraints,
            models.UniqueConstraint(
                fields=["event", "agent"],
                condition=Q(voided_at__isnull=True),
                name="event_agent_once",
                violation_error_message=_("The relation to this agent is there already: change that one."),
            ),
            models.CheckConstraint(
                name="event_agent_acts_on_treatment",
                condition=Q(action_taken="") | Q(agent__in=[*TREATMENTS, Agent.OTHER]),
                violation_error_message=_("An action is taken with a treatment."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event} · {self.get_agent_display()}"


@pghistory.track()
class EventGrade(Record):
    """From this day on the event had this grade; never changed, a mistake is voided."""

    part_of = ("event", "event__participant")

    event = models.ForeignKey(AdverseEvent, models.PROTECT, verbose_name=_("adverse event"), related_name="grades")
    grade = models.PositiveSmallIntegerField(
        _("grade (CTCAE)"), validators=[MinValueValidator(1), MaxValueValidator(5)]
    )
    since = PartialDateField(_("since"))

    dated = {"since": Kind.EVENT}

    class Meta(Record.Meta):
        verbose_name = _("grade in the course of an event")
        verbose_name_plural = _("grades in the course of events")
        ordering = ["event", "since", "id"]
        triggers = immutable()
        permissions = [("void_eventgrade", "Can void a grade in the course of an event")]
        constraints = [
            *Record.Meta.constraints,
            models.CheckConstraint(
                name="event_grade_1_to_5",
                condition=Q(grade__gte=1, grade__lte=5),
                violation_error_message=_("A grade is 1, 2, 3, 4 or 5."),
            ),
            models.UniqueConstraint(
                fields=["event", "since", "grade"],
                condition=Q(voided_at__isnull=True),
                name="event_grade_once_a_day",
                violation_error_message=_("This grade is recorded for this day already."),
            ),
        ]

    def __str__(self) -> str:
        return _("%(event)s · grade %(grade)s since %(since)s") % {
            "event": self.event,
            "grade": self.grade,
            "since": self.since,
        }


class FollowUpKind(models.TextChoices):
    NEW_INFORMATION = "new_information", _("new information")
    UPGRADE = "upgrade", pgettext_lazy("follow-up", "it became worse or serious")
    DOWNGRADE = "downgrade", pgettext_lazy("follow-up", "it is less than was said")
    NULLIFICATION = "nullification", pgettext_lazy("follow-up", "it is no event: reports are withdrawn")


@pghistory.track()
class FollowUp(Record):
    """What became known of an event later; added, never in the place of what was known before."""

    part_of = ("event", "event__participant")

    event = models.ForeignKey(AdverseEvent, models.PROTECT, verbose_name=_("adverse event"), related_name="followups")
    learned_at = models.DateTimeField(_("learned at"), help_text=_("When anybody of the site's team knew of it."))
    kind = models.CharField(_("kind"), max_length=16, choices=FollowUpKind)
    what = models.TextField(_("what became known"))

    twin = Twin(same=("event", "kind", "what"))
    dated = {"learned_at": Kind.KNOWLEDGE}

    class Meta(Record.Meta):
        verbose_name = _("follow-up of an event")
        verbose_name_plural = _("follow-ups of events")
        ordering = ["event", "learned_at", "id"]
        triggers = immutable()
        permissions = [("void_followup", "Can void a follow-up of an event")]

    def __str__(self) -> str:
        return f"{self.event} · {self.get_kind_display()}"


@pghistory.track()
class EventMedication(Record):
    """A drug of the record of medication that was given against an event."""

    part_of = ("event", "event__participant", "medication")

    event = models.ForeignKey(AdverseEvent, models.PROTECT, verbose_name=_("adverse event"), related_name="medications")
    medication = models.ForeignKey(
        Medication, models.PROTECT, verbose_name=_("medication"), related_name="events_treated"
    )

    class Meta(Record.Meta):
        verbose_name = _("drug against an event")
        verbose_name_plural = _("drugs against events")
        ordering = ["event", "id"]
        triggers = immutable()
        permissions = [("void_eventmedication", "Can void that a drug was given against an event")]
        constraints = [
            *Record.Meta.constraints,
            models.UniqueConstraint(
                fields=["event", "medication"],
                condition=Q(voided_at__isnull=True),
                name="event_medication_once",
                violation_error_message=_("This drug is told with the event already."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event} · {self.medication}"
