"""Verbs of safety alerts: warn, raise what is overdue, acknowledge, settle; shifts and discharges."""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from dosing.models import Infusion
from participants.actions import long_moment
from participants.models import Participant
from safety.actions.calls import escalate, line_up, pending, tell_first, thread_of
from safety.actions.rounds import DueRound, due_rounds, round_of, round_policy
from safety.models import (
    AlertKind,
    Discharge,
    IecHsAssessment,
    IecHsScreen,
    OnCallShift,
    SafetyAlert,
    Scale,
    SettledBy,
    Toxicity,
    ToxicityAssessment,
    current,
)
from safety.rules import warnings
from safety.rules.episodes import Seen
from safety.rules.rounds import State
from trialsite import notifications, sweeps
from trialsite.clinical import check_clinical
from trialsite.models import Site, User
from trialsite.refusal import Refused
from trialsite.study import get_study

NEW = {Scale.CRS: AlertKind.NEW_CRS, Scale.ICANS: AlertKind.NEW_ICANS}
OTHERS = {warnings.Kind.RISE: AlertKind.RISE, warnings.Kind.SEVERE: AlertKind.SEVERE}


# --- Early warnings ----------------------------------------------------------------------------------


# Inside the transaction of the assessment: a failure here takes the assessment back, too.
@transaction.atomic(savepoint=False)
def warn_after(
    assessment: ToxicityAssessment,
    *,
    others: Iterable[Seen] | None = None,
    is_untold: bool = False,
    now: dt.datetime,
) -> list[SafetyAlert]:
    """Warn of what this saved assessment shows for the first time; returns the new alerts, none the second time.

    `others` are the assessments of the same scale that hold beside it; they are read where the caller has not.
    `is_untold`: nobody was warned of what it corrects, so that all of it is news.
    """
    if not assessment.final_grade:
        return _warn_of_masked(assessment, now=now)
    corrected = None if is_untold else assessment.corrects
    found = warnings.due(
        Seen(assessment.assessed_at, assessment.final_grade, assessment.pk),
        _others(assessment) if others is None else others,
        instead_of=None if corrected is None else corrected.final_grade,
    )
    return _tell_new([_raise_warning(assessment, warning, now=now) for warning in found], now=now)


def _tell_new(raised: Sequence[tuple[SafetyAlert, bool]], *, now: dt.datetime) -> list[SafetyAlert]:
    """Tell of those that are new, which stand for the older ones of their thread from now on."""
    new = [alert for alert, is_new in raised if is_new]
    if new:
        tell_first(new, now=now)
    if raised:
        line_up(raised[0][0], now=now)
    return new


def _warn_of_masked(assessment: ToxicityAssessment, *, now: dt.datetime) -> list[SafetyAlert]:
    """Support without a grade: told once, and again only after the study's time."""
    if not _is_masked(assessment):
        return []
    hours = get_study().protocol(assessment.participant.protocol_version).monitoring.masked_fever_again_after_hours
    told = SafetyAlert.objects.standing().filter(
        participant=assessment.participant_id,
        kind=AlertKind.MASKED,
        settled_at__isnull=True,
        happened_at__gt=assessment.assessed_at - dt.timedelta(hours=hours),
    )
    key = f"assessment:{assessment.pk}:masked"
    if told.exclude(key=key).exists():
        return []
    return _tell_new([_raise_about(assessment, key, kind=AlertKind.MASKED, grade=0, now=now)], now=now)


def _is_masked(row: ToxicityAssessment) -> bool:
    """An investigator who set grade 0 has looked at it."""
    if row.toxicity != Scale.CRS or row.investigator_grade is not None:
        return False
    return warnings.is_masked(row.grade, row.findings)


@transaction.atomic(savepoint=False)
def warn_of_screen(assessment: IecHsAssessment, *, now: dt.datetime) -> list[SafetyAlert]:
    """Tell of a positive screen for IEC-HS, unless the one before was positive already; settle what it answers."""
    settle_alerts(participant=assessment.participant, now=now)
    if assessment.screen != IecHsScreen.POSITIVE or _was_positive(assessment):
        return []
    raised = _raise_about(
        assessment, f"iec_hs:{assessment.pk}:screen", kind=AlertKind.IEC_HS, grade=assessment.final_grade, now=now
    )
    return _tell_new([raised], now=now)


def _was_positive(assessment: IecHsAssessment) -> bool:
    """Whether people know already: by the assessment before it, or by the one that it corrects."""
    if assessment.corrects is not None and assessment.corrects.screen == IecHsScreen.POSITIVE:
        return True
    rows = current(IecHsAssessment.objects.filter(participant=assessment.participant_id)).exclude(pk=assessment.pk)
    before = rows.filter(assessed_at__lte=assessment.assessed_at).order_by("-assessed_at", "-id").first()
    return before is not None and before.screen == IecHsScreen.POSITIVE


def _others(assessment: ToxicityAssessment) -> list[Seen]:
    of_scale = ToxicityAssessment.objects.filter(participant=assessment.participant_id, toxicity=assessment.toxicity)
    rows = current(of_scale).exclude(pk=assessment.pk)
    return [Seen(row.assessed_at, row.final_grade, row.pk) for row in rows.order_by("assessed_at", "id")]


def _raise_warning(
    assessment: ToxicityAssessment, warning: warnings.EarlyWarning, *, now: dt.datetime
) -> tuple[SafetyAlert, bool]:
    scale = Scale(assessment.toxicity)
    kind = NEW[scale] if warning.kind is warnings.Kind.NEW else OTHERS[warning.kind]
    return _raise_about(assessment, warning.key, kind=kind, grade=warning.grade, now=now)


def _raise_about(
    assessment: ToxicityAssessment | IecHsAssessment, key: str, *, kind: AlertKind, grade: int | None, now: dt.datetime
) -> tuple[SafetyAlert, bool]:
    """The alert under this key, open, and whether it is new."""
    alert, is_new = SafetyAlert.objects.get_or_create(
        key=key,
        defaults={
            "participant": assessment.participant,
            "kind": kind,
            "toxicity": Toxicity.IEC_HS if isinstance(assessment, IecHsAssessment) else assessment.toxicity,
            "grade": grade,
            "happened_at": assessment.assessed_at,
            "about": key.rpartition(":")[0],
            "raised_at": now,
            "created_by": assessment.created_by,
            "created_at": now,
        },
    )
    if not is_new and alert.settled_at is not None:
        reopen(alert, now=now)
    return alert, is_new


# --- Settling ----------------------------------------------------------------------------------------


def unsettled() -> QuerySet[SafetyAlert]:
    """Alerts that facts may still answer: a missing assessment, or a grade that nobody has acknowledged."""
    pending = Q(kind=AlertKind.OVERDUE) | Q(acknowledged_at__isnull=True)
    rows = SafetyAlert.objects.standing().filter(pending, settled_at__isnull=True)
    # What the whole study says is answered by the study: see `stopping.watch`.
    rows = rows.exclude(kind=AlertKind.STOPPING)
    return rows.select_related("participant__site").order_by("participant", "id")


def settle_alerts(*, participant: Participant | None = None, now: dt.datetime) -> int:
    """Settle what later facts have answered, and withdraw what was not sent yet; how many. One query when nothing is
    open."""
    rows = unsettled() if participant is None else unsettled().filter(participant=participant)
    return sum(_settle_of(person, list(alerts), now=now) for person, alerts in groupby(rows, lambda a: a.participant))


def _settle_of(participant: Participant, alerts: list[SafetyAlert], *, now: dt.datetime) -> int:
    kinds = {alert.kind for alert in alerts}
    due = round_of(participant, now) if AlertKind.OVERDUE in kinds else None
    by_grade = [alert for alert in alerts if alert.kind not in (AlertKind.OVERDUE, AlertKind.IEC_HS)]
    rows = _assessments_of(participant, by_grade) if by_grade else {}
    screens = _screens_of(participant) if AlertKind.IEC_HS in kinds else {}
    settled = [alert for alert in alerts if _settle(alert, _answer(alert, due, rows, screens), now=now)]
    for thread in {thread_of(alert): alert for alert in settled}.values():
        line_up(thread, now=now)
    return len(settled)


def _answer(
    alert: SafetyAlert, due: DueRound | None, rows: Mapping[int, Any], screens: Mapping[int, Any]
) -> SettledBy | None:
    """What facts say to it by now; None while it waits for a person."""
    if alert.kind == AlertKind.OVERDUE:
        return _answered_overdue(alert, due)
    return _answered_screen(alert, screens) if alert.kind == AlertKind.IEC_HS else _answered_grade(alert, rows)


def _answered_overdue(alert: SafetyAlert, due: DueRound | None) -> SettledBy | None:
    """Answered once the next assessment is due after the one that was missed, or none is due any more."""
    if due is None or due.due_at is None:
        return SettledBy.OVER
    return SettledBy.ASSESSED if due.due_at > alert.happened_at else None


# What an alert may be answered by; the findings are large, and only a masked fever asks about them.
ANSWERING = ("toxicity", "assessed_at", "grade", "investigator_grade", "corrects", "voided_at")


def _assessments_of(participant: Participant, alerts: Iterable[SafetyAlert]) -> dict[int, ToxicityAssessment]:
    """Of the toxicities that these alerts are about."""
    toxicities, kinds = {alert.toxicity for alert in alerts}, {alert.kind for alert in alerts}
    rows = ToxicityAssessment.objects.filter(participant=participant, toxicity__in=toxicities)
    return _newest_by_number(rows.only(*ANSWERING, *(["findings"] if AlertKind.MASKED in kinds else [])))


def _screens_of(participant: Participant) -> dict[int, IecHsAssessment]:
    return _newest_by_number(IecHsAssessment.objects.filter(participant=participant))


def _newest_by_number(found: QuerySet[Any]) -> dict[int, Any]:
    """Those that hold and void ones, by number; a corrected one under its own number is the newest correction."""
    rows = {row.pk: row for row in found}
    newer = {row.corrects_id: row for row in rows.values() if row.corrects_id is not None and not row.is_void}
    return {pk: _newest(row, newer) for pk, row in rows.items()}


def _newest(row: Any, newer: Mapping[int, Any]) -> Any:
    while row.pk in newer:
        row = newer[row.pk]
    return row


def _answered_grade(alert: SafetyAlert, rows: Mapping[int, ToxicityAssessment]) -> SettledBy | None:
    """Answered once the assessment is void, or corrected to less than people were warned of."""
    row = rows[_number(alert)]
    if row.is_void:
        return SettledBy.VOIDED
    if alert.kind == AlertKind.MASKED:
        # A grade says more than that one may be hidden: it is warned of by itself.
        return None if _is_masked(row) else SettledBy.CORRECTED
    # What is new stays new at a lower grade.
    least = 1 if alert.kind in NEW.values() else alert.grade or 0
    if row.final_grade is not None and row.final_grade < least:
        return SettledBy.CORRECTED
    return SettledBy.UNSUPPORTED if alert.kind == AlertKind.RISE and not _still_rises(row, rows.values()) else None


def _answered_screen(alert: SafetyAlert, screens: Mapping[int, IecHsAssessment]) -> SettledBy | None:
    row = screens[_number(alert)]
    if row.is_void:
        return SettledBy.VOIDED
    return None if row.screen == IecHsScreen.POSITIVE else SettledBy.CORRECTED


def _number(alert: SafetyAlert) -> int:
    return int(alert.about.partition(":")[2])


def _still_rises(row: ToxicityAssessment, rows: Iterable[ToxicityAssessment]) -> bool:
    others = {one.pk: one for one in rows if one.toxicity == row.toxicity and not one.is_void and one.pk != row.pk}
    seen = [Seen(one.assessed_at, one.final_grade, one.pk) for one in others.values()]
    return warnings.still_rises(Seen(row.assessed_at, row.final_grade, row.pk), seen)


def _settle(alert: SafetyAlert, cause: SettledBy | None, *, now: dt.datetime) -> bool:
    if cause is None:
        return False
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
    counts = Counter(settled=0, raised=0, escalated=0)
    for person, alerts in groupby(unsettled(), lambda alert: alert.participant):
        with sweeps.guarded(f"alerts of participant:{person.pk}"):
            counts["settled"] += _settle_of(person, list(alerts), now=now)
    for due in _due_rounds(now):
        with sweeps.guarded(f"round of participant:{due.participant.pk}"):
            if due.state is State.OVERDUE and due.about and not _is_waiting(due, now):
                counts["raised"] += _raise_round(due, now=now)
    counts["escalated"] = escalate(now=now)
    return dict(counts)


def _due_rounds(now: dt.datetime) -> list[DueRound]:
    everybody = Site.objects.all()
    return sweeps.all_or_each(
        lambda: due_rounds(everybody, now),
        items=Participant.objects.standing().order_by("pk").values_list("pk", flat=True),
        alone=lambda pk: due_rounds(everybody, now, of=pk),
        key=lambda pk: f"round of participant:{pk}",
    )


def _is_waiting(due: DueRound, now: dt.datetime) -> bool:
    """Whether people were called lately for a round of these that was due at another moment: a worse grade, or a void,
    moves the moment and calls nobody twice."""
    since = now - round_policy(due.participant.protocol_version).after(0)
    rows = pending().filter(participant=due.participant, kind=AlertKind.OVERDUE, raised_at__gt=since)
    return rows.exclude(key=due.about).exists()


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
            # The one time at which it was due, however often it was missed since.
            "happened_at": due.round.due_at,
            "about": due.about,
            "raised_at": now,
            # Nobody's hand: it follows from the participant's own record.
            "created_by": participant.created_by,
            "created_at": now,
        },
    )
    if not is_new and alert.settled_at is not None:
        reopen(alert, now=now)
    _tell_new([(alert, is_new)], now=now)
    return is_new


def reopen(alert: SafetyAlert, *, now: dt.datetime) -> None:
    """What had answered it turned out to be a mistake: messages that were withdrawn wait again, and unanswered, it
    escalates at the next look."""
    cause, alert.settled_at, alert.settled_because = alert.settled_because, None, ""
    alert.save(update_fields=["settled_at", "settled_because"])
    notifications.reinstate(about=alert.about, reason=f"settled: {cause}", now=now)


# --- Answering ---------------------------------------------------------------------------------------


ACKNOWLEDGED = "acknowledged"


@transaction.atomic
def acknowledge(*, alert: SafetyAlert, by: User, now: dt.datetime, note: str = "") -> SafetyAlert:
    """Somebody knows, and acts: this alert, those about the same thing, and the older ones in whose place it stands.

    Raises Refused when somebody was faster, when a newer alert says more than this one, and for whoever is not of the
    site's clinical staff: nobody goes to the bed because the administrator of the computer has pressed a button.
    """
    check_clinical(by, alert.participant.site, permission="safety.acknowledge_safetyalert")
    rows = SafetyAlert.objects.select_for_update(of=("self",)).filter(participant=alert.participant_id)
    rows = rows.select_related("acknowledged_by", "superseded_by", "participant")
    same = [row for row in rows.order_by("id") if thread_of(row) == thread_of(alert)]
    alert = next(row for row in same if row.pk == alert.pk)
    _check_open(alert)
    for row in same:
        is_named = row.settled_at is None or row.about == alert.about
        if row.acknowledged_at is None and is_named:
            row.acknowledged_at, row.acknowledged_by, row.acknowledge_note = now, by, note.strip()
            row.save(update_fields=["acknowledged_at", "acknowledged_by", "acknowledge_note"])
            notifications.cancel(about=row.about, reason=ACKNOWLEDGED, now=now)
    return alert


def _check_open(alert: SafetyAlert) -> None:
    if alert.acknowledged_at is not None:
        raise Refused(
            _("%(who)s acknowledged this at %(at)s already; nothing was changed.")
            % {"who": alert.acknowledged_by, "at": long_moment(alert.acknowledged_at)}
        )
    if alert.superseded_by is not None and alert.settled_at is None:
        raise Refused(
            _("A newer alert stands in its place: %(newer)s, %(at)s. Open that one: its answer answers both.")
            % {"newer": alert.superseded_by.what, "at": long_moment(alert.superseded_by.happened_at)}
        )


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
