"""Whole tables over HTTP, as `plain` makes them: recorded before the first byte leaves, and again after the last.

No trailer can follow through every server and proxy: the checksum stands in the second record, which the answer names
(`Export-Number`) and anybody may ask for who may read (`export/<number>/`). A reader that breaks off ends the statement
in the database, and the record says so.
"""

import datetime as dt
from collections.abc import Iterator
from typing import Any

from django.http import StreamingHttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.drainage import get_override
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from sponsor import plain
from sponsor.access import RecordedView, read_of
from sponsor.api import ROUTES
from sponsor.api.describe import ERRORS
from sponsor.api.parameters import RowFilter, refuse_parameters
from sponsor.auth import DatesLeaveAsTheyAre, IsSponsor
from sponsor.models import ApiRead, ReadStage, Scope
from trialsite import seals
from trialsite.exports import file_name

GZIP = "gzip"


class PlainView(RecordedView):
    """All rows of one kind that the filters leave, in one file. The address names the format."""

    name = ""
    kind = plain.Kind.CSV
    filterset_class: type[RowFilter] = RowFilter
    permission_classes = [IsSponsor, DatesLeaveAsTheyAre]
    scope = Scope.EXPORT
    http_method_names = ["get", "options"]

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """Errors are JSON, and the file is what the address says, whatever is accepted."""
        return JSONRenderer(), JSONRenderer.media_type

    def get(self, request: Request) -> StreamingHttpResponse:
        refuse_parameters(request, set(self.filterset_class.base_filters))
        rows = DjangoFilterBackend().filter_queryset(request, plain.rows_of(self.name), self)
        until = plain.cut_off()
        made = plain.statement(self.name, self.kind, rows)
        begun = read_of(request, status=200, stage=ReadStage.BEGUN, complete_until=until)
        begun.save()
        return self._answer(request, begun, sent(made, begun))

    def _answer(self, request: Request, begun: ApiRead, portions: Iterator[bytes]) -> StreamingHttpResponse:
        is_packed = _takes_gzip(request)
        response = StreamingHttpResponse(
            plain.gzipped(portions) if is_packed else portions, content_type=plain.TYPES[self.kind]
        )
        name = f"{file_name(self.name, timezone.localtime(begun.at).date())}.{self.kind}"
        response["Content-Disposition"] = f'attachment; filename="{name}"'
        response["Vary"] = "Accept-Encoding"
        response["Export-Number"] = str(begun.pk)
        response["Complete-Until"] = _in_utc(begun.complete_until)
        if is_packed:
            response["Content-Encoding"] = GZIP
        return response

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        """A file is recorded where it is made: here only what was refused."""
        if not isinstance(response, StreamingHttpResponse):
            return super().finalize_response(request, response, *args, **kwargs)
        response["Cache-Control"] = "no-store"
        response["Audit-Seal"] = seals.newest()
        return response


def sent(made: str, begun: ApiRead) -> Iterator[bytes]:
    """The file, and after its last byte, or where the reader went away, how it ended."""
    tally = plain.Tally()
    portions = plain.copied(made, tally)
    try:
        yield from portions
    finally:
        # Before anything else is asked on this connection.
        portions.close()  # type: ignore[attr-defined]  # it is a generator
        _ended(begun, tally)


def _ended(begun: ApiRead, tally: plain.Tally) -> None:
    said = ("user", "token_key", "ip", "path", "query", "status", "complete_until")
    ApiRead.objects.create(
        at=timezone.now(),
        begun=begun,
        stage=ReadStage.WHOLE if tally.is_whole else ReadStage.BROKEN_OFF,
        rows=tally.rows,
        bytes=tally.bytes,
        sha256=tally.sha256,
        **{name: getattr(begun, name) for name in said},
    )


def _takes_gzip(request: Request) -> bool:
    """Whoever names it, without a weight of nought."""
    asked = (one.replace(" ", "").split(";") for one in request.META.get("HTTP_ACCEPT_ENCODING", "").split(","))
    return any(name == GZIP and not any(how in {"q=0", "q=0.0", "q=0.00"} for how in rest) for name, *rest in asked)


def _in_utc(moment: dt.datetime | None) -> str:
    assert moment is not None, "every export has its cut-off"
    return moment.astimezone(dt.UTC).replace(tzinfo=None).isoformat() + "Z"


# --- What became of one ---------------------------------------------------------------------------------


class ExportSerializer(serializers.ModelSerializer[ApiRead]):
    number = serializers.IntegerField(source="begun_id", read_only=True)
    is_whole = serializers.SerializerMethodField(help_text="False where the reader went away before the end.")

    class Meta:
        model = ApiRead
        fields = ("number", "at", "rows", "bytes", "sha256", "complete_until", "is_whole")

    def get_is_whole(self, row: ApiRead) -> bool:
        return row.stage == ReadStage.WHOLE


class ExportView(RecordedView):
    """How an export of this program ended: what the file that arrived is held against."""

    permission_classes = [IsSponsor]
    scope = Scope.EXPORT
    http_method_names = ["get", "head", "options"]

    @extend_schema(summary="How an export ended", responses={200: ExportSerializer, **ERRORS})
    def get(self, request: Request, number: str) -> Response:
        refuse_parameters(request, set())
        row = ApiRead.objects.filter(begun=int(number)).first()
        if row is None or row.user_id != request.user.pk:
            raise NotFound(_("No export of yours has this number, or it has not ended."))
        return Response(ExportSerializer(row).data)


def _parameters(name: str) -> list[OpenApiParameter]:
    """The filters of the pages."""
    told = {one: dict(get_override(how, "field")) for one, how in ROUTES[name].filterset_class.base_filters.items()}
    return [OpenApiParameter(one, schema, description=schema.pop("description")) for one, schema in told.items()]


def _view(name: str, kind: plain.Kind) -> type[PlainView]:
    made = {"name": name, "kind": kind, "filterset_class": ROUTES[name].filterset_class, "__doc__": PlainView.__doc__}
    view = type("PlainView", (PlainView,), made)
    answers = {(200, plain.TYPES[kind].partition(";")[0]): OpenApiTypes.STR}
    described = extend_schema(
        operation_id=f"export_{name}_{kind}".replace("-", "_"),
        summary=f"All {name} as {kind.upper()}",
        parameters=_parameters(name),
        responses={**answers, **ERRORS},
    )
    return extend_schema_view(get=described)(view)


VIEWS = {f"{name}.{kind}": _view(name, kind) for name in plain.RESOURCE for kind in plain.Kind}
