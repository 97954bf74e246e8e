"""Say whether the audit trail is as it was sealed; exit 1 where it is not."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils.translation import gettext as _

from trialsite import seals


class Command(BaseCommand):
    help = "Compares every event of the audit trail with its seal, and the chain of seals with a copy kept outside."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--copy", default="", help="a seal from a mail or an export, as number:sha256")

    def handle(self, *args: Any, **options: Any) -> None:
        found = seals.verify(copy=options["copy"])
        for fault in found.faults:
            self.stdout.write(fault)
        self.stdout.write(
            _("%(events)s events under %(seals)s seals compared, %(faults)s faults. Newest seal: %(newest)s")
            % {
                "events": found.events,
                "seals": found.seals,
                "faults": len(found.faults),
                "newest": found.newest or "—",
            }
        )
        if found.faults:
            sys.exit(1)
