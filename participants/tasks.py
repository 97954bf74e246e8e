from celery import shared_task
from django.utils import timezone

from participants import actions
from trialsite import sweeps


@shared_task
def sweep_visit_reminders() -> dict[str, int]:
    now = timezone.now()
    counts = actions.remind_of_visits(now=now)
    sweeps.record_run("visit-reminders", counts=counts, now=now)
    return counts
