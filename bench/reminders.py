"""Queueing beside a plain insert, a sweep over few and many visits, and delivery beside a bare loop of smtplib."""

import statistics
from collections.abc import Iterable, Iterator
from typing import Any

from django.utils import timezone

from bench import mailing, scene
from bench.lists import _people as people_like
from bench.lists import copy
from bench.measure import Line, Measured, Size, Work, in_turns, insert, written_by
from participants.actions import remind_of_visits, site_day
from participants.models import ReminderPreference, Visit, VisitReminder
from trialsite.models import Notification
from trialsite.roles import Role
from trialsite.study import get_study

VISITS = 100


def lines(size: Size) -> Iterable[Line]:
    people = [scene.person(f"coordinator{number}", Role.COORDINATOR) for number in range(3)]
    yield from _delivery(size)
    # Each thing as a mail of its own: the most that a sweep can have to write.
    ReminderPreference.objects.bulk_create(ReminderPreference(person=one, is_single=True) for one in people)
    scene.due_visits(VISITS, by=people[0])
    yield _queueing(size)
    yield from _sweeping(size)


def _sweep(_given: Any = None) -> None:
    # Whenever the bench runs: after the hour of the day, and before the quiet ones.
    remind_of_visits(now=timezone.localtime(scene.now()).replace(hour=12))


def _rows() -> list[list[Any]]:
    return written_by(_sweep, Notification, VisitReminder)


def _queueing(size: Size) -> Line:
    found = in_turns(size.turns, verb=Work(_sweep), plain=Work(insert, _rows))
    return Line(
        "queue 100 reminders to three people",
        found["verb"].ms,
        found["verb"].queries,
        found["verb"].ms / found["plain"].ms,
        f"a bulk insert of the same {VISITS * 3} messages, and of what they tell of",
        goal_queries=10,
        goal_ratio=3,
    )


# --- A sweep over few and many -------------------------------------------------------------------------


def _sweeping(size: Size) -> Iterator[Line]:
    """The same hundred are due; all others are over, or years ahead.

    Each size is measured in turns with a plain insert of what the sweep writes, which does not grow: by that they are
    compared, for minutes lie between them.
    """
    few, most = size.visits
    found: dict[int, dict[str, Measured]] = {}
    for count in (few, min(10 * few, most), most):
        _fill(count - Visit.objects.count())
        found[count] = in_turns(size.turns, sweep=Work(_sweep), plain=Work(insert, _rows))
    for count, measured in found.items():
        yield Line(
            f"sweep with {VISITS} due among {count:,} visits",
            measured["sweep"].ms,
            measured["sweep"].queries,
            _by_plain(measured) / _by_plain(found[few]),
            f"among {few:,}",
            goal_ratio=1.3,
        )


def _by_plain(measured: dict[str, Measured]) -> float:
    return measured["sweep"].ms / measured["plain"].ms


def _fill(count: int) -> None:
    first = Visit.objects.order_by("pk").first()
    assert first is not None
    codes = [visit.code for visit in get_study().latest.follow_up_visits]
    people = people_like(first.participant, count // len(codes) + 1)
    day = f"date '{site_day(scene.now())}' + 400 * (1 - 2 * (n % 2)::int)"
    copy(
        first,
        count,
        participant_id=f"{people} + (n - 1) / {len(codes)}",
        code=f"(ARRAY{codes})[1 + n % {len(codes)}]",
        target_date=day,
        window_opens_on=f"{day} - 1",
        window_closes_on=f"{day} + 1",
        state="CASE WHEN n % 2 = 1 THEN 'cancelled' ELSE 'planned' END",
        occurred_on="NULL",
    )


# --- Delivery ------------------------------------------------------------------------------------------


def _delivery(size: Size) -> Iterator[Line]:
    """Claimed, recorded and audited one by one; in turns with the bare loop, so that a slow moment meets all alike."""
    count = size.mails
    bare, one, two = [], [], []
    with mailing.sink() as (port, _folder):
        for turn in range(size.rounds):
            bare.append(mailing.bare_loop(port, count))
            one.append(mailing.delivered_by(1, port, count, f"one-{turn}"))
            two.append(mailing.delivered_by(2, port, count, f"two-{turn}"))
    least = statistics.median(bare)
    for title, times, goal in (("one worker", one, 2), ("two workers", two, 1.25)):
        took = statistics.median(times)
        yield Line(
            f"deliver {count} mails, {title}: {count / took:.0f} a second",
            took * 1000,
            ratio=took / least,
            against=f"bare smtplib over one connection: {count / least:.0f} a second",
            goal_ratio=goal,
        )
