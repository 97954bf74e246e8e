"""The whole site on one machine, as one object: `with Stack(Path("var")) as stack: stack.start_web()`."""

import fcntl
import http.client
import json
import os
import shutil
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import psutil  # type: ignore[import-untyped]

from trialsite.local import keys
from trialsite.local.files import private_folder, write_private
from trialsite.local.postgres import APP, OWNER, Postgres
from trialsite.local.problem import Problem, from_os_error
from trialsite.local.processes import (
    MARK,
    Service,
    Supervisor,
    answers,
    free_port,
    leftovers,
    port_is_free,
    stop_leftovers,
)
from trialsite.local.valkey import Valkey

BASE_DIR = Path(__file__).resolve().parent.parent.parent
FREE_BYTES = 300_000_000
TEMPORARY = "trialsite-throwaway-"
# What we set, and so must not arrive from the outside, neither as NAME nor as NAME_FILE.
OURS = (
    "LOCAL",
    "DATABASE_URL",
    "DATABASE_PASSWORD",
    "APP_DATABASE_URL",
    "APP_DATABASE_ROLE",
    "APP_DATABASE_PASSWORD",
    "REDIS_URL",
    "REDIS_PASSWORD",
    "REDIS_PREFIX",
    "EMAIL_URL",
    "EMAIL_PASSWORD",
    "HEARTBEAT_FILE",
    "SITE_URL",
    "SECRET_KEY",
    "FIELD_KEYS",
    "BEAT_SCHEDULE_FILE",
    "SNAPSHOT_DIR",
    "DJANGO_SETTINGS_MODULE",
)


def python(*words: str) -> tuple[str, ...]:
    return (sys.executable, *words)


@dataclass(frozen=True)
class Programs:
    """The command lines; tests put small scripts in their place. "{port}" becomes the web port."""

    manage: tuple[str, ...] = python("manage.py")
    web: tuple[str, ...] = python(
        *("-m", "gunicorn", "--config", "python:trialsite.serving", "--bind", "127.0.0.1:{port}"),
        *("--workers", "1", "--graceful-timeout", "8"),
    )
    worker: tuple[str, ...] = python("-m", "celery", "-q", "-A", "trialsite", "worker", "-c", "2")
    beat: tuple[str, ...] = python("-m", "celery", "-q", "-A", "trialsite", "beat", "--pidfile=")


class Stack:
    """PostgreSQL and Valkey under `var`, and on request the programs that use them.

    Entering starts both servers; leaving stops everything. The data under `var` stays, unless `throwaway`
    (then `var` may be None: a temporary folder is used and removed).
    """

    def __init__(
        self,
        var: Path | None = None,
        *,
        throwaway: bool = False,
        port: int | None = None,
        programs: Programs | None = None,
    ):
        if var is None and not throwaway:
            raise ValueError("var may be left out only for a throwaway stack")
        self.throwaway = throwaway
        self.is_temporary = var is None
        # Resolved: the mark on our children and the working folders of servers are compared as text.
        self.var = Path(os.path.realpath(var or tempfile.mkdtemp(prefix=TEMPORARY)))
        self.programs = programs or Programs()
        self.port = port or free_port()
        self.mail_port = 0
        self.found_leftovers = 0
        self._lock: IO[str] | None = None
        self._supervisor: Supervisor | None = None
        self._postgres: Postgres | None = None
        self._valkey: Valkey | None = None
        self._keys: dict[str, str] = {}

    # --- the parts, once they exist
    @property
    def supervisor(self) -> Supervisor:
        assert self._supervisor is not None, "the stack is not open"
        return self._supervisor

    @property
    def postgres(self) -> Postgres:
        assert self._postgres is not None, "PostgreSQL was not started"
        return self._postgres

    @property
    def valkey(self) -> Valkey:
        assert self._valkey is not None, "Valkey was not started"
        return self._valkey

    @property
    def site_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def mail_folder(self) -> Path:
        return self.var / "mail"

    @property
    def logs(self) -> Path:
        return self.var / "log"

    # --- environment
    @property
    def settings(self) -> dict[str, str]:
        """The variables we set, with the application's role."""
        return {
            "LOCAL": "1",
            "DATABASE_URL": self.postgres.url(APP),
            "REDIS_URL": self.valkey.url,
            "EMAIL_URL": f"smtp://127.0.0.1:{self.mail_port}",
            "SITE_URL": self.site_url,
            **self._keys,
            "BEAT_SCHEDULE_FILE": str(self.var / "beat" / "schedule"),
            "SNAPSHOT_DIR": str(self.var / "snapshots"),
        }

    @property
    def env(self) -> dict[str, str]:
        """Environment for children that work as the application."""
        return {**clean_environment(), **self.settings}

    @property
    def owner_env(self) -> dict[str, str]:
        """Environment for what changes the schema or creates databases."""
        return {
            **self.env,
            "DATABASE_URL": self.postgres.url(OWNER),
            "APP_DATABASE_URL": self.postgres.url(APP),
        }

    # --- life
    def __enter__(self) -> Self:
        try:
            self.open()
            self.start_postgres()
            self.start_valkey()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def open(self) -> None:
        """Take the lock, look at the disk, clean up after a killed run, read or make the keys."""
        try:
            if self.is_temporary:
                remove_abandoned(self.var.parent)
            private_folder(self.var)
            self._take_lock()
            self._check_disk()
            for name in ("log", "mail", "beat"):
                private_folder(self.var / name)
            self._clean_up()
            has_data = (self.var / "postgres").exists()
            self._keys = keys.load_or_create(self.var / "secrets.env", has_data)
        except OSError as error:
            raise from_os_error(error) or error from error
        self.mail_port = free_port()
        self._supervisor = Supervisor(str(self.var), self.logs)
        self._supervisor.on_change = self._write_state
        if self.is_temporary:
            self._supervisor.reaper.tell("folder", self.var)

    def start_postgres(self) -> None:
        self._postgres = Postgres(self.var / "postgres", self.supervisor, throwaway=self.throwaway)
        self._postgres.start()

    def start_valkey(self) -> None:
        self._valkey = Valkey(self.var / "valkey", self.supervisor, throwaway=self.throwaway)
        self._valkey.start()
        self._write_state()

    def close(self) -> None:
        """Stop everything, programs first; safe to call at any time and twice."""
        if self._supervisor is not None:
            self._supervisor.on_change = lambda: None
            self._supervisor.stop_all()
            self._supervisor = None
            (self.var / "run.json").unlink(missing_ok=True)
        if self._postgres is not None:
            self._postgres.clean()
        if self._lock is not None:
            self._lock.close()
            self._lock = None
        if self.is_temporary:
            shutil.rmtree(self.var, ignore_errors=True)

    # --- programs
    def start_mailsink(self, delay: float = 0.0) -> Service:
        """The sink on `mail_port`; `delay` seconds pass before each mail is stored and accepted."""
        argv = python("-m", "trialsite.local.mailsink", f"127.0.0.1:{self.mail_port}", str(self.mail_folder))
        # A server like the others: a worker that ends may still send.
        service = self._start("mail sink", (*argv, "--delay", str(delay)), is_server=True)
        self.supervisor.wait_until(lambda: answers(self.mail_port), service, 30, "The mail sink")
        return service

    def start_worker(self) -> Service:
        return self._start("worker", self.programs.worker)

    def start_beat(self) -> Service:
        return self._start("beat", self.programs.beat)

    def start_web(self) -> Service:
        """The web server; wait_for_web() tells when it answers."""
        return self._start("web server", tuple(word.replace("{port}", str(self.port)) for word in self.programs.web))

    def wait_for_web(self, service: Service, seconds: float = 60) -> None:
        self.supervisor.wait_until(self._web_answers, service, seconds, f"The web server at {self.site_url}")

    def manage(self, *words: str, as_owner: bool = False) -> str:
        """Run manage.py and return what it printed."""
        env = self.owner_env if as_owner else self.env
        name = f"manage {words[0]}"
        return self.supervisor.run(name, (*self.programs.manage, *words), env, cwd=BASE_DIR)

    def _start(self, name: str, argv: tuple[str, ...], is_server: bool = False) -> Service:
        return self.supervisor.start(name, argv, self.env, is_server=is_server, cwd=BASE_DIR)

    def _web_answers(self) -> bool:
        return any(self._status(path) == 200 for path in ("/readyz", "/healthz"))

    def _status(self, path: str) -> int:
        # http.client, unlike urllib, asks no proxy.
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()

    # --- guards
    def _take_lock(self) -> None:
        lock = (self.var / "lock").open("a")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise already_running(self.var) from None
        self._lock = lock

    def _check_disk(self) -> None:
        free = shutil.disk_usage(self.var).free
        if free < FREE_BYTES:
            raise Problem(
                f"Only {free // 1_000_000} MB are free on the disk that holds {self.var}. Trialsite needs "
                f"{FREE_BYTES // 1_000_000} MB: free some space, then start again."
            )

    def _clean_up(self) -> None:
        self.found_leftovers = stop_leftovers_of(self.var)
        (self.var / "run.json").unlink(missing_ok=True)

    def _write_state(self) -> None:
        """run.json: whom to stop if we are killed, and the environment for `manage`."""
        state: dict[str, Any] = {"pid": os.getpid(), "site_url": self.site_url}
        state["processes"] = [
            {"name": each.name, "pid": each.pid, "created": created}
            for each in self.supervisor.services
            if (created := _created(each.pid)) is not None
        ]
        if self._postgres and self._valkey:
            state["settings"] = self.settings
            state["owner_url"] = self.postgres.url(OWNER)
        # Only a help: a full disk must not come between us and the stopping of children.
        with suppress(OSError):
            write_private(self.var / "run.json", json.dumps(state, indent=1).encode())


def _created(pid: int) -> float | None:
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return None


def clean_environment() -> dict[str, str]:
    """Our environment without what would change the meaning of our own variables, or of a connection."""
    # What one process has compiled, the next need not: a shell that forbids it slows every start by seconds.
    drop = {*OURS, *(f"{name}_FILE" for name in OURS), MARK, "PYTHONDONTWRITEBYTECODE"}
    kept = {key: value for key, value in os.environ.items() if key not in drop and not key.startswith("PG")}
    return {**kept, "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"}


def read_state(var: Path) -> dict[str, Any]:
    """run.json of the running (or killed) run; empty when there is none or it is unreadable."""
    try:
        state = json.loads((var / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}


def stop_leftovers_of(var: Path) -> int:
    """Stop what a killed run left behind; only for who holds the lock of `var`."""
    recorded = {each["pid"]: each["created"] for each in read_state(var).get("processes", [])}
    folders = [var / "postgres" / "server" / "data", var / "valkey"]
    return stop_leftovers(leftovers(str(var), folders, recorded))


def remove_abandoned(folder: Path) -> None:
    """Throwaway stacks whose command and reaper were both killed: nobody else would ever find them."""
    for var in folder.glob(f"{TEMPORARY}*"):
        # A young one may be just about to take its lock.
        with suppress(OSError):
            if var.stat().st_uid == os.geteuid() and time.time() - var.stat().st_mtime > 60 and not is_running(var):
                stop_leftovers_of(var)
                shutil.rmtree(var, ignore_errors=True)


def is_running(var: Path) -> bool:
    """Whether a run holds the lock of `var`."""
    try:
        with (var / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def already_running(var: Path) -> Problem:
    state = read_state(var)
    where = f" at {state['site_url']}/ (process {state['pid']})" if "pid" in state else ""
    how = f", or with: kill {state['pid']}" if "pid" in state else ""
    return Problem(f"Trialsite is already running{where}. Stop it with Ctrl-C in its window{how}.")


def check_port(port: int) -> None:
    """Refuse a port that another program uses, and name one that is free."""
    if port_is_free(port):
        return
    other = next((each for each in range(port + 1, port + 100) if port_is_free(each)), free_port())
    raise Problem(
        f"Port {port} is used by {_user_of(port) or 'another program'}. "
        f"Stop that program, or take another port: PORT={other} make run"
    )


def _user_of(port: int) -> str | None:
    try:
        for each in psutil.net_connections("tcp"):
            if each.status == psutil.CONN_LISTEN and each.laddr.port == port and each.pid:
                return f"{psutil.Process(each.pid).name()} (process {each.pid})"
    except (psutil.Error, OSError):  # macOS shows this to root only
        pass
    return None
