"""What became of the leukaemia and of the person: assessments, later therapies, and who is known to be alive."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pghistory
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from participants.models.people import Participant
from participants.names import COMPARATORS
from participants.responses import RESPONSE_NAMES
from participants.rules.contradictions import Kind
from trialsite.fields import PartialDateField
from trialsite.models import Record
from trialsite.search import list_indexes, search_index
from trialsite.twins import Twin

PERCENT = (MinValueValidator(0), MaxValueValidator(100))
YES_NO_UNKNOWN = [("yes", _("yes")), ("no", _("no")), ("unknown", _("not known"))]


class Looked(models.TextChoices):
    """Looked for and not found is another thing than not looked for."""

    ABSENT = "absent", _("absent")
    PRESENT = "present", _("present")
    NOT_DONE = "not_done", _("not looked for")


class MarrowState(models.TextChoices):
    DONE = "done", pgettext_lazy("examination", "done")
    NOT_DONE = "not_done", _("not done")


class MrdState(models.TextChoices):
    NOT_DETECTED = "not_detected", _("not detected")
    DETECTED = "detected", _("detected")
    NOT_DONE = "not_done", _("not done")


class MrdMethod(models.TextChoices):
    FLOW = "flow", _("flow cytometry")
    PCR = "pcr", _("PCR")
    NGS = "ngs", _("sequencing (NGS)")


def _amount(name: Any, *, whole: int, places: int, most: int | None = None) -> models.DecimalField[Any, Any]:
    validators = PERCENT if most == 100 else (MinValueValidator(0),)
    return models.DecimalField(
        name, max_digits=whole + places, decimal_places=places, null=True, blank=True, validators=validators
    )


def _bound(name: Any) -> models.CharField[Any, Any]:
    return models.CharField(name, max_length=1, choices=list(COMPARATORS.items()), blank=True)


@pghistory.track()
class DiseaseAssessment(Record):
    """The leukaemia was looked for on this day: marrow, blood, elsewhere, MRD; the response follows by rule."""

    participant = models.ForeignKey(
        Participant, models.PROTECT, verbose_name=_("participant"), related_name="disease_assessments"
    )
    assessed_on = PartialDateField(_("assessed on"), help_text=_("The day of the marrow, or of the finding."))
    marrow = models.CharField(_("bone marrow"), max_length=10, choices=MarrowState)
    marrow_bound = _bound(_("blasts in the marrow: bound"))
    marrow_blasts = _amount(_("blasts in the marrow (%)"), whole=3, places=2, most=100)
    blood_blasts = models.CharField(_("blasts in the blood"), max_length=10, choices=Looked)
    extramedullary = models.CharField(_("leukaemia outside the marrow"), max_length=10, choices=Looked)
    extramedullary_sites = models.TextField(_("where outside the marrow"), blank=True)
    anc = _amount(_("neutrophils (ANC, 10⁹/L)"), whole=4, places=3)
    platelets = _amount(_("platelets (10⁹/L)"), whole=5, places=1)
    transfusion = models.CharField(
        _("transfused in the days before"),
        max_length=10,
        choices=YES_NO_UNKNOWN,
        help_text=_("Platelets, red cells or growth factor within the days that the study file names."),
    )
    mrd = models.CharField(_("MRD"), max_length=12, choices=MrdState)
    mrd_method = models.CharField(_("MRD: method"), max_length=10, choices=MrdMethod, blank=True)
    mrd_sensitivity = models.DecimalField(
        _("MRD: the assay sees down to (%)"),
        max_digits=9,
        decimal_places=6,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal("0.000001")), MaxValueValidator(100)],
        help_text=_("0.01 % is 10⁻⁴. As the report gives it."),
    )
    mrd_bound = _bound(_("MRD level: bound"))
    mrd_level = _amount(_("MRD level (%)"), whole=3, places=6, most=100)
    stated_response = models.CharField(
        _("response in the investigator's view"),
        max_length=15,
        choices=[(one.value, name) for one, name in RESPONSE_NAMES.items()],
        blank=True,
        help_text=_(
            "Leave open until an investigator has judged; where it differs from the rule, the reason is asked."
        ),
    )
    note = models.TextField(_("note"), blank=True)

    twin = Twin(same=("participant", "assessed_on"))
    dated = {"assessed_on": Kind.RESULT}

    class Meta(Record.Meta):
        verbose_name = _("disease assessment")
        verbose_name_plural = _("disease assessments")
        ordering = ["-assessed_on", "-id"]
        permissions = [("void_diseaseassessment", "Can void a disease assessment entered by mistake")]
        indexes = [
            *list_indexes("disease", "assessed_on", "mrd", "mrd assessed_on"),
            models.Index(fields=["participant", "assessed_on"], name="disease_of_participant"),
        ]
        constraints = [
            *Record.Meta.constraints,
            models.CheckConstraint(
                name="disease_marrow_has_blasts",
                condition=Q(marrow="done", marrow_blasts__isnull=False)
                | Q(marrow="not_done", marrow_blasts__isnull=True, marrow_bound=""),
                violation_error_message=_("A marrow that was done has its share of blasts; one that was not has none."),
            ),
            models.CheckConstraint(
                name="disease_site_is_present",
                condition=Q(extramedullary="present") | Q(extramedullary_sites=""),
                violation_error_message=_("Say where only if leukaemia outside the marrow is present."),
            ),
            models.CheckConstraint(
                name="disease_mrd_has_method",
                condition=(Q(mrd="not_done", mrd_method="", mrd_sensitivity__isnull=True))
                | (~Q(mrd="not_done") & ~Q(mrd_method="")),
                violation_error_message=_("MRD that was tested has its method; MRD that was not has none."),
            ),
            models.CheckConstraint(
                name="disease_mrd_level_is_detected",
                condition=Q(mrd="detected") | Q(mrd_level__isnull=True, mrd_bound=""),
                violation_error_message=_("A level of MRD belongs to MRD that was detected."),
            ),
            models.CheckConstraint(
                name="disease_bound_has_number",
                condition=(Q(mrd_level__isnull=False) | Q(mrd_bound="")),
                violation_error_message=_("A bound belongs to a number: give the level of MRD."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.participant} · {self.assessed_on}"


class TherapyKind(models.TextChoices):
    ALLOGENEIC = "allo_hsct", _("allogeneic transplantation")
    AUTOLOGOUS = "auto_hsct", _("autologous transplantation")
    CHEMOTHERAPY = "chemotherapy", _("chemotherapy")
    TARGETED = "targeted", _("targeted drug, such as a TKI")
    ANTIBODY = "antibody", _("antibody, such as blinatumomab")
    CAR_T = "car_t", _("other CAR-T cells")
    LYMPHOCYTES = "dli", _("donor lymphocytes")
    RADIOTHERAPY = "radiotherapy", _("radiotherapy")
    OTHER = "other", pgettext_lazy("therapy", "other")


TRANSPLANTS = (TherapyKind.ALLOGENEIC, TherapyKind.AUTOLOGOUS)


class TherapyReason(models.TextChoices):
    RELAPSE = "relapse", _("relapse")
    MRD = "mrd", _("MRD came back or stayed")
    CONSOLIDATION = "consolidation", _("consolidation in remission")
    FAILURE = "failure", _("cells lost, or B cells came back")
    OTHER = "other", pgettext_lazy("reason", "other")


@pghistory.track()
class SubsequentTherapy(Record):
    """Another therapy of the leukaemia after the cells: from its first day relapse-free survival is read two ways."""

    participant = models.ForeignKey(
        Participant, models.PROTECT, verbose_name=_("participant"), related_name="later_therapies"
    )
    kind = models.CharField(_("kind of therapy"), max_length=15, choices=TherapyKind)
    name = models.CharField(_("drugs or regimen"), max_length=120, blank=True)
    started_on = PartialDateField(
        _("begun on"), help_text=_("Of a transplantation the day of the graft, not of the conditioning.")
    )
    ended_on = PartialDateField(_("ended on"), blank=True)
    is_ongoing = models.BooleanField(
        _("ongoing"), default=False, help_text=_("Leave both open for what was given once.")
    )
    reason = models.CharField(_("given because of"), max_length=15, choices=TherapyReason)
    note = models.TextField(_("note"), blank=True)

    twin = Twin(same=("participant", "kind", "started_on"))
    dated = {"started_on": Kind.BACKGROUND, "ended_on": Kind.BACKGROUND}

    class Meta(Record.Meta):
        verbose_name = _("later therapy")
        verbose_name_plural = _("later therapies")
        ordering = ["-started_on", "-id"]
        permissions = [("void_subsequenttherapy", "Can void a later therapy entered by mistake")]
        indexes = [
            *list_indexes("later_therapy", "started_on", "kind", "kind started_on"),
            search_index("later_therapy_search", "name"),
        ]
        constraints = [
            *Record.Meta.constraints,
            models.CheckConstraint(
                name="therapy_ongoing_has_no_end",
                condition=Q(is_ongoing=False) | Q(ended_on=""),
                violation_error_message=_("It is either ongoing or has an end. Correct one of them."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.participant} · {self.get_kind_display()} · {self.started_on}"

    @property
    def is_transplant(self) -> bool:
        return self.kind in TRANSPLANTS


class Means(models.TextChoices):
    VISIT = "visit", _("seen at the site")
    PHONE = "phone", _("telephone")
    MESSAGE = "message", _("message")
    LETTER = "letter", _("letter")
    RECORDS = "records", _("records of a hospital")
    REGISTRY = "registry", _("registry of deaths")


class Answered(models.TextChoices):
    """Who told it, as a kind of person and never by name."""

    PARTICIPANT = "participant", _("the participant")
    FAMILY = "family", _("family or guardian")
    PHYSICIAN = "physician", _("a physician elsewhere")
    RECORD = "record", _("a record or registry")
    OTHER = "other", pgettext_lazy("person", "somebody else")


class Vital(models.TextChoices):
    ALIVE = "alive", _("alive")
    DEAD = "dead", _("dead")
    UNKNOWN = "unknown", _("not known to whom answered")
    NO_ANSWER = "no_answer", _("nobody answered")


@pghistory.track()
class SurvivalContact(Record):
    """Somebody asked whether the participant is alive: when, by what means, who answered, and what was learnt."""

    participant = models.ForeignKey(
        Participant, models.PROTECT, verbose_name=_("participant"), related_name="survival_contacts"
    )
    contacted_on = models.DateField(_("asked on"))
    means = models.CharField(_("by what means"), max_length=10, choices=Means)
    vital = models.CharField(_("what was learnt"), max_length=10, choices=Vital)
    answered_by = models.CharField(
        _("who answered"), max_length=12, choices=Answered, blank=True, help_text=_("Leave open if nobody answered.")
    )
    last_alive_on = PartialDateField(
        _("last known alive on"), blank=True, help_text=_("Often the day of the contact itself.")
    )
    died_on = PartialDateField(_("died on"), blank=True, help_text=_("As far as it is known."))
    note = models.TextField(_("note"), blank=True)

    twin = Twin(same=("participant", "contacted_on", "means"))
    dated = {"contacted_on": Kind.KNOWLEDGE, "last_alive_on": Kind.EVENT, "died_on": Kind.EVENT}

    class Meta(Record.Meta):
        verbose_name = _("survival contact")
        verbose_name_plural = _("survival contacts")
        ordering = ["-contacted_on", "-id"]
        permissions = [("void_survivalcontact", "Can void a survival contact entered by mistake")]
        indexes = [
            *list_indexes("survival", "contacted_on", "vital", "vital contacted_on"),
            models.Index(fields=["participant", "contacted_on"], name="survival_of_participant"),
        ]
        constraints = [
            *Record.Meta.constraints,
            models.CheckConstraint(
                name="contact_answered_by_somebody",
                condition=Q(vital="no_answer", answered_by="") | (~Q(vital="no_answer") & ~Q(answered_by="")),
                violation_error_message=_("Say who answered; leave it open where nobody did."),
            ),
            models.CheckConstraint(
                name="contact_alive_has_day",
                condition=~Q(vital="alive") | ~Q(last_alive_on=""),
                violation_error_message=_("Alive: on which day was the participant last known to be?"),
            ),
            models.CheckConstraint(
                name="contact_death_is_told",
                condition=Q(vital="dead") | Q(died_on=""),
                violation_error_message=_("A day of death belongs to “dead”. Correct one of them."),
            ),
            models.CheckConstraint(
                name="contact_without_answer_learns_nothing",
                condition=Q(vital__in=["alive", "dead"]) | Q(last_alive_on=""),
                violation_error_message=_("Nothing was learnt, so there is no day. Correct one of them."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.participant} · {self.contacted_on:%Y-%m-%d}"
