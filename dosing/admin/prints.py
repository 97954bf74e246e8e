"""The addresses of this app's prints."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from dosing import prints
from dosing.admin.bedside import required
from participants.models import Participant
from trialsite import printing
from trialsite.printing import Print


def readiness_view(request: HttpRequest, participant_id: int) -> HttpResponse:
    return _left(request, participant_id, "readiness", prints.readiness)


def timeline_view(request: HttpRequest, participant_id: int) -> HttpResponse:
    return _left(request, participant_id, "timeline", prints.timeline_print)


def _left(request: HttpRequest, pk: int, content: str, make: Callable[..., Print]) -> HttpResponse:
    """Whoever may read the page may print it."""
    participant, now = required(request, pk, "dosing.view_infusion"), timezone.now()
    printed = make(participant, now=now)
    return printing.leave(request, printed, model=Participant._meta.label, content=content, now=now)
