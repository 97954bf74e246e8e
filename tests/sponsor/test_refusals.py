"""What cannot be answered is refused in JSON, in words, recorded, and counted, whoever asks and however."""

import datetime as dt
import functools
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.urls import resolve
from django.utils.encoding import iri_to_uri
from drf_spectacular.generators import SchemaGenerator

from participants.models import Participant
from sponsor import api, auth, plain
from sponsor.auth import issue_token, revoke_tokens
from sponsor.limits import Limit
from sponsor.models import ApiRead, Scope
from sponsor.snapshots.door import KeyAuthentication
from tests import factories
from tests.conftest import person
from trialsite.models import SecurityEvent, SecurityKind, Site, User
from trialsite.problems import KINDS
from trialsite.roles import Role
from trialsite.study import get_study
from trialsite.study.protocol import SponsorAgreement

DAY = dt.timedelta(days=1)
VISITS = "/api/v1/visits/"


@pytest.fixture
def participant(site: Site, alice: User, now: dt.datetime) -> Participant:
    return factories.infused(site=site, by=alice, now=now, infused_at=now - 21 * DAY)


@pytest.fixture
def client(site: Site) -> Client:
    """With a good token."""
    token, _expiry = issue_token(person("sponsor-edc", Role.SPONSOR_PROGRAM), days=1)
    return Client(headers={"authorization": f"Token {token}"})


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody counts how often."""
    monkeypatch.setattr(Limit, "THROTTLE_RATES", dict.fromkeys(("program", "address"), "1000000/min"))


def refused(response: Any, status: int, kind: str = "") -> Any:
    """The body, which has the shape of every error; of parameters, what is said of each."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    body = response.json()
    assert set(body) - {"errors"} == {"type", "title", "status", "detail", "instance"}
    name = body["type"].removeprefix("/api/problems/").strip("/")
    assert KINDS[name].status == body["status"] == status
    assert name == (kind or name)
    return body.get("errors", body["detail"])


# --- parameters ------------------------------------------------------------------------------------------------

BAD = {
    "page_size": ["0", "-1", "1001", "abc", "1.5", "%2B5", "%201", "１０", "9" * 40, "%00", ""],
    "modified_since": [
        "yesterday",
        "2026-03-05",
        "2026-03-05T01:30:00",
        "2026-03-05T01:30:00+08:00",  # the + is a blank in an address
        "2026-13-05T01:30:00Z",
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00%2B23:59",
        "9999-12-31T23:59:59-23:59",
        "1899-12-31T23:59:59Z",
        "2100-01-01T00:00:00Z",
        "2099-12-31T23:59:59Z",  # in the future
        "１９９９-01-01T00:00:00Z",
        "%00",
        "%25s",
        "",
    ],
    "participant": ["ZJ-999", "zj", "%00", "%ff", "%ed%a0%80", "x" * 3000, "王小明", "%25(x)s", ""],
    "cursor": ["nonsense", "", "%00", "令牌", "a:b:c", "WyJ4Il0:1x:y", "cD0yMDI2"],
    "page": ["2"],
    "participnat": ["ZJ-001"],
    "%00": ["1"],
    "modified_since&modified_since": ["2026-03-05T01:30:00Z"],
}


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_a_parameter_that_cannot_be_read_is_refused_by_name(name: str, value: str, client: Client) -> None:
    detail = refused(client.get(f"{VISITS}?{iri_to_uri(name)}={iri_to_uri(value)}"), 400)
    (words,) = detail.values()
    assert words[0].isascii() or "“" in words[0]  # in English
    assert ApiRead.objects.get().status == 400


@pytest.mark.django_db
@pytest.mark.parametrize(
    "query", ["page_size=5&page_size=5", "participant=ZJ-001&participant=ZJ-002", "cursor=x&cursor=x", "x=1&x=2"]
)
def test_a_repeated_parameter_is_refused(query: str, client: Client) -> None:
    refused(client.get(f"{VISITS}?{query}"), 400)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "query",
    [
        "page_size=1",
        "page_size=1000",
        "modified_since=1900-01-01T00:00:00Z",
        "modified_since=2026-03-05T23:59:59-23:59",
        "modified_since=2026-03-05T01:30:00.123456%2B08:00",
        "format=json",
    ],
)
def test_what_is_just_right_is_taken(query: str, client: Client, participant: Participant) -> None:
    assert client.get(f"{VISITS}?{query}&participant={participant.screening_number}").status_code == 200


@pytest.mark.django_db
@pytest.mark.parametrize("query", ["participant=ZJ-001", "page_size=5", "modified_since=2026-03-05T01:30:00Z"])
def test_one_row_takes_no_parameters(query: str, client: Client, participant: Participant) -> None:
    visit = participant.visits.earliest("pk")
    assert client.get(f"{VISITS}{visit.pk}/").status_code == 200
    refused(client.get(f"{VISITS}{visit.pk}/?{query}"), 400)


@pytest.mark.django_db
def test_thousands_of_parameters_are_refused(client: Client) -> None:
    refused(client.get(VISITS + "?" + "&".join(f"x{number}=1" for number in range(2000))), 400)


@pytest.mark.django_db
def test_a_cursor_is_good_for_its_own_pages_alone(client: Client, participant: Participant) -> None:
    link = client.get(f"{VISITS}?page_size=2&participant={participant.screening_number}").json()["next"]
    assert client.get(link).status_code == 200
    assert client.get(link.replace("page_size=2", "page_size=3")).status_code == 200
    cursor = quote(parse_qs(urlsplit(link).query)["cursor"][0])
    for wrong in (
        link.replace("visits", "infusions"),
        link.replace("&participant", "&modified_since=2026-01-01T00:00:00Z&participant"),
        f"{VISITS}?cursor={cursor}",
        link.replace(cursor, cursor[1:]),
        link.replace(cursor, cursor[:-1]),
        link.replace(cursor, cursor.swapcase()),
    ):
        assert "next" in refused(client.get(wrong), 400)["cursor"][0]


# --- every address at once ---------------------------------------------------------------------------------------

# Whatever the description names, with something in the place of what stands for a row, a label or a file.
PLACES = {"{id}": "1", "{number}": "1", "{label}": "2026-03-05-1", "{other}": "2026-03-05-2", "{name}": "ae.json"}
DESCRIBED: dict[str, Any] = {
    functools.reduce(lambda path, place: path.replace(*place), PLACES.items(), path): told["get"]
    for path, told in SchemaGenerator().get_schema(request=None, public=True)["paths"].items()
}
STANDARD = "/api/dataset-json/v1/studies"
ROWS = [f"/api/v1/{route}/" for route in api.ROUTES]


def _parameters(path: str) -> set[str]:
    return {one["name"] for one in DESCRIBED[path].get("parameters", [])}


def _kind(address: str, token: str) -> str:
    """Of the problem that this answers; the standard's door has the standard's shape."""
    response = Client().get(address, headers={"authorization": f"Token {token}"})
    body = response.json()
    assert response.status_code >= 400, address
    return str(body["detail"][0]["type"] if address.startswith(STANDARD) else body["type"].split("/")[3])


@pytest.mark.django_db
def test_every_address_tells_each_bad_token_what_is_wrong_with_it(site: Site, time_machine: Any, free: None) -> None:
    program = person("sponsor-edc", Role.SPONSOR_PROGRAM)
    expired, _end = issue_token(program, days=1)
    time_machine.move_to(dt.datetime.now(dt.UTC) + 2 * DAY, tick=False)
    revoked, reads, exports = (issue_token(program, days=9, scopes=(scope,))[0] for scope in ("read", *Scope))
    revoke_tokens(program, begins_with=revoked[:15])
    bad = {"0" * 64: "token-invalid", expired: "token-expired", revoked: "token-revoked"}
    asked: dict[Any, str] = {}
    for path in [*DESCRIBED, STANDARD]:
        # All are asked for what only they can tell; of those with one way to look at a token, one is for the tokens.
        view = resolve(path).func.cls  # type: ignore[attr-defined]  # each is a view of a class
        assert set(view.authentication_classes) <= {auth.TokenAuthentication, KeyAuthentication}, path
        asked.setdefault((*view.authentication_classes, *view.permission_classes), path)
        if not path.endswith(("/1/", ".ndjson")):
            assert _kind(path, exports if path in ROWS else reads) == "scope-missing", path
    assert len(asked) == 3
    for path in asked.values():
        assert {token: _kind(path, token) for token in bad} == bad, path


@pytest.mark.django_db
def test_every_address_refuses_what_it_cannot_answer_rightly(site: Site, free: None) -> None:
    token, _end = issue_token(person("sponsor-edc", Role.SPONSOR_PROGRAM), days=1, scopes=tuple(Scope))
    future = (dt.datetime.now(dt.UTC) + DAY).strftime("%Y-%m-%dT%H:%M:%SZ")
    mistakes = {
        "page_size": ("page_size=100000", "invalid-page-size"),
        "cursor": ("cursor=WyJ4Il0:1x:y", "invalid-cursor"),
        "modified_since": (f"modified_since={future}", "moment-in-the-future"),
        "as_of": (f"as_of={future}", "moment-in-the-future"),
    }
    for path in [one for one in (*DESCRIBED, STANDARD) if not one.endswith(("/1/", ".ndjson"))]:
        told = {} if path == STANDARD else {name: mistakes[name] for name in _parameters(path) & set(mistakes)}
        if path in ROWS:
            assert set(told) == {"page_size", "cursor", "modified_since"}, path
        for query, kind in [*told.values(), ("grade_form=3", "unknown-parameter")]:
            assert _kind(f"{path}?{query}", token) == kind, (path, query)


@pytest.mark.django_db
def test_no_row_leaves_by_itself_while_dates_leave_shifted(
    participant: Participant, monkeypatch: pytest.MonkeyPatch, free: None
) -> None:
    """Neither the dates, nor which rows are new today, nor their order: each would tell by how much."""
    token, _end = issue_token(person("sponsor-edc", Role.SPONSOR_PROGRAM), days=1, scopes=tuple(Scope))
    exports = [path for path in DESCRIBED if path.endswith((".csv", ".ndjson")) and "/export/" in path]
    shown = [*ROWS, *(f"{path}1/" for path in ROWS), *exports]
    assert len(exports) == 2 * len(plain.RESOURCE)
    assert set(shown) <= set(DESCRIBED)
    agreed = get_study().latest.model_copy(update={"sponsor_agreement": SponsorAgreement(dates="shifted")})
    monkeypatch.setattr(auth, "get_study", lambda: SimpleNamespace(latest=agreed))
    assert {path for path in shown if _kind(path, token) != "dates-leave-shifted"} == set()
    # Snapshots do, in which all dates of a participant are moved alike.
    assert set(DESCRIBED) - set(shown) >= {"/api/v1/snapshots/", "/api/v1/export/1/"}
    headers = {"authorization": f"Token {token}"}
    assert Client().get("/api/v1/snapshots/", headers=headers).status_code == 200


# --- languages ---------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (None, "There is no participant with this number."),
        ("fr", "There is no participant with this number."),
        ("*", "There is no participant with this number."),
        ("fr, zh-CN;q=0.8", "没有这个编号的受试者。"),
        ("zh", "没有这个编号的受试者。"),
        ("en, zh", "There is no participant with this number."),
    ],
)
def test_a_program_is_answered_in_english_unless_it_asks_otherwise(
    asked: str | None, words: str, client: Client
) -> None:
    headers = {"accept-language": asked} if asked else {}
    response = client.get(f"{VISITS}?participant=ZJ-999", headers=headers)
    assert refused(response, 400) == {"participant": [words]}


# --- tokens ------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    "header",
    [
        "Token 令牌",
        "Token \xe9\xff\x80",
        "Token a\0b",
        "Token",
        "Token " + "0" * 64,
        "Token " + "a" * 5000,
        "Token a b",
        "Token ٣٣",
        "Bearer abc",
        "Basic dXNlcjpwYXNzd29yZA==",
        "nonsense",
        "",
    ],
)
def test_a_token_that_is_none_is_refused_and_recorded(header: str, site: Site) -> None:
    response = Client().get(VISITS, headers={"authorization": header})
    refused(response, 401)
    assert response["WWW-Authenticate"] == "Token"
    assert (ApiRead.objects.get().status, ApiRead.objects.get().ip) == (401, "127.0.0.1")
    event = SecurityEvent.objects.get()
    assert (event.kind, event.ip, event.path) == (SecurityKind.TOKEN_REFUSED, "127.0.0.1", VISITS)
    # What somebody sent may be another door's password.
    words = header.partition(" ")[2]
    assert not words or words not in str([*SecurityEvent.objects.values(), *ApiRead.objects.values()])


@pytest.mark.django_db
def test_a_person_who_is_no_program_is_noted(alice: User) -> None:
    token, _expiry = issue_token(alice, days=1)
    refused(Client(headers={"authorization": f"Token {token}"}).get(VISITS), 403)
    noted = SecurityEvent.objects.exclude(kind=SecurityKind.TOKEN_ISSUED).get()
    assert (noted.kind, noted.person) == (SecurityKind.REFUSED, alice)


# --- methods and formats -----------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "QUERY", "CONNECT", "PROPFIND", "get "])
def test_another_method_is_refused(method: str, client: Client) -> None:
    response = client.generic(method, VISITS, data="{}")
    refused(response, 405)
    assert response["Allow"] == "GET, HEAD, OPTIONS"
    refused(Client(enforce_csrf_checks=True).generic(method, VISITS), 401)


@pytest.mark.django_db
def test_head_and_options_are_answered(client: Client, participant: Participant) -> None:
    head = client.head(VISITS)
    assert (head.status_code, head.content) == (200, b"")
    assert client.options(VISITS).status_code == 200
    assert [read.rows for read in ApiRead.objects.order_by("pk")] == [participant.visits.count(), 0]


@pytest.mark.django_db
@pytest.mark.parametrize("route", api.ROUTES)
def test_only_json_is_written(route: str, client: Client) -> None:
    address = f"/api/v1/{route}/"
    for accept in ("text/html", "application/xml", "text/csv", "nonsense", "a/b;c=" + "d" * 5000):
        refused(client.get(address, headers={"accept": accept}), 406)
        refused(Client().get(address, headers={"accept": accept}), 406)
        refused(Client().get(address, headers={"accept": accept, "authorization": "Token x"}), 401)
    for accept in ("*/*", "application/*", "text/html, application/json;q=0.1"):
        assert client.get(address, headers={"accept": accept}).status_code == 200
    refused(client.get(f"{address}?format=xml"), 406)


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/api/schema/", "/api/docs/"])
def test_the_description_breaks_over_no_question(path: str) -> None:
    client = Client()
    for query in ("", "format=xml", "format=%00", "lang=nope", "lang=%00", "lang=zh-hans", "version=%00", "x=%ff"):
        for accept in ("*/*", "text/csv", "nonsense"):
            response = client.get(f"{path}?{query}", headers={"accept": accept})
            assert response.status_code in {200, 406}, (query, accept)
            if response.status_code == 406:
                refused(response, 406)
    refused(client.post(path), 405)


# --- how often ---------------------------------------------------------------------------------------------------


@pytest.fixture
def three_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    cache.clear()
    monkeypatch.setattr(Limit, "THROTTLE_RATES", dict.fromkeys(("program", "address"), "3/min"))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        (VISITS, {}, 401),
        (VISITS, {"authorization": "Token 0"}, 401),
        (VISITS, {"accept": "text/csv"}, 406),
        ("/api/nowhere/", {}, 404),
    ],
)
def test_a_guesser_is_slowed_down_and_fills_no_disk(
    path: str, headers: dict[str, str], status: int, three_a_minute: None, client: Client
) -> None:
    guesser = Client(headers=headers)
    assert [guesser.get(path).status_code for _try in range(3)] == [status] * 3
    for _try in range(20):
        response = guesser.get(path)
        refused(response, 429)
        assert 0 < int(response["Retry-After"]) <= 60
    # That it went on is told once.
    assert [read.status for read in ApiRead.objects.order_by("pk")] == [status] * 3 + [429]
    noted = SecurityEvent.objects.exclude(kind=SecurityKind.TOKEN_ISSUED)
    assert noted.count() == (3 if "authorization" in headers else 0)
    # Nobody else is kept out: not another address, and not a program from the same one.
    assert guesser.get(path, REMOTE_ADDR="10.9.8.7").status_code == status
    assert client.get(VISITS).status_code == 200


@pytest.mark.django_db
def test_a_minute_later_it_may_ask_again(three_a_minute: None, time_machine: Any, site: Site) -> None:
    start = dt.datetime.now(dt.UTC)
    time_machine.move_to(start, tick=False)
    statuses = [Client().get(VISITS).status_code for _try in range(4)]
    time_machine.move_to(start + dt.timedelta(seconds=59), tick=False)
    statuses.append(Client().get(VISITS).status_code)
    time_machine.move_to(start + dt.timedelta(seconds=60), tick=False)
    statuses.append(Client().get(VISITS).status_code)
    assert statuses == [401, 401, 401, 429, 429, 401]


@pytest.mark.django_db
def test_a_program_is_counted_for_itself(three_a_minute: None, client: Client) -> None:
    refused(client.post(VISITS), 405)
    refused(client.get(f"{VISITS}?x=1"), 400)
    assert client.get(VISITS).status_code == 200
    refused(client.get(VISITS, REMOTE_ADDR="10.9.8.7"), 429)
    refused(Client().get(VISITS), 401)


@pytest.mark.django_db
def test_a_person_without_the_right_is_counted_too(three_a_minute: None, alice: User) -> None:
    token, _expiry = issue_token(alice, days=1)
    client = Client(headers={"authorization": f"Token {token}"})
    assert [client.get(VISITS).status_code for _try in range(4)] == [403, 403, 403, 429]


@pytest.mark.django_db
def test_it_is_the_real_address_that_counts(three_a_minute: None, site: Site, settings: Any) -> None:
    """The proxy writes the last one; what stands before it, anybody can have written."""
    settings.NUM_PROXIES = 1
    statuses = [
        Client().get(VISITS, headers={"x-forwarded-for": f"10.0.0.{number}, 192.0.2.1"}).status_code
        for number in range(4)
    ]
    assert statuses == [401, 401, 401, 429]
    assert {read.ip for read in ApiRead.objects.all()} == {"192.0.2.1"}
    assert Client().get(VISITS, headers={"x-forwarded-for": "192.0.2.2"}).status_code == 401
    assert Client().get(VISITS, headers={"x-forwarded-for": "not an address " * 9}).status_code == 401


@pytest.mark.django_db
def test_an_ipv6_subscriber_is_one_caller(three_a_minute: None, site: Site) -> None:
    statuses = [Client().get(VISITS, REMOTE_ADDR=f"2001:db8::{number}").status_code for number in range(4)]
    assert statuses == [401, 401, 401, 429]
    assert Client().get(VISITS, REMOTE_ADDR="2001:db8:0:1::1").status_code == 401


@pytest.mark.django_db(transaction=True)
def test_counting_needs_the_database_alone_and_the_applications_login(as_app_role: None, three_a_minute: None) -> None:
    """No broker: with Redis down a guesser is slowed down as before."""
    assert "Database" in settings.CACHES["default"]["BACKEND"]
    assert connection.settings_dict["USER"] == "trialsite_app"
    assert [Client().get(VISITS).status_code for _try in range(4)] == [401, 401, 401, 429]
    cache.clear()
