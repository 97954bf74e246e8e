"""The pages of visits."""

import datetime as dt
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminTextareaWidget

from participants import actions, progress
from participants.admin import calendar, enter, reminders
from participants.admin.prints import visit_urls
from participants.models import Visit, VisitProcedure, VisitState
from participants.models.visits import STANDING_NAMES
from trialsite.recordadmin import ReadOnlyRecordAdmin, RecordAdmin, RecordForm
from trialsite.study import get_study
from trialsite.voiding import Consequences


class DueFilter(admin.SimpleListFilter):
    title = _("due")
    parameter_name = "due"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("overdue", _("overdue")),
            ("open", _("window open today")),
            ("soon", _("opens within a week")),
        ]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        today = actions.site_day(timezone.now())
        if self.value() == "overdue":
            return queryset.overdue_on(today)
        if self.value() == "open":
            return queryset.open_on(today)
        if self.value() == "soon":
            soon = today + dt.timedelta(days=7)
            return queryset.owed().filter(window_opens_on__gt=today, window_opens_on__lte=soon)
        return queryset


def _codes(protocol: Any) -> list[str]:
    return [visit.code for visit in protocol.follow_up_visits]


class VisitForm(RecordForm):
    deviation_reason = forms.CharField(
        label=_("Reason for the protocol deviation"),
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text=_("Only when the visit took place outside its window."),
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if cleaned.get("occurred_on") and cleaned.get("state") == VisitState.PLANNED:
            # A day was entered: the visit was done, whatever the list still said.
            cleaned["state"] = VisitState.DONE
        return cleaned

    def check(self, row: Visit) -> None:
        actions.check_visit(row, deviation_reason=self.cleaned_data.get("deviation_reason", ""), now=timezone.now())


@admin.register(Visit)
class VisitAdmin(RecordAdmin):
    form = VisitForm
    list_display = (
        "label",
        "title",
        "target_date",
        "window",
        "state_label",
        "missing_label",
        "occurred_on",
        "long_term_mark",
    )
    list_filter = (DueFilter, ("state", admin.ChoicesFieldListFilter), "is_long_term_follow_up", "code")
    search_fields = ("participant__screening_number", "participant__participant_number", "code")
    known_values: ClassVar[dict[str, Any]] = {"code": lambda: get_study().ever(_codes)}
    list_select_related = ("participant",)
    date_hierarchy = "target_date"
    fieldsets = (
        (
            _("Planned"),
            {
                "fields": (
                    ("participant", "code", "title"),
                    ("target_date", "window"),
                    ("is_long_term_follow_up", "acknowledged"),
                    "still_missing",
                )
            },
        ),
        (
            _("What became of it"),
            {
                "fields": (
                    ("state", "occurred_on"),
                    "contact",
                    "deviation_reason",
                    "not_done_reason",
                    ("released_because", "released_on"),
                    "note",
                )
            },
        ),
    )
    readonly_fields = (
        "participant",
        "code",
        "title",
        "target_date",
        "window",
        "is_long_term_follow_up",
        "acknowledged",
        "still_missing",
        "released_because",
        "released_on",
    )
    actions_detail = ["print_worksheet", "acknowledge", "void_record"]
    actions_list = ["to_calendar"]

    def has_acknowledge_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.has_perm(self.permission("change"))

    @action(description=_("Acknowledge the reminder…"), permissions=["acknowledge"])
    def acknowledge(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        return HttpResponseRedirect(self.url("acknowledge", object_id))

    @action(description=_("Calendar of visits"), permissions=["view"])
    def to_calendar(self, request: HttpRequest) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:participants_visit_calendar"))

    @action(description=_("Print the worksheet (PDF)"), permissions=["view"])
    def print_worksheet(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        return HttpResponseRedirect(self.url("worksheet", object_id))

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> Any:
        visit = self.get_object(request, str(object_id))
        return reminders.without_vain(super().get_actions_detail(request, object_id), visit)

    @display(description=_("acknowledged"))
    def acknowledged(self, visit: Visit) -> str:
        return reminders.acknowledged(visit)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        # First: "calendar" is no number of a row.
        return [
            *calendar.urls(self),
            *enter.visit_urls(self),
            *visit_urls(self),
            *reminders.visit_urls(self),
            *super().get_urls(),
        ]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        if self.has_change_permission(request, obj):
            return fieldsets
        return [
            (title, {**options, "fields": tuple(f for f in options["fields"] if f != "deviation_reason")})
            for title, options in fieldsets
        ]

    def perform(self, request: HttpRequest, obj: Any, form: Any, change: bool, now: dt.datetime) -> None:
        reason = form.cleaned_data.get("deviation_reason", "")
        actions.record_visit(visit=obj, deviation_reason=reason, by=request.user, now=now)

    @display(description=_("participant and visit"), ordering="participant__screening_number")
    def label(self, visit: Visit) -> str:
        return f"{visit.participant.number} · {visit.code}"

    @display(description=_("name"))
    def title(self, visit: Visit) -> str:
        return visit.title

    @display(description=_("window"), ordering="window_opens_on")
    def window(self, visit: Visit) -> str:
        span = f"{visit.window_opens_on:%Y-%m-%d} – {visit.window_closes_on:%Y-%m-%d}"
        return format_html('<span class="ts-nowrap">{}</span>', span)

    @display(
        description=_("state"),
        ordering="state",
        label={
            "overdue": "danger",
            "open": "warning",
            "done": "success",
            "partly": "warning",
            "planned": "info",
            "not_done": "danger",
            "cancelled": "default",
        },
    )
    def state_label(self, visit: Visit) -> tuple[str, Any]:
        """Planned, open, overdue, or what became of it."""
        today = actions.site_day(timezone.now())
        standing = visit.standing_on(today)
        return standing.value, STANDING_NAMES[standing]

    def look_at(self, rows: list[Any]) -> None:
        """What is missing of all visits of the page, in a few queries."""
        super().look_at(rows)
        found = progress.words_of(rows, now=timezone.now())
        for row in rows:
            row.missing_words = found.get(row.pk, "")

    @display(description=_("missing"))
    def missing_label(self, visit: Any) -> str:
        words: str = visit.missing_words
        return words

    @display(description=_("still missing"))
    def still_missing(self, visit: Visit) -> str:
        found = progress.progress_of([visit], now=timezone.now()).get(visit.pk)
        if found is None:
            return "—"
        names = progress.names_of(visit, found.missing)
        if not names:
            return gettext("Nothing: all that is asked is recorded.")
        return gettext("%(how_much)s: %(names)s") % {"how_much": found.words, "names": names}

    @display(description=_("long-term"))
    def long_term_mark(self, visit: Visit) -> Any:
        return _("long-term follow-up") if visit.is_long_term_follow_up else ""


class ProcedureForm(RecordForm):
    def check(self, row: VisitProcedure) -> None:
        actions.check_procedure(row, now=timezone.now())


@admin.register(VisitProcedure)
class VisitProcedureAdmin(ReadOnlyRecordAdmin):
    """Ticked on the page on which the visit is entered; here to be read, and to be taken back."""

    form = ProcedureForm
    list_display = ("participant", "visit_code", "procedure", "state", "done_on", "result", "created_by", "void_mark")
    list_filter = (("state", admin.ChoicesFieldListFilter), "visit_code")
    known_values: ClassVar[dict[str, Any]] = {"visit_code": lambda: get_study().ever(_codes)}
    search_fields = ("participant__screening_number", "participant__participant_number", "code")
    list_select_related = ("participant", "created_by")
    fieldsets = (
        (
            None,
            {"fields": (("participant", "visit_code", "procedure"), ("state", "done_on"), "result", "not_done_reason")},
        ),
    )

    readonly_fields = ("procedure",)

    @admin.display(description=_("procedure"), ordering="code")
    def procedure(self, row: VisitProcedure) -> str:
        return row.title

    def perform(self, request: HttpRequest, obj: Any, form: Any, change: bool, now: dt.datetime) -> None:
        actions.record_procedure(row=obj, by=request.user, now=now)

    def consequences(self, obj: Any, *, now: dt.datetime) -> Consequences:
        return actions.procedure_consequences(obj)

    def perform_void(self, obj: Any, *, reason: str, by: Any, now: dt.datetime) -> None:
        actions.void_procedure(row=obj, reason=reason, by=by, now=now)
