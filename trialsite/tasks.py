from celery import shared_task
from django.utils import timezone

from trialsite import notifications, once, reviews, seals, sweeps


@shared_task
def deliver_notifications() -> dict[str, int]:
    counts = notifications.deliver_due()
    once.forget_old(now=timezone.now())
    sweeps.record_run("deliver-notifications", counts=counts, now=timezone.now())
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
