"""For a health check: 0 while every sweep has run lately, 1 with the silent ones otherwise."""

import sys
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from trialsite import sweeps


class Command(BaseCommand):
    help = "Exits 1 if a sweep has been silent for longer than allowed."

    def handle(self, *args: Any, **options: Any) -> None:
        silent = [run.name for run in sweeps.health(now=timezone.now()) if run.is_silent]
        if silent:
            self.stderr.write(f"silent: {', '.join(silent)}")
            sys.exit(1)
        self.stdout.write("every sweep has run lately")
