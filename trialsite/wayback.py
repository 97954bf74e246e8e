"""Where a form leads once it is saved: back to the page from which it was opened.

The form's address says so in one parameter, `back`, which is a word and a number of our own, never an address:
`page-12-labs` (the participant's page, at a section), `visit-33` (where a visit is entered), `enter-12-LD1` (where one
before the infusion is, of participant 12), `today` (the first page).
Whatever else stands there is no way back.
"""

import re
from typing import Any

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.http import urlencode

from trialsite import paper

PARAMETER = "back"
TODAY = "today"
_PLACE = re.compile(r"(?P<kind>page|visit)-(?P<pk>[0-9]{1,18})(?:-(?P<section>[a-z_]{1,20}))?")
_BEFORE = re.compile(r"enter-(?P<pk>[0-9]{1,18})-(?P<code>[A-Za-z0-9_-]{1,10})")
_PAGES = {"page": "admin:participants_participant_page", "visit": "admin:participants_visit_enter"}


def page(participant: Any, section: str = "") -> str:
    """The word for a participant's page, by its row or number of row."""
    whose = getattr(participant, "pk", participant)
    return f"page-{whose}-{section}" if section else f"page-{whose}"


def visit(row: Any) -> str:
    return f"visit-{getattr(row, 'pk', row)}"


def enter(participant: Any, code: str) -> str:
    """The word for the page on which a visit before the infusion is entered: it is no row."""
    return f"enter-{getattr(participant, 'pk', participant)}-{code}"


def link(name: str, /, *args: Any, back: str, **query: Any) -> str:
    """The address of a form of the admin, `app_model_add`, that leads back to there."""
    return f"{reverse(f'admin:{name}', args=args)}?{urlencode({**query, PARAMETER: back})}"


def with_back(address: str, back: str) -> str:
    """An address that was made elsewhere, leading back to there; as it is where there is no such way, or another."""
    if not address or not back or f"{paper.PARAMETER}=" in address or f"{PARAMETER}=" in address:
        return address
    address, _hash, place = address.partition("#")
    sign = "&" if "?" in address else "?"
    return f"{address}{sign}{urlencode({PARAMETER: back})}{_hash}{place}"


def asked(request: HttpRequest) -> str:
    """The word for the way back that this form was opened with; empty where there is none."""
    word = request.GET.get(PARAMETER, "")
    return word if address_of(word) else ""


def address_of(word: str) -> str:
    """The page that the word stands for; empty where it stands for none."""
    if word == TODAY:
        return reverse("admin:index")
    if before := _BEFORE.fullmatch(word):
        return reverse("admin:participants_participant_enter", args=[int(before["pk"]), before["code"]])
    place = _PLACE.fullmatch(word)
    if place is None:
        return ""
    try:
        address = reverse(_PAGES[place["kind"]], args=[int(place["pk"])])
    except NoReverseMatch:
        return ""
    return f"{address}?open={place['section']}#{place['section']}" if place["section"] else address


def way_back(request: HttpRequest, saved: Any = None) -> str:
    """Where the form of this request leads: to the steps from paper, or to where it was opened; empty otherwise."""
    return paper.way_back(request, saved) or address_of(request.GET.get(PARAMETER, ""))


def home_of(row: Any) -> str:
    """The page of the participant whom a saved row is about; empty for rows about nobody."""
    whose = row.pk if row._meta.label == "participants.Participant" else getattr(row, "participant_id", None)
    return address_of(page(whose)) if whose is not None else ""
