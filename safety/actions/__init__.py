"""What people and programs do here: one file a subject."""

from safety.actions.assessments import (
    Past,
    as_json,
    assess,
    assess_bedside,
    check_assessment,
    context_of,
    crs_policy,
    days_since_infusion,
    findings_of,
    grade,
    icans_policy,
    is_established,
    past_of,
    preview,
    regrade,
)
from safety.actions.episodes import Treatment, is_in_step, propose_event, sync_episodes, treatments_of
from safety.actions.ctcae import ctcae_version, load_names, load_texts, site_names
from safety.actions.events import check_adverse_event, correct_adverse_event, log_adverse_event

__all__ = [
    "Past",
    "Treatment",
    "as_json",
    "assess",
    "assess_bedside",
    "check_adverse_event",
    "check_assessment",
    "context_of",
    "correct_adverse_event",
    "crs_policy",
    "ctcae_version",
    "days_since_infusion",
    "findings_of",
    "grade",
    "icans_policy",
    "is_established",
    "is_in_step",
    "load_names",
    "load_texts",
    "log_adverse_event",
    "past_of",
    "preview",
    "propose_event",
    "regrade",
    "sync_episodes",
    "treatments_of",
]
