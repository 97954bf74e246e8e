"""Grades that CTCAE 5.0 and 6.0 suggest for laboratory values: every printed edge on both sides, and the laws."""

import csv
import io
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from participants.rules.measures import MEASURES, Kind
from safety.cases import CASES
from safety.rules.grading import ImpossibleFinding
from safety.rules.lab_ctcae import (
    FLAG_TEXT,
    MEASURED,
    REASON_TEXT,
    ROWS,
    Analyte,
    Band,
    Basis,
    FebrileFindings,
    Finding,
    LabPolicy,
    LabValue,
    Row,
    Suggestion,
    Version,
    corrected_calcium_mmol_l,
    febrile_neutropenia,
    lab_value,
    suggest,
    suggest_by,
    suggestions,
)
from safety.rules.lab_ctcae.evaluate import Grading
from safety.rules.lab_ctcae.model import Limit, When
from safety.rules.lab_ctcae.notation import bands
from safety.rules.lab_ctcae.units import UNITS, in_scale, unit_key
from trialsite.casetables import TableError, run

A, F, V5, V6 = Analyte, Finding, Version.V5, Version.V6
GIVEN = Path(__file__).parent.parent / "cases" / "lab_ctcae.csv"
TABLE = CASES["lab_ctcae"]
WORKED = list(csv.DictReader(io.StringIO(GIVEN.read_text(encoding="utf-8"))))


def number(text: str) -> Decimal | None:
    return Decimal(text) if text else None


def lab(analyte: Analyte, value: str, unit: str = "", **given: Any) -> LabValue:
    """A result; limits and baseline as text."""
    limits = {name: number(given.pop(name, "")) for name in ("lln", "uln", "baseline", "baseline_lln", "baseline_uln")}
    return LabValue(analyte, Decimal(value), unit, **limits, **given)


# --- The worked cases ----------------------------------------------------------------------------


@pytest.mark.parametrize("row", [pytest.param(row, id=f"{row['id']}-{row['ctcae_v5_term']}") for row in WORKED])
def test_worked_case(row: dict[str, str]) -> None:
    computed, why = TABLE.evaluate({name: parse(row[name]) for name, parse in TABLE.inputs.items()})
    expected = {name: parse(row[f"expected_{name}"]) for name, parse in TABLE.expected.items()}
    assert computed == expected, why


def test_all_worked_cases_as_one_table() -> None:
    assert run(TABLE, GIVEN).last_line == f"{len(WORKED)} passed, 0 failed"


COLUMNS = [*TABLE.inputs, *TABLE.optional, *(f"expected_{name}" for name in TABLE.expected)]
POTASSIUM = {
    "analyte": "Potassium",
    "ctcae_v5_term": "Hyperkalemia",
    "ctcae_v5_meddra": "10020647",
    "value": "5.4",
    "unit": "mmol/L",
    "lln": "3.5",
    "uln": "5.3",
    "ctcae_v6_term": "Hyperkalemia",
    "expected_v5_grade": "1",
    "expected_v6_grade": "1",
}
PHOSPHATE = {
    **dict.fromkeys(("ctcae_v5_term", "ctcae_v6_term"), "Hypophosphatemia"),
    "analyte": "Phosphorus",
    "ctcae_v5_meddra": "10021059",
    "value": "0.5",
    "uln": "",
    "lln": "0.85",
}
FEVER = {
    **dict.fromkeys(("ctcae_v5_term", "ctcae_v6_term"), "Fever"),
    "analyte": "Temp",
    "ctcae_v5_meddra": "",
    "value": "40.1",
    "unit": "°C",
    "lln": "",
    "uln": "",
}
ALT_TODAY = {
    **dict.fromkeys(("ctcae_v5_term", "ctcae_v6_term"), "Alanine aminotransferase increased"),
    "analyte": "ALT",
    "ctcae_v5_meddra": "10001551",
    "unit": "U/L",
    "lln": "",
    "uln": "40",
}
FERRITIN = {
    **dict.fromkeys(("ctcae_v5_term", "ctcae_v6_term"), "(no term)"),
    "analyte": "Ferritin",
    "ctcae_v5_meddra": "",
    "value": "5000",
    "unit": "ug/L",
}
FEBRILE = {
    **dict.fromkeys(("ctcae_v5_term", "ctcae_v6_term"), "Febrile neutropenia"),
    **dict.fromkeys(("unit", "lln", "uln"), ""),
    "analyte": "ANC and temperature",
    "ctcae_v5_meddra": "10016288",
}


def table_of(tmp_path: Path, **cells: str) -> Path:
    row = {**POTASSIUM, **cells}
    path = tmp_path / "cases.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["id", *COLUMNS], ["X", *(row.get(name, "") for name in COLUMNS)]])
    return path


@pytest.mark.parametrize(
    ("cells", "v5", "v6"),
    [
        pytest.param({}, "1", "1", id="potassium"),
        pytest.param({"intervention": "intervention_initiated"}, "2", "2", id="intervention"),
        pytest.param({"intervention": "intervention_not_indicated"}, "1", "1", id="no-intervention"),
        pytest.param({"intervention": "IV treatment; hospitalisation"}, "3", "3", id="two-words"),
        pytest.param({"intervention": "life-threatening"}, "4", "4", id="life-threatening"),
        pytest.param({"uln": ""}, "NA", "", id="no-limit-no-grade"),
        pytest.param({**PHOSPHATE}, "", "", id="phosphate-nothing-said"),
        pytest.param({**PHOSPHATE, "intervention": "none"}, "1", "1", id="phosphate-none"),
        pytest.param({**PHOSPHATE, "intervention": "oral_replacement"}, "2", "2", id="phosphate-oral"),
        pytest.param(
            {**ALT_TODAY, "value": "130", "baseline_value": "47", "baseline_uln": "50"}, "2", "2", id="normal-baseline"
        ),
        pytest.param({**ALT_TODAY, "value": "130", "baseline_value": "47"}, "1", "3", id="abnormal-by-limits-of-today"),
        pytest.param({**FERRITIN}, "NA", "not graded", id="ferritin"),
        pytest.param({**FEVER}, "3", "3", id="fever-duration-unknown"),
        pytest.param({**FEVER, "intervention": "<=24 h"}, "3", "3", id="fever-24h"),
        pytest.param({**FEVER, "intervention": "gt_24h"}, "4", "4", id="fever-over-24h"),
        pytest.param({**FEBRILE, "value": "ANC 0.5; T 38.4 single"}, "3", "3", id="febrile-single"),
        pytest.param({**FEBRILE, "value": "ANC 0.5; T 38.3"}, "0", "0", id="febrile-one-reading"),
        pytest.param({**FEBRILE, "value": "ANC 0.9; T 38.0 for 2 h"}, "3", "3", id="febrile-hours"),
        pytest.param({**FEBRILE, "value": "ANC 0.5; T 38.0 for 60 min"}, "0", "0", id="febrile-one-hour"),
    ],
)
def test_what_else_a_table_may_say(tmp_path: Path, cells: dict[str, str], v5: str, v6: str) -> None:
    outcome = run(TABLE, table_of(tmp_path, **{**cells, "expected_v5_grade": v5, "expected_v6_grade": v6}))
    assert outcome.last_line == "1 passed, 0 failed", outcome.differences


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        pytest.param({"analyte": "Unobtainium"}, "column analyte", id="analyte"),
        pytest.param({"value": "high"}, "column value", id="no-number"),
        pytest.param({"value": "-1"}, "column value: value is -1", id="impossible"),
        pytest.param({"uln": "3"}, "column lln", id="limits-interchanged"),
        pytest.param({"baseline_value": "-2"}, "column baseline_value", id="impossible-baseline"),
        pytest.param({"ctcae_v5_term": "Hypercalcemia"}, "column ctcae_v5_term", id="term-of-another"),
        pytest.param({"ctcae_v6_term": "(removed)"}, "column ctcae_v6_term", id="term-is-there"),
        pytest.param({"ctcae_v5_meddra": "10021018"}, "column ctcae_v5_meddra", id="code-of-another"),
        pytest.param({"intervention": "yoga"}, "column intervention", id="unknown-word"),
        pytest.param({"intervention": "not life-threatening"}, "column intervention", id="denied"),
        pytest.param({"intervention": "24h"}, "le_24h or gt_24h", id="24-hours-of-what"),
        pytest.param({"value": "ANC 0.5; T 38.4"}, "column value", id="two-values-for-one-term"),
        pytest.param({**FEBRILE, "value": "0.5"}, "column value", id="one-value-for-two"),
        pytest.param(
            {**FEBRILE, "value": "ANC 0.5; T 384"}, "column value: .*temperature_c is 384", id="impossible-fever"
        ),
    ],
)
def test_what_cannot_be_read_is_an_error_with_its_place(tmp_path: Path, cells: dict[str, str], message: str) -> None:
    with pytest.raises(TableError, match=message):
        run(TABLE, table_of(tmp_path, **cells))


@pytest.mark.usefixtures("english")
def test_a_difference_tells_the_reason_in_words(tmp_path: Path) -> None:
    (difference,) = run(TABLE, table_of(tmp_path, expected_v5_grade="2")).differences
    assert "CTCAE 5.0: 5.4 mmol/L > 1 × upper limit of normal (5.3 mmol/L): grade 1." in difference.reason


# --- Every printed edge on both sides ------------------------------------------------------------

LIMITS = {"lln": "10", "uln": "100"}
NORMAL, HIGH = {**LIMITS, "baseline": "50"}, {**LIMITS, "baseline": "200"}
HEPATIC = "100:0 100.1:1 300:1 300.1:2 500:2 500.1:3 2000:3 2000.1:4"
BILIARY = "100:0 100.1:1 250:1 250.1:2 500:2 500.1:3 2000:3 2000.1:4"
PANCREATIC = "100:0 100.1:1 150:1 150.1:2 500:2 500.1:3 9000:3"
CELLS = "10^9/L"
# (term, versions, analyte, unit, limits, "value:grade …")
EDGES: list[tuple[str, str, Analyte, str, dict[str, Any], str]] = [
    # Blood
    (
        "Neutrophil count decreased",
        "5.0",
        A.NEUTROPHILS,
        CELLS,
        {"lln": "1.8"},
        "1.8:0 1.79:1 1.5:1 1.49:2 1.0:2 0.99:3 0.5:3 0.49:4 0:4",
    ),
    (
        "Neutrophil count decreased",
        "6.0",
        A.NEUTROPHILS,
        CELLS,
        {"lln": "1.8"},
        "1.79:0 1.5:0 1.49:1 1.0:1 0.99:2 0.5:2 0.49:3 0.1:3 0.09:4 0:4",
    ),
    ("Neutrophil count increased", "6.0", A.NEUTROPHILS, CELLS, {"uln": "7"}, "7:0 7.1:1 90:1"),
    (
        "White blood cell decreased",
        "5.0 6.0",
        A.LEUKOCYTES,
        CELLS,
        {"lln": "3.5"},
        "3.5:0 3.49:1 3.0:1 2.99:2 2.0:2 1.99:3 1.0:3 0.99:4",
    ),
    ("Leukocytosis", "5.0 6.0", A.LEUKOCYTES, CELLS, {}, "100:0 100.1:3"),
    (
        "Lymphocyte count decreased",
        "5.0",
        A.LYMPHOCYTES,
        CELLS,
        {"lln": "1.1"},
        "1.1:0 1.09:1 0.8:1 0.79:2 0.5:2 0.49:3 0.2:3 0.19:4",
    ),
    ("Lymphopenia", "6.0", A.LYMPHOCYTES, CELLS, {"lln": "1.1"}, "1.1:0 1.09:1 0.01:1"),
    ("Lymphocyte count increased", "5.0 6.0", A.LYMPHOCYTES, CELLS, {}, "4:0 4.01:2 20:2 20.1:3"),
    (
        "CD4 lymphocytes decreased",
        "5.0 6.0",
        A.CD4,
        CELLS,
        {"lln": "0.7"},
        "0.7:0 0.69:1 0.5:1 0.49:2 0.2:2 0.19:3 0.05:3 0.049:4",
    ),
    ("Eosinophilia", "5.0 6.0", A.EOSINOPHILS, CELLS, {"uln": "0.5", "baseline": "0.3"}, "0.5:0 0.51:1"),
    ("Eosinophilia", "5.0 6.0", A.EOSINOPHILS, CELLS, {"uln": "0.5", "baseline": "0.8"}, "0.8:0 0.81:1"),
    ("Anemia", "5.0 6.0", A.HEMOGLOBIN, "g/L", {"lln": "130"}, "130:0 129.9:1 100:1 99.9:2 80:2 79.9:3 20:3"),
    ("Anemia", "5.0 6.0", A.HEMOGLOBIN, "mmol/L", {"lln": "8"}, "8:0 7.99:1 6.2:1 6.19:2 4.9:2 4.89:3"),
    ("Anemia", "5.0 6.0", A.HEMOGLOBIN, "g/dL", {"lln": "13"}, "13:0 12.9:1 10.0:1 9.99:2 8.0:2 7.99:3"),
    (
        "Hemoglobin increased",
        "5.0 6.0",
        A.HEMOGLOBIN,
        "g/L",
        {"uln": "160"},
        "160:0 160.1:1 180:1 180.1:2 200:2 200.1:3",
    ),
    (
        "Platelet count decreased",
        "5.0",
        A.PLATELETS,
        CELLS,
        {"lln": "125"},
        "125:0 124:1 75:1 74.9:2 50:2 49.9:3 25:3 24.9:4",
    ),
    ("Thrombocytopenia", "6.0", A.PLATELETS, CELLS, {"lln": "125"}, "125:0 124:1 75:1 74.9:2 50:2 49.9:3 10:3 9.9:4"),
    ("Thrombocytosis", "6.0", A.PLATELETS, CELLS, {"uln": "350"}, "350:0 351:1"),
    ("Methemoglobinemia", "5.0 6.0", A.METHEMOGLOBIN, "%", LIMITS, "100:0 100.1:2"),
    ("Haptoglobin decreased", "5.0 6.0", A.HAPTOGLOBIN, "g/L", LIMITS, "10:0 9.9:1"),
    # Coagulation
    ("INR increased", "5.0 6.0", A.INR, "ratio", {}, "1.2:0 1.21:1 1.5:1 1.51:2 2.5:2 2.51:3"),
    (
        "INR increased",
        "5.0 6.0",
        A.INR,
        "",
        {"baseline": "2", "findings": frozenset({F.ANTICOAGULATED})},
        "2:0 2.1:1 3:1 3.01:2 5:2 5.01:3",
    ),
    (
        "Activated partial thromboplastin time prolonged",
        "5.0 6.0",
        A.APTT,
        "s",
        LIMITS,
        "100:0 100.1:1 150:1 150.1:2 250:2 250.1:3",
    ),
    (
        "Fibrinogen decreased",
        "5.0 6.0",
        A.FIBRINOGEN,
        "g/L",
        {"lln": "4", "baseline": "5"},
        "4:0 3.99:1 3:1 2.99:2 2:2 1.99:3 1:3 0.99:4",
    ),
    ("Fibrinogen decreased", "5.0 6.0", A.FIBRINOGEN, "mg/dL", {"lln": "150"}, "50:3 49.9:4"),
    (
        "Fibrinogen decreased",
        "5.0 6.0",
        A.FIBRINOGEN,
        "g/L",
        {"lln": "5", "baseline": "4"},
        "4:0 3.99:1 3.01:1 3:2 2.01:2 2:3 1.01:3 1:4",
    ),
    ("Fibrinogen decreased", "5.0 6.0", A.FIBRINOGEN, "g/L", {"lln": "2", "baseline": "0.8"}, "0.5:2 0.49:4"),
    # Liver
    *(
        (term, "5.0 6.0", analyte, "U/L", NORMAL, HEPATIC)
        for term, analyte in (
            ("Alanine aminotransferase increased", A.ALT),
            ("Aspartate aminotransferase increased", A.AST),
        )
    ),
    *(
        (term, version, analyte, "U/L", HIGH, edges)
        for term, analyte in (
            ("Alanine aminotransferase increased", A.ALT),
            ("Aspartate aminotransferase increased", A.AST),
        )
        for version, edges in (
            ("5.0", "200:0 299.9:0 300:1 600:1 600.1:2 1000:2 1000.1:3 4000:3 4000.1:4"),
            ("6.0", "199.9:0 200:1 300:1 300.1:2 400:2 400.1:3 800:3 800.1:4"),
        )
    ),
    ("Alkaline phosphatase increased", "5.0", A.ALP, "U/L", NORMAL, BILIARY),
    ("Alkaline phosphatase increased", "6.0", A.ALP, "U/L", NORMAL, "100:0 100.1:1 9000:1"),
    ("Alkaline phosphatase increased", "6.0", A.ALP, "U/L", HIGH, "200:0 200.1:1"),
    (
        "Alkaline phosphatase increased",
        "5.0",
        A.ALP,
        "U/L",
        HIGH,
        "399.9:0 400:1 500:1 500.1:2 1000:2 1000.1:3 4000:3 4000.1:4",
    ),
    ("GGT increased", "5.0 6.0", A.GGT, "U/L", NORMAL, BILIARY),
    ("GGT increased", "5.0", A.GGT, "U/L", HIGH, "399.9:0 400:1 500:1 500.1:2 1000:2 1000.1:3 4000:3 4000.1:4"),
    ("GGT increased", "6.0", A.GGT, "U/L", HIGH, "199.9:0 200:1 300:1 300.1:2 600:2 600.1:3 2000:3 2000.1:4"),
    (
        "Blood bilirubin increased",
        "5.0 6.0",
        A.BILIRUBIN,
        "umol/L",
        NORMAL,
        "100:0 100.1:1 150:1 150.1:2 300:2 300.1:3 1000:3 1000.1:4",
    ),
    (
        "Blood bilirubin increased",
        "5.0",
        A.BILIRUBIN,
        "umol/L",
        HIGH,
        "200:0 200.1:1 300:1 300.1:2 600:2 600.1:3 2000:3 2000.1:4",
    ),
    (
        "Blood bilirubin increased",
        "6.0",
        A.BILIRUBIN,
        "umol/L",
        HIGH,
        "199.9:0 200:1 300:1 300.1:2 500:2 500.1:3 2000:3 2000.1:4",
    ),
    ("Blood lactate dehydrogenase increased", "5.0 6.0", A.LDH, "U/L", LIMITS, "100:0 100.1:1 9000:1"),
    ("Hypoalbuminemia", "5.0 6.0", A.ALBUMIN, "g/L", {"lln": "35"}, "35:0 34.9:1 30:1 29.9:2 20:2 19.9:3"),
    # Kidney
    (
        "Creatinine increased",
        "5.0",
        A.CREATININE,
        "umol/L",
        {**LIMITS, "baseline": "100"},
        "100:0 100.1:1 150:1 150.1:2 300:2 300.1:3 600:3 600.1:4",
    ),
    ("Creatinine increased", "5.0", A.CREATININE, "umol/L", NORMAL, "75:0 75.1:2 150:2 150.1:3 600:3 600.1:4"),
    (
        "Creatinine increased",
        "6.0",
        A.CREATININE,
        "umol/L",
        NORMAL,
        "75.1:0 100:0 100.1:1 150:1 150.1:2 300:2 300.1:3 600:3 600.1:4",
    ),
    (
        "Creatinine increased",
        "6.0",
        A.CREATININE,
        "umol/L",
        {"lln": "60", "uln": "100", "baseline": "40"},
        "60:0 60.1:2 100.1:2 120:2 120.1:3 600:3 600.1:4",
    ),
    (
        "Creatinine increased",
        "6.0",
        A.CREATININE,
        "umol/L",
        {"lln": "99", "uln": "100", "baseline": "98"},
        "100:0 100.1:1 147:1 147.1:2 294:2 294.1:3",
    ),
    (
        "Creatinine increased",
        "6.0",
        A.CREATININE,
        "umol/L",
        {"lln": "200", "uln": "200", "baseline": "199"},
        "200:0 200.1:1 298.5:1 298.6:2 300:2 300.1:2 597:2 597.1:3 600:3 600.1:3 1200:3 1200.1:4",
    ),
    ("Creatinine clearance decreased", "6.0", A.CREATININE_CLEARANCE, "mL/min", {}, "50:0 49.9:2 26:2 25.9:3 5:3"),
    *(
        (
            "Chronic kidney disease",
            "5.0 6.0",
            analyte,
            "mL/min/1.73 m2",
            {"lln": "90"},
            "90:0 89.9:1 60:1 59.9:2 30:2 29.9:3 15:3 14.9:4",
        )
        for analyte in (A.EGFR, A.CREATININE_CLEARANCE)
    ),
    *(
        (term, version, analyte, unit, {"uln": uln}, edges)
        for version, term in (("5.0", "Proteinuria"), ("6.0", "Urinary protein increased"))
        for analyte, unit, uln, edges in (
            (A.URINE_PROTEIN_24H, "g/24h", "0.15", "0.14:0 0.15:1 0.99:1 1.0:2 3.49:2 3.5:3"),
            (A.URINE_PROTEIN_DIPSTICK, "+", "", "0:0 1:1 2:2 3:2 4:3"),
        )
    ),
    (
        "Urinary protein increased",
        "6.0",
        A.URINE_PROTEIN_CREATININE,
        "mg/mg",
        {"uln": "0.2"},
        "0.19:0 0.2:1 0.99:1 1:2 3.5:2 3.51:3",
    ),
    ("Urine output decreased", "5.0 6.0", A.URINE_OUTPUT_8H, "mL", {}, "80:0 79.9:3"),
    ("Urine output decreased", "5.0 6.0", A.URINE_OUTPUT_24H, "mL", {}, "240:0 239.9:4"),
    # Electrolytes
    (
        "Hyponatremia",
        "5.0 6.0",
        A.SODIUM,
        "mmol/L",
        {"lln": "135", "symptomatic": False},
        "135:0 134.9:1 130:1 129.9:2 129:2 125:2 124.9:3 120:3 119.9:4",
    ),
    (
        "Hyponatremia",
        "5.0 6.0",
        A.SODIUM,
        "mEq/L",
        {"lln": "135", "symptomatic": True},
        "135:0 134.9:1 130:1 129.9:3 120:3 119.9:4",
    ),
    (
        "Hypernatremia",
        "5.0 6.0",
        A.SODIUM,
        "mmol/L",
        {"uln": "145"},
        "145:0 145.1:1 150:1 150.1:2 155:2 155.1:3 160:3 160.1:4",
    ),
    (
        "Hypokalemia",
        "5.0 6.0",
        A.POTASSIUM,
        "mmol/L",
        {"lln": "3.5", "symptomatic": False},
        "3.5:0 3.49:1 3.0:1 2.99:3 2.5:3 2.49:4",
    ),
    (
        "Hypokalemia",
        "5.0 6.0",
        A.POTASSIUM,
        "mmol/L",
        {"lln": "3.5", "symptomatic": True},
        "3.5:0 3.49:2 3.0:2 2.99:3 2.5:3 2.49:4",
    ),
    (
        "Hyperkalemia",
        "5.0 6.0",
        A.POTASSIUM,
        "mmol/L",
        {"uln": "5.3"},
        "5.3:0 5.31:1 5.5:1 5.51:2 6.0:2 6.01:3 7.0:3 7.01:4",
    ),
    (
        "Hypocalcemia",
        "5.0 6.0",
        A.CALCIUM_CORRECTED,
        "mmol/L",
        {"lln": "2.15"},
        "2.15:0 2.14:1 2.0:1 1.99:2 1.75:2 1.74:3 1.5:3 1.49:4",
    ),
    (
        "Hypocalcemia",
        "5.0 6.0",
        A.CALCIUM_CORRECTED,
        "mg/dL",
        {"lln": "8.6"},
        "8.6:0 8.5:1 8.0:1 7.9:2 7.0:2 6.9:3 6.0:3 5.9:4",
    ),
    (
        "Hypocalcemia",
        "5.0 6.0",
        A.CALCIUM_IONIZED,
        "mmol/L",
        {"lln": "1.1"},
        "1.1:0 1.09:1 1.0:1 0.99:2 0.9:2 0.89:3 0.8:3 0.79:4",
    ),
    (
        "Hypercalcemia",
        "5.0 6.0",
        A.CALCIUM_CORRECTED,
        "mmol/L",
        {"uln": "2.55"},
        "2.55:0 2.56:1 2.9:1 2.91:2 3.1:2 3.11:3 3.4:3 3.41:4",
    ),
    (
        "Hypercalcemia",
        "5.0 6.0",
        A.CALCIUM_CORRECTED,
        "mg/dL",
        {"uln": "10.2"},
        "10.2:0 10.3:1 11.5:1 11.6:2 12.5:2 12.6:3 13.5:3 13.6:4",
    ),
    (
        "Hypercalcemia",
        "5.0 6.0",
        A.CALCIUM_IONIZED,
        "mmol/L",
        {"uln": "1.3"},
        "1.3:0 1.31:1 1.5:1 1.51:2 1.6:2 1.61:3 1.8:3 1.81:4",
    ),
    (
        "Hypomagnesemia",
        "5.0 6.0",
        A.MAGNESIUM,
        "mmol/L",
        {"lln": "0.7"},
        "0.7:0 0.69:1 0.5:1 0.49:2 0.4:2 0.39:3 0.3:3 0.29:4",
    ),
    (
        "Hypomagnesemia",
        "5.0 6.0",
        A.MAGNESIUM,
        "mg/dL",
        {"lln": "1.7"},
        "1.7:0 1.69:1 1.2:1 1.19:2 0.9:2 0.89:3 0.7:3 0.69:4",
    ),
    ("Hypermagnesemia", "5.0 6.0", A.MAGNESIUM, "mmol/L", {"uln": "1.05"}, "1.05:0 1.06:1 1.23:1 1.24:3 3.30:3 3.31:4"),
    ("Hypermagnesemia", "5.0 6.0", A.MAGNESIUM, "mg/dL", {"uln": "2.5"}, "2.5:0 2.6:1 3.0:1 3.1:3 8.0:3 8.1:4"),
    # Metabolism
    (
        "Hyperglycemia",
        "6.0",
        A.GLUCOSE,
        "mmol/L",
        {"uln": "6.1", "findings": frozenset({F.FASTING})},
        "6.1:0 6.2:1 8.9:1 9.0:2 13.9:2 14.0:3 27.8:3 27.9:4",
    ),
    (
        "Hyperglycemia",
        "6.0",
        A.GLUCOSE,
        "mg/dL",
        {"uln": "110", "findings": frozenset({F.FASTING})},
        "110:0 111:1 160:1 161:2 250:2 251:3 500:3 501:4",
    ),
    (
        "Hypoglycemia",
        "5.0 6.0",
        A.GLUCOSE,
        "mmol/L",
        {"lln": "3.9"},
        "3.9:0 3.89:1 3.0:1 2.99:2 2.2:2 2.19:3 1.7:3 1.69:4",
    ),
    ("Hypoglycemia", "5.0 6.0", A.GLUCOSE, "mg/dL", {"lln": "70"}, "70:0 69:1 55:1 54:2 40:2 39:3 30:3 29:4"),
    ("Hyperuricemia", "5.0 6.0", A.URIC_ACID, "umol/L", {**LIMITS, "symptomatic": False}, "100:0 100.1:1 900:1"),
    ("Hyperuricemia", "5.0 6.0", A.URIC_ACID, "umol/L", {**LIMITS, "symptomatic": True}, "100:0 100.1:3"),
    ("Blood bicarbonate decreased", "5.0 6.0", A.BICARBONATE, "mmol/L", LIMITS, "10:0 9.9:1"),
    ("Acidosis", "5.0 6.0", A.PH, "", {"lln": "7.35", "uln": "7.45"}, "7.35:0 7.34:1 7.3:1 7.29:3"),
    ("Alkalosis", "5.0 6.0", A.PH, "", {"lln": "7.35", "uln": "7.45"}, "7.45:0 7.46:1 7.5:1 7.51:3"),
    (
        "Hypertriglyceridemia",
        "5.0 6.0",
        A.TRIGLYCERIDES,
        "mmol/L",
        {},
        "1.70:0 1.71:1 3.42:1 3.43:2 5.7:2 5.71:3 11.4:3 11.41:4",
    ),
    (
        "Hypertriglyceridemia",
        "5.0 6.0",
        A.TRIGLYCERIDES,
        "mg/dL",
        {},
        "149:0 150:1 300:1 301:2 500:2 501:3 1000:3 1001:4",
    ),
    (
        "Cholesterol high",
        "5.0 6.0",
        A.CHOLESTEROL,
        "mmol/L",
        {"uln": "5.2"},
        "5.2:0 5.21:1 7.75:1 7.76:2 10.34:2 10.35:3 12.92:3 12.93:4",
    ),
    (
        "Cholesterol high",
        "5.0 6.0",
        A.CHOLESTEROL,
        "mg/dL",
        {"uln": "200"},
        "200:0 201:1 300:1 301:2 400:2 401:3 500:3 501:4",
    ),
    ("HDL decreased", "6.0", A.HDL, "mmol/L", LIMITS, "10:0 9.9:1"),
    ("LDL increased", "6.0", A.LDL, "mmol/L", LIMITS, "100:0 100.1:1"),
    ("Vitamin D decreased", "6.0", A.VITAMIN_D, "nmol/L", LIMITS, "10:0 9.9:1"),
    ("Thyroid stimulating hormone increased", "5.0 6.0", A.TSH, "mIU/L", LIMITS, "100:0 100.1:1"),
    # Enzymes
    ("CPK increased", "5.0", A.CK, "U/L", LIMITS, "100:0 100.1:1 250:1 250.1:2 500:2 500.1:3 1000:3 1000.1:4"),
    ("Lipase increased", "5.0 6.0", A.LIPASE, "U/L", {**LIMITS, "symptomatic": False}, PANCREATIC),
    ("Serum amylase increased", "5.0 6.0", A.AMYLASE, "U/L", {**LIMITS, "symptomatic": False}, PANCREATIC),
    (
        "Lipase increased",
        "5.0",
        A.LIPASE,
        "U/L",
        {**LIMITS, "symptomatic": True},
        "100:0 100.1:1 150:1 150.1:2 200:2 200.1:3 500:3 500.1:4",
    ),
    (
        "Lipase increased",
        "6.0",
        A.LIPASE,
        "U/L",
        {**LIMITS, "symptomatic": True},
        "100:0 100.1:1 150:1 150.1:2 300:2 300.1:3 500:3 500.1:4",
    ),
    ("Serum amylase increased", "5.0 6.0", A.AMYLASE, "U/L", {**LIMITS, "symptomatic": True}, "200:2 200.1:3 500.1:4"),
    ("Pancreatic enzymes decreased", "5.0", A.PANCREATIC_ENZYMES, "ug/g", LIMITS, "10:0 9.9:1"),
    ("Pancreatic insufficiency", "6.0", A.PANCREATIC_ENZYMES, "ug/g", LIMITS, "10:0 9.9:1"),
    ("Cardiac troponin I increased", "5.0", A.TROPONIN_I, "ng/L", LIMITS, "100:0 100.1:1"),
    ("Cardiac troponin T increased", "5.0", A.TROPONIN_T, "ng/L", LIMITS, "100:0 100.1:1"),
    # Heart and lung
    (
        "Electrocardiogram QT corrected interval prolonged",
        "5.0 6.0",
        A.QTC,
        "ms",
        {"baseline": "445"},
        "449.9:0 450:1 480:1 480.1:2 481:2 500:2 500.1:3 501:3",
    ),
    (
        "Electrocardiogram QT corrected interval prolonged",
        "5.0 6.0",
        A.QTC,
        "ms",
        {"baseline": "380"},
        "440:0 440.1:3",
    ),
    (
        "Ejection fraction decreased",
        "5.0",
        A.LVEF,
        "%",
        {"baseline": "51"},
        "51:0 50.1:0 50:2 42:2 41.1:2 41:2 40:2 39.9:3 39:3 31:3 20:3 19.9:4",
    ),
    ("Ejection fraction decreased", "5.0", A.LVEF, "%", {"baseline": "75"}, "65.1:0 65:2 55.1:2 55:3"),
    ("Ejection fraction decreased", "5.0", A.LVEF, "%", {"baseline": "45"}, "45:0 50:0 44.9:2"),
    *(
        (
            "Carbon monoxide diffusing capacity decreased",
            "5.0 6.0",
            A.DLCO,
            "mL/min/mm Hg",
            limits,
            edges,
        )
        for limits, edges in (
            ({"lln": "20", "symptomatic": False}, "17.1:0 17:1 15:1 14.9:2 12:2 11.9:3"),
            ({"lln": "20", "symptomatic": True}, "17:1 15:1 14.9:3"),
            ({"lln": "20", "baseline": "25", "symptomatic": False}, "22.1:0 22:1 20:1 19.9:2 17:2 16.9:3"),
        )
    ),
    (
        "Forced expiratory volume decreased",
        "5.0",
        A.FEV1,
        "%",
        {},
        "100:0 99.9:1 70:1 69.9:2 60:2 59.9:3 50:3 49.9:4",
    ),
    ("Forced expiratory volume decreased", "6.0", A.FEV1, "%", {}, "100:0 99.9:1 70:1 69.9:2 60:2 59.9:3 20:3"),
    ("Vital capacity abnormal", "5.0 6.0", A.VITAL_CAPACITY, "%", {}, "90.1:0 90:1 75:1 74.9:2 50:2 49.9:3"),
    ("Hypoxia", "5.0", A.SPO2, "%", {"lln": "95"}, "94:0 88:0 87.9:3"),
    ("Hypoxia", "6.0", A.SPO2, "%", {"lln": "95"}, "95:0 94.9:1 88:1 87.9:3"),
    ("Hypoxia", "5.0 6.0", A.SPO2_EXERCISE, "%", {}, "88:0 87.9:2"),
    ("Hypoxia", "5.0 6.0", A.PAO2, "mm Hg", {}, "55.1:0 55:3"),
    ("Fever", "5.0 6.0", A.TEMPERATURE, "C", {}, "37.9:0 38.0:1 39.0:1 39.1:2 40.0:2 40.1:3"),
    ("Fever", "5.0 6.0", A.TEMPERATURE, "°F", {}, "100.3:0 100.4:1 102.2:1 102.3:2 104.0:2 104.1:3"),
    ("Hypothermia", "5.0 6.0", A.TEMPERATURE, "degC", {}, "35.1:0 35:2 32.1:2 32:3 28.1:3 28:4"),
    ("Hypothermia", "5.0 6.0", A.TEMPERATURE, "degF", {}, "95.1:0 95:2 89.7:2 89.6:3 82.5:3 82.4:4"),
    ("Hypertension", "5.0", A.SYSTOLIC, "mmHg", {}, "119:0 120:1 139:1 140:2 159:2 160:3"),
    ("Hypertension", "5.0", A.DIASTOLIC, "mmHg", {}, "79:0 80:1 89:1 90:2 99:2 100:3"),
    ("Hypertension", "6.0", A.SYSTOLIC, "mmHg", {}, "139:0 140:2 159:2 160:3 179:3 180:4"),
    ("Hypertension", "6.0", A.DIASTOLIC, "mmHg", {}, "89:0 90:2 99:2 100:3 109:3 110:4"),
    ("Weight gain", "5.0 6.0", A.WEIGHT, "kg", {"baseline": "60"}, "62.9:0 63:1 65.9:1 66:2 71.9:2 72:3"),
    ("Weight loss", "5.0 6.0", A.WEIGHT, "kg", {"baseline": "60"}, "57.1:0 57:1 54.1:1 54:2 48.1:2 48:3"),
]


def edge_cases() -> list[Any]:
    return [
        pytest.param(
            lab(analyte, value, unit, **limits),
            Version(version),
            term,
            int(expected),
            id=f"{term}-v{version}-{unit}-{value}-g{expected}-{index}",
        )
        for index, (term, versions, analyte, unit, limits, edges) in enumerate(EDGES)
        for version in versions.split()
        for value, expected in (pair.split(":") for pair in edges.split())
    ]


EDGE_CASES = edge_cases()


@pytest.mark.parametrize(("result", "version", "term", "expected"), EDGE_CASES)
def test_printed_edge(result: LabValue, version: Version, term: str, expected: int) -> None:
    suggestion = suggest(result, version, term)
    assert (suggestion.grade, suggestion.term) == (expected, term)
    assert bool(suggestion.decided_by) == bool(expected)


def tried(row: Row, band: Band, edge: Decimal, scale: str, case: Any) -> bool:
    """Whether a case of the table stands exactly at this edge of this row."""
    result, version, term, _expected = case.values
    if (result.analyte, version, term) != (row.analyte, row.version, row.term):
        return False
    scaled = in_scale(result)
    assert scaled is not None
    if scale and scaled.unit != scale:
        return False
    limit = {Limit.ULN: scaled.uln, Limit.LLN: scaled.lln, Limit.BASELINE: scaled.baseline, None: Decimal(0)}[
        band.limit
    ]
    return limit is not None and scaled.value == band.times * limit + edge


def every_edge() -> list[Any]:
    return [
        pytest.param(
            row, band, edge, scale, id=f"{row.term}-v{row.version}-{row.analyte}-g{band.grade}-{place}-{scale}"
        )
        for row in ROWS
        for place, band in enumerate((*row.bands, *row.other))
        if band.sign
        and (band.needs is None or band.needs is F.SYMPTOMATIC)
        # A drop in percent of the baseline is the other policy, tried beside it.
        and not (row.analyte is A.LVEF and band.limit is Limit.BASELINE and not band.plus)
        for scale, edge in (band.plus or {"": Decimal(0)}).items()
    ]


@pytest.mark.parametrize(("row", "band", "edge", "scale"), every_edge())
def test_no_printed_edge_is_left_untried(row: Row, band: Band, edge: Decimal, scale: str) -> None:
    assert any(tried(row, band, edge, scale, case) for case in EDGE_CASES)


# --- What a person says, and what nobody said ----------------------------------------------------

LOW_K = lab(A.POTASSIUM, "3.2", "mmol/L", lln="3.5", uln="5.3", symptomatic=False)
HIGH_K = lab(A.POTASSIUM, "5.4", "mmol/L", lln="3.5", uln="5.3")
ANEMIC = lab(A.HEMOGLOBIN, "85", "g/L", lln="130")
GLUCOSE = lab(A.GLUCOSE, "7.5", "mmol/L", lln="3.9", uln="6.1")
SPO2 = lab(A.SPO2, "93", "%", lln="95", symptomatic=False)
LOW_PHOSPHATE = lab(A.PHOSPHATE, "0.5", "mmol/L", lln="0.85", uln="1.51")
HIGH_PHOSPHATE = replace(LOW_PHOSPHATE, value=Decimal("1.6"))
CALCIUM = lab(A.CALCIUM_CORRECTED, "2.1", "mmol/L", lln="2.15", uln="2.55")
WBC = lab(A.LEUKOCYTES, "120", CELLS, lln="3.5")


@pytest.mark.parametrize(
    ("result", "term", "said", "v5", "v6"),
    [
        pytest.param(LOW_K, "Hypokalemia", {F.INTERVENTION}, 2, 2, id="hypokalemia-intervention"),
        pytest.param(LOW_K, "Hypokalemia", {F.HOSPITALIZATION}, 3, 3, id="hypokalemia-hospital"),
        pytest.param(LOW_K, "Hypokalemia", {F.LIFE_THREATENING}, 4, 4, id="hypokalemia-life-threatening"),
        pytest.param(HIGH_K, "Hypokalemia", {F.LIFE_THREATENING}, 0, 0, id="normal-value-is-no-hypokalemia"),
        pytest.param(HIGH_K, "Hyperkalemia", {F.INTERVENTION}, 2, 2, id="hyperkalemia-intervention"),
        pytest.param(HIGH_K, "Hyperkalemia", {F.HOSPITALIZATION}, 3, 3, id="hyperkalemia-hospital"),
        pytest.param(ANEMIC, "Anemia", {F.TRANSFUSION}, 3, 3, id="anemia-transfusion"),
        pytest.param(ANEMIC, "Anemia", {F.LIFE_THREATENING}, 4, 4, id="anemia-life-threatening"),
        pytest.param(GLUCOSE, "Hyperglycemia", {F.NO_INTERVENTION, F.FASTING}, 1, 1, id="glucose-none"),
        pytest.param(GLUCOSE, "Hyperglycemia", {F.WORKUP, F.FASTING}, 2, 1, id="glucose-workup"),
        pytest.param(GLUCOSE, "Hyperglycemia", {F.MANAGEMENT_CHANGE, F.FASTING}, 2, 1, id="glucose-management"),
        pytest.param(GLUCOSE, "Hyperglycemia", {F.ORAL_AGENT, F.FASTING}, 2, 1, id="glucose-oral"),
        pytest.param(GLUCOSE, "Hyperglycemia", {F.INSULIN, F.FASTING}, 3, 1, id="glucose-insulin"),
        pytest.param(GLUCOSE, "Hyperglycemia", {F.HOSPITALIZATION}, 3, 3, id="glucose-hospital"),
        pytest.param(GLUCOSE, "Hyperglycemia", {F.LIFE_THREATENING}, 4, 4, id="glucose-life-threatening"),
        pytest.param(
            replace(GLUCOSE, baseline=Decimal(8)), "Hyperglycemia", {F.NO_INTERVENTION, F.FASTING}, 0, 1, id="diabetic"
        ),
        pytest.param(SPO2, "Hypoxia", {F.NO_INTERVENTION}, 0, 1, id="hypoxia-none"),
        pytest.param(SPO2, "Hypoxia", {F.OXYGEN_INTERMITTENT}, 2, 2, id="hypoxia-intermittent-oxygen"),
        pytest.param(SPO2, "Hypoxia", {F.OXYGEN_CONTINUOUS}, None, 3, id="hypoxia-continuous-oxygen"),
        pytest.param(SPO2, "Hypoxia", {F.AIRWAY}, 4, 4, id="hypoxia-intubated"),
        pytest.param(LOW_PHOSPHATE, "Hypophosphatemia", {F.NO_INTERVENTION}, 1, 1, id="hypophosphatemia-none"),
        pytest.param(LOW_PHOSPHATE, "Hypophosphatemia", {F.ORAL_REPLACEMENT}, 2, 2, id="hypophosphatemia-oral"),
        pytest.param(LOW_PHOSPHATE, "Hypophosphatemia", {F.HOSPITALIZATION}, 3, 3, id="hypophosphatemia-hospital"),
        pytest.param(LOW_PHOSPHATE, "Hypophosphatemia", {F.LIFE_THREATENING}, 4, 4, id="hypophosphatemia-life"),
        pytest.param(LOW_PHOSPHATE, "Hyperphosphatemia", {F.HOSPITALIZATION}, 0, 0, id="low-is-not-high"),
        pytest.param(HIGH_PHOSPHATE, "Hyperphosphatemia", {F.NO_INTERVENTION}, 1, 1, id="hyperphosphatemia-none"),
        pytest.param(HIGH_PHOSPHATE, "Hyperphosphatemia", {F.INTERVENTION}, 2, 2, id="hyperphosphatemia-treated"),
        pytest.param(CALCIUM, "Hypocalcemia", {F.SYMPTOMATIC}, 2, 2, id="hypocalcemia-symptoms"),
        pytest.param(CALCIUM, "Hypocalcemia", {F.HOSPITALIZATION}, 3, 3, id="hypocalcemia-hospital"),
        pytest.param(
            replace(CALCIUM, value=Decimal("2.6")), "Hypercalcemia", {F.SYMPTOMATIC}, 2, 2, id="hypercalcemia-symptoms"
        ),
        pytest.param(
            lab(A.CALCIUM_IONIZED, "1.05", "mmol/L", lln="1.1"), "Hypocalcemia", {F.SYMPTOMATIC}, 2, 2, id="ionized-low"
        ),
        pytest.param(
            lab(A.CALCIUM_IONIZED, "1.35", "mmol/L", uln="1.3"),
            "Hypercalcemia",
            {F.SYMPTOMATIC},
            2,
            2,
            id="ionized-high",
        ),
        pytest.param(WBC, "Leukocytosis", {F.LEUKOSTASIS}, 4, 4, id="leukostasis"),
        pytest.param(lab(A.INR, "1.3"), "INR increased", {F.BLEEDING}, 3, 3, id="inr-bleeding"),
        pytest.param(lab(A.INR, "1.3"), "INR increased", {F.DOSE_ADJUSTMENT}, 2, 2, id="inr-dose"),
        pytest.param(
            lab(A.QTC, "470", "ms"),
            QTC := "Electrocardiogram QT corrected interval prolonged",
            {F.ARRHYTHMIA},
            4,
            4,
            id="torsade",
        ),
        pytest.param(lab(A.TEMPERATURE, "40.1", "degC"), "Fever", {F.UP_TO_24H}, 3, 3, id="fever-24h"),
        pytest.param(lab(A.TEMPERATURE, "40.1", "degC"), "Fever", {F.OVER_24H}, 4, 4, id="fever-over-24h"),
        pytest.param(lab(A.GLUCOSE, "3.5", "mmol/L", lln="3.9"), "Hypoglycemia", {F.SEIZURE}, 4, 4, id="seizure"),
    ],
)
def test_what_a_person_records(result: LabValue, term: str, said: set[Finding], v5: int, v6: int) -> None:
    symptomatic = True if F.SYMPTOMATIC in said else result.symptomatic
    result = replace(result, findings=frozenset(said), symptomatic=symptomatic)
    assert (suggest(result, V5, term).grade, suggest(result, V6, term).grade) == (v5, v6)


@pytest.mark.parametrize(
    ("result", "version", "term", "expected", "flags"),
    [
        pytest.param(lab(A.ALT, "120", "U/L"), V5, "", None, "MISSING_ULN", id="no-uln"),
        pytest.param(lab(A.NEUTROPHILS, "1.6", CELLS), V5, "", None, "MISSING_LLN", id="no-lln"),
        pytest.param(lab(A.NEUTROPHILS, "1.4", CELLS), V5, "", 2, "", id="no-lln-not-needed"),
        pytest.param(lab(A.NEUTROPHILS, "0", CELLS), V6, "", 4, "", id="zero-is-a-value"),
        pytest.param(lab(A.ALT, "120", "U/L", uln="40"), V5, "", 1, "BASELINE_UNKNOWN", id="baseline-unknown"),
        pytest.param(lab(A.ALT, "40", "U/L", uln="40"), V5, "", 0, "", id="normal-whatever-the-baseline"),
        pytest.param(
            lab(A.ALT, "120", "U/L", uln="40", baseline_abnormal=True),
            V5,
            "",
            None,
            "MISSING_BASELINE",
            id="said-abnormal",
        ),
        pytest.param(lab(A.ALT, "140", "U/L", uln="40", baseline="100"), V5, "", 0, "BASELINE_GAP", id="gap-1.4x"),
        pytest.param(lab(A.ALT, "100", "U/L", uln="40", baseline="100"), V5, "", 0, "", id="unchanged-is-no-gap"),
        pytest.param(
            lab(A.ALT, "100", "U/L", uln="40", baseline="100"), V6, "", 1, "NOT_WORSE_THAN_BASELINE", id="v6-unchanged"
        ),
        pytest.param(lab(A.ALP, "300", "U/L", uln="120", baseline="200"), V5, "", 0, "BASELINE_GAP", id="alp-gap-1.5x"),
        pytest.param(lab(A.ALP, "300", "U/L", uln="120"), V6, "", 1, "MISSING_BASELINE", id="v6-alp-no-baseline"),
        pytest.param(lab(A.ALT, "500", "U/L", uln="40", baseline="200"), V6, "", 3, "", id="v6-baseline-5x"),
        pytest.param(
            lab(A.ALT, "503", "U/L", uln="40", baseline="201"),
            V6,
            "",
            3,
            "BASELINE_ABOVE_LIMIT",
            id="v6-baseline-over-5x",
        ),
        pytest.param(
            lab(A.ALT, "900", "U/L", uln="40", baseline="201"), V6, "", 4, "", id="v6-grade-4-from-any-baseline"
        ),
        pytest.param(
            lab(A.ALT, "250", "U/L", baseline="100", baseline_abnormal=True), V6, "", 3, "", id="v6-no-uln-not-needed"
        ),
        pytest.param(lab(A.CREATININE, "200", "umol/L", baseline="60"), V5, "", 3, "MISSING_ULN", id="at-least"),
        pytest.param(
            lab(A.CREATININE, "100", "umol/L", uln="104"), V5, "", None, "MISSING_BASELINE", id="creatinine-no-baseline"
        ),
        pytest.param(
            lab(A.CREATININE, "100", "umol/L", lln="45", uln="104", baseline="60"),
            V5,
            "",
            2,
            "WITHIN_LIMITS",
            id="within",
        ),
        pytest.param(lab(A.CREATININE, "200", "umol/L", uln="104"), V6, "", 2, "BASELINE_UNKNOWN", id="v6-creatinine"),
        pytest.param(lab(A.NEUTROPHILS, "1.3", CELLS, lln="1.2"), V5, "", 2, "WITHIN_LIMITS", id="within-own-limits"),
        pytest.param(lab(A.FIBRINOGEN, "1.5", "g/L", lln="2"), V5, "", 1, "BASELINE_UNKNOWN", id="fibrinogen"),
        pytest.param(
            lab(A.FIBRINOGEN, "1.7", "g/L", lln="2", baseline="1.7"), V5, "", 0, "", id="fibrinogen-unchanged"
        ),
        pytest.param(
            lab(A.HEMOGLOBIN, "60", "g/L", lln="130"), V5, "Anemia", 3, "NEEDS_CLINICAL_JUDGEMENT", id="anemia-4"
        ),
        pytest.param(ANEMIC, V5, "Anemia", 2, "", id="anemia-2"),
        pytest.param(
            lab(A.URIC_ACID, "500", "umol/L", uln="420"),
            V5,
            "",
            1,
            "SYMPTOMS_UNKNOWN NEEDS_CLINICAL_JUDGEMENT",
            id="uric-acid-never-3-by-value",
        ),
        pytest.param(LOW_PHOSPHATE, V5, "Hypophosphatemia", None, "NEEDS_CLINICAL_JUDGEMENT", id="phosphate-never"),
        pytest.param(LOW_PHOSPHATE, V5, "Hyperphosphatemia", 0, "", id="phosphate-not-high"),
        pytest.param(
            replace(LOW_PHOSPHATE, lln=None), V5, "Hypophosphatemia", None, "MISSING_LLN", id="phosphate-without-limit"
        ),
        pytest.param(replace(GLUCOSE, uln=None), V6, "Hyperglycemia", None, "MISSING_ULN", id="glucose-without-limit"),
        pytest.param(GLUCOSE, V5, "Hyperglycemia", None, "NEEDS_CLINICAL_JUDGEMENT", id="v5-glucose-never-by-value"),
        pytest.param(GLUCOSE, V6, "Hyperglycemia", None, "NEEDS_FASTING", id="v6-glucose-not-fasting"),
        pytest.param(replace(GLUCOSE, value=Decimal(14)), V6, "Hyperglycemia", 3, "", id="v6-glucose-any-above-13.9"),
        pytest.param(
            lab(A.SODIUM, "129", "mmol/L", lln="135"), V5, "Hyponatremia", 2, "SYMPTOMS_UNKNOWN", id="symptoms-unknown"
        ),
        pytest.param(lab(A.QTC, "470", "ms"), V5, "", 1, "MISSING_BASELINE", id="qtc-no-baseline"),
        pytest.param(lab(A.QTC, "440", "ms"), V5, "", None, "MISSING_BASELINE", id="qtc-change-unknown"),
        pytest.param(lab(A.QTC, "510", "ms"), V5, "", 3, "NEEDS_CLINICAL_JUDGEMENT", id="qtc-4-is-arrhythmia"),
        pytest.param(lab(A.LVEF, "45", "%"), V5, "", 2, "MISSING_BASELINE", id="lvef-no-baseline"),
        pytest.param(lab(A.LVEF, "55", "%"), V5, "", None, "MISSING_BASELINE", id="lvef-drop-unknown"),
        pytest.param(lab(A.LVEF, "39", "%", baseline="55"), V6, "", None, "NEEDS_CLINICAL_JUDGEMENT", id="v6-lvef"),
        pytest.param(lab(A.CALCIUM, "1.8", "mmol/L"), V5, "Hypocalcemia", None, "NEEDS_ALBUMIN", id="total-calcium"),
        pytest.param(lab(A.FERRITIN, "9000", "ug/L", uln="400"), V5, "", None, "NO_TERM", id="ferritin"),
        pytest.param(lab(A.CK, "9000", "U/L", uln="200"), V6, "", None, "NO_TERM", id="v6-cpk-removed"),
        pytest.param(lab(A.TROPONIN_I, "90", "ng/L", uln="20"), V6, "", None, "NO_TERM", id="v6-troponin-removed"),
        pytest.param(
            lab(A.TROPONIN_I, "90", "ng/L", uln="20"), V5, "", 1, "NEEDS_CLINICAL_JUDGEMENT", id="v5-troponin"
        ),
        pytest.param(lab(A.POTASSIUM, "6", "mg/dL"), V5, "Hyperkalemia", None, "UNKNOWN_UNIT", id="unit"),
        pytest.param(
            lab(A.HEMOGLOBIN, "9", "mmol/L", uln="10"),
            V5,
            "Hemoglobin increased",
            None,
            "UNKNOWN_UNIT",
            id="unit-not-printed",
        ),
        pytest.param(WBC, V6, "Leukocytosis", 3, "NEEDS_CLINICAL_JUDGEMENT NOT_FOR_LEUKAEMIA", id="leukocytosis"),
        pytest.param(lab(A.SYSTOLIC, "150", "mmHg"), V5, "", 2, "ADULT_BANDS ONE_READING", id="pressure"),
        pytest.param(lab(A.SYSTOLIC, "110", "mmHg"), V5, "", 0, "", id="pressure-normal"),
        pytest.param(
            lab(A.INR, "2.2", findings=frozenset({F.ANTICOAGULATED})), V5, "", None, "MISSING_BASELINE", id="inr"
        ),
    ],
)
def test_what_nobody_recorded_is_said(
    result: LabValue, version: Version, term: str, expected: int | None, flags: str
) -> None:
    suggestion = suggest(result, version, term)
    assert (suggestion.grade, " ".join(suggestion.flags)) == (expected, flags)


@pytest.mark.parametrize(
    ("value", "baseline", "policy", "expected"),
    [
        pytest.param("54", "62", LabPolicy(), 0, id="8-points"),
        pytest.param("54", "62", LabPolicy(ef_drop_is_relative=True), 2, id="13-percent"),
        pytest.param("59.4", "66", LabPolicy(ef_drop_is_relative=True), 2, id="10-percent"),
        pytest.param("59.5", "66", LabPolicy(ef_drop_is_relative=True), 0, id="below-10-percent"),
        pytest.param("52.8", "66", LabPolicy(ef_drop_is_relative=True), 3, id="20-percent"),
        pytest.param("50", "50", LabPolicy(), 0, id="eligible-at-50-is-no-event"),
        pytest.param("50", "50", LabPolicy(ef_only_changes=False), 2, id="band-without-change"),
        pytest.param("50.1", "50", LabPolicy(ef_only_changes=False), 0, id="above-band"),
    ],
)
def test_policy_of_the_ejection_fraction(value: str, baseline: str, policy: LabPolicy, expected: int) -> None:
    assert suggest(lab(A.LVEF, value, "%", baseline=baseline), V5, policy=policy).grade == expected


@pytest.mark.parametrize(
    ("result", "version", "basis"),
    [
        pytest.param(lab(A.NEUTROPHILS, "1.6", CELLS, lln="1.8"), V5, (Basis.LIMIT,), id="limit"),
        pytest.param(lab(A.NEUTROPHILS, "0.4", CELLS, lln="1.8"), V5, (Basis.NUMBER,), id="number"),
        pytest.param(lab(A.ALT, "301", "U/L", uln="40", baseline="100"), V5, (Basis.BASELINE,), id="baseline"),
        pytest.param(
            lab(A.CREATININE, "200", "umol/L", uln="104", baseline="100"), V5, (Basis.LIMIT, Basis.BASELINE), id="both"
        ),
        pytest.param(replace(SPO2, findings=frozenset({F.AIRWAY})), V5, (Basis.FINDING,), id="finding"),
    ],
)
def test_which_rule_decided(result: LabValue, version: Version, basis: tuple[Basis, ...]) -> None:
    assert suggest(result, version).decided_by == basis


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (lab(A.PLATELETS, "60000", "/uL"), "60 10^9/L < 75 10^9/L: grade 2."),
        (
            lab(A.ALT, "120.10", "U/L", uln="40", baseline="20"),
            "120.1 U/L > 3.0 × upper limit of normal (40 U/L): grade 2.",
        ),
        (lab(A.INR, "1.3"), "1.3 > 1.2: grade 1."),
        (lab(A.QTC, "440.1", "ms", baseline="380"), "440.1 ms > baseline (380 ms) + 60 ms: grade 3."),
        (lab(A.LVEF, "60", "%", baseline="70"), "60 % ≤ baseline (70 %) − 10 %: grade 2."),
        (lab(A.CHOLESTEROL, "1E+1", "mmol/L", uln="5"), "10 mmol/L > 7.75 mmol/L: grade 2."),
        (replace(SPO2, findings=frozenset({F.AIRWAY})), "Whatever the value: grade 4. The airway had to be secured."),
    ],
)
def test_the_reason_in_words(result: LabValue, said: str) -> None:
    reasons = suggest(result, V5).reasons
    assert " ".join(REASON_TEXT[reason.code].format(**reason.values) for reason in reasons) == said


# --- Terms, units and codes ----------------------------------------------------------------------


def test_without_a_term_the_worst_one_is_suggested() -> None:
    potassium = {"lln": "3.5", "uln": "5.3", "symptomatic": False}
    assert suggest(lab(A.POTASSIUM, "6.1", "mmol/L", **potassium), V5).term == "Hyperkalemia"
    assert suggest(lab(A.POTASSIUM, "2.9", "mmol/L", **potassium), V5).term == "Hypokalemia"
    assert suggest(lab(A.POTASSIUM, "4", "mmol/L", **potassium), V5).grade == 0
    # Not low, but whether it is high cannot be said: that is not grade 0.
    assert suggest(lab(A.POTASSIUM, "5.4", "mmol/L", lln="3.5"), V5).grade is None


def test_a_term_of_another_analyte_is_an_error_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"Anemia is no term of CTCAE 5\.0 .* Known: Hypokalemia, Hyperkalemia"):
        suggest(LOW_K, V5, "Anemia")
    with pytest.raises(ValueError, match="Known: none"):
        suggest(lab(A.FERRITIN, "5"), V5, "Hyperferritinemia")


def test_each_row_is_a_term_of_its_version_once() -> None:
    keys = [(row.analyte, row.version, row.term) for row in ROWS]
    assert len(keys) == len(set(keys))
    assert all(len(row.meddra_code) == 8 and row.meddra_code.startswith("10") for row in ROWS)
    terms = {(row.version, row.term, row.meddra_code) for row in ROWS}
    assert len(terms) == len({(version, term) for version, term, _code in terms})
    assert len(terms) == len({(version, code) for version, _term, code in terms})


@pytest.mark.parametrize("row", [pytest.param(row, id=f"{row.term}-v{row.version}-{row.analyte}") for row in ROWS])
def test_a_row_is_in_units_and_sentences_that_are_known(row: Row) -> None:
    scales = {scale for scale, _factor in UNITS.get(row.analyte, {}).values()}
    for band in (*row.bands, *row.other):
        assert set(band.plus) <= scales, "an edge in a unit that no result can have"
        assert band.needs is None or f"finding-{band.needs}" in REASON_TEXT
    assert row.bands or row.composite in REASON_TEXT
    assert set(row.notes) <= set(FLAG_TEXT)
    assert len({band.is_low for band in (*row.bands, *row.other) if band.sign}) <= 1, "one direction"


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("×10⁹/L", "10^9/l"),
        ("x 10e9 /L", "10^9/l"),
        ("10*9/L", "10^9/l"),
        ("K/µL", "10^3/ul"),
        ("/mm³", "/ul"),
        ("μmol/L", "umol/l"),
        ("°C", "degc"),
        ("F", "degf"),
        ("mL/min/1.73 m²", "ml/min/1.73m2"),
        ("ratio", ""),
    ],
)
def test_a_unit_however_it_is_written(written: str, key: str) -> None:
    assert unit_key(written) == key


def test_every_measurement_is_known_with_its_standard_unit() -> None:
    for code, measured in MEASURED.items():
        assert MEASURES[code].kind is Kind.NUMBER
        assert MEASURES[code].unit == measured.unit
        scales = UNITS.get(measured.analyte)
        assert scales is None or unit_key(measured.unit) in scales, code
    panels = {code for code, measure in MEASURES.items() if measure.has_range}
    assert panels - set(MEASURED) == set()


def test_a_stored_result_becomes_a_value() -> None:
    found = lab_value("ALT", Decimal(130), uln=Decimal(40), baseline=Decimal(20))
    assert found == lab(A.ALT, "130", "U/L", uln="40", baseline="20")
    assert lab_value("PB_BLASTS", Decimal(1)) is None
    total = lab_value("CA", Decimal("1.90"), lln=Decimal("2.15"))
    assert total is not None
    assert suggest(total, V5).flags == ("NEEDS_ALBUMIN",)
    corrected = lab_value("CA", Decimal("1.90"), lln=Decimal("2.15"), uln=Decimal("2.55"), albumin_g_l=Decimal(30))
    assert corrected is not None
    assert (corrected.value, suggest(corrected, V5, "Hypocalcemia").grade) == (Decimal("2.10"), 1)
    assert corrected_calcium_mmol_l(Decimal("2.3"), Decimal(45)) == Decimal("2.2")


@pytest.mark.parametrize("text", ["5 >ULN", "1 ULN", "1 >ULN if dancing", "1 >", "1 >x g/L", "two"])
def test_what_is_not_in_the_notation_stops_the_start(text: str) -> None:
    with pytest.raises((ValueError, ArithmeticError)):
        bands(text)


@pytest.mark.parametrize(
    ("name", "numbers", "message"),
    [
        ("value", {"value": Decimal("-0.1")}, "value is -0.1: it must be 0 or more. Correct"),
        ("value", {"value": Decimal("NaN")}, "value is NaN"),
        ("uln", {"value": Decimal(1), "uln": Decimal("Infinity")}, "uln is Infinity"),
        ("baseline", {"value": Decimal(1), "baseline": Decimal(-1)}, "baseline is -1"),
        ("lln", {"value": Decimal(1), "lln": Decimal(5), "uln": Decimal(4)}, "5 and 4 are interchanged"),
    ],
)
def test_impossible_values_are_refused(name: str, numbers: dict[str, Decimal], message: str) -> None:
    with pytest.raises(ImpossibleFinding, match=message) as raised:
        LabValue(A.ALT, **numbers)
    assert raised.value.name == name


# --- Febrile neutropenia -------------------------------------------------------------------------


@pytest.mark.parametrize("version", Version)
@pytest.mark.parametrize(
    ("anc", "temperature", "minutes", "expected"),
    [
        pytest.param("1.0", "39", "120", 0, id="anc-1.0"),
        pytest.param("0.99", "38.4", None, 3, id="anc-0.99-single-38.4"),
        pytest.param("0.99", "38.3", "0", 0, id="38.3-is-not-above-38.3"),
        pytest.param("0.99", "38.3", None, None, id="38.3-how-long"),
        pytest.param("0.99", "38.0", "60", 0, id="sustained-60-min"),
        pytest.param("0.99", "38.0", "60.1", 3, id="sustained-over-60-min"),
        pytest.param("0.99", "37.9", "600", 0, id="37.9"),
    ],
)
def test_febrile_neutropenia(
    version: Version, anc: str, temperature: str, minutes: str | None, expected: int | None
) -> None:
    found = FebrileFindings(Decimal(anc), Decimal(temperature), None if minutes is None else Decimal(minutes))
    suggestion = febrile_neutropenia(found, version)
    assert (suggestion.grade, suggestion.meddra_code) == (expected, "10016288")
    assert_in_words(suggestion)
    worst = febrile_neutropenia(replace(found, life_threatening=True), version)
    assert worst.grade == (4 if expected == 3 else expected)


# --- What must always hold -----------------------------------------------------------------------

POSITIVE = st.decimals("0", "1000", places=2)
RESULT = st.fixed_dictionaries(
    {
        "value": POSITIVE,
        "limits": st.none() | st.tuples(POSITIVE, POSITIVE).map(sorted),
        "baseline": st.none() | POSITIVE,
        "baseline_abnormal": st.none() | st.booleans(),
        "symptomatic": st.none() | st.booleans(),
        "findings": st.frozensets(st.sampled_from(F), max_size=2),
    }
)


def result_of(row: Row, given_: dict[str, Any]) -> LabValue:
    lln, uln = given_["limits"] or (None, None)
    unit = next((scale for scale, _factor in UNITS.get(row.analyte, {}).values()), "")
    rest = {name: given_[name] for name in ("baseline", "baseline_abnormal", "symptomatic", "findings")}
    return LabValue(row.analyte, given_["value"], unit, lln, uln, **rest)


def assert_in_words(suggestion: Suggestion) -> None:
    said = [REASON_TEXT[reason.code].format(**reason.values) for reason in suggestion.reasons]
    said += [FLAG_TEXT[flag] for flag in suggestion.flags]
    assert suggestion.reasons
    assert not any("{" in text or "None" in text for text in said)
    assert len(suggestion.flags) == len(set(suggestion.flags))


@given(st.sampled_from(ROWS), RESULT, POSITIVE)
def test_a_worse_value_never_lowers_the_grade(row: Row, given_: dict[str, Any], other: Decimal) -> None:
    result = result_of(row, given_)
    mild, bad = sorted((result.value, other), reverse=row.is_low)
    milder, worse = (suggest_by(row, replace(result, value=value)).grade for value in (mild, bad))
    if milder is not None and worse is not None:
        assert worse >= milder


@given(st.sampled_from(ROWS), RESULT, st.sampled_from(F))
def test_what_somebody_records_besides_never_lowers_the_grade(
    row: Row, given_: dict[str, Any], finding: Finding
) -> None:
    result = result_of(row, {**given_, "findings": given_["findings"] - {F.ANTICOAGULATED}})
    if finding is not F.ANTICOAGULATED:
        before, after = suggest_by(row, result), suggest_by(row, replace(result, findings=result.findings | {finding}))
        assert (after.grade or 0) >= (before.grade or 0)


@given(st.sampled_from(ROWS), RESULT)
def test_every_suggestion_is_explained_in_words(row: Row, given_: dict[str, Any]) -> None:
    suggestion = suggest_by(row, result_of(row, given_))
    assert_in_words(suggestion)
    assert suggestion.grade in (None, 0, *(band.grade for band in (*row.bands, *row.other)))
    assert bool(suggestion.decided_by) == bool(suggestion.grade)


BY_BASELINE = [row for row in ROWS if row.when in (When.BASELINE_ABNORMAL, When.BASELINE_BELOW_LLN)]


@given(st.sampled_from(BY_BASELINE), RESULT, POSITIVE, POSITIVE)
def test_a_baseline_is_judged_by_its_own_laboratory(
    row: Row, given_: dict[str, Any], one: Decimal, other: Decimal
) -> None:
    """Whatever the limits of today are, in every row whose bands hang on the baseline."""
    result = replace(result_of(row, {**given_, "baseline": one}), baseline_abnormal=None)
    then = replace(result, baseline_lln=other, baseline_uln=other)
    is_by_low = row.is_low or row.when is When.BASELINE_BELOW_LLN
    is_abnormal = one < other if is_by_low else one > other
    bands = Grading(row, then, LabPolicy()).bands
    assert bands == (row.other if is_abnormal else row.bands)
    alone = replace(then, lln=None, uln=None)
    assert Grading(row, alone, LabPolicy()).bands == bands


@given(st.sampled_from([row for row in ROWS if row.bands]), RESULT)
def test_without_any_limit_there_is_no_grade_by_limits(row: Row, given_: dict[str, Any]) -> None:
    result = result_of(row, {**given_, "limits": None, "baseline": None})
    suggestion = suggest_by(row, result)
    assert Basis.LIMIT not in suggestion.decided_by
    assert Basis.BASELINE not in suggestion.decided_by
    if any(band.limit for band in row.bands):
        assert suggestion.grade != 0, "grade 0 needs the limit that would make it 1"


@given(st.decimals("0", "10", places=3), st.decimals("1.5", "3", places=2))
def test_neutrophils_are_one_grade_lower_in_version_6(value: Decimal, lln: Decimal) -> None:
    result = LabValue(A.NEUTROPHILS, value, CELLS, lln=lln)
    v5, v6 = (suggest(result, version, "Neutrophil count decreased").grade for version in (V5, V6))
    assert v5 is not None
    assert v6 == (4 if value < Decimal("0.1") else max(v5 - 1, 0))


POWERS_OF_TEN = [
    (A.NEUTROPHILS, CELLS, "/uL", 1000),
    (A.PLATELETS, CELLS, "10^3/uL", 1),
    (A.LYMPHOCYTES, CELLS, "cells/mm3", 1000),
    (A.HEMOGLOBIN, "g/dL", "g/L", 10),
    (A.ALBUMIN, "g/dL", "g/L", 10),
    (A.FIBRINOGEN, "g/L", "mg/dL", 100),
    (A.POTASSIUM, "mmol/L", "mEq/L", 1),
    (A.MAGNESIUM, "mmol/L", "umol/L", 1000),
    (A.URINE_PROTEIN_24H, "g/24h", "mg/24h", 1000),
    (A.ALT, "U/L", "mU/L", 1000),
]


@pytest.mark.parametrize(("analyte", "unit", "other", "factor"), POWERS_OF_TEN)
@given(given_=RESULT, version=st.sampled_from(Version))
def test_another_unit_keeps_the_grade(
    analyte: Analyte, unit: str, other: str, factor: int, given_: dict[str, Any], version: Version
) -> None:
    lln, uln = given_["limits"] or (None, None)
    numbers = {"value": given_["value"], "lln": lln, "uln": uln, "baseline": given_["baseline"]}
    written = {name: None if one is None else one / 100 for name, one in numbers.items()}
    converted = {name: None if one is None else one * factor for name, one in written.items()}
    here, there = (
        suggestions(LabValue(analyte, unit=name, symptomatic=given_["symptomatic"], **values), version)
        for name, values in ((unit, written), (other, converted))
    )
    assert [(one.grade, one.flags) for one in here] == [(one.grade, one.flags) for one in there]


@given(st.integers(1, 10**30))
def test_no_digit_is_lost(tail: int) -> None:
    """A value above a limit by less than any device shows is above it."""
    limit = Decimal("0.7")
    value = 3 * limit + Decimal(tail).scaleb(-60)
    assert suggest(LabValue(A.ALT, value, "U/L", uln=limit, baseline=limit), V5).grade == 1
