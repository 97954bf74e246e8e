"""Delivery beside a bare loop: the same mails to the same sink, each worker a process of its own."""

import smtplib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from email.message import EmailMessage
from pathlib import Path

from django.db import connection
from django.utils import timezone

from bench import scene
from trialsite.local.processes import answers, free_port
from trialsite.models import Notification


@contextmanager
def sink() -> Iterator[tuple[int, Path]]:
    """The mail sink of a site on one machine, as a process; its port, and the folder of what has arrived."""
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        process = subprocess.Popen([sys.executable, "-m", "trialsite.local.mailsink", f"127.0.0.1:{port}", folder])
        try:
            while not answers(port):
                time.sleep(0.05)
            yield port, Path(folder)
        finally:
            process.terminate()
            process.wait()


def bare_loop(port: int, count: int) -> float:
    """Seconds of smtplib alone: one connection, mails of the same size, nothing recorded."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "trialsite@localhost", "coordinator@example.org", "bench"
    mail.set_content(TEXT)
    mail.add_alternative(HTML, subtype="html")
    begun = time.perf_counter()
    with smtplib.SMTP("127.0.0.1", port) as server:
        for number in range(count):
            del mail["Message-ID"]
            mail["Message-ID"] = f"<bare-{number}@localhost>"
            server.send_message(mail)
    return time.perf_counter() - begun


TEXT = "A visit is coming up. " * 20
HTML = f"<html><body><p>{TEXT}</p></body></html>"


def fill(count: int, name: str) -> None:
    person, now = scene.coordinator(), timezone.now()
    Notification.objects.bulk_create(
        Notification(
            dedupe_key=f"{name}:{number}",
            about=name,
            site=scene.site(),
            recipient=person,
            subject=f"bench {number}",
            body_text=TEXT,
            body_html=HTML,
            queued_at=now,
            due_at=now,
            not_before=now,
            message_id=f"<{name}-{number}@localhost>",
        )
        for number in range(count)
    )


def delivered_by(workers: int, port: int, count: int, name: str) -> float:
    """Seconds from the start of all these workers, which are ready by then, until the last of them is done."""
    fill(count, name)
    with ExitStack() as stack:
        ready = [stack.enter_context(worker(port)) for _number in range(workers)]
        for one in ready:
            _hears(one, "ready")
        begun = time.perf_counter()
        for one in ready:
            assert one.stdin is not None
            one.stdin.write("go\n")
            one.stdin.flush()
        for one in ready:
            _hears(one, "done")
        took = time.perf_counter() - begun
    left = Notification.objects.filter(about=name).exclude(state="sent").count()
    assert not left, f"{left} of {count} were not sent"
    return took


def _hears(worker: "subprocess.Popen[str]", word: str) -> None:
    assert worker.stdout is not None
    assert worker.stdout.readline() == f"{word}\n", f"a worker is not {word}"


def worker(port: int) -> "subprocess.Popen[str]":
    words = [sys.executable, "-m", "bench.deliverer", str(connection.settings_dict["NAME"]), str(port)]
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
