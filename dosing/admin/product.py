"""The page of a cell product, with the steps on its way."""

import datetime as dt
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminSplitDateTimeWidget,
    UnfoldAdminTextareaWidget,
)

from dosing import actions
from dosing.models import STATE_NAMES, CellProduct, Leukapheresis, ProductStep
from dosing.rules.product import State
from dosing.wording import bag_dose_text
from trialsite import formfields
from trialsite.models import Record
from trialsite.recordadmin import ReadOnlyRecordAdmin, RecordAdmin, RecordForm
from trialsite.typedadmin import TypedInline
from trialsite.voiding import Consequences

STATE_LABELS = {
    State.ORDERED.value: "info",
    State.COLLECTED.value: "info",
    State.IN_MANUFACTURE.value: "info",
    State.RELEASED.value: "success",
    State.RECEIVED.value: "success",
    State.THAWED.value: "warning",
    State.INFUSED.value: "primary",
    State.FAILED.value: "danger",
    State.DISCARDED.value: "danger",
}


def step_form(product: CellProduct | None) -> type[forms.Form]:
    """A form of the steps that are possible from where the product stands."""
    steps = actions.possible_steps(product) if product else ()

    class StepForm(forms.Form):
        new = forms.ChoiceField(
            label=_("Next step"), choices=[(s.value, STATE_NAMES[s]) for s in steps], widget=UnfoldAdminSelectWidget
        )
        at = formfields.MomentField(label=_("When"), widget=UnfoldAdminSplitDateTimeWidget, initial=timezone.now)
        lowest_c = formfields.DecimalField(
            label=_("Lowest temperature on the way (°C)"), required=False, widget=UnfoldAdminDecimalFieldWidget
        )
        highest_c = formfields.DecimalField(
            label=_("Highest temperature on the way (°C)"), required=False, widget=UnfoldAdminDecimalFieldWidget
        )
        reason = forms.CharField(
            label=_("Reason"),
            required=False,
            widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
            help_text=_("Needed for a failure, for discarding, and for what is not as the protocol wants it."),
        )

    return StepForm


class StepInline(TypedInline):
    model = ProductStep
    extra = 0
    can_delete = False
    show_change_link = True
    fields = ("state", "at", "reason", "lowest_c", "highest_c", "created_by", "void_reason")
    readonly_fields = ("created_by", "void_reason")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ProductForm(RecordForm):
    ordered_at = formfields.MomentField(
        label=_("Ordered at"), widget=UnfoldAdminSplitDateTimeWidget, initial=timezone.now, required=False
    )

    def check(self, row: CellProduct) -> None:
        if row.pk is None:
            now = timezone.now()
            actions.check_order(row, at=self.cleaned_data.get("ordered_at") or now, now=now)
        else:
            actions.check_source(row)

    def rows(self) -> list[Record]:
        """The order is a step with a moment of its own."""
        if self.instance.pk is not None:
            return super().rows()
        at = self.cleaned_data.get("ordered_at") or timezone.now()
        return [self.instance, ProductStep(product=self.instance, state=State.ORDERED, at=at)]


class LeukapheresisForm(RecordForm):
    def check(self, row: Leukapheresis) -> None:
        actions.check_leukapheresis(row, now=timezone.now())


@admin.register(Leukapheresis)
class LeukapheresisAdmin(RecordAdmin):
    form = LeukapheresisForm
    list_display = ("participant", "started_at", "collected_ml", "t_cells_e8", "created_by", "void_mark")
    search_fields = ("participant__screening_number", "participant__participant_number")
    autocomplete_fields = ("participant",)
    list_select_related = ("participant", "created_by")
    date_hierarchy = "started_at"
    fieldsets = (
        (_("Who and when"), {"fields": ("participant", ("started_at", "ended_at"), "venous_access")}),
        (_("What was collected"), {"fields": (("processed_ml", "collected_ml"), ("nucleated_cells_e8", "t_cells_e8"))}),
        (_("How it went"), {"fields": ("complications", "note")}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return (*super().get_readonly_fields(request, obj), *(("participant",) if obj else ()))

    def perform(self, request: HttpRequest, obj: Any, form: Any, change: bool, now: dt.datetime) -> None:
        actions.record_leukapheresis(row=obj, by=request.user, now=now)

    def consequences(self, obj: Any, *, now: dt.datetime) -> Consequences:
        return actions.leukapheresis_consequences(obj)

    def perform_void(self, obj: Any, *, reason: str, by: Any, now: dt.datetime) -> None:
        actions.void_leukapheresis(row=obj, reason=reason, by=by, now=now)


@admin.register(CellProduct)
class CellProductAdmin(RecordAdmin):
    form = ProductForm
    list_display = ("participant", "lot", "chain_of_identity", "state_label", "expires_on", "storage", "void_mark")
    list_display_links = ("participant", "lot", "chain_of_identity")
    list_filter = (("state", admin.ChoicesFieldListFilter), "is_out_of_specification")
    search_fields = ("lot", "chain_of_identity", "participant__screening_number", "participant__participant_number")
    autocomplete_fields = ("participant", "leukapheresis")
    list_select_related = ("participant",)
    inlines = (StepInline,)
    actions_detail = ["next_step", "void_record"]
    fieldsets = (
        (_("Whose cells"), {"fields": ("participant", ("chain_of_identity", "lot"), ("leukapheresis", "ordered_at"))}),
        (
            _("Release certificate"),
            {
                "fields": (
                    ("certificate", "is_out_of_specification"),
                    ("released_on", "expires_on"),
                    ("volume_ml", "cells_per_ml"),
                    ("viability", "car_positive"),
                    ("vector_copies", "dose_shown"),
                )
            },
        ),
        (_("Where it is"), {"fields": ("storage", "note")}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        # The cells stay whose they are.
        return (*super().get_readonly_fields(request, obj), "dose_shown", *(("participant",) if obj else ()))

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None:
            return fieldsets
        first = {"fields": ("participant", ("chain_of_identity", "lot"), "leukapheresis")}
        return [(title, first) if title == fieldsets[0][0] else (title, rest) for title, rest in fieldsets]

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        return super().get_inlines(request, obj) if obj else ()

    def perform(self, request: HttpRequest, obj: Any, form: Any, change: bool, now: dt.datetime) -> None:
        if change:
            obj.save()
        else:
            actions.order_product(product=obj, at=form.cleaned_data.get("ordered_at"), by=request.user, now=now)

    @display(description=_("state"), label=STATE_LABELS, ordering="state")
    def state_label(self, row: CellProduct) -> tuple[str, Any]:
        return row.state, row.get_state_display()

    @admin.display(description=_("computed dose of the whole bag"))
    def dose_shown(self, row: CellProduct) -> str:
        dose = actions.dose_of_product(row) if row.pk else None
        if dose is None:
            return "—"
        against = bag_dose_text(actions.bag_dose_of(row))
        return " ".join(part for part in (f"{dose.normalize():f} × 10⁸", against) if part)

    # --- steps --------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.step_view)
        return [path("<path:object_id>/step/", view, name="dosing_cellproduct_step"), *super().get_urls()]

    @action(description=_("Next step…"), permissions=["step"])
    def next_step(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        return HttpResponseRedirect(self.url("step", object_id))

    def has_step_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.has_perm("dosing.move_cellproduct")

    def _step_intro(self, request: HttpRequest, object_id: str) -> str:
        """With what stands against the dose of the bag, while it can still be seen before the bag is thawed."""
        product = self.get_object(request, object_id)
        is_given = product is None or product.state == State.INFUSED
        against = "" if is_given else bag_dose_text(actions.bag_dose_of(product))
        return f"{gettext('The infusion itself is recorded on the page of the infusion.')} {against}".strip()

    def step_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self.ask(
            request,
            object_id,
            allowed=self.has_step_permission(request),
            form_class=step_form(self.get_object(request, object_id)),
            title=_("Next step of the product"),
            intro=self._step_intro(request, object_id),
            button=_("Record the step"),
            act=lambda obj, data, now: actions.move_product(
                product=obj, by=request.user, now=now, **{**data, "new": State(data["new"])}
            ),
            done=_("The step is recorded."),
            row_of=lambda obj, data: ProductStep(product=obj, state=data["new"], at=data["at"]),
        )

    def consequences(self, obj: Any, *, now: dt.datetime) -> Consequences:
        return actions.product_consequences(obj)

    def perform_void(self, obj: Any, *, reason: str, by: Any, now: dt.datetime) -> None:
        actions.void_product(product=obj, reason=reason, by=by, now=now)


@admin.register(ProductStep)
class ProductStepAdmin(ReadOnlyRecordAdmin):
    """Every step of every product; the newest is taken back here."""

    site_path = "product__participant__site"
    list_display = ("product", "state", "at", "reason", "created_by", "void_mark")
    list_filter = (("state", admin.ChoicesFieldListFilter),)
    search_fields = ("product__lot", "product__chain_of_identity")
    list_select_related = ("product__participant", "created_by")
    fieldsets = ((None, {"fields": ("product", ("state", "at"), "reason", ("lowest_c", "highest_c"))}),)

    def void_instead(self, obj: Any) -> str:
        return actions.instead_of_step(obj)

    def consequences(self, obj: Any, *, now: dt.datetime) -> Consequences:
        return actions.step_consequences(obj)

    def perform_void(self, obj: Any, *, reason: str, by: Any, now: dt.datetime) -> None:
        actions.void_step(step=obj, reason=reason, by=by, now=now)
