"""The pages of this app: one file a subject."""

from safety.admin import alerts, assessments, bedside, events, guidance

__all__ = ["alerts", "assessments", "bedside", "events", "guidance"]
