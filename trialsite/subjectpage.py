"""What the page of a participant is made of: each app gives its sections, what is owed, and what comes next.

An app has a module `page` with any of these:

- `SECTIONS`, a tuple of `Section`: declared once, in no order;
- `owed(asked)`, what is owed now, by whom;
- `following(asked)`, the step that comes next as this app sees it, or None.

A section's summary is read while the section is folded, and costs at most one query; its body is made only when
somebody opens it.
"""

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from django.apps import apps
from django.http import HttpRequest

from trialsite import wayback
from trialsite.roles import ROLE_NAMES, ROLE_PERMISSIONS

APPS = ("participants", "dosing", "safety")
# In the order of the work.
ORDER = (
    "eligibility",
    "consent",
    "treatment",
    "toxicity",
    "events",
    "medication",
    "labs",
    "response",
    "visits",
    "deviations",
    "trail",
)


@dataclass
class Asked:
    """Whose page it is, who reads it, and when."""

    participant: Any
    request: HttpRequest
    now: dt.datetime

    @property
    def user(self) -> Any:
        return self.request.user

    def may(self, permission: str) -> bool:
        return bool(self.user.has_perm(permission))

    @cached_property
    def memory(self) -> dict[str, Any]:
        """What one part of the page has found, and another needs too."""
        return {}

    def once(self, name: str, find: Callable[[], Any]) -> Any:
        if name not in self.memory:
            self.memory[name] = find()
        return self.memory[name]


@dataclass(frozen=True)
class Verb:
    """Something to be done here; `permission` says who may, `name` and the rest are the address of its form."""

    text: Any
    name: str
    permission: str
    query: tuple[tuple[str, Any], ...] = ()
    # The form of this participant, and not one to which the participant is told.
    is_of_participant: bool = False

    def link(self, asked: Asked, section: str) -> str:
        back = wayback.page(asked.participant, section)
        if self.is_of_participant:
            return wayback.link(self.name, asked.participant.pk, back=back, **dict(self.query))
        return wayback.link(self.name, participant=asked.participant.pk, back=back, **dict(self.query))


@dataclass(frozen=True)
class Section:
    """One subject: `summary` is a line of words, `body` what the template at `template` shows."""

    code: str
    title: Any
    permission: str
    template: str
    body: Callable[[Asked], dict[str, Any]]
    summary: Callable[[Asked], Any] = lambda asked: ""
    verbs: tuple[Verb, ...] = ()
    # Further verbs and pages that depend on how things stand: text and address.
    more: Callable[[Asked], list[tuple[Any, str]]] = lambda asked: []


def _roles_with(permission: str) -> list[str]:
    return [str(ROLE_NAMES[role]) for role, granted in ROLE_PERMISSIONS.items() if permission in granted]


@dataclass(frozen=True)
class Owed:
    """A thing that is owed now: `permission` is what it takes to do it, and so says by whom."""

    text: Any
    link: str
    permission: str
    late: Any = ""
    due: dt.datetime | dt.date | None = None
    # Somebody may be in danger: it stands before everything else.
    is_urgent: bool = False

    @property
    def by_whom(self) -> list[str]:
        return _roles_with(self.permission)


@dataclass(frozen=True)
class Next:
    """The sensible next step, said in a sentence; `link` is empty for those who may not do it."""

    text: Any
    link: str = ""
    permission: str = ""

    @property
    def by_whom(self) -> list[str]:
        return _roles_with(self.permission)


def _each(name: str) -> Iterator[Any]:
    """What the apps' modules have of this name."""
    for app in APPS:
        if apps.is_installed(app) and find_spec(f"{app}.page"):
            found = getattr(import_module(f"{app}.page"), name, None)
            if found is not None:
                yield found


def sections() -> list[Section]:
    """All that there are, in the order of the work."""
    return sorted((one for found in _each("SECTIONS") for one in found), key=lambda one: ORDER.index(one.code))


def section(code: str) -> Section | None:
    return next((one for one in sections() if one.code == code), None)


def owed(asked: Asked) -> list[Owed]:
    """What is owed by anybody: what is urgent, then what is late."""
    found = [one for find in _each("owed") for one in find(asked)]
    return sorted(found, key=lambda one: (not one.is_urgent, not one.late))


def following(asked: Asked) -> Next | None:
    """The first step that an app knows of, from screening to follow-up."""
    return next((step for find in _each("following") if (step := find(asked)) is not None), None)


def actions(asked: Asked, one: Section) -> list[tuple[Any, str]]:
    """What this reader may do in a section, with the addresses."""
    allowed = [(verb.text, verb.link(asked, one.code)) for verb in one.verbs if asked.may(verb.permission)]
    return allowed + one.more(asked)
