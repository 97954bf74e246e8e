"""The report files of an event: what a case report still lacks, and the files to take along.

Whoever may read the event may make them, as with its prints; each that leaves is recorded with its checksum. The case
report is made only when nothing stands against it; the papers may have gaps, for a first report is due
before all is known.
"""

import datetime as dt
import hashlib
from collections.abc import Callable
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from safety.eventpage import Addition, Make, ReportFile
from safety.models import AdverseEvent
from sponsor.cioms import cioms
from sponsor.icsr.facts import batch_of
from sponsor.icsr.rules import findings
from sponsor.icsr.wording import sentence
from sponsor.icsr.writer import write
from sponsor.saeform import saeform
from trialsite import listexport, printing
from trialsite.exports import attachment, timed_name
from trialsite.models import User
from trialsite.printing import Print
from trialsite.subjectpage import Asked, Section

XML_TYPE = "application/xml; charset=utf-8"
MAY = "safety.view_adverseevent"
NAMES = {
    "sae": gettext_lazy("SAE form (PDF)"),
    "cioms": gettext_lazy("CIOMS I (PDF)"),
    "icsr": gettext_lazy("Case report E2B(R3) (XML)"),
}
FILES = tuple(NAMES)


def missing(event: AdverseEvent, *, now: dt.datetime) -> list[str]:
    """What stands against a case report of this event now, in plain words; empty: it can be made."""
    return [sentence(one) for one in findings(batch_of(event, now=now), now=now)]


def section(event: AdverseEvent, *, user: Any, now: dt.datetime) -> Section | None:
    """The files on the page of the event."""
    if not user.has_perm(MAY):
        return None

    def body(asked: Asked) -> dict[str, Any]:
        return {"missing": missing(event, now=now)}

    return Section(
        code="report-files",
        title=_("Report files"),
        permission=MAY,
        template="admin/sponsor/story_files.html",
        body=body,
        more=lambda asked: links(event),
    )


def links(event: AdverseEvent) -> list[tuple[Any, str]]:
    return [(name, reverse(f"admin:{_name(kind)}", args=[event.pk])) for kind, name in NAMES.items()]


def _name(kind: str) -> str:
    return f"safety_adverseevent_file_{kind}"


def urls(page: Any) -> list[URLPattern]:
    """An address for each file, under that of the event."""

    def door(kind: str, make: Callable[[HttpRequest, AdverseEvent, Any], HttpResponse]) -> URLPattern:
        def view(request: HttpRequest, object_id: str) -> HttpResponse:
            return make(request, _event(page, request, object_id), page)

        return path(f"<str:object_id>/files/{kind}/", page.admin_site.admin_view(view), name=_name(kind))

    return [door(kind, make) for kind, make in zip(FILES, (_sae, _cioms, _icsr), strict=True)]


def _event(page: Any, request: HttpRequest, object_id: str) -> AdverseEvent:
    event: AdverseEvent | None = page.get_object(request, object_id)
    if event is None:
        raise Http404
    if not page.has_view_permission(request, event):
        raise PermissionDenied
    return event


def _sae(request: HttpRequest, event: AdverseEvent, page: Any) -> HttpResponse:
    return printing.leave(
        request, saeform(event), model=event._meta.label, content=f"sae-{event.pk}", now=timezone.now()
    )


def _cioms(request: HttpRequest, event: AdverseEvent, page: Any) -> HttpResponse:
    now = timezone.now()
    return printing.leave(request, cioms(event, now=now), model=event._meta.label, content=f"cioms-{event.pk}", now=now)


def _icsr(request: HttpRequest, event: AdverseEvent, page: Any) -> HttpResponse:
    now = timezone.now()
    batch = batch_of(event, now=now)
    found = findings(batch, now=now)
    if found:
        return _refused(request, event, page, [sentence(one) for one in found])
    body = write(batch)
    content = f"icsr-{event.pk}"
    with transaction.atomic():
        listexport.record(
            request,
            at=now,
            kind="xml",
            model=event._meta.label,
            filters=f"{content} · {event.participant.number}",
            rows=1,
            has_identity=False,
            sha256=hashlib.sha256(body).hexdigest(),
        )
    return attachment(f"{timed_name(f'{content}-{event.participant.number}', now)}.xml", body, XML_TYPE)


def _refused(request: HttpRequest, event: AdverseEvent, page: Any, said: list[str]) -> HttpResponse:
    context = {
        **page.admin_site.each_context(request),
        "title": _("The case report cannot be made yet"),
        "event": event,
        "original": event,
        "opts": page.opts,
        "body": {"missing": said},
        "story": reverse("admin:safety_adverseevent_story", args=[event.pk]),
    }
    return TemplateResponse(request, "admin/sponsor/file_refused.html", context, status=409)


# --- for a report that is recorded as sent ------------------------------------------------------------


def _paper(printed: Callable[[AdverseEvent, dt.datetime], Print]) -> Make:
    def make(event: AdverseEvent, *, by: User, now: dt.datetime) -> bytes:
        from trialsite import pdf  # only who prints waits for the fonts

        return pdf.render(printed(event, now), by=by, at=now)

    return make


def _message(event: AdverseEvent, *, by: User, now: dt.datetime) -> bytes:
    return write(batch_of(event, now=now))


def _nothing(event: AdverseEvent, *, now: dt.datetime) -> list[str]:
    """A paper may have gaps."""
    return []


ADDITION = Addition(
    section=section,
    urls=urls,
    files=(
        ReportFile("sae", NAMES["sae"], ".pdf", _paper(lambda event, now: saeform(event)), _nothing),
        ReportFile("cioms", NAMES["cioms"], ".pdf", _paper(lambda event, now: cioms(event, now=now)), _nothing),
        ReportFile("icsr", NAMES["icsr"], ".xml", _message, missing),
    ),
)
