"""Lymphodepletion: planned from body surface area and the study's regimen, given dose by dose."""

from __future__ import annotations

from typing import ClassVar

import pghistory
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from dosing.rules.regimen import BsaFormula
from participants.models import Participant
from participants.rules.contradictions import Kind
from trialsite.models import Record
from trialsite.study import get_study
from trialsite.twins import Twin

FORMULA_NAMES = {
    BsaFormula.MOSTELLER: "Mosteller √(cm × kg / 3600)",
    BsaFormula.DU_BOIS: "Du Bois 0.007184 × kg^0.425 × cm^0.725",
}


class DoseState(models.TextChoices):
    PLANNED = "planned", pgettext_lazy("dose", "planned")
    GIVEN = "given", pgettext_lazy("dose", "given")
    NOT_GIVEN = "not_given", pgettext_lazy("dose", "not given")


@pghistory.track()
class LymphodepletionDose(Record):
    """One dose of one drug before the cells: what was planned, from which body, and what was given."""

    participant = models.ForeignKey(
        Participant, models.PROTECT, verbose_name=_("participant"), related_name="lymphodepletion_doses"
    )
    drug = models.CharField(_("drug"), max_length=20, editable=False)
    # A second course follows where the first was given in vain: the bag was lost, the infusion put off too long.
    course = models.PositiveSmallIntegerField(_("course"), default=1, editable=False)
    course_reason = models.TextField(_("why another course"), blank=True, editable=False)
    number = models.PositiveSmallIntegerField(_("dose number"), editable=False)
    planned_on = models.DateField(_("planned on"), editable=False)
    # The day of the infusion that this day counts back from.
    infusion_on = models.DateField(_("planned for the infusion of"), null=True, blank=True, editable=False)
    mg_m2 = models.DecimalField(_("dose level (mg/m²)"), max_digits=8, decimal_places=2, editable=False)
    height_cm = models.DecimalField(_("height (cm)"), max_digits=5, decimal_places=1, editable=False)
    weight_kg = models.DecimalField(_("weight (kg)"), max_digits=5, decimal_places=1, editable=False)
    bsa_m2 = models.DecimalField(_("body surface area (m²)"), max_digits=6, decimal_places=4, editable=False)
    bsa_formula = models.CharField(
        _("formula"), max_length=10, choices=[(f.value, FORMULA_NAMES[f]) for f in BsaFormula], editable=False
    )
    planned_mg = models.DecimalField(_("planned dose (mg)"), max_digits=9, decimal_places=1, editable=False)
    # The kidney at the time of the plan, and why less than the full dose was chosen.
    clearance_ml_min = models.DecimalField(
        _("creatinine clearance (mL/min)"), max_digits=6, decimal_places=1, null=True, blank=True, editable=False
    )
    creatinine_on = models.DateField(_("creatinine of"), null=True, blank=True, editable=False)
    level_reason = models.TextField(_("why this dose level"), blank=True, editable=False)
    state = models.CharField(_("state"), max_length=10, choices=DoseState, default=DoseState.PLANNED)
    given_at = models.DateTimeField(_("given at"), null=True, blank=True)
    given_mg = models.DecimalField(
        _("given dose (mg)"), max_digits=9, decimal_places=1, null=True, blank=True, validators=[MinValueValidator(0)]
    )
    change_reason = models.TextField(
        _("why another dose, or none"), blank=True, help_text=_("Needed when the dose differs by more than 5 %.")
    )

    not_filled_in: ClassVar[dict[str, str]] = {"state": DoseState.PLANNED}
    twin = Twin(same=("participant", "drug"), at="given_at", minutes=120)
    dated = {"given_at": Kind.TREATMENT}

    class Meta(Record.Meta):
        verbose_name = _("lymphodepletion dose")
        verbose_name_plural = _("lymphodepletion doses")
        ordering = ["participant", "planned_on", "drug", "number"]
        permissions = [
            ("void_lymphodepletiondose", "Can void a dose entered by mistake"),
            ("plan_lymphodepletion", "Can plan a lymphodepletion"),
        ]
        constraints = [
            *Record.Meta.constraints,
            models.UniqueConstraint(
                fields=["participant", "course", "drug", "number"],
                condition=Q(voided_at__isnull=True),
                name="lymphodepletion_dose_once",
                violation_error_message=_("This dose is planned already: record it there."),
            ),
            models.CheckConstraint(
                name="lymphodepletion_given_has_dose",
                condition=Q(state="given", given_at__isnull=False, given_mg__isnull=False)
                | (~Q(state="given") & Q(given_at__isnull=True, given_mg__isnull=True)),
                violation_error_message=_("A dose that was given has its time and mg; one that was not has neither."),
            ),
            models.CheckConstraint(
                name="lymphodepletion_not_given_says_why",
                condition=~Q(state="not_given") | Q(change_reason__regex=r"\S"),
                violation_error_message=_("Say why the dose was not given."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.participant} · {self.drug_name} {self.number}"

    @property
    def is_settled(self) -> bool:
        """Given, or left out: no longer a plan."""
        return self.state != DoseState.PLANNED

    @property
    def drug_name(self) -> str:
        drugs = get_study().protocol(self.participant.protocol_version).lymphodepletion.drugs
        return next((str(drug.name) for drug in drugs if drug.code == self.drug), self.drug)
