"""A stand-in: an empty ODM."""

from pathlib import Path

from sponsor.datasets.scope import Scope, Tick


def write_odm(scope: Scope, folder: Path, tick: Tick) -> list[Path]:
    path = folder / "odm.xml"
    path.write_text('<?xml version="1.0" encoding="UTF-8"?>\n<ODM/>\n', encoding="utf-8")
    tick("odm.xml", 1, 1)
    return [path]
