"""How tables of worked cases map to the rules of participants."""

from participants.cases import eligibility, endpoints, response
from participants.cases.inputs import COLUMN

CASES = eligibility.CASES | response.CASES | endpoints.CASES
__all__ = ["CASES", "COLUMN"]
