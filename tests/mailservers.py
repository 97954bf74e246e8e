"""Mail servers that misbehave, each in a thread of this process, by plain sockets."""

import contextlib
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from email import message_from_bytes
from email.message import Message

# What a server does at a step: an answer, or one of these.
HANG, CLOSE, DRIP = "hang", "close", "drip"
# Given the address of the recipient, what to answer; None is the good answer.
Plan = Callable[[str], str | None]


def as_ever(_address: str) -> str | None:
    return None


class MailServer:
    """Speaks SMTP; `greeting`, `mail`, `rcpt`, `data` and `dot` say what it answers at each step.

    A server that hangs is let go by `stop`: no test waits for it longer than it wants to.
    """

    def __init__(self, port: int = 0, *, seconds: float = 0, mails: list[Message] | None = None) -> None:
        """`seconds` pass before each mail is taken; `mails` are those that another took before at this port."""
        self.seconds = seconds
        self.greeting: str | None = None
        self.mail: Plan = as_ever
        self.rcpt: Plan = as_ever
        self.data: Plan = as_ever
        self.dot: Plan = as_ever
        self.mails: list[Message] = [] if mails is None else mails
        # What it says besides to EHLO; and whether it wants to hear even a mail that is for nobody.
        self.offers = ["PIPELINING"]
        self.hears_all = False
        self.conversations = 0
        self.stopped = threading.Event()
        self.hangs = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", port))
        self.port: int = self.listener.getsockname()[1]
        self.open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def ids(self) -> Counter[str]:
        return Counter(mail["Message-ID"] for mail in self.mails)

    def stop(self) -> None:
        self.stopped.set()
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.hang_up()

    def hang_up(self) -> None:
        """Break off all conversations."""
        for one in self.open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self.open.clear()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                talk, _where = self.listener.accept()
                self.open.append(talk)
                self.conversations += 1
                threading.Thread(target=self._talk, args=(talk,), daemon=True).start()

    def _talk(self, talk: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError), talk, talk.makefile("rb") as lines:
            self._say(talk, self.greeting, "220 here")
            recipient = ""
            for line in lines:
                word = line[:4].upper().strip()
                if word == b"QUIT":
                    self._say(talk, None, "221 bye")
                    return
                if word == b"RCPT":
                    recipient = line.decode().partition("<")[2].partition(">")[0]
                    said = self.rcpt(recipient)
                    recipient = "" if said else recipient
                    self._say(talk, said, "250 fine")
                elif word == b"DATA":
                    self._take(talk, lines, recipient)
                else:
                    said = self.mail("") if word == b"MAIL" else None
                    self._say(talk, said, "\r\n".join(["250-fine", *(f"250-{one}" for one in self.offers), "250 so"]))

    def _take(self, talk: socket.socket, lines: "Iterator[bytes]", recipient: str) -> None:
        said = self.data(recipient) if recipient or self.hears_all else "554 for nobody"
        if said:
            self._say(talk, said, "")
            return
        self._say(talk, None, "354 go on")
        content = b""
        for line in lines:
            if line == b".\r\n":
                break
            content += line.removeprefix(b".")
        else:
            return
        if self.seconds:
            self.stopped.wait(self.seconds)
        if self.stopped.is_set():
            return
        said = self.dot(recipient) if recipient else "554 for nobody"
        if said is None or said in {HANG, CLOSE}:
            # Taken, whatever it says of it.
            self.mails.append(message_from_bytes(content))
        self._say(talk, said, "250 kept")

    def _say(self, talk: socket.socket, said: str | None, else_: str) -> None:
        if said == HANG:
            self.hangs.set()
            self.stopped.wait()
            raise EOFError
        if said == CLOSE:
            raise EOFError
        if said == DRIP:
            self.hangs.set()
            while not self.stopped.wait(0.02):
                talk.sendall(b"2")
            raise EOFError
        talk.sendall(f"{said or else_}\r\n".encode())


@contextlib.contextmanager
def mail_server() -> Iterator[MailServer]:
    server = MailServer()
    try:
        yield server
    finally:
        server.stop()
