"""What is still missing before a site can work: one look at each part, each with the way out."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import get_connection
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http.request import validate_host

from trialsite import broker, codeage, databases, fieldkeys, keyseals
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
    yield Look("address", tuple(_address()))
    yield Look("pages", tuple(_pages()))
    yield Look("broker", tuple(_broker()))
    yield Look("mail", tuple(_mail()))
    yield Look("backup", tuple(_backup()))


def _said(ask: Callable[[], object]) -> Iterator[str]:
    try:
        ask()
    except (ImproperlyConfigured, DatabaseError) as error:
        yield str(error)


def _database() -> Iterator[str]:
    try:
        connection.ensure_connection()
    except DatabaseError as error:
        yield databases.said(error)
    else:
        if too_old := databases.too_old():
            yield too_old


def _schema() -> Iterator[str]:
    try:
        yield from _said(codeage.refuse_older_code)
        executor = MigrationExecutor(connection)
        if steps := executor.migration_plan(executor.loader.graph.leaf_nodes()):
            yield f"{len(steps)} migrations are not done. {PREPARE}"
    except DatabaseError as error:
        # A login without any right yet: the database was never prepared to its end.
        yield f"{databases.said(error)} {PREPARE}"


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


def _address() -> Iterator[str]:
    """Whether a browser can log in at the address that people use."""
    asked = urlsplit(settings.SITE_URL)
    if settings.WITHOUT_TLS and not settings.LOCAL:
        yield "WITHOUT_TLS is on: passwords go over the network in clear. For a trial with invented people only."
    elif asked.scheme != "https" and not settings.LOCAL:
        yield (
            f"SITE_URL is {settings.SITE_URL}, and a browser keeps our logins over TLS alone: put a TLS proxy in front "
            "and write https://…, or set WITHOUT_TLS=1 for a trial with invented people."
        )
    host = asked.hostname or ""
    if not validate_host(host, settings.ALLOWED_HOSTS):
        yield f"ALLOWED_HOSTS does not name {host}, the host of SITE_URL: every page would be refused. Add it."
    if asked.scheme == "https" and settings.BEHIND_TLS_PROXY and not settings.NUM_PROXIES:
        yield "NUM_PROXIES is 0: every address in the trail and the log would be the proxy's. Set it to 1."


def _pages() -> Iterator[str]:
    """Without the collected files every page ends in an error."""
    if settings.STATIC_ROOT and not (settings.STATIC_ROOT / "staticfiles.json").exists():
        yield "The static files are not collected: run `manage.py collectstatic --noinput` in the folder of the site."
    schedule = Path(settings.CELERY_BEAT_SCHEDULE_FILENAME).parent
    if not schedule.is_dir():
        yield f"There is no folder {schedule} for beat: make it, writable for beat, or set BEAT_SCHEDULE_FILE."


def _broker() -> Iterator[str]:
    if said := broker.refusal():
        yield said


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
