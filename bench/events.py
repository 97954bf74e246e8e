"""An adverse event logged with its first grade and its agents, beside plain inserts of the same rows."""

from collections.abc import Iterable
from typing import Any

from bench import scene
from bench.measure import Line, Size, Work, in_turns, insert, written_by
from safety.actions import log_adverse_event
from safety.models import AdverseEvent, EventAgent, EventGrade, Outcome


def lines(size: Size) -> Iterable[Line]:
    person, by, now = scene.enrolled(), scene.coordinator(), scene.now()

    def event() -> AdverseEvent:
        return AdverseEvent(
            participant=person,
            term="fever",
            ctcae_code="10016558",
            onset=f"{now:%Y-%m-%d}",
            grade=2,
            outcome=Outcome.NOT_RECOVERED,
            site_aware_at=now,
        )

    def log(one: AdverseEvent) -> None:
        log_adverse_event(event=one, by=by, now=now)

    def rows() -> list[list[Any]]:
        return written_by(lambda: log(event()), AdverseEvent, EventGrade, EventAgent)

    found = in_turns(size.turns * 5, verb=Work(log, event), plain=Work(insert, rows))
    yield Line(
        "log an adverse event",
        found["verb"].ms,
        found["verb"].queries,
        found["verb"].ms / found["plain"].ms,
        "plain inserts of the same rows",
        goal_ratio=3,
    )
