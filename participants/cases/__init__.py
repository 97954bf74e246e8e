"""How tables of worked cases map to the rules of participants."""

from participants.cases.eligibility import CASES
from participants.cases.inputs import COLUMN

__all__ = ["CASES", "COLUMN"]
