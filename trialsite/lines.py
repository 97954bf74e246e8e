"""Rows of many kinds read in one query: what a first page needs of each, and how many of the kind there are.

Each kind gives its rows, filtered and in order; the page asks once for all of them, however many kinds there
are and however many rows each has.
"""

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db.models import BigIntegerField, Count, DateField, DateTimeField, F, QuerySet, TextField, Value, Window
from django.db.models.functions import Cast, Coalesce


class Line(NamedTuple):
    """A row of any kind; what a kind does not have is empty."""

    kind: str
    pk: int
    participant: int | None
    number: str
    what: str
    more: str
    on: dt.date | None
    until: dt.date | None
    at: dt.datetime | None
    # How many rows of this kind there are, shown or not.
    of_all: int


@dataclass(frozen=True)
class Kind:
    """`what` and the others name the column that fills the field of a line; `make` says in words what its lines are."""

    code: str
    rows: QuerySet[Any]
    make: Callable[[list[Line]], Any]
    what: str = ""
    more: str = ""
    on: str = ""
    until: str = ""
    at: str = ""
    # The way to the participant; empty for rows about nobody.
    participant: str | None = "participant"
    key: str = "pk"
    # Also where there are no rows: `make` then gets an empty list.
    is_always: bool = False

    def lines(self, shown: int) -> QuerySet[Any, Any]:
        columns = {
            "line_kind": Value(self.code, output_field=TextField()),
            "line_pk": F(self.key),
            "line_participant": NOBODY if self.participant is None else F(self._of("pk")),
            "line_number": self._number(),
            "line_what": _text(self.what),
            "line_more": _text(self.more),
            "line_on": F(self.on) if self.on else NO_DAY,
            "line_until": F(self.until) if self.until else NO_DAY,
            "line_at": F(self.at) if self.at else NO_MOMENT,
            "line_count": count_of_all(),
        }
        return self.rows.annotate(**columns).values_list(*columns)[:shown]

    def _of(self, name: str) -> str:
        return f"{self.participant}__{name}" if self.participant else name

    def _number(self) -> Any:
        if self.participant is None:
            return EMPTY
        return Coalesce(self._of("participant_number"), self._of("screening_number"), output_field=TextField())


# What a kind does not have, in the type of the others.
EMPTY = Value("", output_field=TextField())
NOBODY = Cast(Value(None), BigIntegerField())
NO_DAY = Cast(Value(None), DateField())
NO_MOMENT = Cast(Value(None), DateTimeField())


def count_of_all() -> Window:
    """Beside each of the rows that are read, how many there are."""
    return Window(Count("*"))


def _text(name: str) -> Any:
    return Cast(F(name), TextField()) if name else EMPTY


def read(kinds: Iterable[Kind], *, shown: int) -> dict[str, list[Line]]:
    """By kind, its first rows: one query for all kinds, none where there is no kind."""
    asked = [kind.lines(shown) for kind in kinds]
    if not asked:
        return {}
    first, *others = asked
    # Each with its own order: that of the whole is not said, so it is kept by kind and place.
    found: dict[str, list[Line]] = {}
    for values in first.union(*others, all=True) if others else first:
        line = Line(*values)
        found.setdefault(line.kind, []).append(line)
    return found
