"""What the page on security claims is proved by a test that exists."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)


def test_every_test_that_the_page_names_exists() -> None:
    assert len(NAMED) > 30
    missing = [
        f"{file}::{name}"
        for file, name in NAMED
        if not re.search(rf"^\s*def {name}\b", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert missing == []


def test_every_threat_has_its_proof() -> None:
    rows = PAGE.split("## What could happen")[1].split("\n\n")[1].splitlines()[2:]
    assert len(rows) > 10
    assert [row for row in rows if "::test_" not in row.split("|")[3]] == []
