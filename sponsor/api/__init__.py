"""The sponsor's API: read-only, de-identified, in pages, with what changed since a moment.

Each resource names its columns; `classification` says of every field whether it may leave. Every answer is recorded
with who, what, how many rows and a checksum before it is sent. A row is never deleted: one that was wrong is void.
"""

from sponsor.access import NowhereView, explain_problem
from sponsor.api import events, participants, treatment, visits
from sponsor.api.rows import ReadView

RESOURCES = (*participants.RESOURCES, *visits.RESOURCES, *treatment.RESOURCES, *events.RESOURCES)
ROUTES: dict[str, type[ReadView]] = {resource.name: resource.view for resource in RESOURCES}

__all__ = ["RESOURCES", "ROUTES", "NowhereView", "explain_problem"]
