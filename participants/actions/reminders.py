"""Verbs of reminders: what visits owe today, who reads it, and what leaves now."""

import datetime as dt
import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet, Subquery
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from participants.actions.days import end_of_day, long_date, site_day
from participants.models import (
    Absence,
    Consent,
    DutyReminder,
    ReminderPreference,
    Visit,
    VisitAcknowledgement,
    VisitReminder,
    study_quiet,
)
from participants.rules import reminders as rules
from trialsite import notifications, sweeps
from trialsite.models import Notification, NotificationState, Site, User, people_in
from trialsite.refusal import Refused
from trialsite.roles import Role
from trialsite.study import Protocol, get_study

ESCALATION = "escalation"
# Who may stand in for somebody: people of the site who work with its visits.
STAFF = (
    Role.COORDINATOR,
    Role.INVESTIGATOR,
    Role.PRINCIPAL_INVESTIGATOR,
    Role.PHARMACIST,
    Role.DATA_MANAGER,
)


# --- What is owed ------------------------------------------------------------------------------------


class Thing(NamedTuple):
    """What somebody is told of once, whatever row holds the visit now."""

    participant: int
    code: str
    target_date: dt.date
    stage: str


@dataclass(frozen=True)
class Owing:
    """One stage that a visit owes, from this moment on and until the end of a day."""

    visit: Visit
    stage: str
    due_on: dt.date
    at: dt.datetime

    @property
    def is_escalation(self) -> bool:
        return self.stage == ESCALATION

    @property
    def thing(self) -> Thing:
        return Thing(self.visit.participant_id, self.visit.code, self.visit.target_date, self.stage)


def visits_near(first: dt.date, last: dt.date, *, sites: Collection[int] | None = None) -> list[Visit]:
    """Owed visits of which a reminder may be due on a day of this span, of these sites or of all; with whether their
    window is acknowledged, and whether the participant wants to be reminded."""
    stages = [one for protocol in get_study().versions.values() for one in protocol.reminder_stages]
    ahead = max(-stage.offset_days for stage in stages)
    behind = max(stage.offset_days + stage.lapses_after_days for stage in stages)
    begins, ends = first - dt.timedelta(days=max(behind, 0)), last + dt.timedelta(days=max(ahead, 0))
    known = VisitAcknowledgement.objects.filter(visit=OuterRef("pk"), closes_on=OuterRef("window_closes_on"))
    visits = Visit.objects.owed_between(begins, ends).annotate(
        is_acknowledged=Exists(known), may_be_reminded=Subquery(_wishes())
    )
    if sites is not None:
        visits = visits.filter(participant__site__in=sites)
    return list(visits.select_related("participant__site"))


def _wishes() -> QuerySet[Consent, Any]:
    """What the participant of a visit said last, of those times at which it was asked."""
    asked = Consent.objects.standing().filter(participant=OuterRef("participant"), may_be_reminded__isnull=False)
    return asked.order_by("-consented_at", "-pk").values("may_be_reminded")[:1]


def dates_of(visit: Visit) -> rules.VisitDates:
    return rules.VisitDates(visit.target_date, visit.window_opens_on, visit.window_closes_on)


def stages_of(visit: Visit) -> list[rules.Stage]:
    """The stages that the study file gives this visit."""
    protocol = get_study().protocol(visit.protocol_version)
    codes = protocol.visit(visit.code).reminders
    return [
        rules.Stage(one.code, rules.Anchor(one.anchor), one.offset_days, one.lapses_after_days, one.min_window_days)
        for one in protocol.reminder_stages
        if one.code in codes
    ]


def escalation_of(visit: Visit) -> list[rules.Stage]:
    """The stage that goes to others; none for a visit that nobody is reminded of, or that somebody sees to."""
    protocol = get_study().protocol(visit.protocol_version)
    asked = protocol.reminding.escalation
    if not protocol.visit(visit.code).reminders:
        return []
    return [rules.Stage(ESCALATION, rules.Anchor.WINDOW_CLOSES, -asked.days_before_close, asked.lapses_after_days)]


def owed_stage(visit: Visit, *, today: dt.date) -> rules.Owed | None:
    return rules.owed(dates_of(visit), stages_of(visit), today=today)


def owing_of(visit: Visit, *, today: dt.date) -> list[Owing]:
    """What the visit owes its site today, and, where nobody has acknowledged it, those who are told then."""
    found = []
    if one := owed_stage(visit, today=today):
        # What is late goes with the others of today: one mail a day.
        found.append(Owing(visit, one.stage, one.due_on, due_at(visit, today)))
    is_known: bool = visit.is_acknowledged  # type: ignore[attr-defined]  # from `visits_near`
    if not is_known and (one := rules.owed(dates_of(visit), escalation_of(visit), today=today)):
        found.append(Owing(visit, one.stage, one.due_on, due_at(visit, one.due_on)))
    return found


def due_at(visit: Visit, day: dt.date) -> dt.datetime:
    hour = get_study().protocol(visit.protocol_version).reminding.hour
    return rules.due_at(day, hour, zone=timezone.get_current_timezone())


def _owing_on(today: dt.date) -> list[Owing]:
    """Of all visits; one that cannot be read is counted and logged, and stops no other."""
    found: list[Owing] = []
    for visit in visits_near(today, today):
        with sweeps.noted(f"reminders of visit {visit.pk}"):
            found += owing_of(visit, today=today)
    return found


# --- Who reads it ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Desk:
    """The people of a site who can be reached, by role, and who of them is away."""

    people: Mapping[int, User]
    by_role: Mapping[str, Sequence[int]]
    absences: Sequence[Absence]

    def readers(self, protocol: Protocol, *, is_escalation: bool, on: dt.date) -> dict[int, frozenset[int]]:
        """Who is told on this day, and in whose place."""
        reminding = protocol.reminding
        if is_escalation:
            circles = [[one for role in reminding.escalation.roles for one in self.by_role.get(role, ())]]
        else:
            circles = [list(self.by_role.get(role, ())) for role in reminding.recipients]
        away = {one.person_id: one.deputy_id for one in self.absences if one.holds_on(on)}
        reachable = {one for role in STAFF for one in self.by_role.get(role, ())}
        return rules.readers(circles, away=away, reachable=reachable)

    def post_of(self, person: int, protocol: Protocol) -> rules.Post:
        wish: ReminderPreference | None = getattr(self.people[person], "reminder_preference", None)
        return rules.Post(quiet=study_quiet(protocol)) if wish is None else wish.post(protocol)


def desks_of(sites: Iterable[Site], *, since: dt.date) -> dict[int, Desk]:
    """Two queries, however many sites and people."""
    keys = {site.pk for site in sites}
    rows = User.objects.filter(is_active=True, sites__in=keys).exclude(email="")
    rows = rows.annotate(desk=F("sites__pk"), role=F("groups__name")).order_by("pk")
    absences = list(Absence.objects.filter(taken_back_at=None, last_on__gte=since).order_by("first_on", "pk"))
    found = {key: Desk({}, {}, absences) for key in keys}
    for row in rows.select_related("reminder_preference"):
        desk: Any = found[row.desk]
        desk.people[row.pk] = row
        desk.by_role.setdefault(row.role, []).append(row.pk)
    return found


def reminder_recipients(site: Site) -> list[User]:
    """The site's coordinators; where there is none to be reached, its investigators must know instead."""
    for role in (Role.COORDINATOR, Role.INVESTIGATOR, Role.PRINCIPAL_INVESTIGATOR):
        if people := list(people_in(role, site)):
            return people
    return []


# --- What leaves now ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reading:
    """One thing that is owed, for one of those who read it."""

    owing: Owing
    person: User
    post: rules.Post
    in_place_of: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return key_of(self.owing.thing, self.person.pk)


@transaction.atomic
def remind_of_visits(*, now: dt.datetime) -> dict[str, int]:
    """Write what leaves now of what visits owe today, to those who read it; counts by stage.

    Running it twice, twice at once or after days of silence is harmless: a visit owes at most one stage a day, and
    each person is told of each stage of a visit's date once, in a message that was not cancelled.
    """
    notifications.queue_alone()
    counts: Counter[str] = Counter()
    today = site_day(now)
    owing = _owing_on(today)
    readings = _readings(owing, desks_of({one.visit.participant.site for one in owing}, since=today), today=today)
    known = told_of(owing)
    mails = [mail for those in _by_person(readings) for mail in _mails(those, known, now=now)]
    alike = _alike(mails, known, today=today)
    notifications.queue_all([_letter(key, those, today=today) for key, those in alike.items()], now=now)
    _keep(alike, known)
    counts.update(reading.owing.stage for mail in mails for reading in mail)
    return dict(counts)


def _readings(owing: Iterable[Owing], desks: Mapping[int, Desk], *, today: dt.date) -> list[Reading]:
    found = []
    for one in owing:
        desk = desks[one.visit.participant.site_id]
        protocol = get_study().protocol(one.visit.protocol_version)
        told = desk.readers(protocol, is_escalation=one.is_escalation, on=today)
        for who, places in told.items():
            names = tuple(str(desk.people[one]) for one in sorted(places))
            found.append(Reading(one, desk.people[who], desk.post_of(who, protocol), names))
    return found


def _by_person(readings: Iterable[Reading]) -> list[list[Reading]]:
    """Of each site by itself: whoever may read the site's messages may know of its visits, and of no others."""
    found: dict[tuple[int, int], list[Reading]] = {}
    for reading in readings:
        found.setdefault((reading.person.pk, reading.owing.visit.participant.site_id), []).append(reading)
    return list(found.values())


# Enough to know what was told: the texts of the messages stay where they are.
KNOWN = (
    *("visit", "target_date", "stage", "recipient", "message", "times"),
    *("visit__participant", "visit__code", "message__state"),
)


def told_of(owing: Iterable[Owing]) -> dict[str, VisitReminder]:
    """Who was told of what, or is being told, by the key of the reading; and whose message was cancelled.

    A visit that was voided is planned anew in another row: what somebody was told of it holds.
    """
    things = {one.thing: one.visit.pk for one in owing}
    people, days = {one.participant for one in things}, {one.target_date for one in things}
    rows = VisitReminder.objects.filter(visit__participant__in=people, target_date__in=days)
    found: dict[str, VisitReminder] = {}
    for row in rows.select_related("message", "visit").only(*KNOWN):
        thing = Thing(row.visit.participant_id, row.visit.code, row.target_date, row.stage)
        if thing in things and (is_told(row) or things[thing] == row.visit_id):
            found[key_of(thing, row.recipient_id)] = row
    return found


def key_of(thing: Thing, person: int) -> str:
    return ":".join(map(str, (*thing, person)))


def is_told(row: VisitReminder | DutyReminder) -> bool:
    return row.message.state != NotificationState.CANCELLED


def _mails(those: list[Reading], known: Mapping[str, VisitReminder], *, now: dt.datetime) -> list[list[Reading]]:
    """What one person is sent now."""
    by_key = {reading.key: reading for reading in those}
    due = [rules.Due(key, one.owing.at, one.owing.is_escalation) for key, one in by_key.items()]
    told = {key for key, row in known.items() if is_told(row)}
    sorted_out = rules.sort_out(due, post=those[0].post, told=told, now=timezone.localtime(now))
    return [[by_key[one.key] for one in mail] for mail in sorted_out.mails]


def _alike(
    mails: Iterable[list[Reading]], known: Mapping[str, VisitReminder], *, today: dt.date
) -> dict[str, list[list[Reading]]]:
    """Mails that tell the same to several people, by the key of their message: written once."""
    found: dict[str, list[list[Reading]]] = {}
    for mail in mails:
        found.setdefault(_message_key(mail, known, today=today), []).append(mail)
    return found


def _letter(key: str, mails: Sequence[Sequence[Reading]], *, today: dt.date) -> notifications.Letter:
    mail = mails[0]
    first, is_digest = mail[0], len(mail) > 1
    return notifications.Letter(
        key=key,
        about=f"{DIGEST}:{today}" if is_digest else f"{VISIT}:{first.owing.visit.pk}",
        site=first.owing.visit.participant.site,
        recipients=[one[0].person for one in mails],
        template=f"participants/email/visit_{'digest' if is_digest else 'reminder'}",
        context=_context(mail, today=today),
        # Its words count the days from today: tomorrow it is told in others.
        relevant_until=end_of_day(today),
    )


VISIT, DIGEST = "visit", "visits"


def _message_key(mail: Sequence[Reading], known: Mapping[str, VisitReminder], *, today: dt.date) -> str:
    """Other words have another key: whoever stands in reads so, and what is told again was cancelled before."""
    things = [(*one.owing.thing, _times(one, known)) for one in mail]
    places = _places(mail)
    if len(mail) > 1:
        return f"{DIGEST}:{today}:{_digest(sorted(things), places)}"
    visit, (*_who, day, stage, times) = mail[0].owing.visit, things[0]
    key = f"{VISIT}:{visit.pk}:{day}:{stage}" + (f":{times}" if times > 1 else "")
    return f"{key}:{_digest(places)}" if places else key


def _digest(*what: Any) -> str:
    return hashlib.sha256(repr(what).encode()).hexdigest()[:16]


def _places(mail: Sequence[Reading]) -> list[str]:
    return sorted({name for one in mail for name in one.in_place_of})


def _times(reading: Reading, known: Mapping[str, VisitReminder]) -> int:
    row = known.get(reading.key)
    return 1 if row is None else row.times + 1


def _keep(alike: Mapping[str, list[list[Reading]]], known: Mapping[str, VisitReminder]) -> None:
    """Which message tells whom of what."""
    new: list[VisitReminder] = []
    again: list[VisitReminder] = []
    for key, mails in alike.items():
        for reading in (one for mail in mails for one in mail):
            row = known.get(reading.key) or _new_row(reading)
            row.times = _times(reading, known)
            row.message_id = f"{key}:{reading.person.pk}"
            (again if row.pk else new).append(row)
    VisitReminder.objects.bulk_create(new)
    if again:
        VisitReminder.objects.bulk_update(again, ["message", "times"])


def _new_row(reading: Reading) -> VisitReminder:
    one = reading.owing
    return VisitReminder(visit=one.visit, target_date=one.visit.target_date, stage=one.stage, recipient=reading.person)


# --- Its words ---------------------------------------------------------------------------------------


def _context(mail: Sequence[Reading], *, today: dt.date) -> dict[str, Any]:
    lines = [reminder_context(one.owing.visit, one.owing.stage, today=today) for one in mail]
    beside = {"today": today, "in_place_of": _places(mail)}
    if len(lines) == 1:
        return {**lines[0], **beside}
    return {"lines": sorted(lines, key=lambda one: (one["days_to_close"], one["days_to_target"])), **beside}


def reminder_context(visit: Visit, stage: str, *, today: dt.date) -> dict[str, Any]:
    return {
        "visit": visit,
        "stage": stage,
        "is_closing": stage.startswith("closing"),
        "days_to_target": (visit.target_date - today).days,
        "days_to_close": (visit.window_closes_on - today).days,
        "today": today,
        "for_participant": words_for_participant(visit, stage),
    }


def words_for_participant(visit: Visit, stage: str) -> str:
    """What the site may pass on to a participant who wants to be reminded; empty for others, and at other stages.

    It names neither study nor disease nor person: whoever looks at the telephone learns that there is a visit.
    """
    if not getattr(visit, "may_be_reminded", False):
        return ""
    asked = get_study().protocol(visit.protocol_version).reminding.participants
    if stage not in asked.stages:
        return ""
    with translation.override(asked.language):
        day = {"day": long_date(visit.target_date)}
        return _("Reminder: you are expected at the hospital on %(day)s. If you cannot come, please call us.") % day


# --- At the door -------------------------------------------------------------------------------------

MOVED, NOT_OWED, SEEN_TO = "the visit was moved", "the visit is no longer owed", "somebody has acknowledged it"


def still_wanted(message: Notification) -> str | None:
    """Why a reminder must not leave any more, seen at the moment at which it would; None: it may.

    A sweep that ran while a date was moved has written of the old date. What still holds of a message that does not
    leave is told in another one by the next sweep.
    """
    rows = list(VisitReminder.objects.filter(message=message).select_related("visit"))
    owed = set(Visit.objects.owed().filter(pk__in=[row.visit_id for row in rows]).values_list("pk", flat=True))
    reasons = (_why_not(row, is_owed=row.visit_id in owed) for row in rows)
    return next((reason for reason in reasons if reason), None)


def _why_not(row: VisitReminder, *, is_owed: bool) -> str | None:
    if row.visit.target_date != row.target_date:
        return MOVED
    if not is_owed:
        return NOT_OWED
    return SEEN_TO if row.stage == ESCALATION and acknowledgement_of(row.visit) else None


# --- Acknowledging -----------------------------------------------------------------------------------


def acknowledgement_of(visit: Visit) -> VisitAcknowledgement | None:
    return visit.acknowledgements.filter(closes_on=visit.window_closes_on).select_related("by").first()


def may_acknowledge(visit: Visit) -> bool:
    return Visit.objects.owed().filter(pk=visit.pk).exists() and acknowledgement_of(visit) is None


@transaction.atomic
def acknowledge_visit(*, visit: Visit, note: str = "", by: User, now: dt.datetime) -> VisitAcknowledgement:
    """Say that one knows of a visit and sees to it: nobody else is told that its window closes.

    Raises Refused for a visit that is not owed, and where somebody has said so already.
    """
    visit = Visit.objects.select_for_update(of=("self",)).select_related("participant").get(pk=visit.pk)
    if not Visit.objects.owed().filter(pk=visit.pk).exists():
        raise Refused(_("%(code)s is not owed any more: there is nothing to acknowledge.") % {"code": visit.code})
    if (known := acknowledgement_of(visit)) is not None:
        raise Refused(
            _("%(person)s has acknowledged it already, on %(day)s: nobody else is told that the window closes.")
            % {"person": known.by, "day": long_date(site_day(known.at))}
        )
    return VisitAcknowledgement.objects.create(
        visit=visit, closes_on=visit.window_closes_on, at=now, by=by, note=note.strip()
    )
