"""Verbs that take back what was recorded by mistake, with all that followed from it; and what each would do.

Each verb has a preview beside it, which reads what the verb will write.
"""

import datetime as dt
import json
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from participants.actions.consents import (
    first_procedure_at,
    keep_consent_deviation,
    sync_reconsents,
)
from participants.actions.days import long_date, site_day
from participants.actions.deviations import report_deviation
from participants.actions.enrolment import BEFORE_INFUSION
from participants.actions.known import newest_confirmation
from participants.actions.owed import NO_LONGER_DUE, happened_to, keep_owed, lines_of, preview_without, settle_owed
from participants.models import (
    HISTORY,
    STATUS_NAMES,
    Consent,
    ConsentWithdrawal,
    DeviationKind,
    EligibilityConfirmation,
    EligibilityRuling,
    Examination,
    Measurement,
    Participant,
    ParticipantStatus,
    ProtocolDeviation,
    Reconsent,
    ReconsentState,
    Visit,
    VisitState,
    WithdrawalScope,
)
from participants.models.visits import TOOK_PLACE
from participants.rules.settling import ToldBy
from participants.rules.status import NO_MORE_VISITS, Status, can_become
from trialsite import notifications
from trialsite.models import Notification, NotificationState, Record, User
from trialsite.refusal import Refused
from trialsite.study import get_study
from trialsite.voiding import Consequences, entangled, pointing_at, void, void_parts
from trialsite.wake import wake

# What the outbox says of a message that was withdrawn: only these come back when the reason falls away.
CONSENTED_AGAIN = "consented again"
ENTRY_IS_VOID = "the entry is void"


def locked(participant_id: int) -> Participant:
    """The row that every verb locks first, so that two of them come one after the other."""
    return Participant.objects.select_for_update().get(pk=participant_id)


# --- Deviations and messages about an entry ----------------------------------------------------------


def deviations_about(*about: str) -> QuerySet[ProtocolDeviation]:
    return ProtocolDeviation.objects.standing().filter(about__in=about)


def void_about(*about: str, reason: str, by: User, now: dt.datetime) -> None:
    """What was written because of an entry goes with it: its deviations, and messages that still wait."""
    void_deviations(deviations_about(*about), reason=reason, by=by, now=now)
    for one in about:
        notifications.cancel(about=one, reason=ENTRY_IS_VOID, now=now)


def void_deviations(rows: QuerySet[ProtocolDeviation], *, reason: str, by: User, now: dt.datetime) -> None:
    for deviation in rows:
        void(deviation, reason=reason, by=by, now=now, by_rule=True)


def deviation_lines(*about: str) -> tuple[str, ...]:
    return lines_about(deviations_about(*about))


def lines_about(rows: QuerySet[ProtocolDeviation]) -> tuple[str, ...]:
    count = rows.count()
    if not count:
        return ()
    text = ngettext(
        "%(count)s protocol deviation about it becomes void too.",
        "%(count)s protocol deviations about it become void too.",
        count,
    )
    return (text % {"count": count},)


def report_void(
    record: Record, participant: Participant, rests: Iterable[str], *, reason: str, by: User, now: dt.datetime
) -> None:
    """Others acted on an entry that is void now: that is a deviation, with the reason of the void."""
    lines = " ".join(rests)
    report_deviation(
        participant=participant,
        kind=DeviationKind.VOIDED,
        about=f"void:{record._meta.model_name}:{record.pk}",
        description=_("%(entry)s is void. %(rests)s") % {"entry": _name(record), "rests": lines} if lines else "",
        reason=reason,
        by=by,
        now=now,
    )


def _name(record: Record) -> str:
    return f"{record._meta.verbose_name} ({record.pk})"


# --- Statuses ----------------------------------------------------------------------------------------


def standing_statuses(participant: Participant, *names: Status) -> list[ParticipantStatus]:
    """In the order of the history; all of them, or those of these names."""
    rows = participant.statuses.standing().order_by(*HISTORY)
    return list(rows.filter(status__in=names) if names else rows)


def status_without(participant: Participant, gone: Sequence[ParticipantStatus]) -> Status:
    """Where the participant stands once these rows are void. Raises Refused where what stays rests on them."""
    away = {row.pk for row in gone}
    before: ParticipantStatus | None = None
    is_gap = False
    for row in standing_statuses(participant):
        if row.pk in away:
            is_gap = True
            continue
        if is_gap and not can_become(Status(before.status) if before else None, Status(row.status)):
            raise Refused(_rests_on_status(row))
        before, is_gap = row, False
    if before is None:
        raise Refused(instead_of_first_status())
    return Status(before.status)


def _rests_on_status(row: ParticipantStatus) -> str:
    return _("“%(status)s”, since %(since)s, rests on it. Take that back first.") % {
        "status": row.get_status_display(),
        "since": long_date(row.effective_on),
    }


def instead_of_first_status() -> str:
    return _("A history begins with the screening. If there was none, void the participant.")


def status_lines(
    participant: Participant, gone: Sequence[ParticipantStatus], *, without: ConsentWithdrawal | None = None
) -> tuple[str, ...]:
    """What taking these statuses back would change, in words; with the withdrawal from which they followed."""
    if not gone:
        return ()
    before, after = Status(participant.status), status_without(participant, gone)
    lines = [
        _("%(number)s goes back from “%(before)s” to “%(after)s”.")
        % {"number": participant.number, "before": STATUS_NAMES[before], "after": STATUS_NAMES[after]}
    ]
    if any(row.status == Status.ENROLLED for row in gone):
        lines.append(
            _("The place in the study is free again, and the number %(number)s is not used again.")
            % {"number": participant.participant_number or participant.number}
        )
        lines += deviation_lines(f"enrolment:{participant.pk}")
    lines += _owed_lines(participant, gone, without)
    if _reopens(before, after):
        lines += _reopening_lines(participant, after)
    return tuple(lines)


def _reopens(before: Status, after: Status) -> bool:
    return before in NO_MORE_VISITS and after not in NO_MORE_VISITS


def _owed_lines(
    participant: Participant, gone: Sequence[ParticipantStatus], without: ConsentWithdrawal | None
) -> list[str]:
    away = {row.pk for row in gone}
    stays = [row for row in standing_statuses(participant) if row.pk not in away]
    return lines_of(participant, happened_to(participant, stays, without=without))


def _reopening_lines(participant: Participant, after: Status) -> list[str]:
    lines = []
    if participant.planned_infusion_on is None and (planned := planned_while(participant, after)):
        lines.append(_("The planned infusion is again: %(day)s.") % {"day": long_date(planned)})
    return lines


def planned_while(participant: Participant, *names: Status) -> dt.date | None:
    """The day of infusion that was planned when the participant last stood there, as the trail has it."""
    events = participant.events.order_by("-pgh_id")  # type: ignore[attr-defined]
    last = events.filter(status__in=[name.value for name in names]).first()
    return last.planned_infusion_on if last else None


def take_back_statuses(
    participant: Participant, gone: Sequence[ParticipantStatus], *, reason: str, by: User, now: dt.datetime
) -> None:
    """Void these rows; the newest that stands says where the participant is. Callers hold the lock."""
    if not gone:
        return
    before, after = Status(participant.status), status_without(participant, gone)
    for row in gone:
        void(row, reason=reason, by=by, now=now, by_rule=True)
    if any(row.status == Status.ENROLLED for row in gone):
        participant.participant_number = None
        void_about(f"enrolment:{participant.pk}", reason=reason, by=by, now=now)
    if _reopens(before, after) and participant.planned_infusion_on is None:
        participant.planned_infusion_on = planned_while(participant, after)
    participant.status = after
    participant.save(update_fields=["status", "participant_number", "planned_infusion_on"])
    keep_owed(participant, now=now)
    if _reopens(before, after):
        _reopen(participant, by=by, now=now)


def _reopen(participant: Participant, *, by: User, now: dt.datetime) -> None:
    """What the status had closed is owed again."""
    for duty in participant.reconsents.standing().filter(state=ReconsentState.CANCELLED):
        duty.state = ReconsentState.OPEN
        duty.save(update_fields=["state"])
        notifications.reinstate(about=f"reconsent:{duty.pk}", reason=NO_LONGER_DUE, now=now)
    sync_reconsents(participant=participant, by=by, now=now)
    wake("participants.tasks.sweep_visit_reminders")


def instead_of_status(row: ParticipantStatus) -> str:
    """What to void in place of a status that follows from something else, or is not the newest."""
    if row.status == Status.SCREENING:
        return instead_of_first_status()
    if row.status == Status.INFUSED:
        return _("This status follows from the infusion. Void the infusion, and it goes with it.")
    if row.status == Status.WITHDRAWN and _withdrawals_of(row):
        return _("This status follows from the withdrawal of consent. Void the withdrawal, and it goes with it.")
    newest = standing_statuses(row.participant)[-1]
    if newest.pk != row.pk:
        return _("Only the newest status is taken back. %(newest)s") % {"newest": _rests_on_status(newest)}
    return ""


def _withdrawals_of(row: ParticipantStatus) -> list[ConsentWithdrawal]:
    rows = row.participant.withdrawals.standing().exclude(scope=WithdrawalScope.TREATMENT)
    return [one for one in rows if site_day(one.withdrawn_at) == row.effective_on]


def status_consequences(row: ParticipantStatus) -> Consequences:
    again = Participant.objects.standing().filter(rescreening_of=row.participant_id).first()
    rests: tuple[str, ...] = ()
    if row.status == Status.SCREEN_FAILED and again is not None:
        rests = (_("Screened again as %(number)s.") % {"number": again.number},)
    return Consequences(status_lines(row.participant, [row]), rests)


@transaction.atomic
def void_status(*, row: ParticipantStatus, reason: str, by: User, now: dt.datetime) -> None:
    """Take the newest status back: the one before it holds again, and what it had closed is owed again."""
    participant = locked(row.participant_id)
    if not row.is_void and (instead := instead_of_status(row)):
        raise Refused(instead)
    take_back_statuses(participant, [row], reason=reason, by=by, now=now)


# --- The infusion, of which dosing tells us ----------------------------------------------------------


def _planned_follow_up(participant: Participant) -> QuerySet[Visit]:
    return participant.visits.standing().filter(_FOLLOWS_DAY0)


# What nobody has said anything of; the records of a day after an infusion that was none tell of no visit.
_FOLLOWS_DAY0 = Q(state__in=[VisitState.PLANNED, VisitState.CANCELLED]) | Q(told_by=ToldBy.RECORDS)


def infusion_lines(participant: Participant) -> tuple[str, ...]:
    """What goes once no infusion stands any more."""
    gone = standing_statuses(participant, Status.INFUSED, Status.IN_FOLLOW_UP)
    lines = [*status_lines(participant, gone)]
    if count := _planned_follow_up(participant).count():
        text = ngettext(
            "%(count)s planned visit is withdrawn, with its reminders.",
            "%(count)s planned visits are withdrawn, with their reminders.",
            count,
        )
        lines.append(text % {"count": count})
    if stay := list(participant.visits.standing().exclude(_FOLLOWS_DAY0)):
        lines.append(_("Visits that are settled stay: %(codes)s.") % {"codes": _(", ").join(v.code for v in stay)})
    planned = planned_while(participant, *BEFORE_INFUSION)
    day = long_date(planned) if planned else _("not planned")
    lines.append(_("The planned infusion is again: %(day)s.") % {"day": day})
    return tuple(lines)


@transaction.atomic
def take_back_infusion(*, participant: Participant, reason: str, by: User, now: dt.datetime) -> None:
    """No infusion stands any more: its statuses go, and every visit of its Day 0 that has not happened."""
    planned = planned_while(participant, *BEFORE_INFUSION)
    gone = standing_statuses(participant, Status.INFUSED, Status.IN_FOLLOW_UP)
    take_back_statuses(participant, gone, reason=reason, by=by, now=now)
    for visit in _planned_follow_up(participant):
        void(visit, reason=reason, by=by, now=now, by_rule=True)
        notifications.cancel(about=f"visit:{visit.pk}", reason=ENTRY_IS_VOID, now=now)
    participant.planned_infusion_on = planned
    participant.save(update_fields=["planned_infusion_on"])


# --- Visits ------------------------------------------------------------------------------------------


def instead_of_visit(visit: Visit) -> str:
    if visit.state in (VisitState.PLANNED, VisitState.CANCELLED):
        return _(
            "A visit that has not happened follows from Day 0: it goes when the infusion is voided. If nobody waits "
            "for it, set it to “not applicable”."
        )
    return ""


def visit_consequences(visit: Visit) -> Consequences:
    again = _("%(code)s is planned again for %(day)s, with its reminders.") % {
        "code": visit.code,
        "day": long_date(visit.target_date),
    }
    gone = _opened_follow_up(visit)
    planned = () if visit.is_unscheduled else (again,)
    lines = (*planned, *deviation_lines(f"visit:{visit.pk}"), *status_lines(visit.participant, gone))
    return Consequences(lines) + entangled(visit)


@transaction.atomic
def void_visit(*, visit: Visit, reason: str, by: User, now: dt.datetime) -> Visit | None:
    """Take back what became of a visit: the entry is void, and the same visit is planned anew, if it ever was."""
    participant = locked(visit.participant_id)
    if not visit.is_void and (instead := instead_of_visit(visit)):
        raise Refused(instead)
    gone = _opened_follow_up(visit)
    void(visit, reason=reason, by=by, now=now)
    void_about(f"visit:{visit.pk}", reason=reason, by=by, now=now)
    take_back_statuses(participant, gone, reason=reason, by=by, now=now)
    if visit.is_unscheduled:
        return None
    plan = {name: getattr(visit, name) for name in PLAN_OF_VISIT}
    # Whoever takes back what the records of the day have said means it: they do not say it again.
    told_by = ToldBy.PERSON if visit.told_by == ToldBy.RECORDS else ToldBy.NOBODY
    again = Visit(**plan, told_by=told_by, created_by=by, created_at=now)
    settle_owed(again, happened_to(participant))
    again.save()
    wake("participants.tasks.sweep_visit_reminders")
    return again


PLAN_OF_VISIT = (
    "participant",
    "code",
    "protocol_version",
    "target_day",
    "target_date",
    "window_opens_on",
    "window_closes_on",
    "is_long_term_follow_up",
)


def _opened_follow_up(visit: Visit) -> list[ParticipantStatus]:
    """The status "in follow-up", if it is the newest and only this visit opened it."""
    newest = standing_statuses(visit.participant)[-1:]
    others = visit.participant.visits.standing().filter(state__in=TOOK_PLACE).exclude(pk=visit.pk)
    is_opener = visit.state in TOOK_PLACE and _opens_follow_up(visit)
    if not is_opener or any(_opens_follow_up(one) for one in others):
        return []
    assert visit.occurred_on is not None
    return [row for row in newest if row.status == Status.IN_FOLLOW_UP and row.effective_on >= visit.occurred_on]


def _opens_follow_up(visit: Visit) -> bool:
    return get_study().protocol(visit.protocol_version).visit(visit.code).phase in {"follow_up", "long_term"}


# --- Consent -----------------------------------------------------------------------------------------


def consent_consequences(consent: Consent) -> Consequences:
    lines = []
    if count := _settled_by(consent).count():
        text = ngettext(
            "%(count)s consent that had to be renewed is owed again.",
            "%(count)s consents that had to be renewed are owed again.",
            count,
        )
        lines.append(text % {"count": count})
    return Consequences((*lines, *preview_without(consent)), _rests_on_consent(consent))


def _settled_by(consent: Consent) -> QuerySet[Reconsent]:
    return Reconsent.objects.standing().filter(settled_by=consent)


def _rests_on_consent(consent: Consent) -> tuple[str, ...]:
    """What was done in the belief that there was a consent, if no other covers it."""
    participant = consent.participant
    if participant.consents.standing().exclude(pk=consent.pk).exists():
        return ()
    lines = []
    if procedure := first_procedure_at(participant):
        lines.append(_("A study procedure was done on %(day)s.") % {"day": long_date(site_day(procedure))})
    lines += [
        _("%(number)s is “%(status)s” since %(since)s.")
        % {
            "number": participant.number,
            "status": row.get_status_display(),
            "since": long_date(row.effective_on),
        }
        for row in standing_statuses(participant, Status.ENROLLED, Status.INFUSED)
    ]
    return (_("It is the only consent."), *lines) if lines else ()


@transaction.atomic
def void_consent(*, consent: Consent, reason: str, by: User, now: dt.datetime) -> None:
    """Take a consent back as never given: duties that it settled are owed again; what rested on it is a deviation."""
    participant = locked(consent.participant_id)
    rests = _rests_on_consent(consent)
    void(consent, reason=reason, by=by, now=now)
    for duty in _settled_by(consent):
        duty.state, duty.settled_by = ReconsentState.OPEN, None
        duty.save(update_fields=["state", "settled_by"])
        notifications.reinstate(about=f"reconsent:{duty.pk}", reason=CONSENTED_AGAIN, now=now)
    sync_reconsents(participant=participant, by=by, now=now)
    keep_owed(participant, now=now)
    keep_consent_deviation(participant, reason, opens=False, by=by, now=now)
    report_void(consent, participant, rests, reason=reason, by=by, now=now)


def withdrawal_consequences(withdrawal: ConsentWithdrawal) -> Consequences:
    gone = _withdrawn_by(withdrawal)
    lines = status_lines(withdrawal.participant, gone, without=withdrawal) or preview_without(withdrawal)
    return Consequences(tuple(lines)) + entangled(withdrawal)


def _withdrawn_by(withdrawal: ConsentWithdrawal) -> list[ParticipantStatus]:
    if withdrawal.scope == WithdrawalScope.TREATMENT:
        return []
    return standing_statuses(withdrawal.participant, Status.WITHDRAWN)


@transaction.atomic
def void_withdrawal(*, withdrawal: ConsentWithdrawal, reason: str, by: User, now: dt.datetime) -> None:
    """The consent was not taken back after all: the status goes back, and visits are due again."""
    participant = locked(withdrawal.participant_id)
    gone = _withdrawn_by(withdrawal)
    void(withdrawal, reason=reason, by=by, now=now)
    take_back_statuses(participant, gone, reason=reason, by=by, now=now)
    keep_owed(participant, now=now)


def instead_of_reconsent(duty: Reconsent) -> str:
    if duty.state == ReconsentState.DONE:
        return _("It was settled by a consent: void that consent, and this is owed again.")
    return ""


@transaction.atomic
def void_reconsent(*, duty: Reconsent, reason: str, by: User, now: dt.datetime) -> None:
    """This participant need not be asked again; a void duty does not come back with the next sweep."""
    locked(duty.participant_id)
    if not duty.is_void and (instead := instead_of_reconsent(duty)):
        raise Refused(instead)
    void(duty, reason=reason, by=by, now=now)
    notifications.cancel(about=f"reconsent:{duty.pk}", reason=ENTRY_IS_VOID, now=now)


# --- Eligibility and the facts that it rests on ------------------------------------------------------


def _enrolled_since(participant: Participant) -> str:
    """In words, that somebody was enrolled on what is now void; empty for who was not."""
    rows = standing_statuses(participant, Status.ENROLLED)
    if not rows:
        return ""
    return _("%(number)s was enrolled on it on %(day)s.") % {
        "number": participant.number,
        "day": long_date(rows[-1].effective_on),
    }


def decision_consequences(row: EligibilityConfirmation | EligibilityRuling) -> Consequences:
    """Of a signed confirmation, or of a ruling that one was signed on."""
    confirmation = newest_confirmation(row.participant)
    is_signed = isinstance(row, EligibilityConfirmation) or _is_signed(confirmation, ruling=row.pk)
    if not is_signed:
        return Consequences()
    if since := _enrolled_since(row.participant):
        return Consequences(rests=(since,))
    return Consequences((_("Eligibility must be confirmed again before the enrolment."),))


@transaction.atomic
def void_decision(*, row: EligibilityConfirmation | EligibilityRuling, reason: str, by: User, now: dt.datetime) -> None:
    participant = locked(row.participant_id)
    rests = decision_consequences(row).rests
    void(row, reason=reason, by=by, now=now)
    report_void(row, participant, rests, reason=reason, by=by, now=now)


def _is_signed(
    confirmation: EligibilityConfirmation | None, *, ruling: int | None = None, measurements: Iterable[int] = ()
) -> bool:
    """Whether the newest signature stands on this ruling, or on one of these measurements."""
    checks = _checks_of(confirmation)
    if ruling is not None and any(check.get("ruling", {}).get("id") == ruling for check in checks):
        return True
    used = {fact.get("measurement") for check in checks for fact in check["facts"]}
    return bool(used & set(measurements))


def _checks_of(confirmation: EligibilityConfirmation | None) -> list[dict[str, Any]]:
    if confirmation is None:
        return []
    criteria = json.loads(confirmation.snapshot)["criteria"]
    return [check for criterion in criteria for check in criterion["checks"]]


def results_consequences(participant: Participant, rows: Iterable[Measurement]) -> Consequences:
    """Of results that are void: eligibility may have been signed on one of them."""
    confirmation = newest_confirmation(participant)
    if not _is_signed(confirmation, measurements=[row.pk for row in rows]):
        return Consequences()
    assert confirmation is not None
    day = long_date(site_day(confirmation.created_at))
    signed = _("Eligibility was confirmed with it on %(day)s.") % {"day": day}
    if since := _enrolled_since(participant):
        return Consequences(rests=(signed, since))
    return Consequences((f"{signed} {_('It must be confirmed again before the enrolment.')}",))


def examination_consequences(examination: Examination) -> Consequences:
    rows = examination.measurements.standing()
    return entangled(examination) + results_consequences(examination.participant, rows)


@transaction.atomic
def void_examination(*, examination: Examination, reason: str, by: User, now: dt.datetime) -> None:
    """With all its results; a procedure before the consent is one no longer, if it was this."""
    participant = locked(examination.participant_id)
    rests = examination_consequences(examination).rests
    void(examination, reason=reason, by=by, now=now)
    keep_consent_deviation(participant, reason, opens=False, by=by, now=now)
    report_void(examination, participant, rests, reason=reason, by=by, now=now)


def measurement_consequences(row: Measurement) -> Consequences:
    return entangled(row) + results_consequences(row.participant, [row])


@transaction.atomic
def void_measurement(*, row: Measurement, reason: str, by: User, now: dt.datetime) -> None:
    """One result of an examination; the others stay."""
    participant = locked(row.participant_id)
    rests = measurement_consequences(row).rests
    void(row, reason=reason, by=by, now=now)
    report_void(row, participant, rests, reason=reason, by=by, now=now)


# --- Participants ------------------------------------------------------------------------------------


def participant_consequences(participant: Participant) -> Consequences:
    lines = []
    if participant.participant_number:
        lines.append(
            _("The place in the study is free again, and the number %(number)s is not used again.")
            % {"number": participant.participant_number}
        )
    infused = standing_statuses(participant, Status.INFUSED)
    rests = [
        _("%(number)s was infused on %(day)s. Void the infusion alone if only that was a mistake.")
        % {"number": participant.number, "day": long_date(row.effective_on)}
        for row in infused
    ]
    return Consequences(tuple(lines), tuple(rests)) + entangled(participant)


@transaction.atomic
def void_participant(*, participant: Participant, reason: str, by: User, now: dt.datetime) -> None:
    """With everything that was recorded about this person; messages that still wait are withdrawn."""
    about = list(_abouts(participant))
    locked(participant.pk)
    void_parts(participant, reason=reason, by=by, now=now)
    void(participant, reason=reason, by=by, now=now)
    waiting = Notification.objects.filter(about__in=about, state=NotificationState.QUEUED)
    waiting.update(state=NotificationState.CANCELLED, finished_at=now, error=ENTRY_IS_VOID)


def _abouts(participant: Participant) -> Iterable[str]:
    """How messages name what they are about, for every record of this participant."""
    for field in pointing_at(Participant):
        rows = field.model._default_manager.filter(**{field.name: participant})
        yield from (f"{field.model._meta.model_name}:{pk}" for pk in rows.values_list("pk", flat=True))
        if any(one.name == "about" for one in field.model._meta.concrete_fields):
            yield from rows.values_list("about", flat=True)
