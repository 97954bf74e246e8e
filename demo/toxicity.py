"""What the cells do: findings at the bed, blood, and what was given for them."""

import datetime as dt
from decimal import Decimal
from typing import Any

from demo.courses import CRS_COURSES, ICANS_COURSES
from demo.plans import Plan
from demo.scene import DAY, Scene
from dosing.actions import record_medication
from dosing.models import Medication, MedicationKind
from participants import actions
from participants.models import Examination, Measurement, Participant
from participants.rules.measures import MEASURES, PANEL_OF
from safety.actions import assess_bedside
from safety.actions.alerts import acknowledge
from safety.models import BedsideAssessment, SafetyAlert
from safety.rules.bedside import ICE_POINTS, Observations, Vasopressor
from safety.rules.crs import OxygenDevice, OxygenReason
from safety.rules.icans import Consciousness, IcePerformed, Oedema, PressureSign, Seizure
from trialsite import notifications

# Looked at, and absent, in all of the demo's people.
NEGATIVES: dict[str, Any] = {
    "seizure": Seizure.NONE,
    "deep_focal_weakness": False,
    "pressure_sign": PressureSign.NONE,
    "cerebral_oedema": Oedema.NONE,
    "intracranial_haemorrhage": False,
}


def bedside(scene: Scene, participant: Participant, plan: Plan, since: int) -> None:
    """One assessment on each day on which the course tells something, of both scales together."""
    crs_course, icans_course = CRS_COURSES[plan.course], ICANS_COURSES.get(plan.course, {})
    for day in sorted({*crs_course, *icans_course}):
        if day <= since:
            found = {**crs_course.get(day, {}), **icans_course.get(day, {})}
            _assess(scene, participant, scene.at(since - day, 8, 15), found)


def _assess(scene: Scene, participant: Participant, at: dt.datetime, found: dict[str, Any]) -> None:
    full = {"orientation": 4, "naming": 3, "commands": 1, "writing": 1, "attention": 1}
    items = {name: found.get(name, value) for name, value in full.items()}
    # The first of an item's questions are those that were answered.
    answers = {name: number < items[item] for item, names in ICE_POINTS.items() for number, name in enumerate(names)}
    is_low = found.get("hypotension", False)
    seen = Observations(
        **NEGATIVES,
        temperature_c=Decimal(found.get("t", "36.8")),
        fever_attributable=True,
        antipyretic_given=False,
        anticytokine_given=found.get("drug", False),
        systolic=84 if is_low else 118,
        diastolic=50 if is_low else 74,
        hypotension=is_low,
        hypotension_attributable=True,
        fluids_given=is_low,
        vasopressin=False,
        vasopressors=(Vasopressor.NOREPINEPHRINE,) * found.get("vasopressors", 0),
        spo2_percent=Decimal(93) if "device" in found else Decimal(98),
        oxygen_device=OxygenDevice(found.get("device", "none")),
        oxygen_flow_l_min=Decimal(found["flow"]) if "flow" in found else None,
        oxygen_reason=OxygenReason.CRS_HYPOXIA,
        in_icu=bool(found.get("vasopressors")),
        ice_performed=IcePerformed.YES,
        sentence="今天是我住院的第一天。" if items["writing"] else "",
        consciousness=Consciousness(found.get("awake", "alert")),
        consciousness_attributable=True,
        **answers,
    )
    row = BedsideAssessment(participant=participant, assessed_at=at)
    assess_bedside(assessment=row, seen=seen, by=scene.investigator, now=scene.soon(at))
    acknowledge_alerts(scene, participant)


def acknowledge_alerts(scene: Scene, participant: Participant) -> None:
    """What was raised more than two days ago was answered then, before anything newer came."""
    waiting = SafetyAlert.objects.filter(
        participant=participant,
        raised_at__lt=scene.now - 2 * DAY,
        acknowledged_at=None,
        settled_at=None,
        superseded_by=None,
    )
    while alert := waiting.first():
        acknowledge(alert=alert, by=scene.investigator, now=alert.raised_at + dt.timedelta(minutes=12))
        notifications.cancel(about=alert.about, reason="answered before the demo began", now=scene.now)


def blood(scene: Scene, participant: Participant, plan: Plan, since: int) -> None:
    """Counts and inflammation of the first four weeks, of those who were infused lately."""
    if since > 60:
        return
    worst = {"none": 1, "mild": 2, "moderate": 4, "icans": 3, "severe": 9}[plan.course]
    for day in range(0, min(since, 28) + 1, 2):
        near = max(0, 8 - abs(day - 5)) / 8
        results = {
            "NEUT": f"{max(0.05, 3.1 - 0.4 * day if day < 8 else 0.1 + 0.12 * (day - 8)):.2f}",
            "PLAT": str(max(14, 160 - 16 * day if day < 10 else 20 + 6 * (day - 10))),
            "HGB": str(max(72, 112 - 3 * day)),
            "FERRITIN": str(round(400 + 1400 * worst * near)),
            "CRP": str(round(4 + 22 * worst * near)),
        }
        for panel in sorted({PANEL_OF[code] for code in results}):
            _record(scene, participant, panel, scene.at(since - day, 6, 30), results)


def _record(scene: Scene, participant: Participant, panel: str, at: dt.datetime, results: dict[str, str]) -> None:
    answers = [
        Measurement(code=code, value=Decimal(value), unit=MEASURES[code].unit)
        for code, value in results.items()
        if PANEL_OF[code] == panel
    ]
    actions.record_examination(
        examination=Examination(participant=participant, panel=panel, taken_at=at, is_study_procedure=True),
        answers=answers,
        accepted=results,
        by=scene.coordinator,
        now=scene.soon(at),
    )


def support(scene: Scene, participant: Participant, plan: Plan, since: int) -> None:
    """Tocilizumab on the days of the course on which a drug against CRS was given, and a steroid in the worst."""
    for day, found in CRS_COURSES[plan.course].items():
        at = scene.at(since - day, 7, 40)
        if not found.get("drug") or day > min(since, 4):
            continue
        _medicate(scene, participant, at, MedicationKind.TOCILIZUMAB, "托珠单抗", "480")
        if found.get("vasopressors"):
            _medicate(scene, participant, at, MedicationKind.CORTICOSTEROID, "地塞米松", "10")


def _medicate(scene: Scene, participant: Participant, at: dt.datetime, kind: str, name: str, dose: str) -> None:
    row = Medication(
        participant=participant,
        kind=kind,
        name=name,
        dose=Decimal(dose),
        dose_unit="mg",
        route="iv",
        started_at=at,
        indication="CRS",
    )
    record_medication(medication=row, by=scene.investigator, now=scene.soon(at))
