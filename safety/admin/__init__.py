"""The pages of this app: one file a subject."""

from safety.admin import alerts, assessments, bedside, blood, contradictions, duties, eventparts, events, guidance

__all__ = [
    "alerts",
    "assessments",
    "bedside",
    "blood",
    "contradictions",
    "duties",
    "eventparts",
    "events",
    "guidance",
]
