"""Errors as programs read them: `application/problem+json` (RFC 9457, Problem Details for HTTP APIs).

The type of a problem is an address of ours at which it is explained, so that a program compares one word, and whoever
reads a log can open it. The same shape is given by the API's views and by whatever answers before them.
"""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, JsonResponse
from django.utils.encoding import iri_to_uri
from django.utils.translation import gettext_lazy as _

MEDIA_TYPE = "application/problem+json"
ADDRESS = "/api/problems/"


@dataclass(frozen=True)
class Kind:
    """`remedy` is what whoever reads this does next."""

    status: int
    title: Any
    remedy: Any


KINDS: dict[str, Kind] = {
    "bad-request": Kind(
        400,
        _("The request cannot be read"),
        _("Compare its host, its parameters and its headers with the description."),
    ),
    "unknown-parameter": Kind(
        400,
        _("There is no such parameter"),
        _("Take it out, or write it as the description does: a filter that is ignored would hand out the wrong rows."),
    ),
    "repeated-parameter": Kind(400, _("A parameter stands there more than once"), _("Give each parameter once.")),
    "invalid-parameter": Kind(
        400, _("A parameter has a value that cannot be taken"), _("`errors` says of each parameter what is wrong.")
    ),
    "invalid-page-size": Kind(
        400, _("No page has this many rows"), _("Ask for 1 to 1000 rows, and read on with the link in `next`.")
    ),
    "invalid-cursor": Kind(
        400,
        _("This is no cursor of ours"),
        _("Take the whole link in `next` as it is, with the parameters of the first page; or begin without a cursor."),
    ),
    "moment-in-the-future": Kind(
        400,
        _("This moment lies in the future"),
        _("Send the `complete_until` of an earlier answer, and no clock of your own."),
    ),
    "token-missing": Kind(401, _("There is no token"), _("Send `Authorization: Token …`.")),
    "token-invalid": Kind(
        401,
        _("This is no token of ours"),
        _("Send the token as it was shown when it was issued. If it is lost, ask the site for a new one."),
    ),
    "token-expired": Kind(401, _("The token has reached its end"), _("Ask the site's administrator for a new one.")),
    "token-revoked": Kind(401, _("The token was revoked"), _("Ask the site's administrator why, and for a new one.")),
    "tls-required": Kind(
        403,
        _("The request was sent without TLS"),
        _("Use https: a token that was sent without it has been seen by others; ask for a new one."),
    ),
    "not-permitted": Kind(
        403, _("This token's holder is no program of the sponsor"), _("Ask the site for a token for a program.")
    ),
    "scope-missing": Kind(
        403, _("The token may not do this"), _("Ask the site's administrator for a token with the scope that is named.")
    ),
    "dates-leave-shifted": Kind(
        403,
        _("Rows do not leave one by one while dates leave shifted"),
        _("Take a snapshot: `/api/v1/snapshots/` lists them. The study file says what was agreed with the sponsor."),
    ),
    "not-found": Kind(404, _("There is nothing at this address"), _("All addresses are at /api/docs/.")),
    "method-not-allowed": Kind(405, _("This can only be read"), _("Use GET, HEAD or OPTIONS.")),
    "not-acceptable": Kind(406, _("This format is not written here"), _("Ask for application/json.")),
    "too-many-requests": Kind(
        429, _("Too many requests"), _("Wait for as many seconds as `Retry-After` says, then go on.")
    ),
    "server-error": Kind(
        500, _("Something went wrong here"), _("Try again later; the site finds it in its log by the reference.")
    ),
}


def problem(name: str, detail: str = "", *, request: HttpRequest, **more: Any) -> dict[str, Any]:
    """The body: `more` are members of this kind alone, such as `errors` by parameter."""
    kind = KINDS[name]
    return {
        "type": f"{ADDRESS}{name}/",
        "title": str(kind.title),
        "status": kind.status,
        "detail": detail or str(kind.remedy),
        # Without its query: that may be long, or hold what somebody searched for.
        "instance": iri_to_uri(request.path[:200].replace("\0", "")),
        **more,
    }


def response(name: str, detail: str = "", *, request: HttpRequest, **more: Any) -> JsonResponse:
    body = problem(name, detail, request=request, **more)
    return JsonResponse(body, status=KINDS[name].status, content_type=MEDIA_TYPE, headers={"Cache-Control": "no-store"})


def explained(name: str) -> dict[str, Any]:
    """What stands at a type's own address."""
    kind = KINDS[name]
    return {"type": f"{ADDRESS}{name}/", "title": str(kind.title), "status": kind.status, "remedy": str(kind.remedy)}
