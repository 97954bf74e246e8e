"""Many enrolments at once at one site: does every one get its own number, and what do more processes cost?

    python -m trialsite.local exec --throwaway -- python -m bench.enrolments [4000] [4]

Prints the time of an enrolment by one process and by several at once, as a ratio within this run, and fails
if any enrolment failed or a number was given twice. The target of the study is lifted for the run.
"""

import multiprocessing
import os
import sys
import time
from dataclasses import replace
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "trialsite.settings")


def setup() -> None:
    """Django, and a study without a target, in every process."""
    django.setup()
    from participants.actions import enrolment
    from trialsite.study import get_study

    latest = get_study().latest.model_copy(update={"enrolment_target": 1_000_000})
    study = replace(get_study(), versions={latest.version: latest})
    enrolment.get_study = lambda: study


def begin() -> None:
    """A database with the site, and somebody who may do everything."""
    from django.core.management import call_command

    from trialsite.models import User

    call_command("migrate", verbosity=0)
    call_command("prepare_database", verbosity=0)
    User.objects.create_superuser("bench")


def prepare(_number: int) -> int:
    """One participant whose eligibility is confirmed, with all results."""
    from django.db import transaction
    from django.utils import timezone

    from demo import results as demo_results
    from participants import actions
    from participants.models import Consent, Participant
    from trialsite.models import Site, User

    by, site, now = User.objects.get(username="bench"), Site.objects.get(), timezone.now()
    with transaction.atomic():
        person = Participant(site=site, name="x", birth_date=now.date().replace(year=1990, day=1), sex="M")
        actions.screen(participant=person, by=by, now=now)
        consent = Consent(participant=person, version="1.0", consented_at=now)
        actions.record_consent(consent=consent, by=by, now=now)
        demo_results.record(participant=person, at=now, by=by, now=now)
        actions.confirm_eligibility(participant=person, by=by, now=now)
    return person.pk


def enrol(pk: int) -> tuple[str, str]:
    """The number given, or the error."""
    from django.utils import timezone

    from participants import actions
    from participants.models import Participant
    from trialsite.models import User

    try:
        person = Participant.objects.get(pk=pk)
        by = User.objects.get(username="bench")
        number = actions.enrol(participant=person, by=by, now=timezone.now()).participant_number
    except Exception as error:
        return "", repr(error)
    return number or "", ""


def timed(pool: Any, waiting: list[int]) -> tuple[float, list[tuple[str, str]]]:
    start = time.perf_counter()
    found = pool.map(enrol, waiting, chunksize=1)
    return (time.perf_counter() - start) / len(waiting), found


def main() -> int:
    count, processes = (int(given) for given in (*sys.argv[1:], "4000", "4")[:2])
    setup()
    begin()
    context = multiprocessing.get_context("spawn")
    waiting = []
    with context.Pool(processes, initializer=setup) as pool:
        for pk in pool.imap_unordered(prepare, range(count)):
            waiting.append(pk)
            if len(waiting) % 100 == 0:
                print(f"  prepared {len(waiting)} of {count}", flush=True)
    share = max(1, count // 10)
    with context.Pool(1, initializer=setup) as pool:
        alone, found = timed(pool, waiting[:share])
    with context.Pool(processes, initializer=setup) as pool:
        together, more = timed(pool, waiting[share:])
    errors = [error for _number, error in (*found, *more) if error]
    numbers = {number for number, _error in (*found, *more) if number}
    print(f"{len(numbers)} of {count} enrolled, each with its own number; {len(errors)} errors {errors[:3]}")
    print(f"one enrolment: {alone * 1000:.1f} ms alone, {together * 1000:.1f} ms with {processes} processes at once")
    print(f"ratio {together / alone:.2f}")
    return 0 if len(numbers) == count else 1


if __name__ == "__main__":
    sys.exit(main())
