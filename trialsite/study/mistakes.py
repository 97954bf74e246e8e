"""Mistakes of a study file, told so that one reading of the message is enough to repair it.

Each has its file, line, key, value and a reason in plain words.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from trialsite.study.parts import Location, Part

# What a comparison finds: place, value and reason.
Found = Iterator[tuple[Location, object, str]]
# Pydantic's kind of error → the reason; every other kind keeps pydantic's words.
PLAIN_REASONS = {
    "missing": "is missing",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "string_type": "must be a text in quotes",
    "date_type": "must be a date such as 2025-07-19, without quotes",
    "tuple_type": "must be a list in square brackets",
    "model_type": "must be a table with its keys",
    "string_too_short": "must not be empty",
}
HEADER = re.compile(r"^\s*(\[\[?)\s*([A-Za-z0-9_.-]+)\s*\]")
KEY = re.compile(r"^\s*([A-Za-z0-9_-]+)\s*=")


@dataclass(frozen=True)
class Mistake:
    """One thing to repair; `key` is dotted as in `visits[3].target_day`, lists counting from 0 as TOML tools do."""

    file: Path
    reason: str
    key: str = ""
    line: int | None = None
    value: str = ""

    def __str__(self) -> str:
        place = f"{self.file}, line {self.line}" if self.line else str(self.file)
        what = f"{self.key} = {self.value}" if self.key and self.value else self.key
        return ": ".join(text for text in (place, what, self.reason) if text)


class StudyFileError(Exception):
    """The study's files cannot be used; `mistakes` holds all of them."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(sorted(mistakes, key=lambda one: (str(one.file), one.line or 0)))
        super().__init__(self.mistakes)

    def __str__(self) -> str:
        count = len(self.mistakes)
        head = "The study definition has a mistake:" if count == 1 else f"The study definition has {count} mistakes:"
        return "\n".join([head, *(f"  {mistake}" for mistake in self.mistakes)])


def syntax_mistake(file: Path, text: str, error: tomllib.TOMLDecodeError) -> Mistake:
    place = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)$", str(error))
    reason = str(error)[: place.start()] if place else str(error)
    lines = text.splitlines()
    line = int(place[1]) if place and place[1] else max(len(lines), 1)
    there = lines[line - 1].strip()[:80] if line <= len(lines) else ""
    return Mistake(file, f"is not TOML: {reason} in “{there}”", line=line)


def plain(error: Any) -> tuple[Location, object, str]:
    """Pydantic's error as place, value and a reason in plain words."""
    kind, place = error["type"], error["loc"]
    value = None if kind in {"missing", "extra_forbidden"} else error["input"]
    if kind == "extra_forbidden":
        return place, value, f"is not a known key{_meant(str(place[-1]))}"
    if kind == "literal_error":
        return place, value, f"must be one of: {error['ctx']['expected']}"
    if kind == "value_error":
        return place, value, str(error["ctx"]["error"])
    return place, value, PLAIN_REASONS.get(kind, error["msg"])


def _meant(key: str) -> str:
    known = {name for part in Part.__subclasses__() for name in part.model_fields}
    close = get_close_matches(key, sorted(known), n=1)
    return f"; perhaps you meant {close[0]}" if close else ""


def shown(value: object) -> str:
    """The value as the file has it; tables and lists are too long to repeat."""
    if value is None or isinstance(value, dict | tuple | BaseModel):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value[:60]}"'
    return str(value)


def dotted(place: Location) -> str:
    """("visits", 3, "target_day") -> visits[3].target_day"""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)
    return text.removeprefix(".")


def key_lines(text: str) -> dict[Location, int]:
    """On which line each table and key begins. Finds what stands at the start of a line, which is enough here."""
    lines: dict[Location, int] = {}
    counts: dict[Location, int] = {}
    table: Location = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if header := HEADER.match(line):
            table = _table(header[2].split("."), counts, is_list=header[1] == "[[")
            lines.setdefault(table, number)
        elif key := KEY.match(line):
            lines.setdefault((*table, key[1]), number)
    return lines


def _table(names: list[str], counts: dict[Location, int], *, is_list: bool) -> Location:
    """The place of a header; [[visits]] for the fourth time is ("visits", 3)."""
    place: Location = ()
    for name in names[:-1]:
        place = (*place, name)
        place = (*place, counts[place] - 1) if place in counts else place
    place = (*place, names[-1])
    if is_list:
        counts[place] = counts.get(place, 0) + 1
        place = (*place, counts[place] - 1)
    return place


def nearest_line(lines: Mapping[Location, int], place: Location) -> int | None:
    """The line of the key itself, else of the nearest table around it."""
    for length in range(len(place), 0, -1):
        if place[:length] in lines:
            return lines[place[:length]]
    return None
