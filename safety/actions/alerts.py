"""Verbs of safety alerts: warn, tell who is on call, raise what is overdue, acknowledge, settle."""

import datetime as dt
import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from dosing.models import Infusion
from participants.actions import long_moment
from participants.models import Participant
from safety.actions.rounds import DueRound, due_rounds, round_of
from safety.models import (
    AlertKind,
    Discharge,
    OnCallShift,
    SafetyAlert,
    Scale,
    SettledBy,
    ToxicityAssessment,
    current,
)
from safety.rules import warnings
from safety.rules.episodes import Seen
from safety.rules.rounds import State
from trialsite import notifications
from trialsite.models import Site, User, people_in
from trialsite.refusal import Refused
from trialsite.roles import Role

log = logging.getLogger(__name__)

# How long whoever is on call has to answer, before the investigators are told, too [P].
ESCALATE_AFTER = dt.timedelta(minutes=30)
NEW = {Scale.CRS: AlertKind.NEW_CRS, Scale.ICANS: AlertKind.NEW_ICANS}
OTHERS = {warnings.Kind.RISE: AlertKind.RISE, warnings.Kind.SEVERE: AlertKind.SEVERE}


# --- Who is told -------------------------------------------------------------------------------------


def people_on_call(site: Site, at: dt.datetime) -> list[User]:
    """Whose shift covers this moment; where nobody's does, all investigators of the site."""
    shifts = OnCallShift.objects.standing().filter(site=site, starts_at__lte=at, ends_at__gt=at)
    people = User.objects.filter(on_call_shifts__in=shifts, sites=site, is_active=True).exclude(email="")
    return list(people.distinct().order_by("id")) or investigators(site)


def investigators(site: Site) -> list[User]:
    """All of them, with the principal investigator, each once."""
    found = (*people_in(Role.INVESTIGATOR, site), *people_in(Role.PRINCIPAL_INVESTIGATOR, site))
    return sorted(set(found), key=lambda person: person.pk)


def _tell(alerts: Sequence[SafetyAlert], people: Iterable[User], stage: str, *, now: dt.datetime) -> int:
    """One message for all alerts about the same thing. `stage` is first or escalated."""
    people, alert = list(people), alerts[0]
    if not people:
        log.warning("nobody can be told of %s", alert.about)
    return sum(
        notifications.queue(
            key=f"alert:{alert.about}:{stage}",
            about=alert.about,
            site=alert.participant.site,
            recipient=person,
            template="safety/email/overdue" if alert.kind == AlertKind.OVERDUE else "safety/email/alert",
            context={
                "alert": alert,
                "alerts": alerts,
                "number": alert.participant.number,
                "is_escalated": stage == "escalated",
                "minutes": ESCALATE_AFTER // dt.timedelta(minutes=1),
            },
            now=now,
        )
        for person in people
    )


# --- Early warnings ----------------------------------------------------------------------------------


# Inside the transaction of the assessment: a failure here takes the assessment back, too.
@transaction.atomic(savepoint=False)
def warn_after(
    assessment: ToxicityAssessment,
    *,
    others: Sequence[Seen] | None = None,
    is_untold: bool = False,
    now: dt.datetime,
) -> list[SafetyAlert]:
    """Warn of what this saved assessment shows for the first time; returns the new alerts, none the second time.

    `others` are the assessments of the same scale that hold beside it; they are read where the caller has not.
    `is_untold`: nobody was warned of what it corrects, so that all of it is news.
    """
    if not assessment.final_grade:
        return []
    corrected = None if is_untold else assessment.corrects
    found = warnings.due(
        Seen(assessment.assessed_at, assessment.final_grade, assessment.pk),
        _others(assessment) if others is None else others,
        instead_of=None if corrected is None else corrected.final_grade,
    )
    new = [alert for warning in found if (alert := _raise_warning(assessment, warning, now=now))]
    if new:
        _tell(new, people_on_call(assessment.participant.site, now), "first", now=now)
    return new


def _others(assessment: ToxicityAssessment) -> list[Seen]:
    of_scale = ToxicityAssessment.objects.filter(participant=assessment.participant_id, toxicity=assessment.toxicity)
    rows = current(of_scale).exclude(pk=assessment.pk)
    return [Seen(row.assessed_at, row.final_grade, row.pk) for row in rows.order_by("assessed_at", "id")]


def _raise_warning(
    assessment: ToxicityAssessment, warning: warnings.EarlyWarning, *, now: dt.datetime
) -> SafetyAlert | None:
    scale = Scale(assessment.toxicity)
    alert, is_new = SafetyAlert.objects.get_or_create(
        key=warning.key,
        defaults={
            "participant": assessment.participant,
            "kind": NEW[scale] if warning.kind is warnings.Kind.NEW else OTHERS[warning.kind],
            "toxicity": scale,
            "grade": warning.grade,
            "happened_at": assessment.assessed_at,
            "about": f"assessment:{assessment.pk}",
            "raised_at": now,
            "created_by": assessment.created_by,
            "created_at": now,
        },
    )
    if not is_new and alert.settled_at is not None:
        _reopen(alert)
    return alert if is_new else None


# --- Settling ----------------------------------------------------------------------------------------


def unsettled() -> QuerySet[SafetyAlert]:
    """Alerts that facts may still answer: a missing assessment, or a grade that nobody has acknowledged."""
    pending = Q(kind=AlertKind.OVERDUE) | Q(acknowledged_at__isnull=True)
    rows = SafetyAlert.objects.standing().filter(pending, settled_at__isnull=True)
    return rows.select_related("participant__site").order_by("participant", "id")


def settle_alerts(*, participant: Participant | None = None, now: dt.datetime) -> int:
    """Settle what later facts have answered, and withdraw what was not sent yet; how many. One query when nothing is
    open."""
    rows = unsettled() if participant is None else unsettled().filter(participant=participant)
    return sum(_settle_of(person, list(alerts), now=now) for person, alerts in groupby(rows, lambda a: a.participant))


def _settle_of(participant: Participant, alerts: list[SafetyAlert], *, now: dt.datetime) -> int:
    overdue = [alert for alert in alerts if alert.kind == AlertKind.OVERDUE]
    graded = [alert for alert in alerts if alert.kind != AlertKind.OVERDUE]
    due = round_of(participant, now) if overdue else None
    rows = _assessments_of(participant) if graded else {}
    causes = [
        *((alert, _answered_overdue(alert, due)) for alert in overdue),
        *((alert, _answered_grade(alert, rows)) for alert in graded),
    ]
    return sum(_settle(alert, cause, now=now) for alert, cause in causes if cause is not None)


def _answered_overdue(alert: SafetyAlert, due: DueRound | None) -> SettledBy | None:
    """Answered once the next assessment is due after the one that was missed, or none is due any more."""
    if due is None or due.due_at is None:
        return SettledBy.OVER
    return SettledBy.ASSESSED if due.due_at > alert.happened_at else None


def _assessments_of(participant: Participant) -> dict[int, ToxicityAssessment]:
    """Those that hold and void ones, by number; a corrected one under its own number is the newest correction."""
    rows = {row.pk: row for row in ToxicityAssessment.objects.filter(participant=participant)}
    newer = {row.corrects_id: row for row in rows.values() if row.corrects_id is not None and not row.is_void}
    return {pk: _newest(row, newer) for pk, row in rows.items()}


def _newest(row: ToxicityAssessment, newer: Mapping[int, ToxicityAssessment]) -> ToxicityAssessment:
    while row.pk in newer:
        row = newer[row.pk]
    return row


def _answered_grade(alert: SafetyAlert, rows: Mapping[int, ToxicityAssessment]) -> SettledBy | None:
    """Answered once the assessment is void, or corrected to less than people were warned of."""
    row = rows[int(alert.about.partition(":")[2])]
    if row.is_void:
        return SettledBy.VOIDED
    # What is new stays new at a lower grade.
    least = 1 if alert.kind in NEW.values() else alert.grade or 0
    if row.final_grade is not None and row.final_grade < least:
        return SettledBy.CORRECTED
    return SettledBy.UNSUPPORTED if alert.kind == AlertKind.RISE and not _still_rises(row, rows.values()) else None


def _still_rises(row: ToxicityAssessment, rows: Iterable[ToxicityAssessment]) -> bool:
    others = {one.pk: one for one in rows if one.toxicity == row.toxicity and not one.is_void and one.pk != row.pk}
    seen = [Seen(one.assessed_at, one.final_grade, one.pk) for one in others.values()]
    return warnings.still_rises(Seen(row.assessed_at, row.final_grade, row.pk), seen)


def _settle(alert: SafetyAlert, cause: SettledBy, *, now: dt.datetime) -> bool:
    alert.settled_at, alert.settled_because = now, cause
    alert.save(update_fields=["settled_at", "settled_because"])
    if not unsettled().filter(about=alert.about).exists():
        notifications.cancel(about=alert.about, reason=f"settled: {cause}", now=now)
    return True


# --- What the sweep does -----------------------------------------------------------------------------


def raise_overdue(*, now: dt.datetime) -> dict[str, int]:
    """Settle, raise and escalate; counts. Running it twice, beside itself or after days of silence is harmless.

    After a silence only the due moment that was missed last is raised: the earlier ones tell nothing more.
    """
    counts = Counter(settled=_settle_all(now), raised=0, escalated=0)
    for due in due_rounds(Site.objects.all(), now):
        if due.state is State.OVERDUE and due.about:
            counts["raised"] += _raise_round(due, now=now)
    counts["escalated"] = escalate(now=now)
    return dict(counts)


@transaction.atomic
def _settle_all(now: dt.datetime) -> int:
    return settle_alerts(now=now)


@transaction.atomic
def _raise_round(due: DueRound, *, now: dt.datetime) -> bool:
    assert due.round is not None
    assert due.round.missed_at is not None
    participant = Participant.objects.select_for_update(of=("self",)).select_related("site").get(pk=due.participant.pk)
    alert, is_new = SafetyAlert.objects.get_or_create(
        key=due.about,
        defaults={
            "participant": participant,
            "kind": AlertKind.OVERDUE,
            "toxicity": due.toxicities[0] if len(due.toxicities) == 1 else "",
            "happened_at": due.round.missed_at,
            "about": due.about,
            "raised_at": now,
            # Nobody's hand: it follows from the participant's own record.
            "created_by": participant.created_by,
            "created_at": now,
        },
    )
    if is_new:
        _tell([alert], people_on_call(participant.site, now), "first", now=now)
    elif alert.settled_at is not None:
        _reopen(alert)
    return is_new


def _reopen(alert: SafetyAlert) -> None:
    """What had answered it turned out to be a mistake. Unanswered, it escalates at the next look."""
    alert.settled_at, alert.settled_because = None, ""
    alert.save(update_fields=["settled_at", "settled_because"])


def unanswered() -> QuerySet[SafetyAlert]:
    rows = SafetyAlert.objects.standing().filter(acknowledged_at__isnull=True, settled_at__isnull=True)
    return rows.select_related("participant__site").order_by("raised_at", "id")


@transaction.atomic
def escalate(*, now: dt.datetime) -> int:
    """Tell all investigators of what nobody has acknowledged for half an hour, once; how many things."""
    waiting = unanswered().filter(raised_at__lte=now - ESCALATE_AFTER, escalated_at__isnull=True)
    about = by_about(waiting.select_for_update(of=("self",), skip_locked=True))
    for alerts in about:
        _tell(alerts, investigators(alerts[0].participant.site), "escalated", now=now)
        for alert in alerts:
            alert.escalated_at = now
            alert.save(update_fields=["escalated_at"])
    return len(about)


def by_about(alerts: Iterable[SafetyAlert]) -> list[list[SafetyAlert]]:
    """Alerts about the same thing together, in the order in which they came."""
    found: dict[str, list[SafetyAlert]] = {}
    for alert in alerts:
        found.setdefault(alert.about, []).append(alert)
    return list(found.values())


# --- Answering ---------------------------------------------------------------------------------------


@transaction.atomic
def acknowledge(*, alert: SafetyAlert, by: User, now: dt.datetime, note: str = "") -> SafetyAlert:
    """Somebody knows, and acts: this alert and those about the same thing. Raises Refused when somebody was faster."""
    rows = SafetyAlert.objects.select_for_update(of=("self",)).select_related("acknowledged_by")
    same = list(rows.filter(about=alert.about).order_by("id"))
    alert = next(row for row in same if row.pk == alert.pk)
    if alert.acknowledged_at is not None:
        raise Refused(
            _("%(who)s acknowledged this at %(at)s already; nothing was changed.")
            % {"who": alert.acknowledged_by, "at": long_moment(alert.acknowledged_at)}
        )
    for row in same:
        if row.acknowledged_at is None:
            row.acknowledged_at, row.acknowledged_by, row.acknowledge_note = now, by, note.strip()
            row.save(update_fields=["acknowledged_at", "acknowledged_by", "acknowledge_note"])
    return alert


# --- Shifts and discharges ---------------------------------------------------------------------------


def check_shift(shift: OnCallShift) -> None:
    """Raises Refused for somebody whom no alert would reach."""
    person = shift.person
    if not (person.is_active and person.email):
        raise Refused(
            _("%(who)s has no e-mail address, or may not log in any more: no alert would arrive. Choose another one.")
            % {"who": person}
        )
    if not person.sites.filter(pk=shift.site_id).exists():
        raise Refused(
            _("%(who)s does not belong to %(site)s. Choose somebody of the site.") % {"who": person, "site": shift.site}
        )


@transaction.atomic
def plan_shift(*, shift: OnCallShift, by: User, now: dt.datetime) -> OnCallShift:
    check_shift(shift)
    if shift.pk is None:
        shift.created_by, shift.created_at = by, now
    shift.save()
    return shift


def check_discharge(discharge: Discharge, *, now: dt.datetime) -> None:
    """Raises Refused for a moment in the future, and for a discharge before the infusion."""
    for at in (discharge.discharged_at, discharge.readmitted_at):
        if at is not None and at > now:
            raise Refused(
                _("%(at)s is after now, %(now)s. Correct the date and time.")
                % {"at": long_moment(at), "now": long_moment(now)}
            )
    infusions = Infusion.objects.standing().filter(participant=discharge.participant_id)
    first = infusions.order_by("infused_at").first()
    if first is None or discharge.discharged_at < first.infused_at:
        raise Refused(
            _("Only a discharge after the infusion is recorded here: it ends the assessments at the bedside.")
            + " "
            + (
                _("The infusion was at %(at)s. Correct the time.") % {"at": long_moment(first.infused_at)}
                if first
                else _("No infusion of %(number)s is recorded.") % {"number": discharge.participant.number}
            )
        )


@transaction.atomic
def record_discharge(*, discharge: Discharge, by: User, now: dt.datetime) -> Discharge:
    """Save a discharge, or its correction; assessments that are no longer due stop being asked for."""
    check_discharge(discharge, now=now)
    if discharge.pk is None:
        discharge.created_by, discharge.created_at = by, now
    discharge.save()
    settle_alerts(participant=discharge.participant, now=now)
    return discharge
