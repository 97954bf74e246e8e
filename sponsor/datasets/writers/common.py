"""What all formats share: which datasets and variables are written, what a value is, and how things are named.

So a dataset has the same rows and the same columns in every file, and Define-XML describes exactly those.
"""

import datetime as dt
import math
import re
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path

from sponsor.datasets.model import Kind, Package, Staged, Value, Variable
from sponsor.datasets.scope import Tick

# What is written into the folder; the paths come back, each of them complete.
Writer = Callable[[Package, Path, Tick], list[Path]]

# Rows between two words about the progress.
PORTION = 2000
# An empty column of numbers cannot be joined to the visits by the programs that check SDTM: it is left out.
LEFT_OUT_EMPTY = frozenset({"VISITNUM"})
# Letters that no XML document may hold.
NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


class Problem(StrEnum):
    """Why a format cannot hold something."""

    NAME = "name"
    LABEL = "label"
    LONG_TEXT = "long text"
    BLANK_ROW = "blank row"
    NUMBER = "number"


class Unwritable(Exception):
    """A format cannot hold this value, and nothing is cut to make it fit.

    `row` counts from 1; 0 means the dataset or the variable itself. The value is not told: it may be anybody's words.
    """

    def __init__(self, form: str, problem: Problem, dataset: str, variable: str = "", row: int = 0, limit: int = 0):
        super().__init__(f"{form}: {problem}, {dataset}.{variable} row {row}")
        self.form, self.problem, self.dataset = form, problem, dataset
        self.variable, self.row, self.limit = variable, row, limit

    def told(self) -> dict[str, str | int]:
        """By these words it is made again."""
        return {
            "form": self.form,
            "problem": str(self.problem),
            "dataset": self.dataset,
            "variable": self.variable,
            "row": self.row,
            "limit": self.limit,
        }


def written(package: Package) -> list[Staged]:
    """The datasets that have rows: an empty one is no file."""
    return [one for one in package.staged if one.records]


def shown(staged: Staged) -> list[Variable]:
    """The variables that are written, in the order of the dataset: required and expected ones always, others where
    any row has a value."""
    return [one for one in staged.dataset.variables if _is_shown(one, staged)]


def _is_shown(variable: Variable, staged: Staged) -> bool:
    if variable.name in staged.filled:
        return True
    if variable.name.endswith("DY"):
        # Beside its date, though nobody has a day to count from, or the date itself: CDISC's rules 321, 328, 776, 793.
        date = f"{variable.name.removesuffix('DY')}DTC"
        if any(one.name == date and _is_shown(one, staged) for one in staged.dataset.variables):
            return True
    return variable.core in ("Req", "Exp") and variable.name not in LEFT_OUT_EMPTY


def rows_of(staged: Staged, form: str, tick: Tick, what: str) -> Iterator[list[Value]]:
    """The rows with the variables that are shown: a text is a str and empty where it is missing, a number is an int
    or a float and None where it is missing. Raises Unwritable for what claims to be a number and is none."""
    kept = [(place, one) for place, one in enumerate(staged.dataset.variables) if _is_shown(one, staged)]
    columns = [(place, one.kind.is_number, one) for place, one in kept]
    for number, row in enumerate(staged.rows(), start=1):
        if number % PORTION == 0:
            tick(what, number, staged.records)
        try:
            yield [_number(row[place], one) if is_number else _text(row[place]) for place, is_number, one in columns]
        except _NoNumber as error:
            raise Unwritable(form, Problem.NUMBER, staged.dataset.name, str(error), number) from None
    tick(what, staged.records, staged.records)


class _NoNumber(ValueError):
    pass


def _text(value: Value) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def _number(value: Value, variable: Variable) -> Value:
    if value is None or value == "":
        return None
    if type(value) is int:
        return value
    if type(value) is not float or not math.isfinite(value):
        raise _NoNumber(variable.name)
    if variable.kind is not Kind.INTEGER:
        return value
    if not value.is_integer():
        raise _NoNumber(variable.name)
    return int(value)


# --- Names -------------------------------------------------------------------------------------------


def study_oid(package: Package) -> str:
    return f"ST.{package.study_id}"


def version_oid(package: Package) -> str:
    return f"MDV.{package.study_id}.{package.protocol_version}"


def group_oid(dataset: str) -> str:
    return f"IG.{dataset}"


def item_oid(dataset: str, variable: str) -> str:
    return f"IT.{dataset}.{variable}"


def moment(package: Package) -> str:
    """When the files were made: the cut-off, so that equal rows give equal bytes."""
    return package.cut_off.astimezone(dt.UTC).isoformat(timespec="seconds")


def stamp(package: Package) -> str:
    """The same for names of files."""
    return f"{package.cut_off.astimezone(dt.UTC):%Y%m%dT%H%M%S}"


def source(package: Package) -> tuple[str, str]:
    """Name and version of what wrote the files."""
    name, _space, version = package.software.rpartition(" ")
    return (name, version) if name else (version, "0")


def key_places(staged: Staged) -> dict[str, int]:
    """The place of each key variable that is written, from 1."""
    names = {one.name for one in shown(staged)}
    return {name: place for place, name in enumerate((key for key in staged.dataset.keys if key in names), start=1)}


def length_of(staged: Staged, variable: Variable) -> int:
    """UTF-8 bytes of the longest value; 1 where there is none."""
    return max(1, staged.longest.get(variable.name, 0))


def xml_text(text: str) -> str:
    return NOT_IN_XML.sub(REPLACEMENT, text)


def sentences(parts: Sequence[str]) -> str:
    return " ".join(one.strip() for one in parts if one.strip())
