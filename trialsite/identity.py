"""Which names name a person outside the study, wherever they stand."""

from typing import Any

from django.core.exceptions import FieldDoesNotExist

from trialsite.fields import EncryptedDateField, EncryptedTextField

IDENTITY = frozenset({"name", "birth_date", "phone", "hospital_number", "bed", "initials"})


def never_kept(opts: Any) -> frozenset[str]:
    """Fields that a browser may keep no draft of: all that may name a person, unless the model says otherwise.

    The name of a drug is no identity: its column is not encrypted.
    """
    return frozenset(name for name in IDENTITY if not _is_plain(opts, name))


def asks_who(opts: Any) -> bool:
    """Whether a form of this model asks for what names a person."""
    return any(isinstance(one, EncryptedTextField | EncryptedDateField) for one in getattr(opts, "fields", ()))


def _is_plain(opts: Any, name: str) -> bool:
    try:
        is_encrypted = isinstance(opts and opts.get_field(name), EncryptedTextField | EncryptedDateField)
    except FieldDoesNotExist:
        return False
    return opts is not None and not is_encrypted
