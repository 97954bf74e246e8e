"""The page of adverse events."""

import datetime as dt
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from safety import actions
from safety.models import AdverseEvent
from trialsite.recordadmin import RecordAdmin, RecordForm


class AdverseEventForm(RecordForm):
    def check(self, row: AdverseEvent) -> None:
        actions.check_adverse_event(row, now=timezone.now())


@admin.register(AdverseEvent)
class AdverseEventAdmin(RecordAdmin):
    form = AdverseEventForm
    list_display = (
        "participant",
        "term",
        "grade_label",
        "serious_label",
        "onset",
        "end",
        "outcome",
        "void_mark",
    )
    list_display_links = ("participant", "term")
    list_filter = (
        "is_serious",
        "grade",
        ("outcome", admin.ChoicesFieldListFilter),
        ("relatedness", admin.ChoicesFieldListFilter),
    )
    search_fields = ("term", "participant__screening_number", "participant__participant_number")
    autocomplete_fields = ("participant", "infusion")
    list_select_related = ("participant",)
    fieldsets = (
        (_("What happened"), {"fields": ("participant", "term", ("onset", "resolved"), "grade", "infusion")}),
        (
            _("Seriousness (any of these makes it serious; a high grade alone does not)"),
            {
                "fields": (
                    ("results_in_death", "is_life_threatening"),
                    ("requires_hospitalisation", "results_in_disability"),
                    ("is_congenital_anomaly", "is_other_important"),
                )
            },
        ),
        (_("Assessment"), {"fields": (("relatedness", "action_taken"), "outcome")}),
        (_("Awareness"), {"fields": ("site_aware_at", "note")}),
    )

    def perform(self, request: HttpRequest, obj: Any, form: Any, change: bool, now: dt.datetime) -> None:
        if change:
            obj.save()
        else:
            actions.log_adverse_event(event=obj, by=request.user, now=now)

    @display(
        description=_("grade"),
        ordering="grade",
        label={1: "info", 2: "info", 3: "warning", 4: "danger", 5: "danger"},
    )
    def grade_label(self, event: AdverseEvent) -> tuple[int, str]:
        return event.grade, str(event.grade)

    @display(description=_("serious"), ordering="is_serious", label={True: "danger", False: "info"})
    def serious_label(self, event: AdverseEvent) -> tuple[bool, Any]:
        return event.is_serious, _("serious") if event.is_serious else _("not serious")

    @display(description=_("resolved"), ordering="resolved")
    def end(self, event: AdverseEvent) -> Any:
        return event.resolved or _("ongoing")
