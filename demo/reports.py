"""What people say of an event and send because of it: judged, signed, reviewed, reported, asked about."""

import datetime as dt
from typing import Any

from demo.courses import EXPECTED
from demo.plans import Plan
from demo.scene import Scene
from safety.actions import (
    Report,
    add_followup,
    answer,
    ask_about,
    assess_event,
    correct_adverse_event,
    judge_for_sponsor,
    open_duties,
    sign_event,
    submit_report,
)
from safety.models import AdverseEvent, Agent, FollowUp, FollowUpKind, ReferenceSafety, ReviewKind
from sponsor.saeform import saeform
from trialsite import notifications, pdf
from trialsite.study import get_study

LYMPHODEPLETION = (Agent.FLUDARABINE, Agent.CYCLOPHOSPHAMIDE)
LOCAL = ("cde", "investigators", "institution", "ethics_committee")


def make_reference(scene: Scene) -> None:
    """The version of the reference safety information that holds since the study began."""
    ReferenceSafety.objects.create(
        site=scene.site,
        version="1.0",
        effective_on=get_study().latest.window.starts_on,
        source="研究者手册 3.0 版",
        expected=EXPECTED,
        created_by=scene.principal,
        created_at=scene.now,
    )


# --- Judging -----------------------------------------------------------------------------------------


def assess(
    scene: Scene, event: AdverseEvent, at: dt.datetime, *, cells: str, outcome: str, lymphodepletion: str = "unrelated"
) -> None:
    """By the investigator, with the signature."""
    assess_event(
        event=event,
        views=_views(event, cells, lymphodepletion),
        outcome=outcome,
        seriousness_said="serious" if event.criteria else "not_serious",
        by=scene.investigator,
        now=at,
    )


def _views(event: AdverseEvent, cells: str, lymphodepletion: str) -> dict[str, str]:
    """Of each agent that was given; a death by something else than the cells is due to the disease."""
    said = {Agent.CAR_T: cells, **dict.fromkeys(LYMPHODEPLETION, lymphodepletion)}
    said[Agent.DISEASE] = "definite" if cells == "unrelated" else "possible"
    return {row.agent: said.get(Agent(row.agent), "unrelated") for row in event.agents.standing()}


def _judge(scene: Scene, event: AdverseEvent, at: dt.datetime, *, is_expected: bool) -> None:
    """By the principal investigator for the sponsor, who agrees with the investigator."""
    judge_for_sponsor(
        event=event,
        views={row.agent: row.investigator for row in event.agents.standing()},
        is_expected=is_expected,
        reference=ReferenceSafety.objects.get(),
        by=scene.principal,
        now=at,
    )


def _review(scene: Scene, event: AdverseEvent, at: dt.datetime) -> None:
    sign_event(event=event, kind=ReviewKind.REVIEW, by=scene.principal, now=at)


# --- Sending -----------------------------------------------------------------------------------------


def _send(scene: Scene, event: AdverseEvent, recipient: str, at: dt.datetime, **said: Any) -> None:
    """The first of what this recipient is owed; recorded when it was sent, or as soon as the event was."""
    duty = open_duties().filter(event=event, recipient=recipient, is_alarming=True)[0]
    values = {"reference": f"{recipient.upper()}-{event.pk:03}", **said}
    submit_report(duties=[duty], submitted_at=at, by=scene.coordinator, now=max(at, duty.created_at), **values)


def _form(scene: Scene, event: AdverseEvent, at: dt.datetime) -> Report:
    """The form of the event as it stood then."""
    return Report("sae.pdf", pdf.render(saeform(event), by=scene.coordinator, at=at))


def _told(scene: Scene, event: AdverseEvent) -> None:
    """The message that it is serious was read before the demo began."""
    notifications.cancel(about=f"event:{event.pk}", reason="read before the demo began", now=scene.now)


# --- Whole ways --------------------------------------------------------------------------------------


def expected(scene: Scene, event: AdverseEvent, at: dt.datetime, plan: Plan, **said: Any) -> None:
    """Serious, and told to the sponsor within hours; nobody else is told of what is expected."""
    _send(scene, event, "sponsor", scene.after(event.site_aware_at, hours=5))
    if "question" in plan.leaves:
        _learn(scene, event, FollowUpKind.NEW_INFORMATION, at, "头颅 MRI 未见异常，脑电图未见痫样放电。")
        ask_about(event=event, question="请补充糖皮质激素的起止时间和剂量。", by=scene.monitor, now=at)
    assess(scene, event, at, **said)
    _judge(scene, event, at, is_expected=True)
    if "review" not in plan.leaves:
        _review(scene, event, at)
    _told(scene, event)


def unexpected(scene: Scene, event: AdverseEvent, at: dt.datetime, **said: Any) -> None:
    """A SUSAR that is fatal: told to all within seven days, and to be completed eight days after that."""
    _send(scene, event, "sponsor", scene.after(at, hours=2))
    assess(scene, event, scene.after(at, hours=20), **said)
    _judge(scene, event, scene.after(at, hours=22), is_expected=False)
    _review(scene, event, scene.after(at, hours=24))
    sent_at = scene.after(at, days=3)
    form = _form(scene, event, sent_at)
    for recipient in LOCAL:
        _send(scene, event, recipient, sent_at, report=form)
    _told(scene, event)


def prolonged(scene: Scene, event: AdverseEvent, since: dt.datetime, **said: Any) -> None:
    """Not serious at first; the stay became longer, and the sponsor was told too late of it."""
    event.requires_hospitalisation, event.requires_hospitalisation_on = True, f"{since:%Y-%m-%d}"
    correct_adverse_event(event=event, by=scene.coordinator, now=since)
    _learn(scene, event, FollowUpKind.UPGRADE, since, "血压仍需补液维持，住院时间延长。")
    late = scene.after(since, days=2)
    _send(scene, event, "sponsor", late, late_reason="周末值班未交接，周一补报。")
    assess(scene, event, late, **said)
    _judge(scene, event, late, is_expected=True)
    _review(scene, event, late)
    _told(scene, event)


def _learn(scene: Scene, event: AdverseEvent, kind: FollowUpKind, at: dt.datetime, what: str) -> None:
    add_followup(followup=FollowUp(event=event, kind=kind, learned_at=at, what=what), by=scene.coordinator, now=at)


def asked_and_answered(scene: Scene, event: AdverseEvent, at: dt.datetime) -> None:
    query = ask_about(event=event, question="请补充末次骨髓检查结果。", by=scene.monitor, now=scene.after(at, days=2))
    text = "死亡前 6 天骨髓原始细胞 78%，已上传报告单。"
    answer(query=query, text=text, by=scene.coordinator, now=scene.after(at, days=3))
