import datetime as dt

from celery import shared_task
from django.utils import timezone

from trialsite import delivery, locks, once, reviews, seals, sessions, sweeps


@shared_task
def deliver_notifications() -> dict[str, int]:
    """While a server takes nothing this is no run: the work was not done."""
    counts = delivery.deliver_side_by_side()
    once.forget_old(now=timezone.now())
    if not counts["down"]:
        sweeps.record_run("deliver-notifications", counts=counts, now=timezone.now())
    return counts


@shared_task
@sweeps.sweep("doors")
def sweep_doors(now: dt.datetime) -> dict[str, int]:
    """Tell of what has closed after wrong passwords; forget counts and logins that are over."""
    return {
        "told": locks.tell(now=now),
        "counts": locks.forget_old(now=now),
        "sessions": sessions.forget_old(now=now),
    }


@shared_task
@sweeps.sweep("audit-seals")
def seal_audit(now: dt.datetime) -> dict[str, int]:
    counts = {"seals": int(seals.make() is not None)}
    if found := seals.look_daily(now=now):
        counts["faults"] = len(found.faults)
    return counts


@shared_task
@sweeps.sweep("access-reviews")
def sweep_access_reviews(now: dt.datetime) -> dict[str, int]:
    return reviews.tell_due(now=now)
