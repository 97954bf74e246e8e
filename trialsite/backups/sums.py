"""How many rows each table has and what their checksum is: in a database, and in a dump of it.

A row is the line that COPY writes of it; the checksum of a table is the sum of the SHA-256 of its rows modulo 2^256, so
that the order in which rows lie does not matter.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import IO, Any

from django.db import connection
from psycopg import sql

TABLES = """
SELECT n.nspname, c.relname, array_agg(a.attname::TEXT ORDER BY a.attnum)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
GROUP BY 1, 2 ORDER BY 1, 2
"""
# As pg_dump asks, in one time zone: the same row gives the same line.
SPELLING = (
    "SET LOCAL timezone = 'UTC'",
    "SET LOCAL datestyle = 'ISO'",
    "SET LOCAL intervalstyle = 'postgres'",
    "SET LOCAL extra_float_digits = 3",
)
_COPY = re.compile(rb'^COPY (?:"([^"]+)"|(\w+))\.(?:"([^"]+)"|(\w+)) \(.*\) FROM stdin;$')


@dataclass(frozen=True)
class Sum:
    rows: int
    sha256: str

    def data(self) -> dict[str, Any]:
        return asdict(self)


def of_rows(lines: Iterable[bytes]) -> Sum:
    rows = total = 0
    for line in lines:
        rows += 1
        total += int.from_bytes(sha256(line).digest(), "big")
    return Sum(rows, f"{total % 2**256:064x}")


def of_database() -> dict[str, Sum]:
    """By table; within a transaction, whose snapshot it counts."""
    with connection.cursor() as cursor:
        for statement in SPELLING:
            cursor.execute(statement)
        cursor.execute(TABLES)
        return {f"{schema}.{name}": _of_table(cursor, schema, name, names) for schema, name, names in cursor.fetchall()}


def _of_table(cursor: Any, schema: str, name: str, columns: list[str]) -> Sum:
    statement = sql.SQL("COPY {} ({}) TO STDOUT").format(
        sql.Identifier(schema, name), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with cursor.copy(statement) as copy:
        return of_rows(bytes(line) for line in copy)


def of_dump(script: IO[bytes]) -> dict[str, Sum]:
    """By table, of what pg_restore writes as a script."""
    found = {}
    for line in script:
        if begun := _COPY.match(line.rstrip(b"\r\n")):
            name = ".".join((begun[n] or begun[n + 1]).decode() for n in (1, 3))
            found[name] = of_rows(_until_end(script))
    return found


def _until_end(script: IO[bytes]) -> Iterator[bytes]:
    for line in script:
        if line == b"\\.\n":
            return
        yield line


def differing(told: dict[str, Sum], found: dict[str, Sum]) -> list[str]:
    """Each table that is not as it was told, in words."""
    missing = Sum(0, "")
    return [
        f"{name}: {found.get(name, missing).rows} rows instead of {told.get(name, missing).rows}"
        if found.get(name, missing).rows != told.get(name, missing).rows
        else f"{name}: a row is another"
        for name in sorted({*told, *found})
        if told.get(name) != found.get(name)
    ]
