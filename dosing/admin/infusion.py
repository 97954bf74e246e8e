"""The page on which an infusion is logged."""

import datetime as dt
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget

from dosing import actions
from dosing.models import Infusion
from dosing.rules.dose import DoseBand
from trialsite.recordadmin import RecordAdmin, RecordForm
from trialsite.study import get_study


class InfusionForm(RecordForm):
    deviation_reason = forms.CharField(
        label=_("Reason for the protocol deviation"),
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text=_("Only when the dose is outside the protocol's range."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "viable_car_t_cells_e8" in self.fields:
            dose = get_study().latest.dose
            self.fields["viable_car_t_cells_e8"].help_text = _(
                "Protocol: %(low)s–%(high)s × 10⁸, tolerated from %(least)s to %(most)s × 10⁸."
            ) % {
                "low": dose.nominal_low_e8,
                "high": dose.nominal_high_e8,
                "least": dose.tolerance_low_e8,
                "most": dose.tolerance_high_e8,
            }

    def check(self, row: Infusion) -> None:
        actions.check_infusion(row, deviation_reason=self.cleaned_data.get("deviation_reason", ""), now=timezone.now())


@admin.register(Infusion)
class InfusionAdmin(RecordAdmin):
    form = InfusionForm
    list_display = (
        "participant",
        "infused_at",
        "product_lot",
        "dose",
        "band_label",
        "created_by",
        "void_mark",
    )
    list_filter = (("dose_band", admin.ChoicesFieldListFilter),)
    search_fields = ("participant__screening_number", "participant__participant_number", "product_lot")
    autocomplete_fields = ("participant",)
    list_select_related = ("participant", "created_by")
    date_hierarchy = "infused_at"
    can_void = False
    fieldsets = (
        (_("Who and what"), {"fields": ("participant", "product_lot")}),
        (_("When"), {"fields": ("infused_at",)}),
        (_("How much"), {"fields": ("viable_car_t_cells_e8", "deviation_reason", "note")}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return (*super().get_readonly_fields(request, obj), *(("participant",) if obj else ()))

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None or self.has_change_permission(request, obj):
            return fieldsets
        return [
            (title, {**options, "fields": tuple(f for f in options["fields"] if f != "deviation_reason")})
            for title, options in fieldsets
        ]

    def perform(self, request: HttpRequest, obj: Any, form: Any, change: bool, now: dt.datetime) -> None:
        act = actions.correct_infusion if change else actions.infuse
        reason = form.cleaned_data.get("deviation_reason", "")
        result = act(infusion=obj, deviation_reason=reason, by=request.user, now=now)
        self._tell_of_visits(request, result)

    def _tell_of_visits(self, request: HttpRequest, result: actions.Infused) -> None:
        values = {"day": f"{result.infusion.day0:%Y-%m-%d}"}
        if new := len(result.new_visits):
            text = ngettext(
                "Day 0 is %(day)s; %(n)s follow-up visit was planned.",
                "Day 0 is %(day)s; %(n)s follow-up visits were planned.",
                new,
            )
            messages.success(request, text % {**values, "n": new})
        if moved := len(result.moved_visits):
            text = ngettext(
                "Day 0 is now %(day)s; %(n)s planned visit was moved.",
                "Day 0 is now %(day)s; %(n)s planned visits were moved.",
                moved,
            )
            messages.warning(request, text % {**values, "n": moved})

    @display(description=_("dose"), ordering="viable_car_t_cells_e8")
    def dose(self, obj: Infusion) -> str:
        return f"{obj.viable_car_t_cells_e8.normalize():f} × 10⁸"

    @display(
        description=_("dose band"),
        ordering="dose_band",
        label={
            DoseBand.NOMINAL.value: "success",
            DoseBand.TOLERANCE_LOW.value: "info",
            DoseBand.TOLERANCE_HIGH.value: "info",
            DoseBand.OUT_LOW.value: "danger",
            DoseBand.OUT_HIGH.value: "danger",
        },
    )
    def band_label(self, obj: Infusion) -> tuple[str, str]:
        return obj.dose_band, obj.get_dose_band_display()
