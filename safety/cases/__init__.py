"""How tables of worked cases map to the rules of safety: one file a subject."""

from safety.cases.assessments import CASES as ASSESSMENTS
from safety.cases.blood import CASES as BLOOD
from safety.cases.laboratory import CASES as LABORATORY
from safety.cases.reporting import CASES as REPORTING

CASES = {**ASSESSMENTS, **BLOOD, **LABORATORY, **REPORTING}
