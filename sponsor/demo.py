"""A believable study, built through the same actions that people use, from a fixed seed.

Everything is relative to today, so that there are always visits to come, open and overdue. Names are
invented. It is for trying the product out: the command refuses a database that holds anything else.
"""

import datetime as dt
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import Group
from django.utils import timezone

from dosing.actions import (
    infuse,
    move_product,
    order_product,
    plan_lymphodepletion,
    record_dose,
    record_fitness,
    record_leukapheresis,
    record_medication,
    sign_identity,
)
from dosing.models import (
    Before,
    CellProduct,
    DoseState,
    FitnessCheck,
    Infusion,
    Leukapheresis,
    Medication,
    MedicationKind,
)
from dosing.rules.product import State
from participants import actions
from participants.models import Consent, Examination, Measurement, Participant, ReasonCode, Visit, VisitState
from participants.rules.measures import MEASURES, PANEL_OF
from participants.rules.status import Status
from safety.actions import assess_bedside, log_adverse_event, propose_event
from safety.actions.alerts import acknowledge
from safety.models import AdverseEvent, BedsideAssessment, SafetyAlert, ToxicityEpisode
from safety.rules.bedside import ICE_POINTS, Observations, Vasopressor
from safety.rules.crs import OxygenDevice
from safety.rules.icans import Consciousness, IcePerformed
from sponsor import demo_results
from trialsite import notifications
from trialsite.models import Site, User
from trialsite.roles import Role
from trialsite.study import get_study

SEED = 20250719
DAY = dt.timedelta(days=1)

# username, role, family name, given name; the password is "demo-" and the username.
PEOPLE = (
    ("coordinator", Role.COORDINATOR, "陈", "静"),
    ("investigator", Role.INVESTIGATOR, "黄", "志强"),
    ("pi", Role.PRINCIPAL_INVESTIGATOR, "林", "慧"),
    ("pharmacist", Role.PHARMACIST, "何", "敏"),
    ("datamanager", Role.DATA_MANAGER, "郑", "宇"),
    ("monitor", Role.MONITOR, "周", "岚"),
    ("auditor", Role.AUDITOR, "吴", "桐"),
)
FAMILY = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦许何吕张孔曹严华金魏陶姜"
GIVEN = (
    "伟",
    "芳",
    "娜",
    "敏",
    "静",
    "丽",
    "强",
    "磊",
    "军",
    "洋",
    "勇",
    "艳",
    "杰",
    "娟",
    "涛",
    "明",
    "超",
    "霞",
    "平",
    "刚",
)


@dataclass(frozen=True)
class Plan:
    """One participant: what becomes of them, and how many days ago they were infused (None: not yet)."""

    fate: str
    infused_days_ago: int | None = None
    course: str = "none"
    dose: str = "0.5"
    results: dict[str, Any] = field(default_factory=dict)


PLANS = (
    Plan("died", 455, "severe"),
    Plan("follow_up", 430, "mild"),
    Plan("relapsed", 400, "none"),
    Plan("follow_up", 371, "moderate"),
    Plan("screen_failed", results={"BM_BLASTS": "7.5"}),
    Plan("follow_up", 340, "mild"),
    Plan("withdrawn", 300, "none"),
    Plan("follow_up", 276, "icans"),
    Plan("screen_failed", results={"LVEF": "44", "QT": "470"}),
    Plan("relapsed", 250, "mild", "0.3"),
    Plan("follow_up", 221, "none"),
    Plan("lost", 200, "mild"),
    Plan("follow_up", 184, "moderate"),
    Plan("screen_failed", results={"HBVDNA": ("950", None, "20")}),
    Plan("follow_up", 150, "none", "0.65"),
    Plan("follow_up", 121, "mild"),
    Plan("follow_up", 97, "severe"),
    Plan("died", 80, "severe"),
    Plan("follow_up", 63, "none"),
    Plan("screen_failed", results={"STROKE": "yes"}),
    Plan("follow_up", 45, "icans", "0.22"),
    Plan("infused", 29, "moderate"),
    Plan("infused", 21, "mild"),
    Plan("infused", 12, "icans"),
    Plan("infused", 4, "severe"),
    Plan("screen_failed", results={"HBVDNA": ("1800", None, "20"), "PLAT": "61"}),
    Plan("ready"),
    Plan("enrolled"),
    Plan("screening", results={"CD19": "partial", "PLAT": "68", "QT": None, "RR": None, "LVEF": None}),
    Plan("screening"),
)
SMALL = (*PLANS[20:24], *PLANS[25:29])

# Highest bedside findings of each day, by course: day → CRS finding, ICANS finding.
CRS_COURSES: dict[str, dict[int, dict[str, Any]]] = {
    "none": {3: {}},
    "mild": {2: {}, 3: {"t": "38.6"}, 4: {"t": "38.2"}, 5: {}},
    "moderate": {
        2: {"t": "38.4"},
        3: {"t": "39.3", "hypotension": True},
        4: {"t": "38.8", "device": "nasal_cannula", "flow": "3", "drug": True},
        5: {"t": "37.2", "drug": True},
        6: {},
    },
    "severe": {
        1: {"t": "38.5"},
        2: {"t": "39.6", "hypotension": True},
        3: {"t": "39.4", "hypotension": True, "vasopressors": 1, "drug": True},
        4: {
            "t": "38.1",
            "hypotension": True,
            "vasopressors": 1,
            "device": "hfnc",
            "flow": "30",
            "drug": True,
        },
        5: {"t": "37.4", "device": "nasal_cannula", "flow": "4", "drug": True},
        6: {"t": "37.0", "drug": True},
        7: {},
    },
    "icans": {2: {"t": "38.9"}, 3: {"t": "38.7", "hypotension": True}, 4: {"t": "37.3", "drug": True}, 5: {}},
}
ICANS_COURSES: dict[str, dict[int, dict[str, Any]]] = {
    "severe": {4: {"writing": 0}, 5: {"naming": 2, "writing": 0, "attention": 0}, 7: {}},
    "icans": {
        4: {"attention": 0},
        5: {"orientation": 3, "writing": 0, "attention": 0},
        6: {"orientation": 1, "naming": 0, "writing": 0, "attention": 0, "awake": "awakens_only_to_tactile"},
        7: {"orientation": 2, "naming": 1, "writing": 0, "attention": 0, "awake": "awakens_to_voice"},
        8: {"writing": 0},
        10: {},
    },
}
EVENTS = (
    # term, CTCAE code, first day, days, grade, related
    ("中性粒细胞减少", "10029366", 5, 16, 4, "probable"),
    ("血小板减少", "10035528", 6, 20, 3, "probable"),
    ("贫血", "10002272", 4, 24, 2, "possible"),
    ("低丙种球蛋白血症", "10022891", 28, None, 2, "definite"),
    ("恶心", "10028813", 1, 3, 1, "unlikely"),
    ("头痛", "10019211", 3, 2, 1, "possible"),
    ("丙氨酸氨基转移酶升高", "10001551", 8, 10, 2, "possible"),
    ("肺部感染", "10061229", 15, 14, 3, "possible"),
    ("带状疱疹", "10040555", 60, 12, 2, "possible"),
)


class Builder:
    """Holds who acts and the dice; each method is one step of a participant's way."""

    def __init__(self, now: dt.datetime) -> None:
        self.now = now
        self.dice = random.Random(SEED)
        self.site = Site.objects.order_by("pk").first()
        self.coordinator = User.objects.get(username="coordinator")
        self.investigator = User.objects.get(username="investigator")
        # Inside the study's window also when somebody tries the product after its end.
        last = get_study().latest.window.ends_on
        self.today = min(timezone.localtime(now).date(), last)

    def at(self, days_ago: int, hour: int, minute: int = 0) -> dt.datetime:
        """A moment so many days before today; never after now."""
        day = self.today - days_ago * DAY
        moment = dt.datetime.combine(day, dt.time(hour, minute), tzinfo=timezone.get_current_timezone())
        return min(moment, self.now)

    def build(self, plan: Plan) -> Participant:
        since = plan.infused_days_ago
        waiting = 0 if plan.fate == "ready" else self.dice.randint(2, 20)
        screened_ago = (since if since is not None else waiting) + 24
        participant = self._screen(screened_ago)
        self._examine(participant, screened_ago, plan)
        if plan.fate == "screening":
            return participant
        if plan.fate == "screen_failed":
            actions.fail_screening(
                participant=participant,
                reason="筛选检查不符合标准",
                on=timezone.localtime(self.at(screened_ago - 6, 11)).date(),
                by=self.investigator,
                now=self.at(screened_ago - 6, 11),
            )
            return participant
        signed_at = self.at(screened_ago - 8, 15)
        actions.confirm_eligibility(participant=participant, by=self.investigator, now=signed_at)
        participant = actions.enrol(participant=participant, by=self.investigator, now=signed_at)
        if plan.fate == "ready":
            self._make_ready(participant, plan, 0)
        elif since is not None:
            self._treat(participant, plan, since)
        return participant

    def _screen(self, days_ago: int) -> Participant:
        dice = self.dice
        now = self.at(days_ago, 10)
        participant = Participant(
            site=self.site,
            name=dice.choice(FAMILY) + dice.choice(GIVEN),
            birth_date=now.date() - dt.timedelta(days=dice.randint(19 * 365, 70 * 365)),
            sex=dice.choice("FM"),
            phone=f"1{dice.randint(3_000_000_000, 9_999_999_999)}",
            hospital_number=f"H{dice.randint(100_000, 999_999)}",
        )
        actions.screen(participant=participant, by=self.coordinator, now=now)
        consent = Consent(
            participant=participant,
            version=get_study().latest.consent_versions[0].version,
            consented_at=now + dt.timedelta(minutes=20),
        )
        actions.record_consent(consent=consent, by=self.coordinator, now=now + dt.timedelta(minutes=40))
        return participant

    def _examine(self, participant: Participant, screened_ago: int, plan: Plan) -> None:
        """Results within what people have, a few days after the consent; what a plan wants otherwise in `results`."""
        dice = self.dice
        varied = {
            "ECOG": str(dice.randint(0, 2)),
            "HGB": str(dice.randint(84, 142)),
            "PLAT": str(dice.randint(80, 260)),
            "NEUT": f"{dice.uniform(1.1, 5):.2f}",
            "CREAT": (str(dice.randint(45, 110)), "104"),
            "ALT": (str(dice.randint(12, 96)), "50"),
            "LVEF": str(dice.randint(55, 69)),
            "QT": str(dice.randint(360, 405)),
            "BM_BLASTS": f"{dice.uniform(0, 3.5):.1f}",
        }
        at = self.at(screened_ago - 3, 9)
        by = self.coordinator
        demo_results.record(participant=participant, at=at, by=by, now=at, **{**varied, **plan.results})

    def _make_ready(self, participant: Participant, plan: Plan, since: int) -> str:
        """Everything before the infusion but the signatures of two people; the lot."""
        at, lot = self.at(since, 10, 30), f"CD19-{participant.screening_number[-3:]}"
        self._lymphodeplete(participant, at)
        self._product(participant, lot, since, plan.dose)
        self._fit(participant, Before.INFUSION, at - dt.timedelta(hours=2))
        return lot

    def _fit(self, participant: Participant, before: Before, at: dt.datetime) -> None:
        dice = self.dice
        check = FitnessCheck(
            participant=participant,
            before=before,
            checked_at=at,
            max_temperature_48h_c=Decimal(dice.randint(365, 374)) / 10,
            spo2_percent=dice.randint(95, 100),
            is_on_oxygen=False,
            lvef_percent=dice.randint(55, 69),
            ecog=dice.randint(0, 1),
            has_uncontrolled_infection=False,
            needs_vasopressors=False,
            tocilizumab_doses=2 if before == Before.INFUSION else None,
        )
        record_fitness(check=check, by=self.investigator, now=at)

    def _treat(self, participant: Participant, plan: Plan, since: int) -> None:
        at = self.at(since, 10, 30)
        lot = self._make_ready(participant, plan, since)
        for person in (self.coordinator, self.investigator):
            sign_identity(
                participant=participant,
                participant_code=participant.hospital_number,
                product_code=lot,
                by=person,
                entered_by=self.coordinator,
                now=at - dt.timedelta(minutes=10),
            )
        infusion = Infusion(
            participant=participant,
            infused_at=at,
            ended_at=at + dt.timedelta(minutes=18),
            product_lot=lot,
            volume_given_ml=20,
            has_reaction=False,
        )
        reason = "唯一一袋产品，经主要研究者同意" if Decimal(plan.dose) > Decimal("0.6") else ""
        infuse(infusion=infusion, deviation_reason=reason, by=self.investigator, now=at + dt.timedelta(hours=1))
        participant.refresh_from_db()
        self._bedside(participant, plan, since)
        self._acknowledge(participant)
        self._blood(participant, plan, since)
        self._episodes(participant)
        self._support(participant, plan, since)
        self._events(participant, since)
        self._visits(participant, plan, since)
        self._end(participant, plan, since)

    def _bedside(self, participant: Participant, plan: Plan, since: int) -> None:
        """One assessment on each day on which the course tells something, of both scales together."""
        crs_course, icans_course = CRS_COURSES[plan.course], ICANS_COURSES.get(plan.course, {})
        for day in sorted({*crs_course, *icans_course}):
            if day <= since:
                found = {**crs_course.get(day, {}), **icans_course.get(day, {})}
                self._assess(participant, self.at(since - day, 8, 15), found)

    def _blood(self, participant: Participant, plan: Plan, since: int) -> None:
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
                self._record(participant, panel, self.at(since - day, 6, 30), results)

    def _record(self, participant: Participant, panel: str, at: dt.datetime, results: dict[str, str]) -> None:
        answers = [
            Measurement(code=code, value=Decimal(value), unit=MEASURES[code].unit)
            for code, value in results.items()
            if PANEL_OF[code] == panel
        ]
        actions.record_examination(
            examination=Examination(participant=participant, panel=panel, taken_at=at, is_study_procedure=True),
            answers=answers,
            accepted=results,
            by=self.coordinator,
            now=self._soon(at),
        )

    def _episodes(self, participant: Participant) -> None:
        """Each episode has its adverse event of special interest; one of the newest still waits for it."""
        for episode in ToxicityEpisode.objects.filter(participant=participant, resolved_at__lt=self.now - 14 * DAY):
            assert episode.resolved_at is not None
            severe = episode.highest_grade >= 3
            propose_event(
                episode=episode,
                relatedness="definite",
                outcome="recovered",
                action_taken="not_applicable",
                site_aware_at=episode.onset_at,
                by=self.investigator,
                now=episode.resolved_at + DAY,
                requires_hospitalisation=severe,
            )

    def _acknowledge(self, participant: Participant) -> None:
        """What was raised more than two days ago was answered then."""
        waiting = SafetyAlert.objects.filter(
            participant=participant, raised_at__lt=self.now - 2 * DAY, acknowledged_at=None, settled_at=None
        )
        while alert := waiting.first():
            acknowledge(alert=alert, by=self.investigator, now=alert.raised_at + dt.timedelta(minutes=12))
            notifications.cancel(about=alert.about, reason="answered before the demo began", now=self.now)

    def _assess(self, participant: Participant, at: dt.datetime, found: dict[str, Any]) -> None:
        full = {"orientation": 4, "naming": 3, "commands": 1, "writing": 1, "attention": 1}
        items = {name: found.get(name, value) for name, value in full.items()}
        # The first of an item's questions are those that were answered.
        answers = {
            name: number < items[item] for item, names in ICE_POINTS.items() for number, name in enumerate(names)
        }
        seen = Observations(
            temperature_c=Decimal(found.get("t", "36.8")),
            anticytokine_given=found.get("drug", False),
            systolic=84 if found.get("hypotension") else 118,
            diastolic=50 if found.get("hypotension") else 74,
            hypotension=found.get("hypotension", False),
            fluids_given=found.get("hypotension", False),
            vasopressors=(Vasopressor.NOREPINEPHRINE,) * found.get("vasopressors", 0),
            spo2_percent=Decimal(93) if "device" in found else Decimal(98),
            oxygen_device=OxygenDevice(found.get("device", "none")),
            oxygen_flow_l_min=Decimal(found["flow"]) if "flow" in found else None,
            in_icu=bool(found.get("vasopressors")),
            ice_performed=IcePerformed.YES,
            sentence="今天是我住院的第一天。" if items["writing"] else "",
            consciousness=Consciousness(found.get("awake", "alert")),
            **answers,
        )
        row = BedsideAssessment(participant=participant, assessed_at=at)
        assess_bedside(assessment=row, seen=seen, by=self.investigator, now=self._soon(at))

    def _lymphodeplete(self, participant: Participant, infused_at: dt.datetime) -> None:
        """Planned two days ahead of its first day, a week before the infusion, and given as planned."""
        planned_at = infused_at - 9 * DAY
        day0 = timezone.localtime(infused_at).date()
        by = self.investigator
        participant = actions.plan_infusion(participant=participant, on=day0, by=by, now=planned_at)
        first = day0 - 7 * DAY
        doses, _warnings = plan_lymphodepletion(participant=participant, first_on=first, by=by, now=planned_at)
        morning = dt.datetime.combine(first, dt.time(8), tzinfo=timezone.get_current_timezone())
        self._fit(participant, Before.LYMPHODEPLETION, morning)
        for dose in doses:
            given_at = dt.datetime.combine(dose.planned_on, dt.time(10), tzinfo=timezone.get_current_timezone())
            dose.state, dose.given_at, dose.given_mg = DoseState.GIVEN, given_at, dose.planned_mg
            record_dose(dose=dose, by=self.coordinator, now=given_at)

    def _product(self, participant: Participant, lot: str, since: int, dose: str) -> None:
        """From the order to the thawed bag; the certificate's numbers give the dose that was infused."""
        ordered = self.at(since + 9, 16)
        product = CellProduct(
            participant=participant,
            lot=lot,
            chain_of_identity=f"COI-{participant.screening_number[-3:]}",
            volume_ml=Decimal(20),
            cells_per_ml=Decimal(dose) * 10_000_000,
            viability=Decimal("0.8"),
            car_positive=Decimal("0.625"),
            vector_copies=Decimal("2.1"),
            certificate=f"COA-{lot}",
            released_on=timezone.localtime(self.at(since + 3, 12)).date(),
            expires_on=timezone.localtime(ordered).date() + dt.timedelta(days=365),
            storage="液氮罐 2，位置 A4",
        )
        order_product(product=product, by=self.coordinator, now=ordered)
        collected = self.at(since + 8, 8)
        row = Leukapheresis(
            participant=participant,
            started_at=collected,
            ended_at=collected + dt.timedelta(hours=3),
            venous_access="右颈内静脉",
            processed_ml=8500,
            collected_ml=120,
            nucleated_cells_e8=62,
            t_cells_e8=24,
        )
        record_leukapheresis(row=row, by=self.coordinator, now=collected + dt.timedelta(hours=3))
        product.refresh_from_db()
        way = (
            (State.IN_MANUFACTURE, 7, 9),
            (State.RELEASED, 3, 12),
            (State.RECEIVED, 1, 15),
            (State.THAWED, 0, 10),
        )
        for state, days, hour in way:
            at = self.at(since + days, hour)
            move_product(product=product, new=state, at=at, by=self.coordinator, now=at)

    def _support(self, participant: Participant, plan: Plan, since: int) -> None:
        """Tocilizumab on the days of the course on which a drug against CRS was given, and a steroid in the worst."""
        for day, found in CRS_COURSES[plan.course].items():
            at = self.at(since - day, 7, 40)
            if not found.get("drug") or day > min(since, 4):
                continue
            self._medicate(participant, at, MedicationKind.TOCILIZUMAB, "托珠单抗", "480")
            if found.get("vasopressors"):
                self._medicate(participant, at, MedicationKind.CORTICOSTEROID, "地塞米松", "10")

    def _medicate(self, participant: Participant, at: dt.datetime, kind: str, name: str, dose: str) -> None:
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
        record_medication(medication=row, by=self.investigator, now=self._soon(at))

    def _soon(self, at: dt.datetime) -> dt.datetime:
        return min(at + dt.timedelta(minutes=10), self.now)

    def _events(self, participant: Participant, since: int) -> None:
        for term, code, first, days, grade, related in self.dice.sample(EVENTS, 3):
            if first >= since:
                continue
            ended = None if days is None or first + days > since else since - first - days
            aware = self.at(since - first, 17)
            event = AdverseEvent(
                participant=participant,
                term=term,
                ctcae_code=code,
                onset=aware.astimezone(timezone.get_current_timezone()).date().isoformat(),
                resolved="" if ended is None else (self.today - ended * DAY).isoformat(),
                grade=grade,
                requires_hospitalisation=term == "肺部感染",
                relatedness=related,
                outcome="not_recovered" if ended is None else "recovered",
                site_aware_at=aware,
            )
            log_adverse_event(event=event, by=self.investigator, now=self.now)

    def _visits(self, participant: Participant, plan: Plan, since: int) -> None:
        """Past visits took place; the dice leave the last one or two open, and one a little late."""
        last_day = {"died": since - 20, "withdrawn": 100, "lost": 120}.get(plan.fate, since)
        past = [v for v in participant.visits.order_by("target_day") if v.target_day <= min(last_day, since - 1)]
        forgotten = self.dice.random() < 0.4
        for visit in past[:-1] if forgotten else past:
            self._hold(visit)

    def _hold(self, visit: Visit) -> None:
        width = (visit.window_closes_on - visit.window_opens_on).days
        shift = self.dice.randint(-width // 3, width // 3) if width else 0
        is_late = width > 0 and self.dice.random() < 0.05
        day = visit.window_closes_on + 2 * DAY if is_late else visit.target_date + shift * DAY
        if day >= self.today:
            return
        visit.state, visit.occurred_on = VisitState.DONE, day
        at = dt.datetime.combine(day, dt.time(16), tzinfo=timezone.get_current_timezone())
        reason = "台风期间交通中断" if visit.days_outside(day) else ""
        actions.record_visit(visit=visit, deviation_reason=reason, by=self.coordinator, now=at)

    def _end(self, participant: Participant, plan: Plan, since: int) -> None:
        ends = {
            "died": (Status.DIED, 10, "疾病进展"),
            "relapsed": (Status.RELAPSED, 15, "骨髓复发"),
            "withdrawn": (Status.WITHDRAWN, since - 110, "受试者撤回知情同意"),
            "lost": (Status.LOST_TO_FOLLOW_UP, since - 130, "三次电话未接通"),
        }
        if plan.fate in ends:
            new, days_ago, reason = ends[plan.fate]
            self._step(participant, new, days_ago, reason)

    def _step(self, participant: Participant, new: Status, days_ago: int, reason: str) -> None:
        at = self.at(days_ago, 11)
        actions.change_status(
            participant=participant,
            new=new,
            on=timezone.localtime(at).date(),
            reason=reason,
            reason_code=ReasonCode.SUBJECT if new == Status.WITHDRAWN else "",
            by=self.investigator,
            now=self.now,
        )


def make_people() -> None:
    site = Site.objects.get(code=get_study().latest.sites[0].code)
    for username, role, family, given in PEOPLE:
        user = User.objects.create_user(
            username,
            f"{username}@demo.invalid",
            password_of(username),
            last_name=family,
            first_name=given,
            is_staff=True,
        )
        user.groups.add(Group.objects.get(name=role))
        user.sites.add(site)
    User.objects.create_superuser("admin", "admin@demo.invalid", password_of("admin"))


def password_of(username: str) -> str:
    return f"demo-{username}"


def build(*, now: dt.datetime, is_small: bool = False) -> Iterator[Participant]:
    """Make the people, then one participant after the other."""
    make_people()
    builder = Builder(now)
    for plan in SMALL if is_small else PLANS:
        yield builder.build(plan)
