"""Verbs of a participant's standing: screen, screen again, and every step of the transition table."""

import datetime as dt
from collections.abc import Sequence

from django.db import transaction
from django.utils.translation import gettext as _

from participants.actions.days import long_date, site_day
from participants.models import STATUS_NAMES, Participant, ParticipantStatus, ReasonCode, ReconsentState, VisitState
from participants.rules import status
from participants.rules.status import Status
from trialsite import notifications
from trialsite.models import Counter, User
from trialsite.refusal import Refused
from trialsite.study import get_study

# The reason of a step that names it itself.
USUAL_REASON = {
    Status.SCREEN_FAILED: ReasonCode.NOT_ELIGIBLE,
    Status.DIED: ReasonCode.DEATH,
    Status.LOST_TO_FOLLOW_UP: ReasonCode.LOST,
    Status.RELAPSED: ReasonCode.RELAPSE,
}
IDENTITY = ("site", "name", "birth_date", "sex", "phone", "hospital_number")


@transaction.atomic
def screen(*, participant: Participant, by: User, now: dt.datetime) -> Participant:
    """Save a new participant with the site's next screening number and the status "in screening"."""
    protocol = get_study().current(site_day(now))
    number = Counter.take(f"screening:{participant.site.code}")
    participant.screening_number = f"{participant.site.code}-S{number:03d}"
    participant.protocol_version = protocol.version
    participant.status = Status.SCREENING
    participant.created_by, participant.created_at = by, now
    participant.save()
    write_status(participant, Status.SCREENING, on=site_day(now), reason="", by=by, now=now)
    return participant


@transaction.atomic
def rescreen(*, participant: Participant, by: User, now: dt.datetime) -> Participant:
    """Screen somebody again who failed: a new screening number, tied to the one before.

    Consent and results start anew; the failed screening keeps its own. Raises Refused for anybody else.
    """
    before = Participant.objects.select_for_update().get(pk=participant.pk)
    if before.status != Status.SCREEN_FAILED or before.is_void:
        raise Refused(
            _("%(number)s is “%(status)s”; only a screen failure can be screened again.")
            % {"number": before.number, "status": before.get_status_display()}
        )
    if again := Participant.objects.filter(rescreening_of=before).first():
        raise Refused(
            _("%(number)s was screened again already, as %(again)s. Go on there.")
            % {"number": before.number, "again": again.number}
        )
    new = Participant(rescreening_of=before, **{name: getattr(before, name) for name in IDENTITY})
    return screen(participant=new, by=by, now=now)


def check_can_become(participant: Participant, new: Status, *, on: dt.date, now: dt.datetime) -> None:
    """Raises Refused for a step that the transition table lacks, or a day in the future or out of order."""
    current = Status(participant.status)
    if not status.can_become(current, new):
        possible = [str(STATUS_NAMES[s]) for s in Status if status.can_become(current, s)]
        raise Refused(
            _("%(number)s is “%(current)s” and cannot become “%(new)s”. Possible from here: %(possible)s.")
            % {
                "number": participant.number,
                "current": STATUS_NAMES[current],
                "new": STATUS_NAMES[new],
                "possible": _(", ").join(possible) or _("nothing"),
            }
        )
    _check_day_of_status(participant, on=on, now=now)


def _check_day_of_status(participant: Participant, *, on: dt.date, now: dt.datetime) -> None:
    if on > site_day(now):
        raise Refused(
            _("A status begins today or earlier: %(day)s is in the future. Record it when it has happened.")
            % {"day": long_date(on)}
        )
    last = participant.statuses.standing().order_by("-id").first()
    if last is not None and on < last.effective_on:
        raise Refused(
            _("“%(status)s” holds since %(since)s; the next status cannot begin earlier, on %(day)s.")
            % {
                "status": last.get_status_display(),
                "since": long_date(last.effective_on),
                "day": long_date(on),
            }
        )


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
    if new in status.NO_MORE_VISITS:
        _forget_planned_infusion(participant)
        _cancel_visits_after(participant, on=on, now=now)
        _cancel_reconsents(participant, now=now)
    return row


def write_status(
    participant: Participant,
    new: Status,
    *,
    on: dt.date,
    reason: str = "",
    reason_code: str = "",
    criteria: Sequence[str] = (),
    by: User,
    now: dt.datetime,
) -> ParticipantStatus:
    """A new row of the history, and the participant's present status with it. Callers have checked the step."""
    participant.status = new
    participant.save(update_fields=["status"])
    return ParticipantStatus.objects.create(
        participant=participant,
        status=new,
        effective_on=on,
        reason=reason,
        reason_code=reason_code,
        criteria=list(criteria),
        created_by=by,
        created_at=now,
    )


def _forget_planned_infusion(participant: Participant) -> None:
    """What was planned will not be; an infusion that was given keeps its day."""
    was_infused = participant.statuses.standing().filter(status=Status.INFUSED).exists()
    if participant.planned_infusion_on is not None and not was_infused:
        participant.planned_infusion_on = None
        participant.save(update_fields=["planned_infusion_on"])


def _cancel_visits_after(participant: Participant, *, on: dt.date, now: dt.datetime) -> None:
    """Visits whose window was still to come, or open, are no longer due; what was missed stays missed."""
    for visit in participant.visits.standing().filter(state=VisitState.PLANNED, window_closes_on__gte=on):
        visit.state = VisitState.CANCELLED
        visit.save(update_fields=["state"])
        notifications.cancel(about=f"visit:{visit.pk}", reason="no longer due", now=now)


def _cancel_reconsents(participant: Participant, *, now: dt.datetime) -> None:
    for duty in participant.reconsents.standing().filter(state=ReconsentState.OPEN):
        duty.state = ReconsentState.CANCELLED
        duty.save(update_fields=["state"])
        notifications.cancel(about=f"reconsent:{duty.pk}", reason="no longer due", now=now)
