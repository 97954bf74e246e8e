"""The whole snapshot of a study: all datasets, as the job makes them, of few participants and of many.

Without a build there is nothing to measure, and the table says so. Each participant is a copy of one who was infused,
with what that one left behind.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
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
from sponsor.datasets.scope import Scope, no_tick
from tests import factories

# What a participant leaves behind, as far as one row can be copied without another's; others follow their owner.
OF_A_PERSON = (Consent, ParticipantStatus, Visit, LymphodepletionDose, Examination, AdverseEvent)
WITH = {Examination: (Measurement, "examination"), AdverseEvent: (EventAgent, "event")}
# How many times as long each of many may take as each of few.
EACH = 1.25


def lines(size: Size) -> Iterable[Line]:
    build = None
    with suppress(ImportError, AttributeError):
        build = import_module("sponsor.datasets.build").build
    person, each = scene.infused(days_ago=40), 0.0
    factories.judged_event(person, by=scene.coordinator(), now=scene.now())
    for people in size.snapshots:
        name = f"the whole snapshot of {people:,} participants"
        if build is None:
            yield Line(f"{name}: not built", None)
            continue
        _copies(person, people)
        line = _snapshot(name, build)
        ratio = line.ms / people / each if line.ms and each else None
        each = each or (line.ms or 0) / people
        yield replace(line, ratio=ratio, against="a participant among few" if ratio else "", goal_ratio=ratio and EACH)


def _snapshot(name: str, build: Callable[..., object]) -> Line:
    """In one transaction that sees one moment, as the job makes it."""
    took, scope = 0.0, Scope(plain.cut_off())

    def work() -> None:
        nonlocal took
        begun = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder, transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            build(scope, Path(folder), no_tick)
        took = (time.perf_counter() - begun) * 1000

    larger = grown(os.getpid(), work)
    return Line(name, took, kb=larger, goal_kb=MOST_KB)


def _copies(person: Participant, count: int) -> None:
    """So many more like this one."""
    made = Participant.objects.count()
    first = copy(
        person,
        count,
        screening_number=f"'S{made}-' || n",
        participant_number=f"'N{made}-' || n",
        rescreening_of_id="NULL",
    )
    for model in OF_A_PERSON:
        for row in model._default_manager.filter(participant=person):
            started = copy(row, count, participant_id=f"{first} + n - 1")
            below, name = WITH.get(model, (None, ""))
            for one in below._default_manager.filter(**{name: row}) if below else ():
                whose = {"participant_id": f"{first} + n - 1"} if below is Measurement else {}
                copy(one, count, **{f"{name}_id": f"{started} + n - 1"}, **whose)
