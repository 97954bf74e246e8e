"""The worked cases of doses: each one, all together, and what cannot be read is an error."""

import csv
import io
from pathlib import Path

import pytest

from dosing.cases import CASES
from trialsite.casetables import TableError, run

GIVEN = Path(__file__).parent.parent / "cases" / "dose.csv"
TABLE = CASES["dose"]
WORKED = list(csv.DictReader(io.StringIO(GIVEN.read_text(encoding="utf-8"))))


@pytest.mark.parametrize("row", [pytest.param(row, id=f"{row['id']}-{row['kind']}") for row in WORKED])
def test_worked_case(row: dict[str, str]) -> None:
    computed, _why = TABLE.evaluate({name: parse(row[name]) for name, parse in TABLE.inputs.items()})
    assert computed[""] == TABLE.expected[""](row["expected"])
    assert computed["class"] == row["expected_class"]


def test_all_worked_cases_as_one_table() -> None:
    assert run(TABLE, GIVEN).last_line == f"{len(WORKED)} passed, 0 failed"


def table_of(tmp_path: Path, kind: str, inputs: str, expected: str = "", name: str = "") -> Path:
    path = tmp_path / "cases.csv"
    header = ["id", "kind", "inputs", "expected", "expected_class"]
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, ["A", kind, inputs, expected, name]])
    return path


@pytest.mark.parametrize(
    ("kind", "inputs", "message"),
    [
        pytest.param("dose", "dose_x1e8=0.5", "column kind", id="unknown-kind"),
        pytest.param("car_t_dose", "dose_x1e8", "column inputs", id="no-value"),
        pytest.param("car_t_dose", "dose_x1e8=half", "dose_x1e8: 'half' cannot be read", id="no-number"),
        pytest.param("car_t_dose", "dose_x1e8=", "dose_x1e8 is missing", id="missing"),
        pytest.param(
            "car_t_dose", "dose_x1e8=0.5;unit=e8", "unknown input unit; known: dose_x1e8, dose_cells", id="unknown-name"
        ),
        pytest.param("bsa", "height_cm=160;weight_kg=50;formula=haycock", "one of", id="unknown-formula"),
        pytest.param(
            "ld_dose_check", "drug=ara-c;mg_m2=30", "drug: 'ara-c' cannot be read .one of: flu, cy", id="unknown-drug"
        ),
        pytest.param("car_t_dose", "dose_x1e8=0.5;dose_cells=1", "gives this already", id="two-inputs-for-one"),
        pytest.param("car_t_other", "route=into the arm", "one of: intravenous, intrathecal", id="unknown-route"),
        pytest.param("car_t_other", "source=xeno", "one of: autologous, allogeneic", id="unknown-source"),
        pytest.param("car_t_other", "product_of=1;product=1", "gives this already", id="two-names-of-one-input"),
        pytest.param("tocilizumab_limits", "doses_last_24h=2.5;total=3", "whole number", id="part-of-a-dose"),
        pytest.param("ld_timing", "ld_start=20260110;infusion=2026-01-15", "YYYY-MM-DD", id="day-without-hyphens"),
        pytest.param("ld_timing", "ld_start=2026-02-30;infusion=2026-03-15", "no such day", id="no-such-day"),
        pytest.param(
            "ld_timing",
            "ld_start=soon;infusion=2026-01-15",
            "ld_start: 'soon' cannot be read .write a date",
            id="no-date",
        ),
    ],
)
def test_what_cannot_be_read_is_an_error_with_its_place(tmp_path: Path, kind: str, inputs: str, message: str) -> None:
    with pytest.raises(TableError, match=message):
        run(TABLE, table_of(tmp_path, kind, inputs))


@pytest.mark.parametrize(
    ("kind", "inputs", "expected", "name"),
    [
        ("car_t_dose", "dose_x1e8=10", "10", "OUT_OF_RANGE_HIGH"),
        ("car_t_dose", "dose_x1e8=10.1", "", "INVALID"),
        ("car_t_dose_computed", "volume_ml=20;conc_per_ml=5e6;viability=90;car_fraction=0.5", "", "INVALID"),
        ("car_t_other", "route=IV", "", "OK"),
        ("car_t_other", "source=allogeneic", "", "REJECT"),
        ("car_t_other", "product_subject=1;subject=2", "", "REJECT"),
        ("car_t_other", "identity_match=N", "", "REJECT"),
        ("ld_timing", "ld_start=2026-01-08;infusion=2026-01-15", "", "OK"),
        ("ld_timing", "ld_start=2026-01-07;infusion=2026-01-15", "", "REVIEW"),
        ("tocilizumab_limits", "doses_last_24h=3;total=3;hours_since_last=9", "", "WARN_24H"),
        ("tocilizumab_limits", "doses_last_24h=0;total=0;hours_since_last=", "", "ALLOW"),
    ],
)
def test_what_else_a_table_may_say(tmp_path: Path, kind: str, inputs: str, expected: str, name: str) -> None:
    outcome = run(TABLE, table_of(tmp_path, kind, inputs, expected, name))
    assert outcome.last_line == "1 passed, 0 failed", outcome.differences
