"""The numbers of CTCAE 5.0 and 6.0, as data.

Source: NCI, Common Terminology Criteria for Adverse Events v5.0 (2017-11-27, MedDRA 20.1) and v6.0 (2025-07-10,
MedDRA 28.0, with the errata of 2026-01-20). Terms and codes are MedDRA lowest-level terms as NCI published them.
The notation is that of `notation.py`: "below the lower limit to 1.5" is everything below the limit down to 1.5,
which belongs to that grade; "above 3.0 to 5.0 × the upper limit" holds its upper end.

Policy, where the print is silent [P]: between two printed whole numbers (sodium, QTc, ejection fraction, filtration,
lung function) a band goes on to the next one's edge, as version 6.0 prints it for sodium; "Present" for a count is
a count outside its limits; a rise of haemoglobin in 5.0 is counted from the upper limit, as 6.0 prints it; with two
printed criteria either suffices; symptoms with a raised amylase in 6.0 count as moderate. Blood pressure, urine
output and the ratio of protein to creatinine have the bands of adults only.

Left out, since no number alone decides them: haemolysis and haemolytic anaemia, disseminated intravascular
coagulation, sinusoidal obstruction, tumour lysis, heart failure, hormones other than TSH, growth, hearing, vision.
"""

from decimal import Decimal

from safety.rules.lab_ctcae.model import Analyte, Finding, Row, Version, When
from safety.rules.lab_ctcae.notation import bands

A = Analyte
V5, V6 = (Version.V5,), (Version.V6,)
BOTH = (*V5, *V6)


def _rows(
    versions: tuple[Version, ...],
    analyte: Analyte,
    term: str,
    code: int,
    text: str,
    other: str = "",
    when: When | None = None,
    *,
    composite: str = "",
    notes: tuple[str, ...] = (),
    baseline_up_to_uln: Decimal | None = None,
    open_with: Finding | None = None,
) -> tuple[Row, ...]:
    first, second = bands(text), bands(other)
    return tuple(
        Row(analyte, version, term, str(code), first, second, when, composite, notes, baseline_up_to_uln, open_with)
        for version in versions
    )


ABNORMAL = When.BASELINE_ABNORMAL
ADULTS, ONE_READING = ("ADULT_BANDS",), ("ADULT_BANDS", "ONE_READING")
ANC, LYMPHOCYTES_UP = "Neutrophil count decreased", "Lymphocyte count increased"
ALT, AST = "Alanine aminotransferase increased", "Aspartate aminotransferase increased"
ALP, BILIRUBIN, CREATININE = "Alkaline phosphatase increased", "Blood bilirubin increased", "Creatinine increased"
QTC = "Electrocardiogram QT corrected interval prolonged"
DLCO, FEV1 = "Carbon monoxide diffusing capacity decreased", "Forced expiratory volume decreased"
TRANSAMINASE = "1 >ULN; 2 >3.0 ULN; 3 >5.0 ULN; 4 >20.0 ULN"
TRANSAMINASE_V5 = "1 >=1.5 baseline; 2 >3.0 baseline; 3 >5.0 baseline; 4 >20.0 baseline"
TRANSAMINASE_V6 = "1 >=baseline; 2 >1.5 baseline; 3 >2.0 baseline; 4 >4.0 baseline"
CHOLESTASIS = "1 >ULN; 2 >2.5 ULN; 3 >5.0 ULN; 4 >20.0 ULN"
CHOLESTASIS_V5 = "1 >=2.0 baseline; 2 >2.5 baseline; 3 >5.0 baseline; 4 >20.0 baseline"
BILIRUBIN_ULN = "1 >ULN; 2 >1.5 ULN; 3 >3.0 ULN; 4 >10.0 ULN"
TROPONIN_V5 = "1 >ULN; 3 >ULN if infarction_level"
PANCREAS_V5 = (
    "1 >ULN; 2 >1.5 ULN; 3 >2.0 ULN if symptomatic; 3 >5.0 ULN; 4 >5.0 ULN if symptomatic"  # lipase and amylase
)
DROP_OF_DLCO = (
    "1 <=%s - 3 mL/min/mmHg; 2 <%s - 5 mL/min/mmHg; 3 <%s - 5 mL/min/mmHg if symptomatic; 3 <%s - 8 mL/min/mmHg"
)

BLOOD = (
    *_rows(V5, A.NEUTROPHILS, ANC, 10029366, "1 <LLN; 2 <1.5 10^9/L; 3 <1.0 10^9/L; 4 <0.5 10^9/L"),
    *_rows(V6, A.NEUTROPHILS, ANC, 10029366, "1 <1.5 10^9/L; 2 <1.0 10^9/L; 3 <0.5 10^9/L; 4 <0.1 10^9/L"),
    *_rows(V6, A.NEUTROPHILS, "Neutrophil count increased", 10029368, "1 >ULN"),
    *_rows(
        BOTH,
        A.LEUKOCYTES,
        "White blood cell decreased",
        10049182,
        "1 <LLN; 2 <3.0 10^9/L; 3 <2.0 10^9/L; 4 <1.0 10^9/L",
    ),
    *_rows(
        BOTH,
        A.LEUKOCYTES,
        "Leukocytosis",
        10024378,
        "3 >100 10^9/L; 4 >100 10^9/L if leukostasis",
        notes=("NOT_FOR_LEUKAEMIA",),
    ),
    *_rows(
        V5,
        A.LYMPHOCYTES,
        "Lymphocyte count decreased",
        10025256,
        "1 <LLN; 2 <0.8 10^9/L; 3 <0.5 10^9/L; 4 <0.2 10^9/L",
    ),
    *_rows(V6, A.LYMPHOCYTES, "Lymphopenia", 10025327, "1 <LLN"),
    *_rows(BOTH, A.LYMPHOCYTES, LYMPHOCYTES_UP, 10025258, "2 >4 10^9/L; 3 >20 10^9/L"),
    *_rows(
        BOTH,
        A.CD4,
        "CD4 lymphocytes decreased",
        10007839,
        "1 <LLN; 2 <0.5 10^9/L; 3 <0.2 10^9/L; 4 <0.05 10^9/L",
    ),
    *_rows(BOTH, A.EOSINOPHILS, "Eosinophilia", 10014950, "1 >ULN beyond baseline; 3 >ULN beyond baseline if steroids"),
    *_rows(
        BOTH,
        A.HEMOGLOBIN,
        "Anemia",
        10002272,
        "1 <LLN; 2 <100 g/L | 6.2 mmol/L; 3 <80 g/L | 4.9 mmol/L; 3 <LLN if transfusion; 4 <LLN if life_threatening",
    ),
    *_rows(BOTH, A.HEMOGLOBIN, "Hemoglobin increased", 10055599, "1 >ULN; 2 >ULN + 20 g/L; 3 >ULN + 40 g/L"),
    *_rows(
        V5,
        A.PLATELETS,
        "Platelet count decreased",
        10035528,
        "1 <LLN; 2 <75 10^9/L; 3 <50 10^9/L; 4 <25 10^9/L",
    ),
    *_rows(
        V6,
        A.PLATELETS,
        "Thrombocytopenia",
        10043554,
        "1 <LLN; 2 <75 10^9/L; 3 <50 10^9/L; 3 <LLN if transfusion; 4 <10 10^9/L; 4 <LLN if life_threatening",
    ),
    *_rows(V6, A.PLATELETS, "Thrombocytosis", 10043563, "1 >ULN"),
    *_rows(
        BOTH,
        A.METHEMOGLOBIN,
        "Methemoglobinemia",
        10027506,
        "2 >ULN; 3 >ULN if intervention; 4 >ULN if life_threatening",
    ),
    *_rows(BOTH, A.HAPTOGLOBIN, "Haptoglobin decreased", 10019150, "1 <LLN"),
)

COAGULATION = (
    *_rows(
        BOTH,
        A.INR,
        "INR increased",
        10022402,
        "1 >1.2; 2 >1.5; 2 >1.2 if dose_adjustment; 3 >2.5; 3 >1.2 if bleeding",
        "1 >baseline; 2 >1.5 baseline; 2 >baseline if dose_adjustment; 3 >2.5 baseline; 3 >baseline if bleeding",
        When.ANTICOAGULATED,
    ),
    *_rows(
        BOTH,
        A.APTT,
        "Activated partial thromboplastin time prolonged",
        10000636,
        "1 >ULN; 2 >1.5 ULN; 3 >2.5 ULN; 3 >ULN if bleeding",
    ),
    *_rows(
        BOTH,
        A.FIBRINOGEN,
        "Fibrinogen decreased",
        10016596,
        "1 <LLN; 2 <0.75 LLN; 3 <0.5 LLN; 4 <0.25 LLN; 4 <0.5 g/L",
        "1 <baseline; 2 <=0.75 baseline; 3 <=0.5 baseline; 4 <=0.25 baseline; 4 <0.5 g/L",
        ABNORMAL,
    ),
)

LIVER = (
    *_rows(V5, A.ALT, ALT, 10001551, TRANSAMINASE, TRANSAMINASE_V5, ABNORMAL),
    *_rows(V6, A.ALT, ALT, 10001551, TRANSAMINASE, TRANSAMINASE_V6, ABNORMAL, baseline_up_to_uln=Decimal(5)),
    *_rows(V5, A.AST, AST, 10003481, TRANSAMINASE, TRANSAMINASE_V5, ABNORMAL),
    *_rows(V6, A.AST, AST, 10003481, TRANSAMINASE, TRANSAMINASE_V6, ABNORMAL, baseline_up_to_uln=Decimal(5)),
    *_rows(V5, A.ALP, ALP, 10001675, CHOLESTASIS, CHOLESTASIS_V5, ABNORMAL),
    *_rows(V6, A.ALP, ALP, 10001675, "1 >ULN beyond baseline"),
    *_rows(V5, A.GGT, "GGT increased", 10056910, CHOLESTASIS, CHOLESTASIS_V5, ABNORMAL),
    *_rows(
        V6,
        A.GGT,
        "GGT increased",
        10056910,
        CHOLESTASIS,
        "1 >=baseline; 2 >1.5 baseline; 3 >3.0 baseline; 4 >10.0 baseline",
        ABNORMAL,
    ),
    *_rows(
        V5,
        A.BILIRUBIN,
        BILIRUBIN,
        10005364,
        BILIRUBIN_ULN,
        "1 >baseline; 2 >1.5 baseline; 3 >3.0 baseline; 4 >10.0 baseline",
        ABNORMAL,
    ),
    *_rows(
        V6,
        A.BILIRUBIN,
        BILIRUBIN,
        10005364,
        BILIRUBIN_ULN,
        "1 >=baseline; 2 >1.5 baseline; 3 >2.5 baseline; 4 >10.0 baseline",
        ABNORMAL,
    ),
    *_rows(BOTH, A.LDH, "Blood lactate dehydrogenase increased", 10005630, "1 >ULN"),
    *_rows(
        BOTH,
        A.ALBUMIN,
        "Hypoalbuminemia",
        10020943,
        "1 <LLN; 2 <30 g/L; 3 <20 g/L; 4 <LLN if life_threatening",
    ),
)

KIDNEY = (
    *_rows(
        V5,
        A.CREATININE,
        CREATININE,
        10011368,
        "1 >ULN; 2 >1.5 ULN; 2 >1.5 baseline; 3 >3.0 ULN; 3 >3.0 baseline; 4 >6.0 ULN",
    ),
    *_rows(
        V6,
        A.CREATININE,
        CREATININE,
        10011368,
        "1 >ULN; 2 >1.5 ULN; 3 >3.0 ULN; 4 >6.0 ULN",
        "1 >ULN; 2 >1.5 ULN; 2 >1.5 baseline; 3 >3.0 ULN; 3 >3.0 baseline; 4 >6.0 ULN",
        When.BASELINE_BELOW_LLN,
    ),
    # Below 10 mL/min version 6.0 sends to acute or chronic kidney injury: grade 3 at least [P].
    *_rows(V6, A.CREATININE_CLEARANCE, "Creatinine clearance decreased", 10011363, "2 <50 mL/min; 3 <26 mL/min"),
    *(
        row
        for analyte in (A.EGFR, A.CREATININE_CLEARANCE)
        for row in _rows(
            BOTH,
            analyte,
            "Chronic kidney disease",
            10064848,
            "1 <LLN; 2 <60 mL/min; 3 <30 mL/min; 4 <15 mL/min; 4 <LLN if dialysis",
        )
    ),
    *(
        row
        for version, term, code in (
            (V5, "Proteinuria", 10037032),
            (V6, "Urinary protein increased", 10046553),
        )
        for row in (
            *_rows(version, A.URINE_PROTEIN_24H, term, code, "1 >=ULN; 2 >=1.0 g/d; 3 >=3.5 g/d", notes=ADULTS),
            *_rows(version, A.URINE_PROTEIN_DIPSTICK, term, code, "1 >=1; 2 >=2; 3 >=4", notes=ADULTS),
        )
    ),
    *_rows(
        V6,
        A.URINE_PROTEIN_CREATININE,
        "Urinary protein increased",
        10046553,
        "1 >=ULN; 2 >=1; 3 >3.5",
        notes=ADULTS,
    ),
    *_rows(BOTH, A.URINE_OUTPUT_8H, "Urine output decreased", 10059895, "3 <80 mL", notes=ADULTS),
    *_rows(BOTH, A.URINE_OUTPUT_24H, "Urine output decreased", 10059895, "4 <240 mL", notes=ADULTS),
)

ELECTROLYTES = (
    *_rows(
        BOTH,
        A.SODIUM,
        "Hyponatremia",
        10021038,
        "1 <LLN; 2 <130 mmol/L; 3 <130 mmol/L if symptomatic; 3 <125 mmol/L; 4 <120 mmol/L; 4 <LLN if life_threatening",
    ),
    *_rows(
        BOTH,
        A.SODIUM,
        "Hypernatremia",
        10020680,
        "1 >ULN; 2 >150 mmol/L; 2 >ULN if intervention; 3 >155 mmol/L; 3 >ULN if hospitalization; 4 >160 mmol/L; "
        "4 >ULN if life_threatening",
    ),
    *_rows(
        BOTH,
        A.POTASSIUM,
        "Hypokalemia",
        10021018,
        "1 <LLN; 2 <LLN if symptomatic; 2 <LLN if intervention; 3 <3.0 mmol/L; 3 <LLN if hospitalization; "
        "4 <2.5 mmol/L; 4 <LLN if life_threatening",
    ),
    *_rows(
        BOTH,
        A.POTASSIUM,
        "Hyperkalemia",
        10020647,
        "1 >ULN; 2 >5.5 mmol/L; 2 >ULN if intervention; 3 >6.0 mmol/L; 3 >ULN if hospitalization; 4 >7.0 mmol/L; "
        "4 >ULN if life_threatening",
    ),
    *_rows(
        BOTH,
        A.CALCIUM_CORRECTED,
        "Hypocalcemia",
        10020949,
        "1 <LLN; 2 <2.0 mmol/L | 8.0 mg/dL; 2 <LLN if symptomatic; 3 <1.75 mmol/L | 7.0 mg/dL; "
        "3 <LLN if hospitalization; 4 <1.5 mmol/L | 6.0 mg/dL; 4 <LLN if life_threatening",
    ),
    *_rows(
        BOTH,
        A.CALCIUM_CORRECTED,
        "Hypercalcemia",
        10020587,
        "1 >ULN; 2 >2.9 mmol/L | 11.5 mg/dL; 2 >ULN if symptomatic; 3 >3.1 mmol/L | 12.5 mg/dL; "
        "3 >ULN if hospitalization; 4 >3.4 mmol/L | 13.5 mg/dL; 4 >ULN if life_threatening",
    ),
    *_rows(
        BOTH,
        A.CALCIUM_IONIZED,
        "Hypocalcemia",
        10020949,
        "1 <LLN; 2 <1.0 mmol/L; 2 <LLN if symptomatic; 3 <0.9 mmol/L; 3 <LLN if hospitalization; 4 <0.8 mmol/L; "
        "4 <LLN if life_threatening",
    ),
    *_rows(
        BOTH,
        A.CALCIUM_IONIZED,
        "Hypercalcemia",
        10020587,
        "1 >ULN; 2 >1.5 mmol/L; 2 >ULN if symptomatic; 3 >1.6 mmol/L; 3 >ULN if hospitalization; 4 >1.8 mmol/L; "
        "4 >ULN if life_threatening",
    ),
    *_rows(BOTH, A.CALCIUM, "Hypocalcemia", 10020949, "", composite="uncorrected", notes=("NEEDS_ALBUMIN",)),
    *_rows(BOTH, A.CALCIUM, "Hypercalcemia", 10020587, "", composite="uncorrected", notes=("NEEDS_ALBUMIN",)),
    *_rows(
        BOTH,
        A.MAGNESIUM,
        "Hypomagnesemia",
        10021028,
        "1 <LLN; 2 <0.5 mmol/L | 1.2 mg/dL; 3 <0.4 mmol/L | 0.9 mg/dL; 4 <0.3 mmol/L | 0.7 mg/dL; "
        "4 <LLN if life_threatening",
    ),
    *_rows(
        BOTH,
        A.MAGNESIUM,
        "Hypermagnesemia",
        10020670,
        "1 >ULN; 3 >1.23 mmol/L | 3.0 mg/dL; 4 >3.30 mmol/L | 8.0 mg/dL; 4 >ULN if life_threatening",
    ),
    *_rows(
        BOTH,
        A.PHOSPHATE,
        "Hypophosphatemia",
        10021059,
        "1 <LLN if no_intervention; 2 <LLN if oral_replacement; 3 <LLN if hospitalization; 4 <LLN if life_threatening",
    ),
    *_rows(
        BOTH,
        A.PHOSPHATE,
        "Hyperphosphatemia",
        10020712,
        "1 >ULN if no_intervention; 2 >ULN if intervention; 3 >ULN if hospitalization; 4 >ULN if life_threatening",
    ),
)

METABOLISM = (
    *_rows(
        V5,
        A.GLUCOSE,
        "Hyperglycemia",
        10020639,
        "1 >ULN beyond baseline if no_intervention; 2 >ULN if workup; 2 >ULN if management_change; "
        "2 >ULN if oral_agent; 3 >ULN if insulin; 3 >ULN if hospitalization; 4 >ULN if life_threatening",
    ),
    *_rows(
        V6,
        A.GLUCOSE,
        "Hyperglycemia",
        10020639,
        "1 >ULN if fasting; 2 >8.9 mmol/L | 160 mg/dL if fasting; 3 >13.9 mmol/L | 250 mg/dL; "
        "3 >ULN if hospitalization; 4 >27.8 mmol/L | 500 mg/dL; 4 >ULN if life_threatening",
    ),
    *_rows(
        BOTH,
        A.GLUCOSE,
        "Hypoglycemia",
        10021005,
        "1 <LLN; 2 <3.0 mmol/L | 55 mg/dL; 3 <2.2 mmol/L | 40 mg/dL; 4 <1.7 mmol/L | 30 mg/dL; 4 <LLN if seizure; "
        "4 <LLN if life_threatening",
    ),
    *_rows(
        BOTH,
        A.URIC_ACID,
        "Hyperuricemia",
        10020907,
        "1 >ULN; 3 >ULN if symptomatic; 4 >ULN if life_threatening",
    ),
    *_rows(BOTH, A.BICARBONATE, "Blood bicarbonate decreased", 10005359, "1 <LLN"),
    *_rows(BOTH, A.PH, "Acidosis", 10000486, "1 <LLN; 3 <7.3; 4 <LLN if life_threatening"),
    *_rows(BOTH, A.PH, "Alkalosis", 10001680, "1 >ULN; 3 >7.5; 4 >ULN if life_threatening"),
    *_rows(
        BOTH,
        A.TRIGLYCERIDES,
        "Hypertriglyceridemia",
        10020870,
        "1 >=1.71 mmol/L | 150 mg/dL; 2 >3.42 mmol/L | 300 mg/dL; 3 >5.7 mmol/L | 500 mg/dL; "
        "4 >11.4 mmol/L | 1000 mg/dL; 4 >=1.71 mmol/L | 150 mg/dL if life_threatening",
    ),
    *_rows(
        BOTH,
        A.CHOLESTEROL,
        "Cholesterol high",
        10008661,
        "1 >ULN; 2 >7.75 mmol/L | 300 mg/dL; 3 >10.34 mmol/L | 400 mg/dL; 4 >12.92 mmol/L | 500 mg/dL",
    ),
    *_rows(V6, A.HDL, "HDL decreased", 10019186, "1 <LLN"),
    *_rows(V6, A.LDL, "LDL increased", 10024057, "1 >ULN"),
    *_rows(V6, A.VITAMIN_D, "Vitamin D decreased", 10062189, "1 <LLN"),
    *_rows(BOTH, A.TSH, "Thyroid stimulating hormone increased", 10043770, "1 >ULN"),
)

ENZYMES = (
    *_rows(V5, A.CK, "CPK increased", 10011268, "1 >ULN; 2 >2.5 ULN; 3 >5 ULN; 4 >10 ULN"),
    *_rows(V5, A.LIPASE, "Lipase increased", 10024574, PANCREAS_V5),
    *_rows(
        V6,
        A.LIPASE,
        "Lipase increased",
        10024574,
        "1 >ULN; 2 >1.5 ULN; 3 >3.0 ULN if symptomatic; 3 >5.0 ULN; 4 >5.0 ULN if symptomatic",
    ),
    *_rows(BOTH, A.AMYLASE, "Serum amylase increased", 10040139, PANCREAS_V5),
    *_rows(V5, A.PANCREATIC_ENZYMES, "Pancreatic enzymes decreased", 10062646, "1 <LLN"),
    *_rows(V6, A.PANCREATIC_ENZYMES, "Pancreatic insufficiency", 10033628, "1 <LLN"),
    *_rows(V5, A.TROPONIN_I, "Cardiac troponin I increased", 10007612, TROPONIN_V5),
    *_rows(V5, A.TROPONIN_T, "Cardiac troponin T increased", 10007613, TROPONIN_V5),
)

HEART_AND_LUNG = (
    *_rows(
        BOTH,
        A.QTC,
        QTC,
        10014383,
        "1 >=450 ms; 2 >480 ms; 3 >500 ms; 3 >baseline + 60 ms; 4 >=450 ms if arrhythmia; "
        "4 >=450 ms if life_threatening",
    ),
    *_rows(
        V5,
        A.LVEF,
        "Ejection fraction decreased",
        10050528,
        "2 <=50 % beyond baseline; 2 <=baseline - 10 %; 3 <40 % beyond baseline; 3 <=baseline - 20 %; "
        "4 <20 % beyond baseline",
        "2 <=50 % beyond baseline; 2 <=0.9 baseline; 3 <40 % beyond baseline; 3 <=0.8 baseline; "
        "4 <20 % beyond baseline",
        When.RELATIVE_DROP,
    ),
    *_rows(
        V6,
        A.LVEF,
        "Left ventricular dysfunction",
        10049694,
        "",
        composite="lv-dysfunction",
        notes=("NEEDS_CLINICAL_JUDGEMENT",),
    ),
    *_rows(
        BOTH,
        A.DLCO,
        DLCO,
        10065906,
        DROP_OF_DLCO.replace("%s", "LLN"),
        DROP_OF_DLCO.replace("%s", "baseline"),
        When.BASELINE_KNOWN,
    ),
    *_rows(V5, A.FEV1, FEV1, 10016987, "1 <100 %; 2 <70 %; 3 <60 %; 4 <50 %"),
    *_rows(V6, A.FEV1, FEV1, 10016987, "1 <100 %; 2 <70 %; 3 <60 %"),
    *_rows(BOTH, A.VITAL_CAPACITY, "Vital capacity abnormal", 10047580, "1 <=90 %; 2 <75 %; 3 <50 %"),
    *_rows(
        V5,
        A.SPO2,
        "Hypoxia",
        10021143,
        "2 any if oxygen_intermittent; 3 <88 %; 4 any if airway; 4 <88 % if life_threatening",
        open_with=Finding.OXYGEN_CONTINUOUS,
    ),
    *_rows(
        V6,
        A.SPO2,
        "Hypoxia",
        10021143,
        "1 <LLN; 2 any if oxygen_intermittent; 3 <88 %; 3 any if oxygen_continuous; 4 any if airway; "
        "4 <LLN if life_threatening",
    ),
    *_rows(BOTH, A.SPO2_EXERCISE, "Hypoxia", 10021143, "2 <88 %"),
    *_rows(BOTH, A.PAO2, "Hypoxia", 10021143, "3 <=55 mmHg"),
    *_rows(
        BOTH,
        A.TEMPERATURE,
        "Fever",
        10016558,
        "1 >=38.0 degC | 100.4 degF; 2 >39.0 degC | 102.2 degF; 3 >40.0 degC | 104.0 degF; "
        "4 >40.0 degC | 104.0 degF if over_24h",
    ),
    *_rows(
        BOTH,
        A.TEMPERATURE,
        "Hypothermia",
        10021113,
        "2 <=35 degC | 95 degF; 3 <=32 degC | 89.6 degF; 4 <=28 degC | 82.4 degF; "
        "4 <=35 degC | 95 degF if life_threatening",
    ),
    *_rows(V5, A.SYSTOLIC, "Hypertension", 10020772, "1 >=120 mmHg; 2 >=140 mmHg; 3 >=160 mmHg", notes=ONE_READING),
    *_rows(V5, A.DIASTOLIC, "Hypertension", 10020772, "1 >=80 mmHg; 2 >=90 mmHg; 3 >=100 mmHg", notes=ONE_READING),
    *_rows(V6, A.SYSTOLIC, "Hypertension", 10020772, "2 >=140 mmHg; 3 >=160 mmHg; 4 >=180 mmHg", notes=ONE_READING),
    *_rows(V6, A.DIASTOLIC, "Hypertension", 10020772, "2 >=90 mmHg; 3 >=100 mmHg; 4 >=110 mmHg", notes=ONE_READING),
    *_rows(BOTH, A.WEIGHT, "Weight gain", 10047896, "1 >=1.05 baseline; 2 >=1.10 baseline; 3 >=1.20 baseline"),
    *_rows(BOTH, A.WEIGHT, "Weight loss", 10047900, "1 <=0.95 baseline; 2 <=0.90 baseline; 3 <=0.80 baseline"),
)

ROWS: tuple[Row, ...] = (
    *BLOOD,
    *COAGULATION,
    *LIVER,
    *KIDNEY,
    *ELECTROLYTES,
    *METABOLISM,
    *ENZYMES,
    *HEART_AND_LUNG,
)
FEBRILE_NEUTROPENIA = ("Febrile neutropenia", "10016288")
