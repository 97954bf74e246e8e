"""What became of the leukaemia: assessments at the visits, a relapse, a transplantation, and calls to the family."""

import datetime as dt
from decimal import Decimal
from typing import Any

from demo.plans import Plan
from demo.scene import DAY, Scene
from participants import actions
from participants.models import DiseaseAssessment, Participant, SubsequentTherapy, SurvivalContact, VisitState
from trialsite.study import get_study

# Whoever was infused so many days ago was transplanted in remission, so many days after the cells.
TRANSPLANTED = {276: 160}
REMISSION = {
    "marrow": "done",
    "marrow_blasts": Decimal("0.8"),
    "blood_blasts": "absent",
    "extramedullary": "absent",
    "anc": Decimal("2.1"),
    "platelets": Decimal(138),
    "transfusion": "no",
    "mrd": "not_detected",
    "mrd_method": "flow",
    "mrd_sensitivity": Decimal("0.01"),
    "stated_response": "CR",
}
RELAPSE = {
    **REMISSION,
    "marrow_blasts": Decimal(42),
    "blood_blasts": "present",
    "platelets": Decimal(31),
    "mrd": "detected",
    "mrd_level": Decimal("38.5"),
    "stated_response": "relapse",
}


def response(scene: Scene, participant: Participant, plan: Plan, since: int) -> None:
    """After the visits took place, and before the end is recorded."""
    day0 = scene.today - since * DAY
    for on in _assessed_on(participant, scene.today - 16 * DAY if plan.fate == "relapsed" else scene.today - DAY):
        early = (on - day0).days < 60
        counts = {"platelets": Decimal(72), "stated_response": "CRh"} if early and plan.course == "severe" else {}
        _assess(scene, participant, on, {**REMISSION, **counts})
    if plan.fate == "relapsed":
        _assess(scene, participant, scene.today - 15 * DAY, RELAPSE)
        _treat(scene, participant, scene.today - 8 * DAY, kind="antibody", name="贝林妥欧单抗", reason="relapse")
    if (days := TRANSPLANTED.get(since)) is not None:
        _treat(scene, participant, day0 + days * DAY, kind="allo_hsct", reason="consolidation")
    _contacts(scene, participant, plan, day0, since)


def _assessed_on(participant: Participant, last: dt.date) -> list[dt.date]:
    """The days of the visits that ask for a marrow and took place."""
    asking = {one.code for one in get_study().latest.visits if {"MARROW", "MRD"} & set(one.procedures)}
    rows = participant.visits.filter(state=VisitState.DONE, code__in=asking, occurred_on__lte=last)
    days = rows.order_by("occurred_on").values_list("occurred_on", flat=True)
    return [day for day in days if day is not None]


def _assess(scene: Scene, participant: Participant, on: dt.date, found: dict[str, Any]) -> None:
    row = DiseaseAssessment(participant=participant, assessed_on=on.isoformat(), **found)
    actions.record_assessment(row=row, by=scene.investigator, now=_told(scene, on))


def _treat(scene: Scene, participant: Participant, on: dt.date, **facts: str) -> None:
    row = SubsequentTherapy(participant=participant, started_on=on.isoformat(), **facts)
    actions.record_therapy(row=row, by=scene.investigator, now=_told(scene, on))


def _told(scene: Scene, on: dt.date) -> dt.datetime:
    return scene.at((scene.today - on).days, 15)


def _contacts(scene: Scene, participant: Participant, plan: Plan, day0: dt.date, since: int) -> None:
    if plan.fate == "died":
        died = (scene.today - 10 * DAY).isoformat()
        _ask(scene, participant, scene.today - 9 * DAY, "dead", answered_by="family", died_on=died)
    elif plan.fate == "lost":
        for days in (122, 126, 130):
            _ask(scene, participant, day0 + days * DAY, "no_answer")
    elif since > 300:
        on = scene.today - 20 * DAY
        _ask(scene, participant, on, "alive", answered_by="participant", last_alive_on=on.isoformat())


def _ask(scene: Scene, participant: Participant, on: dt.date, vital: str, **facts: str) -> None:
    row = SurvivalContact(participant=participant, contacted_on=on, means="phone", vital=vital, **facts)
    actions.record_contact(row=row, by=scene.coordinator, now=_told(scene, on))
