"""The rows of the outbox, as whoever delivers them takes them, holds them, and says what became of them.

A deliverer sets some aside for a moment, in their order. Each of them begins by itself, under a lease, in the statement
that records the one before: so it costs one commit, and whoever is killed leaves one message whose fate nobody knows.
"""

import datetime as dt
import logging
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models import QuerySet
from django.utils import timezone

from trialsite import servers
from trialsite.models import ChannelName, Notification, NotificationState, Urgency
from trialsite.outcomes import FateUnknown, LeaseLost, Never, NotDelivered
from trialsite.wake import wake

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 8
# Before the second attempt; twice as long before each further one. Whoever is to be called cannot wait for minutes.
BACKOFF = {Urgency.ALERT: dt.timedelta(seconds=15), Urgency.REMINDER: dt.timedelta(minutes=1)}
# Whoever sets messages aside begins them before; those of somebody who was killed are due again then.
ASIDE_SECONDS = 10.0

_after_failed_alert: list[str] = []


def after_failed_alert(task: str) -> None:
    """Let this task run at once when an alert could not be delivered: it calls the next person."""
    _after_failed_alert.append(task)


# --- Taking ------------------------------------------------------------------------------------------

DUE = """
    channel = %(channel)s AND state IN ('queued', 'sending')
    AND (state = 'queued' AND not_before <= %(now)s OR state = 'sending' AND lease_until < %(now)s)
"""
FIELDS = Notification._meta.concrete_fields
# One that is "being sent" by nobody any more waits again: whoever had begun it died, or stood still.
SET_ASIDE = f"""
    UPDATE trialsite_notification AS n
    SET state = 'queued', lease_until = NULL, not_before = %(until)s,
        unknown_fates = n.unknown_fates + (n.state = 'sending')::int
    FROM (
        SELECT id, not_before FROM trialsite_notification WHERE {DUE}
        ORDER BY channel, urgency, not_before, id FOR UPDATE SKIP LOCKED LIMIT %(most)s
    ) AS due
    WHERE n.id = due.id
    RETURNING {", ".join(f'n."{one.column}"' for one in FIELDS)}, due.not_before AS was_not_before
"""
GIVE_BACK = """
    UPDATE trialsite_notification AS n SET not_before = given.was
    FROM unnest(%(ids)s::bigint[], %(aside)s::timestamptz[], %(was)s::timestamptz[]) AS given (id, aside, was)
    WHERE n.id = given.id AND n.state = 'queued' AND n.not_before = given.aside
"""
BEGIN = """
    WITH done AS (
        UPDATE trialsite_notification
        SET state = 'sent', error = '', finished_at = %(now)s, lease_until = NULL, sent_to = %(to)s
        WHERE id = %(done)s AND state = 'sending' AND lease_until = %(lease)s
        RETURNING id
    ), begun AS (
        UPDATE trialsite_notification
        SET state = 'sending', lease_until = %(until)s, attempts = attempts + 1
        WHERE id = %(next)s AND state = 'queued' AND not_before = %(aside)s
        RETURNING id
    )
    SELECT (SELECT count(*) FROM done), (SELECT count(*) FROM begun)
"""


def is_any_due(name: ChannelName, *, now: dt.datetime) -> bool:
    """Before anybody connects: a server is not asked for nothing."""
    rows = Notification.objects.raw(
        f"SELECT id FROM trialsite_notification WHERE {DUE} LIMIT 1", {"channel": name, "now": now}
    )
    return bool(list(rows))


def set_aside(name: ChannelName, *, most: int, now: dt.datetime) -> list[Notification]:
    """The next due messages, in their order; nobody else takes them for a moment. None of them has begun by that."""
    until = now + dt.timedelta(seconds=min(ASIDE_SECONDS, settings.NOTIFICATION_LEASE_SECONDS))
    rows = list(Notification.objects.raw(SET_ASIDE, {"channel": name, "now": now, "until": until, "most": most}))
    return sorted(rows, key=lambda row: (row.urgency, _was(row), row.pk))


def _was(row: Notification) -> dt.datetime:
    """When it was due, before it was set aside."""
    was: dt.datetime = vars(row)["was_not_before"]
    return was


def give_back(rows: Iterable[Notification]) -> None:
    """What was set aside and has not begun: whoever comes next finds it as it was. Where that fails, a moment later."""
    given = list(rows)
    if not given:
        return
    values: dict[str, Any] = {
        "ids": [row.pk for row in given],
        "aside": [row.not_before for row in given],
        "was": [_was(row) for row in given],
    }
    try:
        with connection.cursor() as cursor:
            cursor.execute(GIVE_BACK, values)
    except DatabaseError:
        log.warning("%s messages could not be given back", len(given))


def begin(row: Notification, *, after: Notification | None, now: dt.datetime) -> tuple[bool, bool]:
    """Take one that was set aside under a lease of its own, and record that the one before was sent.

    One statement, committed before anything of it leaves. Whether we still held each of them: somebody may have
    cancelled it, or have taken it over from us while we stood still.
    """
    until = _lease(now)
    values: dict[str, Any] = {"now": now, "until": until, "next": row.pk, "aside": row.not_before}
    values |= {"done": None, "lease": None, "to": ""}
    if after is not None:
        values |= {"done": after.pk, "lease": after.lease_until, "to": after.sent_to}
    with connection.cursor() as cursor:
        cursor.execute(BEGIN, values)
        recorded, begun = cursor.fetchone()
    if begun:
        row.state, row.lease_until, row.attempts = NotificationState.SENDING, until, row.attempts + 1
    return bool(begun), bool(recorded)


# --- Holding, and ending -----------------------------------------------------------------------------


def _lease(now: dt.datetime) -> dt.datetime:
    return now + dt.timedelta(seconds=settings.NOTIFICATION_LEASE_SECONDS)


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
