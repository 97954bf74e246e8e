"""What the application's database role may do: enough to work, too little to rewrite history.

Rows of records are never deleted, audit rows and read logs never changed: the database refuses it, whatever
the application tries.
"""

from typing import Any

from django.apps import apps
from django.db import connection
from django.db.models import Model
from psycopg import sql

from trialsite.models import Event, Record

READ = ("SELECT",)
APPEND = ("SELECT", "INSERT")
KEEP = ("SELECT", "INSERT", "UPDATE")
FULL = ("SELECT", "INSERT", "UPDATE", "DELETE")

# Tables of libraries and of ours that need less than FULL.
BY_TABLE = {
    "django_migrations": READ,
    "django_content_type": READ,
    "auth_permission": READ,
    "auth_group": READ,
    "auth_group_permissions": READ,
    "django_admin_log": APPEND,
    "pghistory_context": READ,
    "participants_measurementimport": KEEP,
    "participants_laboratorylayout": KEEP,
    "participants_identityread": APPEND,
    "participants_absence": KEEP,
    "participants_reminderpreference": KEEP,
    "participants_visitacknowledgement": APPEND,
    "participants_dutyreminder": KEEP,
    "participants_participantreminder": APPEND,
    "participants_visitreminder": KEEP,
    "participants_calendarfeed": KEEP,
    "safety_submissionfile": APPEND,
    "sponsor_apiread": APPEND,
    "sponsor_freetextrelease": APPEND,
    "sponsor_shiftsecret": APPEND,
    "sponsor_snapshot": KEEP,
    "sponsor_snapshotfile": APPEND,
    "sponsor_apitoken": KEEP,
    "trialsite_user": KEEP,
    "trialsite_site": KEEP,
    "trialsite_notification": KEEP,
    "trialsite_listexport": APPEND,
    "trialsite_accessreview": APPEND,
    "trialsite_auditseal": READ,
    "trialsite_securityevent": APPEND,
    "trialsite_signature": APPEND,
    "trialsite_counter": KEEP,
}


def rights(table: str, model: type[Model] | None) -> tuple[str, ...]:
    if model is not None and issubclass(model, Event):
        # Written by triggers with the owner's rights: see `guards`.
        return READ
    if model is not None and issubclass(model, Record):
        return KEEP
    return BY_TABLE.get(table, FULL)


def models() -> dict[str, type[Model]]:
    """Every model by its table."""
    return {model._meta.db_table: model for model in apps.get_models(include_auto_created=True)}


def held(role: str) -> dict[str, set[str]]:
    """What the role may do now, by table."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, privilege_type FROM information_schema.role_table_grants "
            "WHERE grantee = %s AND table_schema = 'public'",
            [role],
        )
        found: dict[str, set[str]] = {}
        for table, right in cursor.fetchall():
            found.setdefault(table, set()).add(right)
    return found


def grant(role: str) -> None:
    """Set exactly these rights for the role, on every table of the public schema. Needs the owner."""
    known = models()
    with connection.cursor() as cursor:
        _run(cursor, "GRANT USAGE ON SCHEMA public TO {role}", role)
        _run(cursor, "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role}", role)
        _run(cursor, "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {role}", role)
        for table in connection.introspection.table_names(cursor):
            statement = sql.SQL("GRANT {rights} ON {table} TO {role}").format(
                rights=sql.SQL(", ").join(sql.SQL(right) for right in rights(table, known.get(table))),
                table=sql.Identifier(table),
                role=sql.Identifier(role),
            )
            cursor.execute(statement)


def ensure_role(role: str, password: str) -> None:
    """Create the application's login, or give it this password. Needs a role that may create roles."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role])
        verb = "ALTER" if cursor.fetchone() else "CREATE"
        cursor.execute(
            sql.SQL("{verb} ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD {password}").format(
                verb=sql.SQL(verb), role=sql.Identifier(role), password=sql.Literal(password)
            )
        )


def lets_in(role: str, password: str) -> bool:
    """Whether this login gets in with this password."""
    given = {**connection.get_connection_params(), "user": role, "password": password}
    try:
        connection.Database.connect(**given).close()  # type: ignore[attr-defined]  # psycopg, as Django found it
    except connection.Database.OperationalError:  # type: ignore[attr-defined]
        return False
    return True


def role_exists(role: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role])
        return cursor.fetchone() is not None


def _run(cursor: Any, statement: str, role: str) -> None:
    cursor.execute(sql.SQL(statement).format(role=sql.Identifier(role)))
