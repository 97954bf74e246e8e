"""What visits ask of the site today."""

import datetime as dt
from collections.abc import Callable
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from participants.actions import Evaluation, evaluate, is_current, newest_confirmation, reminder_recipients, site_day
from participants.models import Participant, Reconsent, ReconsentState, Visit
from participants.rules.status import Status
from participants.wording import OVERALL_NAMES
from trialsite.firstpage import ROWS_SHOWN, Row, Section, sites_of
from trialsite.models import User

SOON = dt.timedelta(days=7)
# From here on a window that is still open is shown in red.
URGENT = dt.timedelta(days=2)


def sections(*, user: User, now: dt.datetime) -> list[Section]:
    if not user.has_perm("participants.view_visit"):
        return []
    today = site_day(now)
    visits = Visit.objects.filter(participant__site__in=sites_of(user)).select_related("participant")
    overdue = visits.overdue_on(today).order_by("window_closes_on")
    open_now = visits.open_on(today).order_by("window_closes_on")
    soon = visits.owed().filter(window_opens_on__gt=today, window_opens_on__lte=today + SOON)
    return [
        *_nobody_to_tell(user),
        _section(
            _("Overdue visits"),
            _("The window has closed and nothing is recorded: record the day, or why it was not done."),
            overdue,
            lambda visit: _late(today - visit.window_closes_on),
            tone="attention" if overdue.exists() else "fine",
            link="?due=overdue",
        ),
        _section(
            _("Visits due now"),
            _("Their window is open today; those that close first come first."),
            open_now,
            lambda visit: _closes(visit.window_closes_on - today),
            is_urgent=lambda visit: visit.window_closes_on - today <= URGENT,
            link="?due=open",
        ),
        _section(
            _("Coming up in seven days"),
            _("Windows that open within a week."),
            soon,
            lambda visit: "",
            tone="fine",
            link="?due=soon",
        ),
        *_reconsents(user, today),
        *_screening(user, now),
    ]


def _section(
    title: str,
    hint: str,
    visits: Any,
    late: Callable[[Visit], str],
    *,
    link: str,
    tone: str = "attention",
    is_urgent: Callable[[Visit], bool] = lambda visit: True,
) -> Section:
    count = visits.count()
    return Section(
        title=title,
        hint=hint,
        rows=tuple(_row(visit, late(visit), is_urgent(visit)) for visit in visits[:ROWS_SHOWN]),
        count=count,
        tone=tone if count else "fine",
        link=reverse("admin:participants_visit_changelist") + link,
        columns=(_("Participant and visit"), _("Visit"), _("Target date"), _("Window"), "") if count else (),
    )


def _row(visit: Visit, remark: str, is_urgent: bool) -> Row:
    window = f"{visit.window_opens_on:%Y-%m-%d} – {visit.window_closes_on:%Y-%m-%d}"
    return Row(
        label=f"{visit.participant.number} · {visit.code}",
        link=reverse("admin:participants_visit_change", args=[visit.pk]),
        facts=(visit.title, f"{visit.target_date:%Y-%m-%d}", window, *(() if is_urgent else (remark,))),
        late=remark if is_urgent else "",
    )


def _late(by: dt.timedelta) -> str:
    return ngettext("closed %(days)s day ago", "closed %(days)s days ago", by.days) % {"days": by.days}


def _closes(within: dt.timedelta) -> str:
    if within.days == 0:
        return _("closes today")
    return ngettext("closes in %(days)s day", "closes in %(days)s days", within.days) % {"days": within.days}


def _reconsents(user: User, today: dt.date) -> list[Section]:
    duties = (
        Reconsent.objects.standing()
        .filter(participant__site__in=sites_of(user), state=ReconsentState.OPEN)
        .select_related("participant")
        .order_by("due_on")
    )
    count = duties.count()
    if not count:
        return []
    is_late = duties.filter(due_on__lt=today).exists()
    return [
        Section(
            title=_("Consent to be given again"),
            hint=_("A new version of the form, or a participant who came of age: record the new consent."),
            rows=tuple(_duty_row(duty, today) for duty in duties[:ROWS_SHOWN]),
            count=count,
            tone="attention" if is_late else "fine",
            link=reverse("admin:participants_reconsent_changelist") + "?state__exact=open",
            columns=(_("Participant"), _("Why"), _("Due on"), ""),
        )
    ]


def _duty_row(duty: Reconsent, today: dt.date) -> Row:
    return Row(
        label=duty.participant.number,
        link=reverse("admin:participants_consent_add") + f"?participant={duty.participant_id}",
        facts=(str(duty.get_cause_display()), f"{duty.due_on:%Y-%m-%d}"),
        late=_("overdue") if duty.due_on < today else "",
    )


def _screening(user: User, now: dt.datetime) -> list[Section]:
    waiting = (
        Participant.objects.standing()
        .filter(site__in=sites_of(user), status=Status.SCREENING)
        .order_by("screening_number")
    )
    count = waiting.count()
    if not count:
        return []
    return [
        Section(
            title=_("In screening"),
            hint=_("Waiting for results, or for an investigator to confirm eligibility and enrol."),
            rows=tuple(_screening_row(participant, now) for participant in waiting[:ROWS_SHOWN]),
            count=count,
            tone="fine",
            columns=(_("Participant"), _("Eligibility"), _("Days in screening"), ""),
            link=reverse("admin:participants_participant_changelist") + "?status__exact=screening",
        )
    ]


def _screening_row(participant: Participant, now: dt.datetime) -> Row:
    evaluation = evaluate(participant, now=now)
    days = (site_day(now) - site_day(participant.created_at)).days
    window = evaluation.anchors.expires_after_days or 0
    is_confirmed = is_current(newest_confirmation(participant), evaluation)
    state = _("confirmed, not enrolled yet") if is_confirmed else _state_text(evaluation)
    return Row(
        label=participant.number,
        link=reverse("admin:participants_participant_eligibility", args=[participant.pk]),
        facts=(state, str(days)),
        late=_("screening window has passed") if days > window else "",
    )


def _state_text(evaluation: Evaluation) -> str:
    open_now = len(evaluation.open_codes)
    text = str(OVERALL_NAMES[evaluation.overall])
    if not open_now:
        return text
    return f"{text} ({_(', ').join(evaluation.open_codes)})" if open_now <= 4 else f"{text} ({open_now})"


def _nobody_to_tell(user: User) -> list[Section]:
    """A site where no reminder would find a reader is an alarm, not a silence."""
    unreachable = [site for site in sites_of(user) if not reminder_recipients(site)]
    if not unreachable:
        return []
    return [
        Section(
            title=_("Nobody would be reminded"),
            hint=_("No active coordinator or investigator of this site has an e-mail address. Add one under People."),
            rows=tuple(Row(str(site), "") for site in unreachable),
            count=len(unreachable),
            tone="alarm",
        )
    ]
