"""A backup of a database is brought back into an empty one: nothing is lost, changed or unreadable.

Real databases beside each other on one server; what must be killed, or must not start, is a process of its own.
"""

import base64
import datetime as dt
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from psycopg import sql

from participants.models import Participant
from tests import factories
from tests.conftest import person
from trialsite import keyseals, rekeying, seals
from trialsite.backups import made, sealed, sums
from trialsite.local.services import BASE_DIR
from trialsite.models import Site, User
from trialsite.roles import Role

committed = pytest.mark.django_db(transaction=True)

NAMES = [f"王小{number:02}" for number in range(20)]
EVENTS: Any = Participant.events.rel.related_model  # type: ignore[attr-defined]  # pghistory's


@pytest.fixture
def study(unsealed: None, site: Site, alice: User, now: dt.datetime) -> None:
    """Rows under a seal."""
    for number, name in enumerate(NAMES):
        factories.screened(site=site, by=alice, now=now, name=name, hospital_number=f"H{number}")
    seals.make()
    seals.make()


@contextmanager
def another(name: str) -> Iterator[None]:
    """Work in a new database, empty at first and gone afterwards."""
    own = connection.settings_dict["NAME"]
    _in_postgres("CREATE DATABASE {}", name)
    connection.close()
    connection.settings_dict["NAME"] = name
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict["NAME"] = own
        _in_postgres("DROP DATABASE {} WITH (FORCE)", name)


def _in_postgres(statement: str, name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(statement).format(sql.Identifier(name)))


@transaction.atomic
def counted() -> dict[str, sums.Sum]:
    return sums.of_database()


def names() -> list[str]:
    return sorted(Participant.objects.values_list("name", flat=True))


def key() -> str:
    return base64.b64encode(os.urandom(64)).decode()


def backed_up(folder: Path) -> Path:
    call_command("backup", to=folder)
    (path,) = folder.iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    return path


def process(*argv: str, **env: str) -> "subprocess.Popen[str]":
    """A process on the database of this test."""
    url = os.environ["DATABASE_URL"].replace("/trialsite?", f"/{connection.settings_dict['NAME']}?")
    return subprocess.Popen(
        [sys.executable, *argv],
        env={**os.environ, "DATABASE_URL": url, **env},
        cwd=BASE_DIR,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


# --- Backup and restore --------------------------------------------------------------------------------


@committed
def test_a_restored_database_is_equal_row_by_row_and_its_names_can_be_read(
    study: None, now: dt.datetime, tmp_path: Path, capsys: Any
) -> None:
    path, before = backed_up(tmp_path), counted()
    with another("restored"):
        call_command("restore", path)
        told = capsys.readouterr().out
        assert "every checksum equal" in told
        assert " 0 faults." in told
        # After prepare_database, too: it found nothing to change.
        assert counted() == before
        assert names() == NAMES
        # Sequences stand behind their rows, and the triggers write the trail on.
        bob = person("bob", Role.COORDINATOR, Site.objects.get(code="ZJ"))
        new = factories.screened(site=Site.objects.get(code="ZJ"), by=bob, now=now)
        assert new.events.count() == 1  # type: ignore[attr-defined]
        assert seals.verify().faults == ()
        with pytest.raises(CommandError, match="The database restored is not empty"):
            call_command("restore", path)


@committed
def test_what_does_not_fit_is_refused_in_words_and_leaves_the_database_empty(
    study: None, tmp_path: Path, settings: Any
) -> None:
    content, damaged = backed_up(tmp_path).read_bytes(), tmp_path / "damaged"
    cases = {
        "cut off or changed": content[: len(content) // 2],
        "its dump is not the one": content[:-20_000] + b"\0" * 100 + content[-19_900:],
        r"of a newer version .*trialsite\.9999": content.replace(b'"trialsite.0001', b'"trialsite.9999', 1),
        "is of PostgreSQL 99": content.replace(b'"server_major": 18', b'"server_major": 99', 1),
        "of the study nct0000000": content.replace(b'"study": "nct07072494"', b'"study": "nct00000000"', 1),
        "no backup of Trialsite": b"PGDMP" * 1000,
    }
    with another("refusing"):
        for said, changed in cases.items():
            damaged.write_bytes(changed)
            with pytest.raises(CommandError, match=said):
                call_command("restore", damaged)
        damaged.write_bytes(content)
        settings.FIELD_KEYS = [key()]
        with pytest.raises(CommandError, match="FIELD_KEYS does not belong to this backup: none of its 1 opens"):
            call_command("restore", damaged)
        assert connection.introspection.table_names() == []


@committed
def test_a_sealed_backup_opens_with_the_private_key_alone(study: None, tmp_path: Path, settings: Any) -> None:
    own, other = X25519PrivateKey.generate(), X25519PrivateKey.generate()
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    for name, one in (("own", own), ("other", other)):
        (tmp_path / name).write_bytes(one.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    settings.BACKUP_PUBLIC_KEY = tmp_path / "public"
    public = own.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    settings.BACKUP_PUBLIC_KEY.write_bytes(public)
    path = backed_up(tmp_path / "to")
    assert path.suffix == ".sealed"
    assert b"participants_participant" not in path.read_bytes()
    with another("unsealed"):
        with pytest.raises(CommandError, match="give --private-key"):
            call_command("restore", path)
        with pytest.raises(CommandError, match="closed to another key"):
            call_command("restore", path, private_key=tmp_path / "other")
        call_command("restore", path, private_key=tmp_path / "own")
        assert names() == NAMES


@pytest.mark.parametrize("size", [0, 1, sealed.PIECE, sealed.PIECE + 1, 3 * sealed.PIECE])
def test_a_sealed_file_of_any_size_comes_back_and_no_byte_of_it_may_change(size: int, tmp_path: Path) -> None:
    own, content, path = X25519PrivateKey.generate(), os.urandom(size), tmp_path / "file"
    with path.open("wb") as file:
        writer = sealed.Writer(file, own.public_key())
        writer.write(content)
        writer.close()
    whole = path.read_bytes()
    with path.open("rb") as file:
        assert sealed.Reader(file, own=own).read(size + 1) == content
    for wrong in (whole[:-1], whole[:-1] + bytes([whole[-1] ^ 1]), whole[: -(sealed.PIECE + sealed.TAG)]):
        path.write_bytes(wrong)
        with path.open("rb") as file, pytest.raises(made.Problem):
            sealed.Reader(file, own=own).read(size + 1)


def test_old_backups_go_and_the_newest_stays(tmp_path: Path) -> None:
    for day in ("20260101", "20260220", "20260301"):
        (tmp_path / f"trialsite-{day}T010000Z.backup").touch()
    (tmp_path / "notes.txt").touch()
    march = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
    assert len(made.tidy(tmp_path, keep=dt.timedelta(days=30), now=march)) == 1
    made.tidy(tmp_path, keep=dt.timedelta(days=30), now=march + dt.timedelta(days=365))
    assert sorted(one.name for one in tmp_path.iterdir()) == ["notes.txt", "trialsite-20260301T010000Z.backup"]


# --- Keys ----------------------------------------------------------------------------------------------


@committed
def test_a_process_with_a_wrong_key_does_not_start_and_says_why(site: Site) -> None:
    web = ("-m", "gunicorn", "trialsite.wsgi", "--bind", "127.0.0.1:0", "--no-control-socket")
    worker = ("-m", "celery", "-A", "trialsite", "worker", "-P", "solo")
    running = [process(*argv, FIELD_KEYS=key()) for argv in (web, worker, ("manage.py", "prepare_database"))]
    for one in running:
        _out, said = one.communicate(timeout=120)
        assert one.returncode != 0
        assert "FIELD_KEYS does not belong to this database: none of its 1 opens" in said
        assert "Traceback" not in said


@committed
def test_a_rotation_that_is_killed_and_two_at_once_lose_nothing(other_keys: None, study: None, settings: Any) -> None:
    old = settings.FIELD_KEYS[0]
    settings.FIELD_KEYS = [key(), old]
    events = EVENTS.objects.count()
    slow = "from trialsite import rekeying; rekeying.BATCH = 1; rekeying.rotate(lambda text: print(text, flush=True))"
    with process("manage.py", "shell", "-v", "0", "-c", slow, FIELD_KEYS=",".join(settings.FIELD_KEYS)) as killed:
        assert killed.stdout is not None
        assert any("participants_participant: 7 rows" in line for line in killed.stdout)
        killed.send_signal(signal.SIGKILL)
    # Meanwhile the site works: names of both keys are read and found.
    assert names() == NAMES
    assert Participant.objects.filter(name__in=[NAMES[0], NAMES[-1]]).count() == 2
    two = [threading.Thread(target=_rotate) for _one in range(2)]
    for one in two:
        one.start()
    for one in two:
        one.join()
    assert len(keyseals.standing()) == 1
    assert (EVENTS.objects.count(), seals.verify().faults) == (events, ())
    settings.FIELD_KEYS = settings.FIELD_KEYS[:1]
    assert names() == NAMES
    settings.FIELD_KEYS = [old]
    with pytest.raises(keyseals.WrongKeys, match="1 of 1 keys missing"):
        keyseals.refuse_before_preparing()


def _rotate() -> None:
    try:
        counted = rekeying.rotate(lambda text: None)
        assert counted.rows[1] == 0
    finally:
        connection.close()
