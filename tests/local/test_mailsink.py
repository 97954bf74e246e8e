"""The mail sink: one file for each mail, on disk before the sender hears of it, named without identity."""

import re
import smtplib
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path

import pytest

from tests.local.helpers import Command, wait_for
from trialsite.local.processes import answers, free_port


@contextmanager
def sink(folder: Path, *options: str) -> Iterator[int]:
    port = free_port()
    words = ("-m", "trialsite.local.mailsink", f"127.0.0.1:{port}", str(folder / "mail"), *options)
    command = Command(*words, var=folder, out=folder / "out")
    try:
        wait_for(lambda: answers(port), what=f"the sink ({sys.executable})")
        yield port
    finally:
        command.end()
    assert command.process.returncode == 0
    assert "Traceback" not in command.said()


def mail(number: int = 1) -> EmailMessage:
    message = EmailMessage()
    message["From"] = "trialsite@localhost"
    message["To"] = "wang.fang@example.org"
    message["Subject"] = "访视提醒 S-001"
    message["Message-ID"] = f"<visit-{number}-wang@trialsite>"
    message.set_content("窗口期\n.\n")
    return message


def test_each_mail_is_one_file_without_identity_in_its_name(tmp_path: Path) -> None:
    with sink(tmp_path) as port, smtplib.SMTP("127.0.0.1", port) as client:
        for number in (1, 2):
            client.send_message(mail(number))
        names = sorted(path.name for path in (tmp_path / "mail").iterdir())
    assert len(names) == 2
    assert all(re.fullmatch(r"\d{8}T\d{6}\.\d{6}Z-[0-9a-f]{16}\.eml", name) for name in names)
    content = (tmp_path / "mail" / names[0]).read_bytes()
    assert b"<visit-1-wang@trialsite>" in content


def test_a_sender_that_dies_during_the_delay_has_sent_nothing(tmp_path: Path) -> None:
    with sink(tmp_path, "--delay", "0.5") as port:
        with socket.create_connection(("127.0.0.1", port)) as connection:
            lines = [b"EHLO x", b"MAIL FROM:<a@b.c>", b"RCPT TO:<d@e.f>", b"DATA", mail().as_bytes(), b"."]
            with connection.makefile("rb") as replies:
                replies.readline()
                for line in lines[:4]:
                    connection.sendall(line + b"\r\n")
                    while replies.readline()[3:4] == b"-":
                        pass
            connection.sendall(b"\r\n".join(lines[4:]) + b"\r\n")
        with smtplib.SMTP("127.0.0.1", port) as client:
            client.send_message(mail(2))
        stored = [path.read_bytes() for path in (tmp_path / "mail").iterdir()]
    assert len(stored) == 1
    assert b"visit-2" in stored[0]


def test_a_mail_that_cannot_be_stored_is_refused_for_now(tmp_path: Path) -> None:
    with sink(tmp_path) as port, smtplib.SMTP("127.0.0.1", port) as client:
        (tmp_path / "mail").rmdir()
        with pytest.raises(smtplib.SMTPDataError) as refused:
            client.send_message(mail())
    assert refused.value.smtp_code == 452
