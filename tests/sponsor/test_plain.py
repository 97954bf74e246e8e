"""Whole tables as CSV and NDJSON: the API's rows to the letter, recorded before and after, and cheap to break off."""

import csv
import datetime as dt
import gzip
import hashlib
import io
import json
from decimal import Decimal
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from participants.actions.voids import void_participant
from participants.models import Participant
from safety.models import AdverseEvent
from sponsor import plain, plainviews
from sponsor.api import ROUTES
from sponsor.auth import issue_token
from sponsor.models import ApiRead, ReadStage, Scope
from tests import factories
from tests.conftest import Once, person
from tests.safety.test_bedside import assessed, seen
from trialsite import changes
from trialsite.models import Site, User
from trialsite.roles import Role
from trialsite.voiding import void

DAY = dt.timedelta(days=1)
EVENTS = "/api/v1/export/adverse-events"
# What a quoting rule, a spreadsheet or a line's end could make something else of.
TERMS = ("=1+1", 'a "quoted" term', "back\\slash \\x01", "first line\nsecond line", "发热，38.5 °C", "\x01 \t,;'")


@pytest.fixture(scope="module")
def made(once: Once, now: dt.datetime) -> Participant:
    """Events of every kind that can leave, one of them void, and all rows of a participant who is."""
    by = once.alice
    lost, kept = (factories.infused(site=once.site, by=by, now=now, infused_at=now - 21 * DAY) for _one in range(2))
    for whose in (lost, kept):
        factories.judged_event(whose, by=by, now=now)
        for grade in ("38.4", "36.8"):
            assessed(whose, now, seen(temperature_c=Decimal(grade), fever_attributable=True), by)
    for term in TERMS:
        factories.adverse_event(kept, by=by, now=now, term=term, onset="2026-02")
    void(factories.adverse_event(kept, by=by, now=now, term="said of the wrong one"), reason="twice", by=by, now=now)
    void_participant(participant=lost, reason="another person", by=person("ivan", Role.INVESTIGATOR), now=now)
    return kept


@pytest.fixture
def client(site: Site) -> Client:
    cache.clear()
    token, _expiry = issue_token(person("sponsor-edc", Role.SPONSOR_PROGRAM), days=1, scopes=(Scope.READ, Scope.EXPORT))
    return Client(headers={"authorization": f"Token {token}"})


def read(client: Client, address: str, **headers: str) -> bytes:
    answer: Any = client.get(address, headers=headers)
    assert answer.status_code == 200, answer.content
    return b"".join(answer.streaming_content)


# --- what the files hold --------------------------------------------------------------------------------


def _comparable(row: dict[str, Any]) -> dict[str, Any]:
    """A moment is a moment, in whatever zone it is written."""
    moments = {name: dt.datetime.fromisoformat(value) for name, value in row.items() if name.endswith("_at") and value}
    return row | moments


@pytest.mark.django_db
@pytest.mark.parametrize("name", plain.MADE)
def test_a_file_holds_the_rows_of_the_api(name: str, made: Participant, client: Client) -> None:
    pages = client.get(f"/api/v1/{name}/?page_size=1000").json()["results"]
    lines = [json.loads(line) for line in read(client, f"/api/v1/export/{name}.ndjson").splitlines()]
    assert list(map(_comparable, lines)) == list(map(_comparable, pages))
    assert {row["is_void"] for row in pages} == {True, False}
    table = list(csv.reader(io.StringIO(read(client, f"/api/v1/export/{name}.csv").decode(), newline="")))
    assert table[0] == list(ROUTES[name].serializer_class.Meta.fields)
    as_texts = [[_cell(value) for value in row.values()] for row in lines]
    assert [[_same(cell) for cell in row] for row in table[1:]] == as_texts


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    return value if isinstance(value, dict | list) else str(value).lower() if isinstance(value, bool) else str(value)


def _same(cell: str) -> Any:
    return json.loads(cell) if cell[:1] in ("[", "{") else cell


@pytest.mark.django_db
def test_no_cell_is_changed_and_no_void_word_leaves(made: Participant, client: Client) -> None:
    rows = list(csv.DictReader(io.StringIO(read(client, f"{EVENTS}.csv").decode(), newline="")))
    assert set(TERMS) <= {row["term"] for row in rows}
    assert all(row["term"] == "" for row in rows if row["is_void"] == "true")
    assert "wrong one" not in str(rows)


@pytest.mark.django_db
@pytest.mark.parametrize("kind", plain.Kind)
def test_the_filters_of_the_pages_hold(kind: plain.Kind, made: Participant, client: Client) -> None:
    everything = read(client, f"{EVENTS}.{kind}").decode()
    mine = read(client, f"{EVENTS}.{kind}?participant={made.participant_number}").decode()
    assert made.screening_number in mine
    assert len(mine) < len(everything)
    heads = {plain.Kind.CSV: 1, plain.Kind.NDJSON: 0}[kind]
    later = f"{timezone.now() + changes.OVERLAP / 2:%Y-%m-%dT%H:%M:%SZ}"
    assert len(read(client, f"{EVENTS}.{kind}?modified_since={later}").splitlines()) == heads
    for query in ("participnat=1", "modified_since=yesterday", "participant=nobody", "page_size=5", "participant="):
        refused = client.get(f"{EVENTS}.{kind}?{query}")
        assert refused.status_code == 400
        assert refused.json()["type"].endswith(("/unknown-parameter/", "/invalid-parameter/"))


# --- how they leave ---------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_an_export_is_recorded_before_and_after(made: Participant, client: Client) -> None:
    answer: Any = client.get(f"{EVENTS}.csv")
    begun = ApiRead.objects.get()
    assert (begun.stage, begun.rows, begun.sha256) == (ReadStage.BEGUN, 0, "")
    assert client.get(f"/api/v1/export/{answer['Export-Number']}/").status_code == 404
    content = b"".join(answer.streaming_content)
    ended = ApiRead.objects.get(begun=begun)
    assert (ended.stage, ended.rows, ended.bytes) == (ReadStage.WHOLE, AdverseEvent.objects.count(), len(content))
    assert ended.sha256 == hashlib.sha256(content).hexdigest()
    assert (ended.user, ended.token_key, ended.path) == (begun.user, begun.token_key, f"{EVENTS}.csv")
    assert dt.datetime.fromisoformat(answer["Complete-Until"]) == begun.complete_until == ended.complete_until
    assert answer["Content-Disposition"].startswith('attachment; filename="NCT07072494_adverse-events_')
    told = client.get(f"/api/v1/export/{answer['Export-Number']}/").json()
    assert (told["sha256"], told["rows"], told["is_whole"]) == (ended.sha256, ended.rows, True)


@pytest.mark.django_db
def test_an_export_of_another_program_is_not_told(made: Participant, client: Client) -> None:
    read(client, f"{EVENTS}.csv")
    token, _expiry = issue_token(person("another-edc", Role.SPONSOR_PROGRAM), days=1, scopes=(Scope.EXPORT,))
    another = Client(headers={"authorization": f"Token {token}"})
    assert another.get(f"/api/v1/export/{ApiRead.objects.earliest('pk').pk}/").status_code == 404


@pytest.mark.django_db
def test_a_file_may_be_packed_and_is_hashed_unpacked(made: Participant, client: Client) -> None:
    packed = read(client, f"{EVENTS}.ndjson", **{"accept-encoding": "br;q=1, gzip;q=0.5"})
    assert hashlib.sha256(gzip.decompress(packed)).hexdigest() == ApiRead.objects.get(stage="whole").sha256
    assert read(client, f"{EVENTS}.ndjson", **{"accept-encoding": "gzip;q=0"}) == gzip.decompress(packed)


@pytest.mark.django_db
@pytest.mark.parametrize("name", plainviews.VIEWS)
def test_no_token_no_file(name: str, alice: User) -> None:
    address = f"/api/v1/export/{name}"
    assert Client().get(address).status_code == 401
    token, _expiry = issue_token(alice, days=1)
    assert Client(headers={"authorization": f"Token {token}"}).get(address).status_code == 403
    assert Client().get("/api/v1/export/participants.csv").status_code == 404
    assert [one.status for one in ApiRead.objects.order_by("pk")] == [401, 403, 404]


@pytest.mark.django_db
def test_a_token_of_another_scope_gets_no_file(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sponsor.auth.has_scope", lambda request, scope: scope == "read", raising=False)
    assert client.get(f"{EVENTS}.csv").status_code == 403


@pytest.mark.django_db
def test_a_file_on_disk_is_the_same(made: Participant, client: Client) -> None:
    file = io.BytesIO()
    tally = plain.to_file(plain.statement("adverse-events", plain.Kind.NDJSON), file)
    assert file.getvalue() == read(client, f"{EVENTS}.ndjson")
    assert (tally.rows, tally.sha256) == (AdverseEvent.objects.count(), hashlib.sha256(file.getvalue()).hexdigest())
