"""What this app knows of the treatment of a participant: vasopressors that somebody saw running at the bed.

The doses are in the record of medication, where they are recorded at all. What it has is not told twice.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import override

from dosing.models import MedicationKind
from dosing.timeline import Entry
from participants.models import Participant
from safety.choices import FINDING_NAMES, name_of
from safety.models import BedsideAssessment, current
from safety.rules.bedside import Vasopressor

VASOPRESSIN = "vasopressin"


def entries_of(participant: Participant, *, recorded: Sequence[Entry]) -> Iterator[Entry]:
    """From the first look that saw it to the last one in a row; one query."""
    rows = current(BedsideAssessment.objects.filter(participant=participant)).order_by("assessed_at", "id")
    looks = [(at, _running(observed)) for at, observed in rows.values_list("assessed_at", "observations")]
    for drug in (*Vasopressor, VASOPRESSIN):
        for start, end in _spans(drug, looks):
            if not any(_is_told(drug, start, end, one) for one in recorded):
                yield _entry(drug, start, end)


def _running(observed: Mapping[str, Any]) -> frozenset[str] | None:
    """None: nobody looked."""
    named, is_vasopressin = observed.get("vasopressors"), observed.get("vasopressin")
    if named is None and is_vasopressin is None and observed.get("hypotension") is not False:
        return None
    return frozenset((*(named or ()), *((VASOPRESSIN,) if is_vasopressin else ())))


def _spans(
    drug: str, looks: Sequence[tuple[dt.datetime, frozenset[str] | None]]
) -> Iterator[tuple[dt.datetime, dt.datetime]]:
    start = end = None
    for at, running in looks:
        if running is not None and drug in running:
            start, end = start or at, at
        elif running is not None and start is not None and end is not None:
            yield start, end
            start = end = None
    if start is not None and end is not None:
        yield start, end


def _is_told(drug: str, start: dt.datetime, end: dt.datetime, entry: Entry) -> bool:
    """The record of medication has it at that time, by its name in any of our languages."""
    if entry.kind not in (MedicationKind.VASOPRESSOR, MedicationKind.VASOPRESSIN):
        return False
    is_same = entry.kind == MedicationKind.VASOPRESSIN if drug == VASOPRESSIN else _is_named(drug, entry)
    is_open = entry.is_ongoing or entry.end is None
    return is_same and entry.start <= end and (is_open or entry.end >= start)  # type: ignore[operator]


def _is_named(drug: str, entry: Entry) -> bool:
    names = []
    for language in ("en", "zh-hans"):
        with override(language):
            names.append(str(name_of(Vasopressor, drug)).casefold())
    return drug == Vasopressor.OTHER or any(name in f"{entry.label} {entry.text}".casefold() for name in names)


def _entry(drug: str, start: dt.datetime, end: dt.datetime) -> Entry:
    is_vasopressin = drug == VASOPRESSIN
    return Entry(
        kind=MedicationKind.VASOPRESSIN if is_vasopressin else MedicationKind.VASOPRESSOR,
        label=capfirst(str(FINDING_NAMES[drug] if is_vasopressin else name_of(Vasopressor, drug))),
        start=start,
        end=None if start == end else end,
        text=_("seen at the bed"),
    )
