"""The pages of lymphodepletion: plan it, and record each dose."""

import datetime as dt
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminSingleDateWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from dosing import actions
from dosing.models import LymphodepletionDose
from dosing.models.lymphodepletion import DoseState
from participants.models import Participant, numbered
from trialsite import formfields
from trialsite.recordadmin import RecordAdmin, RecordForm
from trialsite.refusal import Refused


class DoseForm(RecordForm):
    deviation_reason = forms.CharField(
        label=_("Reason for the protocol deviation"),
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text=_("Only when a message above asks for it."),
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if cleaned.get("given_at") and cleaned.get("state") == DoseState.PLANNED:
            # A time was entered: the dose was given, whatever the list still said.
            cleaned["state"] = DoseState.GIVEN
        return cleaned

    def check(self, row: LymphodepletionDose) -> None:
        reason = self.cleaned_data.get("deviation_reason", "")
        actions.check_dose(row, deviation_reason=reason, now=timezone.now())


class PlanForm(forms.Form):
    """Asked from the list: whose, and from which day."""

    number = formfields.CodeField(
        label=_("participant"), widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"})
    )
    first_on = formfields.DateField(label=_("First day"), widget=UnfoldAdminSingleDateWidget)


@admin.register(LymphodepletionDose)
class LymphodepletionDoseAdmin(RecordAdmin):
    form = DoseForm
    list_display = (
        "participant",
        "drug_shown",
        "number",
        "planned_on",
        "planned_mg",
        "state_label",
        "given_at",
        "given_mg",
    )
    list_display_links = ("participant", "drug_shown")
    list_filter = (("state", admin.ChoicesFieldListFilter), "drug")
    search_fields = ("participant__screening_number", "participant__participant_number")
    list_select_related = ("participant",)
    date_hierarchy = "planned_on"
    can_void = False
    readonly_fields = (
        "participant",
        "drug_shown",
        "number",
        "planned_on",
        "mg_m2",
        "height_cm",
        "weight_kg",
        "bsa_m2",
        "bsa_formula",
        "planned_mg",
    )
    fieldsets = (
        (
            _("Planned"),
            {
                "fields": (
                    ("participant", "drug_shown", "number"),
                    ("planned_on", "planned_mg"),
                    ("mg_m2", "bsa_m2"),
                    ("height_cm", "weight_kg", "bsa_formula"),
                )
            },
        ),
        (_("What became of it"), {"fields": ("state", ("given_at", "given_mg"), "change_reason", "deviation_reason")}),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def perform(self, request: HttpRequest, obj: Any, form: Any, change: bool, now: dt.datetime) -> None:
        reason = form.cleaned_data.get("deviation_reason", "")
        actions.record_dose(dose=obj, deviation_reason=reason, by=request.user, now=now)
        if text := actions.range_text(obj):
            messages.warning(request, text)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        if self.has_change_permission(request, obj):
            return fieldsets
        return [
            (title, {**options, "fields": tuple(name for name in options["fields"] if name != "deviation_reason")})
            for title, options in fieldsets
        ]

    # --- planning -----------------------------------------------------------------------------

    actions_list = ("plan",)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.plan_view)
        return [path("plan/", view, name="dosing_lymphodepletiondose_plan"), *super().get_urls()]

    @action(description=_("Plan lymphodepletion…"), permissions=["plan"])
    def plan(self, request: HttpRequest) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:dosing_lymphodepletiondose_plan"))

    def has_plan_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.has_perm("dosing.plan_lymphodepletion")

    def plan_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_plan_permission(request):
            raise PermissionDenied
        form = PlanForm(request.POST if request.method == "POST" else None, initial=request.GET.dict())
        back = reverse("admin:dosing_lymphodepletiondose_changelist")
        if request.method == "POST" and form.is_valid() and self._plan(request, form):
            return HttpResponseRedirect(f"{back}?q={form.cleaned_data['number'].strip()}")
        context = {
            **self.admin_site.each_context(request),
            "title": _("Plan lymphodepletion"),
            "intro": _(
                "Doses of the study's regimen, from the newest weight and height, one a day from the first day."
            ),
            "button": _("Plan"),
            "form": form,
            "original": "",
            "opts": self.opts,
            "back": back,
        }
        return TemplateResponse(request, "admin/trialsite/ask.html", context)

    def _plan(self, request: HttpRequest, form: PlanForm) -> bool:
        participant = self._participant(request, form.cleaned_data["number"])
        if participant is None:
            form.add_error("number", _("No participant of your sites has this number. Check it."))
            return False
        try:
            doses, warnings = actions.plan_lymphodepletion(
                participant=participant, first_on=form.cleaned_data["first_on"], by=request.user, now=timezone.now()
            )
        except Refused as refusal:
            form.add_error(None, refusal)
            return False
        messages.success(request, _("%(count)s doses are planned.") % {"count": len(doses)})
        for warning in warnings:
            messages.warning(request, warning)
        return True

    def _participant(self, request: HttpRequest, number: str) -> Participant | None:
        own = Participant.objects.filter(voided_at__isnull=True)
        if not request.user.is_superuser:
            own = own.filter(site__in=request.user.sites.all())
        return own.filter(numbered(number)).first()

    @admin.display(description=_("drug"))
    def drug_shown(self, row: LymphodepletionDose) -> str:
        return row.drug_name

    @display(
        description=_("state"),
        ordering="state",
        label={"planned": "info", "given": "success", "not_given": "danger"},
    )
    def state_label(self, row: LymphodepletionDose) -> tuple[str, Any]:
        return row.state, row.get_state_display()
