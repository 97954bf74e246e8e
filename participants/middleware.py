"""What every page of the admin gets before it leaves: names beside numbers, for those who may see them."""

import json
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from participants import actions, beside
from trialsite.middleware import client_ip
from trialsite.models import User

GetResponse = Callable[[HttpRequest], HttpResponse]
# Pages of messages, exports, readings by programs and the door show what was sent or recorded, as it was; the logs of
# screening and enrolment are made to be handed on.
VERBATIM = ("trialsite_", "sponsor_", "participants_screeninglogentry_", "participants_enrolmentlogentry_")
CHOICES = "autocomplete"


class NamesBesideMiddleware:
    """Writes the names into the page, and keeps who was shown them before it leaves."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response, page = self.get_response(request), _page_of(request)
        if not page or response.streaming or page.startswith(VERBATIM) or not isinstance(request.user, User):
            return response
        kind = response.headers.get("Content-Type", "").partition(";")[0]
        if kind == "text/html":
            _name_page(request, response)
        elif page == CHOICES and kind == "application/json":
            _name_choices(request, response)
        return response


def _page_of(request: HttpRequest) -> str:
    """The name of the admin's page that answers; empty for any other."""
    match = request.resolver_match
    return match.url_name or "" if match is not None and match.app_name == "admin" else ""


def _name_page(request: HttpRequest, response: HttpResponse) -> None:
    html = response.content.decode(response.charset)
    places = beside.places_in_page(html)
    if known := _shown(request, {place.number for place in places}):
        response.content = beside.written(html, places, known)


def _name_choices(request: HttpRequest, response: HttpResponse) -> None:
    """What a field that looks up its choices is offered: words, not markup."""
    found = json.loads(response.content)
    places = [beside.places_in_words(one["text"]) for one in found["results"]]
    if known := _shown(request, {place.number for some in places for place in some}):
        for one, some in zip(found["results"], places, strict=True):
            one["text"] = beside.written(one["text"], some, known)
        response.content = json.dumps(found)


def _shown(request: HttpRequest, numbers: set[str]) -> dict[str, beside.Named]:
    """The names for these numbers; what is shown for the first time that day is kept before it leaves."""
    user, now = request.user, timezone.now()
    assert isinstance(user, User)
    known = beside.names(user, numbers, on=actions.site_day(now))
    new = [one.key for one in known.values() if not one.is_noted]
    actions.note_beside(new, by=user, now=now, ip=client_ip(request))
    return known
