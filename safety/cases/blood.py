"""How tables of worked cases of IEC-HS and ICAHT map to their rules."""

from trialsite.casetables import CaseTable

CASES: dict[str, CaseTable] = {}
