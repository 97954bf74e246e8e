"""The worked cases of eligibility: each one, all together, and what cannot be read is an error with its place."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from participants.cases import CASES, COLUMN
from trialsite.casetables import Outcome, TableError, run
from trialsite.management.commands.check_cases import known_rules

GIVEN = Path(__file__).parent / "cases" / "eligibility.csv"
TABLE = CASES["eligibility"]
WORKED = list(csv.DictReader(io.StringIO(GIVEN.read_text(encoding="utf-8"))))
Check = Callable[..., Outcome]


def computed(criterion: str, text: str) -> tuple[str, str]:
    """The result, and what it rests on in words."""
    inputs = {"criterion": criterion, COLUMN: text}
    values, why = TABLE.evaluate({name: parse(inputs[name]) for name, parse in TABLE.inputs.items()})
    return values["result"], why


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """A table of one case, run as the command runs it."""

    def _check(criterion: str, text: str, expected: str = "PASS") -> Outcome:
        path = tmp_path / "cases.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(
                [["id", "criterion", COLUMN, "expected_result"], ["A", criterion, text, expected]]
            )
        return run(TABLE, path)

    return _check


@pytest.mark.parametrize("row", [pytest.param(row, id=f"{row['id']}-{row['criterion']}") for row in WORKED])
def test_worked_case(row: dict[str, str]) -> None:
    result, why = computed(row["criterion"], row[COLUMN])
    assert result == row["expected_result"], why


def test_all_worked_cases_as_one_table() -> None:
    assert run(TABLE, GIVEN).last_line == "78 passed, 0 failed"
    assert known_rules()["eligibility"] is TABLE


def test_a_difference_says_where_what_and_why(check: Check) -> None:
    outcome = check("I7.3", '{"on_oxygen": false, "spo2_pct": "92"}')
    assert outcome.last_line == "0 passed, 1 failed"
    assert (outcome.differences[0].row, outcome.differences[0].case) == (2, "A")
    assert outcome.differences[0].values == {"expected_result": ("PASS", "FAIL")}
    assert outcome.differences[0].reason == "INCL07c:oxygen FAIL (compared)"


@pytest.mark.parametrize(
    ("criterion", "given", "expected"),
    [
        pytest.param("INCL07d", {"tbil_x_uln": "1", "alt_x_uln": "1", "ast_x_uln": "3.01"}, "FAIL", id="our-own-code"),
        pytest.param("INCL07d", {"tbil_x_uln": "1", "alt_x_uln": "1"}, "MISSING", id="all-of-a-part-is-asked"),
        pytest.param(" I4 ", {"ecog": 3}, "FAIL", id="spaces-around-the-criterion"),
        pytest.param("I4", {"ecog": 2.0}, "PASS", id="number-as-json-number"),
        pytest.param("I5", {"cd19": "positive", "method": "flow cytometry"}, "PASS", id="words-for-flow"),
        pytest.param("I5", {"cd19_flow": "dim", "method": "flow", "sample": "biopsy"}, "NEEDS_INVESTIGATOR", id="dim"),
        pytest.param("I2", {"diagnosis": "CML-BP"}, "MISSING", id="only-the-diagnosis-is-given"),
        pytest.param("I6", {"expected_survival_months": "3.1"}, "PASS", id="more-than-three-months"),
        pytest.param("E3", {"bmf_syndrome": "none"}, "PASS", id="no-syndrome-by-word"),
        pytest.param("E3", {"bmf_syndrome": "Fanconi"}, "FAIL", id="a-named-syndrome-is-a-yes"),
        pytest.param("E4.1", {"hbv_dna_iu_ml": "10"}, "MISSING", id="load-without-lloq"),
        pytest.param("E6.1", {"nyha": "III"}, "FAIL", id="roman-numeral"),
        pytest.param("E6.2", {"arrhythmia": True}, "FAIL", id="arrhythmia-without-qt"),
        pytest.param("E6.3", {"qt_ms": 400, "rr_s": None}, "MISSING", id="no-interval"),
        pytest.param(
            "E6.4", {"sbp": 150, "dbp": 99, "on_standard_treatment": False}, "NEEDS_INVESTIGATOR", id="untreated"
        ),
        pytest.param("E6.7", {"event": False}, "PASS", id="no-event"),
        pytest.param(
            "E6.7", {"event_date": "2025-07", "infusion_date": "2026-01-15"}, "NEEDS_INVESTIGATOR", id="month"
        ),
        pytest.param("E7", {"ischaemic_stroke": False, "cerebellar_disease": False}, "PASS", id="history-of-none"),
        pytest.param("E8", {"effusion": "small"}, "PASS", id="small-effusion"),
        pytest.param("E13.2", {"half_lives_elapsed": "5.0"}, "PASS", id="five-half-lives-exactly"),
        pytest.param("E13.2", {"half_lives_elapsed": "4.9"}, "FAIL", id="too-few"),
        pytest.param("E13.2", {"half_lives_elapsed": "4.9", "infusion_date": "2026-01-15"}, "FAIL", id="too-few-then"),
        pytest.param("E13.2", {"half_lives_elapsed": "0"}, "FAIL", id="none-elapsed"),
        pytest.param("E2", {"prior_car_t": True}, "FAIL", id="another-spelling-of-car-t"),
        pytest.param("E4.2", {"hcv_ab": "positive", "hcv_rna": "negative"}, "FAIL", id="antibody-counts-without-rna"),
        pytest.param("I5", {"cd19_flow": "positive", "sample": "initial_diagnosis"}, "PASS", id="the-key-says-flow"),
        pytest.param("I8", {"venous_access": 0}, "FAIL_OVERRIDABLE", id="zero-is-no"),
        pytest.param("E13.2", {"half_lives_elapsed": None}, "MISSING", id="half-lives-not-known"),
        pytest.param("E7", {"stroke": False, "cerebral_haemorrhage": True}, "FAIL", id="one-of-two-names-is-enough"),
        pytest.param("E7", {"stroke": False, "cerebral_hemorrhage": None}, "MISSING", id="one-of-two-names-is-open"),
        pytest.param("I2", {"diagnosis": "AML"}, "FAIL", id="another-diagnosis-by-name"),
        pytest.param("E2", {"prior_blinatumomab": True}, "MISSING", id="another-treatment-says-nothing-of-car-t"),
        pytest.param(
            "E13.1", {"marketed": True, "last_dose_date": "2025-07-31"}, "PASS", id="marketed-is-the-other-part"
        ),
    ],
)
def test_what_else_a_table_may_say(criterion: str, given: dict[str, Any], expected: str) -> None:
    result, why = computed(criterion, json.dumps(given))
    assert result == expected, why


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param({"birth_date": "2010", "consent_date": "2025-08-01"}, "PASS", id="year-14-or-15"),
        pytest.param({"birth_date": "2011", "consent_date": "2025-08-01"}, "MISSING", id="year-13-or-14"),
        pytest.param({"birth_date": 2012, "consent_date": "2025-08-01"}, "FAIL", id="year-12-or-13-as-a-number"),
        pytest.param({"birth_date": "2011-07", "consent_date": "2025-08-01"}, "PASS", id="month-14"),
        pytest.param({"birth_date": "2011-08", "consent_date": "2025-08-01"}, "MISSING", id="month-13-or-14"),
        pytest.param({"birth_date": "2011-08", "consent_date": "2025-08-31"}, "PASS", id="month-is-over"),
        pytest.param({"birth_date": "2011-09", "consent_date": "2025-08-31"}, "FAIL", id="month-13"),
        pytest.param({"birth_date": "1944-08", "consent_date": "2025-08-01"}, "MISSING", id="month-80-or-81"),
        pytest.param({"birth_date": "1944", "consent_date": "2025-12-31"}, "FAIL", id="year-81"),
        pytest.param({"birth_date": "1945", "consent_date": "2025-12-31"}, "PASS", id="year-80"),
        pytest.param({"birth_date": None, "consent_date": "2025-12-31"}, "MISSING", id="not-known-at-all"),
    ],
)
def test_a_birth_date_known_in_part(given: dict[str, Any], expected: str) -> None:
    result, why = computed("I3", json.dumps(given))
    assert result == expected, why
    # Whatever is not known of it, it is the birth date that has to be completed.
    assert ("birth_too_coarse" in why) == (result == "MISSING")


@pytest.mark.parametrize(
    ("criterion", "given", "expected"),
    [
        pytest.param("I7.1", {"creatinine": "208", "creatinine_uln": "104"}, "PASS", id="creatinine-twice-the-limit"),
        pytest.param("I7.1", {"creatinine": "208.1", "creatinine_uln": "104"}, "FAIL", id="creatinine-above"),
        pytest.param("I7.1", {"creatinine": "208", "uln": "104"}, "PASS", id="the-only-upper-limit"),
        pytest.param("I7.1", {"creatinine": "208"}, "MISSING", id="no-upper-limit"),
        pytest.param("I7.1", {"creatinine": "208", "creatinine_uln": None}, "MISSING", id="upper-limit-not-known"),
        pytest.param("I7.1", {"creatinine": None, "creatinine_uln": "104"}, "MISSING", id="not-measured"),
        pytest.param(
            "I7.1", {"creatinine_umol_l": "208", "creatinine_uln_umol_l": "104"}, "PASS", id="both-in-one-unit"
        ),
        # 1.2 mg/dL are 106.08 µmol/L: the limit is 212.16.
        pytest.param(
            "I7.1", {"creatinine_umol_l": "212", "creatinine_uln_mg_dl": "1.2"}, "PASS", id="two-units-converted"
        ),
        pytest.param("I7.1", {"creatinine_umol_l": "213", "creatinine_uln_mg_dl": "1.2"}, "FAIL", id="two-units-above"),
        pytest.param("I7.1", {"creatinine": "<30", "creatinine_uln": "104"}, "PASS", id="creatinine-below-a-bound"),
        pytest.param("I7.1", {"creatinine": ">200", "creatinine_uln": "104"}, "NEEDS_INVESTIGATOR", id="bound-open"),
        pytest.param("I7.4b", {"alt": "120", "uln": "40"}, "PASS", id="alt-three-times"),
        pytest.param("I7.4b", {"alt": "120.1", "alt_uln": "40"}, "FAIL", id="alt-above"),
        pytest.param("E4.1", {"hbv_dna_iu_ml": "detected, below 20"}, "PASS", id="detected-below-quantification"),
        pytest.param("E4.1", {"hbv_dna_iu_ml": "detected, <20", "lloq": "20"}, "PASS", id="detected-by-sign"),
        pytest.param("E4.1", {"hbv_dna_iu_ml": "Positive <20"}, "PASS", id="positive-by-sign"),
        pytest.param(
            "E4.1", {"hbv_dna_iu_ml": "detected, below 20", "lloq": "10"}, "NEEDS_INVESTIGATOR", id="another-limit"
        ),
        pytest.param("E4.1", {"hbv_dna_iu_ml": "<20"}, "MISSING", id="a-bound-is-not-the-limit"),
        pytest.param("E4.1", {"hbv_dna_iu_ml": "<20", "lloq": "20"}, "PASS", id="a-bound-with-its-limit"),
        pytest.param("E4.1", {"hbv_dna_iu_ml": "not detected"}, "PASS", id="not-detected"),
        pytest.param("E4.1", {"hbv_dna_iu_ml": "未检出"}, "PASS", id="not-detected-in-chinese"),
        pytest.param("E4.1", {"hbv_dna_iu_ml": "检出，低于20"}, "PASS", id="detected-in-chinese"),
        pytest.param("E4.1", {"hbv_dna_iu_ml": "＜20", "lloq": "20"}, "PASS", id="bound-of-full-width"),
        pytest.param("E4.1", {"hbv_dna_iu_ml": "21", "hbv_dna_lloq": "20"}, "FAIL", id="limit-by-name"),
        pytest.param(
            "E4.3",
            {"ebv_dna": "300", "ebv_dna_lloq": "400", "cmv_dna": "300", "cmv_dna_lloq": "200"},
            "FAIL",
            id="two-limits",
        ),
        pytest.param("E6.3", {"qtcf_ms": 430}, "MISSING", id="qtcf-does-not-replace-qtcb"),
        pytest.param("E6.3", {"qtcf_ms": 430, "heart_rate_bpm": 60}, "MISSING", id="qtcf-with-a-rate"),
        pytest.param("E6.3", {"qtcf_ms": 520, "qt_ms": 400, "rr_ms": 1000}, "PASS", id="qt-decides-beside-qtcf"),
        pytest.param("E6.3", {"qtcb_ms": "479.9"}, "PASS", id="qtcb-as-printed"),
        pytest.param("E6.3", {"qtcb_ms": 480}, "FAIL", id="qtcb-at-the-limit"),
        pytest.param("E6.3", {"qtcb_ms": None}, "MISSING", id="qtcb-not-known"),
    ],
)
def test_values_as_laboratories_print_them(criterion: str, given: dict[str, Any], expected: str) -> None:
    result, why = computed(criterion, json.dumps(given))
    assert result == expected, why


CONSENTED = {"icf_signed_date": "2025-08-01", "willing_able": True}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param({"age": 17, "guardian_signed": True}, "PASS", id="17-guardian-signed"),
        pytest.param({"age": 17, "guardian_signed": False}, "FAIL", id="17-guardian-did-not-sign"),
        pytest.param({"age": 17, "guardian_signed": None}, "MISSING", id="17-guardian-not-known"),
        pytest.param({"age": 18, "guardian_signed": False}, "PASS", id="18-needs-no-guardian"),
        pytest.param({"guardian_signed": False}, "FAIL", id="age-not-given"),
        pytest.param({"birth_date": "2007-08-02", "guardian_signed": False}, "FAIL", id="eve-of-18th-birthday"),
        pytest.param({"birth_date": "2007-08-01", "guardian_signed": False}, "PASS", id="18th-birthday"),
        pytest.param({"birth_date": "2007", "guardian_signed": False}, "MISSING", id="17-or-18-guardian-did-not-sign"),
        pytest.param({"birth_date": "2007", "guardian_signed": None}, "MISSING", id="17-or-18-guardian-not-known"),
        pytest.param({"birth_date": "2007", "guardian_signed": True}, "PASS", id="17-or-18-guardian-signed"),
        pytest.param({"birth_date": "2006", "guardian_signed": False}, "PASS", id="18-or-19-needs-no-guardian"),
        pytest.param({"birth_date": "2008", "guardian_signed": False}, "FAIL", id="16-or-17-guardian-did-not-sign"),
        pytest.param({"age": 17}, "MISSING", id="17-nobody-said-whether-a-guardian-signed"),
    ],
)
def test_a_guardian_in_a_table(given: dict[str, Any], expected: str) -> None:
    result, why = computed("I1", json.dumps(CONSENTED | given))
    assert result == expected, why


COUNTS = {"venous_access": True, "hb_g_l": "100", "anc_10e9_l": "2.0", "plt_10e9_l": "60"}


@pytest.mark.parametrize(
    ("criterion", "given", "expected"),
    [
        pytest.param("I8", COUNTS | {"investigator_override": {"reason": "stable"}}, "PASS_BY_OVERRIDE", id="reason"),
        pytest.param("I8", COUNTS | {"investigator_override": {"reason": " "}}, "FAIL_OVERRIDABLE", id="blank-reason"),
        pytest.param("I8", COUNTS | {"investigator_override": {}}, "FAIL_OVERRIDABLE", id="no-reason"),
        pytest.param("I8", COUNTS | {"investigator_override": None}, "FAIL_OVERRIDABLE", id="no-override"),
        pytest.param(
            "I7.1", {"creatinine_x_uln": "2.1", "investigator_override": {"reason": "stable"}}, "FAIL", id="another"
        ),
    ],
)
def test_an_override_in_a_table(criterion: str, given: dict[str, Any], expected: str) -> None:
    result, why = computed(criterion, json.dumps(given))
    assert result == expected, why


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        pytest.param(["PASS", "PASS_BY_OVERRIDE"], "ELIGIBLE", id="override"),
        pytest.param(["MISSING", "FAIL"], "NOT_ELIGIBLE", id="a-fail-is-worse-than-a-gap"),
        pytest.param(["PASS", "FAIL_OVERRIDABLE"], "NOT_ELIGIBLE", id="not-overridden"),
        pytest.param([], "INCOMPLETE", id="none"),
    ],
)
def test_all_criteria_in_a_table(results: list[str], expected: str) -> None:
    assert computed("OVERALL", json.dumps({"results": results}))[0] == expected


# --- What cannot be read -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("criterion", "text", "said"),
    [
        pytest.param("I4", '{"ekog": 0}', "unknown input 'ekog'", id="unknown-key"),
        pytest.param("I4", '{"ecog": 0, "weight": 70}', "unknown input 'weight'", id="unknown-key-beside-a-known-one"),
        pytest.param("E1", '{"mpal_text": "no"}', "unknown input 'mpal_text'", id="flag-that-is-no-yes-or-no"),
        pytest.param("I4", '{"ecog": 0', "not JSON", id="broken-json"),
        pytest.param("I4", "", "not JSON", id="nothing"),
        pytest.param("I4", "[0]", "write a JSON object", id="list"),
        pytest.param("I4", '{"ecog": "two"}', "ecog: 'two' cannot be read (write a number", id="number-as-word"),
        pytest.param("I4", '{"ecog": true}', "ecog: 'true' cannot be read (write a number", id="number-as-yes"),
        pytest.param(
            "I3", '{"birth_date": "2011-7-19"}', "birth_date: '2011-7-19' cannot be read", id="day-without-zero"
        ),
        pytest.param("I3", '{"birth_date": 20110719}', "birth_date: '20110719' cannot be read", id="day-as-number"),
        pytest.param("I3", '{"birth_date": "2011-02-30"}', "there is no such day", id="day-that-is-none"),
        pytest.param(
            "I3", '{"consent_date": "2025-08"}', "consent_date: '2025-08' cannot be read", id="month-for-a-day"
        ),
        pytest.param("E9", '{"event_date": "2025-13"}', "there is no such day", id="month-13"),
        pytest.param(
            "E9",
            '{"event_date": "15.07.2025"}',
            "'15.07.2025' cannot be read (write a date as far as it is known",
            id="date-of-another-shape",
        ),
        pytest.param(
            "E8", '{"effusion": "wide"}', "effusion: 'wide' cannot be read (one of: none, trace", id="unknown-choice"
        ),
        pytest.param("E6.1", '{"nyha": 5}', "nyha: '5' cannot be read (one of: none, 1, 2, 3, 4", id="unknown-class"),
        pytest.param("OVERALL", '{"results": ["PASS", "GOOD"]}', "`results` is a list of PASS", id="unknown-result"),
        pytest.param(
            "E7", '{"controlled_epilepsy": true}', "unknown input 'controlled_epilepsy'", id="like-a-known-name"
        ),
        pytest.param("E7", '{"migraine": false}', "known: uncontrolled_epilepsy, stroke", id="no-other-disorder"),
        pytest.param("I2", '{"diagnosis": "acute leukaemia"}', "diagnosis: 'acute leukaemia'", id="unknown-diagnosis"),
        pytest.param("I5", '{"cd19": "positive", "method": "eye"}', "method: 'eye'", id="unknown-method"),
        pytest.param("I5", '{"cd19": "positive", "sample": "hair"}', "sample: 'hair'", id="unknown-sample"),
        pytest.param("E3", '{"bmf_syndrome": "perhaps"}', "bmf_syndrome: 'perhaps'", id="unknown-syndrome"),
        pytest.param("E1", '{"mpal": "unknown"}', "mpal: 'unknown'", id="neither-yes-nor-no"),
        pytest.param("E2", '{"prior_wonder_drug": true}', "unknown input 'prior_wonder_drug'", id="unknown-treatment"),
        pytest.param("I1", '{"no_guardian_signed": true}', "unknown input 'no_guardian_signed'", id="part-of-a-name"),
        pytest.param("I4", '{"ecog": 0, "hb_g_l": 100}', "unknown input 'hb_g_l'", id="input-of-another-criterion"),
        pytest.param("I4", '{"ecog": 0, "ecog": 3}', "named twice: ecog", id="a-name-twice"),
        pytest.param("I4", '{"ecog": [0]}', "write one value", id="a-list-for-a-value"),
        pytest.param("I4", '{"ecog": NaN}', "ecog: 'NaN'", id="not-a-number"),
        pytest.param("I4", '{"ecog": -1}', "0 or more", id="below-zero"),
        pytest.param("I7.2", '{"lvef_pct": "0.6"}', "possible: 5 to 95 %", id="a-fraction-for-a-percentage"),
        pytest.param("E6.3", '{"qt_ms": "0.4", "rr_s": 1}', "possible: 100 to 900 ms", id="seconds-for-milliseconds"),
        pytest.param("E6.3", '{"qt_ms": 400, "qtcb_ms": 420}', "gives this already", id="two-sources-of-one-value"),
        pytest.param("I5", '{"cd19": "dim", "cd19_flow": "positive"}', "gives this already", id="two-answers"),
        pytest.param(
            "I7.1", '{"creatinine": "1", "creatinine_x_uln": "1"}', "gives this already", id="value-and-ratio"
        ),
        pytest.param(
            "I7.1", '{"creatinine_x_uln": "1", "creatinine_uln": "104"}', "gives this already", id="limit-of-a-ratio"
        ),
        pytest.param(
            "I7.1", '{"creatinine_x_uln": "1", "uln": "104"}', "no value that it belongs to", id="limit-alone"
        ),
        pytest.param("I7.1", '{"creatinine": "90", "creatinine_uln": "0"}', "above 0", id="upper-limit-of-zero"),
        pytest.param("I7.4", '{"alt": "30", "ast": "30", "uln": "40"}', "say which", id="whose-upper-limit"),
        pytest.param("I7.3", '{"spo2_pct": ">92", "on_oxygen": false}', "write a number", id="bound-of-what-has-none"),
        pytest.param("E4.1", '{"hbv_dna_iu_ml": "detected"}', "hbv_dna_iu_ml: 'detected'", id="detected-without-bound"),
        pytest.param(
            "I8", '{"venous_access": true, "investigator_override": {"why": "x"}}', "by, date and", id="override"
        ),
        pytest.param("OVERALL", '{"results": [], "ecog": 1}', "and nothing else", id="more-than-results"),
        pytest.param("OVERALL", '{"result": ["PASS"]}', "`results` is a list of", id="no-results"),
    ],
)
def test_what_cannot_be_read_is_an_error_with_its_place(check: Check, criterion: str, text: str, said: str) -> None:
    with pytest.raises(TableError) as raised:
        check(criterion, text)
    assert str(raised.value).startswith(f"row 2, column {COLUMN}: ")
    assert said in str(raised.value)


@pytest.mark.parametrize("criterion", ["I10", "E16", "I7.9", "INCL10", "INCL0", "E", "inclusion 4"])
def test_an_unknown_criterion_is_an_error(check: Check, criterion: str) -> None:
    with pytest.raises(
        TableError, match=r"row 2, column criterion: .*( asks about no check of the study|no such criterion)"
    ):
        check(criterion, '{"ecog": 0}')


def test_an_unknown_expected_result_is_an_error(check: Check) -> None:
    with pytest.raises(TableError, match=r"row 2, column expected_result: 'OK' cannot be read \(one of: PASS, "):
        check("I4", '{"ecog": 0}', "OK")
