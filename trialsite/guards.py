"""What makes the audit trail hold against the application's own database login.

The owner fastens it after each migration: triggers cannot be told to stand aside, events are written with the owner's
rights by the database alone, and a name in the trail counts only where the application has signed it with a key that
SQL does not have.
"""

import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection
from psycopg import sql

from trialsite.models import Event

# Seconds for which a signed name may be used; longer than any statement that it is sent with.
GOOD_FOR = 600
# pghistory's own functions are known by the tables that they write into.
WRITES_EVENTS = '%INSERT INTO "%event" (%'
TRIGGER_FUNCTIONS = (
    "SELECT p.oid::regprocedure::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace "
    "WHERE n.nspname = 'public' AND p.prorettype = 'trigger'::regtype"
)

FASTEN = Path(__file__).with_name("guards.sql")


class SignedContext(DjangoJSONEncoder):
    """Who acts, signed for this database session; what pghistory sends with each statement."""

    def encode(self, o: Any) -> str:
        """`{"said": text, "mac": hex}`; the text holds the context, the session and until when it counts."""
        session = connection.connection.info.backend_pid
        said = super().encode({"context": o, "session": session, "until": time.time() + GOOD_FOR})
        mac = hmac.new(key(), said.encode(), hashlib.sha256).hexdigest()
        return json.dumps({"said": said, "mac": mac})


def key() -> bytes:
    """The key of the trail, 32 bytes, made of the site's secret and used for nothing else."""
    return hmac.new(settings.SECRET_KEY.encode(), b"audit trail", hashlib.sha256).digest()


def fasten(role: str) -> None:
    """Set the guards anew, after whatever a migration has made; the role may seal and verify. Needs the owner."""
    with connection.cursor() as cursor:
        cursor.execute(FASTEN.read_text(encoding="utf-8"))
        block = key().ljust(64, b"\0")
        pads = [bytes(byte ^ mask for byte in block) for mask in (0x36, 0x5C)]
        cursor.execute(
            "INSERT INTO guard.key (inner_pad, outer_pad) VALUES (%s, %s) "
            "ON CONFLICT (single) DO UPDATE SET inner_pad = excluded.inner_pad, outer_pad = excluded.outer_pad",
            pads,
        )
        # Without tables of their own nobody has something to tie such a function to, or to put before a real table.
        _run(cursor, "REVOKE TEMPORARY ON DATABASE {} FROM PUBLIC", sql.Identifier(connection.settings_dict["NAME"]))
        cursor.execute(TRIGGER_FUNCTIONS)
        for (function,) in cursor.fetchall():
            _run(cursor, "REVOKE ALL ON FUNCTION {} FROM PUBLIC", sql.SQL(function))
        for function in event_functions(cursor):
            _run(cursor, "ALTER FUNCTION {} SECURITY DEFINER SET search_path = public, pg_temp", sql.SQL(function))
        for table in event_tables():
            _run(
                cursor,
                "CREATE OR REPLACE TRIGGER attest BEFORE INSERT ON {} FOR EACH ROW EXECUTE FUNCTION guard.attest()",
                sql.Identifier(table),
            )
        _let_seal(cursor, role)


def _let_seal(cursor: Any, role: str) -> None:
    """The application may ask for a seal, for digests to compare, since when is signed, and for what tells its keys;
    it writes none itself."""
    _run(cursor, "GRANT USAGE ON SCHEMA guard TO {}", sql.Identifier(role))
    seals = ("seal()", "digest(TEXT, TEXT[], BIGINT, BIGINT)", "chain(TEXT, TIMESTAMPTZ, JSONB)")
    for function in (*seals, "signing_since()", "field_keys()"):
        _run(cursor, "GRANT EXECUTE ON FUNCTION guard.{} TO {}", sql.SQL(function), sql.Identifier(role))


def event_tables() -> list[str]:
    """The tables of the trail."""
    return sorted(model._meta.db_table for model in apps.get_models() if issubclass(model, Event))


def event_functions(cursor: Any) -> list[str]:
    """The functions behind the triggers that write into them, as the database names functions."""
    cursor.execute(TRIGGER_FUNCTIONS + " AND p.prosrc LIKE %s", [WRITES_EVENTS])
    return [name for (name,) in cursor.fetchall()]


def _run(cursor: Any, statement: str, *names: sql.Composable) -> None:
    cursor.execute(sql.SQL(statement).format(*names))
