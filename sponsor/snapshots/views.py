"""What every address of the snapshots shares: who may read them, and how a file that leaves is recorded."""

from typing import Any

from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from sponsor.access import RecordedView, read_of
from sponsor.auth import IsSponsor
from sponsor.models import ApiRead, Scope
from sponsor.snapshots import actions, leaving, store
from sponsor.snapshots.models import Snapshot, SnapshotFile
from trialsite import seals, security
from trialsite.models import SecurityKind
from trialsite.study import get_study


class SnapshotView(RecordedView):
    """Files are recorded before they leave, too: with their rows and their checksum, as they were counted before."""

    permission_classes = [IsSponsor]
    scope = Scope.EXPORT
    http_method_names = ["get", "head", "options"]

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(response, Response):
            return super().finalize_response(request, response, *args, **kwargs)
        response = APIView.finalize_response(self, request, response, *args, **kwargs)
        _record(request, response)
        response["Cache-Control"] = "no-store"
        response["Audit-Seal"] = seals.newest()
        return response

    def handle_exception(self, exc: Exception) -> Any:
        # Taken away between our look at its row and at the disk.
        return super().handle_exception(gone() if isinstance(exc, FileNotFoundError) else exc)


def measured(response: HttpResponseBase, *, rows: int, sha256: str) -> HttpResponseBase:
    """An answer with what the record of it says."""
    response.leaves = (rows, sha256)  # type: ignore[attr-defined]
    return response


def _record(request: Request, response: HttpResponseBase) -> ApiRead:
    rows, sha256 = getattr(response, "leaves", (0, ""))
    row = read_of(request, status=response.status_code, rows=rows if leaving.begins(response) else 0, sha256=sha256)
    row.save()
    return row


def note_refusal(request: Request) -> None:
    """What a wrong key leaves in the log of the door, where it did not come in the header that is looked at there."""
    user = request.user if request.user and request.user.is_authenticated else None
    security.note(SecurityKind.TOKEN_REFUSED, person=user, request=request._request)


def found(label: str) -> Snapshot:
    """A complete snapshot. Raises NotFound, and says where it went if it was there."""
    try:
        store.folder_of(label)
    except ValueError:
        raise NotFound(_("There is no snapshot of this label.")) from None
    row = Snapshot.objects.filter(study=get_study().latest.registry_id, label=label).first()
    if row is None:
        raise NotFound(_("There is no snapshot of this label."))
    if row.state == Snapshot.State.EXPIRED:
        raise gone()
    if row.state != Snapshot.State.COMPLETE:
        raise NotFound(_("This snapshot is not complete: it is %(state)s.") % {"state": row.get_state_display()})
    if not actions.for_sponsor().filter(pk=row.pk).exists():
        raise NotFound(
            _("This snapshot holds more than is agreed with the sponsor by now. Ask the site for a new one.")
        )
    return row


def gone() -> NotFound:
    return NotFound(_("The files of this snapshot have expired and were removed. Ask the site for a new one."))


def newest() -> Snapshot | None:
    return actions.for_sponsor().first()


def file_of(row: Snapshot, name: str) -> SnapshotFile:
    # Looked for here rather than in the database, which holds no name with a NUL in it.
    one = next((each for each in row.files.all() if each.name == name), None)
    if one is None:
        raise NotFound(_("The snapshot has no file of this name. Its manifest names all."))
    return one


def hand_out(request: Request, row: Snapshot, one: SnapshotFile) -> HttpResponseBase:
    """A file of a snapshot, or the part of it that is asked for."""
    assert row.finished_at is not None
    path = store.folder_of(row.label) / one.name
    response = leaving.stored(request._request, path, name=one.name, sha256=one.sha256, modified=row.finished_at)
    return measured(response, rows=one.rows, sha256=one.sha256)
