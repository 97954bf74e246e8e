"""The pages of what must be true before treatment: fitness checks, holds, identity checks, judgements."""

import datetime as dt
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminTextareaWidget

from dosing import actions
from dosing.admin.bedside import HoldReasonForm
from dosing.models import DosingHold, FitnessCheck, IdentityCheck, IdentityStop, ReadinessRuling
from dosing.rules.fitness import Fit, verdict
from dosing.wording import findings_text
from trialsite.recordadmin import RecordAdmin, RecordForm
from trialsite.voiding import Consequences

FIT_NAMES = {
    Fit.FIT: _("nothing speaks against it"),
    Fit.JUDGE: _("for an investigator to judge"),
    Fit.UNFIT: _("not now"),
}
NUMBERS = ("participant__screening_number", "participant__participant_number")


class AppendAdmin(RecordAdmin):
    """Rows that are added and read, never changed."""

    search_fields = NUMBERS
    list_select_related = ("participant", "created_by")
    autocomplete_fields = ("participant",)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class FitnessForm(RecordForm):
    def check(self, row: FitnessCheck) -> None:
        actions.check_fitness(row, now=timezone.now())


@admin.register(FitnessCheck)
class FitnessCheckAdmin(AppendAdmin):
    form = FitnessForm
    list_display = ("participant", "before", "checked_at", "verdict_label", "created_by", "void_mark")
    list_filter = (("before", admin.ChoicesFieldListFilter),)
    date_hierarchy = "checked_at"
    radio_fields = {
        "before": admin.HORIZONTAL,
        "is_on_oxygen": admin.HORIZONTAL,
        "has_uncontrolled_infection": admin.HORIZONTAL,
        "needs_vasopressors": admin.HORIZONTAL,
    }
    fieldsets = (
        (_("Who and when"), {"fields": ("participant", "before", "checked_at")}),
        (_("Infection and oxygen"), {"fields": ("max_temperature_48h_c", "has_uncontrolled_infection")}),
        (_("Breathing and circulation"), {"fields": (("spo2_percent", "is_on_oxygen"), "needs_vasopressors")}),
        (_("Heart and strength"), {"fields": (("lvef_percent", "ecog"),)}),
        (_("At hand"), {"fields": ("tocilizumab_doses", "note")}),
        (_("Result"), {"fields": ("findings_shown",)}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return (*super().get_readonly_fields(request, obj), "findings_shown")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        return [one for one in fieldsets if obj is not None or "findings_shown" not in one[1]["fields"]]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"checked_at": timezone.now(), **super().get_changeform_initial_data(request)}

    def perform(self, request: HttpRequest, obj: Any, form: Any, change: bool, now: dt.datetime) -> None:
        actions.record_fitness(check=obj, by=request.user, now=now)

    @display(
        description=_("result"),
        label={Fit.FIT.value: "success", Fit.JUDGE.value: "warning", Fit.UNFIT.value: "danger"},
    )
    def verdict_label(self, row: FitnessCheck) -> tuple[str, Any]:
        found = verdict(actions.findings_of(row))
        return found.value, FIT_NAMES[found]

    @admin.display(description=_("what speaks against treatment"))
    def findings_shown(self, row: FitnessCheck) -> Any:
        return findings_text(actions.findings_of(row)) or _("nothing")

    def consequences(self, obj: Any, *, now: dt.datetime) -> Consequences:
        return actions.check_consequences(obj)

    def perform_void(self, obj: Any, *, reason: str, by: Any, now: dt.datetime) -> None:
        actions.void_check(row=obj, reason=reason, by=by, now=now)


@admin.register(DosingHold)
class DosingHoldAdmin(AppendAdmin):
    list_display = ("participant", "reason", "created_at", "state_label", "lifted_at", "lifted_by", "void_mark")
    list_select_related = ("participant", "created_by", "lifted_by")
    list_filter = (("lifted_at", admin.EmptyFieldListFilter),)
    actions_detail = ["lift", "void_record"]
    fieldsets = (
        (_("Hold"), {"fields": ("participant", "reason")}),
        (_("Lifted"), {"fields": ("lifted_at", "lifted_by", "lift_reason")}),
    )
    readonly_fields = ("lifted_at", "lifted_by", "lift_reason")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        return fieldsets if obj is not None and obj.lifted_at else [fieldsets[0], *fieldsets[2:]]

    def perform(self, request: HttpRequest, obj: Any, form: Any, change: bool, now: dt.datetime) -> None:
        actions.place_hold(hold=obj, by=request.user, now=now)

    @display(description=_("state"), label={True: "danger", False: "success"})
    def state_label(self, row: DosingHold) -> tuple[bool, Any]:
        is_active = actions.is_holding(row, row.signatures, at=timezone.now())
        return is_active, _("nothing may be given") if is_active else _("lifted")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.lift_view)
        return [path("<path:object_id>/lift/", view, name="dosing_dosinghold_lift"), *super().get_urls()]

    @action(description=_("Lift…"), permissions=["lift"])
    def lift(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        return HttpResponseRedirect(self.url("lift", object_id))

    def has_lift_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.has_perm("dosing.lift_dosinghold")

    def lift_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self.ask(
            request,
            object_id,
            allowed=self.has_lift_permission(request),
            form_class=HoldReasonForm,
            title=_("Lift the hold"),
            intro=_("Afterwards nothing of this hold stands against treatment any more."),
            button=_("Lift the hold"),
            act=lambda obj, data, now: actions.lift_hold(hold=obj, reason=data["reason"], by=request.user, now=now),
            done=_("The hold is lifted."),
            is_signed=True,
        )


class ReadOnlyAdmin(AppendAdmin):
    """Made on the readiness page; here to be read."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def consequences(self, obj: Any, *, now: dt.datetime) -> Consequences:
        return actions.check_consequences(obj)

    def perform_void(self, obj: Any, *, reason: str, by: Any, now: dt.datetime) -> None:
        actions.void_check(row=obj, reason=reason, by=by, now=now)


@admin.register(IdentityCheck)
class IdentityCheckAdmin(ReadOnlyAdmin):
    list_display = ("participant", "product", "created_at", "created_by", "entered_by")
    list_select_related = ("participant", "product__participant", "created_by", "entered_by")
    fields = ("participant", "product", "entered_by")
    readonly_fields = ("entered_by",)


class ReviewForm(forms.Form):
    review = forms.CharField(
        label=_("What was found and done"), widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}), strip=True
    )


@admin.register(IdentityStop)
class IdentityStopAdmin(ReadOnlyAdmin):
    """Near misses: written by the refusal itself, reviewed by the principal investigator."""

    list_display = (
        "participant",
        "created_at",
        "place",
        "wrong",
        "wristband_shown",
        "bag_shown",
        "created_by",
        "state",
        "void_mark",
    )
    list_select_related = ("participant", "wristband_of", "bag__participant", "created_by", "entered_by")
    list_filter = (("reviewed_at", admin.EmptyFieldListFilter), ("wrong", admin.ChoicesFieldListFilter))
    # In words it is there already, and the words keep the number of another site's participant to themselves.
    export_exclude = ("bag",)
    date_hierarchy = "created_at"
    actions_detail = ["review_stop", "void_record"]
    fieldsets = (
        (_("What was stopped"), {"fields": ("participant", ("place", "wrong"), ("wristband_shown", "bag_shown"))}),
        (_("Who"), {"fields": (("checked_by", "entered_by"),)}),
        (_("Review"), {"fields": (("reviewed_by", "reviewed_at"), "review")}),
    )
    readonly_fields = (
        "wristband_shown",
        "bag_shown",
        "checked_by",
        "entered_by",
        "reviewed_by",
        "reviewed_at",
        "review",
    )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        return fieldsets if obj is not None and obj.reviewed_at else [one for one in fieldsets if one[0] != _("Review")]

    def hidden_fields(self, request: HttpRequest) -> tuple[str, ...]:
        """The trail would name the bag with its owner, who may be of another site; the page says it in words."""
        return (*super().hidden_fields(request), "bag")

    @admin.display(description=_("checked by"))
    def checked_by(self, row: IdentityStop) -> Any:
        return row.created_by

    @admin.display(description=_("wristband of"))
    def wristband_shown(self, row: IdentityStop) -> str:
        return row.wristband_text

    @admin.display(description=_("bag"))
    def bag_shown(self, row: IdentityStop) -> str:
        return row.bag_text

    @display(description=_("state"), label={True: "danger", False: "success"})
    def state(self, row: IdentityStop) -> tuple[bool, Any]:
        is_open = row.reviewed_at is None
        return is_open, _("to be reviewed") if is_open else _("reviewed")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.review_view)
        return [path("<path:object_id>/review/", view, name="dosing_identitystop_review"), *super().get_urls()]

    @action(description=_("Review…"), permissions=["review"])
    def review_stop(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        return HttpResponseRedirect(self.url("review", object_id))

    def has_review_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        # No button that leads to a refusal.
        row = self.get_object(request, str(object_id)) if object_id else None
        is_open = row is None or (row.reviewed_at is None and not row.is_void)
        return is_open and request.user.has_perm("dosing.review_identitystop") and not request.user.is_superuser

    def review_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self.ask(
            request,
            object_id,
            allowed=request.user.has_perm("dosing.review_identitystop"),
            form_class=ReviewForm,
            title=_("Review the near miss"),
            intro=_("Say how it came to this and what was done; then it leaves the first page."),
            button=_("Reviewed"),
            act=lambda obj, data, now: actions.review_stop(stop=obj, by=request.user, now=now, **data),
            done=_("The near miss is reviewed."),
            is_signed=True,
        )


@admin.register(ReadinessRuling)
class ReadinessRulingAdmin(ReadOnlyAdmin):
    list_display = ("participant", "line", "reason", "created_at", "created_by")
    fields = ("participant", "line", "reason")
