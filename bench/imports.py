"""How the time of an import grows with its rows: 10,000 rows as a ratio to 1,000 rows, in one run.

    .venv/bin/python -m trialsite.local exec --throwaway -- .venv/bin/python -m bench.imports

Ten times the rows should take about ten times as long; much more means a query or a search for each row.
"""

import datetime as dt
import os
import time

import django
from django.db import connection

SIZES = (1_000, 10_000)
DAY = dt.timedelta(days=1)


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "trialsite.settings")
    django.setup()
    connection.creation.create_test_db(verbosity=0)
    try:
        measure()
    finally:
        connection.creation.destroy_test_db(connection.settings_dict["NAME"], verbosity=0)


def measure() -> None:
    from django.utils import timezone

    from tests import factories
    from trialsite.management.commands.prepare_database import sync_roles, sync_sites
    from trialsite.models import Site, User

    sync_roles()
    sync_sites()
    now = timezone.now()
    site, somebody = Site.objects.get(), User.objects.create_user("bench")
    taken = {}
    for size in SIZES:
        number = factories.consented(site=site, by=somebody, now=now - 30 * DAY).number
        taken[size] = seconds(file_of(number, size, since=now - 20 * DAY), site, somebody, now)
        print(f"{size:>6} rows: checked in {taken[size][0]:.2f} s, imported in {taken[size][1]:.2f} s")
    small, large = (taken[size] for size in SIZES)
    print(f" ratio: checking {large[0] / small[0]:.1f}, importing {large[1] / small[1]:.1f} (rows: 10)")


def file_of(number: str, size: int, *, since: dt.datetime) -> str:
    answers = ("HGB,118,g/L", "WBC,5.2,10^9/L", "PLAT,210,10^9/L")
    rows = [f"{number},{answers[n % 3]},{(since + n // 3 * dt.timedelta(minutes=1)).isoformat()}" for n in range(size)]
    return "\n".join(["participant,measure,value,unit,taken_at", *rows])


def seconds(text: str, site: object, somebody: object, now: dt.datetime) -> tuple[float, float]:
    from participants.actions import imports

    row = imports.upload(site=site, file_name="bench.csv", content=text.encode(), by=somebody, now=now)
    started = time.perf_counter()
    assert imports.run_next(now=now) == "checked"
    checked = time.perf_counter()
    imports.import_now(row=row, accept_unusual=False, by=somebody, now=now)
    assert imports.run_next(now=now) == "imported"
    return checked - started, time.perf_counter() - checked


if __name__ == "__main__":
    main()
