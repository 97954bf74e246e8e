"""A database keeps what it holds, and ends as a new one would be."""

import datetime as dt
import lzma
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.test import override_settings
from psycopg import sql

from trialsite.fieldkeys import decrypt
from trialsite.local.postgres import OWNER, binaries
from trialsite.local.problem import Problem
from trialsite.local.services import Stack

# The demo study as the code before the migrations were folded made it, by pg_dump. Until the first release only.
BEFORE = Path(__file__).with_name("before_first_release.sql.xz")
KEYS = {"SECRET_KEY": "none", "FIELD_KEYS": "A" * 86 + "=="}
PLANNED = """
    UPDATE dosing_lymphodepletiondose SET state = 'planned', given_at = NULL, given_mg = NULL
    WHERE id = (SELECT max(id) FROM dosing_lymphodepletiondose WHERE participant_id = 6)"""
MENDED = {
    f"{table}{event}"
    for table in ("participants_participant", "dosing_lymphodepletiondose", "safety_adverseevent")
    for event in ("", "event")
}
# Written anew from code at each update.
FROM_CODE = {"django_migrations", "django_content_type", "auth_permission", "auth_group", "auth_group_permissions"}
# What logged people in before: user names as somebody typed them, and logins by their keys. Nobody needs them back.
GONE = {
    *(f"axes_access{name}" for name in ("attempt", "attemptexpiration", "failurelog", "log")),
    "django_session",
}
SHAPES = {
    "columns": """
        SELECT table_name, column_name, data_type, is_nullable, column_default, generation_expression
        FROM information_schema.columns WHERE table_schema = 'public'""",
    "constraints": """
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)
        FROM pg_constraint WHERE connamespace = 'public'::regnamespace""",
    "indexes": "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    "triggers": """
        SELECT tgrelid::regclass::text, tgname, tgenabled, pg_get_triggerdef(oid), obj_description(oid, 'pg_trigger')
        FROM pg_trigger WHERE NOT tgisinternal""",
    "functions": "SELECT proname, prosrc, prosecdef FROM pg_proc WHERE pronamespace = 'public'::regnamespace",
}


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """Servers with a database as it was, nothing migrated yet, and the keys that its identities were written with."""
    (tmp_path / "secrets.env").write_text("".join(f"{name}={value}\n" for name, value in KEYS.items()))
    with Stack(tmp_path, throwaway=True) as stack:
        subprocess.run(
            [binaries() / "psql", "--quiet", "--set=ON_ERROR_STOP=1", stack.postgres.url(OWNER)],
            input=lzma.decompress(BEFORE.read_bytes()),
            stdout=subprocess.DEVNULL,
            check=True,
        )
        yield stack


def shape(run: Any) -> dict[str, set[tuple[Any, ...]]]:
    return {name: {tuple(map(plain, row)) for row in run(query).fetchall()} for name, query in SHAPES.items()}


def plain(value: Any) -> Any:
    """Without casts and brackets, which PostgreSQL sets otherwise when it reads its own dump."""
    return re.sub(r"::(?:character varying|text)(?:\[\])?|[()]", "", value) if isinstance(value, str) else value


def contents(database: "psycopg.Connection[Any]", columns: dict[str, list[str]]) -> dict[str, Any]:
    """Table → how many rows, and a digest of what stands in these columns of them."""
    found = {}
    for table, names in columns.items():
        fields = sql.SQL(", ").join(map(sql.Identifier, sorted(names)))
        query = "SELECT count(*), md5(string_agg(r::text, '\n' ORDER BY r::text)) FROM (SELECT {} FROM {}) r"
        found[table] = database.execute(sql.SQL(query).format(fields, sql.Identifier(table))).fetchone()
    return found


# What was said of the cells is now the first of an event's agents.
TO_AGENTS = {("safety_adverseevent", "relatedness"), ("safety_adverseevent", "action_taken")}


def columns_of(database: "psycopg.Connection[Any]") -> dict[str, list[str]]:
    query = """
        SELECT table_name, array_agg(column_name::text) FROM information_schema.columns
        WHERE table_schema = 'public' GROUP BY 1"""
    return {
        table: [name for name in names if (table, name) not in TO_AGENTS]
        for table, names in database.execute(query)
        if table not in FROM_CODE | GONE
    }


@pytest.mark.processes
@pytest.mark.django_db
def test_a_database_from_before_the_first_release_is_brought_over_without_loss(stack: Stack) -> None:
    with stack.postgres.connect(OWNER, "trialsite") as database:
        database.execute(PLANNED)
        columns = columns_of(database)
        before = contents(database, columns)
        assert before["participants_participant"][0] == 8
        said = "SELECT id, relatedness, action_taken FROM safety_adverseevent ORDER BY id"
        said_before = database.execute(said).fetchall()
        assert said_before

        stack.manage("prepare_database", as_owner=True)

        after = contents(database, columns)
        assert {table for table, held in before.items() if after[table] != held} == MENDED
        # One phone was spelt with wide digits; its old spelling stays in the trail.
        assert after["participants_participantevent"][0] == before["participants_participantevent"][0] + 1
        phone = database.execute("SELECT phone FROM participants_participant WHERE id = 8").fetchone()
        assert phone is not None
        with override_settings(FIELD_KEYS=[KEYS["FIELD_KEYS"]]):
            assert decrypt(phone[0], "participant.phone") == "13800000008"
        moved = (
            "SELECT event_id, investigator, action_taken FROM safety_eventagent WHERE agent = 'car_t' ORDER BY event_id"
        )
        assert database.execute(moved).fetchall() == said_before
        days = "SELECT infusion_on, count(*) FROM dosing_lymphodepletiondose WHERE state = 'planned' GROUP BY 1"
        assert database.execute(days).fetchall() == [(dt.date(2026, 11, 27), 1)]
        with connection.cursor() as cursor:
            fresh = shape(lambda query: cursor.execute(query) or cursor)
        brought_over = shape(database.execute)
        assert {name: brought_over[name] ^ fresh[name] for name in SHAPES} == {name: set() for name in SHAPES}


@pytest.mark.processes
def test_a_database_that_was_left_half_way_is_refused_in_words(stack: Stack) -> None:
    with stack.postgres.connect(OWNER, "trialsite") as database:
        database.execute("DELETE FROM django_migrations WHERE app = 'safety' AND name = '0007_blood'")
    with pytest.raises(Problem, match=r"never brought to that version's end: safety\.0007_blood not done"):
        stack.manage("prepare_database", as_owner=True)
