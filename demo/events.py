"""Adverse events: of the episodes, of other kinds, and of the deaths; each as the coordinator saw it, then judged."""

import datetime as dt

from django.utils import timezone

from demo import reports
from demo.courses import DEATHS, DIED_DAYS_AGO, EVENTS, Death, Other
from demo.plans import Plan
from demo.scene import DAY, Scene
from dosing.models import Medication
from participants.models import Participant
from safety.actions import Said, link_medications, log_adverse_event, propose_event
from safety.models import AdverseEvent, Agent, Scale, ToxicityEpisode

SEEN = {Agent.CAR_T.value: Said(action_taken="not_applicable")}
# A course of grade 2 that is over, and a stay that is not.
PROLONGED_AFTER = 12 * DAY


def day(at: dt.datetime) -> str:
    return timezone.localdate(at).isoformat()


def episodes(scene: Scene, participant: Participant, plan: Plan) -> None:
    """Each episode has its adverse event of special interest, but for one that somebody may make."""
    for episode in ToxicityEpisode.objects.filter(participant=participant).order_by("onset_at", "toxicity"):
        if "episode" not in plan.leaves or episode.toxicity != Scale.CRS:
            _of_interest(scene, episode, plan)


def _of_interest(scene: Scene, episode: ToxicityEpisode, plan: Plan) -> None:
    severe, at = episode.highest_grade >= 3, scene.after(episode.resolved_at or scene.now, days=1)
    event = propose_event(
        episode=episode,
        site_aware_at=episode.onset_at,
        by=scene.coordinator,
        now=at,
        agents=SEEN,
        requires_hospitalisation=severe,
        requires_hospitalisation_on=day(episode.onset_at) if severe else "",
    )
    _link_drugs(scene, event, episode, at)
    outcome = "recovered" if episode.resolved_at else "not_recovered"
    if plan.is_prolonged:
        reports.prolonged(scene, event, episode.onset_at + PROLONGED_AFTER, cells="definite", outcome=outcome)
    elif severe:
        reports.expected(scene, event, at, plan, cells="definite", outcome=outcome)
    else:
        reports.assess(scene, event, at, cells="definite", outcome=outcome)


def _link_drugs(scene: Scene, event: AdverseEvent, episode: ToxicityEpisode, at: dt.datetime) -> None:
    """What was given while it lasted."""
    given = Medication.objects.filter(participant=episode.participant, started_at__gte=episode.onset_at)
    drugs = list(given.filter(started_at__lte=episode.resolved_at or scene.now))
    if drugs:
        link_medications(event=event, medications=drugs, by=scene.coordinator, now=at)


def events(scene: Scene, participant: Participant, plan: Plan, since: int) -> None:
    """Three of those that may be; where an assessment is left, the last of them still waits for it."""
    seen = [one for one in scene.dice.sample(EVENTS, 3) if one.first < since]
    for one in seen:
        is_left = "assessment" in plan.leaves and one is seen[-1]
        _other(scene, participant, one, plan, since, is_assessed=not is_left)


def _other(scene: Scene, participant: Participant, one: Other, plan: Plan, since: int, *, is_assessed: bool) -> None:
    aware = scene.at(since - one.first, 17)
    ended = None if one.days is None or one.first + one.days > since else scene.at(since - one.first - one.days, 12)
    at = scene.after(ended or aware, days=1)
    event = AdverseEvent(
        participant=participant,
        term=one.term,
        ctcae_code=one.code,
        onset=day(aware),
        resolved=day(ended) if ended else "",
        grade=one.grade,
        requires_hospitalisation=one.is_admitted,
        requires_hospitalisation_on=day(aware) if one.is_admitted else "",
        site_aware_at=aware,
    )
    log_adverse_event(event=event, by=scene.coordinator, now=at, agents=SEEN)
    said = {"cells": one.cells, "outcome": "recovered" if ended else "not_recovered"}
    if not is_assessed:
        return
    if one.is_admitted:
        reports.expected(scene, event, at, plan, lymphodepletion=one.lymphodepletion, **said)
    else:
        reports.assess(scene, event, at, lymphodepletion=one.lymphodepletion, **said)


def deaths(scene: Scene, participant: Participant, plan: Plan) -> None:
    if plan.death:
        _death(scene, participant, DEATHS[plan.death], plan)


def _death(scene: Scene, participant: Participant, death: Death, plan: Plan) -> None:
    """Known on the day; an unexpected one that may be due to the cells is reported, and to be completed now."""
    at = scene.at(DIED_DAYS_AGO, 12)
    event = AdverseEvent(
        participant=participant,
        term=death.term,
        ctcae_code=death.code,
        onset=day(at - 2 * DAY),
        grade=5,
        results_in_death=True,
        results_in_death_on=day(at),
        cause_of_death=death.term,
        autopsy="not_done",
        site_aware_at=at,
    )
    agents = {**SEEN, Agent.DISEASE.value: Said()}
    log_adverse_event(event=event, by=scene.coordinator, now=scene.soon(at), agents=agents)
    if death.is_expected:
        reports.expected(scene, event, at, plan, cells=death.due_to, outcome="fatal")
        reports.asked_and_answered(scene, event, at)
    else:
        reports.unexpected(scene, event, at, cells=death.due_to, outcome="fatal")
