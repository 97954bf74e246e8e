"""What the subjects of the bench share: sizes, medians taken in turns, queries counted, the table.

Each subject is a module of `bench` with `lines(size) -> Iterable[Line]`, named in `bench.__main__`. It finds a
database of its own that holds the study's site and nobody else, and leaves in it what it likes: it is thrown away.
What a subject writes to be measured is undone after each turn, so that the next turn begins at the same rows.
"""

import gc
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.db.models import Model, QuerySet
from django.test.utils import CaptureQueriesContext


@dataclass(frozen=True)
class Size:
    """How much there is to be measured over; each pair is few and many, for what must not grow with the rows."""

    turns: int = 15
    participants: tuple[int, int] = (30, 3_000)
    events: tuple[int, int] = (1_000, 1_000_000)
    visits: tuple[int, int] = (10_000, 1_000_000)
    assessments: int = 200
    # Rows that leave in one file, and participants of a whole snapshot.
    exports: tuple[int, int] = (100_000, 1_000_000)
    snapshots: tuple[int, int] = (30, 10_000)
    # Mails that are really delivered, and how often that is done.
    mails: int = 1_000
    rounds: int = 5


FULL = Size()
SHORT = Size(
    turns=5,
    participants=(10, 100),
    events=(1_000, 20_000),
    visits=(1_000, 20_000),
    assessments=50,
    exports=(10_000, 20_000),
    snapshots=(3, 30),
    mails=200,
    rounds=3,
)


@dataclass(frozen=True)
class Line:
    """One line of the table. What is None was not measured, or has no goal; every goal is the most that it may be.

    `ratio` is to what `against` says, in the same run: the plainest Django that does the same, or fewer rows.
    """

    work: str
    ms: float | None
    queries: int | None = None
    ratio: float | None = None
    against: str = ""
    kb: float | None = None
    goal_ms: float | None = None
    goal_queries: int | None = None
    goal_ratio: float | None = None
    goal_kb: float | None = None

    def pairs(self) -> list[tuple[float | None, float | None]]:
        """What was measured, and the most that it may be."""
        return [
            (self.ms, self.goal_ms),
            (self.queries, self.goal_queries),
            (self.ratio, self.goal_ratio),
            (self.kb, self.goal_kb),
        ]

    @property
    def is_met(self) -> bool:
        return all(goal is None or (found is not None and found <= goal) for found, goal in self.pairs())


@dataclass(frozen=True)
class Measured:
    """The median of the turns, in milliseconds, and the queries of one."""

    ms: float
    queries: int


# What is done before the clock starts; what it returns is given to the work.
Before = Callable[[], Any]


@dataclass(frozen=True)
class Work:
    do: Callable[..., Any]
    before: Before | None = None
    # Undone after each turn; not for what has no need of it, such as a page that is read.
    writes: bool = True


def in_turns(turns: int, **works: Work) -> dict[str, Measured]:
    """Each work once to warm up and to count its queries, then all in turns, so that a slow moment meets all alike."""
    counted = {name: _queries(work) for name, work in works.items()}
    times: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(turns):
        # Who is first changes with the turn: the first pays for what the others find warm.
        for name in sorted(works, reverse=bool(turn % 2)):
            times[name].append(_once(works[name]))
    return {name: Measured(statistics.median(times[name]) * 1000, counted[name]) for name in works}


def _once(work: Work) -> float:
    return _run(work, _timed)


def _queries(work: Work) -> int:
    _run(work, _timed)
    return _run(work, _counted)


def _timed(do: Callable[[], Any]) -> float:
    gc.collect()
    gc.disable()
    try:
        started = time.perf_counter()
        do()
        return time.perf_counter() - started
    finally:
        gc.enable()


def _counted(do: Callable[[], Any]) -> int:
    with CaptureQueriesContext(connection) as found:
        do()
    return len(statements(found))


def statements(found: CaptureQueriesContext) -> list[str]:
    """What was asked of the database, without the marks of a transaction."""
    return [query["sql"] for query in found if not query["sql"].startswith(("SAVEPOINT", "RELEASE", "BEGIN", "COMMIT"))]


def _run(work: Work, how: Callable[[Callable[[], Any]], Any]) -> Any:
    if not work.writes:
        return _prepared(work, how)
    with transaction.atomic():
        try:
            return _prepared(work, how)
        finally:
            transaction.set_rollback(True)


def _prepared(work: Work, how: Callable[[Callable[[], Any]], Any]) -> Any:
    if work.before is None:
        return how(work.do)
    given = work.before()
    return how(lambda: work.do(given))


def written_by(do: Callable[[], Any], *models: type[Model]) -> list[list[Any]]:
    """The rows that this adds to each of these tables, unsaved again: for a plain insert of the same rows."""
    before = [set(model._default_manager.values_list("pk", flat=True)) for model in models]
    with transaction.atomic():
        do()
        added = [list(one._default_manager.exclude(pk__in=pks)) for one, pks in zip(models, before, strict=True)]
        transaction.set_rollback(True)
    for row in (row for rows in added for row in rows):
        row.pk, row._state.adding = None, True
    return added


def insert(added: list[list[Any]]) -> None:
    """The plainest Django that writes these rows: one bulk insert a table, by a manager that looks at nothing."""
    for rows in added:
        QuerySet(type(rows[0])).bulk_create(rows)


def growth(found: dict[str, Measured]) -> float:
    """How many times longer `many` took than `few`."""
    return found["many"].ms / found["few"].ms


def table(lines: Iterable[Line]) -> str:
    """The lines as text, each figure beside the most that it may be."""
    head = ("", "work", "ms", "queries", "ratio", "to", "KB")
    rows = [head, *(_cells(line) for line in lines)]
    wide = [max(len(row[column]) for row in rows) for column in range(len(head))]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(row, wide, strict=True)).rstrip() for row in rows
    )


def _cells(line: Line) -> tuple[str, ...]:
    mark = "met" if line.is_met else "MISSED"
    ms, queries, ratio, kb = (_beside(found, goal) for found, goal in line.pairs())
    return (mark, line.work, ms, queries, ratio, line.against, kb)


def _beside(found: float | None, goal: float | None) -> str:
    if found is None:
        return ""
    shown = f"{found}" if isinstance(found, int) else f"{found:.3g}" if found < 100 else f"{found:.0f}"
    return shown if goal is None else f"{shown} (≤ {goal:g})"
