"""The pages of this app: one file a subject."""

from safety.admin import assessments, events

__all__ = ["assessments", "events"]
