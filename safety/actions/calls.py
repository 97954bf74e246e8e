"""Who is told of a safety alert: whoever is on call at once, and others, step by step, while nobody answers.

Alerts about one toxicity of one participant that nobody has answered are one thread: the newest stands for all.
"""

import datetime as dt
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.db.models import QuerySet

from safety.actions.rounds import round_of
from safety.deaths import owed_after_death
from safety.models import (
    AlertKind,
    IecHsAssessment,
    OnCallShift,
    SafetyAlert,
    ToxicityAssessment,
    ToxicityEpisode,
)
from safety.wording import ago, findings_in_words
from trialsite import notifications, sweeps
from trialsite.models import Notification, NotificationState, Site, Urgency, User, people_in
from trialsite.roles import ROLE_NAMES, Role
from trialsite.study import Escalation, get_study

# What says something else than a grade, each in words of its own.
TEMPLATES: dict[str, str] = {
    AlertKind.OVERDUE: "safety/email/overdue",
    AlertKind.STOPPING: "safety/email/stopping",
}

log = logging.getLogger(__name__)

# From this grade on a message leaves by the hospital's second channel, too.
GRAVE = 3
FIRST = "first"
STEP = "step-"
# A message in one of these states has reached its person, or is about to.
TOLD = (NotificationState.QUEUED, NotificationState.SENDING, NotificationState.SENT)


# --- Who ---------------------------------------------------------------------------------------------


def people_on_call(site: Site, at: dt.datetime) -> list[User]:
    """Whose shift covers this moment; where nobody's does, all investigators of the site."""
    return on_shift(site, at) or investigators(site)


def on_shift(site: Site, at: dt.datetime) -> list[User]:
    """Whose shift covers this moment."""
    shifts = OnCallShift.objects.standing().filter(site=site, starts_at__lte=at, ends_at__gt=at)
    people = User.objects.filter(on_call_shifts__in=shifts, sites=site, is_active=True).exclude(email="")
    return list(people.distinct().order_by("id"))


def investigators(site: Site) -> list[User]:
    """All of them, with the principal investigator, each once."""
    return people_of(site, (Role.INVESTIGATOR, Role.PRINCIPAL_INVESTIGATOR))


def people_of(site: Site, roles: Iterable[str]) -> list[User]:
    """Who has one of these roles there, each once."""
    found = {person for role in roles for person in people_in(Role(role), site)}
    return sorted(found, key=lambda person: person.pk)


# --- Threads -----------------------------------------------------------------------------------------


def pending() -> QuerySet[SafetyAlert]:
    """Alerts that neither a person nor a fact has answered, also those in whose place a newer one stands."""
    rows = SafetyAlert.objects.standing().filter(acknowledged_at__isnull=True, settled_at__isnull=True)
    return rows.select_related("participant__site").order_by("raised_at", "id")


def unanswered() -> QuerySet[SafetyAlert]:
    """The newest of each thread: what somebody has to answer."""
    return pending().filter(superseded_by__isnull=True)


def thread_of(alert: SafetyAlert) -> tuple[int, str]:
    """What belongs together: one toxicity of one participant, their assessments that are missed, or what their event
    says of the study."""
    return alert.participant_id, alert.kind if alert.kind in TEMPLATES else alert.toxicity


def threads(alerts: Iterable[SafetyAlert]) -> list[list[SafetyAlert]]:
    """Alerts of one thread together, in the order in which they came."""
    found: dict[tuple[int, str], list[SafetyAlert]] = {}
    for alert in alerts:
        found.setdefault(thread_of(alert), []).append(alert)
    return list(found.values())


def rest_of_thread(alert: SafetyAlert) -> list[SafetyAlert]:
    """This alert with all others of its thread that nobody has answered, oldest first."""
    rows = pending().filter(participant=alert.participant_id)
    return [row for row in rows if thread_of(row) == thread_of(alert)]


def newest_about(alerts: Sequence[SafetyAlert]) -> list[SafetyAlert]:
    """The newest alert of a thread, with those of the same look at the bed."""
    return [row for row in alerts if row.about == alerts[-1].about]


SUPERSEDED = "superseded by a newer alert"


def line_up(alert: SafetyAlert, *, now: dt.datetime) -> None:
    """Let the newest open alert of the thread stand for the others; messages about those that still wait are withdrawn,
    or wait again where it is they who stand now."""
    rows = rest_of_thread(alert)
    if not rows:
        return
    heads = newest_about(rows)
    for row in rows:
        head = None if row in heads else heads[0]
        if row.superseded_by_id != (head.pk if head else None):
            row.superseded_by = head
            row.save(update_fields=["superseded_by"])
            if head is None:
                notifications.reinstate(about=row.about, reason=SUPERSEDED, now=now)
            else:
                notifications.cancel(about=row.about, reason=SUPERSEDED, now=now)


# --- Steps -------------------------------------------------------------------------------------------


def steps_of(alert: SafetyAlert) -> tuple[Escalation, ...]:
    return get_study().protocol(alert.participant.protocol_version).monitoring.escalation


def told_of(alerts: Iterable[SafetyAlert], *, steps_only: bool = False) -> set[int]:
    """The numbers of the people who have a message about any of these."""
    rows = Notification.objects.filter(about__in={alert.about for alert in alerts}, state__in=TOLD)
    if steps_only:
        rows = rows.filter(dedupe_key__contains=f":{STEP}")
    return set(rows.values_list("recipient", flat=True))


@dataclass(frozen=True)
class Call:
    """Whom the next step tells, and when, unless somebody answers before."""

    at: dt.datetime
    roles: tuple[str, ...]
    people: tuple[User, ...]

    @property
    def roles_in_words(self) -> list[str]:
        return [str(ROLE_NAMES[Role(role)]) for role in self.roles]


def next_call(thread: Sequence[SafetyAlert], *, told: Iterable[int]) -> Call | None:
    """The next step that reaches somebody new; None when nobody else is left. `told` are numbers of people."""
    told, site, since = set(told), thread[0].participant.site, thread[0].raised_at
    taken = max(row.escalated_steps for row in thread)
    for step in steps_of(thread[0])[taken:]:
        people = tuple(person for person in people_of(site, step.roles) if person.pk not in told)
        if people:
            return Call(since + dt.timedelta(minutes=step.after_minutes), step.roles, people)
    return None


def escalate(*, now: dt.datetime) -> int:
    """Take each step of escalation that is due; how many threads reached somebody new by it.

    Only people who were not told yet are told, each once; a sweep beside this one passes over what is locked, and a
    thread that breaks stops no other.
    """
    reached = 0
    for thread in threads(pending()):
        with sweeps.guarded(f"alert:{thread[-1].pk}"):
            reached += _escalate_thread([row.pk for row in thread], now=now)
    return reached


def _escalate_thread(numbers: Sequence[int], *, now: dt.datetime) -> bool:
    thread = list(pending().filter(pk__in=numbers).select_for_update(of=("self",), skip_locked=True))
    if len(thread) < len(numbers) or thread[-1].superseded_by_id is not None:
        return False
    return _take_steps(thread, now=now)


def _is_unreached(thread: Sequence[SafetyAlert]) -> bool:
    """Messages about it were written, and none of them can arrive: the next person is called at once."""
    messages = Notification.objects.filter(about__in={alert.about for alert in thread})
    states = set(messages.values_list("state", flat=True))
    return NotificationState.FAILED in states and not states & set(TOLD)


def _take_steps(thread: Sequence[SafetyAlert], *, now: dt.datetime) -> bool:
    steps, since, heads = steps_of(thread[0]), thread[0].raised_at, newest_about(thread)
    taken = max(row.escalated_steps for row in thread)
    due = sum(since + dt.timedelta(minutes=step.after_minutes) <= now for step in steps)
    if due <= taken < len(steps) and _is_unreached(thread):
        due = taken + 1
    if due <= taken:
        return False
    told, count = told_of(thread), 0
    for number, step in enumerate(steps[taken:due], start=taken + 1):
        people = [person for person in people_of(heads[0].participant.site, step.roles) if person.pk not in told]
        told |= {person.pk for person in people}
        count += tell(heads, people, f"{STEP}{number}", thread=thread, told=told, now=now) if people else 0
    for row in heads:
        row.escalated_steps = due
        row.escalated_at = now if count else row.escalated_at
        row.save(update_fields=["escalated_steps", "escalated_at"])
    return bool(count)


# --- Telling -----------------------------------------------------------------------------------------


def tell_first(alerts: Sequence[SafetyAlert], *, now: dt.datetime) -> int:
    """Tell whoever is on call of what is new, and those whom the thread was escalated to: it is theirs now, too."""
    thread = [row for row in rest_of_thread(alerts[0]) if row.about != alerts[0].about]
    people = people_on_call(alerts[0].participant.site, now)
    if any(row.escalated_steps for row in thread):
        drawn_in = told_of(thread, steps_only=True) - {person.pk for person in people}
        people += User.objects.filter(pk__in=drawn_in, is_active=True).exclude(email="").order_by("id")
    told = {person.pk for person in people} | told_of(thread)
    return tell(alerts, people, FIRST, thread=[*thread, *alerts], told=told, now=now)


def tell(
    alerts: Sequence[SafetyAlert],
    people: Iterable[User],
    stage: str,
    *,
    thread: Sequence[SafetyAlert],
    told: Iterable[int],
    now: dt.datetime,
) -> int:
    """One message to each for all alerts about the same thing. `told` are the numbers of all who are told by then."""
    people, alert = list(people), alerts[0]
    if not people:
        log.warning("nobody can be told of %s", alert.about)
        return 0
    context = {
        "alert": alert,
        "alerts": alerts,
        "number": alert.participant.number,
        "is_escalated": stage != FIRST,
        "told": Told(alert, thread, next_call(thread, told=told), now),
    }
    return sum(
        notifications.queue(
            key=f"alert:{alert.about}:{stage}",
            about=alert.about,
            site=alert.participant.site,
            recipient=person,
            template=TEMPLATES.get(alert.kind, "safety/email/alert"),
            context=context,
            urgency=Urgency.ALERT,
            on_both_ways=(alert.grade or 0) >= GRAVE,
            now=now,
        )
        for person in people
    )


@dataclass(frozen=True)
class Told:
    """What a message says besides the grade, each in the language of whoever reads it."""

    alert: SafetyAlert
    thread: Sequence[SafetyAlert]
    next_call: Call | None
    now: dt.datetime

    @property
    def waited(self) -> str:
        """Since the first alert of the thread was raised."""
        return ago(self.now - self.thread[0].raised_at)

    @property
    def earlier(self) -> list[SafetyAlert]:
        """What the same answer answers, besides this alert: one for each look at the bed."""
        others = {row.about: row for row in self.thread if row.about != self.alert.about}
        return list(others.values())

    @property
    def findings(self) -> str:
        """Why it has this grade, in a line."""
        return findings_in_words(self._source) if self._source is not None else ""

    @cached_property
    def _source(self) -> Any:
        return source_of(self.alert)

    @cached_property
    def since(self) -> dt.datetime | None:
        """When the episode began."""
        rows = ToxicityEpisode.objects.standing().filter(
            participant=self.alert.participant_id, toxicity=self.alert.toxicity, onset_at__lte=self.alert.happened_at
        )
        found: dt.datetime | None = rows.order_by("-onset_at").values_list("onset_at", flat=True).first()
        return found

    @cached_property
    def next_due_at(self) -> dt.datetime | None:
        """By when the next look at the bed is owed."""
        due = None if self.alert.is_death else round_of(self.alert.participant, self.now)
        return due.due_at if due is not None else None

    @property
    def owed(self) -> list[Any]:
        """What must follow a death, and is not done yet."""
        if not self.alert.is_death:
            return []
        return [one for one in owed_after_death(self.alert.participant, self.alert.toxicity) if not one.is_done]


SOURCES: dict[str, Callable[[], Any]] = {
    "assessment": ToxicityAssessment.objects.all,
    "iec_hs": IecHsAssessment.objects.all,
}


def source_of(alert: SafetyAlert) -> Any:
    """The assessment that the alert is about; None for one that is missing."""
    kind, _colon, pk = alert.about.partition(":")
    return SOURCES[kind]().filter(pk=pk).first() if kind in SOURCES else None
