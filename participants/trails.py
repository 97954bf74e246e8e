"""The audit trails of all records as one: found by the database in the order of time, a page after a mark, in words."""

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache, reduce
from itertools import groupby
from typing import Any, Self, cast

from django.apps import apps
from django.contrib import admin
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Exists, F, IntegerField, Model, OuterRef, Q, QuerySet, Subquery, Value
from django.http import HttpRequest
from django.utils.dateparse import parse_datetime
from django.utils.text import capfirst

from participants.models import Participant
from trialsite import audit, reach
from trialsite.identity import IDENTITY, hidden_of
from trialsite.listcolumns import is_identity
from trialsite.models import Event, Record, Site, User

MADE, CHANGED, VOIDED, DELETED = "made", "changed", "voided", "deleted"
PAST_THE_SITE = "past"
# As no field of a record is called.
MARK = ("mark_at", "mark_table", "mark_number")


@dataclass(frozen=True)
class Mark:
    """Where an entry stands: its moment, and among those of one moment its table and number."""

    at: dt.datetime
    table: int
    number: int

    def __str__(self) -> str:
        return f"{self.at.isoformat()}~{self.table}~{self.number}"

    @classmethod
    def read(cls, text: str) -> Self | None:
        """None for what is no mark: the page begins with the newest then."""
        try:
            at, table, number = text.replace(" ", "+").split("~")
            moment = parse_datetime(at)
            return cls(moment, int(table), int(number)) if moment is not None and moment.tzinfo else None
        except ValueError:
            return None


@dataclass(frozen=True)
class Sought:
    """What is looked for; what is empty is not asked. `person` is a number of a person, or PAST_THE_SITE."""

    person: str = ""
    participants: Collection[int] | None = None
    record: str = ""
    change: str = ""
    since: dt.datetime | None = None
    before: dt.datetime | None = None
    reason: str = ""


@dataclass(frozen=True)
class Line:
    """One entry with what it is about."""

    mark: Mark
    entry: audit.Entry
    model: type[Model]
    row: Any
    participant: Participant | None
    page: Any
    # The fields of somebody's identity that it shows.
    identity: frozenset[str] = frozenset()

    @property
    def record(self) -> str:
        """What kind of record it is."""
        return capfirst(str(self.model._meta.verbose_name))


@cache
def event_models() -> tuple[Any, ...]:
    """Every table of the trail, always in the same order: a mark counts on it. Rights given and taken, whose rows come
    and go, have a page of their own."""
    found = [one for one in apps.get_models() if issubclass(one, Event) and _has(one, "pgh_obj")]
    return tuple(sorted(found, key=lambda one: one._meta.label))


def readable(request: HttpRequest) -> list[type[Model]]:
    """The kinds of records whose trail this person may read: clinical ones, and others that they may view."""
    found = [one.pgh_tracked_model for one in event_models()]
    pages = admin.site._registry
    return [one for one in found if issubclass(one, Record) or (one in pages and request.user.has_perm(_view(one)))]


def _view(model: type[Model]) -> str:
    return f"{model._meta.app_label}.view_{model._meta.model_name}"


# --- Finding -------------------------------------------------------------------------------------------


def marks(request: HttpRequest, sought: Sought, *, after: Mark | None, most: int) -> list[Mark]:
    """The newest entries that follow the mark, in one query over all tables."""
    kinds, parts = set(readable(request)), []
    for table, events in enumerate(event_models()):
        model = events.pgh_tracked_model
        if model in kinds and sought.record in ("", model._meta.label):
            rows = _found(request, events, sought)
            if rows is not None:
                parts.append(_first(rows, table, after, most))
    if not parts:
        return []
    first, *more = parts
    rows = first.union(*more, all=True).order_by(*(f"-{name}" for name in MARK))[:most] if more else first
    return [Mark(*one) for one in rows]


def _first(rows: QuerySet[Any], table: int, after: Mark | None, most: int) -> QuerySet[Any]:
    if after is not None:
        same = Q(pgh_created_at=after.at)
        if table == after.table:
            same &= Q(pgh_id__lt=after.number)
        rows = rows.filter(
            Q(pgh_created_at__lt=after.at) | same if table <= after.table else Q(pgh_created_at__lt=after.at)
        )
    named = rows.annotate(mark_at=F("pgh_created_at"), mark_table=Value(table, IntegerField()), mark_number=F("pgh_id"))
    return named.values_list(*MARK).order_by("-mark_at", "-mark_number")[:most]


def _found(request: HttpRequest, events: Any, sought: Sought) -> QuerySet[Any] | None:
    """The events of one table that are sought, of the person's own sites; None where there can be none."""
    rows = _of_sites(request, events)
    if sought.participants is not None:
        path = _way_to_participant(events.pgh_tracked_model)
        if not path:
            return None
        rows = rows.filter(**{f"{path}__in": sought.participants})
    if sought.person == PAST_THE_SITE:
        rows = rows.filter(~Q(pgh_context__has_key="user") | Q(pgh_context__isnull=True))
    elif sought.person:
        rows = rows.filter(pgh_context__user=int(sought.person))
    if sought.since is not None:
        rows = rows.filter(pgh_created_at__gte=sought.since)
    if sought.before is not None:
        rows = rows.filter(pgh_created_at__lt=sought.before)
    if sought.reason:
        rows = rows.filter(pgh_context__reason__icontains=sought.reason)
    return _of_kind(rows, events, sought.change) if sought.change else rows


def _of_sites(request: HttpRequest, events: Any) -> QuerySet[Any]:
    rows: QuerySet[Any] = events.objects.all()
    model, user = events.pgh_tracked_model, cast(User, request.user)
    if user.is_superuser:
        return rows
    path = reach.site_path(model, admin.site)
    if path is None:
        return rows
    if issubclass(model, User | Site):
        own = reach.within(model._base_manager.all(), request, admin.site)
        return rows.filter(pgh_obj_id__in=own.values("pk"))
    return rows.filter(**{f"{path}__in": user.sites.all()})


def _way_to_participant(model: type[Model]) -> str:
    """The way from an event to the number of the participant; empty where there is none."""
    if issubclass(model, Participant):
        return "pgh_obj_id"
    path = reach.site_path(model, admin.site) or ""
    return path.removesuffix("__site") if path.endswith("participant__site") else ""


def _of_kind(rows: QuerySet[Any], events: Any, change: str) -> QuerySet[Any] | None:
    label = {MADE: "insert", DELETED: "delete"}.get(change)
    if label is not None:
        return rows.filter(pgh_label=label)
    updates = rows.filter(pgh_label="update")
    if not _has(events, "voided_at"):
        return updates if change == CHANGED else None
    # Of events, not of rows: whether a row counts is no question here.
    was_void = ~Q(voided_at=None)
    earlier = events.objects.filter(was_void, pgh_obj_id=OuterRef("pgh_obj_id"), pgh_id__lt=OuterRef("pgh_id"))
    voids = was_void & ~Exists(earlier)
    return updates.filter(voids if change == VOIDED else ~voids)


def _has(model: type[Model], name: str) -> bool:
    try:
        model._meta.get_field(name)
    except FieldDoesNotExist:
        return False
    return True


# --- In words ------------------------------------------------------------------------------------------


def lines_of(found: Sequence[Mark], request: HttpRequest, *, with_identity: bool = True) -> list[Line]:
    """The entries of these marks, in their order: as many queries as there are kinds of records, not as entries.

    Identity is masked as on the pages of the records, or whole.
    """
    names = audit.Names()
    steps = _steps(found, request, with_identity)
    for step in steps.values():
        names.want(step.model, step.new.pgh_obj_id)
    entries = audit.entries_of((steps[mark] for mark in found), names)
    return [_line(mark, steps[mark], entry, names) for mark, entry in zip(found, entries, strict=True)]


def _line(mark: Mark, step: audit.Step, entry: audit.Entry, names: audit.Names) -> Line:
    row = names.row(step.model, step.new.pgh_obj_id)
    page = admin.site._registry.get(_page_model(row))
    return Line(mark, entry, step.model, row, _participant_of(row), page, _shown(step))


def _shown(step: audit.Step) -> frozenset[str]:
    if not issubclass(step.model, Participant):
        return frozenset()
    told = {field.name for field, _was, _now in audit.differences(step)}
    return frozenset((told & IDENTITY) - set(step.hidden))


def _page_model(row: Any) -> Any:
    return getattr(row, "page_model", type(row))


def _participant_of(row: Any) -> Participant | None:
    if row is None or isinstance(row, Participant):
        return row
    path = _way_to_participant(type(row))
    return reduce(getattr, path.split("__"), row) if path else None


def _steps(found: Sequence[Mark], request: HttpRequest, with_identity: bool) -> dict[Mark, audit.Step]:
    steps: dict[Mark, audit.Step] = {}
    for table, own in groupby(sorted(found, key=lambda one: one.table), key=lambda one: one.table):
        events, these = event_models()[table], list(own)
        own_names = _identity_in(events.pgh_tracked_model)
        never = _hidden_on_page(events.pgh_tracked_model, request)
        hidden = (*never, *(hidden_of(own_names, request.user) if with_identity else own_names))
        pairs = _pairs(events, [mark.number for mark in these])
        steps |= {mark: audit.Step(events.pgh_tracked_model, *pairs[mark.number], hidden) for mark in these}
    return steps


def _hidden_on_page(model: type[Model], request: HttpRequest) -> tuple[str, ...]:
    """What the trail on the record's own page leaves out."""
    page: Any = admin.site._registry.get(model)
    return page.hidden_fields(request) if page is not None and hasattr(page, "hidden_fields") else ()


def _pairs(events: Any, numbers: Sequence[int]) -> dict[int, tuple[Any, Any]]:
    """Each event with the one before it of the same row; one query."""
    before = events.objects.filter(pgh_obj_id=OuterRef("pgh_obj_id"), pgh_id__lt=OuterRef("pgh_id"))
    previous = Subquery(before.order_by("-pgh_id").values("pgh_id")[:1])
    wanted = events.objects.filter(pgh_id__in=numbers)
    known = events.objects.filter(Q(pgh_id__in=numbers) | Q(pgh_id__in=wanted.annotate(one=previous).values("one")))
    last: dict[Any, Any] = {}
    pairs = {}
    for event in known.order_by("pgh_id"):
        pairs[event.pgh_id] = (last.get(event.pgh_obj_id), event)
        last[event.pgh_obj_id] = event
    return pairs


def _identity_in(model: type[Model]) -> tuple[str, ...]:
    """The fields of a record that name somebody, or may."""
    page: Any = admin.site._registry.get(model)
    names = getattr(page, "identity_fields", ())
    kept = [one.name for one in model._meta.concrete_fields if page is not None and is_identity(one, page)]
    return tuple(dict.fromkeys((*names, *kept)))
