"""The pages of protocol deviations: add what somebody saw, classify, close, and note who was told."""

import datetime as dt
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from unfold.decorators import action, display
from unfold.widgets import (
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminSplitDateTimeWidget,
    UnfoldAdminTextareaWidget,
)

from participants import actions
from participants.models import ProtocolDeviation, Severity
from trialsite import formfields
from trialsite.fields import PLEASE_CHOOSE
from trialsite.recordadmin import ReasonForm, RecordAdmin, RecordForm

SEVERITY_LABELS = {"": "warning", "minor": "info", "major": "warning", "important": "danger"}


class StandingFilter(admin.SimpleListFilter):
    """What is still to be done."""

    title = _("to be done")
    parameter_name = "standing"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("open", pgettext_lazy("deviation", "open")),
            ("unclassified", _("not classified")),
            ("unreported", _("important, not reported to all")),
            ("untrue", _("untrue after a correction")),
        ]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        value = self.value()
        if value == "untrue":
            return queryset.filter(is_untrue=True)
        return getattr(queryset, value)() if value in {"open", "unclassified", "unreported"} else queryset


class DeviationForm(RecordForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "occurred_on" in self.fields and self.instance.pk is None:
            self.fields["occurred_on"].required = True

    def clean_occurred_on(self) -> dt.date | None:
        day: dt.date | None = self.cleaned_data["occurred_on"]
        if day is not None and day > actions.site_day(timezone.now()):
            raise forms.ValidationError(_("This day is in the future. Record the deviation when it has happened."))
        return day


class ClassifyForm(forms.Form):
    severity = forms.ChoiceField(
        label=_("Weight"),
        choices=Severity.choices,
        widget=UnfoldAdminRadioSelectWidget(radio_style=admin.HORIZONTAL),
        help_text=_(
            "Important: it may bear on the participant's rights, safety or well-being, or on the reliability of the "
            "data. Sponsor and ethics committee are told."
        ),
    )
    reason = forms.CharField(
        label=_("Reason"), widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}), help_text=_("Why it weighs so much.")
    )


class CloseForm(forms.Form):
    note = forms.CharField(
        label=_("What was done"),
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text=_("About it, and against its coming again."),
    )


class ReportedForm(forms.Form):
    to = forms.ChoiceField(
        label=_("Reported to"),
        choices=[("", PLEASE_CHOOSE), *actions.RECEIVERS.items()],
        widget=UnfoldAdminSelectWidget,
    )
    at = formfields.MomentField(label=_("Reported at"), widget=UnfoldAdminSplitDateTimeWidget)
    reason = forms.CharField(
        label=_("How"),
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text=_("Letter, e-mail, number of the submission. Goes into the audit trail."),
    )


@admin.register(ProtocolDeviation)
class ProtocolDeviationAdmin(RecordAdmin):
    form = DeviationForm
    list_display = ("participant", "kind", "description", "severity_label", "state_label", "told", "created_at")
    list_filter = (
        StandingFilter,
        ("severity", admin.ChoicesFieldListFilter),
        ("kind", admin.ChoicesFieldListFilter),
    )
    search_fields = ("participant__screening_number", "participant__participant_number", "description")
    autocomplete_fields = ("participant",)
    list_select_related = ("participant", "created_by")
    actions_detail = ["classify", "close", "reopen", "mark_reported", "void_record"]
    fieldsets = (
        (None, {"fields": (("participant", "kind"), "occurred_on", "description", "reason")}),
        (
            _("What became of it"),
            {
                "fields": (
                    ("severity_shown", "classified_at", "classified_by"),
                    ("state_shown", "closed_at", "closed_by"),
                    "close_note",
                    ("reported_to_sponsor_at", "reported_to_sponsor_by"),
                    ("reported_to_ethics_at", "reported_to_ethics_by"),
                )
            },
        ),
    )
    readonly_fields = (
        "severity_shown",
        "classified_at",
        "classified_by",
        "state_shown",
        "closed_at",
        "closed_by",
        "close_note",
        "reported_to_sponsor_at",
        "reported_to_sponsor_by",
        "reported_to_ethics_at",
        "reported_to_ethics_by",
    )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Nothing has become of one that is only being added."""
        fieldsets = super().get_fieldsets(request, obj)
        return fieldsets if obj else [one for one in fieldsets if "close_note" not in one[1]["fields"]]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """What follows from other records is corrected there; only the reason is a person's."""
        found = super().get_readonly_fields(request, obj)
        if obj is None:
            return found
        kept = ("participant",) if actions.is_by_hand(obj) else ("participant", "kind", "description")
        return (*found, *kept)

    def perform(self, request: HttpRequest, obj: Any, form: Any, change: bool, now: dt.datetime) -> None:
        actions.add_deviation(deviation=obj, by=request.user, now=now)

    # --- the work on it -----------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        views = {
            "classify": self.classify_view,
            "close": self.close_view,
            "reopen": self.reopen_view,
            "reported": self.reported_view,
        }
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        return [
            *(
                path(f"<path:object_id>/{page}/", self.admin_site.admin_view(view), name=f"{name}_{page}")
                for page, view in views.items()
            ),
            *super().get_urls(),
        ]

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> Any:
        """Only the steps that are possible from here."""
        obj = self.get_object(request, str(object_id))
        hidden = _impossible(obj) if obj else set()
        return [
            a for a in super().get_actions_detail(request, object_id) if not any(h in a.action_name for h in hidden)
        ]

    def has_assess_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.has_perm("participants.assess_protocoldeviation")

    def has_void_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """What follows from another record goes with it."""
        obj = self.get_object(request, str(object_id)) if object_id else None
        return super().has_void_permission(request, object_id) and (obj is None or actions.is_by_hand(obj))

    @action(description=_("Classify…"), permissions=["assess"])
    def classify(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        return HttpResponseRedirect(self.url("classify", object_id))

    @action(description=_("Close…"), permissions=["assess"])
    def close(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        return HttpResponseRedirect(self.url("close", object_id))

    @action(description=_("Open again…"), permissions=["assess"])
    def reopen(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        return HttpResponseRedirect(self.url("reopen", object_id))

    @action(description=_("Mark as reported…"), permissions=["assess"])
    def mark_reported(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        return HttpResponseRedirect(self.url("reported", object_id))

    def classify_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self.ask(
            request,
            object_id,
            allowed=self.has_assess_permission(request),
            form_class=ClassifyForm,
            title=_("Classify a protocol deviation"),
            intro=self._intro(request, object_id),
            button=_("Classify"),
            act=lambda obj, data, now: actions.classify_deviation(
                deviation=obj, severity=Severity(data["severity"]), by=request.user, now=now
            ),
            done=_("The deviation is classified."),
        )

    def close_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self.ask(
            request,
            object_id,
            allowed=self.has_assess_permission(request),
            form_class=CloseForm,
            title=_("Close a protocol deviation"),
            intro=self._intro(request, object_id),
            button=_("Close it"),
            act=lambda obj, data, now: actions.close_deviation(
                deviation=obj, note=data["note"], by=request.user, now=now
            ),
            done=_("The deviation is closed."),
        )

    def reopen_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self.ask(
            request,
            object_id,
            allowed=self.has_assess_permission(request),
            form_class=ReasonForm,
            title=_("Open a protocol deviation again"),
            intro=self._intro(request, object_id),
            button=_("Open it again"),
            act=lambda obj, data, now: actions.reopen_deviation(deviation=obj, by=request.user, now=now),
            done=_("The deviation is open again."),
        )

    def reported_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self.ask(
            request,
            object_id,
            allowed=self.has_assess_permission(request),
            form_class=ReportedForm,
            title=_("Mark a protocol deviation as reported"),
            intro=self._intro(request, object_id),
            button=_("Mark as reported"),
            act=lambda obj, data, now: actions.mark_reported(
                deviation=obj, to=data["to"], at=data["at"], by=request.user, now=now
            ),
            done=_("It is noted who was told, and when."),
        )

    def _intro(self, request: HttpRequest, object_id: str) -> str:
        obj = self.get_object(request, object_id)
        if obj is None:
            raise PermissionDenied
        return f"{obj.get_kind_display()}: {obj.description}"

    # --- columns ------------------------------------------------------------------------------

    @display(description=_("severity of the deviation"), ordering="severity", label=SEVERITY_LABELS)
    def severity_label(self, row: ProtocolDeviation) -> tuple[str, Any]:
        return row.severity, row.get_severity_display() or _("not classified")

    @display(description=_("state"), label={"open": "warning", "closed": "success", "untrue": "default"})
    def state_label(self, row: ProtocolDeviation) -> tuple[str, Any]:
        if row.is_untrue:
            return "untrue", _("untrue after a correction")
        return ("closed", _("closed")) if row.closed_at else ("open", pgettext_lazy("deviation", "open"))

    @admin.display(description=_("severity of the deviation"))
    def severity_shown(self, row: ProtocolDeviation) -> Any:
        return self.severity_label(row)[1]

    @admin.display(description=_("state"))
    def state_shown(self, row: ProtocolDeviation) -> Any:
        return self.state_label(row)[1]

    @display(description=_("reported to"))
    def told(self, row: ProtocolDeviation) -> str:
        names = [str(name) for to, name in actions.RECEIVERS.items() if getattr(row, f"reported_to_{to}_at")]
        return ", ".join(names) or "—"


def _impossible(row: ProtocolDeviation) -> set[str]:
    if row.is_void:
        return {"_classify", "_close", "_reopen", "_mark_reported"}
    if row.closed_at is None:
        return {"_reopen"}
    return {"_close", "_reopen"} if row.is_untrue else {"_close"}
