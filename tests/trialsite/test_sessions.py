"""Logins on devices: their keys, their end, and who may end them."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone

from tests.conftest import PASSWORD
from trialsite import errors, tasks
from trialsite.models import SecurityEvent, SecurityKind, Session, Site, User
from trialsite.sessions import device_of, digest_of

LOGIN = "/admin/login/"
MINUTE = dt.timedelta(minutes=1)
SECOND = dt.timedelta(seconds=1)
HOUR = dt.timedelta(hours=1)
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 Version/17.0 Mobile Safari/604.1"


def browser(user: User, agent: str = "", ip: str = "192.0.2.1") -> Client:
    client = Client(REMOTE_ADDR=ip, headers={"user-agent": agent} if agent else None)
    assert client.post(LOGIN, {"username": user.username, "password": PASSWORD}).status_code == 302
    return client


def key_of(client: Client) -> str:
    return client.cookies["sessionid"].value


def is_in(client: Client) -> bool:
    return client.get("/admin/").status_code == 200


# --- at rest ------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_no_row_of_any_table_holds_the_key(alice: User) -> None:
    key = key_of(browser(alice))
    assert Session.objects.get().session_key == digest_of(key)
    with connection.cursor() as cursor:
        found = []
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT count(*) FROM "{table}" t WHERE t::text LIKE %s', [f"%{key}%"])
            found += [table] if cursor.fetchone()[0] else []
    assert found == []


@pytest.mark.django_db(transaction=True)
def test_data_moved_by_sql_into_ones_own_row_is_nobodys(as_app_role: None, alice: User, ivan: User) -> None:
    browser(ivan)
    mine = browser(alice)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE trialsite_session SET (session_data, person_id) = "
            "(SELECT session_data, person_id FROM trialsite_session WHERE person_id = %s) WHERE person_id = %s",
            [ivan.pk, alice.pk],
        )
    assert mine.get("/admin/").status_code == 302


@pytest.mark.django_db
def test_the_digest_in_the_table_is_no_key(alice: User) -> None:
    digest = digest_of(key_of(browser(alice)))
    thief = Client()
    thief.cookies["sessionid"] = digest
    assert not is_in(thief)


@pytest.mark.django_db
def test_a_key_that_somebody_planted_before_the_login_is_not_the_logins(alice: User) -> None:
    client = Client()
    client.cookies["sessionid"] = "planted0planted0planted0planted0"
    client.post(LOGIN, {"username": "alice", "password": PASSWORD})
    assert key_of(client) != "planted0planted0planted0planted0"


# --- how long -----------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(("pause", "goes_on"), [(60 * MINUTE - SECOND, True), (60 * MINUTE, False)])
def test_a_login_ends_when_nobody_clicks_for_an_hour(
    alice: User, time_machine: Any, pause: dt.timedelta, goes_on: bool
) -> None:
    start = timezone.now()
    time_machine.move_to(start, tick=False)
    client = browser(alice)
    time_machine.move_to(start + pause, tick=False)
    assert is_in(client) is goes_on


@pytest.mark.django_db
@pytest.mark.parametrize(("after", "goes_on"), [(12 * HOUR - SECOND, True), (12 * HOUR, False)])
def test_a_login_ends_after_half_a_day_whatever_is_clicked(
    alice: User, time_machine: Any, after: dt.timedelta, goes_on: bool
) -> None:
    start = timezone.now()
    time_machine.move_to(start, tick=False)
    client = browser(alice)
    for half_hours in range(1, 24):
        time_machine.move_to(start + half_hours * 30 * MINUTE, tick=False)
        assert is_in(client)
    time_machine.move_to(start + after, tick=False)
    assert is_in(client) is goes_on


@pytest.mark.django_db
def test_a_shorter_limit_counts_for_the_logins_that_are_there(alice: User, settings: Any, time_machine: Any) -> None:
    start = timezone.now()
    time_machine.move_to(start, tick=False)
    client = browser(alice)
    settings.SESSION_LASTS = 30 * MINUTE
    time_machine.move_to(start + 30 * MINUTE, tick=False)
    assert not is_in(client)


@pytest.mark.django_db
def test_the_limits_are_those_of_the_settings() -> None:
    assert django_settings.SESSION_COOKIE_AGE == 3600
    assert django_settings.SESSION_LASTS == 12 * HOUR


@pytest.mark.django_db
def test_what_has_run_out_is_swept(alice: User, ivan: User, time_machine: Any) -> None:
    start = timezone.now()
    time_machine.move_to(start, tick=False)
    browser(alice)
    time_machine.move_to(start + 30 * MINUTE, tick=False)
    browser(ivan)
    time_machine.move_to(start + 60 * MINUTE, tick=False)
    assert tasks.sweep_doors()["sessions"] == 1
    assert Session.objects.get().person == ivan


# --- the person's own page ----------------------------------------------------------------------


@pytest.fixture
def page(english: None) -> str:
    return reverse("admin:my_logins")


@pytest.mark.django_db
def test_one_sees_where_one_is_logged_in_and_ends_one(alice: User, ivan: User, page: str) -> None:
    here, phone = browser(alice), browser(alice, PHONE, "203.0.113.5")
    browser(ivan, ip="203.0.113.77")
    text = here.get(page).content.decode()
    assert "Safari · iPhone" in text
    assert "203.0.113.5" in text
    assert "203.0.113.77" not in text
    row = Session.objects.get(session_key=digest_of(key_of(phone)))
    here.post(page, {"end": row.pk})
    assert is_in(here)
    answer = phone.get("/admin/participants/visit/?q=D28")
    assert answer.status_code == 302
    assert answer.headers["Location"].endswith("?next=/admin/participants/visit/%3Fq%3DD28")
    line = SecurityEvent.objects.get(kind=SecurityKind.SESSION_ENDED)
    assert (line.person, line.detail["from"]) == (alice, "203.0.113.5")


@pytest.mark.django_db
def test_one_ends_all_others(alice: User, ivan: User, page: str) -> None:
    here, others, colleague = browser(alice), [browser(alice) for _n in range(2)], browser(ivan)
    here.post(page, {"end": "others"})
    assert [is_in(one) for one in (here, *others, colleague)] == [True, False, False, True]


@pytest.mark.django_db
@pytest.mark.parametrize("value", ["abc", "", "9" * 30, "²"])
def test_nobody_ends_the_login_of_another(alice: User, ivan: User, page: str, value: str) -> None:
    client, colleague = browser(alice), browser(ivan)
    client.post(page, {"end": Session.objects.get(person=ivan).pk})
    assert client.post(page, {"end": value}).status_code == 302
    assert is_in(colleague)


@pytest.mark.django_db
def test_ending_while_the_page_is_under_way_lets_nothing_through(alice: User) -> None:
    client = browser(alice)
    Session.objects.all().delete()
    assert client.post("/admin/participants/participant/add/", {"name": "x"}).status_code == 302
    assert not Session.objects.exclude(person=None).exists()


# --- ends that follow ---------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_new_password_ends_the_others_and_keeps_this_one(alice: User) -> None:
    here, other = browser(alice), browser(alice)
    begun = Session.objects.get(session_key=digest_of(key_of(here))).begun_at
    new = "another horse battery"
    data = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    assert here.post(reverse("admin:password_change"), data).status_code == 302
    assert [is_in(here), is_in(other)] == [True, False]
    row = Session.objects.get(person=alice)
    assert row.begun_at == begun, "no new login"
    assert SecurityEvent.objects.filter(kind=SecurityKind.LOGIN, person=alice).count() == 2


@pytest.mark.django_db
def test_who_is_deactivated_is_out_at_once_and_not_back_with_the_old_login(alice: User, ivan: User) -> None:
    client, colleague = browser(alice), browser(ivan)
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert not Session.objects.filter(person=alice).exists()
    assert not is_in(client)
    User.objects.filter(pk=alice.pk).update(is_active=True)
    assert not is_in(client)
    assert is_in(colleague)


@pytest.mark.django_db(transaction=True)
def test_the_applications_own_login_ends_them_too(as_app_role: None, alice: User) -> None:
    client = browser(alice)
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert not Session.objects.filter(person=alice).exists()
    assert not is_in(client)


@pytest.mark.django_db
def test_other_changes_of_a_person_end_nothing(alice: User) -> None:
    client = browser(alice)
    alice.refresh_from_db()
    alice.language = "zh-hans"
    alice.save()
    assert is_in(client)


@pytest.mark.django_db
def test_an_administrator_ends_the_logins_of_a_person(alice: User, ivan: User, login: Any) -> None:
    client, colleague = browser(alice), browser(ivan)
    root = User.objects.create_superuser("root", "root@example.org", PASSWORD)
    page = reverse("admin:trialsite_session_changelist")
    row = Session.objects.get(person=alice)
    login(root).post(page, {"action": "end", "_selected_action": [row.pk]})
    assert [is_in(client), is_in(colleague)] == [False, True]
    assert SecurityEvent.objects.get(kind=SecurityKind.SESSION_ENDED).detail["by"] == "root"


# --- with its line ------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_login_and_a_logout_are_noted_with_where_they_came_from(alice: User) -> None:
    client = browser(alice, PHONE, "203.0.113.5")
    client.post(reverse("admin:logout"))
    assert not Session.objects.exclude(person=None).exists()
    lines = SecurityEvent.objects.filter(person=alice).order_by("id")
    assert [(line.kind, line.ip) for line in lines] == [("login", "203.0.113.5"), ("logout", "203.0.113.5")]
    assert lines[0].detail == {"device": "Safari · iPhone"}


@pytest.fixture
def unwritable(transactional_db: None, site: Site, alice: User) -> Iterator[None]:
    """The owner has taken from the application the right to write into the log."""
    with connection.cursor() as cursor:
        cursor.execute("REVOKE INSERT ON trialsite_securityevent FROM trialsite_app")
    yield
    with connection.cursor() as cursor:
        cursor.execute("GRANT INSERT ON trialsite_securityevent TO trialsite_app")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("password", [PASSWORD, "wrong"])
def test_without_the_log_nobody_gets_in(unwritable: None, as_app_role: None, password: str) -> None:
    client = Client(raise_request_exception=False)
    assert client.post(LOGIN, {"username": "alice", "password": password}).status_code == 500
    assert not is_in(client)
    assert not Session.objects.exclude(person=None).exists()


@pytest.mark.django_db(transaction=True)
def test_a_refusal_stays_a_refusal_without_the_log(unwritable: None, as_app_role: None) -> None:
    request = RequestFactory().get("/admin/")
    request.user = User.objects.get(username="alice")
    assert errors.permission_denied(request).status_code == 403


@pytest.mark.parametrize(
    ("agent", "device"),
    [
        (PHONE, "Safari · iPhone"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/120.0 Safari/537.36", "Chrome · Windows"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/120.0 Safari/537.36 Edg/120.0", "Edge · Windows"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0", "Firefox · Linux"),
        ("Mozilla/5.0 (Linux; Android 14) Chrome/120.0 Mobile Safari/537.36 MicroMessenger/8.0", "WeChat · Android"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 14_0) Version/17.0 Safari/605.1", "Safari · macOS"),
        ("curl/8.0", ""),
        ("", ""),
    ],
)
def test_what_is_kept_of_a_browsers_name(agent: str, device: str) -> None:
    assert device_of(agent) == device
