"""Early warnings: new, risen by two within a day, severe; each once, and none for a correction that is not higher."""

import datetime as dt
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safety.rules.episodes import Seen
from safety.rules.warnings import Kind, WarningPolicy, due, is_masked

AT = dt.datetime(2026, 3, 5, 12, tzinfo=dt.UTC)
SECOND = dt.timedelta(seconds=1)
N, R, S = "new", "rise", "severe"


def hours(count: float) -> dt.timedelta:
    return dt.timedelta(hours=count)


def seen(*grades: int | None, every: dt.timedelta = dt.timedelta(hours=8)) -> list[Seen]:
    """Assessments up to AT, the newest last, so long apart."""
    last = len(grades) - 1
    return [Seen(AT - (last - place) * every, grade, place + 1) for place, grade in enumerate(grades)]


def kinds(rows: list[Seen], *, instead_of: int | None = None) -> list[str]:
    return [one.kind.value for one in due(rows[-1], rows[:-1], instead_of=instead_of)]


@pytest.mark.parametrize(
    ("grades", "expected"),
    [
        pytest.param([0], [], id="first-grade-0"),
        pytest.param([None], [], id="first-not-gradable"),
        pytest.param([1], [N], id="first-grade-1-is-new"),
        pytest.param([2], [N], id="first-grade-2-is-no-rise"),
        pytest.param([3], [N, S], id="first-grade-3"),
        pytest.param([0, 1], [N], id="0-to-1"),
        pytest.param([0, 2], [N, R], id="0-to-2"),
        pytest.param([0, 3], [N, R, S], id="0-to-3"),
        pytest.param([1, 1], [], id="1-stays"),
        pytest.param([1, 2], [], id="1-to-2"),
        pytest.param([1, 3], [R, S], id="1-to-3"),
        pytest.param([2, 3], [S], id="2-to-3"),
        pytest.param([3, 3], [], id="3-stays"),
        pytest.param([3, 4], [S], id="3-to-4-warns-again"),
        pytest.param([4, 5], [S], id="4-to-5-death"),
        pytest.param([4, 3], [], id="4-to-3"),
        pytest.param([3, 2, 3], [S], id="below-3-and-back"),
        pytest.param([2, 0], [], id="gone"),
        pytest.param([2, 0, 1], [N], id="comes-back"),
        pytest.param([0, None, 1], [N], id="not-gradable-between-is-passed-over"),
        pytest.param([1, None, 2], [], id="not-gradable-is-no-0"),
        pytest.param([2, None], [], id="not-gradable-warns-of-nothing"),
    ],
)
def test_what_warns(grades: list[int | None], expected: list[str]) -> None:
    assert kinds(seen(*grades)) == expected


@pytest.mark.parametrize(
    ("grades", "every", "expected"),
    [
        pytest.param([1, 3], hours(24), [R, S], id="exactly-24-h"),
        pytest.param([1, 3], hours(24) + SECOND, [S], id="24-h-and-a-second"),
        pytest.param([0, 1, 2], hours(12), [R], id="in-two-steps-within-24-h"),
        pytest.param([0, 1, 2], hours(12) + SECOND, [], id="in-two-steps-too-slow"),
        pytest.param([0, 2, 2], hours(4), [], id="told-already"),
        pytest.param([0, 2, 1, 2], hours(4), [], id="down-and-up-again-is-told-already"),
        pytest.param([0, 2, 3], hours(4), [R, S], id="higher-still"),
        pytest.param([2, 1, 2], hours(4), [], id="rise-of-one"),
    ],
)
def test_a_rise_of_two_within_24_hours(grades: list[int | None], every: dt.timedelta, expected: list[str]) -> None:
    assert kinds(seen(*grades, every=every)) == expected


@pytest.mark.parametrize(
    ("grades", "instead_of", "expected"),
    [
        pytest.param([0, 2], 3, [], id="lower"),
        pytest.param([0, 3], 3, [], id="equal"),
        pytest.param([0, 0], 2, [], id="to-none"),
        pytest.param([0, None], 2, [], id="to-not-gradable"),
        pytest.param([0, 1], 0, [N], id="0-to-1-is-new"),
        pytest.param([0, 2], 1, [R], id="1-to-2-new-was-told"),
        pytest.param([0, 3], 2, [S], id="2-to-3-rise-was-told"),
        pytest.param([2, 4], 3, [R, S], id="3-to-4-is-other-news"),
        pytest.param([0, 4], 3, [S], id="3-to-4-rise-was-told"),
        pytest.param([3, 2], 1, [], id="higher-but-nothing-to-tell"),
        pytest.param([0, 2], None, [N, R], id="of-one-that-was-not-gradable"),
    ],
)
def test_a_correction_warns_of_what_was_not_told(
    grades: list[int | None], instead_of: int | None, expected: list[str]
) -> None:
    assert kinds(seen(*grades), instead_of=instead_of) == expected


@pytest.mark.parametrize(
    ("later", "expected"),
    [
        pytest.param([2], [], id="as-much-was-found-since"),
        pytest.param([3], [], id="worse-was-found-since"),
        pytest.param([1], [N, R], id="less-was-found-since"),
        pytest.param([0], [N, R], id="gone-since"),
        pytest.param([None, 2], [], id="not-gradable-is-passed-over"),
    ],
)
def test_an_assessment_that_is_recorded_late(later: list[int | None], expected: list[str]) -> None:
    rows = seen(0, 2)
    after = [Seen(AT + (place + 1) * hours(2), grade, place + 10) for place, grade in enumerate(later)]
    assert [one.kind.value for one in due(rows[-1], [*after, *rows[:-1]])] == expected


def test_one_of_the_same_moment_stands_before() -> None:
    assert due(Seen(AT, 2, 2), [Seen(AT, 2, 1)]) == ()


def test_keys_tell_the_row_and_the_kind() -> None:
    assert [one.key for one in due(Seen(AT, 3, 17), [Seen(AT - hours(1), 0, 16)])] == [
        "assessment:17:new",
        "assessment:17:rise",
        "assessment:17:severe",
    ]


def test_a_study_may_choose_otherwise() -> None:
    early = WarningPolicy(rise_by=1, rise_within=hours(4), severe_from=2)
    found = due(Seen(AT, 2, 2), [Seen(AT - hours(4), 1, 1)], policy=early)
    assert [one.kind for one in found] == [Kind.RISE, Kind.SEVERE]


# --- What must always hold -----------------------------------------------------------------------

GRADES = st.lists(st.none() | st.integers(0, 5), min_size=1, max_size=8)
MINUTES = st.integers(1, 40 * 60)


@st.composite
def histories(draw: st.DrawFn) -> list[Seen]:
    at, rows = AT, []
    for place, grade in enumerate(draw(GRADES)):
        at += dt.timedelta(minutes=draw(MINUTES))
        rows.append(Seen(at, grade, place + 1))
    return rows


@given(histories(), st.randoms())
def test_the_order_of_the_others_does_not_matter(rows: list[Seen], chance: object) -> None:
    mixed = rows[:-1]
    chance.shuffle(mixed)  # type: ignore[attr-defined]
    assert due(rows[-1], mixed) == due(rows[-1], rows[:-1])


@given(histories())
def test_each_step_up_to_grade_3_or_more_warns(rows: list[Seen]) -> None:
    graded = [one for one in rows if one.grade is not None]
    for (before, after), place in zip(pairwise(graded), range(1, len(graded)), strict=True):
        found = {one.kind for one in due(after, graded[:place])}
        assert (Kind.SEVERE in found) == ((after.grade or 0) >= 3 and (after.grade or 0) > (before.grade or 0))


@given(histories(), st.integers(0, 5), st.integers(0, 5))
def test_a_correction_never_tells_more_than_the_grade_itself(rows: list[Seen], old: int, new: int) -> None:
    newest = replace(rows[-1], grade=new)
    plain = due(newest, rows[:-1])
    corrected = due(newest, rows[:-1], instead_of=old)
    assert set(corrected) <= set(plain)
    assert new > old or not corrected


@given(histories())
def test_keys_are_unique(rows: list[Seen]) -> None:
    keys = [one.key for place, row in enumerate(rows) for one in due(row, rows[:place])]
    assert len(keys) == len(set(keys))


# --- Fever may be masked -------------------------------------------------------------------------

HIGH: dict[str, Any] = {"oxygen_device": "nasal_cannula", "oxygen_reason": "crs_hypoxia"}


@pytest.mark.parametrize(
    ("grade", "findings", "expected"),
    [
        pytest.param(0, {}, False, id="nothing"),
        pytest.param(0, {"vasopressors": 1}, True, id="vasopressor"),
        pytest.param(0, {"vasopressors": 0}, False, id="no-vasopressor"),
        pytest.param(0, {"vasopressors": None, "vasopressin": None}, False, id="not-looked-at"),
        pytest.param(0, {"vasopressin": True}, True, id="vasopressin"),
        pytest.param(0, {"vasopressors": 2, "hypotension_attributable": False}, False, id="another-cause"),
        pytest.param(0, {"vasopressors": 2, "hypotension_attributable": None}, True, id="cause-not-named"),
        pytest.param(0, {**HIGH, "oxygen_flow_l_min": "6"}, False, id="low-flow-at-6"),
        pytest.param(0, {**HIGH, "oxygen_flow_l_min": "6.1"}, True, id="high-flow-above-6"),
        pytest.param(0, {**HIGH, "oxygen_flow_l_min": None}, False, id="flow-not-recorded"),
        pytest.param(0, {"oxygen_device": "none"}, False, id="no-oxygen"),
        pytest.param(0, {"oxygen_device": "blow_by"}, False, id="blow-by-is-low"),
        pytest.param(0, {"oxygen_device": "hfnc"}, True, id="high-flow-cannula"),
        pytest.param(0, {"oxygen_device": "invasive_ventilation", "oxygen_reason": "procedure"}, False, id="procedure"),
        pytest.param(1, {"vasopressors": 1}, False, id="graded-is-warned-of-by-its-grade"),
        pytest.param(None, {"vasopressors": 1}, False, id="not-gradable"),
        pytest.param(0, {"vasopressors": 1, "days_since_infusion": 0}, True, id="day-0"),
        pytest.param(0, {"vasopressors": 1, "days_since_infusion": -1}, False, id="before-the-infusion"),
    ],
)
def test_support_without_a_grade(grade: int | None, findings: dict[str, Any], expected: bool) -> None:
    assert is_masked(grade, findings) is expected
