"""The columns of a list as they leave in a file: those that the page shows, then the model's other fields."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from html import unescape
from typing import Any

from django.contrib.admin.utils import label_for_field, lookup_field
from django.db.models import JSONField, Model, QuerySet
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.html import strip_tags
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from trialsite.fields import EncryptedDateField, EncryptedTextField

# Who recorded a row, and what became of the row, stand behind what the row says; its key comes last.
LAST = ("created_at", "created_by", "modified_at", "voided_at", "voided_by", "void_reason", "id")


@dataclass(frozen=True)
class Column:
    """One column of the file: its title, and what a row has in it."""

    title: str
    value: Callable[[Any], Any]


def is_identity(field: Any, page: Any) -> bool:
    """Whether a field names a person outside the study: kept encrypted, or named by its page."""
    return isinstance(field, EncryptedTextField | EncryptedDateField) or field.name in page.identity_fields


def identity_of(page: Any) -> list[Any]:
    """Fields of the model that name a person; none where the page says exactly what its file holds."""
    return [] if page.export_columns else [field for field in page.opts.concrete_fields if is_identity(field, page)]


def columns_of(page: Any, request: HttpRequest, rows: QuerySet[Any], *, identity: Collection[str]) -> list[Column]:
    """The list's columns in their order, as displayed; then the fields that are none of them.

    Of the fields that name a person, those of `identity` alone.
    """
    if page.export_columns:
        return [_shown(page, name) for name in page.export_columns]
    names = [name for name in page.get_list_display(request) if not _is_hidden(page, name, identity)]
    columns = {name: _shown(page, name) for name in names if name != "action_checkbox"}
    for field in _fields(page, rows, identity=identity):
        columns.setdefault(field.name, _plain(field))
    return _told_apart(columns)


def _told_apart(columns: dict[str, Column]) -> list[Column]:
    """What the list shows and the field behind it may say different things under one title: both are kept.

    A visit that is planned is "overdue" in the list.
    """
    found: dict[str, Column] = {}
    for name, column in columns.items():
        title = f"{column.title} ({name})" if column.title in found else column.title
        found[title] = Column(title, column.value)
    return list(found.values())


def joined(rows: QuerySet[Any]) -> QuerySet[Any]:
    """With the rows that keys point to, and those that name these in turn, so that no row asks for its own."""
    paths: list[str] = []
    for key in _loaded(rows):
        if key.many_to_one or key.one_to_one:
            paths += [key.name, *(f"{key.name}__{one.name}" for one in _naming(key.related_model))]
    return rows.select_related(*paths) if paths else rows


def _naming(model: type[Model]) -> list[Any]:
    return [key for key in model._meta.concrete_fields if key.many_to_one and not key.name.endswith("_by")]


def _loaded(rows: QuerySet[Any]) -> list[Any]:
    """The model's fields without those that its list leaves in the database, for they are large."""
    names, are_deferred = rows.query.deferred_loading
    fields = rows.model._meta.concrete_fields
    return [field for field in fields if not names or (field.name in names) != are_deferred]


def _fields(page: Any, rows: QuerySet[Any], *, identity: Collection[str]) -> list[Any]:
    found = [
        field
        for field in _loaded(rows)
        if not isinstance(field, JSONField)
        and field.name not in page.export_exclude
        and (field.name in identity or not is_identity(field, page))
    ]
    return sorted(found, key=lambda field: LAST.index(field.name) if field.name in LAST else -1)


def _field(page: Any, name: str) -> Any:
    """The model's own field of this name; None where the page makes the column."""
    return next((field for field in page.opts.concrete_fields if field.name == name), None)


def _is_hidden(page: Any, name: str, identity: Collection[str]) -> bool:
    field = _field(page, name)
    return field is not None and name not in identity and is_identity(field, page)


def _title(field: Any) -> str:
    return str(field.verbose_name)


def _shown(page: Any, name: str) -> Column:
    """A column of the list: a field, or words that the page makes of a row."""
    title = str(label_for_field(name, page.model, page))
    if field := _field(page, name):
        return Column(title, _plain(field).value)
    return Column(title, lambda row: _text(lookup_field(name, row, page)[2]))


def _plain(field: Any) -> Column:
    if field.choices:
        return Column(_title(field), lambda row: str(getattr(row, f"get_{field.name}_display")()))
    if field.is_relation:
        return Column(_title(field), lambda row: str(getattr(row, field.name) or ""))
    return Column(_title(field), lambda row: getattr(row, field.name))


def _text(value: Any) -> Any:
    """What a column shows, without its dress."""
    if isinstance(value, SafeString):
        return " ".join(unescape(strip_tags(value.replace("<", " <"))).split())
    if isinstance(value, tuple | list):
        # A label is a pair of its colour's key and its words; other lists are read one after the other.
        shown = value[-1:] if isinstance(value, tuple) else value
        return _(", ").join(str(_text(one)) for one in shown if one)
    return str(value) if isinstance(value, Promise) else value
