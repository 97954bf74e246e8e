from celery import shared_task
from django.utils import timezone

from safety import actions
from safety.actions import contradictions, stopping
from trialsite import sweeps


@shared_task
def sweep_rounds() -> dict[str, int]:
    now = timezone.now()
    counts = actions.raise_overdue(now=now)
    sweeps.record_run("bedside-rounds", counts=counts, now=now)
    return counts


@shared_task
def sweep_counts() -> dict[str, int]:
    now = timezone.now()
    counts = actions.remind_of_counts(now=now)
    sweeps.record_run("neutrophil-counts", counts=counts, now=now)
    return counts


@shared_task
def sweep_days() -> dict[str, int]:
    now = timezone.now()
    # A window that has closed may change what the stopping rule says, without anybody's doing.
    counts = {**actions.settle_days(now=now), "stopping": len(stopping.watch(now=now, by=None))}
    sweeps.record_run("inpatient-days", counts=counts, now=now)
    return counts


@shared_task
def sweep_findings() -> dict[str, int]:
    now = timezone.now()
    counts = contradictions.sweep_findings(now=now)
    sweeps.record_run(contradictions.SWEEP, counts=counts, now=now)
    return counts


@shared_task
def sweep_duties() -> dict[str, int]:
    now = timezone.now()
    counts = actions.remind_of_duties(now=now)
    sweeps.record_run("reporting-duties", counts=counts, now=now)
    return counts
