"""The outbox: messages are rows first, written with the fact that causes them, and e-mails second.

`queue` writes a row once for each key. `deliver_due` claims one row at a time under a lease, sends it by
SMTP with a Message-ID made from the key, and records what came of it. One process delivers at a time (an
advisory lock), so a process that is killed leaves at most one message whose fate is unknown; that one is
sent again, with the same Message-ID, when its lease has run out.
"""

import datetime as dt
import hashlib
import logging
import smtplib
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from email.utils import parseaddr
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import connection, transaction
from django.db.models import Q
from django.template.loader import render_to_string
from django.utils import timezone, translation

from trialsite import links
from trialsite.models import Notification, NotificationState, Site, User
from trialsite.wake import wake

log = logging.getLogger(__name__)

# The numbers of the locks are arbitrary; they only have to be the same everywhere.
DELIVERY_LOCK = 7_249_401
QUEUE_LOCK = 7_249_405
DELIVERY_TASK = "trialsite.tasks.deliver_notifications"
MAX_ATTEMPTS = 8
BACKOFF = dt.timedelta(minutes=1)


def queue(
    *,
    key: str,
    about: str,
    site: Site,
    recipient: User,
    template: str,
    context: dict[str, Any],
    now: dt.datetime,
    relevant_until: dt.datetime | None = None,
) -> bool:
    """Write one message in the recipient's language; False when the key is there already.

    `template` names three files: …-subject.txt, ….txt and ….html. Delivery is asked for after the commit.
    """
    dedupe_key = f"{key}:{recipient.pk}"
    if Notification.objects.filter(dedupe_key=dedupe_key).exists():
        return False
    letter = Letter(key, about, site, (recipient,), template, context, relevant_until)
    ((_person, values),) = _rows_of(letter, now=now)
    _row, written = Notification.objects.get_or_create(dedupe_key=dedupe_key, defaults=values)
    if written:
        wake(DELIVERY_TASK)
    return written


@dataclass(frozen=True)
class Letter:
    """What several people are told alike; the fields are those of `queue`."""

    key: str
    about: str
    site: Site
    recipients: Sequence[User]
    template: str
    context: dict[str, Any]
    relevant_until: dt.datetime | None = None

    def key_of(self, person: User) -> str:
        return f"{self.key}:{person.pk}"


@transaction.atomic
def queue_all(letters: Sequence[Letter], *, now: dt.datetime) -> dict[str, int]:
    """Write the messages of a sweep that are not there yet; how many are new, by the key of their letter.

    Three statements, however many messages. Two sweeps at once queue one after the other, each until its commit.
    """
    keys = {letter.key_of(person) for letter in letters for person in letter.recipients}
    if not keys:
        return {}
    queue_alone()
    known = set(Notification.objects.filter(dedupe_key__in=keys).values_list("dedupe_key", flat=True))
    new = {letter.key: _new_rows(letter, known, now=now) for letter in letters}
    # Whoever queues one of these by itself waits for no lock: who is first there is first.
    Notification.objects.bulk_create([row for rows in new.values() for row in rows], ignore_conflicts=True)
    if any(new.values()):
        wake(DELIVERY_TASK)
    return {key: len(rows) for key, rows in new.items()}


def queue_alone() -> None:
    """Until the commit, nobody else queues the messages of a sweep."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [QUEUE_LOCK])


def _new_rows(letter: Letter, known: Container[str], *, now: dt.datetime) -> list[Notification]:
    people = [person for person in letter.recipients if letter.key_of(person) not in known]
    rows = _rows_of(replace(letter, recipients=people), now=now)
    return [Notification(dedupe_key=letter.key_of(person), **values) for person, values in rows]


def _rows_of(letter: Letter, *, now: dt.datetime) -> Iterator[tuple[User, dict[str, Any]]]:
    """Each recipient's message, without its key; written once in each language that they read."""
    texts = {language: _texts(letter, language) for language in {person.language for person in letter.recipients}}
    for person in letter.recipients:
        yield (
            person,
            {
                **texts[person.language],
                "about": letter.about,
                "site": letter.site,
                "recipient": person,
                "queued_at": now,
                "not_before": now,
                "relevant_until": letter.relevant_until,
                "message_id": message_id(letter.key_of(person)),
            },
        )


def _texts(letter: Letter, language: str) -> dict[str, str]:
    template, context = letter.template, letter.context
    with translation.override(language):
        subject = " ".join(render_to_string(f"{template}-subject.txt", context).split())
        return {
            "subject": subject,
            "body_text": render_to_string(f"{template}.txt", context).strip() + "\n",
            "body_html": render_to_string(f"{template}.html", {**context, "subject": subject}),
        }


# Why a message must no longer leave, asked at the moment at which it would; by what it is about, before the colon.
_ASKED: dict[str, Callable[[Notification], str | None]] = {}


def ask_before_sending(kind: str, why_not: Callable[[Notification], str | None]) -> None:
    """Messages about this kind of thing are compared with it once more: what it says may be another by then."""
    _ASKED[kind] = why_not


def still_wanted(notification: Notification) -> str | None:
    """None, or the reason for which it is cancelled in place of being sent."""
    ask = _ASKED.get(notification.about.partition(":")[0])
    return ask(notification) if ask else None


def cancel(*, about: str, reason: str, now: dt.datetime) -> int:
    """Withdraw what is still waiting about something that is done or no longer so."""
    waiting = Notification.objects.filter(about=about, state=NotificationState.QUEUED)
    return waiting.update(state=NotificationState.CANCELLED, finished_at=now, error=reason)


def reinstate(*, about: str, reason: str, now: dt.datetime) -> int:
    """Let wait again what was withdrawn for this reason, where the reason fell away and it is still worth sending."""
    withdrawn = Notification.objects.filter(about=about, state=NotificationState.CANCELLED, error=reason)
    useful = withdrawn.filter(Q(relevant_until=None) | Q(relevant_until__gt=now))
    count = useful.update(state=NotificationState.QUEUED, not_before=now, finished_at=None, error="")
    if count:
        wake(DELIVERY_TASK)
    return count


def requeue(notification: Notification, *, now: dt.datetime) -> bool:
    """Give a failed message a fresh start; False when it is not failed (any more)."""
    failed = Notification.objects.filter(pk=notification.pk, state=NotificationState.FAILED)
    changed = failed.update(
        state=NotificationState.QUEUED, attempts=0, not_before=now, finished_at=None, relevant_until=None
    )
    if changed:
        wake(DELIVERY_TASK)
    return bool(changed)


def message_id(dedupe_key: str) -> str:
    """The same key gives the same Message-ID, so that a mail reader can see a repetition."""
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "trialsite"
    return f"<{hashlib.sha256(dedupe_key.encode()).hexdigest()[:40]}@{domain}>"


def deliver_due(*, limit: int = 1000) -> dict[str, int]:
    """Send what is due, one message after the other; counts by outcome. Another deliverer at work: nothing."""
    counts = {"sent": 0, "retry": 0, "failed": 0, "stale": 0}
    with _sole_deliverer() as alone:
        if not alone:
            return counts
        mailer: BaseEmailBackend = get_connection()
        try:
            for _turn in range(limit):
                notification = _claim(now=timezone.now())
                if notification is None:
                    break
                counts[_deliver(notification, mailer)] += 1
        finally:
            mailer.close()
    return counts


@contextmanager
def _sole_deliverer() -> Iterator[bool]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [DELIVERY_LOCK])
        alone = bool(cursor.fetchone()[0])
    try:
        yield alone
    finally:
        if alone:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [DELIVERY_LOCK])


def _claim(*, now: dt.datetime) -> Notification | None:
    """Take the next due message under a lease, committed before anything is sent."""
    due = Q(state=NotificationState.QUEUED, not_before__lte=now) | Q(
        state=NotificationState.SENDING, lease_until__lt=now
    )
    with transaction.atomic():
        rows = Notification.objects.select_for_update(skip_locked=True, of=("self",))
        row = rows.filter(due).select_related("recipient").order_by("not_before", "id").first()
        if row is not None:
            row.state = NotificationState.SENDING
            row.lease_until = now + dt.timedelta(seconds=settings.NOTIFICATION_LEASE_SECONDS)
            row.attempts += 1
            row.save(update_fields=["state", "lease_until", "attempts"])
    return row


def _deliver(row: Notification, mailer: BaseEmailBackend) -> str:
    """Send one claimed message and record the outcome: sent, retry, failed or stale."""
    if row.relevant_until is not None and row.relevant_until < timezone.now():
        return _finish(row, NotificationState.CANCELLED, "stale", error="not sent in time to be of use")
    if reason := still_wanted(row):
        return _finish(row, NotificationState.CANCELLED, "stale", error=reason)
    address = row.recipient.email
    if not (address and row.recipient.is_active):
        return _finish(row, NotificationState.FAILED, "failed", error="the recipient has no e-mail or is not active")
    try:
        mailer.send_messages([_message(row, address)])
    except (smtplib.SMTPException, OSError) as error:
        mailer.close()  # the connection may be in any state: the next message opens a fresh one
        return _put_back(row, error)
    row.sent_to = address
    return _finish(row, NotificationState.SENT, "sent", error="")


def _message(row: Notification, address: str) -> EmailMultiAlternatives:
    """The mail; a one-time link is made here, so that it stands in no row."""
    text, html = (links.filled(body, about=row.about, person=row.recipient) for body in (row.body_text, row.body_html))
    message = EmailMultiAlternatives(
        row.subject,
        text,
        to=[address],
        headers={"Message-ID": row.message_id, "Auto-Submitted": "auto-generated"},
    )
    message.attach_alternative(html, "text/html")
    return message


def _finish(row: Notification, state: NotificationState, outcome: str, *, error: str) -> str:
    row.state, row.error, row.finished_at, row.lease_until = state, error, timezone.now(), None
    row.save(update_fields=["state", "error", "finished_at", "lease_until", "sent_to"])
    return outcome


def _put_back(row: Notification, error: Exception) -> str:
    """Wait twice as long after each attempt; give up after the last, where the first page shows it red."""
    reason = f"{type(error).__name__}: {_without_addresses(error)}"
    log.warning("notification %s, attempt %s: %s", row.pk, row.attempts, type(error).__name__)
    if row.attempts >= MAX_ATTEMPTS:
        return _finish(row, NotificationState.FAILED, "failed", error=reason)
    row.state, row.error, row.lease_until = NotificationState.QUEUED, reason, None
    row.not_before = timezone.now() + BACKOFF * 2 ** (row.attempts - 1)
    row.save(update_fields=["state", "error", "lease_until", "not_before"])
    return "retry"


def _without_addresses(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return "; ".join(f"{code} {text.decode(errors='replace')}" for code, text in error.recipients.values())
    return str(error)[:500]
