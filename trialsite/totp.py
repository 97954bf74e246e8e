"""Codes of a second factor: those of the half minute (RFC 6238), and ten for the day without a telephone."""

import secrets
import time
from base64 import b32encode
from binascii import unhexlify
from urllib.parse import quote, urlencode

from django.utils.crypto import salted_hmac
from django_otp.oath import TOTP

ISSUER = "Trialsite"
DIGITS = 6
# Clocks of telephones: the code before and the one after are taken too.
TOLERANCE = 1
RECOVERY_CODES = 10
# No letter or digit that looks like another one on paper.
LETTERS = "ACDEFHJKMNPRTWXY34679"
GROUPS, GROUP = 3, 4


def address(key: str, *, name: str) -> str:
    """What the picture says to the app: the secret, and under which name to show it."""
    query = {"secret": _base32(key), "issuer": ISSUER, "algorithm": "SHA1", "digits": DIGITS, "period": 30}
    return f"otpauth://totp/{quote(f'{ISSUER}:{name}')}?{urlencode(query, quote_via=quote)}"


def spelled(key: str) -> str:
    """The secret for those who type it: groups of four."""
    text = _base32(key)
    return " ".join(text[at : at + GROUP] for at in range(0, len(text), GROUP))


def is_of_the_clock(typed: str) -> bool:
    """Whether this looks like a code of the half minute, and not like a recovery code."""
    plain = "".join(typed.split())
    return plain.isascii() and plain.isdigit() and len(plain) == DIGITS


def step_of(token: str, *, key: str, after: int) -> int | None:
    """The half minute that this code belongs to, if it is near enough and later than `after`; else None."""
    if not is_of_the_clock(token):
        return None
    clock = TOTP(unhexlify(key), digits=DIGITS)
    clock.time = time.time()
    return int(clock.t()) if clock.verify(int("".join(token.split())), TOLERANCE, after + 1) else None


def recovery_codes() -> list[str]:
    """Ten codes such as ACDE-FHJK-M346: 52 bits each."""
    return ["-".join(_letters(GROUP) for _group in range(GROUPS)) for _code in range(RECOVERY_CODES)]


def digest_of(code: str) -> str:
    """As it is kept; small letters, spaces and dashes do not matter. Keyed, so that a copy of the table is no use."""
    plain = "".join(letter for letter in code.upper() if letter.isalnum())
    return salted_hmac("trialsite.recovery", plain, algorithm="sha256").hexdigest()


def _letters(count: int) -> str:
    return "".join(secrets.choice(LETTERS) for _letter in range(count))


def _base32(key: str) -> str:
    return b32encode(unhexlify(key)).decode()
