from celery import shared_task
from django.utils import timezone

from trialsite import locks, notifications, once, reviews, seals, sessions, sweeps


@shared_task
def deliver_notifications() -> dict[str, int]:
    counts = notifications.deliver_due()
    once.forget_old(now=timezone.now())
    sweeps.record_run("deliver-notifications", counts=counts, now=timezone.now())
    return counts


@shared_task
def sweep_doors() -> dict[str, int]:
    """Tell of what has closed after wrong passwords; forget counts and logins that are over."""
    now = timezone.now()
    counts = {
        "told": locks.tell(now=now),
        "counts": locks.forget_old(now=now),
        "sessions": sessions.forget_old(now=now),
    }
    sweeps.record_run("doors", counts=counts, now=now)
    return counts


@shared_task
def seal_audit() -> dict[str, int]:
    now = timezone.now()
    counts = {"seals": int(seals.make() is not None)}
    if found := seals.look_daily(now=now):
        counts["faults"] = len(found.faults)
    sweeps.record_run("audit-seals", counts=counts, now=now)
    return counts


@shared_task
def sweep_access_reviews() -> dict[str, int]:
    now = timezone.now()
    counts = reviews.tell_due(now=now)
    sweeps.record_run("access-reviews", counts=counts, now=now)
    return counts
