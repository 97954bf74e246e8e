"""Bring the database up to date: migrations, cache table, roles, sites, rights, trail. Safe to run again."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection, transaction
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from trialsite import codeage, env, firstevents, grants, guards, keyseals
from trialsite.backups import before
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

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--with-backup", action="store_true", help="first, where there is something to migrate")

    def handle(self, *args: Any, **options: Any) -> None:
        with connection.cursor() as cursor:
            # Two hosts that start at once prepare one after the other.
            cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        refuse_unfinished()
        codeage.refuse_older_code()
        keyseals.refuse_before_preparing()
        if options["with_backup"]:
            before.make(self.stdout)
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
        guards.fasten(role)
        keyseals.seal()
        firstevents.write()


def refuse_unfinished() -> None:
    """A migration that stands for older ones needs all of them done, or none; Django's own error speaks of a graph."""
    done = set(MigrationRecorder(connection).applied_migrations())
    for migration in MigrationLoader(None).disk_migrations.values():
        missing = [f"{app}.{name}" for app, name in migration.replaces if (app, name) not in done]
        if missing and len(missing) < len(migration.replaces):
            raise CommandError(
                f"This database was made by an earlier version, and was never brought to that version's end: "
                f"{', '.join(missing)} not done. Run prepare_database of the version before this one first, then this."
            )


def sync_roles() -> None:
    """Make each role's group hold exactly the permissions of the table in `trialsite.roles`."""
    known: dict[str, list[Permission]] = defaultdict(list)
    for permission in Permission.objects.select_related("content_type"):
        known[f"{permission.content_type.app_label}.{permission.codename}"].append(permission)
    for role, names in ROLE_PERMISSIONS.items():
        group, _new = Group.objects.get_or_create(name=role.value)
        group.permissions.set(_only(known, name) for name in sorted(set(names)))


def _only(known: Mapping[str, list[Permission]], name: str) -> Permission:
    matches = known.get(name, [])
    if len(matches) != 1:
        raise CommandError(f"Permission {name} exists {len(matches)} times; roles.py and the models disagree.")
    return matches[0]


def sync_sites() -> None:
    """Sites come from the study file; their names follow it."""
    for site in get_study().latest.sites:
        Site.objects.update_or_create(code=site.code, defaults={"name_zh": site.name.zh, "name_en": site.name.en})
