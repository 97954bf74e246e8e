"""What a check is, and the one table of them all.

A check is a function over any set of participants: it gives the rows that disagree with another fact, in one or two
statements, however many rows there are. It never asks one row after the other, and writes nothing. Ideas are those of
the public list `sdtmchecks` (pharmaverse) and of ICH E6(R3) 4.2; what counts as a contradiction is said on each [P].
"""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db.models import Model, QuerySet

from participants.models import Participant
from trialsite.models import Record


class Found(NamedTuple):
    """A row that disagrees with something: whose, which, and what was read, in text that is the same everywhere."""

    participant: int
    row_model: str
    row_id: int
    facts: dict[str, Any]


@dataclass(frozen=True)
class Scope:
    """Whose record is looked at, and when."""

    people: QuerySet[Participant]
    now: dt.datetime

    def of(self, model: type[Record], along: str = "participant") -> Any:
        """The rows of a model that count, of these people."""
        return model._default_manager.standing().filter(**{f"{along}__in": self.people})


Finder = Callable[[Scope], Iterable[Found]]


@dataclass(frozen=True)
class Check:
    """`why` says when it is found and why that matters, `way_out` what to do; saving what it `looks_at` starts it."""

    code: str
    title: Any
    why: Any
    way_out: Any
    looks_at: tuple[type[Record], ...]
    find: Finder


CHECKS: dict[str, Check] = {}


def check(*, title: Any, why: Any, way_out: Any, looks_at: Iterable[type[Record]]) -> Callable[[Finder], Finder]:
    """Enters a function in the table under its own name, which is kept with each finding and never changes."""

    def enter(find: Finder) -> Finder:
        add(find.__name__, find, title=title, why=why, way_out=way_out, looks_at=looks_at)
        return find

    return enter


def add(code: str, find: Finder, *, title: Any, why: Any, way_out: Any, looks_at: Iterable[type[Record]]) -> None:
    assert code not in CHECKS, f"two checks of one name: {code}"
    CHECKS[code] = Check(code, title, why, way_out, tuple(looks_at), find)


def title_of(code: str) -> str:
    """In the reader's language; the code itself where the check is no longer there."""
    return str(CHECKS[code].title) if code in CHECKS else code


def found(rows: QuerySet[Any], /, *names: str, along: str = "participant", **as_names: str) -> Iterator[Found]:
    """Findings of rows: `names` are columns or annotations, `as_names` those that are called otherwise in a finding."""
    columns = {**{name: name for name in names}, **as_names}
    whose = f"{along}_id" if along else "pk"
    label = label_of(rows.model)
    for pk, participant, *values in rows.order_by("pk").values_list("pk", whose, *columns.values()):
        yield Found(participant, label, pk, dict(zip(columns, map(plain, values), strict=True)))


def label_of(model: type[Model]) -> str:
    """`safety.adverseevent`: as it stands in a finding, and leads to the page of the row."""
    return str(model._meta.label_lower)


def plain(value: Any) -> Any:
    """As JSON keeps it: days and moments as ISO 8601, moments in UTC."""
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat()
    if isinstance(value, dt.date):
        return value.isoformat()
    return value if value is None or isinstance(value, bool | int) else str(value)


def looking_at(models: Mapping[str, Any] | Iterable[str]) -> list[Check]:
    """The checks that look at any of these models, by their labels."""
    wanted = set(models)
    return [one for one in CHECKS.values() if wanted & {label_of(model) for model in one.looks_at}]
