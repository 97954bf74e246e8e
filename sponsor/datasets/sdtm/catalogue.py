"""Which dataset and which test of it each measure of ours is, with its specimen, its method and its units.

Names of tests are those of SDTM controlled terminology of the release that `terms` names; where it has none, ours: an
extensible codelist takes them. Questions of the screening that only decide a criterion leave as the criterion.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Test:
    """`target`: of immunology the agent that is bound, of cell phenotyping the markers."""

    domain: str
    code: str
    name: str
    category: str = ""
    specimen: str = ""
    method: str = ""
    target: str = ""


def _laboratory(category: str, specimen: str, names: dict[str, tuple[str, str]]) -> dict[str, Test]:
    return {ours: Test("LB", code, name, category, specimen) for ours, (code, name) in names.items()}


def _plain(names: dict[str, str]) -> dict[str, tuple[str, str]]:
    return {code: (code, name) for code, name in names.items()}


TESTS: dict[str, Test] = {
    **_laboratory(
        "HEMATOLOGY",
        "BLOOD",
        {
            **_plain(
                {
                    "WBC": "Leukocytes",
                    "NEUT": "Neutrophils",
                    "LYM": "Lymphocytes",
                    "HGB": "Hemoglobin",
                    "PLAT": "Platelets",
                }
            ),
            "PB_BLASTS": ("BLAST", "Blasts"),
        },
    ),
    **_laboratory(
        "CHEMISTRY",
        "SERUM OR PLASMA",
        _plain(
            {
                "CREAT": "Creatinine",
                "BILI": "Bilirubin",
                "BILDIR": "Direct Bilirubin",
                "ALT": "Alanine Aminotransferase",
                "AST": "Aspartate Aminotransferase",
                "ALP": "Alkaline Phosphatase",
                "LDH": "Lactate Dehydrogenase",
                "UREA": "Urea",
                "URATE": "Urate",
                "ALB": "Albumin",
                "GLUC": "Glucose",
                "K": "Potassium",
                "SODIUM": "Sodium",
                "CA": "Calcium",
                "PHOS": "Phosphate",
                "CRP": "C Reactive Protein",
                "FERRITIN": "Ferritin",
                "TRIG": "Triglycerides",
            }
        ),
    ),
    **_laboratory(
        "COAGULATION",
        "PLASMA",
        _plain(
            {
                "PT": "Prothrombin Time",
                "INR": "Prothrombin Intl. Normalized Ratio",
                "APTT": "Activated Partial Thromboplastin Time",
                "FIBRINO": "Fibrinogen",
                "DDIMER": "D-Dimer",
            }
        ),
    ),
    "HCG_SERUM": Test("LB", "HCG", "Choriogonadotropin Beta", "PREGNANCY", "SERUM"),
    "HCG_URINE": Test("LB", "HCG", "Choriogonadotropin Beta", "PREGNANCY", "URINE"),
    "BM_BLASTS": Test("LB", "BLASTCE", "Blasts/Total Cells", "BONE MARROW", "BONE MARROW"),
    "MRD": Test("LB", "MRDCE", "Residual Leukemic Cells/Total Cells", "BONE MARROW", "BONE MARROW"),
    "CAR_COPIES": Test("LB", "CARTRANS", "CAR Transgene Copies", "CELLULAR KINETICS", "BLOOD"),
    **{
        code: Test("VS", code, name)
        for code, name in {
            "TEMP": "Temperature",
            "HR": "Heart Rate",
            "RESP": "Respiratory Rate",
            "SYSBP": "Systolic Blood Pressure",
            "DIABP": "Diastolic Blood Pressure",
            "OXYSAT": "Oxygen Saturation",
            "WEIGHT": "Weight",
            "HEIGHT": "Height",
        }.items()
    },
    "QT": Test("EG", "QTAG", "QT Interval, Aggregate"),
    "RR": Test("EG", "RRAG", "RR Interval, Aggregate"),
    "EGHR": Test("EG", "EGHRMN", "ECG Mean Heart Rate"),
    "QTCF": Test("EG", "QTCFAG", "QTcF Interval, Aggregate"),
    "LVEF": Test("CV", "LVEF", "Left Ventricular Ejection Fraction", method="ECHOCARDIOGRAPHY"),
    "EFFUSION": Test("CV", "PEFFSIZE", "Pericardial Effusion Size", method="ECHOCARDIOGRAPHY"),
    "ECOG": Test("RS", "ECOG101", "ECOG1-Performance Status", "ECOG"),
    "ICE": Test("QS", "ICETOT", "ICE-Total Score", "ICE SCORE"),
    "BCELL": Test("CP", "BLYCE", "B-Lymphocytes", specimen="BLOOD", method="FLOW CYTOMETRY", target="CD19+"),
    "BCELL_PCT": Test(
        "CP", "BLYCELY", "B-Lymphocytes/Lymphocytes", specimen="BLOOD", method="FLOW CYTOMETRY", target="CD19+"
    ),
    "CAR_PCT": Test(
        "CP", "CARTLY", "CAR T-Lymphocytes/T-Lymphocytes", specimen="BLOOD", method="FLOW CYTOMETRY", target="CAR+"
    ),
    "CD19": Test("CP", "CD19X", "CD19 Expression", target="CD19"),
    "HBSAG": Test("MB", "HBSAG", "Hepatitis B Virus Surface Antigen", "VIROLOGY", "SERUM OR PLASMA"),
    "HBVDNA": Test("MB", "HBDNA", "Hepatitis B Virus DNA", "VIROLOGY", "SERUM OR PLASMA"),
    "HCVRNA": Test("MB", "HCRNA", "Hepatitis C Virus RNA", "VIROLOGY", "SERUM OR PLASMA"),
    "EBVDNA": Test("MB", "EBDNA", "Epstein-Barr DNA", "VIROLOGY", "SERUM OR PLASMA"),
    "CMVDNA": Test("MB", "CMVDNA", "Cytomegalovirus DNA", "VIROLOGY", "SERUM OR PLASMA"),
    **{
        ours: Test("IS", "MBAB", "Microbial-induced Antibody", "VIROLOGY", "SERUM OR PLASMA", target=agent)
        for ours, agent in {
            "HBCAB": "HEPATITIS B VIRUS CORE ANTIGEN",
            "HCVAB": "HEPATITIS C VIRUS",
            "HIVAB": "HUMAN IMMUNODEFICIENCY VIRUS",
        }.items()
    },
}

# Answers that say by which method another measure of the same examination was made.
METHOD_OF = {"CAR_COPIES": "CAR_METHOD", "CAR_PCT": "CAR_METHOD", "CD19": "CD19_METHOD"}
METHODS = {
    "qpcr": "REAL-TIME POLYMERASE CHAIN REACTION ASSAY",
    "ddpcr": "DROPLET DIGITAL PCR",
    "flow": "FLOW CYTOMETRY",
    "ihc": "IHC",
}

# Our units in the words of the terminology. The second is the same amount under another name, so that numbers stay.
UNITS = {
    "10^3/uL": "10^9/L",
    "/uL": "10^6/L",
    "ng/mL": "ug/L",
    "ug/mL": "mg/L",
    "degC": "C",
    "degF": "F",
    "lb": "LB",
}
RATES = {"HR": "beats/min", "EGHR": "beats/min", "RESP": "breaths/min"}


def unit_of(code: str, unit: str) -> str:
    """The unit of a measure as it leaves.

    >>> unit_of("HR", "/min"), unit_of("NEUT", "10^3/uL"), unit_of("HGB", "g/L")
    ('beats/min', '10^9/L', 'g/L')
    """
    return RATES.get(code, "") if unit == "/min" else UNITS.get(unit, unit)


# Answers of a choice: what is reported, and what it is in the words of the standard.
ANSWERS = {"yes": "Y", "no": "N"}
