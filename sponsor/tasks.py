import datetime as dt
from collections import Counter

from celery import shared_task

from sponsor.snapshots import actions, job
from trialsite import sweeps

# A study of ten thousand participants takes minutes; what takes longer than this hangs.
HOURS = 6


@shared_task
@sweeps.sweep("snapshots")
def sweep_snapshots(now: dt.datetime) -> dict[str, int]:
    return actions.sweep(now=now)


@shared_task(time_limit=HOURS * 3600)
def make_snapshots() -> dict[str, int]:
    """The snapshots that are due, one after the other. Sent twice it makes none twice: each is claimed."""
    counts = Counter[str]()
    while outcome := job.run_next():
        counts[outcome] += 1
    return dict(counts)
