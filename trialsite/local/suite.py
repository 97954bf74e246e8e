"""`make test`: the whole suite beside two throwaway servers, or rules alone beside nothing."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from trialsite.local.services import BASE_DIR, clean_environment

PYTEST = (sys.executable, "-m", "pytest")
# On every core; tests that share a running site stay together, in the order that tests/conftest.py gives them; at the
# end, what to make faster next.
WHOLE = (
    *("-n", "auto", "--dist", "loadgroup", "--no-loadscope-reorder"),
    *("--durations=20", "--durations-min=1"),
)
ALONE = ("-n", "0", "-p", "no:schemathesis")
# Settings must be there to be read, but nothing answers at these addresses.
NOTHING_THERE = {
    "LOCAL": "1",
    "SECRET_KEY": "rules-need-none",
    "FIELD_KEYS": "A" * 86 + "==",
    "DATABASE_URL": "postgres://nobody@127.0.0.1:1/nothing",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "EMAIL_URL": "smtp://127.0.0.1:1",
}


def asks_for_rules_only(words: Sequence[str]) -> bool:
    """Whether all the paths named lie in folders called rules: `tests/safety/rules/test_crs.py -k vasopressor`."""
    paths = [path for word in words if (path := BASE_DIR / word.partition("::")[0]).exists() and word]
    return bool(paths) and all("rules" in path.relative_to(BASE_DIR / "tests").parts for path in map(_inside, paths))


def _inside(path: Path) -> Path:
    path = Path(os.path.normpath(path))
    return path if path.is_relative_to(BASE_DIR / "tests") else BASE_DIR / "tests"


def whole(words: Sequence[str]) -> list[str]:
    return [*PYTEST, *WHOLE, *words]


def rules_only(words: Sequence[str]) -> int:
    """Rules know no database and no broker, so their tests wait for none; returns pytest's exit code."""
    return subprocess.call([*PYTEST, *ALONE, *words], env={**clean_environment(), **NOTHING_THERE}, cwd=BASE_DIR)
