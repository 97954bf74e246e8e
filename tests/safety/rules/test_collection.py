"""Windows of collection, and what is asked about at entry."""

import datetime as dt

import pytest

from safety.rules.collection import Occurred, Window, is_collected, window_of
from safety.rules.episodes import course
from safety.rules.plausible import Told, implausible

FIRST = dt.date(2026, 3, 1)
DAY = dt.timedelta(days=1)
WINDOWS = (
    Window("consent", FIRST, frozenset({"serious", "procedure"})),
    Window("treatment", FIRST + 10 * DAY, frozenset({"all"})),
    Window("later", FIRST + 100 * DAY, frozenset({"serious", "special_interest"})),
)


@pytest.mark.parametrize(
    ("days", "code"),
    [(-1, None), (0, "consent"), (9, "consent"), (10, "treatment"), (99, "treatment"), (100, "later")],
)
def test_a_window_begins_on_its_day(days: int, code: str | None) -> None:
    found = window_of(FIRST + days * DAY, WINDOWS)
    assert (found.code if found else None) == code


def test_a_window_whose_moment_has_not_come_is_none() -> None:
    later = (WINDOWS[0], Window("treatment", None, frozenset({"all"})))
    assert window_of(FIRST + 500 * DAY, later) == WINDOWS[0]


@pytest.mark.parametrize(
    ("window", "kind", "collected"),
    [
        (0, {}, False),
        (0, {"is_serious": True}, True),
        (0, {"is_of_procedure": True}, True),
        (0, {"is_special_interest": True}, False),
        (1, {}, True),
        (2, {"is_of_procedure": True}, False),
        (2, {"is_special_interest": True}, True),
    ],
)
def test_a_window_collects_its_kinds(window: int, kind: dict[str, bool], collected: bool) -> None:
    assert is_collected(Occurred(FIRST, **kind), WINDOWS[window]) is collected
    assert not is_collected(Occurred(FIRST, **kind), None)


SAID = {"outcome": "recovering", "has_end": False, "grade": 3, "is_life_threatening": False}


@pytest.mark.parametrize(
    ("said", "codes"),
    [
        ({}, []),
        ({"outcome": ""}, []),
        ({"outcome": "", "has_end": True}, []),
        ({"outcome": "recovered"}, ["recovered_without_end"]),
        ({"outcome": "sequelae"}, ["recovered_without_end"]),
        ({"outcome": "recovered", "has_end": True}, []),
        ({"has_end": True}, ["end_not_recovered"]),
        ({"outcome": "not_recovered", "has_end": True}, ["end_not_recovered"]),
        ({"outcome": "unknown", "has_end": True}, []),
        ({"is_life_threatening": True}, []),
        ({"is_life_threatening": True, "grade": 2}, ["life_threatening_low_grade"]),
        ({"is_life_threatening": True, "grade": 1}, ["life_threatening_low_grade"]),
    ],
)
def test_what_does_not_go_together(said: dict[str, object], codes: list[str]) -> None:
    assert list(implausible(Told(**{**SAID, **said}))) == codes  # type: ignore[arg-type]


def test_a_course_tells_changes_by_day() -> None:
    seen = [(FIRST, 1), (FIRST, 2), (FIRST + DAY, 2), (FIRST + 2 * DAY, 1), (FIRST + 3 * DAY, 0)]
    assert course(seen) == [(FIRST, 2), (FIRST + 2 * DAY, 1)]
