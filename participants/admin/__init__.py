"""The pages of this app: one file a subject."""

from participants.admin import (
    consents,
    deviations,
    eligibility,
    examinations,
    imports,
    logs,
    people,
    reads,
    response,
    visits,
)

__all__ = [
    "consents",
    "deviations",
    "eligibility",
    "examinations",
    "imports",
    "logs",
    "people",
    "reads",
    "response",
    "visits",
]
