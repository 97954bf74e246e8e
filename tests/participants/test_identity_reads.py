"""Who sees which field that names a participant is said by the study file, and whoever sees one leaves a trace."""

import csv
import datetime as dt
import io
from typing import Any

import pytest
from django.db import DatabaseError, ProgrammingError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import formats, translation

from participants.admin import reads
from participants.models import IdentityRead, Participant
from tests import factories
from tests.conftest import person
from trialsite.identity import IDENTITY, PERMISSION
from trialsite.models import ListExport, Site, User
from trialsite.roles import ROLE_PERMISSIONS, Role
from trialsite.study import get_study
from trialsite.study.parts import Seer

READERS = [role for role in Role if role is not Role.SPONSOR_PROGRAM]
BORN = dt.date(1987, 3, 9)
VALUES: dict[str, Any] = {
    "name": "欧阳明月",
    "birth_date": BORN,
    "phone": "13977778888",
    "hospital_number": "H-445566",
    "bed": "B17-77",
    "initials": "OYMYX",
}
WRITTEN = {name: {str(value)} for name, value in VALUES.items()}
with translation.override("en"):
    WRITTEN["birth_date"] |= {formats.date_format(BORN), f"{BORN:%d/%m/%Y}"}


@pytest.fixture
def named(site: Site, ivan: User, now: dt.datetime) -> Participant:
    """Whose every field of identity is filled in, and who can be looked at at the bed."""
    return factories.infused(site=site, by=ivan, now=now, **VALUES)


def allowed(role: Role) -> set[str]:
    rules = get_study().latest.identity
    return {name for name in IDENTITY if role.value in getattr(rules, name)}


def shown_in(text: str) -> set[str]:
    return {name for name, ways in WRITTEN.items() if any(way in text for way in ways)}


def address(name: str, *args: Any) -> str:
    return reverse(f"admin:participants_participant_{name}", args=args)


def trace_of(user: User) -> list[tuple[str, set[str], Any]]:
    """What was read besides the name beside the number, which every page has."""
    rows = IdentityRead.objects.filter(by=user).exclude(how="beside").order_by("pk")
    return [(row.how, set(row.fields), row.participant_id) for row in rows]


def test_the_study_file_can_name_exactly_the_roles_that_may_see_identity() -> None:
    holding = {role.value for role, granted in ROLE_PERMISSIONS.items() if PERMISSION in granted}
    assert set(Seer.__args__) == holding  # type: ignore[attr-defined]
    assert allowed(Role.PHARMACIST) == IDENTITY - {"phone"}
    assert allowed(Role.DATA_MANAGER) == {"name", "birth_date", "hospital_number"}
    assert allowed(Role.COORDINATOR) == allowed(Role.INVESTIGATOR) == IDENTITY
    assert not allowed(Role.MONITOR) | allowed(Role.AUDITOR)


def _searched(client: Client, name: str) -> bool:
    answer = client.post(address("find"), {"value": str(VALUES[name])})
    return answer.status_code == 302


def _file(client: Client) -> str:
    answer = client.post(address("export"), {"format": "csv", "with_identity": "on"})
    return b"".join(answer.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]


@pytest.mark.django_db
@pytest.mark.parametrize("role", READERS)
def test_every_page_shows_what_the_study_file_gives_to_the_role_and_keeps_who_read_it(
    role: Role, named: Participant, site: Site, login: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Page, list, trail, trail of all, bedside form, search, export: the value is there exactly where it may be."""
    monkeypatch.setitem(get_study().protocol(named.protocol_version).policy.__dict__, "bedside_identifier", "bed")
    reader, may = person("reader", role, site), allowed(role)
    client, own = login(reader), named.pk
    granted = ROLE_PERMISSIONS[role]

    def look(url: str) -> set[str]:
        answer = client.get(url)
        assert answer.status_code == 200, url
        return shown_in(answer.content.decode())

    assert look(address("changelist")) == may & {"name"}
    assert trace_of(reader) == []
    if may:
        assert look(address("change", own)) == may
    else:
        assert client.get(address("change", own)).status_code == 302
    trace = [("page", may, own)] if may else []
    assert trace_of(reader) == trace
    if "trialsite.view_audit_trail" in granted:
        assert look(address("history", own)) == may
        trace += [("page", may, own)] if may else []
        assert look(f"{address('trail')}?participant={named.number}&record=participants.Participant") == may
        trace += [("list", may, own)] if may else []
    if "safety.add_bedsideassessment" in granted:
        bedside = reverse("admin:safety_bedsideassessment_add")
        assert look(f"{bedside}?participant={own}") == may & {"bed", "name"}
        trace += [("page", {"bed"}, own)] if "bed" in may else []
    assert trace_of(reader) == trace
    searchable = {"name", "phone", "hospital_number"}
    assert {name for name in searchable if _searched(client, name)} == may & searchable
    found = [one for one in trace_of(reader)[len(trace) :] if one[0] == "search"]
    assert [one[2] for one in found].count(own) == len(may & searchable)
    before = len(trace_of(reader))
    assert shown_in(_file(client)) == may
    assert trace_of(reader)[before:] == ([("export", may, own)] if may else [])


@pytest.mark.django_db
def test_a_search_in_vain_leaves_a_trace_without_what_was_searched(
    named: Participant, alice: User, mona: User, other_site: Site, charlie: User, arthur: User, login: Any
) -> None:
    client = login(alice)
    client.post(address("find"), {"value": "赵无此人"})
    (row,) = IdentityRead.objects.filter(by=alice).values()
    assert (row["how"], row["participant_id"]) == ("search", None)
    assert "赵无此人" not in str(row)
    assert login(charlie).post(address("find"), {"value": VALUES["name"]}).status_code == 200
    assert [one[2] for one in trace_of(charlie)] == [None]
    listed = login(arthur).get(reverse("admin:participants_identityread_changelist")).content.decode()
    assert "Alice" in listed
    assert "Charlie" not in listed
    assert login(mona).get(reverse("admin:participants_identityread_changelist")).status_code == 403


@pytest.mark.django_db
def test_lists_and_choices_find_nobody_by_what_names_them(named: Participant, alice: User, login: Any) -> None:
    """Only the page that leaves a trace can be asked for a person."""
    client = login(alice)
    choice = {"app_label": "participants", "model_name": "consent", "field_name": "participant"}
    for name in sorted(IDENTITY):
        value = str(VALUES[name])
        found = client.post("/admin/autocomplete/", {**choice, "term": value})
        assert (found.status_code, found.json()["results"]) == (200, [])
        assert client.get(address("changelist"), {"q": value}).context["cl"].result_count == 0
        assert client.get(address("changelist"), {name: value}).status_code in {302, 400}
    known = client.post("/admin/autocomplete/", {**choice, "term": named.number})
    assert [one["text"] for one in known.json()["results"]] == [f"{named.number} \u2068{named.name}\u2069"]
    assert trace_of(alice) == []


@pytest.mark.django_db
def test_thirty_people_in_a_file_are_one_statement_and_thirty_rows(
    site: Site, alice: User, now: dt.datetime, login: Any
) -> None:
    for number in range(30):
        factories.screened(site=site, by=alice, now=now, name=f"王{number}", hospital_number=f"H-{number}")
    client = login(alice)
    with CaptureQueriesContext(connection) as queries:
        assert len(list(csv.reader(io.StringIO(_file(client))))) == 31
    written = [one["sql"] for one in queries if 'INSERT INTO "participants_identityread"' in one["sql"]]
    assert len(written) == 1
    assert IdentityRead.objects.filter(how="export").values("participant").distinct().count() == 30
    assert ListExport.objects.get().has_identity


@pytest.mark.django_db
def test_a_page_costs_one_statement_more(named: Participant, alice: User, login: Any) -> None:
    client = login(alice)
    client.get(address("change", named.pk))
    with CaptureQueriesContext(connection) as queries:
        client.get(address("change", named.pk))
    written = [one["sql"] for one in queries if 'INSERT INTO "participants_identityread"' in one["sql"]]
    assert len(written) == 1


@pytest.mark.django_db
def test_the_trail_of_the_participant_says_who_saw_the_identity_page_by_page(
    named: Participant, alice: User, ivan: User, arthur: User, login: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reads, "PER_PAGE", 2)
    client = login(alice)
    for _time in range(3):
        client.get(address("change", named.pk))
    # And the name beside the number, once that day.
    auditor = login(arthur)
    first = auditor.get(address("history", named.pk)).context["reads"]
    second = auditor.get(f"{address('history', named.pk)}?reads=2").context["reads"]
    assert [row.by.username for row in (*first, *second)] == ["alice"] * 4
    page = auditor.get(address("history", named.pk)).content.decode()
    assert "Who was shown the identity" in page
    assert "birth date" in page
    assert not shown_in(page)


@pytest.mark.django_db(transaction=True)
def test_the_applications_login_adds_readings_and_changes_none(
    as_app_role: None, site: Site, alice: User, now: dt.datetime, login: Any
) -> None:
    participant = factories.screened(site=site, by=alice, now=now)
    login(alice).get(address("change", participant.pk))
    with pytest.raises(ProgrammingError, match="permission denied"):
        IdentityRead.objects.update(fields=[])
    with pytest.raises(ProgrammingError, match="permission denied"):
        IdentityRead.objects.all().delete()


@pytest.mark.django_db
@pytest.mark.parametrize("statement", ["UPDATE {} SET how = 'list'", "DELETE FROM {}"])
def test_even_the_owner_cannot_rewrite_a_reading(named: Participant, alice: User, login: Any, statement: str) -> None:
    login(alice).get(address("change", named.pk))
    with pytest.raises(DatabaseError, match="append_only"), connection.cursor() as cursor:
        cursor.execute(statement.format("participants_identityread"))
