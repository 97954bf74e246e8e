"""How long the daily work takes, each beside its goal, in one table.

    python -m trialsite.local exec --throwaway -- python -m bench [--short] [--turns N] [subject …]

Milliseconds are of one machine on one day; the ratios compare works done in turns in one run, and say more. Exits
with 1 where a goal is missed. `--short` goes over few rows, to see that all runs.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "trialsite.settings")
SUBJECTS = ["infusing", "events", "bedside", "reminders", "pages", "lists", "exports", "snapshots"]


@contextmanager
def fresh_database(name: str) -> Iterator[None]:
    """A copy of the prepared database for one subject, so that none measures what another has left there."""
    from django.db import connection

    prepared = connection.settings_dict["NAME"]
    connection.creation.clone_test_db(name, verbosity=0)
    connection.close()
    connection.settings_dict["NAME"] = f"{prepared}_{name}"
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict["NAME"] = prepared
        connection.creation.destroy_test_db(suffix=name, verbosity=0)


def prepare() -> None:
    from django.core.management import call_command
    from django.db import connection

    connection.creation.create_test_db(verbosity=0)
    call_command("prepare_database", verbosity=0)


def main() -> int:
    asked = argparse.ArgumentParser(prog="python -m bench", description=__doc__.splitlines()[0])
    asked.add_argument("subjects", nargs="*", metavar="subject", help=", ".join(SUBJECTS))
    asked.add_argument("--short", action="store_true", help="few rows and few turns")
    asked.add_argument("--turns", type=int, help="how often each work is done")
    given = asked.parse_args()
    django.setup()
    from bench import measure

    size = measure.SHORT if given.short else measure.FULL
    size = replace(size, turns=given.turns) if given.turns else size
    prepare()
    found = []
    for subject in given.subjects or SUBJECTS:
        with fresh_database(subject):
            found += import_module(f"bench.{subject}").lines(size)
            print(".", end="", file=sys.stderr, flush=True)
    print(f"\n{measure.table(found)}")
    return int(any(not line.is_met for line in found))


if __name__ == "__main__":
    sys.exit(main())
