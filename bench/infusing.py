"""An infusion logged with all visits that follow it, beside plain inserts of the same rows."""

from collections.abc import Iterable
from typing import Any

from bench import scene
from bench.measure import Line, Size, Work, in_turns, insert, written_by
from dosing.actions import infuse
from dosing.models import Infusion, ProductStep
from dosing.rules.readiness import Code
from participants.models import ParticipantStatus, Visit
from tests import factories

# What is looked up to answer a line of readiness, the fifteen kinds of facts that stand behind them among it.
CHECKS = len(Code) + 7
WRITTEN = (Visit, Infusion, ProductStep, ParticipantStatus)


def lines(size: Size) -> Iterable[Line]:
    person, by, now = scene.enrolled(), scene.coordinator(), scene.now()
    product = factories.ready(person, at=now)

    def infusion() -> Infusion:
        return factories.infusion_of(person, at=now, product=product)

    def log(one: Infusion) -> None:
        infuse(infusion=one, by=by, now=now)

    def rows() -> list[list[Any]]:
        return written_by(lambda: log(infusion()), *WRITTEN)

    found = in_turns(size.turns, verb=Work(log, infusion), plain=Work(insert, rows))
    yield Line(
        "log an infusion with 36 visits",
        found["verb"].ms,
        found["verb"].queries,
        found["verb"].ms / found["plain"].ms,
        "a bulk insert of the same rows",
        goal_queries=CHECKS + 12,
        goal_ratio=4,
    )
