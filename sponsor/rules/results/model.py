"""What the tables of the results share."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Arm:
    """The one group of the study."""

    title: str
    description: str


def group(id_: str, arm: Arm) -> Json:
    return {"id": id_, "title": arm.title, "description": arm.description}


def denominators(id_: str, count: int) -> list[Json]:
    return [{"units": "Participants", "counts": [{"groupId": id_, "value": str(count)}]}]


def counted(id_: str, categories: Iterable[tuple[str, int]]) -> list[Json]:
    """One class whose categories are counts of participants; the only one of a table needs no title."""
    found = [
        ({"title": title} if title else {}) | {"measurements": [measurement(id_, str(count))]}
        for title, count in categories
    ]
    return [{"categories": found}]


def measurement(id_: str, value: str, **more: str) -> Json:
    return {"groupId": id_, "value": value, **more}
