"""A backup is made of a running database, and brought back into an empty one: nothing is lost, changed or unreadable.

One server with two databases; the commands run as processes, as a person or a timer starts them.
"""

import base64
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql

from trialsite.local.postgres import OWNER
from trialsite.local.services import BASE_DIR, Stack

pytestmark = pytest.mark.xdist_group("backups")

PREPARED = """
import datetime as dt
from django.utils import timezone
from participants.models import Participant
from tests import factories
from tests.conftest import person
from trialsite import seals
from trialsite.models import Site
from trialsite.roles import Role
site = Site.objects.get(code="ZJ")
by = person("alice", Role.COORDINATOR, site)
for number in range(60):
    factories.screened(site=site, by=by, now=timezone.now(), name=f"王小{number}", hospital_number=f"H{number}")
seals.make(); seals.make()
"""
NAMES = "from participants.models import Participant; print(sorted(Participant.objects.values_list('name', flat=True)))"
SUMS = (
    "from django.db import transaction; from trialsite.backups import sums\n"
    "with transaction.atomic(): print(sorted((n, s.rows, s.sha256) for n, s in sums.of_database().items()))"
)


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with Stack(throwaway=True) as stack:
        stack.manage("prepare_database", as_owner=True)
        stack.manage("shell", "--command", PREPARED, as_owner=True)
        yield stack


def env_of(stack: Stack, database: str = "", **more: str) -> dict[str, str]:
    found = {**stack.owner_env, **more}
    return found | {"DATABASE_URL": stack.postgres.url(OWNER, database)} if database else found


def manage(stack: Stack, *words: str, database: str = "", **env: str) -> "subprocess.CompletedProcess[str]":
    argv = [sys.executable, "manage.py", *words]
    return subprocess.run(
        argv, env=env_of(stack, database, **env), cwd=BASE_DIR, capture_output=True, text=True, check=False, timeout=120
    )


def said(stack: Stack, *words: str, database: str = "", **env: str) -> str:
    done = manage(stack, *words, database=database, **env)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused(stack: Stack, *words: str, database: str = "", **env: str) -> str:
    done = manage(stack, *words, database=database, **env)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    return done.stderr


def empty(stack: Stack, name: str) -> str:
    with stack.postgres.connect() as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(OWNER)))
    return name


def key() -> str:
    return base64.b64encode(os.urandom(64)).decode()


@pytest.fixture(scope="module")
def backup(stack: Stack, tmp_path_factory: Any) -> Path:
    folder = tmp_path_factory.mktemp("backups")
    assert "read back and found complete" in said(stack, "backup", "--to", str(folder))
    (path,) = folder.iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    return Path(path)


def test_a_restored_database_is_equal_row_by_row_and_its_names_can_be_read(stack: Stack, backup: Path) -> None:
    database = empty(stack, "restored")
    told = said(stack, "restore", str(backup), database=database)
    assert "every checksum equal" in told
    assert " 0 faults." in told
    # After prepare_database, too: it found nothing to change.
    assert said(stack, "shell", "--command", SUMS, database=database) == said(stack, "shell", "--command", SUMS)
    names = said(stack, "shell", "--command", NAMES, database=database)
    assert names == said(stack, "shell", "--command", NAMES)
    assert "王小59" in names
    # Sequences stand behind their rows, the triggers are there, and the site's own login works with its rights.
    more = PREPARED.replace("alice", "bob").replace("range(60)", "range(1)")
    said(stack, "shell", "--command", more, database=database)
    said(stack, "verify_audit", database=database)
    refusal = refused(stack, "restore", str(backup), database=database)
    assert "The database restored is not empty" in refusal


def test_what_does_not_fit_is_refused_in_words_and_leaves_the_database_empty(
    stack: Stack, backup: Path, tmp_path: Path
) -> None:
    database = empty(stack, "refusing")
    assert "FIELD_KEYS does not belong to this backup" in refused(
        stack, "restore", str(backup), database=database, FIELD_KEYS=key()
    )
    assert "FIELD_KEYS is not set" in refused(stack, "restore", str(backup), database=database, FIELD_KEYS="")
    content = backup.read_bytes()
    for name, damaged in {
        "short": content[: len(content) // 2],
        "changed": content[:-20_000] + b"\0" * 100 + content[-19_900:],
        "of a newer version": content.replace(b'"trialsite.0001', b'"trialsite.9999', 1),
        "of a newer server": content.replace(b'"server_major": 18', b'"server_major": 99', 1),
    }.items():
        (tmp_path / "damaged").write_bytes(damaged)
        told = refused(stack, "restore", str(tmp_path / "damaged"), database=database)
        expected = {"of a newer version": "is of a newer version", "of a newer server": "is of PostgreSQL 99"}
        assert expected.get(name, "cut off or changed") in told, name
    tables = "from django.db import connection; print(connection.introspection.table_names())"
    assert said(stack, "shell", "--command", tables, database=database).strip().endswith("[]")


def test_a_sealed_backup_opens_with_the_private_key_alone(stack: Stack, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    own, other = X25519PrivateKey.generate(), X25519PrivateKey.generate()
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    for name, one in (("own", own), ("other", other)):
        (tmp_path / name).write_bytes(one.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    public = tmp_path / "public"
    public.write_bytes(own.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo))
    said(stack, "backup", "--to", str(tmp_path / "to"), BACKUP_PUBLIC_KEY=str(public))
    (path,) = (tmp_path / "to").iterdir()
    assert path.suffix == ".sealed"
    assert b"trialsite_participant" not in path.read_bytes()
    database = empty(stack, "unsealed")
    assert "give --private-key" in refused(stack, "restore", str(path), database=database)
    wrong = refused(stack, "restore", str(path), "--private-key", str(tmp_path / "other"), database=database)
    assert "closed to another key" in wrong
    assert "every checksum equal" in said(
        stack, "restore", str(path), "--private-key", str(tmp_path / "own"), database=database
    )


def test_a_process_with_a_wrong_key_does_not_start_and_says_why(stack: Stack) -> None:
    wrong = {**stack.env, "FIELD_KEYS": key()}
    web = [sys.executable, "-m", "gunicorn", "trialsite.wsgi", "--bind", "127.0.0.1:0", "--no-control-socket"]
    worker = [sys.executable, "-m", "celery", "-A", "trialsite", "worker", "-P", "solo"]
    for argv in (web, worker):
        done = subprocess.run(argv, env=wrong, cwd=BASE_DIR, capture_output=True, text=True, check=False, timeout=90)
        assert done.returncode != 0
        assert "Trialsite does not start. FIELD_KEYS does not belong to this database" in done.stderr
        assert "Traceback" not in done.stderr
    assert "FIELD_KEYS does not belong to this database" in refused(stack, "prepare_database", FIELD_KEYS=key())


def test_a_rotation_that_is_killed_and_two_at_once_lose_nothing(stack: Stack, backup: Path) -> None:
    database = empty(stack, "rotated")
    said(stack, "restore", str(backup), database=database)
    newest, old = key(), stack.env["FIELD_KEYS"]
    both = {"database": database, "FIELD_KEYS": f"{newest},{old}"}
    names = said(stack, "shell", "--command", NAMES)
    said(stack, "prepare_database", **both)
    slow = "from trialsite import rekeying; rekeying.BATCH = 1; rekeying.rotate(lambda text: print(text, flush=True))"
    env = env_of(stack, **both)
    argv = [sys.executable, "manage.py", "shell", "--command", slow]
    with subprocess.Popen(argv, env=env, cwd=BASE_DIR, stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None
        assert any("participants_participant: 7 rows" in line for line in killed.stdout)
        killed.send_signal(signal.SIGKILL)
    # Meanwhile the site works: names of both keys are read.
    assert said(stack, "shell", "--command", NAMES, **both) == names
    argv = [sys.executable, "manage.py", "rotate_field_keys"]
    two = [subprocess.Popen(argv, env=env, cwd=BASE_DIR, stdout=subprocess.PIPE, text=True) for _one in range(2)]
    told = [one.communicate(timeout=120)[0] for one in two]
    assert [one.returncode for one in two] == [0, 0], told
    assert all("opens no row any more" in one for one in told)
    assert said(stack, "shell", "--command", NAMES, database=database, FIELD_KEYS=newest) == names
    events = "from participants.models import Participant as P; print(P.events.rel.related_model.objects.count())"
    assert said(stack, "shell", "--command", events, **both).split()[-1] == "60"
    said(stack, "verify_audit", **both)
    assert "1 of 1 keys missing" in refused(stack, "prepare_database", database=database, FIELD_KEYS=old)
