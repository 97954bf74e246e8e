"""Writes names, birth dates and the like anew with the newest key; safe to stop, to repeat and to run twice at once.

1. Put the new key before the old one in FIELD_KEYS, comma between, and restart every process of the site.
2. python manage.py rotate_field_keys, with DATABASE_URL of the owner, while the site runs.
3. Remove the old key where the last lines say that it may be removed, and restart.
"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from trialsite import keyseals, rekeying


class Command(BaseCommand):
    help = "Writes the identity fields anew with the first key of FIELD_KEYS, and says which older key may be removed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--without-lost-keys",
            action="store_true",
            help="go on without keys that are lost for good: what they closed stays unreadable",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not rekeying.is_owner():
            raise CommandError("Run this with DATABASE_URL of the owner: the application's own role may not do it.")
        if not options["without_lost_keys"]:
            keyseals.refuse_wrong()
        counted = rekeying.rotate(self._say)
        if options["without_lost_keys"]:
            keyseals.retire_others()
        for text in rekeying.verdicts(counted):
            self._say(text)
        self._say(f"{counted.rows[0]} values of rows stand under the newest key.")

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()
