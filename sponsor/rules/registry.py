"""Which adverse events a registry's table of other events lists.

Source: the results section of ClinicalTrials.gov. Serious events are all listed. Of the others those are listed whose
frequency exceeds the threshold that the record states, at most 5 %; exceeds means more: one of twenty, 5.00 %, is not
listed. Each participant counts once for a term.
"""

from decimal import ROUND_HALF_UP, Decimal

MOST_THRESHOLD = Decimal(5)


def percent(affected: int, at_risk: int) -> Decimal:
    """The share of those at risk, in percent to two places, halves upwards. ValueError where it cannot be one.

    >>> percent(1, 12)
    Decimal('8.33')
    """
    _check(affected, at_risk)
    return (Decimal(100 * affected) / at_risk).quantize(Decimal("0.01"), ROUND_HALF_UP)


def is_listed(affected: int, at_risk: int, threshold: Decimal = MOST_THRESHOLD) -> bool:
    """Whether so many of those at risk are more than the threshold in percent: of exact numbers, never of rounded ones.

    >>> is_listed(1, 20), is_listed(1, 19)
    (False, True)
    """
    _check(affected, at_risk)
    if not 0 <= threshold <= MOST_THRESHOLD:
        raise ValueError(f"a threshold lies between 0 and {MOST_THRESHOLD} percent: {threshold}")
    return 100 * affected > threshold * at_risk


def _check(affected: int, at_risk: int) -> None:
    if not 0 <= affected <= at_risk or at_risk == 0:
        raise ValueError(f"{affected} of {at_risk} participants cannot be affected")
