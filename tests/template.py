"""The migrations take their time: where several processes share the tests, the first migrates and the others copy."""

import fcntl
from pathlib import Path

from django.db import connection

NAME = "test_trialsite_migrated"


class Template:
    """Between `take` and `give` the others wait for whoever came first, and find the copy."""

    def __init__(self, folder: Path) -> None:
        self.done, self.lock = folder / "database.done", (folder / "database.lock").open("a")
        self.is_ours = False

    def take(self) -> None:
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        self.is_ours = not self.done.exists()
        if not self.is_ours:
            connection.settings_dict["TEST"]["TEMPLATE"] = NAME
            self.lock.close()

    def give(self) -> None:
        if not self.is_ours:
            return
        source = connection.settings_dict["NAME"]
        # A database that somebody is connected to is not copied.
        connection.close()
        with connection._nodb_cursor() as cursor:
            cursor.execute(f'DROP DATABASE IF EXISTS "{NAME}"')
            cursor.execute(f'CREATE DATABASE "{NAME}" TEMPLATE "{source}"')
        self.done.touch()
        self.lock.close()
