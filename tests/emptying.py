"""How the tables are emptied after a test with real commits.

Django cuts off every table and writes its kinds of content and its permissions anew: a second for a handful of rows.
Here the rows go from the tables that have any, and what the migrations left of kinds and permissions stays.
"""

from typing import Any

from django.db import connections, transaction
from django.test import TransactionTestCase

KEPT = {"django_content_type", "auth_permission"}


def empty_after(test: TransactionTestCase) -> None:
    """In the place of `TransactionTestCase._fixture_teardown`."""
    for alias in test._databases_names(include_mirrors=False):
        with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
            _empty(cursor, _filled(cursor, connections[alias]))


def _filled(cursor: Any, connection: Any) -> list[str]:
    """The tables that hold a row, quoted."""
    names = connection.introspection.django_table_names(only_existing=True, include_views=False)
    tables = [connection.ops.quote_name(name) for name in names if name not in KEPT]
    cursor.execute(" UNION ALL ".join(f"SELECT '{table}' WHERE EXISTS (SELECT FROM {table})" for table in tables))
    return [table for (table,) in cursor.fetchall()]


def _empty(cursor: Any, tables: list[str]) -> None:
    """No trigger of ours keeps a row or writes of its end, and each stands again; references are looked at as ever."""
    for words in ("ALTER TABLE {} DISABLE TRIGGER USER", "DELETE FROM {}"):
        for table in tables:
            cursor.execute(words.format(table))
    cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    for table in tables:
        cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
