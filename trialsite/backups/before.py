"""The way back: a backup of a database that has rows, before it is migrated."""

from typing import Any

from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor


def make(stdout: Any) -> bool:
    """Into BACKUP_DIR, where there is something to migrate. Raises CommandError: no way back, no change."""
    executor = MigrationExecutor(connection)
    done = executor.loader.applied_migrations
    if not done or not executor.migration_plan(executor.loader.graph.leaf_nodes()):
        return False
    call_command("backup", stdout=stdout)
    return True
