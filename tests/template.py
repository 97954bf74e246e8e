"""The migrations take their time: where several processes share the tests, the first migrates and the others copy."""

import fcntl
from pathlib import Path
from typing import IO

from django.db import connection

NAME = "test_trialsite_migrated"


class Template:
    """Between `take` and `give` the others wait for whoever came first, and find the copy."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.done = folder, folder / "database.done"
        self.lock: IO[str] | None = None

    def take(self) -> None:
        self.lock = (self.folder / "database.lock").open("a")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        if self.done.exists():
            connection.settings_dict["TEST"]["TEMPLATE"] = NAME
            self._let_go()

    def give(self) -> None:
        if self.lock is None:
            return
        source = connection.settings_dict["NAME"]
        # A database that somebody is connected to is not copied.
        connection.close()
        with connection._nodb_cursor() as cursor:
            cursor.execute(f'DROP DATABASE IF EXISTS "{NAME}"')
            cursor.execute(f'CREATE DATABASE "{NAME}" TEMPLATE "{source}"')
        self.done.touch()
        self._let_go()

    def _let_go(self) -> None:
        if self.lock is not None:
            self.lock.close()
        self.lock = None
