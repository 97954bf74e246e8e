"""The calendar that people's own devices read: the visits of their sites, by number only.

Source: RFC 5545 (events, folded lines, escapes), RFC 7986 (name, how often to read it again) and RFC 9110 (ETag). The
link holds a secret of 256 bits, of which only the digest is kept; it stands in the query of the address, which no log
of ours writes. Every visit is a whole day, so that no time zone can move it, and keeps its UID for good; what is not
due any more stays for a while as cancelled, so that devices take it away.
"""

import datetime as dt
import hashlib
import secrets
from collections.abc import Iterable

from django.conf import settings
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotModified
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.http import parse_etags, quote_etag
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe
from icalendar import Calendar, Event, vDuration

from participants.actions.days import site_day
from participants.calendars import day_of
from participants.models import CalendarFeed, Visit, VisitContact, VisitState
from participants.models.visits import TOOK_PLACE
from participants.rules.status import Status, is_followed
from trialsite.models import User
from trialsite.study import get_study

KEY = "key"
PERMISSION = "participants.view_visit"
BEHIND, AHEAD = dt.timedelta(days=60), dt.timedelta(days=400)
AGAIN = dt.timedelta(hours=4)
DAY = dt.timedelta(days=1)


# --- The link -----------------------------------------------------------------------------------------


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


@transaction.atomic
def make(*, by: User, now: dt.datetime) -> str:
    """A new link's secret, which nobody can read again; one that was there is revoked."""
    revoke(by=by, now=now)
    secret = secrets.token_urlsafe(32)
    CalendarFeed.objects.create(person=by, digest=_digest(secret), created_at=now)
    return secret


@transaction.atomic
def revoke(*, by: User, now: dt.datetime) -> bool:
    """Whether there was one."""
    User.objects.select_for_update(no_key=True).get(pk=by.pk)
    return bool(CalendarFeed.objects.filter(person=by, revoked_at=None).update(revoked_at=now))


def live_of(person: User) -> CalendarFeed | None:
    return CalendarFeed.objects.filter(person=person, revoked_at=None).first()


def address_of(secret: str) -> str:
    return f"{settings.SITE_URL}{reverse('calendar_feed')}?{KEY}={secret}"


def as_webcal(address: str) -> str:
    """What a phone or Outlook opens as a subscription."""
    return f"webcal:{address.partition(':')[2]}" if address else ""


# --- What is read under it ------------------------------------------------------------------------------


@require_safe
def view(request: HttpRequest) -> HttpResponse:
    """The calendar of whoever has the secret; 404 for any other, and for those who have no rights any more."""
    now = timezone.now()
    feed = _feed(request.GET.get(KEY, ""))
    _note_reading(feed, on=site_day(now))
    with translation.override(feed.person.language):
        body = written(feed.person, on=site_day(now))
    etag = quote_etag(hashlib.sha256(body).hexdigest())
    known = parse_etags(request.headers.get("If-None-Match", ""))
    response: HttpResponse = HttpResponseNotModified() if etag in known or "*" in known else _file(body)
    response["ETag"] = etag
    # Kept by the one device that asked, and compared each time.
    response["Cache-Control"] = "private, no-cache"
    return response


def _file(body: bytes) -> HttpResponse:
    response = HttpResponse(body, content_type="text/calendar; charset=utf-8")
    response["Content-Disposition"] = 'inline; filename="visits.ics"'
    return response


def _feed(secret: str) -> CalendarFeed:
    found = CalendarFeed.objects.select_related("person").filter(digest=_digest(secret), revoked_at=None).first()
    if found is None or not (found.person.is_active and found.person.is_staff and found.person.has_perm(PERMISSION)):
        raise Http404
    return found


def _note_reading(feed: CalendarFeed, *, on: dt.date) -> None:
    if feed.last_read_on != on:
        CalendarFeed.objects.filter(pk=feed.pk).update(last_read_on=on)


def written(person: User, *, on: dt.date) -> bytes:
    """The file, the same to the byte as long as no visit of it changes."""
    calendar = Calendar()
    calendar.add("prodid", "-//Trialsite//Visits//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    for name in ("name", "x-wr-calname"):
        calendar.add(name, _("Study visits %(study)s") % {"study": get_study().latest.short_title})
    calendar.add("refresh-interval", vDuration(AGAIN), parameters={"VALUE": "DURATION"})
    calendar.add("x-published-ttl", vDuration(AGAIN))
    for visit in _visits(person, on):
        calendar.add_component(_event(visit))
    body: bytes = calendar.to_ical()
    return body


def _visits(person: User, on: dt.date) -> Iterable[Visit]:
    """From two months ago to a year ahead; void ones too, for they may stand on somebody's phone."""
    rows = Visit.objects.all().meeting(on - BEHIND, on + AHEAD).filter(participant__site__in=person.sites.all())
    return rows.select_related("participant").order_by("pk")


def _event(visit: Visit) -> Event:
    day = day_of(visit)
    event = Event()
    event.add("uid", f"visit-{visit.pk}@{get_study().latest.registry_id.lower()}.trialsite")
    event.add("summary", _summary(visit))
    event.add("dtstart", day)
    event.add("dtend", day + DAY)
    event.add("dtstamp", visit.modified_at.astimezone(dt.UTC))
    event.add("last-modified", visit.modified_at.astimezone(dt.UTC))
    # It grows with each change, as a device asks before it takes one over.
    event.add("sequence", max(int((visit.modified_at - visit.created_at).total_seconds()), 0))
    event.add("status", "CONFIRMED" if _is_shown(visit) else "CANCELLED")
    event.add("transp", "TRANSPARENT")
    event.add("description", _description(visit))
    return event


def _is_shown(visit: Visit) -> bool:
    if visit.is_void or visit.participant.is_void:
        return False
    is_waited_for = is_followed(Status(visit.participant.status), is_long_term=visit.is_long_term_follow_up)
    return (visit.state == VisitState.PLANNED and is_waited_for) or visit.state in TOOK_PLACE


def _summary(visit: Visit) -> str:
    done = "✓ " if visit.state in TOOK_PLACE else ""
    return f"{done}{visit.participant.number} · {visit.code}"


def _description(visit: Visit) -> str:
    lines = [
        visit.title,
        _("Window: %(opens)s – %(closes)s, target %(target)s")
        % {
            "opens": f"{visit.window_opens_on:%Y-%m-%d}",
            "closes": f"{visit.window_closes_on:%Y-%m-%d}",
            "target": f"{visit.target_date:%Y-%m-%d}",
        },
    ]
    if visit.contact == VisitContact.TELEPHONE:
        lines.append(str(visit.get_contact_display()))
    return "\n".join(lines)
