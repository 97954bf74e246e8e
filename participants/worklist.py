"""What visits ask of the site today."""

import datetime as dt
from collections.abc import Callable
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from participants.actions import reminder_recipients, site_day
from participants.models import Participant, Visit
from participants.rules.status import Status
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
        *_screening(user),
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


def _screening(user: User) -> list[Section]:
    waiting = Participant.objects.filter(
        site__in=sites_of(user), status=Status.SCREENING, voided_at__isnull=True
    ).order_by("screening_number")
    count = waiting.count()
    if not count:
        return []
    return [
        Section(
            title=_("In screening"),
            hint=_("Waiting for results, or for an investigator to confirm eligibility and enrol."),
            rows=tuple(
                Row(p.number, reverse("admin:participants_participant_change", args=[p.pk]))
                for p in waiting[:ROWS_SHOWN]
            ),
            count=count,
            tone="fine",
            link=reverse("admin:participants_participant_changelist") + "?status__exact=screening",
        )
    ]


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
