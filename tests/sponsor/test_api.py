"""The sponsor reads de-identified rows with a token, in pages, and every read is recorded."""

import datetime as dt
import hashlib
from typing import Any
from urllib.parse import quote

import pytest
from django.apps import apps
from django.contrib.auth.models import Group
from django.test import Client
from django.utils import timezone

from participants.models import Participant
from sponsor import api, classification
from sponsor.auth import issue_token, revoke_tokens
from sponsor.models import ApiRead
from tests import factories
from tests.conftest import Once
from trialsite.models import Record, Site, User
from trialsite.roles import Role
from trialsite.voiding import void

RECORDS: list[Any] = [model for model in apps.get_models() if issubclass(model, Record) and not model._meta.proxy]
DAY = dt.timedelta(days=1)


@pytest.fixture
def program(site: Site) -> User:
    user = User.objects.create(username="sponsor-edc")
    user.groups.add(Group.objects.get(name=Role.SPONSOR_PROGRAM))
    return user


@pytest.fixture(scope="module")
def made(once: Once, now: dt.datetime) -> Participant:
    return factories.infused(site=once.site, by=once.alice, now=now, infused_at=now - 21 * DAY, hospital_number="H-1")


def reader(program: User) -> Any:
    token, _expiry = issue_token(program, days=1)
    client = Client(headers={"authorization": f"Token {token}"})
    return lambda path: client.get(f"/api/v1/{path}")


# --- what may leave ----------------------------------------------------------------------------


@pytest.mark.parametrize("model", RECORDS, ids=lambda m: m._meta.label)
def test_every_field_is_classified(model: Any) -> None:
    known = classification.MODELS[model._meta.label]
    fields = {field.name for field in model._meta.concrete_fields}
    sets = (known.exported, known.datasets, known.released, frozenset(known.withheld))
    assert fields == frozenset().union(*sets)
    assert len(fields) == sum(map(len, sets)), "a field is decided once"


@pytest.mark.parametrize("view", api.ROUTES.values(), ids=api.ROUTES.keys())
def test_no_serializer_shows_a_withheld_field(view: Any) -> None:
    serializer = view.serializer_class
    known = classification.MODELS[serializer.Meta.model._meta.label]
    assert not set(serializer.Meta.fields) & set(known.withheld)


@pytest.mark.django_db
@pytest.mark.parametrize("route", api.ROUTES)
def test_no_identity_in_any_answer(route: str, program: User, participant: Participant) -> None:
    text = reader(program)(f"{route}/").content.decode()
    for secret in ("王小明", "13800000000", "1990-05-17", "H-1"):
        assert secret not in text


# --- who may read ------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("route", api.ROUTES)
def test_no_token_no_data(route: str, participant: Participant) -> None:
    response = Client().get(f"/api/v1/{route}/")
    assert response.status_code == 401
    assert response.json()["type"] == "/api/problems/token-missing/"


@pytest.mark.django_db
def test_a_person_of_the_site_is_no_program(alice: User, participant: Participant) -> None:
    assert reader(alice)("participants/").status_code == 403


@pytest.mark.django_db
def test_a_session_of_the_admin_is_no_token(alice: User, login: Any, participant: Participant) -> None:
    assert login(alice).get("/api/v1/participants/").status_code == 401


@pytest.mark.django_db
def test_a_revoked_token_ends(program: User) -> None:
    read = reader(program)
    assert read("participants/").status_code == 200
    assert revoke_tokens(program) == 1
    assert read("participants/").status_code == 401


@pytest.mark.django_db
def test_an_expired_token_ends(program: User, time_machine: Any) -> None:
    read = reader(program)
    time_machine.move_to(dt.datetime.now(dt.UTC) + 2 * DAY)
    assert read("participants/").status_code == 401


@pytest.mark.django_db
def test_the_token_is_stored_as_a_digest_only(program: User) -> None:
    from knox.models import AuthToken

    token, _expiry = issue_token(program, days=1)
    stored = AuthToken.objects.values().get()
    assert token not in str(stored)
    assert token.startswith(stored["token_key"])


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_it_is_read_only(method: str, program: User, participant: Participant) -> None:
    token, _expiry = issue_token(program, days=1)
    client = Client(headers={"authorization": f"Token {token}"})
    assert getattr(client, method)("/api/v1/participants/").status_code == 405


# --- what is read ------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_participant_is_read_without_birth_date(program: User, participant: Participant, now: dt.datetime) -> None:
    (row,) = reader(program)("participants/").json()["results"]
    assert row["participant_number"] == participant.participant_number
    assert (row["status"], row["age_at_consent"], row["is_void"]) == ("infused", 35, False)


@pytest.mark.django_db
def test_visits_come_in_pages_without_loss_or_repetition(program: User, participant: Participant) -> None:
    read = reader(program)
    page, ids = read("visits/?page_size=7").json(), []
    while True:
        ids += [row["id"] for row in page["results"]]
        if page["next"] is None:
            break
        page = read(page["next"].split("/api/v1/")[1]).json()
    assert len(ids) == len(set(ids)) == participant.visits.count()


@pytest.mark.django_db
def test_only_what_changed_is_read(program: User, participant: Participant) -> None:
    read = reader(program)
    last = max(row["modified_at"] for row in read("visits/?page_size=1000").json()["results"])
    visit = participant.visits.get(code="D28")
    visit.note = "moved to the afternoon"
    visit.save()
    changed = read(f"visits/?modified_since={_after(last)}").json()["results"]
    assert [row["visit"] for row in changed] == ["D28"]


def _after(moment: str) -> str:
    return (dt.datetime.fromisoformat(moment) + dt.timedelta(microseconds=1)).isoformat().replace("+", "%2B")


@pytest.mark.django_db
@pytest.mark.parametrize(
    "query",
    ["modified_since=yesterday", "modified_since=", "participnat=ZJ-001", "cursor=nonsense", "page=2"],
)
def test_a_parameter_that_cannot_be_read_is_an_error(query: str, program: User) -> None:
    response = reader(program)(f"visits/?{query}")
    assert response.status_code in {400, 404}
    assert response["Content-Type"] == "application/problem+json"


@pytest.mark.django_db
def test_one_participants_rows(
    program: User, participant: Participant, site: Site, ivan: User, now: dt.datetime
) -> None:
    factories.infused(site=site, by=ivan, now=now)
    rows = reader(program)(f"infusions/?participant={participant.participant_number}").json()["results"]
    assert [row["participant"] for row in rows] == [participant.screening_number]


# --- the record of reading ---------------------------------------------------------------------


@pytest.mark.django_db
def test_every_read_is_recorded_with_its_checksum(program: User, participant: Participant) -> None:
    response = reader(program)("infusions/")
    record = ApiRead.objects.get()
    assert (record.user, record.rows, record.status) == (program, 1, 200)
    assert record.sha256 == hashlib.sha256(response.content).hexdigest()
    assert len(record.token_key) > 0


@pytest.mark.django_db
def test_a_refused_read_is_recorded_too(participant: Participant) -> None:
    Client().get("/api/v1/participants/")
    assert ApiRead.objects.get().status == 401


# --- the schema --------------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_schema_and_its_page_are_there() -> None:
    schema = Client().get("/api/schema/?format=json")
    assert schema.status_code == 200
    assert set(schema.json()["paths"]) >= {f"/api/v1/{route}/" for route in api.ROUTES}
    assert Client().get("/api/docs/").status_code == 200


@pytest.mark.django_db
@pytest.mark.parametrize("route", ["participants", "visits", "infusions"])
def test_a_void_participant_takes_every_row_along(
    route: str, program: User, participant: Participant, alice: User
) -> None:
    """Without a change in the rows themselves: whoever reads changes learns of it all the same."""
    read = reader(program)
    assert not any(row["is_void"] for row in read(f"{route}/").json()["results"])
    since = timezone.now()
    void(participant, reason="entered twice", by=alice, now=since)
    rows = read(f"{route}/?modified_since={quote(since.isoformat())}").json()["results"]
    assert rows
    assert all(row["is_void"] for row in rows)
    later = quote(timezone.now().isoformat())
    assert read(f"{route}/?modified_since={later}").json()["results"] == []
