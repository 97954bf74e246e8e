"""The visits after the infusion, and how somebody's part in the study ended."""

import datetime as dt

from django.utils import timezone

from demo.courses import DEATHS, DIED_DAYS_AGO
from demo.plans import Plan
from demo.scene import DAY, Scene
from participants import actions
from participants.models import Participant, ReasonCode, Visit, VisitState
from participants.rules.status import Status


def visits(scene: Scene, participant: Participant, plan: Plan, since: int) -> None:
    """Past visits took place; the dice leave the last one or two open, and one a little late."""
    last_day = {"died": since - 20, "withdrawn": 100, "lost": 120}.get(plan.fate, since)
    past = [v for v in participant.visits.order_by("target_day") if v.target_day <= min(last_day, since - 1)]
    forgotten = scene.dice.random() < 0.4
    for visit in past[:-1] if forgotten else past:
        _hold(scene, visit)


def _hold(scene: Scene, visit: Visit) -> None:
    width = (visit.window_closes_on - visit.window_opens_on).days
    shift = scene.dice.randint(-width // 3, width // 3) if width else 0
    is_late = width > 0 and scene.dice.random() < 0.05
    day = visit.window_closes_on + 2 * DAY if is_late else visit.target_date + shift * DAY
    if day >= scene.today:
        return
    visit.state, visit.occurred_on = VisitState.DONE, day
    at = dt.datetime.combine(day, dt.time(16), tzinfo=timezone.get_current_timezone())
    reason = "台风期间交通中断" if visit.days_outside(day) else ""
    actions.record_visit(visit=visit, deviation_reason=reason, by=scene.coordinator, now=at)


def end(scene: Scene, participant: Participant, plan: Plan, since: int) -> None:
    ends = {
        "died": (Status.DIED, DIED_DAYS_AGO, DEATHS[plan.death or "progression"].term),
        "relapsed": (Status.RELAPSED, 15, "骨髓复发"),
        "withdrawn": (Status.WITHDRAWN, since - 110, "受试者撤回知情同意"),
        "lost": (Status.LOST_TO_FOLLOW_UP, since - 130, "三次电话未接通"),
    }
    if plan.fate in ends:
        new, days_ago, reason = ends[plan.fate]
        _step(scene, participant, new, days_ago, reason)


def _step(scene: Scene, participant: Participant, new: Status, days_ago: int, reason: str) -> None:
    at = scene.at(days_ago, 11)
    actions.change_status(
        participant=participant,
        new=new,
        on=timezone.localtime(at).date(),
        reason=reason,
        reason_code=ReasonCode.SUBJECT if new == Status.WITHDRAWN else "",
        by=scene.investigator,
        now=scene.now,
    )
