"""The keys of the identity fields: what is written is closed with the newest, what is read is opened with any.

A value that no key opens is an `Unreadable`: it is shown as that word, compared as nothing, and written back as the
token that it came as.
"""

import base64
import binascii
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import get_language, override
from django.utils.translation import gettext as _

KEY_BYTES = 64
MAKE_ONE = "python -c 'import os,base64;print(base64.b64encode(os.urandom(64)).decode())'"


class Unreadable(str):
    """What stands in place of a value that no key opens: the word for it, with the token that it came as.

    It is no date and no name: nothing comes before it or after it, and two are the same only as tokens.
    """

    token: str

    def __new__(cls, token: str) -> "Unreadable":
        made = super().__new__(cls, word())
        made.token = token
        return made

    def __getnewargs__(self) -> Any:
        return (self.token,)

    def __eq__(self, other: object) -> bool:
        return self.token == other.token if isinstance(other, Unreadable) else str.__eq__(self, other)  # type: ignore[arg-type]

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__

    def __lt__(self, other: Any) -> bool:
        return isinstance(other, str) and str.__lt__(self, other)

    def __gt__(self, other: Any) -> bool:
        return isinstance(other, str) and str.__gt__(self, other)

    __le__, __ge__ = __lt__, __gt__  # type: ignore[assignment]


def word() -> str:
    """How a value that cannot be read is shown, in the language of the reader."""
    return _("unreadable")


def is_word(text: Any) -> bool:
    """Whether somebody sends back what a form showed in place of a value, in whatever language."""
    if not isinstance(text, str):
        return False
    typed = text.strip().casefold()  # some fields keep capitals only
    return any(typed == _word_in(code).casefold() for code in (get_language() or "", *dict(settings.LANGUAGES)))


@lru_cache
def _word_in(language: str) -> str:
    with override(language or None):
        return word()


# --- Keys ----------------------------------------------------------------------------------------------


@lru_cache
def _ciphers(keys: tuple[str, ...]) -> tuple[AESSIV, ...]:
    return tuple(_cipher(number, key, len(keys)) for number, key in enumerate(keys, 1))


def _cipher(number: int, key: str, count: int) -> AESSIV:
    try:
        raw, found = base64.b64decode(key, validate=True), ""
        found = "" if len(raw) == KEY_BYTES else f"it holds {len(raw)} bytes"
    except (binascii.Error, ValueError):
        raw, found = b"", "it is no base64"
    if found:
        raise ImproperlyConfigured(
            f"FIELD_KEYS must hold 64 random bytes in base64 each, separated by commas; of its {count} the one in "
            f"place {number} is none: {found}. Put back the key from your copy; for a new database make one with: "
            f"{MAKE_ONE}"
        )
    return AESSIV(raw)


def ciphers() -> tuple[AESSIV, ...]:
    """One for each key of the settings, the newest first. Raises ImproperlyConfigured for one that is none."""
    keys = tuple(settings.FIELD_KEYS)
    if not keys:
        raise ImproperlyConfigured(f"FIELD_KEYS holds no key. Put back your copy; for a new database: {MAKE_ONE}")
    return _ciphers(keys)


def encrypt(text: str, label: str) -> str:
    """AES-SIV: the same text under the same label gives the same token, so exact search works."""
    return _closed(ciphers()[0], text, label)


def _closed(cipher: AESSIV, text: str, label: str) -> str:
    return base64.b64encode(cipher.encrypt(text.encode(), [label.encode()])).decode()


def tokens(text: str, label: str) -> list[str]:
    """What this text may stand as in the database: one token for each key, the newest first."""
    return [_closed(cipher, text, label) for cipher in ciphers()]


def opened(token: str, label: str) -> tuple[int, str] | None:
    """The place of the key that opens this token (0: the newest), and the text; None where none does."""
    try:
        raw = base64.b64decode(token, validate=True)
    except (binascii.Error, ValueError):
        return None
    for place, cipher in enumerate(ciphers()):
        try:
            return place, cipher.decrypt(raw, [label.encode()]).decode()
        except (InvalidTag, ValueError):
            continue
    return None


def decrypt(token: str, label: str) -> str:
    """The text, or an error: a wrong key must never show a token as if it were a name."""
    found = opened(token, label)
    if found is None:
        raise ImproperlyConfigured(
            f"{label}: no key in FIELD_KEYS opens this value. Restore the key that it was written with."
        )
    return found[1]


def read(token: str, label: str) -> str:
    """The text, or the word that says that it cannot be read."""
    found = opened(token, label)
    return Unreadable(token) if found is None else found[1]
