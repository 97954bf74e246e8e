"""The administrator's page: whether sweeps run, whether messages leave, and who looks after both."""

import datetime as dt
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from trialsite import broker, channels, mailhealth, sweeps, watchman
from trialsite.models import ChannelName, ChannelState, SweepRun, Urgency

# What each sweep does, for whoever does not know our names; a test holds that none is missing.
DOES = {
    "visit-reminders": _("reminders of visits"),
    "consents-again": _("who must consent again"),
    "eligibility": _("whether confirmed eligibility still holds"),
    "imports": _("imports of laboratory files"),
    "bedside-rounds": _("bedside assessments that are overdue, and escalation of alerts"),
    "inpatient-days": _("inpatient days that the records settle"),
    "neutrophil-counts": _("neutrophil counts that are owed"),
    "data-findings": _("contradictions in the record"),
    "reporting-duties": _("reports that are due"),
    "doors": _("locks after wrong passwords"),
    "audit-seals": _("seals of the audit trail"),
    "access-reviews": _("reviews of who may do what"),
    "snapshots": _("snapshots for the sponsor that wait, were lost or have expired"),
    "deliver-notifications": _("sending of messages"),
}


def view(request: HttpRequest) -> HttpResponse:
    if not request.user.is_superuser:
        raise PermissionDenied
    return TemplateResponse(request, "admin/trialsite/watching.html", _context(request, now=timezone.now()))


def _context(request: HttpRequest, *, now: dt.datetime) -> dict[str, Any]:
    runs = SweepRun.objects.in_bulk()
    found = mailhealth.health(now=now)
    return {
        **admin.site.each_context(request),
        "title": gettext("Watching"),
        "now": now,
        "sweeps": [_sweep(one) for one in sweeps.health_of(runs, now=now)],
        "silence_minutes": _minutes(settings.SWEEP_SILENCE),
        "waiting": [_waiting(name, found) for name in Urgency.values],
        "failed": found.failed,
        "ways": [_way(name, found.channels.get(name)) for name in channels.in_use()],
        "has_second": bool(settings.SECOND_CHANNEL),
        "depth": broker.depth(),
        "watchman": _watchman(runs.get(watchman.NAME), now),
    }


def _minutes(span: dt.timedelta) -> int:
    return int(span.total_seconds() // 60)


def _sweep(one: sweeps.SweepHealth) -> dict[str, Any]:
    return {
        "name": one.name,
        "does": DOES.get(one.name, ""),
        "at": one.finished_at,
        "is_silent": one.is_silent,
        "stumbled": one.stumbled,
        "every": _every(one.name),
    }


def _every(name: str) -> str:
    """How often the schedule wants it."""
    schedule: Any = settings.CELERY_BEAT_SCHEDULE[name]["schedule"]
    minutes = _minutes(schedule) if isinstance(schedule, dt.timedelta) else _gap(sorted(schedule.minute))
    return gettext("every %(n)s min") % {"n": minutes}


def _gap(minutes: list[int]) -> int:
    return minutes[1] - minutes[0] if len(minutes) > 1 else 60


def _waiting(name: str, found: mailhealth.MailHealth) -> dict[str, Any]:
    one = found.waiting[name]
    return {
        "urgency": Urgency(name).label,
        "count": one.count,
        "since": one.since,
        "is_late": name in found.late,
        "limit": _minutes(mailhealth.limit(name)),
    }


def _way(name: ChannelName, state: ChannelState | None) -> dict[str, Any]:
    return {"name": name.label, "state": state}


def _watchman(run: SweepRun | None, now: dt.datetime) -> dict[str, Any]:
    return {"at": run and run.finished_at, "is_silent": run is None or run.is_silent(now, settings.SWEEP_SILENCE)}
