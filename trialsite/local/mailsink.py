"""A mail server that delivers nothing: each mail becomes one .eml file.

    python -m trialsite.local.mailsink 127.0.0.1:2525 var/mail [--delay SECONDS]

The file is on disk before the sender hears "250". The delay comes before the file: a sender that is killed
while it waits has sent nothing.
"""

import argparse
import asyncio
import hashlib
import os
import signal
from datetime import UTC, datetime
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP

from trialsite.local.files import private_folder, write_private


def file_name(content: bytes, now: datetime) -> str:
    """Time and a hash of the Message-ID: sorts by arrival and names nobody."""
    headers = BytesHeaderParser().parsebytes(content)
    identity = str(headers.get("Message-ID", "")).strip().encode() or content
    return f"{now:%Y%m%dT%H%M%S.%fZ}-{hashlib.sha256(identity).hexdigest()[:16]}.eml"


class Sink:
    """aiosmtpd calls handle_DATA for each mail."""

    def __init__(self, folder: Path, delay: float = 0.0):
        self.folder = folder
        self.delay = delay

    async def handle_EHLO(self, server: Any, session: Any, envelope: Any, name: str, answers: list[str]) -> list[str]:
        """It offers what the great servers offer: several commands in one packet, each answered in its turn."""
        session.host_name = name
        return [*answers[:-1], "250-PIPELINING", answers[-1]]

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.delay:
            await asyncio.sleep(self.delay)
        content: bytes = envelope.content
        try:
            write_private(self.folder / file_name(content, datetime.now(UTC)), content)
        except OSError as error:
            return f"452 4.3.1 The mail could not be stored: {error.strerror}"
        return "250 2.0.0 Stored"


async def serve(host: str, port: int, sink: Sink) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    server = await loop.create_server(
        lambda: SMTP(sink, hostname="localhost", enable_SMTPUTF8=True, loop=loop), host, port
    )
    await stop.wait()
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="trialsite.local.mailsink", description="Keep mails as files.")
    parser.add_argument("address", metavar="HOST:PORT")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--delay", type=float, default=float(os.environ.get("MAILSINK_DELAY", "0")))
    args = parser.parse_args()
    host, _, port = args.address.rpartition(":")
    asyncio.run(serve(host, int(port), Sink(private_folder(args.folder), args.delay)))


if __name__ == "__main__":
    main()
