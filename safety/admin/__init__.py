"""The pages of this app: one file a subject."""

from safety.admin import assessments, bedside, events

__all__ = ["assessments", "bedside", "events"]
