"""What was given before a moment at the bed, from the record of medication and from the assessments before."""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dosing.models import Medication, MedicationKind
from participants.actions import long_moment
from participants.models import Participant
from safety.models import BedsideAssessment, current
from safety.rules.bedside import Anticytokine
from safety.rules.drugs import Answer, Works, still_given
from trialsite.study import get_study

RUNNING = (MedicationKind.VASOPRESSOR, MedicationKind.VASOPRESSIN)
KINDS = (*Anticytokine, MedicationKind.ANTIPYRETIC, *RUNNING)


@dataclass(frozen=True)
class Given:
    """In words, what is on record and works at that moment; and what only the bed knows, since when."""

    antipyretic: str
    anticytokine: str
    vasopressor: str
    only_at_bed: dict[Anticytokine | None, dt.datetime]


def given_before(participant: Participant, at: dt.datetime) -> Given:
    """Two queries. What begins later than `at` is not known yet."""
    works = works_of(participant)
    rows = [row for row in _recorded(participant, at) if _works(row, at, works)]
    anticytokines = [row for row in rows if row.kind in tuple(Anticytokine)]
    recorded = {row.kind for row in anticytokines}
    at_bed = still_given(_answers(participant, at), at=at, works=works)
    return Given(
        antipyretic=_words(row for row in rows if row.kind == MedicationKind.ANTIPYRETIC),
        anticytokine=_words(anticytokines),
        vasopressor=_words(row for row in rows if row.kind in RUNNING),
        # What nobody named may be any of those on record.
        only_at_bed={drug: first for drug, first in at_bed.items() if (drug not in recorded if drug else not recorded)},
    )


def works_of(participant: Participant) -> Works:
    policy = get_study().protocol(participant.protocol_version).policy
    antibody = dt.timedelta(hours=policy.tocilizumab_works_hours)
    shorter = dt.timedelta(hours=policy.corticosteroid_works_hours)
    return Works(
        {
            Anticytokine.TOCILIZUMAB: antibody,
            Anticytokine.SILTUXIMAB: antibody,
            Anticytokine.CORTICOSTEROID: shorter,
            Anticytokine.ANAKINRA: shorter,
        }
    )


def _recorded(participant: Participant, at: dt.datetime) -> Sequence[Medication]:
    rows = Medication.objects.standing().filter(participant=participant, kind__in=KINDS, started_at__lte=at)
    return list(rows.order_by("started_at", "id"))


def _works(row: Medication, at: dt.datetime, works: Works) -> bool:
    """As long after its end as it works; a vasopressor only while it runs."""
    end = at if row.is_ongoing else row.ended_at or row.started_at
    if row.kind in RUNNING:
        return end >= at
    if row.kind == MedicationKind.ANTIPYRETIC:
        policy = get_study().protocol(row.participant.protocol_version).policy
        return at - end <= dt.timedelta(hours=policy.antipyretic_works_hours)
    return at - end <= works.of(Anticytokine(row.kind))


def _words(rows: Iterable[Medication]) -> str:
    return "; ".join(f"{row.name}, {long_moment(row.started_at)}" for row in rows)


def _answers(participant: Participant, at: dt.datetime) -> Iterable[Answer]:
    rows = current(BedsideAssessment.objects.filter(participant=participant, assessed_at__lte=at))
    for moment, observed in rows.values_list("assessed_at", "observations"):
        named = tuple(Anticytokine(one) for one in observed.get("anticytokines") or ())
        yield Answer(moment, observed.get("anticytokine_given"), named)
