"""Processes of the tests: start the real commands, look for survivors, wait with a deadline."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil  # type: ignore[import-untyped]

BASE_DIR = Path(__file__).resolve().parent.parent.parent


def wait_for(condition: Callable[[], bool], seconds: float = 20.0, what: str = "it") -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds} s"
        time.sleep(0.05)


def is_alive(process: psutil.Process) -> bool:
    try:
        # PID 1 of a container may never take a zombie away; a zombie does nothing any more.
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def family(pid: int) -> list[psutil.Process]:
    """All descendants, the reaper and the servers included."""
    return list(psutil.Process(pid).children(recursive=True))


def wait_until_gone(processes: list[psutil.Process], seconds: float = 20.0) -> None:
    wait_for(lambda: not any(map(is_alive, processes)), seconds, f"the end of {processes}")


class Command:
    """A command of ours in a session of its own, its words collected in a file."""

    def __init__(self, *words: str, var: Path, out: Path, **env: str):
        self.out = out
        clean = {key: value for key, value in os.environ.items() if key not in {"MAKELEVEL", "PORT"}}
        with out.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, *words],
                env={**clean, "TRIALSITE_VAR": str(var), **env},
                cwd=BASE_DIR,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    def said(self) -> str:
        return self.out.read_text(encoding="utf-8")

    def wait_for_words(self, words: str) -> None:
        def there() -> bool:
            assert self.process.poll() is None or words in self.said(), self.said()
            return words in self.said()

        wait_for(there, 30, f"{words!r}")

    def wait(self) -> int:
        return self.process.wait(timeout=30)

    def end(self) -> None:
        """For the end of a test, however it went."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.wait()
