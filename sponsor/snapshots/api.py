"""Snapshots over our own API: which there are, their manifests, their files, and the difference between two."""

import hashlib
import io
import json
import tempfile
from collections.abc import Iterator
from typing import IO, Any

from django import forms
from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from sponsor.api.describe import ERRORS
from sponsor.api.parameters import MomentField, refuse_parameters, wrong
from sponsor.snapshots import actions, difference, leaving, store
from sponsor.snapshots.models import Snapshot, SnapshotFile
from sponsor.snapshots.views import SnapshotView, file_of, found, hand_out, measured
from trialsite.exports import CSV_TYPE, write_csv


class SnapshotFileSerializer(serializers.ModelSerializer[SnapshotFile]):
    url = serializers.SerializerMethodField(help_text="Where to fetch it, also in parts (Range).")

    class Meta:
        model = SnapshotFile
        fields = ("name", "format", "dataset", "rows", "bytes", "sha256", "url")

    def get_url(self, row: SnapshotFile) -> str:
        address = reverse("snapshot-file", args=[row.snapshot.label, row.name])
        return str(self.context["request"].build_absolute_uri(address))


class SnapshotSerializer(serializers.ModelSerializer[Snapshot]):
    url = serializers.SerializerMethodField()

    class Meta:
        model = Snapshot
        fields = (
            "label",
            "cut_off",
            "protocol_version",
            "software",
            "terminology",
            "shifts_dates",
            "has_free_text",
            "rows",
            "pending",
            "sha256",
            "finished_at",
            "expires_at",
            "url",
        )

    def get_url(self, row: Snapshot) -> str:
        return str(self.context["request"].build_absolute_uri(reverse("snapshot", args=[row.label])))


class WholeSnapshotSerializer(SnapshotSerializer):
    files = SnapshotFileSerializer(many=True, read_only=True)

    class Meta(SnapshotSerializer.Meta):
        fields = (*SnapshotSerializer.Meta.fields, "files")  # type: ignore[assignment]


class SnapshotsSerializer(serializers.Serializer[Any]):
    results = SnapshotSerializer(many=True)


class PairSerializer(serializers.Serializer[Any]):
    before = serializers.JSONField(allow_null=True)
    after = serializers.JSONField(allow_null=True)


class ChangeSerializer(serializers.Serializer[Any]):
    dataset = serializers.CharField()
    change = serializers.ChoiceField(choices=[difference.ADDED, difference.REMOVED, difference.CHANGED])
    key = serializers.DictField(child=serializers.JSONField(allow_null=True))
    variables = serializers.DictField(child=PairSerializer())


class DifferenceSerializer(serializers.Serializer[Any]):
    before = serializers.CharField(help_text="The label of the one.")
    after = serializers.CharField(help_text="The label of the other.")
    results = ChangeSerializer(many=True)
    counts = serializers.DictField(child=serializers.DictField(child=serializers.IntegerField()))


class CsvRenderer(BaseRenderer):
    """Known to the negotiation; the view writes the file itself."""

    media_type, format, charset = "text/csv", "csv", "utf-8"

    def render(self, data: Any, accepted_media_type: Any = None, renderer_context: Any = None) -> Any:
        return data


class AnyFile(BaseRenderer):
    """A file is of the kind of which it is, whatever kind somebody would accept."""

    media_type, format, charset = "*/*", "file", None

    def render(self, data: Any, accepted_media_type: Any = None, renderer_context: Any = None) -> Any:
        return data


LABEL = OpenApiParameter("label", str, OpenApiParameter.PATH, description="As the list of snapshots names it.")


class SnapshotsView(SnapshotView):
    @extend_schema(
        operation_id="snapshots_list",
        summary="List snapshots",
        parameters=[
            OpenApiParameter(
                "as_of",
                OpenApiTypes.DATETIME,
                description="ISO 8601 with zone: only the newest whose cut-off is not after this moment.",
            )
        ],
        responses={200: SnapshotsSerializer, **ERRORS},
    )
    def get(self, request: Request) -> Response:
        """Complete ones, newest first; what has expired is gone."""
        refuse_parameters(request, {"as_of"})
        rows = actions.for_sponsor()
        if (text := request.query_params.get("as_of")) is not None:
            rows = rows.filter(cut_off__lte=_moment(text))[:1]
        return Response({"results": SnapshotSerializer(rows, many=True, context={"request": request}).data})


def _moment(text: str) -> Any:
    try:
        moment = MomentField().clean(text)
    except forms.ValidationError as error:
        raise ValidationError({"as_of": error.messages}) from None
    if moment is not None and moment > timezone.now():
        text = _("In the future: no snapshot is of a moment that has not come.")
        raise wrong("as_of", text, "moment-in-the-future")
    return moment


class OneSnapshotView(SnapshotView):
    @extend_schema(summary="One snapshot", parameters=[LABEL], responses={200: WholeSnapshotSerializer, **ERRORS})
    def get(self, request: Request, label: str) -> Response:
        """With its files; `manifest.json` among them says the same, and what is pending."""
        refuse_parameters(request, set())
        return Response(WholeSnapshotSerializer(found(label), context={"request": request}).data)


class FileView(SnapshotView):
    renderer_classes = [AnyFile, JSONRenderer]

    @extend_schema(
        summary="A file of a snapshot",
        parameters=[
            LABEL,
            OpenApiParameter("name", str, OpenApiParameter.PATH),
            OpenApiParameter("Range", str, OpenApiParameter.HEADER, description="bytes=1000- goes on from there."),
        ],
        responses={
            (200, "*/*"): OpenApiTypes.BINARY,
            (206, "*/*"): OpenApiTypes.BINARY,
            304: OpenApiResponse(description="`If-None-Match` names the checksum of this very file."),
            416: OpenApiResponse(description="The range begins behind the end of the file."),
            **ERRORS,
        },
    )
    def get(self, request: Request, label: str, name: str) -> HttpResponseBase:
        """Whole or in parts: its checksum is the ETag; a download that broke off goes on with Range and If-Range."""
        refuse_parameters(request, set())
        row = found(label)
        return hand_out(request, row, file_of(row, name))


class DifferenceView(SnapshotView):
    renderer_classes = [JSONRenderer, CsvRenderer]

    @extend_schema(
        summary="The difference between two snapshots",
        parameters=[
            LABEL,
            OpenApiParameter("other", str, OpenApiParameter.PATH, description="The later one."),
            OpenApiParameter("dataset", str, description="Only this dataset, such as AE."),
            OpenApiParameter("format", str, enum=["json", "csv"]),
        ],
        responses={
            (200, "application/json"): DifferenceSerializer,
            (200, "text/csv"): OpenApiTypes.STR,
            **ERRORS,
        },
    )
    def get(self, request: Request, label: str, other: str) -> HttpResponseBase:
        """Row by row: which keys were added, removed, or say something else, and of these what."""
        refuse_parameters(request, {"dataset"})
        before, after = found(label), found(other)
        dataset = request.query_params.get("dataset", "")
        if dataset and dataset not in {*difference.datasets_of(before), *difference.datasets_of(after)}:
            raise ValidationError({"dataset": [_("Neither snapshot has a dataset of this name.")]})
        kind = request.accepted_renderer.format
        return written(before, after, dataset, kind)


def written(before: Snapshot, after: Snapshot, dataset: str, kind: str) -> HttpResponseBase:
    """The difference as a file, once it is written, counted and hashed."""
    file = tempfile.TemporaryFile(dir=store.root())  # noqa: SIM115  # the response closes it, once it is sent
    try:
        changes = difference.between(before, after, dataset=dataset)
        if kind == "csv":
            rows = write_csv(file, difference.HEADER, difference.as_lines(changes))
        else:
            rows = _write_json(file, before, after, changes)
        sha256, size = _hash(file), file.tell()
    except BaseException:
        file.close()
        raise
    response = StreamingHttpResponse(
        leaving.Part(file, 0, size), content_type=CSV_TYPE if kind == "csv" else "application/json"
    )
    response["Content-Length"] = str(size)
    return measured(response, rows=rows, sha256=sha256)


def _hash(file: IO[bytes]) -> str:
    file.seek(0)
    digest = hashlib.sha256()
    while part := file.read(1 << 20):
        digest.update(part)
    return digest.hexdigest()


def _write_json(file: IO[bytes], before: Snapshot, after: Snapshot, changes: Iterator[difference.Change]) -> int:
    text = io.TextIOWrapper(file, encoding="utf-8", write_through=True)
    text.write(f'{{"before": {json.dumps(before.label)}, "after": {json.dumps(after.label)}, "results": [')
    rows, tally = 0, difference.Tally()
    for one in tally.over(changes):
        text.write((",\n" if rows else "\n") + json.dumps(difference.as_json(one), ensure_ascii=False))
        rows += 1
    text.write(f'\n], "counts": {json.dumps(tally.counts)}}}\n')
    text.detach()
    return rows


urlpatterns = [
    path("snapshots/", SnapshotsView.as_view(), name="snapshots"),
    path("snapshots/<str:label>/", OneSnapshotView.as_view(), name="snapshot"),
    path("snapshots/<str:label>/files/<str:name>", FileView.as_view(), name="snapshot-file"),
    path("snapshots/<str:label>/diff/<str:other>/", DifferenceView.as_view(), name="snapshot-difference"),
]
