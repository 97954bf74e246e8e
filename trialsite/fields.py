"""Fields that several apps use: identity encrypted at rest, and dates known only in part."""

import base64
import datetime as dt
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from django import forms
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from trialsite import formfields
from trialsite.partialdate import PartialDate

# The first line of a list from which nothing is chosen yet.
PLEASE_CHOOSE = _("please choose")


@lru_cache
def _ciphers(keys: tuple[str, ...]) -> tuple[AESSIV, ...]:
    try:
        return tuple(AESSIV(base64.b64decode(key, validate=True)) for key in keys)
    except ValueError as error:
        raise ImproperlyConfigured(
            f"FIELD_KEYS must hold 64 random bytes in base64 each, separated by commas ({error}). "
            "Make one with: python -c 'import os,base64;print(base64.b64encode(os.urandom(64)).decode())'"
        ) from None


def encrypt(text: str, label: str) -> str:
    """AES-SIV: the same text under the same label gives the same token, so exact search works."""
    cipher = _ciphers(tuple(settings.FIELD_KEYS))[0]
    return base64.b64encode(cipher.encrypt(text.encode(), [label.encode()])).decode()


def decrypt(token: str, label: str) -> str:
    """The text, or an error: a wrong key must never show a token as if it were a name."""
    for cipher in _ciphers(tuple(settings.FIELD_KEYS)):
        try:
            return cipher.decrypt(base64.b64decode(token), [label.encode()]).decode()
        except InvalidTag:
            continue
    raise ImproperlyConfigured(
        f"{label}: no key in FIELD_KEYS opens this value. Restore the key that it was written with."
    )


class EncryptedTextField(models.CharField):  # type: ignore[type-arg]
    """Text that stands in the database only as a token; exact lookups work, others are refused."""

    def __init__(self, *args: Any, label: str = "", **kwargs: Any) -> None:
        self.label = label
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        return name, path, args, {**kwargs, "label": self.label}

    def db_type(self, connection: Any) -> str:
        return "text"

    def from_db_value(self, value: str | None, *args: Any) -> str | None:
        return value if value in (None, "") else decrypt(value, self.label)

    def get_prep_value(self, value: Any) -> Any:
        text = super().get_prep_value(value)
        return text if text in (None, "") else encrypt(text, self.label)

    def get_lookup(self, lookup_name: str) -> Any:
        return super().get_lookup(lookup_name) if lookup_name in {"exact", "in", "isnull"} else None

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


class EncryptedDateField(models.DateField):  # type: ignore[type-arg]
    """A date that stands in the database only as a token."""

    def __init__(self, *args: Any, label: str = "", **kwargs: Any) -> None:
        self.label = label
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        return name, path, args, {**kwargs, "label": self.label}

    def get_internal_type(self) -> str:
        return "TextField"

    def db_type(self, connection: Any) -> str:
        return "text"

    def from_db_value(self, value: str | None, *args: Any) -> dt.date | None:
        return None if value is None else dt.date.fromisoformat(decrypt(value, self.label))

    def get_prep_value(self, value: Any) -> Any:
        date = super().get_prep_value(value)
        return None if date is None else encrypt(date.isoformat(), self.label)

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        return value if prepared else self.get_prep_value(value)

    def get_lookup(self, lookup_name: str) -> Any:
        return super().get_lookup(lookup_name) if lookup_name in {"exact", "isnull"} else None


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
