"""A bedside assessment saved beside two hundred others, and one of before them all, which grades them all anew."""

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal

from bench import scene
from bench.measure import Line, Size, Work, in_turns
from safety.actions import assess_bedside
from safety.models import BedsideAssessment
from tests.safety.test_bedside import seen

FEVER = seen(temperature_c=Decimal("38.6"), fever_attributable=True)
EVERY = dt.timedelta(hours=1)


def lines(size: Size) -> Iterable[Line]:
    person, by, now = scene.infused(days_ago=12), scene.coordinator(), scene.now()

    def at(moment: dt.datetime) -> None:
        one = BedsideAssessment(participant=person, assessed_at=moment)
        assess_bedside(assessment=one, seen=FEVER, by=by, now=now)

    first = now - size.assessments * EVERY
    for number in range(size.assessments):
        at(first + number * EVERY)
    found = in_turns(size.turns, newest=Work(lambda: at(now)), first=Work(lambda: at(first - EVERY)))
    yield Line(
        f"save a bedside assessment beside {size.assessments} others",
        found["newest"].ms,
        found["newest"].queries,
        goal_ms=30,
        goal_queries=9,
    )
    yield Line(
        "the same, of before them all: each is graded anew",
        found["first"].ms,
        found["first"].queries,
        found["first"].ms / found["newest"].ms,
        "the newest one",
        goal_ratio=5,
    )
