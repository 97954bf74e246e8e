"""Rows out of a stored Dataset-JSON file, by number: what the standard's door and the difference read.

The file is read once, when the snapshot is made: its metadata are laid beside it, and where each row begins and ends.
So a page of rows is a stretch of the file, wherever it lies in it and however long the file is.
"""

import json
import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

CHUNK = 1 << 20
# A key of ours, whatever stands in the texts before it: within a text, quotes are written with a backslash.
_ROWS = re.compile(r'"rows"\s*:\s*\[')
_BETWEEN = re.compile(r"[\s,]*")
_END = re.compile(r"\s*\]\s*\}\s*")
_decode = json.JSONDecoder().raw_decode


def index(path: Path, folder: Path) -> dict[str, Any]:
    """Lay down the metadata of a dataset and the places of its rows; returns the metadata.

    Memory does not grow with the file but by 16 bytes a row. Raises ValueError for a file in which the rows are not the
    last part, or of another number than it says.
    """
    places: array[int] = array("Q")
    # Every byte one letter: so a place in the text is a place in the file, and all that JSON is made of is ASCII.
    with path.open(encoding="latin-1", newline="") as text:
        head, rest, at = _head(text)
        for start, end in _places(text, rest, at):
            places.append(start)
            places.append(end)
    about: dict[str, Any] = json.loads(head.encode("latin-1"))
    if about.get("records") != len(places) // 2:
        raise ValueError("a dataset says another number of rows than it has")
    (folder / f"{path.name}.about").write_text(json.dumps(about, ensure_ascii=False), encoding="utf-8")
    with (folder / f"{path.name}.rows").open("wb") as file:
        places.tofile(file)
    return about


def _head(text: IO[str]) -> tuple[str, str, int]:
    """The metadata as an object of their own, what was read of the rows, and at which place that begins."""
    read = ""
    while not (found := _ROWS.search(read)):
        if not (more := text.read(CHUNK)):
            raise ValueError("a dataset without rows")
        read += more
    return read[: found.start()].rstrip().rstrip(",") + "}", read[found.end() :], found.end()


def _places(text: IO[str], rest: str, at: int) -> Iterator[tuple[int, int]]:
    """Start and end of each row; `rest` is what was read already, and begins at place `at`."""
    more = True
    while True:
        here = 0
        while True:
            start = _BETWEEN.match(rest, here).end()  # type: ignore[union-attr]  # it matches nothing, too
            if rest[start : start + 1] != "[":
                break
            try:
                _row, end = _decode(rest, start)
            except ValueError:
                break
            yield at + start, at + end
            here = end
        at, rest = at + here, rest[here:]
        if not more:
            break
        read = text.read(CHUNK)
        more, rest = bool(read), rest + read
    if not _END.fullmatch(rest):
        raise ValueError("in a dataset something follows its rows, or a row is broken")


@dataclass(frozen=True)
class Stored:
    """A dataset in the folder of its snapshot."""

    path: Path
    folder: Path

    @property
    def about(self) -> dict[str, Any]:
        """Everything of it but its rows."""
        text = (self.folder / f"{self.path.name}.about").read_text(encoding="utf-8")
        found: dict[str, Any] = json.loads(text)
        return found

    @property
    def records(self) -> int:
        return (self.folder / f"{self.path.name}.rows").stat().st_size // 16

    def stretch(self, offset: int, limit: int) -> tuple[int, int]:
        """Where in the file these rows lie, with the commas between them; 0, 0 for none. `limit` 0: to the end."""
        last = min(offset + limit, self.records) if limit else self.records
        if offset >= last:
            return 0, 0
        with (self.folder / f"{self.path.name}.rows").open("rb") as file:
            return self._place(file, 2 * offset), self._place(file, 2 * last - 1)

    def _place(self, file: IO[bytes], number: int) -> int:
        file.seek(8 * number)
        found: array[int] = array("Q")
        found.frombytes(file.read(8))
        return found[0]

    def rows(self) -> Iterator[list[Any]]:
        """One after the other; in memory there is one stretch of them."""
        step = 500
        with self.path.open("rb") as file:
            for offset in range(0, self.records, step):
                start, end = self.stretch(offset, step)
                file.seek(start)
                yield from json.loads(b"[" + file.read(end - start) + b"]")
