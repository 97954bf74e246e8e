"""What a dataset is, before it becomes a file: its variables, and its rows on disk.

A dataset is described once (`Dataset`); whoever writes a file of it, in whatever format, knows nothing of the study.
Its rows are laid down once, one after the other (`Staging`), and read again by each format (`Staged.rows`): so the
memory that an export needs does not grow with the study, and all formats hold the same rows.
"""

import datetime as dt
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from types import TracebackType

# A missing text and a missing number are both None here; each format says it in its own way.
Value = str | int | float | None
Row = Sequence[Value]


class Kind(StrEnum):
    """What a variable holds. Dates are texts (ISO 8601, perhaps in part), as SDTM has them."""

    TEXT = "text"
    INTEGER = "integer"
    FLOAT = "float"
    DATE = "date"
    DATETIME = "datetime"

    @property
    def is_number(self) -> bool:
        return self in (Kind.INTEGER, Kind.FLOAT)


class Origin(StrEnum):
    """Where a value comes from, in the words of Define-XML 2.1."""

    COLLECTED = "Collected"
    DERIVED = "Derived"
    ASSIGNED = "Assigned"
    PROTOCOL = "Protocol"


@dataclass(frozen=True)
class Term:
    """A value of a codelist; `code` is its NCI code, none for a sponsor's own."""

    value: str
    decode: str = ""
    code: str = ""


@dataclass(frozen=True)
class Codelist:
    """`name` is unique in an export; `code` is the codelist's NCI code, none for a sponsor's own."""

    name: str
    label: str
    terms: tuple[Term, ...]
    code: str = ""
    is_extensible: bool = True


@dataclass(frozen=True)
class Variable:
    """A column. `label` has at most 40 characters, `name` at most 8."""

    name: str
    label: str
    kind: Kind = Kind.TEXT
    core: str = "Perm"  # Req, Exp, Perm
    role: str = ""  # Identifier, Topic, Timing, …
    origin: Origin = Origin.COLLECTED
    codelist: Codelist | None = None
    # How it comes about, or what a reviewer must know; goes into Define-XML as method or comment.
    method: str = ""
    comment: str = ""


@dataclass(frozen=True)
class Dataset:
    """`keys` are the variables whose values together name a row, in the order in which the rows lie."""

    name: str  # AE
    label: str  # Adverse Events
    structure: str  # One record per adverse event per subject
    kind: str  # EVENTS, FINDINGS, INTERVENTIONS, SPECIAL PURPOSE, TRIAL DESIGN, RELATIONSHIP, FINDINGS ABOUT
    keys: tuple[str, ...]
    variables: tuple[Variable, ...]
    # Of the trial, not of its participants.
    is_reference: bool = False
    comment: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(one.name for one in self.variables)

    @property
    def decider(self) -> str:
        """The variable that decides what a value is: of findings the test, of qualifiers their name."""
        asked = ("QNAM", "TSPARMCD", f"{self.name}TESTCD")
        return next((name for name in asked if name in self.names), "")

    @property
    def decided(self) -> tuple[str, ...]:
        """The variables that it decides."""
        results = (f"{self.name}{end}" for end in ("ORRES", "ORRESU", "STRESC", "STRESU"))
        open_ones = (one.name for one in self.variables if one.codelist is None or one.codelist.is_extensible)
        known = {"QVAL", "TSVAL", *results}
        return tuple(name for name in open_ones if name in known) if self.decider else ()


# More different words than that are no list.
MOST_WORDS = 25
NUMBER = re.compile(r"-?\d+(\.(\d+))?", re.ASCII)


@dataclass
class Within:
    """What a variable holds where another has one value; `words` are those that occurred, none where they were many."""

    label: str = ""
    origin: str = ""
    longest: int = 0
    is_number: bool = True
    places: int = 0
    words: set[str] = field(default_factory=set)
    are_many: bool = False

    def note(self, text: str) -> None:
        self.longest = max(self.longest, len(text.encode()))
        found = NUMBER.fullmatch(text)
        self.is_number = self.is_number and found is not None
        if found and found[2]:
            self.places = max(self.places, len(found[2]))
        if not self.are_many:
            self.words.add(text)
            if len(self.words) > MOST_WORDS:
                self.are_many = True
                self.words.clear()


@dataclass
class Staged:
    """A dataset whose rows lie in a file, one JSON array a line in the order of `dataset.variables`.

    `longest` is the number of UTF-8 bytes of each variable's longest value, `filled` the variables that have any,
    `places` the most digits after the point of those that hold fractions.
    """

    dataset: Dataset
    path: Path
    records: int = 0
    longest: dict[str, int] = field(default_factory=dict)
    filled: set[str] = field(default_factory=set)
    places: dict[str, int] = field(default_factory=dict)
    # The values that occurred, of variables with a codelist that a sponsor may extend.
    seen: dict[str, set[str]] = field(default_factory=dict)
    # Of variables that another decides: by variable, and by that other's value.
    within: dict[str, dict[str, Within]] = field(default_factory=dict)

    def rows(self) -> Iterator[list[Value]]:
        with self.path.open(encoding="utf-8") as lines:
            for line in lines:
                yield json.loads(line)


class Staging:
    """Lays down the rows of one dataset; used as a context manager, `staged` is complete after it."""

    def __init__(self, dataset: Dataset, folder: Path) -> None:
        self.staged = Staged(dataset, folder / f"{dataset.name.lower()}.rows")
        names = dataset.names
        self._decider = names.index(dataset.decider) if dataset.decided else -1
        self._decided = [(names.index(name), name) for name in dataset.decided]
        told = (next((names.index(one) for one in some if one in names), -1) for some in _told_of(dataset))
        self._label, self._origin = told

    def __enter__(self) -> "Staging":
        self._file = self.staged.path.open("w", encoding="utf-8")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def add(self, row: Row) -> None:
        """Raises ValueError for a row of another width than the dataset's."""
        variables = self.staged.dataset.variables
        for variable, value in zip(variables, row, strict=True):
            if value is None or value == "":
                continue
            self.staged.filled.add(variable.name)
            length = len(str(value).encode())
            self.staged.longest[variable.name] = max(length, self.staged.longest.get(variable.name, 0))
            if isinstance(value, float):
                self.staged.places[variable.name] = max(_places(value), self.staged.places.get(variable.name, 0))
            if variable.codelist is not None:
                self.staged.seen.setdefault(variable.name, set()).add(str(value))
        self._note(row)
        self._file.write(json.dumps(list(row), ensure_ascii=False) + "\n")
        self.staged.records += 1

    def _note(self, row: Row) -> None:
        """What the decided variables hold in this row."""
        for place, name in self._decided:
            value, test = row[place], str(row[self._decider] or "")
            if value is None or value == "" or not test:
                continue
            known = self.staged.within.setdefault(name, {})
            if test not in known:
                label, origin = (str(row[at] or "") if at >= 0 else "" for at in (self._label, self._origin))
                known[test] = Within(label, origin)
            known[test].note(str(value))


def _told_of(dataset: Dataset) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The variables that hold a test in words, and where a qualifier comes from."""
    return ("QLABEL", "TSPARM", f"{dataset.name}TEST"), ("QORIG",)


def _places(value: float) -> int:
    """Digits after the point, as the number is written: 2 of 36.55, none of what is no number."""
    exponent = Decimal(str(value)).as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


@dataclass(frozen=True)
class Pending:
    """A row that is left out of a dataset, and why: an adverse event whose coding is still open."""

    dataset: str
    participant: str
    row: str
    reason: str


@dataclass(frozen=True)
class Package:
    """Everything that formats are made from: one study, one cut-off, all datasets, and what is pending."""

    study_id: str  # STUDYID
    study_name: str
    protocol_version: str
    cut_off: dt.datetime
    software: str  # name and version of what wrote it
    terminology: str  # the release, "2025-03-28"
    staged: tuple[Staged, ...]
    pending: tuple[Pending, ...] = ()
    # What a reviewer must know of the whole: how dates were shifted, which representations the sponsor chose.
    notes: tuple[str, ...] = ()
