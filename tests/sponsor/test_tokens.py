"""Tokens: issued, changed and revoked by an administrator, good for what they were issued for, and no longer."""

import datetime as dt
import re
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import DatabaseError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from knox.models import AuthToken
from rest_framework.test import APIRequestFactory

from sponsor.auth import GRACE, has_scope, issue_token, program_named, revoke_token, rotate_token
from sponsor.models import ApiRead, ApiToken, Scope
from sponsor.readadmin import totals
from tests.conftest import PASSWORD, person
from trialsite.models import SecurityEvent, SecurityKind, Site, User
from trialsite.refusal import Refused
from trialsite.roles import Role

DAY, MINUTE = dt.timedelta(days=1), dt.timedelta(minutes=1)
VISITS = "/api/v1/visits/"

pytestmark = pytest.mark.django_db


@pytest.fixture
def program(site: Site) -> User:
    return person("sponsor-edc", Role.SPONSOR_PROGRAM)


@pytest.fixture
def root(site: Site, login: Any) -> Client:
    user = User.objects.create(username="root", is_staff=True, is_superuser=True, language="en")
    user.set_password(PASSWORD)
    user.password_chosen_at = timezone.now()
    user.save()
    client: Client = login(user)
    return client


def kind_of(response: Any) -> str:
    return str(response.json()["type"]).removeprefix("/api/problems/").strip("/")


def ask(token: str, path: str = VISITS) -> Any:
    return Client().get(path, headers={"authorization": f"Token {token}"})


# --- what each token is told ---------------------------------------------------------------------------


def test_each_token_is_told_what_is_wrong_with_it(program: User, time_machine: Any) -> None:
    good, _end = issue_token(program, days=1)
    export, _end = issue_token(program, days=1, scopes=(Scope.EXPORT,))
    revoked, _end = issue_token(program, days=1)
    revoke_token(ApiToken.objects.get(token_key=revoked[:15]), by=None, now=timezone.now())
    assert ask(good).status_code == 200
    assert kind_of(ask(export)) == "scope-missing"
    assert "read" in ask(export).json()["detail"]
    assert kind_of(ask(revoked)) == "token-revoked"
    time_machine.move_to(dt.datetime.now(dt.UTC) + 2 * DAY)
    assert kind_of(ask(good)) == "token-expired"
    assert kind_of(ask(revoked)) == "token-revoked"
    assert AuthToken.objects.count() == 3, "a token that has ended stays, so that it can be told"


def test_a_guesser_is_told_nothing(program: User) -> None:
    """Whoever knows how a token begins learns from the answer neither that it is one, nor that it has ended."""
    good, _end = issue_token(program, days=1)
    old, _end = issue_token(program, days=1)
    revoke_token(ApiToken.objects.get(token_key=old[:15]), by=None, now=timezone.now())
    guesses = [good[:-1] + "x", old[:-1] + "x", old[:15], "0" * 64, good + "0", "ａ" * 64]
    said = {str(ask(guess).json()) for guess in guesses}
    assert len(said) == 1
    assert "token-invalid" in said.pop()


def test_a_token_without_its_row_and_one_of_a_closed_program_are_refused(program: User) -> None:
    _row, strange = AuthToken.objects.create(user=program)
    assert kind_of(ask(strange)) == "token-invalid"
    token, _end = issue_token(program, days=1)
    User.objects.filter(pk=program.pk).update(is_active=False)
    assert kind_of(ask(token)) == "token-revoked"


def test_scopes(program: User) -> None:
    request: Any = APIRequestFactory().get("/")
    for scopes in ((Scope.READ,), (Scope.EXPORT,), (Scope.READ, Scope.EXPORT)):
        token, _end = issue_token(program, days=1, scopes=scopes)
        request.auth = ApiToken.objects.get(token_key=token[:15])
        assert tuple(one for one in Scope if has_scope(request, one)) == scopes
    request.auth = None
    assert not has_scope(request, "read")
    assert not has_scope(request, "nonsense")


def test_its_use_is_written_down_at_most_once_a_minute(program: User, time_machine: Any) -> None:
    start = dt.datetime(2027, 3, 5, 1, 30, tzinfo=dt.UTC)
    time_machine.move_to(start, tick=False)
    token, _end = issue_token(program, days=1)
    seen = []
    for seconds in (0, 59, 60, 61):
        time_machine.move_to(start + dt.timedelta(seconds=seconds), tick=False)
        ask(token)
        seen.append((ApiToken.objects.get().last_used_at - start).seconds)  # type: ignore[operator]
    assert seen == [0, 0, 60, 60]


# --- what is done with it ------------------------------------------------------------------------------


def test_a_token_is_changed_without_a_gap(program: User) -> None:
    now = timezone.now()
    old, end = issue_token(program, days=90, scopes=(Scope.READ, Scope.EXPORT))
    row = ApiToken.objects.get()
    new, _end = rotate_token(row, days=30, by=None, now=now)
    assert ask(old).status_code == ask(new).status_code == 200
    row.refresh_from_db()
    assert row.expires_at == AuthToken.objects.get(token_key=row.token_key).expiry == now + GRACE < end
    assert ApiToken.objects.get(token_key=new[:15]).scopes == (Scope.READ, Scope.EXPORT)
    with pytest.raises(Refused):
        rotate_token(row, days=30, by=None, now=now + 2 * GRACE)


def test_a_person_of_the_site_is_no_program(alice: User) -> None:
    with pytest.raises(Refused):
        program_named(alice.username)


@pytest.mark.parametrize("field", ["can_export", "program", "token_key"])
def test_what_a_token_is_good_for_cannot_be_changed(field: str, program: User, alice: User) -> None:
    issue_token(program, days=1)
    value = {"can_export": True, "program": alice, "token_key": "other"}[field]
    with pytest.raises(DatabaseError), transaction.atomic():
        ApiToken.objects.update(**{field: value})


def test_a_token_is_good_for_something(program: User) -> None:
    row = ApiToken(program=program, token_key="x", can_read=False, can_export=False, expires_at=timezone.now())
    with pytest.raises(ValidationError):
        row.full_clean()


# --- the pages -----------------------------------------------------------------------------------------

ISSUE = {"program": "sponsor-new", "scopes": ["read", "export"], "days": "30"}


def test_an_administrator_issues_changes_and_revokes(root: Client, caplog: Any) -> None:
    """Each token is shown once, and stands neither in the database, nor in a cookie, nor in the log."""
    issue, tokens = reverse("admin:sponsor_apitoken_issue"), []
    tokens.append(_shown(root.post(issue, ISSUE)))
    row = ApiToken.objects.select_related("program", "issued_by").get()
    assert (row.program.username, row.scopes) == ("sponsor-new", (Scope.READ, Scope.EXPORT))
    assert row.issued_by is not None
    assert ask(tokens[0]).status_code == 200
    page = reverse("admin:sponsor_apitoken_change", args=[row.pk])
    rotate = reverse("admin:sponsor_apitoken_rotate", args=[row.pk])
    tokens.append(_shown(root.post(rotate, {"days": "10"})))
    assert ask(tokens[1]).status_code == 200
    revoke = reverse("admin:sponsor_apitoken_revoke", args=[row.pk])
    assert root.post(revoke, {}).headers["Location"] == page
    assert kind_of(ask(tokens[0])) == "token-revoked"
    assert "ended already" in root.post(revoke, {}).content.decode()
    assert "ended already" in root.post(rotate, {"days": "10"}).content.decode()
    everywhere = [root.get(reverse("admin:sponsor_apitoken_changelist")), root.get(page)]
    kept = [*SecurityEvent.objects.values(), *ApiToken.objects.values(), *AuthToken.objects.values(), caplog.text]
    for token in tokens:
        assert token not in str(kept) + "".join(one.content.decode() for one in everywhere) + str(root.cookies)
    kinds = [one.kind for one in SecurityEvent.objects.filter(detail__by="root").order_by("pk")]
    assert kinds == [SecurityKind.TOKEN_ISSUED, SecurityKind.TOKEN_ISSUED, SecurityKind.TOKEN_REVOKED]


def _shown(response: Any) -> str:
    assert response.status_code == 200
    assert "no-store" in response["Cache-Control"]
    found = re.findall(r'id="token">([0-9a-f]{64})<', response.content.decode())
    assert len(found) == 1, response.content.decode()
    return str(found[0])


def test_the_form_that_is_sent_again_issues_no_second_token(root: Client) -> None:
    page = root.get(reverse("admin:sponsor_apitoken_issue")).content.decode()
    (guard,) = re.findall(r'name="_once" value="([^"]+)"', page)
    sent = {**ISSUE, "_once": guard}
    token = _shown(root.post(reverse("admin:sponsor_apitoken_issue"), sent))
    again = root.post(reverse("admin:sponsor_apitoken_issue"), sent)
    assert token not in again.content.decode()
    assert ApiToken.objects.count() == 1


@pytest.mark.parametrize(
    ("but", "words"),
    [
        ({"password": "wrong"}, "not your password"),
        ({"program": "alice"}, "person of the site"),
        ({"program": "a b"}, "letters, digits"),
        ({"scopes": []}, "required"),
        ({"days": "0"}, "0"),
        ({"days": "367"}, "366"),
    ],
    ids=str,
)
def test_a_form_that_is_not_right_issues_nothing(but: dict[str, Any], words: str, root: Client, alice: User) -> None:
    text = root.post(reverse("admin:sponsor_apitoken_issue"), {**ISSUE, **but}).content.decode()
    assert words in text
    assert not ApiToken.objects.exists()


@pytest.mark.parametrize("role", [Role.DATA_MANAGER, Role.AUDITOR, Role.COORDINATOR])
def test_nobody_else_gives_a_key(role: Role, program: User, site: Site, login: Any) -> None:
    """Who answers for what left sees the tokens; others see none of it."""
    issue_token(program, days=1)
    row, client = ApiToken.objects.get(), login(person("somebody", role, site))
    reads = role is not Role.COORDINATOR
    listed = client.get(reverse("admin:sponsor_apitoken_changelist"))
    assert listed.status_code == (200 if reads else 403)
    assert "Issue a token" not in listed.content.decode()
    for address in (
        reverse("admin:sponsor_apitoken_issue"),
        reverse("admin:sponsor_apitoken_rotate", args=[row.pk]),
        reverse("admin:sponsor_apitoken_revoke", args=[row.pk]),
    ):
        assert client.get(address).status_code in {403, 404}
        assert client.post(address, ISSUE).status_code in {403, 404}
    assert ApiToken.objects.get().is_good(timezone.now())


# --- who read what -------------------------------------------------------------------------------------


def test_the_sums_of_each_program(program: User, root: Client) -> None:
    token, _end = issue_token(program, days=1)
    tag = ask(token)["ETag"]
    Client().get(VISITS, headers={"authorization": f"Token {token}", "if-none-match": tag})
    ask(token, f"{VISITS}?x=1")
    ask("0" * 64)
    today = timezone.localdate()
    found = {one["user__username"]: one for one in totals(today, today)}
    names = ("asked", "given", "unchanged", "refused")
    assert {name: tuple(one[key] for key in names) for name, one in found.items()} == {
        "sponsor-edc": (3, 1, 1, 1),
        None: (1, 0, 0, 1),
    }
    assert not totals(today - DAY, today - DAY)
    text = root.get(reverse("admin:sponsor_apiread_totals")).content.decode()
    assert "sponsor-edc" in text
    for query in ("from=x", f"from={today}&to={today - DAY}", "from=1900-01-01"):
        assert 'role="alert"' in root.get(reverse("admin:sponsor_apiread_totals") + f"?{query}").content.decode()


def test_the_list_of_reads_shows_cut_off_and_checksum(program: User, root: Client) -> None:
    token, _end = issue_token(program, days=1)
    ask(token)
    row = ApiRead.objects.get()
    assert row.complete_until is not None
    query = f"?user__id__exact={program.pk}&status=200&at_from_0={timezone.localdate()}"
    text = root.get(reverse("admin:sponsor_apiread_changelist") + query).content.decode()
    for words in (row.sha256[:12], f"{timezone.localtime(row.complete_until):%Y-%m-%d %H:%M:%S}", VISITS):
        assert words in text
