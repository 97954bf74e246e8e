"""`make check`: every check runs, also after one has failed, and changes nothing."""

import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

CHECKS: dict[str, tuple[str, ...]] = {
    "mypy": ("-m", "mypy", "."),  # the longest comes first
    "ruff check": ("-m", "ruff", "check", "--output-format=concise", "."),
    "ruff format": ("-m", "ruff", "format", "--check", "."),
    "floors (import-linter)": (
        "-c",
        "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())",
    ),
    "migrations": ("manage.py", "makemigrations", "--check", "--dry-run"),
    "messages": ("-m", "scripts.messages", "--check"),
    "documents": ("manage.py", "write_docs", "--check"),
}


def run_one(name: str, argv: Sequence[str]) -> bool:
    """Run one check, show its output only when it fails."""
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, *argv],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    word = "FAILED" if done.returncode else "ok"
    text = f"{word:<7}{name}  {time.monotonic() - started:.1f} s\n"
    if done.returncode:
        text += "".join(f"       {line}\n" for line in done.stdout.rstrip().splitlines())
    print(text, end="", flush=True)
    return done.returncode == 0


def main() -> int:
    with ThreadPoolExecutor(max_workers=2) as pool:
        results = list(pool.map(run_one, CHECKS, CHECKS.values()))
    failed = [name for name, ok in zip(CHECKS, results, strict=True) if not ok]
    if failed:
        print(f"\n{len(failed)} of {len(results)} checks failed: {', '.join(failed)}.")
        print("`make fix` repairs format, imports, messages and documents.")
        return 1
    print(f"\nAll {len(results)} checks passed.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
