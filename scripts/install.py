"""Install one lock file into the virtual environment whose Python runs this: python scripts/install.py LOCK

pip, however old, installs the one file that requirements-uv.txt names by hash; uv installs the rest from the lock
alone. Nothing is resolved, so neither what is published later nor what the machine has can change what is installed.
Knows the standard library only: it runs before anything is there.
"""

import ast
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

BOOTSTRAP = Path(__file__).resolve().parent.parent / "requirements-uv.txt"
# What of a user's own uv settings still counts: where packages come from, and where they are kept.
KEPT = {
    "UV_CACHE_DIR",
    "UV_DEFAULT_INDEX",
    "UV_EXTRA_INDEX_URL",
    "UV_FIND_LINKS",
    "UV_HTTP_TIMEOUT",
    "UV_INDEX",
    "UV_INDEX_URL",
    "UV_INSECURE_HOST",
    "UV_KEYRING_PROVIDER",
    "UV_LINK_MODE",
    "UV_NO_CACHE",
    "UV_OFFLINE",
}
# pip's word → uv's variable, and what stands between several.
TRANSLATED = {
    "index-url": ("UV_DEFAULT_INDEX", " "),
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "trusted-host": ("UV_INSECURE_HOST", " "),
    "cert": ("SSL_CERT_FILE", " "),
    "proxy": ("ALL_PROXY", " "),
}
LAST_LINES = 15


def pip_settings(lines: Iterable[str]) -> dict[str, str]:
    """What `pip config list` prints, as key → value: [install] beats [global], the environment beats both."""
    found: dict[str, tuple[int, str]] = {}
    for line in lines:
        name, _equals, value = line.partition("=")
        section, _dot, key = name.strip().rpartition(".")
        rank = {"global": 0, "install": 1, ":env:": 2}.get(section)
        if rank is not None and rank >= found.get(key, (-1, ""))[0]:
            found[key] = (rank, str(ast.literal_eval(value)))
    return {key: value for key, (_rank, value) in found.items()}


def uv_environment(environ: Mapping[str, str], pip: Mapping[str, str]) -> dict[str, str]:
    """The environment for uv: where pip was told to look (a mirror, a folder, a proxy), uv looks too."""
    env = {name: value for name, value in environ.items() if not name.startswith("UV_") or name in KEPT}
    for key, (name, between) in TRANSLATED.items():
        if value := pip.get(key, ""):
            env.setdefault(name, between.join(value.split()))
    return env


def uv_command(lock: str, pip: Mapping[str, str]) -> list[str]:
    return [
        *(sys.executable, "-m", "uv", "pip", "install", "--python", sys.executable),
        # Compiled now, once: else each of the site's processes would do it at its own start.
        *("--require-hashes", "--no-deps", "--compile-bytecode"),
        # As pip does: every index may have the file; the hash says whether it is the right one.
        *("--index-strategy", "unsafe-best-match"),
        *(["--no-index"] if pip.get("no-index", "").lower() in {"1", "true", "yes", "on"} else []),
        *("--requirements", lock),
    ]


def run(argv: Sequence[str], env: Mapping[str, str], log: Path) -> bool:
    """Run it with a dot for each second, its words in the log; Ctrl-C ends it with us."""
    with log.open("ab") as file:
        child = subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT)
    try:
        while True:
            try:
                return child.wait(timeout=1) == 0
            except subprocess.TimeoutExpired:
                print(".", end="", flush=True)
    finally:
        child.kill()
        child.wait()


def install(lock: str) -> int:
    log = Path(sys.prefix) / "install.log"
    log.write_bytes(b"")
    print(f"Installing {lock} into {_short(Path(sys.prefix))} ", end="", flush=True)
    started = time.monotonic()
    if all(run(argv, env, log) for argv, env in _steps(lock)):
        print(f" {time.monotonic() - started:.0f} s", flush=True)
        return 0
    print(flush=True)
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    print(*lines[-LAST_LINES:], sep="\n", file=sys.stderr)
    print(f"Installing failed; all of its words are in {_short(log)}.", file=sys.stderr)
    print(
        "If the package index cannot be reached from here, name a mirror that can: pip config set global.index-url URL",
        file=sys.stderr,
    )
    return 1


def _short(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _steps(lock: str) -> Iterable[tuple[list[str], dict[str, str]]]:
    """The second step is put together only after the first: it asks the pip that is there."""
    environ = {**os.environ, "PYTHONUTF8": "1"}
    pip = [sys.executable, "-m", "pip"]
    quiet = ("--disable-pip-version-check", "--no-input")
    yield [*pip, "install", *quiet, "--no-deps", "--require-hashes", "-r", str(BOOTSTRAP)], environ
    words = subprocess.run([*pip, "config", "list"], capture_output=True, text=True, env=environ, check=False)
    settings = pip_settings(words.stdout.splitlines())
    yield uv_command(lock, settings), uv_environment(environ, settings)


def _stop(number: int, _frame: object) -> None:
    sys.exit(128 + number)


if __name__ == "__main__":
    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(one, _stop)
    sys.exit(install(sys.argv[1]))
