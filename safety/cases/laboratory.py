"""How a table of worked laboratory values maps to the rules that suggest grades of CTCAE 5.0 and 6.0.

A row names the analyte and the term of each version (a value in parentheses: the version has none). What was found
or done stands in `symptomatic` and `intervention`, several words joined by + or ; or |. A value may be a bound, such as
<2.5 or ≥1000; its grade is then 4, or 3-4 where the values that it allows differ.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from safety.cases.analytes import ANALYTE_NAMES, FEBRILE
from safety.rules.grading import ImpossibleFinding
from safety.rules.lab_ctcae import (
    FLAG_TEXT,
    REASON_TEXT,
    Analyte,
    FebrileFindings,
    Finding,
    LabValue,
    Suggestion,
    Version,
    febrile_neutropenia,
    suggest,
    suggestions,
)
from trialsite.casetables import (
    CaseTable,
    Column,
    Kind,
    UnusableValue,
    Word,
    Wrong,
    bounded,
    column,
    decimal,
    integer,
    key_of,
    mark,
    one_of,
    yes_no,
)
from trialsite.reading import plain, split_bound

A, F = Analyte, Finding
# The words of the rule, and others that people use.
ALSO: dict[str, Any] = {
    "anc": A.NEUTROPHILS,
    "absolute_neutrophil_count": A.NEUTROPHILS,
    "neutrophil": A.NEUTROPHILS,
    "neutrophil_count": A.NEUTROPHILS,
    "wbc": A.LEUKOCYTES,
    "white_blood_cells": A.LEUKOCYTES,
    "white_blood_cell_count": A.LEUKOCYTES,
    "lymphocyte": A.LYMPHOCYTES,
    "lymphocyte_count": A.LYMPHOCYTES,
    "alc": A.LYMPHOCYTES,
    "cd4": A.CD4,
    "cd4_count": A.CD4,
    "eosinophil": A.EOSINOPHILS,
    "eosinophil_count": A.EOSINOPHILS,
    "hb": A.HEMOGLOBIN,
    "hgb": A.HEMOGLOBIN,
    "haemoglobin": A.HEMOGLOBIN,
    "platelet": A.PLATELETS,
    "platelet_count": A.PLATELETS,
    "plt": A.PLATELETS,
    "methaemoglobin": A.METHEMOGLOBIN,
    "fasting_glucose": A.GLUCOSE,
    "glucose_fasting": A.GLUCOSE,
    "blood_glucose": A.GLUCOSE,
    "total_bilirubin": A.BILIRUBIN,
    "tbil": A.BILIRUBIN,
    "blood_bilirubin": A.BILIRUBIN,
    "alkaline_phosphatase": A.ALP,
    "serum_creatinine": A.CREATININE,
    "crcl": A.CREATININE_CLEARANCE,
    "gfr": A.EGFR,
    "egfr_crcl": A.EGFR,
    "proteinuria": A.URINE_PROTEIN_24H,
    "urine_protein": A.URINE_PROTEIN_24H,
    "urine_protein_24_h": A.URINE_PROTEIN_24H,
    "proteinuria_24h": A.URINE_PROTEIN_24H,
    "proteinuria_dipstick": A.URINE_PROTEIN_DIPSTICK,
    "dipstick_protein": A.URINE_PROTEIN_DIPSTICK,
    "urine_p_c": A.URINE_PROTEIN_CREATININE,
    "urine_p_c_ratio": A.URINE_PROTEIN_CREATININE,
    "upcr": A.URINE_PROTEIN_CREATININE,
    "na": A.SODIUM,
    "k": A.POTASSIUM,
    "mg": A.MAGNESIUM,
    "calcium": A.CALCIUM,
    "total_calcium": A.CALCIUM,
    "corrected_calcium": A.CALCIUM_CORRECTED,
    "calcium_albumin_corrected": A.CALCIUM_CORRECTED,
    "ionized_calcium": A.CALCIUM_IONIZED,
    "ionised_calcium": A.CALCIUM_IONIZED,
    "phosphorus": A.PHOSPHATE,
    "urate": A.URIC_ACID,
    "hco3": A.BICARBONATE,
    "blood_bicarbonate": A.BICARBONATE,
    "arterial_ph": A.PH,
    "blood_ph": A.PH,
    "cpk": A.CK,
    "ck": A.CK,
    "serum_amylase": A.AMYLASE,
    "triglyceride": A.TRIGLYCERIDES,
    "tg": A.TRIGLYCERIDES,
    "total_cholesterol": A.CHOLESTEROL,
    "hdl": A.HDL,
    "ldl": A.LDL,
    "thyroid_stimulating_hormone": A.TSH,
    "cardiac_troponin_i": A.TROPONIN_I,
    "cardiac_troponin_t": A.TROPONIN_T,
    "qtcb": A.QTC,
    "qtcf": A.QTC,
    "qtc_interval": A.QTC,
    "ef": A.LVEF,
    "ejection_fraction": A.LVEF,
    "fev1": A.FEV1,
    "fev1_predicted": A.FEV1,
    "vital_capacity": A.VITAL_CAPACITY,
    "fvc": A.VITAL_CAPACITY,
    "spo2": A.SPO2,
    "spo2_rest": A.SPO2,
    "oxygen_saturation": A.SPO2,
    "spo2_exercise": A.SPO2_EXERCISE,
    "spo2_on_exercise": A.SPO2_EXERCISE,
    "spo2_during_exercise": A.SPO2_EXERCISE,
    "spo2_on_exertion": A.SPO2_EXERCISE,
    "pao2_at_rest": A.PAO2,
    "temp": A.TEMPERATURE,
    "body_temperature": A.TEMPERATURE,
    "sbp": A.SYSTOLIC,
    "systolic_bp": A.SYSTOLIC,
    "dbp": A.DIASTOLIC,
    "diastolic_bp": A.DIASTOLIC,
    "body_weight": A.WEIGHT,
    "igg": A.IMMUNOGLOBULIN,
    "immunoglobulin_g": A.IMMUNOGLOBULIN,
    "immunoglobulins": A.IMMUNOGLOBULIN,
    "crp": A.CRP,
    "c_reactive_protein": A.CRP,
    "pt": A.PROTHROMBIN_TIME,
    "bun": A.UREA,
    "nt_probnp": A.BNP,
    "anc_temperature": FEBRILE,
    "anc_temp": FEBRILE,
    "anc_and_temperature": FEBRILE,
    "neutrophils_temperature": FEBRILE,
}
ANALYTES = (
    *(
        Word(one.value, one, ANALYTE_NAMES[one], tuple(text for text, meant in ALSO.items() if meant is one))
        for one in A
    ),
    Word(FEBRILE, FEBRILE, ANALYTE_NAMES[FEBRILE], tuple(text for text, meant in ALSO.items() if meant == FEBRILE)),
)
KNOWN_ANALYTE = one_of(ANALYTES)
# What may stand behind the word of something that is done for a value.
DONE = ("_indicated", "_initiated", "_started", "_given", "_needed", "_required")


def _found(finding: Finding, *also: str, ends: tuple[str, ...] = (), counts_as: tuple[Finding, ...] = ()) -> Word:
    """A finding by its own word, and by others for the same. `counts_as`: what it is for terms that ask otherwise."""
    found = frozenset({finding, *counts_as})
    return Word(finding.value, found, REASON_TEXT[f"finding-{finding}"], also, ends)


def _done(finding: Finding, *also: str, counts_as: tuple[Finding, ...] = ()) -> Word:
    return _found(finding, *also, ends=DONE, counts_as=counts_as)


SAID: tuple[Word, ...] = (
    _done(F.TRANSFUSION, "transfused", "platelet_transfusion", "rbc_transfusion", "red_cell_transfusion"),
    _done(F.HOSPITALIZATION, "hospitalisation", "hospitalized", "hospitalised", "hospital_admission"),
    _done(F.INSULIN, "insulin_therapy"),
    _found(F.SEIZURE, "seizures"),
    _found(F.BLEEDING, "haemorrhage", "hemorrhage", "life_threatening_bleeding"),
    _done(F.DIALYSIS, "chronic_dialysis", "dialysis_or_transplant"),
    _done(F.AIRWAY, "intubation", "intubated", "tracheostomy", "tracheotomy", "airway_compromise", "urgent_airway"),
    _found(
        F.ARRHYTHMIA,
        "arrhythmias",
        "serious_arrhythmia",
        "torsade_de_pointes",
        "torsades_de_pointes",
        "torsades",
        "ventricular_tachycardia",
        "polymorphic_ventricular_tachycardia",
    ),
    _found(F.INFARCTION_LEVEL, "infarction", "myocardial_infarction"),
    _found(F.LEUKOSTASIS, "leucostasis", "clinical_leukostasis", "symptomatic_leukostasis"),
    _found(
        F.LIFE_THREATENING,
        "life_threatening_consequences",
        "life_threatening_urgent_intervention",
        "life_threatening_urgent_intervention_indicated",
        "urgent_intervention",
        "urgent_intervention_indicated",
        "urgent",
    ),
    _found(F.SYMPTOMATIC, "symptoms", "physiologic_consequences", "physiological_consequences"),
    _done(F.OXYGEN_INTERMITTENT, "intermittent_oxygen", "supplemental_oxygen", "oxygen", "o2", "intermittent"),
    _done(
        F.OXYGEN_CONTINUOUS,
        "continuous_oxygen",
        "continuous_supplemental_oxygen",
        "continuous_o2",
        "continuous",
    ),
    _found(F.ANTICOAGULATED, "anticoagulation", "on_anticoagulation", "anticoagulant", "on_anticoagulant"),
    _done(F.DOSE_ADJUSTMENT, "dose_adjusted", "dose_adjustments"),
    _done(F.STEROIDS, "steroid", "corticosteroids"),
    _done(F.WORKUP, "work_up", "diagnostic_workup", "workup_for_diabetes", "diabetes_workup"),
    _done(
        F.MANAGEMENT_CHANGE,
        "change_in_management",
        "change_in_daily_management",
        "daily_management_change",
        "diet",
        "diet_change",
        "dietary_change",
    ),
    _found(F.FASTING),
    _found(
        F.NO_INTERVENTION,
        "none",
        "no",
        "n",
        "nil",
        "intervention_not_indicated",
        "intervention_not_needed",
        "not_indicated",
        "not_needed",
        "no_intervention_indicated",
        "no_treatment",
        "without_intervention",
        "monitoring",
        "monitoring_only",
        "close_monitoring",
    ),
    # Each of these counts for the term that it belongs to, and for no other.
    _done(
        F.ORAL_AGENT,
        "oral",
        "oral_agents",
        "oral_therapy",
        "oral_treatment",
        "oral_intervention",
        "oral_medication",
        "oral_antidiabetic",
        "oral_antiglycemic_agent",
        counts_as=(F.ORAL_REPLACEMENT, F.INTERVENTION),
    ),
    _done(
        F.ORAL_REPLACEMENT,
        "oral_supplementation",
        "oral_supplement",
        "oral_supplements",
        "replacement",
        "supplementation",
        "supplement",
        "supplements",
        counts_as=(F.INTERVENTION,),
    ),
    _done(
        F.INTERVENTION,
        "initiated",
        "indicated",
        "medical_intervention",
        "invasive_intervention",
        "noninvasive_intervention",
        "non_invasive_intervention",
        "treatment",
        "treated",
        "medication",
        "iv",
        "iv_treatment",
        "iv_therapy",
        "iv_intervention",
        "iv_fluids",
        "iv_replacement",
    ),
    Word("le_24h", frozenset({F.UP_TO_24H}), REASON_TEXT[f"finding-{F.UP_TO_24H}"]),
    Word("gt_24h", frozenset({F.OVER_24H}), REASON_TEXT[f"finding-{F.OVER_24H}"]),
)
SAID_AS = one_of(SAID)
HOURS = r"_? ?24_? ?(h|hours?)"
AT_MOST = re.compile(rf"(le|lte|lt|up[_ ]to|within|<=?|≤){HOURS}", re.IGNORECASE)
MORE = re.compile(rf"(gt|over|more[_ ]than|longer[_ ]than|>){HOURS}", re.IGNORECASE)
ANC = re.compile(r"(?:anc|neutrophils?)[^\d<>≤≥]*([<>≤≥]?=?) ?(\d+(?:\.\d+)?)", re.IGNORECASE)
TEMPERATURE = re.compile(r"(?:\bT\b|temp\w*)[^\d<>≤≥]*(\d+(?:\.\d+)?)", re.IGNORECASE)
SPAN = re.compile(r"([0-4])\s*[-–~～]\s*([0-5])")
LASTING = re.compile(r"(\d+(?:\.\d+)?)\s*(min|h)", re.IGNORECASE)


def analyte(text: str) -> tuple[Analyte | str, frozenset[Finding]]:
    """The analyte, and what its name says besides: "Glucose (fasting)"."""
    return KNOWN_ANALYTE(text), frozenset({F.FASTING} if "fasting" in text.lower() else ())


def measured(text: str) -> tuple[str, Decimal] | FebrileFindings:
    """A number with its bound, or neutrophils with a temperature: "ANC 0.5; T 38.0 for 61 min"."""
    try:
        return bounded(text)
    except ValueError:
        pass
    written = plain(text)
    anc, temperature, lasting = ANC.search(written), TEMPERATURE.search(written), LASTING.search(written)
    if anc is None or temperature is None:
        raise Wrong(mark("write a number, a bound such as <2.5, or such as: ANC 0.5; T 38.0 for 61 min"))
    sign, _rest = split_bound(anc[1])
    # A table that gives no duration tells of one reading.
    minutes = Decimal(lasting[1]) * (60 if lasting[2].lower() == "h" else 1) if lasting else Decimal(0)
    return FebrileFindings(Decimal(anc[2]), Decimal(temperature[1]), minutes, neutrophils_sign=sign)


def said(text: str) -> frozenset[Finding]:
    """What was done or what followed, from words such as transfusion_indicated; empty: nobody said."""
    parts = [part.strip() for part in re.split(r"[+;|]", text) if part.strip()]
    return frozenset(finding for part in parts for finding in _said(part))


def _said(part: str) -> frozenset[Finding]:
    if AT_MOST.fullmatch(part):
        return frozenset({F.UP_TO_24H})
    if MORE.fullmatch(part):
        return frozenset({F.OVER_24H})
    if "24" in part:
        raise Wrong(mark("write le_24h or gt_24h"))
    found: frozenset[Finding] = SAID_AS(part)
    return found


def _term(text: str) -> str:
    """Empty where the version has no such term: "(term removed in v6)", "NA"."""
    return "" if text.startswith("(") or key_of(text) in {"na", "n_a", "none", "no_term"} else text


def _grade(text: str) -> int | str | None:
    """A grade, or 3-4 of a bound; NA, "see note" and an empty cell: the numbers do not give one."""
    if found := SPAN.fullmatch(text):
        return f"{found[1]}-{found[2]}"
    return None if key_of(text) in {"", "na", "n_a", "none", "see_note", "not_graded", "no_grade"} else integer(text)


TERM_5 = _("term of CTCAE 5.0; in parentheses or NA: the version has none")
TERM_6 = _("term of CTCAE 6.0; in parentheses or NA: the version has none")
INPUTS: dict[str, Column] = {
    "analyte": Column(_("what was measured"), analyte, Kind.WORD, "Potassium", words=ANALYTES),
    "ctcae_v5_term": column(TERM_5, _term, "Hyperkalemia", kind=Kind.TEXT),
    "ctcae_v5_meddra": column(_("MedDRA code of the term of CTCAE 5.0; empty: not checked"), str, "10020647"),
    "value": column(_("value"), measured, "5.4", kind=Kind.FEBRILE),
    "unit": column(_("unit of the value, of its limits and of the baseline"), str, "mmol/L"),
    "lln": column(_("lower limit of normal"), decimal, "3.5", optional=True),
    "uln": column(_("upper limit of normal"), decimal, "5.3", optional=True),
    "baseline_value": column(_("value of the baseline"), bounded, optional=True),
    "baseline_abnormal": column(_("the baseline was abnormal"), yes_no, optional=True),
    "symptomatic": column(_("symptoms"), yes_no, optional=True),
    "intervention": Column(_("what was done or what followed"), said, Kind.WORDS, words=SAID),
    "ctcae_v6_term": column(TERM_6, _term, "Hyperkalemia", kind=Kind.TEXT),
}
# A finding is impossible in the column that it came from.
COLUMNS = {"baseline": "baseline_value", "neutrophils_e9_l": "value", "temperature_c": "value", "minutes": "value"}


def _suggested(inputs: Mapping[str, Any]) -> dict[Version, Suggestion]:
    """The suggestion for the named term of each version."""
    named, findings = inputs["analyte"]
    if isinstance(inputs["value"], FebrileFindings) or named == FEBRILE:
        return _febrile(inputs)
    findings |= inputs["intervention"]
    symptomatic = True if F.SYMPTOMATIC in findings else inputs["symptomatic"]
    sign, value = inputs["value"]
    baseline_sign, baseline = inputs["baseline_value"] or ("", None)
    result = LabValue(
        named,
        value,
        inputs["unit"],
        inputs["lln"],
        inputs["uln"],
        baseline,
        inputs["baseline_abnormal"],
        inputs.get("baseline_lln"),
        inputs.get("baseline_uln"),
        symptomatic,
        findings,
        sign,
        baseline_sign,
    )
    return {version: _by_term(result, version, inputs) for version in Version}


def _febrile(inputs: Mapping[str, Any]) -> dict[Version, Suggestion]:
    if not isinstance(inputs["value"], FebrileFindings) or inputs["analyte"][0] != FEBRILE:
        raise UnusableValue("value", "neutrophils with a temperature are febrile neutropenia, and nothing else is")
    return {version: febrile_neutropenia(inputs["value"], version) for version in Version}


def _by_term(result: LabValue, version: Version, inputs: Mapping[str, Any]) -> Suggestion:
    """Raises UnusableValue for a term that is not the version's, or that is there although the row says it is not."""
    column = f"ctcae_v{version.value[0]}_term"
    try:
        if inputs[column]:
            return suggest(result, version, inputs[column])
    except ValueError as error:
        raise UnusableValue(column, str(error)) from None
    found = suggestions(result, version)
    if any(one.term for one in found):
        raise UnusableValue(column, f"the version has a term: {', '.join(one.term for one in found)}")
    return found[0]


def evaluate(inputs: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    try:
        found = _suggested(inputs)
    except ImpossibleFinding as error:
        raise UnusableValue(COLUMNS.get(error.name, error.name), str(error)) from None
    code = found[Version.V5].meddra_code
    if inputs["ctcae_v5_meddra"] not in {"", code} and code:
        raise UnusableValue("ctcae_v5_meddra", f"the code of {found[Version.V5].term} is {code}")
    grades = {f"v{version.value[0]}_grade": one.grade_text if one.span else one.grade for version, one in found.items()}
    return grades, " ".join(f"CTCAE {version}: {_sentence(one)}" for version, one in found.items())


def _sentence(suggestion: Suggestion) -> str:
    reasons = [gettext(REASON_TEXT[reason.code]).format(**reason.values) for reason in suggestion.reasons]
    return " ".join([*reasons, *(f"[{flag}] {gettext(FLAG_TEXT[flag])}" for flag in suggestion.flags)])


CASES = {
    "lab_ctcae": CaseTable(
        inputs=INPUTS,
        optional={
            "baseline_lln": column(
                _("lower limit of normal of the laboratory of the baseline"), decimal, optional=True
            ),
            "baseline_uln": column(
                _("upper limit of normal of the laboratory of the baseline"), decimal, optional=True
            ),
        },
        expected={
            "v5_grade": column(_("grade of CTCAE 5.0"), _grade, "1", kind=Kind.GRADE_RANGE),
            "v6_grade": column(_("grade of CTCAE 6.0"), _grade, "1", kind=Kind.GRADE_RANGE),
        },
        evaluate=evaluate,
        descriptive=("note", "description", "rule"),
    )
}
