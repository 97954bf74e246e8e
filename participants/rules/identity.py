"""Whether two entries name one person.

Source: the study's own rule [P]; NFKC is Unicode Standard Annex 15 (full-width and half-width letters are one letter).
A hospital number counts without spaces, hyphens, width and case; a name without spaces, width and case. Names alone,
or birth dates alone, are shared by many people.
"""

import datetime as dt
import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum

_BETWEEN = re.compile(r"[\s\-‐‑–—·.]+")


class Match(StrEnum):
    HOSPITAL_NUMBER = "hospital_number"
    NAME_AND_BIRTH_DATE = "name_and_birth_date"


@dataclass(frozen=True)
class Identity:
    name: str
    birth_date: dt.date | None
    hospital_number: str = ""
    phone: str = ""


def plain(text: str) -> str:
    """
    >>> plain(" ab－01 2")
    'AB012'
    """
    return _BETWEEN.sub("", unicodedata.normalize("NFKC", text)).upper()


def match(one: Identity, other: Identity) -> Match | None:
    """By what two entries look like one person; an empty number matches nobody, nor does what is not known."""
    number = plain(one.hospital_number)
    if number and number == plain(other.hospital_number):
        return Match.HOSPITAL_NUMBER
    name = plain(one.name)
    if name and one.birth_date and one.birth_date == other.birth_date and name == plain(other.name):
        return Match.NAME_AND_BIRTH_DATE
    return None
