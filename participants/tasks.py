import datetime as dt
from collections import Counter

from celery import shared_task
from django.utils import timezone

from participants import actions
from participants.actions import imports
from trialsite import sweeps
from trialsite.wake import wake


@shared_task
@sweeps.sweep("visit-reminders")
def sweep_visit_reminders(now: dt.datetime) -> dict[str, int]:
    return actions.remind_of_visits(now=now)


@shared_task
@sweeps.sweep("consents-again")
def sweep_reconsents(now: dt.datetime) -> dict[str, int]:
    return actions.remind_of_reconsents(now=now)


@shared_task
@sweeps.sweep("eligibility")
def sweep_eligibility(now: dt.datetime) -> dict[str, int]:
    return actions.tell_of_broken_eligibility(now=now)


# Well below the time that a task may take: what still waits then is another task's work.
ENOUGH = dt.timedelta(minutes=2)


@shared_task
def run_imports() -> dict[str, int]:
    """The imports that wait, one after the other; another worker beside this one takes the next."""
    started, counts = timezone.now(), Counter[str]()
    while outcome := imports.run_next(now=timezone.now()):
        counts[outcome] += 1
        if timezone.now() - started > ENOUGH:
            wake(imports.TASK)
            break
    sweeps.record_run("imports", counts=dict(counts), now=timezone.now())
    return dict(counts)
