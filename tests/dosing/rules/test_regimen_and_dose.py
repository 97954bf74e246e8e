"""Doses, regimen, tocilizumab and the way of a product: truth tables at both sides of each boundary, and laws."""

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dosing.rules import product, regimen, tocilizumab
from dosing.rules.dose import DoseBand, DoseLimits, Fill, band, viable_car_t_cells_e8
from dosing.rules.product import Administration, Check, State
from dosing.rules.regimen import (
    AcceptedRange,
    BsaFormula,
    DoseCheck,
    Level,
    Timing,
    TimingLimits,
    course_before,
    shifted,
    suggested_level,
)
from dosing.rules.tocilizumab import Advice, Limits

D = Decimal
LIMITS = DoseLimits(D("0.2"), D("0.25"), D("0.5"), D("0.6"))
B = DoseBand


# --- dose of cells -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells_e8", "expected"),
    [
        ("0", B.OUT_LOW),
        ("0.1999999999", B.OUT_LOW),
        ("0.2", B.TOLERANCE_LOW),
        ("0.2499999999", B.TOLERANCE_LOW),
        ("0.25", B.NOMINAL),
        ("0.5", B.NOMINAL),
        ("0.5000000001", B.TOLERANCE_HIGH),
        ("0.6", B.TOLERANCE_HIGH),
        ("0.6000000001", B.OUT_HIGH),
    ],
)
def test_a_dose_lies_in_its_band_unrounded(cells_e8: str, expected: DoseBand) -> None:
    assert band(D(cells_e8), LIMITS) == expected


def test_fewer_cells_than_none_are_no_dose() -> None:
    with pytest.raises(ValueError, match="not less than 0"):
        band(D("-0.1"), LIMITS)


def test_cells_are_counted_exactly() -> None:
    fill = Fill(D(20), D("5.0e6"), D("0.90"), D("0.50"))
    assert viable_car_t_cells_e8(fill) == D("0.45")
    assert viable_car_t_cells_e8(fill, counts_all_viable=True) == D("0.9")


@pytest.mark.parametrize(
    "fill",
    [
        pytest.param(Fill(D(20), D(5_000_000), D(90), D("0.5")), id="viability-in-percent"),
        pytest.param(Fill(D(20), D(5_000_000), D("0.9"), D("1.01")), id="more-than-all-car-positive"),
        pytest.param(Fill(D(-1), D(5_000_000), D("0.9"), D("0.5")), id="negative-volume"),
        pytest.param(Fill(D(20), D(-1), D("0.9"), D("0.5")), id="negative-concentration"),
    ],
)
def test_a_fill_that_cannot_be_is_an_error(fill: Fill) -> None:
    with pytest.raises(ValueError, match=r"fraction|less than 0"):
        viable_car_t_cells_e8(fill)


@given(st.decimals(0, 1, places=3), st.decimals(0, 1, places=3))
def test_fewer_viable_cells_never_make_a_higher_dose(one: Decimal, other: Decimal) -> None:
    low, high = sorted((one, other))
    doses = [viable_car_t_cells_e8(Fill(D(30), D(4_000_000), viability, D("0.7"))) for viability in (low, high)]
    assert doses[0] <= doses[1]


# --- regimen -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("height", "weight", "formula", "expected"),
    [
        ("170", "70", BsaFormula.MOSTELLER, "1.8181"),
        ("180", "90", BsaFormula.MOSTELLER, "2.1213"),
        ("165", "58.5", BsaFormula.DU_BOIS, "1.6409"),
        ("150", "40", BsaFormula.DU_BOIS, "1.3029"),
    ],
)
def test_body_surface_area(height: str, weight: str, formula: BsaFormula, expected: str) -> None:
    assert round(regimen.bsa_m2(D(height), D(weight), formula), 4) == D(expected)


@pytest.mark.parametrize(("height", "weight"), [("0", "70"), ("170", "0"), ("-170", "70")])
def test_nobody_has_no_height_or_weight(height: str, weight: str) -> None:
    with pytest.raises(ValueError, match="above 0"):
        regimen.bsa_m2(D(height), D(weight))


def test_a_little_height_or_weight_is_enough() -> None:
    """What a person cannot weigh is refused where it is typed; the formula has no other limit than 0."""
    assert regimen.bsa_m2(D("0.1"), D("0.1")) == (D("0.01") / 3600).sqrt()
    assert regimen.bsa_m2(D("0.1"), D(100), BsaFormula.DU_BOIS) > 0
    assert regimen.bsa_m2(D(100), D("0.1"), BsaFormula.DU_BOIS) > 0


HEIGHT, WEIGHT = st.decimals(50, 210, places=1), st.decimals(3, 150, places=1)


@given(HEIGHT, WEIGHT, st.sampled_from(BsaFormula), st.decimals("0.1", 30, places=1))
def test_who_is_taller_or_heavier_has_more_surface(
    height: Decimal, weight: Decimal, formula: BsaFormula, more: Decimal
) -> None:
    area = regimen.bsa_m2(height, weight, formula)
    assert regimen.bsa_m2(height + more, weight, formula) > area
    assert regimen.bsa_m2(height, weight + more, formula) > area


@given(HEIGHT, WEIGHT)
def test_mosteller_is_the_square_root_of_height_times_weight_over_3600(height: Decimal, weight: Decimal) -> None:
    assert abs(regimen.bsa_m2(height, weight) ** 2 * 3600 - height * weight) < D("1e-18")


@given(st.decimals(130, 210, places=1), st.decimals(35, 130, places=1))
def test_the_formulas_agree_within_a_tenth(height: Decimal, weight: Decimal) -> None:
    """2.5 % for ordinary builds, as the literature says; more for the extremes, so the formula is stored."""
    mosteller = regimen.bsa_m2(height, weight)
    du_bois = regimen.bsa_m2(height, weight, BsaFormula.DU_BOIS)
    assert abs(mosteller - du_bois) / mosteller < D("0.15")


def test_the_planned_dose_is_unrounded() -> None:
    assert regimen.planned_mg(D(30), D("1.8181181812")) == D("54.543545436")


@pytest.mark.parametrize(
    ("mg_m2", "expected"),
    [
        ("24.9", DoseCheck.ATYPICAL),
        ("25", DoseCheck.TYPICAL),
        ("30", DoseCheck.TYPICAL),
        ("30.1", DoseCheck.ATYPICAL),
    ],
)
def test_a_dose_outside_the_accepted_range_is_told(mg_m2: str, expected: DoseCheck) -> None:
    assert regimen.check_dose(D(mg_m2), AcceptedRange(D(25), D(30))) == expected


@pytest.mark.parametrize(
    ("given_mg", "expected"), [("95", False), ("94.9", True), ("105", False), ("105.1", True), ("0", True)]
)
def test_a_dose_more_than_5_percent_off_says_why(given_mg: str, expected: bool) -> None:
    assert regimen.needs_reason(D(100), D(given_mg)) == expected


@given(st.decimals(0, 500, places=2), st.decimals(0, 500, places=2))
def test_too_much_needs_a_reason_as_too_little_does(planned: Decimal, off: Decimal) -> None:
    assert regimen.needs_reason(planned, planned + off) == regimen.needs_reason(planned, planned - off)
    assert regimen.needs_reason(planned, planned + off) == (off > planned / 20)


INFUSION = dt.date(2026, 1, 15)
TIMING = TimingLimits(earliest_day=-7, last_day=-3, question_after_days=14)


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        pytest.param((-7, -6, -5), Timing.OK, id="one-week-before"),
        pytest.param((-5, -4, -3), Timing.OK, id="D-5-to-D-3"),
        pytest.param((-8, -7, -6), Timing.TOO_EARLY, id="D-8"),
        pytest.param((-4, -3, -2), Timing.TOO_LATE, id="one-clear-day"),
        pytest.param((-1, 0, 1), Timing.TOO_LATE, id="begun-the-day-before"),
        pytest.param((0, 1, 2), Timing.NOT_BEFORE, id="on-the-day"),
        pytest.param((20, 21, 22), Timing.NOT_BEFORE, id="long-after"),
        pytest.param((-16, -15, -14), Timing.TOO_EARLY, id="14-days-old"),
        pytest.param((-17, -16, -15), Timing.TOO_OLD, id="15-days-old"),
    ],
)
def test_lymphodepletion_suits_its_infusion(days: tuple[int, ...], expected: Timing) -> None:
    given_on = [INFUSION + dt.timedelta(days=day) for day in days]
    assert regimen.timing(given_on, INFUSION, TIMING) == expected


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        pytest.param((-7,), Timing.OK, id="its-earliest-day"),
        pytest.param((-8,), Timing.TOO_EARLY, id="a-day-before-its-earliest"),
        pytest.param((-3,), Timing.OK, id="its-last-day"),
        pytest.param((-2,), Timing.TOO_LATE, id="a-day-after-its-last"),
        pytest.param((-1,), Timing.TOO_LATE, id="the-day-before-the-infusion"),
        pytest.param((0,), Timing.NOT_BEFORE, id="the-day-of-the-infusion"),
        pytest.param((-14,), Timing.TOO_EARLY, id="not-yet-too-old"),
        pytest.param((-15,), Timing.TOO_OLD, id="too-old"),
        pytest.param((-20, -14), Timing.TOO_EARLY, id="the-last-day-says-how-old"),
        pytest.param((-20, -2), Timing.TOO_LATE, id="too-late-says-more-than-too-early"),
        pytest.param((-7, 4), Timing.TOO_LATE, id="begun-before-and-ended-after"),
    ],
)
def test_both_ends_of_the_lymphodepletion_count(days: tuple[int, ...], expected: Timing) -> None:
    assert regimen.timing([INFUSION + dt.timedelta(days=day) for day in days], INFUSION, TIMING) == expected


@given(st.lists(st.integers(-40, 20), min_size=1, max_size=6), st.integers(-400, 400), st.data())
def test_timing_counts_from_the_infusion_in_whatever_order(days: list[int], moved: int, data: st.DataObject) -> None:
    given_on = [INFUSION + dt.timedelta(days=day) for day in days]
    found = regimen.timing(given_on, INFUSION, TIMING)
    shift = dt.timedelta(days=moved)
    later = [day + shift for day in data.draw(st.permutations(given_on))]
    assert regimen.timing(later, INFUSION + shift, TIMING) == found
    assert (found == Timing.NOT_BEFORE) == (min(days) >= 0)
    assert (found == Timing.OK) == (min(days) >= -7 and max(days) <= -3)
    assert (found == Timing.TOO_OLD) == (max(days) < -14)


def test_timing_needs_a_day() -> None:
    with pytest.raises(ValueError, match="no day"):
        regimen.timing([], INFUSION, TIMING)


def test_doses_follow_each_other_daily() -> None:
    first = dt.date(2026, 2, 27)
    assert regimen.planned_days(first, 3) == (first, dt.date(2026, 2, 28), dt.date(2026, 3, 1))


@pytest.mark.parametrize(
    ("age", "weight", "creatinine", "is_female", "expected"),
    [
        (40, "72", "88.4", False, "100.0"),
        (40, "72", "88.4", True, "85.0"),
        (80, "50", "176.8", False, "20.8"),
    ],
)
def test_creatinine_clearance_by_cockcroft_and_gault(
    age: int, weight: str, creatinine: str, is_female: bool, expected: str
) -> None:
    found = regimen.creatinine_clearance_ml_min(age, D(weight), D(creatinine), is_female=is_female)
    assert round(found, 1) == D(expected)


@pytest.mark.parametrize(("weight", "creatinine"), [("70", "0"), ("70", "-1"), ("0", "70"), ("-1", "70")])
def test_clearance_needs_a_weight_and_a_creatinine(weight: str, creatinine: str) -> None:
    with pytest.raises(ValueError, match="above 0"):
        regimen.creatinine_clearance_ml_min(40, D(weight), D(creatinine), is_female=False)


def test_creatinine_is_converted_with_its_molar_mass() -> None:
    """113.12 g/mol: 10 000 µmol/L are 113.12 mg/dL, so this weight has 100 mL/min exactly."""
    found = regimen.creatinine_clearance_ml_min(40, 72 * D("113.12"), D(10_000), is_female=False)
    assert found == 100


@given(
    st.integers(1, 100),
    st.decimals("0.1", 150, places=1),
    st.decimals("0.1", 900, places=1),
    st.booleans(),
)
def test_more_creatinine_more_years_and_less_weight_clear_less(
    age: int, weight: Decimal, creatinine: Decimal, is_female: bool
) -> None:
    found = regimen.creatinine_clearance_ml_min(age, weight, creatinine, is_female=is_female)
    assert found > 0
    assert regimen.creatinine_clearance_ml_min(age + 1, weight, creatinine, is_female=is_female) < found
    assert regimen.creatinine_clearance_ml_min(age, weight, creatinine * 2, is_female=is_female) < found
    assert regimen.creatinine_clearance_ml_min(age, weight * 2, creatinine, is_female=is_female) > found
    if is_female:
        man = regimen.creatinine_clearance_ml_min(age, weight, creatinine, is_female=False)
        assert abs(found - man * D("0.85")) <= man * D("1e-20")


@pytest.mark.parametrize(
    ("clearance", "expected"), [("80", None), ("79.9", 80), ("50", 80), ("49.9", 50), ("29.9", 30)]
)
def test_the_kidney_warns_at_the_lowest_limit_passed(clearance: str, expected: int | None) -> None:
    assert regimen.clearance_warning(D(clearance), (80, 50, 30)) == expected


# --- tocilizumab -------------------------------------------------------------------------------------

TOCI = Limits(min_interval_h=D(8), max_per_24h=3, max_total=4)
NOON = dt.datetime(2026, 3, 5, 12, tzinfo=dt.UTC)


def hours(*ago: float) -> list[dt.datetime]:
    return [NOON - dt.timedelta(hours=one) for one in ago]


@pytest.mark.parametrize(("weight", "mg"), [("70", "560"), ("99.9", "799.2"), ("100", "800"), ("120", "800")])
def test_tocilizumab_is_8_mg_per_kg_up_to_800_mg(weight: str, mg: str) -> None:
    assert tocilizumab.dose_mg(D(weight)) == D(mg)


def test_tocilizumab_needs_a_weight() -> None:
    with pytest.raises(ValueError, match="above 0"):
        tocilizumab.dose_mg(D(0))


@pytest.mark.parametrize(
    ("ago", "expected"),
    [
        pytest.param((), Advice.ALLOW, id="first"),
        pytest.param((8,), Advice.ALLOW, id="8-hours"),
        pytest.param((7.9,), Advice.WARN_INTERVAL, id="7.9-hours"),
        pytest.param((8, 16, 23.9), Advice.WARN_24H, id="three-in-24-hours"),
        pytest.param((8, 16, 24), Advice.ALLOW, id="exactly-24-hours-ago-no-longer-counts"),
        pytest.param((8, 40, 60, 90), Advice.WARN_TOTAL, id="four-in-all"),
    ],
)
def test_when_tocilizumab_may_be_given(ago: tuple[float, ...], expected: Advice) -> None:
    assert tocilizumab.advice_at(NOON, hours(*ago), TOCI) == expected


@given(st.lists(st.integers(1, 2000), min_size=1, max_size=3, unique=True))
def test_the_next_possible_moment_is_allowed_and_no_earlier_one(minutes: list[int]) -> None:
    given_at = [NOON - dt.timedelta(minutes=one) for one in minutes]
    first = tocilizumab.next_possible(given_at, TOCI)
    assert first is not None
    assert tocilizumab.advice_at(first, given_at, TOCI) == Advice.ALLOW
    minute_before = first - dt.timedelta(minutes=1)
    if minute_before >= max(given_at):
        assert tocilizumab.advice_at(minute_before, given_at, TOCI) != Advice.ALLOW


def test_there_is_no_next_moment_before_the_first_or_after_the_last() -> None:
    assert tocilizumab.next_possible([], TOCI) is None
    assert tocilizumab.next_possible(hours(10, 40, 60, 90), TOCI) is None


# --- product -----------------------------------------------------------------------------------------


def test_every_state_has_its_way_and_ends_are_ends() -> None:
    assert set(product.TRANSITIONS) == set(State)
    ends = {state for state, following in product.TRANSITIONS.items() if not following}
    assert ends == {State.INFUSED, State.FAILED, State.DISCARDED}


@pytest.mark.parametrize(
    ("current", "new", "is_possible"),
    [
        (State.THAWED, State.INFUSED, True),
        (State.RECEIVED, State.INFUSED, False),
        (State.INFUSED, State.DISCARDED, False),
        (State.IN_MANUFACTURE, State.FAILED, True),
        (State.ORDERED, State.FAILED, False),
    ],
)
def test_a_product_goes_its_way_step_by_step(current: State, new: State, is_possible: bool) -> None:
    assert product.can_become(current, new) == is_possible


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        pytest.param(Administration(source="autologous"), Check.OK, id="autologous"),
        pytest.param(Administration(source="allogeneic"), Check.REJECT, id="allogeneic"),
        pytest.param(Administration(route="intravenous"), Check.OK, id="intravenous"),
        pytest.param(Administration(route="intrathecal"), Check.REJECT, id="intrathecal"),
        pytest.param(Administration(product_of="ZJ-001", given_to="ZJ-001"), Check.OK, id="own-product"),
        pytest.param(Administration(product_of="ZJ-001", given_to="ZJ-002"), Check.REJECT, id="of-somebody-else"),
        pytest.param(Administration(product_of="ZJ-001"), Check.REJECT, id="to-nobody"),
        pytest.param(Administration(is_second=True), Check.REVIEW, id="second-infusion"),
        pytest.param(Administration(is_second=False), Check.OK, id="first-infusion"),
        pytest.param(Administration(source="allogeneic", is_second=True), Check.REJECT, id="refusal-before-review"),
    ],
)
def test_who_may_receive_what(given_: Administration, expected: Check) -> None:
    assert product.check_administration(given_) == expected


LEVELS = (Level(80, Decimal(24)), Level(50, Decimal(18)), Level(30, Decimal(0)))


@pytest.mark.parametrize(
    ("clearance", "mg_m2"),
    [
        ("80", None),
        ("79.99", 24),
        ("50", 24),
        ("49.99", 18),
        ("30", 18),
        ("29.99", 0),
        ("0.1", 0),
    ],
)
def test_the_level_falls_with_the_clearance(clearance: str, mg_m2: int | None) -> None:
    found = suggested_level(Decimal(clearance), LEVELS)
    assert (found.mg_m2 if found else None) == mg_m2


@given(st.permutations(LEVELS), st.decimals(0, 120, places=2))
def test_level_and_warning_name_the_lowest_limit_above_the_clearance(levels: list[Level], clearance: Decimal) -> None:
    limits = [level.below_ml_min for level in levels]
    above = [limit for limit in limits if clearance < limit]
    found = suggested_level(clearance, levels)
    assert (found.below_ml_min if found else None) == (min(above) if above else None)
    assert regimen.clearance_warning(clearance, limits) == (found.below_ml_min if found else None)


def test_no_clearance_and_no_levels_suggest_nothing() -> None:
    assert suggested_level(None, LEVELS) is None
    assert suggested_level(Decimal(10), ()) is None


def test_a_plan_moves_by_the_days_of_the_infusion() -> None:
    planned, before = dt.date(2026, 2, 26), dt.date(2026, 3, 5)
    assert shifted(planned, planned_for=before, infusion_on=before) == planned
    assert shifted(planned, planned_for=before, infusion_on=dt.date(2026, 3, 7)) == dt.date(2026, 2, 28)
    assert shifted(planned, planned_for=before, infusion_on=dt.date(2026, 3, 1)) == dt.date(2026, 2, 22)


def test_the_course_before_the_infusion_prepares_it() -> None:
    begins = {1: dt.date(2026, 3, 5), 2: dt.date(2026, 4, 5)}
    assert course_before(dt.date(2026, 3, 4), begins) == 2
    assert course_before(dt.date(2026, 3, 5), begins) == 1
    assert course_before(dt.date(2026, 4, 4), begins) == 1
    assert course_before(dt.date(2026, 4, 5), begins) == 2
    assert course_before(dt.date(2026, 4, 5), {}) is None
