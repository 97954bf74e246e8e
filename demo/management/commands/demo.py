"""Fill an empty database with the demo study, for trying the product out."""

from typing import Any

import pghistory
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.utils import timezone, translation

from demo.build import build
from demo.people import PEOPLE, keep_printed_passwords, password_of
from demo.plans import PLANS, SMALL
from participants.models import Participant
from trialsite.models import User
from trialsite.roles import ROLE_NAMES


class Command(BaseCommand):
    help = "Builds the demo study and its logins. Only with LOCAL on, and only in an empty database."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--if-empty", action="store_true", help="do nothing where there is data already")
        parser.add_argument("--small", action="store_true", help="a few participants only")
        parser.add_argument("--logins", action="store_true", help="print the demo logins; alone it builds nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.LOCAL:
            raise CommandError("Demo data and logins have known passwords: only for a LOCAL site, and LOCAL is off.")
        if options["if_empty"] or not options["logins"]:
            self._fill(may_hold_data=options["if_empty"], is_small=options["small"])
        if options["logins"]:
            self.stdout.write(f"\n{logins()}")

    def _fill(self, *, may_hold_data: bool, is_small: bool) -> None:
        if not (User.objects.exists() or Participant.objects.exists()):
            self._build(is_small=is_small)
        elif may_hold_data:
            keep_printed_passwords()
            self.stdout.write("There is data already: left as it is.")
        else:
            raise CommandError("This database holds people or participants already. Demo data goes into an empty one.")

    def _build(self, *, is_small: bool) -> None:
        plans = SMALL if is_small else PLANS
        with (
            transaction.atomic(),
            pghistory.context(username="demo"),
            translation.override(settings.LANGUAGE_CODE),
        ):
            for done, participant in enumerate(build(now=timezone.now(), is_small=is_small), start=1):
                self.stdout.write(f"{done}/{len(plans)} {participant.screening_number}")


def logins() -> str:
    """The demo logins as a table: they work only where the demo study was built."""
    with translation.override("en"):
        rows = [(name, str(ROLE_NAMES[role])) for name, role, *_names in PEOPLE]
    rows.append(("admin", "Administrator (people and sites)"))
    return "\n".join(f"{name:<14}{password_of(name):<20}{role}" for name, role in rows)
