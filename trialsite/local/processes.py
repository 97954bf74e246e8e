"""Children that never outlive us: each a process group, known to the reaper, found again if orphaned."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

from trialsite.local.problem import DISK_FULL, Problem

# Every child carries this variable with the run's folder: so a later run recognises an orphan.
MARK = "TRIALSITE_LOCAL_RUN"
LOG_LIMIT = 5_000_000
POLL = 0.05


class Interrupted(Exception):
    """Ctrl-C or SIGTERM arrived while something was waited for."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the web server does: a port in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return not answers(port)


def answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def kill_group(pid: int, number: int = signal.SIGKILL) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


class Service:
    """One running child and its log."""

    def __init__(self, name: str, process: "subprocess.Popen[bytes]", log: Path | None, log_start: int = 0):
        self.name = name
        self.process = process
        self.log = log
        self.log_start = log_start
        self.stop_signal: int = signal.SIGTERM
        self.patience = 10.0
        self.is_server = False
        self.was_asked = False

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    def kill(self) -> None:
        """kill -9 of the whole group, as a test or a lost machine would."""
        kill_group(self.pid)
        self.process.wait()

    def ask_to_stop(self) -> None:
        """Send the stop signal, once: some programs take a second one for impatience."""
        if self.is_running and not self.was_asked:
            self.was_asked = True
            self.process.send_signal(self.stop_signal)

    def stop(self, in_a_hurry: Callable[[], bool] = lambda: False) -> None:
        """Ask politely, wait, then kill; never leaves a member of the group behind."""
        self.ask_to_stop()
        deadline = time.monotonic() + self.patience
        while self.is_running and time.monotonic() < deadline and not in_a_hurry():
            time.sleep(POLL / 2)
        self.kill()

    def said(self) -> str:
        """What this child wrote to its log since it started."""
        if self.log is None or not self.log.exists():
            return ""
        with self.log.open("rb") as file:
            file.seek(max(self.log_start, self.log.stat().st_size - 1_000_000))
            return file.read().decode("utf-8", "replace")

    def last_words(self, lines: int = 15) -> str:
        return "\n".join(f"    {line}" for line in self.said().rstrip().splitlines()[-lines:])

    def ended(self) -> Problem:
        """The message for a child that ended by itself."""
        code = self.process.returncode
        how = f"was killed by signal {-code}" if code and code < 0 else f"ended with exit code {code}"
        parts = [f"The {self.name} {how}."]
        if words := self.last_words():
            parts.append(f"The last lines of its log ({self.log}):\n{words}")
        if "No space left on device" in self.said():
            parts.append(DISK_FULL)
        return Problem("\n".join(parts))


class Reaper:
    """Our end of the pipe to trialsite/local/reaper.py."""

    def __init__(self) -> None:
        script = Path(__file__).with_name("reaper.py")
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )

    def tell(self, *words: object) -> None:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write((" ".join(str(word) for word in words) + "\n").encode())
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # someone killed the reaper; the next start cleans up in its place

    def dismiss(self) -> None:
        self.tell("quit")
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait()


class Supervisor:
    """Starts children, knows them all, and stops them in the right order."""

    def __init__(self, mark: str, logs: Path):
        self.mark = mark
        self.logs = logs
        self.services: list[Service] = []
        self.reaper = Reaper()
        self.signals: list[int] = []  # those that arrived and nobody has answered yet
        self.signals_before_stop: int | None = None
        self.on_change: Callable[[], None] = lambda: None

    # --- starting
    def start(
        self,
        name: str,
        argv: Sequence[str],
        env: Mapping[str, str],
        *,
        stop_signal: int = signal.SIGTERM,
        patience: float = 10.0,
        is_server: bool = False,
        to_terminal: bool = False,
        **popen: Any,
    ) -> Service:
        """Start `argv` in a session of its own, writing to logs/NAME.log (or to our own terminal)."""
        log = None if to_terminal else self._log(name)
        process, log_start = self._popen(argv, {**env, MARK: self.mark}, log, popen)
        self.reaper.tell("server" if is_server else "program", process.pid, int(stop_signal))
        service = Service(name, process, log, log_start)
        service.stop_signal, service.patience, service.is_server = stop_signal, patience, is_server
        self.services.append(service)
        self.on_change()
        return service

    def _popen(
        self, argv: Sequence[str], env: Mapping[str, str], log: Path | None, popen: dict[str, Any]
    ) -> tuple["subprocess.Popen[bytes]", int]:
        if log is None:
            return subprocess.Popen(argv, env=env, start_new_session=True, **popen), 0
        with log.open("ab") as file:
            process = subprocess.Popen(
                argv,
                env=env,
                start_new_session=True,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                **popen,
            )
            return process, file.tell()

    def _log(self, name: str) -> Path:
        log = self.logs / f"{name.replace(' ', '-')}.log"
        if log.exists() and log.stat().st_size > LOG_LIMIT:
            log.replace(log.with_suffix(".log.1"))
        log.touch(mode=0o600)
        return log

    def run(self, name: str, argv: Sequence[str], env: Mapping[str, str], **popen: Any) -> str:
        """Run a command to its end and return what it printed; a failure shows its last lines."""
        service = self.start(name, argv, env, **popen)
        try:
            while service.is_running:
                self.pause()
        finally:
            self.stop(service)
        if service.process.returncode:
            raise service.ended()
        return service.said()

    # --- waiting
    def pause(self, seconds: float = POLL) -> None:
        """Sleep a moment; signals are answered here and nowhere else, so no child is lost half-started."""
        if self.signals:
            raise Interrupted
        time.sleep(seconds)

    def wait_until(self, ready: Callable[[], bool], service: Service, seconds: float, what: str) -> None:
        """Poll until `ready`; says which child died, or that it took too long."""
        deadline = time.monotonic() + seconds
        while not ready():
            if not service.is_running:
                raise service.ended()
            if time.monotonic() > deadline:
                words = service.last_words()
                raise Problem(f"{what} did not answer within {seconds:.0f} seconds.\n{words}")
            self.pause()

    def check(self) -> None:
        """Raise when a child ended by itself."""
        for service in self.services:
            if not service.is_running:
                raise service.ended()

    # --- stopping
    def stop(self, service: Service) -> None:
        """Stop one child and forget it; a signal that arrives meanwhile shortens the wait."""
        before = len(self.signals) if self.signals_before_stop is None else self.signals_before_stop
        service.stop(in_a_hurry=lambda: len(self.signals) > before)
        self.reaper.tell("forget", service.pid)
        if service in self.services:
            self.services.remove(service)
            self.on_change()

    def stop_all(self) -> None:
        """Programs all at once, then the servers they use, in the reverse order of their start."""
        self.signals_before_stop = len(self.signals)
        for service in self.services:
            if not service.is_server:
                service.ask_to_stop()
        for service in sorted(self.services, key=lambda each: each.is_server):
            self.stop(service)
        self.reaper.dismiss()


# --- leftovers of a run that was killed ------------------------------------------------------------


def leftovers(mark: str, folders: Sequence[Path], recorded: Mapping[int, float]) -> list[psutil.Process]:
    """Live processes of an earlier run: by recorded PID and start time, by our mark, or by working folder.

    PostgreSQL overwrites the environment that others see, hence the folder; only servers work in those.
    """
    places = {os.path.realpath(folder) for folder in folders}
    ours = set(_family())
    return [
        process
        for process in psutil.process_iter()
        if process.pid not in ours and _is_leftover(process, mark, places, recorded)
    ]


def _family() -> list[int]:
    me = psutil.Process()
    return [me.pid, *(parent.pid for parent in me.parents())]


def _is_leftover(process: psutil.Process, mark: str, places: set[str], recorded: Mapping[int, float]) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        # The clock of the kernel is read in whole ticks and may be adjusted: two seconds are still the same.
        if process.pid in recorded and abs(process.create_time() - recorded[process.pid]) < 2:
            return True
        if process.name() in {"postgres", "valkey-server"} and process.cwd() in places:
            return True
        return bool(process.environ().get(MARK) == mark)
    except (psutil.Error, OSError):
        return False


def stop_leftovers(processes: Sequence[psutil.Process], patience: float = 3.0) -> int:
    """Stop them, politely first; returns how many there were."""
    for process in processes:
        _signal(process, signal.SIGINT if _is_postgres(process) else signal.SIGTERM)
    _, alive = psutil.wait_procs(processes, timeout=patience)
    for process in alive:
        _signal(process, signal.SIGKILL)
    psutil.wait_procs(alive, timeout=patience)
    return len(processes)


def _is_postgres(process: psutil.Process) -> bool:
    try:
        return str(process.name()) == "postgres"
    except psutil.Error:
        return False


def _signal(process: psutil.Process, number: int) -> None:
    with suppress(psutil.Error, OSError):
        process.send_signal(number)
