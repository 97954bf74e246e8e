"""Usual, far beyond the usual, impossible: both sides of each limit."""

from decimal import Decimal

import pytest

from dosing.rules.amounts import (
    GRAMS,
    OTHER_UNITS,
    TOO_MANY_GRAMS,
    Amount,
    judge,
    judge_lymphodepletion,
    plain_unit,
)

TICK = Decimal("0.0001")


@pytest.mark.parametrize("kind", [*GRAMS, "other"])
def test_each_kind_on_both_sides_of_its_limits(kind: str) -> None:
    found = judge(kind, Decimal(0), "g")
    assert found is not None
    assert found.amount is Amount.USUAL
    assert found.impossible == min(found.usual * 100, TOO_MANY_GRAMS)
    sides = [(found.usual, Amount.USUAL), (found.usual + TICK, Amount.UNUSUAL)]
    sides += [(found.impossible - TICK, Amount.UNUSUAL), (found.impossible, Amount.IMPOSSIBLE)]
    for dose, amount in sides:
        judged = judge(kind, dose, "g")
        assert judged is not None
        assert judged.amount is amount, dose


@pytest.mark.parametrize("unit", OTHER_UNITS)
def test_each_unit_on_both_sides_of_its_limits(unit: str) -> None:
    limits = OTHER_UNITS[unit]
    for dose, amount in (
        (limits.usual, Amount.USUAL),
        (limits.usual + TICK, Amount.UNUSUAL),
        (limits.impossible - TICK, Amount.UNUSUAL),
        (limits.impossible, Amount.IMPOSSIBLE),
    ):
        judged = judge("other", dose, unit)
        assert judged is not None
        assert judged.amount is amount, dose


@pytest.mark.parametrize(
    ("kind", "dose", "unit", "amount"),
    [
        ("antipyretic", "500", "mg", Amount.USUAL),
        ("antipyretic", "500", "ｇ", Amount.IMPOSSIBLE),
        ("other", "500", "g", Amount.IMPOSSIBLE),
        ("antipyretic", "10000", "毫克", Amount.UNUSUAL),
        ("growth_factor", "300", "ug", Amount.USUAL),
        ("tocilizumab", "800", "mg", Amount.USUAL),
        ("tocilizumab", "801", "mg", Amount.UNUSUAL),
        ("oxygen", "3", "L/min", Amount.USUAL),
        ("oxygen", "300", "L/min", Amount.IMPOSSIBLE),
        ("transfusion", "2", "U", Amount.USUAL),
        ("transfusion", "20", "单位", Amount.UNUSUAL),
        ("immunoglobulin", "35", "g", Amount.USUAL),
    ],
)
def test_what_is_given_at_a_site(kind: str, dose: str, unit: str, amount: Amount) -> None:
    found = judge(kind, Decimal(dose), unit)
    assert found is not None
    assert found.amount is amount


@pytest.mark.parametrize(("kind", "unit"), [("other", "IU"), ("other", "U"), ("other", "drops")])
def test_of_other_units_nothing_is_known(kind: str, unit: str) -> None:
    assert judge(kind, Decimal(10**6), unit) is None


def test_limits_are_told_in_the_unit_that_was_typed() -> None:
    found = judge("antipyretic", Decimal(5000), "mg")
    assert found is not None
    assert (found.usual, found.impossible) == (1000, 100_000)


@pytest.mark.parametrize(
    ("typed", "plain"),
    [("μg/kg/min", "µg/kg/min"), ("mcg", "µg"), ("mg/m2", "mg/m²"), ("mg/m²", "mg/m²"), (" ＭＧ ", "mg")],
)
def test_one_unit_has_many_spellings(typed: str, plain: str) -> None:
    assert plain_unit(typed) == plain


@pytest.mark.parametrize(
    ("given", "amount"),
    [
        ("24.9", Amount.UNUSUAL),
        ("25", Amount.USUAL),
        ("30", Amount.USUAL),
        ("30.1", Amount.UNUSUAL),
        ("300", Amount.UNUSUAL),
        ("2999.9", Amount.UNUSUAL),
        ("3000", Amount.IMPOSSIBLE),
        ("0", Amount.UNUSUAL),
    ],
)
def test_fludarabine_against_the_accepted_range(given: str, amount: Amount) -> None:
    assert judge_lymphodepletion(Decimal(given), lowest=Decimal(25), highest=Decimal(30)) is amount
