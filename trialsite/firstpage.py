"""The first page answers "what must be done today?": each app's worklist, alarms first."""

import datetime as dt
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from django.apps import apps
from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from trialsite import seals, sweeps
from trialsite.models import Notification, NotificationState, Site, SweepRun, User
from trialsite.study import get_study

APPS = ("trialsite", "safety", "participants", "dosing")
ROWS_SHOWN = 12


@dataclass(frozen=True)
class Row:
    label: str
    link: str
    facts: tuple[str, ...] = ()
    late: str = ""


@dataclass(frozen=True)
class Section:
    """A heading with its rows; `tone` is alarm, attention or fine; `link` leads to the whole list."""

    title: str
    hint: str
    rows: tuple[Row, ...]
    count: int
    tone: str = "attention"
    link: str = ""
    columns: tuple[str, ...] = ()


def first_page(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    now = timezone.now()
    user = request.user
    assert isinstance(user, User), "the admin lets nobody in without a login"
    sections = [*alarms(user, now=now), *_worklists(user, now=now)]
    return {
        **context,
        "today": timezone.localtime(now).date(),
        "alarms": [section for section in sections if section.tone == "alarm"],
        "sections": [section for section in sections if section.tone != "alarm"],
        "shortcuts": _shortcuts(user),
        "study": get_study().current(timezone.localtime(now).date()),
    }


def _worklists(user: User, *, now: dt.datetime) -> list[Section]:
    found: list[Section] = []
    for name in APPS:
        if apps.is_installed(name) and find_spec(f"{name}.worklist"):
            found += import_module(f"{name}.worklist").sections(user=user, now=now)
    return found


def sites_of(user: User) -> Any:
    return Site.objects.all() if user.is_superuser else user.sites.all()


def alarms(user: User, *, now: dt.datetime) -> list[Section]:
    """What makes the site itself untrustworthy: a silent scheduler, messages that did not go out."""
    return [section for section in (_broken_trail(), _silence(now), _failed(user)) if section is not None]


def _broken_trail() -> Section | None:
    last = SweepRun.objects.filter(name=seals.VERIFIED).first()
    faults = last.counts.get("faults", 0) if last else 0
    if not last or not faults:
        return None
    return Section(
        title=_("The audit trail is not as it was sealed"),
        hint=_(
            "Change nothing more. Call whoever runs the server, and the sponsor: somebody has written past the site."
        ),
        rows=(Row(_("found at %(at)s") % {"at": _moment(last.finished_at)}, ""),),
        count=faults,
        tone="alarm",
    )


def _silence(now: dt.datetime) -> Section | None:
    silent = [run for run in sweeps.health(now=now) if run.is_silent]
    if not silent:
        return None
    minutes = int(settings.SWEEP_SILENCE.total_seconds() // 60)
    return Section(
        title=_("Reminders are not running"),
        hint=_(
            "A sweep has not finished for more than %(minutes)s minutes. Until it does, nobody is reminded: check the "
            "lists below yourself, and call whoever runs the server (scheduler, worker, broker)."
        )
        % {"minutes": minutes},
        rows=tuple(
            Row(run.name, "", (_("last finished: %(at)s") % {"at": _moment(run.finished_at)},)) for run in silent
        ),
        count=len(silent),
        tone="alarm",
    )


def _moment(moment: dt.datetime | None) -> str:
    return timezone.localtime(moment).strftime("%Y-%m-%d %H:%M") if moment else _("never")


def _failed(user: User) -> Section | None:
    if not user.has_perm("trialsite.view_notification"):
        return None
    failed = Notification.objects.filter(state=NotificationState.FAILED, site__in=sites_of(user))
    count = failed.count()
    if not count:
        return None
    return Section(
        title=_("E-mails that could not be sent"),
        hint=_("Tell these people yourself. A data manager can queue the messages again."),
        rows=tuple(
            Row(
                row.subject,
                reverse("admin:trialsite_notification_change", args=[row.pk]),
                (str(row.recipient),),
            )
            for row in failed.select_related("recipient")[:ROWS_SHOWN]
        ),
        count=count,
        tone="alarm",
        link=reverse("admin:trialsite_notification_changelist") + "?state__exact=failed",
    )


def _shortcuts(user: User) -> list[tuple[str, str]]:
    wanted = (
        (_("New participant"), "participants", "participant"),
        (_("Enter results"), "participants", "examination"),
        (_("Log an infusion"), "dosing", "infusion"),
        (_("Record medication"), "dosing", "medication"),
        (_("Bedside assessment"), "safety", "bedsideassessment"),
        (_("Log an adverse event"), "safety", "adverseevent"),
    )
    return [
        (title, reverse(f"admin:{app}_{model}_add"))
        for title, app, model in wanted
        if user.has_perm(f"{app}.add_{model}")
    ]
