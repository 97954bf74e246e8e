"""How much tocilizumab, and when the next dose may be given.

Source: ASCO 2021 (Santomasso, J Clin Oncol): 8 mg/kg intravenously over one hour, at most 800 mg a dose, repeated
every 8 hours, at most 3 doses in 24 hours and 4 in all. Other texts say 2 or 3 in all: the limits are settings of
the study file [P]. Decision support: a warning, never an order.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

MG_PER_KG = Decimal(8)
MOST_MG = Decimal(800)
DAY = dt.timedelta(hours=24)


class Advice(StrEnum):
    ALLOW = "ALLOW"
    WARN_INTERVAL = "WARN_INTERVAL"
    WARN_24H = "WARN_24H"
    WARN_TOTAL = "WARN_TOTAL"


@dataclass(frozen=True)
class Limits:
    min_interval_h: Decimal
    max_per_24h: int
    max_total: int


def dose_mg(weight_kg: Decimal) -> Decimal:
    """8 mg/kg, at most 800 mg. Raises ValueError unless the weight is above 0.

    >>> dose_mg(Decimal(120))
    Decimal('800')
    """
    if weight_kg <= 0:
        raise ValueError("A weight is above 0.")
    return min(MG_PER_KG * weight_kg, MOST_MG)


def advice(*, total: int, last_24h: int, hours_since_last: Decimal | None, limits: Limits) -> Advice:
    """Whether one more dose keeps all limits; the most lasting reason first. None: none was given before."""
    if total >= limits.max_total:
        return Advice.WARN_TOTAL
    if last_24h >= limits.max_per_24h:
        return Advice.WARN_24H
    if hours_since_last is not None and hours_since_last < limits.min_interval_h:
        return Advice.WARN_INTERVAL
    return Advice.ALLOW


def advice_at(moment: dt.datetime, given_at: Sequence[dt.datetime], limits: Limits) -> Advice:
    """The same from the moments of the doses that were given; exactly 24 hours ago is no longer within 24 hours."""
    before = [at for at in given_at if at <= moment]
    hours = Decimal((moment - max(before)).total_seconds()) / 3600 if before else None
    recent = sum(moment - at < DAY for at in before)
    return advice(total=len(before), last_24h=recent, hours_since_last=hours, limits=limits)


def next_possible(given_at: Sequence[dt.datetime], limits: Limits) -> dt.datetime | None:
    """The first moment at which one more dose keeps all limits; None once the total is reached, or before any."""
    if not given_at or len(given_at) >= limits.max_total:
        return None
    doses = sorted(given_at)
    earliest = doses[-1] + dt.timedelta(hours=float(limits.min_interval_h))
    if len(doses) >= limits.max_per_24h:
        earliest = max(earliest, doses[-limits.max_per_24h] + DAY)
    return earliest
