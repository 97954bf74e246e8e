"""One file with everything: a dump of the database, with what must be in it; checked, then named, then the old removed.

Run it each day, with DATABASE_URL of the owner. FIELD_KEYS and SECRET_KEY are not in it: keep a copy of them elsewhere.
"""

import datetime as dt
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection
from django.utils import timezone

from trialsite import keyseals
from trialsite.backups import made, sealed
from trialsite.backups.problem import Problem


class Command(BaseCommand):
    help = "Writes a checked backup into BACKUP_DIR, and removes those older than BACKUP_KEEP_DAYS."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--to", type=Path, metavar="FOLDER", help="instead of BACKUP_DIR")

    def handle(self, *args: Any, **options: Any) -> None:
        folder = options["to"] or settings.BACKUP_DIR
        if folder is None:
            raise CommandError("BACKUP_DIR is not set. Set it to a folder on another disk, or give --to FOLDER.")
        if connection.settings_dict["USER"] == settings.APP_DATABASE_ROLE:
            raise CommandError("DATABASE_URL logs in as the site itself, which may not read all: give the owner's.")
        # Names that nobody could read after a restore are no backup.
        keyseals.refuse_wrong()
        now = timezone.now()
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            to = sealed.public_key(settings.BACKUP_PUBLIC_KEY) if settings.BACKUP_PUBLIC_KEY else None
            path = made.make(folder, to=to, now=now)
            old = made.tidy(folder, keep=dt.timedelta(days=settings.BACKUP_KEEP_DAYS), now=now)
        except Problem as problem:
            raise CommandError(str(problem)) from None
        except OSError as error:
            raise CommandError(f"{folder} cannot be written: {error.strerror}. No backup was made.") from None
        self.stdout.write(f"{path}: {path.stat().st_size} bytes, read back and found complete.")
        if old:
            self.stdout.write(f"{len(old)} older than {settings.BACKUP_KEEP_DAYS} days removed.")
