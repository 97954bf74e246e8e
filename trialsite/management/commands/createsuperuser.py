"""The first administrator: a row and a one-time link, in the place of Django's command that asks for a password."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from trialsite import links, people
from trialsite.models import Language, User


class Command(BaseCommand):
    help = "Makes an administrator, and prints the one-time link with which they set a password that nobody else knows."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--username", help="asked for when left out")
        parser.add_argument("--email", help="asked for when left out")
        parser.add_argument("--language", choices=Language.values, default=Language.ZH.value)

    def handle(self, *args: Any, **options: Any) -> None:
        person = User(
            username=User.normalize_username(options["username"] or input("User name: ").strip()),
            email=options["email"] or input("E-mail: ").strip(),
            language=options["language"],
            is_staff=True,
            is_superuser=True,
        )
        person.set_unusable_password()
        try:
            person.full_clean()
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from None
        if not person.email:
            raise CommandError("Give an e-mail: without one no further link can be sent.")
        person.save()
        people.note_printed_link(person=person)
        self.stdout.write(links.address(person, links.Kind.PASSWORD))
        self.stderr.write(people.printed_words())
