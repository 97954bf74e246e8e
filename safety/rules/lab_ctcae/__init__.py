"""Grades of CTCAE 5.0 and 6.0 that a laboratory value suggests. Never more than a suggestion: an investigator grades.

Source: NCI, Common Terminology Criteria for Adverse Events v5.0 (2017-11-27) and v6.0 (2025-07-10). The version
belongs to the study and is stored with every grade; the two are never mixed. `published.py` holds the numbers as
data, `evaluate.py` compares. A value is never rounded, and compared with the limits of its own laboratory; without
the limit that would decide there is no grade, which is not grade 0.

What a value alone never gives: phosphate and glucose (5.0) are graded by what is done for them, anaemia grade 4 and
uric acid grade 3 by what follows, hypoxia by oxygen beyond one limit, total calcium only after correction. Ferritin,
CRP, immunoglobulins and others have no term. Whoever records such a finding gets the grade that the text gives it.

Policy, where the text is silent or can be read twice [P]: either of two criteria suffices, also for a value within
the laboratory's limits, flagged; a baseline that is not known counts as normal, flagged; an abnormal baseline is one
beyond the limit on the side of the term; 5.0 leaves ALT, AST, ALP and GGT just above an abnormal baseline without a
grade: 0, flagged; an ejection fraction that is no lower than the baseline is no event, and its drop is counted in
percentage points; 6.0 leaves grade 3 of ALT and AST open for a baseline above 5 × ULN: 3, flagged; symptoms that
nobody recorded give the lower grade, flagged; of a bound ("<2.5") the suggestion is the grade of every value that it
allows, or the lowest and the highest of them, flagged. More of them stand with the numbers.
"""

from safety.rules.lab_ctcae.evaluate import suggest, suggest_by, suggestions
from safety.rules.lab_ctcae.measured import MEASURED, Measured, lab_value
from safety.rules.lab_ctcae.model import (
    FIRST_STUDY,
    Analyte,
    Band,
    Basis,
    Finding,
    LabPolicy,
    LabValue,
    Row,
    Suggestion,
    Version,
)
from safety.rules.lab_ctcae.published import ROWS
from safety.rules.lab_ctcae.special import (
    FebrileFindings,
    corrected_calcium_mmol_l,
    corrected_sign,
    febrile_neutropenia,
)
from safety.rules.lab_ctcae.texts import FLAG_TEXT, REASON_TEXT

__all__ = [
    "FIRST_STUDY",
    "FLAG_TEXT",
    "MEASURED",
    "REASON_TEXT",
    "ROWS",
    "Analyte",
    "Band",
    "Basis",
    "FebrileFindings",
    "Finding",
    "LabPolicy",
    "LabValue",
    "Measured",
    "Row",
    "Suggestion",
    "Version",
    "corrected_calcium_mmol_l",
    "corrected_sign",
    "febrile_neutropenia",
    "lab_value",
    "suggest",
    "suggest_by",
    "suggestions",
]
