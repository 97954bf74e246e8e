"""Which bedside assessments are due: after the infusion in hospital, and the ICE score before it."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Exists, Max, Min, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from dosing.models import DoseState, Infusion, LymphodepletionDose, Occasion
from participants.actions import site_day
from participants.models import Participant, ParticipantStatus
from participants.rules.status import NO_MORE_VISITS, Status
from safety.models import Discharge, Scale, ToxicityAssessment, ToxicityEpisode, current
from safety.rules import rounds
from safety.rules.icans import ICE_ITEMS, IcePerformed
from safety.rules.rounds import Looked, Round, RoundPolicy, State
from trialsite.models import RecordQuerySet, Site
from trialsite.study import get_study

BEFORE_INFUSION = (Status.ENROLLED, Status.LYMPHODEPLETED)
# Days more than the schedule is long, and than a toxicity is looked for once it is gone: the exact end is the rule's.
MARGIN = dt.timedelta(days=2)


def round_policy(version: str) -> RoundPolicy:
    """What this protocol version chose."""
    protocol = get_study().protocol(version)
    return RoundPolicy(
        every=tuple(dt.timedelta(hours=hours) for hours in protocol.monitoring.assess_every_hours),
        last_day=protocol.monitoring.last_day,
        joins_within=dt.timedelta(hours=protocol.policy.episode_joins_within_hours),
    )


@dataclass(frozen=True)
class DueRound:
    """One participant's next assessment, and which of the two toxicities it still lacks; `round` is None before
    infusion, where the ICE score is the baseline."""

    participant: Participant
    state: State
    toxicities: tuple[Scale, ...]
    round: Round | None = None
    # The worst newest grade: how soon it is due.
    grade: int = 0

    @property
    def is_baseline(self) -> bool:
        return self.round is None

    @property
    def due_at(self) -> dt.datetime | None:
        return None if self.round is None else self.round.due_at

    @property
    def about(self) -> str:
        """The due moment that was missed last, as the word for it in alerts and messages; empty without one."""
        missed_at = None if self.round is None else self.round.missed_at
        if missed_at is None:
            return ""
        return f"rounds:{self.participant.pk}:{missed_at.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"


def rounds_of(participant: Participant, now: dt.datetime) -> list[DueRound]:
    """The next assessment of this participant, due or not yet; nothing when none is owed any more."""
    return _rounds(Participant.objects.filter(pk=participant.pk), now)


def round_of(participant: Participant, now: dt.datetime) -> DueRound | None:
    """The next assessment after the infusion alone, without the baseline before it."""
    return next(iter(_after_infusion(_counted(Participant.objects.filter(pk=participant.pk)), now)), None)


def baseline_of(participant: Participant, now: dt.datetime) -> DueRound | None:
    """The ICE score before the infusion alone."""
    return next(iter(_baselines(_counted(Participant.objects.filter(pk=participant.pk)), now)), None)


def due_rounds(sites: Iterable[Site] | QuerySet[Site], now: dt.datetime, *, of: int | None = None) -> list[DueRound]:
    """What may be done now and what is overdue, the longest overdue first; a fixed number of queries. `of`: of this
    participant alone."""
    people = Participant.objects.filter(site__in=sites, **({} if of is None else {"pk": of}))
    found = [one for one in _rounds(people, now) if one.state is not State.WAITING]
    first = dt.datetime.min.replace(tzinfo=dt.UTC)
    return sorted(found, key=lambda one: (one.state is not State.OVERDUE, one.due_at or first, one.participant.number))


def _rounds(participants: RecordQuerySet[Participant], now: dt.datetime) -> list[DueRound]:
    counted = _counted(participants)
    return [*_after_infusion(counted, now), *_baselines(counted, now)]


def _counted(participants: RecordQuerySet[Participant]) -> QuerySet[Participant]:
    return participants.standing().select_related("site")


# --- After the infusion ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stay:
    """In hospital from the infusion (or a readmission) until Day 14 or the discharge."""

    participant: Participant
    start: dt.datetime
    until: dt.datetime


def _after_infusion(participants: QuerySet[Participant], now: dt.datetime) -> list[DueRound]:
    stays = _stays(participants, now)
    looked = _looked([stay.participant for stay in stays], now)
    found = (
        _due(stay, {scale: looked.get((stay.participant.pk, scale), Looked()) for scale in Scale}, now)
        for stay in stays
    )
    return [one for one in found if one is not None]


def _stays(participants: QuerySet[Participant], now: dt.datetime) -> list[Stay]:
    """The parts of a split dose belong to the first; a second infusion is watched like the first [P]."""
    infusions = (
        Infusion.objects.standing()
        .filter(participant__in=participants)
        .filter(_is_watched(now), infused_at__lte=now)
        .exclude(occasion=Occasion.SPLIT)
        .exclude(participant__status__in=[status.value for status in NO_MORE_VISITS])
        .select_related("participant__site")
        .order_by("infused_at")
    )
    newest = {infusion.participant_id: infusion for infusion in infusions}
    left: dict[int, list[Discharge]] = {}
    for row in Discharge.objects.standing().filter(participant__in=newest).order_by("discharged_at"):
        left.setdefault(row.participant_id, []).append(row)
    return [_stay(infusion, left.get(pk, [])) for pk, infusion in newest.items()]


def _is_watched(now: dt.datetime) -> Q:
    """Infused not long ago, or with a toxicity that is still there or was lately, however long ago the infusion was."""
    policies = [round_policy(version) for version in get_study().versions]
    reach = dt.timedelta(days=max(policy.last_day for policy in policies)) + MARGIN
    lately = now - max(policy.joins_within for policy in policies) - MARGIN
    still_there = Q(resolved_at=None) | Q(resolved_at__gte=lately)
    rows = ToxicityEpisode.objects.standing().filter(still_there, participant=OuterRef("participant"))
    return Q(infused_at__gte=now - reach) | Q(Exists(rows))


def _stay(infusion: Infusion, discharges: Iterable[Discharge]) -> Stay:
    last_day = round_policy(infusion.participant.protocol_version).last_day
    start, until = infusion.infused_at, day_begins(infusion.day + dt.timedelta(days=last_day + 1))
    for row in discharges:
        if row.readmitted_at is None:
            until = min(until, max(row.discharged_at, infusion.infused_at))
        else:
            start = max(start, row.readmitted_at)
    return Stay(infusion.participant, start, until)


def day_begins(day: dt.date) -> dt.datetime:
    """The first moment of the site's day."""
    return dt.datetime.combine(day, dt.time.min, tzinfo=timezone.get_current_timezone())


def _looked(participants: Iterable[Participant], now: dt.datetime) -> dict[tuple[int, str], Looked]:
    """What is known of each toxicity of each of these people: one query."""
    rows = current(ToxicityAssessment.objects.all()).filter(
        participant__in=[participant.pk for participant in participants], assessed_at__lte=now
    )
    rows = rows.order_by().annotate(final=Coalesce("investigator_grade", "grade"))
    found = rows.values_list("participant", "toxicity").annotate(
        newest=Max("assessed_at"),
        grades=ArrayAgg("final", filter=Q(final__isnull=False), order_by=("-assessed_at", "-id")),
        moments=ArrayAgg("assessed_at", filter=Q(final__isnull=False), order_by=("-assessed_at", "-id")),
        present=Max("assessed_at", filter=Q(final__gt=0)),
    )
    versions = {one.pk: one.protocol_version for one in participants}
    return {
        (pk, toxicity): _as_looked(newest, list(zip(moments, grades, strict=True)), present, versions[pk])
        for pk, toxicity, newest, grades, moments, present in found
    }


def _as_looked(
    newest: dt.datetime, graded: list[tuple[dt.datetime, int]], present: dt.datetime | None, version: str
) -> Looked:
    """`graded` are the moments with their grades, the newest first."""
    lately = newest - round_policy(version).after(0)
    worst = max((grade for at, grade in graded if at > lately), default=None)
    return Looked(newest, graded[0][1] if graded else None, present, worst)


def _due(stay: Stay, looked: dict[Scale, Looked], now: dt.datetime) -> DueRound | None:
    """A round is done once both were assessed: the one that is longest ago decides."""
    policy = round_policy(stay.participant.protocol_version)
    found = rounds.next_round(start=stay.start, looked=looked.values(), until=stay.until, now=now, policy=policy)
    if found is None:
        return None
    lacking = _lacking(looked, found)
    return DueRound(stay.participant, found.state, lacking, found, grade=max(one.grade or 0 for one in looked.values()))


def _lacking(looked: dict[Scale, Looked], found: Round) -> tuple[Scale, ...]:
    """Those that were not assessed since the round could be done."""
    return tuple(scale for scale, one in looked.items() if one.last_at is None or one.last_at < found.opens_at)


# --- Before the infusion -----------------------------------------------------------------------------


def _baselines(participants: QuerySet[Participant], now: dt.datetime) -> list[DueRound]:
    waiting = list(
        participants.filter(status__in=[status.value for status in BEFORE_INFUSION]).annotate(
            first_dose_at=Min(
                "lymphodepletion_doses__given_at",
                filter=Q(lymphodepletion_doses__state=DoseState.GIVEN)
                & LymphodepletionDose.stands("lymphodepletion_doses"),
            ),
            lymphodepleted_on=Min(
                "statuses__effective_on",
                filter=Q(statuses__status=Status.LYMPHODEPLETED.value) & ParticipantStatus.stands("statuses"),
            ),
        )
    )
    begun = [(one, _lymphodepletion_day(one)) for one in waiting]
    scored = _scored([one.pk for one, day in begun if day is not None])
    found = []
    for one, day in begun:
        state = rounds.baseline(
            lymphodepletion_from=day_begins(day) if day else None,
            infused_at=None,
            planned_from=day_begins(one.planned_infusion_on) if one.planned_infusion_on else None,
            scored=scored.get(one.pk, []),
            now=now,
        )
        if state is not None:
            found.append(DueRound(one, state, (Scale.ICANS,)))
    return found


def _lymphodepletion_day(participant: Any) -> dt.date | None:
    """The day of the first dose; where doses were not recorded one by one, the day of the status."""
    if participant.first_dose_at is not None:
        return site_day(participant.first_dose_at)
    is_lymphodepleted = participant.status == Status.LYMPHODEPLETED
    return participant.lymphodepleted_on if is_lymphodepleted else None


def _scored(participants: list[int]) -> dict[int, list[dt.datetime]]:
    rows = current(ToxicityAssessment.objects.filter(participant__in=participants, toxicity=Scale.ICANS))
    found: dict[int, list[dt.datetime]] = {}
    for pk, at, findings in rows.values_list("participant", "assessed_at", "findings"):
        if is_scored(findings):
            found.setdefault(pk, []).append(at)
    return found


def is_scored(findings: dict[str, Any]) -> bool:
    """Whether these findings of ICANS hold a score to compare later ones with: ICE with all its items, or CAPD."""
    if findings.get("use_capd"):
        return findings.get("capd_score") is not None
    performed = findings.get("ice_performed")
    if performed == IcePerformed.YES:
        return all(findings.get(name) is not None for name in ICE_ITEMS)
    return performed == IcePerformed.UNABLE_AROUSABLE
