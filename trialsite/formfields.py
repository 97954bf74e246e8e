"""The fields of every form: each reads what a Chinese or an English keyboard writes, or says how to go on.

Forms take their fields from here and not from Django; model fields come as these through `OVERRIDES`.
"""

import datetime as dt
import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.text import format_lazy
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminNullBooleanSelectWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminSplitDateTimeWidget,
    UnfoldAdminTextInputWidget,
)

from trialsite import fieldkeys, reading
from trialsite.fields import PLEASE_CHOOSE
from trialsite.reading import Doubt, Unreadable

# How a list starts in which nothing is chosen.
UNCHOSEN = ("", _("Choose…"))
EXAMPLE_DATE, EXAMPLE_TIME = "2026-11-24", "08:05"
DOUBTS: dict[Doubt, Any] = {
    Doubt.NUMBER: _("“%(value)s” cannot be read as a number. Write a number such as %(example)s."),
    Doubt.DECIMAL_COMMA: _("“%(value)s”: did you mean %(meant)s? Write it with a point."),
    Doubt.THOUSANDS: _("“%(value)s”: did you mean %(meant)s? Write it without a comma, such as %(example)s."),
    Doubt.SPACED: _("“%(value)s”: did you mean %(meant)s? Write it without spaces."),
    Doubt.UNIT: _("“%(value)s”: did you mean %(meant)s? Write the number alone, such as %(example)s."),
    Doubt.WHOLE: _("“%(value)s” has a fraction. Write a whole number such as %(example)s."),
    Doubt.DATE: _("“%(value)s” cannot be read as a date. Write it such as %(example)s."),
    Doubt.YEAR_LAST: _("“%(value)s”: did you mean %(meant)s? Write the year first, such as %(example)s."),
    Doubt.SHORT_YEAR: _("“%(value)s”: which year? Write all four digits, such as %(example)s."),
    Doubt.NO_YEAR: _("“%(value)s” has no year. Write it such as %(example)s."),
    Doubt.NO_SUCH_DAY: _("“%(value)s”: there is no such day. Check it, and write it such as %(example)s."),
    Doubt.TIME: _("“%(value)s” cannot be read as a time. Write it such as %(example)s."),
    Doubt.NO_SUCH_TIME: _("“%(value)s”: a day goes from 00:00 to 23:59. Write the time such as %(example)s."),
    Doubt.BARE_HOUR: _("“%(value)s”: did you mean %(meant)s? Write hours and minutes, such as %(example)s."),
    Doubt.MOMENT: _("“%(value)s” cannot be read as a day and a time. Write them such as %(example)s."),
}


def question(unreadable: Unreadable, example: str) -> ValidationError:
    """What to ask of whoever wrote this, naming what was written and an example that can be read."""
    meant = gettext(" or ").join(unreadable.meant) or example
    values = {"value": unreadable.typed[:40], "meant": meant, "example": example}
    return ValidationError(DOUBTS[unreadable.doubt], params=values, code="invalid")


def _understood(read: Callable[[str], Any], value: Any, example: str) -> Any:
    try:
        return read(str(value))
    except Unreadable as unreadable:
        raise question(unreadable, example) from None


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not reading.plain(value))


# --- Numbers ------------------------------------------------------------------------------------------

# Written behind a number, where the name of the field ends with it in brackets.
UNITS = frozenset(
    {"°C", "℃", "%", "mL", "mg", "mg/m²", "kg", "cm", "m²", "mmHg", "L/min", "10⁸", "minutes", "分钟", "/min", "mL/h"}
)
# A number as it often stands before the unit.
EXAMPLES = {"%": "97", "mmHg": "120", "L/min": "2", "mL": "20", "kg": "65", "cm": "170", "10⁸": "0.5", "/min": "16"}
_UNIT_OF_LABEL = re.compile(r"(.+?)\s*[(（]([^()（）]+)[)）]")


def capitalised(label: Any) -> Any:
    """As a head begins; a unit or a sign (mg, pH) stays as it is written."""
    text = str(label or "")
    return text[:1].upper() + text[1:] if text[:3].isalpha() and text[:3].islower() else label


def label_and_unit(label: Any) -> tuple[str, str]:
    """The name of a field, and the unit that it ends with: "temperature (°C)" is ("temperature", "°C")."""
    found = _UNIT_OF_LABEL.fullmatch(str(label or ""))
    return (found[1], found[2]) if found and found[2] in UNITS else (str(label or ""), "")


def _shown(number: Any) -> str:
    return reading.plain_number(Decimal(str(number)))


def _text_input(widget: Any) -> None:
    """A browser's own number box throws away what it cannot read, wide digits too: the person would see nothing."""
    if isinstance(widget, forms.NumberInput):
        widget.input_type = "text"


def example_of(field: Any) -> str:
    """A number that this field takes."""
    usual = EXAMPLES.get(label_and_unit(field.label)[1], "39.1")
    candidates = (usual, "39.1", "7.5", "0.5", "120", "12", "3", "1", "0")
    whole = [one for one in candidates if isinstance(field, DecimalField) or "." not in one]
    fitting = (one for one in whole if _is_inside(field, Decimal(one)) and _has_room(field, one))
    return next(fitting, _shown(field.min_value if field.min_value is not None else 0))


def _has_room(field: Any, text: str) -> bool:
    places = getattr(field, "decimal_places", None)
    return places is None or len(text.partition(".")[2]) <= places


def _is_inside(field: Any, value: Any) -> bool:
    low, high = field.min_value, field.max_value
    return (low is None or value >= low) and (high is None or value <= high)


def _range_question(field: Any, value: Any) -> ValidationError:
    name, unit = label_and_unit(field.label)
    low, high = field.min_value, field.max_value
    if low is not None and high is not None:
        text = gettext("%(name)s must lie in %(low)s–%(high)s%(unit)s; %(value)s was written. Check the number.")
    elif low is not None:
        text = gettext("%(name)s must be %(low)s%(unit)s or more; %(value)s was written. Check the number.")
    else:
        text = gettext("%(name)s must be %(high)s%(unit)s or less; %(value)s was written. Check the number.")
    values = {
        "name": name[:1].upper() + name[1:],
        "low": "" if low is None else _shown(low),
        "high": "" if high is None else _shown(high),
        "unit": f" {unit}" if unit else "",
        "value": _shown(value),
    }
    return ValidationError(text % values, code="out_of_range")


class DecimalField(forms.DecimalField):
    """A number with a point; a comma is asked about."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        _text_input(self.widget)

    def widget_attrs(self, widget: Any) -> dict[str, Any]:
        return {"inputmode": "decimal", "autocomplete": "off"}

    def prepare_value(self, value: Any) -> Any:
        """10, as somebody typed it, and not 10.0000, as the column keeps it."""
        return reading.plain_number(value) if isinstance(value, Decimal) and value.is_finite() else value

    def to_python(self, value: Any) -> Any:
        if _is_blank(value):
            return None
        return value if isinstance(value, Decimal) else _understood(reading.read_decimal, value, example_of(self))

    def run_validators(self, value: Any) -> None:
        if value not in self.empty_values:
            if not _is_inside(self, value):
                raise _range_question(self, value)
            self._check_digits(value)
        super().run_validators(value)

    def _check_digits(self, value: Decimal) -> None:
        if self.max_digits is None or self.decimal_places is None:
            return
        before, behind = self.max_digits - self.decimal_places, self.decimal_places
        if not _is_storable(value, before, behind):
            raise ValidationError(_too_long(value, before, behind, example_of(self)), code="digits")


class BoundField(forms.CharField):
    """A laboratory's number with the bound before it, as the pair of both; None where nothing was written."""

    def clean(self, value: Any) -> tuple[str, Decimal] | None:
        text = super().clean(value)
        found = None if _is_blank(text) else _understood(reading.read_bound, text, "8.5, <0.5")
        if found is not None and not _is_storable(found[1]):
            raise ValidationError(_too_long(found[1], 14, 6, "8.5"), code="digits")
        return found


def _is_storable(value: Decimal, before: int = 14, behind: int = 6) -> bool:
    return abs(value) < Decimal(10) ** before and value == round(value, behind)


def _too_long(value: Decimal, before: int, behind: int, example: str) -> str:
    text = gettext(
        "%(value)s has more digits than are kept: at most %(before)s before the point and %(behind)s behind it, "
        "such as %(example)s."
    )
    return text % {"value": _shown(value), "before": before, "behind": behind, "example": example}


class IntegerField(forms.IntegerField):
    """A whole number."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        _text_input(self.widget)

    def widget_attrs(self, widget: Any) -> dict[str, Any]:
        return {"inputmode": "numeric", "autocomplete": "off"}

    def to_python(self, value: Any) -> Any:
        if _is_blank(value):
            return None
        return value if isinstance(value, int) else _understood(reading.read_whole, value, example_of(self))

    def run_validators(self, value: Any) -> None:
        if value not in self.empty_values and not _is_inside(self, value):
            raise _range_question(self, value)
        super().run_validators(value)


def with_range(field: Any, validators: Iterable[Any]) -> Any:
    """The range that a model states for a column, asked for by its form field, which names it with its unit."""
    if not isinstance(field, DecimalField | IntegerField):
        return field
    for validator in validators:
        low: Any = field.min_value
        high: Any = field.max_value
        limit: Any = validator.limit_value if isinstance(validator, MinValueValidator | MaxValueValidator) else None
        if isinstance(validator, MinValueValidator):
            field.min_value = limit if low is None else max(limit, low)
        elif isinstance(validator, MaxValueValidator):
            field.max_value = limit if high is None else min(limit, high)
    return field


# --- Dates and times ----------------------------------------------------------------------------------

# What a phone offers to type with. A day and a time are read without any sign between their digits.
DIGITS = {"inputmode": "numeric", "autocomplete": "off"}
# A keyboard must not begin a code with a capital letter, nor make a word of it.
CODE = {"autocapitalize": "off", "autocorrect": "off", "spellcheck": "false"}


def _clock(value: Any) -> str | None:
    """A time as it stands in its box: seconds only where somebody has given them, and then always."""
    if isinstance(value, dt.time):
        return f"{value:%H:%M:%S}".removesuffix(":00")
    return None if value in (None, "") else str(value)


def to_the_minute(begun: Any) -> Any:
    """What a form proposes: nobody types the seconds of now."""
    if callable(begun):
        return lambda: to_the_minute(begun())
    return begun.replace(second=0, microsecond=0) if isinstance(begun, dt.datetime) else begun


class DateField(forms.DateField):
    """A day, the year first."""

    def widget_attrs(self, widget: Any) -> dict[str, Any]:
        return dict(DIGITS)

    def to_python(self, value: Any) -> Any:
        if _is_blank(value):
            return None
        if isinstance(value, dt.date):
            return super().to_python(value)
        return _understood(reading.read_date, value, EXAMPLE_DATE)


class IdentityDateField(DateField):
    """A day that names a person; what the form shows in place of one that cannot be read may be sent back."""

    def to_python(self, value: Any) -> Any:
        return value if fieldkeys.is_word(value) else super().to_python(value)

    def has_changed(self, initial: Any, data: Any) -> bool:
        return not fieldkeys.is_word(data) and super().has_changed(initial, data)


class TimeField(forms.TimeField):
    """A time of the day, in 24 hours."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.widget.format_value = _clock  # type: ignore[method-assign]

    def widget_attrs(self, widget: Any) -> dict[str, Any]:
        return dict(DIGITS)

    def to_python(self, value: Any) -> Any:
        if _is_blank(value):
            return None
        return value if isinstance(value, dt.time) else _understood(reading.read_time, value, EXAMPLE_TIME)


class MomentField(forms.SplitDateTimeField):
    """A day and a time in two boxes; both in the first one are understood too."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "required": _("Give the day and the time, such as 2026-11-24 and 08:05."),
        "invalid_date": _("Give the day too, such as 2026-11-24."),
        "invalid_time": _("Give the time too, such as 08:05."),
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "initial": to_the_minute(kwargs.get("initial"))})
        self.fields = (DateField(required=False), TimeField(required=False))
        for field in self.fields:
            field.disabled = self.disabled
        self._prepare_boxes(getattr(self.widget, "widgets", ()))

    def _prepare_boxes(self, boxes: Any) -> None:
        """Two boxes stand behind one label: each is also read with its own."""
        for box, own in zip(boxes, (_("day"), _("time")), strict=False):
            name = format_lazy("{}: {}", self.label, own) if self.label else own
            box.attrs |= {**DIGITS, "aria-label": name}
        for box in boxes[1:]:
            box.format_value = _clock

    def get_bound_field(self, form: forms.BaseForm, field_name: str) -> forms.BoundField:
        """What the form of a new row proposes; the moment of a row that is there stays as it is."""
        row = getattr(form, "instance", None)
        if row is not None and row.pk is None and field_name in form.initial:
            form.initial[field_name] = to_the_minute(form.initial[field_name])
        return super().get_bound_field(form, field_name)

    def clean(self, value: Any) -> Any:
        return super().clean(_in_two(value))

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(initial, _in_two(data))


class MinuteWidget(UnfoldAdminSplitDateTimeWidget):
    """A day and a time without the seconds that nobody typed; those that are kept stay in sight."""

    def decompress(self, value: Any) -> Any:
        day, time = super().decompress(value)
        is_whole = isinstance(time, dt.time) and not time.second and not time.microsecond
        return [day, f"{time:%H:%M}" if is_whole else time]


def _in_two(value: Any) -> Any:
    """Where the first box holds the time too, and the second none or the same: as if it stood in both."""
    if not isinstance(value, list | tuple) or len(value) != 2 or _is_blank(value[0]):
        return value
    try:
        moment = reading.read_moment(str(value[0]))
        is_same = _is_blank(value[1]) or reading.read_time(str(value[1])) == moment.time()
    except Unreadable:
        return value
    return [moment.date().isoformat(), moment.time().isoformat()] if is_same else value


class PartialDateField(forms.CharField):
    """A date as far as it is known, kept as ISO 8601 writes it."""

    example = "2026-11-24, 2026-11, 2026"

    def widget_attrs(self, widget: Any) -> dict[str, Any]:
        return {**super().widget_attrs(widget), "inputmode": "decimal", "autocomplete": "off"}

    def to_python(self, value: Any) -> str:
        text = super().to_python(value)
        if _is_blank(text):
            return ""
        return str(_understood(reading.read_partial_date, text, self.example))


# --- Words --------------------------------------------------------------------------------------------


class CodeField(forms.CharField):
    """A number of a person, a lot, a certificate: kept in one width, without stray spaces."""

    def widget_attrs(self, widget: Any) -> dict[str, Any]:
        return {**super().widget_attrs(widget), **CODE}

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        return reading.read_code(text) if isinstance(text, str) else text


class WholeCodeField(forms.CharField):
    """A code that can only be found as a whole, since it is encrypted: kept in its one spelling."""

    def widget_attrs(self, widget: Any) -> dict[str, Any]:
        return {**super().widget_attrs(widget), **CODE}

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        return reading.code_key(text) if isinstance(text, str) else text


class PhoneField(WholeCodeField):
    """The number of a telephone."""

    def widget_attrs(self, widget: Any) -> dict[str, Any]:
        return {**super().widget_attrs(widget), "inputmode": "tel", "autocomplete": "off"}


class LineField(forms.CharField):
    """A word that is looked for or compared: one width, single spaces."""

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        return reading.plain(text) if isinstance(text, str) else text


class EmailField(forms.EmailField):
    default_error_messages: ClassVar[dict[str, Any]] = {
        "invalid": _("“%(value)s” is no e-mail address. Write it such as name@hospital.cn."),
    }

    def widget_attrs(self, widget: Any) -> dict[str, Any]:
        return {**super().widget_attrs(widget), **CODE, "inputmode": "email"}

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        return reading.plain(text) if isinstance(text, str) else text


class SlugField(forms.SlugField):
    default_error_messages: ClassVar[dict[str, Any]] = {
        "invalid": _("“%(value)s”: a code has Latin letters, digits and hyphens only, such as ZJ."),
    }

    def widget_attrs(self, widget: Any) -> dict[str, Any]:
        return {**super().widget_attrs(widget), **CODE}

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        return reading.read_code(text) if isinstance(text, str) else text


class AnswerWidget(UnfoldAdminNullBooleanSelectWidget):
    """Yes, no, or nothing said yet, which is not the answer “unknown”."""

    def __init__(self, attrs: Any = None) -> None:
        super().__init__(attrs)
        self.choices = [("unknown", PLEASE_CHOOSE), ("true", _("yes")), ("false", _("no"))]


# What the pages of the admin make of the fields of a model.
OVERRIDES: dict[Any, dict[str, Any]] = {
    models.DateField: {"form_class": DateField},
    models.DateTimeField: {"form_class": MomentField},
    models.TimeField: {"form_class": TimeField},
    models.DecimalField: {"form_class": DecimalField},
    models.IntegerField: {"form_class": IntegerField},
    models.EmailField: {"form_class": EmailField},
    models.SlugField: {"form_class": SlugField, "widget": UnfoldAdminTextInputWidget},
}


def own_password(*, help_text: Any = "", required: bool = True, **attrs: Any) -> forms.CharField:
    """The password of who is logged in: taken letter by letter, and offered by the browser."""
    widget = UnfoldAdminPasswordWidget(attrs={"autocomplete": "current-password", **attrs})
    return forms.CharField(label=_("Your password"), strip=False, required=required, widget=widget, help_text=help_text)
