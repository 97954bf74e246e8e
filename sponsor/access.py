"""What every request to the API goes through, whoever sends it: it is counted, refused in one shape, and recorded."""

import datetime as dt
import hashlib
from typing import Any

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.gzip import GZipMiddleware
from django.utils import timezone
from django.utils.http import parse_etags
from django.utils.translation import gettext as _
from rest_framework.exceptions import APIException, NotAcceptable, NotFound, ParseError, ValidationError
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView, exception_handler

from sponsor.limits import is_told_already
from sponsor.models import ApiRead
from trialsite import problems, seals, security
from trialsite.middleware import client_ip
from trialsite.models import SecurityKind

# PostgreSQL holds no such letter.
NUL = "\0"
# Whoever reads the API sends no secret in a body and is shown none: that answers are compressed tells nothing.
GZIP = GZipMiddleware(lambda request: HttpResponse())
REFUSALS = {401: SecurityKind.TOKEN_REFUSED, 403: SecurityKind.REFUSED}


class RecordedView(APIView):
    """Counts before it refuses, so that a guesser is slowed down, and records what it answered."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        try:
            super().initial(request, *args, **kwargs)
        except NotAcceptable:
            # Raised before anybody has asked who this is.
            self.perform_authentication(request)
            raise

    def perform_authentication(self, request: Request) -> None:
        try:
            super().perform_authentication(request)
        finally:
            super().check_throttles(request)

    def check_throttles(self, request: Request) -> None:
        """Done above, where also those are counted whom the token or their rights keep out."""

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Record the read before it leaves, outside any transaction that a refusal would roll back."""
        response = super().finalize_response(request, response, *args, **kwargs)
        response.render()
        rows, until = _rows(request, response), _complete_until(response)
        response = answer_if_new(request, response)
        if response.status_code != 429 or not is_told_already(request):
            record_read(request, response, rows=rows if response.status_code == 200 else 0, complete_until=until)
        response["Cache-Control"] = "no-store"
        # A copy of the trail's newest seal with whoever reads: a trail that was sealed anew does not match it.
        response["Audit-Seal"] = seals.newest()
        return GZIP.process_response(request._request, response)


class NowhereView(RecordedView):
    """Every address under /api/ at which there is nothing."""

    permission_classes = []

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        raise NotFound(
            _("There is nothing at this address. All are at /api/docs/, begin with /api/v1/, and end with a slash.")
        )


def explain_problem(request: HttpRequest, name: str = "") -> HttpResponse:
    """What the type of a problem means, or all of them; open to everybody, as the description is."""
    if name and name not in problems.KINDS:
        return problems.response("not-found", request=request)
    found = problems.explained(name) if name else [problems.explained(one) for one in problems.KINDS]
    return JsonResponse(found, safe=False)


# --- What the reader has already --------------------------------------------------------------------


def answer_if_new(request: Request, response: Response) -> Any:
    """With an ETag; without a body where the reader has the same already, and says so.

    The tag is of the rows and of whether there are more. It is a weak one: an answer names the moment at which it was
    complete, and that moves on while nothing changes. Whoever keeps the old one goes on from an older moment, and
    misses nothing.
    """
    if response.status_code != 200 or request.method not in {"GET", "HEAD"}:
        return response
    # The rows are written last, behind what moves on; what stands in quotes has its own quotes escaped.
    _moving, _key, rows = response.content.partition(b'"results":')
    more = b"more" if isinstance(response.data, dict) and response.data.get("next") else b""
    tag = f'W/"{hashlib.sha256((rows or response.content) + more).hexdigest()[:32]}"'
    response["ETag"] = tag
    has = parse_etags(request.headers.get("If-None-Match", ""))
    if not {"*", tag, tag.removeprefix("W/")} & set(has):
        return response
    unchanged = HttpResponse(status=304, headers={"ETag": tag})
    del unchanged["Content-Type"]
    return unchanged


# --- The record of reading --------------------------------------------------------------------------


def record_read(
    request: Request, response: Any, *, rows: int = 0, complete_until: dt.datetime | None = None
) -> ApiRead:
    """`response` is as the program reads it, before it is compressed for the way."""
    # Without a token at all nothing was tried: the row here tells enough.
    if response.status_code in REFUSALS and "Authorization" in request.headers:
        security.note(REFUSALS[response.status_code], person=_reader(request), request=request._request)
    row = read_of(
        request,
        status=response.status_code,
        rows=rows,
        bytes=len(response.content),
        sha256=hashlib.sha256(response.content).hexdigest(),
        complete_until=complete_until,
    )
    row.save()
    return row


def _reader(request: Request) -> Any:
    return request.user if request.user and request.user.is_authenticated else None


def read_of(request: Request, **answered: Any) -> ApiRead:
    """Who asks for what, unsaved, with what is answered."""
    return ApiRead(
        at=timezone.now(),
        user=_reader(request),
        token_key=getattr(request.auth, "token_key", "") or "",
        ip=client_ip(request._request),
        path=request.path[:200].replace(NUL, ""),
        query=request.META.get("QUERY_STRING", "")[:1000].replace(NUL, ""),
        **answered,
    )


def _rows(request: Request, response: Response) -> int:
    data = response.data
    if response.status_code != 200 or request.method == "OPTIONS" or not isinstance(data, dict):
        return 0
    return len(data["results"]) if "results" in data else 1


def _complete_until(response: Response) -> dt.datetime | None:
    said = response.data.get("complete_until") if isinstance(response.data, dict) else None
    return dt.datetime.fromisoformat(said) if said else None


# --- Errors -----------------------------------------------------------------------------------------

# By the library's code; a refusal of ours has the name of its problem as its code.
NAMES = {
    "not_authenticated": "token-missing",
    "authentication_failed": "token-invalid",
    "permission_denied": "not-permitted",
    "not_found": "not-found",
    "method_not_allowed": "method-not-allowed",
    "not_acceptable": "not-acceptable",
    "throttled": "too-many-requests",
}


def error_body(exc: Exception, context: dict[str, Any]) -> Response | None:
    """Every error as a problem of its kind, with the detail in words, and by parameter where it is about some."""
    if isinstance(exc, SuspiciousOperation):
        # Such as thousands of parameters: Django counts them when they are first read.
        exc = ParseError()
    response = exception_handler(exc, context)
    if response is None:
        return None
    # Also where a page or a schema was asked for, or a format that we do not write.
    request = context["request"]
    request.accepted_renderer, request.accepted_media_type = JSONRenderer(), JSONRenderer.media_type
    response.data = _problem(exc, response.data, request._request)
    response.content_type = problems.MEDIA_TYPE
    return response


def _problem(exc: Exception, said: Any, request: Any) -> dict[str, Any]:
    if isinstance(exc, ValidationError) and isinstance(said, dict):
        words = " ".join(f"{name}: {one}" for name, found in said.items() for one in found)
        return problems.problem(_of_parameters(exc), words, request=request, errors=said)
    other = "permission_denied" if isinstance(exc, PermissionDenied) else "not_found"
    code = exc.get_codes() if isinstance(exc, APIException) else other
    name = NAMES.get(str(code), str(code))
    detail = said.get("detail", "") if isinstance(said, dict) else ""
    return problems.problem(name if name in problems.KINDS else "bad-request", str(detail), request=request)


def _of_parameters(exc: ValidationError) -> str:
    """The one kind of mistake that all of them are, or that they cannot be taken."""
    codes: Any = exc.get_codes()
    kinds = {code for found in codes.values() for code in found}
    name = kinds.pop() if len(kinds) == 1 else ""
    return name if name in problems.KINDS else "invalid-parameter"
