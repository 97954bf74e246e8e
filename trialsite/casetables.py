"""Checking a rule against a table of worked cases: a hospital's own, before it trusts the software.

A table is CSV with the rule's input columns, then `expected_*` columns. What cannot be read is an error
with its row and column, never a pass. Each column is declared once: how it is read, what is said where it cannot be
read, and what people are told about it beforehand come from the same declaration.
"""

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

from trialsite import reading

Parser = Callable[[str], Any]
# A case is named in every table, so that people find it again.
ID = "id"
# Columns that tell people about a case; they may be there and take no part.
DESCRIPTIVE = ("description", "rule")
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)", re.ASCII)


def mark(text: str) -> str:
    """Mark a sentence for translation; the command translates it when it shows it."""
    return text


class Wrong(ValueError):
    """What cannot be used, as a sentence with its values, so that it can be said in the reader's language."""

    def __init__(self, text: str, /, **values: Any) -> None:
        super().__init__(text % values if values else text)
        self.text, self.values = text, values

    def said(self, translate: Callable[[str], str]) -> str:
        values = {
            name: value.said(translate) if isinstance(value, Wrong) else value for name, value in self.values.items()
        }
        return translate(self.text) % values if values else translate(self.text)


def _as_wrong(error: ValueError) -> Wrong:
    return error if isinstance(error, Wrong) else Wrong("%(said)s", said=str(error))


class TableError(Wrong):
    """The table cannot be used: row, column and reason."""


class UnusableValue(Wrong):
    """A value that was read, but cannot be true beside the others of its row; `column` is where it stands."""

    def __init__(self, column: str, text: str, /, **values: Any) -> None:
        super().__init__(text, **values)
        self.column = column


class Kind(StrEnum):
    """What may be written in a cell."""

    TEXT = "text"
    CASE = "case"
    NUMBER = "number"
    WHOLE = "whole"
    YES_NO = "yes_no"
    WORD = "word"
    WORDS = "words"
    DAY = "day"
    MOMENT = "moment"
    PARTIAL_DAY = "partial_day"
    BOUND = "bound"
    LOAD = "load"
    SERIES = "series"
    DAY_SERIES = "day_series"
    GRADE = "grade"
    GRADE_RANGE = "grade_range"
    FEBRILE = "febrile"
    MRD = "mrd"
    ENDPOINT = "endpoint"
    STORY = "story"
    DAY_IN_TEXT = "day_in_text"
    INPUTS = "inputs"


@dataclass(frozen=True)
class Word:
    """One answer of a choice: as the table has it, what it stands for, its meaning in the reader's language.

    `also`: other words for the same. `ends`: what may stand behind each of them.
    """

    written: str
    value: Any
    meaning: Any
    also: tuple[str, ...] = ()
    ends: tuple[str, ...] = ()

    @property
    def spelt(self) -> tuple[str, ...]:
        """Every way in which it may be written."""
        return tuple(f"{text}{end}" for text in (self.written, *self.also) for end in ("", *self.ends))


@dataclass(frozen=True)
class Column:
    """One column, or one named input within a cell: how it is read, and what people are told about it.

    `label`, `unit` and the meanings of `words` may be translated when they are shown. `also`: other names under which
    an input within a cell is known. `inputs`: what a cell of named inputs may hold, by the kind of case.
    """

    label: Any
    parse: Parser
    kind: Kind
    example: str = ""
    unit: Any = ""
    words: tuple[Word, ...] = ()
    may_be_empty: bool = False
    also: tuple[str, ...] = ()
    inputs: Mapping[str, "Inputs"] = field(default_factory=dict)

    def __call__(self, text: str) -> Any:
        if self.may_be_empty and not text:
            return None
        return self.parse(text)


@dataclass(frozen=True)
class Inputs:
    """What one kind of case takes: its named inputs, and one case of it as a row of the table.

    `may_leave_out`: a case asks about the inputs that it gives; else those that may not be empty are needed.
    """

    label: Any
    columns: Mapping[str, Column]
    example: Mapping[str, str]
    may_leave_out: bool = False


@dataclass(frozen=True)
class CaseTable:
    """How a table maps to a rule: its columns, and the rule itself.

    `evaluate` takes the parsed inputs and returns the computed value of each `expected_*` column, without the
    prefix (the column `expected` itself has the name ""), and the reason in words; it may raise UnusableValue.
    Columns of `optional` may be left out; a rule then gets None.
    `ordinary` holds the values of inputs that are not worth showing beside a difference. `examples` are rows that
    hold, where the examples of the columns make none together. `bare` are columns of `expected` whose name says by
    itself that a result stands there, without the prefix.
    """

    inputs: Mapping[str, Column]
    expected: Mapping[str, Column]
    evaluate: Callable[[Mapping[str, Any]], tuple[Mapping[str, Any], str]]
    descriptive: tuple[str, ...] = DESCRIPTIVE
    ordinary: Mapping[str, Any] = field(default_factory=dict)
    optional: Mapping[str, Column] = field(default_factory=dict)
    examples: tuple[Mapping[str, str], ...] = ()
    bare: frozenset[str] = frozenset()

    def columns(self) -> dict[str, Column]:
        """Every column that takes part, by the name in the table's first row."""
        results = {self.result_column(name): one for name, one in self.expected.items()}
        return {**self.inputs, **self.optional, **results}

    def result_column(self, name: str) -> str:
        """How the column is called in which this result is expected."""
        if name in self.bare:
            return name
        return f"expected_{name}" if name else "expected"

    def example_rows(self) -> list[dict[str, str]]:
        """Rows that can be checked: a table to begin with."""
        columns = self.columns()
        if of_kinds := [one.example for column in columns.values() for one in column.inputs.values() if one.example]:
            rows: Iterable[Mapping[str, str]] = of_kinds
        else:
            rows = self.examples or [{}]
        names = {name: column.example for name, column in columns.items()}
        return [{ID: f"EX-{number}", **names, **row} for number, row in enumerate(rows, start=1)]


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
        raise TableError("%(path)s: %(error)s", path=path, error=error.strerror) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise TableError(mark("%(path)s cannot be read as CSV in UTF-8: %(error)s"), path=path, error=error) from None
    if len(rows) < 2:
        raise TableError(
            mark("%(path)s holds no cases: it needs a row of column names and a row for each case"), path=path
        )
    return rows


def _numbered(reader: Iterator[list[str]]) -> Iterator[tuple[int, list[str]]]:
    for number, row in enumerate(reader, start=1):
        cells = [cell.strip() for cell in row]
        if any(cells):
            yield number, cells


def _check_columns(table: CaseTable, header: list[str]) -> None:
    needed = [ID, *table.inputs, *(table.result_column(name) for name in table.expected)]
    if twice := sorted({name for name in header if header.count(name) > 1}):
        raise TableError(mark("row 1: column named twice: %(columns)s"), columns=", ".join(twice))
    if unknown := [name for name in header if name not in {*needed, *table.optional, *table.descriptive}]:
        known = ", ".join([*needed, *table.optional])
        raise TableError(
            mark("row 1: unknown column: %(columns)s. Known ones: %(known)s"), columns=", ".join(unknown), known=known
        )
    if missing := [name for name in needed if name not in header]:
        raise TableError(mark("row 1: missing column: %(columns)s"), columns=", ".join(missing))


def _as_dict(header: list[str], number: int, row: list[str]) -> dict[str, str]:
    if len(row) != len(header):
        values = {"row": number, "values": len(row), "columns": len(header)}
        if len(row) > len(header):
            text = mark("row %(row)s: %(values)s values for %(columns)s columns, wrong after column %(column)s")
            raise TableError(text, **values, column=header[-1])
        text = mark("row %(row)s: %(values)s values for %(columns)s columns, wrong from column %(column)s on")
        raise TableError(text, **values, column=header[len(row)])
    return dict(zip(header, row, strict=True))


def _check_row(table: CaseTable, number: int, row: dict[str, str]) -> Difference | None:
    given = {**table.inputs, **{name: one for name, one in table.optional.items() if name in row}}
    inputs = {name: _parse(number, name, row[name], one) for name, one in given.items()}
    results = {name: table.result_column(name) for name in table.expected}
    expected = {name: _parse(number, results[name], row[results[name]], one) for name, one in table.expected.items()}
    computed, reason = _evaluate(table, number, inputs)
    differing = {results[name]: (value, computed[name]) for name, value in expected.items() if value != computed[name]}
    if not differing:
        return None
    return Difference(number, row[ID], _worth_showing(table, row, inputs), differing, reason)


def _evaluate(table: CaseTable, number: int, inputs: Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
    try:
        return table.evaluate(inputs)
    except UnusableValue as error:
        text = mark("row %(row)s, column %(column)s: %(reason)s")
        # The reason without the place that it carries, which is said here.
        raise TableError(text, row=number, column=error.column, reason=Wrong(error.text, **error.values)) from None
    except ValueError as error:
        raise TableError(mark("row %(row)s: %(reason)s"), row=number, reason=_as_wrong(error)) from None


def _worth_showing(table: CaseTable, row: dict[str, str], inputs: dict[str, Any]) -> dict[str, str]:
    nothing = object()
    return {name: row[name] for name in inputs if row[name] and inputs[name] != table.ordinary.get(name, nothing)}


def _parse(number: int, name: str, text: str, column: Column) -> Any:
    try:
        return column(text)
    except ValueError as error:
        raise TableError(
            mark("row %(row)s, column %(column)s: %(text)s cannot be read (%(reason)s)"),
            row=number,
            column=name,
            text=repr(text),
            reason=_as_wrong(error),
        ) from None


def as_csv(rows: list[dict[str, str]]) -> str:
    """Rows as the lines of a table that can be checked."""
    out = io.StringIO()
    table = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return out.getvalue()


# --- parsers -----------------------------------------------------------------------------------


YES, NO = frozenset({"y", "yes", "true", "1"}), frozenset({"n", "no", "false", "0"})


def yes_no(text: str) -> bool:
    """Y or N; nothing is neither."""
    if text.lower() in YES:
        return True
    if text.lower() in NO:
        return False
    raise Wrong(mark("write Y or N"))


def integer(text: str) -> int:
    """A whole number; a spreadsheet may have made 3.0 of 3."""
    value = decimal(text)
    if value != value.to_integral_value():
        raise Wrong(mark("write a whole number"))
    return int(value)


def decimal(text: str) -> Decimal:
    """A number with a decimal point, at its exact value."""
    if not NUMBER.fullmatch(text):
        raise Wrong(mark("write a number, such as 38.5"))
    return Decimal(text)


def key_of(text: str) -> str:
    """A word without its case, its separators and its apostrophes: "Non-rebreather mask" is non_rebreather_mask."""
    return re.sub(r"[\W_]+", "_", re.sub("['’]", "", text.lower())).strip("_")


def words(text: str) -> frozenset[str]:
    """Several words joined by + or ; or |, in any order; empty and "none" mean no word."""
    parts = text.replace(";", "+").replace("|", "+").split("+")
    return frozenset(part.strip() for part in parts if part.strip() and part.strip().lower() != "none")


def bounded(text: str) -> tuple[str, Decimal]:
    """A number with the bound before it: "<2.5" is ("<", 2.5), "7.5" is ("", 7.5)."""
    sign, number = reading.split_bound(text)
    return sign, decimal(number)


# --- declarations ------------------------------------------------------------------------------

# What each parser reads, so that a declaration does not say it a second time.
KINDS: dict[Parser, Kind] = {
    yes_no: Kind.YES_NO,
    integer: Kind.WHOLE,
    decimal: Kind.NUMBER,
    str: Kind.TEXT,
    words: Kind.WORDS,
    bounded: Kind.BOUND,
}


def column(
    label: Any, parser: Parser, example: str = "", *, kind: Kind | None = None, unit: Any = "", optional: bool = False
) -> Column:
    """A column read by a parser. `optional`: an empty cell is None, not recorded."""
    found = KINDS[parser] if kind is None else kind
    shown = "N" if found == Kind.YES_NO and not example and not optional else example
    return Column(label, parser, found, shown, unit, may_be_empty=optional)


def choice(label: Any, answers: Iterable[Word], example: str | None = None, *, optional: bool = False) -> Column:
    """A column of declared words: each as it is written, and the others that people use for the same."""
    answers = tuple(answers)
    first = "" if optional else answers[0].written
    shown = first if example is None else example
    return Column(label, one_of(answers), Kind.WORD, shown, words=answers, may_be_empty=optional)


def spellings(answers: Iterable[Word]) -> dict[str, Any]:
    """Every spelling of every word, as `key_of` writes it, and what it stands for."""
    found: dict[str, Any] = {}
    for answer in answers:
        for text in answer.spelt:
            if found.setdefault(key_of(text), answer.value) != answer.value:
                raise ValueError(f"{text!r} stands for two answers")
    return found


def one_of(answers: Iterable[Word]) -> Parser:
    """Exactly one of the declared words, whatever its case and its separators."""
    answers = tuple(answers)
    known = spellings(answers)

    def parse(text: str) -> Any:
        if key_of(text) not in known:
            raise Wrong(mark("one of: %(known)s"), known=", ".join(answer.written for answer in answers))
        return known[key_of(text)]

    return parse


def several(label: Any, answers: Iterable[Word], example: str = "") -> Column:
    """A column of declared words, several joined by + or ; or |; empty and "none" mean no word."""
    answers = tuple(answers)
    known = one_of(answers)
    return Column(label, lambda text: frozenset(known(one) for one in words(text)), Kind.WORDS, example, words=answers)
