"""What PostgreSQL's refusals mean, each in a sentence with the way out; and which PostgreSQL is new enough."""

from collections.abc import Mapping
from typing import Any

from django.db import InterfaceError, NotSupportedError, OperationalError, connection

# The oldest that the whole suite or a real installation has been run on: Debian 12 brings it.
OLDEST = 15
# SQLSTATE of what a login may not do.
NO_RIGHT = "42501"
# … and of a server that has no room left.
DISK_FULL = "53100"
# Of a server that nobody reaches, or that lets nobody in: PostgreSQL's classes, and too many connections.
AWAY = ("08", "28", "3D", "57P", "53300")


def said(error: BaseException) -> str:
    """Why nothing can be done there, with the way out and the server's own words: for those who keep the server."""
    given = connection.settings_dict
    where = f"{given['HOST'] or 'localhost'}:{given['PORT'] or 5432}, database {given['NAME']}, as {given['USER']}"
    return f"PostgreSQL at {where}: {meaning(error)} [{' '.join(str(error).split())}]"


def meaning(error: BaseException) -> str:
    """The same without the server's address and words: for whoever may ask the site how it does."""
    return _meaning(code(error), " ".join(str(error).split()), connection.settings_dict)


def code(error: BaseException) -> str:
    """SQLSTATE of the driver's error, or of the words of a login that was refused: those come without one."""
    cause = error.__cause__ or error
    return getattr(cause, "sqlstate", None) or ""


def _meaning(code: str, text: str, given: Mapping[str, Any]) -> str:
    if code == "28P01" or "password authentication failed" in text:
        return (
            f"the password of {given['USER']} is another one than in DATABASE_PASSWORD or DATABASE_URL (with compose: "
            "OWNER_DATABASE_PASSWORD or APP_DATABASE_PASSWORD). Put the right one there; or have the DBA run: "
            f"ALTER ROLE {given['USER']} PASSWORD '…'; then start again."
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
    if code == DISK_FULL:
        return "its disk is full. Make room on it; nothing that was saved before is lost."
    if code == NO_RIGHT:
        return "this login has no right to that. Run `manage.py prepare_database` with DATABASE_URL of the owner."
    return "it does not answer. Start the server, or correct DATABASE_URL."


def is_known(error: BaseException) -> bool:
    """Whether `said` says more than that something is wrong: else the traceback is worth more."""
    return (
        isinstance(error, OperationalError)
        or code(error) in {NO_RIGHT, "0A000"}
        or isinstance(error, NotSupportedError)
    )


def is_away(error: BaseException) -> bool:
    """Whether the server as a whole does not serve us; a statement that it refused is another matter."""
    known = code(error)
    return known.startswith(AWAY) if known else isinstance(error, OperationalError | InterfaceError)


def too_old() -> str:
    """Why this server is too old, in a sentence; empty where it is not."""
    major = connection.pg_version // 10000  # type: ignore[attr-defined]  # only PostgreSQL's connection is ours
    if major >= OLDEST:
        return ""
    return (
        f"This is PostgreSQL {major}; Trialsite needs {OLDEST} or newer (tried with 15 and 18). Upgrade the server "
        "with pg_upgrade, or restore a backup into a newer one."
    )
