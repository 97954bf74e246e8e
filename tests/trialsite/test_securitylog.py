"""The log of the door: what is written, who reads it, and that nobody rewrites it."""

import csv
import io
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from sponsor.auth import issue_token, revoke_tokens
from tests.conftest import PASSWORD, person
from trialsite import security
from trialsite.dooradmin import VALUES
from trialsite.models import LockKind, SecurityEvent, SecurityKind, Site, User
from trialsite.roles import Role

LOG = "admin:trialsite_securityevent_changelist"


@pytest.fixture
def root(site: Site) -> User:
    return User.objects.create_superuser("root", "root@example.org", PASSWORD, language="en")


def lines(kind: SecurityKind) -> list[SecurityEvent]:
    return list(SecurityEvent.objects.filter(kind=kind))


# --- written ------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_failed_login_is_noted_by_the_number_of_the_person(alice: User) -> None:
    Client().post("/admin/login/", {"username": "alice", "password": "wrong"}, REMOTE_ADDR="198.51.100.7")
    (line,) = lines(SecurityKind.LOGIN_FAILED)
    assert (line.person, line.ip, line.path, line.detail) == (alice, "198.51.100.7", "/admin/login/", {})


@pytest.mark.django_db
def test_a_refusal_is_noted_with_its_page_and_without_its_query(alice: User, login: Any) -> None:
    page = reverse("admin:trialsite_user_changelist")
    assert login(alice).get(f"{page}?q=Wang").status_code == 403
    (line,) = lines(SecurityKind.REFUSED)
    assert (line.person, line.path, line.detail) == (alice, page, {"method": "GET"})


@pytest.mark.django_db
def test_an_export_is_noted(alice: User, login: Any) -> None:
    page = reverse("admin:participants_participant_export")
    b"".join(login(alice).post(page, {"format": "csv"}).streaming_content)
    (line,) = lines(SecurityKind.EXPORT)
    assert line.person == alice
    assert line.detail == {"list": "participants.Participant", "rows": 0, "format": "csv", "with_identity": False}


@pytest.mark.django_db
def test_tokens_are_noted_by_their_first_letters(site: Site) -> None:
    program = person("program", Role.SPONSOR_PROGRAM, site)
    token, _end = issue_token(program, days=5)
    revoke_tokens(program)
    (issued,), (revoked,) = lines(SecurityKind.TOKEN_ISSUED), lines(SecurityKind.TOKEN_REVOKED)
    assert issued.detail["token"] == revoked.detail["token"] == token[: len(issued.detail["token"])]
    assert token not in str([issued.detail, revoked.detail])
    assert {issued.person, revoked.person} == {program}


@pytest.mark.django_db
def test_a_token_is_revoked_once(site: Site) -> None:
    program = person("program", Role.SPONSOR_PROGRAM, site)
    issue_token(program, days=5)
    assert [revoke_tokens(program), revoke_tokens(program)] == [1, 0]
    assert len(lines(SecurityKind.TOKEN_REVOKED)) == 1


# --- never rewritten ----------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE trialsite_securityevent SET ip = '10.0.0.1'",
        "DELETE FROM trialsite_securityevent",
        "TRUNCATE trialsite_securityevent",
        "ALTER TABLE trialsite_securityevent DISABLE TRIGGER ALL",
        "DROP TABLE trialsite_securityevent",
    ],
)
def test_the_application_changes_and_deletes_no_line(as_app_role: None, alice: User, statement: str) -> None:
    line = security.note(SecurityKind.LOGIN_FAILED, person=alice)
    with pytest.raises(DatabaseError) as refusal, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert "permission denied" in str(refusal.value) or "must be owner" in str(refusal.value)
    assert SecurityEvent.objects.get(pk=line.pk).ip == ""


@pytest.mark.django_db
@pytest.mark.parametrize(
    "statement",
    ["UPDATE trialsite_securityevent SET ip = '10.0.0.1'", "DELETE FROM trialsite_securityevent"],
)
def test_nor_does_the_owner(alice: User, statement: str) -> None:
    security.note(SecurityKind.LOGIN_FAILED, person=alice)
    with pytest.raises(DatabaseError, match="append_only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


# --- read ---------------------------------------------------------------------------------------


@pytest.fixture
def written(alice: User, charlie: User) -> None:
    """Lines of a person of ours, of one of another site, and of nobody."""
    facts = {"lock": LockKind.AT_ADDRESS.value, "wrong": 5, "until": "2026-03-05T01:30:00+00:00"}
    security.note(SecurityKind.LOCKED, person=alice, **facts)
    security.note(SecurityKind.REFUSED, person=charlie, method="POST")
    security.note(SecurityKind.LOGIN_FAILED, name="unknown")
    security.note(SecurityKind.EXPORT, person=alice, list="participants.Visit", rows=3, with_identity=True)


@pytest.mark.django_db
def test_the_auditor_reads_the_lines_of_their_own_site(written: None, arthur: User, login: Any) -> None:
    text = login(arthur).get(reverse(LOG)).content.decode()
    assert "what waits: one login, from one address; wrong passwords: 5; until: 2026-03-05 09:30" in text
    assert "with identity: yes" in text
    assert "list: visits" in text
    assert "Charlie" not in text
    assert "nobody has it" not in text


@pytest.mark.django_db
def test_the_administrator_reads_all(written: None, root: User, login: Any) -> None:
    text = login(root).get(reverse(LOG)).content.decode()
    for words in ("Alice", "Charlie", "user name: nobody has it"):
        assert words in text


@pytest.mark.django_db
@pytest.mark.parametrize("role", [Role.COORDINATOR, Role.INVESTIGATOR, Role.PHARMACIST, Role.MONITOR])
def test_nobody_else_reads_it(role: Role, written: None, site: Site, login: Any) -> None:
    assert login(person("somebody", role, site)).get(reverse(LOG)).status_code == 403


@pytest.mark.django_db
def test_no_line_of_another_site_opens_by_its_number(written: None, arthur: User, charlie: User, login: Any) -> None:
    line = SecurityEvent.objects.get(person=charlie)
    page = reverse("admin:trialsite_securityevent_change", args=[line.pk])
    assert login(arthur).get(page).status_code == 404


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("kind__exact=locked", ["locked"]),
        ("ip__icontains=198.51", ["logout"]),
        ("at_from_0=2020-01-01&at_from_1=00:00&at_to_0=2020-01-02&at_to_1=00:00", []),
        ("at_from_0=2020-01-01&at_from_1=00:00&kind__exact=locked", ["locked"]),
        ("at_from_0=2020-13-99&at_from_1=99&at_to_0=x&at_to_1=&kind__exact=locked", ["locked"]),
        ("person__id__exact={alice}", ["export", "locked"]),
    ],
)
def test_it_is_searched_by_kind_person_address_and_time(
    query: str, found: list[str], written: None, alice: User, root: User, login: Any
) -> None:
    bob = User.objects.create_user("bob")
    SecurityEvent.objects.create(kind=SecurityKind.LOGOUT, person=bob, ip="198.51.100.7")
    answer = login(root).get(f"{reverse(LOG)}?{query.format(alice=alice.pk)}")
    assert sorted(line.kind for line in answer.context["cl"].result_list) == found


@pytest.mark.django_db
def test_the_filter_names_the_people_of_the_readers_sites_alone(written: None, arthur: User, login: Any) -> None:
    answer = login(arthur).get(reverse(LOG))
    (spec,) = [spec for spec in answer.context["cl"].filter_specs if getattr(spec, "field_path", "") == "person"]
    assert "Charlie" not in str(spec.lookup_choices)
    assert "Alice" in str(spec.lookup_choices)


@pytest.mark.django_db
def test_the_page_asks_the_database_as_often_for_many_lines(written: None, arthur: User, login: Any) -> None:
    client = login(arthur)
    client.get(reverse(LOG))
    with CaptureQueriesContext(connection) as few:
        client.get(reverse(LOG))
    for _n in range(30):
        security.note(SecurityKind.LOGIN, person=arthur)
    with CaptureQueriesContext(connection) as many:
        client.get(reverse(LOG))
    assert len(many) == len(few)


@pytest.mark.django_db
def test_it_leaves_as_a_list_in_words(written: None, arthur: User, login: Any) -> None:
    response = login(arthur).post(reverse("admin:trialsite_securityevent_export"), {"format": "csv"})
    text = b"".join(response.streaming_content).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["event"] for row in rows if row["person"] == "Alice"] == ["list taken as a file", LOCKED]
    assert all("{" not in row["details"] for row in rows)


LOCKED = "locked after wrong passwords"


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("value", ["", "nonsense", "a.b", "participants.nothing"])
def test_a_detail_of_another_kind_stands_as_it_was_written(name: str, value: str) -> None:
    assert VALUES[name](value) == value
