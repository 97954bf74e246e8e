"""The report files of an event: what a case report still lacks, and the files to take along.

Whoever may read the event may make them, as with its prints; each that leaves is recorded with its checksum. The case
report is made only when nothing stands against it; the papers may have gaps, for a first report is due
before all is known.
"""

import datetime as dt
import hashlib
from collections.abc import Callable
from functools import partial
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from safety import actions
from safety.actions import Report
from safety.dutywords import recipient_name
from safety.eventpage import Addition, Make, ReportFile
from safety.models import AdverseEvent
from sponsor.amendmentform import AmendmentForm
from sponsor.cioms import cioms
from sponsor.icsr.facts import batch_of
from sponsor.icsr.model import Batch, Change
from sponsor.icsr.rules import findings
from sponsor.icsr.schema import NoSchema, against_schema
from sponsor.icsr.wording import sentence
from sponsor.icsr.writer import write
from sponsor.saeform import saeform
from trialsite import listexport, printing
from trialsite.exports import attachment, timed_name
from trialsite.models import User
from trialsite.printing import Print
from trialsite.refusal import Refused
from trialsite.subjectpage import Asked, Section

XML_TYPE = "application/xml; charset=utf-8"
MAY, SEND = "safety.view_adverseevent", "safety.add_submission"
NAMES = {
    "sae": gettext_lazy("SAE form (PDF)"),
    "cioms": gettext_lazy("CIOMS I (PDF)"),
    "icsr": gettext_lazy("Case report E2B(R3) (XML)"),
}
FILES = tuple(NAMES)


def missing(event: AdverseEvent, *, now: dt.datetime) -> list[str]:
    """What stands against a case report of this event now, in plain words; empty: it can be made."""
    return against(batch_of(event, now=now), now=now)


def against(batch: Batch, *, now: dt.datetime) -> list[str]:
    """What is missing or cannot be; where nothing is, what the schema of ICH does not accept, if the site has it."""
    if found := [sentence(one) for one in findings(batch, now=now)]:
        return found
    if settings.E2BR3_SCHEMA_DIR is None:
        return []
    text = _("The schema of ICH does not accept the file, at line %(said)s. Tell whoever looks after the program.")
    try:
        return [text % {"said": one} for one in against_schema(write(batch), settings.E2BR3_SCHEMA_DIR)]
    except NoSchema as error:
        return [_("The schema of ICH cannot be read (E2BR3_SCHEMA_DIR): %(error)s.") % {"error": error}]


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
        more=lambda asked: [*links(event), *_amends(event, asked)],
    )


def _amends(event: AdverseEvent, asked: Asked) -> list[tuple[Any, str]]:
    """Only what was sent can be amended."""
    if not (event.is_standing and asked.may(SEND) and actions.told_recipients(event)):
        return []
    return [(_("Amend a case report that was sent…"), reverse(f"admin:{_name('amend')}", args=[event.pk]))]


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

    doors = zip((*FILES, "amend"), (_sae, _cioms, _icsr, _amend), strict=True)
    return [door(kind, make) for kind, make in doors]


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
    if found := against(batch, now=now):
        return _refused(request, event, page, found)
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


# --- amending ------------------------------------------------------------------------------------------


def _amend(request: HttpRequest, event: AdverseEvent, page: Any) -> HttpResponse:
    """C.1.11 = 2: what was sent is corrected, and the reason goes with it."""
    names = [(code, recipient_name(actions.protocol_of(event), code)) for code in actions.told_recipients(event)]

    def act(row: AdverseEvent, data: dict[str, Any], now: dt.datetime) -> Any:
        made = amended(row, reason=data["reason"], now=now)
        return actions.submit_amendment(event=row, made=made, by=request.user, now=now, **data)  # type: ignore[arg-type]

    response: HttpResponse = page.ask(
        request,
        str(event.pk),
        allowed=bool(names) and event.is_standing and request.user.has_perm(SEND),
        form_class=partial(AmendmentForm, recipients=names),
        title=_("Amend a case report that was sent"),
        intro=_(
            "For a mistake in what was sent. What became known since is a follow-up, and what was no event is "
            "withdrawn: record that as what became known later. The E2B(R3) message is made now, and kept below."
        ),
        button=_("Make the amended report, and record it as sent"),
        act=act,
        done=_("The amended report is made and recorded as sent. Its file is below, for download."),
        back="story",
        back_query="#duties",
    )
    return response


def amended(event: AdverseEvent, *, reason: str, now: dt.datetime) -> Report:
    """Raises Refused for a report that is withdrawn, and for one that lacks something."""
    batch = batch_of(event, now=now, amended=reason)
    if batch.icsr.change is Change.NULLIFICATION:
        raise Refused(_("This event is told to be none, and its report is withdrawn: there is nothing to amend."))
    if found := against(batch, now=now):
        raise Refused(found)
    return Report("report.xml", write(batch), "icsr-amended")


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
