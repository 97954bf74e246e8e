"""What becomes of messages when something breaks: each fault with its numbers, by real processes and real servers.

    python -m bench.faults [--short] [word of a fault …]

For each fault so many messages are queued, it strikes in the middle of their delivery, and everything is waited for.
Struck: how often it did while messages were on their way. Doubled is what arrived twice (under the same Message-ID),
failed what the outbox shows as undeliverable, unsure what it shows as failed because its sender died twice, while it
had arrived; lost what never arrived and nobody is told of. Well again: how long after the fault was over, or for what
stays away after it struck, until the last message had left. Exits with 1 where one is lost, where more are doubled,
failed or unsure than the fault explains, and where it struck nothing.
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psutil  # type: ignore[import-untyped]
import psycopg

from tests.mailservers import CLOSE, HANG, MailServer, as_ever
from trialsite.local.postgres import DATABASE, clear_stale_pid_file, identity
from trialsite.local.processes import Service, kill_group
from trialsite.local.services import Stack

TASK = "trialsite.tasks.deliver_notifications"
# For a broken system, not part of what is measured.
PATIENCE = 240.0
# How long a message is held without a sign of life, and how long a conversation about one may last.
SETTINGS = {"NOTIFICATION_LEASE_SECONDS": "5", "EMAIL_CONVERSATION_SECONDS": "3"}
CONVERSATION = float(SETTINGS["EMAIL_CONVERSATION_SECONDS"])


@dataclass(frozen=True)
class Outcome:
    """`explained`: how many doubles the fault may leave; `undeliverable`: how many messages it makes so."""

    fault: str
    struck: int
    queued: int
    sent: int
    doubled: int
    failed: int
    unsure: int
    lost: int
    seconds: float
    explained: int = 0
    undeliverable: int = 0

    @property
    def is_fine(self) -> bool:
        most = max(self.doubled, self.unsure)
        is_explained = most <= self.explained and self.failed == self.undeliverable
        return self.struck > 0 and not self.lost and is_explained

    def cells(self) -> tuple[str, ...]:
        doubled, failed = f"{self.doubled} (≤ {self.explained})", f"{self.failed} (= {self.undeliverable})"
        numbers = (self.struck, self.queued, self.sent, doubled, failed, self.unsure, self.lost)
        return ("fine" if self.is_fine else "BAD", self.fault, *map(str, numbers), f"{self.seconds:.1f} s")


HEAD = ("", "fault", "struck", "queued", "sent", "doubled", "failed", "unsure", "lost", "well again after")


def table(found: Iterable[Outcome]) -> str:
    rows = [HEAD, *(one.cells() for one in found)]
    wide = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    padded = ([text.ljust(width) for text, width in zip(row, wide, strict=True)] for row in rows)
    return "\n".join("  ".join(row).rstrip() for row in padded)


class Scene:
    """A site with its worker, its clock and a mail server of ours; faults strike it one after the other."""

    def __init__(self, stack: Stack, count: int, *, is_quick: bool = False) -> None:
        """`is_quick`: what only waits for the next minute of the clock is woken before, as by any new message."""
        self.stack, self.count, self.is_quick = stack, count, is_quick
        self.mail = MailServer(stack.mail_port, seconds=SECONDS_A_MAIL)
        # A throwaway server tells of a commit before it is kept: killed, it would have forgotten what it was told.
        with stack.postgres.connect() as connection:
            connection.execute(f"ALTER DATABASE {DATABASE} SET synchronous_commit TO on")
        self.worker: Service = stack.start_worker()
        self.beat: Service = stack.start_beat()
        # Who came for one fault only, and who stands still.
        self.guests: list[Service] = []
        self.sleepers: list[Service] = []
        # The run that is on, and what there is to say of it beside its numbers.
        self.runs, self.run, self.note = 0, "", ""

    # --- what is there
    def ask(self, query: str, *values: Any) -> Any:
        with psycopg.connect(self.stack.env["DATABASE_URL"]) as connection:
            row = connection.execute(query, values).fetchone()
        return row[0] if row else None

    def do(self, query: str, *values: Any) -> None:
        with psycopg.connect(self.stack.env["DATABASE_URL"]) as connection:
            connection.execute(query, values)

    def count_of(self, *states: str) -> int:
        """How many messages of this run are in these states."""
        rows = "SELECT count(*) FROM trialsite_notification WHERE dedupe_key LIKE %s AND state = ANY(%s)"
        found: int = self.ask(rows, f"{self.run}:%", list(states))
        return found

    def left(self) -> int:
        return self.count_of("queued", "sending")

    def failed(self) -> set[str]:
        """Those of this run that the outbox shows as failed, by their Message-ID."""
        rows = "SELECT array_agg(message_id) FROM trialsite_notification WHERE dedupe_key LIKE %s AND state = 'failed'"
        return set(self.ask(rows, f"{self.run}:%") or ())

    def arrived(self) -> dict[str, int]:
        """How often each message of this run did, by its Message-ID."""
        return {key: times for key, times in self.mail.ids.items() if key.startswith(f"<{self.run}-")}

    def wait(self, is_so: Callable[[], bool], what: str, *, wakes: bool = False) -> None:
        deadline, woken = time.monotonic() + PATIENCE, time.monotonic()
        while not is_so():
            if time.monotonic() > deadline:
                raise TimeoutError(f"waited {PATIENCE:.0f} s in vain for {what}")
            time.sleep(0.05)
            if wakes and time.monotonic() - woken > 1:
                self.wake()
                woken = time.monotonic()

    def wait_for_mails(self, count: int, *, wakes: bool = False) -> None:
        self.wait(lambda: len(self.arrived()) >= count, f"{count} mails of {self.run}", wakes=wakes)

    def wake(self, task: str = TASK) -> None:
        from celery import Celery

        import trialsite.celery  # noqa: F401  (its way to the broker)

        Celery(broker=self.stack.valkey.url, set_as_current=False).send_task(task)

    # --- what is done
    def queue(self, *, other: str, urgency: str) -> None:
        """Messages to one reader, each tenth to `other`, where somebody is named."""
        values = {"name": self.run, "count": self.count, "other": other or READER, "reader": READER}
        with psycopg.connect(self.stack.env["DATABASE_URL"]) as connection:
            connection.execute(QUEUE, {**values, "urgency": urgency})

    def strike(self, fault: "Fault") -> Outcome:
        """Queue, wait until a fifth of it is on its way, let it strike, and wait for the rest."""
        self.runs += 1
        self.run = f"run{self.runs}"
        if fault.before:
            fault.before(self)
        self.note = ""
        self.queue(other=fault.other, urgency="alert" if fault.is_alert else "reminder")
        self.wake()
        self.wait_for_mails(self.count // 5)
        struck = fault.do(self)
        begun = time.monotonic()
        # What has not left by then is lost, as the table says it.
        with suppress(TimeoutError):
            self.wait(lambda: not self.left(), f"{fault.name}: the rest", wakes=self.is_quick and not fault.by_clock)
        undeliverable = self.count // 10 if fault.is_final else 0
        return self.told(f"{fault.name}{self.note}", struck, begun, fault.doubles, undeliverable)

    def told(self, fault: str, struck: int, begun: float, explained: int, undeliverable: int) -> Outcome:
        for guest in self.guests:
            guest.kill()
        for sleeper in self.sleepers:
            # It wakes up, and ends what it had begun, before anything is counted.
            kill_group(sleeper.pid, signal.SIGCONT)
            self.stack.supervisor.stop(sleeper)
        self.guests, self.sleepers = [], []
        times, failed = self.arrived(), self.failed()
        return Outcome(
            fault=fault,
            struck=int(struck),
            queued=self.count,
            sent=len(times),
            doubled=sum(one - 1 for one in times.values()),
            failed=len(failed - times.keys()),
            unsure=len(failed & times.keys()),
            lost=self.count - len(failed | times.keys()),
            seconds=time.monotonic() - begun,
            explained=explained,
            undeliverable=undeliverable,
        )


# How long the mail server thinks about each; and who reads the messages.
SECONDS_A_MAIL = 0.02
READER = "coordinator"
QUEUE = """
    INSERT INTO trialsite_notification (
        dedupe_key, about, site_id, recipient_id, subject, body_text, body_html,
        state, urgency, queued_at, not_before, attempts, sent_to, message_id, error
    )
    SELECT %(name)s || ':' || n, %(name)s, s.id, u.id, 'fault ' || n, 'text', '<p>text</p>',
        'queued', %(urgency)s, now(), now(), 0, '', '<' || %(name)s || '-' || n || '@localhost>', ''
    FROM generate_series(1, %(count)s) n, trialsite_site s, trialsite_user u
    WHERE s.code = 'ZJ' AND u.username = CASE WHEN n %% 10 = 5 THEN %(other)s ELSE %(reader)s END
"""


# --- Faults --------------------------------------------------------------------------------------------


def kill_worker(scene: Scene) -> int:
    struck = scene.left()
    scene.worker.kill()
    scene.worker = scene.stack.start_worker()
    return bool(struck)


def kill_workers(times: int) -> Callable[[Scene], int]:
    """So often in one delivery: each worker is killed once it has sent some itself, by a server that takes its time."""

    def strike(scene: Scene) -> int:
        scene.mail.seconds = 20 * SECONDS_A_MAIL
        # Some more go while it is looked and killed.
        each = (scene.count - len(scene.arrived())) // (times + 5)
        struck = 0
        for _time in range(times):
            before = len(scene.arrived())
            scene.wait_for_mails(min(before + each, scene.count), wakes=True)
            struck += kill_worker(scene)
        scene.mail.seconds = SECONDS_A_MAIL
        return struck

    return strike


def freeze_worker(scene: Scene) -> int:
    """It stands still with a message in its hands; another worker comes, and it wakes up when all is done."""
    frozen, struck = scene.worker, scene.left()
    kill_group(frozen.pid, signal.SIGSTOP)
    scene.sleepers.append(frozen)
    scene.worker = scene.stack.start_worker()
    return bool(struck)


def kill_broker(scene: Scene) -> int:
    valkey, struck = scene.stack.valkey, scene.left()
    assert valkey.service is not None
    valkey.service.kill()
    time.sleep(2)
    valkey.service = valkey._spawn()
    scene.wait(valkey._answers, "the broker")
    return bool(struck)


def empty_broker(scene: Scene) -> int:
    import redis

    struck = scene.left()
    with redis.Redis.from_url(scene.stack.valkey.url) as client:
        client.flushall()
    return bool(struck)


def kill_database(scene: Scene) -> int:
    """With all its sessions, as a machine that is switched off; it comes back at the same place."""
    postgres, struck = scene.stack.postgres, scene.left()
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
    return bool(struck)


def be_silent(scene: Scene) -> int:
    """Nothing ran for three days, and the broker has forgotten all."""
    struck = scene.left()
    scene.worker.kill()
    scene.beat.kill()
    empty_broker(scene)
    scene.do(LONG_AGO)
    scene.do("UPDATE trialsite_sweeprun SET finished_at = finished_at - interval '3 days'")
    scene.worker, scene.beat = scene.stack.start_worker(), scene.stack.start_beat()
    return bool(struck)


LONG_AGO = """
    UPDATE trialsite_notification
    SET not_before = not_before - interval '3 days', lease_until = lease_until - interval '3 days'
    WHERE state IN ('queued', 'sending')
"""


def guest(scene: Scene, module: str, *words: str) -> Service:
    """A worker that is not as the others: celery within a module of ours."""
    celery = scene.stack.programs.worker[3:]
    return scene.stack._start("worker", (sys.executable, "-m", module, *words, *celery))


def mislead_workers(scene: Scene) -> int:
    """Two more of them come, to whom it is an hour later, and an hour earlier."""
    struck = scene.left()
    scene.guests += [guest(scene, "bench.elsewhen", hours) for hours in ("1", "-1")]
    for _time in range(5):
        scene.wake()
    return bool(struck)


def stop_mail(seconds: float) -> Callable[[Scene], int]:
    def strike(scene: Scene) -> int:
        before, struck = scene.mail, scene.left()
        before.stop()
        time.sleep(seconds)
        scene.mail = MailServer(scene.stack.mail_port, seconds=SECONDS_A_MAIL, mails=before.mails)
        scene.wake()
        return bool(struck)

    return strike


def hush_mail(scene: Scene) -> int:
    """It takes connections and commands, and says nothing, for longer than anybody waits; it hangs up on nobody."""
    server = scene.mail
    server.hangs.clear()
    server.greeting, server.mail = HANG, lambda _to: HANG
    scene.wait(server.hangs.is_set, "a conversation that hangs")
    time.sleep(3 * CONVERSATION)
    server.greeting, server.mail = None, as_ever
    return 1


def second_beat(scene: Scene) -> int:
    struck = scene.left()
    scene.guests.append(scene.stack.start_beat())
    return bool(struck)


def lose_answers(scene: Scene) -> int:
    """One message is taken, and the server hangs up before it says so."""
    taken: list[str] = []

    def hang_up_once(to: str) -> str | None:
        taken.append(to)
        return CLOSE if len(taken) == 1 else None

    scene.mail.dot = hang_up_once
    scene.wait(lambda: bool(taken), "a message to be taken")
    return 1


# --- Recipients that are trouble -------------------------------------------------------------------------

OTHER, OTHERS_MAIL = "pharmacist", "pharmacist@demo.invalid"
NO_ADDRESS = f"{OTHERS_MAIL}\nBcc: somebody@demo.invalid"


def spoil_address(scene: Scene) -> None:
    scene.do("UPDATE trialsite_user SET email = %s WHERE username = %s", NO_ADDRESS, OTHER)


def see_them_fail(scene: Scene) -> int:
    """Whatever was for that address fails by itself; then it is a good one again, for the faults that follow."""
    scene.wait(lambda: scene.count_of("failed") == scene.count // 10, "those that cannot be sent to fail")
    scene.do("UPDATE trialsite_user SET email = %s WHERE username = %s", OTHERS_MAIL, OTHER)
    return scene.count_of("failed")


def hang_on_other(scene: Scene) -> None:
    scene.mail.hangs.clear()
    scene.mail.rcpt = lambda to: HANG if to == OTHERS_MAIL else None


def see_others_go(scene: Scene) -> int:
    """All others arrive while these hang; then the server answers for them, too."""
    begun = time.monotonic()
    scene.wait(scene.mail.hangs.is_set, "a conversation that hangs")
    scene.wait_for_mails(scene.count - scene.count // 10)
    scene.note = f"; the others after {time.monotonic() - begun:.1f} s"
    scene.mail.rcpt = as_ever
    return scene.count // 10


def refuse_first(scene: Scene) -> Outcome:
    """Whoever is on call has an address that is refused for good: the next of the escalation is told at once."""
    scene.runs += 1
    scene.run = f"alert:faults:{scene.runs}:first"
    first, *others = scene.stack.manage("shell", "-v", "0", "-c", "from bench import alerting; alerting.who()").split()
    scene.mail.rcpt = lambda to: "550 5.1.1 nobody of this name" if to == first else None
    begun, before = time.monotonic(), len(scene.mail.mails)
    scene.stack.manage("shell", "-v", "0", "-c", f"from bench import alerting; alerting.alert('faults:{scene.runs}')")

    def reached() -> set[str]:
        return {mail["To"] for mail in scene.mail.mails[before:]} & set(others)

    with suppress(TimeoutError):
        scene.wait(lambda: bool(reached()), "the next person")
    took = time.monotonic() - begun
    scene.mail.rcpt = as_ever
    failed, is_told = scene.count_of("failed"), bool(reached())
    name = "the one on call is refused (5xx): the next is told"
    return Outcome(name, failed, 1, int(is_told), 0, failed, 0, int(not is_told), took, undeliverable=1)


ASTRAY, TEN, DOORS = "10.9.9.1", 10, "trialsite.tasks.sweep_doors"
# So many addresses that tried passwords: each is told of in a mail by itself, at any hour.
CLOSED = """
    INSERT INTO trialsite_lock (key, kind, ip, wrong, as_of, closed_until, closed_at)
    SELECT 'faults:' || n, 'by address', '10.9.9.' || n, 9, now(), now() + interval '1 hour', now()
    FROM generate_series(1, %s) n
"""
TOLD = """
    SELECT array_agg(message_id) FROM trialsite_notification
    WHERE about IN (SELECT 'lock:' || id FROM trialsite_lock WHERE key LIKE 'faults:%%')
"""


def break_template(scene: Scene) -> Outcome:
    """A worker whose template breaks for one of ten things; the nine arrive, and the one once the template is whole."""
    scene.worker.kill()
    scene.worker = guest(scene, "bench.astray", ASTRAY)
    scene.do(CLOSED, TEN)

    def sent() -> list[int]:
        return [scene.mail.ids[one] for one in scene.ask(TOLD) or [] if one in scene.mail.ids]

    begun = time.monotonic()
    scene.wake(DOORS)
    scene.wait(lambda: len(sent()) == TEN - 1, "those whose template does not break")
    nine, struck = time.monotonic() - begun, TEN - len(sent())
    scene.worker.kill()
    scene.worker = scene.stack.start_worker()
    begun = time.monotonic()
    with suppress(TimeoutError):
        scene.wait(lambda: len(sent()) == TEN, "the one whose template broke")
    times = sent()
    name = f"template breaks for one of ten; the nine after {nine:.1f} s"
    doubled = sum(times) - len(times)
    return Outcome(name, struck, TEN, len(times), doubled, 0, 0, TEN - len(times), time.monotonic() - begun)


@dataclass(frozen=True)
class Fault:
    """`do` strikes in the middle of a delivery, and returns how often it did. `doubles`: how many messages it may send
    twice. A tenth is for `other`; where `is_final`, that tenth fails. `by_clock`: only beat mends it."""

    name: str
    do: Callable[[Scene], int]
    doubles: int = 0
    before: Callable[[Scene], None] | None = None
    other: str = ""
    is_final: bool = False
    is_alert: bool = False
    by_clock: bool = False


# A worker has two hands, and each may hold a message whose fate nobody knows.
HANDS = 2
QUICK = (
    Fault("worker killed", kill_worker, HANDS),
    Fault("broker killed, back after 2 s", kill_broker),
    Fault("broker emptied", empty_broker, by_clock=True),
    Fault("database killed", kill_database, HANDS),
    Fault("worker frozen, another comes", freeze_worker, HANDS),
    Fault("two beats", second_beat, by_clock=True),
    Fault("three silent days", be_silent, HANDS, by_clock=True),
    Fault("two clocks, an hour ahead and behind", mislead_workers),
    Fault("an address that cannot be a message", see_them_fail, 0, spoil_address, OTHER, is_final=True),
    Fault("mail server says nothing for 9 s", hush_mail),
    Fault("answer after the last dot lost", lose_answers, 1, is_alert=True),
)
# Here somebody waits a minute: for the second attempt, for the clock.
SLOW = (
    Fault("mail server gone for 3 s", stop_mail(3), HANDS),
    Fault("mail server gone for 60 s", stop_mail(60), HANDS),
    Fault("a tenth of the recipients hangs", see_others_go, 0, hang_on_other, OTHER),
)
# Not in the middle of a delivery, but of a sweep.
WHOLE = (("refused", refuse_first), ("template", break_template))
KILLS = 20


@contextmanager
def site() -> Iterator[Stack]:
    os.environ.update(SETTINGS)
    with Stack(throwaway=True) as stack:
        stack.manage("prepare_database", as_owner=True)
        stack.manage("demo", "--small")
        yield stack


def outcomes(scene: Scene, *, short: bool, words: Sequence[str] = ()) -> Iterator[Outcome]:
    """Of all faults, or of those whose names hold one of these words."""
    kills = Fault(f"worker killed {KILLS} times", kill_workers(KILLS), HANDS * KILLS)
    for fault in (*QUICK, *(() if short else (*SLOW, kills))):
        if _is_asked(fault.name, words):
            yield scene.strike(fault)
    for name, strike in () if short else WHOLE:
        if _is_asked(name, words):
            yield strike(scene)


def _is_asked(name: str, words: Sequence[str]) -> bool:
    return not words or any(word in name for word in words)


def main() -> int:
    asked = argparse.ArgumentParser(prog="python -m bench.faults", description=__doc__.splitlines()[0])
    asked.add_argument("--short", action="store_true", help="few messages, and only what is over within seconds")
    asked.add_argument("words", nargs="*", metavar="word", help="only faults whose names hold it")
    given = asked.parse_args()
    found = []
    with site() as stack:
        scene = Scene(stack, 60 if given.short else 200)
        for one in outcomes(scene, short=given.short, words=given.words):
            found.append(one)
            print(*one.cells(), sep="  ", file=sys.stderr, flush=True)
    print(f"\n{table(found)}")
    return int(not all(one.is_fine for one in found))


if __name__ == "__main__":
    sys.exit(main())
