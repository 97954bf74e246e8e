"""Fields that several apps use: identity encrypted at rest, and dates known only in part."""

import datetime as dt
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.lookups import In
from django.utils.translation import gettext_lazy as _

from trialsite import formfields
from trialsite.fieldkeys import Unreadable, encrypt, is_word, read, tokens
from trialsite.partialdate import PartialDate

# The first line of a list from which nothing is chosen yet.
PLEASE_CHOOSE = _("please choose")


class _OneOf(In):
    """By whatever key a value was written: while keys are changed, rows of old and new ones stand side by side."""

    lookup_name = "in"

    def get_prep_lookup(self) -> Any:
        values = self.rhs if isinstance(self.rhs, list | tuple | set | frozenset) else [self.rhs]
        return [token for value in values for token in self.lhs.output_field.tokens(value)]

    def get_db_prep_lookup(self, value: Any, connection: Any) -> Any:
        return "%s", value


class _Same(_OneOf):
    lookup_name = "exact"


class _Encrypted(models.Field):  # type: ignore[type-arg]
    """What the fields have in common whose values stand in the database as tokens."""

    label: str

    def db_type(self, connection: Any) -> str:
        return "text"

    def get_lookup(self, lookup_name: str) -> Any:
        if lookup_name == "isnull":
            return super().get_lookup(lookup_name)
        return {"exact": _Same, "in": _OneOf}.get(lookup_name)

    def to_python(self, value: Any) -> Any:
        return value if isinstance(value, Unreadable) else super().to_python(value)

    def text(self, value: Any) -> str | None:
        """The value as it is written before it is closed."""
        raise NotImplementedError

    def tokens(self, value: Any) -> list[str]:
        """What the value may stand as, one for each key."""
        if isinstance(value, Unreadable):
            return [value.token]
        text = self.text(value)
        return tokens(text, self.label) if text else [] if text is None else [text]

    def get_prep_value(self, value: Any) -> Any:
        if isinstance(value, Unreadable):
            return value.token
        text = self.text(value)
        return encrypt(text, self.label) if text else text

    def save_form_data(self, instance: models.Model, data: Any) -> None:
        """A form that sends back the word for what it could not show has changed nothing."""
        if isinstance(getattr(instance, self.attname), Unreadable) and is_word(data):
            return
        super().save_form_data(instance, data)


class EncryptedTextField(_Encrypted, models.CharField):  # type: ignore[type-arg]
    """Text that stands in the database only as a token; exact lookups work, others are refused."""

    def __init__(self, *args: Any, label: str = "", **kwargs: Any) -> None:
        self.label = label
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        return name, path, args, {**kwargs, "label": self.label}

    def from_db_value(self, value: str | None, *args: Any) -> str | None:
        return read(value, self.label) if value else value

    def text(self, value: Any) -> str | None:
        return models.CharField.get_prep_value(self, value)  # type: ignore[no-any-return]

    def formfield(self, **kwargs: Any) -> forms.Field | None:  # type: ignore[override]
        return super().formfield(**{"form_class": formfields.LineField, **kwargs})


class EncryptedCodeField(EncryptedTextField):
    """A hospital number: typed in many spellings and kept in one, so that it can be found again."""

    def deconstruct(self) -> Any:
        name, _path, args, kwargs = super().deconstruct()
        return name, "trialsite.fields.EncryptedTextField", args, kwargs

    def formfield(self, **kwargs: Any) -> forms.Field | None:
        return super().formfield(**{"form_class": formfields.WholeCodeField, **kwargs})


class EncryptedPhoneField(EncryptedCodeField):
    """The number of a telephone: a phone offers its digits to type it with."""

    def formfield(self, **kwargs: Any) -> forms.Field | None:
        return super().formfield(**{"form_class": formfields.PhoneField, **kwargs})


class CodeField(models.CharField):  # type: ignore[type-arg]
    """A lot, a certificate: what is printed on it, in one width and without stray spaces."""

    def deconstruct(self) -> Any:
        name, _path, args, kwargs = super().deconstruct()
        return name, "django.db.models.CharField", args, kwargs

    def formfield(self, **kwargs: Any) -> forms.Field | None:  # type: ignore[override]
        return super().formfield(**{"form_class": formfields.CodeField, **kwargs})


class EncryptedDateField(_Encrypted, models.DateField):  # type: ignore[type-arg]
    """A date that stands in the database only as a token."""

    def __init__(self, *args: Any, label: str = "", **kwargs: Any) -> None:
        self.label = label
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        return name, path, args, {**kwargs, "label": self.label}

    def get_internal_type(self) -> str:
        return "TextField"

    def from_db_value(self, value: str | None, *args: Any) -> dt.date | Unreadable | None:
        text = read(value, self.label) if value else None
        return text if text is None or isinstance(text, Unreadable) else dt.date.fromisoformat(text)

    def text(self, value: Any) -> str | None:
        date = models.DateField.get_prep_value(self, value)
        return None if date is None else date.isoformat()

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        return value if prepared else self.get_prep_value(value)

    def formfield(self, **kwargs: Any) -> forms.Field | None:  # type: ignore[override]
        return super().formfield(**{**kwargs, "form_class": formfields.IdentityDateField})


def validate_partial_date(value: str) -> None:
    try:
        PartialDate.parse(value)
    except ValueError:
        raise ValidationError(
            _("“%(value)s” is not a date. Write 2026-03-05, or 2026-03 or 2026 when no more is known."),
            params={"value": value},
            code="partial_date",
        ) from None


class PartialDateField(models.CharField):  # type: ignore[type-arg]
    """An ISO 8601 date as far as it is known: YYYY, YYYY-MM or YYYY-MM-DD; never padded."""

    default_validators = [validate_partial_date]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", 10)
        super().__init__(*args, **kwargs)

    def formfield(self, **kwargs: Any) -> forms.Field | None:  # type: ignore[override]
        field = super().formfield(**{"form_class": formfields.PartialDateField, **kwargs})
        if field is not None:
            field.widget.attrs.setdefault("placeholder", "YYYY-MM-DD / YYYY-MM / YYYY")
        return field
