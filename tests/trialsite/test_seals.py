"""Whoever rewrites the trail is found out: every event is under a seal, and each seal hangs on the one before."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.core import mail
from django.core.management import call_command
from django.db import connection, transaction
from django.test import Client

from tests import factories
from trialsite import firstpage, notifications, seals, tasks
from trialsite.models import AuditSeal, Notification, Site, SweepRun, User

pytestmark = pytest.mark.django_db(transaction=True)
EVENTS = "participants_participantevent"


def _as_owner(*statements: str) -> None:
    """What a person with the owner's login can do: everything."""
    with transaction.atomic(), connection.cursor() as cursor:
        for table in (EVENTS, "trialsite_auditseal"):
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        for statement in statements:
            cursor.execute(statement)
        for table in (EVENTS, "trialsite_auditseal"):
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


@pytest.fixture
def fresh(transactional_db: None) -> None:
    """As after the installation: the tables were emptied for the test, and with them the seals."""
    _as_owner("DELETE FROM guard.mark")


@pytest.fixture
def sealed(fresh: None, site: Site, alice: User, now: dt.datetime) -> AuditSeal:
    for _person in range(3):
        factories.screened(site=site, by=alice, now=now)
    seals.make()  # marks
    seal = seals.make()
    assert seal is not None
    return seal


@pytest.fixture
def other_session(transactional_db: None) -> Iterator[psycopg.Connection[Any]]:
    """A second connection, as another worker has it."""
    given = connection.settings_dict
    with psycopg.connect(
        host=given["HOST"], port=given["PORT"], dbname=given["NAME"], user=given["USER"], password=given["PASSWORD"]
    ) as other:
        yield other
        other.rollback()


def test_what_was_written_is_sealed_and_found_as_it_was(sealed: AuditSeal) -> None:
    assert sealed.covers[EVENTS]["rows"] == 3
    found = seals.verify(copy=str(sealed))
    assert (found.faults, found.seals, found.newest) == ((), 1, str(sealed))
    assert found.events == sum(part["rows"] for part in sealed.covers.values())


def test_without_anything_new_there_is_no_seal(sealed: AuditSeal) -> None:
    seals.make()
    assert seals.make() is None
    assert AuditSeal.objects.count() == 1


def test_seals_are_chained_and_leave_nothing_out(sealed: AuditSeal, site: Site, alice: User, now: dt.datetime) -> None:
    factories.screened(site=site, by=alice, now=now)
    seals.make()
    second = seals.make()
    assert second is not None
    assert second.previous == sealed.sha256
    assert second.covers[EVENTS]["after"] == sealed.covers[EVENTS]["upto"]
    assert seals.verify().faults == ()


ATTACKS = {
    "changed": (f"UPDATE {EVENTS} SET sex = 'F' WHERE pgh_id = (SELECT min(pgh_id) FROM {EVENTS})",),
    "other-person": (f'UPDATE {EVENTS} SET pgh_context = \'{{"username": "bob"}}\'',),
    "other-time": (f"UPDATE {EVENTS} SET pgh_created_at = '2020-01-01'",),
    "removed": (f"DELETE FROM {EVENTS} WHERE pgh_id = (SELECT min(pgh_id) FROM {EVENTS})",),
    "emptied": (f"DELETE FROM {EVENTS}",),
    "slipped-in": (
        f"CREATE TEMP TABLE copied ON COMMIT DROP AS SELECT * FROM {EVENTS} LIMIT 1",
        "UPDATE copied SET pgh_id = -7",
        f"INSERT INTO {EVENTS} SELECT * FROM copied",
    ),
    "seal-changed": ("UPDATE trialsite_auditseal SET made_at = '2020-01-01'",),
    "seal-of-its-own": (
        f"UPDATE {EVENTS} SET sex = 'F'",
        "UPDATE trialsite_auditseal SET covers = jsonb_set(covers, '{" + EVENTS + ",sha256}', to_jsonb(d.sha256)) "
        f"FROM (SELECT * FROM guard.digest('{EVENTS}', (SELECT array_agg(c) FROM trialsite_auditseal, "
        f"jsonb_array_elements_text(covers -> '{EVENTS}' -> 'columns') c), -10, 1000000)) d",
    ),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_even_the_owner_is_found_out(sealed: AuditSeal, attack: str) -> None:
    _as_owner(*ATTACKS[attack])
    assert len(seals.verify().faults) == 1


def test_a_removed_seal_is_noticed(sealed: AuditSeal, site: Site, alice: User, now: dt.datetime) -> None:
    factories.screened(site=site, by=alice, now=now)
    seals.make()
    seals.make()
    _as_owner(f"DELETE FROM trialsite_auditseal WHERE id = {sealed.pk}")
    assert seals.verify().faults


def test_a_trail_that_was_sealed_anew_does_not_match_the_copy_outside(sealed: AuditSeal) -> None:
    kept = str(sealed)
    _as_owner(f"UPDATE {EVENTS} SET sex = 'F'", "DELETE FROM trialsite_auditseal", "DELETE FROM guard.mark")
    seals.make()
    assert seals.make() is not None
    assert seals.verify().faults == ()
    assert len(seals.verify(copy=kept).faults) == 1


def test_an_event_that_commits_late_is_sealed_and_not_taken_for_slipped_in(
    sealed: AuditSeal, other_session: psycopg.Connection[Any], site: Site, alice: User, now: dt.datetime
) -> None:
    late = "UPDATE participants_participant SET sex = 'F' WHERE id = (SELECT min(id) FROM participants_participant)"
    other_session.execute(late)  # has its number, and is not committed
    factories.screened(site=site, by=alice, now=now)  # has a later number, and is
    assert [seals.make(), seals.make()] == [None, None]
    other_session.commit()
    assert seals.make() is not None
    assert seals.verify().faults == ()


def test_a_migration_that_adds_a_column_breaks_no_seal(sealed: AuditSeal) -> None:
    _as_owner(f"ALTER TABLE {EVENTS} ADD COLUMN newer TEXT NOT NULL DEFAULT 'x'")
    try:
        assert seals.verify().faults == ()
    finally:
        _as_owner(f"ALTER TABLE {EVENTS} DROP COLUMN newer")


def test_the_application_seals_and_verifies_with_its_own_login(
    fresh: None, as_app_role: None, site: Site, alice: User, now: dt.datetime
) -> None:
    factories.screened(site=site, by=alice, now=now)
    seals.make()
    assert seals.make() is not None
    assert seals.verify().faults == ()


def test_the_command_says_what_it_found(sealed: AuditSeal, english: None, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("verify_audit", copy=str(sealed))
    assert f"Newest seal: {sealed}" in capsys.readouterr().out
    _as_owner(*ATTACKS["removed"])
    with pytest.raises(SystemExit):
        call_command("verify_audit")
    assert "2 of 3 are left" in capsys.readouterr().out


def test_the_daily_look_mails_the_seal_and_alarms(
    sealed: AuditSeal, dana: User, ivan: User, now: dt.datetime, english: None
) -> None:
    first = seals.look_daily(now=now)
    assert first is not None
    assert seals.look_daily(now=now + dt.timedelta(hours=23)) is None
    notifications.deliver_due()
    (message,) = mail.outbox
    assert message.to == [dana.email]
    assert str(sealed) in message.body
    _as_owner(*ATTACKS["changed"])
    seals.look_daily(now=now + dt.timedelta(hours=24))
    assert "ALARM" in Notification.objects.latest("pk").subject
    (alarm, *_others) = firstpage.alarms(now=now)
    assert alarm.title == "The audit trail is not as it was sealed"


def test_the_sweep_seals_what_the_one_before_marked(fresh: None, site: Site, alice: User, now: dt.datetime) -> None:
    factories.screened(site=site, by=alice, now=now)
    assert tasks.seal_audit()["seals"] == 0
    assert tasks.seal_audit()["seals"] == 1
    assert SweepRun.objects.get(name="audit-seals").counts == {"seals": 1}


def test_whoever_reads_the_api_takes_a_copy_of_the_seal_along(sealed: AuditSeal, client: Client) -> None:
    assert client.get("/api/v1/participants/").headers["Audit-Seal"] == str(sealed)
