"""What was infused, and when: the only writer of Day 0."""

from __future__ import annotations

import datetime as dt

import pghistory
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from dosing.models.product import ABOVE_ZERO, CellProduct
from dosing.rules.dose import OUT_OF_RANGE, DoseBand
from participants.models import Participant
from participants.rules.contradictions import Kind
from trialsite.fields import CodeField
from trialsite.models import Record
from trialsite.search import list_indexes, search_index

BAND_NAMES = {
    DoseBand.OUT_LOW: _("below the protocol's range"),
    DoseBand.TOLERANCE_LOW: _("low, within tolerance"),
    DoseBand.NOMINAL: _("within the protocol's range"),
    DoseBand.TOLERANCE_HIGH: _("high, within tolerance"),
    DoseBand.OUT_HIGH: _("above the protocol's range"),
}


class Occasion(models.TextChoices):
    FIRST = "first", _("first infusion")
    SPLIT = "split", _("further part of a split dose")
    SECOND = "second", _("second infusion")


class Remainder(models.TextChoices):
    DISCARDED = "discarded", _("discarded")
    STORED = "stored", _("kept as a sample")
    RETURNED = "returned", _("returned to the manufacturer")


@pghistory.track()
class Infusion(Record):
    """CAR-T cells went into the participant from this moment; the first one's day is Day 0."""

    participant = models.ForeignKey(
        Participant, models.PROTECT, verbose_name=_("participant"), related_name="infusions"
    )
    occasion = models.CharField(_("occasion"), max_length=10, choices=Occasion, default=Occasion.FIRST)
    occasion_reason = models.TextField(
        _("why in parts, or a second time"), blank=True, help_text=_("The protocol knows one infusion.")
    )
    # Rows from before products were recorded have none.
    product = models.ForeignKey(
        CellProduct,
        models.PROTECT,
        verbose_name=_("cell product"),
        related_name="infusions",
        null=True,
        editable=False,
    )
    product_lot = CodeField(
        _("product lot"), max_length=60, help_text=_("As on the bag; typed or scanned, lot or chain-of-identity code.")
    )
    infused_at = models.DateTimeField(_("infusion started at"))
    ended_at = models.DateTimeField(_("infusion ended at"), null=True, blank=True)
    volume_given_ml = models.DecimalField(
        _("volume given (mL)"), max_digits=8, decimal_places=3, null=True, blank=True, validators=[ABOVE_ZERO]
    )
    remainder = models.CharField(_("fate of the remainder"), max_length=10, choices=Remainder, blank=True)
    # As computed, to the last digit: the band is decided on it.
    viable_car_t_cells_e8 = models.DecimalField(
        _("dose (10⁸ viable CAR-T cells)"),
        max_digits=30,
        decimal_places=22,
        validators=[MinValueValidator(0)],
        editable=False,
    )
    dose_band = models.CharField(
        _("dose band"), max_length=20, choices=[(b.value, BAND_NAMES[b]) for b in DoseBand], editable=False
    )
    has_reaction = models.BooleanField(
        _("infusion reaction"),
        null=True,
        blank=True,
        choices=[(True, _("yes")), (False, _("no"))],
        help_text=_("A reaction is recorded as an adverse event as well: its form opens after this one."),
    )
    note = models.TextField(_("note"), blank=True)
    dated = {"infused_at": Kind.TREATMENT, "ended_at": Kind.TREATMENT}

    class Meta(Record.Meta):
        verbose_name = _("infusion")
        verbose_name_plural = _("infusions")
        ordering = ["-infused_at"]
        indexes = [*list_indexes("infusion", "infused_at"), search_index("infusion_search", "product_lot")]
        permissions = [("void_infusion", "Can void an infusion entered by mistake")]
        constraints = [
            *Record.Meta.constraints,
            models.UniqueConstraint(
                fields=["participant"],
                condition=Q(voided_at__isnull=True, occasion="first"),
                name="infusion_first_once",
                violation_error_message=_(
                    "An infusion of this participant is recorded already: correct that one, or say below that this is "
                    "a further part or a second infusion."
                ),
            ),
            models.UniqueConstraint(
                fields=["product_lot"],
                condition=Q(voided_at__isnull=True) & ~Q(occasion="split"),
                name="infusion_lot_once",
                violation_error_message=_(
                    "This product lot is recorded as infused already. An autologous lot belongs to one person: "
                    "check the lot on the bag."
                ),
            ),
            models.CheckConstraint(
                name="infusion_dose_positive",
                condition=Q(viable_car_t_cells_e8__gt=0),
                violation_error_message=_("A dose is more than 0 cells."),
            ),
            models.CheckConstraint(
                name="infusion_ends_after_start",
                condition=Q(ended_at__isnull=True) | Q(ended_at__gte=F("infused_at")),
                violation_error_message=_("The infusion ends before it starts. Correct one of the two times."),
            ),
            models.CheckConstraint(
                name="infusion_further_one_says_why",
                condition=Q(occasion="first") | Q(occasion_reason__regex=r"\S"),
                violation_error_message=_("Say why the dose was split, or given a second time."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.participant} · {self.day:%Y-%m-%d}"

    @property
    def day(self) -> dt.date:
        """The site's calendar day of this infusion."""
        return timezone.localtime(self.infused_at).date()

    @property
    def is_out_of_range(self) -> bool:
        return self.dose_band in OUT_OF_RANGE


@pghistory.track()
class InfusionInterruption(Record):
    """The infusion was stopped for a while, or for good."""

    part_of = ("infusion", "infusion__participant")

    infusion = models.ForeignKey(Infusion, models.PROTECT, verbose_name=_("infusion"), related_name="interruptions")
    stopped_at = models.DateTimeField(_("stopped at"))
    resumed_at = models.DateTimeField(_("resumed at"), null=True, blank=True, help_text=_("Empty: not resumed."))
    reason = models.CharField(_("why"), max_length=200)
    dated = {"stopped_at": Kind.TREATMENT, "resumed_at": Kind.TREATMENT}

    class Meta(Record.Meta):
        verbose_name = _("interruption of an infusion")
        verbose_name_plural = _("interruptions of infusions")
        ordering = ["stopped_at"]
        indexes = [*list_indexes("interruption", "stopped_at")]
        permissions = [("void_infusioninterruption", "Can void an interruption entered by mistake")]
        constraints = [
            *Record.Meta.constraints,
            models.CheckConstraint(
                name="interruption_resumes_after_stop",
                condition=Q(resumed_at__isnull=True) | Q(resumed_at__gte=F("stopped_at")),
                violation_error_message=_("The infusion is resumed before it stopped. Correct one of the two times."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.infusion} · {timezone.localtime(self.stopped_at):%H:%M}"
