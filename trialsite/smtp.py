"""One connection to the mail server, over which many messages go, each within a time of its own.

Python's smtplib waits for each reply by itself: a server that answers one byte at a time holds it for ever. Here a
conversation about one message has an end, whatever the server does, and whoever waits looks up each second. Only after
the last dot the server has the ten minutes that RFC 5321, 4.5.3.2.6, gives it: who hangs up earlier sends twice.
"""

import re
import smtplib
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.mail.utils import DNS_NAME

from trialsite.outcomes import FateUnknown, Interrupted, Never, NotDelivered, NotNow, ServerDown

LOOK_UP = 1.0
AFTER_DATA_SECONDS = 600.0
DOT = b".\r\n"
# Bytes that the socket of a fresh conversation takes at once.
WHOLE = 16_000
# RFC 3463: X.3 is the state of the whole mail system, and not of one mailbox.
OF_THE_SYSTEM = re.compile(rb"\A[45]\.3\.")
LINE_DOTS = re.compile(rb"(?m)^\.")
LINE_END = re.compile(r"[\r\n]")
# What the server answers to MAIL, RCPT and DATA where all is well; and whether an answer to it is about us.
STEPS = ((250, True), (250, False), (354, False))

# Called each second of waiting.
Meanwhile = Callable[[], None]


class _Lines:
    """What `smtplib` reads its lines from: until the end of the conversation's time, and not one reply's."""

    def __init__(self, receive: Callable[[], bytes]) -> None:
        self.receive, self.kept = receive, b""

    def readline(self, limit: int) -> bytes:
        while b"\n" not in self.kept and len(self.kept) < limit and (more := self.receive()):
            self.kept += more
        end = self.kept.find(b"\n") + 1 or len(self.kept)
        line, self.kept = self.kept[: min(end, limit)], self.kept[min(end, limit) :]
        return line

    def close(self) -> None:
        self.kept = b""


class Connection(smtplib.SMTP):
    """`open`, then `hand_over` for each message, then `close`. Raises the errors of `trialsite.outcomes`."""

    def __init__(self, meanwhile: Meanwhile = lambda: None) -> None:
        super().__init__(local_hostname=DNS_NAME.get_fqdn(), timeout=settings.EMAIL_TIMEOUT)
        self.meanwhile = meanwhile
        self.until = 0.0

    # --- what smtplib calls
    def _get_socket(self, host: str, port: int, timeout: float) -> Any:
        plain = socket.create_connection((host, port), timeout)
        # The last dot is a small packet behind a large one: it must not wait for the acknowledgement.
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not settings.EMAIL_USE_SSL:
            return plain
        return ssl.create_default_context().wrap_socket(plain, server_hostname=host)

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None:
            self.file: Any = _Lines(self._receive)
        return super().getreply()

    def send(self, s: Any) -> None:
        if self.sock:
            self.sock.settimeout(self._left())
        super().send(s)

    def _receive(self) -> bytes:
        assert self.sock is not None
        while True:
            self.sock.settimeout(min(self._left(), LOOK_UP))
            try:
                return self.sock.recv(8192)
            except TimeoutError:
                self.meanwhile()

    def _left(self) -> float:
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError("it did not answer in time")
        return left

    # --- what we call
    @property
    def is_open(self) -> bool:
        return self.sock is not None

    def open(self) -> None:
        """Connect and log in, unless that is done. Whatever goes wrong here is the server's, and no message's."""
        if self.is_open:
            return
        self.until = time.monotonic() + settings.EMAIL_CONVERSATION_SECONDS
        try:
            self._greet()
        except (OSError, smtplib.SMTPException) as error:
            self.close()
            raise ServerDown(_words(error)) from None

    def _greet(self) -> None:
        self._host = settings.EMAIL_HOST
        code, text = self.connect(settings.EMAIL_HOST, settings.EMAIL_PORT)
        if code != 220:
            raise smtplib.SMTPConnectError(code, text)
        self.ehlo_or_helo_if_needed()
        if settings.EMAIL_USE_TLS:
            self.starttls(context=ssl.create_default_context())
            self.ehlo_or_helo_if_needed()
        if settings.EMAIL_HOST_USER:
            self.login(settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD)

    def leave(self) -> None:
        """A word of farewell, if the server hears it at once."""
        self.until = time.monotonic() + LOOK_UP
        try:
            if self.is_open:
                self.quit()
        except (OSError, smtplib.SMTPException):
            self.close()

    def hand_over(self, sender: str, recipient: str, content: bytes, *, begin: Callable[[], None]) -> None:
        """Give the server one message; returns when it has said that it keeps it.

        `begin` is called once, before the server is given any content, and while it thinks about the recipient.
        """
        self.until = time.monotonic() + settings.EMAIL_CONVERSATION_SECONDS
        with self._ends_with(Interrupted):
            self._announce(self._commands(sender, recipient), begin)
            lines = LINE_DOTS.sub(b"..", content) + (b"" if content.endswith(b"\r\n") else b"\r\n")
            # A small one leaves whole or not at all. Of a large one the dot comes last: what breaks before is unsent.
            is_small = len(lines) < WHOLE
            self.send(lines + DOT if is_small else lines)
        self.until = time.monotonic() + AFTER_DATA_SECONDS
        with self._ends_with(FateUnknown):
            if not is_small:
                self.send(DOT)
            self._expect(250, *self.getreply(), kept_back=False)

    def _commands(self, sender: str, recipient: str) -> list[bytes]:
        """MAIL, RCPT and DATA, as the server wants to read them."""
        is_plain = sender.isascii() and recipient.isascii()
        if not (is_plain or self.has_extn("smtputf8")):
            raise smtplib.SMTPNotSupportedError
        words = [f"mail FROM:{smtplib.quoteaddr(sender)}", f"rcpt TO:{smtplib.quoteaddr(recipient)}", "data"]
        if not is_plain:
            words[0] += " SMTPUTF8"
        if any(LINE_END.search(word) for word in words):
            raise ValueError("an address in two lines")
        return [f"{word}\r\n".encode() for word in words]

    def _announce(self, commands: list[bytes], begin: Callable[[], None]) -> None:
        """Go as far as to the content: step by step, or all at once where the server offers it (RFC 2920)."""
        if not self.has_extn("pipelining"):
            begin()
            for command, (wanted, ours) in zip(commands, STEPS, strict=True):
                self.send(command)
                self._expect(wanted, *self.getreply(), ours=ours)
            return
        self.send(b"".join(commands))
        try:
            begin()
        except BaseException:
            # What would be said now were content.
            smtplib.SMTP.close(self)
            raise
        replies = self._replies(len(commands))
        if replies[-1][0] == 354 and _is_refused(replies[:-1]):
            # It waits for the content of a mail to nobody, and wants the dot alone.
            self.send(DOT)
            self.getreply()
        for reply, (wanted, ours) in zip(replies, STEPS, strict=False):
            self._expect(wanted, *reply, ours=ours)

    def _replies(self, count: int) -> list[tuple[int, bytes]]:
        """One to each command; fewer where the conversation ends after a refusal, which says enough."""
        found: list[tuple[int, bytes]] = []
        try:
            while len(found) < count:
                found.append(self.getreply())
        except (smtplib.SMTPException, OSError):
            if not _is_refused(found):
                raise
        return found

    @contextmanager
    def _ends_with(self, what: type[NotDelivered]) -> Iterator[None]:
        """A connection that breaks here is closed, and means this; so does an answer that nobody can read."""
        try:
            yield
        except (smtplib.SMTPNotSupportedError, ValueError) as error:
            # An address that cannot be sent at all; nothing of it was.
            raise Never(type(error).__name__) from None
        except (smtplib.SMTPException, OSError) as error:
            self.close()
            raise what(_words(error)) from None

    def _expect(self, wanted: int, code: int, text: bytes, *, ours: bool = False, kept_back: bool = True) -> None:
        """`ours`: the server judges us, and no recipient. `kept_back`: the next message needs a fresh start."""
        if code // 10 == wanted // 10:
            return
        said = f"{code} {text.decode(errors='replace')[:300]}"
        if not 400 <= code < 600:
            raise smtplib.SMTPResponseException(code, text)
        if code == 421 or ours or (code < 500 and OF_THE_SYSTEM.match(text)):
            self.close()
            raise ServerDown(said)
        if kept_back:
            self._begin_anew()
        raise (NotNow if code < 500 else Never)(said)

    def _begin_anew(self) -> None:
        try:
            self.rset()
        except (smtplib.SMTPException, OSError):
            self.close()


def _is_refused(replies: list[tuple[int, bytes]]) -> bool:
    return any(code // 10 != 25 for code, _text in replies)


def _words(error: Exception) -> str:
    """What happened; never the addresses that stand in some errors."""
    if isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error
        said = text.decode(errors="replace") if isinstance(text, bytes) else str(text)
        return f"{type(error).__name__}: {error.smtp_code} {said}"[:300]
    return f"{type(error).__name__}: {error}"[:300]
