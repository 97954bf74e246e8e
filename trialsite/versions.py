"""Two people, one record: which state of its rows a page was opened with, and what became of them meanwhile.

A page that changes something carries the number of the newest audit entry of every row that it shows. Whoever sends
it back after somebody else has written saves nothing, and is shown who changed what.
"""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Max, Model
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from trialsite import audit

# No field of a model has such a name.
FIELD = "_opened"
STALE = _(
    "This entry has changed since you opened the page; nothing was saved. What you typed is still here: "
    "compare it with what was changed, and save again."
)

OTHER_FACTS = _(
    "What you decide on here has changed since you opened the page; nothing was saved. What you typed is still here: "
    "read again what stands above, and save again."
)


def of(*rows: Model, shown: Any = "") -> str:
    """The state of these rows, as a page carries it; `shown` is what a decision rests on beside them, in words."""
    numbers = [f"{key}={number}" for key, number in sorted(_newest(rows).items())]
    words = hashlib.sha256(str(shown).encode()).hexdigest()[:16] if shown else ""
    return ",".join([*numbers, *([f"shown={words}"] if words else [])])


def is_stale(request: HttpRequest, current: str) -> bool:
    """Whether the page that was sent back shows another state than this; one that carries none is believed."""
    opened = request.POST.get(FIELD, "")
    return request.method == "POST" and opened not in ("", current)


def conflict(request: HttpRequest, current: str, *rows: Model, hidden: Collection[str] = ()) -> "Conflict | None":
    """What to show above a form of a page of its own that came too late; None where it is in time."""
    if not is_stale(request, current):
        return None
    entries = meanwhile(request.POST[FIELD], *rows, hidden=hidden)
    return Conflict(entries) if entries else Conflict(sentence=OTHER_FACTS)


def _key(row: Model) -> str:
    return f"{row._meta.concrete_model._meta.label_lower}:{row.pk}"  # type: ignore[union-attr]


def _newest(rows: Iterable[Model]) -> dict[str, int]:
    """For each row the number of its newest audit entry; one query for each model."""
    found: dict[str, int] = {}
    by_model: dict[Any, list[Any]] = {}
    for row in (one for one in rows if hasattr(one, "events")):
        by_model.setdefault(row._meta.concrete_model, []).append(row)
    for alike in by_model.values():
        keys = {row.pk: _key(row) for row in alike}
        events = alike[0].events.model.objects.filter(pgh_obj_id__in=keys).order_by()
        numbers = events.values_list("pgh_obj_id").annotate(newest=Max("pgh_id"))
        found |= {keys[pk]: number for pk, number in numbers}
    return found


def _parsed(opened: str) -> dict[str, int]:
    pairs = (part.partition("=") for part in opened.split(","))
    return {key: int(number) for key, _sign, number in pairs if number.isdecimal()}


def meanwhile(opened: str, *rows: Model, hidden: Collection[str] = ()) -> list[audit.Entry]:
    """Who changed what in these rows since, newest first; `hidden` fields are masked."""
    known = _parsed(opened)
    found: list[audit.Entry] = []
    for place, row in enumerate(rows):
        label = str(row._meta.verbose_name).capitalize() if place else ""
        found += audit.trail(row, hidden=hidden, since=known.get(_key(row), 0), label=label)
    return sorted(found, key=lambda entry: entry.at, reverse=True)


def as_opened(opened: str, row: Model) -> Model | None:
    """The row as it was when the page was opened, to be read and never saved; None where it is not known."""
    number = _parsed(opened).get(_key(row))
    event = row.events.filter(pgh_id=number).first() if number else None  # type: ignore[attr-defined]
    if event is None:
        return None
    fields = [one for one in row._meta.concrete_fields if not one.generated and hasattr(event, one.attname)]
    old = type(row)(**{one.attname: getattr(event, one.attname) for one in fields})
    old.pk, old._state.adding = row.pk, False
    return old


def lock(row: Model, *, through: str = "") -> None:
    """Hold the row until the commit, so that of two who save at once the second one sees the first.

    `through` names the row that it belongs to: actions lock that first, and so do we.
    """
    owner = row._meta.get_field(through) if through else None
    if owner is not None and owner.many_to_one:
        _hold(owner.related_model, getattr(row, owner.attname))  # type: ignore[union-attr]
    _hold(row._meta.concrete_model, row.pk)


def _hold(model: Any, pk: Any) -> None:
    list(model._base_manager.select_for_update().filter(pk=pk).values_list("pk"))


@dataclass(frozen=True)
class Conflict:
    """What is shown above a form that came too late."""

    entries: Sequence[audit.Entry] = ()
    differences: Sequence[Any] = ()
    sentence: Any = STALE
