"""A stand-in: DM and AE in few columns."""

from pathlib import Path

from django.conf import settings

from participants.models import Participant
from safety.models import AdverseEvent
from sponsor.datasets.model import Dataset, Kind, Package, Pending, Staging, Variable
from sponsor.datasets.scope import Scope, Tick
from trialsite.study import get_study

KEYS = ("STUDYID", "USUBJID")
DM = Dataset(
    "DM",
    "Demographics",
    "One record per subject",
    "SPECIAL PURPOSE",
    KEYS,
    (
        Variable("STUDYID", "Study Identifier"),
        Variable("DOMAIN", "Domain Abbreviation"),
        Variable("USUBJID", "Unique Subject Identifier"),
        Variable("SEX", "Sex"),
    ),
)
AE = Dataset(
    "AE",
    "Adverse Events",
    "One record per adverse event per subject",
    "EVENTS",
    (*KEYS, "AESEQ"),
    (
        Variable("STUDYID", "Study Identifier"),
        Variable("DOMAIN", "Domain Abbreviation"),
        Variable("USUBJID", "Unique Subject Identifier"),
        Variable("AESEQ", "Sequence Number", Kind.INTEGER),
        Variable("AETERM", "Reported Term for the Adverse Event"),
        Variable("AESTDTC", "Start Date/Time of Adverse Event", Kind.DATETIME),
    ),
)


def build(scope: Scope, folder: Path, tick: Tick) -> Package:
    study = get_study().latest
    number = study.registry_id
    with Staging(DM, folder) as dm:
        for one in Participant.objects.standing().order_by("screening_number"):
            dm.add((number, "DM", f"{number}-{one.screening_number}", one.sex or None))
    tick("DM", 1, 2)
    pending, last, seq = [], None, 0
    with Staging(AE, folder) as ae:
        events = AdverseEvent.objects.standing().select_related("participant")
        for event in events.order_by("participant__screening_number", "pk"):
            who = event.participant.screening_number
            if not event.ctcae_term:
                pending.append(Pending("AE", who, str(event.pk), "not coded yet"))
                continue
            seq, last = (seq + 1 if who == last else 1), who
            term = event.term if scope.has_free_text else event.ctcae_term
            ae.add((number, "AE", f"{number}-{who}", seq, term, str(event.onset)))
    tick("AE", 2, 2)
    return Package(
        study_id=number,
        study_name=study.short_title,
        protocol_version=study.version,
        cut_off=scope.cut_off,
        software=f"Trialsite {settings.SOFTWARE_VERSION}",
        terminology="2025-03-28",
        staged=(dm.staged, ae.staged),
        pending=tuple(pending),
    )
