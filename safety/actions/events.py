"""Verbs of adverse events."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from django.db import transaction
from django.db.models import F, Value
from django.utils.translation import gettext as _

from dosing.actions.amounts import people_to_tell
from dosing.models import Infusion, Leukapheresis, LymphodepletionDose, Medication
from participants.actions import long_moment, site_day
from participants.models import Participant
from safety.actions import stopping
from safety.actions.course import begin_course, course_of, follow_course
from safety.actions.ctcae import check_ctcae, freeze_term, version_of
from safety.actions.duties import owed_reports, renew, serious_key
from safety.actions.meddra import freeze_meddra
from safety.actions.reviews import sign_event, unsign
from safety.models import (
    SERIOUSNESS,
    AdverseEvent,
    Agent,
    EventAgent,
    EventGrade,
    EventMedication,
    EventReview,
    FollowUp,
    Outcome,
    ReferenceSafety,
    ReviewKind,
)
from safety.models.events import DEATH_AGREES
from trialsite import notifications
from trialsite.models import Urgency, User
from trialsite.partialdate import PartialDate
from trialsite.refusal import Refused
from trialsite.study import get_study
from trialsite.voiding import void

NOTHING_SAID: Mapping[str, "Said"] = MappingProxyType({})


def check_adverse_event(event: AdverseEvent, *, now: dt.datetime) -> None:
    """Raises Refused for dates that cannot be true, such as an end before the start, and for a grade that the
    CTCAE term lacks in the event's version.
    """
    onset = PartialDate.parse(event.onset)
    today = site_day(now)
    if onset.certainly_after_day(today):
        raise Refused(_("Onset %(onset)s is in the future. Correct the date.") % {"onset": event.onset})
    if event.resolved:
        resolved = PartialDate.parse(event.resolved)
        if resolved.certainly_before(onset):
            raise Refused(
                _("It cannot end (%(end)s) before it began (%(start)s). Correct one of the two dates.")
                % {"end": event.resolved, "start": event.onset}
            )
        if resolved.certainly_after_day(today):
            raise Refused(
                _("It cannot have ended on %(end)s, in the future. Leave the field empty while it goes on.")
                % {"end": event.resolved}
            )
    _check_awareness(event, onset, now=now)
    _check_death(event)
    _check_criteria(event)
    check_ctcae(event)
    if event.infusion is not None and event.infusion.participant_id != event.participant_id:
        raise Refused(
            _("The infusion of %(owner)s cannot have caused a reaction of %(number)s. Choose another one.")
            % {"owner": event.infusion.participant.number, "number": event.participant.number}
        )


def _check_death(event: AdverseEvent) -> None:
    """Also where not every field of it stands on the form; the outcome may still be open."""
    said = {event.results_in_death, event.grade == 5}
    if event.outcome:
        said.add(event.outcome == Outcome.FATAL)
    if len(said) > 1:
        raise Refused(str(DEATH_AGREES))


def _check_criteria(event: AdverseEvent) -> None:
    """A date belongs to a criterion that holds."""
    for name in SERIOUSNESS:
        if getattr(event, f"{name}_on") and not getattr(event, name):
            values = {"day": getattr(event, f"{name}_on"), "criterion": _name(name)}
            raise Refused(_("%(day)s is the date of “%(criterion)s”: tick it, or take the date away.") % values)


def _check_awareness(event: AdverseEvent, onset: PartialDate, *, now: dt.datetime) -> None:
    if event.site_aware_at > now:
        raise Refused(
            _("The site cannot become aware in the future (%(at)s). Correct the date and time.")
            % {"at": long_moment(event.site_aware_at)}
        )
    if event.sponsor_aware_at is not None and event.sponsor_aware_at > now:
        raise Refused(
            _("The sponsor cannot become aware in the future (%(at)s). Correct the date and time.")
            % {"at": long_moment(event.sponsor_aware_at)}
        )
    if onset.certainly_after_day(site_day(event.site_aware_at)):
        raise Refused(
            _("The site cannot know (%(at)s) of what had not begun (%(onset)s). Correct one of the two.")
            % {"at": long_moment(event.site_aware_at), "onset": event.onset}
        )


# --- Agents ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Said:
    """What somebody says of one agent; None leaves as it is what was said before."""

    investigator: str | None = None
    sponsor: str | None = None
    action_taken: str | None = None
    named: str | None = None


# A drug of the lymphodepletion, by the study file's code for it.
DRUGS = {"flu": Agent.FLUDARABINE, "cy": Agent.CYCLOPHOSPHAMIDE}


def given_before(participant: Participant, onset: str) -> list[Agent]:
    """The study treatments that the participant had received by the last day that the onset can mean: one query."""
    last = PartialDate.parse(onset).latest

    def of(model: Any, moment: str, what: Any) -> Any:
        rows = model.objects.standing().filter(participant=participant, **{f"{moment}__date__lte": last})
        return rows.order_by().values_list(what)

    cells = of(Infusion, "infused_at", Value(Agent.CAR_T.value))
    collected = of(Leukapheresis, "started_at", Value(Agent.LEUKAPHERESIS.value))
    found = {DRUGS.get(one, one) for (one,) in of(LymphodepletionDose, "given_at", F("drug")).union(cells, collected)}
    return [agent for agent in Agent if agent in found]


def _say_of_agents(event: AdverseEvent, said: Mapping[str, Said], *, by: User, now: dt.datetime) -> None:
    known = {row.agent: row for row in event.agents.standing()}
    for agent, one in said.items():
        row = known.get(agent) or EventAgent(event=event, agent=agent, created_by=by, created_at=now)
        values = _values(one)
        if row.pk is None or any(getattr(row, name) != value for name, value in values.items()):
            for name, value in values.items():
                setattr(row, name, value)
            row.save()


def _values(said: Said) -> dict[str, str]:
    return {name: value for name, value in vars(said).items() if value is not None}


def _open_agents(event: AdverseEvent, said: Mapping[str, Said]) -> dict[str, Said]:
    """Those that were given are to be judged whether somebody thought of them or not; one at least."""
    wanted = {agent: Said() for agent in given_before(event.participant, event.onset)} | dict(said)
    return wanted or {Agent.PROCEDURE: Said()}


# --- Recording and changing --------------------------------------------------------------------------


@transaction.atomic
def log_adverse_event(
    *, event: AdverseEvent, by: User, now: dt.datetime, agents: Mapping[str, Said] = NOTHING_SAID
) -> AdverseEvent:
    """Save a new event with the study's CTCAE version, which stays with it, and with its term if it has a code.

    What nobody judged stays open: a row for each study treatment that was given before, as well as those said.
    """
    event.ctcae_version = ""
    check_adverse_event(event, now=now)
    event.ctcae_version = version_of(event)
    freeze_term(event)
    freeze_meddra(event)
    event.created_by, event.created_at = by, now
    event.save()
    begin_course(event, by=by, now=now)
    said = _open_agents(event, agents)
    EventAgent.objects.bulk_create(
        EventAgent(event=event, agent=agent, created_by=by, created_at=now, **_values(one))
        for agent, one in said.items()
    )
    # Nothing was signed or owed before; only what is serious starts a clock.
    if event.criteria:
        renew(event, by=by, now=now)
        tell_serious(event, now=now)
    _watch(event, by=by, now=now)
    return event


@transaction.atomic
def correct_adverse_event(
    *,
    event: AdverseEvent,
    by: User,
    now: dt.datetime,
    agents: Mapping[str, Said] = NOTHING_SAID,
    grade_since: str = "",
) -> AdverseEvent:
    """Save a changed event; its term follows its code, in the version that it was logged with.

    Another grade is a new one from `grade_since` on; without it, the former one was a mistake.
    """
    check_adverse_event(event, now=now)
    freeze_term(event)
    freeze_meddra(event)
    follow_course(event, since=grade_since, by=by, now=now)
    event.save()
    _say_of_agents(event, agents, by=by, now=now)
    settle(event, by=by, now=now)
    return event


def settle(event: AdverseEvent, *, by: User, now: dt.datetime) -> None:
    """What follows every change of an event or of a part of it."""
    unsign(event, by=by, now=now)
    renew(event, by=by, now=now)
    tell_serious(event, now=now)
    _watch(event, by=by, now=now)


def _watch(event: AdverseEvent, *, by: User, now: dt.datetime) -> None:
    """A grade that the study's stopping rule counts is looked at at once; what takes one back, by the next sweep."""
    said = get_study().latest.stopping
    if said is not None and event.grade >= said.grade_from:
        stopping.watch(now=now, by=by)


@transaction.atomic
def record_grade(*, event: AdverseEvent, grade: int, since: str, by: User, now: dt.datetime) -> AdverseEvent:
    """From this day on the event had this grade. Raises Refused for a day that cannot be, or a grade that is death."""
    _check_since(event, since, now=now)
    if grade == 5 and event.grade < 5:
        raise Refused(_("Grade 5 is death: change the event, and tell the death with its day, cause and outcome."))
    event.grade = max(grade, event.grade)
    check_ctcae(event)
    if event.grades.standing().filter(since=since, grade=grade).exists():
        raise Refused(_("This grade is recorded for this day already."))
    EventGrade.objects.create(event=event, grade=grade, since=since, created_by=by, created_at=now)
    event.save(update_fields=["grade"])
    settle(event, by=by, now=now)
    return event


def _check_since(event: AdverseEvent, since: str, *, now: dt.datetime) -> None:
    day = PartialDate.parse(since)
    if day.certainly_before(PartialDate.parse(event.onset)):
        raise Refused(
            _("It cannot have had this grade on %(since)s, before it began (%(onset)s). Correct the day.")
            % {"since": since, "onset": event.onset}
        )
    if day.certainly_after_day(site_day(now)):
        raise Refused(_("%(since)s is in the future. Correct the day.") % {"since": since})


@transaction.atomic
def link_medications(
    *, event: AdverseEvent, medications: Iterable[Medication], by: User, now: dt.datetime
) -> AdverseEvent:
    """Say which drugs of the record of medication were given against it. Raises Refused for another person's."""
    known = set(event.medications.standing().values_list("medication_id", flat=True))
    for drug in medications:
        if drug.participant_id != event.participant_id:
            raise Refused(_("This drug was given to another participant. Choose another one."))
        if drug.pk not in known:
            EventMedication.objects.create(event=event, medication=drug, created_by=by, created_at=now)
    settle(event, by=by, now=now)
    return event


@transaction.atomic
def void_part(
    row: EventAgent | EventGrade | EventMedication | FollowUp, *, reason: str, by: User, now: dt.datetime
) -> None:
    """Take back a grade, a relation or a follow-up; the event follows. Raises Refused for the last grade."""
    event = row.event
    if isinstance(row, EventGrade):
        others = [one.grade for one in course_of(event) if one.pk != row.pk]
        if not others or (event.grade == 5 and max(others) < 5):
            raise Refused(_("An event has a grade: correct the event instead, and its course follows."))
        event.grade = max(others)
    void(row, reason=reason, by=by, now=now)
    event.save(update_fields=["grade"])
    settle(event, by=by, now=now)


@transaction.atomic
def void_event(*, event: AdverseEvent, reason: str, by: User, now: dt.datetime) -> None:
    """Take the event out of the count: what was owed because of it is looked at anew."""
    void(event, reason=reason, by=by, now=now)
    renew(event, by=by, now=now)
    _watch(event, by=by, now=now)


@transaction.atomic
def add_followup(*, followup: FollowUp, by: User, now: dt.datetime) -> FollowUp:
    """What became known later. Raises Refused for a moment that cannot be."""
    event = followup.event
    if followup.learned_at > now:
        raise Refused(
            _("%(at)s is in the future. Correct the date and time.") % {"at": long_moment(followup.learned_at)}
        )
    if followup.learned_at < event.first_aware_at:
        raise Refused(
            _("The event itself became known at %(first)s: what follows it cannot be older (%(at)s).")
            % {"first": long_moment(event.first_aware_at), "at": long_moment(followup.learned_at)}
        )
    followup.created_by, followup.created_at = by, now
    followup.save()
    settle(event, by=by, now=now)
    return followup


# --- Judging -----------------------------------------------------------------------------------------


@transaction.atomic
def assess_event(
    *, event: AdverseEvent, views: Mapping[str, str], outcome: str, by: User, now: dt.datetime, **judged: Any
) -> EventReview:
    """An investigator's view of each agent, the outcome and the seriousness: saved, and signed as it then stands."""
    event.outcome = outcome
    for name, value in judged.items():
        setattr(event, name, value)
    said = {agent: Said(investigator=view) for agent, view in views.items()}
    correct_adverse_event(event=event, by=by, now=now, agents=said)
    return sign_event(event=event, kind=ReviewKind.ASSESSMENT, by=by, now=now)


@transaction.atomic
def judge_for_sponsor(
    *,
    event: AdverseEvent,
    views: Mapping[str, str],
    is_expected: bool,
    reference: ReferenceSafety,
    by: User,
    now: dt.datetime,
) -> AdverseEvent:
    """The sponsor's view of each agent, and whether the event is expected by this version of the reference."""
    if reference.is_void or reference.site_id != event.participant.site_id:
        raise Refused(_("This version of the reference does not count here. Choose another one."))
    event.is_expected, event.reference_safety = is_expected, reference
    event.save(update_fields=["is_expected", "reference_safety"])
    _say_of_agents(event, {agent: Said(sponsor=view) for agent, view in views.items()}, by=by, now=now)
    settle(event, by=by, now=now)
    return event


# --- Telling -----------------------------------------------------------------------------------------


def tell_serious(event: AdverseEvent, *, now: dt.datetime) -> None:
    """The principal investigators, once for each event, in the transaction that makes it serious.

    The message says which reports are owed: the sweep does not say the same again (`duties.untold`).
    """
    if not event.criteria:
        return
    owed = owed_reports(event, now=now)
    for person in people_to_tell(event.participant.site):
        notifications.queue(
            key=serious_key(event),
            about=f"event:{event.pk}",
            site=event.participant.site,
            recipient=person,
            template="safety/email/serious_event",
            context={"event": event, "criteria": [_name(one) for one in event.criteria], "owed": owed},
            urgency=Urgency.ALERT,
            now=now,
        )


def _name(field: str) -> Any:
    return AdverseEvent._meta.get_field(field).verbose_name  # type: ignore[union-attr]
