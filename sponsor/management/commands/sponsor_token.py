"""Issue or revoke the API tokens of a sponsor's program."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from sponsor.auth import issue_token, program_named, revoke_tokens
from sponsor.models import Scope
from trialsite.models import User
from trialsite.refusal import Refused


class Command(BaseCommand):
    help = "Issues an API token for a sponsor's program (shown once), or revokes its tokens."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("program", help="a name for the program, such as sponsor-edc")
        parser.add_argument("--days", type=int, default=90, help="how long the token is valid (default 90)")
        parser.add_argument(
            "--scope", action="append", choices=[str(one) for one in Scope], help="read (default), export, or both"
        )
        parser.add_argument("--revoke", nargs="?", const="", metavar="BEGINS_WITH", help="end its tokens instead")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["revoke"] is not None:
            self._revoke(options["program"], options["revoke"])
        else:
            self._issue(options["program"], options["days"], tuple(options["scope"] or [Scope.READ]))

    def _issue(self, name: str, days: int, scopes: tuple[str, ...]) -> None:
        if days < 1:
            raise CommandError(f"--days {days}: a token is valid for one day or more.")
        try:
            program = program_named(name)
        except Refused as refusal:
            raise CommandError(refusal.messages[0]) from None
        token, expiry = issue_token(program, days=days, scopes=scopes)
        self.stdout.write(token)
        self.stderr.write(f"Valid until {expiry:%Y-%m-%d %H:%M %Z}. Keep it safe: it is not shown again.")

    def _revoke(self, name: str, begins_with: str) -> None:
        program = User.objects.filter(username=name).first()
        if program is None:
            raise CommandError(f"There is no program {name}.")
        self.stdout.write(f"{revoke_tokens(program, begins_with=begins_with)} token(s) of {name} ended.")
