"""Verbs of visits: plan and record them.

`release(participant, because=…, on=…, by=…, now=…)` is for whoever learns that a participant relapsed, began another
anti-cancer therapy, died, withdrew or was lost: what is still owed follows by the study file's rules. The codes are
those of `participants.rules.owed.Because`; `on=None` takes it back. `preview_release` says before what would change.
"""

import datetime as dt

import pghistory
from django.db import transaction
from django.db.models import Min
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from participants.actions.days import long_date, site_day
from participants.actions.deviations import report_deviation
from participants.actions.known import Known
from participants.actions.owed import happened_to, is_released, settle_owed
from participants.actions.owed import preview_release as preview_release
from participants.actions.owed import release as release
from participants.actions.standing import standing_of
from participants.actions.status import follow_fact, history_of
from participants.models import DeviationKind, Participant, Visit, VisitContact, VisitState
from participants.models.visits import TOOK_PLACE
from participants.rules import schedule, settling
from participants.rules.settling import ToldBy
from participants.rules.status import Status
from trialsite import notifications
from trialsite.models import User
from trialsite.refusal import Refused
from trialsite.study import UNSCHEDULED, Protocol, get_study
from trialsite.wake import wake


def follow_up_plans(protocol: Protocol) -> list[schedule.VisitPlan]:
    return [
        schedule.VisitPlan(
            visit.code,
            visit.target_day,
            visit.window_open_day,
            visit.window_close_day,
            visit.phase == "long_term",
        )
        for visit in protocol.follow_up_visits
    ]


@transaction.atomic
def schedule_follow_up(
    *,
    participant: Participant,
    day0: dt.date,
    known: Known | None = None,
    by: User,
    now: dt.datetime,
) -> tuple[list[Visit], list[Visit]]:
    """Write the visits that follow this Day 0; (new, moved). What has happened keeps its dates.

    Calling it again with another Day 0 moves what is still planned and withdraws its waiting reminders. What is `known`
    was read under the lock, and is not read again.
    """
    new, moved = [], []
    known = known or Known(participant)
    happened = happened_to(participant, known.history, agreed=known.agreed)
    for plan, dates, visit in _visits_after(participant, day0):
        if visit is None:
            new.append(_new_visit(participant, plan, dates, by=by, now=now))
            # Typed late: somebody who has left by now owes only what was due before.
            settle_owed(new[-1], happened)
        elif _would_move(visit, dates):
            _apply_dates(visit, dates)
            # Of its new day other records tell.
            visit.state, visit.occurred_on, visit.told_by = VisitState.PLANNED, None, ToldBy.NOBODY
            settle_owed(visit, happened)
            visit.save()
            notifications.cancel(about=f"visit:{visit.pk}", reason="the visit was moved", now=now)
            moved.append(visit)
    # A visit of tomorrow owes its reminder today: do not wait for the next sweep.
    wake("participants.tasks.sweep_visit_reminders")
    return Visit.objects.bulk_create(new), moved


def _visits_after(
    participant: Participant, day0: dt.date
) -> list[tuple[schedule.VisitPlan, schedule.PlannedVisit, Visit | None]]:
    """Each visit of the schedule with its dates after this Day 0, and the row that is there already."""
    protocol = get_study().protocol(participant.protocol_version)
    plans = follow_up_plans(protocol)
    planned = schedule.plan_visits(plans, day0=day0, study_end=protocol.window.ends_on)
    known = {visit.code: visit for visit in standing_of(Visit, participant)}
    return [(plan, dates, known.get(plan.code)) for plan, dates in zip(plans, planned, strict=True)]


def _would_move(visit: Visit, dates: schedule.PlannedVisit) -> bool:
    return follows_plan(visit) and visit.target_date != dates.target_date


def follows_plan(visit: Visit) -> bool:
    """Whether nobody has said what became of it: planned, or done by the records of its day alone, or not due by rule.

    One beside the schedule follows no plan.
    """
    is_unsaid = visit.state == VisitState.PLANNED or visit.told_by == ToldBy.RECORDS or is_released(visit)
    return is_unsaid and not visit.is_unscheduled


def preview_follow_up(
    participant: Participant, *, day0: dt.date
) -> tuple[list[tuple[Visit, schedule.PlannedVisit]], list[Visit]]:
    """What another Day 0 would do: the visits that move, with their new dates, and those that stay as they were."""
    rows = [(visit, dates) for _plan, dates, visit in _visits_after(participant, day0) if visit is not None]
    moves = [(visit, dates) for visit, dates in rows if _would_move(visit, dates) and not is_released(visit)]
    return moves, [visit for visit, _dates in rows if not follows_plan(visit)]


def _new_visit(
    participant: Participant,
    plan: schedule.VisitPlan,
    dates: schedule.PlannedVisit,
    *,
    by: User,
    now: dt.datetime,
) -> Visit:
    visit = Visit(
        participant=participant,
        code=plan.code,
        protocol_version=participant.protocol_version,
        target_day=plan.target_day,
        created_by=by,
        created_at=now,
    )
    _apply_dates(visit, dates)
    return visit


def _apply_dates(visit: Visit, dates: schedule.PlannedVisit) -> None:
    visit.target_date = dates.target_date
    visit.window_opens_on = dates.window_opens_on
    visit.window_closes_on = dates.window_closes_on
    visit.is_long_term_follow_up = dates.is_long_term


def window_text(visit: Visit) -> str:
    """The visit's rule in words: “D28 must fall between 5 and 11 March 2026 (target 8 March)”."""
    return _("%(code)s must fall between %(opens)s and %(closes)s (target %(target)s).") % {
        "code": visit.code,
        "opens": long_date(visit.window_opens_on),
        "closes": long_date(visit.window_closes_on),
        "target": long_date(visit.target_date),
    }


def outside_text(visit: Visit, day: dt.date) -> str:
    """By how much a day misses the window, in words; empty inside the window."""
    outside = visit.days_outside(day)
    if outside == 0:
        return ""
    values = {"day": long_date(day), "count": abs(outside)}
    if outside < 0:
        return ngettext("%(day)s is %(count)s day early.", "%(day)s is %(count)s days early.", -outside) % values
    return ngettext("%(day)s is %(count)s day late.", "%(day)s is %(count)s days late.", outside) % values


def check_visit(visit: Visit, *, deviation_reason: str, now: dt.datetime) -> None:
    """Raises Refused for a day in the future, a deviation without its reason, or a call where a visit is asked for."""
    _check_reason(visit)
    _check_contact(visit)
    if visit.state in TOOK_PLACE and visit.occurred_on is not None:
        if visit.occurred_on > site_day(now):
            raise Refused(
                _("%(day)s is in the future. Record the visit when it has taken place.")
                % {"day": long_date(visit.occurred_on)}
            )
        if (outside := outside_text(visit, visit.occurred_on)) and not deviation_reason.strip():
            raise Refused(
                " ".join(
                    [
                        window_text(visit),
                        outside,
                        _("Record it and give a reason for the protocol deviation."),
                    ]
                )
            )


def _check_reason(visit: Visit) -> None:
    if visit.state == VisitState.CANCELLED and not (visit.released_because or visit.not_done_reason.strip()):
        raise Refused(_("Say why %(code)s does not apply.") % {"code": visit.code})


def _check_contact(visit: Visit) -> None:
    asked = get_study().protocol(visit.protocol_version).visit(visit.code)
    if visit.state == VisitState.DONE and visit.contact == VisitContact.TELEPHONE and not asked.by_telephone:
        raise Refused(
            _(
                "%(code)s asks for a visit at the site: a call alone is not the whole of it. Record it as partly done, "
                "with the reason."
            )
            % {"code": visit.code}
        )


SETTLED = "the visit is settled"


@transaction.atomic
def record_visit(*, visit: Visit, deviation_reason: str = "", by: User, now: dt.datetime) -> Visit:
    """Save what became of a visit: done on a day, or not done and why; deviations are written beside it."""
    check_visit(visit, deviation_reason=deviation_reason, now=now)
    if visit.state != VisitState.CANCELLED:
        visit.released_because, visit.released_on = "", None
    if visit.state != VisitState.PLANNED or visit.told_by:
        # From here on the records of the day change nothing of it.
        visit.told_by = ToldBy.PERSON
    visit.save()
    if visit.state != VisitState.PLANNED:
        notifications.cancel(about=f"visit:{visit.pk}", reason=SETTLED, now=now)
    keep_visit_deviations(visit, deviation_reason, by=by, now=now)
    _keep_follow_up(visit.participant, by=by, now=now)
    return visit


@transaction.atomic
def settle_by_records(*, visit: Visit, is_complete: bool, now: dt.datetime) -> bool:
    """Let a visit be done on its day, or be planned again, by what is recorded of the day; whether it changed.

    What a person has said of it is never touched. Its day lies in its window, so that nothing deviates.
    """
    visit = Visit.objects.select_for_update(of=("self",)).get(pk=visit.pk)
    new = settling.becomes(settling.State(visit.state), ToldBy(visit.told_by), is_complete=is_complete)
    if new is None or visit.is_void:
        return False
    is_done = new is settling.State.DONE
    visit.state, visit.occurred_on = new.value, visit.target_date if is_done else None
    visit.told_by = ToldBy.RECORDS if is_done else ToldBy.NOBODY
    with pghistory.context(
        reason=_("everything that the day asks for is recorded")
        if is_done
        else _("not everything that the day asks for is recorded any more")
    ):
        visit.save(update_fields=["state", "occurred_on", "told_by"])
    about = f"visit:{visit.pk}"
    if is_done:
        notifications.cancel(about=about, reason=SETTLED, now=now)
    else:
        notifications.reinstate(about=about, reason=SETTLED, now=now)
    return True


@transaction.atomic
def record_unscheduled(
    *, participant: Participant, on: dt.date, reason: str, contact: str = "", by: User, now: dt.datetime
) -> Visit:
    """A visit beside the schedule, on its day, with the reason for it; what was found is entered at it like at any.

    Raises Refused for a day in the future, before an infusion, or where the study knows of no such visits.
    """
    participant = Participant.objects.select_for_update().get(pk=participant.pk)
    day0 = _check_unscheduled(participant, on, now=now)
    number = participant.visits.filter(code__regex=UNSCHEDULED.pattern).count() + 1
    visit = Visit(
        participant=participant,
        code=f"U{number:02d}",
        protocol_version=participant.protocol_version,
        target_day=schedule.trial_day(on, day0=day0),
        target_date=on,
        window_opens_on=on,
        window_closes_on=on,
        is_long_term_follow_up=on > get_study().protocol(participant.protocol_version).window.ends_on,
        state=VisitState.DONE,
        occurred_on=on,
        contact=contact,
        note=reason,
        told_by=ToldBy.PERSON,
        created_by=by,
        created_at=now,
    )
    visit.save()
    return visit


def _check_unscheduled(participant: Participant, on: dt.date, *, now: dt.datetime) -> dt.date:
    """The day of the infusion."""
    infused = next((row for row in history_of(participant) if row.status == Status.INFUSED), None)
    if get_study().protocol(participant.protocol_version).unscheduled is None:
        raise Refused(_("The study file knows of no visits beside its schedule. Enter the results by themselves."))
    if on > site_day(now):
        raise Refused(_("%(day)s is in the future. Record the visit when it has taken place.") % {"day": long_date(on)})
    if infused is None or on < infused.effective_on:
        raise Refused(
            _("%(day)s is not after an infusion of %(number)s. Enter the results by themselves.")
            % {"day": long_date(on), "number": participant.number}
        )
    return infused.effective_on


def keep_visit_deviations(visit: Visit, reason: str, *, by: User, now: dt.datetime) -> None:
    """What the visit, its day or its window deviate from now; called whenever one of them changes."""
    day = visit.occurred_on if visit.state in TOOK_PLACE else None
    outside = outside_text(visit, day) if day else ""
    missed = _("Missed.") if visit.state == VisitState.NOT_DONE else ""
    for kind, what, why in (
        (DeviationKind.VISIT_WINDOW, outside, reason),
        (DeviationKind.VISIT_NOT_DONE, missed, visit.not_done_reason),
    ):
        report_deviation(
            participant=visit.participant,
            kind=kind,
            about=f"visit:{visit.pk}",
            description=f"{window_text(visit)} {what}" if what else "",
            reason=why,
            by=by,
            now=now,
        )


def _keep_follow_up(participant: Participant, *, by: User, now: dt.datetime) -> None:
    """The first visit after the inpatient days opens the follow-up: its day is the day of the status."""
    protocol = get_study().protocol(participant.protocol_version)
    codes = [visit.code for visit in protocol.visits if visit.phase in {"follow_up", "long_term"}]
    done = participant.visits.standing().filter(state__in=TOOK_PLACE, code__in=codes)
    follow_fact(
        participant=participant,
        reached=Status.IN_FOLLOW_UP,
        on=done.aggregate(first=Min("occurred_on"))["first"],
        why=_("The first follow-up visit was corrected."),
        by=by,
        now=now,
    )
