"""Who gave what to whom and when: every table that says who may do what leaves a trail that the database writes."""

import datetime as dt
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.db import DatabaseError, connection, transaction
from django.db.models import Model
from knox.models import AuthToken

from tests.conftest import PASSWORD
from trialsite import firstevents, notifications
from trialsite.models import (
    Event,
    Notification,
    NotificationState,
    Record,
    RoleAllows,
    RoleGiven,
    RoleHolder,
    Site,
    SiteGiven,
    TokenGiven,
    User,
)
from trialsite.roles import Role

# Rows that no trail follows, each with the reason. What is neither tracked nor named here fails.
UNTRACKED = {
    "admin.LogEntry": "the admin's own log: the application adds rows, and can change none",
    "auth.Permission": "made of the code by a migration; the application can only read it",
    "contenttypes.ContentType": "the numbers of the models; the application can only read them",
    "participants.MeasurementImport": "a job with its own who and when; each result that it writes is tracked",
    "participants.CalendarFeed": "digests; each keeps when it was made and revoked, and is never deleted",
    "participants.IdentityRead": "a log of readings: the application adds rows, and can change none",
    "participants.DutyReminder": "which message told whom of a duty; the message itself is tracked",
    "participants.VisitReminder": "which message told whom of a visit; the message itself is tracked",
    "pghistory.Context": "no rows: who and why stand in the event itself",
    "safety.SubmissionFile": "files as they were sent, with a checksum; the application adds rows, and can change none",
    "safety.MeddraTerm": "the site's own release, as its files are; an event keeps the names that it was coded with",
    "sponsor.ApiRead": "a log of reads: the application adds rows, and can change none",
    "sponsor.ApiToken": "beside a token that is tracked; what it is good for never changes, its use is no change",
    "sponsor.ShiftSecret": "drawn once and never changed; a trail would keep the secret under a key that is given up",
    "sponsor.SnapshotFile": "names and checksums of files; the application adds rows, and can change none",
    "trialsite.AuditSeal": "seals of the trail itself, chained, written by the database alone",
    "trialsite.Counter": "the last number given out; whatever got one is tracked",
    "trialsite.FormToken": "forms that were sent, forgotten after a while",
    "trialsite.ListExport": "a log of exports: the application adds rows, and can change none",
    "trialsite.Lock": "counts wrong passwords until they are forgotten; the log of the door has each",
    "trialsite.RecoveryCode": "digests; the log of the door has when they were made and used",
    "trialsite.SecondFactor": "the log of the door has each step; a trail would keep the secret",
    "trialsite.SecurityEvent": "the log of the door: the application adds rows, and can change none",
    "trialsite.Session": "who is logged in now; the log of the door has the logins",
    "trialsite.Signature": "bound by a keyed hash of its own; the application adds rows, and can change none",
    "trialsite.SweepRun": "when each sweep last ran",
    "trialsite.ChannelState": "whether the mail server answers",
}
ALL: list[Any] = [
    model
    for model in apps.get_models(include_auto_created=True)
    if not issubclass(model, Event) and not model._meta.proxy and model._meta.managed
]
EVENTS: list[Any] = [model for model in apps.get_models() if issubclass(model, Event)]
TRACKED = {event.pgh_tracked_model._meta.db_table: event for event in EVENTS}
RIGHTS = [RoleGiven, SiteGiven, RoleHolder, RoleAllows, TokenGiven, User, Site]


@pytest.mark.parametrize("model", ALL, ids=lambda one: one._meta.label)
def test_every_table_has_a_trail_or_a_reason_why_not(model: type[Model]) -> None:
    assert (model._meta.db_table in TRACKED) != (model._meta.label in UNTRACKED)


def test_no_reason_is_left_of_a_table_that_is_gone() -> None:
    assert set(UNTRACKED) <= {model._meta.label for model in ALL}


@pytest.mark.parametrize("event", EVENTS, ids=lambda one: one._meta.label)
def test_no_trail_holds_a_secret(event: Any) -> None:
    assert not {field.name for field in event._meta.concrete_fields} & {"password", "digest", "last_login"}


@pytest.mark.parametrize("event", EVENTS, ids=lambda one: one._meta.label)
def test_every_trail_sees_rows_come_change_and_go(event: Any) -> None:
    labels = {trigger.name for trigger in event.pgh_tracked_model._meta.triggers}
    assert {"insert_insert", "update_update", "delete_delete"} <= labels


# --- with the application's own login -----------------------------------------------------------


def _sql(statement: str, *values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def _newest(model: Any) -> Any:
    return TRACKED[model._meta.db_table].objects.order_by("-pgh_id").first()


@pytest.mark.django_db(transaction=True)
def test_a_role_given_by_raw_sql_stands_in_the_trail_with_the_login(as_app_role: None, alice: User, site: Site) -> None:
    group = Group.objects.get(name=Role.PRINCIPAL_INVESTIGATOR)
    _sql("INSERT INTO trialsite_user_groups (user_id, group_id) VALUES (%s, %s)", alice.pk, group.pk)
    given = _newest(RoleGiven)
    assert (given.pgh_label, given.user_id, given.group_id) == ("insert", alice.pk, group.pk)
    assert given.pgh_db_user == "trialsite_app"
    other = Group.objects.get(name=Role.DATA_MANAGER)
    _sql("UPDATE trialsite_user_groups SET group_id = %s WHERE id = %s", other.pk, given.id)
    assert (_newest(RoleGiven).pgh_label, _newest(RoleGiven).group_id) == ("update", other.pk)
    _sql("DELETE FROM trialsite_user_groups WHERE id = %s", given.id)
    assert (_newest(RoleGiven).pgh_label, _newest(RoleGiven).group_id) == ("delete", other.pk)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("statement", "table"),
    [
        ("INSERT INTO trialsite_user_sites (user_id, site_id) VALUES (%(user)s, %(site)s)", "trialsite_user_sites"),
        (
            "INSERT INTO trialsite_user_user_permissions (user_id, permission_id) VALUES (%(user)s, %(permission)s)",
            "trialsite_user_user_permissions",
        ),
        ("UPDATE trialsite_user SET is_superuser = TRUE WHERE id = %(user)s", "trialsite_user"),
        ("UPDATE trialsite_user SET is_active = FALSE WHERE id = %(user)s", "trialsite_user"),
        (
            "INSERT INTO knox_authtoken (digest, token_key, user_id, created) VALUES ('d', 'k', %(user)s, now())",
            "knox_authtoken",
        ),
        (
            "INSERT INTO safety_sitetermname (code, name_zh, release, loaded_at) "
            "VALUES ('10019211', '头痛', '', now())",
            "safety_sitetermname",
        ),
    ],
)
def test_every_other_right_leaves_an_event_too(
    as_app_role: None, alice: User, other_site: Site, statement: str, table: str
) -> None:
    before = TRACKED[table].objects.count()
    permission = Permission.objects.get(codename="view_audit_trail")
    with connection.cursor() as cursor:
        cursor.execute(statement, {"user": alice.pk, "site": other_site.pk, "permission": permission.pk})
    assert TRACKED[table].objects.count() == before + 1
    assert TRACKED[table].objects.order_by("pgh_id").last().pgh_db_user == "trialsite_app"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO auth_group_permissions (group_id, permission_id) SELECT 1, 1",
        "INSERT INTO auth_group (name) VALUES ('of its own')",
        "UPDATE trialsite_accessreview SET seen = '{}'",
        "DELETE FROM trialsite_accessreview",
    ],
)
def test_what_a_role_allows_and_what_was_reviewed_the_application_cannot_change(
    as_app_role: None, statement: str
) -> None:
    with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
        _sql(statement)


@pytest.mark.django_db(transaction=True)
def test_a_password_leaves_its_fact_and_never_its_hash(as_app_role: None, alice: User) -> None:
    alice.refresh_from_db()
    first = alice.password_set_at
    assert first is not None
    events = TRACKED["trialsite_user"].objects
    before = events.count()
    _sql("UPDATE trialsite_user SET password = 'md5$x$stolen', password_set_at = '2020-01-01' WHERE id = %s", alice.pk)
    alice.refresh_from_db()
    assert alice.password_set_at is not None
    assert alice.password_set_at > first
    assert events.count() == before + 1
    assert events.order_by("pgh_id").last().password_set_at == alice.password_set_at


@pytest.mark.django_db(transaction=True)
def test_the_time_of_a_password_is_the_databases_word(as_app_role: None, alice: User) -> None:
    alice.refresh_from_db()
    before = alice.password_set_at
    _sql("UPDATE trialsite_user SET password_set_at = '2020-01-01' WHERE id = %s", alice.pk)
    alice.refresh_from_db()
    assert alice.password_set_at == before
    alice.set_unusable_password()
    alice.save()
    alice.refresh_from_db()
    assert alice.password_set_at is None
    alice.set_password(PASSWORD)
    alice.save()
    alice.refresh_from_db()
    assert alice.password_set_at is not None


# --- what people were told ----------------------------------------------------------------------


def _told(person: User, site: Site, now: dt.datetime) -> Notification:
    return Notification.objects.create(
        dedupe_key="k", about="a", site=site, recipient=person, subject="s", body_text="t", body_html="h",
        queued_at=now, not_before=now, message_id="m",
    )  # fmt: skip


@pytest.mark.django_db(transaction=True)
def test_the_fate_of_a_message_is_followed(as_app_role: None, alice: User, site: Site, now: dt.datetime) -> None:
    _told(alice, site, now)
    assert notifications.deliver_due()["sent"] == 1
    states = TRACKED["trialsite_notification"].objects.order_by("pgh_id").values_list("state", flat=True)
    assert list(states) == [NotificationState.QUEUED, NotificationState.SENDING, NotificationState.SENT]


@pytest.mark.django_db
@pytest.mark.parametrize("column", ["subject", "body_text", "body_html", "dedupe_key"])
def test_nobody_rewrites_what_somebody_was_told(alice: User, site: Site, now: dt.datetime, column: str) -> None:
    row = _told(alice, site, now)
    with pytest.raises(DatabaseError, match="as_written"), transaction.atomic():
        Notification.objects.filter(pk=row.pk).update(**{column: "something else"})


# --- rows that were there before the trail ------------------------------------------------------


@pytest.mark.django_db
def test_rows_older_than_their_trail_get_one_first_event(alice: User, site: Site) -> None:
    AuthToken.objects.create(user=alice)
    for model in RIGHTS:
        table = TRACKED[model._meta.db_table]._meta.db_table
        _sql(f"ALTER TABLE {table} DISABLE TRIGGER USER; DELETE FROM {table}; ALTER TABLE {table} ENABLE TRIGGER USER")
    for _turn in range(2):
        firstevents.write()
    for model in RIGHTS:
        rows = model._default_manager.count()
        found = TRACKED[model._meta.db_table].objects.values_list("pgh_label", flat=True)
        assert rows
        assert list(found) == [firstevents.FOUND] * rows, model._meta.label


@pytest.mark.django_db
def test_a_record_without_an_event_gets_none(site: Site) -> None:
    """It was written past the guards, and has to stand out."""
    assert not any(issubclass(model, Record) for model in RIGHTS)
    firstevents.write()
    records = [event for event in EVENTS if issubclass(event.pgh_tracked_model, Record)]
    assert not any(event.objects.filter(pgh_label=firstevents.FOUND).exists() for event in records)
