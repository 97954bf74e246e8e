"""One day far away does not squeeze the picture of the others; what is drawn hangs together."""

import datetime as dt
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dosing.rules.scale import PAUSE, main_days, reach_back

DAY = dt.timedelta(days=1)
DAY0 = dt.date(2026, 3, 12)


def on(*days: int) -> list[dt.date]:
    return [DAY0 + day * DAY for day in days]


def back(*days: int) -> int:
    return (reach_back(on(*days), begin=DAY0) - DAY0).days


@pytest.mark.parametrize(
    ("days", "first"),
    [
        pytest.param((), 0, id="none"),
        pytest.param((3, 20), 0, id="only-later-ones"),
        pytest.param((0,), 0, id="the-day-itself"),
        pytest.param((-35,), -35, id="a-pause-of-35-days"),
        pytest.param((-36,), 0, id="a-pause-of-36-days"),
        pytest.param((-70, -35), -70, id="from-one-to-the-next"),
        pytest.param((-71, -35), -35, id="until-the-pause-is-longer"),
        pytest.param((-365, -9, 5), -9, id="a-year-early"),
    ],
)
def test_how_far_back_the_picture_reaches(days: tuple[int, ...], first: int) -> None:
    assert back(*days) == first


@pytest.mark.parametrize(
    ("days", "kept"),
    [
        pytest.param((), (), id="none"),
        pytest.param((4,), (4,), id="one"),
        pytest.param((35, 0), (0, 35), id="a-pause-of-35-days"),
        pytest.param((0, 36), (36,), id="a-longer-pause-keeps-the-newest-of-equal-ones"),
        pytest.param((0, 1, 2, 365), (0, 1, 2), id="one-typed-a-year-late"),
        pytest.param((-365, 0, 1, 2), (0, 1, 2), id="one-typed-a-year-early"),
        pytest.param((0, 0, 100), (0, 0), id="two-drugs-on-one-day-are-more-than-one"),
    ],
)
def test_which_days_belong_together(days: tuple[int, ...], kept: tuple[int, ...]) -> None:
    assert main_days(on(*days)) == tuple(on(*kept))


DAYS = st.lists(st.integers(-800, 800), max_size=12)


@given(DAYS)
def test_what_is_kept_hangs_together_and_is_not_fewer_than_what_is_left(days: list[int]) -> None:
    kept = main_days(on(*days))
    assert bool(kept) == bool(days)
    assert all(other - one <= PAUSE for one, other in pairwise(kept))
    left = [day for day in on(*days) if day not in kept]
    assert all(abs(day - one) > PAUSE for day in left for one in (kept[0], kept[-1]))
    assert len(main_days(left)) <= len(kept)


@given(DAYS, st.integers(100, 5000))
def test_one_day_far_away_changes_nothing(days: list[int], far: int) -> None:
    near = [day % 30 - 30 for day in days]
    assert back(*near, -30 - far) == back(*near)
    assert back(*near, far) == back(*near)
    if len(near) > 1:
        assert main_days(on(*near, -30 - far)) == main_days(on(*near, far)) == main_days(on(*near))
