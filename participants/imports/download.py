"""Files that leave: the template, and every row with its fate; no cell of them is a formula."""

import csv
import io
import re
from collections.abc import Collection, Iterable
from typing import Any

from participants.imports.fates import FATE_NAMES
from participants.imports.file import ADDED, COLUMNS, lines
from participants.imports.headings import WRONG

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
        fate = [entry.get("place") or str(entry["line"]), str(FATE_NAMES[entry["fate"]]), entry["message"]]
        rows.append([*fate, *subject, *(own.get(name, "") for name in columns)])
    return _csv([["line", "fate", "message", "participant", "measure", *columns], *rows])


def kept_rows(text: str, numbers: Collection[int]) -> str:
    """These lines of the file, in our columns, to be handed back."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, [*COLUMNS, *ADDED])
    writer.writeheader()
    writer.writerows(line.cells for line in lines(text) if line.number in numbers)
    return out.getvalue()


def handed_back(entries: Iterable[dict[str, Any]], text: str) -> tuple[list[str], list[list[str]]]:
    """The rows that were handed back as a table to mend: what is wrong stands first, then the cells as they came."""
    reasons = [entry for entry in entries if entry.get("is_back")]
    names = ["source", *COLUMNS, "time_assumed"]
    rows = []
    for entry, line in zip(reasons, lines(text), strict=True):
        cells = {**line.cells, "source": entry.get("place") or str(entry["line"])}
        rows.append([entry["message"], *(cells.get(name, "") for name in names)])
    return [str(WRONG), *names], rows


def _csv(rows: Iterable[Iterable[str]]) -> bytes:
    """UTF-8 with a mark at the start, by which Excel knows it."""
    out = io.StringIO(newline="")
    csv.writer(out).writerows([harmless(cell) for cell in row] for row in rows)
    return out.getvalue().encode("utf-8-sig")
