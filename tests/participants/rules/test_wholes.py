"""A part that is more than its whole is asked about; bounds only where no value of theirs goes together."""

from decimal import Decimal

import pytest

from participants.rules.measures import MEASURES, PANEL_OF
from participants.rules.wholes import WHOLES, parts_above_wholes
from trialsite.bounds import SIGNS, Allowed, allowed


def span(text: str) -> Allowed:
    sign = text[0] if text[0] in SIGNS else ""
    return allowed(Decimal(text.removeprefix(sign)), sign)


@pytest.mark.parametrize(
    ("part", "whole", "expected"),
    [
        pytest.param("4.1", "4.0", True, id="more"),
        pytest.param("4.0", "4.0", False, id="all-of-it"),
        pytest.param("0", "0", False, id="none-of-none"),
        pytest.param("4.0", "<4.0", True, id="whole-below-it"),
        pytest.param("4.0", "≤4.0", False, id="whole-at-most-it"),
        pytest.param("4.0", ">1.0", False, id="whole-has-no-end"),
        pytest.param("<4.0", "1.0", False, id="part-may-be-less"),
        pytest.param(">4.0", "4.0", True, id="part-above-it"),
        pytest.param("≥4.0", "4.0", False, id="part-at-least-it"),
    ],
)
def test_a_part_above_its_whole(part: str, whole: str, expected: bool) -> None:
    found = list(parts_above_wholes({"NEUT": span(part), "WBC": span(whole)}))
    assert found == ([("NEUT", "WBC")] if expected else [])


def test_what_is_not_measured_contradicts_nothing() -> None:
    assert list(parts_above_wholes({"NEUT": span("9")})) == []
    assert list(parts_above_wholes({"WBC": span("1"), "BILDIR": span("9")})) == []


@pytest.mark.parametrize(("part", "whole"), WHOLES.items())
def test_both_stand_on_one_form_in_one_unit(part: str, whole: str) -> None:
    assert PANEL_OF[part] == PANEL_OF[whole]
    assert MEASURES[part].unit == MEASURES[whole].unit
    assert list(parts_above_wholes({part: span("2"), whole: span("1")})) == [(part, whole)]
