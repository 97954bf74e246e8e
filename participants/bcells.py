"""B-cell aplasia and the persistence of the CAR-T cells, from what the laboratory reported."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from participants.models import Examination, Measurement, Participant
from participants.names import MEASURE_NAMES
from participants.rules.persistence import Aplasia, Reading, aplasia, persistence
from participants.rules.response import Amount
from trialsite.study import get_study

B_CELLS = "BCELL_PCT"
CAR = ("CAR_COPIES", "CAR_PCT")
CODES = (B_CELLS, "BCELL", *CAR)


@dataclass(frozen=True)
class Line:
    """A measure with its newest value, and what it means by the rule."""

    name: Any
    newest: str
    on: dt.date
    words: str
    examination: Examination


def lines(participant: Participant) -> list[Line]:
    """One query."""
    rows = (
        Measurement.objects.standing()
        .filter(participant=participant, code__in=CODES, value__isnull=False)
        .select_related("examination")
        .order_by("taken_at", "id")
    )
    by_code: dict[str, list[Measurement]] = {}
    for row in rows:
        by_code.setdefault(row.code, []).append(row)
    return [_line(code, by_code[code], participant) for code in CODES if code in by_code]


def _line(code: str, rows: list[Measurement], participant: Participant) -> Line:
    newest = rows[-1]
    words = "; ".join(_words(code, readings_of(rows), participant))
    return Line(MEASURE_NAMES[code], newest.text, _day(newest), words, newest.examination)


def readings_of(rows: Iterable[Measurement]) -> list[Reading]:
    return [
        Reading(_day(row), Amount(Decimal(row.value), row.comparator), row.lloq)
        for row in rows
        if row.value is not None
    ]


def _day(row: Measurement) -> dt.date:
    return timezone.localtime(row.taken_at).date()


def _words(code: str, found: list[Reading], participant: Participant) -> Iterator[str]:
    if code == B_CELLS:
        policy = get_study().protocol(participant.protocol_version).policy
        yield from _aplasia_in_words(aplasia(found, below=Decimal(policy.b_cell_aplasia_below_percent)))
    elif code in CAR:
        seen = persistence(found)
        if seen.last_detected_on is not None:
            yield _("last detected on %(day)s") % {"day": f"{seen.last_detected_on:%Y-%m-%d}"}
        if seen.lost_on is not None:
            yield _("not detected since %(day)s") % {"day": f"{seen.lost_on:%Y-%m-%d}"}


def _aplasia_in_words(found: Aplasia) -> Iterator[str]:
    if found.is_aplastic is None:
        yield _("aplasia: cannot be told")
    elif found.is_aplastic:
        yield _("B-cell aplasia since %(day)s") % {"day": f"{found.since:%Y-%m-%d}"}
    elif found.recovered_on is not None:
        yield _("B cells came back, seen on %(day)s") % {"day": f"{found.recovered_on:%Y-%m-%d}"}
    else:
        yield _("no B-cell aplasia")
