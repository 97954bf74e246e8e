"""Which neutrophil counts are owed in the days of early ICAHT, and who is told in time."""

import datetime as dt
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from django.db.models import Max, QuerySet
from django.utils import timezone

from dosing.models import Infusion, Occasion
from dosing.rules.day0 import Given, day0
from participants.actions import end_of_day, site_day
from participants.actions.telling import Duty, tell_of
from participants.models import Measurement, Participant
from participants.rules.status import NO_MORE_VISITS
from safety.rules.counts import CountPolicy, DueCount, Stage, due_count
from safety.rules.icaht import EARLY_DAYS
from trialsite import notifications, sweeps
from trialsite.models import Notification, NotificationState, Site
from trialsite.study import get_study
from trialsite.study.policy import Policy

# A day more than the time is long: the exact end is the rule's to say.
REACH = dt.timedelta(days=EARLY_DAYS[-1] + 2)
ABOUT = "count:"
# What the day's mail of several is about.
DIGEST = "counts"
NO_LONGER_OWED = "counted, or no count is owed any more"


@dataclass(frozen=True)
class OwedCount:
    """A participant whose next neutrophil count is near or overdue."""

    participant: Participant
    day0: dt.date
    due: DueCount
    last_on: dt.date | None

    @property
    def due_on(self) -> dt.date:
        return self.day0 + dt.timedelta(days=self.due.due_day)

    @property
    def is_overdue(self) -> bool:
        return self.due.stage is Stage.OVERDUE

    @property
    def about(self) -> str:
        return f"{ABOUT}{self.participant.pk}:{self.due_on}"


def owed_counts(sites: Iterable[Site] | QuerySet[Site], now: dt.datetime, *, of: int | None = None) -> list[OwedCount]:
    """What is owed in Day 0 to 30, the earliest first; nothing after death or withdrawal. A fixed number of queries.
    `of`: of this participant alone."""
    people = _in_early_days(sites, now, of=of)
    newest = _newest_counts(people, now)
    today = site_day(now)
    found = (_owed(person, begun, newest.get(person.pk), today) for person, begun in people.items())
    owed = [one for one in found if one is not None]
    return sorted(owed, key=lambda one: (one.due_on, one.participant.number))


def owed_count_of(
    participant: Participant, begun: dt.date, now: dt.datetime, *, newest: dt.datetime | None = None
) -> OwedCount | None:
    """The same of one who still comes, whose Day 0 is known; `newest` where the newest count was read before."""
    last_on = _newest_counts([participant], now).get(participant.pk) if newest is None else site_day(newest)
    return _owed(participant, begun, last_on, site_day(now))


def _in_early_days(
    sites: Iterable[Site] | QuerySet[Site], now: dt.datetime, *, of: int | None
) -> dict[Participant, dt.date]:
    """Participants with an infusion in reach, and their Day 0."""
    # Joins side by side, and no query within a query: where the planner takes the tables for empty, as on a first
    # day, it asked the inner one again for every row of the outer.
    one = {} if of is None else {"participant": of}
    infusions = Infusion.objects.standing().filter(infused_at__lte=now, participant__site__in=sites, **one)
    near = infusions.exclude(participant__status__in=[status.value for status in NO_MORE_VISITS]).filter(
        participant__infusions__voided_at=None, participant__infusions__infused_at__range=(now - REACH, now)
    )
    given: dict[Participant, list[Given]] = {}
    for row in near.select_related("participant__site").order_by("infused_at").distinct():
        given.setdefault(row.participant, []).append(Given(row.day, row.occasion == Occasion.SECOND))
    begun = ((person, _day0(person, rows)) for person, rows in given.items())
    return {person: day for person, day in begun if day is not None}


def _day0(participant: Participant, given: list[Given]) -> dt.date | None:
    return day0(given, follows_last=_policy(participant).second_infusion_day0 == "last_infusion")


def _policy(participant: Participant) -> Policy:
    return get_study().protocol(participant.protocol_version).policy


def _newest_counts(people: Iterable[Participant], now: dt.datetime) -> dict[int, dt.date]:
    """The day of the newest neutrophil count of each participant, bounds included; "not done" is none."""
    counts = Measurement.objects.standing().filter(code="NEUT", value__isnull=False, taken_at__lte=now)
    rows = counts.filter(participant__in=list(people)).order_by().values_list("participant")
    return {pk: site_day(at) for pk, at in rows.annotate(newest=Max("taken_at"))}


def _owed(participant: Participant, begun: dt.date, last_on: dt.date | None, today: dt.date) -> OwedCount | None:
    policy = _policy(participant)
    due = due_count(
        last_day=None if last_on is None else (last_on - begun).days,
        today=(today - begun).days,
        policy=CountPolicy(policy.neutrophil_count_within_days, policy.neutrophil_count_told_days_before),
    )
    return None if due is None else OwedCount(participant, begun, due, last_on)


# --- What the sweep does -----------------------------------------------------------------------------


def remind_of_counts(*, now: dt.datetime) -> dict[str, int]:
    """Tell the coordinators of counts that are near or overdue, once each; withdraw what is no longer owed.

    Running it twice, beside itself or after days of silence is harmless: the answer depends on the counts and the day.
    """
    everybody = Site.objects.all()
    owed = sweeps.all_or_each(
        lambda: owed_counts(everybody, now),
        items=Participant.objects.standing().order_by("pk").values_list("pk", flat=True),
        alone=lambda pk: owed_counts(everybody, now, of=pk),
        key=lambda pk: f"count of participant:{pk}",
    )
    counts = {"withdrawn": _withdraw(owed, now=now), Stage.COMING.value: 0, Stage.OVERDUE.value: 0}
    for one in owed:
        # The count that had answered it may have been void.
        notifications.reinstate(about=one.about, reason=NO_LONGER_OWED, now=now)
    return {**counts, **tell_of([_duty_of(one) for one in owed], kind=DIGEST, now=now)}


def still_owed(about: Collection[str]) -> set[str]:
    """Of these, those that nobody has counted yet."""
    return {one.about for one in owed_counts(Site.objects.all(), timezone.now())} & set(about)


def _withdraw(owed: Iterable[OwedCount], *, now: dt.datetime) -> int:
    """Messages that still wait, about counts that nobody owes any more."""
    still = {one.about for one in owed}
    waiting = Notification.objects.filter(about__startswith=ABOUT, state=NotificationState.QUEUED)
    about = set(waiting.values_list("about", flat=True)) - still
    return sum(notifications.cancel(about=each, reason=NO_LONGER_OWED, now=now) for each in about)


def _duty_of(one: OwedCount) -> Duty:
    whose = one.participant
    return Duty(
        about=one.about,
        stage=one.due.stage.value,
        site=whose.site,
        protocol=get_study().protocol(whose.protocol_version),
        row=whose,
        template="safety/email/count",
        context={
            "participant": whose,
            "due_on": one.due_on,
            "day": one.due.due_day,
            "last_on": one.last_on,
            "is_overdue": one.is_overdue,
        },
        relevant_until=end_of_day(one.day0 + dt.timedelta(days=one.due.useful_until_day)),
    )
