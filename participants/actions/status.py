"""Verbs of a participant's standing: screen, screen again, and every step of the transition table."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from participants.actions.days import long_date, site_day
from participants.actions.owed import keep_owed
from participants.actions.standing import standing_of
from participants.models import (
    STATUS_NAMES,
    Participant,
    ParticipantStatus,
    ReasonCode,
    ReconsentState,
)
from participants.rules import status
from participants.rules.status import Status
from trialsite import notifications
from trialsite.models import Counter, User
from trialsite.refusal import Refused
from trialsite.study import get_study
from trialsite.voiding import void

# The reason of a step that names it itself.
USUAL_REASON = {
    Status.SCREEN_FAILED: ReasonCode.NOT_ELIGIBLE,
    Status.DIED: ReasonCode.DEATH,
    Status.LOST_TO_FOLLOW_UP: ReasonCode.LOST,
    Status.RELAPSED: ReasonCode.RELAPSE,
}
IDENTITY = ("site", "name", "birth_date", "sex", "phone", "hospital_number", "initials")


def check_screening(participant: Participant, *, on: dt.date, now: dt.datetime) -> None:
    """Raises Refused for a screening in the future, before the study began, or before the person was born."""
    begins = get_study().current(on).window.starts_on
    if on > site_day(now):
        raise Refused(
            _("Screening on %(day)s is in the future; today is %(today)s. Correct the day.")
            % {"day": long_date(on), "today": long_date(site_day(now))}
        )
    if on < begins:
        raise Refused(
            _("The study began on %(begins)s; nobody was screened before, on %(day)s. Correct the day.")
            % {"begins": long_date(begins), "day": long_date(on)}
        )
    if participant.born_on and on < participant.born_on:
        raise Refused(
            _("Screening on %(day)s lies before the birth date. Correct one of the two days.") % {"day": long_date(on)}
        )


@transaction.atomic
def screen(*, participant: Participant, on: dt.date | None = None, by: User, now: dt.datetime) -> Participant:
    """Save a new participant with the site's next screening number and the status "in screening" since that day.

    Without a day it is today. The protocol version is the one that was in force then.
    """
    on = on or site_day(now)
    check_screening(participant, on=on, now=now)
    protocol = get_study().current(on)
    number = Counter.take(f"screening:{participant.site.code}")
    participant.screening_number = f"{participant.site.code}-S{number:03d}"
    participant.protocol_version = protocol.version
    participant.status = Status.SCREENING
    participant.created_by, participant.created_at = by, now
    participant.save()
    # The first row is part of the participant's own making: no change of anything.
    _row(participant, Status.SCREENING, on=on, by=by, now=now).save()
    return participant


@transaction.atomic
def rescreen(*, participant: Participant, on: dt.date | None = None, by: User, now: dt.datetime) -> Participant:
    """Screen somebody again who failed: a new screening number, tied to the one before.

    Consent and results start anew; the failed screening keeps its own. Raises Refused for anybody else.
    """
    before = Participant.objects.select_for_update().get(pk=participant.pk)
    if before.status != Status.SCREEN_FAILED or before.is_void:
        raise Refused(
            _("%(number)s is “%(status)s”; only a screen failure can be screened again.")
            % {"number": before.number, "status": before.get_status_display()}
        )
    if again := Participant.objects.standing().filter(rescreening_of=before).first():
        raise Refused(
            _("%(number)s was screened again already, as %(again)s. Go on there.")
            % {"number": before.number, "again": again.number}
        )
    on = on or site_day(now)
    failed_on = history_of(before)[-1].effective_on
    if on < failed_on:
        raise Refused(
            _("%(number)s failed the screening on %(failed)s; the next one cannot begin before, on %(day)s.")
            % {"number": before.number, "failed": long_date(failed_on), "day": long_date(on)}
        )
    new = Participant(rescreening_of=before, **{name: getattr(before, name) for name in IDENTITY})
    return screen(participant=new, on=on, by=by, now=now)


def history_of(participant: Participant) -> list[ParticipantStatus]:
    """The rows that count, by the days on which things happened."""
    return sorted(standing_of(ParticipantStatus, participant), key=_place)


def status_on(
    participant: Participant, day: dt.date, *, history: Sequence[ParticipantStatus] | None = None
) -> Status | None:
    """Where the participant stood on that day, as far as it is typed; None before the screening."""
    before, _after = status.around(_steps(history_of(participant) if history is None else history), day)
    return before.status if before else None


def _steps(history: Iterable[ParticipantStatus]) -> list[status.Step]:
    return [status.Step(Status(row.status), row.effective_on) for row in history]


def check_can_become(
    participant: Participant,
    new: Status,
    *,
    on: dt.date,
    history: Sequence[ParticipantStatus] | None = None,
    now: dt.datetime,
) -> None:
    """Raises Refused for a step that cannot stand on its day between those around it, or a day in the future.

    A step is put in order by its day, whenever it is typed. A `history` that was read under the lock is not read again.
    """
    before, after = status.around(_steps(history_of(participant) if history is None else history), on)
    if before is not None and after is None and not status.can_become(before.status, new):
        raise Refused(_impossible_text(participant, before.status, new))
    if on > site_day(now):
        raise Refused(
            _("A status begins today or earlier: %(day)s is in the future. Record it when it has happened.")
            % {"day": long_date(on)}
        )
    if after is not None and not status.fits(before, new, after):
        raise Refused(_out_of_order_text(before, new, after, on=on))


def _impossible_text(participant: Participant, current: Status, new: Status) -> str:
    possible = [str(STATUS_NAMES[s]) for s in Status if status.can_become(current, s)]
    return _("%(number)s is “%(current)s” and cannot become “%(new)s”. Possible from here: %(possible)s.") % {
        "number": participant.number,
        "current": STATUS_NAMES[current],
        "new": STATUS_NAMES[new],
        "possible": _(", ").join(possible) or _("nothing"),
    }


def _out_of_order_text(before: status.Step | None, new: Status, after: status.Step, *, on: dt.date) -> str:
    values = {
        "new": STATUS_NAMES[new],
        "day": long_date(on),
        "after": STATUS_NAMES[after.status],
        "since": long_date(after.on),
    }
    if before is None:
        return (
            _(
                "“%(new)s” on %(day)s would come before “%(after)s”, which holds since %(since)s: it cannot begin "
                "earlier. Correct the day of one of them."
            )
            % values
        )
    return _(
        "On %(day)s the status was “%(before)s”, and “%(after)s” follows since %(since)s: “%(new)s” cannot stand "
        "between them. Correct the day, or first the later status."
    ) % {**values, "before": STATUS_NAMES[before.status]}


@transaction.atomic
def change_status(
    *,
    participant: Participant,
    new: Status,
    on: dt.date,
    reason: str,
    reason_code: str = "",
    criteria: Sequence[str] = (),
    by: User,
    now: dt.datetime,
) -> ParticipantStatus:
    """One step of the transition table. When nobody comes to visits any more, what is owed is closed."""
    participant = Participant.objects.select_for_update().get(pk=participant.pk)
    check_can_become(participant, new, on=on, now=now)
    row = write_status(
        participant,
        new,
        on=on,
        reason=reason,
        reason_code=reason_code or USUAL_REASON.get(new, ""),
        criteria=criteria,
        by=by,
        now=now,
    )
    # A step typed late, with others after it, closes nothing today.
    if Status(participant.status) in status.NO_MORE_VISITS and participant.status == new:
        _forget_planned_infusion(participant)
        _cancel_reconsents(participant, now=now)
    keep_owed(participant, now=now)
    return row


def write_status(
    participant: Participant,
    new: Status,
    *,
    on: dt.date,
    reason: str = "",
    reason_code: str = "",
    criteria: Sequence[str] = (),
    corrects: ParticipantStatus | None = None,
    history: list[ParticipantStatus] | None = None,
    beside: Mapping[str, Any] | None = None,
    by: User,
    now: dt.datetime,
) -> ParticipantStatus:
    """A new row of the history, and the participant's present status after it. Callers have checked the step.

    A `history` that was read under the lock is not read again: the row takes its place in it. What the step says of
    the participant `beside` the status is written with it.
    """
    row = _row(participant, new, on=on, by=by, now=now)
    row.reason, row.reason_code, row.criteria, row.corrects = reason, reason_code, list(criteria), corrects
    row.save()
    if history is not None:
        history[:] = sorted([*history, row], key=_place)
    keep_present_status(participant, history, beside=beside)
    return row


def _place(row: ParticipantStatus) -> tuple[dt.date, int, int]:
    """What `HISTORY` says, about rows in hand."""
    return row.effective_on, row.corrects_id or row.pk, row.pk


def _row(participant: Participant, status: Status, *, on: dt.date, by: User, now: dt.datetime) -> ParticipantStatus:
    return ParticipantStatus(participant=participant, status=status, effective_on=on, created_by=by, created_at=now)


def keep_present_status(
    participant: Participant,
    history: Sequence[ParticipantStatus] | None = None,
    *,
    beside: Mapping[str, Any] | None = None,
) -> None:
    """The newest row's status, beside the participant; whoever reads changes learns of any change in the history."""
    values = {"status": (history_of(participant) if history is None else history)[-1].status, **(beside or {})}
    for name, value in values.items():
        setattr(participant, name, value)
    Participant.objects.filter(pk=participant.pk).update(**values, modified_at=Now())


# Steps that come from what is recorded elsewhere: they are corrected there.
FROM_FACTS = frozenset({Status.LYMPHODEPLETED, Status.INFUSED, Status.IN_FOLLOW_UP})


@transaction.atomic
def correct_day(*, row: ParticipantStatus, on: dt.date, reason: str, by: User, now: dt.datetime) -> ParticipantStatus:
    """Another day for a step that was typed with a wrong one. Raises Refused for a day that its neighbours rule out,
    and for a step that follows from a fact: that one is corrected."""
    participant = Participant.objects.select_for_update().get(pk=row.participant_id)
    history = history_of(participant)
    place = next((index for index, one in enumerate(history) if one.pk == row.pk), None)
    if place is None:
        raise Refused(_("This entry is void already; nothing was changed."))
    row = history[place]
    if row.status == Status.INFUSED or (row.status in FROM_FACTS and not row.reason):
        raise Refused(
            _("“%(status)s” follows from what was recorded. Correct the infusion, the dose or the visit instead.")
            % {"status": row.get_status_display()}
        )
    if on > site_day(now):
        raise Refused(
            _("A status begins today or earlier: %(day)s is in the future. Record it when it has happened.")
            % {"day": long_date(on)}
        )
    if row.status == Status.SCREENING:
        check_screening(participant, on=on, now=now)
    _check_moved(history, place, on=on)
    return _replace(participant, row, on=on, why=reason, by=by, now=now)


# --- A status follows its fact ------------------------------------------------------------------------


@transaction.atomic
def follow_fact(
    *, participant: Participant, reached: Status, on: dt.date | None, why: str, by: User, now: dt.datetime
) -> None:
    """Keep a status in step with the fact that it comes from: its day, or that it did not happen (`on` is None).

    A row is never edited: the old one becomes void with the reason, another takes its place in the order. One that
    is not there yet is written where it fits. Raises Refused for a day that the steps around it rule out.
    """
    participant = Participant.objects.select_for_update().get(pk=participant.pk)
    history = history_of(participant)
    place = next((index for index, row in enumerate(history) if row.status == reached), None)
    if place is not None and on is not None and history[place].effective_on != on:
        _check_moved(history, place, on=on)
        _replace(participant, history[place], on=on, why=why, by=by, now=now)
    elif place is not None and on is None:
        _take_back(participant, history, place, why=why, by=by, now=now)
    elif place is None and on is not None and status.fits(*_between(history, reached, on)):
        write_status(participant, reached, on=on, by=by, now=now)
        # Somebody who was lost and comes owes again.
        keep_owed(participant, now=now)


def _between(
    history: Sequence[ParticipantStatus], new: Status, on: dt.date
) -> tuple[status.Step | None, Status, status.Step | None]:
    before, after = status.around(_steps(history), on)
    return before, new, after


def _check_moved(history: Sequence[ParticipantStatus], place: int, *, on: dt.date) -> None:
    before = history[place - 1] if place else None
    after = history[place + 1] if place + 1 < len(history) else None
    row = history[place]
    in_the_way = before if before and on < before.effective_on else after if after and after.effective_on < on else None
    if in_the_way is not None:
        raise Refused(
            _(
                "“%(status)s” would begin on %(day)s, but “%(other)s” holds since %(since)s, and they would change "
                "places. Correct the day, or first what “%(other)s” rests on."
            )
            % {
                "status": row.get_status_display(),
                "day": long_date(on),
                "other": in_the_way.get_status_display(),
                "since": long_date(in_the_way.effective_on),
            }
        )


def _replace(
    participant: Participant, row: ParticipantStatus, *, on: dt.date, why: str, by: User, now: dt.datetime
) -> ParticipantStatus:
    void(row, reason=why, by=by, now=now, by_rule=True)
    new = write_status(
        participant,
        Status(row.status),
        on=on,
        reason=row.reason,
        reason_code=row.reason_code,
        criteria=row.criteria,
        corrects=row.corrects or row,
        by=by,
        now=now,
    )
    keep_owed(participant, now=now)
    return new


def _take_back(
    participant: Participant,
    history: Sequence[ParticipantStatus],
    place: int,
    *,
    why: str,
    by: User,
    now: dt.datetime,
) -> None:
    """Unless a later step could not stand without it: that one says by itself that the fact was there."""
    before = Status(history[place - 1].status) if place else None
    after = [Status(row.status) for row in history[place + 1 : place + 2]]
    if all(status.can_become(before, one) for one in after):
        void(history[place], reason=why, by=by, now=now, by_rule=True)
        keep_present_status(participant)


def _forget_planned_infusion(participant: Participant) -> None:
    """What was planned will not be; an infusion that was given keeps its day."""
    was_infused = participant.statuses.standing().filter(status=Status.INFUSED).exists()
    if participant.planned_infusion_on is not None and not was_infused:
        participant.planned_infusion_on = None
        participant.save(update_fields=["planned_infusion_on"])


def _cancel_reconsents(participant: Participant, *, now: dt.datetime) -> None:
    for duty in participant.reconsents.standing().filter(state=ReconsentState.OPEN):
        duty.state = ReconsentState.CANCELLED
        duty.save(update_fields=["state"])
        notifications.cancel(about=f"reconsent:{duty.pk}", reason="no longer due", now=now)
