"""A form that came too late, brought together with what somebody else has saved meanwhile."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.forms.boundfield import BoundField
from django.http import QueryDict
from django.utils.translation import gettext as _

from trialsite import audit

# Which of the two values of a field is to stand, by the name that the field has on the page.
CHOICE = "_merge-"
THEIRS = "theirs"


@dataclass(frozen=True)
class Difference:
    """One field that somebody else has changed; `is_conflict` where this person typed something else into it."""

    name: str
    label: str
    opened: str
    theirs: str
    mine: str
    is_conflict: bool
    is_touched: bool


def merge(opened: forms.BaseForm, newer: forms.BaseForm, data: QueryDict, *, label: Any = "") -> list[Difference]:
    """Every field that the other one changed; where this person touched nothing, `data` gets the newer value.

    Both forms are unbound: as the row was when the page was opened, and as it is now. `label` stands before the
    names, where the form is one line of several.
    """
    found = [
        _difference(before, after, data, label) for before, after in _pairs(opened, newer) if _differ(before, after)
    ]
    for one in found:
        if not one.is_touched:
            put(data, next(bound for bound in newer if bound.html_name == one.name))
    return found


def _difference(before: BoundField, after: BoundField, data: QueryDict, label: Any) -> Difference:
    raw = before.field.widget.value_from_datadict(data, {}, before.html_name)
    is_touched = before.field.has_changed(before.initial, raw)
    return Difference(
        name=before.html_name,
        label=": ".join(str(part) for part in (label, before.label) if part),
        opened=_value_text(before),
        theirs=_value_text(after),
        mine=_typed_text(before, raw),
        is_conflict=is_touched and after.field.has_changed(after.initial, raw),
        is_touched=is_touched,
    )


def take_theirs(newer: forms.BaseForm, data: QueryDict) -> None:
    """After the comparison: the fields in which the person chose what the other one had written."""
    for bound in newer:
        if data.get(f"{CHOICE}{bound.html_name}") == THEIRS:
            put(data, bound)


def _pairs(opened: forms.BaseForm, newer: forms.BaseForm) -> Iterator[tuple[BoundField, BoundField]]:
    """The fields of the row itself: a reason for the change, say, has no older value."""
    for before in opened:
        if before.name in newer.fields and (not hasattr(opened, "instance") or _column(before) is not None):
            yield before, newer[before.name]


def _differ(before: BoundField, after: BoundField) -> bool:
    return bool((before.initial or "") != (after.initial or ""))


def _column(bound: BoundField) -> Any:
    """The model's field; None for a question of the form alone."""
    try:
        return bound.form.instance._meta.get_field(bound.name)  # type: ignore[attr-defined]
    except (AttributeError, FieldDoesNotExist):
        return None


def put(data: QueryDict, bound: BoundField) -> None:
    """The field's own value, as the browser would send it."""
    for name, values in as_sent(bound).items():
        if values:
            data.setlist(name, values)
        else:
            data.pop(name, None)


def as_sent(bound: BoundField) -> dict[str, list[str]]:
    widget, value = bound.field.widget, bound.value()
    if not isinstance(widget, forms.MultiWidget):
        return {bound.html_name: _sent(value, widget)}
    parts = value if isinstance(value, list | tuple) else widget.decompress(value)
    parts = parts or [None] * len(widget.widgets)
    suffixes: list[str] = widget.widgets_names  # type: ignore[attr-defined]  # the stubs do not know it
    names = [bound.html_name + suffix for suffix in suffixes]
    return {name: _sent(part, one) for name, part, one in zip(names, parts, widget.widgets, strict=True)}


def _sent(value: Any, widget: Any) -> list[str]:
    widget = getattr(widget, "widget", widget)  # Django wraps the choice of a related row in its buttons
    if isinstance(widget, forms.CheckboxInput):
        return ["on"] if value else []
    shown = widget.format_value(value)
    return [str(one) for one in shown] if isinstance(shown, list | tuple) else ["" if shown is None else str(shown)]


def _value_text(bound: BoundField) -> str:
    """The row's value in words."""
    column = _column(bound)
    if column is None or column.many_to_many:
        raw = [one.pk for one in bound.initial or []] if column is not None else bound.initial
        return _typed_text(bound, raw)
    return audit.text_of(column, getattr(bound.form.instance, column.attname))  # type: ignore[attr-defined]


def _typed_text(bound: BoundField, raw: Any) -> str:
    """What was typed, in words where it can be read."""
    try:
        value = bound.field.clean(raw)
    except (ValidationError, TypeError):
        return " ".join(map(str, raw)) if isinstance(raw, list | tuple) else str(raw or "—")
    if isinstance(bound.field, forms.ModelMultipleChoiceField):
        return _(", ").join(map(str, value)) or "—"
    if isinstance(bound.field, forms.ChoiceField) and not isinstance(bound.field, forms.ModelChoiceField):
        return str(dict(_flat(bound.field.choices)).get(str(raw), raw)) or "—"
    return audit.text_of(None, value)


def _flat(choices: Any) -> Iterator[tuple[str, Any]]:
    for value, name in choices:
        if isinstance(name, list | tuple):
            yield from _flat(name)
        else:
            yield str(value), name
