"""The difference between two snapshots, row by row: what was added, what went, what reads otherwise.

Rows are told apart by the keys that the dataset names. Both sides are brought into the order of their keys, in portions
that lie on the disk, and read beside each other: memory does not grow with them.
"""

import heapq
import json
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sponsor.snapshots import packing, store
from sponsor.snapshots.models import Snapshot
from sponsor.snapshots.serving import Stored

PORTION = 10_000
ADDED, REMOVED, CHANGED = "added", "removed", "changed"
Row = dict[str, Any]


@dataclass(frozen=True)
class Change:
    """`variables`: of a changed row what it said and what it says; of the others all that they say, on one side."""

    dataset: str
    change: str
    key: dict[str, Any]
    variables: dict[str, tuple[Any, Any]]


def datasets_of(row: Snapshot) -> dict[str, Stored]:
    """By name, the datasets of which the rows can be read."""
    folder = store.folder_of(row.label)
    files = row.files.filter(format=packing.DATASET_JSON, name__endswith=".json")
    return {one.dataset: Stored(folder / one.name, folder / store.INDEX) for one in files}


def between(before: Snapshot, after: Snapshot, *, dataset: str = "") -> Iterator[Change]:
    """What `after` says otherwise than `before`, dataset by dataset in their order, each in the order of its keys."""
    old, new = datasets_of(before), datasets_of(after)
    for name in dict.fromkeys([*new, *old]):
        if not dataset or name == dataset:
            yield from _of_one(name, old.get(name), new.get(name))


def _of_one(name: str, old: Stored | None, new: Stored | None) -> Iterator[Change]:
    keys = _keys(new or old)
    with ExitStack() as files:
        left = _ordered(old, keys, files) if old else iter(())
        right = _ordered(new, keys, files) if new else iter(())
        for mine, yours in _paired(left, right, keys):
            if change := _change(name, keys, mine, yours):
                yield change


def _keys(one: Any) -> list[str]:
    """Where a dataset names none, all that a row says tells it apart."""
    columns = one.about["columns"]
    named = sorted((each for each in columns if each.get("keySequence")), key=lambda each: each["keySequence"])
    return [each["name"] for each in (named or columns)]


def place(row: Row, keys: Iterable[str]) -> list[tuple[int, Any]]:
    """Where a row stands: nothing before numbers, numbers before words."""
    return [_rank(row.get(key)) for key in keys]


def _rank(value: Any) -> tuple[int, Any]:
    if value is None:
        return 0, 0
    return (1, value) if isinstance(value, int | float) else (2, str(value))


def _ordered(one: Stored, keys: list[str], files: ExitStack) -> Iterator[Row]:
    names = [each["name"] for each in one.about["columns"]]
    rows = (dict(zip(names, row, strict=True)) for row in one.rows())
    portions = []
    while some := list(islice(rows, PORTION)):
        portions.append(_laid_down(sorted(some, key=lambda row: place(row, keys)), files))
    return heapq.merge(*portions, key=lambda row: place(row, keys))


def _laid_down(rows: list[Row], files: ExitStack) -> Iterator[Row]:
    made = tempfile.TemporaryFile("w+", encoding="utf-8", dir=store.root())  # noqa: SIM115  # its stack is the caller's
    file = files.enter_context(made)
    file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    file.seek(0)
    return map(json.loads, file)


def _paired(left: Iterator[Row], right: Iterator[Row], keys: list[str]) -> Iterator[tuple[Row | None, Row | None]]:
    """Each row beside the one of the same keys; rows that share theirs, in the order in which they lie."""
    mine, yours = next(left, None), next(right, None)
    while mine is not None or yours is not None:
        here = None if mine is None else place(mine, keys)
        there = None if yours is None else place(yours, keys)
        takes_mine = here is not None and (there is None or here <= there)
        takes_yours = there is not None and (here is None or there <= here)
        yield mine if takes_mine else None, yours if takes_yours else None
        mine = next(left, None) if takes_mine else mine
        yours = next(right, None) if takes_yours else yours


def _change(name: str, keys: list[str], mine: Row | None, yours: Row | None) -> Change | None:
    said = mine or yours or {}
    names = dict.fromkeys([*(yours or {}), *(mine or {})])
    other = {one: ((mine or {}).get(one), (yours or {}).get(one)) for one in names if one not in keys}
    kind = CHANGED if mine and yours else (ADDED if yours else REMOVED)
    variables = {one: pair for one, pair in other.items() if pair[0] != pair[1]}
    if kind == CHANGED and not variables:
        return None
    return Change(name, kind, {key: said.get(key) for key in keys}, variables)


class Tally:
    """By dataset how many rows of each kind have passed."""

    def __init__(self) -> None:
        self.counts: dict[str, dict[str, int]] = {}

    def over(self, changes: Iterable[Change]) -> Iterator[Change]:
        for one in changes:
            of_it = self.counts.setdefault(one.dataset, dict.fromkeys((ADDED, REMOVED, CHANGED), 0))
            of_it[one.change] += 1
            yield one


# --- As files ----------------------------------------------------------------------------------------

HEADER = ("dataset", "change", "key", "variable", "before", "after")


def as_lines(changes: Iterable[Change]) -> Iterator[tuple[Any, ...]]:
    """One line for each variable that differs; for a row without any, one."""
    for one in changes:
        key = " ".join(f"{name}={value}" for name, value in one.key.items())
        for name, (before, after) in (one.variables or {"": (None, None)}).items():
            yield one.dataset, one.change, key, name, before, after


def as_json(one: Change) -> dict[str, Any]:
    pairs = {name: {"before": before, "after": after} for name, (before, after) in one.variables.items()}
    return {"dataset": one.dataset, "change": one.change, "key": one.key, "variables": pairs}
