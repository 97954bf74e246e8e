from celery import shared_task
from django.utils import timezone

from trialsite import notifications, sweeps


@shared_task
def deliver_notifications() -> dict[str, int]:
    counts = notifications.deliver_due()
    sweeps.record_run("deliver-notifications", counts=counts, now=timezone.now())
    return counts
