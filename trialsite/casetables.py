"""Checking a rule against a table of worked cases: a hospital's own, before it trusts the software.

A table is CSV with the rule's input columns, then `expected_*` columns. What cannot be read is an error
with its row and column, never a pass.
"""

import csv
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from trialsite import reading

Parser = Callable[[str], Any]
# A case is named in every table, so that people find it again.
ID = "id"
# Columns that tell people about a case; they may be there and take no part.
DESCRIPTIVE = ("description", "rule")
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)", re.ASCII)


class TableError(Exception):
    """The table cannot be used: row, column and reason."""


class UnusableValue(ValueError):
    """A value that was read, but cannot be true beside the others of its row; `column` is where it stands."""

    def __init__(self, column: str, message: str) -> None:
        super().__init__(message)
        self.column = column


@dataclass(frozen=True)
class CaseTable:
    """How a table maps to a rule: parsers by column, and the rule itself.

    `evaluate` takes the parsed inputs and returns the computed value of each `expected_*` column, without the
    prefix (the column `expected` itself has the name ""), and the reason in words; it may raise UnusableValue.
    Columns of `optional` may be left out; a rule then gets None.
    `ordinary` holds the values of inputs that are not worth showing beside a difference.
    """

    inputs: Mapping[str, Parser]
    expected: Mapping[str, Parser]
    evaluate: Callable[[Mapping[str, Any]], tuple[Mapping[str, Any], str]]
    descriptive: tuple[str, ...] = DESCRIPTIVE
    ordinary: Mapping[str, Any] = field(default_factory=dict)
    optional: Mapping[str, Parser] = field(default_factory=dict)


@dataclass(frozen=True)
class Difference:
    row: int
    case: str
    inputs: Mapping[str, str]
    # column → (expected, computed)
    values: Mapping[str, tuple[Any, Any]]
    reason: str


@dataclass
class Outcome:
    passed: int = 0
    differences: list[Difference] = field(default_factory=list)

    @property
    def last_line(self) -> str:
        return f"{self.passed} passed, {len(self.differences)} failed"


def run(table: CaseTable, path: Path) -> Outcome:
    """Every case of the file. Raises TableError for a file, a column or a value that cannot be used."""
    (_top, header), *rows = _read(path)
    _check_columns(table, header)
    outcome = Outcome()
    for number, row in rows:
        difference = _check_row(table, number, _as_dict(header, number, row))
        if difference is None:
            outcome.passed += 1
        else:
            outcome.differences.append(difference)
    return outcome


def _read(path: Path) -> list[tuple[int, list[str]]]:
    """Rows with their numbers, as a spreadsheet counts them; empty ones are left out, but counted."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(_numbered(csv.reader(file, strict=True)))
    except OSError as error:
        raise TableError(f"{path}: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise TableError(f"{path} cannot be read as CSV in UTF-8: {error}") from None
    if len(rows) < 2:
        raise TableError(f"{path} holds no cases: it needs a row of column names and a row for each case.")
    return rows


def _numbered(reader: Iterator[list[str]]) -> Iterator[tuple[int, list[str]]]:
    for number, row in enumerate(reader, start=1):
        cells = [cell.strip() for cell in row]
        if any(cells):
            yield number, cells


def _check_columns(table: CaseTable, header: list[str]) -> None:
    needed = [ID, *table.inputs, *(_expected(name) for name in table.expected)]
    if twice := sorted({name for name in header if header.count(name) > 1}):
        raise TableError(f"row 1: column named twice: {', '.join(twice)}")
    if unknown := [name for name in header if name not in {*needed, *table.optional, *table.descriptive}]:
        known = ", ".join([*needed, *table.optional])
        raise TableError(f"row 1: unknown column: {', '.join(unknown)}. Known ones: {known}")
    if missing := [name for name in needed if name not in header]:
        raise TableError(f"row 1: missing column: {', '.join(missing)}")


def _as_dict(header: list[str], number: int, row: list[str]) -> dict[str, str]:
    if len(row) != len(header):
        where = f"from column {header[len(row)]} on" if len(row) < len(header) else f"after column {header[-1]}"
        raise TableError(f"row {number}: {len(row)} values for {len(header)} columns, wrong {where}")
    return dict(zip(header, row, strict=True))


def _check_row(table: CaseTable, number: int, row: dict[str, str]) -> Difference | None:
    inputs = {name: _parse(number, name, row[name], parser) for name, parser in table.inputs.items()}
    inputs |= {name: _parse(number, name, row[name], parser) for name, parser in table.optional.items() if name in row}
    expected = {
        name: _parse(number, _expected(name), row[_expected(name)], parser) for name, parser in table.expected.items()
    }
    try:
        computed, reason = table.evaluate(inputs)
    except UnusableValue as error:
        raise TableError(f"row {number}, column {error.column}: {error}") from None
    except ValueError as error:
        raise TableError(f"row {number}: {error}") from None
    differing = {
        _expected(name): (value, computed[name]) for name, value in expected.items() if value != computed[name]
    }
    if not differing:
        return None
    return Difference(number, row[ID], _worth_showing(table, row, inputs), differing, reason)


def _expected(name: str) -> str:
    return f"expected_{name}" if name else "expected"


def _worth_showing(table: CaseTable, row: dict[str, str], inputs: dict[str, Any]) -> dict[str, str]:
    nothing = object()
    return {name: row[name] for name in inputs if row[name] and inputs[name] != table.ordinary.get(name, nothing)}


def _parse(number: int, column: str, text: str, parser: Parser) -> Any:
    try:
        return parser(text)
    except ValueError as error:
        raise TableError(f"row {number}, column {column}: {text!r} cannot be read ({error})") from None


# --- parsers -----------------------------------------------------------------------------------


def yes_no(text: str) -> bool:
    """Y or N; nothing is neither."""
    words = {
        "y": True,
        "yes": True,
        "true": True,
        "1": True,
        "n": False,
        "no": False,
        "false": False,
        "0": False,
    }
    if text.lower() not in words:
        raise ValueError("write Y or N")
    return words[text.lower()]


def integer(text: str) -> int:
    """A whole number; a spreadsheet may have made 3.0 of 3."""
    value = decimal(text)
    if value != value.to_integral_value():
        raise ValueError("write a whole number")
    return int(value)


def decimal(text: str) -> Decimal:
    """A number with a decimal point, at its exact value."""
    if not NUMBER.fullmatch(text):
        raise ValueError("write a number, such as 38.5")
    return Decimal(text)


def optional(parser: Parser) -> Parser:
    """An empty cell is None: not recorded."""
    return lambda text: parser(text) if text else None


def key_of(text: str) -> str:
    """A word without its case, its separators and its apostrophes: "Non-rebreather mask" is non_rebreather_mask."""
    return re.sub(r"[\W_]+", "_", re.sub("['’]", "", text.lower())).strip("_")


def word(known: Mapping[str, Any]) -> Parser:
    """One of the known words, whatever its case and its separators."""

    def parse(text: str) -> Any:
        if key_of(text) not in known:
            raise ValueError(f"one of: {', '.join(known)}")
        return known[key_of(text)]

    return parse


def words(text: str) -> frozenset[str]:
    """Several words joined by + or ; or |, in any order; empty and "none" mean no word."""
    parts = text.replace(";", "+").replace("|", "+").split("+")
    return frozenset(part.strip() for part in parts if part.strip() and part.strip().lower() != "none")


def bounded(text: str) -> tuple[str, Decimal]:
    """A number with the bound before it: "<2.5" is ("<", 2.5), "7.5" is ("", 7.5)."""
    sign, number = reading.split_bound(text)
    return sign, decimal(number)
