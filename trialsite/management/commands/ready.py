"""Says what is still missing before the site can work; exit 1 while anything is."""

import sys
from typing import Any

from django.core.management.base import BaseCommand

from trialsite import ready


class Command(BaseCommand):
    help = "Looks at keys, database, rights, people, broker, mail and backup, and says of each how to put it right."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        missing = 0
        for look in ready.looks():
            self.stdout.write(f"{'MISSING' if look.missing else 'ok':<8}{look.name}")
            for text in look.missing:
                self.stdout.write(f"        {text}")
            missing += len(look.missing)
        if missing:
            self.stdout.write(f"{missing} things are missing.")
            sys.exit(1)
        self.stdout.write("Nothing is missing.")
