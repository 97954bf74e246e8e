"""The many words for one thing: what a laboratory prints, and what we call it."""

import unicodedata
from collections.abc import Callable
from functools import cache
from typing import Any

from django.utils import translation

from participants.imports.synonyms import NO_UNIT, SYNONYMS, UNIT_SYNONYMS
from participants.names import MEASURE_NAMES, answer_text
from participants.rules.measures import MEASURES
from trialsite.reading import word_key

LANGUAGES = ("en", "zh-hans")


def key(text: str) -> str:
    return word_key(text)


def in_languages(word: Callable[[], Any]) -> list[str]:
    found = []
    for language in LANGUAGES:
        with translation.override(language):
            found.append(str(word()))
    return found


@cache
def measure_words() -> dict[str, str]:
    """Every word for a measure: its code first, then its names; "" for a name that two measures share."""
    words = {key(code): code for code in MEASURES}
    named: dict[str, set[str]] = {}
    for code in MEASURES:
        for name in in_languages(lambda code=code: MEASURE_NAMES[code]):  # type: ignore[misc]
            named.setdefault(key(name), set()).add(code)
        for name in SYNONYMS.get(code, ()):
            named.setdefault(key(name), set()).add(code)
    return {word: codes.pop() if len(codes) == 1 else "" for word, codes in named.items()} | words


def unit_key(text: str) -> str:
    """One spelling for the many of the same unit: ×10⁹/L, 10*9/L, x10^9/l; µmol/L, umol/L; ℃, degC."""
    text = text.replace("⁹", "^9").replace("³", "^3")
    text = unicodedata.normalize("NFKC", text).casefold()
    for printed, ours in (("μ", "u"), ("×", ""), ("*", "^"), ("°", "deg"), ("10e", "10^"), (" ", "")):
        text = text.replace(printed, ours)
    return text.removeprefix("x")


@cache
def unit_words(code: str) -> dict[str, str]:
    words = {}
    for unit in MEASURES[code].all_units:
        for word in (*in_languages(lambda unit=unit: answer_text("unit", unit)), unit):  # type: ignore[misc]
            words[unit_key(word)] = unit
        for word in UNIT_SYNONYMS.get(unit, ()):
            words.setdefault(unit_key(word), unit)
        if not unit:
            words |= dict.fromkeys(map(unit_key, NO_UNIT), unit)
    return words


_ALSO = {
    "negative": ("阴性", "阴性(-)", "neg", "-", "(-)"),
    "positive": ("阳性", "阳性(+)", "pos", "+", "(+)"),
    "yes": ("是", "y"),
    "no": ("否", "n"),
}


@cache
def choice_words(code: str) -> dict[str, str]:
    words: dict[str, str] = {}
    for choice in MEASURES[code].choices:
        names = in_languages(lambda choice=choice: answer_text(code, choice))  # type: ignore[misc]
        for word in (choice, *names, *_ALSO.get(choice, ())):
            words.setdefault(key(word), choice)
    return words
