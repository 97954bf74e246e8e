"""Verbs of episodes: keep them in step with the assessments, and with the adverse event that was made of one."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pghistory
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dosing.models import Medication, MedicationKind
from participants.actions import site_day
from participants.models import Participant
from safety.actions.course import course_of, rewrite_course
from safety.actions.events import NOTHING_SAID, Said, log_adverse_event, settle
from safety.models import AdverseEvent, BedsideAssessment, Scale, ToxicityAssessment, ToxicityEpisode, current
from safety.rules import episodes as rules
from safety.rules.episodes import Episode, Seen
from trialsite.models import User
from trialsite.refusal import Refused
from trialsite.study import get_study
from trialsite.voiding import void

# The term under which an episode becomes an adverse event, in the language of whoever makes it, and its code in each
# version of CTCAE: 5.0 has none of its own for ICANS.
TERMS = {
    Scale.CRS: gettext_lazy("Cytokine release syndrome"),
    Scale.ICANS: gettext_lazy("Immune effector cell-associated neurotoxicity syndrome"),
}
CODES = {
    (Scale.CRS, "5.0"): "10052015",
    (Scale.CRS, "6.0"): "10052015",
    (Scale.ICANS, "5.0"): "10029205",
    (Scale.ICANS, "6.0"): "10083347",
}


def joins_within(participant: Participant) -> dt.timedelta:
    """For how long a toxicity has to be gone until it is over."""
    return dt.timedelta(hours=get_study().protocol(participant.protocol_version).policy.episode_joins_within_hours)


def sync_episodes(
    participant: Participant, seen: Mapping[Scale, Sequence[Seen]], *, by: User, now: dt.datetime
) -> None:
    """Rows as the assessments tell them, of these scales: one query to read them, and no write without news."""
    rows = ToxicityEpisode.objects.standing().filter(participant=participant, toxicity__in=seen)
    known = list(rows.select_related("adverse_event").order_by("number"))
    for scale, assessments in seen.items():
        found = rules.episodes(assessments, joins_within=joins_within(participant))
        of_scale = [row for row in known if row.toxicity == scale]
        paired = pair(of_scale, found)
        for surplus in of_scale:
            if surplus not in paired:
                void(surplus, reason=_("no assessment supports it any more"), by=by, now=now, by_rule=True)
        _renumber([(row, number) for number, row in enumerate(paired, start=1) if row is not None])
        for number, (row, episode) in enumerate(zip(paired, found, strict=True), start=1):
            if row is None:
                _begin(episode, participant=participant, scale=scale, number=number, by=by, now=now)
            else:
                _follow(row, episode, by=by, now=now)


def pair(rows: Sequence[ToxicityEpisode], found: Sequence[Episode]) -> list[ToxicityEpisode | None]:
    """For each episode found the row that it is, None for a new one; rows in nobody's place have lost their ground."""
    known = [(row.onset_at, row.resolved_at) for row in rows]
    numbers = rules.match(known, [(episode.onset_at, episode.resolved_at) for episode in found])
    return [None if number is None else rows[number] for number in numbers]


def _renumber(rows: Sequence[tuple[ToxicityEpisode, int]]) -> None:
    """Numbers in the order of time. Those that move up go first from the last, so that no number is there twice."""
    up = [(row, number) for row, number in reversed(rows) if number > row.number]
    down = [(row, number) for row, number in rows if number < row.number]
    for row, number in (*up, *down):
        row.number = number
        row.save(update_fields=["number"])


FIELDS = ("onset_at", "highest_grade", "highest_at", "resolved_at")


def _begin(
    episode: Episode, *, participant: Participant, scale: Scale, number: int, by: User, now: dt.datetime
) -> None:
    values = {name: getattr(episode, name) for name in FIELDS}
    ToxicityEpisode.objects.create(
        participant=participant, toxicity=scale, number=number, created_by=by, created_at=now, **values
    )


def _follow(row: ToxicityEpisode, episode: Episode, *, by: User, now: dt.datetime) -> None:
    values = {name: getattr(episode, name) for name in FIELDS}
    if values != {name: getattr(row, name) for name in FIELDS}:
        for name, value in values.items():
            setattr(row, name, value)
        row.save(update_fields=list(FIELDS))
        if row.adverse_event is not None:
            _keep_event_in_step(row, row.adverse_event, by=by, now=now)


def _keep_event_in_step(episode: ToxicityEpisode, event: AdverseEvent, *, by: User, now: dt.datetime) -> None:
    """Grade, onset and end follow the assessments. Death is told by people: grade 5 is theirs to write."""
    if event.is_void:
        return
    event.onset = site_day(episode.onset_at).isoformat()
    event.resolved = site_day(episode.resolved_at).isoformat() if episode.resolved_at else ""
    if episode.highest_grade < 5 and event.grade < 5:
        # The terms of CRS and ICANS have all grades in both versions.
        event.grade = episode.highest_grade
    with pghistory.context(reason=_("follows the assessments of the episode")):
        rewrite_course(event, _course_of(episode, event), by=by, now=now)
        event.save(update_fields=["onset", "resolved", "grade"])
        settle(event, by=by, now=now)


def _course_of(episode: ToxicityEpisode, event: AdverseEvent) -> list[tuple[str, int]]:
    """Days and grades out of the assessments of the episode; a death that people told stays."""
    rows = current(ToxicityAssessment.objects.filter(participant=episode.participant_id, toxicity=episode.toxicity))
    rows = rows.filter(assessed_at__gte=episode.onset_at).order_by("assessed_at", "id")
    if episode.resolved_at is not None:
        rows = rows.filter(assessed_at__lte=episode.resolved_at)
    graded = [(site_day(row.assessed_at), row.final_grade) for row in rows if row.final_grade in (1, 2, 3, 4)]
    found = [(day.isoformat(), grade) for day, grade in rules.course(graded)]
    told = [(row.since, row.grade) for row in course_of(event) if row.grade == 5]
    if told and episode.highest_grade == 5:
        told = [(site_day(episode.highest_at).isoformat(), 5)]
    return [*found, *told] or [(event.onset, event.grade)]


def is_in_step(episode: ToxicityEpisode) -> bool:
    """Whether the adverse event tells the same highest grade; a death waits for a person."""
    event = episode.adverse_event
    return event is not None and not event.is_void and event.grade == episode.highest_grade


@transaction.atomic
def propose_event(
    *,
    episode: ToxicityEpisode,
    site_aware_at: dt.datetime,
    by: User,
    now: dt.datetime,
    agents: Mapping[str, Said] = NOTHING_SAID,
    **judged: Any,
) -> AdverseEvent:
    """Make the adverse event of special interest of an episode, with what a person says or leaves open. Once each."""
    episode = ToxicityEpisode.objects.select_for_update(of=("self",)).get(pk=episode.pk)
    if episode.adverse_event_id is not None and not episode.adverse_event.is_void:  # type: ignore[union-attr]
        raise Refused(_("This episode has its adverse event already. Correct that one."))
    if episode.is_void:
        raise Refused(_("This episode is void: no assessment supports it any more."))
    scale = Scale(episode.toxicity)
    version = get_study().protocol(episode.participant.protocol_version).policy.ctcae_version
    event = AdverseEvent(
        participant=episode.participant,
        term=str(TERMS[scale]),
        ctcae_code=CODES[scale, version],
        onset=site_day(episode.onset_at).isoformat(),
        resolved=site_day(episode.resolved_at).isoformat() if episode.resolved_at else "",
        grade=episode.highest_grade,
        special_interest=_of_interest(episode),
        site_aware_at=site_aware_at,
        **judged,
    )
    log_adverse_event(event=event, by=by, now=now, agents=agents)
    rewrite_course(event, _course_of(episode, event), by=by, now=now)
    episode.adverse_event = event
    episode.save(update_fields=["adverse_event"])
    return event


def _of_interest(episode: ToxicityEpisode) -> str:
    """Its code in the study's list; empty where the study has none for it."""
    protocol = get_study().protocol(episode.participant.protocol_version)
    wanted = {Scale.CRS: "CRS", Scale.ICANS: "ICANS"}[Scale(episode.toxicity)]
    return wanted if wanted in {one.code for one in protocol.special_interest_events} else ""


# --- Treatment in an episode -------------------------------------------------------------------------

TREATMENTS = (
    MedicationKind.TOCILIZUMAB,
    MedicationKind.CORTICOSTEROID,
    MedicationKind.ANAKINRA,
    MedicationKind.SILTUXIMAB,
    MedicationKind.VASOPRESSOR,
    MedicationKind.VASOPRESSIN,
    MedicationKind.OXYGEN,
    MedicationKind.ANTIEPILEPTIC,
)


@dataclass(frozen=True)
class Treatment:
    """What was given in an episode, and how long after its onset."""

    name: str
    detail: str
    at: dt.datetime
    after_onset: dt.timedelta


def treatments_of(episode: ToxicityEpisode) -> list[Treatment]:
    """Drugs against the toxicity from onset to end, and when intensive care and vasopressors were first seen."""
    drugs = Medication.objects.standing().filter(
        participant=episode.participant, kind__in=TREATMENTS, started_at__gte=episode.onset_at
    )
    seen = current(BedsideAssessment.objects.filter(participant=episode.participant))
    seen = seen.filter(assessed_at__gte=episode.onset_at)
    if episode.resolved_at is not None:
        drugs = drugs.filter(started_at__lte=episode.resolved_at)
        seen = seen.filter(assessed_at__lte=episode.resolved_at)
    given = list(drugs.order_by("started_at"))
    found = [Treatment(row.name, row.dose_text, row.started_at, row.started_at - episode.onset_at) for row in given]
    moments = list(seen.order_by("assessed_at").values_list("assessed_at", "observations"))
    recorded = {row.kind for row in given}
    for name, kind, words in (
        ("in_icu", None, _("intensive care")),
        ("vasopressors", MedicationKind.VASOPRESSOR, _("vasopressor")),
        ("vasopressin", MedicationKind.VASOPRESSIN, _("vasopressin")),
    ):
        first = next((at for at, observed in moments if observed.get(name)), None)
        # What the record of medication has, with its name and dose, is not told twice.
        if first is not None and kind not in recorded:
            found.append(Treatment(words, "", first, first - episode.onset_at))
    return sorted(found, key=lambda one: one.at)
