"""Where a result lies beside the limits of normal, both sides of each limit, and of a bound."""

from decimal import Decimal

import pytest

from participants.rules.normal import Limits, Place

D = Decimal
NORMAL = Limits(D(2), D(7))


@pytest.mark.parametrize(
    ("limits", "number", "sign", "place"),
    [
        (NORMAL, "2", "", Place.WITHIN),
        (NORMAL, "7", "", Place.WITHIN),
        (NORMAL, "1.999", "", Place.BELOW),
        (NORMAL, "7.001", "", Place.ABOVE),
        (NORMAL, "0", "", Place.BELOW),
        # A bound: only what all numbers that it allows agree on.
        (NORMAL, "2", "<", Place.BELOW),
        (NORMAL, "2", "≤", Place.OPEN),
        (NORMAL, "3", "<", Place.OPEN),
        (NORMAL, "7", ">", Place.ABOVE),
        (NORMAL, "7", "≥", Place.OPEN),
        (Limits(high=D(7)), "5", "<", Place.WITHIN),
        (Limits(low=D(2)), "5", ">", Place.WITHIN),
        (Limits(), "5", "", Place.UNKNOWN),
    ],
)
def test_where_a_value_lies_beside_its_limits(limits: Limits, number: str, sign: str, place: Place) -> None:
    assert limits.place(D(number), sign) is place
