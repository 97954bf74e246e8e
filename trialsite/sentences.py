"""Sentences one after the other, as the reader's language sets them: with a space between them, or with none."""

from collections.abc import Iterable
from functools import reduce
from typing import Any

from django.utils.translation import gettext


def joined(sentences: Iterable[Any]) -> str:
    """Those that say something, in their order."""
    return reduce(_followed, (text for one in sentences if (text := str(one))), "")


def _followed(text: str, following: str) -> str:
    return gettext("%(sentence)s %(following)s") % {"sentence": text, "following": following} if text else following
