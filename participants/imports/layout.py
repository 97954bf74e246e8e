"""How a laboratory's file is read: which row names the columns, what each column is, and what nobody can know from it.

The columns are matched once and kept for that laboratory at that site. What depends on the single file (a comma in
numbers, a day without its time) is asked for each file, and refused where nobody answered.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from participants.imports.clean import DECIMAL, REFUSE, THOUSANDS, clean_moment, clean_number, limits_of
from participants.imports.file import ADDED, COLUMNS
from participants.imports.headings import (
    DAY,
    HOSPITAL_NUMBER,
    IGNORE,
    RANGE,
    TEST,
    TIME,
    heading_key,
    is_unit,
    role_of,
    split_heading,
)
from participants.imports.sheets import Sheet
from participants.imports.words import key, measure_words
from participants.rules.measures import MEASURES

LEFT_OUT = "-"
SEARCHED_ROWS = 25
NEEDS_TIME = re.compile(r"\d{1,2} ?[:：时点]")
WITH_COMMA = re.compile(r"\d,\d")


@dataclass
class Layout:
    """What is known about a sheet: by a heading's key its role, by a test's key its code, or "-" to leave it out."""

    roles: dict[str, str] = field(default_factory=dict)
    tests: dict[str, str] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)

    def data(self) -> dict[str, Any]:
        return {"roles": self.roles, "tests": self.tests, "units": self.units}


@dataclass(frozen=True)
class Answers:
    """What a person said about this one file: what a comma means, the time of days without one, whose file it is."""

    comma: str = REFUSE
    time: str = ""
    laboratory: str = ""


@dataclass(frozen=True)
class Heading:
    """One column: its place, its words, its role ("" if unknown), and the unit that stands in or below its heading."""

    place: int
    text: str
    role: str
    unit: str

    @property
    def key(self) -> str:
        return heading_key(self.text)

    @property
    def code(self) -> str:
        return self.role.removeprefix(TEST) if self.role.startswith(TEST) else ""


@dataclass
class Table:
    """A sheet with its headings understood as far as they can be."""

    sheet: Sheet
    layout: Layout
    header: int
    first: int
    headings: list[Heading]

    def having(self, role: str) -> list[Heading]:
        return [one for one in self.headings if one.role == role]

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """The rows below the headings that hold something, with their line; headings repeated on a new page not."""
        names = [one.text for one in self.headings]
        for number, row in enumerate(self.sheet.rows[self.first :], start=self.first + 1):
            cells = [*row, *[""] * (len(names) - len(row))]
            if any(cells[one.place] for one in self.headings) and cells[: len(names)] != names:
                yield number, cells


def table_of(sheet: Sheet, layout: Layout) -> Table:
    header = _header_of(sheet, layout)
    cells = sheet.rows[header]
    below = sheet.rows[header + 1] if header + 1 < len(sheet.rows) else []
    has_units = _is_unit_row(below)
    headings = [
        _heading(place, text, below[place] if has_units and place < len(below) else "", layout)
        for place, text in enumerate(cells)
        if text
    ]
    return Table(sheet, layout, header, header + 1 + has_units, headings)


def _header_of(sheet: Sheet, layout: Layout) -> int:
    """The row that has most headings we know; above it stand titles."""
    known = [sum(bool(_role(text, layout)) for text in row if text) for row in sheet.rows[:SEARCHED_ROWS]]
    best = max(range(len(known)), key=known.__getitem__)
    if known[best]:
        return best
    return next(number for number, row in enumerate(sheet.rows) if any(row))


def _role(text: str, layout: Layout) -> str:
    return layout.roles.get(heading_key(text)) or role_of(text)


def _is_unit_row(row: list[str]) -> bool:
    filled = [text for text in row if text]
    return bool(filled) and all(is_unit(text) for text in filled)


def _heading(place: int, text: str, below: str, layout: Layout) -> Heading:
    role = _role(text, layout)
    unit = below.strip("()（）[] ") or (split_heading(text)[1] if role.startswith(TEST) else "")
    return Heading(place, text, role, layout.units.get(heading_key(text)) or unit)


# --- What has to be asked ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Questions:
    """What the file leaves open: headings and tests nobody knows, tests without a unit, an example of a comma in a
    number and of a day without its time; and the columns that are missing altogether."""

    headings: list[Heading]
    tests: list[str]
    units: list[Heading]
    comma: str
    day: str
    missing: list[str]

    @property
    def are_open(self) -> bool:
        return bool(self.headings or self.tests or self.units or self.comma or self.day or self.missing)


def questions_of(table: Table) -> Questions:
    tests: dict[str, str] = {}
    comma = day = ""
    values = [one.place for one in table.headings if one.role == "value" or one.code]
    for _number, cells in table.rows():
        name = _one(table, cells, "measure")
        if name and not _code(name, table.layout):
            tests.setdefault(key(name), name)
        comma = comma or next((cells[place] for place in values if WITH_COMMA.search(cells[place])), "")
        when = _when(table, cells)
        day = day or (when if when and not NEEDS_TIME.search(when) else "")
    unknown = [one for one in table.headings if not one.role]
    without_unit = [one for one in table.headings if one.code and not one.unit and MEASURES[one.code].unit]
    return Questions(unknown, list(tests.values()), without_unit, comma, day, missing_of(table))


def missing_of(table: Table) -> list[str]:
    """The columns without which nothing can be read; a wide table has its measures in the headings."""
    roles = {one.role for one in table.headings}
    missing = [] if roles & {"participant", HOSPITAL_NUMBER} else ["participant"]
    if not any(one.code for one in table.headings):
        missing += [role for role in ("measure", "value") if role not in roles]
    return missing if roles & {"taken_at", DAY} else [*missing, "taken_at"]


def _when(table: Table, cells: list[str]) -> str:
    whole = next((cells[one.place] for one in table.having("taken_at") if cells[one.place]), "")
    parts = [cells[one.place] for role in (DAY, TIME) for one in table.having(role)]
    return whole or " ".join(part for part in parts if part)


def _code(name: str, layout: Layout) -> str:
    """The code of a test by its name, "-" to leave it out, "" if nobody knows it."""
    if said := layout.tests.get(key(name)):
        return said
    words = measure_words()
    return words.get(key(name)) or words.get(key(split_heading(name)[0])) or ""


# --- Into our own columns ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Written:
    """The file in our columns, the number of its results, and of those left out because they are not of this study."""

    text: str
    rows: int
    left_out: int


def written(table: Table, answers: Answers, find: Callable[[str, str], tuple[str, str]]) -> Written:
    """Each result as a row of ours. `find` makes a study number of a participant's cell and a hospital number's cell;
    beside it, what is wrong with them. Neither a name nor a hospital number gets into the text."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, [*COLUMNS, *ADDED])
    writer.writeheader()
    rows = left_out = 0
    for number, cells in table.rows():
        number_of, problem = find(_one(table, cells, "participant"), _one(table, cells, HOSPITAL_NUMBER))
        common = {**_common(table, cells, answers), "participant": number_of, "problem": problem}
        for result in _results(table, number, cells, answers):
            left_out += result is None
            if result is not None:
                rows += 1
                writer.writerow({**common, **result})
    return Written(out.getvalue(), rows, left_out)


def _one(table: Table, cells: list[str], role: str) -> str:
    return next((cells[one.place] for one in table.having(role) if cells[one.place]), "")


def _common(table: Table, cells: list[str], answers: Answers) -> dict[str, str]:
    moment, is_assumed = clean_moment(_when(table, cells), answers.time)
    kept = ("fasting", "laboratory", "study_procedure", "not_done")
    assumed = "yes" if is_assumed else _one(table, cells, "time_assumed")
    found = {name: _one(table, cells, name) for name in kept}
    laboratory = found["laboratory"] or answers.laboratory
    return {**found, "laboratory": laboratory, "taken_at": moment, "time_assumed": assumed}


def _results(table: Table, number: int, cells: list[str], answers: Answers) -> Iterator[dict[str, str] | None]:
    """The results of one row: one in a long table, one for each filled test of a wide one; None for one left out."""
    wide = [one for one in table.headings if one.code]
    for one in wide:
        if cells[one.place]:
            place = f"{_letters(one.place)}{number}"
            value = clean_number(cells[one.place], answers.comma)
            yield {"measure": one.code, "value": value, "unit": one.unit, "source": place}
    if not wide or _one(table, cells, "measure"):
        name = _one(table, cells, "measure")
        code = _code(name, table.layout)
        yield None if code == LEFT_OUT else _long(table, cells, answers, code or name, number)


def _long(table: Table, cells: list[str], answers: Answers, measure: str, number: int) -> dict[str, str]:
    low, high = limits_of(_one(table, cells, RANGE), answers.comma)
    limits = {"low": low, "high": high}
    limits |= {name: clean_number(text, answers.comma) for name in limits if (text := _one(table, cells, name))}
    unit = _one(table, cells, "unit") or split_heading(_one(table, cells, "measure"))[1]
    return {
        "measure": measure,
        "value": clean_number(_one(table, cells, "value"), answers.comma),
        "unit": unit,
        **limits,
        "lloq": clean_number(_one(table, cells, "lloq"), answers.comma),
        "source": str(number),
    }


def _letters(place: int) -> str:
    """A column as spreadsheets call it: A, …, Z, AA."""
    letters = ""
    place += 1
    while place:
        place, rest = divmod(place - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


__all__ = [
    "DECIMAL",
    "IGNORE",
    "LEFT_OUT",
    "REFUSE",
    "THOUSANDS",
    "Answers",
    "Layout",
    "Questions",
    "Table",
    "missing_of",
    "questions_of",
    "table_of",
    "written",
]
