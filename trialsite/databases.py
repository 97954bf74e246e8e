"""What PostgreSQL's refusals mean, each in a sentence with the way out; and which PostgreSQL is new enough."""

from collections.abc import Mapping
from typing import Any

from django.db import connection

# The oldest that the whole suite or a real installation has been run on: Debian 12 brings it.
OLDEST = 15


def said(error: BaseException) -> str:
    """One sentence or two about why nothing can be done there: by the server's own code where it gave one."""
    given = connection.settings_dict
    where = f"{given['HOST'] or 'localhost'}:{given['PORT'] or 5432}, database {given['NAME']}, as {given['USER']}"
    text = " ".join(str(error).split())
    return f"PostgreSQL at {where}: {_meaning(_code(error), text, given)} [{text}]"


def _code(error: BaseException) -> str:
    """SQLSTATE of the driver's error, or of the words of a login that was refused: those come without one."""
    cause = error.__cause__ or error
    return getattr(cause, "sqlstate", None) or ""


def _meaning(code: str, text: str, given: Mapping[str, Any]) -> str:
    if code == "28P01" or "password authentication failed" in text:
        return (
            f"the password of {given['USER']} is another one than in DATABASE_URL. Put the right one there; or have "
            f"the DBA run: ALTER ROLE {given['USER']} PASSWORD '…'; then start again."
        )
    if code == "28000" or "no pg_hba.conf entry" in text or ("role" in text and "does not exist" in text):
        return (
            f"it lets {given['USER']} not in. The DBA must make that role, or allow it in pg_hba.conf; "
            "`manage.py prepare_database`, as the owner, makes the application's."
        )
    if code == "3D000" or ("database" in text and "does not exist" in text):
        return f"there is no such database. The DBA must run: CREATE DATABASE {given['NAME']} OWNER trialsite_owner;"
    if code == "53300":
        return "all its connections are taken. Raise max_connections, or end what holds them."
    if code == "53100":
        return "its disk is full. Make room on it; nothing that was saved before is lost."
    if code == "42501":
        return "this login has no rights there. Run `manage.py prepare_database` with DATABASE_URL of the owner."
    return "it does not answer. Start the server, or correct DATABASE_URL."


def too_old() -> str:
    """Why this server is too old, in a sentence; empty where it is not."""
    major = connection.pg_version // 10000  # type: ignore[attr-defined]  # only PostgreSQL's connection is ours
    if major >= OLDEST:
        return ""
    return (
        f"This is PostgreSQL {major}; Trialsite needs {OLDEST} or newer (tried with 15 and 18). Upgrade the server "
        "with pg_upgrade, or restore a backup into a newer one."
    )
