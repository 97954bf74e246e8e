"""Looks whether sweeps are silent or mail does not leave, and writes to the administrators. Not run by beat.

*/5 * * * *  python manage.py watch          in a crontab
python manage.py watch --every 300           as a process of its own
python manage.py watch --alive               for its health check: 0 while it has looked lately
"""

import logging
import sys
import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError, close_old_connections
from django.utils import timezone

from trialsite import databases, watchman
from trialsite.models import SweepRun

log = logging.getLogger(__name__)


class Command(BaseCommand):
    help = "Writes to the administrators when sweeps are silent or messages do not leave; sends that mail itself."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--every", type=int, metavar="SECONDS", help="go on, and look again after so many seconds")
        parser.add_argument("--alive", action="store_true", help="only say whether somebody has looked lately")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["alive"]:
            self._say_alive()
            return
        found = _look()
        if not options["every"]:
            self.stdout.write(found)
        while options["every"]:
            time.sleep(options["every"])
            close_old_connections()
            _look()

    def _say_alive(self) -> None:
        last = SweepRun.objects.filter(name=watchman.NAME).first()
        if last is None or last.is_silent(timezone.now(), settings.SWEEP_SILENCE):
            self.stderr.write("nobody has looked lately")
            sys.exit(1)
        self.stdout.write("somebody has looked lately")


def _look() -> str:
    """Looks, and says in the log what was found."""
    try:
        found = watchman.look(now=timezone.now())
    except DatabaseError as error:
        # It cannot be told by a row: whoever reads the log, or the health check of the web server, sees it.
        log.error("The database does not let us in. %s", databases.said(error))  # all there is to say
        return "nothing was seen"
    words = ", ".join(f"{name}: {count}" for name, count in found.items())
    log.info("watched: %s", words)
    return words
