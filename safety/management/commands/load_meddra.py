"""Load the release of MedDRA for which the site has a licence."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from safety.actions.meddra import load_release
from safety.imports.meddra_release import NotARelease, read_release


class Command(BaseCommand):
    help = "Load a MedDRA release of your own licence: the folder with llt.asc, pt.asc and mdhier.asc. None is shipped."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("version", help="Such as 28.0.")
        parser.add_argument("folder", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            release = read_release(options["folder"])
        except NotARelease as wrong:
            raise CommandError(f"{wrong}. Nothing was changed.") from wrong
        count = load_release(options["version"], release)
        self.stdout.write(f"MedDRA {options['version']}: {count} lowest level terms")
