"""When a row changed: itself, what it shows of others, or by the void of what it is part of."""

import datetime as dt
from typing import Any

from django.db.models import Case, Exists, F, OuterRef, Q, Subquery, When
from django.db.models.functions import Greatest

from participants.models import Participant
from safety.models import AdverseEvent
from trialsite.models import Record

# Other rows of which a row shows something, by the names of their relations.
SHOWS: dict[type[Record], tuple[str, ...]] = {Participant: ("consents", "statuses"), AdverseEvent: ("agents",)}


def with_changes(queryset: Any) -> Any:
    """The rows with `changed_at`: when they changed, became void with what they are part of, or show something else."""
    moments: list[Any] = [F("modified_at")]
    for path in queryset.model.part_of:
        moments.append(Case(When(**{f"{path}__voided_at__isnull": False, "then": F(f"{path}__modified_at")})))
    for model, name in _shown(queryset.model):
        others = model.objects.filter(**{name: OuterRef("pk")})
        moments.append(Subquery(others.order_by("-modified_at").values("modified_at")[:1]))
    # PostgreSQL leaves out what is null.
    return queryset.annotate(changed_at=Greatest(*moments))


def unchanged_since(queryset: Any, moment: dt.datetime) -> Any:
    """The rows whose `changed_at` is before that. Each way to change is a condition of its own, of which the planner
    knows how few rows it takes away: a comparison with the latest of them all made it sort the table for each page."""
    queryset = queryset.filter(modified_at__lt=moment)
    for path in queryset.model.part_of:
        queryset = queryset.filter(Q(**{f"{path}__voided_at": None}) | Q(**{f"{path}__modified_at__lt": moment}))
    for model, name in _shown(queryset.model):
        queryset = queryset.exclude(Exists(model.objects.filter(**{name: OuterRef("pk"), "modified_at__gte": moment})))
    return queryset


def changed_keys(model: type[Record], *, since: dt.datetime) -> Any:
    """The keys of the rows whose `changed_at` is not before that: each way to change asked of its own index."""
    rows = model.objects.order_by()
    ways = [rows.filter(modified_at__gte=since).values_list("pk")]
    for path in model.part_of:
        fallen = {f"{path}__voided_at__isnull": False, f"{path}__modified_at__gte": since}
        ways.append(rows.filter(**fallen).values_list("pk"))
    for other, name in _shown(model):
        ways.append(other.objects.order_by().filter(modified_at__gte=since).values_list(name))
    first, *others = ways
    return first.union(*others)


def _shown(model: type[Record]) -> list[tuple[Any, str]]:
    """The models of which a row shows something, each with the name of its way back."""
    relations: list[Any] = [model._meta.get_field(name) for name in SHOWS.get(model, ())]
    return [(one.related_model, one.field.name) for one in relations]
