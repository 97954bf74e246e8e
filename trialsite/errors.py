"""The pages of what went wrong: what happened, that nothing is lost by it, and the way back.

They need no database, no static files and no template of the theme, so that they stand when those do not.
"""

import datetime as dt
import errno
import logging
import secrets
import sys
from typing import Any

from django.conf import settings
from django.contrib.sessions.exceptions import SessionInterrupted
from django.core.exceptions import DisallowedHost, ImproperlyConfigured, RequestDataTooBig
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _

from trialsite import databases, problems, security
from trialsite.middleware import is_api, programs_language
from trialsite.models import SecurityKind, User
from trialsite.roles import ROLE_NAMES, Role

log = logging.getLogger(__name__)

# Read aloud over the telephone: no letter that sounds or looks like another.
LETTERS = "ACDEFHKMNPRTWX34679"
SHOWN = 3


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    if isinstance(exception, RequestDataTooBig):
        return _page(request, "413", 413)
    if isinstance(exception, SessionInterrupted):
        # Said after the view has done its work: nobody knows here whether it has saved something.
        return _page(request, "400_session", 400, is_unsure=True)
    return _page(request, "400", 400)


def permission_denied(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    _note_refusal(request)
    return _page(request, "403", 403, **_who(request))


def page_not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _page(request, "404", 404)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return _page(request, "403_csrf", 403)


def locked_out(request: HttpRequest, *, minutes: int, until: dt.datetime) -> HttpResponse:
    """Too many wrong passwords: the same words whether there is such a person or not."""
    return _page(request, "429", 429, minutes=minutes, until=until, sent=False)


def without_tls(request: HttpRequest) -> HttpResponse:
    """A browser keeps our logins over TLS alone: here no login would be kept."""
    return _page(request, "403_tls", 403, address=settings.SITE_URL, sent=False)


def server_error(request: HttpRequest) -> HttpResponse:
    """The reference stands in the log beside the error, and says nothing by itself."""
    reference = "".join(secrets.choice(LETTERS) for _letter in range(6))
    request.error_reference = reference  # type: ignore[attr-defined]
    facts = {"reference": reference, "at": timezone.now(), "is_unsure": True}
    if why := _trouble(sys.exception()):
        return _page(request, "503", 503, why=why, **facts)
    return _page(request, "500", 500, **facts)


def _trouble(error: BaseException | None) -> str:
    """What of the server's own it is that somebody must put right; empty for a fault of ours."""
    while error is not None:
        if isinstance(error, DatabaseError) and databases.is_away(error):
            return "database"
        if getattr(error, "errno", None) == errno.ENOSPC or databases.code(error) == databases.DISK_FULL:
            return "disk"
        if isinstance(error, ImproperlyConfigured):
            return "settings"
        error = error.__cause__
    return ""


def _note_refusal(request: HttpRequest) -> None:
    """A line for whoever was logged in. Without a database the answer is no all the same."""
    try:
        if request.user.is_authenticated:
            security.note(SecurityKind.REFUSED, request=request, method=request.method)
    except (DatabaseError, AttributeError):
        log.exception("a refusal could not be noted")


def _page(request: HttpRequest, name: str, status: int, **context: Any) -> HttpResponse:
    if is_api(request):
        return _answer(request, status, context)
    with translation.override(_language(request)):
        nonce = getattr(request, "csp_nonce", "")
        sent = request.method not in {"GET", "HEAD", "OPTIONS"}
        text = render_to_string(f"{name}.html", {"sent": sent, **context, "back": _back(request), "nonce": nonce})
        return HttpResponse(text, status=status, headers={"Cache-Control": "no-store"})


# What the API itself did not answer, in the shape of its errors.
PROBLEMS = {
    400: "bad-request",
    403: "not-permitted",
    404: "not-found",
    413: "bad-request",
    429: "too-many-requests",
    500: "server-error",
    503: "server-error",
}


def _answer(request: HttpRequest, status: int, context: dict[str, Any]) -> HttpResponse:
    known = {"reference": context["reference"]} if "reference" in context else {}
    with translation.override(programs_language(request)):
        return problems.response(PROBLEMS[status], request=request, **known)


def _language(request: HttpRequest) -> str:
    """The person's, where it was known before things went wrong; else the browser's."""
    return getattr(request, "LANGUAGE_CODE", None) or translation.get_language_from_request(request)


def _back(request: HttpRequest) -> str:
    """The page that led here, if it is one of ours and not this one."""
    came_from: str = request.META.get("HTTP_REFERER", "")
    try:
        here = request.get_host()
        is_ours = url_has_allowed_host_and_scheme(came_from, {here}, require_https=request.is_secure())
    except DisallowedHost:
        return ""
    return came_from if is_ours and came_from != request.build_absolute_uri() else ""


def _who(request: HttpRequest) -> dict[str, Any]:
    """The roles of whoever was refused, and who could give another one."""
    user = getattr(request, "user", None)
    try:
        if user is None or not user.is_authenticated:
            return {}
        names = {group.name for group in user.groups.all()}
        givers = User.objects.filter(is_superuser=True, is_active=True).order_by("pk")[:SHOWN]
        people = [str(person) for person in givers]
    except DatabaseError:
        return {}
    roles = [str(ROLE_NAMES[role]) for role in Role if role.value in names]
    return {"who": user, "roles": _(", ").join(roles), "people": _(", ").join(people)}
