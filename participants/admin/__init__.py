"""The pages of this app: one file a subject."""

from participants.admin import consents, eligibility, examinations, imports, logs, people, visits

__all__ = ["consents", "eligibility", "examinations", "imports", "logs", "people", "visits"]
