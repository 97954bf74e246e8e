"""When a time ends and how, and the estimates: against published data sets, by hand, and by their laws.

`published/survival_data.csv` holds data that lifelines 0.30.3 (MIT) ships: the remissions of 6-MP and placebo
(Freireich 1963) and larynx cancer (Kardaun 1983; ties broken by a millionth in the order of the file, the deaths by
early and late stage). `survival_lifelines.csv` holds what its KaplanMeierFitter and AalenJohansenFitter make of them.
"""

import csv
import datetime as dt
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from participants.rules.endpoints import (
    Cause,
    Course,
    Curve,
    Endpoint,
    Outcome,
    Subsequent,
    Time,
    cumulative_incidence,
    kaplan_meier,
    outcome,
)

PUBLISHED = Path(__file__).parent.parent / "published"
OS, RFS, EFS = Endpoint.OS, Endpoint.RFS, Endpoint.EFS
ORIGIN = dt.date(2025, 9, 1)


def on(day: int) -> dt.date:
    return ORIGIN + dt.timedelta(days=day)


# --- When a time ends ----------------------------------------------------------------------------------


@pytest.mark.parametrize("endpoint", [RFS, EFS])
def test_the_first_of_relapse_and_death_is_the_event(endpoint: Endpoint) -> None:
    both = Course(ORIGIN, relapsed_on=on(100), died_on=on(130))
    assert outcome(both, endpoint) == Outcome(True, on(100), Cause.RELAPSE, 100)
    assert outcome(Course(ORIGIN, died_on=on(40)), endpoint) == Outcome(True, on(40), Cause.DEATH, 40)


def test_without_an_event_the_last_assessment_counts_and_not_the_last_contact() -> None:
    seen = Course(ORIGIN, assessed_on=(on(28), on(90)), last_alive_on=on(200))
    assert outcome(seen, RFS) == Outcome(False, on(90), Cause.ASSESSED, 90)
    assert outcome(seen, OS) == Outcome(False, on(200), Cause.ALIVE, 200)
    assert outcome(Course(ORIGIN, last_alive_on=on(200)), RFS).days == 0


TRANSPLANTED = Course(ORIGIN, relapsed_on=on(240), assessed_on=(on(28), on(90), on(180)), therapies_on=(on(105),))


def test_later_therapy_by_each_convention() -> None:
    assert outcome(TRANSPLANTED, RFS, Subsequent.CENSOR) == Outcome(False, on(90), Cause.THERAPY, 90)
    assert outcome(TRANSPLANTED, RFS, Subsequent.IGNORE) == Outcome(True, on(240), Cause.RELAPSE, 240)
    assert outcome(TRANSPLANTED, EFS, Subsequent.EVENT) == Outcome(True, on(105), Cause.THERAPY, 105)


def test_therapy_on_the_day_of_the_relapse_follows_from_it() -> None:
    same = Course(ORIGIN, relapsed_on=on(105), therapies_on=(on(105),))
    assert outcome(same, RFS) == Outcome(True, on(105), Cause.RELAPSE, 105)
    before = Course(ORIGIN, relapsed_on=on(106), therapies_on=(on(105),))
    assert outcome(before, RFS) == Outcome(False, on(105), Cause.THERAPY, 105)


def test_what_was_given_before_the_infusion_is_no_later_therapy() -> None:
    assert outcome(Course(ORIGIN, assessed_on=(on(28),), therapies_on=(on(-30),)), RFS).on == on(28)


def test_a_failure_is_dated_at_the_origin_and_only_of_efs() -> None:
    failed = Course(ORIGIN, has_failed=True, assessed_on=(on(90),))
    assert outcome(failed, EFS) == Outcome(True, ORIGIN, Cause.FAILURE, 0)
    assert not outcome(failed, RFS).is_event


def test_somebody_lost_is_censored_when_last_known_alive() -> None:
    assert outcome(Course(ORIGIN, lost_on=on(126)), OS) == Outcome(False, on(126), Cause.LOST, 126)
    assert outcome(Course(ORIGIN, lost_on=on(300), last_alive_on=on(126)), OS).on == on(126)
    found_again = Course(ORIGIN, lost_on=on(300), last_alive_on=on(400))
    assert outcome(found_again, OS) == Outcome(False, on(400), Cause.ALIVE, 400)


days = st.integers(0, 900).map(on)
courses = st.builds(
    Course,
    st.just(ORIGIN),
    relapsed_on=st.none() | days,
    died_on=st.none() | days,
    last_alive_on=st.none() | days,
    lost_on=st.none() | days,
    assessed_on=st.lists(days, max_size=4).map(tuple),
    therapies_on=st.lists(days, max_size=2).map(tuple),
    has_failed=st.booleans(),
)


@given(courses, st.sampled_from(Endpoint), st.sampled_from(Subsequent))
def test_no_time_is_negative_and_every_event_is_on_record(course: Course, which: Endpoint, how: Subsequent) -> None:
    found = outcome(course, which, how)
    assert found.days == (found.on - ORIGIN).days >= 0
    if found.is_event:
        assert found.on in {course.relapsed_on, course.died_on, *course.therapies_on, ORIGIN}


@given(courses)
def test_nobody_is_free_of_relapse_for_longer_than_alive(course: Course) -> None:
    if course.died_on is not None:
        assert outcome(course, RFS, Subsequent.IGNORE).on <= outcome(course, OS).on


@given(courses)
def test_censoring_at_therapy_never_makes_a_time_longer(course: Course) -> None:
    course = replace(course, assessed_on=(ORIGIN, *course.assessed_on))
    censored, not_censored = (outcome(course, RFS, how) for how in (Subsequent.CENSOR, Subsequent.IGNORE))
    assert censored.on <= not_censored.on
    assert not_censored.is_event >= censored.is_event


# --- The estimates: as published -----------------------------------------------------------------------


def read(name: str) -> Iterator[dict[str, str]]:
    with (PUBLISHED / name).open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def data(name: str) -> list[Time]:
    rows = (row for row in read("survival_data.csv") if row["dataset"] == name)
    return [Time(float(row["time"]), row["event"] == "1", row["cause"]) for row in rows]


def check(curve: Curve, name: str, estimate: str) -> None:
    """Every step with its limits; where the scale has no value, lifelines gives none and we the estimate alone."""
    rows = [row for row in read("survival_lifelines.csv") if (row["dataset"], row["estimate"]) == (name, estimate)]
    assert len(rows) == len(curve.steps) > 10
    for row, step in zip(rows, curve.steps, strict=True):
        assert step.days == float(row["time"])
        assert step.at_risk == int(row["at_risk"]) == curve.at_risk(step.days)
        assert step.estimate == pytest.approx(float(row["value"]), abs=1e-12)
        if 0 < step.estimate < 1:
            assert step.low == pytest.approx(float(row["low"]), abs=1e-9)
            assert step.high == pytest.approx(float(row["high"]), abs=1e-9)


@pytest.mark.parametrize(
    ("name", "median", "limits"),
    [
        ("leukemia_6mp", 23, (13, None)),
        ("leukemia_placebo", 8, (4, 11)),
        ("larynx", 6.000019, (3.800088, 7.000046)),
    ],
)
def test_kaplan_meier_is_that_of_lifelines(name: str, median: float, limits: tuple[float, float | None]) -> None:
    curve = kaplan_meier(data(name))
    check(curve, name, "KM")
    assert curve.median == median
    assert curve.median_limits == limits


@pytest.mark.parametrize("cause", ["early", "late"])
def test_cumulative_incidence_is_that_of_lifelines(cause: str) -> None:
    check(cumulative_incidence(data("larynx"), cause), "larynx", f"AJ:{cause}")


def test_freireich_1963_as_every_textbook_prints_it() -> None:
    """Klein and Moeschberger, Survival Analysis, 2nd ed., table 4.1A: 6-MP, 21 children."""
    curve = kaplan_meier(data("leukemia_6mp"))
    printed = {6: 0.857, 7: 0.807, 10: 0.753, 13: 0.690, 16: 0.627, 22: 0.538, 23: 0.448}
    assert {day: round(curve.at(day), 3) for day in printed} == printed
    assert [curve.at_risk(day) for day in (0, 6, 10, 23)] == [21, 21, 15, 6]


# --- and by their laws ---------------------------------------------------------------------------------

times = st.lists(
    st.builds(Time, st.integers(0, 60), st.booleans(), st.sampled_from(["relapse", "death"])), min_size=1, max_size=40
)


@given(times)
def test_a_curve_only_falls_and_lies_within_its_limits(found: list[Time]) -> None:
    curve = kaplan_meier(found)
    values = [1.0, *(step.estimate for step in curve.steps)]
    assert values == sorted(values, reverse=True)
    assert all(-1e-12 <= step.low <= step.estimate + 1e-12 <= step.high + 2e-12 <= 1 + 3e-12 for step in curve.steps)
    assert sum(step.events + step.censored for step in curve.steps) == len(found)


@given(times)
def test_without_censoring_it_is_the_share_that_is_left(found: list[Time]) -> None:
    curve = kaplan_meier([Time(one.days, True) for one in found])
    for day in {one.days for one in found}:
        assert curve.at(day) == pytest.approx(sum(one.days > day for one in found) / len(found))


@given(times)
def test_what_competes_adds_up_to_what_is_lost(found: list[Time]) -> None:
    free = kaplan_meier(found)
    curves = [cumulative_incidence(found, cause) for cause in ("relapse", "death")]
    for step in free.steps:
        assert sum(curve.at(step.days) for curve in curves) == pytest.approx(1 - step.estimate)


@given(times)
def test_without_a_competing_event_the_incidence_is_what_the_curve_lost(found: list[Time]) -> None:
    alone = [Time(one.days, one.is_event, "relapse") for one in found]
    incidence, free = cumulative_incidence(alone, "relapse"), kaplan_meier(alone)
    for mine, other in zip(incidence.steps, free.steps, strict=True):
        assert mine.estimate == pytest.approx(1 - other.estimate)
        assert 0 <= mine.low <= mine.estimate + 1e-9 <= mine.high + 2e-9 <= 1 + 3e-9


@given(times, st.randoms())
def test_the_order_of_the_participants_changes_nothing(found: list[Time], chance: random.Random) -> None:
    other = chance.sample(found, len(found))
    assert kaplan_meier(other) == kaplan_meier(found)


def test_nobody_followed_is_a_curve_without_steps() -> None:
    curve = kaplan_meier([])
    assert (curve.steps, curve.at(10), curve.at_risk(0), curve.median) == ((), 1.0, 0, None)


def test_a_half_is_reached_on_the_day_itself() -> None:
    curve = kaplan_meier([Time(5, True), Time(9, False)])
    assert (curve.at(4.9), curve.at(5), curve.median) == (1.0, 0.5, 5)
    assert kaplan_meier([Time(5, True), Time(9, False), Time(9, False)]).median is None
