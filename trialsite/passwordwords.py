"""Words that anybody who knows this house would try first in a password."""

import functools
import re
import unicodedata

from django.contrib.auth.password_validation import MinimumLengthValidator
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from trialsite.study import get_study

# Besides the study's and its sites' own: what the trial is about, and what people append.
WORDS = ("trialsite", "hospital", "zhujiang", "guangzhou", "leukemia", "leukaemia", "cart", "cd19", "password", "admin")
REST = 8


def house_words() -> list[str]:
    """The words, the longest first, so that a short one does not break a long one."""
    protocol = get_study().latest
    texts = " ".join((protocol.registry_id, *(site.name.en for site in protocol.sites)))
    names = re.findall(r"[a-z0-9]{4,}", texts.lower())
    return sorted({*WORDS, *names}, key=len, reverse=True)


def without_house_words(password: str, words: list[str]) -> str:
    """What is left of a password, in small letters, once the words are taken out.

    >>> without_house_words("Zhujiang2026!", ["zhujiang"])
    '2026!'
    """
    rest, before = unicodedata.normalize("NFKC", password).casefold(), None
    while rest != before:  # taking one out may join another
        before, rest = rest, functools.reduce(lambda text, word: text.replace(word, ""), words, rest)
    return rest


class LongEnoughValidator(MinimumLengthValidator):
    """Django's, in words that are translated."""

    def get_error_message(self) -> str:
        return self.get_help_text()

    def get_help_text(self) -> str:
        return _("Your password needs at least %(n)s characters.") % {"n": self.min_length}


class HouseWordsValidator:
    """Refuses a password that is little more than such words."""

    def validate(self, password: str, user: object = None) -> None:
        if len(without_house_words(password, house_words())) < REST:
            raise ValidationError(self.get_help_text(), code="house_words")

    def get_help_text(self) -> str:
        return _(
            "Your password needs at least %(n)s characters beside words that anybody here would try first: the names "
            "of the hospital, the study and this program."
        ) % {"n": REST}
