"""Brings a backup back into an empty database, prepares it, and verifies the audit trail.

1. createdb --owner trialsite_owner trialsite      (an empty database; the server may be a newer one)
2. FIELD_KEYS and SECRET_KEY of then in the settings, DATABASE_URL of the owner
3. python manage.py restore FILE [--private-key backup-private.pem]
"""

from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from trialsite import seals
from trialsite.backups import made, restored
from trialsite.backups.problem import Problem


class Command(BaseCommand):
    help = "Brings a backup back into an empty database; refuses any other, another version, and wrong FIELD_KEYS."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--private-key", type=Path, metavar="PEM", help="opens a sealed backup")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            manifest = restored.restore(options["file"], private_key=options["private_key"])
        except Problem as problem:
            raise CommandError(str(problem)) from None
        except OSError as error:
            raise CommandError(f"{options['file']} cannot be read: {error.strerror}.") from None
        rows = sum(one["rows"] for one in manifest["tables"].values())
        self.stdout.write(
            f"The backup of {manifest['made_at']} (version {manifest['software']}) is back: {len(manifest['tables'])} "
            f"tables, {rows} rows, every checksum equal."
        )
        call_command("prepare_database", stdout=self.stdout)
        if manifest["secret_key"] != made.fingerprint():
            self.stdout.write(
                "SECRET_KEY is another one than then: signatures of before do not count until the old one stands in "
                "FORMER_SECRET_KEYS."
            )
        self._verify()

    def _verify(self) -> None:
        found = seals.verify()
        self.stdout.write(f"Audit trail: {found.events} events under {found.seals} seals, {len(found.faults)} faults.")
        if found.faults:
            raise CommandError("\n".join(found.faults))
