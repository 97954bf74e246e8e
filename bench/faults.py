"""What becomes of messages when something breaks: each fault with its numbers, by real processes and real servers.

    python -m bench.faults [--short]

For each fault so many messages are queued, it strikes in the middle of their delivery, and everything is waited for.
Doubled is what arrived twice (under the same Message-ID), lost is what never did. Well again: how long after the fault
was over, or for what stays away after it struck, until the last message had left. Exits with 1 where one is lost, or
where more are doubled than the fault explains.
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psutil  # type: ignore[import-untyped]
import psycopg

from tests.mailservers import CLOSE, HANG, MailServer
from trialsite.local.postgres import DATABASE, clear_stale_pid_file, identity
from trialsite.local.processes import Service, kill_group
from trialsite.local.services import Stack

TASK = "trialsite.tasks.deliver_notifications"
# For a broken system, not part of what is measured.
PATIENCE = 240.0
LEASE_SECONDS = "5"


@dataclass(frozen=True)
class Outcome:
    """`explained`: how many doubles the fault may leave."""

    fault: str
    queued: int
    sent: int
    doubled: int
    lost: int
    seconds: float
    explained: int = 0

    @property
    def is_fine(self) -> bool:
        return not self.lost and self.doubled <= self.explained

    def cells(self) -> tuple[str, ...]:
        numbers = (self.queued, self.sent, f"{self.doubled} (≤ {self.explained})", self.lost, f"{self.seconds:.1f} s")
        return ("fine" if self.is_fine else "BAD", self.fault, *map(str, numbers))


def table(found: Iterable[Outcome]) -> str:
    rows = [("", "fault", "queued", "sent", "doubled", "lost", "well again after"), *(one.cells() for one in found)]
    wide = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    padded = ([text.ljust(width) for text, width in zip(row, wide, strict=True)] for row in rows)
    return "\n".join("  ".join(row).rstrip() for row in padded)


class Scene:
    """A site with its worker, its clock and a mail server of ours; faults strike it one after the other."""

    def __init__(self, stack: Stack, count: int) -> None:
        self.stack, self.count = stack, count
        self.mail = MailServer(stack.mail_port, seconds=0.02)
        # A throwaway server tells of a commit before it is kept: killed, it would have forgotten what it was told.
        with stack.postgres.connect() as connection:
            connection.execute(f"ALTER DATABASE {DATABASE} SET synchronous_commit TO on")
        self.worker: Service = stack.start_worker()
        self.beat: Service = stack.start_beat()
        # Who came for one fault only.
        self.guests: list[Service] = []
        self.runs = 0

    # --- what is there
    def ask(self, query: str, *values: Any) -> Any:
        with psycopg.connect(self.stack.env["DATABASE_URL"]) as connection:
            row = connection.execute(query, values).fetchone()
        return row[0] if row else None

    def left(self, name: str) -> int:
        waiting = "SELECT count(*) FROM trialsite_notification WHERE about = %s AND state IN ('queued', 'sending')"
        found: int = self.ask(waiting, name)
        return found

    def arrived(self, name: str) -> list[int]:
        """How often each of them did."""
        return [times for key, times in self.mail.ids.items() if key.startswith(f"<{name}-")]

    def wait(self, is_so: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not is_so():
            if time.monotonic() > deadline:
                raise TimeoutError(f"waited {PATIENCE:.0f} s in vain for {what}")
            time.sleep(0.05)

    def wake(self) -> None:
        from celery import Celery

        import trialsite.celery  # noqa: F401  (its way to the broker)

        Celery(broker=self.stack.valkey.url, set_as_current=False).send_task(TASK)

    # --- what is done
    def queue(self, name: str) -> None:
        with psycopg.connect(self.stack.env["DATABASE_URL"]) as connection:
            connection.execute(QUEUE, {"name": name, "count": self.count})

    def strike(self, fault: str, do: Callable[["Scene"], None], *, explained: int = 0) -> Outcome:
        """Queue, wait until a fifth of it is on its way, let it strike, and wait for the rest."""
        self.runs += 1
        name = f"run{self.runs}"
        self.queue(name)
        self.wake()
        self.wait(lambda: len(self.arrived(name)) >= self.count // 5, f"{fault}: the run to be under way")
        do(self)
        begun = time.monotonic()
        # What has not left by then is lost, as the table says it.
        with suppress(TimeoutError):
            self.wait(lambda: not self.left(name), f"{fault}: the rest")
        for guest in self.guests:
            self.stack.supervisor.stop(guest)
        self.guests.clear()
        times = self.arrived(name)
        return Outcome(
            fault=fault,
            queued=self.count,
            sent=len(times),
            doubled=sum(one - 1 for one in times),
            lost=self.count - len(times),
            seconds=time.monotonic() - begun,
            explained=explained,
        )


QUEUE = """
    INSERT INTO trialsite_notification (
        dedupe_key, about, site_id, recipient_id, subject, body_text, body_html,
        state, queued_at, not_before, attempts, sent_to, message_id, error
    )
    SELECT %(name)s || ':' || n, %(name)s, s.id, u.id, 'fault ' || n, 'text', '<p>text</p>',
        'queued', now(), now(), 0, '', '<' || %(name)s || '-' || n || '@localhost>', ''
    FROM generate_series(1, %(count)s) n, trialsite_site s, trialsite_user u
    WHERE s.code = 'ZJ' AND u.username = 'coordinator'
"""


# --- Faults --------------------------------------------------------------------------------------------


def kill_worker(scene: Scene) -> None:
    scene.worker.kill()
    scene.worker = scene.stack.start_worker()


def freeze_worker(scene: Scene) -> None:
    """It stands still with a message in its hands; another worker comes, and it wakes up when all is done."""
    frozen = scene.worker
    kill_group(frozen.pid, signal.SIGSTOP)
    scene.worker = scene.stack.start_worker()


def kill_broker(scene: Scene) -> None:
    valkey = scene.stack.valkey
    assert valkey.service is not None
    valkey.service.kill()
    time.sleep(2)
    valkey.service = valkey._spawn()
    scene.wait(valkey._answers, "the broker")


def empty_broker(scene: Scene) -> None:
    import redis

    with redis.Redis.from_url(scene.stack.valkey.url) as client:
        client.flushall()


def kill_database(scene: Scene) -> None:
    """With all its sessions, as a machine that is switched off; it comes back at the same place."""
    postgres = scene.stack.postgres
    assert postgres.service is not None
    server = psutil.Process(postgres.service.pid)
    for one in (server, *server.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            one.kill()
    postgres.service.process.wait()
    clear_stale_pid_file(postgres.data)
    postgres.service = postgres._spawn(identity(postgres.home, postgres._make_scratch))
    scene.wait(postgres._answers, "the database")
    scene.wake()


def be_silent(scene: Scene) -> None:
    """Nothing ran for three days, and the broker has forgotten all."""
    scene.worker.kill()
    scene.beat.kill()
    empty_broker(scene)
    with psycopg.connect(scene.stack.env["DATABASE_URL"]) as connection:
        connection.execute(LONG_AGO)
        connection.execute("UPDATE trialsite_sweeprun SET finished_at = finished_at - interval '3 days'")
    scene.worker, scene.beat = scene.stack.start_worker(), scene.stack.start_beat()


LONG_AGO = """
    UPDATE trialsite_notification
    SET not_before = not_before - interval '3 days', lease_until = lease_until - interval '3 days'
    WHERE state IN ('queued', 'sending')
"""


def mislead_workers(scene: Scene) -> None:
    """Two more of them come, to whom it is an hour later, and an hour earlier."""
    celery = scene.stack.programs.worker[3:]
    for hours in ("1", "-1"):
        other = scene.stack._start("worker", (sys.executable, "-m", "bench.elsewhen", hours, *celery))
        scene.guests.append(other)
    for _time in range(5):
        scene.wake()


def stop_mail(seconds: float) -> Callable[[Scene], None]:
    def strike(scene: Scene) -> None:
        before = scene.mail
        before.stop()
        time.sleep(seconds)
        scene.mail = MailServer(scene.stack.mail_port, seconds=0.02, mails=before.mails)
        scene.wake()

    return strike


def hush_mail(scene: Scene) -> None:
    """It takes connections, and says nothing."""
    scene.mail.greeting = HANG
    scene.mail.hang_up()
    time.sleep(5)
    stop_mail(0)(scene)


def second_beat(scene: Scene) -> None:
    scene.guests.append(scene.stack.start_beat())


def lose_answers(scene: Scene) -> None:
    """One message is taken, and the server hangs up before it says so."""
    once = iter([CLOSE])
    scene.mail.dot = lambda _to: next(once, None)


Faults = tuple[tuple[str, Callable[[Scene], None], int], ...]
# A worker has two hands, and each may hold a message whose fate nobody knows.
QUICK: Faults = (
    ("worker killed", kill_worker, 2),
    ("broker killed, back after 2 s", kill_broker, 0),
    ("broker emptied", empty_broker, 0),
    ("database killed", kill_database, 2),
    ("worker frozen, another comes", freeze_worker, 2),
    ("two beats", second_beat, 0),
    ("three silent days", be_silent, 2),
    ("two clocks, an hour ahead and behind", mislead_workers, 0),
)
# Here somebody waits a minute: for the second attempt, for the clock.
SLOW: Faults = (
    ("mail server gone for 3 s", stop_mail(3), 1),
    ("mail server gone for 60 s", stop_mail(60), 1),
    ("mail server says nothing for 5 s", hush_mail, 1),
    ("answer after the last dot lost", lose_answers, 1),
)
KILLS = 20


@contextmanager
def site() -> Iterator[Stack]:
    os.environ["NOTIFICATION_LEASE_SECONDS"] = LEASE_SECONDS
    with Stack(throwaway=True) as stack:
        stack.manage("prepare_database", as_owner=True)
        stack.manage("demo", "--small")
        yield stack


def main() -> int:
    asked = argparse.ArgumentParser(prog="python -m bench.faults", description=__doc__.splitlines()[0])
    asked.add_argument("--short", action="store_true", help="few messages, and each fault once")
    short = asked.parse_args().short
    kills = () if short else tuple((f"worker killed ({n + 1} of {KILLS})", kill_worker, 2) for n in range(KILLS))
    found = []
    with site() as stack:
        scene = Scene(stack, 60 if short else 200)
        for fault, do, explained in (*QUICK, *(() if short else SLOW), *kills):
            found.append(scene.strike(fault, do, explained=explained))
            print(*found[-1].cells(), sep="  ", file=sys.stderr, flush=True)
    print(f"\n{table(found)}")
    return int(not all(one.is_fine for one in found))


if __name__ == "__main__":
    sys.exit(main())
