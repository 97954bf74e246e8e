"""Files that leave: the template, and every row with its fate; no cell of them is a formula."""

import csv
import io
import re
from collections.abc import Iterable
from typing import Any

from participants.imports.fates import FATE_NAMES
from participants.imports.file import COLUMNS, lines

TEMPLATE_ROWS = (
    ("EXAMPLE-1", "HGB", "118", "g/L", "115", "150", "", "2026-03-05 08:10", "yes", "", "", ""),
    ("EXAMPLE-1", "HBVDNA", "<20", "IU/mL", "", "", "20", "2026-03-05 08:10", "", "", "", ""),
    ("EXAMPLE-1", "HBSAG", "negative", "", "", "", "", "2026-03-05 08:10", "", "", "", ""),
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?", re.ASCII)


def harmless(cell: str) -> str:
    """A cell that a spreadsheet takes for text: one that could be a formula gets an apostrophe, a number does not."""
    return f"'{cell}" if cell.startswith(_FORMULA) and not _NUMBER.fullmatch(cell) else cell


def template_file() -> bytes:
    """Column names and three examples, whose participant does not exist: forgotten, they are refused."""
    return _csv([tuple(COLUMNS), *TEMPLATE_ROWS])


def fates_file(entries: Iterable[dict[str, Any]], text: str) -> bytes:
    """Every row with its fate in words, beside its own cells while the file's text is there."""
    cells = {line.number: line.cells for line in lines(text)} if text else {}
    columns = [name for name in COLUMNS if name not in ("participant", "measure")] if text else []
    rows = []
    for entry in entries:
        own = cells.get(entry["line"], {})
        subject = [own.get(name) or entry[name] for name in ("participant", "measure")]
        fate = [str(entry["line"]), str(FATE_NAMES[entry["fate"]]), entry["message"]]
        rows.append([*fate, *subject, *(own.get(name, "") for name in columns)])
    return _csv([["line", "fate", "message", "participant", "measure", *columns], *rows])


def _csv(rows: Iterable[Iterable[str]]) -> bytes:
    """UTF-8 with a mark at the start, by which Excel knows it."""
    out = io.StringIO(newline="")
    csv.writer(out).writerows([harmless(cell) for cell in row] for row in rows)
    return out.getvalue().encode("utf-8-sig")
