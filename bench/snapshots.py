"""The whole snapshot of a study: all datasets, the record with its trail, and every format, of few people and of many.

Each participant is a copy of one who was infused, with what that one left behind. The few are measured before the many
and after them, at a site of their own in the same database: so what the machine does beside it meets both.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from django.db import connection, transaction

from bench import scene
from bench.exports import MOST_KB, grown
from bench.lists import copy
from bench.measure import Line, Size
from dosing.models import LymphodepletionDose
from participants.models import Consent, Examination, Measurement, Participant, ParticipantStatus, Visit
from safety.models import AdverseEvent, EventAgent
from sponsor import plain
from sponsor.datasets.build import build
from sponsor.datasets.files import WRITERS
from sponsor.datasets.odm import write_odm
from sponsor.datasets.scope import Scope, no_tick
from tests import factories
from trialsite.models import Site

# What a participant leaves behind, as far as one row can be copied without another's; others follow their owner.
OF_A_PERSON = (Consent, ParticipantStatus, Visit, LymphodepletionDose, Examination, AdverseEvent)
WITH = {Examination: (Measurement, "examination"), AdverseEvent: (EventAgent, "event")}
# How many times as long each of many may take as each of few; how many milliseconds all of few.
EACH, SECONDS = 1.25, 10_000
TURNS = 3

Times = dict[str, float]


def lines(size: Size) -> Iterable[Line]:
    few, many = size.snapshots
    person = scene.infused(days_ago=40)
    factories.judged_event(person, by=scene.coordinator(), now=scene.now())
    for code, people in (("FEW", few), ("MANY", many)):
        _copies(person, people, Site.objects.create(code=code))
    scene.analyze()
    _made("FEW")
    before, found, larger = _several(), {}, 0.0

    def work() -> None:
        found.update(_made("MANY"))

    larger = grown(os.getpid(), work)
    after = _several()
    each = {name: (before[name] + after[name]) / 2 / few for name in before}
    yield Line(f"the whole snapshot of {few:,} participants", 1000 * sum(each.values()) * few, goal_ms=SECONDS)
    for name, took in found.items():
        yield _line(f"{name} of {many:,} participants", took, took / many / each[name])
    took = sum(found.values())
    yield _line(f"the whole snapshot of {many:,}", took, took / many / sum(each.values()), kb=larger)


def _line(work: str, took: float, ratio: float, kb: float | None = None) -> Line:
    """The whole has goals; its parts tell where the time goes."""
    line = Line(work, 1000 * took, ratio=ratio, against="a participant among few", kb=kb)
    return line if kb is None else replace(line, goal_ratio=EACH, goal_kb=MOST_KB)


def _several() -> Times:
    """The medians of some turns over the few."""
    found = [_made("FEW") for _turn in range(TURNS)]
    return {name: statistics.median(one[name] for one in found) for name in found[0]}


def _made(code: str) -> Times:
    """How many seconds each part took, in one transaction that sees one moment, as the job makes it."""
    times: Times = {}
    scope = Scope(plain.cut_off(), sites=(code,))

    @contextmanager
    def timed(name: str) -> Iterator[None]:
        begun = time.perf_counter()
        yield
        times[name] = time.perf_counter() - begun

    with tempfile.TemporaryDirectory() as place:
        folder, rows = Path(place), Path(place) / "rows"
        rows.mkdir()
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            with timed("datasets"):
                package = build(scope, rows, no_tick)
            with timed("ODM with its trail"):
                write_odm(scope, folder, no_tick)
        for name, write in WRITERS.items():
            with timed(name):
                write(package, folder, no_tick)
    return times


def _copies(person: Participant, count: int, site: Site) -> None:
    """So many more like this one, at that site."""
    first = copy(
        person,
        count,
        has_trail=True,
        site_id=str(site.pk),
        screening_number=f"'{site.code}-' || n",
        participant_number=f"'{site.code}-N' || n",
        rescreening_of_id="NULL",
    )
    for model in OF_A_PERSON:
        for row in model._default_manager.filter(participant=person):
            started = copy(row, count, has_trail=True, participant_id=f"{first} + n - 1")
            below, name = WITH.get(model, (None, ""))
            for one in below._default_manager.filter(**{name: row}) if below else ():
                whose = {"participant_id": f"{first} + n - 1"} if below is Measurement else {}
                copy(one, count, has_trail=True, **{f"{name}_id": f"{started} + n - 1"}, **whose)
