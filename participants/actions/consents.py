"""Verbs of consent: record it, ask for it again in time, take note of its withdrawal."""

import datetime as dt
from collections.abc import Collection

from django.db import transaction
from django.db.models import Min, QuerySet
from django.utils.translation import gettext as _

from participants.actions.days import end_of_day, long_date, long_moment, minute, site_day
from participants.actions.deviations import report_deviation
from participants.actions.owed import keep_owed
from participants.actions.status import change_status
from participants.actions.telling import Duty, tell_of
from participants.models import (
    Consent,
    ConsentWithdrawal,
    DeviationKind,
    Examination,
    Participant,
    ProtocolDeviation,
    ReasonCode,
    Reconsent,
    ReconsentState,
    WithdrawalScope,
)
from participants.rules import consent as rules
from participants.rules.age import LeapDay
from participants.rules.status import NO_MORE_VISITS, Status, can_become
from trialsite import notifications, sweeps
from trialsite.models import User
from trialsite.refusal import Refused
from trialsite.study import Protocol, get_study

# What the day's mail of several is about.
DIGEST = "reconsents"


def first_consent_at(participant: Participant) -> dt.datetime | None:
    """When the participant first consented; SDTM calls it RFICDTC."""
    found: dt.datetime | None = participant.consents.standing().aggregate(first=Min("consented_at"))["first"]
    return found


def first_procedure_at(participant: Participant) -> dt.datetime | None:
    """When the first examination was made that was done for the study only."""
    found: dt.datetime | None = (
        participant.examinations.standing().filter(is_study_procedure=True).aggregate(first=Min("taken_at"))["first"]
    )
    return found


def check_consent(consent: Consent, *, deviation_reason: str = "", now: dt.datetime) -> None:
    """Raises Refused for a consent in the future, of a form not yet in force, or without all signatures.

    A consent after the first study procedure is possible, but asks for the reason of the deviation.
    """
    if consent.consented_at > now:
        raise Refused(
            _("Consent cannot lie in the future: %(at)s is after now, %(now)s. Correct the date and time.")
            % {"at": long_moment(consent.consented_at), "now": long_moment(now)}
        )
    _check_version(consent)
    _check_signatures(consent)
    late = procedure_before(consent)
    if late and not deviation_reason.strip():
        raise Refused(f"{late} {_('Record it and give a reason for the protocol deviation.')}")


def _check_version(consent: Consent) -> None:
    day = site_day(consent.consented_at)
    versions = {one.version: one for one in get_study().latest.consent_versions}
    form = versions.get(consent.version)
    if form is not None and day < form.effective_on:
        raise Refused(
            _("Version %(version)s of the form is in force from %(from)s on; %(day)s is before. Choose another.")
            % {"version": form.version, "from": long_date(form.effective_on), "day": long_date(day)}
        )


def _check_signatures(consent: Consent) -> None:
    age = consent.participant.age_on(site_day(consent.consented_at))
    limit = _protocol(consent.participant).policy.guardian_below_age
    if age is None:
        return  # whose birth date cannot be read may still have signed
    if age < limit and not consent.guardian_consented:
        raise Refused(
            _(
                "At %(age)s years (under %(limit)s) the guardian signs too. "
                "Record that the guardian signed, or record the consent once it is complete."
            )
            % {"age": age, "limit": limit}
        )
    if age < limit and not consent.participant_assented:
        raise Refused(
            _(
                "At %(age)s years (under %(limit)s) the participant's own assent is needed beside the guardian's "
                "consent. Record the assent, or record the consent once it is complete."
            )
            % {"age": age, "limit": limit}
        )


def _protocol(participant: Participant) -> Protocol:
    return get_study().protocol(participant.protocol_version)


def procedure_before(consent: Consent) -> str:
    """In words, if a study procedure came before this consent and no earlier consent covers it."""
    procedure = first_procedure_at(consent.participant)
    # A correction must not be measured against the value that it corrects.
    others = consent.participant.consents.standing().exclude(pk=consent.pk)
    known = others.aggregate(first=Min("consented_at"))["first"]
    first = min(consent.consented_at, known) if known else consent.consented_at
    if procedure is None or procedure >= minute(first) or first != consent.consented_at:
        return ""
    return _consent_text(consent.consented_at, procedure)


def keep_consent_deviation(
    participant: Participant, reason: str, *, opens: bool = True, by: User, now: dt.datetime
) -> None:
    """After every change of a consent or of a study procedure: whether one came before the consent, or without any.

    That there is none is written down where somebody was asked and gave a reason; a void `opens` no such deviation.
    """
    consented, procedure = first_consent_at(participant), first_procedure_at(participant)
    about = f"consent:{participant.pk}"
    is_asked = opens and reason.strip()
    known = ProtocolDeviation.objects.standing().filter(about=about)
    if consented is None and procedure is not None and not is_asked and not known.exists():
        return
    report_deviation(
        participant=participant,
        kind=DeviationKind.CONSENT,
        about=about,
        description=_before_consent(participant, consented, procedure),
        reason=reason,
        by=by,
        now=now,
    )


def _before_consent(participant: Participant, consented: dt.datetime | None, procedure: dt.datetime | None) -> str:
    """In words, what is wrong with a procedure at this moment; empty where nothing is."""
    if procedure is None:
        return ""
    if consented is None:
        values = {"procedure": long_moment(procedure), "number": participant.number}
        return _("%(procedure)s: done for the study, and no consent of %(number)s is on record.") % values
    return _consent_text(consented, procedure) if procedure < minute(consented) else ""


def _consent_text(consented: dt.datetime, procedure: dt.datetime) -> str:
    return _("Consent comes before every study procedure: consent was given %(consent)s, this was %(procedure)s.") % {
        "procedure": long_moment(procedure),
        "consent": long_moment(consented),
    }


def procedure_without_consent(examination: Examination) -> str:
    """In words, if this examination was done for the study before any consent, or without one on record."""
    participant = examination.participant
    if not examination.is_study_procedure:
        return ""
    consented = first_consent_at(participant)
    text = _before_consent(participant, consented, examination.taken_at)
    if consented is None:
        text += " " + _("Record the consent first; if routine care did it anyway, switch off “done for this study”.")
    return text


@transaction.atomic
def record_consent(*, consent: Consent, deviation_reason: str = "", by: User, now: dt.datetime) -> Consent:
    """Save a consent; duties that it settles are closed, a procedure before it becomes a deviation."""
    participant = Participant.objects.select_for_update().get(pk=consent.participant_id)
    check_consent(consent, deviation_reason=deviation_reason, now=now)
    if consent.pk is None:
        consent.created_by, consent.created_at = by, now
    consent.save()
    keep_consent_deviation(participant, deviation_reason, by=by, now=now)
    sync_reconsents(participant=participant, by=by, now=now)
    keep_owed(participant, now=now)
    return consent


# --- Consent again ---------------------------------------------------------------------------------


def _duties(participant: Participant, *, today: dt.date) -> tuple[tuple[rules.Given, ...], tuple[rules.Duty, ...]]:
    protocol = _protocol(participant)
    given = tuple(
        rules.Given(one.version, site_day(one.consented_at)) for one in participant.consents.all() if not one.is_void
    )
    versions = [rules.FormVersion(one.version, one.effective_on) for one in get_study().latest.consent_versions]
    policy = rules.ReconsentPolicy(
        protocol.policy.guardian_below_age,
        protocol.policy.reconsent_within_days,
        leap_day=LeapDay(protocol.policy.leap_day_birthday),
    )
    return given, rules.duties(given, versions, participant.born_on, policy, today=today)


@transaction.atomic
def sync_reconsents(*, participant: Participant, by: User, now: dt.datetime) -> int:
    """Bring the rows of what must be signed again in step with the consents; how many are newly owed."""
    if Status(participant.status) in NO_MORE_VISITS:
        return 0
    given, duties = _duties(participant, today=site_day(now))
    # Void ones too: who need not be asked again is not asked again by the next sweep.
    known = {(one.cause, one.version): one for one in participant.reconsents.order_by("id")}
    new = 0
    for duty in duties:
        row = known.get((duty.cause, duty.version))
        is_settled = any(rules.settles(one, duty) for one in given)
        if row is None and not is_settled:
            _owe(participant, duty, by=by, now=now)
            new += 1
        elif row is not None and not row.is_void and row.state == ReconsentState.OPEN and is_settled:
            _settle(row, duty, now=now)
    return new


def _owe(participant: Participant, duty: rules.Duty, *, by: User, now: dt.datetime) -> None:
    Reconsent.objects.create(
        participant=participant,
        cause=duty.cause,
        version=duty.version,
        opens_on=duty.opens_on,
        due_on=duty.due_on,
        created_by=by,
        created_at=now,
    )


def _settle(row: Reconsent, duty: rules.Duty, *, now: dt.datetime) -> None:
    settling = [
        one
        for one in row.participant.consents.standing()
        if rules.settles(rules.Given(one.version, site_day(one.consented_at)), duty)
    ]
    row.state, row.settled_by = ReconsentState.DONE, settling[0]
    row.save(update_fields=["state", "settled_by"])
    notifications.cancel(about=f"reconsent:{row.pk}", reason="consented again", now=now)


def remind_of_reconsents(*, now: dt.datetime) -> dict[str, int]:
    """Find who must consent again and remind the coordinators; safe to run twice, beside itself, or late."""
    participants = (
        Participant.objects.standing()
        .filter(consents__isnull=False)
        .exclude(status__in=[status.value for status in NO_MORE_VISITS])
        .distinct()
        .prefetch_related("consents")
    )
    counts = {"owed": 0, "queued": 0}
    for participant in participants:
        with sweeps.guarded(f"consents of participant:{participant.pk}"):
            _given, owing = _duties(participant, today=site_day(now))
            if owing:
                counts["owed"] += _sync_locked(participant, now=now)
    owed = [_duty_of(row, now=now) for row in _open_reconsents().select_related("participant__site")]
    counts["queued"] = tell_of(owed, kind=DIGEST, now=now).total()
    return counts


def _open_reconsents() -> QuerySet[Reconsent]:
    return Reconsent.objects.standing().filter(state=ReconsentState.OPEN)


def reconsents_owed(about: Collection[str]) -> set[str]:
    """Of these, those that are still to be given."""
    keys = [int(one.partition(":")[2]) for one in about]
    return {f"reconsent:{pk}" for pk in _open_reconsents().filter(pk__in=keys).values_list("pk", flat=True)}


@transaction.atomic
def _sync_locked(participant: Participant, *, now: dt.datetime) -> int:
    locked = Participant.objects.select_for_update().get(pk=participant.pk)
    return sync_reconsents(participant=locked, by=locked.created_by, now=now)


def _duty_of(row: Reconsent, *, now: dt.datetime) -> Duty:
    today, whose = site_day(now), row.participant
    return Duty(
        about=f"reconsent:{row.pk}",
        stage=f"{row.due_on}:{rules.stage(row.due_on, today=today)}",
        site=whose.site,
        protocol=get_study().protocol(whose.protocol_version),
        row=row,
        template="participants/email/reconsent",
        context={"duty": row, "participant": whose, "days_left": (row.due_on - today).days},
        relevant_until=end_of_day(today + dt.timedelta(days=6)),
    )


# --- Withdrawal ------------------------------------------------------------------------------------


@transaction.atomic
def withdraw_consent(*, withdrawal: ConsentWithdrawal, by: User, now: dt.datetime) -> ConsentWithdrawal:
    """The participant takes the consent back. What was recorded stays: it was collected with consent.

    Without further visits the status becomes "withdrawn" and nothing more is owed. Raises Refused for a moment
    in the future, or before the consent.
    """
    participant = Participant.objects.select_for_update().get(pk=withdrawal.participant_id)
    withdrawal.participant = participant
    check_withdrawal(withdrawal, now=now)
    withdrawal.created_by, withdrawal.created_at = by, now
    withdrawal.save()
    if withdrawal.scope != WithdrawalScope.TREATMENT and can_become(Status(participant.status), Status.WITHDRAWN):
        change_status(
            participant=participant,
            new=Status.WITHDRAWN,
            on=site_day(withdrawal.withdrawn_at),
            reason=withdrawal.reason,
            reason_code=ReasonCode.SUBJECT,
            by=by,
            now=now,
        )
    keep_owed(participant, now=now)
    return withdrawal


def check_withdrawal(withdrawal: ConsentWithdrawal, *, now: dt.datetime) -> None:
    consented_at = first_consent_at(withdrawal.participant)
    if withdrawal.withdrawn_at > now:
        raise Refused(
            _("A withdrawal is recorded once it has happened: %(at)s is after now, %(now)s. Correct the date and time.")
            % {"at": long_moment(withdrawal.withdrawn_at), "now": long_moment(now)}
        )
    if consented_at is None or withdrawal.withdrawn_at < consented_at:
        raise Refused(
            _("There is no consent to withdraw at %(at)s: consent was given %(consent)s. Correct the date and time.")
            % {
                "at": long_moment(withdrawal.withdrawn_at),
                "consent": long_moment(consented_at) if consented_at else _("never"),
            }
        )
    _check_scope(withdrawal)


def _check_scope(withdrawal: ConsentWithdrawal) -> None:
    """A later withdrawal goes further than those before it: from the treatment to everything, never back."""
    scope = WithdrawalScope(withdrawal.scope)
    others = withdrawal.participant.withdrawals.standing().exclude(pk=withdrawal.pk)
    for other in others:
        if not scope.goes_beyond(WithdrawalScope(other.scope)):
            raise Refused(
                _(
                    "A withdrawal of %(at)s is recorded already: “%(recorded)s”. A second one goes further than "
                    "that. If that one is wrong, have it voided first."
                )
                % {"at": long_moment(other.withdrawn_at), "recorded": other.get_scope_display()}
            )


def has_withdrawn_treatment(participant: Participant) -> bool:
    return participant.withdrawals.standing().exists()


def has_consent(participant: Participant, *, at: dt.datetime) -> bool:
    """Whether consent was given by that moment, and not taken back by then."""
    consented_at = first_consent_at(participant)
    taken_back = participant.withdrawals.standing().filter(withdrawn_at__lte=at)
    return consented_at is not None and consented_at <= at and not taken_back.exists()


def is_consent_overdue(participant: Participant, *, on: dt.date) -> bool:
    """Whether consent had to be asked for again before that day, and was not."""
    rows = participant.reconsents.standing().filter(state=ReconsentState.OPEN, due_on__lt=on)
    found: bool = rows.exists()
    return found
