"""Verbs of response and survival: assess the disease, note a later therapy, ask whether somebody is alive."""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from participants import courses
from participants.actions.days import long_date
from participants.actions.owed import preview_events, preview_status, release
from participants.actions.status import change_status, check_can_become, history_of
from participants.actions.voids import locked
from participants.models import (
    DiseaseAssessment,
    Participant,
    ReasonCode,
    SubsequentTherapy,
    SurvivalContact,
    Vital,
)
from participants.rules.owed import Because
from participants.rules.response import Response
from participants.rules.status import Status, Step
from trialsite.models import Record, User
from trialsite.partialdate import PartialDate
from trialsite.refusal import Refused
from trialsite.study import get_study
from trialsite.voiding import Consequences, entangled, void

RELAPSE, NEW_THERAPY = "relapse", "new_therapy"
# Whoever may not change the status leaves it to the page of the participant, which asks for it.
CHANGES_STATUS = "participants.change_status"


def tell_visits(participant: Participant, *, because: str, on: dt.date | None, by: User, now: dt.datetime) -> None:
    """What is still owed after a relapse or a later therapy is for the visits to decide: told here, and nowhere else.

    `because` is "relapse" or "new_therapy"; `on` None: it did not happen, and what it took is owed again.
    """
    release(participant, because=because, on=on, by=by, now=now)


def _follow(participant: Participant, *, by: User, now: dt.datetime) -> None:
    """After any change of an assessment or a therapy: what is owed follows from all that stand."""
    history = courses.history_of(participant)
    tell_visits(participant, because=RELAPSE, on=history.relapsed_on, by=by, now=now)
    tell_visits(participant, because=NEW_THERAPY, on=history.therapy_on, by=by, now=now)


def preview_response(row: Any, *, by: User | None, now: dt.datetime) -> list[str]:
    """In words, what saving this assessment, therapy or contact would change of the visits, its status with it."""
    history = _without(row)
    if isinstance(row, DiseaseAssessment):
        history.assessments.append(courses.judge(row))
    elif isinstance(row, SubsequentTherapy):
        history.therapies.append(row)
    return _lines_after(history, also=_step_of(row, by=by, now=now))


def _without(row: Any) -> courses.History:
    """What is on record of the participant, as if this row were not."""
    history = courses.history_of(row.participant)
    history.assessments = [one for one in history.assessments if one.row != row]
    history.therapies = [one for one in history.therapies if one != row]
    return history


def _lines_after(history: courses.History, *, also: Iterable[Step] = ()) -> list[str]:
    events = {Because.RELAPSE: history.relapsed_on, Because.NEW_THERAPY: history.therapy_on}
    return preview_events(history.participant, events, also=also)


def _step_of(row: Any, *, by: User | None, now: dt.datetime) -> list[Step]:
    """The status that follows from it, where whoever records it may say so."""
    if by is None or not by.has_perm(CHANGES_STATUS):
        return []
    if isinstance(row, DiseaseAssessment):
        new, on = Status.RELAPSED, relapse_to_note(row, now=now)
    elif isinstance(row, SurvivalContact):
        new, on = Status.DIED, death_to_note(row, now=now)
    else:
        return []
    return [Step(new, on)] if on is not None else []


def _save(row: Any, *, by: User, now: dt.datetime) -> Participant:
    """Lock the participant first, save the row, new or corrected."""
    participant = locked(row.participant_id)
    if row.pk is None:
        row.created_by, row.created_at = by, now
    row.save()
    return participant


# --- Assessments of the disease ----------------------------------------------------------------------


@transaction.atomic
def record_assessment(*, row: DiseaseAssessment, by: User, now: dt.datetime) -> DiseaseAssessment:
    """New or corrected: findings are kept, the response is computed whenever it is read."""
    _follow(_save(row, by=by, now=now), by=by, now=now)
    return row


def relapse_to_note(row: DiseaseAssessment, *, now: dt.datetime) -> dt.date | None:
    """The day since which the status would be “relapsed”; None where it is so already, or cannot follow."""
    judged = courses.judge(row)
    day = PartialDate.parse(row.assessed_on)
    if judged.response != Response.RELAPSE or day.day is None:
        return None
    return _possible(row.participant, Status.RELAPSED, day.earliest, now=now)


def _possible(participant: Participant, new: Status, on: dt.date, *, now: dt.datetime) -> dt.date | None:
    history = history_of(participant)
    if any(one.status == new for one in history):
        return None
    try:
        check_can_become(participant, new, on=on, history=history, now=now)
    except Refused:
        return None
    return on


@transaction.atomic
def note_relapse(row: DiseaseAssessment, *, reason: str, by: User, now: dt.datetime) -> None:
    """The status follows the assessment that shows the relapse."""
    if (on := relapse_to_note(row, now=now)) is not None:
        change_status(participant=row.participant, new=Status.RELAPSED, on=on, reason=reason, by=by, now=now)


# --- Later therapies ---------------------------------------------------------------------------------


def check_therapy(row: SubsequentTherapy) -> None:
    """Raises Refused for an end before the beginning, and for what came before the infusion."""
    started = PartialDate.parse(row.started_on)
    if row.ended_on and PartialDate.parse(row.ended_on).certainly_before(started):
        raise Refused(
            _("The therapy would end on %(end)s, before it began on %(start)s. Correct one of the two.")
            % {"end": row.ended_on, "start": row.started_on}
        )
    infused = [one.effective_on for one in history_of(row.participant) if one.status == Status.INFUSED]
    if infused and started.latest < infused[0]:
        raise Refused(
            _("A later therapy begins after the infusion of %(day0)s, not on %(start)s. Record it as medication.")
            % {"day0": long_date(infused[0]), "start": row.started_on}
        )


@transaction.atomic
def record_therapy(*, row: SubsequentTherapy, by: User, now: dt.datetime) -> SubsequentTherapy:
    """New or corrected. Raises Refused as `check_therapy` does."""
    check_therapy(row)
    _follow(_save(row, by=by, now=now), by=by, now=now)
    return row


# --- Whether the participant is alive ----------------------------------------------------------------


def check_contact(row: SurvivalContact) -> None:
    """Raises Refused for a life or a death that is later than the contact that tells of it."""
    for text in filter(None, (row.last_alive_on, row.died_on)):
        if PartialDate.parse(text).earliest > row.contacted_on:
            raise Refused(
                _("Asked on %(asked)s, nobody could tell of %(day)s. Correct one of the two.")
                % {"asked": long_date(row.contacted_on), "day": text}
            )
    alive, died = (PartialDate.parse(text) if text else None for text in (row.last_alive_on, row.died_on))
    if alive and died and died.certainly_before(alive):
        raise Refused(
            _("Died on %(died)s and alive on %(alive)s cannot both be. Correct one of the two.")
            % {"died": row.died_on, "alive": row.last_alive_on}
        )


@transaction.atomic
def record_contact(*, row: SurvivalContact, by: User, now: dt.datetime) -> SurvivalContact:
    """New or corrected; an attempt that nobody answered is a contact too. Raises Refused as `check_contact` does."""
    check_contact(row)
    _save(row, by=by, now=now)
    return row


def death_to_note(row: SurvivalContact, *, now: dt.datetime) -> dt.date | None:
    """The day since which the status would be “died”; None where it is so already, or the day is not known."""
    if row.vital != Vital.DEAD or len(row.died_on) < len("2026-03-05"):
        return None
    return _possible(row.participant, Status.DIED, courses.day_of(row.died_on), now=now)


@transaction.atomic
def note_death(row: SurvivalContact, *, reason: str, by: User, now: dt.datetime) -> None:
    """The status follows the contact that told of the death."""
    if (on := death_to_note(row, now=now)) is not None:
        change_status(
            participant=row.participant,
            new=Status.DIED,
            on=on,
            reason=reason,
            reason_code=ReasonCode.DEATH,
            by=by,
            now=now,
        )


# --- Loss to follow-up -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Loss:
    """Lost by the study's definition since this day: `lines` say which attempts make it, `changes` what it ends."""

    on: dt.date
    attempts: int
    over_days: int
    lines: list[str]
    changes: list[str]


def loss_to_note(participant: Participant, *, now: dt.datetime) -> Loss | None:
    """What the study file calls a loss, where the status may follow; None where it is none, or recorded already."""
    history = courses.history_of(participant)
    if history.loss_on is None or _possible(participant, Status.LOST_TO_FOLLOW_UP, history.loss_on, now=now) is None:
        return None
    policy = get_study().protocol(participant.protocol_version).policy
    changes = preview_status(participant, new=Status.LOST_TO_FOLLOW_UP, on=history.loss_on)
    return Loss(history.loss_on, policy.lost_after_attempts, policy.lost_over_days, [*_tries(history)], changes)


def _tries(history: courses.History) -> Iterator[str]:
    failed = history.silence.on
    for one in history.contacts:
        if one.vital == Vital.NO_ANSWER and one.contacted_on in failed:
            means = one.get_means_display()
            yield _("%(day)s, %(means)s: nobody answered.") % {"day": long_date(one.contacted_on), "means": means}


@transaction.atomic
def note_loss(participant: Participant, *, reason: str, by: User, now: dt.datetime) -> None:
    """The status follows the attempts. Raises Refused where by the study's definition it is no loss (any more)."""
    participant = locked(participant.pk)
    loss = loss_to_note(participant, now=now)
    if loss is None:
        raise Refused(_("By the study's definition this participant is not lost to follow-up."))
    change_status(participant=participant, new=Status.LOST_TO_FOLLOW_UP, on=loss.on, reason=reason, by=by, now=now)


# --- Taking back -------------------------------------------------------------------------------------


def response_consequences(row: Record) -> Consequences:
    """The status that followed from it stays: it is corrected by itself."""
    told = {DiseaseAssessment: Status.RELAPSED, SurvivalContact: Status.DIED}.get(type(row))  # type: ignore[call-overload]
    rests = [one for one in history_of(row.participant) if one.status == told]  # type: ignore[attr-defined]
    lines = tuple(
        _("The status “%(status)s” since %(day)s stays: correct it by itself if it is wrong.")
        % {"status": one.get_status_display(), "day": long_date(one.effective_on)}
        for one in rests
    )
    return Consequences((*lines, *_lines_after(_without(row)))) + entangled(row)


@transaction.atomic
def void_response(*, row: Any, reason: str, by: User, now: dt.datetime) -> None:
    """An assessment, a therapy or a contact made by mistake: what is owed follows from those that stay."""
    participant = locked(row.participant_id)
    void(row, reason=reason, by=by, now=now)
    if not isinstance(row, SurvivalContact):
        _follow(participant, by=by, now=now)
