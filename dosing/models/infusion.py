"""What was infused, and when: the only writer of Day 0."""

from __future__ import annotations

import datetime as dt

import pghistory
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from dosing.rules.dose import OUT_OF_RANGE, DoseBand
from participants.models import Participant
from trialsite.models import Record

BAND_NAMES = {
    DoseBand.OUT_LOW: _("below the protocol's range"),
    DoseBand.TOLERANCE_LOW: _("low, within tolerance"),
    DoseBand.NOMINAL: _("within the protocol's range"),
    DoseBand.TOLERANCE_HIGH: _("high, within tolerance"),
    DoseBand.OUT_HIGH: _("above the protocol's range"),
}


@pghistory.track()
class Infusion(Record):
    """The CAR-T cells went into the participant at this moment; its day is Day 0."""

    participant = models.ForeignKey(
        Participant, models.PROTECT, verbose_name=_("participant"), related_name="infusions"
    )
    infused_at = models.DateTimeField(_("infused at"))
    product_lot = models.CharField(_("product lot"), max_length=60)
    viable_car_t_cells_e8 = models.DecimalField(
        _("dose (10⁸ viable CAR-T cells)"),
        max_digits=8,
        decimal_places=5,
        validators=[MinValueValidator(0)],
    )
    dose_band = models.CharField(
        _("dose band"), max_length=20, choices=[(b.value, BAND_NAMES[b]) for b in DoseBand], editable=False
    )
    note = models.TextField(_("note"), blank=True)

    class Meta(Record.Meta):
        verbose_name = _("infusion")
        verbose_name_plural = _("infusions")
        ordering = ["-infused_at"]
        constraints = [
            *Record.Meta.constraints,
            models.UniqueConstraint(
                fields=["participant"],
                condition=Q(voided_at__isnull=True),
                name="infusion_once",
                violation_error_message=_("An infusion of this participant is recorded already: correct that one."),
            ),
            models.UniqueConstraint(
                fields=["product_lot"],
                condition=Q(voided_at__isnull=True),
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
        ]

    def __str__(self) -> str:
        return f"{self.participant} · {self.day0:%Y-%m-%d}"

    @property
    def day0(self) -> dt.date:
        """The site's calendar day of the infusion."""
        return timezone.localtime(self.infused_at).date()

    @property
    def is_out_of_range(self) -> bool:
        return self.dose_band in OUT_OF_RANGE
