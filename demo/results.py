"""Results of a screening that meets every criterion, for the demo study and for tests."""

import datetime as dt
from decimal import Decimal
from typing import Any

from participants import actions
from participants.models import Examination, Measurement, Participant
from participants.rules.measures import MEASURES, PANEL_OF, PANELS, QUESTIONS, Kind
from trialsite.models import User

# Numbers stand with their upper limit of normal where a criterion compares with it.
ELIGIBLE: dict[str, Any] = {
    "DIAGNOSIS": "b_all",
    "EXTRAMEDULLARY": "no",
    "MPAL": "no",
    "HSCT_INELIGIBLE": "yes",
    "NO_DONOR": "no",
    "DECLINES_HSCT": "no",
    "PRIOR_CART": "no",
    "MARROW_FAILURE": "no",
    "SURVIVAL_MONTHS": "12",
    "WILLING_ABLE": "yes",
    "VENOUS_ACCESS": "yes",
    "STERILISED": "no",
    "REPRODUCTIVE": "yes",
    "CONTRACEPTION": "yes",
    "HYPERSENSITIVITY": "no",
    "LIVE_VACCINE": "no",
    "INFECTION": "no",
    "UNSUITABLE": "no",
    "IMPAIRED": "no",
    "NYHA": "none",
    "ARRHYTHMIA": "no",
    "PULM_HTN": "no",
    "UNSTABLE_ANGINA": "no",
    "CARDIAC_EVENT": "no",
    "VALVE_DISEASE": "no",
    "OTHER_CARDIAC": "no",
    "EPILEPSY": "no",
    "STROKE": "no",
    "CEREBELLAR": "no",
    "OTHER_CNS": "no",
    "CNS_LEUKAEMIA": "no",
    "DVT_PE": "no",
    "OTHER_MALIGNANCY": "no",
    "OTHER_TRIAL": "no",
    "ECOG": "1",
    "TEMP": "36.6",
    "HR": "78",
    "RESP": "16",
    "SYSBP": "118",
    "DIABP": "74",
    "OXYSAT": "98",
    "ON_OXYGEN": "no",
    "WEIGHT": "62",
    "HEIGHT": "168",
    "WBC": "4.8",
    "NEUT": "2.6",
    "LYM": "1.2",
    "HGB": "112",
    "PLAT": "164",
    "PB_BLASTS": "absent",
    "CREAT": ("68", "104"),
    "BILI": ("11", "21"),
    "ALT": ("24", "50"),
    "AST": ("22", "40"),
    "LDH": ("188", "250"),
    "CRP": ("2.1", "8"),
    "FERRITIN": ("640", "400"),
    "INR": "1.0",
    "APTT": "31",
    "FIBRINO": "2.9",
    "QT": "388",
    "RR": "860",
    "LVEF": "64",
    "EFFUSION": "none",
    "ICE": "10",
    "BM_BLASTS": "1.5",
    "MRD": ("0.03", None, "0.01"),
    "CD19": "positive",
    "CD19_METHOD": "flow",
    "CD19_SAMPLE": "initial_diagnosis",
    "HBSAG": "negative",
    "HBVDNA": ("0", None, "20"),
    "HCVAB": "negative",
    "HIVAB": "negative",
    "EBVDNA": ("0", None, "400"),
    "CMVDNA": ("0", None, "400"),
    "HCG_SERUM": "negative",
}
WOMEN_ONLY = frozenset({"HCG_SERUM", "STERILISED"})


def answer(code: str, given: Any) -> Measurement:
    """One answer: a word, a number, or (number, upper limit of normal, limit of quantification); None is left out."""
    measure = MEASURES[code]
    if isinstance(given, Measurement):
        return given
    if measure.kind == Kind.CHOICE:
        return Measurement(code=code, choice=given)
    if measure.kind == Kind.DATE:
        return Measurement(code=code, day=given)
    number, high, lloq = (*given, None, None)[:3] if isinstance(given, tuple) else (given, None, None)
    return Measurement(
        code=code,
        value=Decimal(number),
        unit=measure.unit,
        reference_high=Decimal(high) if high else None,
        lloq=Decimal(lloq) if lloq else None,
    )


def record(*, participant: Participant, at: dt.datetime, by: User, now: dt.datetime, **changed: Any) -> None:
    """Every examination of the screening, taken at one moment; `changed` replaces answers, None leaves one out."""
    for examination, found in screening_of(participant, at, **changed):
        actions.record_examination(examination=examination, answers=found, by=by, now=now)


def screening_of(
    participant: Participant, at: dt.datetime, **changed: Any
) -> list[tuple[Examination, list[Measurement]]]:
    """The examinations of the screening with their answers, not recorded yet."""
    answers = {**ELIGIBLE, **changed}
    panels: dict[str, list[Measurement]] = {}
    for code, given in answers.items():
        if given is not None and not (participant.sex == "M" and code in WOMEN_ONLY):
            panels.setdefault(PANEL_OF[code], []).append(answer(code, given))
    return [(_examination(participant, panel, at), found) for panel, found in panels.items()]


def _examination(participant: Participant, panel: str, at: dt.datetime) -> Examination:
    return Examination(
        participant=participant,
        panel=panel,
        taken_at=at,
        is_study_procedure=panel not in QUESTIONS,
        laboratory="检验科" if any(measure.has_range for measure in PANELS[panel]) else "",
    )
