"""Run the consistency checks over the whole record now, and print what is open by check."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Count
from django.utils import timezone
from django.utils.translation import gettext as _

from safety.actions.contradictions import find_contradictions
from safety.checks import CHECKS, title_of
from safety.models import DataFinding


class Command(BaseCommand):
    help = "Looks for contradictions in the whole record, and prints how many are open, by check. It may be run again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("codes", nargs="*", metavar="check", help="only these checks; none: all of them")

    def handle(self, *args: Any, **options: Any) -> None:
        if unknown := set(options["codes"]) - CHECKS.keys():
            raise CommandError(
                _("No check has this name: %(names)s. There are: %(known)s.")
                % {"names": ", ".join(sorted(unknown)), "known": ", ".join(CHECKS)}
            )
        counts = find_contradictions(codes=options["codes"], now=timezone.now())
        rows = DataFinding.objects.open().order_by().values_list("code")
        still = dict(rows.annotate(count=Count("pk")).order_by("-count", "code"))
        for code, count in still.items():
            self.stdout.write(f"{count:6} {code}: {title_of(code)}")
        self.stdout.write(
            _("%(opened)s found, %(closed)s closed by the data, %(failed)s failed; %(open)s are open.")
            % {**counts, "open": sum(still.values())}
        )
        if counts["failed"]:
            raise CommandError(_("Some checks failed: the log names them."))
