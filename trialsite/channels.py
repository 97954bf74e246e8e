"""The ways by which a message leaves: e-mail, and a second one that the hospital plugs in for what nobody may miss.

The second one is a command (its path, with words after it) or the address of a webhook. Either gets one message as
JSON: `id` (the same when it comes again), `to` (user name, e-mail, language), `subject`, `text`, `link`. A command has
taken it when it ends with 0; a webhook when it answers with a status of 2xx. Ending with 64 to 74, or a status of 4xx,
says that this message will never be taken, all else that it is tried again.
"""

import json
import shlex
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Protocol

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.message import sanitize_address

from trialsite import links
from trialsite.mailform import OF_A_MACHINE, written
from trialsite.models import ChannelName, Notification
from trialsite.outcomes import FateUnknown, Never, NotNow, ServerDown, Unsendable
from trialsite.smtp import Connection, Meanwhile

SMTP_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
SECONDS = 30
# sysexits.h: what is wrong with the message, and what is tried again (75 to 78 and all others).
FOR_GOOD = range(64, 75)
# A webhook that says so wants it again; or it wants another login, or is not there: no message is at fault.
STATUS_LATER, STATUS_DOWN = (408, 425, 429), (401, 403, 404, 407, 502, 503, 504)


Begin = Callable[[], None]


class Channel(Protocol):
    """`open` raises ServerDown; `send` raises any of `trialsite.outcomes`, and returns where the message went.

    `send` calls `begin` once, before anything of the message leaves, and catches nothing of it. `at_once`: how many
    messages whoever sends by it may set aside.
    """

    at_once: int

    @property
    def is_open(self) -> bool: ...

    def open(self) -> None: ...

    def send(self, row: Notification, begin: Begin) -> str: ...

    def close(self) -> None: ...


def in_use() -> list[ChannelName]:
    """The second one is not waited for where none is set."""
    return [ChannelName.SECOND, ChannelName.MAIL] if settings.SECOND_CHANNEL else [ChannelName.MAIL]


def channel(name: str, meanwhile: Meanwhile) -> Channel:
    if name == ChannelName.SECOND:
        return Webhook() if settings.SECOND_CHANNEL.startswith(("http://", "https://")) else Command()
    return Mail(meanwhile) if settings.EMAIL_BACKEND == SMTP_BACKEND else OtherBackend()


# --- E-mail ------------------------------------------------------------------------------------------


class Mail:
    """One connection for many mails; opened anew after it broke."""

    at_once = 20

    def __init__(self, meanwhile: Meanwhile) -> None:
        self.connection = Connection(meanwhile)

    @property
    def is_open(self) -> bool:
        return self.connection.is_open

    def open(self) -> None:
        self.connection.open()

    def send(self, row: Notification, begin: Begin) -> str:
        address = address_of(row)
        try:
            sender, recipient = as_header(settings.DEFAULT_FROM_EMAIL), as_header(address)
            text, html = bodies(row)
            content = written(
                subject=row.subject, sender=sender, to=recipient, text=text, html=html, message_id=row.message_id
            )
        except ValueError as error:
            raise Unsendable(f"{type(error).__name__}: it cannot be written as a mail") from None
        self.connection.hand_over(sender, recipient, content, begin=begin)
        return address

    def close(self) -> None:
        self.connection.leave()


class OtherBackend:
    """What Django can send by besides SMTP: into memory, for tests and the demo."""

    at_once = 1
    is_open = False

    def __init__(self) -> None:
        self.backend: Any = get_connection()

    def open(self) -> None:
        self.backend.open()

    def send(self, row: Notification, begin: Begin) -> str:
        address = address_of(row)
        mail = message(row, address)
        begin()
        self.backend.send_messages([mail])
        return address

    def close(self) -> None:
        self.backend.close()


def address_of(row: Notification) -> str:
    if not (row.recipient.email and row.recipient.is_active):
        raise Unsendable("the recipient has no e-mail or is not active")
    return row.recipient.email


@lru_cache(maxsize=1_000)
def as_header(address: str) -> str:
    """As it may stand in a mail; ValueError where it cannot."""
    return sanitize_address(address, "utf-8")


def bodies(row: Notification) -> tuple[str, str]:
    """Text and HTML; a one-time link is made here, so that it stands in no row."""
    text, html = (links.filled(body, about=row.about, person=row.recipient) for body in (row.body_text, row.body_html))
    return text, html


def message(row: Notification, address: str) -> EmailMultiAlternatives:
    """The mail, for other ways than our own."""
    text, html = bodies(row)
    mail = EmailMultiAlternatives(
        row.subject,
        text,
        to=[address],
        headers={"Message-ID": row.message_id, **OF_A_MACHINE},
    )
    mail.attach_alternative(html, "text/html")
    return mail


# --- The second way ----------------------------------------------------------------------------------


def as_json(row: Notification) -> bytes:
    """What the plug gets: numbers of the study, never identity, as in the mail."""
    person = row.recipient
    if not person.is_active:
        raise Unsendable("the recipient is not active")
    told = {
        "id": row.message_id,
        "to": {"username": person.username, "email": person.email, "language": person.language},
        "subject": row.subject,
        "text": row.body_text,
        "link": settings.SITE_URL,
    }
    return json.dumps(told, ensure_ascii=False).encode()


class Command:
    at_once = 1
    is_open = False

    def open(self) -> None: ...

    def send(self, row: Notification, begin: Begin) -> str:
        told = as_json(row)
        begin()
        try:
            done = subprocess.run(
                shlex.split(settings.SECOND_CHANNEL), input=told, capture_output=True, timeout=SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            raise FateUnknown(f"the command did not end within {SECONDS} s") from None
        except OSError as error:
            raise ServerDown(f"{type(error).__name__}: the command cannot be run") from None
        if done.returncode in FOR_GOOD:
            raise Never(f"the command ended with {done.returncode}")
        if done.returncode:
            raise NotNow(f"the command ended with {done.returncode}")
        return row.recipient.email

    def close(self) -> None: ...


class Webhook:
    at_once = 1
    is_open = False

    def open(self) -> None: ...

    def send(self, row: Notification, begin: Begin) -> str:
        headers = {"Content-Type": "application/json", "User-Agent": "trialsite"}
        asked = urllib.request.Request(settings.SECOND_CHANNEL, as_json(row), headers, method="POST")
        begin()
        try:
            with urllib.request.urlopen(asked, timeout=SECONDS):  # 2xx, or a redirection that led there
                return row.recipient.email
        except urllib.error.HTTPError as error:
            error.close()
            raise _by_status(error.code) from None
        except TimeoutError:
            raise FateUnknown(f"no answer within {SECONDS} s") from None
        except OSError as error:
            raise ServerDown(type(error).__name__) from None

    def close(self) -> None: ...


def _by_status(status: int) -> Never | NotNow | ServerDown:
    said = f"status {status}"
    if status in STATUS_DOWN:
        return ServerDown(said)
    return NotNow(said) if status >= 500 or status in STATUS_LATER else Never(said)
