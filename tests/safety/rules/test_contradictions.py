"""Odd pairs of answers are asked about; everything ordinary is not."""

from decimal import Decimal
from typing import Any

import pytest

from safety.rules.bedside import Context, Observations
from safety.rules.contradictions import QUESTION_TEXT, questions
from safety.rules.icans import IcePerformed


def asked(*, established: bool = False, day: int = 3, **seen: Any) -> list[str]:
    return [one.code for one in questions(Observations(**seen), Context(day, 30, established))]


@pytest.mark.parametrize(
    ("seen", "codes"),
    [
        pytest.param({"systolic": 70, "diastolic": 40, "hypotension": False}, ["low-pressure"], id="70/40"),
        pytest.param({"systolic": 89, "diastolic": 70, "hypotension": False}, ["low-pressure"], id="89"),
        pytest.param({"systolic": 90, "diastolic": 70, "hypotension": False}, [], id="90"),
        pytest.param({"systolic": 95, "diastolic": 49, "hypotension": False}, ["low-pressure"], id="mean-64.3"),
        pytest.param({"systolic": 95, "diastolic": 50, "hypotension": False}, [], id="mean-65"),
        pytest.param({"systolic": 70, "hypotension": False}, ["low-pressure"], id="diastolic-not-measured"),
        pytest.param({"systolic": 70, "diastolic": 40, "hypotension": True}, [], id="hypotension-said"),
        pytest.param({"systolic": 70, "diastolic": 40}, [], id="not-answered-yet"),
        pytest.param({"systolic": 0, "diastolic": 0, "hypotension": False}, ["low-pressure"], id="0-is-a-pressure"),
        pytest.param({"use_capd": True, "ice_performed": IcePerformed.YES}, ["ice-beside-capd"], id="both-scores"),
        pytest.param({"use_capd": True, "ice_performed": IcePerformed.NOT_DONE}, [], id="capd-alone"),
        pytest.param({"use_capd": False, "ice_performed": IcePerformed.YES}, [], id="ice-alone"),
    ],
)
def test_what_is_asked(seen: dict[str, Any], codes: list[str]) -> None:
    assert asked(**seen) == codes


def test_hypotension_of_a_crs_that_is_not_there() -> None:
    low: dict[str, Any] = {
        "hypotension": True,
        "hypotension_attributable": True,
        "temperature_c": Decimal("37.9"),
    }
    assert asked(**low) == ["hypotension-without-crs"]
    assert asked(**low, established=True) == []
    assert asked(**low, day=-1) == []
    assert asked(**{**low, "temperature_c": Decimal("38.0")}) == []
    assert asked(**{**low, "temperature_c": None}) == []
    assert asked(**{**low, "hypotension_attributable": False}) == []


def test_every_question_has_its_words() -> None:
    found = questions(
        Observations(systolic=70, hypotension=False, use_capd=True, ice_performed=IcePerformed.YES),
        Context(3, 30, crs_established=False),
    )
    said = [QUESTION_TEXT[one.code].format(**one.values) for one in found]
    assert said[0].startswith("70/? mmHg")
    assert len(said) == 2
