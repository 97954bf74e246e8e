"""The first event of rows that are older than their trail: how they stood when it began."""

from typing import Any

from django.apps import apps
from django.db import connection
from psycopg import sql

from trialsite.models import Event, Record

FOUND = "found"


def write() -> None:
    """One event, labelled as found, for each row without any. Needs the owner; a second call finds nothing to do.

    Records are left out: theirs begins with the first of them, and one without an event was written past the guards.
    """
    events: list[Any] = [model for model in apps.get_models() if issubclass(model, Event)]
    with connection.cursor() as cursor:
        for event in events:
            if not issubclass(event.pgh_tracked_model, Record):
                cursor.execute(_statement(event, event.pgh_tracked_model))


def _statement(event: Any, tracked: Any) -> sql.Composed:
    names = {field.column for field in event._meta.concrete_fields}
    columns = [field.column for field in tracked._meta.concrete_fields if field.column in names]
    primary = tracked._meta.pk.column
    if "pgh_obj_id" in names:
        ours, theirs = "pgh_obj_id", primary
    else:
        # A token is told by how it begins: what it is looked up by stays out of the trail.
        ours = theirs = primary if primary in names else "token_key"
    into = [*columns, "pgh_obj_id"] if "pgh_obj_id" in names else columns
    values = [*columns, primary] if "pgh_obj_id" in names else columns
    return sql.SQL(
        "INSERT INTO {event} (pgh_label, {into}) SELECT {found}, {values} FROM {table} t "
        "WHERE NOT EXISTS (SELECT FROM {event} e WHERE e.{ours} = t.{theirs})"
    ).format(
        event=sql.Identifier(event._meta.db_table),
        into=_list(into),
        found=sql.Literal(FOUND),
        values=_list(values),
        table=sql.Identifier(tracked._meta.db_table),
        ours=sql.Identifier(ours),
        theirs=sql.Identifier(theirs),
    )


def _list(names: list[str]) -> sql.Composable:
    return sql.SQL(", ").join(map(sql.Identifier, names))
