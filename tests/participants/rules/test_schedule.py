"""Windows are counted in days from Day 0; long-term follow-up begins where the study ends."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from participants.models import VisitState
from participants.rules.schedule import Standing, VisitPlan, days_outside, plan_visit, plan_visits, standing, trial_day

STUDY_END = dt.date(2027, 8, 19)
D28 = VisitPlan("D28", 28, 25, 31)
M12 = VisitPlan("M12", 365, 351, 379)
M24 = VisitPlan("M24", 730, 700, 760)


@pytest.mark.parametrize(
    ("plan", "day0", "target", "opens", "closes"),
    [
        pytest.param(D28, "2026-02-08", "2026-03-08", "2026-03-05", "2026-03-11", id="d28-plus-minus-3"),
        pytest.param(D28, "2028-02-01", "2028-02-29", "2028-02-26", "2028-03-03", id="d28-on-a-leap-day"),
        pytest.param(M12, "2025-08-19", "2026-08-19", "2026-08-05", "2026-09-02", id="m12-plus-minus-14"),
    ],
)
def test_a_window_is_day0_plus_days(plan: VisitPlan, day0: str, target: str, opens: str, closes: str) -> None:
    visit = plan_visit(plan, day0=dt.date.fromisoformat(day0), study_end=STUDY_END)
    dates = (visit.target_date, visit.window_opens_on, visit.window_closes_on)
    assert dates == tuple(dt.date.fromisoformat(day) for day in (target, opens, closes))


@pytest.mark.parametrize(
    ("plan", "last_day0_inside"),
    [
        pytest.param(D28, "2027-07-22", id="d28-inside-until-2027-07-22"),
        pytest.param(M12, "2026-08-19", id="m12-inside-until-2026-08-19"),
        pytest.param(M24, "2025-08-19", id="m24-inside-until-2025-08-19"),
    ],
)
def test_a_target_after_the_study_end_is_long_term(plan: VisitPlan, last_day0_inside: str) -> None:
    last = dt.date.fromisoformat(last_day0_inside)
    assert not plan_visit(plan, day0=last, study_end=STUDY_END).is_long_term
    assert plan_visit(plan, day0=last + dt.timedelta(days=1), study_end=STUDY_END).is_long_term


def test_a_window_that_does_not_hold_its_target_is_refused() -> None:
    with pytest.raises(ValueError, match="D9"):
        plan_visit(VisitPlan("D9", 9, 10, 12), day0=dt.date(2026, 1, 1), study_end=STUDY_END)


@pytest.mark.parametrize(
    ("day", "outside"),
    [
        ("2026-03-04", -1),
        ("2026-03-05", 0),
        ("2026-03-08", 0),
        ("2026-03-11", 0),
        ("2026-03-12", 1),
        ("2026-03-14", 3),
    ],
)
def test_both_ends_belong_to_the_window(day: str, outside: int) -> None:
    opens, closes = dt.date(2026, 3, 5), dt.date(2026, 3, 11)
    assert days_outside(dt.date.fromisoformat(day), opens=opens, closes=closes) == outside


def test_the_day_of_infusion_is_day_0() -> None:
    day0 = dt.date(2026, 3, 5)
    assert [trial_day(day0 + dt.timedelta(days=n), day0=day0) for n in (-1, 0, 28)] == [-1, 0, 28]


@given(
    day0=st.dates(dt.date(2025, 7, 19), dt.date(2027, 8, 19)),
    target=st.integers(0, 5600),
    before=st.integers(0, 60),
    after=st.integers(0, 60),
)
def test_every_window_holds_its_target(day0: dt.date, target: int, before: int, after: int) -> None:
    plan = VisitPlan("X", target, target - before, target + after)
    (visit,) = plan_visits([plan], day0=day0, study_end=STUDY_END)
    assert visit.window_opens_on <= visit.target_date <= visit.window_closes_on
    assert trial_day(visit.target_date, day0=day0) == target


@pytest.mark.parametrize(
    ("state", "today", "found"),
    [
        ("planned", "2026-03-04", Standing.PLANNED),
        ("planned", "2026-03-05", Standing.OPEN),
        ("planned", "2026-03-11", Standing.OPEN),
        ("planned", "2026-03-12", Standing.OVERDUE),
        ("done", "2026-03-04", Standing.DONE),
        ("partly", "2026-03-12", Standing.PARTLY),
        ("not_done", "2026-03-05", Standing.MISSED),
        ("cancelled", "2026-03-12", Standing.NOT_APPLICABLE),
    ],
)
def test_where_a_visit_stands_on_a_day(state: str, today: str, found: Standing) -> None:
    opens, closes = dt.date(2026, 3, 5), dt.date(2026, 3, 11)
    assert standing(state, opens=opens, closes=closes, today=dt.date.fromisoformat(today)) is found


def test_every_state_of_a_row_has_its_standing() -> None:
    assert {*VisitState.values, "open", "overdue"} == set(Standing)
