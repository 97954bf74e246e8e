from celery import shared_task
from django.utils import timezone

from trialsite import notifications, once, sweeps


@shared_task
def deliver_notifications() -> dict[str, int]:
    counts = notifications.deliver_due()
    once.forget_old(now=timezone.now())
    sweeps.record_run("deliver-notifications", counts=counts, now=timezone.now())
    return counts
