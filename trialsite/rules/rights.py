"""Who held which right on a day, and who gave it and took it away: told from what the rows of the trail said when.

Source: 21 CFR 11.10(d), (g) and 11.300(b); EU GMP Annex 11, 12.3 and 12.4 (creation, change and cancellation of access
authorisations are recorded). A day is that of the site's own clock, from midnight to midnight.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum


class Kind(StrEnum):
    ACTIVE = "active"
    STAFF = "staff"
    SUPERUSER = "superuser"
    ROLE = "role"
    SITE = "site"
    PERMISSION = "permission"
    TOKEN = "token"
    PASSWORD = "password"
    ALLOWED = "allowed"


@dataclass(frozen=True)
class Right:
    """What somebody holds, by number: a role, a site, a token; for ALLOWED the holder is a role."""

    holder: int
    kind: Kind
    what: str = ""


@dataclass(frozen=True)
class Act:
    """Who did something, when and why."""

    at: dt.datetime
    by: str
    reason: str = ""


@dataclass(frozen=True)
class Stated:
    """The rights that one row of the database gave from an act on; none once the row was deleted.

    `is_found`: no act, but how the row stood when its trail began. `expires`: when its rights end of themselves.
    """

    row: tuple[str, str]
    act: Act
    rights: frozenset[Right]
    is_found: bool = False
    expires: dt.datetime | None = None


@dataclass(frozen=True)
class Span:
    """One right from when it was given until it ended: taken away by somebody, or run out (`taken` is None)."""

    right: Right
    given: Act
    is_found: bool
    until: dt.datetime | None = None
    taken: Act | None = None


def spans(stated: Iterable[Stated]) -> list[Span]:
    """Every right with its beginning and its end; the statements about one row come in their order."""
    open_now: dict[tuple[str, str], dict[Right, tuple[Span, dt.datetime | None]]] = {}
    done: list[Span] = []
    for one in stated:
        held = open_now.setdefault(one.row, {})
        for right in [right for right in held if right not in one.rights]:
            done.append(_ended(*held.pop(right), one.act))
        for right in one.rights:
            begun = held[right][0] if right in held else Span(right, one.act, one.is_found)
            held[right] = (begun, one.expires)
    for held in open_now.values():
        done += [_ended(span, expires, None) for span, expires in held.values()]
    return sorted(done, key=lambda span: (span.given.at, span.right.kind, span.right.what))


def _ended(span: Span, expires: dt.datetime | None, taken: Act | None) -> Span:
    """A token that ran out before it was taken away was good for nothing in between."""
    if expires is not None and (taken is None or expires <= taken.at):
        return replace(span, until=expires)
    return replace(span, until=taken.at, taken=taken) if taken else span


def bounds(day: dt.date, zone: dt.tzinfo) -> tuple[dt.datetime, dt.datetime]:
    """The first moment of a day at the site, and that of the next one."""
    midnight = dt.time(tzinfo=zone)
    return dt.datetime.combine(day, midnight), dt.datetime.combine(day + dt.timedelta(days=1), midnight)


def held_on(found: Iterable[Span], day: dt.date, zone: dt.tzinfo) -> list[Span]:
    """What was held at any moment of the day: given before it was over, and not gone when it began."""
    begins, ends = bounds(day, zone)
    return [span for span in found if span.given.at < ends and (span.until is None or span.until > begins)]


def within_day(span: Span, day: dt.date, zone: dt.tzinfo) -> tuple[dt.datetime | None, dt.datetime | None]:
    """Where it was not held for the whole day: from when, and until when."""
    begins, ends = bounds(day, zone)
    since = span.given.at if span.given.at > begins and not span.is_found else None
    return since, span.until if span.until is not None and span.until < ends else None
