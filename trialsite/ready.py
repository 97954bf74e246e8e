"""What is still missing before a site can work: one look at each part, each with the way out."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import get_connection
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from trialsite import broker, codeage, fieldkeys, keyseals
from trialsite.models import Site, User
from trialsite.roles import ROLE_NAMES

PREPARE = "Run `manage.py prepare_database` with DATABASE_URL of the owner."


@dataclass(frozen=True)
class Look:
    """One part: what is missing, in sentences; nothing when all is there."""

    name: str
    missing: tuple[str, ...]


def looks() -> Iterator[Look]:
    """In the order in which they are put right; without a database the rest of it is not asked."""
    yield Look("keys", tuple(_said(fieldkeys.ciphers)))
    database = Look("database", tuple(_database()))
    yield database
    if not database.missing:
        yield Look("schema", tuple(_schema()))
        yield Look("keys of the database", tuple(_said(keyseals.refuse_unknown)))
        yield Look("rights", tuple(_rights()))
        yield Look("people", tuple(_people()))
    yield Look("broker", tuple(_broker()))
    yield Look("mail", tuple(_mail()))
    yield Look("backup", tuple(_backup()))


def _said(ask: Callable[[], object]) -> Iterator[str]:
    try:
        ask()
    except (ImproperlyConfigured, DatabaseError) as error:
        yield str(error)


def _database() -> Iterator[str]:
    given = connection.settings_dict
    where = f"{given['HOST']}:{given['PORT'] or 5432}, database {given['NAME']}, as {given['USER']}"
    try:
        connection.ensure_connection()
    except DatabaseError as error:
        said = " ".join(str(error).split())
        yield f"PostgreSQL does not let us in at {where}: {said} Correct DATABASE_URL, or start the server."


def _schema() -> Iterator[str]:
    yield from _said(codeage.refuse_older_code)
    executor = MigrationExecutor(connection)
    if steps := executor.migration_plan(executor.loader.graph.leaf_nodes()):
        yield f"{len(steps)} migrations are not done. {PREPARE}"


def _rights() -> Iterator[str]:
    """The site's own login must not own the tables, nor be without rights on them."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass('trialsite_user')")
        owns = cursor.fetchone()
        cursor.execute("SELECT has_schema_privilege('public', 'USAGE')")
        may_use = cursor.fetchone()[0]
        if owns and may_use:
            cursor.execute("SELECT has_table_privilege('trialsite_user', 'SELECT')")
            may_use = cursor.fetchone()[0]
    if owns and owns[0] and connection.settings_dict["USER"] != settings.APP_DATABASE_ROLE:
        yield (
            f"DATABASE_URL logs in as the owner: web and worker log in as {settings.APP_DATABASE_ROLE}, so that the "
            "site itself cannot change the audit trail."
        )
    elif not owns or not may_use:
        yield f"This login has no rights on the tables. {PREPARE}"


def _people() -> Iterator[str]:
    try:
        people = User.objects.filter(is_active=True, is_staff=True).exclude(password="")
        if not people.filter(is_superuser=True).exists():
            yield "Nobody can make logins: run `manage.py createsuperuser`."
        roles = [role.value for role in ROLE_NAMES]
        sites = Site.objects.all()
        for site in sites:
            if not people.filter(sites=site, groups__name__in=roles).exists():
                yield f"Nobody with a role can log in at {site.code}: the administrator adds people under “People”."
        if not sites:
            yield f"There is no site yet. {PREPARE}"
    except DatabaseError as error:
        yield f"People cannot be read: {type(error).__name__}. {PREPARE}"


def _broker() -> Iterator[str]:
    if broker.depth() is None:
        yield "The broker does not answer, or refuses the password: correct REDIS_URL, or start Redis or Valkey."


def _mail() -> Iterator[str]:
    try:
        with get_connection(timeout=10):
            pass
    except OSError as error:  # smtplib's errors are of this kind
        yield (
            f"The mail server {settings.EMAIL_HOST}:{settings.EMAIL_PORT} does not take us: {error}. Correct EMAIL_URL."
        )


def _backup() -> Iterator[str]:
    if settings.BACKUP_DIR is None:
        yield "BACKUP_DIR is not set: `manage.py backup` needs a folder on another disk, each day."
