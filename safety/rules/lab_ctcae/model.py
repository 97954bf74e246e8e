"""The words of the laboratory rules: what is measured, what a band of a grade is, and what a suggestion says."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Context, Decimal
from enum import StrEnum

from safety.rules.grading import ImpossibleFinding, Reason
from trialsite.bounds import SIGNS

# Limits are multiplied, never divided, and with more digits than any result has: nothing is ever rounded.
EXACT = Context(prec=100)


class Version(StrEnum):
    V5 = "5.0"
    V6 = "6.0"


class Analyte(StrEnum):
    """What CTCAE grades by a number, and what people look for there in vain (no term at all)."""

    NEUTROPHILS = "neutrophils"
    LEUKOCYTES = "leukocytes"
    LYMPHOCYTES = "lymphocytes"
    CD4 = "cd4_lymphocytes"
    EOSINOPHILS = "eosinophils"
    HEMOGLOBIN = "hemoglobin"
    PLATELETS = "platelets"
    METHEMOGLOBIN = "methemoglobin"
    HAPTOGLOBIN = "haptoglobin"
    INR = "inr"
    APTT = "aptt"
    FIBRINOGEN = "fibrinogen"
    ALT = "alt"
    AST = "ast"
    ALP = "alp"
    GGT = "ggt"
    BILIRUBIN = "bilirubin"
    LDH = "ldh"
    CREATININE = "creatinine"
    CREATININE_CLEARANCE = "creatinine_clearance"
    EGFR = "egfr"
    URINE_PROTEIN_24H = "urine_protein_24h"
    URINE_PROTEIN_DIPSTICK = "urine_protein_dipstick"
    URINE_PROTEIN_CREATININE = "urine_protein_creatinine"
    URINE_OUTPUT_8H = "urine_output_8h"
    URINE_OUTPUT_24H = "urine_output_24h"
    ALBUMIN = "albumin"
    SODIUM = "sodium"
    POTASSIUM = "potassium"
    CALCIUM = "calcium_total"
    CALCIUM_CORRECTED = "calcium_corrected"
    CALCIUM_IONIZED = "calcium_ionized"
    MAGNESIUM = "magnesium"
    PHOSPHATE = "phosphate"
    GLUCOSE = "glucose"
    URIC_ACID = "uric_acid"
    BICARBONATE = "bicarbonate"
    PH = "ph"
    CK = "creatine_kinase"
    LIPASE = "lipase"
    AMYLASE = "amylase"
    PANCREATIC_ENZYMES = "pancreatic_enzymes"
    TRIGLYCERIDES = "triglycerides"
    CHOLESTEROL = "cholesterol"
    HDL = "hdl_cholesterol"
    LDL = "ldl_cholesterol"
    VITAMIN_D = "vitamin_d"
    TSH = "tsh"
    TROPONIN_I = "troponin_i"
    TROPONIN_T = "troponin_t"
    QTC = "qtc"
    LVEF = "lvef"
    DLCO = "dlco"
    FEV1 = "fev1_percent"
    VITAL_CAPACITY = "vital_capacity_percent"
    SPO2 = "spo2_at_rest"
    SPO2_EXERCISE = "spo2_with_exercise"
    PAO2 = "pao2"
    TEMPERATURE = "temperature"
    SYSTOLIC = "systolic_pressure"
    DIASTOLIC = "diastolic_pressure"
    WEIGHT = "weight"
    # Measured in this study, but no term of CTCAE has a number for them.
    FERRITIN = "ferritin"
    CRP = "crp"
    D_DIMER = "d_dimer"
    PROTHROMBIN_TIME = "prothrombin_time"
    UREA = "urea"
    DIRECT_BILIRUBIN = "direct_bilirubin"
    IMMUNOGLOBULIN = "immunoglobulin"
    BNP = "bnp"
    LACTATE = "lactate"


class Finding(StrEnum):
    """What a person says about the value. A number alone never says it."""

    SYMPTOMATIC = "symptomatic"
    NO_INTERVENTION = "no_intervention"
    INTERVENTION = "intervention"
    TRANSFUSION = "transfusion"
    HOSPITALIZATION = "hospitalization"
    LIFE_THREATENING = "life_threatening"
    BLEEDING = "bleeding"
    SEIZURE = "seizure"
    ARRHYTHMIA = "arrhythmia"
    STEROIDS = "steroids"
    LEUKOSTASIS = "leukostasis"
    INFARCTION_LEVEL = "infarction_level"
    DIALYSIS = "dialysis"
    DOSE_ADJUSTMENT = "dose_adjustment"
    ANTICOAGULATED = "anticoagulated"
    FASTING = "fasting"
    WORKUP = "workup"
    MANAGEMENT_CHANGE = "management_change"
    ORAL_AGENT = "oral_agent"
    INSULIN = "insulin"
    ORAL_REPLACEMENT = "oral_replacement"
    OXYGEN_INTERMITTENT = "oxygen_intermittent"
    OXYGEN_CONTINUOUS = "oxygen_continuous"
    AIRWAY = "airway"
    UP_TO_24H = "up_to_24h"
    OVER_24H = "over_24h"


# How the value was taken or whom it belongs to: it says nothing about what was done for it.
CIRCUMSTANCES = frozenset({Finding.SYMPTOMATIC, Finding.FASTING, Finding.ANTICOAGULATED})


class Limit(StrEnum):
    ULN = "ULN"
    LLN = "LLN"
    BASELINE = "baseline"


class When(StrEnum):
    """What decides between the two sets of bands that some terms have."""

    BASELINE_ABNORMAL = "baseline_abnormal"
    BASELINE_BELOW_LLN = "baseline_below_lln"
    BASELINE_KNOWN = "baseline_known"
    ANTICOAGULATED = "anticoagulated"
    RELATIVE_DROP = "relative_drop"


@dataclass(frozen=True)
class Band:
    """The edge at which a grade begins; the next grade's edge ends it.

    The edge is `times` × `limit` + `plus`, where `plus` has a number for each unit that CTCAE prints; without a
    limit it is `plus` alone. The edge itself has the grade where the sign says so (<=, >=). No sign: any value.
    """

    grade: int
    sign: str = ""
    limit: Limit | None = None
    times: Decimal = Decimal(1)
    plus: Mapping[str, Decimal] = field(default_factory=dict)
    needs: Finding | None = None
    # Only a value that is worse than the baseline counts.
    beyond_baseline: bool = False

    @property
    def is_low(self) -> bool:
        return self.sign.startswith("<")


@dataclass(frozen=True)
class Row:
    """One term of one version for one analyte. Without bands the number alone gives no grade, `composite` says why."""

    analyte: Analyte
    version: Version
    term: str
    meddra_code: str
    bands: tuple[Band, ...]
    other: tuple[Band, ...] = ()
    when: When | None = None
    composite: str = ""
    # Flags of every grade that this row suggests.
    notes: tuple[str, ...] = ()
    # Where a baseline above so many × ULN leaves a grade of `other` undefined.
    baseline_up_to_uln: Decimal | None = None
    # What the version has no band for: where it is recorded, a value within the limits is not grade 0.
    open_with: Finding | None = None

    @property
    def is_low(self) -> bool:
        return any(band.is_low for band in self.bands)


@dataclass(frozen=True)
class LabValue:
    """One result as reported; limits and baseline in the same unit as the value. None: not recorded.

    `baseline_lln` and `baseline_uln` are the limits of the laboratory that found the baseline: another laboratory's
    say nothing about it. Without them it is compared with those of the value. `baseline_abnormal` where somebody said
    so. `symptomatic` None: nobody said. `sign` and `baseline_sign` where the report gives a bound only: < ≤ > or ≥.
    """

    analyte: Analyte
    value: Decimal
    unit: str = ""
    lln: Decimal | None = None
    uln: Decimal | None = None
    baseline: Decimal | None = None
    baseline_abnormal: bool | None = None
    baseline_lln: Decimal | None = None
    baseline_uln: Decimal | None = None
    symptomatic: bool | None = None
    findings: frozenset[Finding] = frozenset()
    sign: str = ""
    baseline_sign: str = ""

    def __post_init__(self) -> None:
        for name, number in self.numbers():
            if not number.is_finite() or number < 0:
                raise ImpossibleFinding(name, f"{name} is {number}: it must be 0 or more. Correct the value.")
        for name, sign, bound in (("value", self.sign, self.value), ("baseline", self.baseline_sign, self.baseline)):
            if sign not in ("", *SIGNS) or (sign and bound is None) or (sign == "<" and bound == 0):
                raise ImpossibleFinding(name, f"{name} is {sign}{bound}: no number is that. Correct the value.")
        for low, high in (("lln", "uln"), ("baseline_lln", "baseline_uln")):
            lowest, highest = getattr(self, low), getattr(self, high)
            if lowest is not None and highest is not None and lowest > highest:
                raise ImpossibleFinding(low, f"The limits {lowest} and {highest} are interchanged. Correct them.")

    @property
    def lln_then(self) -> Decimal | None:
        """The lower limit that the baseline is judged by."""
        return self.lln if self.baseline_lln is None else self.baseline_lln

    @property
    def uln_then(self) -> Decimal | None:
        return self.uln if self.baseline_uln is None else self.baseline_uln

    def numbers(self) -> Iterator[tuple[str, Decimal]]:
        for name in ("value", "lln", "uln", "baseline", "baseline_lln", "baseline_uln"):
            number = getattr(self, name)
            if number is not None:
                yield name, number


@dataclass(frozen=True)
class LabPolicy:
    """What the study chose where the text is silent [P]."""

    # CTCAE 5.0 prints a drop of the ejection fraction as "%": points of it, or percent of the baseline.
    ef_drop_is_relative: bool = False
    # An ejection fraction inside a band that is no lower than the baseline is no event.
    ef_only_changes: bool = True


FIRST_STUDY = LabPolicy()


class Basis(StrEnum):
    """Which kind of rule decided."""

    NUMBER = "number"
    LIMIT = "limit"
    BASELINE = "baseline"
    FINDING = "finding"


@dataclass(frozen=True)
class Suggestion:
    """What CTCAE's numbers suggest; an investigator confirms or changes it. grade None: they cannot say, not 0.

    `span` is the lowest and the highest grade where the report gives a bound and the values that it allows differ.
    """

    version: Version
    term: str
    meddra_code: str
    grade: int | None
    decided_by: tuple[Basis, ...]
    reasons: tuple[Reason, ...]
    flags: tuple[str, ...]
    span: tuple[int, int] | None = None

    @property
    def lowest(self) -> int | None:
        return self.span[0] if self.span else self.grade

    @property
    def highest(self) -> int | None:
        """The worst that it may be."""
        return self.span[1] if self.span else self.grade

    @property
    def grade_text(self) -> str:
        """ "3", or "3-4" of a bound; empty where the numbers cannot say."""
        if self.span:
            return f"{self.span[0]}-{self.span[1]}"
        return "" if self.grade is None else str(self.grade)
