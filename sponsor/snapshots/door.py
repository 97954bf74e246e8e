"""The standard's own door: snapshots as a read-only CDISC Dataset-JSON API v1.0, for a sponsor's tool as it is.

Every GET of the standard's OpenAPI (dataset-json-api-1-0.json, draft of 2025-08-07), with its `api-key` header as
another way to give our token. Current is the newest complete snapshot. Errors have the standard's one shape
(`HTTPValidationError`), whatever their status.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import path, reverse
from django.utils.cache import patch_vary_headers
from django.utils.http import http_date, parse_http_date_safe
from django.utils.translation import gettext as _
from rest_framework.exceptions import AuthenticationFailed, NotFound, ValidationError
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from sponsor.access import REFUSALS, error_body
from sponsor.api.parameters import refuse_parameters
from sponsor.auth import TokenAuthentication
from sponsor.snapshots import actions, leaving, packing, store, views
from sponsor.snapshots.models import Snapshot, SnapshotFile
from sponsor.snapshots.serving import Stored
from trialsite import problems
from trialsite.study import get_study

KEY = "api-key"
# What a standard may be called here; ours is the first.
STANDARDS = ("sdtmig", "sendig", "adamig", "other", "")
TRUE, FALSE = {"true", "1", "yes", "on"}, {"false", "0", "no", "off"}


class KeyAuthentication(TokenAuthentication):
    """The token as `api-key: …`, as the standard has it, or as everywhere else here."""

    def authenticate(self, request: Request) -> Any:
        key = request.headers.get(KEY)
        if key is None:
            return super().authenticate(request)
        if not key.isascii():
            raise AuthenticationFailed(_("Invalid token."), code="token-invalid")
        return self.authenticate_credentials(key.encode())


def standard_error(exc: Exception, context: dict[str, Any]) -> Response | None:
    """The standard's shape: where, what, of which kind."""
    response = error_body(exc, context)
    if response is not None:
        told = response.data
        kind = told["type"].removeprefix(problems.ADDRESS).rstrip("/")
        if "errors" in told:
            said = [(["query", name], text) for name, texts in told["errors"].items() for text in texts]
        else:
            where = {401: ["header", KEY], 403: ["header", KEY], 404: ["path"]}.get(response.status_code, ["request"])
            said = [(where, told["detail"])]
        response.data = {"detail": [{"loc": loc, "msg": str(text), "type": kind} for loc, text in said]}
        response.content_type = JSONRenderer.media_type
    return response


class DoorView(views.SnapshotView):
    authentication_classes = [KeyAuthentication]
    # It stands in the standard's own description, not in ours.
    schema = None

    def get_exception_handler(self) -> Any:
        return standard_error

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        if response.status_code in REFUSALS and KEY in request.headers and "Authorization" not in request.headers:
            views.note_refusal(request)
        return response


# --- What there is -----------------------------------------------------------------------------------


def _address(request: Request, name: str, *words: str) -> str:
    return str(request.build_absolute_uri(reverse(f"dataset-json-{name}", args=words)))


def _oid() -> str:
    """As the newest snapshot calls the study; before the first one as its registry does."""
    row = views.newest()
    return row.study_oid if row is not None else get_study().latest.registry_id


def _check_study(oid: str) -> None:
    if oid not in {_oid(), get_study().latest.registry_id}:
        raise NotFound(_("There is no study of this OID here."))


def _current() -> Snapshot:
    row = views.newest()
    if row is None:
        raise NotFound(_("There is no complete snapshot now: the site makes one."))
    return row


def _datasets(row: Snapshot) -> list[SnapshotFile]:
    return [one for one in row.files.all() if one.format == packing.DATASET_JSON and one.oid]


def _stored(row: Snapshot, one: SnapshotFile) -> Stored:
    folder = store.folder_of(row.label)
    return Stored(folder / one.name, folder / store.INDEX)


def _study(request: Request, row: Snapshot | None, *, is_snapshot: bool = False) -> dict[str, Any]:
    study, oid = get_study().latest, row.study_oid if row is not None else _oid()
    label = row.label if row is not None and is_snapshot else ""
    return {
        "studyOID": oid,
        "name": study.registry_id,
        "label": study.short_title,
        "standards": ["sdtmig"],
        "href": _address(request, "snapshot", oid, label) if label else _address(request, "study", oid),
        "metaDataRef": [_define(request, row)] if row is not None and _define_file(row) else [],
        "snapshots": _snapshots(request, oid),
        "studyCreationDateTime": None,
        "datasets": [_dataset(request, row, one, label) for one in _datasets(row)] if row is not None else [],
    }


def _snapshots(request: Request, oid: str) -> list[dict[str, str]]:
    rows = actions.for_sponsor()
    return [{"label": row.label, "href": _address(request, "snapshot", oid, row.label)} for row in rows]


def _dataset(request: Request, row: Snapshot, one: SnapshotFile, label: str) -> dict[str, Any]:
    words = (row.study_oid, label, one.oid) if label else (row.study_oid, one.oid)
    return {
        "itemGroupOID": one.oid,
        "name": one.dataset,
        "label": one.label,
        "standard": "sdtmig",
        "records": one.rows,
        "href": _address(request, "snapshot-dataset" if label else "dataset", *words),
        "datasetJSONCreationDateTime": _stored(row, one).about.get("datasetJSONCreationDateTime"),
    }


def _define_file(row: Snapshot) -> SnapshotFile | None:
    return next((one for one in row.files.all() if one.format == "define" and one.name.endswith(".xml")), None)


def _define(request: Request, row: Snapshot) -> dict[str, str]:
    return {"label": row.label, "href": _address(request, "define", row.study_oid, row.label)}


class AboutView(DoorView):
    """The one address that asks for no key."""

    permission_classes = []

    def get(self, request: Request) -> Response:
        refuse_parameters(request, set())
        row = views.newest()
        pages = {"studies": "dataset-json-studies", "documentation": "api-docs"}
        links = [{"name": name, "href": request.build_absolute_uri(reverse(page))} for name, page in pages.items()]
        installed = dt.datetime.fromtimestamp((Path(settings.BASE_DIR) / "pyproject.toml").stat().st_mtime, dt.UTC)
        return Response(
            {
                "lastUpdated": (row.finished_at if row is not None else None) or installed,
                "author": request.build_absolute_uri("/"),
                "repo": request.build_absolute_uri(reverse("api-docs")),
                "links": links,
            }
        )


class StudiesView(DoorView):
    def get(self, request: Request) -> Response:
        refuse_parameters(request, set())
        return Response([_study(request, views.newest())])


class StudyView(DoorView):
    def get(self, request: Request, study: str) -> Response:
        refuse_parameters(request, set())
        _check_study(study)
        return Response(_study(request, views.newest()))


class DatasetsView(DoorView):
    def get(self, request: Request, study: str) -> HttpResponseBase:
        refuse_parameters(request, {"standard"})
        _check_study(study)
        standard = request.query_params.get("standard", "sdtmig").lower()
        if standard not in STANDARDS:
            known = ", ".join(one for one in STANDARDS if one)
            raise ValidationError({"standard": [_("Not a standard that is known here: %(known)s.") % {"known": known}]})
        row = views.newest()
        if row is not None and _is_unchanged(request, row):
            return _unchanged(row)
        found = _datasets(row) if row is not None and standard in ("sdtmig", "") else []
        response = Response([_dataset(request, row, one, "") for one in found])  # type: ignore[arg-type]
        return _dated(response, row) if row is not None else response


class SnapshotsView(DoorView):
    def get(self, request: Request, study: str) -> Response:
        refuse_parameters(request, set())
        _check_study(study)
        return Response(_snapshots(request, _oid()))


class OneSnapshotView(DoorView):
    def get(self, request: Request, study: str, label: str) -> Response:
        refuse_parameters(request, set())
        _check_study(study)
        return Response(_study(request, views.found(label), is_snapshot=True))


class DefinesView(DoorView):
    """One for each complete snapshot, under its label."""

    def get(self, request: Request, study: str) -> Response:
        refuse_parameters(request, set())
        _check_study(study)
        rows = actions.for_sponsor().prefetch_related("files")
        return Response([_define(request, row) for row in rows if _define_file(row)])


class DefineView(DoorView):
    def get(self, request: Request, study: str, label: str) -> Response:
        refuse_parameters(request, set())
        _check_study(study)
        row = views.found(label)
        if (one := _define_file(row)) is None:
            raise NotFound(_("The snapshot has no Define-XML."))
        text = (store.folder_of(row.label) / one.name).read_text(encoding="utf-8")
        return Response({"label": row.label, "defineXML": text})


# --- Rows --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """What of a dataset is wanted; `limit` 0 is all that follow."""

    metadata_only: bool = False
    data_only: bool = False
    offset: int = 0
    limit: int = 0

    @property
    def is_whole(self) -> bool:
        return self == Asked()


def asked(request: Request) -> Asked:
    """Raises ValidationError, with a word for each parameter that cannot be read."""
    refuse_parameters(request, {"metadataonly", "dataonly", "offset", "limit"})
    wrong: dict[str, list[str]] = {}
    read: dict[str, Any] = {
        "metadata_only": _flag(request, "metadataonly", wrong),
        "data_only": _flag(request, "dataonly", wrong),
        "offset": _number(request, "offset", wrong),
        "limit": _number(request, "limit", wrong),
    }
    if read["metadata_only"] and read["data_only"]:
        wrong["dataonly"] = [_("Together with metadataonly nothing would be left: ask for one of them.")]
    if wrong:
        raise ValidationError(wrong)
    return Asked(**read)


def _flag(request: Request, name: str, wrong: dict[str, list[str]]) -> bool:
    text = request.query_params.get(name, "false").lower()
    if text not in TRUE | FALSE:
        wrong[name] = [_("Neither true nor false.")]
    return text in TRUE


def _number(request: Request, name: str, wrong: dict[str, list[str]]) -> int:
    text = request.query_params.get(name, "0")
    if text.isascii() and text.isdigit() and len(text) <= 12:
        return int(text)
    wrong[name] = [_("A whole number of rows, 0 or more.")]
    return 0


class DatasetView(DoorView):
    """A dataset of the current snapshot, or of the one that is named: whole, or some of its rows."""

    def get(self, request: Request, study: str, dataset: str, label: str = "") -> HttpResponseBase:
        wanted = asked(request)
        _check_study(study)
        row = views.found(label) if label else _current()
        one = next((each for each in _datasets(row) if each.oid == dataset), None)
        if one is None:
            raise NotFound(_("There is no dataset of this OID; the list of datasets names all."))
        if _is_unchanged(request, row):
            return _unchanged(row)
        response = _streamed(request, _pieces(_stored(row, one), wanted), wanted, one)
        return _dated(response, row)


class Pieces:
    """An answer of words before, rows as they lie in the file, and words after; read as often as one likes."""

    def __init__(self, file: IO[bytes], head: bytes, start: int, end: int, tail: bytes, rows: int) -> None:
        self._file, self._head, self._start, self._end, self._tail = file, head, start, end, tail
        self.rows, self.size = rows, len(head) + end - start + len(tail)

    def __iter__(self) -> Iterator[bytes]:
        yield self._head
        yield from leaving.Part(self._file, self._start, self._end - self._start)
        yield self._tail

    def close(self) -> None:
        self._file.close()


def _pieces(stored: Stored, wanted: Asked) -> Pieces:
    file = stored.path.open("rb")
    if wanted.is_whole:
        return Pieces(file, b"", 0, stored.path.stat().st_size, b"", stored.records)
    about = json.dumps(stored.about, ensure_ascii=False).encode()
    if wanted.metadata_only:
        return Pieces(file, about, 0, 0, b"", 0)
    start, end = stored.stretch(wanted.offset, wanted.limit)
    left = max(stored.records - wanted.offset, 0)
    rows = min(left, wanted.limit) if wanted.limit else left
    head = b'{"rows": [' if wanted.data_only else about[:-1] + b', "rows": ['
    return Pieces(file, head, start, end, b"]}", rows)


def _streamed(request: Request, pieces: Pieces, wanted: Asked, one: SnapshotFile) -> HttpResponseBase:
    is_zipped = _takes_gzip(request)
    sha256 = one.sha256 if wanted.is_whole else _sha256(pieces)
    response = StreamingHttpResponse(leaving.Zipped(pieces) if is_zipped else pieces, content_type="application/json")
    if is_zipped:
        # The checksum in the record is that of what it holds.
        response["Content-Encoding"] = "gzip"
    else:
        response["Content-Length"] = str(pieces.size)
    patch_vary_headers(response, ["Accept-Encoding"])
    return views.measured(response, rows=pieces.rows, sha256=sha256)


def _sha256(pieces: Pieces) -> str:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


def _takes_gzip(request: Request) -> bool:
    """`gzip`, unless it is there with a weight of nothing."""
    for one in request.headers.get("Accept-Encoding", "").lower().split(","):
        name, _semicolon, weight = one.partition(";")
        if name.strip() == "gzip":
            return weight.replace(" ", "").rstrip("0.") != "q="
    return False


# --- Whether it is another one -----------------------------------------------------------------------


def _is_unchanged(request: Request, row: Snapshot) -> bool:
    """Whether the snapshot was made by then; what cannot be read as a time is passed over (RFC 9110)."""
    text = request.headers.get("If-Modified-Since", "")
    assert row.finished_at is not None
    since = parse_http_date_safe(text)
    if since is None:
        # As the standard's own guide writes it.
        try:
            moment = dt.datetime.fromisoformat(text)
        except ValueError:
            return False
        since = int((moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp())
    return int(row.finished_at.timestamp()) <= since


def _unchanged(row: Snapshot) -> HttpResponseBase:
    return _dated(HttpResponse(status=304), row)


def _dated(response: Any, row: Snapshot) -> Any:
    assert row.finished_at is not None
    response["Last-Modified"] = http_date(row.finished_at.timestamp())
    return response


def _page(address: str, view: Any, name: str) -> Any:
    return path(address, view.as_view(), name=f"dataset-json-{name}")


urlpatterns = [
    _page("about", AboutView, "about"),
    _page("studies", StudiesView, "studies"),
    _page("studies/<str:study>", StudyView, "study"),
    _page("studies/<str:study>/datasets", DatasetsView, "datasets"),
    _page("studies/<str:study>/datasets/<str:dataset>", DatasetView, "dataset"),
    _page("studies/<str:study>/snapshots", SnapshotsView, "snapshots"),
    _page("studies/<str:study>/snapshots/<str:label>", OneSnapshotView, "snapshot"),
    _page("studies/<str:study>/snapshots/<str:label>/datasets/<str:dataset>", DatasetView, "snapshot-dataset"),
    _page("studies/<str:study>/defines", DefinesView, "defines"),
    _page("studies/<str:study>/defines/<str:label>", DefineView, "define"),
]
