"""The pages of reporting duties and of the reports that were sent, and what other pages show of them."""

import datetime as dt
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Prefetch, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.widgets import (
    UnfoldAdminFileFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminSplitDateTimeWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from participants.actions import long_moment
from safety import actions
from safety.dutywords import clock_of, countdown, moment, recipient_name, state_in_words, why_in_words
from safety.models import AdverseEvent, DutyState, ReportingDuty, Submission, SubmissionFile
from trialsite import formfields
from trialsite.models import User
from trialsite.recordadmin import ReadOnlyRecordAdmin
from trialsite.subjectpage import Asked, Section
from trialsite.voiding import Consequences

NUMBERS = ("event__participant__screening_number", "event__participant__participant_number")
SEND = "safety.add_submission"
VIEW = "safety.view_reportingduty"
TONES = {"open": "ts-tone-open", "overdue": "ts-tone-bad", "late": "ts-tone-bad"}
COLOURS = {"open": "warning", "overdue": "danger", "met": "success", "late": "danger", "closed": "info"}


def tone(duty: ReportingDuty, now: dt.datetime) -> str:
    return "overdue" if duty.is_overdue(now) else duty.state.value


def to_whom(duty: ReportingDuty | Submission) -> str:
    return recipient_name(actions.protocol_of(duty.event), duty.recipient)


class StateFilter(admin.SimpleListFilter):
    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("open", DutyState.OPEN.label),
            ("overdue", _("overdue")),
            ("met", DutyState.MET.label),
            ("closed", DutyState.CLOSED.label),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        is_open = {"met_by__isnull": True, "closed_at__isnull": True}
        wanted: dict[str | None, dict[str, Any]] = {
            "open": is_open,
            "overdue": {**is_open, "due_at__lt": timezone.now()},
            "met": {"met_by__isnull": False},
            "closed": {"closed_at__isnull": False},
        }
        return queryset.filter(**wanted.get(self.value(), {}))


# --- Recording what was sent --------------------------------------------------------------------------


class SubmissionForm(forms.Form):
    """What is asked of a report that was sent; the duties are those of one event to one recipient."""

    duties = forms.MultipleChoiceField(label=_("It meets"), widget=forms.CheckboxSelectMultiple)
    submitted_at = formfields.MomentField(label=_("Sent at"), widget=UnfoldAdminSplitDateTimeWidget)
    submitted_by = forms.ModelChoiceField(
        label=_("Sent by"), queryset=User.objects.none(), widget=UnfoldAdminSelectWidget
    )
    reference = formfields.LineField(
        label=_("Reference"),
        max_length=80,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("The recipient's number, or how it was told, such as by e-mail."),
    )
    file = forms.FileField(
        label=_("The report as it was sent"),
        required=False,
        allow_empty_file=True,
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": ",".join(actions.FORMATS)}),
        help_text=_("Kept with its checksum. Its name is not kept: it may name the participant."),
    )
    late_reason = forms.CharField(
        label=_("Why it is late"),
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text=_("Only if it was sent after the time at which it was due."),
    )

    def __init__(self, *args: Any, duty: ReportingDuty, by: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.rows = {str(row.pk): row for row in same_recipient(duty)}
        duties: Any = self.fields["duties"]
        duties.choices = [(key, _due(row)) for key, row in self.rows.items()]
        duties.initial = [str(duty.pk)]
        person: Any = self.fields["submitted_by"]
        person.queryset = User.objects.filter(sites=duty.event.participant.site, is_active=True).order_by("id")
        person.initial = by.pk


def same_recipient(duty: ReportingDuty) -> QuerySet[ReportingDuty]:
    """What one report may meet."""
    return actions.open_duties().filter(event=duty.event_id, recipient=duty.recipient)


def _due(row: ReportingDuty) -> str:
    return gettext("%(report)s, due %(due)s") % {"report": row.get_kind_display(), "due": moment(row.due_at)}


def send(data: dict[str, Any], rows: dict[str, ReportingDuty], *, by: Any, now: dt.datetime) -> Submission:
    file = data["file"]
    return actions.submit_report(
        duties=[rows[key] for key in data["duties"]],
        submitted_at=data["submitted_at"],
        submitted_by=data["submitted_by"],
        reference=data["reference"],
        late_reason=data["late_reason"],
        report=actions.Report(file.name, file.read()) if file else None,
        by=by,
        now=now,
    )


# --- Duties -------------------------------------------------------------------------------------------


@admin.register(ReportingDuty)
class ReportingDutyAdmin(ReadOnlyRecordAdmin):
    """Made by the rules, met by a report that was sent, acknowledged by a person."""

    site_path = "event__participant__site"
    can_void = False
    actions_detail = ["submit", "acknowledge"]
    list_display = ("participant", "event_term", "recipient_shown", "kind", "due_at", "left", "acknowledged_by")
    list_display_links = ("participant", "event_term")
    list_filter = (StateFilter, ("kind", admin.ChoicesFieldListFilter))
    search_fields = NUMBERS
    search_help_text = _("Screening or participant number.")
    list_select_related = ("event__participant", "met_by", "acknowledged_by")
    fieldsets = (
        (
            _("Duty"),
            {
                "fields": (
                    ("event_link", "recipient_shown"),
                    ("kind", "left_shown"),
                    ("counted_from", "due_at"),
                    "why_shown",
                    "source_shown",
                ),
                "description": _(
                    "It follows from the event. If that is a mistake, correct or void the event: what is not owed is "
                    "closed with it."
                ),
            },
        ),
        (_("What was done"), {"fields": ("met_shown", ("acknowledged_at", "acknowledged_by"))}),
    )
    readonly_fields = ("event_link", "recipient_shown", "left_shown", "why_shown", "source_shown", "met_shown")

    def get_urls(self) -> list[URLPattern]:
        def door(verb: str, view: Any) -> URLPattern:
            name = f"safety_reportingduty_{verb}"
            return path(f"<path:object_id>/{verb}/", self.admin_site.admin_view(view), name=name)

        return [
            door("submit", self.submit_view),
            door("acknowledge", self.acknowledge_view),
            *super().get_urls(),
        ]

    @action(description=_("Record that the report was sent…"), permissions=["submit"])
    def submit(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        return HttpResponseRedirect(self.url("submit", object_id))

    @action(description=_("Acknowledge…"), permissions=["acknowledge"])
    def acknowledge(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        return HttpResponseRedirect(self.url("acknowledge", object_id))

    def has_submit_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.has_perm(SEND) and self._is_open(request, object_id)

    def has_acknowledge_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        may = request.user.has_perm("safety.acknowledge_reportingduty")
        return may and self._is_open(request, object_id)

    def _is_open(self, request: HttpRequest, object_id: Any) -> bool:
        row = self.get_object(request, object_id) if object_id else None
        return row is None or (row.is_open and row.is_standing)

    def submit_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        duty = self.get_object(request, object_id)
        if duty is None:
            raise Http404
        if not duty.is_open:
            return HttpResponseRedirect(self.url("change", object_id))
        files = request.FILES if request.method == "POST" else None
        rows = {str(row.pk): row for row in same_recipient(duty)}
        return self.ask(
            request,
            object_id,
            allowed=request.user.has_perm(SEND),
            form_class=partial(SubmissionForm, files=files, duty=duty, by=request.user),
            title=_("Record that a report was sent"),
            # Without the time that is left: the page would be another one by the time it is sent back.
            intro=gettext("To: %(recipient)s. Due %(due)s.") % {"recipient": to_whom(duty), "due": moment(duty.due_at)},
            button=_("Record it as sent"),
            act=lambda obj, data, now: send(data, rows, by=request.user, now=now),
            done=_("The report is recorded as sent."),
        )

    def acknowledge_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self.ask(
            request,
            object_id,
            allowed=request.user.has_perm("safety.acknowledge_reportingduty"),
            form_class=forms.Form,
            title=_("Acknowledge a reporting duty"),
            intro=_("You say that you know, and see to it. Nobody else is called about it until it is overdue."),
            button=_("I know, and see to it"),
            act=lambda obj, data, now: actions.acknowledge_duty(duty=obj, by=request.user, now=now),
            done=_("The duty is acknowledged."),
        )

    # --- what is shown ------------------------------------------------------------------------

    @admin.display(description=_("participant"), ordering="event__participant")
    def participant(self, row: ReportingDuty) -> str:
        return str(row.event.participant)

    @admin.display(description=_("adverse event"))
    def event_term(self, row: ReportingDuty) -> str:
        return row.event.term

    @admin.display(description=_("adverse event"))
    def event_link(self, row: ReportingDuty) -> Any:
        return format_html('<a href="{}">{}</a>', event_page(row.event_id), row.event)

    @admin.display(description=_("to be told"), ordering="recipient")
    def recipient_shown(self, row: ReportingDuty) -> str:
        return to_whom(row)

    @display(description=_("time left"), label=COLOURS, ordering="due_at")
    def left(self, row: ReportingDuty) -> tuple[str, str]:
        now = timezone.now()
        return tone(row, now), state_in_words(row, now=now)

    @admin.display(description=_("time left"))
    def left_shown(self, row: ReportingDuty) -> str:
        return state_in_words(row, now=timezone.now())

    @admin.display(description=_("because"))
    def why_shown(self, row: ReportingDuty) -> str:
        return why_in_words(row)

    @admin.display(description=_("rule"))
    def source_shown(self, row: ReportingDuty) -> str:
        clock = clock_of(actions.protocol_of(row.event), row)
        return f"{clock.name}: {clock.source}" if clock is not None else row.clock

    @admin.display(description=_("report sent"))
    def met_shown(self, row: ReportingDuty) -> Any:
        if row.met_by is None:
            return "—"
        address = reverse("admin:safety_submission_change", args=[row.met_by_id])
        return format_html('<a href="{}">{}</a>', address, moment(row.met_by.submitted_at))


def event_page(event: int) -> str:
    return reverse("admin:safety_adverseevent_story", args=[event])


# --- What was sent ------------------------------------------------------------------------------------


@admin.register(Submission)
class SubmissionAdmin(ReadOnlyRecordAdmin):
    """Each report that was sent, with its file; recorded on the page of its duty."""

    site_path = "event__participant__site"
    list_display = ("participant", "event_term", "recipient_shown", "submitted_at", "submitted_by", "reference")
    list_display_links = ("participant", "event_term")
    search_fields = NUMBERS
    search_help_text = _("Screening or participant number.")
    list_select_related = ("event__participant", "submitted_by")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("event_link", "recipient_shown"),
                    ("submitted_at", "submitted_by"),
                    "reference",
                    "late_reason",
                    "met_shown",
                    "file_shown",
                )
            },
        ),
    )
    readonly_fields = ("event_link", "recipient_shown", "met_shown", "file_shown")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.file_view)
        return [path("<path:object_id>/file/", view, name="safety_submission_file"), *super().get_urls()]

    def perform_void(self, obj: Any, *, reason: str, by: Any, now: dt.datetime) -> None:
        actions.void_submission(submission=obj, reason=reason, by=by, now=now)

    def consequences(self, obj: Any, *, now: dt.datetime) -> Consequences:
        return Consequences(
            tuple(gettext("Owed again: %(duty)s.") % {"duty": _due(row)} for row in obj.duties.order_by("due_at", "id"))
        )

    def file_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The file as it was sent, as an attachment: nothing of it runs in the browser."""
        obj = self.get_object(request, object_id)
        file = SubmissionFile.objects.filter(submission=obj).first() if obj is not None else None
        if file is None:
            raise Http404
        if not self.has_view_permission(request, obj):
            raise PermissionDenied
        headers = {"Content-Disposition": f'attachment; filename="{file.name}"', "X-Content-Type-Options": "nosniff"}
        return HttpResponse(bytes(file.content), content_type=file.content_type, headers=headers)

    @admin.display(description=_("participant"), ordering="event__participant")
    def participant(self, row: Submission) -> str:
        return str(row.event.participant)

    @admin.display(description=_("adverse event"))
    def event_term(self, row: Submission) -> str:
        return row.event.term

    @admin.display(description=_("adverse event"))
    def event_link(self, row: Submission) -> Any:
        return format_html('<a href="{}">{}</a>', event_page(row.event_id), row.event)

    @admin.display(description=_("recipient"), ordering="recipient")
    def recipient_shown(self, row: Submission) -> str:
        return to_whom(row)

    @admin.display(description=_("it meets"))
    def met_shown(self, row: Submission) -> str:
        return gettext(", ").join(_due(one) for one in row.duties.order_by("due_at", "id")) or "—"

    @admin.display(description=_("file"))
    def file_shown(self, row: Submission) -> Any:
        file = SubmissionFile.objects.filter(submission=row).defer("content").first()
        if file is None:
            return gettext("no file was kept")
        address = reverse("admin:safety_submission_file", args=[row.pk])
        return format_html('<a href="{}">{}</a> · SHA-256 {}', address, file.name, file.sha256)


# --- For other pages ----------------------------------------------------------------------------------


def section(event: AdverseEvent, *, user: Any, now: dt.datetime) -> Section | None:
    """Reports that are owed and were sent, for the page of an event; None where nothing was ever owed."""
    if not user.has_perm(VIEW):
        return None
    rows = list(duties_of(event))
    if not rows:
        return None
    return Section(
        code="duties",
        title=_("Reports"),
        permission=VIEW,
        template="admin/safety/event_duties.html",
        body=lambda asked: {"duties": [_shown(row, asked) for row in rows]},
        summary=lambda asked: summary(rows, now=asked.now),
    )


def duties_of(event: AdverseEvent) -> QuerySet[ReportingDuty]:
    rows = ReportingDuty.objects.standing().filter(event=event).select_related("event__participant", "met_by")
    return rows.order_by("due_at", "id")


def _shown(row: ReportingDuty, asked: Asked) -> dict[str, Any]:
    return {
        "duty": row,
        "recipient": to_whom(row),
        "due": long_moment(row.due_at),
        "state": state_in_words(row, now=asked.now),
        "tone": TONES.get(tone(row, asked.now), ""),
        "why": why_in_words(row),
        "link": reverse("admin:safety_reportingduty_change", args=[row.pk]),
        "send": reverse("admin:safety_reportingduty_submit", args=[row.pk]) if _may_send(row, asked) else "",
    }


def _may_send(row: ReportingDuty, asked: Asked) -> bool:
    return row.is_open and asked.may(SEND)


def summary(rows: Iterable[ReportingDuty], *, now: dt.datetime) -> str:
    """The next of what is open; how many were met where nothing is."""
    waiting = [row for row in rows if row.is_open and row.is_alarming]
    if not waiting:
        return gettext("nothing is owed")
    return gettext("next: %(recipient)s, %(left)s") % {
        "recipient": to_whom(waiting[0]),
        "left": countdown(waiting[0].due_at, now=now),
    }


def with_duties(events: QuerySet[AdverseEvent]) -> QuerySet[AdverseEvent]:
    """One query for the open duties of a whole list of events."""
    return events.prefetch_related(Prefetch("duties", actions.open_duties().filter(is_alarming=True), "open_duties"))


def countdown_label(event: Any, *, now: dt.datetime) -> tuple[str, str] | None:
    """For a column of the list of events that `with_duties` has read: the colour's name, and the next countdown."""
    rows: Sequence[ReportingDuty] = event.open_duties
    if not rows:
        return None
    return tone(rows[0], now), countdown(rows[0].due_at, now=now)
