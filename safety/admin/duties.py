"""The pages of reporting duties and of the reports that were sent, and what other pages show of them."""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import groupby
from pathlib import PurePath
from typing import Any, cast

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminFileFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminSplitDateTimeWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from participants.actions import long_moment
from safety import actions, eventpage
from safety.dutywords import clock_of, countdown, moment, recipient_name, state_in_words, why_in_words
from safety.eventpage import ReportFile
from safety.models import AdverseEvent, DutyState, ReportingDuty, Submission, SubmissionFile
from trialsite import formfields, listexport
from trialsite.models import User
from trialsite.recordadmin import ReadOnlyRecordAdmin
from trialsite.subjectpage import Asked, Owed, Section
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

    duties = forms.MultipleChoiceField(label=_("It meets"), widget=UnfoldAdminCheckboxSelectMultipleWidget)
    made = forms.MultipleChoiceField(
        label=_("Make and attach now"), required=False, widget=UnfoldAdminCheckboxSelectMultipleWidget
    )
    submitted_at = formfields.MomentField(
        label=_("Sent at"),
        required=False,
        widget=UnfoldAdminSplitDateTimeWidget,
        help_text=_("Leave it empty where files are made above: they are made, and sent, now."),
    )
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
        self._offer(duty)

    def _offer(self, duty: ReportingDuty) -> None:
        """Those that can be made, the recipient's usual ones ticked; of the others what stands against them."""
        known, now, field = eventpage.files(), timezone.now(), cast("Any", self.fields["made"])
        self.against = {code: file.missing(duty.event, now=now) for code, file in known.items()}
        field.choices = [(code, file.name) for code, file in known.items()]
        field.widget.choices = [(code, name) for code, name in field.choices if not self.against[code]]
        usual = actions.protocol_of(duty.event).recipient_files(duty.recipient)
        field.initial = [code for code in usual if code in known and not self.against[code]]
        kept = gettext("Kept with the report, each with its checksum, and offered for download there.")
        field.help_text = format_html("{}{}", kept, _against(self.against))
        if not known:
            del self.fields["made"]

    def clean_made(self) -> list[str]:
        """What was offered may lack something by now: that one file is not made, and the form says why."""
        chosen: list[str] = self.cleaned_data["made"]
        if lacking := _against({code: self.against[code] for code in chosen}):
            raise forms.ValidationError(lacking)
        return chosen

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        is_unsaid = not cleaned.get("submitted_at") and not cleaned.get("made")
        if is_unsaid and not {"made", "submitted_at"} & set(self.errors):
            self.add_error("submitted_at", _("Say when it was sent, or make the files of the report now."))
        return cleaned


def _against(against: Mapping[str, list[str]]) -> SafeString:
    """Each file that cannot be made yet, with what is to be put right before; empty where all can."""
    known, cannot = eventpage.files(), gettext("%(file)s cannot be made yet:")
    lines = ((cannot % {"file": known[code].name}, gettext("; ").join(said)) for code, said in against.items() if said)
    return format_html_join("", "<br><strong>{}</strong> {}", lines)


def same_recipient(duty: ReportingDuty) -> QuerySet[ReportingDuty]:
    """What one report may meet."""
    return actions.open_duties().filter(event=duty.event_id, recipient=duty.recipient)


def _due(row: ReportingDuty) -> str:
    return gettext("%(report)s, due %(due)s") % {"report": row.get_kind_display(), "due": moment(row.due_at)}


def send(data: dict[str, Any], rows: dict[str, ReportingDuty], *, by: Any, now: dt.datetime) -> Submission:
    file, duties = data["file"], [rows[key] for key in data["duties"]]
    return actions.submit_report(
        duties=duties,
        submitted_at=data["submitted_at"] or now,
        submitted_by=data["submitted_by"],
        reference=data["reference"],
        late_reason=data["late_reason"],
        report=actions.Report(file.name, file.read()) if file else None,
        made=[make(eventpage.files()[code], duties[0].event, by=by, now=now) for code in data.get("made", ())],
        by=by,
        now=now,
    )


def make(file: ReportFile, event: AdverseEvent, *, by: Any, now: dt.datetime) -> actions.Report:
    return actions.Report(f"report{file.suffix}", file.make(event, by=by, now=now), file.code)


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
            done=_("The report is recorded as sent. Its files are below, for download."),
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
        files = files_of(row.met_by)
        return format_html('<a href="{}">{}</a><br>{}', address, moment(row.met_by.submitted_at), files)


def files_of(row: Submission) -> SafeString:
    """The files of a report, each with its checksum, for download."""
    files = row.files.defer("content").order_by("pk")
    return format_html_join(
        SafeString("<br>"),
        '<a href="{}">{}</a> · <span class="ts-plain ts-wraps">SHA-256 {}</span>',
        ((file_page(one), one.name, one.sha256) for one in files),
    )


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
                    "amendment_reason",
                    "met_shown",
                    "files_shown",
                )
            },
        ),
    )
    readonly_fields = ("event_link", "recipient_shown", "met_shown", "files_shown")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.file_view)
        address = "<path:object_id>/file/<int:file_id>/"
        return [path(address, view, name="safety_submission_file"), *super().get_urls()]

    def perform_void(self, obj: Any, *, reason: str, by: Any, now: dt.datetime) -> None:
        actions.void_submission(submission=obj, reason=reason, by=by, now=now)

    def consequences(self, obj: Any, *, now: dt.datetime) -> Consequences:
        return Consequences(
            tuple(gettext("Owed again: %(duty)s.") % {"duty": _due(row)} for row in obj.duties.order_by("due_at", "id"))
        )

    def file_view(self, request: HttpRequest, object_id: str, file_id: int) -> HttpResponse:
        """A file as it was sent, as an attachment: nothing of it runs in the browser. It leaves, and that is kept."""
        obj = self.get_object(request, object_id)
        file = SubmissionFile.objects.filter(submission=obj, pk=file_id).first() if obj is not None else None
        if file is None:
            raise Http404
        if not self.has_view_permission(request, obj):
            raise PermissionDenied
        listexport.record(
            request,
            at=timezone.now(),
            kind=PurePath(file.name).suffix[1:],
            model=self.opts.label,
            filters=file.name,
            rows=1,
            has_identity=False,
            sha256=file.sha256,
        )
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

    @admin.display(description=_("files"))
    def files_shown(self, row: Submission) -> Any:
        return files_of(row) or gettext("no file was kept")


# --- For other pages ----------------------------------------------------------------------------------


def section(rows: list[ReportingDuty]) -> Section:
    """Reports that are owed and were sent, for the page of an event."""
    return Section(
        code="duties",
        title=_("Reports"),
        permission=VIEW,
        template="admin/safety/event_duties.html",
        body=lambda asked: {"duties": [_shown(row, asked) for row in rows], "files": kept_of(rows[0].event_id)},
        summary=lambda asked: summary(rows, now=asked.now),
    )


def kept_of(event: int) -> list[dict[str, Any]]:
    """The files that were sent, the newest first, without their content."""
    files = SubmissionFile.objects.filter(submission__in=Submission.objects.own_standing().filter(event=event))
    return [
        {"name": file.name, "sha256": file.sha256, "at": moment(file.submission.submitted_at), "link": file_page(file)}
        for file in files.select_related("submission").defer("content").order_by("-submission__submitted_at", "pk")
    ]


def file_page(file: SubmissionFile) -> str:
    return reverse("admin:safety_submission_file", args=[file.submission_id, file.pk])


def clock(rows: Iterable[ReportingDuty], *, now: dt.datetime) -> dict[str, str] | None:
    """The next report that is owed, for the head of the page; None where nothing is."""
    waiting = _waiting(rows)
    if not waiting:
        return None
    return {"words": summary(waiting, now=now), "tone": TONES[tone(waiting[0], now)]}


def owed(rows: Iterable[ReportingDuty], *, now: dt.datetime) -> Iterator[Owed]:
    """Reports that are due together are owed together; what meets a single one is recorded at once."""
    for due_at, together in groupby(_waiting(rows), key=lambda row: row.due_at):
        group = list(together)
        values = {
            "recipients": gettext(", ").join(dict.fromkeys(to_whom(row) for row in group)),
            "due": moment(due_at),
            "left": countdown(due_at, now=now),
        }
        text = gettext("Report to: %(recipients)s. Due %(due)s, %(left)s.") % values
        link = "#duties" if len(group) > 1 else reverse("admin:safety_reportingduty_submit", args=[group[0].pk])
        yield Owed(text, link, SEND, is_urgent=now > due_at)


def _waiting(rows: Iterable[ReportingDuty]) -> list[ReportingDuty]:
    """What is open and somebody is called about; the first that is due comes first."""
    return [row for row in rows if row.is_open and row.is_alarming]


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
    waiting = _waiting(rows)
    if not waiting:
        return gettext("nothing is owed")
    return gettext("next: %(recipient)s, %(left)s") % {
        "recipient": to_whom(waiting[0]),
        "left": countdown(waiting[0].due_at, now=now),
    }


def countdown_label(due_at: dt.datetime | None, *, now: dt.datetime) -> tuple[str, str] | None:
    """For a column of a list, of what `actions.next_due` has read: the colour's name, and the countdown in words."""
    if due_at is None:
        return None
    return "overdue" if now > due_at else "open", countdown(due_at, now=now)
