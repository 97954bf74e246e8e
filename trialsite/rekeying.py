"""Another key for the identity fields: every value of a row is written anew with the newest key, and nothing else.

The rows' triggers stand aside for it: a value that did not change has no place in the trail, nor a new
`modified_at`. Only the owner of the tables can do that, in a transaction that ends with the triggers in force again,
killed or not. The trail itself is never written anew: what it holds stays under the key of its day.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from django.apps import apps
from django.db import OperationalError, connection, transaction
from psycopg import sql

from trialsite import fieldkeys, keyseals
from trialsite.fields import EncryptedDateField, EncryptedTextField
from trialsite.models import Event

BATCH = 200
# Writers go first: the triggers stand aside only when nobody writes, and nobody waits longer than this for it.
WAIT, ATTEMPTS = "2s", 60

Say = Callable[[str], None]


@dataclass(frozen=True)
class Table:
    """A table with columns that hold tokens; `labels` by column."""

    name: str
    key: str
    labels: dict[str, str]
    is_trail: bool

    @cached_property
    def columns(self) -> list[str]:
        return list(self.labels)


@dataclass
class Counted:
    """How many values each key opens, by its place in FIELD_KEYS (0: the newest); None: those that no key opens."""

    rows: Counter[int | None] = field(default_factory=Counter)
    trail: Counter[int | None] = field(default_factory=Counter)


def tables() -> list[Table]:
    """Every table that holds identity: those of the rows first, then those of the trail."""
    found = []
    for model in apps.get_models():
        labels = {
            str(one.column): one.label
            for one in model._meta.concrete_fields
            if isinstance(one, EncryptedTextField | EncryptedDateField)
        }
        if labels and not model._meta.proxy:
            names = model._meta.db_table, str(model._meta.pk.column)
            found.append(Table(*names, labels, is_trail=issubclass(model, Event)))
    return sorted(found, key=lambda one: (one.is_trail, one.name))


def rotate(say: Say) -> Counted:
    """Write every value of the rows with the newest key; what is found then. May be killed, and called twice at once.

    A call reads all rows and writes those that need it: after a kill the next goes on where that one ended.
    """
    _seal()
    counted = Counted()
    for table in tables():
        if not table.is_trail:
            _rotate(table, say)
        for values in _values(table):
            (counted.trail if table.is_trail else counted.rows).update(place for _token, place in values)
    if not counted.rows.keys() - {0, None}:
        keyseals.retire_others()
    return counted


@transaction.atomic
def _seal() -> None:
    keyseals.seal()


def is_owner() -> bool:
    """Whether this login may let the triggers stand aside."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT bool_and(pg_has_role(relowner, 'USAGE')) FROM pg_class WHERE relname = ANY(%s)",
            [[one.name for one in tables()]],
        )
        return bool(cursor.fetchone()[0])


# --- Rows ----------------------------------------------------------------------------------------------


def _rotate(table: Table, say: Say) -> None:
    seen = written = 0
    for rows in _batches(table):
        seen += len(rows)
        if stale := [row[0] for row in rows if _anew(table, row)]:
            written += _write(table, stale)
            say(f"{table.name}: {seen} rows looked at, {written} written with the newest key")
    say(f"{table.name}: all {seen} rows looked at, {written} written with the newest key")


def _batches(table: Table) -> Iterator[list[tuple[Any, ...]]]:
    """Key and tokens, in the order of the keys; rows that come meanwhile at the end are met, too."""
    last: Any = None
    while rows := _read(table, "{key} > %s" if last is not None else "%s IS NULL", last):
        yield rows
        last = rows[-1][0]


def _read(table: Table, where: str, value: Any, lock: str = "") -> list[tuple[Any, ...]]:
    statement = f"SELECT {{key}}, {{columns}} FROM {{table}} WHERE {where} ORDER BY {{key}} LIMIT {BATCH} {lock}"
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(statement).format(**_names(table)), [value])
        return cursor.fetchall()


def _names(table: Table) -> dict[str, sql.Composable]:
    columns = sql.SQL(", ").join(map(sql.Identifier, table.columns))
    return {"table": sql.Identifier(table.name), "key": sql.Identifier(table.key), "columns": columns}


def _anew(table: Table, row: tuple[Any, ...]) -> dict[str, str]:
    """The columns of this row that an older key opens, with their token by the newest."""
    found = {}
    for (column, label), token in zip(table.labels.items(), row[1:], strict=True):
        known = fieldkeys.opened(token, label) if token else None
        if known is not None and known[0] > 0:
            found[column] = fieldkeys.encrypt(known[1], label)
    return found


def _write(table: Table, keys: list[Any]) -> int:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _write_batch(table, keys)
        except OperationalError as error:
            if attempt == ATTEMPTS or not _is_waiting(error):
                raise
    raise AssertionError("unreachable")


def _is_waiting(error: OperationalError) -> bool:
    """Whether somebody else had the table, or waited for us while we waited for them."""
    return getattr(error.__cause__, "sqlstate", "") in ("55P03", "40P01")


@transaction.atomic
def _write_batch(table: Table, keys: list[Any]) -> int:
    """Whatever happens, the triggers are in force again when this transaction is over."""
    _run(f"SET LOCAL lock_timeout = '{WAIT}'", table)
    _run("ALTER TABLE {table} DISABLE TRIGGER USER", table)
    rows = _read(table, "{key} = ANY(%s)", keys, "FOR UPDATE")
    written = 0
    for row in rows:
        if found := _anew(table, row):
            pairs = sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in found)
            with connection.cursor() as cursor:
                cursor.execute(
                    sql.SQL("UPDATE {table} SET {pairs} WHERE {key} = %s").format(pairs=pairs, **_names(table)),
                    [*found.values(), row[0]],
                )
            written += 1
    _run("ALTER TABLE {table} ENABLE TRIGGER USER", table)
    return written


def _run(statement: str, table: Table) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(statement).format(**_names(table)))


# --- What is left --------------------------------------------------------------------------------------


def _values(table: Table) -> Iterator[list[tuple[str, int | None]]]:
    """For each batch of rows their tokens, each with the place of the key that opens it."""
    for rows in _batches(table):
        labelled = [(token, label) for row in rows for token, label in zip(row[1:], table.labels.values(), strict=True)]
        opened = ((token, fieldkeys.opened(token, label)) for token, label in labelled if token)
        yield [(token, found[0] if found else None) for token, found in opened]


def verdicts(counted: Counted) -> Iterator[str]:
    """For each older key whether it may be removed from the settings, in a sentence; and what no key opens."""
    for place in range(1, len(fieldkeys.ciphers())):
        name = f"The key in place {place + 1} of FIELD_KEYS"
        if rows := counted.rows[place]:
            yield f"{name} must stay: {rows} values of rows need it. Run this again."
        elif trail := counted.trail[place]:
            yield (
                f"{name} opens no row any more, but {trail} values of the audit trail, which is never written anew: "
                "keep it behind the newest as long as the trail is to be read. Without it the site runs, and these "
                "values are shown as unreadable."
            )
        else:
            yield f"{name} may be removed: nothing in this database needs it. Backups of before today do."
    if lost := counted.rows[None] + counted.trail[None]:
        yield (
            f"{lost} values open with no key of FIELD_KEYS ({counted.rows[None]} of rows, {counted.trail[None]} of the "
            "trail): the site shows them as unreadable. Add the key that they were written with behind the others."
        )
