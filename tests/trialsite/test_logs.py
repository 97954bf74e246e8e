"""Every process of the site writes the same lines: JSON, by one clock, with the caller's address and no query."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from trialsite import callers
from trialsite.models import Site

KEYS = {"at", "level", "logger", "message"}
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+0800")


@pytest.mark.parametrize(
    ("forwarded", "proxies", "address"),
    [
        pytest.param("203.0.113.9", 0, "10.0.0.1", id="nobody-is-trusted"),
        pytest.param("", 1, "10.0.0.1", id="nothing-is-said"),
        pytest.param("203.0.113.9", 1, "203.0.113.9", id="one-proxy"),
        pytest.param("6.6.6.6, 203.0.113.9", 1, "203.0.113.9", id="what-the-caller-claims"),
        pytest.param("6.6.6.6, 203.0.113.9, 10.0.0.2", 2, "203.0.113.9", id="two-proxies"),
        pytest.param("203.0.113.9", 2, "203.0.113.9", id="fewer-than-trusted"),
    ],
)
def test_the_caller_is_whom_the_outermost_trusted_proxy_saw(forwarded: str, proxies: int, address: str) -> None:
    assert callers.address("10.0.0.1", forwarded, proxies=proxies) == address


class Running:
    """A process on the database of this test; all that it says is kept."""

    def __init__(self, *argv: str, **env: str) -> None:
        url = os.environ["DATABASE_URL"].replace("/trialsite?", f"/{connection.settings_dict['NAME']}?")
        self.process = subprocess.Popen(
            [sys.executable, "-m", *argv],
            env={**os.environ, "DATABASE_URL": url, "REDIS_PREFIX": "logs:", "NUM_PROXIES": "1", "TZ": "UTC", **env},
            cwd=settings.BASE_DIR,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []

    def read_until(self, words: str) -> str:
        """The first line from here with these words; fails where the process ends before."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if words in line:
                return line
        raise AssertionError(f"no {words!r} in {self.lines}")

    def end(self) -> list[dict[str, Any]]:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.stdout is not None
        with self.process.stdout as out:
            self.lines += out.readlines()
        self.process.wait()
        return [json.loads(line) for line in self.lines]


def ask(url: str) -> str:
    request = urllib.request.Request(url, headers={"X-Forwarded-For": "6.6.6.6, 203.0.113.9"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return str(answer.read().decode())


@pytest.mark.processes
@pytest.mark.django_db(transaction=True)
def test_no_process_has_a_format_of_its_own(site: Site, tmp_path: Path) -> None:
    processes = {
        "web": Running("gunicorn", "--config", "python:trialsite.serving", LISTEN="127.0.0.1:0"),
        "worker": Running("celery", "-q", "-A", "trialsite", "worker", "-c", "1"),
        "beat": Running(
            "celery", "-q", "-A", "trialsite", "beat", "--pidfile=", BEAT_SCHEDULE_FILE=str(tmp_path / "b")
        ),
        "watch": Running("manage", "watch", "--every", "300"),
        # Nothing is set up yet where a setting is missing.
        "no-web": Running("gunicorn", "--config", "python:trialsite.serving", LISTEN="127.0.0.1:0", SECRET_KEY=""),
        "no-worker": Running("celery", "-q", "-A", "trialsite", "worker", "-c", "1", SECRET_KEY=""),
        "no-beat": Running("celery", "-q", "-A", "trialsite", "beat", "--pidfile=", SECRET_KEY=""),
    }
    try:
        found = re.search(r"http://127.0.0.1:\d+", processes["web"].read_until("Listening at"))
        assert found
        assert ask(f"{found[0]}/healthz?name=wang") == '{"status": "ok"}'
        asked = json.loads(processes["web"].read_until("GET /healthz 200"))
        # Two processes answer; whichever is asked knows of both.
        told = ask(f"{found[0]}/metrics")
        processes["worker"].read_until(" ready.")
        processes["beat"].read_until("beat: Starting")
        processes["watch"].read_until("watched: ")
    finally:
        lines = {name: one.end() for name, one in processes.items()}
    assert (asked["from"], asked["path"], asked["status"]) == ("203.0.113.9", "/healthz", 200)
    assert 'trialsite_request_duration_seconds_bucket{status="2xx",le="+Inf"} 1\n' in told
    assert 'trialsite_request_duration_seconds_count{status="5xx"} 0\n' in told
    for name, said in lines.items():
        assert said, name
        assert all(line.keys() >= KEYS and MOMENT.fullmatch(line["at"]) for line in said), name
        assert "wang" not in str(said)
        if name.startswith("no-"):
            assert "SECRET_KEY is not set" in str(said), name
            assert "Traceback" not in str(said), name
