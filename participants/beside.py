"""The name beside every number, so that nobody writes on the wrong person.

Written into the finished page, in one place: whatever shows a participant's number to somebody who may see names shows
the name beside it, lists, forms, heads and messages alike, and no template can forget it. What is stored, sent or
exported is no page and has the number alone.
"""

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass

from django.db.models import Exists, OuterRef, Q
from django.utils.html import escape

from participants.models import IdentityRead, Participant
from trialsite.identity import seen_by
from trialsite.models import User

# What is no text to a reader: tags with their attributes, and elements whose content is for the program, for the
# browser's history (the title), typed by somebody, or drawn to measure.
_LEFT = (
    r"<!--.*?-->"
    r"|<(?P<raw>script|style|textarea|title|svg)\b.*?</(?P=raw)\s*>"
    r"|<[/!a-zA-Z](?:[^<>\"']++|\"[^\"]*+\"|'[^']*+'|<)*+>"
)
# A site's code and a counter: ZJ-S029, ZJ-003. Part of a longer word, as in the name of a file, it is none.
_NUMBER = r"(?<![A-Za-z0-9_./\-])[A-Za-z0-9_\-]{1,10}-S?[0-9]{3,6}(?![A-Za-z0-9_\-])"
_PAGE = re.compile(f"{_LEFT}|(?P<number>{_NUMBER})", re.DOTALL)
_WORDS = re.compile(f"(?P<number>{_NUMBER})")
# The text right after a tag that says so is shown as it was sent or recorded, or has the name beside it already.
VERBATIM = "data-verbatim"
# Isolated, as by `bdi` where there may be markup: so a browser's draft can leave the name out.
PLAIN = " \u2068{}\u2069"
MARKED = ' <bdi class="ts-called">{}</bdi>'
# Where the number ends what its cell says, the name may stand below it: so a list grows no wider.
LAST = ' <bdi class="ts-called ts-below">{}</bdi>'


@dataclass(frozen=True)
class Named:
    """Whom a number means, and whether it was kept already that this reader was shown the name that day."""

    key: int
    name: str
    is_noted: bool


@dataclass(frozen=True)
class Place:
    """Where a number ends in a text, and how a name is written there."""

    number: str
    end: int
    form: str = PLAIN


def places_in_page(html: str) -> list[Place]:
    """The numbers that a reader of the page sees as text."""
    found, tag = [], ""
    for one in _PAGE.finditer(html):
        if one["number"] is None:
            tag = one[0]
        elif VERBATIM not in tag:
            form = PLAIN if tag.startswith("<option") else LAST if html.startswith("</", one.end()) else MARKED
            found.append(Place(one["number"], one.end(), form))
    return found


def places_in_words(text: str) -> list[Place]:
    return [Place(one["number"], one.end()) for one in _WORDS.finditer(text)]


def names(user: User, numbers: Set[str], *, on: dt.date) -> dict[str, Named]:
    """Number → name, for those of this person's sites, as far as they may see names: one query, none without a number.

    Whoever is enrolled goes by the participant number: beside the older one the name would stand twice.
    """
    if not numbers or "name" not in seen_by(user):
        return {}
    rows = Participant.objects.filter(Q(screening_number__in=numbers) | Q(participant_number__in=numbers))
    if not user.is_superuser:
        rows = rows.filter(site__in=user.sites.all())
    noted = Exists(IdentityRead.objects.filter(by=user, participant=OuterRef("pk"), day=on))
    found = rows.order_by().values_list("participant_number", "screening_number", "pk", "name", noted)
    return {number or screening: Named(*named) for number, screening, *named in found}


def written(text: str, places: Iterable[Place], known: Mapping[str, Named]) -> str:
    """The text with the name beside each number that is known."""
    made, upto = [], 0
    for place in places:
        if (one := known.get(place.number)) is not None:
            name = one.name if place.form is PLAIN else escape(one.name)
            made += [text[upto : place.end], place.form.format(name)]
            upto = place.end
    return "".join([*made, text[upto:]])
