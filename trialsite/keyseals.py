"""Whether the keys of the settings are those of this database.

The database keeps one value for each key that identity is written with, sealed with that key (`guard.field_key`). All
of them must open, and the newest key must be among them: else names would be unreadable, or written so that the next
start cannot read them.
"""

import datetime as dt
from collections.abc import Iterator

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.utils import timezone
from psycopg import sql

from trialsite import fieldkeys
from trialsite.fields import EncryptedDateField, EncryptedTextField

LABEL, TEXT = "trialsite.field_keys", "opened"
# So many values of each column are tried in a database that is older than its sealed values.
LOOKED_AT = 20


class WrongKeys(ImproperlyConfigured):
    """FIELD_KEYS does not belong to this database; the message says what was found, and the way out."""


def refuse_wrong() -> list[str]:
    """The sealed values, if all open. Raises WrongKeys, or ImproperlyConfigured for a malformed key.

    A database without sealed values is taken.
    """
    fieldkeys.ciphers()
    sealed = standing()
    if closed := [since for token, since in sealed if fieldkeys.opened(token, LABEL) is None]:
        raise WrongKeys(_does_not_open(closed, len(sealed)))
    return [token for token, _since in sealed]


def refuse_unknown() -> None:
    """The same, and the newest key must be known to the database: before anything is written with it."""
    sealed = refuse_wrong()
    if sealed and fieldkeys.encrypt(TEXT, LABEL) not in sealed:
        raise WrongKeys(
            "The first key of FIELD_KEYS is new to this database. Run `manage.py prepare_database` with these settings "
            "first, and start again. If it is an older key: the newest stands first."
        )


def _does_not_open(closed: list[dt.datetime], known: int) -> str:
    count = len(fieldkeys.ciphers())
    days = ", ".join(f"{timezone.localtime(since):%Y-%m-%d}" for since in closed)
    return (
        f"FIELD_KEYS does not belong to this database: none of its {count} opens the value that is sealed with the key "
        f"in use since {days} ({len(closed)} of {known} keys missing). Names, birth dates and hospital numbers cannot "
        "be read with it. Put back the FIELD_KEYS from your copy, or add the missing key behind the others, and start "
        "again. If it is lost for good: `manage.py rotate_field_keys --without-lost-keys` says what stays unreadable."
    )


def standing() -> list[tuple[str, dt.datetime]]:
    """The sealed values of the keys in use, and since when; none in a database that has never been prepared."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regprocedure('guard.field_keys()') IS NOT NULL")
        if not cursor.fetchone()[0]:
            return []
        cursor.execute("SELECT sealed, since FROM guard.field_keys()")
        return [(str(token), since) for token, since in cursor.fetchall()]


# --- For the owner -------------------------------------------------------------------------------------


def refuse_before_preparing() -> None:
    """A database of before the first sealed value is held against what is written in it. Raises WrongKeys."""
    if refuse_wrong():
        return
    tried = [fieldkeys.opened(token, label) for label, token in _samples()]
    if tried and not any(tried):
        raise WrongKeys(
            f"FIELD_KEYS does not belong to this database: of {len(tried)} values of identity in it none opens. "
            "Put back the FIELD_KEYS that they were written with, and run this again."
        )


def _samples() -> Iterator[tuple[str, str]]:
    """The newest values of each encrypted column that is there already: label and token."""
    with connection.cursor() as cursor:
        there = set(connection.introspection.table_names(cursor))
        for model in apps.get_models():
            if model._meta.db_table not in there or model._meta.proxy:
                continue
            columns = {one.name for one in connection.introspection.get_table_description(cursor, model._meta.db_table)}
            for field in model._meta.concrete_fields:
                if isinstance(field, EncryptedTextField | EncryptedDateField) and field.column in columns:
                    cursor.execute(
                        sql.SQL("SELECT {c} FROM {t} WHERE {c} <> '' ORDER BY {k} DESC LIMIT {n}").format(
                            c=sql.Identifier(str(field.column)),
                            t=sql.Identifier(model._meta.db_table),
                            k=sql.Identifier(str(model._meta.pk.column)),
                            n=sql.Literal(LOOKED_AT),
                        )
                    )
                    yield from ((field.label, token) for (token,) in cursor.fetchall())


def seal() -> None:
    """From now on the newest key is known to this database. Needs the owner."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO guard.field_key (sealed) VALUES (%s) ON CONFLICT (sealed) DO UPDATE SET retired_at = NULL",
            [fieldkeys.encrypt(TEXT, LABEL)],
        )


def retire_others() -> int:
    """All keys but the newest are no longer needed by any row; how many that were. Needs the owner."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE guard.field_key SET retired_at = clock_timestamp() WHERE retired_at IS NULL AND sealed <> %s",
            [fieldkeys.encrypt(TEXT, LABEL)],
        )
        return int(cursor.rowcount)
