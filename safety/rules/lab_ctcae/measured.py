"""From the codes of stored measurements to what CTCAE grades."""

from dataclasses import dataclass
from decimal import Decimal

from safety.rules.lab_ctcae.model import Analyte, Finding, LabValue
from safety.rules.lab_ctcae.special import corrected_calcium_mmol_l, corrected_sign

A = Analyte


@dataclass(frozen=True)
class Measured:
    """The analyte of a measurement, and the unit in which results of it are compared and stored."""

    analyte: Analyte
    unit: str


# Code of the measurement (CDISC LBTESTCD, VSTESTCD, EGTESTCD) → analyte and its standard unit. QTc is not among
# them: it is computed from QT and the heart rate, and given as Analyte.QTC in ms.
MEASURED: dict[str, Measured] = {
    "WBC": Measured(A.LEUKOCYTES, "10^9/L"),
    "NEUT": Measured(A.NEUTROPHILS, "10^9/L"),
    "LYM": Measured(A.LYMPHOCYTES, "10^9/L"),
    "HGB": Measured(A.HEMOGLOBIN, "g/L"),
    "PLAT": Measured(A.PLATELETS, "10^9/L"),
    "CREAT": Measured(A.CREATININE, "umol/L"),
    "BILI": Measured(A.BILIRUBIN, "umol/L"),
    "BILDIR": Measured(A.DIRECT_BILIRUBIN, "umol/L"),
    "ALT": Measured(A.ALT, "U/L"),
    "AST": Measured(A.AST, "U/L"),
    "ALP": Measured(A.ALP, "U/L"),
    "LDH": Measured(A.LDH, "U/L"),
    "UREA": Measured(A.UREA, "mmol/L"),
    "URATE": Measured(A.URIC_ACID, "umol/L"),
    "ALB": Measured(A.ALBUMIN, "g/L"),
    "GLUC": Measured(A.GLUCOSE, "mmol/L"),
    "K": Measured(A.POTASSIUM, "mmol/L"),
    "SODIUM": Measured(A.SODIUM, "mmol/L"),
    "CA": Measured(A.CALCIUM, "mmol/L"),
    "PHOS": Measured(A.PHOSPHATE, "mmol/L"),
    "CRP": Measured(A.CRP, "mg/L"),
    "FERRITIN": Measured(A.FERRITIN, "ug/L"),
    "TRIG": Measured(A.TRIGLYCERIDES, "mmol/L"),
    "PT": Measured(A.PROTHROMBIN_TIME, "s"),
    "INR": Measured(A.INR, ""),
    "APTT": Measured(A.APTT, "s"),
    "FIBRINO": Measured(A.FIBRINOGEN, "g/L"),
    "DDIMER": Measured(A.D_DIMER, "mg/L"),
    "TEMP": Measured(A.TEMPERATURE, "degC"),
    "SYSBP": Measured(A.SYSTOLIC, "mmHg"),
    "DIABP": Measured(A.DIASTOLIC, "mmHg"),
    "OXYSAT": Measured(A.SPO2, "%"),
    "LVEF": Measured(A.LVEF, "%"),
    "WEIGHT": Measured(A.WEIGHT, "kg"),
}


def lab_value(
    code: str,
    value: Decimal,
    *,
    lln: Decimal | None = None,
    uln: Decimal | None = None,
    baseline: Decimal | None = None,
    baseline_lln: Decimal | None = None,
    baseline_uln: Decimal | None = None,
    albumin_g_l: Decimal | None = None,
    symptomatic: bool | None = None,
    findings: frozenset[Finding] = frozenset(),
    sign: str = "",
    baseline_sign: str = "",
    albumin_sign: str = "",
) -> LabValue | None:
    """A stored result in its standard unit, as these rules take it; None for a code that they know nothing of.

    Total calcium is corrected where albumin of the same sample is given; a baseline has to be corrected before.
    Where calcium and albumin are bounds that leave the corrected value open on both sides, it is not corrected.
    """
    known = MEASURED.get(code)
    if known is None:
        return None
    analyte = known.analyte
    corrected = corrected_sign(sign, albumin_sign)
    if analyte is A.CALCIUM and albumin_g_l is not None and corrected is not None:
        analyte, value, sign = A.CALCIUM_CORRECTED, corrected_calcium_mmol_l(value, albumin_g_l), corrected
    return LabValue(
        analyte,
        value,
        known.unit,
        lln,
        uln,
        baseline,
        None,
        baseline_lln,
        baseline_uln,
        symptomatic,
        findings,
        sign,
        baseline_sign,
    )
