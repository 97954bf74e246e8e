"""Bring the database up to date: migrations, cache table, roles, sites, rights. Safe to run again."""

from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction
from django.db.models import Q

from trialsite import env, grants
from trialsite.models import Site
from trialsite.roles import ROLE_PERMISSIONS
from trialsite.study import get_study

LOCK = 7_249_402


class Command(BaseCommand):
    help = (
        "Migrates, makes the groups and sites, and sets the rights of the application's database role. "
        "Run it with DATABASE_URL of the owner."
    )
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        with connection.cursor() as cursor:
            # Two hosts that start at once prepare one after the other.
            cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        call_command("migrate", interactive=False, verbosity=0)
        call_command("createcachetable", verbosity=0)
        with transaction.atomic():
            sync_roles()
            sync_sites()
            self._grant()
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
        self.stdout.write("The database is up to date.")

    def _grant(self) -> None:
        role = settings.APP_DATABASE_ROLE
        if role == settings.DATABASES["default"]["USER"]:
            raise CommandError(
                f"DATABASE_URL logs in as {role}, the application's own role. Run this command as the owner: with its "
                "own role for the application, the audit trail cannot be changed by the site itself."
            )
        if password := env.text("APP_DATABASE_PASSWORD", ""):
            grants.ensure_role(role, password)
        if not grants.role_exists(role):
            raise CommandError(f"There is no database role {role}. Create it, or set APP_DATABASE_PASSWORD.")
        grants.grant(role)


def sync_roles() -> None:
    """Make each role's group hold exactly the permissions of the table in `trialsite.roles`."""
    for role, names in ROLE_PERMISSIONS.items():
        group, _new = Group.objects.get_or_create(name=role.value)
        group.permissions.set(_permissions(names))


def _permissions(names: tuple[str, ...]) -> list[Permission]:
    found = []
    for name in sorted(set(names)):
        app, codename = name.split(".")
        matches = Permission.objects.filter(Q(content_type__app_label=app, codename=codename))
        if len(matches) != 1:
            raise CommandError(f"Permission {name} exists {len(matches)} times; roles.py and the models disagree.")
        found.append(matches[0])
    return found


def sync_sites() -> None:
    """Sites come from the study file; their names follow it."""
    for site in get_study().latest.sites:
        Site.objects.update_or_create(code=site.code, defaults={"name_zh": site.name.zh, "name_en": site.name.en})
