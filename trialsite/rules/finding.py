"""What somebody means who types into the search of the site: a study number, in parts, and words for what to do.

A number is a run of ASCII letters, digits and dashes with a digit in it: “zj-003”, “S029”, “3”. Everything else is a
word. Chinese has no spaces: a run of it fits where most of its pairs of characters do.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

NUMBER = re.compile(r"[A-Za-z0-9-]*\d[A-Za-z0-9-]*")
WORD = re.compile(r"[a-z0-9.]+|[^\sa-z0-9.,;:!?，。；：！？、“”‘’（）()/·-]+")
# They say nothing about what is looked for.
IGNORED = frozenset({"a", "an", "and", "at", "for", "in", "of", "on", "the", "to", "为", "给", "的", "查", "在"})


@dataclass(frozen=True)
class Asked:
    """`numbers` in capitals and without dashes, `words` in small letters."""

    numbers: tuple[str, ...]
    words: tuple[str, ...]


def read(text: str) -> Asked:
    """What was typed, in whatever width and case.

    >>> read("Record consent for ＺＪ-003")
    Asked(numbers=('ZJ003',), words=('record', 'consent'))
    >>> read("登记ZJ003知情同意")
    Asked(numbers=('ZJ003',), words=('登记', '知情同意'))
    """
    plain = unicodedata.normalize("NFKC", text)
    numbers = [found.replace("-", "").upper() for found in NUMBER.findall(plain)]
    words = WORD.findall(NUMBER.sub(" ", plain).lower())
    return Asked(tuple(dict.fromkeys(numbers)), tuple(word for word in dict.fromkeys(words) if word not in IGNORED))


def fit(words: Iterable[str], names: str) -> int:
    """How well all the words fit what is said of a page, 0 where one of them does not.

    >>> fit(("consent",), "Record consent 登记知情同意")
    1
    >>> fit(("enter", "results"), "Record consent 登记知情同意")
    0
    """
    said = names.lower()
    known = WORD.findall(said)
    found = [_fits(word, said, known) for word in words]
    return sum(found) if all(found) else 0


def _fits(word: str, said: str, known: list[str]) -> bool:
    if word.isascii():
        return any(one.startswith(word) for one in known)
    return word in said or _shares(word, said)


def _shares(word: str, said: str) -> bool:
    """Most pairs of neighbouring characters are there: 登记同意 fits 登记知情同意."""
    pairs = [word[place : place + 2] for place in range(len(word) - 1)]
    return bool(pairs) and 2 * sum(pair in said for pair in pairs) > len(pairs)
