import datetime as dt

from celery import shared_task

from safety import actions
from safety.actions import contradictions, stopping
from trialsite import sweeps


@shared_task
@sweeps.sweep("bedside-rounds")
def sweep_rounds(now: dt.datetime) -> dict[str, int]:
    return actions.raise_overdue(now=now)


@shared_task
@sweeps.sweep("neutrophil-counts")
def sweep_counts(now: dt.datetime) -> dict[str, int]:
    return actions.remind_of_counts(now=now)


@shared_task
@sweeps.sweep("inpatient-days")
def sweep_days(now: dt.datetime) -> dict[str, int]:
    counts = actions.settle_days(now=now)
    # A window that has closed may change what the stopping rule says, without anybody's doing.
    with sweeps.guarded("stopping"):
        counts["stopping"] = len(stopping.watch(now=now, by=None))
    return counts


@shared_task
@sweeps.sweep(contradictions.SWEEP)
def sweep_findings(now: dt.datetime) -> dict[str, int]:
    return contradictions.sweep_findings(now=now)


@shared_task
@sweeps.sweep("reporting-duties")
def sweep_duties(now: dt.datetime) -> dict[str, int]:
    return actions.remind_of_duties(now=now)
