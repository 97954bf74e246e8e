"""Reading the audit trail: what changed, from what to what, who did it, when, from where and why."""

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from typing import Any

from django.apps import apps
from django.db.models import Field, Model
from django.utils import formats, timezone
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from trialsite.models import User

MISSING = "—"
NOT_SHOWN = "modified_at"
# Computed numbers come with all zeros of their column: from so many decimal places on these are left out.
LONG_DIGITS = 8


@dataclass(frozen=True)
class Change:
    field: str
    old: str
    new: str


@dataclass(frozen=True)
class Entry:
    at: dt.datetime
    who: str
    ip: str
    reason: str
    is_first: bool
    is_deletion: bool
    changes: tuple[Change, ...]
    is_void: bool = False

    @property
    def kind(self) -> str:
        """What was done, in a word."""
        if self.is_first:
            return _("First entry")
        if self.is_deletion:
            return _("Deleted")
        return pgettext("trail", "Voided") if self.is_void else _("Change")


# --- Words for what no field has words for -------------------------------------------------------------

# From a stored value and the row as it was then to words, one line for each thing that it says.
Say = Callable[[Any, Any], str]
_say: dict[tuple[str, str], Say] = {}
_unseen: set[tuple[str, str]] = set()
_codes: set[tuple[str, str]] = set()
_kinds: dict[str, tuple[Any, type[Model] | None]] = {}


def in_words(model: type[Model], *fields: str) -> Callable[[Say], Say]:
    """Registers how the values of these fields are said: findings, reasons, codes. For an app's `trailwords`."""

    def register(say: Say) -> Say:
        _say.update(dict.fromkeys(((model._meta.label, name) for name in fields), say))
        return say

    return register


def is_said(model: type[Model], name: str) -> bool:
    """Whether this field holds what is not for reading as it is stored."""
    _learn()
    return (model._meta.concrete_model._meta.label, name) in _say  # type: ignore[union-attr]


def unseen(model: type[Model], *fields: str) -> None:
    """Fields that say nothing to a person, such as a digest by which the program finds out what changed."""
    _unseen.update((model._meta.label, name) for name in fields)


def code_of_a_row(model: type[Model], *fields: str) -> None:
    """Fields that name a row of whatever kind by a code such as `visit:17`."""
    _codes.update((model._meta.label, name) for name in fields)


def kind(word: str, name: Any, model: type[Model] | None = None) -> None:
    """What stands before the colon of such a code, in words, and whose number stands behind it, if anybody's."""
    _kinds[word] = (name, model)


@cache
def _learn() -> None:
    """Every app says its own words, once there is something to read."""
    autodiscover_modules("trailwords")


def _key(field: "Field[Any, Any]") -> tuple[str, str]:
    return field.model._meta.label, field.name


class Names:
    """The rows that values point to, and people as they were: each kind is asked for once, however many there are."""

    def __init__(self) -> None:
        self._wanted: dict[Any, set[Any]] = {}
        self._rows: dict[Any, dict[Any, Any]] = {}
        self._people: dict[Any, list[tuple[dt.datetime, str]]] = {}

    def want(self, model: Any, pk: Any) -> None:
        known = self._people if model == "people" else self._rows.get(model, ())
        if pk is not None and pk not in known:
            self._wanted.setdefault(model, set()).add(pk)

    def row(self, model: Any, pk: Any) -> Any:
        """The row as it is now; None where there is none."""
        self.want(model, pk)
        if wanted := self._wanted.pop(model, None):
            known = self._rows.setdefault(model, {})
            known.update(dict.fromkeys(wanted))
            rows = model._base_manager.all()
            known.update((rows.select_related(*_naming(model)) if _naming(model) else rows).in_bulk(wanted))
        return self._rows.get(model, {}).get(pk)

    def person(self, pk: Any, at: dt.datetime) -> str:
        """Name and login as they were at that moment; empty for nobody known."""
        self.want("people", pk)
        if wanted := self._wanted.pop("people", None):
            self._people.update({one: [] for one in wanted})
            for event in User.events.rel.related_model.objects.filter(pgh_obj_id__in=wanted).order_by("pgh_id"):  # type: ignore[attr-defined]
                self._people[event.pgh_obj_id].append((event.pgh_created_at, _person_text(event)))
        known = self._people.get(pk, [])
        return next((name for since, name in reversed(known) if since <= at), known[0][1] if known else "")


def _person_text(event: Any) -> str:
    name = str(User(first_name=event.first_name, last_name=event.last_name, username=event.username))
    return name if name == event.username else f"{name} ({event.username})"


def _naming(model: Any) -> list[str]:
    """The keys whose rows a row is called by, such as its participant's number, and theirs."""
    found = []
    for key in _own(model):
        found += [key.name, *(f"{key.name}__{one.name}" for one in _own(key.related_model))]
    return found


def _own(model: Any) -> list[Any]:
    keys = (key for key in model._meta.concrete_fields if key.is_relation and not key.name.endswith("_by"))
    return [key for key in keys if key.related_model not in (model, User)]


# --- Entries -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """One event of a row, and the one before it; `hidden` fields are masked."""

    model: type[Model]
    old: Any
    new: Any
    hidden: Collection[str] = ()


def trail(
    obj: Model, *, hidden: Collection[str] = (), without: Collection[str] = (), label: str = "", since: int = 0
) -> list[Entry]:
    """The row's history, newest first; the values of `hidden` fields are masked, those `without` left out.

    `label` stands before the name of each field, where several rows are read as one. `since` is the number of the
    last entry that is known already.
    """
    events = list(obj.events.order_by("pgh_id"))  # type: ignore[attr-defined]
    pairs = zip([None, *events], events, strict=False)
    entries = entries_of(Step(type(obj), old, new, hidden) for old, new in pairs if new.pgh_id > since)
    if label or without:
        names = {str(field.verbose_name) for field in obj._meta.concrete_fields if field.name in without}
        entries = [replace(one, changes=tuple(_labelled(one.changes, label, names))) for one in entries]
    return entries[::-1]


def entries_of(steps: Iterable[Step], names: Names | None = None) -> list[Entry]:
    """The steps in words, in their order; what they point to is asked for once for all of them."""
    _learn()
    steps, names = list(steps), names or Names()
    for step in steps:
        names.want("people", (step.new.pgh_context or {}).get("user"))
        for field, was, now in differences(step):
            for value in (was, now):
                _want(names, field, value)
    return [_entry(step, names) for step in steps]


def _labelled(changes: tuple[Change, ...], label: str, without: Collection[str]) -> list[Change]:
    return [replace(one, field=f"{label}: {one.field}") for one in changes if one.field not in without]


def _entry(step: Step, names: Names) -> Entry:
    new, context = step.new, step.new.pgh_context or {}
    was_void = getattr(step.old, "voided_at", None) is not None
    return Entry(
        at=new.pgh_created_at,
        who=who(context, new, names),
        ip=context.get("ip", ""),
        reason=context.get("reason", ""),
        is_first=step.old is None,
        is_deletion=new.pgh_label == "delete",
        is_void=not was_void and getattr(new, "voided_at", None) is not None,
        changes=tuple(_changes(step, names)),
    )


def _is_unanswered(field: "Field[Any, Any]", value: Any) -> bool:
    """Whether a first entry leaves this field as it is in an empty form; 0 is an answer, and so is a no that no
    preset gave."""
    if isinstance(value, bool):
        return value is False and field.default is False
    return value is None or (isinstance(value, str | list | dict) and not value)


def who(context: dict[str, Any], event: Any, names: Names) -> str:
    """The person; without a signed name it was written past the site, and the database's login is all we know."""
    known = _("database login %(name)s") % {"name": event.pgh_db_user}
    if claimed := context.get("claimed"):
        return _("%(login)s, which calls itself “%(name)s”") % {"login": known, "name": _claimed_name(claimed)}
    return names.person(context.get("user"), event.pgh_created_at) or context.get("username") or known


def _claimed_name(claimed: Any) -> str:
    """What somebody without the key has put into the context, be it whatever it is."""
    return str(claimed.get("username", claimed) if isinstance(claimed, dict) else claimed)[:100]


def differences(step: Step) -> Iterator[tuple["Field[Any, Any]", Any, Any]]:
    """Each field that a person is told of and that changed, with what it was and what it became."""
    for field in step.model._meta.concrete_fields:
        if field.name == NOT_SHOWN or field.primary_key or not hasattr(step.new, field.attname):
            continue
        if _key(field) in _unseen:
            continue
        was, now = (getattr(step.old, field.attname) if step.old else None), getattr(step.new, field.attname)
        if was != now and not (step.old is None and _is_unanswered(field, now)):
            yield field, was, now


def _changes(step: Step, names: Names) -> list[Change]:
    found = []
    for field, was, now in differences(step):
        if field.name in step.hidden:
            texts = (_("(hidden)"), _("(hidden)"))
        else:
            texts = (text_of(field, was, step.old, names), text_of(field, now, step.new, names))
        found.append(Change(str(field.verbose_name), *texts))
    return found


# --- Values --------------------------------------------------------------------------------------------


def text_of(field: "Field[Any, Any] | None", value: Any, row: Any = None, names: Names | None = None) -> str:
    """A value in words; missing is a dash, and no is not missing. `row` is the event that it stands in."""
    _learn()
    if value is None or value == "":
        return MISSING
    if field is not None and (say := _say.get(_key(field))):
        return say(value, row) or MISSING
    if field is not None and field.choices:
        return str(dict(field.flatchoices).get(value, value))
    if field is not None and field.is_relation and field.related_model is not None:
        return _pointed(field, value, row, names or Names())
    if field is not None and _key(field) in _codes:
        return _coded(value, names or Names())
    return plain(value, getattr(field, "decimal_places", None) or 0)


def plain(value: Any, places: int = 0) -> str:
    """A value without a field: yes and no, dates in the reader's order, several one to a line."""
    if value is None or value == "":
        return MISSING
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, Decimal) and places > LONG_DIGITS:
        return f"{value.normalize():f}"
    if isinstance(value, dt.datetime):
        return formats.date_format(timezone.localtime(value), "DATETIME_FORMAT")
    if isinstance(value, dt.date):
        return formats.date_format(value, "DATE_FORMAT")
    if isinstance(value, Mapping):
        return lines((name, plain(one)) for name, one in value.items()) or MISSING
    if isinstance(value, list | tuple):
        return "\n".join(plain(one) for one in value) or MISSING
    return str(value)


def lines(pairs: Iterable[tuple[Any, Any]]) -> str:
    """Label and value, a line each."""
    return "\n".join(f"{label}: {value}" for label, value in pairs)


def _pointed(field: "Field[Any, Any]", value: Any, row: Any, names: Names) -> str:
    model: Any = field.related_model
    if model is User and row is not None and (name := names.person(value, row.pgh_created_at)):
        return name
    return str(names.row(model, value) or f"{model._meta.verbose_name} {value}")


def _parsed(code: str) -> tuple[Any, type[Model] | None, str]:
    """The kind of a code in words, the model of its row, and the number."""
    word, _colon, rest = code.partition(":")
    name, model = _kinds.get(word) or _by_model(word)
    number = rest.partition(":")[0]
    return name, model, number if number.isdecimal() else ""


@cache
def _by_model(word: str) -> tuple[Any, type[Model] | None]:
    found = [one for one in apps.get_models() if one._meta.model_name == word and not one._meta.proxy]
    return (found[0]._meta.verbose_name, found[0]) if len(found) == 1 else ("", None)


def _coded(code: str, names: Names) -> str:
    """The kind and the name of what a code names; the kind alone where it names no row."""
    name, model, number = _parsed(code)
    row = names.row(model, int(number)) if model is not None and number else None
    return f"{name}: {row}" if row is not None else str(name) or MISSING


def _want(names: Names, field: "Field[Any, Any]", value: Any) -> None:
    if value is None or value == "":
        return
    if field.is_relation:
        names.want("people" if field.related_model is User else field.related_model, value)
    elif _key(field) in _codes:
        _name, model, number = _parsed(value)
        if model is not None and number:
            names.want(model, int(number))
