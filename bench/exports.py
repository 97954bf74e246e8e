"""Adverse events as whole files, beside PostgreSQL's own COPY of the same query through psycopg.

To a file in this process, and over HTTP from a real web server in another one: with checksum and the records of the
read. A rate of at least 0.9 times that of the COPY is a time of at most 1 / 0.9 times its own. Each event has the row
of one agent. What the ORM with its serializers takes is shown beside it, over few rows.
"""

import http.client
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from django.contrib.auth.models import Group
from django.db import connection
from rest_framework.renderers import JSONRenderer

from bench.lists import copy, first_event
from bench.measure import Line, Size
from safety.models import AdverseEvent, Agent, EventAgent
from sponsor import plain
from sponsor.api import ROUTES
from sponsor.auth import issue_token
from sponsor.models import ApiRead, ReadStage, Scope
from trialsite.local.processes import answers, free_port
from trialsite.models import User
from trialsite.roles import Role

EVENTS = "adverse-events"
# As many times the rows per second of the COPY as must be reached, and the kilobytes that a process may grow by.
FILE, HTTP = 0.9, 0.8
MOST_KB = 150 * 1024
# More than these the ORM is not asked for: it would take minutes.
SLOW_ROWS = 10_000
PART = 1 << 18

Works = dict[str, Callable[[], None]]


def lines(size: Size) -> Iterable[Line]:
    with tempfile.TemporaryDirectory() as folder:
        for rows in (min(SLOW_ROWS, *size.exports), *size.exports):
            _fill(rows)
            yield from _slow(rows, size) if rows <= SLOW_ROWS else ()
            if rows in size.exports:
                for kind in plain.Kind:
                    yield from _compared(rows, kind, size, Path(folder))


# --- filling -----------------------------------------------------------------------------------------


def _fill(rows: int) -> None:
    """So many events in all, each with what the investigator thinks of the cells."""
    event = AdverseEvent.objects.order_by("pk").first() or _first()
    agent = EventAgent.objects.order_by("pk")[0]
    wanted = rows - AdverseEvent.objects.count()
    if wanted > 0:
        first = copy(event, wanted, term="(ARRAY['Fever', '发热', 'Rash, \"itching\"'])[1 + n % 3] || ' ' || n % 1000")
        copy(agent, wanted, event_id=f"{first} + n - 1")


def _first() -> AdverseEvent:
    event = first_event()
    EventAgent.objects.create(
        event=event, agent=Agent.CAR_T, investigator="possible", action_taken="none", created_by=event.created_by
    )
    return event


# --- beside the COPY ---------------------------------------------------------------------------------


def _compared(rows: int, kind: plain.Kind, size: Size, folder: Path) -> Iterator[Line]:
    made = plain.statement(EVENTS, kind)
    token = _token()
    with served() as (port, pid), _connected() as one:
        works: Works = {
            "copy": lambda: bare(one, made, folder / "bare"),
            "file": lambda: _to_file(made, folder / "ours"),
            "http": lambda: _over_http(port, f"{EVENTS}.{kind}", token, folder / "http"),
        }
        # A few rows first, so that each process has what it needs whatever the rows.
        _over_http(port, f"visits.{kind}", token, folder / "http")
        works["copy"]()
        larger = {"file": grown(os.getpid(), works["file"]), "http": grown(pid, works["http"])}
        _agree(folder, rows)
        found = medians(_turns(size), works)
    for name, goal in (("file", FILE), ("http", HTTP)):
        yield Line(
            f"{rows:,} adverse events as {kind.upper()} {'to a file' if name == 'file' else 'over HTTP'}",
            found[name],
            ratio=found[name] / found["copy"],
            against=f"plain COPY ({rows / found['copy']:,.0f} rows/ms, ours {rows / found[name]:,.0f})",
            kb=larger[name],
            goal_ratio=round(1 / goal, 3),
            goal_kb=MOST_KB,
        )


def _turns(size: Size) -> int:
    """Few: a million rows take their time."""
    return min(size.turns, size.rounds, 3)


def bare(one: psycopg.Connection, made: str, path: Path) -> None:
    """The plainest that writes these rows: psycopg's COPY into a file, without Django."""
    with path.open("wb") as file, one.cursor() as cursor, cursor.copy(made.encode()) as rows:
        for row in rows:
            file.write(row)


def _connected() -> psycopg.Connection:
    """A connection of its own, which is open before anything is timed, as Django's is."""
    given = connection.settings_dict
    access = {"host": given["HOST"], "port": given["PORT"], "user": given["USER"], "password": given["PASSWORD"]}
    return psycopg.connect(dbname=given["NAME"], autocommit=True, **access)


def _to_file(made: str, path: Path) -> None:
    with path.open("wb") as file:
        assert plain.to_file(made, file).is_whole


def _over_http(port: int, name: str, token: str, path: Path) -> None:
    asking = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    asking.request("GET", f"/api/v1/export/{name}", headers={"Authorization": f"Token {token}"})
    answer = asking.getresponse()
    assert answer.status == 200, answer.read()[:500]
    with path.open("wb") as file:
        while part := answer.read(PART):
            file.write(part)
    asking.close()


def _agree(folder: Path, rows: int) -> None:
    """All three wrote the same, and the record tells what the reader has."""
    contents = {(folder / name).stat().st_size for name in ("bare", "ours", "http")}
    assert len(contents) == 1, contents
    told = _ended()
    assert (told.rows, told.bytes) == (rows, contents.pop())


def _ended() -> ApiRead:
    """The row is written after the last byte: the reader may be there first."""
    for _try in range(100):
        begun = ApiRead.objects.filter(stage=ReadStage.BEGUN).latest("pk")
        if (row := ApiRead.objects.filter(begun=begun).first()) is not None:
            return row
        time.sleep(0.05)
    raise AssertionError("the export never ended")


def _token() -> str:
    """A new one each time: none is kept anywhere."""
    user, _is_new = User.objects.get_or_create(username="bench-program")
    user.groups.add(Group.objects.get(name=Role.SPONSOR_PROGRAM))
    user.auth_token_set.all().delete()
    return issue_token(user, days=1, scopes=(Scope.EXPORT,))[0]


@contextmanager
def served() -> Iterator[tuple[int, int]]:
    """A web server as it runs in production, with one worker; its port, and the worker's process."""
    port, url = free_port(), urlsplit(os.environ["DATABASE_URL"])
    database = urlunsplit(url._replace(path=f"/{connection.settings_dict['NAME']}"))
    words = ["-m", "gunicorn", "trialsite.wsgi", "--bind", f"127.0.0.1:{port}", "--workers", "1", "--threads", "4"]
    env = {**os.environ, "DATABASE_URL": database, "LOG_LEVEL": "ERROR"}
    process = subprocess.Popen(
        [sys.executable, *words, "--no-control-socket", "--log-level", "error", "--timeout", "600"], env=env
    )
    try:
        while not answers(port):
            assert process.poll() is None, "the web server has ended"
            time.sleep(0.05)
        (worker,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        yield port, int(worker)
    finally:
        process.terminate()
        process.wait()


def medians(turns: int, works: Works) -> dict[str, float]:
    """Milliseconds, the works in turns: a slow moment meets all alike."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(turns):
        for name in sorted(works, reverse=bool(turn % 2)):
            begun = time.perf_counter()
            works[name]()
            times[name].append(time.perf_counter() - begun)
    return {name: statistics.median(found) * 1000 for name, found in times.items()}


def grown(pid: int, work: Callable[[], None]) -> float:
    """By how many kilobytes the process was larger at its largest than before."""
    before = _memory(pid, "VmRSS")
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    work()
    return _memory(pid, "VmHWM") - before


def _memory(pid: int, what: str) -> float:
    told = Path(f"/proc/{pid}/status").read_text()
    return float(next(line.split()[1] for line in told.splitlines() if line.startswith(f"{what}:")))


# --- beside the ORM ----------------------------------------------------------------------------------


def _slow(rows: int, size: Size) -> Iterator[Line]:
    with tempfile.TemporaryDirectory() as folder, _connected() as one:
        made = plain.statement(EVENTS, plain.Kind.NDJSON)
        works: Works = {"copy": lambda: bare(one, made, Path(folder) / "bare"), "orm": _serialized}
        found = medians(_turns(size), works)
    yield Line(
        f"{rows:,} adverse events by the ORM and its serializers",
        found["orm"],
        ratio=found["orm"] / found["copy"],
        against="plain COPY as NDJSON; for comparison only",
    )


def _serialized() -> None:
    renderer = JSONRenderer()
    view = ROUTES["adverse-events"]
    for event in view.queryset.order_by("pk").iterator(chunk_size=1000):
        renderer.render(view.serializer_class(event).data)
