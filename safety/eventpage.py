"""What apps above this one add to the page of an event, and to the recording of a report about it.

Nothing here names them: each says so itself when it starts, in its `AppConfig.ready`.
"""

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from django.urls import URLPattern

from safety.models import AdverseEvent
from trialsite.models import User
from trialsite.subjectpage import Section


class Say(Protocol):
    def __call__(self, event: AdverseEvent, *, user: Any, now: dt.datetime) -> Section | None: ...


class Make(Protocol):
    def __call__(self, event: AdverseEvent, *, by: User, now: dt.datetime) -> bytes: ...


class Miss(Protocol):
    def __call__(self, event: AdverseEvent, *, now: dt.datetime) -> list[str]: ...


@dataclass(frozen=True)
class ReportFile:
    """A report that can be made of what is known of an event now.

    `missing` says in plain words what has to be put right before; empty: it can be made.
    """

    code: str
    name: Any
    suffix: str
    make: Make
    missing: Miss


@dataclass(frozen=True)
class Addition:
    """A section of the page, None where it has nothing to say; addresses under that of the event; files of reports."""

    section: Say
    urls: Callable[[Any], list[URLPattern]]
    files: tuple[ReportFile, ...] = ()


_ADDITIONS: list[Addition] = []


def add(addition: Addition) -> None:
    """Once for each app; a second time changes nothing."""
    if addition not in _ADDITIONS:
        _ADDITIONS.append(addition)


def sections(event: AdverseEvent, *, user: Any, now: dt.datetime) -> Iterator[Section]:
    for one in _ADDITIONS:
        found = one.section(event, user=user, now=now)
        if found is not None:
            yield found


def urls(page: Any) -> list[URLPattern]:
    return [address for one in _ADDITIONS for address in one.urls(page)]


def files() -> dict[str, ReportFile]:
    """By code, in the order in which they are offered."""
    return {file.code: file for one in _ADDITIONS for file in one.files}
