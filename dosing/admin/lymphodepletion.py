"""The pages of lymphodepletion: plan it, and record each dose."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, ClassVar

import pghistory
from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminSingleDateWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from dosing import actions
from dosing.admin import bedside
from dosing.models import LymphodepletionDose
from dosing.models.lymphodepletion import DoseState
from dosing.rules.dose import BagDose
from dosing.wording import bag_dose_text
from participants.models import Participant, numbered
from trialsite import formfields, questions, wayback
from trialsite.constraints import as_refusals
from trialsite.recordadmin import RecordAdmin, RecordForm
from trialsite.refusal import Refused
from trialsite.study import get_study
from trialsite.voiding import Consequences


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
    new_course_reason = forms.CharField(
        label=_("Why another course"),
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text=_("Only when doses were given before and all is given again: the bag was lost, for one."),
    )

    def __init__(self, *args: Any, levels: Sequence[actions.DrugLevel] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        with_levels = [one for one in levels if one.drug.reduced]
        for one in with_levels:
            self.fields[f"level_{one.drug.code}"] = forms.TypedChoiceField(
                label=one.drug.name,
                choices=[(str(mg), _level_name(one, mg)) for mg in one.choices],
                coerce=Decimal,
                empty_value=one.drug.planned_mg_m2,
                required=False,
                widget=UnfoldAdminSelectWidget,
            )
        if with_levels:
            self.fields["level_reason"] = forms.CharField(
                label=_("Why a lower level"),
                required=False,
                widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
                help_text=_("Only when less than the full dose is chosen."),
            )

    @property
    def levels(self) -> dict[str, Decimal]:
        prefix = "level_"
        return {
            name.removeprefix(prefix): value
            for name, value in self.cleaned_data.items()
            if name.startswith(prefix) and isinstance(value, Decimal)
        }


def _level_name(one: actions.DrugLevel, mg: Decimal) -> str:
    level = gettext("%(level)s mg/m²") % {"level": f"{mg:f}"} if mg else gettext("leave it out")
    limit = next((reduced.below_ml_min for reduced in one.drug.reduced if reduced.mg_m2 == mg), None)
    why = gettext("below %(limit)s mL/min") % {"limit": limit} if limit else gettext("full dose")
    mark = f" ← {gettext('usual for this clearance')}" if mg == one.suggested else ""
    return f"{level} ({why}){mark}"


UNKNOWN = _("No participant of your sites has this number. Check it.")


def _levels(participant: Participant | None) -> list[actions.DrugLevel]:
    """None can be chosen before the body is known."""
    try:
        body = actions.body_of(participant, now=timezone.now()) if participant else None
    except Refused:
        return []
    return actions.levels_of(participant, body) if participant and body else []


def _bag_dose(participant: Participant) -> BagDose | None:
    """Of the bag that this lymphodepletion is for: known before the first dose."""
    product = actions.product_to_give(participant)
    return actions.bag_dose_of(product) if product else None


def _drugs_shown(levels: Sequence[actions.DrugLevel], body: actions.Body) -> list[dict[str, Any]]:
    """Each drug with its levels in mg, a day and in all."""
    return [
        {
            "name": one.drug.name,
            "rows": [
                {
                    "level": _level_name(one, mg),
                    "mg": round(mg * body.bsa_m2, 1),
                    "total": round(mg * body.bsa_m2 * one.drug.planned_doses, 1),
                    "is_suggested": mg == one.suggested,
                }
                for mg in one.choices
            ],
        }
        for one in levels
    ]


def _drugs(protocol: Any) -> list[str]:
    return [drug.code for drug in protocol.lymphodepletion.drugs]


def _drug_names() -> dict[str, str]:
    versions = get_study().versions.values()
    return {drug.code: str(drug.name) for version in versions for drug in version.lymphodepletion.drugs}


@admin.register(LymphodepletionDose)
class LymphodepletionDoseAdmin(RecordAdmin):
    form = DoseForm
    list_display = (
        "participant",
        "drug_shown",
        "course",
        "number",
        "planned_on",
        "planned_mg",
        "state_label",
        "given_at",
        "given_mg",
    )
    list_display_links = ("participant", "drug_shown")
    list_filter = (("state", admin.ChoicesFieldListFilter), "drug")
    known_values: ClassVar[dict[str, Any]] = {"drug": lambda: get_study().ever(_drugs)}
    words_of_values: ClassVar[dict[str, Any]] = {"drug": lambda: _drug_names()}
    search_fields = ("participant__screening_number", "participant__participant_number")
    list_select_related = ("participant",)
    date_hierarchy = "planned_on"
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
        "course",
        "course_reason",
        "infusion_on",
        "clearance_ml_min",
        "creatinine_on",
        "level_reason",
    )
    fieldsets = (
        (
            _("Planned"),
            {
                "fields": (
                    ("participant", "drug_shown", "number"),
                    ("planned_on", "infusion_on", "planned_mg"),
                    ("mg_m2", "bsa_m2", "clearance_ml_min", "creatinine_on"),
                    ("height_cm", "weight_kg", "bsa_formula"),
                    "level_reason",
                    ("course", "course_reason"),
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
        view, name = self.admin_site.admin_view, "dosing_lymphodepletiondose"
        return [
            path("plan/", view(self.plan_view), name=f"{name}_plan"),
            path("shift/<int:participant_id>/", view(self.shift_view), name=f"{name}_shift"),
            *super().get_urls(),
        ]

    @action(description=_("Plan lymphodepletion…"), permissions=["plan"])
    def plan(self, request: HttpRequest) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:dosing_lymphodepletiondose_plan"))

    def has_plan_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.has_perm("dosing.plan_lymphodepletion")

    def plan_view(self, request: HttpRequest) -> HttpResponse:
        """First the body, the clearance and the levels are shown, then the doses are planned."""
        if not self.has_plan_permission(request):
            raise PermissionDenied
        data = request.POST if request.method == "POST" else None
        participant = self._participant(request, (data or request.GET).get("number", "").strip())
        form = PlanForm(data, initial=request.GET.dict(), levels=_levels(participant))
        back = reverse("admin:dosing_lymphodepletiondose_changelist")
        questions.prepare(form)
        if data is not None and form.is_valid():
            shown = self._show(form, participant) if "_show" in data else self._plan(request, form, participant)
            if shown is None:
                listed = f"{back}?q={form.cleaned_data['number'].strip()}"
                return HttpResponseRedirect(wayback.way_back(request) or listed)
        else:
            shown = {}
        context = {
            **self.admin_site.each_context(request),
            **shown,
            "title": _("Plan lymphodepletion"),
            "intro": _(
                "Doses of the study's regimen, from the newest weight and height, one a day from the first day."
            ),
            "form": form,
            "participant": participant,
            "opts": self.opts,
            "back": back,
        }
        return TemplateResponse(request, "admin/dosing/plan_lymphodepletion.html", context)

    def _show(self, form: PlanForm, participant: Participant | None) -> dict[str, Any]:
        """What the doses are computed from, and what they would be."""
        if participant is None:
            form.add_error("number", UNKNOWN)
            return {}
        try:
            body = actions.body_of(participant, on=form.cleaned_data["first_on"], now=timezone.now())
        except Refused as refusal:
            form.add_error(None, refusal)
            return {}
        return {
            "body": body,
            "drugs": _drugs_shown(actions.levels_of(participant, body), body),
            "bag": bag_dose_text(_bag_dose(participant)),
        }

    def _plan(self, request: HttpRequest, form: PlanForm, participant: Participant | None) -> dict[str, Any] | None:
        """None once it is planned."""
        if participant is None:
            form.add_error("number", UNKNOWN)
            return {}
        if not questions.ask(form, about_whom=participant, by=request.user, now=timezone.now()):
            return self._show(form, participant)
        try:
            with as_refusals(), pghistory.context(reason=questions.reason_of(form)):
                doses, warnings = actions.plan_lymphodepletion(
                    participant=participant,
                    first_on=form.cleaned_data["first_on"],
                    levels=form.levels,
                    level_reason=form.cleaned_data.get("level_reason", ""),
                    new_course_reason=form.cleaned_data["new_course_reason"],
                    by=request.user,
                    now=timezone.now(),
                )
        except Refused as refusal:
            form.add_error(None, refusal)
            return self._show(form, participant)
        messages.success(request, _("%(count)s doses are planned.") % {"count": len(doses)})
        for warning in [*warnings, bag_dose_text(_bag_dose(participant))]:
            if warning:
                messages.warning(request, warning)
        return None

    # --- moving with the infusion ---------------------------------------------------------------

    def shift_view(self, request: HttpRequest, participant_id: int) -> HttpResponse:
        """What moves is shown; one press moves it. Where nothing is to be moved, on to the page that led here."""
        participant = bedside.participant_of(request, participant_id)
        if participant is None or not request.user.has_perm("participants.view_participant"):
            raise PermissionDenied
        back = wayback.way_back(request) or reverse("admin:participants_participant_eligibility", args=[participant.pk])
        moves = actions.moves_of(participant)
        if not moves or not self.has_plan_permission(request):
            return HttpResponseRedirect(back)
        if request.method == "POST":
            self._shift(request, participant)
            return HttpResponseRedirect(back)
        given = [dose for dose in actions.doses_of_course(participant, moves[0][0].course) if dose.is_settled]
        context = {
            **self.admin_site.each_context(request),
            "title": _("Move the lymphodepletion with the infusion"),
            "participant": participant,
            "moves": moves,
            "stay": given,
            "opts": self.opts,
            "back": back,
        }
        return TemplateResponse(request, "admin/dosing/shift_lymphodepletion.html", context)

    def _shift(self, request: HttpRequest, participant: Participant) -> None:
        try:
            doses, warnings = actions.shift_lymphodepletion(
                participant=participant, by=request.user, now=timezone.now()
            )
        except Refused as refusal:
            messages.error(request, " ".join(refusal.messages))
            return
        count = len(doses)
        text = ngettext("%(n)s planned dose was moved.", "%(n)s planned doses were moved.", count)
        messages.success(request, text % {"n": count})
        for warning in warnings:
            messages.warning(request, warning)

    def _participant(self, request: HttpRequest, number: str) -> Participant | None:
        own = Participant.objects.standing()
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

    def consequences(self, obj: Any, *, now: dt.datetime) -> Consequences:
        return actions.dose_consequences(obj)

    def perform_void(self, obj: Any, *, reason: str, by: Any, now: dt.datetime) -> None:
        actions.void_dose(dose=obj, reason=reason, by=by, now=now)
