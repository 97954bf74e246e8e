"""ICAHT, EHA/EBMT (Rejeski, Blood 2023;142:865): each cell of the table, the runs, the days that nobody measured."""

import csv
import io
from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safety.cases import CASES
from safety.cases.blood import Count, counts, counts_by_day
from safety.rules import icaht, icaht_published
from safety.rules.grading import Graded, ImpossibleFinding
from safety.rules.icaht import (
    PROFOUND_PER_UL,
    SEVERE_PER_UL,
    Anc,
    Early,
    Gap,
    Late,
    Observed,
    Run,
    early_grade,
    filled,
    grade_early,
    grade_late,
    grade_lowest,
    grade_runs,
    lowest_per_day,
    runs,
)
from safety.rules.icaht_published import Published, grade_published
from trialsite.casetables import TableError, run

GIVEN = Path(__file__).parent.parent / "cases"
OVER = Observed(60)


def worked(rule: str) -> list[Any]:
    rows = csv.DictReader(io.StringIO((GIVEN / f"{rule}.csv").read_text(encoding="utf-8")))
    return [pytest.param(rule, row, id=row["id"]) for row in rows]


def series(text: str, first_day: int = 0) -> list[Anc]:
    """One count a day; NA: not measured. "300*5" is five days of 300, "<500" a bound."""
    cells: list[Count | None] = []
    for cell in text.split():
        value, _times, number = cell.partition("*")
        cells += counts(value) * int(number or 1)
    given = ((day, one) for day, one in enumerate(cells, start=first_day) if one is not None)
    return [Anc(day, one.value, comparator=one.comparator) for day, one in given]


def said(graded: Graded) -> str:
    texts = [icaht.REASON_TEXT[reason.code].format(**reason.values) for reason in graded.reasons]
    return " ".join([*texts, *(icaht.FLAG_TEXT[flag] for flag in graded.flags)])


# --- The worked cases ----------------------------------------------------------------------------


@pytest.mark.parametrize(("rule", "row"), [*worked("icaht"), *worked("icaht_run"), *worked("icaht_course")])
def test_worked_case(rule: str, row: dict[str, str]) -> None:
    table = CASES[rule]
    columns = {**table.inputs, **table.optional}
    computed, why = table.evaluate({name: parse(row[name]) for name, parse in columns.items()})
    assert computed == {name: parse(row[f"expected_{name}"]) for name, parse in table.expected.items()}, why


@pytest.mark.parametrize(("rule", "number"), [("icaht", 16), ("icaht_run", 8), ("icaht_course", 10)])
def test_all_worked_cases_as_one_table(rule: str, number: int) -> None:
    assert run(CASES[rule], GIVEN / f"{rule}.csv").last_line == f"{number} passed, 0 failed"


ICAHT_COLUMNS = [*CASES["icaht"].inputs, "expected_grade"]


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        pytest.param("early,5,6,N,,,3", "column max_run_anc_le_100_days: .*100 is at most 500", id="100-above-500"),
        pytest.param("early,0,0,Y,,,4", "column never_recovered: .*nothing to recover from", id="never-low-never-well"),
        pytest.param("early,32,0,N,,,4", "column max_run_anc_le_500_days: .*between 0 and 31", id="longer-than-time"),
        pytest.param("early,3,0,N,400,,1", "column anc_lowest: a value of the other time", id="late-value-in-early"),
        pytest.param("late,3,,,400,500,3", "column max_run_anc_le_500_days: a value of the other", id="run-in-late"),
        pytest.param("late,,,,500,400,3", "column anc_second_lowest: .*below the lowest", id="second-below-lowest"),
        pytest.param("never,,,,500,400,3", "column phase: .*early, late", id="unknown-phase"),
        pytest.param("late,,,,about 500,600,3", "column anc_lowest: .*or a bound, such as <500", id="no-count"),
        pytest.param("late,,,,<600000,,3", "column anc_lowest: .*between 0 and 500000", id="a-bound-too-high"),
    ],
)
def test_a_table_that_cannot_be_true_is_refused(tmp_path: Path, cells: str, message: str) -> None:
    path = tmp_path / "cases.csv"
    path.write_text(f"id,{','.join(ICAHT_COLUMNS)}\nX,{cells}\n", encoding="utf-8")
    with pytest.raises(TableError, match=message):
        run(CASES["icaht"], path)


def test_an_impossible_count_of_a_series_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cases.csv"
    path.write_text('id,daily_anc_from_day0,expected_max_run_le_500,expected_max_run_le_100\nX,"400,-1",1,0\n')
    with pytest.raises(TableError, match=r"column daily_anc_from_day0: .*between 0 and 500000"):
        run(CASES["icaht_run"], path)


COURSE = "id,day_anc_per_ul,last_followed_on_day," + ",".join(
    f"expected_{one}" for one in CASES["icaht_course"].expected
)


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        pytest.param("430", "write day:count", id="no-day"),
        pytest.param("1:430 2:", "write a number, such as 430, or a bound", id="no-count"),
        pytest.param("1.5:430", "write a whole number", id="half-a-day"),
        pytest.param("1:500001", "between 0 and 500000", id="too-many"),
    ],
)
def test_a_course_that_cannot_be_read_is_refused(tmp_path: Path, cell: str, message: str) -> None:
    path = tmp_path / "cases.csv"
    path.write_text(f"{COURSE}\nX,{cell},40,1,1,1,1,1\n", encoding="utf-8")
    with pytest.raises(TableError, match=f"column day_anc_per_ul: .*{message}"):
        run(CASES["icaht_course"], path)


# --- Early: the table ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days_500", "days_100", "never", "expected", "determinants"),
    [
        pytest.param(0, 0, False, 0, (), id="none"),
        pytest.param(1, 0, False, 1, ("anc_500",), id="g1-500-1d"),
        pytest.param(6, 6, False, 1, ("anc_500",), id="g1-500-6d"),
        pytest.param(7, 6, False, 2, ("anc_500",), id="g2-500-7d"),
        pytest.param(13, 6, False, 2, ("anc_500",), id="g2-500-13d"),
        pytest.param(14, 6, False, 3, ("anc_500",), id="g3-500-14d"),
        pytest.param(30, 0, False, 3, ("anc_500",), id="g3-500-30d"),
        pytest.param(31, 0, False, 4, ("anc_500",), id="g4-500-31d"),
        pytest.param(7, 7, False, 3, ("anc_100",), id="g3-100-7d"),
        pytest.param(13, 13, False, 3, ("anc_100",), id="g3-100-13d"),
        pytest.param(20, 13, False, 3, ("anc_500", "anc_100"), id="g3-both"),
        pytest.param(14, 14, False, 4, ("anc_100",), id="g4-100-14d"),
        pytest.param(31, 31, True, 4, ("anc_500", "anc_100", "never_recovered"), id="g4-all"),
        pytest.param(3, 0, True, 4, ("never_recovered",), id="g4-never-recovered"),
    ],
)
def test_early_table(days_500: int, days_100: int, never: bool, expected: int, determinants: tuple[str, ...]) -> None:
    graded = grade_runs(days_500, days_100, never)
    assert (graded.grade, graded.determinants) == (expected, determinants)
    assert (graded.flags, graded.scale) == ((), "EHA/EBMT 2023")
    assert early_grade(days_500, days_100, never) == expected


@pytest.mark.parametrize(
    ("days_500", "days_100", "never", "expected", "sentence"),
    [
        pytest.param(None, 0, False, None, "grade 0 to 4", id="no-500"),
        pytest.param(None, 14, False, 4, "is not known", id="no-500-but-100-is-14"),
        pytest.param(None, 0, True, 4, "never recovered above 500", id="no-500-but-never"),
        pytest.param(13, None, False, None, "grade 2 to 3", id="no-100"),
        pytest.param(6, None, False, 1, "at most 100/µL is not known", id="no-100-but-too-short-to-matter"),
        pytest.param(0, None, False, 0, "at most 100/µL is not known", id="no-100-but-never-low"),
        pytest.param(5, 0, None, None, "grade 1 to 4", id="recovery-not-known"),
        pytest.param(0, 0, None, 0, "is not known", id="recovery-of-nothing"),
        pytest.param(None, None, None, None, "grade 0 to 4", id="nothing-known"),
    ],
)
def test_early_is_graded_only_where_what_is_missing_cannot_change_it(
    days_500: int | None, days_100: int | None, never: bool | None, expected: int | None, sentence: str
) -> None:
    graded = grade_runs(days_500, days_100, never)
    assert graded.grade == expected
    assert sentence in said(graded)


@pytest.mark.parametrize(
    ("given_days", "name"),
    [((-1, 0), "days_500"), ((32, 0), "days_500"), ((5, -1), "days_100"), ((31, 32), "days_100"), ((5, 6), "days_100")],
)
def test_impossible_runs_are_refused(given_days: tuple[int, int], name: str) -> None:
    with pytest.raises(ImpossibleFinding, match=name) as raised:
        grade_runs(*given_days, never_recovered=False)
    assert raised.value.name == name


# --- Early: from counts to runs ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected_500", "expected_100"),
    [
        pytest.param("600 400 300 600 600 400 700*3", 5, 0, id="two-days-above-do-not-break"),
        pytest.param("400 300 501 501 501 400", 2, 0, id="three-days-above-break"),
        pytest.param("500 500 501", 2, 0, id="500-is-at-most-500"),
        pytest.param("500.1 499.9", 1, 0, id="never-rounded-when-measured"),
        pytest.param("100 100.1 100.1 100 101*3", 7, 4, id="100-joined-alike"),
        pytest.param("100 101*3 100", 5, 1, id="100-breaks-where-500-does-not"),
        pytest.param("400 NA 300", 3, 0, id="one-missing-day"),
        pytest.param("400 NA*7 400", 9, 0, id="seven-missing-days"),
        pytest.param("400 NA*8 400", 1, 0, id="eight-missing-days-stay-missing"),
        pytest.param("NA*2 400 400 NA*3", 2, 0, id="nothing-before-the-first-and-after-the-last"),
        pytest.param("500 NA 509", 2, 0, id="504.5-rounded-to-500"),
        pytest.param("500 NA 510 900*3 500", 2, 0, id="505-to-the-even-500"),
        pytest.param("500 NA 512 900*3 500", 1, 0, id="506-to-510"),
        pytest.param("500 NA 530 900*3 500", 1, 0, id="515-to-the-even-520"),
        pytest.param("700 800", 0, 0, id="never-low"),
    ],
)
def test_longest_run(text: str, expected_500: int, expected_100: int) -> None:
    days = filled(series(text))
    found = [icaht.longest(runs(days, threshold)) for threshold in (SEVERE_PER_UL, PROFOUND_PER_UL)]
    assert [one.days if one else 0 for one in found] == [expected_500, expected_100]


def test_the_lowest_value_of_a_day_counts() -> None:
    values = [Anc(1, Decimal(600)), Anc(1, Decimal(400)), Anc(1, Decimal(500)), Anc(0, Decimal(900))]
    assert [(day.day, day.per_ul) for day in lowest_per_day(values)] == [(0, 900), (1, 400)]


def test_a_run_says_where_it_lies_and_which_days_were_interpolated() -> None:
    (found,) = runs(filled(series("900 400 NA NA 300 700 400 900")), SEVERE_PER_UL)
    assert found == Run(1, 6, (2, 3))
    assert found.days == 6


def test_the_first_of_the_longest_runs_is_shown() -> None:
    assert icaht.longest(runs(series("400 400 900*3 300 300"), SEVERE_PER_UL)) == Run(0, 1)


# --- Early: a participant ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "observed", "expected", "determinants", "flags"),
    [
        pytest.param("900*31", OVER, 0, (), (), id="g0"),
        pytest.param("900*5 400*6 900*20", OVER, 1, ("anc_500",), (), id="g1"),
        pytest.param("900*5 400*7 900*19", OVER, 2, ("anc_500",), (), id="g2"),
        pytest.param("900*3 400*14 900*14", OVER, 3, ("anc_500",), (), id="g3-500"),
        pytest.param("900*3 400*3 100*7 900*18", OVER, 3, ("anc_100",), (), id="g3-100"),
        pytest.param("900*3 100*14 900*14", OVER, 4, ("anc_100",), (), id="g4-100"),
        pytest.param("400*31", OVER, 4, ("anc_500", "never_recovered"), (), id="g4-31-days"),
        pytest.param("900*3 400*28", OVER, 4, ("never_recovered",), (), id="g4-from-day-3"),
        pytest.param("900*4 400*27", OVER, 3, ("anc_500",), (), id="g3-from-day-4"),
        pytest.param("400*29 900*2", OVER, 3, ("anc_500",), (), id="g3-two-days-above-at-the-end"),
        pytest.param("300*17", Observed(16, is_over=True), 4, ("never_recovered",), (), id="g4-death-on-day-16"),
        pytest.param("300*17", Observed(16), 3, ("anc_500",), ("SO_FAR",), id="g3-so-far-on-day-16"),
        pytest.param("400*31", Observed(30), 4, ("anc_500",), ("SO_FAR",), id="day-30-is-not-over"),
        pytest.param("900*3 400*28", Observed(30), 3, ("anc_500",), ("SO_FAR",), id="day-30-may-bring-recovery"),
        pytest.param("400*4 NA 400*3 900*23", OVER, 2, ("anc_500",), ("INTERPOLATED",), id="interpolated-day-counts"),
        pytest.param("900 NA 900 400 900*27", OVER, 1, ("anc_500",), (), id="interpolated-day-outside-the-run"),
    ],
)
def test_early_of_a_participant(
    text: str, observed: Observed, expected: int, determinants: tuple[str, ...], flags: tuple[str, ...]
) -> None:
    found = grade_early(series(text), observed)
    assert (found.graded.grade, found.graded.determinants, found.graded.flags) == (expected, determinants, flags)
    assert (found.at_least, found.at_most, found.gaps) == (expected, expected, ())


@pytest.mark.parametrize(
    ("text", "observed", "expected", "bounds", "stretches"),
    [
        pytest.param("900*29 NA*2", OVER, 0, (0, 0), [Gap(29, 30)], id="two-last-days-like-the-one-before"),
        pytest.param("NA*3 900*28", OVER, 0, (0, 0), [Gap(0, 2)], id="first-days-like-the-one-after"),
        pytest.param("NA 400*6 900*24", OVER, None, (1, 2), [Gap(0, 0)], id="day-0-may-make-it-7"),
        pytest.param("NA*4 400*27", OVER, None, (3, 4), [Gap(0, 3)], id="may-have-been-low-from-the-start"),
        pytest.param("900*20 NA*11", OVER, None, (0, 3), [Gap(20, 30)], id="eleven-last-days-may-be-anything"),
        pytest.param("900*10 NA*8 900*13", OVER, None, (0, 3), [Gap(10, 17)], id="eight-days-may-be-anything"),
        pytest.param("100*14 900*4 NA*8 900*5", OVER, 4, (4, 4), [Gap(18, 25)], id="grade-4-whatever-they-were"),
        pytest.param("400*24 NA*7", OVER, 4, (4, 4), [Gap(24, 30)], id="seven-days-after-the-last-value"),
        pytest.param("400*23 NA*8", OVER, None, (3, 4), [Gap(23, 30)], id="eight-days-after-the-last-value"),
        pytest.param("400*3 NA*12", Observed(14), None, (1, 3), [Gap(3, 14)], id="so-far-but-no-count-for-12-days"),
    ],
)
def test_days_without_a_count_are_named_and_decide_whether_there_is_a_grade(
    text: str, observed: Observed, expected: int | None, bounds: tuple[int, int], stretches: list[Gap]
) -> None:
    found = grade_early(series(text), observed)
    assert (found.graded.grade, (found.at_least, found.at_most)) == (expected, bounds)
    assert list(found.gaps) == stretches
    sentence = said(found.graded)
    assert f"No neutrophil count from Day {stretches[0].first_day} to Day {stretches[0].last_day}." in sentence
    assert (f"grade {bounds[0]} to {bounds[1]}" in sentence) == (expected is None)
    assert ("DAYS_NOT_MEASURED" in found.graded.flags) == (expected is not None)


def test_the_days_since_the_last_count_wait_for_the_next_one() -> None:
    found = grade_early(series("900*5 400*6"), Observed(17))
    assert (found.graded.grade, found.graded.flags, found.gaps) == (1, ("SO_FAR",), ())


def test_values_before_day_0_and_after_day_30_carry_an_interpolation_and_do_not_count() -> None:
    found = grade_early([*series("400*3", -4), *series("400 900*26", 1), *series("900*3", 32)], OVER)
    assert found.longest_500 == Run(0, 1, (0,))
    assert [day.day for day in found.days] == list(range(31))
    assert found.days[-1].is_interpolated


@pytest.mark.parametrize("observed", [Observed(3), Observed(-2), Observed(50)])
def test_no_count_at_all_is_not_grade_0(observed: Observed) -> None:
    found = grade_early(series("900*2", -5), observed)
    assert (found.graded.grade, found.days) == (None, ())
    assert "it cannot be graded" in said(found.graded)
    assert found.graded.flags == (() if observed.last_day > 30 else ("SO_FAR",))


# --- A bound is not a number ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "observed", "expected", "between", "why"),
    [
        pytest.param("900*3 <500*6 900*22", OVER, 1, (1, 1), None, id="six-days-below-500-are-grade-1-at-any-count"),
        pytest.param("900*3 <500*7 900*21", OVER, None, (2, 3), "bounds", id="seven-days-below-500-may-be-at-most-100"),
        pytest.param("900*3 <500*14 900*14", OVER, None, (3, 4), "bounds", id="fourteen-days-below-500"),
        pytest.param("900*3 <100*14 900*14", OVER, 4, (4, 4), None, id="fourteen-days-below-100"),
        pytest.param("900*3 <=500*6 900*22", OVER, 1, (1, 1), None, id="at-most-500-is-at-most-500"),
        pytest.param("900*3 <501*1 900*27", OVER, None, (0, 1), "bounds", id="below-501-may-be-501-less-a-little"),
        pytest.param("900*3 >500*6 900*22", OVER, 0, (0, 0), None, id="above-500-is-not-at-most-500"),
        pytest.param("900*3 >=500*6 900*22", OVER, None, (0, 1), "bounds", id="at-least-500-may-be-500"),
        pytest.param("900*3 >400*7 900*21", OVER, None, (0, 2), "bounds", id="above-400-may-be-below-500"),
        pytest.param("<500*31", OVER, 4, (4, 4), None, id="never-above-500-for-sure"),
        pytest.param("<1000*31", OVER, None, (0, 4), "bounds", id="may-never-have-recovered"),
        pytest.param("<500 900*5 NA*8 900*17", OVER, None, (1, 3), "gaps", id="days-without-a-count-explain-all-of-it"),
        pytest.param("900*3 <500*6 NA*8 900*14", OVER, None, (1, 4), "both", id="bounds-and-days-without-a-count"),
        pytest.param("900*3 <500 NA*6 <500 900*20", OVER, None, (2, 3), "bounds", id="the-line-from-a-bound-is-one"),
        pytest.param("<500*5", Observed(5), 1, (1, 1), None, id="so-far"),
    ],
)
def test_a_bound_is_read_at_both_ends(
    text: str, observed: Observed, expected: int | None, between: tuple[int, int], why: str | None
) -> None:
    found = grade_early(series(text), observed)
    assert (found.graded.grade, (found.at_least, found.at_most)) == (expected, between)
    assert "BOUNDS" in found.graded.flags
    code = {"bounds": "between-bounds", "gaps": "between", "both": "between-both"}.get(why or "")
    between_codes = [reason.code for reason in found.graded.reasons if reason.code.startswith("between")]
    assert between_codes == ([code] if code else [])


def test_what_is_open_is_not_said_to_be_grade_0() -> None:
    found = grade_early(series("900*3 <1000*7 900*21"), OVER)
    assert said(found.graded).startswith("Counts that are only a bound leave it open: grade 0 to 3.")
    assert (found.longest_500, found.most_500, found.most_100) == (None, 7, 7)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param([("", 300), ("<", 500)], "≤300", id="300-unless-the-other-is-lower"),
        pytest.param([("<", 500), ("", 500)], "<500", id="below-500-and-500"),
        pytest.param([(">", 400), ("", 600)], "≤600", id="600-unless-the-other-is-lower"),
        pytest.param([(">", 600), ("", 600)], "600", id="above-600-and-600"),
        pytest.param([(">", 600), (">", 400)], ">400", id="two-above"),
        pytest.param([(">=", 400)], "≥400", id="at-least"),
    ],
)
def test_the_lowest_of_a_day_with_bounds(values: list[tuple[str, int]], expected: str) -> None:
    (found,) = lowest_per_day([Anc(3, Decimal(value), comparator=sign) for sign, value in values])
    assert icaht.count_text(found) == expected


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        pytest.param("400", "200", "300", id="two-numbers"),
        pytest.param("<400", "200", "<300", id="below"),
        pytest.param("≤400", "200", "≤300", id="at-most"),
        pytest.param("≤400", "<200", "<300", id="at-most-and-below"),
        pytest.param(">400", ">=200", ">300", id="above-and-at-least"),
        pytest.param("<400", ">200", "≈300", id="bounds-that-point-apart"),
    ],
)
def test_a_day_between_two_counts_keeps_their_sign(one: str, other: str, expected: str) -> None:
    days = filled(series(f"{one} NA {other}"))
    assert icaht.count_text(days[1]) == expected


def test_an_unknown_sign_is_refused() -> None:
    with pytest.raises(ImpossibleFinding, match="comparator is ≪"):
        Anc(1, Decimal(500), comparator="≪")


@pytest.mark.parametrize(
    ("values", "expected", "between", "sentence"),
    [
        pytest.param("<500 900", None, (3, 4), "Lowest neutrophils per µL: D31 <500 · D32 900.", id="below-500"),
        pytest.param("<100 900", 4, (4, 4), "Lowest neutrophils <100/µL, second lowest 900/µL: grade 4.", id="sure"),
        pytest.param("<1500 1600", 0, (0, 0), "second lowest 1600/µL, above 1500/µL: transient", id="transient"),
        pytest.param("400 >1500", 0, (0, 0), "second lowest >1500/µL, above 1500/µL: transient", id="above-1500"),
        pytest.param("400 >=1500", None, (0, 3), "D31 400 · D32 ≥1500", id="1500-itself-is-not-transient"),
        pytest.param("900 1000 >100", None, (2, 3), "D33 >100 · D31 900 · D32 1000", id="a-third-may-be-lowest"),
        pytest.param(">2000 >2000", 0, (0, 0), "Lowest neutrophils >2000/µL", id="never-low"),
        pytest.param("<100", 4, (4, 4), "The only neutrophil count of the time is <100/µL: grade 4.", id="one"),
    ],
)
def test_late_bounds(values: str, expected: int | None, between: tuple[int, int], sentence: str) -> None:
    found = grade_late(series(values, 31), Observed(120))
    assert (found.graded.grade, (found.at_least, found.at_most)) == (expected, between)
    assert "BOUNDS" in found.graded.flags
    assert sentence in said(found.graded)
    assert ("Counts that are only a bound leave it open" in said(found.graded)) == (expected is None)


# --- The published method ------------------------------------------------------------------------


def published(text: str, observed: Observed = OVER) -> Published:
    return grade_published(series(text), observed)


PUBLISHED = list(csv.DictReader(io.StringIO((GIVEN / "icaht_course.csv").read_text(encoding="utf-8"))))


@pytest.mark.parametrize("row", PUBLISHED, ids=[row["id"] for row in PUBLISHED])
def test_our_grade_contains_that_of_the_authors(row: dict[str, str]) -> None:
    """Ten synthetic participants with the grades that the authors of the automated grader publish for them."""
    values = [Anc(day, one.value) for day, one in counts_by_day(row["day_anc_per_ul"])]
    followed = int(row["last_followed_on_day"] or OVER.last_day)
    own, theirs = (rule(values, Observed(followed, is_over=True)) for rule in (grade_early, grade_published))
    assert theirs.graded.grade == int(row["expected_published_early_grade"])
    assert bounds_of(own)[0] <= int(row["expected_published_early_grade"]) <= bounds_of(own)[1]
    assert (own.graded.grade is None) == (row["id"] == "LIANG-10"), "only the eight days without a count leave it open"


@pytest.mark.parametrize(
    ("text", "observed", "expected", "flags"),
    [
        pytest.param("900*31", OVER, 0, (), id="g0"),
        pytest.param("900 400*6 900*24", OVER, 1, (), id="g1-6-days"),
        pytest.param("900 400*7 900*23", OVER, 2, (), id="g2-7-days"),
        pytest.param("900*4 504*6 600*21", OVER, 1, (), id="504-is-rounded-to-500"),
        pytest.param("900*4 506*6 600*21", OVER, 0, (), id="506-is-rounded-to-510"),
        pytest.param("900 400 NA*7 400 900*21", OVER, 2, ("FILLED",), id="seven-days-on-the-line"),
        pytest.param("900 400 NA*8 400 900*20", OVER, 1, ("LEFT_OUT",), id="eight-days-are-left-out"),
        pytest.param("NA*7 400 900*23", OVER, 2, ("FILLED",), id="seven-first-days-like-the-first-count"),
        pytest.param("NA*8 400 900*22", OVER, 1, ("LEFT_OUT",), id="eight-first-days-are-left-out"),
        pytest.param("NA*7 400*17 NA*7", OVER, 4, ("FILLED",), id="seven-last-days-like-the-last-count"),
        pytest.param("NA*7 400*16 NA*8", OVER, 3, ("FILLED", "LEFT_OUT"), id="never-recovered-is-not-shown"),
        pytest.param("400*11", Observed(10, is_over=True), 4, (), id="death-without-recovery"),
        pytest.param("400*11 900*9", Observed(10, is_over=True), 4, (), id="what-comes-after-the-end-is-not-counted"),
        pytest.param("900*4 400*7", Observed(10, is_over=True), 2, (), id="low-from-day-4"),
        pytest.param("900*3 400*8", Observed(10, is_over=True), 4, (), id="low-from-day-3"),
        pytest.param("400*11", Observed(10), 2, ("SO_FAR",), id="not-over"),
        pytest.param("400*3", Observed(9), 1, ("SO_FAR",), id="not-over-ends-with-the-last-count"),
        pytest.param("900 100*7 900*23", OVER, 3, (), id="g3-100-for-7-days"),
        pytest.param("900 <500*7 900*23", OVER, None, ("BOUNDS",), id="a-bound-stays-a-bound"),
        pytest.param("900 <500*6 900*24", OVER, 1, ("BOUNDS",), id="a-bound-that-changes-nothing"),
    ],
)
def test_published_method(text: str, observed: Observed, expected: int | None, flags: tuple[str, ...]) -> None:
    found = published(text, observed)
    assert (found.graded.grade, found.graded.flags) == (expected, flags)
    words = [icaht.REASON_TEXT[reason.code].format(**reason.values) for reason in found.graded.reasons]
    assert words
    assert ("Counts that are only a bound leave it open: grade 2 to 3." in words) == (expected is None)


def test_published_method_takes_no_count_from_outside_the_days() -> None:
    """Ours carries the line to Day 32; the authors first keep Day 0 to 30."""
    values = [*series("400", -1), *series("400 900*27", 2), *series("400", 32)]
    assert published("NA NA 400 900*27 NA 400").graded == grade_published(values, OVER).graded
    assert grade_published(values, OVER).longest_500 == Run(0, 2, (0, 1))


@pytest.mark.parametrize(("text", "observed"), [("NA 900", Observed(0)), ("NA*31 900", OVER), ("NA", Observed(-3))])
def test_published_method_without_a_count_is_not_grade_0(text: str, observed: Observed) -> None:
    found = published(text, observed)
    assert (found.graded.grade, found.at_least) == (None, None)
    assert "it cannot be graded" in said(found.graded)


# --- Late ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lowest", "second", "expected", "flags"),
    [
        pytest.param("1500.1", "1700", 0, (), id="g0-above-1500"),
        pytest.param("1500", "1500", 1, (), id="g1-1500"),
        pytest.param("1001", "1400", 1, (), id="g1-1001"),
        pytest.param("1000", "1400", 2, (), id="g2-1000"),
        pytest.param("501", "900", 2, (), id="g2-501"),
        pytest.param("500", "900", 3, (), id="g3-500"),
        pytest.param("101", "900", 3, (), id="g3-101"),
        pytest.param("100", "1500", 4, (), id="g4-100"),
        pytest.param("0", "0", 4, (), id="g4-0"),
        pytest.param("100", "1500.1", 0, (), id="g0-second-above-1500"),
        pytest.param("400", None, 3, ("ONE_VALUE",), id="g3-one-value"),
        pytest.param("1600", None, 0, ("ONE_VALUE",), id="g0-one-value"),
        pytest.param(None, None, None, (), id="no-value"),
    ],
)
def test_late_table(lowest: str | None, second: str | None, expected: int | None, flags: tuple[str, ...]) -> None:
    graded = grade_lowest(Decimal(lowest) if lowest else None, Decimal(second) if second else None)
    assert (graded.grade, graded.flags) == (expected, flags)
    assert graded.determinants == (("anc_late",) if expected else ())


def test_numbers_are_written_plainly() -> None:
    assert "Lowest neutrophils 300/µL, second lowest 1000/µL: grade 3." in said(
        grade_lowest(Decimal("300.000"), Decimal("1E+3"))
    )


@pytest.mark.parametrize("given_counts", [("-1", "5"), ("5", "500001"), ("500", "499")])
def test_impossible_late_counts_are_refused(given_counts: tuple[str, str]) -> None:
    with pytest.raises(ImpossibleFinding):
        grade_lowest(*(Decimal(count) for count in given_counts))


LATE = [Anc(30, Decimal(50)), Anc(31, Decimal(900)), Anc(60, Decimal(400)), Anc(60, Decimal(300)), Anc(101, Decimal(0))]


@pytest.mark.parametrize(
    ("observed", "expected", "days", "flags"),
    [
        pytest.param(Observed(120), 3, (60, 31), (), id="day-31-to-100-and-one-value-a-day"),
        pytest.param(Observed(100), 3, (60, 31), ("SO_FAR",), id="day-100-is-not-over"),
        pytest.param(Observed(59, is_over=True), 2, (31, None), ("ONE_VALUE",), id="relapse-on-day-59"),
        pytest.param(Observed(60, is_over=True), 3, (60, 31), (), id="relapse-on-day-60"),
        pytest.param(Observed(31), 2, (31, None), ("SO_FAR", "ONE_VALUE"), id="the-first-day"),
    ],
)
def test_late_of_a_participant(
    observed: Observed, expected: int, days: tuple[int, int | None], flags: tuple[str, ...]
) -> None:
    found = grade_late(LATE, observed)
    assert (found.graded.grade, found.graded.flags) == (expected, flags)
    assert found.lowest is not None
    assert (found.lowest.day, found.second.day if found.second else None) == days
    assert (found.first_day, found.last_day) == (31, min(observed.last_day, 100))


@pytest.mark.parametrize(
    ("observed", "sentence"),
    [(Observed(30), "has not begun"), (Observed(20, is_over=True), "ended before"), (Observed(45), "Day 31 to Day 45")],
)
def test_late_without_a_count_is_not_grade_0(observed: Observed, sentence: str) -> None:
    found = grade_late(series("900*5"), observed)
    assert found.graded.grade is None
    assert sentence in said(found.graded)


# --- What must always hold -----------------------------------------------------------------------

COUNT = st.integers(0, 120).map(lambda tens: Decimal(tens * 10)) | st.integers(0, 1200).map(Decimal)
DAILY = st.lists(st.none() | COUNT, min_size=1, max_size=40)
LENGTHS = st.integers(0, 31)
SEEN = st.builds(Observed, st.integers(0, 45), st.booleans())


def by_day(cells: Sequence[Decimal | None]) -> list[Anc]:
    return [Anc(day, count) for day, count in enumerate(cells) if count is not None]


def bounds_of(found: Early | Late | Published) -> tuple[int, int]:
    """What can be compared where there is no grade."""
    return (-1, -1) if found.at_least is None or found.at_most is None else (found.at_least, found.at_most)


@given(DAILY, SEEN, st.data())
def test_a_lower_count_never_lowers_the_early_grade(
    cells: list[Decimal | None], observed: Observed, data: st.DataObject
) -> None:
    values = by_day(cells)
    if values:
        index = data.draw(st.integers(0, len(values) - 1))
        lower = Anc(values[index].day, data.draw(st.integers(0, int(values[index].per_ul))) * Decimal(1))
        before, after = grade_early(values, observed), grade_early([*values, lower], observed)
        assert all(new >= old for old, new in zip(bounds_of(before), bounds_of(after), strict=True))


BOUNDED = st.builds(Count, COUNT, st.sampled_from(["", "", "<", "<=", ">", ">="]))


@given(st.lists(st.none() | BOUNDED, min_size=1, max_size=40), SEEN, st.data())
def test_every_count_that_the_bounds_allow_is_graded_within_the_range(
    cells: list[Count | None], observed: Observed, data: st.DataObject
) -> None:
    values = [Anc(day, one.value, comparator=one.comparator) for day, one in enumerate(cells) if one is not None]
    drawn = [Anc(one.day, data.draw(st.sampled_from(_allowed(one)))) for one in values]
    for rule in (grade_early, grade_published, grade_late):
        found = rule(values, observed)
        wide, exact = bounds_of(found), bounds_of(rule(drawn, observed))
        assert wide[0] <= exact[0] <= exact[1] <= wide[1]
        assert (wide == (-1, -1)) == (exact == (-1, -1))
        assert found.graded.grade == (wide[0] if wide[0] == wide[1] >= 0 else None)


def _allowed(one: Anc) -> list[Decimal]:
    """Counts at the ends of a bound and in it."""
    near, far = one.per_ul, {"<": Decimal(0), "<=": Decimal(0)}.get(one.comparator, Decimal(200_000))
    ends = {"": [near], "<": [max(near - 1, Decimal(0))], ">": [near + 1]}.get(one.comparator, [near])
    return ends if not one.comparator else [*ends, (near + far) / 2 if near != far else near, far]


@given(DAILY, SEEN)
def test_the_published_grade_lies_within_ours_but_for_its_rounding(
    cells: list[Decimal | None], observed: Observed
) -> None:
    """Where no count lies between 500 and 505 or 100 and 105, the code sees nothing low that we do not.

    Counts after the last day are left out: ours is on the line to them, theirs repeats the last one before.
    """
    inside = [one for one in by_day(cells) if one.day <= min(observed.last_day, 30)]
    values = [one for one in inside if not any(limit < one.per_ul <= limit + 5 for limit in (100, 500))]
    own, theirs = grade_early(values, observed), grade_published(values, observed)
    if own.at_most is not None and theirs.at_most is not None:
        assert theirs.at_most <= own.at_most


@given(LENGTHS, LENGTHS, st.booleans())
def test_a_longer_run_never_lowers_the_grade(days: int, other: int, never: bool) -> None:
    days_500, days_100 = max(days, other), min(days, other)
    level = early_grade(days_500, days_100, never)
    assert early_grade(min(days_500 + 1, 31), days_100, never) >= level
    assert early_grade(days_500, min(days_100 + 1, days_500), never) >= level
    assert early_grade(days_500, days_100, True) >= level


@given(DAILY, SEEN, st.data())
def test_a_day_on_the_interpolated_line_changes_nothing(
    cells: list[Decimal | None], observed: Observed, data: st.DataObject
) -> None:
    values = by_day(cells)
    on_line = [day for day in filled(values) if day.is_interpolated and _is_exact(values, day)]
    if on_line:
        day = data.draw(st.sampled_from(on_line))
        before, after = grade_early(values, observed), grade_early([*values, Anc(day.day, day.per_ul)], observed)
        assert [(each.day, each.per_ul) for each in before.days] == [(each.day, each.per_ul) for each in after.days]
        assert (before.graded.grade, before.gaps) == (after.graded.grade, after.gaps)


def _is_exact(values: list[Anc], day: Anc) -> bool:
    """Whether the line passes through the rounded value itself."""
    one, other = next((one, other) for one, other in pairwise(values) if one.day < day.day < other.day)
    return (day.per_ul - one.per_ul) * (other.day - one.day) == (other.per_ul - one.per_ul) * (day.day - one.day)


@given(DAILY, SEEN)
def test_every_early_grade_is_explained_and_lies_between_its_bounds(
    cells: list[Decimal | None], observed: Observed
) -> None:
    found = grade_early(by_day(cells), observed)
    assert found.graded.reasons
    assert not any(word in said(found.graded) for word in ("{", "None"))
    least, most = bounds_of(found)
    assert least <= most
    assert found.graded.grade == (least if least == most and least >= 0 else None)
    assert bool(found.graded.determinants) == bool(found.graded.grade)


@given(DAILY)
def test_a_run_is_as_long_as_its_days_and_never_joins_a_recovery(cells: list[Decimal | None]) -> None:
    days = filled(by_day(cells))
    found = runs(days, SEVERE_PER_UL)
    low = [day.day for day in days if day.per_ul <= SEVERE_PER_UL]
    assert set(low) <= {day for one in found for day in range(one.first_day, one.last_day + 1)}
    assert all(other.first_day - one.last_day > 3 for one, other in pairwise(found))


@given(st.lists(COUNT, min_size=1, max_size=5), SEEN)
def test_every_late_grade_is_explained(values: list[Decimal], observed: Observed) -> None:
    found = grade_late([Anc(29 + day, count) for day, count in enumerate(values)], observed)
    assert not any(word in said(found.graded) for word in ("{", "None"))
    assert bool(found.graded.determinants) == bool(found.graded.grade)


@given(COUNT, COUNT, COUNT)
def test_a_lower_late_count_never_lowers_the_late_grade(one: Decimal, other: Decimal, lower: Decimal) -> None:
    lowest, second = sorted((one, other))
    level = grade_lowest(lowest, second).grade or 0
    assert (grade_lowest(min(lowest, lower), second).grade or 0) >= level


def test_every_sentence_and_flag_is_used_somewhere() -> None:
    sources = [Path(rule.__file__).read_text(encoding="utf-8") for rule in (icaht, icaht_published)]
    codes = (*icaht.REASON_TEXT, *icaht.FLAG_TEXT, *icaht_published.FLAG_TEXT)
    assert all("".join(sources).count(f'"{code}"') >= 2 for code in codes)
