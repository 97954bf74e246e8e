"""How long a newcomer waits: python -m bench.start (two free cores; about a minute).

Prints each time beside its goal, and exits with 1 where one is missed. Times of one machine on one day: compare runs
of the same machine only.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from trialsite.local.processes import free_port
from trialsite.local.services import BASE_DIR, clean_environment
from trialsite.local.suite import NOTHING_THERE

RULE_TESTS = "tests/safety/rules/test_crs.py"


def seconds_until(argv: Sequence[str], words: str, **env: str) -> float:
    """From the command to these words of its; then it is asked to end."""
    started = time.monotonic()
    child = subprocess.Popen(
        argv,
        cwd=BASE_DIR,
        env={**clean_environment(), **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said = []
    try:
        for line in child.stdout or ():
            said.append(line)
            if re.search(words, line):
                return time.monotonic() - started
        raise SystemExit(f"{' '.join(argv)} never said {words}:\n{''.join(said)}")
    finally:
        child.terminate()
        child.communicate()


def seconds_of(argv: Sequence[str], **env: str) -> float:
    """From the command to its end; the better of two, since the first may have to compile."""
    return min(_once(argv, env) for _ in range(2))


def _once(argv: Sequence[str], env: dict[str, str]) -> float:
    started = time.monotonic()
    subprocess.run(argv, cwd=BASE_DIR, env={**clean_environment(), **env}, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - started


def main() -> int:
    python = os.path.relpath(sys.executable, BASE_DIR)
    venv = f"VENV={Path(python).parent.parent}"
    folder = Path(tempfile.mkdtemp(prefix="trialsite-bench-"))
    start = (["make", "run", venv], "Open +http")
    env = {"TRIALSITE_VAR": str(folder / "var"), "PORT": str(free_port())}
    try:
        results = [
            ("make run, the first time", seconds_until(*start, **env), 30.0),
            ("make run, the second time", seconds_until(*start, **env), 8.0),
            ("manage.py check", seconds_of([python, "manage.py", "check"], **NOTHING_THERE), 1.5),
            (f"make test ARGS={RULE_TESTS}", seconds_of(["make", "test", venv, f"ARGS={RULE_TESTS}"]), 6.0),
        ]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for name, seconds, goal in results:
        print(f"{seconds:6.1f} s  goal {goal:4.1f} s  {'met   ' if seconds <= goal else 'MISSED'}  {name}")
    return int(any(seconds > goal for _name, seconds, goal in results))


if __name__ == "__main__":
    sys.exit(main())
