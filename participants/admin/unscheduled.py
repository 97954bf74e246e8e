"""A visit beside the schedule: its day, how, and why; its results are entered like those of any visit."""

from functools import partial
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminSingleDateWidget, UnfoldAdminTextareaWidget

from participants import actions
from participants.models import Participant, Visit, VisitContact
from trialsite import formfields

PERMISSION = "participants.change_visit"


class UnscheduledForm(forms.Form):
    on = formfields.DateField(label=_("took place on"), widget=UnfoldAdminSingleDateWidget)
    contact = forms.ChoiceField(
        label=_("how"), choices=[formfields.UNCHOSEN, *VisitContact.choices], widget=UnfoldAdminSelectWidget
    )
    reason = forms.CharField(
        label=_("Reason"),
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text=_("What it was for. Stands as the note of the visit."),
    )


def urls(page: Any) -> list[URLPattern]:
    view = partial(_view, page)
    name = "participants_participant_unscheduled"
    return [path("<path:object_id>/unscheduled/", page.admin_site.admin_view(view), name=name)]


def _view(page: Any, request: HttpRequest, object_id: str) -> HttpResponse:
    answer: HttpResponse = page.ask(
        request,
        object_id,
        allowed=request.user.has_perm(PERMISSION),
        form_class=UnscheduledForm,
        title=_("Unscheduled visit"),
        intro=_("A visit that the schedule does not have. What was found at it is entered once it is there."),
        button=_("Record the visit"),
        act=lambda obj, data, now: actions.record_unscheduled(
            participant=obj, on=data["on"], contact=data["contact"], reason=data["reason"], by=request.user, now=now
        ),
        done=_("The visit is recorded: enter what was found at it."),
        row_of=_row,
    )
    return answer


def _row(participant: Participant, data: dict[str, Any]) -> Visit:
    return Visit(participant=participant, occurred_on=data["on"], note=data["reason"])
