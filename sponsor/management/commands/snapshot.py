"""Make a snapshot for the sponsor here and now, and tell how far it is."""

import datetime as dt
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from sponsor.snapshots import actions, job, store
from sponsor.snapshots.models import Snapshot, SnapshotState
from trialsite.models import User
from trialsite.refusal import Refused


def moment(text: str) -> dt.datetime:
    found = dt.datetime.fromisoformat(text)
    return found if found.tzinfo else timezone.make_aware(found)


class Command(BaseCommand):
    help = "Makes a snapshot of everything that leaves for the sponsor, as it is now."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--by", required=True, metavar="NAME", help="whose name stands on it: a data manager's")
        parser.add_argument("--shift-dates", action="store_true", help="dates shifted for each participant")
        parser.add_argument("--cut-off", type=moment, help="refused: a snapshot holds the data as they are now")

    def handle(self, *args: Any, **options: Any) -> None:
        by = User.objects.filter(username=options["by"], is_active=True).first()
        if by is None:
            raise CommandError(f"There is nobody called {options['by']}.")
        asked = {"shifts_dates": options["shift_dates"], "cut_off": options["cut_off"]}
        try:
            # No worker is woken: it is made here.
            row = actions.ask(by=by, now=timezone.now(), wakes=False, **asked)
        except Refused as refusal:
            raise CommandError(" ".join(refusal.messages)) from refusal
        outcome = job.run_next(only=row.pk, tell=self._tell)
        self._end(Snapshot.objects.get(pk=row.pk), outcome)

    def _tell(self, what: str, done: int, total: int) -> None:
        if what:
            self.stderr.write(f"{what} {done}/{total}" if total else what)

    def _end(self, row: Snapshot, outcome: str) -> None:
        if row.state == SnapshotState.FAILED:
            raise CommandError(f"{row.get_error_display()} {row.error_detail}".strip())
        if outcome != "made":
            raise CommandError(f"{row.label}: {row.get_state_display()}")
        self.stdout.write(str(store.folder_of(row.label)))
