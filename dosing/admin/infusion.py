"""The page on which an infusion is logged."""

import datetime as dt
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget, UnfoldBooleanWidget

from dosing import actions
from dosing.admin import bedside, prints
from dosing.models import Infusion, InfusionInterruption
from dosing.rules.dose import OUT_OF_RANGE, DoseBand
from participants.models import Participant
from trialsite import formfields, paper, wayback
from trialsite.recordadmin import REASON, ReadOnlyRecordAdmin, RecordAdmin, RecordForm, rewritten
from trialsite.refusal import Refused
from trialsite.study import get_study
from trialsite.typedadmin import TypedInline
from trialsite.voiding import Consequences


class InfusionForm(RecordForm):
    deviation_reason = forms.CharField(
        label=_("Reason for the protocol deviation"),
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text=_("Only when the dose is outside the protocol's range, or something stood against the infusion."),
    )
    volume_again = formfields.DecimalField(
        label=_("Volume once more (mL)"),
        required=False,
        min_value=0,
        max_digits=8,
        decimal_places=3,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("Only when the dose is outside the protocol's range: read it again from the bag."),
    )
    is_day0_confirmed = forms.BooleanField(
        label=_("Day 0 really moves"),
        required=False,
        widget=UnfoldBooleanWidget,
        help_text=_("Only when a correction moves the day: the list above shows what it does to the visits."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "ended_at" in self.fields and self.instance.pk is None:
            self.fields["ended_at"].required = True
        if "volume_given_ml" in self.fields:
            dose = get_study().latest.dose
            self.fields["volume_given_ml"].help_text = _(
                "The dose is computed from it and the certificate. Protocol: %(low)s–%(high)s × 10⁸, tolerated from "
                "%(least)s to %(most)s × 10⁸."
            ) % {
                "low": dose.nominal_low_e8,
                "high": dose.nominal_high_e8,
                "least": dose.tolerance_low_e8,
                "most": dose.tolerance_high_e8,
            }

    def check(self, row: Infusion) -> None:
        try:
            actions.check_infusion(row, **self.answers(), now=timezone.now())
        except actions.Stopped as stop:
            # The form is shown again, so nothing is rolled back: what was stopped is kept.
            actions.keep_stop(stop, by=self.by, now=timezone.now())
            raise
        finally:
            self._compare_volumes(row)

    def _compare_volumes(self, row: Infusion) -> None:
        """A dose that the protocol does not want may be a slip of the finger: both are asked for at once."""
        is_typed_now = row.pk is None or "volume_given_ml" in self.changed_data
        if row.dose_band not in OUT_OF_RANGE or not is_typed_now:
            return
        again = self.cleaned_data.get("volume_again")
        if again != row.volume_given_ml:
            text = _("The dose is outside the protocol's range. Read the volume again from the bag, and type it again.")
            differs = _("The second number differs from the first, %(first)s. Correct the one that is wrong.")
            self.add_error(
                "volume_again", text if again is None else differs % {"first": f"{row.volume_given_ml.normalize():f}"}
            )

    def answers(self) -> dict[str, Any]:
        return {
            "deviation_reason": self.cleaned_data.get("deviation_reason", ""),
            "is_day0_confirmed": self.cleaned_data.get("is_day0_confirmed", False),
        }


class InterruptionFormSet(BaseInlineFormSet):  # type: ignore[type-arg]
    def clean(self) -> None:
        super().clean()
        changed = [form.instance for form in self.forms if form.has_changed()]
        if self.instance.infused_at and not any(self.errors):
            try:
                actions.check_interruptions(self.instance, changed)
            except Refused as refusal:
                raise forms.ValidationError(refusal) from None
        is_rewritten = any(rewritten(form) for form in self.initial_forms)
        if is_rewritten and not self.data.get(REASON, "").strip():
            raise forms.ValidationError(_("A change after the first save needs its reason."))


class InterruptionInline(TypedInline):
    model = InfusionInterruption
    formset = InterruptionFormSet
    extra = 0
    can_delete = False
    show_change_link = True
    fields = ("stopped_at", "resumed_at", "reason")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("dosing.change_infusion")

    has_change_permission = has_add_permission

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("dosing.view_infusion")


@admin.register(Infusion)
class InfusionAdmin(RecordAdmin):
    form = InfusionForm
    change_form_before_template = "admin/dosing/infusion_bedside.html"
    list_display = (
        "participant",
        "infused_at",
        "product_lot",
        "dose",
        "band_label",
        "occasion",
        "created_by",
        "void_mark",
    )
    list_filter = (("dose_band", admin.ChoicesFieldListFilter), ("occasion", admin.ChoicesFieldListFilter))
    search_fields = ("participant__screening_number", "participant__participant_number", "product_lot")
    autocomplete_fields = ("participant",)
    list_select_related = ("participant", "created_by")
    date_hierarchy = "infused_at"
    inlines = (InterruptionInline,)
    actions_detail = ["readiness", "timeline", "vital_signs", "reaction", "void_record"]
    radio_fields = {"has_reaction": admin.HORIZONTAL}
    fieldsets = (
        (_("Who and what"), {"fields": ("participant", "product_lot")}),
        (_("When"), {"fields": ("infused_at", "ended_at")}),
        (_("How much"), {"fields": (("volume_given_ml", "remainder"), "dose_shown")}),
        (_("How it went"), {"fields": ("has_reaction", "note")}),
        (_("In parts, or a second time"), {"fields": ("occasion", "occasion_reason"), "classes": ("collapse",)}),
        (_("If something speaks against it"), {"fields": ("deviation_reason", "volume_again", "is_day0_confirmed")}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        kept = ("participant", "product_lot", "occasion") if obj else ()
        return (*super().get_readonly_fields(request, obj), "dose_shown", *kept)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None:
            return [_only(one, without={"dose_shown", "is_day0_confirmed"}) for one in fieldsets]
        if self.has_change_permission(request, obj):
            return fieldsets
        return [one for one in fieldsets if "deviation_reason" not in one[1]["fields"]]

    def perform(self, request: HttpRequest, obj: Any, form: Any, change: bool, now: dt.datetime) -> None:
        answers = form.answers()
        if change:
            result = actions.correct_infusion(infusion=obj, **answers, by=request.user, now=now)
        else:
            answers.pop("is_day0_confirmed")
            result = actions.infuse(infusion=obj, **answers, by=request.user, now=now)
        self._tell_of_visits(request, result)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        rows = formset.save(commit=False)
        actions.keep_interruptions(form.instance, rows, by=request.user, now=timezone.now())

    def _tell_of_visits(self, request: HttpRequest, result: actions.Infused) -> None:
        values = {"day": f"{result.day0:%Y-%m-%d}"}
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

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        """A reaction goes on to its adverse event; it stays on the first page's list until there is one."""
        if obj.has_reaction and request.user.has_perm("safety.add_adverseevent"):
            messages.info(request, _("Now record the reaction as an adverse event."))
            return HttpResponseRedirect(wayback.with_back(event_link(obj), wayback.asked(request)))
        return super().response_add(request, obj, post_url_continue)

    # --- what stands above the form ------------------------------------------------------------

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        extra = {**(extra_context or {}), "bedside": self._bedside(request, object_id)}
        return super().changeform_view(request, object_id, form_url, extra)

    def _bedside(self, request: HttpRequest, object_id: str | None) -> dict[str, Any]:
        now = timezone.now()
        if object_id is None and paper.PARAMETER in request.GET:
            # What is taken over was given long ago: how things stand today says nothing about it.
            return {}
        if object_id is None:
            chosen = request.POST.get("participant") or request.GET.get("participant")
            participant = bedside.participant_of(request, chosen)
            return bedside.before(participant, now=now) if participant else {}
        infusion = self.get_object(request, object_id)
        return bedside.around(infusion, now=now) if infusion else {}

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> Any:
        # A refused correction shows on the same page what it would do.
        form = context["adminform"].form
        if form.instance.pk and form.is_bound and form.instance.infused_at:
            context["day0_change"] = actions.day0_change(form.instance)
        return super().render_change_form(request, context, *args, **kwargs)

    # --- pages around the infusion -------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        pages = (
            ("readiness/<int:participant_id>/", bedside.readiness_view, "readiness"),
            ("readiness/<int:participant_id>/print/", prints.readiness_view, "readiness_print"),
            ("timeline/<int:participant_id>/print/", prints.timeline_view, "timeline_print"),
            ("readiness/<int:participant_id>/<slug:code>/", bedside.judge_view, "judge"),
            ("identity/<int:participant_id>/", bedside.identity_view, "identity"),
            ("timeline/<int:participant_id>/", bedside.timeline_view, "timeline"),
        )
        return [
            *(path(route, wrap(view), name=f"dosing_{name}") for route, view, name in pages),
            *super().get_urls(),
        ]

    @action(description=_("Readiness"))
    def readiness(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        return self._to(request, "readiness", object_id)

    @action(description=_("Treatment timeline"))
    def timeline(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        return self._to(request, "timeline", object_id)

    def _to(self, request: HttpRequest, page: str, object_id: Any) -> HttpResponse:
        infusion = self.row(request, object_id)
        return HttpResponseRedirect(reverse(f"admin:dosing_{page}", args=[infusion.participant_id]))

    @action(description=_("Enter vital signs"), permissions=["vital_signs"])
    def vital_signs(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        infusion = self.row(request, object_id)
        return HttpResponseRedirect(bedside.vital_signs_link(infusion.participant))

    def has_vital_signs_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.has_perm("participants.add_examination")

    @action(description=_("Record a reaction as an adverse event"), permissions=["reaction"])
    def reaction(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        return HttpResponseRedirect(event_link(self.row(request, object_id)))

    def has_reaction_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.has_perm("safety.add_adverseevent")

    @display(description=_("dose"), ordering="viable_car_t_cells_e8")
    def dose(self, obj: Infusion) -> str:
        return f"{obj.viable_car_t_cells_e8.normalize():f} × 10⁸"

    @admin.display(description=_("computed dose"))
    def dose_shown(self, obj: Infusion) -> str:
        return bedside.dose_in_words(obj)

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

    def consequences(self, obj: Any, *, now: dt.datetime) -> Consequences:
        return actions.infusion_consequences(obj)

    def perform_void(self, obj: Any, *, reason: str, by: Any, now: dt.datetime) -> None:
        actions.void_infusion(infusion=obj, reason=reason, by=by, now=now)


@admin.register(InfusionInterruption)
class InfusionInterruptionAdmin(ReadOnlyRecordAdmin):
    """One interruption, for whoever takes it back; it is corrected on the infusion's page."""

    site_path = "infusion__participant__site"
    list_display = ("infusion", "stopped_at", "resumed_at", "reason", "created_by", "void_mark")
    search_fields = ("infusion__participant__screening_number", "infusion__participant__participant_number")
    list_select_related = ("infusion__participant", "created_by")
    fieldsets = ((None, {"fields": ("infusion", ("stopped_at", "resumed_at"), "reason")}),)


def _only(fieldset: Any, *, without: set[str]) -> Any:
    title, options = fieldset
    return title, {**options, "fields": tuple(name for name in options["fields"] if name not in without)}


def event_link(infusion: Infusion) -> str:
    """The form of an adverse event, begun with what is known of a reaction to this infusion."""
    participant: Participant = infusion.participant
    known = {
        "participant": participant.pk,
        "infusion": infusion.pk,
        "term": gettext("infusion-related reaction"),
        # CTCAE, both versions: Infusion related reaction.
        "ctcae_code": "10051792",
        "onset": f"{infusion.day:%Y-%m-%d}",
    }
    return f"{reverse('admin:safety_adverseevent_add')}?{urlencode(known)}"
