"""What is not there or went wrong ends on a page of ours with the way back; no address ends in HTTP 500."""

import datetime as dt
import json
import logging
from collections.abc import Iterator
from functools import cached_property
from typing import Any, ClassVar
from unittest.mock import patch

import pytest
from django.contrib import admin
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.exceptions import SessionInterrupted
from django.core.exceptions import ImproperlyConfigured, PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.core.handlers.exception import convert_exception_to_response
from django.core.handlers.wsgi import WSGIRequest
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.test import Client, RequestFactory
from django.urls import URLPattern, URLResolver, path, reverse
from django.urls.converters import IntConverter
from django.urls.resolvers import RoutePattern
from django.utils import timezone

from participants.models import Participant
from tests import factories
from tests.conftest import person
from trialsite import databases, errors, pdf, urls
from trialsite.logs import JsonFormatter
from trialsite.models import Site, User
from trialsite.roles import Role


def failing(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("王小明")


urlpatterns = [path("fails/", failing), path("api/fails/", failing), *urls.urlpatterns]
handler400, handler500 = urls.handler400, urls.handler500

STAFF = [role for role in Role if role is not Role.SPONSOR_PROGRAM]
GRACEFUL = {200, 302, 400, 403, 404, 405}
LONG = "9" * 30
# Each name is asked for by some page; together they are many bad questions in one.
QUERIES = (
    "participant=abc&panel=nope&infusion=x&corrects=x&version=nope&grade=x&toxicity=y&number=x&first_on=y",
    f"participant=999999&panel=CHEM&infusion=999999&corrects=999999&laboratory=x&p=x&q={LONG}",
    f"participant={LONG}&panel=CBC&corrects={LONG}&infusion={LONG}&fate=nope&version=5.0&q=x",
    "participant=²&corrects=²&infusion=²&as_of=nope&site=nope&fate=nope&soc=x&differs=x&before=x",
    "q=%00",
    "participant=１２&as_of=2026-13-45",
)


def patterns(within: Any = None) -> Iterator[URLPattern]:
    for one in within if within is not None else admin.site.get_urls():
        if isinstance(one, URLResolver):
            yield from patterns(one.url_patterns)
        elif one.name:
            yield one


def addresses(value: str) -> list[str]:
    """Every named address of the admin, with this in the place of each thing that it names."""
    found = {reverse(f"admin:{one.name}", kwargs=names(one, value)) for one in patterns()}
    # Whoever logs out sees no more.
    return sorted(at for at in found if not at.endswith(("/logout/", "/password_change/")))


def names(one: URLPattern, value: str) -> dict[str, Any]:
    if isinstance(one.pattern, RoutePattern):
        number = int(value) if value.isdigit() and len(value) < 10 else 999999
        kinds = one.pattern.converters.items()
        return {name: number if isinstance(kind, IntConverter) else value for name, kind in kinds}
    return {name: "dosing" if name == "app_label" else value for name in one.pattern.regex.groupindex}


def test_the_walk_goes_over_every_page() -> None:
    assert len(addresses("999999")) > 150


def watched(client: Client, address: str, method: str = "get") -> int:
    client.raise_request_exception = False
    status: int = getattr(client, method)(address).status_code
    return status


@pytest.mark.django_db
@pytest.mark.usefixtures("unlogged")
@pytest.mark.parametrize("role", [Role.MONITOR, Role.PRINCIPAL_INVESTIGATOR, None])
def test_a_row_that_is_not_there_is_no_fault_of_the_site(role: Role | None, site: Site, login: Any) -> None:
    """To who reads, who decides, and who may do everything."""
    client = login(somebody(role, site))
    faults = {at: status for at in asked_by(role) if (status := watched(client, at)) not in GRACEFUL}
    assert not faults


def asked_by(role: Role | None) -> list[str]:
    """All addresses; of a role those that name a row: over the others the crawl goes as every role, and with an empty
    form as somebody who has all of them."""
    found = set(addresses("999999")) - (set() if role is None else set(addresses("999998")))
    assert len(found) > 150
    return sorted(found)


@pytest.mark.django_db
@pytest.mark.usefixtures("unlogged")
@pytest.mark.parametrize("value", ["abc", LONG])
def test_nor_is_what_can_be_no_row(value: str, site: Site, login: Any) -> None:
    """Only where it may stand: the other addresses are asked above."""
    client, asked = login(somebody(None, site)), sorted({*addresses(value)} - {*addresses("999999")})
    assert len(asked) > 150
    assert not {at: status for at in asked if (status := watched(client, at)) not in GRACEFUL}


@pytest.mark.django_db
@pytest.mark.parametrize("value", ["9999", "abc"])
def test_a_row_that_is_not_there_has_the_page_of_what_is_not_there(value: str, site: Site, login: Any) -> None:
    client = login(somebody(None, site))
    for page in admin.site._registry.values():
        address = reverse(f"admin:{page.opts.app_label}_{page.opts.model_name}_change", args=[value])
        # A line of a log leads on to its person.
        assert client.get(address, follow=True).status_code in {403, 404}, address


@pytest.mark.django_db
@pytest.mark.usefixtures("unlogged")
@pytest.mark.parametrize("role", [Role.COORDINATOR, None])
def test_nor_is_it_when_something_is_sent_there(role: Role | None, site: Site, login: Any) -> None:
    client = login(somebody(role, site))
    faults = {p: status for p in asked_by(role) if (status := watched(client, p, "post")) not in GRACEFUL}
    assert not faults


class Question(QueryDict):
    """What stands behind the "?", which notes what of it is looked at; EVERYTHING where all of it is."""

    looked_at: ClassVar[set[str]] = set()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # To put it together it had to look itself.
        self.looked_at.clear()

    def __contains__(self, key: object) -> bool:
        self.looked_at.add(str(key))
        return super().__contains__(key)

    def __getitem__(self, key: str) -> Any:
        self.looked_at.add(key)
        return super().__getitem__(key)

    def getlist(self, key: str, default: Any = None) -> Any:
        self.looked_at.add(key)
        return super().getlist(key, default)

    def urlencode(self, safe: str | None = None) -> str:
        """It is passed on as it stands, which the menu of the theme does on every page."""
        before = set(self.looked_at)
        text = super().urlencode(safe)
        self.looked_at.intersection_update(before)
        return text

    def __getattribute__(self, name: str) -> Any:
        if name in WHOLE:
            type(self).looked_at.add(EVERYTHING)
        return super().__getattribute__(name)

    def __iter__(self) -> Any:
        self.looked_at.add(EVERYTHING)
        return super().__iter__()

    def __len__(self) -> int:
        self.looked_at.add(EVERYTHING)
        return super().__len__()


EVERYTHING = "*"
WHOLE = {"keys", "values", "items", "lists", "dict", "copy", "__copy__", "__deepcopy__"}


@pytest.fixture
def noted(monkeypatch: Any) -> set[str]:
    """What the last request looked at in its question."""
    monkeypatch.setattr(WSGIRequest, "GET", cached_property(lambda request: Question(request.META["QUERY_STRING"])))
    WSGIRequest.GET.__set_name__(WSGIRequest, "GET")
    # No word of these questions is read in the bytes of a PDF.
    monkeypatch.setattr(pdf, "render", lambda printed, **more: b"%PDF")
    return Question.looked_at


@pytest.mark.django_db
@pytest.mark.usefixtures("unlogged")
@pytest.mark.parametrize("role", [Role.COORDINATOR, None])
def test_a_bad_question_is_no_fault_of_the_site(
    role: Role | None, site: Site, login: Any, alice: User, noted: set[str]
) -> None:
    """Every page is asked the first of them; the others are asked of those that look at any of their words at all."""
    participant = factories.consented(site=site, by=alice, now=timezone.now() - dt.timedelta(days=1))
    client, words = login(somebody(role, site)), {EVERYTHING, *(key for query in QUERIES for key in QueryDict(query))}
    asked = [at for at in addresses(str(participant.pk)) if not at.endswith(("/delete/", "/history/", "/void/"))]
    first, *others = QUERIES if role is None else QUERIES[:1]
    answers, looking = {}, []
    for at in asked:
        noted.clear()
        answers[f"{at}?{first}"] = watched(client, f"{at}?{first}")
        if noted & words:
            looking.append(at)
    assert len(looking) > 50
    answers |= {f"{at}?{query}": watched(client, f"{at}?{query}") for query in others for at in looking}
    assert {at: status for at, status in answers.items() if status not in GRACEFUL} == {}


def somebody(role: Role | None, site: Site) -> User:
    if role is None:
        return User.objects.create_superuser("root", "root@example.org", "correct horse battery")
    return person("somebody", role, site)


# --- the pages ---------------------------------------------------------------------------------


def shown(response: Any) -> str:
    text: str = response.content.decode()
    assert 'href="/admin/"' in text
    return text


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("language", "words"), [("en", "There is nothing at this address"), ("zh-hans", "这个地址没有内容")]
)
def test_404_is_ours_in_both_languages(language: str, words: str, alice: User, login: Any) -> None:
    alice.language = language
    alice.save()
    response = login(alice).get("/nowhere/")
    assert response.status_code == 404
    assert words in shown(response)


@pytest.mark.django_db
def test_404_leads_back_to_where_one_came_from_but_never_away(alice: User, login: Any) -> None:
    client = login(alice)
    here, away = "http://testserver/admin/participants/visit/", "http://example.org/trap"
    assert here in shown(client.get("/nowhere/", headers={"referer": here}))
    assert away not in shown(client.get("/nowhere/", headers={"referer": away}))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("language", "words", "role"),
    [("en", "This is not open to you", "Monitor"), ("zh-hans", "您不能打开此页", "监查员")],
)
def test_403_names_the_role_and_who_can_give_another(
    language: str, words: str, role: str, mona: User, login: Any
) -> None:
    User.objects.create_superuser("root", "root@example.org", "x", first_name="Rosa")
    mona.language = language
    mona.save()
    response = login(mona).get(reverse("admin:dosing_infusion_add"))
    assert response.status_code == 403
    text = shown(response)
    assert words in text
    assert role in text
    assert "Rosa" in text


@pytest.mark.django_db
@pytest.mark.parametrize(("language", "words"), [("en", "too old to be saved"), ("zh-hans", "表单已过期")])
def test_a_form_without_its_token_says_what_to_do(language: str, words: str, alice: User) -> None:
    alice.language = language
    alice.save()
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    response = client.post(reverse("admin:login"), {})
    assert response.status_code == 403
    assert words in shown(response)


@pytest.mark.django_db
@pytest.mark.urls(__name__)
@pytest.mark.parametrize(("language", "words"), [("en", "Something went wrong here"), ("zh-hans", "系统出错")])
def test_500_gives_a_reference_that_stands_in_the_log_and_no_detail(
    language: str, words: str, alice: User, login: Any, caplog: Any
) -> None:
    alice.language = language
    alice.save()
    client = login(alice)
    client.raise_request_exception = False
    with caplog.at_level(logging.ERROR, "django.request"):
        response = client.get("/fails/")
    assert response.status_code == 500
    text = shown(response)
    reference = response.wsgi_request.error_reference
    assert reference in text
    assert words in text
    assert "RuntimeError" not in text
    assert "王小明" not in text
    (record,) = [one for one in caplog.records if one.name == "django.request"]
    assert json.loads(JsonFormatter().format(record))["reference"] == reference


def test_500_stands_without_database_and_without_a_person(rf: RequestFactory) -> None:
    """Rendered outside of any test with a database: a query would fail."""
    request = rf.get("/admin/", headers={"accept-language": "en"})
    assert "Something went wrong here" in errors.server_error(request).content.decode()
    request = rf.get("/admin/", headers={"accept-language": "zh-CN"})
    assert "系统出错" in errors.server_error(request).content.decode()


@pytest.mark.django_db
def test_500_comes_when_the_database_goes_away_before_the_person_is_known(alice: User, login: Any) -> None:
    client = login(alice)
    client.raise_request_exception = False
    with patch("trialsite.sessions.SessionStore.load", side_effect=OperationalError("gone")):
        response = client.get("/admin/", headers={"accept-language": "en"})
    assert response.status_code == 503
    assert "Its database does not answer" in shown(response)


class Deadlock(Exception):
    sqlstate = "40P01"


class DiskFull(Exception):
    """As the driver's error of this name."""

    sqlstate = databases.DISK_FULL


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        pytest.param(OperationalError("connection refused"), 503, "Its database does not answer", id="no-database"),
        pytest.param(
            caused(OperationalError("could not extend"), DiskFull()), 503, "disk of the server is full", id="its-disk"
        ),
        pytest.param(OSError(28, "No space left on device"), 503, "disk of the server is full", id="our-disk"),
        pytest.param(ImproperlyConfigured("FIELD_KEYS"), 503, "A setting of the server is wrong", id="wrong-key"),
        pytest.param(
            caused(OperationalError("gave up"), Deadlock()), 500, "Something went wrong here", id="a-statement"
        ),
        pytest.param(PermissionDenied(), 403, "This is not open to you", id="refused"),
        pytest.param(Http404(), 404, "There is nothing at this address", id="not-there"),
        pytest.param(RequestDataTooBig(), 413, "Too much was sent at once", id="too-much"),
        pytest.param(SuspiciousOperation(), 400, "cannot be understood", id="suspicious"),
        pytest.param(SessionInterrupted(), 400, "Your login has ended meanwhile", id="login-ended"),
    ],
)
def test_what_was_sent_when_something_went_wrong_is_spoken_of(
    error: Exception, status: int, words: str, rf: RequestFactory
) -> None:
    """Every kind of error, as Django hands it to our pages: no database is at hand here."""

    def view(request: HttpRequest) -> HttpResponse:
        raise error

    for method, language, says_so in (
        ("post", "en", "was not saved"),
        ("post", "zh-CN", "没有保存"),
        ("get", "en", ""),
    ):
        request = getattr(rf, method)("/admin/", headers={"accept-language": language})
        request.user = AnonymousUser()
        response = convert_exception_to_response(view)(request)
        text = response.content.decode()
        assert response.status_code == status
        assert (words in text) == (language == "en")
        assert says_so in text
        assert ("was not saved" in text) == (method == "post" and language == "en")


def test_400_is_ours(client: Client) -> None:
    response = client.get("/admin/", headers={"host": "not a host"})
    assert response.status_code == 400
    assert "无法识别" in shown(response)


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/api", "/api/", "/api/nowhere", "/api/nowhere/", "/api/v1/visits/x/", "/api/%00"])
@pytest.mark.parametrize("method", ["get", "post", "delete", "options"])
def test_a_program_gets_no_page(path: str, method: str) -> None:
    response = getattr(Client(enforce_csrf_checks=True), method)(path)
    assert (response.status_code, response["Content-Type"]) == (404, "application/problem+json")
    assert response.json()["type"] == "/api/problems/not-found/"


@pytest.mark.django_db
@pytest.mark.urls(__name__)
def test_nor_does_it_where_something_went_wrong() -> None:
    client = Client(raise_request_exception=False)
    response = client.get("/api/fails/")
    assert response.status_code == 500
    assert response.json()["type"] == "/api/problems/server-error/"
    assert len(response.json()["reference"]) == 6
    assert "王小明" not in response.content.decode()
    response = client.get("/api/v1/visits/", headers={"host": "not a host"})
    assert (response.status_code, response.json()["type"]) == (400, "/api/problems/bad-request/")


@pytest.mark.django_db
def test_who_is_logged_out_on_the_way_reads_that_nothing_is_lost(client: Client) -> None:
    asked = client.get("/admin/participants/visit/1/change/", follow=True, headers={"accept-language": "en"})
    assert "kept in this browser" in asked.content.decode()
    assert "kept in this browser" not in client.get("/admin/login/", headers={"accept-language": "en"}).content.decode()


@pytest.mark.django_db
def test_a_closed_login_says_for_how_long(alice: User) -> None:
    client = Client()
    for _attempt in range(5):
        response = client.post("/admin/login/", {"username": "alice", "password": "wrong"})
    assert response.status_code == 429
    assert "1 分钟" in shown(response)


@pytest.mark.django_db
def test_a_participant_of_another_site_is_not_there(site: Site, alice: User, charlie: User, login: Any) -> None:
    participant: Participant = factories.consented(site=site, by=alice, now=timezone.now() - dt.timedelta(days=1))
    client = login(charlie)
    client.raise_request_exception = False
    for at in addresses(str(participant.pk)):
        if str(participant.pk) in at.split("/") and "/participant" in at:
            response = client.get(at)
            assert response.status_code in {302, 403, 404, 405}, at
            assert participant.number not in response.content.decode()
