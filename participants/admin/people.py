"""The pages of participants, consent, visits and deviations."""

import datetime as dt
from collections.abc import Collection, Iterable
from functools import partial, reduce
from operator import or_
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminSingleDateWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from participants import actions
from participants.admin import eligibility, enter, page, unscheduled
from participants.admin.loss import lost_view
from participants.admin.prints import participant_urls
from participants.admin.reads import reads_of
from participants.admin.trail import export_view as trail_export_view
from participants.admin.trail import trail_view
from participants.models import (
    STATUS_NAMES,
    Participant,
    ParticipantStatus,
    ReadHow,
    ReasonCode,
    VisitState,
)
from participants.rules import status
from participants.rules.status import Status
from trialsite import formfields, paper, reading
from trialsite.fieldkeys import Unreadable
from trialsite.identity import seen_by
from trialsite.middleware import client_ip
from trialsite.recordadmin import ReadOnlyRecordAdmin, RecordAdmin, RecordForm
from trialsite.shown import shown_first
from trialsite.voiding import Consequences

STATUS_LABELS = {
    Status.SCREENING: "info",
    Status.SCREEN_FAILED: "warning",
    Status.ENROLLED: "info",
    Status.LYMPHODEPLETED: "primary",
    Status.INFUSED: "primary",
    Status.IN_FOLLOW_UP: "success",
    Status.RELAPSED: "danger",
    Status.COMPLETED: "success",
    Status.WITHDRAWN: "warning",
    Status.LOST_TO_FOLLOW_UP: "warning",
    Status.DIED: "danger",
}


class EnrolForm(forms.Form):
    on = formfields.DateField(
        label=_("Enrolled on"),
        widget=UnfoldAdminSingleDateWidget,
        help_text=_("Another day than today when the enrolment is taken over from paper: criteria are judged for it."),
    )
    exception_reason = forms.CharField(
        label=_("Reason for an exception"),
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text=_("Principal investigator only: beyond the target, or outside the recruitment window."),
    )


class FindForm(forms.Form):
    value = formfields.LineField(
        label=_("Whole name, phone or hospital number"),
        help_text=_("They are encrypted, so only the whole value finds somebody."),
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "autofocus": True}),
    )


def status_form(participant: Participant) -> type[forms.Form]:
    """A form of the steps that are possible from where the participant stands, or stood before."""
    choices = [(s.value, STATUS_NAMES[s]) for s in status.choices_within(_states_of(participant))]

    class StatusForm(forms.Form):
        new = forms.ChoiceField(
            label=_("New status"), choices=[formfields.UNCHOSEN, *choices], widget=UnfoldAdminSelectWidget
        )
        on = formfields.DateField(label=_("Since"), widget=UnfoldAdminSingleDateWidget)
        reason_code = forms.ChoiceField(
            label=_("Kind of reason"),
            choices=[formfields.UNCHOSEN, *ReasonCode.choices],
            required=False,
            widget=UnfoldAdminSelectWidget,
            help_text=_("For the participant flow. Death, loss to follow-up and relapse need none."),
        )
        reason = forms.CharField(label=_("Reason"), widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}))

    return StatusForm


def _states_of(participant: Participant) -> list[Status]:
    return [Status(row.status) for row in actions.history_of(participant)]


def day_form(participant: Participant) -> type[forms.Form]:
    """Which step of the history has the wrong day, and the right one."""
    choices = [
        (row.pk, f"{row.get_status_display()} · {row.effective_on:%Y-%m-%d}") for row in actions.history_of(participant)
    ]

    class DayForm(forms.Form):
        row = forms.TypedChoiceField(
            label=_("Step"), choices=[formfields.UNCHOSEN, *choices], coerce=int, widget=UnfoldAdminSelectWidget
        )
        on = formfields.DateField(label=_("Right day"), widget=UnfoldAdminSingleDateWidget)
        reason = forms.CharField(label=_("Reason"), widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}))

    return DayForm


class ReadFirst(ChangeList):
    """A line of the list leads to the page to read, not to the form of the identity."""

    def url_for_result(self, result: Any) -> str:
        return page.page_address(result)


class ParticipantForm(RecordForm):
    screened_on = formfields.DateField(
        label=_("Screened on"),
        widget=UnfoldAdminSingleDateWidget,
        help_text=_("The day on which it happened. Change it when the screening is taken over from paper."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is not None:
            self.fields.pop("screened_on", None)
        elif "screened_on" in self.fields:
            self.fields["screened_on"].initial = actions.site_day(timezone.now())

    def check(self, row: Participant) -> None:
        if row.pk is None and "screened_on" in self.fields:
            actions.check_screening(row, on=self.cleaned_data["screened_on"], now=timezone.now())

    def clean_birth_date(self) -> dt.date | str:
        born: dt.date | str = self.cleaned_data["birth_date"]
        if isinstance(born, str):
            if not isinstance(self.instance.birth_date, Unreadable):
                raise forms.ValidationError(_("Write the birth date, such as 1990-05-17."))
            return born
        if not dt.date(1900, 1, 1) <= born <= actions.site_day(timezone.now()):
            raise forms.ValidationError(_("A birth date lies in the past, after 1900. Check the year."))
        return born


@admin.register(Participant)
class ParticipantAdmin(RecordAdmin):
    form = ParticipantForm
    home = "page"
    site_path = "site"
    identity_fields = ("name", "birth_date", "phone", "hospital_number", "bed", "initials")
    list_display = ("number_link", "status_label", "site", "sex", "day0_visit", "enrolled_mark", "void_mark")
    list_display_links = ("number_link",)
    list_filter = (("status", admin.ChoicesFieldListFilter), "site", "sex")
    search_fields = ("screening_number", "participant_number")
    search_help_text = _("Number. By name: “Find a person…”")
    actions_list = ("find_person", "begin_paper")
    list_select_related = ("site",)
    fieldsets = (
        (
            _("Identity (stays at the site)"),
            {"fields": (("name", "sex"), ("birth_date", "phone"), "hospital_number", ("bed", "initials"))},
        ),
        (_("Study"), {"fields": (("site", "screened_on"),)}),
    )
    actions_detail = ("to_page", "void_record")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None:
            return fieldsets
        fieldsets = [_without_screened_on(one) for one in fieldsets]
        numbers = ("screening_number", "participant_number", "status_now", "protocol_version")
        more = ("rescreening_of", "planned_infusion_on")
        return [(_("Study number"), {"fields": (numbers[:2], numbers[2:], more)}), *fieldsets]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        own = (
            "screening_number",
            "participant_number",
            "protocol_version",
            "status_now",
            "rescreening_of",
            "planned_infusion_on",
        )
        # A participant moves to another site as a new participant, not by an edit.
        return (*super().get_readonly_fields(request, obj), *own, *(("site",) if obj else ()))

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "site" and not request.user.is_superuser:
            own = request.user.sites.all()
            kwargs.update(queryset=own, initial=own.first() if own.count() == 1 else None)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Who sees nothing of the identity has nothing to do here, and is led to the page to read."""
        is_read = object_id is not None and request.method != "POST" and self.has_view_permission(request)
        if is_read and not seen_by(request.user):
            return HttpResponseRedirect(self.url("page", object_id))
        return super().changeform_view(request, object_id, form_url, extra_context)

    @action(description=_("Back to the participant"), permissions=["view"])
    def to_page(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        return HttpResponseRedirect(self.url("page", object_id))

    # --- finding a person by identity: by POST, for a name in an address would stand in every log ---

    @action(description=_("Find a person…"), permissions=["identity"])
    def find_person(self, request: HttpRequest) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:participants_participant_find"))

    def has_identity_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return bool(_searched(request))

    def find_view(self, request: HttpRequest) -> HttpResponse:
        if not _searched(request):
            raise PermissionDenied
        form = FindForm(request.POST if request.method == "POST" else None)
        found: list[Participant] = []
        if request.method == "POST" and form.is_valid():
            found = self._find(request, form.cleaned_data["value"])
            if len(found) == 1:
                return HttpResponseRedirect(self.url("page", found[0].pk))
            if not found:
                form.add_error("value", _("No participant of your sites has exactly this. Check the spelling."))
        context = {
            **self.admin_site.each_context(request),
            "title": _("Find a person"),
            "form": form,
            "found": found,
            "opts": self.opts,
            "back": reverse("admin:participants_participant_changelist"),
        }
        return TemplateResponse(request, "admin/participants/find.html", context)

    def _find(self, request: HttpRequest, value: str) -> list[Participant]:
        """Whoever has this in one of the fields that the person is shown; the search leaves its trace."""
        code, names = reading.code_key(value), _searched(request)
        match = reduce(or_, (Q(**{name: value if name == "name" else code}) for name in names))
        found = list(self.get_queryset(request).standing().filter(match))
        note(request, found, names, how=ReadHow.SEARCH)
        return found

    def note_identity(self, request: HttpRequest, obj: Any) -> None:
        note(request, [obj], seen_by(request.user), how=ReadHow.PAGE)

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Below the trail, who was shown the identity."""
        obj, context = self.get_object(request, object_id), {**(extra_context or {})}
        if obj is not None:
            context |= {
                "below": "admin/participants/reads.html",
                "reads": SimpleLazyObject(lambda: reads_of(request, obj)),
            }
        return super().history_view(request, object_id, context)

    def identity_left(self, request: HttpRequest, rows: QuerySet[Any], fields: list[Any]) -> None:
        note(request, rows, {field.name for field in fields}, how=ReadHow.EXPORT)

    def perform(self, request: HttpRequest, obj: Any, form: Any, change: bool, now: dt.datetime) -> None:
        if change:
            obj.save()
        else:
            actions.screen(participant=obj, on=form.cleaned_data["screened_on"], by=request.user, now=now)

    @display(description=_("number"), ordering="screening_number")
    def number_link(self, obj: Participant) -> str:
        return obj.number

    @display(description=_("status"), label=STATUS_LABELS, ordering="status")
    def status_label(self, obj: Participant) -> tuple[str, str]:
        return obj.status, obj.get_status_display()

    @admin.display(description=_("status"))
    def status_now(self, obj: Participant) -> str:
        return obj.get_status_display()

    @display(description=_("screening number"))
    def enrolled_mark(self, obj: Participant) -> str:
        return obj.screening_number

    @display(description=_("next visit"))
    def day0_visit(self, obj: Participant) -> str:
        """The next visit that is owed, with its window."""
        visit = next((v for v in obj.visits.all() if v.state == VisitState.PLANNED and not v.is_void), None)
        if visit is None or Status(obj.status) in status.NO_MORE_VISITS:
            return "—"
        return f"{visit.code} · {visit.window_opens_on:%Y-%m-%d} – {visit.window_closes_on:%Y-%m-%d}"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).prefetch_related("visits")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return ReadFirst

    # --- steps --------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            # First: "12/section" is no number of a row, as <path:…> would have it.
            *page.urls(self),
            *participant_urls(self),
            *enter.participant_urls(self),
            path("<path:object_id>/paper/", view(self.paper_view), name="participants_participant_paper"),
            path("trail/", view(partial(trail_view, self)), name="participants_participant_trail"),
            path("trail/export/", view(partial(trail_export_view, self)), name="participants_participant_trail_export"),
            path("find/", view(self.find_view), name="participants_participant_find"),
            *unscheduled.urls(self),
            path("<path:object_id>/enrol/", view(self.enrol_view), name="participants_participant_enrol"),
            path("<path:object_id>/status/", view(self.status_view), name="participants_participant_status"),
            path("<path:object_id>/lost/", view(partial(lost_view, self)), name="participants_participant_lost"),
            path("<path:object_id>/day/", view(self.day_view), name="participants_participant_day"),
            *eligibility.urls(self),
            *super().get_urls(),
        ]

    def _impossible(self, obj: Participant, history: list[Status] | None = None) -> set[str]:
        """What cannot be done from where the participant stands; `history` where it was read before."""
        here, history = Status(obj.status), _states_of(obj) if history is None else history
        hidden = set()
        if obj.is_void or not status.can_become(here, Status.ENROLLED):
            hidden.add("_enrol")
        if obj.is_void or not status.can_become(here, Status.INFUSED):
            hidden |= {"_log_infusion", "_readiness"}
        elif Status.INFUSED not in history:
            hidden.add("_course")
        if obj.is_void or not status.choices_within(history):
            hidden.add("_change_status")
        if obj.is_void:
            hidden.add("_correct_day")
        return hidden

    # --- taking over paper records -------------------------------------------------------------

    @action(description=_("Take over from paper…"), permissions=["add"])
    def begin_paper(self, request: HttpRequest) -> HttpResponse:
        """The first step is the screening; its form leads on to the others."""
        return HttpResponseRedirect(reverse("admin:participants_participant_add") + f"?{paper.PARAMETER}={paper.NEW}")

    def paper_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        obj = self.get_object(request, object_id)
        if obj is None or not self.has_view_permission(request, obj):
            raise PermissionDenied
        now, day = timezone.now(), paper.day_of(request)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Take over from paper"),
            "participant": obj,
            "steps": paper.steps_of(obj, user=request.user, as_of=day, now=now),
            "as_of": day,
            "today": actions.site_day(now),
            "opts": self.opts,
        }
        return TemplateResponse(request, "admin/participants/paper.html", context)

    def has_enrol_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.has_perm("participants.enrol_participant")

    def has_status_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.has_perm("participants.change_status")

    def enrol_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        day = paper.day_of(request) or actions.site_day(timezone.now())
        return self.ask(
            request,
            object_id,
            allowed=self.has_enrol_permission(request),
            form_class=partial(EnrolForm, initial={"on": day}),
            title=_("Enrol this participant"),
            intro=_("Eligibility is confirmed and nothing changed since: enrolment gives the participant number."),
            button=_("Enrol"),
            act=lambda obj, data, now: actions.enrol(
                participant=obj,
                on=data["on"],
                exception_reason=data["exception_reason"],
                by=request.user,
                now=now,
            ),
            done=_("The participant is enrolled."),
        )

    def day_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        obj = self.get_object(request, object_id)
        return self.ask(
            request,
            object_id,
            allowed=self.has_status_permission(request),
            form_class=shown_first(day_form(obj), partial(_owed_by_day, obj)) if obj else forms.Form,
            title=_("Correct the day of a status"),
            intro=_(
                "The row with the wrong day becomes void with your reason, and one with the right day takes its place. "
                "What follows from an infusion, a dose or a visit is corrected there."
            ),
            button=_("Correct the day"),
            act=lambda obj, data, now: actions.correct_day(
                row=obj.statuses.get(pk=data["row"]), on=data["on"], reason=data["reason"], by=request.user, now=now
            ),
            done=_("The day is corrected."),
        )

    def status_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        obj = self.get_object(request, object_id)
        return self.ask(
            request,
            object_id,
            allowed=self.has_status_permission(request),
            form_class=shown_first(status_form(obj), partial(_owed_after, obj)) if obj else forms.Form,
            title=_("Change the status"),
            intro=_("A new row of the status history; earlier rows stay as they are. Death can always be recorded."),
            button=_("Record the new status"),
            act=lambda obj, data, now: actions.change_status(
                participant=obj,
                new=Status(data["new"]),
                on=data["on"],
                reason=data["reason"],
                reason_code=data["reason_code"],
                by=request.user,
                now=now,
            ),
            done=_("The new status is recorded."),
            row_of=lambda obj, data: ParticipantStatus(participant=obj, status=data["new"], effective_on=data["on"]),
        )

    def consequences(self, obj: Any, *, now: dt.datetime) -> Consequences:
        return actions.participant_consequences(obj)

    def perform_void(self, obj: Any, *, reason: str, by: Any, now: dt.datetime) -> None:
        actions.void_participant(participant=obj, reason=reason, by=by, now=now)


def _owed_after(participant: Participant, data: dict[str, Any]) -> list[str]:
    return actions.preview_status(participant, new=Status(data["new"]), on=data["on"])


def _owed_by_day(participant: Participant, data: dict[str, Any]) -> list[str]:
    return actions.preview_day(participant.statuses.get(pk=data["row"]), on=data["on"])


def note(request: HttpRequest, participants: Iterable[Participant], fields: Collection[str], *, how: ReadHow) -> None:
    """Keep that the person of this request is shown these fields of these participants."""
    actions.note_reading(participants, fields=fields, how=how, by=request.user, ip=client_ip(request))


def _searched(request: HttpRequest) -> list[str]:
    """The fields by which this person may look for somebody: those that they are shown, too."""
    return sorted({"name", "phone", "hospital_number"} & seen_by(request.user))


@admin.register(ParticipantStatus)
class ParticipantStatusAdmin(ReadOnlyRecordAdmin):
    """Every step of everybody; the newest is taken back here."""

    list_display = ("participant", "status", "effective_on", "reason_code", "created_by", "created_at", "void_mark")
    list_filter = (("status", admin.ChoicesFieldListFilter),)
    search_fields = ("participant__screening_number", "participant__participant_number")
    list_select_related = ("participant", "created_by")
    fieldsets = (
        (None, {"fields": ("participant", ("status", "effective_on"), ("reason_code", "criteria_shown"), "reason")}),
    )
    readonly_fields = ("criteria_shown",)

    @admin.display(description=_("criteria not met"))
    def criteria_shown(self, row: ParticipantStatus) -> str:
        """In words: the theme would colour the list as a program's text, by styles that the site's policy refuses."""
        return ", ".join(row.criteria) or "—"

    def void_instead(self, obj: Any) -> str:
        return actions.instead_of_status(obj)

    def consequences(self, obj: Any, *, now: dt.datetime) -> Consequences:
        return actions.status_consequences(obj)

    def perform_void(self, obj: Any, *, reason: str, by: Any, now: dt.datetime) -> None:
        actions.void_status(row=obj, reason=reason, by=by, now=now)


def _without_screened_on(fieldset: Any) -> Any:
    """The day of the screening is asked once; later it stands in the status history."""
    title, options = fieldset
    rows = [("site",) if row == ("site", "screened_on") else row for row in options["fields"]]
    return title, {**options, "fields": tuple(rows)}
