"""The small lines of the laboratory and the bars of the visits: where everything stands in its frame."""

import datetime as dt
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from participants.rules.normal import NO_LIMITS, Limits, Place
from participants.trends import EDGE, HEIGHT, WIDTH, Point, Time, Value, trend
from participants.visitbars import Calendar
from trialsite.bounds import SIGNS

D = Decimal
FIRST = dt.datetime(2026, 3, 1, 8, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
MARCH = Time(FIRST, FIRST + 30 * DAY)
NUMBERS = st.decimals(min_value=0, max_value=10**6, places=3)


def value(day: int, number: str, sign: str = "", limits: Limits = NO_LIMITS) -> Value:
    return Value(FIRST + day * DAY, D(number), sign, limits)


@given(
    st.lists(st.tuples(st.integers(0, 30), NUMBERS, st.sampled_from(["", *SIGNS])), min_size=1, max_size=20),
    st.none() | NUMBERS,
    st.none() | NUMBERS,
)
def test_every_point_and_the_band_are_inside_the_frame(
    listed: list[tuple[int, Decimal, str]], low: Decimal | None, high: Decimal | None
) -> None:
    limits = Limits(low, high) if low is None or high is None or low <= high else Limits(high, low)
    drawn = trend([value(day, str(one), sign) for day, one, sign in listed], time=MARCH, limits=limits)
    for point in drawn.points:
        assert EDGE <= point.x <= WIDTH - EDGE
        assert EDGE <= point.y <= HEIGHT - EDGE
    if drawn.band is not None:
        top, height = drawn.band
        assert 0 <= top < HEIGHT
        assert height > 0
        assert top + height <= HEIGHT + 1
    assert (drawn.band is None) == (not limits.both)


def test_a_higher_value_stands_higher_and_a_later_one_further_to_the_right() -> None:
    first, second = trend([value(0, "1"), value(30, "5")], time=MARCH, limits=NO_LIMITS).points
    assert (first.x, second.x) == (EDGE, WIDTH - EDGE)
    assert (first.y, second.y) == (HEIGHT - EDGE, EDGE)


def test_a_single_point_stands_in_the_middle() -> None:
    drawn = trend([value(0, "4.2")], time=Time(FIRST, FIRST), limits=NO_LIMITS)
    assert [(point.x, point.y) for point in drawn.points] == [(WIDTH // 2, HEIGHT // 2)]
    assert drawn.band is None


def test_the_band_reaches_to_the_edge_where_a_side_has_no_limit() -> None:
    below = trend([value(0, "5"), value(1, "500")], time=MARCH, limits=Limits(high=D(10)))
    top, height = below.band or (0, 0)
    assert top + height == HEIGHT, "everything below 10 is normal"
    above = trend([value(0, "5"), value(1, "500")], time=MARCH, limits=Limits(low=D(10)))
    assert above.band is not None
    assert above.band[0] == 0, "everything above 10 is normal"


def test_day_0_is_drawn_where_it_lies_within_the_time() -> None:
    inside = trend([value(0, "1")], time=MARCH, limits=NO_LIMITS, day0=FIRST + 15 * DAY)
    assert inside.day0_x == WIDTH // 2
    for day in (-1, 31):
        assert trend([value(0, "1")], time=MARCH, limits=NO_LIMITS, day0=FIRST + day * DAY).day0_x is None


def test_what_was_not_done_has_its_place_too() -> None:
    assert trend([value(0, "1")], time=MARCH, limits=NO_LIMITS, missed=[FIRST + 30 * DAY]).missed == (WIDTH - EDGE,)


NORMAL = Limits(D(2), D(7))


def test_a_point_tells_by_its_shape_what_its_colour_tells() -> None:
    shapes = {place: Point(20, 20, place).shape for place in Place}
    assert len({shapes[Place.WITHIN], shapes[Place.ABOVE], shapes[Place.BELOW]}) == 3
    assert Point(20, 20, Place.WITHIN).arrow == ""
    down, up = Point(20, 20, Place.OPEN, "<").arrow, Point(20, 20, Place.OPEN, "≥").arrow
    assert "v9" in down
    assert "v-9" in up


def test_values_are_judged_by_the_limits_of_their_own_report() -> None:
    drawn = trend([value(0, "8", limits=Limits(D(1), D(9))), value(1, "8", limits=NORMAL)], time=MARCH, limits=NORMAL)
    assert [point.place for point in drawn.points] == [Place.WITHIN, Place.ABOVE]


# --- the calendar of the visits ----------------------------------------------------------------------

TEN = Calendar(dt.date(2026, 3, 1), dt.date(2026, 3, 10))


def test_days_of_the_calendar_are_shares_of_its_width() -> None:
    assert TEN.at(dt.date(2026, 3, 1)) == 0
    assert TEN.at(dt.date(2026, 3, 10), is_end=True) == 100
    assert TEN.middle(dt.date(2026, 3, 1)) == 5
    assert TEN.at(dt.date(2025, 1, 1)) == 0, "what lies outside stands at the edge"
    assert TEN.at(dt.date(2027, 1, 1)) == 100
    assert (TEN.inside(dt.date(2026, 2, 28)), TEN.inside(dt.date(2026, 3, 11))) == (None, None)


@given(st.integers(0, 6000))
def test_a_calendar_of_any_length_has_few_dates_inside(days: int) -> None:
    calendar = Calendar(FIRST.date(), FIRST.date() + days * DAY)
    assert 1 <= len(calendar.ticks) <= 4
    assert all(0 <= x < 100 and calendar.first <= day <= calendar.last for x, day in calendar.ticks)
    assert len({day for _x, day in calendar.ticks}) == len(calendar.ticks)
