"""The page of concomitant and supportive medication."""

import datetime as dt
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldBooleanWidget

from dosing import actions
from dosing.models import Medication
from participants.models import Participant
from trialsite.reading import read_key
from trialsite.recordadmin import RecordAdmin, RecordForm
from trialsite.voiding import Consequences


class MedicationForm(RecordForm):
    is_accepted = forms.BooleanField(
        label=_("given all the same"),
        required=False,
        widget=UnfoldBooleanWidget,
        help_text=_("Only when a warning above asks for it."),
    )
    deviation_reason = forms.CharField(
        label=_("Reason for the protocol deviation"),
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text=_("Only for what is not allowed before the infusion."),
    )

    def check(self, row: Medication) -> None:
        actions.check_medication(row, **self.answers(), now=timezone.now())

    def answers(self) -> dict[str, Any]:
        return {
            "is_accepted": self.cleaned_data.get("is_accepted", False),
            "deviation_reason": self.cleaned_data.get("deviation_reason", ""),
        }


@admin.register(Medication)
class MedicationAdmin(RecordAdmin):
    form = MedicationForm
    change_form_before_template = "admin/dosing/tocilizumab_help.html"
    list_display = (
        "participant",
        "kind",
        "name",
        "dose_shown",
        "route",
        "started_at",
        "end",
        "indication",
        "warning_label",
        "void_mark",
    )
    list_display_links = ("participant", "name")
    # What is not named here is read, not looked for: it has no index.
    sortable_by = ("participant", "kind", "name", "started_at", "end")
    list_filter = (("kind", admin.ChoicesFieldListFilter), "is_ongoing")
    search_fields = ("name", "indication", "participant__screening_number", "participant__participant_number")
    autocomplete_fields = ("participant",)
    list_select_related = ("participant",)
    date_hierarchy = "started_at"
    fieldsets = (
        (_("What"), {"fields": ("participant", ("kind", "name"), ("dose", "dose_unit"), "route")}),
        (_("When"), {"fields": ("started_at", ("ended_at", "is_ongoing"))}),
        (_("Why"), {"fields": (("indication", "is_premedication"), "note")}),
        (_("If a rule speaks against it"), {"fields": ("is_accepted", "deviation_reason")}),
    )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None or self.has_change_permission(request, obj):
            return fieldsets
        return [one for one in fieldsets if "is_accepted" not in one[1]["fields"]]

    def perform(self, request: HttpRequest, obj: Any, form: Any, change: bool, now: dt.datetime) -> None:
        actions.record_medication(medication=obj, **form.answers(), by=request.user, now=now)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        participant = self._participant(request, object_id)
        shown = actions.tocilizumab_help(participant, now=timezone.now()) if participant else None
        extra = {**(extra_context or {}), "tocilizumab": shown, "participant": participant}
        return super().changeform_view(request, object_id, form_url, extra)

    def _participant(self, request: HttpRequest, object_id: str | None) -> Participant | None:
        """Of the row, or the one that the page was opened for; of the person's own sites only."""
        if object_id is not None:
            row = self.get_object(request, object_id)
            return row.participant if row else None
        pk = request.GET.get("participant", "")
        own = Participant.objects.standing()
        if not request.user.is_superuser:
            own = own.filter(site__in=request.user.sites.all())
        return own.filter(pk=read_key(pk)).first()

    @admin.display(description=_("dose"))
    def dose_shown(self, row: Medication) -> str:
        return row.dose_text or "—"

    @display(description=_("ended"), ordering="ended_at")
    def end(self, row: Medication) -> Any:
        if row.is_ongoing:
            return _("ongoing")
        return row.ended_at or _("given once")

    @display(description=_("warning"), label={"": "default", None: "default"}, ordering="warning")
    def warning_label(self, row: Medication) -> Any:
        return row.get_warning_display()

    def consequences(self, obj: Any, *, now: dt.datetime) -> Consequences:
        return actions.medication_consequences(obj)

    def perform_void(self, obj: Any, *, reason: str, by: Any, now: dt.datetime) -> None:
        actions.void_medication(medication=obj, reason=reason, by=by, now=now)
