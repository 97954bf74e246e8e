"""Who may do what, on any day: read from the events that the database wrote, and put into words."""

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import Any
from zoneinfo import ZoneInfo

from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import Permission
from django.utils import timezone
from django.utils.translation import gettext as _

from trialsite import audit
from trialsite.firstevents import FOUND
from trialsite.models import (
    Event,
    PermissionGiven,
    RoleAllows,
    RoleGiven,
    RoleHolder,
    Site,
    SiteGiven,
    TokenGiven,
    User,
)
from trialsite.roles import ROLE_NAMES, Role
from trialsite.rules.rights import Act, Kind, Right, Span, Stated, held_on, spans, within_day

ZONE = ZoneInfo(settings.TIME_ZONE)
DELETED = "delete"


def _person(event: Any) -> Iterator[Right]:
    who = event.pgh_obj_id
    flags = {Kind.ACTIVE: event.is_active, Kind.STAFF: event.is_staff, Kind.SUPERUSER: event.is_superuser}
    yield from (Right(who, kind) for kind, is_set in flags.items() if is_set)
    if event.password_set_at is not None:
        yield Right(who, Kind.PASSWORD, event.password_set_at.isoformat())


def _giving(kind: Kind, holder: str, what: str) -> Callable[[Any], Iterator[Right]]:
    """Reads a row that ties somebody to something, by the names of its two columns."""

    def read(event: Any) -> Iterator[Right]:
        yield Right(getattr(event, holder), kind, str(getattr(event, what)))

    return read


@dataclass(frozen=True)
class Source:
    """Where rights stand: the tracked model, how to tell its rows apart, whose they are, and what a row gives."""

    model: Any
    row: str
    holder: str
    gives: Callable[[Any], Iterator[Right]]


PEOPLE = (
    Source(User, "pgh_obj_id", "pgh_obj_id", _person),
    Source(RoleGiven, "id", "user_id", _giving(Kind.ROLE, "user_id", "group_id")),
    Source(SiteGiven, "id", "user_id", _giving(Kind.SITE, "user_id", "site_id")),
    Source(PermissionGiven, "id", "user_id", _giving(Kind.PERMISSION, "user_id", "permission_id")),
    Source(TokenGiven, "token_key", "user_id", _giving(Kind.TOKEN, "user_id", "token_key")),
)
ROLES = (Source(RoleAllows, "id", "group_id", _giving(Kind.ALLOWED, "group_id", "permission_id")),)


def events_of(model: Any) -> Any:
    """The events of a tracked model."""
    found: list[Any] = [one for one in apps.get_models() if issubclass(one, Event)]
    return next(one for one in found if one.pgh_tracked_model is model).objects.order_by("pgh_id")


def stated(sources: Iterable[Source], *, holder: int | None = None) -> Iterator[Stated]:
    """What the rows of these tables said when; of one holder, or of all."""
    names = audit.Names()
    for source in sources:
        events = events_of(source.model)
        if holder is not None:
            # The whole story of a row, also where it came to name somebody else.
            events = events.filter(**{f"{source.row}__in": events.filter(**{source.holder: holder}).values(source.row)})
        for event in events:
            yield Stated(
                row=(source.model.__name__, str(getattr(event, source.row))),
                act=_act(event, names),
                rights=frozenset() if event.pgh_label == DELETED else frozenset(source.gives(event)),
                is_found=event.pgh_label == FOUND,
                expires=getattr(event, "expiry", None),
            )


def _act(event: Any, names: audit.Names) -> Act:
    """With the name of whoever the trail is sure of; otherwise what it knows."""
    context = event.pgh_context or {}
    return Act(event.pgh_created_at, audit.who(context, event, names), context.get("reason", ""))


# --- a day ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Held:
    """One right in words, and where it was not held for the whole day: from when, and until when."""

    text: str
    since: dt.datetime | None = None
    until: dt.datetime | None = None

    @property
    def hours(self) -> str:
        ends = ((_("from %(time)s"), self.since), (_("until %(time)s"), self.until))
        return _(", ").join(text % {"time": f"{timezone.localtime(at):%H:%M}"} for text, at in ends if at is not None)

    def __str__(self) -> str:
        return _("%(what)s (%(hours)s)") % {"what": self.text, "hours": self.hours} if self.hours else self.text


@dataclass(frozen=True)
class PersonOnDay:
    """What one person was allowed on a day; `name` is that of today."""

    person: User
    active: tuple[Held, ...]
    superuser: tuple[Held, ...]
    roles: tuple[Held, ...]
    sites: tuple[Held, ...]
    permissions: tuple[Held, ...]
    tokens: tuple[Held, ...]
    password_set_at: dt.datetime | None
    site_numbers: frozenset[str]


@dataclass(frozen=True)
class RoleOnDay:
    name: str
    allowed: tuple[Held, ...]


@dataclass(frozen=True)
class Day:
    """Everybody's rights on one day. `found_on`: before this day some rows had no trail yet, and are not shown."""

    day: dt.date
    people: tuple[PersonOnDay, ...]
    roles: tuple[RoleOnDay, ...]
    found_on: dt.date | None


def on_day(day: dt.date, *, reader: User) -> Day:
    """Who could do what at some moment of this day, as far as it is the reader's site to know."""
    of_people = spans(stated(PEOPLE))
    words = Words()
    reach = None if reader.is_superuser else {str(pk) for pk in reader.sites.values_list("pk", flat=True)}
    people = {person.pk: person for person in User.objects.order_by("last_name", "first_name", "username")}
    grouped = _by_holder(held_on(of_people, day, ZONE))
    ever = {pk: _sites(held) for pk, held in _by_holder(of_people).items()}
    shown = [pk for pk in people if pk in ever and _is_near(_sites(grouped[pk]) or ever[pk], reach)]
    return Day(
        day,
        tuple(_person_on(people[pk], grouped[pk], day, words, reach) for pk in shown),
        tuple(_roles_on(day, words)),
        _found_after(of_people, day),
    )


def _by_holder(found: Iterable[Span]) -> defaultdict[int, list[Span]]:
    grouped: defaultdict[int, list[Span]] = defaultdict(list)
    for span in found:
        grouped[span.right.holder].append(span)
    return grouped


def _sites(held: Iterable[Span]) -> set[str]:
    return {span.right.what for span in held if span.right.kind == Kind.SITE}


def _is_near(sites: set[str], reach: set[str] | None) -> bool:
    """People of one's own sites, and those who belong to none: administrators, and programs."""
    return reach is None or not sites or bool(sites & reach)


def _found_after(found: Iterable[Span], day: dt.date) -> dt.date | None:
    """The day on which rows were found that may have stood on the day that is asked for."""
    days = [timezone.localdate(span.given.at) for span in found if span.is_found]
    return max((one for one in days if one > day), default=None)


def _person_on(person: User, held: list[Span], day: dt.date, words: "Words", reach: set[str] | None) -> PersonOnDay:
    def of(kind: Kind) -> tuple[Held, ...]:
        chosen = [one for one in held if one.right.kind == kind]
        if kind == Kind.SITE and reach is not None:
            chosen = [one for one in chosen if one.right.what in reach]
        return tuple(Held(words.of(one.right), *within_day(one, day, ZONE)) for one in chosen)

    passwords = [one.right.what for one in held if one.right.kind == Kind.PASSWORD]
    return PersonOnDay(
        person=person,
        active=of(Kind.ACTIVE),
        superuser=of(Kind.SUPERUSER),
        roles=of(Kind.ROLE),
        sites=of(Kind.SITE),
        permissions=of(Kind.PERMISSION),
        tokens=of(Kind.TOKEN),
        password_set_at=max(map(dt.datetime.fromisoformat, passwords), default=None),
        site_numbers=frozenset(_sites(held)),
    )


def _roles_on(day: dt.date, words: "Words") -> Iterator[RoleOnDay]:
    grouped = _by_holder(held_on(spans(stated(ROLES)), day, ZONE))
    for group, held in sorted(grouped.items()):
        allowed = [Held(words.of(one.right), *within_day(one, day, ZONE)) for one in held]
        yield RoleOnDay(words.role(str(group)), tuple(sorted(allowed, key=attrgetter("text"))))


class Words:
    """What the numbers of the trail mean; what is gone by now keeps its number."""

    def __init__(self) -> None:
        self.roles = {str(event.id): event.name for event in events_of(RoleHolder)}
        self.sites = {str(site.pk): str(site) for site in Site.objects.all()}
        named = Permission.objects.values_list("pk", "content_type__app_label", "codename")
        self.permissions = {str(pk): f"{app}.{code}" for pk, app, code in named}

    def role(self, number: str) -> str:
        name = self.roles.get(number, number)
        return str(ROLE_NAMES[Role(name)]) if name in set(Role) else name

    def of(self, right: Right) -> str:
        """The right's object, in the reader's language."""
        if right.kind == Kind.ROLE:
            return self.role(right.what)
        if right.kind == Kind.SITE:
            return self.sites.get(right.what, right.what)
        if right.kind in {Kind.PERMISSION, Kind.ALLOWED}:
            return self.permissions.get(right.what, right.what)
        return f"{right.what}…" if right.kind == Kind.TOKEN else _("yes")


# --- the trail of one person ----------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """One sentence of the trail: when, what was given or taken away by whom, and why."""

    at: dt.datetime
    text: str
    reason: str = ""


def trail(person: User, *, reader: User) -> list[Line]:
    """Everything that was given to a person and taken away again, newest first."""
    reach = None if reader.is_superuser else {str(pk) for pk in reader.sites.values_list("pk", flat=True)}
    words = Words()
    found = [
        line
        for span in spans(stated(PEOPLE, holder=person.pk))
        if span.right.holder == person.pk
        if span.right.kind != Kind.SITE or reach is None or span.right.what in reach
        for line in _lines(span, words)
    ]
    return sorted(found, key=lambda line: line.at, reverse=True)


def _lines(span: Span, words: Words) -> Iterator[Line]:
    values = {"what": words.of(span.right)}
    text = _found_text(span.right.kind) if span.is_found else _given_text(span.right.kind)
    yield Line(span.given.at, text % {**values, "by": span.given.by}, span.given.reason)
    if span.right.kind == Kind.PASSWORD:
        return
    if span.taken is not None:
        yield Line(span.taken.at, _taken_text(span.right.kind) % {**values, "by": span.taken.by}, span.taken.reason)
    elif span.until is not None and span.until <= timezone.now():
        yield Line(span.until, _("Token %(what)s ran out") % values)


def _given_text(kind: Kind) -> str:
    return {
        Kind.ACTIVE: _("Made active by %(by)s"),
        Kind.STAFF: _("Let into the pages of the site by %(by)s"),
        Kind.SUPERUSER: _("Made administrator by %(by)s"),
        Kind.ROLE: _("Role %(what)s given by %(by)s"),
        Kind.SITE: _("Site %(what)s given by %(by)s"),
        Kind.PERMISSION: _("Permission %(what)s given by %(by)s"),
        Kind.TOKEN: _("Token %(what)s issued by %(by)s"),
        Kind.PASSWORD: _("Password set by %(by)s"),
    }[kind]


def _taken_text(kind: Kind) -> str:
    return {
        Kind.ACTIVE: _("Made inactive by %(by)s"),
        Kind.STAFF: _("Shut out of the pages of the site by %(by)s"),
        Kind.SUPERUSER: _("No longer administrator: taken away by %(by)s"),
        Kind.ROLE: _("Role %(what)s taken away by %(by)s"),
        Kind.SITE: _("Site %(what)s taken away by %(by)s"),
        Kind.PERMISSION: _("Permission %(what)s taken away by %(by)s"),
        Kind.TOKEN: _("Token %(what)s ended by %(by)s"),
    }[kind]


def _found_text(kind: Kind) -> str:
    return {
        Kind.ACTIVE: _("Active when the trail began"),
        Kind.STAFF: _("Let into the pages of the site when the trail began"),
        Kind.SUPERUSER: _("Administrator when the trail began"),
        Kind.ROLE: _("Role %(what)s held when the trail began"),
        Kind.SITE: _("Site %(what)s held when the trail began"),
        Kind.PERMISSION: _("Permission %(what)s held when the trail began"),
        Kind.TOKEN: _("Token %(what)s valid when the trail began"),
        Kind.PASSWORD: _("Password set before the trail began"),
    }[kind]
