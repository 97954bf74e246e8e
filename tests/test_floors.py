"""Floors: what lies above is not named below, not by an import (import-linter holds that) and not by a string."""

import ast
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from django.conf import settings

FLOORS = ("participants", "dosing", "safety", "sponsor", "demo")
# A row of the lower floor may name a model or a permission of a higher one; a module it may not.
BELOW = FLOORS[:-1]


def strings(app: str) -> Iterator[tuple[str, str]]:
    root = Path(settings.BASE_DIR)
    for path in sorted((root / app).rglob("*.py")):
        if "migrations" not in path.parts:
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield str(path.relative_to(root)), node.value


def is_module(name: str) -> bool:
    parts = name.split(".")
    if len(parts) < 2 or not all(part.isidentifier() for part in parts):
        return False
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False


@pytest.mark.parametrize("app", BELOW)
def test_no_string_names_a_module_of_a_floor_above(app: str) -> None:
    above = tuple(f"{name}." for name in FLOORS[FLOORS.index(app) + 1 :])
    named = [(path, text) for path, text in strings(app) if text.startswith(above) and is_module(text)]
    assert named == []


def test_a_module_is_known_as_one() -> None:
    assert is_module("sponsor.reportfiles")
    assert not is_module("sponsor.apiread")
