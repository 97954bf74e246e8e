"""Free text is looked through before it is saved: what names the person whom it is about does not stay in it.

What is typed freely leaves the site, or is read by the monitor. A hit that is certain is refused, or masked where the
person ticks that it may be; what may be something else is asked about. The forms say it beside the field; rows say it
again when they are saved, by whatever way. Who is meant is the row at the end of the way along which a row is part of
others, and knows for itself how it is named (`identity_in`, `masked`).
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from typing import Any

from django import forms
from django.core.exceptions import ObjectDoesNotExist
from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy
from unfold.widgets import UnfoldBooleanWidget

from trialsite import formfields
from trialsite.fields import CodeField, EncryptedTextField, PartialDateField
from trialsite.identity import IDENTITY
from trialsite.refusal import Refused

MASK = "identity_mask"
# Texts of records that the program writes, or that name a place in it: nobody types into them.
MADE_BY_US = frozenset(
    {"about", "key", "meaning", "snapshot", "code", "check_name", "version", "unit", "choice"}
    | {"ctcae_code", "scale", "determinants", "flags", "reasons", "summary", "criteria", "covers", "facts"}
)
KINDS: dict[str, Any] = {
    "name": gettext_lazy("the participant's name"),
    "surname": gettext_lazy("the participant's family name"),
    "phone": gettext_lazy("the participant's phone"),
    "hospital_number": gettext_lazy("the participant's hospital number"),
    "birth_date": gettext_lazy("the participant's birth date"),
    "id_number": gettext_lazy("the number of an identity card"),
    "other_phone": gettext_lazy("a mobile phone's number"),
}
MASKS: dict[str, Any] = {
    "name": pgettext_lazy("masked", "[name]"),
    "surname": pgettext_lazy("masked", "[name]"),
    "phone": pgettext_lazy("masked", "[phone]"),
    "hospital_number": pgettext_lazy("masked", "[hospital number]"),
    "birth_date": pgettext_lazy("masked", "[birth date]"),
    "id_number": pgettext_lazy("masked", "[identity card]"),
    "other_phone": pgettext_lazy("masked", "[phone]"),
}


# --- Of a row -----------------------------------------------------------------------------------------


@lru_cache
def fields_of(model: type[models.Model]) -> tuple[Any, ...]:
    """The fields of a record into which people may write what they like; reasons that a verb writes among them."""
    return tuple(field for field in model._meta.concrete_fields if _is_free(field))


def _is_free(field: Any) -> bool:
    if field.name in MADE_BY_US or field.choices or isinstance(field, EncryptedTextField | PartialDateField):
        return False
    if isinstance(field, models.TextField | models.JSONField):
        return True
    return isinstance(field, models.CharField) and field.editable


@lru_cache
def prose_of(model: type[models.Model]) -> tuple[Any, ...]:
    """Those that hold sentences, and no code such as a lot: void rows leave without them.

    Why a row is void leaves with it: that was written for this.
    """
    return tuple(one for one in fields_of(model) if not isinstance(one, CodeField) and one.name != "void_reason")


def without_prose(row: models.Model, cells: Iterable[Any]) -> list[Any]:
    """The cells of a row, empty where they show a sentence of it: a column may show one under another name."""
    said = [text for field in prose_of(type(row)) for text in _texts(row.__dict__.get(field.attname)) if text]
    return ["" if isinstance(cell, str) and any(_shows(cell, text) for text in said) else cell for cell in cells]


def _shows(cell: str, text: str) -> bool:
    return cell == text or (len(text) > 3 and text in cell)


def owner_of(row: Any) -> Any:
    """The person whom a row is about; None for a row that is about nobody, or about nobody yet."""
    found = row
    try:
        for name in max(getattr(row, "part_of", ()), key=len, default="").split("__"):
            found = getattr(found, name) if name else found
    except ObjectDoesNotExist:
        return None
    return found if hasattr(found, "identity_in") else None


def refuse_identity(row: models.Model, names: Collection[str] | None = None) -> None:
    """Raises Refused where a text that is about to be saved names its person for certain.

    What stands in the database already is not asked about again: a row that says so stays mendable.
    """
    loaded = {name: row.__dict__.get(field.attname) for field in fields_of(type(row)) if (name := field.name)}
    typed = {name: value for name, value in loaded.items() if value and (names is None or name in names)}
    if not typed or (owner := owner_of(row)) is None:
        return
    found = {name: kinds for name, value in typed.items() if (kinds := _certain(owner, *_texts(value)))}
    if found and not row._state.adding:
        stored = type(row)._default_manager.filter(pk=row.pk).values(*found).first() or {}
        found = {name: kinds for name, kinds in found.items() if stored.get(name) != typed[name]}
    if found:
        labels = {field.name: field.verbose_name for field in fields_of(type(row))}
        raise Refused(" ".join(refusal(labels[name], kinds) for name, kinds in found.items()))


def refuse_identity_for(rows: models.QuerySet[Any], values: dict[str, Any]) -> None:
    """The same about texts that many rows are given at once, for each of the people whom those rows are about."""
    model: type[models.Model] = rows.model
    free = {field.name: field for field in fields_of(model)}
    typed = {name: text for name, text in values.items() if name in free and isinstance(text, str) and text}
    for owner in _owners(rows) if typed else ():
        if found := {name: kinds for name, text in typed.items() if (kinds := _certain(owner, text))}:
            raise Refused(" ".join(refusal(free[name].verbose_name, kinds) for name, kinds in found.items()))


def _owners(rows: models.QuerySet[Any]) -> list[Any]:
    path = max(rows.model.part_of, key=len, default="")
    keys = rows.order_by().values_list(path or "pk", flat=True).distinct()
    model = rows.model
    for name in path.split("__") if path else ():
        model = model._meta.get_field(name).related_model
    return list(model._default_manager.filter(pk__in=list(keys))) if hasattr(model, "identity_in") else []


def _texts(value: Any) -> Iterator[str]:
    """The text, or every text within what is kept as one."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list | tuple):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _texts(one)


def _certain(owner: Any, *texts: str) -> list[str]:
    found = (one for text in texts for one in owner.identity_in(text) if one.is_certain)
    return list(dict.fromkeys(str(one.kind) for one in found))


# --- In words -----------------------------------------------------------------------------------------


def refusal(label: Any, kinds: Iterable[str]) -> str:
    text = _(
        "%(field)s holds %(kinds)s. What is written here is read outside the site: write “the participant” instead."
    )
    return text % {"field": _label(label), "kinds": in_words(kinds)}


def _question(label: Any, kinds: Iterable[str]) -> str:
    text = _(
        "%(field)s may hold %(kinds)s. What is written here is read outside the site: take it out, or say why it is "
        "something else."
    )
    return text % {"field": _label(label), "kinds": in_words(kinds)}


def _label(label: Any) -> str:
    name = str(label)
    return _("“%(name)s”") % {"name": name[:1].upper() + name[1:]}


def in_words(kinds: Iterable[str]) -> str:
    """Such as "the participant's name and the participant's phone"; never what they are."""
    return _(" and ").join(str(KINDS[kind]) for kind in dict.fromkeys(kinds))


# --- Of a form ----------------------------------------------------------------------------------------


def prepare(form: forms.BaseForm) -> None:
    """A form that may be masked keeps its box in sight, whatever else is wrong with it."""
    if form.is_bound and form.add_prefix(MASK) in form.data:
        _add_box(form)


def read(form: Any, owner: Any, rows: Iterable[Any] = ()) -> Iterator[tuple[str, str]]:
    """Look through what was typed: errors stand on the form, and questions come back, each with its code.

    Where the box is ticked, a word stands in place of each finding, on the form and on the rows made from it.
    """
    if owner is None:
        return
    found = {name: owner.identity_in(text) for name, text in _typed(form)}
    found = {name: hits for name, hits in found.items() if hits}
    if found and form.data.get(form.add_prefix(MASK)):
        _mask(form, found, owner, rows)
        return
    for name, hits in found.items():
        label, sure = form[name].label, [str(one.kind) for one in hits if one.is_certain]
        if sure:
            form.add_error(name, f"{refusal(label, sure)} {_('Or tick the box that masks it.')}")
        else:
            digest = hashlib.sha256(form.cleaned_data[name].encode()).hexdigest()[:12]
            yield f"identity-{digest}", _question(label, [str(one.kind) for one in hits])
    if found:
        _add_box(form)


def is_free(name: str, field: Any) -> bool:
    """Whether somebody may write into this field what they like."""
    is_text = isinstance(field, forms.CharField) and not isinstance(field, formfields.PartialDateField)
    is_seen = not field.widget.is_hidden and not isinstance(field.widget, forms.PasswordInput)
    return is_text and is_seen and name not in IDENTITY


def _typed(form: Any) -> Iterator[tuple[str, str]]:
    """What was written into free fields; on the page of a row that is there, only what was written anew."""
    row = getattr(form, "instance", None)
    for name, field in form.fields.items():
        text = form.cleaned_data.get(name)
        is_new = row is None or row.pk is None or name in form.changed_data
        if is_new and is_free(name, field) and isinstance(text, str) and text:
            yield name, text


def _mask(form: Any, names: Iterable[str], owner: Any, rows: Iterable[Any]) -> None:
    form.masked = [str(form[name].label) for name in names]
    for name in names:
        text = form.cleaned_data[name]
        form.cleaned_data[name] = owner.masked(text, MASKS)
        for row in (getattr(form, "instance", None), *rows):
            if row is not None and getattr(row, name, None) == text:
                setattr(row, name, form.cleaned_data[name])


def _add_box(form: forms.BaseForm) -> None:
    form.fields[MASK] = forms.BooleanField(
        label=gettext_lazy("Write [name], [phone] … in place of what was found"),
        required=False,
        widget=UnfoldBooleanWidget,
        help_text=gettext_lazy("Then save again: the rest of the text stays as it is."),
    )
