"""A hospital checks a rule against its own table of worked cases: what differs is said, nothing passes unread."""

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import translation

from safety.cases import CASES
from safety.cases.assessments import ice_performed
from safety.rules.icans import IcePerformed
from trialsite import casetables
from trialsite.casetables import TableError
from trialsite.management.commands.check_cases import known_rules

GIVEN = Path(__file__).parent / "safety" / "cases"
Rows = list[dict[str, str]]
Write = Callable[[Rows], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def _write(rows: Rows, columns: list[str] | None = None, bom: bool = False) -> Path:
        out = io.StringIO()
        table = csv.DictWriter(out, columns or list(rows[0]), lineterminator="\r\n")
        table.writeheader()
        table.writerows(rows)
        path = tmp_path / "cases.csv"
        path.write_text(out.getvalue(), encoding="utf-8-sig" if bom else "utf-8", newline="")
        return path

    return _write


def given_rows(rule: str) -> Rows:
    with (GIVEN / f"{rule}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def case(rule: str, **changed: str) -> Rows:
    """The first worked case, and the same with other values."""
    first = given_rows(rule)[0]
    return [first, {**first, **changed}]


def check(rule: str, path: Path) -> tuple[int, list[str]]:
    """Exit code and lines, in English, as the command gives them."""
    out = io.StringIO()
    with translation.override("en"):
        try:
            call_command("check_cases", rule, str(path), stdout=out)
        except SystemExit as stop:
            return int(str(stop.code)), out.getvalue().splitlines()
    return 0, out.getvalue().splitlines()


def refused(rule: str, path: Path) -> str:
    out = io.StringIO()
    with translation.override("en"), pytest.raises(CommandError) as raised:
        call_command("check_cases", rule, str(path), stdout=out)
    assert raised.value.returncode == 1
    assert "passed" not in out.getvalue()
    return str(raised.value)


@pytest.mark.parametrize(("rule", "number"), [("crs", 30), ("icans", 27)])
def test_the_worked_cases_pass(rule: str, number: int) -> None:
    assert check(rule, GIVEN / f"{rule}.csv") == (0, [f"{number} passed, 0 failed"])


def test_every_rule_of_safety_is_known() -> None:
    assert {"crs", "icans"} <= set(known_rules())


def test_the_last_line_stays_as_it_is_in_chinese() -> None:
    out = io.StringIO()
    with translation.override("zh-hans"):
        call_command("check_cases", "crs", str(GIVEN / "crs.csv"), stdout=out)
    assert out.getvalue().splitlines()[-1] == "30 passed, 0 failed"


def test_a_difference_says_where_what_and_why(write: Write) -> None:
    changed = {"id": "OUR-7", "o2_device": "hfnc", "expected_grade": "2", "expected_determinant": "hypoxia"}
    code, lines = check("crs", write(case("crs", **changed)))
    said = "\n".join(lines)
    assert (code, lines[-1]) == (1, "1 passed, 1 failed")
    assert "row 3, OUR-7" in said
    assert "expected_grade: expected 2, computed 3" in said
    assert "High-flow nasal cannula: grade 3." in said
    assert "input: days_since_infusion=3, temp_c=38.0, o2_device=hfnc\n" in said
    assert "expected_determinant" not in said


def test_differences_in_flags_and_in_what_cannot_be_graded(write: Write) -> None:
    changed = {"temp_c": "", "expected_grade": "0", "expected_determinant": "none"}
    code, lines = check("crs", write(case("crs", **changed)))
    assert code == 1
    assert "  expected_grade: expected 0, computed nothing" in lines
    assert "  expected_review_flag: expected none, computed MISSING_TEMPERATURE" in lines


def test_an_unknown_rule_lists_the_known_ones() -> None:
    message = refused("crss", GIVEN / "crs.csv")
    assert "crss" in message
    assert {"crs", "ctgov_threshold", "dose", "eligibility", "sae_clock"} <= known_rules().keys()
    assert ", ".join(sorted(known_rules())) in message


@pytest.mark.parametrize(
    ("rule", "column", "value"),
    [
        ("crs", "hypotension", "perhaps"),
        ("crs", "hypotension", ""),
        ("crs", "temp_c", "38,0"),
        ("crs", "temp_c", "NaN"),
        ("crs", "temp_c", "38.0 C"),
        ("crs", "temp_c", "380"),
        ("crs", "o2_flow_l_min", "-1"),
        ("crs", "n_vasopressors_excl_vasopressin", "1.5"),
        ("crs", "n_vasopressors_excl_vasopressin", "one"),
        ("crs", "n_vasopressors_excl_vasopressin", ""),
        ("crs", "days_since_infusion", ""),
        ("crs", "days_since_infusion", "1_0"),
        ("crs", "o2_device", "snorkel"),
        ("crs", "o2_device", ""),
        ("crs", "death", "maybe"),
        ("crs", "expected_grade", "two"),
        ("icans", "orientation_0_4", "5"),
        ("icans", "capd_score", "33"),
        ("icans", "seizure_minutes", "-1"),
        ("icans", "ice_performed", "nonsense"),
        ("icans", "ice_performed", ""),
        ("icans", "consciousness", "sleepyish"),
        ("icans", "expected_ice_total", "ten"),
    ],
)
def test_a_value_that_cannot_be_used_is_an_error(write: Write, rule: str, column: str, value: str) -> None:
    message = refused(rule, write(case(rule, **{column: value})))
    assert f"row 3, column {column}: " in message


@pytest.mark.parametrize(
    ("rule", "column", "finding"),
    [
        ("crs", "fever_attributable_to_crs", {"temp_c": "38.0"}),
        ("crs", "fever_attributable_to_crs", {"temp_c": ""}),
        ("crs", "hypotension_attributable_to_crs", {"vasopressin": "Y"}),
        ("crs", "o2_need_reason", {"o2_device": "cpap"}),
        ("icans", "loc_attributable_to_ie", {"consciousness": "coma"}),
        ("icans", "loc_attributable_to_ie", {"ice_performed": "N_unarousable"}),
    ],
)
def test_an_attribution_may_not_be_empty_beside_its_finding(
    write: Write, rule: str, column: str, finding: dict[str, str]
) -> None:
    assert f"row 3, column {column}: it is empty" in refused(rule, write(case(rule, **{column: "", **finding})))


@pytest.mark.parametrize(
    ("rule", "changed"),
    [
        ("crs", {"hypotension_attributable_to_crs": "", "o2_need_reason": ""}),
        (
            "crs",
            {
                "temp_c": "37.9",
                "fever_attributable_to_crs": "",
                "expected_grade": "0",
                "expected_determinant": "none",
            },
        ),
        ("icans", {"loc_attributable_to_ie": ""}),
    ],
)
def test_an_attribution_of_nothing_may_be_empty(write: Write, rule: str, changed: dict[str, str]) -> None:
    assert check(rule, write(case(rule, **changed))) == (0, ["2 passed, 0 failed"])


def test_an_unknown_column_is_an_error(write: Write) -> None:
    rows = [{**row, "spo2": "88"} for row in case("crs")]
    assert "row 1: unknown column: spo2" in refused("crs", write(rows))


@pytest.mark.parametrize("column", ["temp_c", "vasopressin", "expected_grade", "expected_review_flag", "id"])
def test_a_missing_column_is_an_error(write: Write, column: str) -> None:
    rows = [{name: value for name, value in row.items() if name != column} for row in case("crs")]
    assert f"row 1: missing column: {column}" in refused("crs", write(rows))


def test_a_description_may_be_missing(write: Write) -> None:
    rows = [{k: v for k, v in row.items() if k not in {"description", "rule"}} for row in case("crs")]
    assert check("crs", write(rows)) == (0, ["2 passed, 0 failed"])


def lines_of(path: Path, lines: list[str]) -> Path:
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


GIVEN_LINES = (GIVEN / "crs.csv").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        pytest.param([], "holds no cases", id="empty"),
        pytest.param(GIVEN_LINES[:1], "holds no cases", id="only-a-header"),
        pytest.param([*GIVEN_LINES[:1], "", ",,"], "holds no cases", id="only-empty-rows"),
        pytest.param([GIVEN_LINES[0] + ",id", GIVEN_LINES[1] + ",x"], "row 1: column named twice: id", id="twice"),
        pytest.param([*GIVEN_LINES[:3], "X,y,3"], "row 4: 3 values for 19 columns, wrong from column temp_c", id="few"),
        pytest.param([*GIVEN_LINES[:2], GIVEN_LINES[2] + ",more"], "row 3: 20 values for 19 columns", id="many"),
        pytest.param([*GIVEN_LINES[:2], 'X,"y'], "cannot be read as CSV", id="open-quote"),
    ],
)
def test_a_broken_table_is_an_error(tmp_path: Path, lines: list[str], said: str) -> None:
    assert said in refused("crs", lines_of(tmp_path / "broken.csv", lines))


def test_rows_are_counted_as_a_spreadsheet_counts_them(tmp_path: Path) -> None:
    wrong = GIVEN_LINES[1].replace(",38.0,", ",high,")
    path = lines_of(tmp_path / "gaps.csv", [GIVEN_LINES[0], "", GIVEN_LINES[1], ",,", wrong])
    assert "row 5, column temp_c" in refused("crs", path)


def test_a_file_that_is_not_there_or_not_utf8_is_an_error(tmp_path: Path) -> None:
    assert "No such file" in refused("crs", tmp_path / "nowhere.csv")
    (tmp_path / "gbk.csv").write_bytes("id,描述\n".encode("gbk"))
    assert "UTF-8" in refused("crs", tmp_path / "gbk.csv")


def test_a_table_saved_by_a_spreadsheet_is_read(write: Any) -> None:
    assert check("crs", write(given_rows("crs"), bom=True)) == (0, ["30 passed, 0 failed"])


def test_the_order_of_columns_is_free(write: Any) -> None:
    rows = given_rows("icans")
    assert check("icans", write(rows, columns=sorted(rows[0]))) == (0, ["27 passed, 0 failed"])


def test_a_rule_that_refuses_a_row_is_an_error(tmp_path: Path) -> None:
    def refuse(_inputs: Any) -> Any:
        raise ValueError("the end lies before the start")

    table = casetables.CaseTable({"day": casetables.column("day", casetables.integer)}, {}, refuse)
    with pytest.raises(TableError, match="row 2: the end lies before the start"):
        casetables.run(table, lines_of(tmp_path / "t.csv", ["id,day", "A,1"]))


# --- Words that people use -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "said", "expected"),
    [
        ("o2_device", "Room air", "none"),
        ("o2_device", "nasal-cannula", "nasal_cannula"),
        ("o2_device", "Blow-by", "blow_by"),
        ("o2_device", "high_flow_nasal_cannula", "hfnc"),
        ("o2_device", "Face mask", "simple_facemask"),
        ("o2_device", "Non-rebreather mask", "nonrebreather"),
        ("o2_device", "venturi_mask", "venturi"),
        ("o2_device", "BiPAP", "bipap"),
        ("o2_device", "NIV", "bipap"),
        ("o2_device", "intubated", "invasive_ventilation"),
        ("o2_need_reason", "airway_protection_no_hypoxia", "airway_protection"),
        ("o2_need_reason", "Procedure", "procedure"),
        ("death", "CRS", "crs"),
        ("death", "relapse", "other"),
    ],
)
def test_words_of_crs(column: str, said: str, expected: str) -> None:
    assert CASES["crs"].inputs[column](said) == expected


@pytest.mark.parametrize(
    ("column", "said", "expected"),
    [
        ("consciousness", "Stupor", "unarousable_or_vigorous"),
        ("consciousness", "to voice", "awakens_to_voice"),
        ("seizure", "repetitive_no_return", "repetitive_no_return_to_baseline"),
        ("seizure", "status epilepticus", "prolonged_life_threatening"),
        ("icp_sign", "Cushing's triad", "cushing_triad"),
        ("icp_sign", "Cushing’s triad", "cushing_triad"),
        ("icp_sign", "papilledema", "papilloedema"),
        ("icp_sign", "CN VI palsy", "cn6_palsy"),
        ("cerebral_oedema", "Diffuse edema", "diffuse"),
        ("death", "due to ICANS", "icans"),
    ],
)
def test_words_of_icans(column: str, said: str, expected: str) -> None:
    assert CASES["icans"].inputs[column](said) == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("Y", IcePerformed.YES),
        ("yes", IcePerformed.YES),
        ("N", IcePerformed.NOT_DONE),
        ("N_refused", IcePerformed.NOT_DONE),
        ("N_unable_sedated", IcePerformed.NOT_DONE),
        ("not done", IcePerformed.NOT_DONE),
        ("N_unable_arousable", IcePerformed.UNABLE_AROUSABLE),
        ("N (aphasia)", IcePerformed.UNABLE_AROUSABLE),
        ("N_unarousable", IcePerformed.UNABLE_UNAROUSABLE),
        ("N_unable_unarousable", IcePerformed.UNABLE_UNAROUSABLE),
        ("N_capd_used", None),
    ],
)
def test_words_for_an_ice_that_was_not_performed(said: str, expected: IcePerformed | None) -> None:
    assert ice_performed(said) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", set()), ("none", set()), ("A", {"A"}), ("A+B", {"A", "B"}), ("B; A", {"A", "B"}), ("A|B", {"A", "B"})],
)
def test_words_joined_in_any_way(text: str, expected: set[str]) -> None:
    assert casetables.words(text) == expected


@pytest.mark.parametrize(("text", "expected"), [("3", 3), ("3.0", 3), ("-1", -1), ("+2", 2)])
def test_whole_numbers_as_spreadsheets_write_them(text: str, expected: int) -> None:
    assert casetables.integer(text) == expected
