"""What the guards of the audit trail cost: the same writing with and without them, in turns, in one database.

    python -m trialsite.local exec --throwaway -- python -m bench.trail [20]

Prints the ratio of the medians for single saves and for rows in bulk; the goal for both is at most 1.2.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "trialsite.settings")
GOAL = 1.2


def loosen() -> None:
    """Events as they were written before: by triggers with the caller's rights, with whatever they were told."""
    from django.db import connection
    from psycopg import sql

    from trialsite import guards

    with connection.cursor() as cursor:
        for function in guards.event_functions(cursor):
            cursor.execute(sql.SQL("ALTER FUNCTION {} SECURITY INVOKER RESET ALL").format(sql.SQL(function)))
        for table in guards.event_tables():
            cursor.execute(sql.SQL("DROP TRIGGER IF EXISTS attest ON {}").format(sql.Identifier(table)))


def timed(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    turns = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    django.setup()
    import pghistory
    from django.conf import settings
    from django.core.management import call_command
    from django.utils import timezone

    from participants.models import Participant
    from trialsite import guards
    from trialsite.models import Site, User

    call_command("migrate", verbosity=0)
    call_command("prepare_database", verbosity=0)
    by, site, now = User.objects.create_superuser("bench"), Site.objects.get(), timezone.now()
    birth = now.date().replace(year=1990, day=1)

    def people(start: int, count: int) -> list[Participant]:
        facts = {"site": site, "name": "x", "birth_date": birth, "sex": "M", "status": "screening", "created_by": by}
        return [Participant(screening_number=f"B-{number}", **facts) for number in range(start, start + count)]

    made = 0

    def one_by_one() -> None:
        nonlocal made
        with pghistory.context(username="bench", ip="10.1.2.3", path="/admin/"):
            for person in people(made, 100):
                person.save()
        made += 100

    def in_bulk() -> None:
        nonlocal made
        with pghistory.context(username="bench", ip="10.1.2.3", path="/admin/"):
            Participant.objects.bulk_create(people(made, 1000))
        made += 1000

    found: dict[tuple[str, bool], list[float]] = {}
    for turn in range(turns):
        for is_guarded in (True, False) if turn % 2 else (False, True):
            if is_guarded:
                guards.fasten(settings.APP_DATABASE_ROLE)
            else:
                loosen()
            for work in (one_by_one, in_bulk):
                found.setdefault((work.__name__, is_guarded), []).append(timed(work))
    for name in ("one_by_one", "in_bulk"):
        ratio = statistics.median(found[name, True]) / statistics.median(found[name, False])
        print(f"{name}: {ratio:.2f} × without the guards (goal {GOAL})")


if __name__ == "__main__":
    main()
