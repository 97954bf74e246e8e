"""Telling the site's people of what is owed besides visits, as each of them wants it: by itself or once a day together,
not in quiet hours, and to the deputy of whoever is away. One mail for each thing and person, whoever asks how often."""

import datetime as dt
import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.utils import timezone

from participants.actions.days import end_of_day, site_day
from participants.actions.reminders import Desk, desks_of, is_told
from participants.models import DutyReminder
from participants.rules import reminders as rules
from trialsite import notifications
from trialsite.models import Notification, Site, User
from trialsite.study import Protocol

NO_LONGER_DUE = "no longer due"
DIGEST_TEMPLATE = "participants/email/duties"


@dataclass(frozen=True)
class Duty:
    """Something owed: `about` and `stage` say what each person is told of once; `row` is what the mail leads to."""

    about: str
    stage: str
    site: Site
    protocol: Protocol
    row: Any
    template: str
    context: Mapping[str, Any]
    relevant_until: dt.datetime


@dataclass(frozen=True)
class _Reading:
    """One duty for one of those who read it."""

    duty: Duty
    person: User
    post: rules.Post
    places: tuple[str, ...] = field(default=())

    @property
    def thing(self) -> tuple[str, str, int]:
        return self.duty.about, self.duty.stage, self.person.pk

    @property
    def key(self) -> str:
        return ":".join(map(str, self.thing))


Known = Mapping[tuple[str, str, int], DutyReminder]


@transaction.atomic
def tell_of(duties: Sequence[Duty], *, kind: str, now: dt.datetime) -> Counter[str]:
    """Write what leaves now of these duties; how many things people are told of, by stage.

    `kind` names the day's digest of them. Twice, twice at once or late gives the same: each person is told of each
    stage once, in a message that was not cancelled.
    """
    counts: Counter[str] = Counter()
    if not duties:
        return counts
    notifications.queue_alone()
    readings = _readings(duties, desks_of({one.site for one in duties}, since=site_day(now)), now=now)
    rows = DutyReminder.objects.filter(about__in={one.about for one in duties}).select_related("message")
    known = {(row.about, row.stage, row.recipient_id): row for row in rows}
    alike: dict[str, list[list[_Reading]]] = {}
    for mail in _mails(readings, known, now=now):
        alike.setdefault(_key(mail, kind, known, now), []).append(mail)
    written = notifications.queue_all([_letter(key, mails, kind, now) for key, mails in alike.items()], now=now)
    for key in written:
        _keep(key, alike[key], known)
        counts.update(one.duty.stage for mail in alike[key] for one in mail)
    return counts


def _readings(duties: Iterable[Duty], desks: Mapping[int, Desk], *, now: dt.datetime) -> list[_Reading]:
    found = []
    for duty in duties:
        desk = desks[duty.site.pk]
        for who, places in desk.readers(duty.protocol, is_escalation=False, on=site_day(now)).items():
            names = tuple(str(desk.people[one]) for one in sorted(places))
            found.append(_Reading(duty, desk.people[who], desk.post_of(who, duty.protocol), names))
    return found


def _mails(readings: Iterable[_Reading], known: Known, *, now: dt.datetime) -> Iterable[list[_Reading]]:
    """Of each person and site, what leaves now."""
    people: dict[tuple[int, int], dict[str, _Reading]] = {}
    for one in readings:
        people.setdefault((one.person.pk, one.duty.site.pk), {})[one.key] = one
    for those in people.values():
        first = next(iter(those.values()))
        hour = rules.due_at(site_day(now), first.duty.protocol.reminding.hour, zone=timezone.get_current_timezone())
        told = {key for key, one in those.items() if one.thing in known and is_told(known[one.thing])}
        due = [rules.Due(key, hour) for key in those]
        for mail in rules.sort_out(due, post=first.post, told=told, now=timezone.localtime(now)).mails:
            yield [those[one.key] for one in mail]


def _times(one: _Reading, known: Known) -> int:
    return known[one.thing].times + 1 if one.thing in known else 1


def _key(mail: Sequence[_Reading], kind: str, known: Known, now: dt.datetime) -> str:
    """What says the same to several people has one key; other words have another."""
    places = _places(mail)
    if len(mail) > 1:
        things = sorted((one.duty.about, one.duty.stage, _times(one, known)) for one in mail)
        return f"{kind}:{site_day(now)}:{_digest(things, places)}"
    (one,) = mail
    again = f":{times}" if (times := _times(one, known)) > 1 else ""
    return f"{one.duty.about}:{one.duty.stage}{again}" + (f":{_digest(places)}" if places else "")


def _digest(*what: Any) -> str:
    return hashlib.sha256(repr(what).encode()).hexdigest()[:16]


def _places(mail: Sequence[_Reading]) -> list[str]:
    return sorted({name for one in mail for name in one.places})


def _letter(key: str, mails: Sequence[Sequence[_Reading]], kind: str, now: dt.datetime) -> notifications.Letter:
    mail = mails[0]
    duty, is_digest = mail[0].duty, len(mail) > 1
    beside = {"in_place_of": _places(mail)}
    digest = {"lines": [one.duty for one in mail], "today": site_day(now)}
    return notifications.Letter(
        key=key,
        about=f"{kind}:{site_day(now)}" if is_digest else duty.about,
        site=duty.site,
        recipients=[one[0].person for one in mails],
        template=DIGEST_TEMPLATE if is_digest else duty.template,
        context={**(digest if is_digest else duty.context), **beside},
        # What a digest says of days is of today: tomorrow it is told in others.
        relevant_until=end_of_day(site_day(now)) if is_digest else duty.relevant_until,
    )


def _keep(key: str, mails: Iterable[Sequence[_Reading]], known: Known) -> None:
    """Which message tells whom of what."""
    for one in (one for mail in mails for one in mail):
        about, stage, person = one.thing
        row = known.get(one.thing) or DutyReminder(about=about, stage=stage, recipient_id=person)
        row.times, row.message_id = _times(one, known), f"{key}:{person}"
        row.save()


def still_wanted(still_owed: Callable[[Collection[str]], Collection[str]]) -> Callable[[Notification], str | None]:
    """For the digests of a kind: why one must not leave any more. What still holds of it is told in the next."""

    def why_not(message: Notification) -> str | None:
        about = set(DutyReminder.objects.filter(message=message).values_list("about", flat=True))
        return None if about <= set(still_owed(about)) else NO_LONGER_DUE

    return why_not
