"""What an event is told by, row by row: read here, and taken back; added from the event's story."""

import datetime as dt
from typing import Any

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action

from safety import actions
from safety.admin.eventasks import AnswerForm
from safety.models import (
    EventAgent,
    EventGrade,
    EventMedication,
    EventQuery,
    EventReview,
    FollowUp,
    ReferenceSafety,
)
from trialsite.recordadmin import ReadOnlyRecordAdmin, RecordAdmin

NUMBERS = ("event__participant__screening_number", "event__participant__participant_number")
OF_EVENT = ("event__participant", "created_by")


class PartAdmin(ReadOnlyRecordAdmin):
    """A row of an event; when it is void, the event follows."""

    site_path = "event__participant__site"
    search_fields = NUMBERS
    list_select_related = OF_EVENT

    def perform_void(self, obj: Any, *, reason: str, by: Any, now: dt.datetime) -> None:
        actions.void_part(obj, reason=reason, by=by, now=now)


@admin.register(EventAgent)
class EventAgentAdmin(PartAdmin):
    list_display = ("event", "agent", "investigator", "sponsor", "action_taken", "created_by", "void_mark")
    list_filter = (
        ("agent", admin.ChoicesFieldListFilter),
        ("investigator", admin.ChoicesFieldListFilter),
        ("sponsor", admin.ChoicesFieldListFilter),
    )
    fieldsets = ((None, {"fields": ("event", ("agent", "named"), ("investigator", "sponsor"), "action_taken")}),)


@admin.register(EventGrade)
class EventGradeAdmin(PartAdmin):
    list_display = ("event", "grade", "since", "created_by", "void_mark")
    list_filter = ("grade",)
    fieldsets = ((None, {"fields": ("event", ("grade", "since"))}),)


@admin.register(EventMedication)
class EventMedicationAdmin(PartAdmin):
    list_display = ("event", "medication", "created_by", "void_mark")
    list_select_related = (*OF_EVENT, "medication__participant")
    fieldsets = ((None, {"fields": ("event", "medication")}),)


@admin.register(FollowUp)
class FollowUpAdmin(PartAdmin):
    list_display = ("event", "kind", "learned_at", "created_by", "void_mark")
    list_filter = (("kind", admin.ChoicesFieldListFilter),)
    fieldsets = ((None, {"fields": ("event", ("kind", "learned_at"), "what")}),)


@admin.register(EventReview)
class EventReviewAdmin(ReadOnlyRecordAdmin):
    """Who stood for what an event told; a change of the event ends it."""

    site_path = "event__participant__site"
    search_fields = NUMBERS
    list_select_related = OF_EVENT
    list_display = ("event", "kind", "created_by", "created_at", "void_mark")
    list_filter = (("kind", admin.ChoicesFieldListFilter),)
    fieldsets = ((None, {"fields": ("event", "kind", "sha256")}),)


@admin.register(EventQuery)
class EventQueryAdmin(ReadOnlyRecordAdmin):
    """A question about an event, asked on its story, and answered here or there."""

    site_path = "event__participant__site"
    search_fields = NUMBERS
    list_select_related = (*OF_EVENT, "answered_by")
    list_display = ("event", "question", "created_by", "created_at", "answered_by", "answered_at", "void_mark")
    list_filter = (("answered_at", admin.EmptyFieldListFilter),)
    actions_detail = ["answer", "void_record"]
    fieldsets = (
        (None, {"fields": ("event", "question")}),
        (_("answer"), {"fields": ("answer", ("answered_by", "answered_at"))}),
    )

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.answer_view)
        return [path("<str:object_id>/answer/", view, name="safety_eventquery_answer"), *super().get_urls()]

    @action(description=_("Answer…"), permissions=["answer"])
    def answer(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        return HttpResponseRedirect(self.url("answer", object_id))

    def has_answer_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.has_perm("safety.answer_eventquery")

    def answer_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        query = self.get_object(request, object_id)
        if query is None:
            raise Http404
        return self.ask(
            request,
            object_id,
            allowed=self.has_answer_permission(request),
            form_class=AnswerForm,
            title=_("Answer a question about an event"),
            intro=query.question,
            button=_("Answer"),
            act=lambda obj, data, now: actions.answer(query=obj, text=data["text"], by=request.user, now=now),
            done=_("The question is answered."),
        )


@admin.register(ReferenceSafety)
class ReferenceSafetyAdmin(RecordAdmin):
    """Another text is another version: none is changed."""

    site_path = "site"
    list_display = ("version", "effective_on", "source", "site", "created_by", "void_mark")
    list_select_related = ("site", "created_by")
    fieldsets = ((None, {"fields": ("site", ("version", "effective_on"), "source", "expected")}),)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "site" and not request.user.is_superuser:
            kwargs["queryset"] = request.user.sites.all()
        return super().formfield_for_foreignkey(db_field, request, **kwargs)
