"""`run`, `test`, `exec` and `manage`: the commands of python -m trialsite.local."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from trialsite.local import suite
from trialsite.local.problem import Problem, from_os_error
from trialsite.local.processes import POLL, Interrupted, Service, kill_group
from trialsite.local.services import (
    BASE_DIR,
    Programs,
    Stack,
    check_port,
    clean_environment,
    is_running,
    read_state,
)

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# These change the schema, or read and write past the rights of the site: they work as the owner of the database.
OWNER_COMMANDS = {"migrate", "prepare_database", "rotate_field_keys", "backup", "restore"}
# At this little free space a running site says so, once.
LOW_DISK = 100_000_000
# How long a command under `exec` may take to end after it was asked to.
EXEC_PATIENCE = 15.0


# --- run -------------------------------------------------------------------------------------------


class Steps:
    """`[3/7] Starting PostgreSQL … 0.4 s`, counting aloud in a terminal while it lasts."""

    def __init__(self, total: int):
        self.total = total
        self.done = 0

    @contextmanager
    def step(self, label: str) -> Iterator[None]:
        self.done += 1
        text = f"[{self.done}/{self.total}] {label} … "
        print(text, end="", flush=True)
        started = time.monotonic()
        finished = threading.Event()
        ticker = threading.Thread(target=self._tick, args=(text, started, finished), daemon=True)
        if sys.stdout.isatty():
            ticker.start()
        try:
            yield
        except BaseException:
            self._end(finished, ticker)
            print(flush=True)
            raise
        self._end(finished, ticker)
        start_of_line = "\r" + text if sys.stdout.isatty() else ""
        print(f"{start_of_line}{time.monotonic() - started:.1f} s", flush=True)

    @staticmethod
    def _tick(text: str, started: float, finished: threading.Event) -> None:
        while not finished.wait(1):
            print(f"\r{text}{time.monotonic() - started:.0f} s ", end="", flush=True)

    @staticmethod
    def _end(finished: threading.Event, ticker: threading.Thread) -> None:
        finished.set()
        if ticker.is_alive():
            ticker.join()


def start_everything(stack: Stack) -> str:
    """All steps of `run`; returns the table of demo logins."""
    steps = Steps(7)
    with steps.step("Checking this machine"):
        check_port(stack.port)
        stack.open()
        _catch_signals(stack)
    if stack.found_leftovers:
        print(f"      (stopped {stack.found_leftovers} processes that an earlier run had left behind)")
    with steps.step("Starting PostgreSQL"):
        stack.start_postgres()
    with steps.step("Starting Valkey"):
        stack.start_valkey()
    with steps.step("Preparing the database"):
        stack.manage("prepare_database", as_owner=True)
    with steps.step("Filling in the demo study, if there is none"):
        # It needs the tables and nothing in them: it starts beside this step, and is waited for in the last.
        web = stack.start_web()
        logins = stack.manage("demo", "--if-empty", "--logins").rpartition("\n\n")[2]
    with steps.step("Starting mail sink, worker and clock"):
        stack.start_mailsink()
        stack.start_worker()
        stack.start_beat()
    with steps.step("Starting the web server"):
        stack.wait_for_web(web)
        stack.supervisor.check()
    return logins


def screen(stack: Stack, logins: str) -> str:
    """All that someone needs to begin, on one screen."""
    table = "\n".join(f"  {line}".rstrip() for line in logins.strip().splitlines())
    return "\n".join(
        [
            "",
            "Trialsite is running.",
            "",
            f"  Open   {stack.site_url}/",
            f"  Mails  {_short(stack.mail_folder)}/ (one .eml file each; none leaves this machine)",
            f"  Logs   {_short(stack.logs)}/",
            f"  Data   {_short(stack.var)}/ (kept; delete this folder to begin anew)",
            "  Stop   Ctrl-C",
            "",
            "Demo logins:",
            table,
            "",
        ]
    )


def _short(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def run(var: Path, port: int, programs: Programs | None = None) -> int:
    """Start everything, show the screen, watch until a signal comes or a child dies."""
    stack = Stack(var, port=port, programs=programs)
    parent = _make_watch()
    try:
        print(screen(stack, start_everything(stack)), flush=True)
        _watch(stack, parent)
    except Interrupted:
        print("\nStopping … (Ctrl-C again stops at once)", flush=True)
    finally:
        # Even a Ctrl-C before the handlers stood, or a fault of ours, leaves nothing running.
        stack.close()
    print("Stopped. The data is kept; `make run` goes on from here.", flush=True)
    return 0


def _watch(stack: Stack, parent: Callable[[], bool]) -> None:
    """Until make is gone; ends with Problem when a child dies, with Interrupted at a signal."""
    warned = False
    while parent():
        stack.supervisor.check()
        stack.supervisor.pause(0.2)
        if not warned and (free := shutil.disk_usage(stack.var).free) < LOW_DISK:
            warned = True
            print(
                f"Only {free // 1_000_000} MB are free on this disk: free some space before it is full.",
                flush=True,
            )


def _catch_signals(stack: Stack) -> None:
    """From here on a signal is noted, and answered where we wait: no child is lost half-started."""
    signals = stack.supervisor.signals  # also when the last of it is being closed
    for number in SIGNALS:
        signal.signal(number, lambda received, frame: signals.append(received))


def _make_watch() -> Callable[[], bool]:
    """Under make, whose death nobody announces: False once it is gone."""
    if "MAKELEVEL" not in os.environ:
        return lambda: True
    parent = os.getppid()
    return lambda: os.getppid() == parent


# --- exec ------------------------------------------------------------------------------------------


def execute(command: Sequence[str], var: Path | None, *, as_owner: bool = False) -> int:
    """Run a command with both servers beside it (a throwaway pair without `var`); returns its exit code."""
    stack = Stack(var, throwaway=var is None)
    try:
        stack.open()
        _catch_signals(stack)
        stack.start_postgres()
        stack.start_valkey()
        env = stack.owner_env if stack.throwaway or as_owner else {**stack.owner_env, **stack.settings}
        try:
            child = stack.supervisor.start("command", command, env, to_terminal=True)
        except FileNotFoundError:
            raise Problem(f"There is no command {command[0]!r}.") from None
        return _follow(stack, child, _make_watch())
    except Interrupted:
        return 130
    finally:
        stack.close()


def _follow(stack: Stack, child: Service, parent: Callable[[], bool]) -> int:
    """Wait for the command, passing on every signal we get; give up on it after a while."""
    signals = stack.supervisor.signals
    deadline = None
    while child.is_running:
        if not parent() and not signals:
            signals.append(signal.SIGTERM)
        while signals:
            deadline = deadline or time.monotonic() + EXEC_PATIENCE
            kill_group(child.pid, signals.pop(0))
        if deadline and time.monotonic() > deadline:
            child.kill()
        time.sleep(POLL)
    code = child.process.returncode
    return 128 - code if code < 0 else code


def restore(words: Sequence[str], var: Path) -> int:
    """A backup into a folder in which nothing ran yet; the secrets.env of then must lie in it."""
    if not (var / "secrets.env").exists():
        raise Problem(f"Put the secrets.env that belongs to the backup into {var}: without its keys no name is read.")
    return execute((sys.executable, str(BASE_DIR / "manage.py"), "restore", *words), var, as_owner=True)


# --- manage ----------------------------------------------------------------------------------------


def manage(words: Sequence[str], var: Path) -> int:
    """manage.py against the site that `run` started."""
    state = read_state(var)
    if not is_running(var) or "settings" not in state:
        raise Problem("Trialsite is not running. Start it with `make run` in another window, then try again.")
    env = {**clean_environment(), **state["settings"]}
    if words and words[0] in OWNER_COMMANDS:
        env["DATABASE_URL"] = state["owner_url"]
    return subprocess.call([sys.executable, str(BASE_DIR / "manage.py"), *words], env=env)


# --- command line ----------------------------------------------------------------------------------

USAGE = """\
python -m trialsite.local run                            the whole site on this machine (PORT=8000)
python -m trialsite.local manage COMMAND …               manage.py against the running site
python -m trialsite.local restore FILE [OPTIONS]         a backup into a new folder (TRIALSITE_VAR)
python -m trialsite.local test [ARGS of pytest]          the tests, with servers where they need them
python -m trialsite.local exec [--throwaway] -- COMMAND  a command with PostgreSQL and Valkey beside it
"""


def main(argv: Sequence[str] | None = None, programs: Programs | None = None) -> int:
    words = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # a terminal without "…"
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]  # libpq reads them, and they may lead to another server
    try:
        return _dispatch(words, programs)
    except Problem as problem:
        print(f"\n{problem}", file=sys.stderr, flush=True)
    except BrokenPipeError:  # whoever read our output has gone; there is nobody to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        known = from_os_error(error)
        if known is None:
            raise
        print(f"\n{known}", file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr, flush=True)
        return 130
    return 1


def _dispatch(words: list[str], programs: Programs | None) -> int:
    if sys.platform == "win32":
        raise Problem("This runs on Linux and macOS. On Windows, use it inside WSL.")
    var = Path(os.environ.get("TRIALSITE_VAR") or BASE_DIR / "var")
    verb, rest = (words[0], words[1:]) if words else ("help", [])
    if verb == "run" and not rest:
        return run(var, _port(), programs)
    if verb == "test":
        return suite.rules_only(rest) if suite.asks_for_rules_only(rest) else execute(suite.whole(rest), None)
    if verb == "manage":
        return manage(rest, Path(os.path.realpath(var)))
    if verb == "restore" and rest:
        return restore(rest, Path(os.path.realpath(var)))
    if verb == "exec":
        throwaway = rest[:1] == ["--throwaway"]
        command = rest[1:] if throwaway else rest
        command = command[1:] if command[:1] == ["--"] else command
        if command:
            return execute(command, None if throwaway else var)
    print(USAGE, end="")
    return 0 if verb in {"help", "-h", "--help"} else 2


def _port() -> int:
    text = os.environ.get("PORT") or "8000"
    if text.isascii() and text.isdigit() and 1024 <= int(text) <= 65535:
        return int(text)
    raise Problem(f"PORT={text} cannot be used: give a number from 1024 to 65535, such as PORT=8001 make run")
