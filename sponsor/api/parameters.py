"""What may stand behind the ? of a list: each filter says what it takes, and refuses everything else in words.

A parameter that is misspelt or cannot be read is an error: a filter that is ignored hands out the wrong rows.
"""

import datetime as dt
from collections.abc import Iterable
from typing import Any

import django_filters
from django import forms
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.drainage import set_override
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request

from participants.models import Participant
from sponsor.changed import changed_keys
from sponsor.pages import CURSOR, ORDERING, PAGE_SIZE
from trialsite import changes
from trialsite.fields import PartialDateField
from trialsite.models import Site

FIELDS = "fields"
# Nothing of the study is older, and no calendar ends within it.
FIRST_YEAR, LAST_YEAR = 1900, 2099
# A key is a small number; a grade, a smaller one.
MOST_KEY, MOST_GRADE = 10**18, 5


def wrong(name: str, text: Any, code: str = "invalid-parameter") -> ValidationError:
    return ValidationError({name: [ErrorDetail(str(text), code)]})


# --- How a value is written -------------------------------------------------------------------------


class MomentField(forms.CharField):
    """A moment with its zone."""

    def clean(self, value: Any) -> dt.datetime | None:
        if not (text := super().clean(value)):
            return None
        try:
            moment = dt.datetime.fromisoformat(text)
        except ValueError:
            text = _("Not a time: write it like %(example)s. In an address, + is written %(plus)s.")
            written = {"example": "2026-03-05T09:30:00Z", "plus": "%2B"}
            raise forms.ValidationError(text, params=written) from None
        if moment.tzinfo is None:
            raise forms.ValidationError(_("Without a zone: add Z for UTC, or the distance to it."))
        _refuse_year(moment.year)
        # PostgreSQL reads no distance of 16 hours and more.
        return moment.astimezone(dt.UTC)


class DayField(forms.CharField):
    """A whole date, as 2026-03-05."""

    def clean(self, value: Any) -> dt.date | None:
        if not (text := super().clean(value)):
            return None
        try:
            # In this form alone: the library takes others, such as weeks.
            day = dt.date.fromisoformat(text) if len(text) == 10 and text[4] == text[7] == "-" else None
        except ValueError:
            day = None
        if day is None:
            raise forms.ValidationError(_("Not a date: write it like %(example)s."), params={"example": "2026-03-05"})
        _refuse_year(day.year)
        return day


def _refuse_year(year: int) -> None:
    if not FIRST_YEAR <= year <= LAST_YEAR:
        years = {"first": FIRST_YEAR, "last": LAST_YEAR}
        raise forms.ValidationError(_("Only years from %(first)s to %(last)s can be asked for."), params=years)


class WholeField(forms.CharField):
    """A whole number in digits, between two others."""

    def __init__(self, *args: Any, least: int, most: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.least, self.most = least, most

    def clean(self, value: Any) -> int | None:
        if not (text := super().clean(value)):
            return None
        if not (text.isascii() and text.isdigit() and len(text) < 20 and self.least <= int(text) <= self.most):
            limits = {"least": self.least, "most": self.most}
            raise forms.ValidationError(_("A whole number from %(least)s to %(most)s."), params=limits)
        return int(text)


class WordField(forms.CharField):
    """One of these words, letter by letter."""

    def __init__(self, *args: Any, words: Iterable[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.words = tuple(words)

    def clean(self, value: Any) -> str | None:
        if not (text := super().clean(value)):
            return None
        if text not in self.words:
            known = {"words": ", ".join(self.words)}
            raise forms.ValidationError(_("Not one of these: %(words)s."), params=known)
        return text


# --- The filters of a list --------------------------------------------------------------------------


class Filter(django_filters.Filter):
    """`schema` is how the description tells of it."""

    def __init__(self, field_class: type[forms.Field], schema: dict[str, Any], text: str, **kwargs: Any) -> None:
        self.field_class = field_class
        super().__init__(**kwargs)
        set_override(self, "field", {**schema, "description": text})


def moment(text: str, **kwargs: Any) -> Filter:
    return Filter(MomentField, {"type": "string", "format": "date-time"}, text, **kwargs)


def day(text: str, **kwargs: Any) -> Filter:
    return Filter(DayField, {"type": "string", "format": "date"}, text, **kwargs)


def whole(text: str, *, least: int, most: int, **kwargs: Any) -> Filter:
    schema = {"type": "integer", "minimum": least, "maximum": most}
    return Filter(WholeField, schema, text, least=least, most=most, **kwargs)


def word(text: str, words: Iterable[str], **kwargs: Any) -> Filter:
    words = tuple(words)
    return Filter(WordField, {"type": "string", "enum": list(words)}, text, words=words, **kwargs)


def yes_no(text: str, **kwargs: Any) -> Filter:
    return word(text, ("true", "false"), **kwargs)


def said(text: str, **kwargs: Any) -> Filter:
    """Whatever the rows hold, letter by letter: something to see, and no letter that PostgreSQL has not."""
    pattern = r"^[^\x00]*[^\x00\s][^\x00]*$"
    return Filter(forms.CharField, {"type": "string", "minLength": 1, "pattern": pattern}, text, **kwargs)


class RowFilter(django_filters.FilterSet):
    """What every list can be asked for."""

    modified_since = moment(
        "ISO 8601 with zone: rows changed at this moment or later, void ones included. Send the `complete_until` "
        f"of the last time. Years {FIRST_YEAR} to {LAST_YEAR}, and not the future.",
        method="changed_since",
    )
    participant = said("Screening or participant number; one that is not known is an error.", method="of_participant")
    site = said("A site's code; one that is not known is an error.", method="of_site")
    is_void = yes_no(
        "`false`: only rows that count. A copy that is kept up to date needs the void ones, too.", method="by_void"
    )

    # The way from a row to its participant; empty where the row is one.
    along = "participant"

    def changed_since(self, queryset: Any, name: str, value: dt.datetime) -> Any:
        if value > timezone.now() + changes.OVERLAP:
            raise wrong(name, _("This moment lies in the future."), "moment-in-the-future")
        return queryset.filter(pk__in=changed_keys(queryset.model, since=value))

    def of_participant(self, queryset: Any, name: str, value: str) -> Any:
        numbered = Participant.objects.filter(Q(screening_number=value) | Q(participant_number=value))
        if not (people := list(numbered.values_list("pk", flat=True))):
            raise wrong(name, _("There is no participant with this number."))
        return queryset.filter(**{f"{self.along or 'pk'}__in": people})

    def of_site(self, queryset: Any, name: str, value: str) -> Any:
        if (site := Site.objects.filter(code=value).first()) is None:
            raise wrong(name, _("There is no site with this code."))
        return queryset.filter(**{f"{self.along}__site".removeprefix("__"): site})

    def by_void(self, queryset: Any, name: str, value: str) -> Any:
        return queryset.fallen() if value == "true" else queryset.standing()

    def by_word(self, queryset: Any, name: str, value: str) -> Any:
        """Of a column that says yes or no."""
        return queryset.filter(**{name: value == "true"})

    def from_partial(self, queryset: Any, name: str, value: dt.date) -> Any:
        """Dates that may be this day or a later one: 2026-03 may be 5 March."""
        column, text = name.removesuffix("_from"), value.isoformat()
        return queryset.filter(Q(**{f"{column}__gte": text}) | Q(**{f"{column}__in": [text[:4], text[:7]]}))

    def to_partial(self, queryset: Any, name: str, value: dt.date) -> Any:
        """Dates that may be this day or an earlier one; what is not known is none."""
        column, text = name.removesuffix("_to"), value.isoformat()
        return queryset.filter(**{f"{column}__lte": text, f"{column}__gt": ""})


def filters_of(model: Any, *, along: str, equal: str = "", between: str = "") -> type[RowFilter]:
    """The filters of a list: `equal` names columns that are asked for one value, `between` those with two ends.

    `visit:code` asks the column `code` under the name that it leaves with.
    """
    found: dict[str, Any] = {"along": along}
    for one in equal.split():
        name, _colon, column = one.partition(":")
        found[name] = _equal(model._meta.get_field(column or name))
    for name in between.split():
        found |= _between(model._meta.get_field(name))
    return type(f"{model.__name__}Filter", (RowFilter,), found)


def _equal(field: Any) -> Filter:
    name, text = field.name, f"Rows with this `{field.name}`."
    kind = getattr(field, "output_field", None) or field
    if isinstance(kind, models.BooleanField):
        return yes_no(text, method="by_word")
    if field.is_relation:
        return whole(text, least=1, most=MOST_KEY, field_name=f"{name}_id")
    if isinstance(field, models.IntegerField):
        return whole(text, least=0, most=MOST_GRADE, field_name=name)
    if field.choices:
        return word(text, [str(value) for value, _name in field.flatchoices if value != ""], field_name=name)
    return said(text, field_name=name)


def _between(field: Any) -> dict[str, Filter]:
    name = field.name
    first, last = f"`{name}` then or later.", f"`{name}` then or earlier."
    if isinstance(field, PartialDateField):
        known = " A date known in part is among them where it may be."
        return {
            f"{name}_from": day(first + known, method="from_partial"),
            f"{name}_to": day(last + known, method="to_partial"),
        }
    ends: dict[str, Any] = {f"{name}_from": (first, "gte"), f"{name}_to": (last, "lte")}
    if isinstance(field, models.IntegerField):
        words = {"gte": f"`{name}` this or higher.", "lte": f"`{name}` this or lower."}
        return {
            key: whole(words[lookup], least=0, most=MOST_GRADE, field_name=name, lookup_expr=lookup)
            for key, (_text, lookup) in ends.items()
        }
    make = moment if isinstance(field, models.DateTimeField) else day
    return {key: make(text, field_name=name, lookup_expr=lookup) for key, (text, lookup) in ends.items()}


# --- All parameters of a request --------------------------------------------------------------------


class StrictFilterBackend(DjangoFilterBackend):
    def filter_queryset(self, request: Request, queryset: Any, view: Any) -> Any:
        is_list = view.action == "list"
        known = {*view.filterset_class.base_filters, CURSOR, PAGE_SIZE, ORDERING} if is_list else set()
        refuse_parameters(request, {*known, FIELDS})
        return super().filter_queryset(request, queryset, view) if is_list else queryset


def refuse_parameters(request: Request, known: set[str]) -> None:
    """Each parameter is one that we know, stands there once, and has a value."""
    names = {"known": ", ".join(sorted(known)) or _("none")}
    mistakes: dict[str, list[ErrorDetail]] = {}
    for name, values in request.query_params.lists():
        if name not in {*known, "format"}:
            text = _("Unknown parameter. Known ones: %(known)s.") % names
            mistakes[name] = [ErrorDetail(text, "unknown-parameter")]
        elif len(values) > 1:
            text = _("Given %(times)s times: give it once.") % {"times": len(values)}
            mistakes[name] = [ErrorDetail(text, "repeated-parameter")]
        elif not values[0].strip():
            text = _("Empty: leave the parameter out, or give it a value.")
            mistakes[name] = [ErrorDetail(text, "invalid-parameter")]
    if mistakes:
        raise ValidationError(mistakes)


def columns_asked_for(request: Request, known: Iterable[str]) -> tuple[str, ...] | None:
    """The names in `fields`, none given being all. Raises ValidationError for one that there is not, or twice."""
    text = request.query_params.get(FIELDS)
    if text is None:
        return None
    names, all_names = text.split(","), tuple(known)
    if strange := [name for name in names if name not in all_names]:
        told = {"names": ", ".join(strange)[:200], "known": ", ".join(all_names)}
        raise wrong(FIELDS, _("No such columns: %(names)s. There are: %(known)s.") % told)
    if len(set(names)) < len(names):
        raise wrong(FIELDS, _("A column stands there twice."))
    return tuple(names)
