"""The site as it runs: real servers, worker, beat and mail sink as processes of their own."""

import datetime as dt
import email
import email.policy
import http.cookiejar
import re
import time
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from trialsite.local.services import Stack
from trialsite.study import get_study

# One group: its servers are started once, in one of the test processes.
pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("servers")]
PATIENCE = 150.0


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with Stack(throwaway=True) as stack:
        stack.manage("prepare_database", as_owner=True)
        stack.manage("demo", "--small")
        yield stack


def wait_for(found: Callable[[], Any], what: str) -> Any:
    """Ask until there is an answer; the deadline is for a broken system, not part of the test."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if answer := found():
            return answer
        time.sleep(0.2)
    pytest.fail(f"waited {PATIENCE:.0f} s in vain for {what}")


def mails(folder: Path) -> list[Any]:
    parse = email.policy.default
    return [email.message_from_bytes(path.read_bytes(), policy=parse) for path in sorted(folder.glob("*.eml"))]


def text_of(mail: Any) -> str:
    return "\n".join([mail["Subject"], *(part.get_content() for part in mail.walk() if not part.is_multipart())])


class Browser:
    """A person at a keyboard: cookies and forms, nothing else."""

    def __init__(self, site_url: str) -> None:
        self.site_url = site_url
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), jar)

    def get(self, path: str) -> str:
        with self.opener.open(self.site_url + path, timeout=30) as answer:
            text: str = answer.read().decode()
        return text

    def post(self, path: str, **fields: str) -> str:
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', self.get(path))
        assert token is not None
        data = urllib.parse.urlencode({"csrfmiddlewaretoken": token[1], **fields}).encode()
        headers = {"Referer": self.site_url + path}
        with self.opener.open(urllib.request.Request(self.site_url + path, data, headers), timeout=30) as answer:
            text: str = answer.read().decode()
        return text


def one(stack: Stack, query: str) -> Any:
    with psycopg.connect(stack.env["DATABASE_URL"]) as connection:
        row = connection.execute(query).fetchone()
    return row[0] if row else None


def test_an_infusion_logged_in_the_admin_ends_as_an_e_mail(stack: Stack) -> None:
    """Coordinator → form → visits → sweep → outbox → worker → SMTP, and beat is alive."""
    sink, worker, beat = stack.start_mailsink(), stack.start_worker(), stack.start_beat()
    stack.wait_for_web(stack.start_web())
    browser = Browser(stack.site_url)
    browser.post("/admin/login/", username="coordinator", password="demo-coordinator")
    waiting = one(stack, "SELECT id FROM participants_participant WHERE status = 'lymphodepleted' ORDER BY id LIMIT 1")
    number = one(stack, f"SELECT participant_number FROM participants_participant WHERE id = {waiting}")
    lot = one(stack, f"SELECT lot FROM dosing_cellproduct WHERE participant_id = {waiting}")
    for person in ("coordinator", "investigator"):
        browser.post(
            f"/admin/dosing/infusion/identity/{waiting}/",
            participant_code=number,
            product_code=lot,
            username=person,
            password=f"demo-{person}",
        )
    at = dt.datetime.now(dt.timezone(dt.timedelta(hours=8)))
    moments = {f"{name}_0": f"{at:%Y-%m-%d}" for name in ("infused_at", "ended_at")}
    moments |= {f"{name}_1": f"{at:%H:%M}" for name in ("infused_at", "ended_at")}
    page = browser.post(
        "/admin/dosing/infusion/add/",
        participant=str(waiting),
        product_lot=lot,
        **moments,
        volume_given_ml="20",
        occasion="first",
        has_reaction="False",
        **{"interruptions-TOTAL_FORMS": "0", "interruptions-INITIAL_FORMS": "0"},
    )
    assert f"{at:%Y-%m-%d}" in page
    assert one(stack, f"SELECT count(*) FROM participants_visit WHERE participant_id = {waiting}") > 20

    def reminder() -> Any:
        """By itself, or in the mail of the day: its line names the participant and the visit."""
        line = re.compile(rf"{number}.*\bD1\b|\bD1\b.*{number}")
        return next((text for text in map(text_of, mails(stack.mail_folder)) if line.search(text)), None)

    hours = get_study().latest.reminding
    if hours.hour <= at.time() < hours.quiet_from:
        mail = wait_for(reminder, "the reminder of Day 1")
        name = one(stack, f"SELECT name FROM participants_participant WHERE id = {waiting}")
        assert name not in mail
    wait_for(lambda: one(stack, "SELECT count(*) FROM trialsite_sweeprun") >= 2, "sweeps")
    for service in (beat, worker, sink):
        assert service.is_running


def test_a_killed_worker_loses_nothing_and_repeats_at_most_one(stack: Stack, monkeypatch: Any) -> None:
    """SIGKILL in the middle of 200 deliveries: none lost, at most one twice, with the same Message-ID."""
    for service in list(stack.supervisor.services):
        if service.name in {"worker", "beat", "mail sink"}:
            stack.supervisor.stop(service)
    monkeypatch.setenv("NOTIFICATION_LEASE_SECONDS", "5")
    stack.start_mailsink(delay=0.05)
    queue_200(stack)
    worker = stack.start_worker()
    stack.start_beat()
    wait_for(lambda: len(of_the_200(stack)) >= 40, "the run to be under way")
    worker.kill()
    sent = "SELECT count(*) FROM trialsite_notification WHERE about = 'kill' AND state = 'sent'"
    assert 0 < one(stack, sent) < 200, "the worker was killed in the middle"
    stack.start_worker()
    wait_for(lambda: one(stack, sent) == 200, "the rest of the 200")
    ids = Counter(mail["Message-ID"] for mail in of_the_200(stack))
    assert len(ids) == 200, "none is lost"
    assert sum(ids.values()) in {200, 201}, "at most one is there twice, under the same Message-ID"


def of_the_200(stack: Stack) -> list[Any]:
    return [mail for mail in mails(stack.mail_folder) if mail["Subject"].startswith("kill ")]


def queue_200(stack: Stack) -> None:
    """Two hundred waiting messages, straight into the outbox."""
    with psycopg.connect(stack.env["DATABASE_URL"]) as connection:
        connection.execute(
            """
            INSERT INTO trialsite_notification (
                dedupe_key, about, site_id, recipient_id, subject, body_text, body_html,
                state, queued_at, not_before, attempts, sent_to, message_id, error
            )
            SELECT 'kill:' || n, 'kill', s.id, u.id, 'kill ' || n, 'text', '<p>text</p>',
                'queued', now(), now(), 0, '', '<kill-' || n || '@localhost>', ''
            FROM generate_series(1, 200) n, trialsite_site s, trialsite_user u
            WHERE s.code = 'ZJ' AND u.username = 'coordinator'
            """
        )
