"""The addresses of this app's prints about one participant: whoever may read the page may print it."""

import datetime as dt
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils import timezone

from participants import actions, plan, prints, worksheet
from participants.models import Participant, ReadHow
from trialsite import printing
from trialsite.listexport import person_of
from trialsite.middleware import client_ip
from trialsite.printing import Print
from trialsite.subjectpage import Asked


def participant_urls(page: Any) -> list[URLPattern]:
    def view(request: HttpRequest, participant_id: int) -> HttpResponse:
        asked = Asked(_row(page, request, participant_id), request, timezone.now())
        return _leave(request, prints.participant_print(asked), asked.participant, "participant", asked.now)

    def plan_view(request: HttpRequest, participant_id: int) -> HttpResponse:
        participant, now = _row(page, request, participant_id), timezone.now()
        if not request.user.has_perm("participants.view_visit"):
            raise PermissionDenied
        printed = plan.plan(participant, today=actions.site_day(now))
        return _leave(request, printed, participant, "plan", now)

    wrap = page.admin_site.admin_view
    return [
        path("<int:participant_id>/print/", wrap(view), name="participants_participant_print"),
        path("<int:participant_id>/visits/print/", wrap(plan_view), name="participants_participant_plan_print"),
    ]


def visit_urls(page: Any) -> list[URLPattern]:
    def view(request: HttpRequest, visit_id: int) -> HttpResponse:
        visit = _row(page, request, visit_id)
        printed = worksheet.worksheet(visit, user=request.user)
        return _leave(request, printed, visit.participant, f"worksheet-{visit.code}", timezone.now())

    name = "participants_visit_worksheet"
    return [path("<int:visit_id>/worksheet/", page.admin_site.admin_view(view), name=name)]


def _row(page: Any, request: HttpRequest, pk: int) -> Any:
    row = page.get_object(request, str(pk))
    if row is None:
        raise Http404
    if not page.has_view_permission(request, row):
        raise PermissionDenied
    return row


def _leave(request: HttpRequest, printed: Print, whose: Participant, content: str, now: dt.datetime) -> HttpResponse:
    """What names the person is noted as read, in the transaction in which the print is recorded."""

    def note() -> None:
        by, ip = person_of(request), client_ip(request)
        actions.note_reading([whose], fields=printed.identity, how=ReadHow.EXPORT, by=by, ip=ip)

    return printing.leave(
        request,
        printed,
        model=Participant._meta.label,
        content=content,
        now=now,
        also=note if printed.has_identity else None,
    )
