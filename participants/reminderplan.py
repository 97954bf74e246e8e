"""What will go out in the next days and why, and what was held back and why: the page of reminders."""

import datetime as dt
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from participants.actions import long_date, reminders, site_day
from participants.actions.reminders import DIGEST, ESCALATION, VISIT, Desk, Owing
from participants.models import Absence, Visit, VisitReminder
from participants.rules import reminders as rules
from trialsite.models import Notification, NotificationState, Site
from trialsite.study import get_study
from trialsite.study.policy import mark

DAYS = 30
# Of what was held back, the newest.
SHOWN = 50
# What the program itself writes beside a message that it does not send, to be said in the reader's language.
REASONS = (
    mark("the visit was moved"),
    mark("the visit is no longer owed"),
    mark("somebody has acknowledged it"),
    mark("not sent in time to be of use"),
    mark("the visit is settled"),
    mark("no longer due"),
    mark("the recipient has no e-mail or is not active"),
)


@dataclass(frozen=True)
class ReaderLine:
    """One person who will read it: when it leaves to them, in whose place, and what became of it so far."""

    name: str
    leaves_at: dt.datetime
    in_place_of: tuple[str, ...]
    is_quiet: bool
    is_told: bool = False


@dataclass(frozen=True)
class Line:
    visit: Visit
    day: dt.date
    stage: str
    why: str
    readers: list[ReaderLine]


@dataclass(frozen=True)
class Day:
    day: dt.date
    lines: list[Line]
    # Who gets how many mails on this day, in a sentence each.
    mails: list[str]


@dataclass(frozen=True)
class Held:
    """Something that does not go to somebody to whom it would."""

    what: str
    who: str
    why: str
    at: dt.date | None = None
    visit: Visit | None = None


@dataclass(frozen=True)
class Plan:
    days: list[Day]
    held: list[Held]


def plan(sites: Collection[Site], *, now: dt.datetime) -> Plan:
    """Of these sites; the number of queries does not depend on how many visits there are."""
    today = site_day(now)
    desks = reminders.desks_of(sites, since=today)
    visits = reminders.visits_near(today, today + dt.timedelta(days=DAYS - 1), sites=desks)
    owing = [one for visit in visits for one in _owing_of(visit, today)]
    told = reminders.told_of(owing)
    lines = [_line(one, desks[one.visit.participant.site_id], told, now) for one in owing]
    held = [*_seen_to(visits, today), *_away(desks, today), *_to_participants(owing), *_not_sent(sites, now)]
    return Plan(_days(lines), held)


# --- What will go out --------------------------------------------------------------------------------


def _owing_of(visit: Visit, today: dt.date) -> Iterator[Owing]:
    """What is owed today, and the stages of the days that follow."""
    yield from reminders.owing_of(visit, today=today)
    stages = reminders.stages_of(visit)
    if not visit.is_acknowledged:  # type: ignore[attr-defined]  # from `visits_near`
        stages = [*stages, *reminders.escalation_of(visit)]
    first, last = today + dt.timedelta(days=1), today + dt.timedelta(days=DAYS - 1)
    for day, stage in rules.stage_days(reminders.dates_of(visit), stages, first=first, last=last):
        yield Owing(visit, stage.code, day, reminders.due_at(visit, day))


def _line(one: Owing, desk: Desk, told: Mapping[str, VisitReminder], now: dt.datetime) -> Line:
    protocol = get_study().protocol(one.visit.protocol_version)
    day = max(one.due_on, site_day(now))
    found = desk.readers(protocol, is_escalation=one.is_escalation, on=day)
    readers = [_reader(one, desk, who, places, told, now) for who, places in found.items()]
    return Line(one.visit, day, _stage_name(one), _why(one), readers)


def _reader(
    one: Owing, desk: Desk, who: int, places: Iterable[int], told: Mapping[str, VisitReminder], now: dt.datetime
) -> ReaderLine:
    due = max(one.at, timezone.localtime(now))
    post = desk.post_of(who, get_study().protocol(one.visit.protocol_version))
    leaves = rules.leaves_at(due, post.quiet, is_urgent=one.is_escalation)
    row = told.get(reminders.key_of(one.thing, who))
    names = tuple(str(desk.people[place]) for place in sorted(places))
    return ReaderLine(str(desk.people[who]), leaves, names, leaves > due, row is not None and reminders.is_told(row))


def _stage_name(one: Owing) -> str:
    if one.stage == ESCALATION:
        return _("Escalation")
    return str(get_study().protocol(one.visit.protocol_version).reminder_stage(one.stage).name)


def _why(one: Owing) -> str:
    """The day that it counts from, and, where others are told, why they are."""
    closes = long_date(one.visit.window_closes_on)
    if one.stage == ESCALATION:
        return _("The window closes on %(day)s and nobody has acknowledged the visit.") % {"day": closes}
    stage = get_study().protocol(one.visit.protocol_version).reminder_stage(one.stage)
    if stage.anchor == "target":
        return _("The target date is %(day)s.") % {"day": long_date(one.visit.target_date)}
    return _("The window closes on %(day)s.") % {"day": closes}


def _days(lines: Iterable[Line]) -> list[Day]:
    by_day: dict[dt.date, list[Line]] = {}
    for line in lines:
        by_day.setdefault(line.day, []).append(line)
    return [Day(day, by_day[day], list(_mails(by_day[day]))) for day in sorted(by_day)]


def _mails(lines: Iterable[Line]) -> Iterator[str]:
    """How many things each person is told of on a day: one mail, unless they want each by itself."""
    counts = Counter(reader.name for line in lines for reader in line.readers if not reader.is_told)
    for name, count in counts.items():
        text = ngettext("%(name)s: %(count)s reminder", "%(name)s: %(count)s reminders", count)
        yield text % {"name": name, "count": count}


# --- What is held back -------------------------------------------------------------------------------


def _seen_to(visits: Iterable[Visit], today: dt.date) -> Iterator[Held]:
    for visit in visits:
        if not visit.is_acknowledged:  # type: ignore[attr-defined]
            continue
        first, last = today, today + dt.timedelta(days=DAYS - 1)
        for day, _stage in rules.stage_days(
            reminders.dates_of(visit), reminders.escalation_of(visit), first=first, last=last
        ):
            yield Held(_("Escalation"), "", _("somebody has acknowledged it"), day, visit)


def _away(desks: Mapping[int, Desk], today: dt.date) -> Iterator[Held]:
    """Whoever is away, and who reads it in their place."""
    for desk in desks.values():
        for one in desk.absences:
            if one.person_id in desk.people and one.first_on < today + dt.timedelta(days=DAYS):
                yield Held(_("All reminders"), str(desk.people[one.person_id]), _while_away(one, desk), one.first_on)


def _while_away(one: Absence, desk: Desk) -> str:
    days = {"first": long_date(one.first_on), "last": long_date(one.last_on)}
    deputy = desk.people.get(one.deputy_id or 0)
    if deputy is None:
        return _("away from %(first)s to %(last)s, and nobody stands in: the others are told") % days
    return _("away from %(first)s to %(last)s: %(deputy)s reads them") % {**days, "deputy": deputy}


def _to_participants(owing: Iterable[Owing]) -> Iterator[Held]:
    """The program itself writes to no participant: the site passes the words on, to those who want it."""
    theirs = sorted((one for one in owing if _is_for_participant(one)), key=lambda one: one.due_on, reverse=True)
    first = {one.visit.participant_id: one for one in theirs}
    for one in sorted(first.values(), key=lambda one: one.due_on):
        if one.visit.may_be_reminded:  # type: ignore[attr-defined]  # from `visits_near`
            why = _("wants to be reminded: the site's own reminder has the words to pass on by telephone")
        elif one.visit.may_be_reminded is None:  # type: ignore[attr-defined]
            why = _("was not asked at the consent whether to be reminded")
        else:
            why = _("does not want to be reminded")
        yield Held(_("To the participant"), one.visit.participant.number, why, one.due_on)


def _is_for_participant(one: Owing) -> bool:
    return one.stage in get_study().protocol(one.visit.protocol_version).reminding.participants.stages


def _not_sent(sites: Collection[Site], now: dt.datetime) -> Iterator[Held]:
    """Messages of the last days that were cancelled, or failed."""
    about = Q(about__startswith=f"{VISIT}:") | Q(about__startswith=f"{DIGEST}:")
    states = [NotificationState.CANCELLED, NotificationState.FAILED]
    since = now - dt.timedelta(days=DAYS)
    rows = Notification.objects.filter(about, site__in=sites, state__in=states, finished_at__gte=since)
    for row in rows.select_related("recipient").order_by("-finished_at", "-pk")[:SHOWN]:
        assert row.finished_at is not None, "the database keeps this"
        why = _(row.error) if row.error in REASONS else row.error
        yield Held(row.subject, str(row.recipient), why, site_day(row.finished_at))
