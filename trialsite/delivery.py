"""How what waits in the outbox leaves: the most urgent first, each row under a lease of its own.

Several may deliver side by side. Each takes one row at a time, hands it over within a limited conversation, and
records what came of it. A process that is killed, or stands still, leaves at most the one message that it held, whose
fate nobody knows: when its lease has run out it is sent once more, with the same Message-ID, and never a third time.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from django.conf import settings
from django.db import DatabaseError, connections
from django.utils import timezone

from trialsite import channels, links, outbox, servers
from trialsite.models import ChannelName, Notification, NotificationState, User
from trialsite.outcomes import Interrupted, LeaseLost, NotDelivered, NotNow, ServerDown, Unsendable
from trialsite.sweeps import where

log = logging.getLogger(__name__)

# A round ends then, whatever is left: another takes it on.
ROUND_SECONDS = 240.0
# For so long a deliverer keeps what it has set aside for itself, before it looks again who is the most urgent.
ASIDE_FOR_SECONDS = 1.0
# For so long a deliverer believes what it has read of a recipient.
FRESH_SECONDS = 5.0
# How many deliverers of one process may wait for a slow server, each with its message.
MOST_WAITING = 8

# Says why a message must not go any more, by what it is about; None: it goes.
WhyNot = Callable[[Notification], str | None]
_asked: dict[str, WhyNot] = {}


def kind_of(about: str) -> str:
    """`visit:17` is about a visit."""
    return about.partition(":")[0]


def ask_before_sending(kind: str, why_not: WhyNot) -> None:
    """Let messages about this kind of thing be compared, at the moment of sending, with what is so by then."""
    _asked[kind] = why_not


def no_more_wanted(row: Notification) -> str:
    """Why this message must not go: too late, sent twice already, or about what is not so any more."""
    if row.relevant_until is not None and row.relevant_until < timezone.now():
        return "not sent in time to be of use"
    return still_wanted(row) or ""


def still_wanted(row: Notification) -> str | None:
    """None, or the reason for which it is cancelled in place of being sent."""
    ask = _asked.get(kind_of(row.about))
    return ask(row) if ask else None


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
        # Set aside for us, and not begun; and when that was.
        self.aside: list[Notification] = []
        self.aside_at, self.claimed, self.renewed, self.noted = 0.0, 0.0, 0.0, 0.0
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
            self._give_back()
            try:
                self._record()
            finally:
                self.channel.close()

    def _work(self) -> None:
        while self.round.may_go_on() and not self.stops:
            if not self.channel.is_open:
                self._record()
                # A server is not asked for nothing.
                if not (self.aside or outbox.is_any_due(self.name, now=timezone.now())):
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
        """The next one. After a moment whoever is urgent may have come: what was set aside is looked at anew."""
        if time.monotonic() - self.aside_at > ASIDE_FOR_SECONDS:
            self._give_back()
        if not self.aside:
            # Before we look for what somebody has held for too long.
            self._record()
            self.aside_at = time.monotonic()
            self.aside = outbox.set_aside(self.name, most=self.channel.at_once, now=timezone.now())
        return self.aside.pop(0) if self.aside else None

    def _give_back(self) -> None:
        rows, self.aside = self.aside, []
        outbox.give_back(rows)

    def _begin(self, row: Notification) -> None:
        """Now it leaves, or ends: what was taken before it is recorded in the same statement."""
        if row.state == NotificationState.SENDING:
            return
        done = self.taken
        is_ours, was_ours = outbox.begin(row, after=done, now=timezone.now())
        self.taken = None
        self.round.counts["sent"] -= bool(done) and not was_ours
        if not is_ours:
            raise LeaseLost

    def _record(self) -> None:
        """What was taken, where no other is claimed with it."""
        done, self.taken = self.taken, None
        if done is not None and not outbox.finish(done, NotificationState.SENT, "sent", error=""):
            self.round.counts["sent"] -= 1

    def _recipient(self, row: Notification) -> User:
        """Read once for many mails, unless the mail holds a link that only their present row opens."""
        kept = self.people.get(row.recipient_id)
        if kept is None or time.monotonic() - kept[0] > FRESH_SECONDS or kind_of(row.about) == links.ABOUT:
            self.people[row.recipient_id] = kept = time.monotonic(), row.recipient
        return kept[1]

    def _outcome(self, row: Notification) -> str:
        """What became of one message; empty where it is not said yet, or by another."""
        try:
            return self._tried(row)
        except LeaseLost:
            self.channel.close()
            return ""

    def _tried(self, row: Notification) -> str:
        try:
            if row.unknown_fates > 1:
                raise Unsendable("its sender died twice: it is not known whether it arrived")
            if reason := no_more_wanted(row):
                self._begin(row)
                return outbox.finish(row, NotificationState.CANCELLED, "stale", error=reason)
            return self._sent(row, self.channel.send(row, lambda: self._begin(row)))
        except (DatabaseError, LeaseLost):
            raise
        except (Interrupted, ServerDown) as error:
            self._begin(row)
            return self._suspected(row, error)
        except NotDelivered as error:
            self._begin(row)
            if not isinstance(error, Unsendable):
                self._has_answered()
            return outbox.put_back(row, error)
        except Exception as error:
            # Whatever it is, it is this row's: the others are reached.
            log.error("notification %s: %s %s", row.pk, type(error).__name__, where(error))
            self.channel.close()
            self._begin(row)
            return outbox.put_back(row, NotNow(type(error).__name__))

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
            self.round.counts[outbox.put_back(row, error)] += 1

    def _suspected(self, row: Notification, error: NotDelivered) -> str:
        others_went = _took_at.get(self.name, 0.0) > self.claimed
        if self.suspect is not None and not others_went:
            outbox.release(row)
            raise ServerDown(str(error))
        self._greet_again(row)
        if others_went:
            return outbox.put_back(row, error)
        self.suspect = row, error
        return ""

    def _greet_again(self, row: Notification) -> None:
        """Where nobody is there any more it was no message's fault, though others may have gone a moment before."""
        try:
            self.channel.open()
        except ServerDown:
            outbox.release(row)
            raise

    def _judge_alone(self) -> None:
        """There was no other message to compare with: who breaks off at this one has something against it."""
        if self.suspect is None:
            return
        if isinstance(self.suspect[1], ServerDown):
            raise self.suspect[1]
        (row, error), self.suspect = self.suspect, None
        self.round.counts[outbox.put_back(row, error)] += 1

    def _release_suspect(self) -> None:
        if self.suspect is not None:
            outbox.release(self.suspect[0])
            self.suspect = None

    def meanwhile(self) -> None:
        """Each second of waiting: let another take one's place and all that waits behind us, and keep the row."""
        self._give_back()
        self.stops = self.round.park()
        if self.row is None or time.monotonic() - self.renewed < settings.NOTIFICATION_LEASE_SECONDS / 3:
            return
        self.renewed = time.monotonic()
        for row in (self.row, *([self.suspect[0]] if self.suspect else [])):
            outbox.renew(row, now=timezone.now())
