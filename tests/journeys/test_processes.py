"""The site as it runs: real servers, worker, beat and mail sink as processes of their own."""

import datetime as dt
import email
import email.policy
import hashlib
import http.cookiejar
import re
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from bench import faults
from tests.conftest import TOLD, demo_stack
from trialsite.local.services import Stack
from trialsite.study import get_study

# One group: its servers are started once, in one of the test processes.
pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("servers")]
PATIENCE = 150.0


@pytest.fixture(scope="module")
def stack(filled_demo: Path) -> Iterator[Stack]:
    with demo_stack(filled_demo) as stack:
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


def test_a_snapshot_outlives_its_worker(stack: Stack, monkeypatch: Any) -> None:
    """Killed in the middle of the look, it is begun anew by another worker, from nothing; and there is one of it."""
    for service in list(stack.supervisor.services):
        if service.name in {"worker", "beat"}:
            stack.supervisor.stop(service)
    monkeypatch.setenv("SNAPSHOT_LEASE_SECONDS", "3")
    if not any(service.name == "web server" for service in stack.supervisor.services):
        stack.wait_for_web(stack.start_web())
    browser = Browser(stack.site_url)
    browser.post("/admin/login/", username="datamanager", password="demo-datamanager")
    worker, state = stack.start_worker(), "SELECT state FROM sponsor_snapshot"
    with psycopg.connect(stack.owner_env["DATABASE_URL"]) as held:
        # Its look waits here, so it can neither end nor be too fast for us.
        held.execute("LOCK TABLE safety_adverseevent IN ACCESS EXCLUSIVE MODE")
        browser.post("/admin/sponsor/snapshot/add/", dates="as recorded", free_text="withheld")
        wait_for(lambda: one(stack, "SELECT steps FROM sponsor_snapshot WHERE state = 'running'"), "the look to begin")
        worker.kill()
    wait_for(lambda: one(stack, "SELECT lease_until < now() FROM sponsor_snapshot"), "the lease to run out")
    assert one(stack, state) == "running"
    stack.start_worker()
    wait_for(lambda: one(stack, state) == "complete", "another worker to make it")
    assert one(stack, "SELECT attempts FROM sponsor_snapshot") == 2
    # What the killed worker left lies beside it until the sweep takes it away.
    (folder,) = (path for path in (stack.var / "snapshots").iterdir() if not path.name.startswith("work-"))
    assert folder.name == one(stack, "SELECT label FROM sponsor_snapshot")
    for line in (folder / "SHA256SUMS").read_text().splitlines():
        sha256, name = line.split("  ")
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == sha256, name


def test_every_fault_has_its_number(stack: Stack, monkeypatch: Any, request: Any) -> None:
    """What strikes in the middle of a delivery loses nothing, and doubles no more than it must; the bench has more."""
    for service in list(stack.supervisor.services):
        if service.name in {"worker", "beat", "mail sink"}:
            stack.supervisor.stop(service)
    for name, value in faults.SETTINGS.items():
        monkeypatch.setenv(name, value)
    scene = faults.Scene(stack, 40, is_quick=True)
    found = list(faults.outcomes(scene, short=True))
    # Where several processes share the tests, this one hands it to the one that tells the end.
    told = getattr(request.config, "workeroutput", request.config.stash.setdefault(TOLD, {}))
    told["faults"] = faults.table(found)
    assert [one.fault for one in found if not one.is_fine] == []
