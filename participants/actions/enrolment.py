"""Verbs of the places in the study: enrol, plan the infusion, take note that it was given."""

import datetime as dt

from django.db import transaction
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from participants.actions.consents import first_consent_at
from participants.actions.days import end_of_day, long_date, site_day
from participants.actions.deviations import report_deviation
from participants.actions.eligibility import (
    against_infusion,
    check_can_confirm,
    codes_of,
    evaluate,
    is_on,
    signature_of,
)
from participants.actions.known import Known, newest_confirmation
from participants.actions.status import check_can_become, history_of, status_on, write_status
from participants.models import DeviationKind, Participant, ParticipantStatus
from participants.rules.eligibility import Result
from participants.rules.status import Status
from trialsite.clinical import check_clinical
from trialsite.models import Counter, User
from trialsite.refusal import Refused
from trialsite.study import get_study

ENROLMENT_COUNTER = "enrolment"
# How far ahead a planned infusion may lie: later is a slip of the year.
PLAN_AHEAD = dt.timedelta(days=365)


def check_can_enrol(participant: Participant, *, on: dt.date, now: dt.datetime) -> None:
    """Raises Refused where the step, a consent taken back, a criterion or the signature stands against it."""
    check_can_become(participant, Status.ENROLLED, on=on, now=now)
    if participant.is_void:
        raise Refused(_("%(number)s is void and cannot be enrolled.") % {"number": participant.number})
    consented = first_consent_at(participant)
    if consented is not None and on < site_day(consented):
        raise Refused(
            _("Consent was given on %(consent)s; nobody is enrolled before, on %(day)s. Correct one of the two days.")
            % {"consent": long_date(site_day(consented)), "day": long_date(on)}
        )
    if participant.withdrawals.standing().filter(withdrawn_at__lte=end_of_day(on)).exists():
        raise Refused(
            _("%(number)s has withdrawn the consent and cannot be enrolled.") % {"number": participant.number}
        )
    evaluation = evaluate(participant, now=now, as_of=on)
    check_can_confirm(evaluation)
    confirmation = newest_confirmation(participant)
    if confirmation is None:
        raise Refused(_("Eligibility is not confirmed yet. An investigator confirms it on the eligibility page."))
    signature = signature_of(confirmation)
    if signature is not None and signature.warning:
        raise Refused(signature.warning)
    if not is_on(confirmation, evaluation):
        raise Refused(
            _(
                "Something changed since eligibility was confirmed on %(day)s. An investigator looks at the "
                "eligibility page and confirms it again."
            )
            % {"day": long_date(site_day(confirmation.created_at))}
        )


def exception_needed(participant: Participant, *, place: int, on: dt.date) -> str:
    """In words, what only the principal investigator may set aside; empty where nothing stands against it.

    `place` is how many would be enrolled with this one.
    """
    study = get_study().protocol(participant.protocol_version)
    if not study.recruits_on(on):
        return _("Enrolment is possible from %(opens)s to %(closes)s; the day is %(day)s.") % {
            "opens": long_date(study.recruitment.opens_on),
            "closes": long_date(study.recruitment.closes_on),
            "day": long_date(on),
        }
    if place > study.enrolment_target:
        return _("All %(target)s places of the study are taken; %(number)s cannot be enrolled.") % {
            "target": study.enrolment_target,
            "number": participant.number,
        }
    return ""


def places_given_back() -> int:
    """Enrolments that were a mistake: their numbers are not used again, their places are free.

    One whose day was corrected is the same enrolment: another row has taken the place of the first.
    """
    rows = ParticipantStatus.objects.filter(status=Status.ENROLLED)
    standing = rows.standing().annotate(first=Coalesce("corrects", "id")).values("first")
    return rows.filter(corrects=None).exclude(pk__in=standing).count()


@transaction.atomic
def enrol(
    *,
    participant: Participant,
    on: dt.date | None = None,
    exception_reason: str = "",
    by: User,
    now: dt.datetime,
) -> Participant:
    """Give the next participant number, exactly once each; enrolled on this day, which is today unless it is said.

    The participant's row is locked first and the counter's last, until the commit: two people who press the
    button for the last place at the same moment get one enrolment and one refusal. Beyond the target or outside
    the recruitment window only the principal investigator enrols, with a reason that becomes a deviation.
    """
    participant = Participant.objects.select_for_update().get(pk=participant.pk)
    on = on or site_day(now)
    check_can_enrol(participant, on=on, now=now)
    number = Counter.take(ENROLMENT_COUNTER)
    exception = exception_needed(participant, place=number - places_given_back(), on=on)
    if exception:
        check_clinical(by, participant.site, permission="participants.override_enrolment")
        _check_exception(exception, exception_reason, by)
    participant.participant_number = f"{participant.site.code}-{number:03d}"
    participant.status = Status.ENROLLED
    participant.save(update_fields=["participant_number", "status"])
    write_status(participant, Status.ENROLLED, on=on, by=by, now=now)
    report_deviation(
        participant=participant,
        kind=DeviationKind.OVERRIDE,
        about=f"enrolment:{participant.pk}",
        description=exception,
        reason=exception_reason,
        by=by,
        now=now,
    )
    return participant


def _check_exception(exception: str, reason: str, by: User) -> None:
    if not by.has_perm("participants.override_enrolment"):
        raise Refused(f"{exception} {_('Only the principal investigator can set this aside, with a reason.')}")
    if not reason.strip():
        raise Refused(f"{exception} {_('As principal investigator you can set this aside: give the reason.')}")


# --- Infusion --------------------------------------------------------------------------------------

BEFORE_INFUSION = frozenset({Status.SCREENING, Status.ENROLLED, Status.LYMPHODEPLETED})


@transaction.atomic
def plan_infusion(
    *, participant: Participant, on: dt.date, is_from_paper: bool = False, by: User, now: dt.datetime
) -> Participant:
    """Plan the infusion, or move it: the criteria that count back from it are decided again for this day.

    Raises Refused for a day that one of them rules out, naming the first that none does; and for a day in the past
    unless its plan is taken over from paper.
    """
    participant = Participant.objects.select_for_update().get(pk=participant.pk)
    check_plan(participant, on=on, is_from_paper=is_from_paper, now=now)
    participant.planned_infusion_on = on
    participant.save(update_fields=["planned_infusion_on"])
    return participant


def check_plan(participant: Participant, *, on: dt.date, is_from_paper: bool = False, now: dt.datetime) -> None:
    today = site_day(now)
    first = history_of(participant)[0].effective_on if is_from_paper else today
    here = status_on(participant, min(on, today)) if is_from_paper else Status(participant.status)
    if here not in BEFORE_INFUSION:
        raise Refused(
            _("%(number)s is “%(status)s”; an infusion is planned before it is given.")
            % {"number": participant.number, "status": participant.get_status_display()}
        )
    if not first <= on <= today + PLAN_AHEAD:
        raise Refused(
            _(
                "%(day)s cannot be planned: choose a day from %(first)s to %(last)s. For a day in the past, say that "
                "its plan is taken over from paper."
            )
            % {"day": long_date(on), "first": long_date(first), "last": long_date(today + PLAN_AHEAD)}
        )
    excluded = [d for d in against_infusion(participant, on=on, now=now) if d.result == Result.FAIL]
    if excluded:
        raise Refused(_excluded_text(participant, codes_of(excluded), on=on, now=now))


def _excluded_text(participant: Participant, codes: str, *, on: dt.date, now: dt.datetime) -> str:
    values = {"codes": codes, "day": long_date(on)}
    first = _first_possible(participant, after=on, now=now)
    if first is None:
        return _("On %(day)s these criteria are not met: %(codes)s. A later day within a year does not help.") % values
    return _("On %(day)s these criteria are not met: %(codes)s. The first possible day is %(first)s.") % {
        **values,
        "first": long_date(first),
    }


def _first_possible(participant: Participant, *, after: dt.date, now: dt.datetime) -> dt.date | None:
    """The first later day on which none of them fails. Time only helps, so the days can be halved."""
    low, high = after, site_day(now) + PLAN_AHEAD
    if any(d.result == Result.FAIL for d in against_infusion(participant, on=high, now=now)):
        return None
    while (high - low).days > 1:
        middle = low + (high - low) / 2
        if any(d.result == Result.FAIL for d in against_infusion(participant, on=middle, now=now)):
            low = middle
        else:
            high = middle
    return high


@transaction.atomic
def mark_infused(
    *, participant: Participant, on: dt.date, known: Known | None = None, by: User, now: dt.datetime
) -> None:
    """Dosing tells us of Day 0: the step to "infused", and the day from which criteria look back. What is `known` was
    read under the lock of the participant."""
    history = (known or Known(participant)).history
    check_can_become(participant, Status.INFUSED, on=on, history=history, now=now)
    beside = {"planned_infusion_on": on}
    write_status(participant, Status.INFUSED, on=on, history=history, beside=beside, by=by, now=now)


def note_day0(*, participant: Participant, on: dt.date) -> None:
    """Dosing tells us the day, first or corrected: criteria that look back from it are decided with it."""
    if participant.planned_infusion_on != on:
        participant.planned_infusion_on = on
        participant.save(update_fields=["planned_infusion_on"])
