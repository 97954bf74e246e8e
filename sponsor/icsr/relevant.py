"""Which results of the laboratory belong into a report: those outside their limits while the event began.

Pure: no Django, no clock. ICH E2B(R3) asks in F.r for tests "relevant to the investigation" and leaves open which those
are. [P]: of each test the result that lies farthest outside the limits its laboratory printed, from the day before the
onset to a week after it, or to its end; and the highest CRP and ferritin of those days whatever their limits, because
CRS and IEC-HS are judged by them.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from participants.rules.normal import Limits, Place
from sponsor.icsr.model import LabTest
from trialsite.partialdate import PartialDate

BEFORE, AFTER = dt.timedelta(days=1), dt.timedelta(days=7)
MARKERS = frozenset({"CRP", "FERRITIN"})


@dataclass(frozen=True)
class Result:
    """One result in the unit that its test is compared in, with the limits printed beside it, and as it is told."""

    code: str
    value: Decimal
    sign: str
    limits: Limits
    told: LabTest

    @property
    def excess(self) -> Decimal:
        """By which factor it lies outside; 0 within, and where nobody can tell."""
        place = self.limits.place(self.value, self.sign)
        if place is Place.ABOVE and self.limits.high is not None:
            return self.value / self.limits.high if self.limits.high else Decimal("Infinity")
        if place is Place.BELOW and self.limits.low is not None:
            return self.limits.low / self.value if self.value else Decimal("Infinity")
        return Decimal(0)


def days(onset: PartialDate, resolved: PartialDate | None) -> tuple[dt.date, dt.date]:
    """The first and the last day of which results are looked at."""
    last = onset.latest + AFTER
    return onset.earliest - BEFORE, min(last, max(resolved.latest, onset.latest)) if resolved else last


def relevant(results: Iterable[Result]) -> tuple[LabTest, ...]:
    """One of each test at most, in the order of their moments; of equal ones the first."""
    found: dict[str, Result] = {}
    for one in results:
        if one.code not in found or _weight(one) > _weight(found[one.code]):
            found[one.code] = one
    told = (one.told for one in found.values() if one.code in MARKERS or one.excess)
    return tuple(sorted(told, key=lambda test: (test.at, test.name)))


def _weight(one: Result) -> Decimal:
    return one.value if one.code in MARKERS else one.excess
