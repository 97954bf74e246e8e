"""Episodes of CRS and ICANS from their assessments: onset, highest grade, end; and what always holds."""

import datetime as dt
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safety.rules.episodes import Episode, Seen, episodes, established_since, is_established

START = dt.datetime(2026, 3, 12, 8, tzinfo=dt.UTC)


def seen(*grades: tuple[float, int | None]) -> list[Seen]:
    return [Seen(START + dt.timedelta(hours=hours), grade, number) for number, (hours, grade) in enumerate(grades)]


def at(hours: float) -> dt.datetime:
    return START + dt.timedelta(hours=hours)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param([], [], id="no-assessment"),
        pytest.param([(0, 0), (12, 0)], [], id="never-above-0"),
        pytest.param([(0, None)], [], id="not-gradable-begins-nothing"),
        pytest.param([(0, 1)], [Episode(at(0), 1, at(0), at(0))], id="goes-on"),
        pytest.param([(0, 1), (12, 0)], [Episode(at(0), 1, at(0), at(0), at(12))], id="over-at-the-first-0"),
        pytest.param(
            [(0, 1), (12, 3), (24, 2), (36, 0), (48, 0)],
            [Episode(at(0), 3, at(12), at(24), at(36))],
            id="highest-and-its-time",
        ),
        pytest.param([(0, 2), (12, 2)], [Episode(at(0), 2, at(0), at(12))], id="first-time-of-the-highest"),
        pytest.param([(0, 1), (12, None)], [Episode(at(0), 1, at(0), at(0))], id="not-gradable-ends-nothing"),
        pytest.param(
            [(0, 1), (12, 0), (36, 2)], [Episode(at(0), 2, at(36), at(36))], id="back-after-24-h-is-the-same-one"
        ),
        pytest.param(
            [(0, 1), (12, 0), (36.01, 2)],
            [Episode(at(0), 1, at(0), at(0), at(12)), Episode(at(36.01), 2, at(36.01), at(36.01))],
            id="back-later-is-a-new-one",
        ),
    ],
)
def test_episodes(rows: list[tuple[float, int | None]], expected: list[Episode]) -> None:
    assert list(episodes(seen(*rows))) == expected


@pytest.mark.parametrize(
    ("rows", "hours", "expected"),
    [
        pytest.param([], 1, False, id="never-seen"),
        pytest.param([(0, 0)], 1, False, id="never-above-0"),
        pytest.param([(0, 4)], 1, True, id="there"),
        pytest.param([(0, 4)], 400, True, id="never-seen-gone"),
        pytest.param([(0, 4)], 0, False, id="not-before-itself"),
        pytest.param([(0, 4), (1, 0)], 2, True, id="one-good-hour"),
        pytest.param([(0, 4), (1, 0), (13, 0)], 25, True, id="gone-for-24-h"),
        pytest.param([(0, 4), (1, 0), (13, 0)], 25.01, False, id="gone-for-longer"),
        pytest.param([(0, 4), (1, 0), (13, 1), (14, 0)], 38, True, id="counted-from-the-last-time-it-went"),
        pytest.param([(0, 4), (1, 0), (13, None)], 26, False, id="not-gradable-keeps-nothing"),
    ],
)
def test_one_good_hour_ends_nothing(rows: list[tuple[float, int | None]], hours: float, expected: bool) -> None:
    assert is_established(seen(*rows), before=at(hours)) is expected


@pytest.mark.parametrize(
    ("rows", "hours", "since"),
    [
        pytest.param([], 0, None, id="never"),
        pytest.param([(0, 4), (1, 0)], 2, 0, id="one-good-hour"),
        pytest.param([(0, 0), (5, 1), (6, 3)], 7, 5, id="from-the-first-grade-above-0"),
        pytest.param([(0, 4), (1, 0), (26, 1)], 27, 26, id="a-new-bout-has-its-own"),
        pytest.param([(0, 4), (1, 0), (25, 1)], 27, 0, id="a-joined-one-has-not"),
        pytest.param([(5, 2)], 5, None, id="not-of-this-moment-itself"),
    ],
)
def test_since_when_it_is_established(rows: list[tuple[float, int | None]], hours: float, since: float | None) -> None:
    expected = None if since is None else at(since)
    assert established_since(seen(*rows), before=at(hours)) == expected


def test_the_order_of_rows_does_not_matter_and_a_duration_needs_an_end() -> None:
    rows = seen((0, 1), (12, 4), (24, 0))
    (one,) = episodes(reversed(rows))
    assert (one.highest_grade, one.duration) == (4, dt.timedelta(hours=24))
    assert episodes(rows[:2])[0].duration is None


ROWS = st.lists(st.tuples(st.integers(0, 400), st.sampled_from([None, 0, 1, 2, 3, 4])), max_size=12)


@given(ROWS)
def test_every_grade_above_0_lies_in_exactly_one_episode(rows: list[tuple[int, int | None]]) -> None:
    found = episodes(seen(*rows))
    for one in seen(*rows):
        if one.grade:
            inside = [episode for episode in found if episode.onset_at <= one.at <= episode.last_at]
            assert len(inside) == 1
            assert inside[0].highest_grade >= one.grade


@given(ROWS)
def test_episodes_follow_each_other(rows: list[tuple[int, int | None]]) -> None:
    found = episodes(seen(*rows))
    for one, after in pairwise(found):
        assert one.resolved_at is not None
        assert one.resolved_at < after.onset_at
    assert all(one.highest_grade >= 1 for one in found)
