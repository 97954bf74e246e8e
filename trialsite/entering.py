"""A visit is entered as a visit: what it asks, section by section, each app's part in the order of the work.

An app has a module `entering` with any of these:

- `FORMS`: what the study file calls a form → the sections that it makes for a visit;
- `RECORDED`: of those that a planned visit must have, the same word → how often it was recorded in the days of each of
  many visits, by their keys; what has no entry here keeps no such visit from being complete;
- `days(participant)`: on which day each visit before the infusion took place, as far as this app has recorded it.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol

from django.apps import apps
from django.http import HttpRequest
from django.utils import timezone

from trialsite import study as studies
from trialsite import wayback

APPS = ("participants", "dosing", "safety")
# In the address of the page: which section is open, and what is offered in each that has no answer yet.
OPEN, AT, LABORATORY, COMPARED = "open", "at", "laboratory", "compared"


@dataclass(frozen=True)
class Line:
    """Something that is recorded, with its page."""

    text: str
    link: str = ""


class SectionForm(Protocol):
    """The small form of a section: `template` shows it, `save` takes it or shows it again with why not."""

    template: str

    def context(self) -> dict[str, Any]: ...

    def save(self) -> bool: ...

    def carried(self) -> dict[str, str]:
        """What was typed once, and is offered in the sections that follow."""
        ...


@dataclass(frozen=True)
class Section:
    """One piece of work: what is there of it, and how it is entered.

    `form` is None where it cannot be entered here, by this reader or at all; `links` lead to pages of their own.
    """

    code: str
    name: Any
    is_done: bool = False
    lines: tuple[Line, ...] = ()
    links: tuple[tuple[Any, str], ...] = ()
    form: Callable[[], SectionForm] | None = None
    hint: Any = ""
    # Why it was not done, where somebody has said so.
    not_done: str = ""
    # What may be recorded and need not: it never keeps a visit from being complete.
    is_optional: bool = False
    # Whether it can be left out with a reason, said here; a dose or a consent says so itself.
    may_be_missed: bool = False


@dataclass
class Page:
    """Which visit of whom is entered, by whom, and when; `row` is None for a visit before the infusion."""

    participant: Any
    code: str
    row: Any
    request: HttpRequest
    now: dt.datetime
    memory: dict[str, Any] = field(default_factory=dict)

    @property
    def user(self) -> Any:
        return self.request.user

    def may(self, permission: str) -> bool:
        return bool(self.user.has_perm(permission)) and self.participant.is_standing

    @cached_property
    def protocol(self) -> Any:
        version = self.row.protocol_version if self.row else self.participant.protocol_version
        return studies.get_study().protocol(version)

    @cached_property
    def visit(self) -> Any:
        """The line of the schedule."""
        return self.protocol.visit(self.code)

    @property
    def back(self) -> str:
        return wayback.visit(self.row) if self.row else wayback.enter(self.participant, self.code)

    @property
    def address(self) -> str:
        return wayback.address_of(self.back)

    def link(self, name: str, /, *args: Any, **query: Any) -> str:
        """The address of a form that comes back here."""
        return wayback.link(name, *args, back=self.back, **query)

    def add(self, model: str, /, **query: Any) -> str:
        return self.link(f"{model}_add", participant=self.participant.pk, **query)

    def allowed(self, *links: tuple[Any, str, str]) -> tuple[tuple[Any, str], ...]:
        """Name and address of those for which the reader has the permission."""
        return tuple((name, address) for name, address, permission in links if self.may(permission))

    def once(self, name: str, find: Callable[[], Any]) -> Any:
        if name not in self.memory:
            self.memory[name] = find()
        return self.memory[name]

    # --- when it is, or was ---------------------------------------------------------------------

    @cached_property
    def days(self) -> dict[str, dt.date]:
        """The days of the visits before the infusion that are known."""
        return {code: day for days in _each("days") for code, day in days(self.participant).items()}

    @property
    def day0(self) -> dt.date | None:
        """The day of the infusion, which was or is planned."""
        return next((self.days[code] for code in self.protocol.entered_by("infusion") if code in self.days), None)

    @cached_property
    def window(self) -> tuple[dt.date, dt.date] | None:
        """When it may take place; before the infusion it counts from the day that is planned."""
        if self.row:
            return self.row.window_opens_on, self.row.window_closes_on
        day0 = self.day0
        if day0 is None:
            return None
        opens, closes = (dt.timedelta(days=n) for n in (self.visit.window_open_day, self.visit.window_close_day))
        return day0 + opens, day0 + closes

    @cached_property
    def span(self) -> tuple[dt.date | None, dt.date]:
        """From the first to the last day whose entries are this visit's; a screening looks back as far as it may."""
        today = timezone.localdate(self.now)
        if self.row:
            days = [day for day in (*(self.window or ()), self.row.occurred_on, self._late_until) if day is not None]
            return min(days), max(days)
        if self.visit is self.protocol.visits[0]:
            after = [day for code, day in self.days.items() if code != self.code]
            return None, min([today, *(day - dt.timedelta(days=1) for day in after)])
        day = self.days.get(self.code)
        if day is not None and day <= today:
            return day, day
        return today, today

    @property
    def _late_until(self) -> dt.date | None:
        """A visit that is still owed takes what is entered until the window of the next one opens."""
        if self.row.state != "planned":
            return None
        later = [one.window_open_day for one in self.protocol.visits if one.target_day > self.visit.target_day]
        until = self.row.target_date + dt.timedelta(days=min(later) - self.visit.target_day - 1) if later else None
        today = timezone.localdate(self.now)
        return today if until is None else min(today, until)

    @cached_property
    def typed_at(self) -> dt.datetime | None:
        """The moment that was typed for the whole visit."""
        try:
            typed = dt.datetime.fromisoformat(self.request.GET.get(AT, ""))
        except ValueError:
            return None
        return typed if timezone.is_aware(typed) else timezone.make_aware(typed)

    @cached_property
    def offered_at(self) -> Any:
        """The moment that each section offers: typed once for the visit, else this minute of a visit of today.

        On another day nobody knows the time: the day alone, where there is only one.
        """
        if self.typed_at is not None:
            return self.typed_at
        first, last = self.span
        if (first is None or first <= timezone.localdate(self.now)) and timezone.localdate(self.now) <= last:
            return self.now.replace(second=0, microsecond=0)
        return [f"{last:%Y-%m-%d}" if first == last else "", ""]

    @property
    def offered_day(self) -> list[str]:
        """The day alone: the time stands on the paper, or on the clock."""
        at = self.offered_at
        return [f"{timezone.localtime(at):%Y-%m-%d}" if isinstance(at, dt.datetime) else at[0], ""]

    @property
    def offered_laboratory(self) -> str:
        return self.request.GET.get(LABORATORY, "")[:100]

    @property
    def is_compared(self) -> bool:
        """Somebody has compared the limits of this laboratory with the reports of this visit."""
        return self.request.GET.get(COMPARED) == "1"

    @property
    def carried(self) -> dict[str, str]:
        """What the address keeps from section to section."""
        return {name: self.request.GET[name] for name in (AT, LABORATORY, COMPARED) if self.request.GET.get(name)}


def _each(name: str) -> Iterator[Any]:
    """What the apps' modules have of this name."""
    for app in APPS:
        if apps.is_installed(app) and find_spec(f"{app}.entering"):
            found = getattr(import_module(f"{app}.entering"), name, None)
            if found is not None:
                yield found


def forms() -> dict[str, Callable[[Page], list[Section]]]:
    """By the word of the study file: what makes the sections of a form."""
    return {word: make for made in _each("FORMS") for word, make in made.items()}


def recorded_by_form() -> dict[str, Callable[[Sequence[Page]], Mapping[int, int]]]:
    """By the word of the study file: how often it was recorded at each of these visits, none left out."""
    return {word: count for counts in _each("RECORDED") for word, count in counts.items()}


def moments_of(page: Page) -> tuple[dt.datetime, dt.datetime]:
    """From the first moment of the days of a planned visit to the first one after them."""
    first, last = page.span
    assert first is not None
    zone = timezone.get_current_timezone()
    midnight = dt.time.min
    return dt.datetime.combine(first, midnight, zone), dt.datetime.combine(last + dt.timedelta(days=1), midnight, zone)
