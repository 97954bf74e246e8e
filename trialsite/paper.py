"""Taking over paper records: the steps of one participant from screening to today, each app's part in order."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from django.apps import apps
from django.http import HttpRequest
from django.urls import reverse
from django.utils.dateparse import parse_date
from django.utils.http import urlencode

APPS = ("participants", "dosing", "safety")
# The order in which things happen, and in which they are entered.
ORDER = (
    "screened",
    "consent",
    "examinations",
    "eligibility",
    "enrolled",
    "leukapheresis",
    "product",
    "plan",
    "lymphodepletion",
    "fitness",
    "identity",
    "infusion",
    "visits",
    "assessments",
    "events",
    "medication",
    "status",
)
# In the address of a form: whose steps to go back to; NEW before there is somebody.
PARAMETER, NEW = "paper", "new"
# And the day of an enrolment that is taken over, for which eligibility is judged.
AS_OF = "as_of"


@dataclass(frozen=True)
class Entry:
    """Something that is recorded, with its page."""

    text: str
    link: str = ""


@dataclass(frozen=True)
class Step:
    """`links` lead to the forms that record it; an optional one is never the next."""

    code: str
    name: Any
    entries: tuple[Entry, ...] = ()
    links: tuple[tuple[Any, str], ...] = ()
    hint: Any = ""
    is_done: bool = False
    is_optional: bool = False
    is_next: bool = field(default=False, compare=False)


def steps_of(participant: Any, *, user: Any, as_of: dt.date | None, now: dt.datetime) -> list[Step]:
    """All steps in order; the first that is neither done nor optional is the next one."""
    found: list[Step] = []
    for name in APPS:
        if apps.is_installed(name) and find_spec(f"{name}.paper"):
            found += import_module(f"{name}.paper").steps(participant, user=user, as_of=as_of, now=now)
    ordered = sorted(found, key=lambda step: ORDER.index(step.code))
    following = next((step.code for step in ordered if not step.is_done and not step.is_optional), None)
    day = f"&{AS_OF}={as_of.isoformat()}" if as_of else ""
    return [_shown(step, is_next=step.code == following, day=day) for step in ordered]


def _shown(step: Step, *, is_next: bool, day: str) -> Step:
    """With the day in every address, so that it is still there after the form."""
    return replace(
        step,
        is_next=is_next,
        links=tuple((name, address + day) for name, address in step.links),
        entries=tuple(replace(entry, link=entry.link and entry.link + day) for entry in step.entries),
    )


def link(name: str, participant: Any, /, *args: Any, **query: Any) -> str:
    """The address of a form that leads back to the steps of this participant."""
    asked = {**query, PARAMETER: participant.pk}
    return f"{reverse(f'admin:{name}', args=args)}?{urlencode(asked)}"


def add(model: str, participant: Any, /, **query: Any) -> str:
    """The form that adds a row of this model, `app_model`, for this participant."""
    return link(f"{model}_add", participant, participant=participant.pk, **query)


def allowed(user: Any, links: Iterable[tuple[Any, str, str]]) -> tuple[tuple[Any, str], ...]:
    """Name and address of those for which the person has the permission."""
    return tuple((name, address) for name, address, permission in links if user.has_perm(permission))


def way_back(request: HttpRequest, saved: Any = None) -> str:
    """Where a form that was opened from the steps leads after saving; empty for every other form."""
    whose = request.GET.get(PARAMETER, "")
    if whose == NEW and saved is not None:
        whose = str(saved.pk)
    if not (whose.isascii() and whose.isdecimal()):
        return ""
    day = day_of(request)
    address = reverse("admin:participants_participant_paper", args=[whose])
    return f"{address}?{AS_OF}={day.isoformat()}" if day else address


def day_of(request: HttpRequest) -> dt.date | None:
    """The day for which eligibility is judged, where another than today is asked for."""
    try:
        return parse_date(request.GET.get(AS_OF, ""))
    except ValueError:
        return None
