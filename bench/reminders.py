"""A sweep that queues a hundred reminders to each of three people, beside a plain bulk insert of the same messages."""

from collections.abc import Iterable
from typing import Any

from bench import scene
from bench.measure import Line, Size, Work, in_turns, insert, written_by
from participants.actions import remind_of_visits
from trialsite.models import Notification
from trialsite.roles import Role

VISITS = 100


def lines(size: Size) -> Iterable[Line]:
    people = [scene.person(f"coordinator{number}", Role.COORDINATOR) for number in range(3)]
    scene.due_visits(VISITS, by=people[0])

    def sweep(_given: Any = None) -> None:
        remind_of_visits(now=scene.now())

    def rows() -> list[list[Any]]:
        return written_by(sweep, Notification)

    found = in_turns(size.turns, verb=Work(sweep), plain=Work(insert, rows))
    yield Line(
        "queue 100 reminders to three people",
        found["verb"].ms,
        found["verb"].queries,
        found["verb"].ms / found["plain"].ms,
        f"a bulk insert of the same {VISITS * 3} messages",
        goal_queries=10,
        goal_ratio=3,
    )
