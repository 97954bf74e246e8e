"""What else the participant received: concomitant and supportive medication."""

from __future__ import annotations

import pghistory
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from dosing.rules.tocilizumab import Advice
from participants.models import Participant
from participants.rules.contradictions import Kind
from trialsite.models import Record
from trialsite.search import list_indexes, search_index
from trialsite.twins import Twin


class MedicationKind(models.TextChoices):
    """Kinds that later rules ask for: treatment of CRS and ICANS, support of the blood, and what is prohibited."""

    TOCILIZUMAB = "tocilizumab", _("tocilizumab")
    CORTICOSTEROID = "corticosteroid", _("corticosteroid")
    ANAKINRA = "anakinra", _("anakinra")
    SILTUXIMAB = "siltuximab", _("siltuximab")
    VASOPRESSOR = "vasopressor", _("vasopressor")
    VASOPRESSIN = "vasopressin", _("vasopressin")
    OXYGEN = "oxygen", _("oxygen")
    ANTIPYRETIC = "antipyretic", _("antipyretic")
    ANTIEPILEPTIC = "antiepileptic", _("antiepileptic")
    ANTIINFECTIVE = "antiinfective", _("antibiotic, antiviral or antifungal")
    IMMUNOGLOBULIN = "immunoglobulin", _("immunoglobulin")
    TRANSFUSION = "transfusion", _("transfusion")
    GROWTH_FACTOR = "growth_factor", _("growth factor")
    ANTIHISTAMINE = "antihistamine", _("antihistamine")
    LIVE_VACCINE = "live_vaccine", _("live vaccine")
    OTHER = "other", pgettext_lazy("medication", "other")


class Route(models.TextChoices):
    INTRAVENOUS = "iv", _("intravenous")
    ORAL = "po", _("by mouth")
    SUBCUTANEOUS = "sc", _("subcutaneous")
    INTRAMUSCULAR = "im", _("intramuscular")
    INHALED = "inhaled", _("inhaled")
    INTRATHECAL = "it", _("intrathecal")
    TOPICAL = "topical", _("topical")
    OTHER = "other", pgettext_lazy("route", "other")


ADVICE_NAMES = {
    Advice.WARN_INTERVAL: _("too soon after the dose before"),
    Advice.WARN_24H: _("too many doses in 24 hours"),
    Advice.WARN_TOTAL: _("more doses than recommended in all"),
}


@pghistory.track()
class Medication(Record):
    """A drug, a transfusion or oxygen that the participant received: once, for a time, or still."""

    participant = models.ForeignKey(
        Participant, models.PROTECT, verbose_name=_("participant"), related_name="medications"
    )
    kind = models.CharField(_("kind"), max_length=20, choices=MedicationKind)
    name = models.CharField(pgettext_lazy("medication", "name"), max_length=120, help_text=_("As on the order sheet."))
    dose = models.DecimalField(
        _("dose"), max_digits=14, decimal_places=4, null=True, blank=True, validators=[MinValueValidator(0)]
    )
    dose_unit = models.CharField(_("unit"), max_length=20, blank=True, help_text=_("mg, g, µg/kg/min, L/min, units, …"))
    route = models.CharField(_("route"), max_length=10, choices=Route)
    started_at = models.DateTimeField(_("given or begun at"))
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True)
    is_ongoing = models.BooleanField(
        _("ongoing"), default=False, help_text=_("Leave both open for what was given once.")
    )
    indication = models.CharField(_("given for"), max_length=200)
    is_premedication = models.BooleanField(
        _("premedication of the infusion"), default=False, help_text=_("Given before the cells to prevent a reaction.")
    )
    # What the limits said when it was recorded; empty where they said nothing.
    warning = models.CharField(
        _("warning"),
        max_length=20,
        blank=True,
        choices=[(code.value, name) for code, name in ADVICE_NAMES.items()],
        editable=False,
    )
    note = models.TextField(_("note"), blank=True)

    twin = Twin(same=("participant", "kind", "name", "dose"), at="started_at")
    dated = {"started_at": Kind.BACKGROUND, "ended_at": Kind.BACKGROUND}

    class Meta(Record.Meta):
        verbose_name = _("medication")
        verbose_name_plural = _("medications")
        ordering = ["-started_at", "-id"]
        permissions = [("void_medication", "Can void a medication entered by mistake")]
        indexes = [
            *list_indexes("medication", "started_at", "kind", "name", "ended_at", "kind started_at"),
            search_index("medication_search", "name", "indication"),
            models.Index(fields=["participant", "kind", "started_at"], name="medication_of_participant"),
        ]
        constraints = [
            *Record.Meta.constraints,
            models.CheckConstraint(
                name="medication_ends_after_start",
                condition=Q(ended_at__isnull=True) | Q(ended_at__gte=F("started_at")),
                violation_error_message=_("The end lies before the start. Correct one of them."),
            ),
            models.CheckConstraint(
                name="medication_ongoing_has_no_end",
                condition=Q(is_ongoing=False) | Q(ended_at__isnull=True),
                violation_error_message=_("It is either ongoing or has an end. Correct one of them."),
            ),
            models.CheckConstraint(
                name="medication_dose_has_unit",
                condition=Q(dose__isnull=True) | ~Q(dose_unit=""),
                violation_error_message=_("A dose has a unit. Give it."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.participant} · {self.name}"

    @property
    def dose_text(self) -> str:
        return "" if self.dose is None else f"{self.dose.normalize():f} {self.dose_unit}"
