"""Consistency checks across the record: each named, documented, and run over any set of participants."""

from safety.checks import assessment, consent, death, events, response, toxicity, treatment, visits
from safety.checks.registry import CHECKS, Check, Found, Scope, label_of, looking_at, title_of

# Each of these modules enters its checks in the table.
MODULES = (death, consent, events, assessment, toxicity, treatment, visits, response)

__all__ = ["CHECKS", "MODULES", "Check", "Found", "Scope", "label_of", "looking_at", "title_of"]
