"""The cell product of a participant, from the order to the vein, and every step on its way."""

from __future__ import annotations

from decimal import Decimal

import pghistory
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from dosing.rules.dose import Fill
from dosing.rules.product import State
from dosing.samebag import SAME_BAG
from participants.models import Participant
from participants.rules.contradictions import Kind
from trialsite.fields import CodeField
from trialsite.models import Record, immutable
from trialsite.search import list_indexes, search_index
from trialsite.twins import Twin

STATE_NAMES = {
    State.ORDERED: pgettext_lazy("product", "ordered"),
    State.COLLECTED: pgettext_lazy("product", "cells collected"),
    State.IN_MANUFACTURE: pgettext_lazy("product", "in manufacture"),
    State.RELEASED: pgettext_lazy("product", "released"),
    State.RECEIVED: pgettext_lazy("product", "received"),
    State.THAWED: pgettext_lazy("product", "thawed"),
    State.INFUSED: pgettext_lazy("product", "infused"),
    State.FAILED: pgettext_lazy("product", "manufacture failed"),
    State.DISCARDED: pgettext_lazy("product", "discarded"),
}
STATE_CHOICES = [(state.value, STATE_NAMES[state]) for state in State]


ABOVE_ZERO = MinValueValidator(Decimal("0.001"))


def _fraction(name: str) -> Q:
    return Q(**{f"{name}__isnull": True}) | Q(**{f"{name}__gte": 0, f"{name}__lte": 1})


@pghistory.track()
class Leukapheresis(Record):
    """The participant's own cells were collected, as the start of a product."""

    participant = models.ForeignKey(
        Participant, models.PROTECT, verbose_name=_("participant"), related_name="leukaphereses"
    )
    started_at = models.DateTimeField(_("started at"))
    ended_at = models.DateTimeField(_("ended at"))
    venous_access = models.CharField(_("venous access"), max_length=80, blank=True)
    processed_ml = models.DecimalField(
        _("blood processed (mL)"), max_digits=8, decimal_places=1, null=True, blank=True, validators=[ABOVE_ZERO]
    )
    collected_ml = models.DecimalField(
        _("collected (mL)"), max_digits=8, decimal_places=1, null=True, blank=True, validators=[ABOVE_ZERO]
    )
    nucleated_cells_e8 = models.DecimalField(
        _("nucleated cells (10⁸)"), max_digits=10, decimal_places=3, null=True, blank=True, validators=[ABOVE_ZERO]
    )
    t_cells_e8 = models.DecimalField(
        _("CD3-positive cells (10⁸)"), max_digits=10, decimal_places=3, null=True, blank=True, validators=[ABOVE_ZERO]
    )
    complications = models.TextField(
        _("complications"), blank=True, help_text=_("None: leave empty. Record an adverse event for each as well.")
    )
    note = models.TextField(_("note"), blank=True)

    twin = Twin(same=("participant",), at="started_at", minutes=60)
    dated = {"started_at": Kind.TREATMENT, "ended_at": Kind.TREATMENT}

    class Meta(Record.Meta):
        verbose_name = _("leukapheresis")
        verbose_name_plural = _("leukaphereses")
        ordering = ["-started_at"]
        indexes = [*list_indexes("leukapheresis", "started_at")]
        permissions = [("void_leukapheresis", "Can void a leukapheresis entered by mistake")]
        constraints = [
            *Record.Meta.constraints,
            models.CheckConstraint(
                name="leukapheresis_ends_after_start",
                condition=Q(ended_at__gte=F("started_at")),
                violation_error_message=_("The end lies before the start. Correct one of them."),
            ),
            models.CheckConstraint(
                name="leukapheresis_t_cells_among_all",
                condition=Q(t_cells_e8__isnull=True)
                | Q(nucleated_cells_e8__isnull=True)
                | Q(t_cells_e8__lte=F("nucleated_cells_e8")),
                violation_error_message=_("There are more CD3-positive cells than cells. Correct one of them."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.participant} · {timezone.localtime(self.started_at):%Y-%m-%d}"


@pghistory.track()
class CellProduct(Record):
    """CAR-T cells made from this participant's own cells, for nobody else."""

    participant = models.ForeignKey(Participant, models.PROTECT, verbose_name=_("participant"), related_name="products")
    leukapheresis = models.ForeignKey(
        Leukapheresis,
        models.PROTECT,
        verbose_name=_("leukapheresis"),
        related_name="products",
        null=True,
        blank=True,
        help_text=_("Where its cells come from."),
    )
    lot = CodeField(
        _("product lot"),
        max_length=60,
        blank=True,
        help_text=_("The manufacturer's batch, as on the bag; needed for the release."),
    )
    chain_of_identity = CodeField(
        _("chain-of-identity code"), max_length=60, help_text=_("The code that follows the cells from vein to vein.")
    )
    state = models.CharField(_("state"), max_length=15, choices=STATE_CHOICES, editable=False)
    volume_ml = models.DecimalField(_("volume (mL)"), max_digits=8, decimal_places=3, null=True, blank=True)
    cells_per_ml = models.DecimalField(_("cells per mL"), max_digits=14, decimal_places=1, null=True, blank=True)
    viability = models.DecimalField(
        _("viability (0 to 1)"),
        max_digits=6,
        decimal_places=5,
        null=True,
        blank=True,
        validators=[MinValueValidator(0), MaxValueValidator(1)],
    )
    car_positive = models.DecimalField(
        _("CAR-positive fraction (0 to 1)"),
        max_digits=6,
        decimal_places=5,
        null=True,
        blank=True,
        validators=[MinValueValidator(0), MaxValueValidator(1)],
    )
    vector_copies = models.DecimalField(
        _("vector copies per cell"), max_digits=6, decimal_places=3, null=True, blank=True
    )
    certificate = CodeField(_("release certificate"), max_length=60, blank=True)
    released_on = models.DateField(_("released on"), null=True, blank=True)
    expires_on = models.DateField(_("expires on"), null=True, blank=True)
    is_out_of_specification = models.BooleanField(
        _("out of specification"),
        default=False,
        help_text=_("Released although a limit of the specification was missed; say why in the note."),
    )
    storage = models.CharField(_("storage and location"), max_length=120, blank=True)
    note = models.TextField(_("note"), blank=True)
    dated = {"released_on": Kind.PRODUCT, "expires_on": Kind.PLANNED}
    twin = SAME_BAG

    class Meta(Record.Meta):
        verbose_name = _("cell product")
        verbose_name_plural = _("cell products")
        ordering = ["-id"]
        indexes = [search_index("product_search", "lot", "chain_of_identity")]
        permissions = [
            ("void_cellproduct", "Can void a cell product entered by mistake"),
            ("move_cellproduct", "Can record a step of a cell product"),
        ]
        constraints = [
            *Record.Meta.constraints,
            models.UniqueConstraint(
                fields=["lot"],
                condition=Q(voided_at__isnull=True) & ~Q(lot=""),
                name="product_lot_once",
                violation_error_message=_("This lot is recorded already. A lot belongs to one participant."),
            ),
            models.UniqueConstraint(
                fields=["chain_of_identity"],
                condition=Q(voided_at__isnull=True),
                name="product_chain_once",
                violation_error_message=_("This chain-of-identity code belongs to another product already."),
            ),
            models.CheckConstraint(name="product_viability_fraction", condition=_fraction("viability")),
            models.CheckConstraint(name="product_car_fraction", condition=_fraction("car_positive")),
            models.CheckConstraint(
                name="product_expires_after_release",
                condition=Q(released_on__isnull=True)
                | Q(expires_on__isnull=True)
                | Q(expires_on__gte=F("released_on")),
                violation_error_message=_("The product expires before it is released. Correct one of the days."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.participant} · {self.code}"

    @property
    def code(self) -> str:
        """What people call it by: its lot, once it has one."""
        return self.lot or self.chain_of_identity

    @property
    def fill(self) -> Fill | None:
        """What the bag holds, once all four numbers are known."""
        if None in (self.volume_ml, self.cells_per_ml, self.viability, self.car_positive):
            return None
        assert self.volume_ml is not None
        assert self.cells_per_ml is not None
        assert self.viability is not None
        assert self.car_positive is not None
        return Fill(self.volume_ml, self.cells_per_ml, self.viability, self.car_positive)


def _kind_of_step(step: ProductStep) -> Kind:
    """The order and the collection need the participant's agreement; what follows happens elsewhere."""
    return Kind.TREATMENT if step.state in (State.ORDERED, State.COLLECTED) else Kind.PRODUCT


@pghistory.track()
class ProductStep(Record):
    """The product reached this state at this moment; a step is never changed."""

    part_of = ("product", "product__participant")

    product = models.ForeignKey(CellProduct, models.PROTECT, verbose_name=_("cell product"), related_name="steps")
    state = models.CharField(_("state"), max_length=15, choices=STATE_CHOICES)
    at = models.DateTimeField(_("at"))
    reason = models.TextField(_("reason"), blank=True)
    lowest_c = models.DecimalField(
        _("lowest temperature on the way (°C)"), max_digits=5, decimal_places=1, null=True, blank=True
    )
    highest_c = models.DecimalField(
        _("highest temperature on the way (°C)"), max_digits=5, decimal_places=1, null=True, blank=True
    )
    dated = {"at": _kind_of_step}

    class Meta(Record.Meta):
        verbose_name = _("step of a cell product")
        verbose_name_plural = _("steps of cell products")
        ordering = ["id"]
        permissions = [("void_productstep", "Can void a step entered by mistake")]
        triggers = immutable()
        constraints = [
            *Record.Meta.constraints,
            models.CheckConstraint(
                name="product_step_says_why",
                condition=~Q(state__in=["failed", "discarded"]) | Q(reason__regex=r"\S"),
                violation_error_message=_("Say why the product failed or was discarded."),
            ),
            models.CheckConstraint(
                name="product_step_temperatures",
                condition=Q(lowest_c__isnull=True) | Q(highest_c__isnull=True) | Q(lowest_c__lte=F("highest_c")),
                violation_error_message=_("The lowest temperature lies above the highest."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.product} · {self.get_state_display()}"
