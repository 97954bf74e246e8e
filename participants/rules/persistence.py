"""How long the CAR-T cells work: B-cell aplasia, and the copies or the share of CAR-T cells in the blood.

Source: loss of B-cell aplasia is read as loss of functional CAR-T cells (Maude 2018, NEJM 378:439 [M]); below which
share of the lymphocytes B cells count as absent is the study's own choice [P], 3 % in published CD19 CAR-T trials [M].
A value below the limit of quantification is not detected.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from participants.rules.response import Amount
from trialsite.bounds import agreed, examples


@dataclass(frozen=True)
class Reading:
    on: dt.date
    amount: Amount
    lloq: Decimal | None = None


@dataclass(frozen=True)
class Aplasia:
    """As of the newest reading: aplastic since, or recovered when; `is_aplastic` None where a bound leaves it open."""

    is_aplastic: bool | None = None
    since: dt.date | None = None
    recovered_on: dt.date | None = None


def aplasia(readings: Iterable[Reading], *, below: Decimal) -> Aplasia:
    """B cells below the limit; the limit itself is no aplasia.

    >>> day = dt.date(2026, 1, 1)
    >>> aplasia([Reading(day, Amount(Decimal("0.1")))], below=Decimal(3)).since == day
    True
    """
    found = Aplasia()
    for one in sorted(readings, key=lambda reading: reading.on):
        is_low = agreed(number < below for number in examples(one.amount.value, one.amount.sign, (below,)))
        found = _after(found, is_low, one.on)
    return found


def _after(before: Aplasia, is_low: bool | None, on: dt.date) -> Aplasia:
    if is_low is None:
        # What was known of its beginning stays known.
        return Aplasia(None, before.since, before.recovered_on)
    if is_low:
        return Aplasia(True, before.since if before.since and before.recovered_on is None else on)
    if before.since is None:
        return Aplasia(False)
    return Aplasia(False, before.since, before.recovered_on or on)


@dataclass(frozen=True)
class Persistence:
    """The last day on which CAR-T cells were found, and since when they were not."""

    last_detected_on: dt.date | None = None
    lost_on: dt.date | None = None


def persistence(readings: Iterable[Reading]) -> Persistence:
    """What is 0, or certainly below the limit of quantification, is not detected."""
    found = Persistence()
    for one in sorted(readings, key=lambda reading: reading.on):
        if is_detected(one):
            found = Persistence(one.on)
        elif found.lost_on is None:
            found = Persistence(found.last_detected_on, one.on)
    return found


def is_detected(one: Reading) -> bool:
    if one.lloq is not None:
        low = (number < one.lloq for number in examples(one.amount.value, one.amount.sign, (one.lloq,)))
        return not agreed(low)
    return one.amount.value > 0 and one.amount.sign not in ("<", "≤")
