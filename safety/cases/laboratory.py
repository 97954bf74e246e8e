"""How tables of worked cases of laboratory values map to their rules."""

from trialsite.casetables import CaseTable

CASES: dict[str, CaseTable] = {}
