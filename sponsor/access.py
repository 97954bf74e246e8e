"""What every request to the API goes through, whoever sends it: it is counted, refused in one shape, and recorded."""

import hashlib
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework.exceptions import APIException, NotAcceptable, NotFound, ParseError
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView, exception_handler

from sponsor.limits import is_told_already
from sponsor.models import ApiRead
from trialsite import seals, security
from trialsite.middleware import client_ip
from trialsite.models import SecurityKind

# PostgreSQL holds no such letter.
NUL = "\0"
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
        if response.status_code != 429 or not is_told_already(request):
            record_read(request, response)
        response["Cache-Control"] = "no-store"
        # A copy of the trail's newest seal with whoever reads: a trail that was sealed anew does not match it.
        response["Audit-Seal"] = seals.newest()
        return response


class NowhereView(RecordedView):
    """Every address under /api/ at which there is nothing."""

    permission_classes = []

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        raise NotFound(_("There is nothing at this address. All addresses are at /api/docs/, and end with a slash."))


def record_read(request: Request, response: Response) -> ApiRead:
    user = request.user if request.user and request.user.is_authenticated else None
    # Without a token at all nothing was tried: the row here tells enough.
    if response.status_code in REFUSALS and "Authorization" in request.headers:
        security.note(REFUSALS[response.status_code], person=user, request=request._request)
    row = read_of(
        request,
        status=response.status_code,
        rows=_rows(response.data) if response.status_code == 200 and request.method != "OPTIONS" else 0,
        bytes=len(response.content),
        sha256=hashlib.sha256(response.content).hexdigest(),
    )
    row.save()
    return row


def read_of(request: Request, **answered: Any) -> ApiRead:
    """Who asks for what, unsaved, with what is answered."""
    return ApiRead(
        at=timezone.now(),
        user=request.user if request.user and request.user.is_authenticated else None,
        token_key=getattr(request.auth, "token_key", "") or "",
        ip=client_ip(request._request),
        path=request.path[:200].replace(NUL, ""),
        query=request.META.get("QUERY_STRING", "")[:1000].replace(NUL, ""),
        **answered,
    )


def _rows(data: Any) -> int:
    if not isinstance(data, dict):
        return 0
    return len(data["results"]) if "results" in data else 1


def error_body(exc: Exception, context: dict[str, Any]) -> Response | None:
    """Every error in one shape: a code for programs, and the detail in words."""
    if isinstance(exc, SuspiciousOperation):
        # Such as thousands of parameters: Django counts them when they are first read.
        exc = ParseError()
    response = exception_handler(exc, context)
    if response is not None:
        # Also where a page or a schema was asked for, or a format that we do not write.
        request = context["request"]
        request.accepted_renderer, request.accepted_media_type = JSONRenderer(), JSONRenderer.media_type
        code = exc.default_code if isinstance(exc, APIException) else "not_found"
        detail = response.data.get("detail", response.data) if isinstance(response.data, dict) else response.data
        response.data = {"code": code, "detail": detail}
    return response
