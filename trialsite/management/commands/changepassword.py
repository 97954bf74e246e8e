"""A way in for whoever is locked out: a one-time link, in the place of Django's command that sets a password."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from trialsite import links, people
from trialsite.models import User


class Command(BaseCommand):
    help = "Prints a one-time link with which a person sets a new password. Hand it to that person, and to nobody else."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")

    def handle(self, *args: Any, **options: Any) -> None:
        person = User.objects.filter(username=options["username"], is_active=True).first()
        if person is None or not people.is_to_log_in(person):
            raise CommandError(f"There is no {options['username']} who may log in.")
        people.note_printed_link(person=person)
        self.stdout.write(links.address(person, links.Kind.PASSWORD))
        self.stderr.write(people.printed_words())
