"""Who watches the scheduler: something that it does not run.

`manage.py watch`, called by cron or as a process of its own, looks whether sweeps are silent or messages do not leave,
and then writes to the administrators and sends that itself: neither beat nor a worker is needed for it. The same
silence is told once, and again each day that it lasts.
"""

import datetime as dt
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.urls import reverse

from trialsite import delivery, heartbeat, mailhealth, notifications, sweeps
from trialsite.mailhealth import MailHealth
from trialsite.models import Site, Urgency, User
from trialsite.sweeps import SweepHealth

NAME = "watch"
ABOUT = "watch:silence"


def look(*, now: dt.datetime) -> dict[str, int]:
    """Tell of what is silent, and send what is due; counts. Run twice, or beside itself, it tells nothing twice."""
    silent = [one for one in sweeps.health(now=now) if one.is_silent]
    mail = mailhealth.health(now=now)
    counts = {"silent": len(silent), "late": len(mail.late), "told": 0}
    if silent or mail.late:
        counts["told"] = _tell(silent, mail, now=now)
        # By itself: whoever should have done it may be what is silent.
        delivery.deliver_due()
    sweeps.record_run(NAME, counts=counts, now=now)
    heartbeat.beat(_in_short(silent, mail))
    return counts


def _in_short(silent: Iterable[SweepHealth], mail: MailHealth) -> str:
    """For the check of this process's health; nothing where all is well."""
    words = [("silent sweeps", [one.name for one in silent]), ("late messages", mail.late)]
    return "; ".join(f"{what}: {', '.join(names)}" for what, names in words if names)


def _tell(silent: Iterable[SweepHealth], mail: MailHealth, *, now: dt.datetime) -> int:
    site = Site.objects.order_by("pk").first()
    if site is None:
        return 0
    letter = notifications.Letter(
        key=f"watch:{_since(silent, mail)}",
        about=ABOUT,
        site=site,
        recipients=list(administrators()),
        template="trialsite/email/watch",
        context=_told(silent, mail),
        urgency=Urgency.ALERT,
        on_both_ways=True,
    )
    return sum(notifications.queue_all([letter], now=now).values())


def administrators() -> Iterable[User]:
    return User.objects.filter(is_superuser=True, is_active=True).exclude(email="").order_by("pk")


def _since(silent: Iterable[SweepHealth], mail: MailHealth) -> str:
    """The same for as long as the same silence lasts, and another one each day of it."""
    never = dt.datetime.min.replace(tzinfo=dt.UTC)
    since = [one.finished_at or never for one in silent]
    since += [at for name in mail.late if (at := mail.waiting[name].since) is not None]
    first = min(since)
    days = 0 if first == never else (mail.now - first).days
    return f"{first.astimezone(dt.UTC):%Y%m%dT%H%M%S}-{days}"


def _told(silent: Iterable[SweepHealth], mail: MailHealth) -> dict[str, Any]:
    return {
        "silent": list(silent),
        "late": [(Urgency(name).label, mail.waiting[name]) for name in mail.late],
        "link": settings.SITE_URL + reverse("admin:trialsite_sweeprun_watching"),
    }
