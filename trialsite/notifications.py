"""The outbox: messages are rows first, written with the fact that causes them, and e-mails second.

`queue` writes a row once for each key, and for what nobody may miss a second one for the hospital's own channel. How
they leave is told in `delivery`, and by `ask_before_sending` what a message is about is looked at again at that moment.
"""

import datetime as dt
import hashlib
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, replace
from email.utils import parseaddr
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import DateTimeField, Q, Value
from django.db.models.functions import Coalesce, Greatest
from django.template.loader import render_to_string
from django.utils import translation

from trialsite import sweeps
from trialsite.delivery import ask_before_sending, deliver_due, still_wanted
from trialsite.models import ChannelName, Notification, NotificationState, Site, Urgency, User
from trialsite.outbox import after_failed_alert
from trialsite.wake import wake

__all__ = [
    "Letter",
    "after_failed_alert",
    "ask_before_sending",
    "cancel",
    "deliver_due",
    "message_id",
    "queue",
    "queue_all",
    "queue_alone",
    "reinstate",
    "requeue",
    "still_wanted",
]

# The numbers of the locks are arbitrary; they only have to be the same everywhere.
QUEUE_LOCK = 7_249_405
DELIVERY_TASK = "trialsite.tasks.deliver_notifications"


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
    urgency: Urgency = Urgency.REMINDER,
    due_at: dt.datetime | None = None,
    on_both_ways: bool = False,
) -> bool:
    """Write one message in the recipient's language; False when the key is there already.

    `template` names three files: …-subject.txt, ….txt and ….html. Delivery is asked for after the commit. `due_at`: not
    before then. `on_both_ways`: also by the hospital's second channel, where there is one.
    """
    letter = Letter(key, about, site, (recipient,), template, context, relevant_until, urgency, due_at, on_both_ways)
    if Notification.objects.filter(dedupe_key=letter.key_of(recipient)).exists():
        return False
    written = [
        Notification.objects.get_or_create(dedupe_key=values.pop("dedupe_key"), defaults=values)[1]
        for values in _rows_of(letter, now=now)
    ]
    if any(written):
        wake(DELIVERY_TASK)
    return written[0]


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
    urgency: Urgency = Urgency.REMINDER
    due_at: dt.datetime | None = None
    on_both_ways: bool = False

    def key_of(self, person: User, channel: str = ChannelName.MAIL) -> str:
        return f"{self.key}:{person.pk}" + (f":{channel}" if channel != ChannelName.MAIL else "")

    @property
    def channels(self) -> list[ChannelName]:
        is_double = self.on_both_ways and settings.SECOND_CHANNEL
        return [ChannelName.MAIL, ChannelName.SECOND] if is_double else [ChannelName.MAIL]


def queue_all(letters: Sequence[Letter], *, now: dt.datetime) -> dict[str, int]:
    """Write the messages of a sweep that are not there yet; how many people each letter is new to, by its key.

    Three statements, however many messages. Two sweeps at once queue one after the other, each until its commit. Where
    a letter cannot be written, each is queued by itself, and the others are.
    """
    found = sweeps.all_or_each(
        lambda: _queue_together(letters, now=now),
        items=letters,
        alone=lambda letter: _queue_together([letter], now=now),
        key=lambda letter: f"message {letter.key}",
    )
    return dict(found)


@transaction.atomic
def _queue_together(letters: Sequence[Letter], *, now: dt.datetime) -> list[tuple[str, int]]:
    keys = {letter.key_of(person) for letter in letters for person in letter.recipients}
    if not keys:
        return []
    queue_alone()
    known = set(Notification.objects.filter(dedupe_key__in=keys).values_list("dedupe_key", flat=True))
    new = {letter.key: _unknown_to(letter, known) for letter in letters}
    rows = [Notification(**values) for letter in new.values() for values in _rows_of(letter, now=now)]
    # Whoever queues one of these by itself waits for no lock: who is first there is first.
    Notification.objects.bulk_create(rows, ignore_conflicts=True)
    if rows:
        wake(DELIVERY_TASK)
    return [(key, len(letter.recipients)) for key, letter in new.items()]


def queue_alone() -> None:
    """Until the commit, nobody else queues the messages of a sweep."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [QUEUE_LOCK])


def _unknown_to(letter: Letter, known: Container[str]) -> Letter:
    return replace(letter, recipients=[person for person in letter.recipients if letter.key_of(person) not in known])


def _rows_of(letter: Letter, *, now: dt.datetime) -> Iterator[dict[str, Any]]:
    """Each recipient's message, by each way; written once in each language that they read."""
    texts = {language: _texts(letter, language) for language in {person.language for person in letter.recipients}}
    due_at = max(now, letter.due_at or now)
    for person in letter.recipients:
        for channel in letter.channels:
            key = letter.key_of(person, channel)
            yield {
                **texts[person.language],
                "dedupe_key": key,
                "message_id": message_id(key),
                "about": letter.about,
                "site": letter.site,
                "recipient": person,
                "urgency": letter.urgency,
                "channel": channel,
                "queued_at": now,
                "due_at": due_at,
                "not_before": due_at,
                "relevant_until": letter.relevant_until,
            }


def _texts(letter: Letter, language: str) -> dict[str, str]:
    template, context = letter.template, letter.context
    with translation.override(language):
        subject = " ".join(render_to_string(f"{template}-subject.txt", context).split())
        return {
            "subject": subject,
            "body_text": render_to_string(f"{template}.txt", context).strip() + "\n",
            "body_html": render_to_string(f"{template}.html", {**context, "subject": subject}),
        }


def cancel(*, about: str, reason: str, now: dt.datetime) -> int:
    """Withdraw what is still waiting about something that is done or no longer so."""
    waiting = Notification.objects.filter(about=about, state=NotificationState.QUEUED)
    return waiting.update(state=NotificationState.CANCELLED, finished_at=now, error=reason)


def reinstate(*, about: str, reason: str, now: dt.datetime) -> int:
    """Let wait again what was withdrawn for this reason, where the reason fell away and it is still worth sending."""
    withdrawn = Notification.objects.filter(about=about, state=NotificationState.CANCELLED, error=reason)
    useful = withdrawn.filter(Q(relevant_until=None) | Q(relevant_until__gt=now))
    # What was to leave at an hour that has not come yet still does.
    later = Greatest(Value(now, output_field=DateTimeField()), Coalesce("due_at", "queued_at"))
    count = useful.update(state=NotificationState.QUEUED, not_before=later, finished_at=None, error="")
    if count:
        wake(DELIVERY_TASK)
    return count


def requeue(notification: Notification, *, now: dt.datetime) -> bool:
    """Give a failed message a fresh start; False when it is not failed (any more)."""
    failed = Notification.objects.filter(pk=notification.pk, state=NotificationState.FAILED)
    changed = failed.update(
        state=NotificationState.QUEUED,
        attempts=0,
        unknown_fates=0,
        not_before=now,
        due_at=now,
        finished_at=None,
        relevant_until=None,
    )
    if changed:
        wake(DELIVERY_TASK)
    return bool(changed)


def message_id(dedupe_key: str) -> str:
    """The same key gives the same Message-ID, so that a mail reader can see a repetition."""
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "trialsite"
    return f"<{hashlib.sha256(dedupe_key.encode()).hexdigest()[:40]}@{domain}>"
