"""The record with its audit trail, for systems that import ODM: what may leave of each row, and each change of it.

Read from the trail that the database writes. What the allow-list withholds is not even read. Days and moments are
shifted with the participant's other dates; names of things leave masked, sentences where a data manager has released
them, and reasons of voids never: those are written for the site. People are numbers.

Where dates are shifted, rows are numbered within their participant and entries of the trail not at all: keys that
count up over all participants tell in which order rows were written, and next to a shifted date that is the shift.
Lots, which often tell a day, are withheld then.
"""

import datetime as dt
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import models
from django.utils import timezone, translation

from participants.models import Participant
from safety.models import AdverseEvent, EventReview
from sponsor.classification import MODELS
from sponsor.datasets.scope import Scope, Tick
from sponsor.datasets.writers import odm
from sponsor.datasets.writers.odm import Change, Form, Header, Item, Kind, Person, Signed, Stamp
from sponsor.rules.deidentify import offset_days, shifted
from trialsite import freetext, signing
from trialsite.fields import PartialDateField
from trialsite.models import Meaning, Record, Signature, Site, User
from trialsite.signing import Verdict
from trialsite.study import get_study

NAME = "odm.xml"
PORTION = 25
# What ODM says by its own elements: the key of the row, whose it is, and when it changed.
SAID_OTHERWISE = frozenset({"id", "participant", "modified_at", "voided_at"})
# What is signed by a row of its own, and how that names it.
SIGNED_BY: dict[Any, tuple[Any, str]] = {AdverseEvent: (EventReview, "event")}
LOTS = frozenset({"lot", "product_lot"})
DAY = re.compile(r"\d{4}-\d\d-\d\d(?!\d)", re.ASCII)
# Who wrote what carries no signed name: a program, or a login of the database.
NOBODY = "DATABASE"
# The first that fits: a moment is a kind of day to Django.
TYPES: dict[Any, str] = {
    models.BooleanField: "boolean",
    models.IntegerField: "integer",
    models.DecimalField: "float",
    models.FloatField: "float",
    models.DateTimeField: "datetime",
    models.DateField: "date",
    models.TimeField: "time",
    PartialDateField: "partialDate",
}


def write_odm(scope: Scope, folder: Path, tick: Tick) -> list[Path]:
    """`odm.xml`: everything as the caller's transaction (REPEATABLE READ) sees it, a portion of participants at a
    time. The same rows give the same bytes. Whatever language is spoken, the file is in English."""
    path = folder / NAME
    with translation.override("en"):
        tables = [_Table(model) for model in _models()]
        keys = list(_participants(scope).order_by("screening_number").values_list("pk", flat=True))
        with odm.opened(path, _header(scope), tuple(table.form for table in tables)) as document:
            for start in range(0, len(keys), PORTION):
                tick(NAME, start, len(keys))
                for person in _Portion(keys[start : start + PORTION], tables, scope).persons():
                    document.add(person)
    tick(NAME, len(keys), len(keys))
    return [path]


def _participants(scope: Scope) -> models.QuerySet[Participant]:
    """Void ones too: that they are void is told."""
    rows = Participant.objects.filter(created_at__lte=scope.cut_off)
    return rows.filter(site__code__in=scope.sites) if scope.sites else rows


def _models() -> list[type[Record]]:
    """Those of which anything may leave, the participants themselves first."""
    leaving = [apps.get_model(label) for label, known in MODELS.items() if known.exported - SAID_OTHERWISE]
    found: list[Any] = [model for model in leaving if issubclass(model, Record)]
    return sorted(found, key=lambda model: model is not Participant)


def _study_oid() -> str:
    return f"ST.{get_study().latest.registry_id}"


def _header(scope: Scope) -> Header:
    protocol = get_study().latest
    users = [str(pk) for pk in User.objects.order_by("pk").values_list("pk", flat=True)]
    return Header(
        study_oid=_study_oid(),
        study_name=protocol.registry_id,
        title=protocol.title.en,
        version_oid=f"MDV.{protocol.registry_id}.RECORD.{protocol.version}",
        version=protocol.version,
        at=scope.cut_off.astimezone(dt.UTC),
        software=("Trialsite", settings.SOFTWARE_VERSION),
        users=(NOBODY, *users),
        locations=tuple(Site.objects.order_by("code").values_list("code", flat=True)),
        meanings=tuple((one.value, str(one.label)) for one in Meaning),
    )


# --- What a row is ------------------------------------------------------------------------------------


class _Table:
    """A model as a form: which of its fields leave, under which names, and the way from a row to its participant."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.path: str = max(model.part_of, key=len, default="")
        exported = MODELS[model._meta.label].exported - SAID_OTHERWISE
        # The trail has no column that the database computes from others.
        self.trail = model.events.rel.related_model
        known = {one.name for one in self.trail._meta.concrete_fields}
        self.fields: list[Any] = [one for one in model._meta.concrete_fields if one.name in exported & known]
        self.oids = {one.name: f"I.{model._meta.label}.{one.name}" for one in self.fields}
        prose = {one.name for one in freetext.prose_of(model)}
        # Somebody's words: names of things are masked, sentences wait for a release.
        self.words = {one.name for one in self.fields if one.name in prose}
        self.sentences = {one.name for one in self.fields if one.name in prose and isinstance(one, models.TextField)}
        items = tuple(_item(one, self.oids[one.name]) for one in self.fields)
        self.form = Form(f"F.{model._meta.label}", str(model._meta.verbose_name), items)

    def rows(self, keys: Sequence[int], scope: Scope) -> list[Any]:
        found = self.model._base_manager.filter(**{f"{self.path or 'pk'}__in": keys}, created_at__lte=scope.cut_off)
        return list(found.select_related(*self.model.part_of).order_by("pk"))

    def events(self, rows: Sequence[Any]) -> dict[int, list[dict[str, Any]]]:
        """By row, its entries in the trail: what leaves of them, and nothing else."""
        names = [one.attname for one in self.fields if one.name not in ("site",)]
        sites = ["site__code"] if "site" in self.oids else []
        entries = self.trail.objects.filter(pgh_obj_id__in=[row.pk for row in rows])
        told = entries.order_by("pgh_obj_id", "pgh_id").values(
            "pgh_id", "pgh_obj_id", "pgh_label", "pgh_created_at", "pgh_context", "voided_at", *names, *sites
        )
        return {key: list(group) for key, group in groupby(told, key=lambda one: one["pgh_obj_id"])}

    def key_of(self, row: Any, numbers: "_Numbers") -> str:
        """The number of the row, after those of the rows that it is part of."""
        parents = [getattr(row, name) for name in self.path.split("__")[:-1] if name][:1]
        return ".".join(numbers.of(type(one), one.pk) or "" for one in (*parents, row))


def _item(field: Any, oid: str) -> Item:
    kind = next((name for base, name in TYPES.items() if isinstance(field, base)), "text")
    # Yes and no say themselves: the standard has no list of them.
    known = () if kind == "boolean" else field.flatchoices
    choices = tuple((str(value), str(words)) for value, words in known if value not in ("", None))
    return Item(oid, field.name, str(field.verbose_name), kind, *_length(field, kind), choices=choices)


def _length(field: Any, kind: str) -> tuple[int, int]:
    if kind == "float":
        return getattr(field, "max_digits", 0) or 17, getattr(field, "decimal_places", 0) or 0
    return (10, 0) if kind == "integer" else (field.max_length or 0, 0) if kind == "text" else (0, 0)


# --- What has become of it ----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Way:
    """How the days and the words of one participant leave."""

    person: Participant
    scope: Scope

    @property
    def location(self) -> str:
        return self.person.site.code

    @cached_property
    def days(self) -> int:
        if not self.scope.shifts_dates:
            return 0
        return offset_days(self.scope.shift_key, f"{get_study().latest.registry_id}-{self.person.screening_number}")

    def stamp(self, user: Any, at: dt.datetime, reason: str = "", source: Any = "") -> Stamp:
        return Stamp(str(user or NOBODY), self.location, self._moved(at), reason, str(source))

    def _moved(self, at: dt.datetime) -> dt.datetime:
        return timezone.localtime(at) + dt.timedelta(days=self.days)

    def text(self, field: Any, value: Any) -> str | None:
        """A value as ODM writes it; None where there is none."""
        if value is None or value == "":
            return None
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, dt.datetime):
            return self._moved(value).isoformat(timespec="seconds")
        if isinstance(value, dt.date):
            return (value + dt.timedelta(days=self.days)).isoformat()
        if isinstance(field, PartialDateField):
            return shifted(str(value), self.days) or None
        if isinstance(value, Decimal):
            return f"{value.normalize():f}"
        if isinstance(value, dict | list):
            return json.dumps(self._within(value), ensure_ascii=False, sort_keys=True)
        return str(value)

    def _within(self, value: Any) -> Any:
        """Days that stand in a list of findings, moved with the others."""
        if isinstance(value, dict):
            return {name: self._within(one) for name, one in value.items()}
        if isinstance(value, list):
            return [self._within(one) for one in value]
        return DAY.sub(lambda day: shifted(day[0], self.days), value) if isinstance(value, str) and self.days else value

    def words(self, text: str | None) -> str | None:
        return self.person.masked(text, freetext.MASKS) if text else text


class _Numbers:
    """How rows are called: by their keys, or where dates are shifted, by their place within their participant."""

    def __init__(self, are_own: bool) -> None:
        self._are_own = are_own
        self._known: dict[tuple[Any, int], int] = {}

    def give(self, table: _Table, rows: Sequence[Any]) -> None:
        if self._are_own:
            counts: Counter[int] = Counter()
            for row in rows:
                owner = _owner(row, table.path)
                counts[owner] += 1
                self._known[table.model, row.pk] = counts[owner]

    def of(self, model: Any, key: int | None) -> str | None:
        """None for what is not in this file."""
        number = self._known.get((model, key)) if self._are_own and key is not None else key
        return None if number is None else str(number)


class _Portion:
    """The rows of a few participants, each kind with one query for the rows and one for their trail."""

    def __init__(self, keys: Sequence[int], tables: Sequence[_Table], scope: Scope) -> None:
        people = Participant.objects.filter(pk__in=keys).select_related("site").order_by("screening_number")
        self.tables, self.keys, self.scope = tables, keys, scope
        self.ways = {one.pk: _Way(one, scope) for one in people}
        self.changes: dict[int, dict[str, list[Change]]] = {pk: defaultdict(list) for pk in self.ways}
        self.numbers = _Numbers(scope.shifts_dates)

    def persons(self) -> Iterator[Person]:
        found = [(table, table.rows(self.keys, self.scope)) for table in self.tables]
        for table, rows in found:
            self.numbers.give(table, rows)
        for table, rows in found:
            self._tell(table, rows)
        for pk, way in self.ways.items():
            changes = self.changes[pk]
            own = changes[f"F.{Participant._meta.label}"]
            removed = own.pop() if own and own[-1].kind is Kind.REMOVE else None
            yield Person(way.person.screening_number, way.location, changes, removed)

    def _tell(self, table: _Table, rows: list[Any]) -> None:
        events, signatures = table.events(rows), _signatures(table.model, rows)
        for row in rows:
            owner = _owner(row, table.path)
            told = _Row(table, row, self.ways[owner], signatures.get(row.pk, []), self.numbers)
            self.changes[owner][table.form.oid].extend(told.changes(events.get(row.pk, [])))


def _owner(row: Any, path: str) -> int:
    found = row
    for name in path.split("__") if path else ():
        found = getattr(found, name)
    return int(found.pk)


def _signatures(model: Any, rows: list[Any]) -> dict[int, list[Signature]]:
    """By row, what is signed of it, also by a row of its own, as far as that still says what was signed."""
    found = _valid(model, rows)
    if model in SIGNED_BY:
        other, name = SIGNED_BY[model]
        signing_rows = list(other.objects.own_standing().filter(**{f"{name}__in": rows}).defer("content"))
        signed = {one.pk: getattr(one, f"{name}_id") for one in signing_rows}
        for pk, made in _valid(other, signing_rows).items():
            found[signed[pk]] += made
    return found


def _valid(model: Any, rows: list[Any]) -> dict[int, list[Signature]]:
    found = signing.verify(rows)
    valid = {(pk, one.meaning) for pk, checked in found.items() for one in checked if one.verdict is Verdict.VALID}
    made: dict[int, list[Signature]] = defaultdict(list)
    if valid:
        stored = Signature.objects.filter(row_table=model._meta.db_table, row_id__in=list(found)).order_by("pk")
        for one in stored.defer("content", "mac"):
            if (one.row_id, one.meaning) in valid:
                made[one.row_id].append(one)
    return made


class _Row:
    """One row, and its transactions in their order."""

    def __init__(self, table: _Table, row: Any, way: _Way, signatures: list[Signature], numbers: _Numbers) -> None:
        self.table, self.row, self.way, self.numbers = table, row, way, numbers
        self.key = table.key_of(row, numbers)
        signed = [Signed(one.meaning, way.stamp(one.person_id, one.signed_at)) for one in signatures]
        self.void = next((one for one in signed if one.meaning == Meaning.VOID), None)
        self.signed = sorted((one for one in signed if one is not self.void), key=lambda one: one.stamp.at)

    def changes(self, events: list[dict[str, Any]]) -> Iterator[Change]:
        """Each signature after what it was given to; last, that the row went with what it is part of."""
        waiting, is_there = list(self.signed), False
        for change in self._trail(events):
            while waiting and change.stamp and waiting[0].stamp.at < change.stamp.at:
                yield Change(self.key, Kind.CONTEXT, signed=waiting.pop(0))
            yield change
            is_there = change.kind is not Kind.REMOVE
        yield from (Change(self.key, Kind.CONTEXT, signed=one) for one in waiting)
        if is_there and (parent := self._void_parent()) is not None:
            yield self._removed(self.way.stamp(parent.voided_by_id, parent.voided_at, odm.WITHHELD))

    def _trail(self, events: list[dict[str, Any]]) -> Iterator[Change]:
        before: dict[str, str | None] | None = None
        for event in events:
            is_gone = event["voided_at"] is not None or event["pgh_label"] == "delete"
            now = None if is_gone else self._values(event)
            yield from self._change(before, now, event)
            before = now

    def _change(
        self, before: dict[str, str | None] | None, now: dict[str, str | None] | None, event: dict[str, Any]
    ) -> Iterator[Change]:
        if now is None:
            if before is not None:
                yield self._removed(self._stamp(event, odm.WITHHELD))
            return
        old = before or {}
        values = {oid: value for oid, value in now.items() if value != old.get(oid)}
        if before is None or values:
            kind = Kind.INSERT if before is None else Kind.UPDATE
            yield Change(self.key, kind, self._stamp(event, self._reason(event)), values)

    def _removed(self, stamp: Stamp) -> Change:
        return Change(self.key, Kind.REMOVE, stamp, signed=self.void)

    def _values(self, event: dict[str, Any]) -> dict[str, str | None]:
        table, shown = self.table, {}
        for field in table.fields:
            if field.name in self._withheld:
                continue
            value = event["site__code"] if field.name == "site" else event[field.attname]
            if field.is_relation and field.name != "site":
                value = self.numbers.of(field.related_model, value)
            text = self.way.text(field, value)
            shown[table.oids[field.name]] = self.way.words(text) if field.name in table.words else text
        return shown

    @cached_property
    def _withheld(self) -> Set[str]:
        """What is void leaves without anybody's words."""
        lots = LOTS if self.way.days else frozenset()
        if not self.row.is_standing:
            return self.table.words | lots
        return lots if self.way.scope.has_free_text else self.table.sentences | lots

    def _void_parent(self) -> Any:
        """What it is part of and went with, but for the participant: that is told of them."""
        paths = [path for path in self.table.model.part_of if path != self.table.path]
        parents = [getattr(self.row, path) for path in paths if "__" not in path]
        return next((one for one in parents if one.is_void), None)

    def _stamp(self, event: dict[str, Any], reason: str) -> Stamp:
        context = event["pgh_context"] or {}
        entry = "" if self.way.days else event["pgh_id"]
        return self.way.stamp(context.get("user"), event["pgh_created_at"], reason, entry)

    def _reason(self, event: dict[str, Any]) -> str:
        """Why, in somebody's words: as all sentences, where they are released and the row stands."""
        reason = (event["pgh_context"] or {}).get("reason", "")
        if not reason:
            return ""
        is_told = self.way.scope.has_free_text and self.row.is_standing
        return self.way.words(str(reason)) or "" if is_told else odm.WITHHELD
