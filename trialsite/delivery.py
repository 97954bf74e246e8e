"""How what waits in the outbox leaves: the most urgent first, each row under a lease of its own.

Several may deliver side by side. Each claims one row at a time, hands it over within a limited conversation, and
records what came of it. A process that is killed, or stands still, leaves at most the one message that it held, whose
fate nobody knows: when its lease has run out it is sent once more, with the same Message-ID, and never a third time.
"""

import datetime as dt
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection, connections
from django.db.models import QuerySet
from django.utils import timezone

from trialsite import channels, links, servers
from trialsite.models import ChannelName, Notification, NotificationState, Urgency, User
from trialsite.outcomes import FateUnknown, Interrupted, LeaseLost, Never, NotDelivered, NotNow, ServerDown, Unsendable
from trialsite.sweeps import where
from trialsite.wake import wake

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 8
# Before the second attempt; twice as long before each further one. Whoever is to be called cannot wait for minutes.
BACKOFF = {Urgency.ALERT: dt.timedelta(seconds=15), Urgency.REMINDER: dt.timedelta(minutes=1)}
# A round ends then, whatever is left: another takes it on.
ROUND_SECONDS = 240.0
# For so long a deliverer believes what it has read of a recipient.
FRESH_SECONDS = 5.0
# How many deliverers of one process may wait for a slow server, each with its message.
MOST_WAITING = 8

# Says why a message must not go any more, by what it is about; None: it goes.
WhyNot = Callable[[Notification], str | None]
_asked: dict[str, WhyNot] = {}
_after_failed_alert: list[str] = []


def kind_of(about: str) -> str:
    """`visit:17` is about a visit."""
    return about.partition(":")[0]


def ask_before_sending(kind: str, why_not: WhyNot) -> None:
    """Let messages about this kind of thing be compared, at the moment of sending, with what is so by then."""
    _asked[kind] = why_not


def after_failed_alert(task: str) -> None:
    """Let this task run at once when an alert could not be delivered: it calls the next person."""
    _after_failed_alert.append(task)


def deliver_due(*, limit: int = 1000) -> dict[str, int]:
    """Send what is due, one message after the other; counts by outcome, `down` for each server that takes nothing."""
    round_ = Round(limit=limit)
    for name in channels.in_use():
        _Deliverer(name, round_).work()
    return dict(round_.counts)


@dataclass
class Round:
    """What deliverers of one run share. `left`: how many of them are at work, and not waiting for a slow server."""

    limit: int = 1000
    counts: Counter[str] = field(default_factory=lambda: Counter(sent=0, retry=0, failed=0, stale=0, down=0))
    ends_at: float = field(default_factory=lambda: time.monotonic() + ROUND_SECONDS)

    def park(self) -> bool:
        """A deliverer waits: whether it stops after this message, because another has taken its place."""
        return False

    def may_go_on(self) -> bool:
        return sum(self.counts.values()) < self.limit and time.monotonic() < self.ends_at


# --- Side by side ------------------------------------------------------------------------------------


def deliver_side_by_side() -> dict[str, int]:
    """The same for a worker: who meets a slow server waits for it alone, and another goes on with the rest.

    Returns when everybody who is not waiting is done. Those who wait end by themselves.
    """
    round_ = _SharedRound()
    for name in channels.in_use():
        round_.start(name)
    round_.wait()
    return dict(round_.counts)


_waiting = threading.Semaphore(MOST_WAITING)


class _SharedRound(Round):
    def __init__(self) -> None:
        super().__init__()
        self.at_work, self.changed = 0, threading.Condition()
        self.errors: list[Exception] = []
        self.parked = threading.local()

    def start(self, name: ChannelName) -> None:
        with self.changed:
            self.at_work += 1
        threading.Thread(target=self._run, args=(name,), daemon=True).start()

    def _run(self, name: ChannelName) -> None:
        self.parked.name = name
        self.parked.is_so = False
        try:
            _Deliverer(name, self).work()
        except Exception as error:
            self.errors.append(error)
        finally:
            connections.close_all()
            if self.parked.is_so:
                _waiting.release()
            else:
                self._one_less()

    def _one_less(self) -> None:
        with self.changed:
            self.at_work -= 1
            self.changed.notify_all()

    def park(self) -> bool:
        if not self.parked.is_so and _waiting.acquire(blocking=False):
            self.parked.is_so = True
            self.start(self.parked.name)
            self._one_less()
        return bool(self.parked.is_so)

    def wait(self) -> None:
        with self.changed:
            self.changed.wait_for(lambda: not self.at_work)
        if self.errors:
            raise self.errors[0]


# --- One deliverer -----------------------------------------------------------------------------------

# When a server last took a message from this process, by the way of sending.
_took_at: dict[str, float] = {}


class _Deliverer:
    """Takes one message after the other and hands them over, until nothing is due or the server is down."""

    def __init__(self, name: ChannelName, round_: Round) -> None:
        self.name, self.round = name, round_
        self.channel = channels.channel(name, self.meanwhile)
        self.row: Notification | None = None
        self.claimed, self.renewed, self.noted = 0.0, 0.0, 0.0
        self.stops = False
        # A message at which the conversation broke, while nothing says yet whether it was the server's fault.
        self.suspect: tuple[Notification, NotDelivered] | None = None
        # What the server has taken, and no row says so yet.
        self.taken: Notification | None = None
        self.people: dict[int, tuple[float, User]] = {}

    def work(self) -> None:
        if not servers.may_try(self.name, now=timezone.now()):
            self.round.counts["down"] += 1
            return
        try:
            self._work()
        except ServerDown as error:
            self._release_suspect()
            servers.is_down(self.name, str(error), now=timezone.now())
            self.round.counts["down"] += 1
            log.warning("%s: the server takes nothing: %s", self.name, error)
        finally:
            self._record()
            self.channel.close()

    def _work(self) -> None:
        while self.round.may_go_on() and not self.stops:
            if not self.channel.is_open:
                self._record()
                # A server is not asked for nothing.
                if not is_any_due(self.name, now=timezone.now()):
                    break
                self.channel.open()
            self.row = self._next()
            if self.row is None:
                break
            self.row.recipient = self._recipient(self.row)
            self.claimed = self.renewed = time.monotonic()
            if outcome := self._outcome(self.row):
                self.round.counts[outcome] += 1
        self._record()
        self._judge_alone()

    def _next(self) -> Notification | None:
        """The next one; what was taken before it is recorded in the same statement."""
        done, self.taken = self.taken, None
        if done is None:
            return claim(self.name, now=timezone.now())
        row, was_ours = record_and_claim(done, now=timezone.now())
        self.round.counts["sent"] -= not was_ours
        return row

    def _record(self) -> None:
        """What was taken, where no other is claimed with it."""
        done, self.taken = self.taken, None
        if done is not None and not finish(done, NotificationState.SENT, "sent", error=""):
            self.round.counts["sent"] -= 1

    def _recipient(self, row: Notification) -> User:
        """Read once for many mails, unless the mail holds a link that only their present row opens."""
        kept = self.people.get(row.recipient_id)
        if kept is None or time.monotonic() - kept[0] > FRESH_SECONDS or kind_of(row.about) == links.ABOUT:
            self.people[row.recipient_id] = kept = time.monotonic(), row.recipient
        return kept[1]

    def _outcome(self, row: Notification) -> str:
        """What became of one claimed message; empty where it is not said yet."""
        try:
            if row.unknown_fates > 1:
                return put_back(row, Never("its sender died twice: it is not known whether it arrived"))
            if reason := no_more_wanted(row):
                return finish(row, NotificationState.CANCELLED, "stale", error=reason)
            return self._sent(row, self.channel.send(row))
        except (Interrupted, ServerDown) as error:
            return self._suspected(row, error)
        except Unsendable as error:
            return put_back(row, error)
        except NotDelivered as error:
            self._has_answered()
            return put_back(row, error)
        except LeaseLost:
            self.channel.close()
            return ""
        except DatabaseError:
            raise
        except Exception as error:
            # Whatever it is, it is this row's: the others are reached.
            log.error("notification %s: %s %s", row.pk, type(error).__name__, where(error))
            self.channel.close()
            return put_back(row, NotNow(type(error).__name__))

    def _sent(self, row: Notification, address: str) -> str:
        self._has_answered()
        if time.monotonic() - self.noted > 1:
            servers.has_taken(self.name, now=timezone.now())
            self.noted = time.monotonic()
        row.sent_to = address
        self.taken = row
        return "sent"

    def _has_answered(self) -> None:
        """The server does its work: where it did not do it before, that was the message's fault."""
        _took_at[self.name] = time.monotonic()
        if self.suspect is not None:
            (row, error), self.suspect = self.suspect, None
            self.round.counts[put_back(row, error)] += 1

    def _suspected(self, row: Notification, error: NotDelivered) -> str:
        if _took_at.get(self.name, 0.0) > self.claimed:
            # Others went meanwhile.
            return put_back(row, error)
        if self.suspect is not None:
            release(row)
            raise ServerDown(str(error))
        self.suspect = row, error
        # Raises where nobody is there any more.
        self.channel.open()
        return ""

    def _judge_alone(self) -> None:
        """There was no other message to compare with: who breaks off at this one has something against it."""
        if self.suspect is None:
            return
        if isinstance(self.suspect[1], ServerDown):
            raise self.suspect[1]
        (row, error), self.suspect = self.suspect, None
        self.round.counts[put_back(row, error)] += 1

    def _release_suspect(self) -> None:
        if self.suspect is not None:
            release(self.suspect[0])
            self.suspect = None

    def meanwhile(self) -> None:
        """Each second of waiting: let another take one's place, and keep the row."""
        self.stops = self.round.park()
        if self.row is None or time.monotonic() - self.renewed < settings.NOTIFICATION_LEASE_SECONDS / 3:
            return
        self.renewed = time.monotonic()
        for row in (self.row, *([self.suspect[0]] if self.suspect else [])):
            renew(row, now=timezone.now())


# --- One row -----------------------------------------------------------------------------------------


def _lease(now: dt.datetime) -> dt.datetime:
    return now + dt.timedelta(seconds=settings.NOTIFICATION_LEASE_SECONDS)


DUE = """
    channel = %(channel)s AND state IN ('queued', 'sending')
    AND (state = 'queued' AND not_before <= %(now)s OR state = 'sending' AND lease_until < %(now)s)
"""
FIELDS = Notification._meta.concrete_fields
CLAIM = f"""
    UPDATE trialsite_notification AS n
    SET state = 'sending', lease_until = %(until)s, attempts = n.attempts + 1,
        unknown_fates = n.unknown_fates + (n.state = 'sending')::int
    FROM (
        SELECT id FROM trialsite_notification WHERE {DUE} AND id <> %(done)s
        ORDER BY channel, urgency, not_before, id FOR UPDATE SKIP LOCKED LIMIT 1
    ) AS due
    WHERE n.id = due.id
    RETURNING {", ".join(f'n."{one.column}"' for one in FIELDS)}
"""
RECORD_AND_CLAIM = f"""
    WITH done AS (
        UPDATE trialsite_notification
        SET state = 'sent', error = '', finished_at = %(now)s, lease_until = NULL, sent_to = %(to)s
        WHERE id = %(done)s AND state = 'sending' AND lease_until = %(lease)s
        RETURNING id
    ), claimed AS ({CLAIM})
    SELECT (SELECT count(*) FROM done), claimed.* FROM (SELECT 1) AS one LEFT JOIN claimed ON true
"""


def is_any_due(name: ChannelName, *, now: dt.datetime) -> bool:
    """Before anybody connects: a server is not asked for nothing."""
    rows = Notification.objects.raw(
        f"SELECT id FROM trialsite_notification WHERE {DUE} LIMIT 1", {"channel": name, "now": now}
    )
    return bool(list(rows))


def claim(name: ChannelName, *, now: dt.datetime) -> Notification | None:
    """Take the next due message under a lease, in one statement that is committed before anything is sent."""
    rows = Notification.objects.raw(CLAIM, {"channel": name, "now": now, "until": _lease(now), "done": 0})
    return next(iter(rows), None)


def record_and_claim(done: Notification, *, now: dt.datetime) -> tuple[Notification | None, bool]:
    """Record that this was sent, and take the next one, at the cost of one commit; whether we still held the first."""
    values: dict[str, Any] = {"now": now, "until": _lease(now), "channel": done.channel}
    with connection.cursor() as cursor:
        cursor.execute(RECORD_AND_CLAIM, {**values, "done": done.pk, "lease": done.lease_until, "to": done.sent_to})
        was_ours, *found = cursor.fetchone()
    row = None if found[0] is None else Notification.from_db(connection.alias, [one.attname for one in FIELDS], found)
    return row, bool(was_ours)


def no_more_wanted(row: Notification) -> str:
    """Why this message must not go: too late, sent twice already, or about what is not so any more."""
    if row.relevant_until is not None and row.relevant_until < timezone.now():
        return "not sent in time to be of use"
    return still_wanted(row) or ""


def still_wanted(row: Notification) -> str | None:
    """None, or the reason for which it is cancelled in place of being sent."""
    ask = _asked.get(kind_of(row.about))
    return ask(row) if ask else None


def _mine(row: Notification) -> QuerySet[Notification]:
    """Only whoever holds the lease says what became of the row."""
    return Notification.objects.filter(pk=row.pk, state=NotificationState.SENDING, lease_until=row.lease_until)


def renew(row: Notification, *, now: dt.datetime) -> None:
    until = _lease(now)
    try:
        if not _mine(row).update(lease_until=until):
            raise LeaseLost
    except DatabaseError:
        log.warning("notification %s: the lease could not be renewed", row.pk)
        return
    row.lease_until = until


def finish(row: Notification, state: NotificationState, outcome: str, *, error: str) -> str:
    """Record the end of it; counted by whoever still holds the row."""
    held = _mine(row)
    if not held.update(
        state=state,
        error=error,
        finished_at=timezone.now(),
        lease_until=None,
        sent_to=row.sent_to,
        unknown_fates=row.unknown_fates,
    ):
        log.warning("notification %s was taken over by another deliverer", row.pk)
        return ""
    if state == NotificationState.FAILED and row.urgency == Urgency.ALERT:
        for task in _after_failed_alert:
            wake(task)
    return outcome


def release(row: Notification) -> None:
    """As if nobody had tried: the server was down. Others go first, should it be about this one after all."""
    _mine(row).update(
        state=NotificationState.QUEUED,
        lease_until=None,
        attempts=max(row.attempts - 1, 0),
        not_before=timezone.now() + servers.FIRST_PAUSE,
    )


def put_back(row: Notification, error: NotDelivered) -> str:
    """Try again later, or give up: after the last attempt, for good where the server says so, and where twice nobody
    knows whether it arrived."""
    log.warning("notification %s, attempt %s: %s", row.pk, row.attempts, type(error).__name__)
    if isinstance(error, FateUnknown):
        row.unknown_fates += 1
    if isinstance(error, Never) or row.attempts >= MAX_ATTEMPTS or row.unknown_fates > 1:
        return finish(row, NotificationState.FAILED, "failed", error=str(error))
    _mine(row).update(
        state=NotificationState.QUEUED,
        error=str(error),
        lease_until=None,
        unknown_fates=row.unknown_fates,
        not_before=timezone.now() + BACKOFF[Urgency(row.urgency)] * 2 ** (row.attempts - 1),
    )
    return "retry"
