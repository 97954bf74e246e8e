"""Reading the audit trail: what changed, from what to what, who did it, when, from where and why."""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from django.db.models import Field, Model
from django.utils import formats, timezone
from django.utils.translation import gettext as _

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


def trail(
    obj: Model, *, hidden: Collection[str] = (), without: Collection[str] = (), label: str = "", since: int = 0
) -> list[Entry]:
    """The row's history, newest first; the values of `hidden` fields are masked, those `without` left out.

    `label` stands before the name of each field, where several rows are read as one. `since` is the number of the
    last entry that is known already.
    """
    events = list(obj.events.order_by("pgh_id"))  # type: ignore[attr-defined]
    before = [None, *events]
    pairs = zip(before, events, strict=False)
    entries = [_entry(obj, old, new, hidden) for old, new in pairs if new.pgh_id > since]
    if label or without:
        names = {str(field.verbose_name) for field in obj._meta.concrete_fields if field.name in without}
        entries = [replace(one, changes=tuple(_labelled(one.changes, label, names))) for one in entries]
    return entries[::-1]


def _labelled(changes: tuple[Change, ...], label: str, without: Collection[str]) -> list[Change]:
    return [replace(one, field=f"{label}: {one.field}") for one in changes if one.field not in without]


def _entry(obj: Model, old: Any, new: Any, hidden: Collection[str]) -> Entry:
    context = new.pgh_context or {}
    return Entry(
        at=new.pgh_created_at,
        who=who(context, new.pgh_db_user),
        ip=context.get("ip", ""),
        reason=context.get("reason", ""),
        is_first=old is None,
        is_deletion=new.pgh_label == "delete",
        changes=tuple(_changes(obj, old, new, hidden)),
    )


def _is_unanswered(field: "Field[Any, Any]", value: Any) -> bool:
    """Whether a first entry leaves this field as it is in an empty form; 0 is an answer, and so is a no that no
    preset gave."""
    if isinstance(value, bool):
        return value is False and field.default is False
    return value is None or (isinstance(value, str | list | dict) and not value)


def who(context: dict[str, Any], login: str) -> str:
    """The person; without a signed name it was written past the site, and the database's login is all we know."""
    known = _("database login %(name)s") % {"name": login}
    if claimed := context.get("claimed"):
        return _("%(login)s, which calls itself “%(name)s”") % {"login": known, "name": _claimed_name(claimed)}
    return context.get("username") or known


def _claimed_name(claimed: Any) -> str:
    """What somebody without the key has put into the context, be it whatever it is."""
    return str(claimed.get("username", claimed) if isinstance(claimed, dict) else claimed)[:100]


def _changes(obj: Model, old: Any, new: Any, hidden: Collection[str]) -> list[Change]:
    found = []
    for field in obj._meta.concrete_fields:
        if field.name == NOT_SHOWN or field.primary_key or not hasattr(new, field.attname):
            continue
        was, now = (getattr(old, field.attname) if old else None), getattr(new, field.attname)
        if was != now and not (old is None and _is_unanswered(field, now)):
            shown = (
                (_("(hidden)"), _("(hidden)")) if field.name in hidden else (text_of(field, was), text_of(field, now))
            )
            found.append(Change(str(field.verbose_name), *shown))
    return found


def text_of(field: "Field[Any, Any] | None", value: Any) -> str:
    """A value in words; missing is a dash, and no is not missing."""
    if value is None or value == "":
        return "—"
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, Decimal) and getattr(field, "decimal_places", 0) > LONG_DIGITS:
        return f"{value.normalize():f}"
    if isinstance(value, dt.datetime):
        return formats.date_format(timezone.localtime(value), "DATETIME_FORMAT")
    if isinstance(value, dt.date):
        return formats.date_format(value, "DATE_FORMAT")
    if field is None:
        return str(value)
    if field.choices:
        return str(dict(field.flatchoices).get(value, value))
    if field.is_relation and field.related_model is not None:
        return str(field.related_model._default_manager.filter(pk=value).first() or value)
    return str(value)
