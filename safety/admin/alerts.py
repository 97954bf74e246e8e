"""The pages of safety alerts, of who is on call, and of who has left the hospital."""

import datetime as dt
from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminTextareaWidget

from participants.actions import long_moment
from safety import actions, consequences, guidance
from safety.admin import tables
from safety.deaths import Owed, owed_after_death
from safety.models import AlertKind, AlertState, Discharge, OnCallShift, SafetyAlert, Scale
from safety.wording import findings_in_words
from trialsite.models import Notification, NotificationState, User
from trialsite.recordadmin import RecordAdmin, RecordForm
from trialsite.voiding import Consequences

NUMBERS = ("participant__screening_number", "participant__participant_number")
STOPPING_PAGE = _("The rule, its course, and what it counts")
SEARCH_HELP = _("Screening or participant number.")
STATES = {
    AlertState.OPEN: Q(acknowledged_at__isnull=True, settled_at__isnull=True, superseded_by__isnull=True),
    AlertState.ACKNOWLEDGED: Q(acknowledged_at__isnull=False),
    AlertState.SETTLED: Q(acknowledged_at__isnull=True, settled_at__isnull=False),
    AlertState.SUPERSEDED: Q(acknowledged_at__isnull=True, settled_at__isnull=True, superseded_by__isnull=False),
}


class StateFilter(admin.SimpleListFilter):
    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(state.value, state.label) for state in AlertState]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(STATES[AlertState(self.value())]) if self.value() in AlertState.values else queryset


class NoteForm(forms.Form):
    note = forms.CharField(
        label=_("What you do now"),
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text=_("May stay empty: first go to the bedside."),
    )


def _messages(**conditions: Any) -> Coalesce:
    """How many messages about an alert are in this state."""
    rows = Notification.objects.filter(about=OuterRef("about"), **conditions).order_by()
    return Coalesce(Subquery(rows.values("about").annotate(n=Count("pk")).values("n")), 0)


@admin.register(SafetyAlert)
class SafetyAlertAdmin(RecordAdmin):
    """Raised by the rules and by the clock, read here, and acknowledged by a person."""

    can_void = False
    actions_detail = ["acknowledge"]
    list_display = (
        "participant",
        "what_shown",
        "kind",
        "happened_at",
        "raised_at",
        "state_label",
        "messages_counted",
        "acknowledged_by",
        "acknowledged_at",
    )
    list_display_links = ("participant", "what_shown")
    list_filter = (StateFilter, ("kind", admin.ChoicesFieldListFilter), ("toxicity", admin.ChoicesFieldListFilter))
    search_fields = NUMBERS
    search_help_text = SEARCH_HELP
    list_select_related = ("participant", "acknowledged_by")
    date_hierarchy = "raised_at"
    fieldsets = (
        (
            _("Alert"),
            {
                "fields": (
                    ("participant", "kind"),
                    ("what_in_words", "happened_at"),
                    "findings_shown",
                    "assessment_link",
                    "thread_shown",
                ),
                "description": _(
                    "Raised from what was recorded. If that is a mistake, void or correct the assessment: the alert is "
                    "settled with it."
                ),
            },
        ),
        (_("What must follow a death"), {"fields": ("owed_shown",)}),
        (_("What guidelines say"), {"fields": ("guidance_shown",)}),
        (
            _("What was done"),
            {"fields": ("state_in_words", ("acknowledged_by", "acknowledged_at"), "acknowledge_note")},
        ),
        (
            _("Who is told"),
            {"fields": (("raised_at", "escalated_at"), "on_call_shown", "next_call_shown", "messages_shown")},
        ),
    )
    readonly_fields = (
        "what_in_words",
        "findings_shown",
        "assessment_link",
        "thread_shown",
        "owed_shown",
        "guidance_shown",
        "state_in_words",
        "on_call_shown",
        "next_call_shown",
        "messages_shown",
    )
    change_form_before_template = "admin/safety/alert_open.html"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        return rows.annotate(
            sent=_messages(state=NotificationState.SENT),
            unsent=_messages(state__in=[NotificationState.QUEUED, NotificationState.SENDING]),
            failed=_messages(state=NotificationState.FAILED),
        )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        left_out = {"owed_shown"} if obj is None or not obj.is_death else set()
        if obj is None or obj.toxicity not in Scale.values or not obj.grade:
            left_out.add("guidance_shown")
        return [one for one in fieldsets if left_out.isdisjoint(one[1]["fields"])]

    # --- acknowledging ------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.acknowledge_view)
        return [
            *tables.urls(self),
            path("<path:object_id>/acknowledge/", view, name="safety_safetyalert_acknowledge"),
            *super().get_urls(),
        ]

    @action(description=_("Acknowledge…"), permissions=["acknowledge"])
    def acknowledge(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        return HttpResponseRedirect(self.url("acknowledge", object_id))

    def has_acknowledge_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        if not request.user.has_perm("safety.acknowledge_safetyalert"):
            return False
        row = self.get_object(request, object_id) if object_id else None
        return row is None or (row.acknowledged_at is None and row.superseded_by_id is None)

    def acknowledge_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self.ask(
            request,
            object_id,
            allowed=request.user.has_perm("safety.acknowledge_safetyalert"),
            form_class=NoteForm,
            title=_("Acknowledge a safety alert"),
            intro=_(
                "You say that you know, and see to it. That answers the older alerts of the same toxicity, too, and "
                "nobody else is called about them any more."
            ),
            button=_("I know, and see to it"),
            act=lambda obj, data, now: actions.acknowledge(alert=obj, by=request.user, now=now, note=data["note"]),
            done=_("The alert is acknowledged."),
        )

    # --- what is shown ------------------------------------------------------------------------

    @admin.display(description=_("what"))
    def what_in_words(self, row: SafetyAlert) -> str:
        return self.what_shown(row)[1]

    @admin.display(description=_("state"))
    def state_in_words(self, row: SafetyAlert) -> Any:
        return self.state_label(row)[1]

    @display(
        description=_("what"),
        label={None: "warning", 0: "danger", 1: "info", 2: "warning", 3: "danger", 4: "danger", 5: "danger"},
    )
    def what_shown(self, row: SafetyAlert) -> tuple[int | None, str]:
        return row.grade, row.toxicity or "CRS, ICANS" if row.kind == AlertKind.OVERDUE else row.what

    @display(
        description=_("state"),
        label={"open": "danger", "acknowledged": "success", "settled": "info", "superseded": "info"},
    )
    def state_label(self, row: SafetyAlert) -> tuple[str, Any]:
        state = row.state
        why = row.get_settled_because_display()
        return state.value, f"{state.label}: {why}" if state is AlertState.SETTLED else state.label

    @admin.display(description=_("messages"))
    def messages_counted(self, row: Any) -> str:
        """As short as a list allows; nobody told is said aloud."""
        counts = (
            (gettext("%(n)s sent"), row.sent),
            (gettext("%(n)s waiting"), row.unsent),
            (gettext("%(n)s failed"), row.failed),
        )
        return gettext(", ").join(text % {"n": n} for text, n in counts if n) or gettext("nobody was told")

    @admin.display(description=_("messages"))
    def messages_shown(self, row: SafetyAlert) -> str:
        sent = Notification.objects.filter(about=row.about).select_related("recipient").order_by("queued_at", "id")
        return render_to_string("admin/safety/alert_messages.html", {"messages": sent})

    @admin.display(description=_("findings"))
    def findings_shown(self, row: SafetyAlert) -> str:
        source = actions.source_of(row)
        return findings_in_words(source) if source is not None else "—"

    @admin.display(description=_("one answer for all of these"))
    def thread_shown(self, row: SafetyAlert) -> Any:
        """The other alerts of the same toxicity that wait, the newest first; it is the newest that is answered."""
        others = [one for one in reversed(actions.rest_of_thread(row)) if one.pk != row.pk]
        return format_html_join("", '<p><a href="{}">{}</a></p>', [_linked(one) for one in others]) or "—"

    @admin.display(description=_("on call now"))
    def on_call_shown(self, row: SafetyAlert) -> str:
        people = actions.on_shift(row.participant.site, timezone.now())
        return gettext(", ").join(map(str, people)) or gettext("nobody; all investigators are told")

    @admin.display(description=_("told next"))
    def next_call_shown(self, row: SafetyAlert) -> str:
        """Whom the next step tells, and when, while nobody answers."""
        if row.state is not AlertState.OPEN:
            return "—"
        thread = actions.rest_of_thread(row)
        call = actions.next_call(thread, told=actions.told_of(thread))
        if call is None:
            return gettext("Everybody was told. If nobody answers, call them.")
        values = {"at": long_moment(call.at), "people": gettext(", ").join(map(str, call.people))}
        return gettext("%(at)s: %(people)s, if nobody has answered by then") % values

    @admin.display(description=_("to be done"))
    def owed_shown(self, row: SafetyAlert) -> str:
        return owed_list(owed_after_death(row.participant, row.toxicity))

    @admin.display(description=_("assessment"))
    def assessment_link(self, row: SafetyAlert) -> str:
        kind, _colon, pk = row.about.partition(":")
        if kind == "iec_hs":
            url = reverse("admin:safety_iechsassessment_change", args=[pk])
        elif kind == "assessment":
            page = "crsassessment" if row.toxicity == Scale.CRS else "icansassessment"
            url = reverse(f"admin:safety_{page}_change", args=[pk])
        elif row.kind == AlertKind.STOPPING:
            return format_html('<a href="{}">{}</a>', reverse("admin:safety_safetyalert_stopping"), STOPPING_PAGE)
        else:
            url = reverse("admin:safety_crsassessment_changelist") + f"?q={row.participant.number}"
            return format_html('<a href="{}">{}</a>', url, _("Assessments of this participant"))
        return format_html('<a href="{}">{}</a>', url, _("Findings, and the reason of the grade"))

    @admin.display(description=_("management"))
    def guidance_shown(self, row: SafetyAlert) -> str:
        with_crs = actions.is_established(row.participant, Scale.CRS, before=row.happened_at + dt.timedelta(minutes=1))
        text = guidance.for_grade(row.toxicity, row.grade, with_crs, get_language() or "", site=row.participant.site)
        context = {"text": text, "never_an_order": guidance.NEVER_AN_ORDER}
        return render_to_string("admin/safety/alert_guidance.html", context) if text else "—"


def _linked(row: SafetyAlert) -> tuple[str, str]:
    values = {"what": row.what, "kind": row.get_kind_display(), "at": long_moment(row.happened_at)}
    return reverse("admin:safety_safetyalert_change", args=[row.pk]), gettext("%(what)s, %(kind)s, %(at)s") % values


def owed_list(owed: Iterable[Owed]) -> str:
    """What must follow, each with a link to where it is done."""
    return render_to_string("admin/safety/owed.html", {"owed": owed})


# --- On call -----------------------------------------------------------------------------------------


class ShiftForm(RecordForm):
    def check(self, row: OnCallShift) -> None:
        actions.check_shift(row)


@admin.register(OnCallShift)
class OnCallShiftAdmin(RecordAdmin):
    site_path = "site"
    form = ShiftForm
    list_display = ("person", "site", "starts_at", "ends_at", "now_label", "void_mark")
    list_display_links = ("person",)
    list_filter = ("site",)
    list_select_related = ("person", "site")
    date_hierarchy = "starts_at"
    fieldsets = ((_("Who is told, and when"), {"fields": (("site", "person"), ("starts_at", "ends_at"))}),)

    def perform(self, request: HttpRequest, obj: Any, form: Any, change: bool, now: dt.datetime) -> None:
        actions.plan_shift(shift=obj, by=request.user, now=now)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Of the person's own sites only."""
        own = request.user.sites.all()
        if db_field.name == "site" and not request.user.is_superuser:
            kwargs["queryset"] = own
        if db_field.name == "person":
            people = User.objects.filter(is_active=True, is_staff=True).exclude(email="")
            reachable = people if request.user.is_superuser else people.filter(sites__in=own)
            kwargs["queryset"] = reachable.distinct().order_by("last_name", "first_name", "username")
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def consequences(self, obj: Any, *, now: dt.datetime) -> Consequences:
        return consequences.of_shift(obj, now=now)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Most people plan the coming night of the one site that they have."""
        sites = list(request.user.sites.all()[:2])
        given = {"starts_at": timezone.now(), **super().get_changeform_initial_data(request)}
        return {"site": sites[0].pk, **given} if len(sites) == 1 else given

    @display(description=_("on call now"), label={True: "success", False: "info"})
    def now_label(self, row: OnCallShift) -> tuple[bool, Any]:
        is_now = not row.is_void and row.starts_at <= timezone.now() < row.ends_at
        return is_now, _("on call now") if is_now else "—"


# --- Discharges --------------------------------------------------------------------------------------


class DischargeForm(RecordForm):
    def check(self, row: Discharge) -> None:
        actions.check_discharge(row, now=timezone.now())


@admin.register(Discharge)
class DischargeAdmin(RecordAdmin):
    form = DischargeForm
    list_display = ("participant", "discharged_at", "readmitted_at", "created_by", "void_mark")
    list_display_links = ("participant", "discharged_at")
    search_fields = NUMBERS
    search_help_text = SEARCH_HELP
    autocomplete_fields = ("participant",)
    list_select_related = ("participant", "created_by")
    date_hierarchy = "discharged_at"
    fieldsets = ((_("Who and when"), {"fields": ("participant", ("discharged_at", "readmitted_at"))}),)

    def perform(self, request: HttpRequest, obj: Any, form: Any, change: bool, now: dt.datetime) -> None:
        actions.record_discharge(discharge=obj, by=request.user, now=now)

    def consequences(self, obj: Any, *, now: dt.datetime) -> Consequences:
        return consequences.of_discharge(obj)

    def perform_void(self, obj: Any, *, reason: str, by: Any, now: dt.datetime) -> None:
        actions.void_discharge(discharge=obj, reason=reason, by=by, now=now)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"discharged_at": timezone.now(), **super().get_changeform_initial_data(request)}
