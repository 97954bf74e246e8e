"""The log of the door: who came in or failed to, who was refused what, what was taken along.

Rows are added and never changed (the database refuses it); they hold numbers of people and of rows, never identity,
and never what somebody typed in place of a user name, for that may be a password.
"""

from typing import Any

from django.http import HttpRequest

from trialsite.middleware import client_ip
from trialsite.models import SecurityEvent, SecurityKind, User


def note(
    kind: SecurityKind, *, person: User | None = None, request: HttpRequest | None = None, **detail: Any
) -> SecurityEvent:
    """Write one line of the log; `detail` holds words and numbers that JSON can hold.

    Call it outside a transaction that may still be rolled back: a refusal is an event, too.
    """
    if person is None and request is not None and getattr(request, "user", None) and request.user.is_authenticated:
        person = request.user
    return SecurityEvent.objects.create(
        kind=kind,
        person=person,
        # A proxy may pass on whatever it was sent: that must close the door to nobody.
        ip=client_ip(request)[:45] if request is not None else "",
        path=request.path[:200].replace("\0", "") if request is not None else "",
        detail=detail,
    )
