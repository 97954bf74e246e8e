"""IEC-HS, ASTCT (Hines, TCT 2023;29:438): the screen, the chosen severity, and what laboratory values say."""

import csv
import datetime as dt
import io
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safety.cases import CASES
from safety.cases.blood import severity
from safety.rules import iec_hs
from safety.rules.grading import Graded, ImpossibleFinding, Reason
from safety.rules.iec_hs import (
    COMMON,
    FLAG_TEXT,
    OTHER,
    REASON_TEXT,
    REQUIRED,
    SEVERITY_GRADE,
    Derived,
    IecHsFindings,
    IecHsPolicy,
    LabResult,
    Screen,
    Severity,
    ferritin_high,
    ferritin_rising,
    fibrinogen_low,
    grade,
    ratio_is_high,
    screen,
    transaminases_high,
)
from trialsite.bounds import SIGNS
from trialsite.casetables import TableError, run

GIVEN = Path(__file__).parent.parent / "cases" / "iec_hs.csv"
TABLE = CASES["iec_hs"]
WORKED = list(csv.DictReader(io.StringIO(GIVEN.read_text(encoding="utf-8"))))
NONE = IecHsFindings(**dict.fromkeys((*REQUIRED, *COMMON), False))
FERRITIN = replace(NONE, ferritin_high=True)
POSITIVE = replace(FERRITIN, cytopenia=True)
NIGHT = dt.datetime(2026, 3, 10, 3, 0, tzinfo=dt.UTC)


def said(reasons: tuple[Reason, ...], flags: tuple[str, ...] = ()) -> str:
    return " ".join(
        [*(REASON_TEXT[one.code].format(**one.values) for one in reasons), *(FLAG_TEXT[one] for one in flags)]
    )


def sentence(graded: Graded) -> str:
    return said(graded.reasons, graded.flags)


def lab(value: str, **limits: str) -> LabResult:
    """ ">2000" is a bound, of the value and of the baseline."""
    signs = {"sign": value[0]} if value[0] in SIGNS else {}
    if (baseline := limits.get("baseline", "0"))[0] in SIGNS:
        signs["baseline_sign"] = baseline[0]
    numbers = {name: Decimal(text.lstrip("<≤>≥")) for name, text in {"value": value, **limits}.items()}
    return LabResult(**numbers, **signs)  # type: ignore[arg-type]


# --- The worked cases ----------------------------------------------------------------------------


@pytest.mark.parametrize("row", [pytest.param(row, id=row["id"]) for row in WORKED])
def test_worked_case(row: dict[str, str]) -> None:
    computed, why = TABLE.evaluate({name: parse(row[name]) for name, parse in TABLE.inputs.items()})
    assert computed == {name: parse(row[f"expected_{name}"]) for name, parse in TABLE.expected.items()}, why


def test_all_worked_cases_as_one_table() -> None:
    assert run(TABLE, GIVEN).last_line == f"{len(WORKED)} passed, 0 failed"


COLUMNS = [*TABLE.inputs, "expected_screen_positive", "expected_grade"]


def table(tmp_path: Path, *rows: str) -> Path:
    path = tmp_path / "cases.csv"
    lines = [f"id,{','.join(COLUMNS)}", *(f"R{number},{row}" for number, row in enumerate(rows, start=1))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_table_may_leave_findings_unrecorded(tmp_path: Path) -> None:
    path = table(
        tmp_path,
        "2.0,N,Y,Y,Y,Y,N,,N,0",
        "2.01,N,Y,N,N,Y,N,observation,Y,1",
        ",,Y,Y,Y,Y,N,severe,,",
        "50,Y,,NA,unknown,,,severe,,",
        "50,Y,Y,,,,,death,Y,5",
        ",Y,N,N,N,N,Y,severe_not_immediately_life_threatening,Y,3",
        "50,Y,Y,Y,Y,Y,N,,Y,",
    )
    assert run(TABLE, path).last_line == "7 passed, 0 failed"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("-1,N,N,N,N,N,N,,N,0", "column ferritin_x_uln_or_baseline: .*between 0"),
        ("3,maybe,N,N,N,N,N,,N,0", "column ferritin_rapidly_rising: 'maybe'"),
        ("3,Y,N,N,N,Y,N,terrible,Y,4", "column severity_choice: .*observe, intervention, severe"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused(tmp_path: Path, row: str, message: str) -> None:
    with pytest.raises(TableError, match=message):
        run(TABLE, table(tmp_path, row))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("asymptomatic_or_mild_observation", 1),
        ("mild; intervention not indicated", 1),
        ("observe_no_intervention", 1),
        ("mild_moderate_intervention", 2),
        ("intervention", 2),
        ("severe", 3),
        ("severe_not_immediately_life_threatening", 3),
        ("severe_not_life_threatening", 3),
        ("life_threatening_urgent", 4),
        ("Life-threatening", 4),
        ("death", 5),
        ("fatal", 5),
        ("", None),
        ("none", None),
    ],
)
def test_words_for_the_severity(text: str, expected: int | None) -> None:
    chosen = severity(text)
    assert (SEVERITY_GRADE[chosen] if chosen else None) == expected


# --- The screen ----------------------------------------------------------------------------------


@pytest.mark.parametrize("required", REQUIRED)
@pytest.mark.parametrize("common", COMMON)
def test_ferritin_and_one_common_finding_are_positive(required: str, common: str) -> None:
    findings = replace(NONE, **{required: True, common: True})
    assert screen(findings) is Screen.POSITIVE
    # What else is unknown cannot take it back.
    assert screen(IecHsFindings(**{required: True, common: True})) is Screen.POSITIVE


@pytest.mark.parametrize("one", [*REQUIRED, *COMMON])
def test_one_finding_alone_is_negative(one: str) -> None:
    assert screen(replace(NONE, **{one: True})) is Screen.NEGATIVE


@pytest.mark.parametrize(
    ("changed", "expected", "missing"),
    [
        pytest.param({"ferritin_high": None}, Screen.OPEN, "What ferritin is", id="ferritin-not-recorded"),
        pytest.param({"ferritin_rising": None}, Screen.OPEN, "how fast it rises", id="rise-not-recorded"),
        pytest.param(
            {"ferritin_high": True, "cytopenia": None}, Screen.OPEN, "Common findings", id="common-not-recorded"
        ),
        pytest.param(
            {"ferritin_high": None, "cytopenia": None}, Screen.OPEN, "Common findings", id="neither-is-recorded"
        ),
        pytest.param({"cytopenia": None}, Screen.NEGATIVE, "neither above", id="ferritin-no-clears"),
    ],
)
def test_unknown_is_not_no(changed: dict[str, Any], expected: Screen, missing: str) -> None:
    base = replace(NONE, cytopenia=True) if "cytopenia" not in changed else NONE
    findings = replace(base, **changed)
    graded = grade(findings)
    assert screen(findings) is expected
    assert missing in sentence(graded)
    assert graded.grade == (0 if expected is Screen.NEGATIVE else None)
    assert ("CANNOT_EXCLUDE" in graded.flags) == (expected is Screen.OPEN)


def test_without_any_common_finding_ferritin_does_not_matter() -> None:
    graded = grade(replace(NONE, ferritin_high=None))
    assert (graded.grade, graded.flags) == (0, ("FINDINGS_UNKNOWN",))
    assert "Common findings: 0, needed beside ferritin: 1" in sentence(graded)


def test_nothing_recorded_cannot_be_excluded() -> None:
    assert screen(IecHsFindings()) is Screen.OPEN


def test_the_study_may_ask_for_more_common_findings() -> None:
    policy = IecHsPolicy(common_needed=2)
    two = replace(POSITIVE, fibrinogen_low=True)
    assert [screen(one, policy) for one in (POSITIVE, two)] == [Screen.NEGATIVE, Screen.POSITIVE]
    assert screen(replace(POSITIVE, fibrinogen_low=None), policy) is Screen.OPEN
    assert "Common findings: 1, needed beside ferritin: 2" in sentence(grade(POSITIVE, policy))


# --- The grade -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("chosen", "expected"), [(one, number) for number, one in enumerate(Severity, start=1)])
def test_a_positive_screen_has_the_grade_of_the_chosen_severity(chosen: Severity, expected: int) -> None:
    graded = grade(replace(POSITIVE, severity=chosen))
    assert (graded.grade, graded.determinants, graded.flags) == (expected, ("severity",), ())
    assert f"grade {expected}." in sentence(graded)
    assert graded.scale == "ASTCT 2023 (IEC-HS)"


@pytest.mark.parametrize(
    ("findings", "expected", "flags"),
    [
        pytest.param(POSITIVE, None, ("SEVERITY_MISSING",), id="positive-without-severity"),
        pytest.param(
            IecHsFindings(ferritin_high=True, cytopenia=True),
            None,
            ("FINDINGS_UNKNOWN", "SEVERITY_MISSING"),
            id="positive-others-unknown",
        ),
        pytest.param(
            IecHsFindings(ferritin_high=True, cytopenia=True, severity=Severity.SEVERE),
            3,
            ("FINDINGS_UNKNOWN",),
            id="severity-others-unknown",
        ),
        pytest.param(FERRITIN, 0, (), id="negative"),
        pytest.param(
            replace(FERRITIN, severity=Severity.SEVERE), 0, ("SEVERITY_WITHOUT_SCREEN",), id="negative-with-severity"
        ),
        pytest.param(
            IecHsFindings(severity=Severity.DEATH), None, ("CANNOT_EXCLUDE", "SEVERITY_WITHOUT_SCREEN"), id="open"
        ),
    ],
)
def test_flags_and_no_grade(findings: IecHsFindings, expected: int | None, flags: tuple[str, ...]) -> None:
    graded = grade(findings)
    assert (graded.grade, graded.flags) == (expected, flags)


# --- What laboratory values say ------------------------------------------------------------------


@pytest.mark.parametrize(("ratio", "expected"), [("2", False), ("2.0001", True), ("0", False), (None, None)])
def test_ferritin_ratio(ratio: str | None, expected: bool | None) -> None:
    assert ratio_is_high(Decimal(ratio) if ratio else None) is expected


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        pytest.param(lab("800", uln="400", baseline="500"), False, id="exactly-2-uln"),
        pytest.param(lab("800.1", uln="400", baseline="500"), True, id="above-2-uln"),
        pytest.param(lab("600", uln="400", baseline="300"), False, id="exactly-2-baseline"),
        pytest.param(lab("601", uln="400", baseline="300"), True, id="above-2-baseline"),
        pytest.param(lab("1200", uln="400", baseline="3000"), True, id="uln-although-baseline-was-higher"),
        pytest.param(lab("400", uln="400", baseline="100"), False, id="within-limits-is-not-elevated"),
        pytest.param(lab("300", uln="400"), False, id="within-limits-without-baseline"),
        pytest.param(lab("700", uln="400"), None, id="no-baseline-leaves-it-open"),
        pytest.param(lab("900", uln="400"), True, id="no-baseline-but-above-2-uln"),
        pytest.param(lab("700", baseline="300"), True, id="no-uln-but-above-2-baseline"),
        pytest.param(lab("500", baseline="300"), None, id="no-uln-leaves-it-open"),
        pytest.param(lab("500"), None, id="no-limit-at-all"),
        pytest.param(lab("5", uln="0", baseline="0"), True, id="limit-0"),
        pytest.param(None, None, id="no-value"),
    ],
)
def test_ferritin(result: LabResult | None, expected: bool | None) -> None:
    derived = ferritin_high(result)
    assert derived.finding is expected
    assert said(derived.reasons)


def test_what_is_missing_for_ferritin_is_named() -> None:
    assert "laboratory's limit is not recorded" in said(ferritin_high(lab("500")).reasons)
    assert "baseline before the infusion is not recorded" in said(ferritin_high(lab("700", uln="400")).reasons)
    assert "Ferritin 1200.5 µg/L: 3 × the upper limit 400." in said(ferritin_high(lab("1200.50", uln="400.0")).reasons)


def rising(*points: tuple[int, str]) -> list[tuple[dt.datetime, LabResult]]:
    """Values with the hours before now."""
    return [(NIGHT - dt.timedelta(hours=hours), lab(value)) for hours, value in points]


ULN = Decimal(400)


@pytest.mark.parametrize(
    ("points", "uln", "expected"),
    [
        pytest.param([(0, "1000"), (72, "500")], ULN, True, id="doubled-in-72-h"),
        pytest.param([(0, "999"), (72, "500")], ULN, False, id="not-quite-doubled"),
        pytest.param([(0, "1000"), (73, "500")], ULN, None, id="73-h-are-too-far"),
        pytest.param([(0, "1000"), (10, "900"), (40, "500")], ULN, True, id="against-the-lowest"),
        pytest.param([(40, "500"), (0, "1000")], ULN, True, id="in-any-order"),
        pytest.param([(0, "400"), (24, "100")], ULN, False, id="within-limits"),
        pytest.param([(0, "401"), (24, "100")], ULN, True, id="just-above-limits"),
        pytest.param([(0, "1000")], ULN, None, id="one-value"),
        pytest.param([], ULN, None, id="no-value"),
        pytest.param([(0, "1000"), (24, "100")], None, None, id="rise-without-limit-leaves-it-open"),
        pytest.param([(0, "100"), (24, "100")], None, False, id="no-rise-without-limit"),
        pytest.param([(0, "0"), (24, "0")], None, False, id="nothing-stays-nothing"),
    ],
)
def test_rapidly_rising_ferritin(points: list[tuple[int, str]], uln: Decimal | None, expected: bool | None) -> None:
    derived = ferritin_rising(rising(*points), uln)
    assert derived.finding is expected
    assert said(derived.reasons)


def test_of_two_values_of_one_moment_the_later_recorded_is_the_newest() -> None:
    points = rising((24, "500"), (0, "600"), (0, "1200"))
    assert ferritin_rising(points, ULN).finding is True
    assert ferritin_rising(points[1:], ULN).finding is None, "two values of one moment are no rise"


def test_what_rapidly_means_is_the_studys_choice() -> None:
    points, policy = rising((0, "1000"), (24, "600")), IecHsPolicy(rising_times=Decimal("1.5"), rising_hours=24)
    assert (ferritin_rising(points, ULN).finding, ferritin_rising(points, ULN, policy).finding) == (False, True)
    assert "Ferritin 600 to 1000 µg/L within 24 hours: 1.66 times." in said(ferritin_rising(points, ULN).reasons)


@pytest.mark.parametrize(
    ("alt", "ast", "expected"),
    [
        pytest.param(lab("200", uln="40"), lab("30", uln="40"), False, id="exactly-5-uln"),
        pytest.param(lab("201", uln="40"), lab("30", uln="40"), True, id="alt-above-5-uln"),
        pytest.param(lab("30", uln="40"), lab("201", uln="40"), True, id="ast-above-5-uln"),
        pytest.param(lab("300", uln="40", baseline="60"), lab("30", uln="40"), False, id="exactly-5-abnormal-baseline"),
        pytest.param(lab("301", uln="40", baseline="60"), lab("30", uln="40"), True, id="above-5-abnormal-baseline"),
        pytest.param(
            lab("249", uln="40", baseline="47", baseline_uln="50"),
            lab("30", uln="40"),
            True,
            id="normal-then",
        ),
        pytest.param(
            lab("210", uln="50", baseline="45", baseline_uln="40"),
            lab("30", uln="40"),
            False,
            id="abnormal-then",
        ),
        pytest.param(lab("201", uln="40", baseline="40"), lab("30", uln="40"), True, id="baseline-at-uln-is-normal"),
        pytest.param(lab("30", uln="40"), None, None, id="other-not-measured"),
        pytest.param(lab("201", uln="40"), None, True, id="one-suffices"),
        pytest.param(lab("500"), lab("30", uln="40"), None, id="no-limit"),
        pytest.param(None, None, None, id="nothing"),
    ],
)
def test_transaminases(alt: LabResult | None, ast: LabResult | None, expected: bool | None) -> None:
    derived = transaminases_high(alt, ast)
    assert derived.finding is expected
    assert "ALT" in said(derived.reasons)
    assert "AST" in said(derived.reasons)


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        pytest.param(lab("1.49", lln="1.4"), True, id="below-1.5"),
        pytest.param(lab("1.49"), True, id="below-1.5-without-limit"),
        pytest.param(lab("1.5", lln="1.5"), False, id="exactly-1.5"),
        pytest.param(lab("1.9", lln="2.0"), True, id="below-lln"),
        pytest.param(lab("2.0", lln="2.0"), False, id="at-lln"),
        pytest.param(lab("1.8"), None, id="no-limit-leaves-it-open"),
        pytest.param(None, None, id="no-value"),
    ],
)
def test_fibrinogen(result: LabResult | None, expected: bool | None) -> None:
    derived = fibrinogen_low(result)
    assert derived.finding is expected
    assert said(derived.reasons)


@pytest.mark.parametrize("name", ["value", "lln", "uln", "baseline", "baseline_uln"])
def test_a_negative_laboratory_value_is_refused(name: str) -> None:
    with pytest.raises(ImpossibleFinding, match=name):
        LabResult(**{"value": Decimal(1), name: Decimal(-1)})


@pytest.mark.parametrize(
    ("derived", "expected"),
    [
        pytest.param(ferritin_high(lab(">800", uln="400", baseline="500")), True, id="ferritin->2-uln"),
        pytest.param(ferritin_high(lab("≥800", uln="400", baseline="500")), None, id="ferritin-≥2-uln"),
        pytest.param(ferritin_high(lab(">500", uln="400", baseline="500")), None, id="ferritin->uln"),
        pytest.param(ferritin_high(lab("≤400", uln="400", baseline="5")), False, id="ferritin-≤uln"),
        pytest.param(ferritin_high(lab("<401", uln="400", baseline="500")), False, id="ferritin-below-both"),
        pytest.param(ferritin_high(lab("<401", uln="400", baseline="50")), None, id="ferritin-baseline-decides"),
        pytest.param(ferritin_high(lab("700", uln="400", baseline="<350")), True, id="baseline-<half"),
        pytest.param(ferritin_high(lab("700", uln="400", baseline="≤350")), None, id="baseline-≤half"),
        pytest.param(ferritin_high(lab("700", uln="400", baseline="≥350")), False, id="baseline-≥half"),
        pytest.param(ferritin_high(lab("700", uln="400", baseline="<400")), None, id="baseline-open"),
        pytest.param(transaminases_high(lab(">200", uln="40"), lab("20", uln="40")), True, id="alt->5-uln"),
        pytest.param(transaminases_high(lab(">199", uln="40"), lab("20", uln="40")), None, id="alt->199"),
        pytest.param(transaminases_high(lab("≤200", uln="40"), lab("<5", uln="40")), False, id="alt-≤5-uln"),
        pytest.param(transaminases_high(lab("300", uln="40", baseline="<100"), lab("9", uln="40")), None, id="then"),
        pytest.param(transaminases_high(lab("300", uln="40", baseline="<60"), lab("9", uln="40")), True, id="then-low"),
        pytest.param(fibrinogen_low(lab("<1.5", lln="2")), True, id="fibrinogen-<1.5"),
        pytest.param(fibrinogen_low(lab("≤1.5")), None, id="fibrinogen-≤1.5"),
        pytest.param(fibrinogen_low(lab("<2", lln="2")), True, id="fibrinogen-<lln"),
        pytest.param(fibrinogen_low(lab("≤2", lln="2")), None, id="fibrinogen-≤lln"),
        pytest.param(fibrinogen_low(lab("≥2", lln="2")), False, id="fibrinogen-≥lln"),
        pytest.param(ferritin_rising(rising((0, ">1000"), (24, "500")), ULN), True, id="rise->2-times"),
        pytest.param(ferritin_rising(rising((0, ">999"), (24, "500")), ULN), None, id="rise->999"),
        pytest.param(ferritin_rising(rising((0, "<1000"), (24, "500")), ULN), False, id="rise-<2-times"),
        pytest.param(ferritin_rising(rising((0, "≤1000"), (24, "500")), ULN), None, id="rise-≤2-times"),
        pytest.param(ferritin_rising(rising((0, "1000"), (24, "≤500")), ULN), True, id="rise-from-≤500"),
        pytest.param(ferritin_rising(rising((0, "1000"), (24, "<501")), ULN), None, id="rise-from-<501"),
        pytest.param(ferritin_rising(rising((0, "1000"), (24, ">500")), ULN), False, id="rise-from->500"),
        pytest.param(ferritin_rising(rising((0, "1000"), (24, ">500"), (9, "500")), ULN), True, id="another-is-lower"),
        pytest.param(ferritin_rising(rising((0, "1000"), (24, ">300"), (9, "510")), ULN), None, id="another-is-open"),
        pytest.param(ferritin_rising(rising((0, ">2000"), (24, ">2000")), ULN), None, id="both-above-the-assay"),
        pytest.param(ferritin_rising(rising((0, "≤400"), (24, "1")), ULN), False, id="rise-within-limits"),
        pytest.param(ferritin_rising(rising((0, ">1000"), (24, "500")), None), None, id="rise-without-limit"),
    ],
)
def test_a_bound_answers_only_where_all_its_values_do(derived: Derived, expected: bool | None) -> None:
    assert derived.finding is expected, said(derived.reasons)
    assert "None" not in said(derived.reasons)


def test_a_bound_keeps_its_sign_in_the_reasons() -> None:
    words = said(ferritin_high(lab(">700", uln="400", baseline="<500")).reasons)
    assert words == (
        "Ferritin > 700 µg/L: > 1.75 × the upper limit 400. Ferritin > 700 µg/L: > 1.4 × the baseline < 500. "
        "The report gives only a bound, which leaves it open."
    )
    words = said(ferritin_high(lab("<700", uln="400", baseline="<500")).reasons)
    assert "Ferritin < 700 µg/L: ? × the baseline < 500." in words
    words = said(ferritin_rising(rising((0, ">2000"), (24, "500")), ULN).reasons)
    assert words == "Ferritin 500 to > 2000 µg/L within 24 hours: > 4 times."
    assert said(fibrinogen_low(lab("<0.8", lln="2")).reasons) == "Fibrinogen < 0.8 g/L is below 1.5 g/L."


@pytest.mark.parametrize(("sign", "value"), [("<", "0"), ("~", "5")])
def test_what_is_no_bound_is_refused(sign: str, value: str) -> None:
    with pytest.raises(ImpossibleFinding, match="no bound"):
        LabResult(Decimal(value), sign=sign)
    with pytest.raises(ImpossibleFinding, match="no bound"):
        LabResult(Decimal(5), baseline=Decimal(value), baseline_sign=sign)


@pytest.mark.parametrize(
    ("sign", "ratio", "expected"),
    [(">", "2", True), ("≥", "2", None), (">", "1.9", None), ("≤", "2", False), ("<", "2.1", None)],
)
def test_a_bound_of_the_ferritin_ratio(sign: str, ratio: str, expected: bool | None) -> None:
    assert ratio_is_high(Decimal(ratio), sign) is expected


# --- What must always hold -----------------------------------------------------------------------

KNOWN = st.sampled_from([True, False, None])
FOUND = st.builds(
    IecHsFindings,
    **dict.fromkeys((*REQUIRED, *COMMON), KNOWN),
    severity=st.none() | st.sampled_from(Severity),
)
NUMBER = st.integers(0, 5000).map(Decimal)
RESULT = st.none() | st.builds(LabResult, NUMBER, *[st.none() | NUMBER] * 4)
ORDER = {Screen.NEGATIVE: 0, Screen.OPEN: 1, Screen.POSITIVE: 2}


BOUND = st.sampled_from(("", *SIGNS))


@settings(deadline=None)
@given(*[st.integers(1, 30).map(Decimal)] * 4, BOUND, BOUND, st.integers(0, 120), st.integers(0, 120))
def test_every_value_that_a_bound_allows_answers_alike(
    value: Decimal, uln: Decimal, baseline: Decimal, lln: Decimal, sign: str, baseline_sign: str, one: int, other: int
) -> None:
    """Of ferritin, an enzyme and fibrinogen; and for a rise, where the baseline stands for the earlier value."""
    tried, then = Decimal(one) / 4, Decimal(other) / 4
    if not (_allows(sign, value, tried) and _allows(baseline_sign, baseline, then)):
        return
    given_ = LabResult(value, lln, uln, baseline, sign=sign, baseline_sign=baseline_sign)
    exact = LabResult(tried, lln, uln, then)
    before, now = NIGHT - dt.timedelta(hours=5), NIGHT
    pairs = [
        (ferritin_high(given_), ferritin_high(exact)),
        (transaminases_high(given_, given_), transaminases_high(exact, exact)),
        (fibrinogen_low(given_), fibrinogen_low(exact)),
        (
            ferritin_rising([(before, LabResult(baseline, sign=baseline_sign)), (now, given_)], uln),
            ferritin_rising([(before, LabResult(then)), (now, exact)], uln),
        ),
    ]
    for of_bound, of_one in pairs:
        assert of_bound.finding in (None, of_one.finding)


def _allows(sign: str, bound: Decimal, number: Decimal) -> bool:
    ordered = {"<": number < bound, "≤": number <= bound, ">": number > bound, "≥": number >= bound}
    return ordered.get(sign, number == bound)


@given(FOUND)
def test_every_grade_is_explained_in_words(findings: IecHsFindings) -> None:
    graded = grade(findings)
    assert graded.reasons
    assert not any(word in sentence(graded) for word in ("{", "None"))


@given(FOUND, st.sampled_from((*REQUIRED, *COMMON)))
def test_one_more_finding_never_makes_the_screen_less_positive(findings: IecHsFindings, name: str) -> None:
    no, unknown, yes = (ORDER[screen(replace(findings, **{name: answer}))] for answer in (False, None, True))
    assert no <= unknown <= yes


@given(FOUND)
def test_open_means_that_both_are_possible(findings: IecHsFindings) -> None:
    unknown = [name for name in (*REQUIRED, *COMMON) if getattr(findings, name) is None]
    best = screen(replace(findings, **dict.fromkeys(unknown, False)))
    worst = screen(replace(findings, **dict.fromkeys(unknown, True)))
    assert screen(findings) is (best if best is worst else Screen.OPEN)


@given(RESULT, RESULT)
def test_what_laboratory_values_say_is_always_explained(one: LabResult | None, other: LabResult | None) -> None:
    derived: list[Derived] = [ferritin_high(one), fibrinogen_low(one), transaminases_high(one, other)]
    for each in derived:
        assert each.reasons
        assert not any(word in said(each.reasons) for word in ("{", "None", "E+"))


def test_every_finding_has_its_sentence_and_its_field() -> None:
    assert {*REQUIRED, *COMMON} <= set(REASON_TEXT)
    assert not {*OTHER} & {*REQUIRED, *COMMON}
    assert set(SEVERITY_GRADE) == set(Severity)
    assert iec_hs.SCALE
