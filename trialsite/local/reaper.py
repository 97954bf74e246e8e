"""The last one out: stops every process of a run whose parent vanished.

The parent holds the other end of standard input and says there what to stop. When the pipe closes without
`quit` (kill -9, a crash), everything still on the list is stopped: first the programs, then the servers
that they use. Runs as a bare script (`python -I -S reaper.py`) with the standard library only, in a
session of its own, so that neither Ctrl-C nor a closed terminal reaches it.
"""

import contextlib
import os
import shutil
import signal
import sys
import time

PATIENCE = 3.0


def send(pid: int, number: int, whole_group: bool = False) -> None:
    # PermissionError is what macOS says when only zombies are left.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        (os.killpg if whole_group else os.kill)(pid, number)


def is_alive(pid: int) -> bool:
    """Zombies are dead: PID 1 of a container may be slow to take them away, or never do."""
    try:
        os.kill(pid, 0)
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, PermissionError):
        return False
    except OSError:  # no /proc here
        return True


def stop(groups: dict[int, int]) -> None:
    """Ask each leader with its own stop signal, wait a little, then kill what is left of the groups."""
    for pid, number in groups.items():
        send(pid, number)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and any(is_alive(pid) for pid in groups):
        time.sleep(0.05)
    for pid in groups:
        send(pid, signal.SIGKILL, whole_group=True)


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    programs: dict[int, int] = {}
    servers: dict[int, int] = {}
    folders: list[str] = []
    for line in sys.stdin:
        verb, _, rest = line.rstrip("\n").partition(" ")
        if verb == "quit":
            return
        if verb == "folder":
            folders.append(rest)
        elif verb in {"program", "server"}:
            pid, stop_signal = rest.split()
            (programs if verb == "program" else servers)[int(pid)] = int(stop_signal)
        elif verb == "forget":
            programs.pop(int(rest), None)
            servers.pop(int(rest), None)
    stop(programs)
    stop(servers)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
