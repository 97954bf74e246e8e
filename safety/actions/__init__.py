"""What people and programs do here: one file a subject."""

from safety.actions.assessments import (
    as_json,
    assess,
    check_assessment,
    crs_policy,
    days_since_infusion,
    grade,
    icans_policy,
    is_established,
)
from safety.actions.events import check_adverse_event, log_adverse_event

__all__ = [
    "as_json",
    "assess",
    "check_adverse_event",
    "check_assessment",
    "crs_policy",
    "days_since_infusion",
    "grade",
    "icans_policy",
    "is_established",
    "log_adverse_event",
]
