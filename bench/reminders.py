"""A sweep that queues a hundred reminders to each of three people, beside a plain bulk insert of the same messages."""

from collections.abc import Iterable
from typing import Any

from django.utils import timezone

from bench import scene
from bench.measure import Line, Size, Work, in_turns, insert, written_by
from participants.actions import remind_of_visits
from participants.models import ReminderPreference, VisitReminder
from trialsite.models import Notification
from trialsite.roles import Role

VISITS = 100


def lines(size: Size) -> Iterable[Line]:
    people = [scene.person(f"coordinator{number}", Role.COORDINATOR) for number in range(3)]
    # Each thing as a mail of its own: the most that a sweep can have to write.
    ReminderPreference.objects.bulk_create(ReminderPreference(person=one, is_single=True) for one in people)
    scene.due_visits(VISITS, by=people[0])

    # Whenever the bench runs: after the hour of the day, and before the quiet ones.
    noon = timezone.localtime(scene.now()).replace(hour=12)

    def sweep(_given: Any = None) -> None:
        remind_of_visits(now=noon)

    def rows() -> list[list[Any]]:
        return written_by(sweep, Notification, VisitReminder)

    found = in_turns(size.turns, verb=Work(sweep), plain=Work(insert, rows))
    yield Line(
        "queue 100 reminders to three people",
        found["verb"].ms,
        found["verb"].queries,
        found["verb"].ms / found["plain"].ms,
        f"a bulk insert of the same {VISITS * 3} messages, and of what they tell of",
        goal_queries=10,
        goal_ratio=3,
    )
