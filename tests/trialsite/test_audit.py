"""Every change leaves a row that nobody can change: old and new values, who, when, from where, why."""

import datetime as dt
import json
from decimal import Decimal
from typing import Any

import pghistory
import pgtrigger
import pytest
from django.apps import apps
from django.db import DatabaseError, connection, transaction

from participants.actions import record_examination
from participants.models import Examination, Measurement, Participant, ParticipantStatus, Visit
from tests import factories
from trialsite import audit, guards
from trialsite.models import Event, Record, Site, User

CLINICAL = [model for model in apps.get_models() if issubclass(model, Record) and not model._meta.proxy]
EVENT_MODELS = [model for model in apps.get_models() if issubclass(model, Event)]


@pytest.fixture
def participant(site: Site, alice: User, now: dt.datetime) -> Participant:
    return factories.screened(site=site, by=alice, now=now)


@pytest.mark.parametrize("model", CLINICAL, ids=lambda m: m._meta.label)
def test_every_clinical_model_has_an_audit_trail(model: Any) -> None:
    tracked = {event.pgh_tracked_model for event in EVENT_MODELS}
    assert model in tracked


@pytest.mark.parametrize("model", CLINICAL, ids=lambda m: m._meta.label)
def test_nothing_cascades(model: Any) -> None:
    keys = [f for f in model._meta.fields if f.is_relation]
    assert {key.remote_field.on_delete.__name__ for key in keys} == {"PROTECT"}


@pytest.mark.django_db
def test_the_database_has_every_trigger_as_it_is_declared() -> None:
    status = {
        trigger.get_uri(model): trigger.get_installation_status(model) for model, trigger in pgtrigger.registered()
    }
    assert len(status) > 200
    assert set(status.values()) == {("INSTALLED", True)}


@pytest.mark.django_db
def test_a_change_keeps_old_and_new_values_and_the_reason(participant: Participant) -> None:
    with pghistory.context(username="alice", ip="10.1.2.3", reason="typing error"):
        participant.sex = "F"
        participant.save()
    newest = audit.trail(participant)[0]
    assert (newest.who, newest.ip, newest.reason) == ("alice", "10.1.2.3", "typing error")
    assert [(c.old, c.new) for c in newest.changes] == [("男", "女")]


@pytest.mark.django_db
def test_a_first_entry_shows_a_zero(participant: Participant, alice: User, now: dt.datetime) -> None:
    examination = Examination(participant=participant, panel="VIRUS", taken_at=now, is_study_procedure=False)
    row = Measurement(code="HBVDNA", value=Decimal(0), unit="IU/mL", lloq=Decimal(20))
    record_examination(examination=examination, answers=[row], by=alice, now=now)
    (first,) = audit.trail(Measurement.objects.get())
    assert ("数值", "0") in [(change.field, change.new.removesuffix(".000000")) for change in first.changes]


@pytest.mark.django_db
def test_a_first_entry_shows_a_no_and_not_a_box_that_nobody_ticked(participant: Participant, now: dt.datetime) -> None:
    check = factories.checked(participant, before="infusion", at=now)
    (first,) = audit.trail(check)
    assert ("需要升压药", "否") in [(change.field, change.new) for change in first.changes]
    consent = factories.consented(site=participant.site, by=participant.created_by, now=now).consents.get()
    fields = {field.name: field for field in consent._meta.concrete_fields}
    preset = [str(one.verbose_name) for one in fields.values() if one.default is False]
    assert not {change.field for change in audit.trail(consent)[0].changes} & set(preset)


@pytest.mark.django_db
def test_a_save_without_a_change_leaves_no_row(participant: Participant) -> None:
    before = len(audit.trail(participant))
    Participant.objects.get(pk=participant.pk).save()
    assert len(audit.trail(participant)) == before


@pytest.mark.django_db
def test_bulk_updates_and_raw_sql_are_caught_with_the_database_login(participant: Participant) -> None:
    Participant.objects.filter(pk=participant.pk).update(sex="F")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE participants_participant SET sex = 'M' WHERE id = %s", [participant.pk])
        cursor.execute("SELECT session_user")
        login = cursor.fetchone()[0]
    raw, bulk = audit.trail(participant)[:2]
    assert [(c.old, c.new) for c in (*bulk.changes, *raw.changes)] == [("男", "女"), ("女", "男")]
    assert login in raw.who


@pytest.mark.django_db
def test_bulk_created_rows_are_caught(site: Site, alice: User, now: dt.datetime) -> None:
    participant = factories.infused(site=site, by=alice, now=now)
    assert all(len(audit.trail(visit)) == 1 for visit in participant.visits.all())


@pytest.mark.django_db
def test_identity_can_be_masked(participant: Participant) -> None:
    (first,) = audit.trail(participant, hidden=("name", "phone", "birth_date", "hospital_number"))
    text = " ".join(change.new for change in first.changes)
    assert "王小明" not in text
    assert "1990" not in text


@pytest.mark.django_db
def test_the_change_moves_modified_at_even_by_raw_sql(participant: Participant) -> None:
    participant.refresh_from_db()
    before = participant.modified_at
    with connection.cursor() as cursor:
        cursor.execute("UPDATE participants_participant SET sex = 'F' WHERE id = %s", [participant.pk])
    participant.refresh_from_db()
    assert participant.modified_at > before


def _refused(statement: str) -> str:
    with pytest.raises(DatabaseError) as refusal, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    return str(refusal.value)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("statement", ["UPDATE {} SET pgh_label = 'x'", "DELETE FROM {}", "TRUNCATE {}"])
def test_the_application_cannot_change_the_trail(as_app_role: None, statement: str) -> None:
    said = {model: _refused(statement.format(model._meta.db_table)) for model in EVENT_MODELS}
    assert [model for model, refusal in said.items() if "permission denied" not in refusal] == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("ALTER TABLE participants_participant DISABLE TRIGGER ALL", id="disable-triggers"),
        pytest.param("SET session_replication_role = replica", id="replication-role"),
        pytest.param("DELETE FROM participants_participant", id="delete-a-record"),
        pytest.param("TRUNCATE participants_participant CASCADE", id="truncate-records"),
        pytest.param("DELETE FROM sponsor_apiread", id="delete-reads"),
        pytest.param("UPDATE sponsor_apiread SET rows = 0", id="change-reads"),
    ],
)
def test_the_application_cannot_get_round_the_trail(as_app_role: None, statement: str) -> None:
    assert "permission denied" in _refused(statement) or "must be owner" in _refused(statement)


@pytest.mark.django_db
def test_even_the_owner_cannot_edit_the_trail_or_delete_a_record(participant: Participant) -> None:
    assert "append_only" in _refused("UPDATE participants_participantevent SET pgh_label = 'x'")
    assert "keep" in _refused(f"DELETE FROM participants_participant WHERE id = {participant.pk}")


@pytest.mark.django_db
def test_a_status_row_never_changes_but_can_be_voided(participant: Participant, alice: User, now: dt.datetime) -> None:
    row = ParticipantStatus.objects.get(participant=participant)
    assert "immutable" in _refused(f"UPDATE participants_participantstatus SET reason = 'x' WHERE id = {row.pk}")
    row.voided_at, row.voided_by, row.void_reason = now, alice, "wrong person"
    row.save()
    assert ParticipantStatus.objects.get(pk=row.pk).is_void


@pytest.mark.django_db
def test_voiding_needs_time_person_and_reason_together(participant: Participant) -> None:
    assert "void_complete" in _refused("UPDATE participants_participant SET void_reason = 'x'")


@pytest.mark.django_db
def test_the_application_role_can_do_its_work(as_app_role: None, site: Site, alice: User, now: dt.datetime) -> None:
    participant = factories.infused(site=site, by=alice, now=now)
    assert Visit.objects.filter(participant=participant).exists()


# --- forged -------------------------------------------------------------------------------------

SAID = {"context": {"username": "ivan"}, "session": 1, "until": 9e9}
FORGED = "INSERT INTO {} (pgh_created_at, pgh_label, pgh_db_user) VALUES ('2020-01-01', 'insert', 'somebody')"


def _as_it_stands(participant: Participant) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT sex FROM participants_participant WHERE id = %s", [participant.pk])
        return str(cursor.fetchone()[0])


@pytest.mark.django_db(transaction=True)
def test_the_application_cannot_write_an_event_itself(as_app_role: None) -> None:
    said = {model: _refused(FORGED.format(model._meta.db_table)) for model in EVENT_MODELS}
    assert [model for model, refusal in said.items() if "permission denied" not in refusal] == []


@pytest.mark.django_db(transaction=True)
def test_no_session_can_tell_the_triggers_to_stand_aside(
    as_app_role: None, site: Site, alice: User, now: dt.datetime
) -> None:
    participant = factories.screened(site=site, by=alice, now=now)
    status = ParticipantStatus.objects.get(participant=participant)
    every = "{" + ",".join(trigger.get_pgid(model) for model, trigger in pgtrigger.registered()) + "}"
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('pgtrigger.ignore', %s, true)", [every])
        cursor.execute("UPDATE participants_participant SET sex = 'F' WHERE id = %s", [participant.pk])
    assert audit.trail(participant)[0].changes
    ignoring = f"SELECT set_config('pgtrigger.ignore', '{every}', true);"
    assert "immutable" in _refused(
        f"{ignoring} UPDATE participants_participantstatus SET reason = 'x' WHERE id = {status.pk}"
    )


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "context",
    [
        pytest.param('{"username": "ivan"}', id="name-alone"),
        pytest.param(json.dumps({"said": json.dumps(SAID), "mac": "00"}), id="wrong-signature"),
        pytest.param('{"said": "ivan"}', id="no-signature"),
        pytest.param('"ivan"', id="no-object"),
    ],
)
def test_a_name_that_is_not_signed_is_only_claimed(
    as_app_role: None, site: Site, alice: User, now: dt.datetime, english: None, context: str
) -> None:
    participant = factories.screened(site=site, by=alice, now=now)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('pghistory.context_metadata', %s, true)", [context])
        cursor.execute("UPDATE participants_participant SET sex = 'F' WHERE id = %s", [participant.pk])
    assert "database login trialsite_app, which calls itself" in audit.trail(participant)[0].who


@pytest.mark.django_db(transaction=True)
def test_a_signed_name_counts_in_its_own_session_and_for_a_while_only(
    as_app_role: None, site: Site, alice: User, now: dt.datetime, english: None
) -> None:
    participant = factories.screened(site=site, by=alice, now=now)
    signed = guards.SignedContext().encode({"username": "ivan"})

    def written_as(context: str) -> str:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('pghistory.context_metadata', %s, true)", [context])
            other = {"M": "F", "F": "M"}[_as_it_stands(participant)]
            cursor.execute("UPDATE participants_participant SET sex = %s WHERE id = %s", [other, participant.pk])
        return audit.trail(participant)[0].who

    assert written_as(signed) == "ivan"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(guards, "GOOD_FOR", -1)
        assert "calls itself" in written_as(guards.SignedContext().encode({"username": "ivan"}))
    connection.close()
    assert "calls itself" in written_as(signed)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("CREATE TEMP TABLE mine (id int)", id="table-of-its-own"),
        pytest.param("CREATE TABLE mine (id int)", id="table-in-public"),
        pytest.param("SELECT * FROM guard.key", id="key"),
        pytest.param("UPDATE guard.key SET inner_pad = outer_pad", id="change-the-key"),
        pytest.param("SELECT guard.is_signed('a', 'b')", id="ask-for-signatures"),
        pytest.param(
            "CREATE OR REPLACE FUNCTION public._pgtrigger_should_ignore(trigger_name NAME) RETURNS BOOLEAN "
            "LANGUAGE sql AS 'SELECT TRUE'",
            id="replace-the-answer",
        ),
    ],
)
def test_the_application_cannot_loosen_the_guards(as_app_role: None, statement: str) -> None:
    assert "permission denied" in _refused(statement)


@pytest.mark.django_db
def test_every_function_that_writes_events_writes_as_the_owner_and_is_nobodys_tool() -> None:
    with connection.cursor() as cursor:
        cursor.execute(guards.TRIGGER_FUNCTIONS + " AND NOT p.prosecdef AND p.prosrc LIKE %s", [guards.WRITES_EVENTS])
        assert cursor.fetchall() == []
        assert len(guards.event_functions(cursor)) == 3 * len(EVENT_MODELS)
        cursor.execute(guards.TRIGGER_FUNCTIONS + " AND has_function_privilege('trialsite_app', p.oid, 'EXECUTE')")
        assert cursor.fetchall() == []
