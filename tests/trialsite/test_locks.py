"""Attacks on the door by somebody who guesses: the guesser waits, and nobody else."""

import contextlib
import datetime as dt
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from participants.models import EligibilityConfirmation
from tests import factories
from tests.conftest import PASSWORD, person
from trialsite import locks, sweeps, tasks
from trialsite.models import Lock, LockKind, Notification, SecurityEvent, SecurityKind, Site, User
from trialsite.roles import Role

LOGIN = "/admin/login/"
WARD, HOME, GUESSER = "192.0.2.10", "192.0.2.99", "198.51.100.7"
MINUTE = dt.timedelta(minutes=1)
ENGLISH = {"accept-language": "en"}


def log_in(name: str, password: str = PASSWORD, *, ip: str = WARD, forwarded: str = "", client: Any = None) -> Any:
    headers = {"x-forwarded-for": forwarded, **ENGLISH} if forwarded else ENGLISH
    data = {"username": name, "password": password}
    return (client or Client()).post(LOGIN, data, REMOTE_ADDR=ip, headers=headers)


def guess(name: str, times: int, *, ip: str = GUESSER, forwarded: str = "") -> list[int]:
    return [log_in(name, f"wrong {n}", ip=ip, forwarded=forwarded).status_code for n in range(times)]


def is_in(response: Any) -> bool:
    return bool(response.status_code == 302 and response.headers["Location"] == "/admin/")


@pytest.fixture
def root(site: Site) -> User:
    """The administrator of the site."""
    return User.objects.create_superuser("root", "root@example.org", PASSWORD, language="en")


# --- whom it stops ------------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_fifth_wrong_password_closes_the_door_to_the_guesser_alone(alice: User, ivan: User) -> None:
    assert guess("alice", 5) == [200, 200, 200, 200, 429]
    assert log_in("alice", ip=GUESSER).status_code == 429
    assert is_in(log_in("alice", ip=WARD)), "the colleague whose name was guessed"
    assert is_in(log_in("ivan", ip=GUESSER)), "somebody else at the guesser's address"


@pytest.mark.django_db
def test_whoever_is_logged_in_works_on(alice: User) -> None:
    client = Client()
    assert is_in(log_in("alice", ip=GUESSER, client=client))
    guess("alice", 5)
    assert client.get("/admin/", REMOTE_ADDR=GUESSER).status_code == 200


@pytest.mark.django_db
def test_a_right_password_forgets_the_wrong_ones_before_it(alice: User) -> None:
    guess("alice", 4)
    assert is_in(log_in("alice", ip=GUESSER))
    assert guess("alice", 4) == [200] * 4


@pytest.mark.django_db
def test_tries_during_the_delay_do_not_prolong_it_and_the_next_delay_is_longer(alice: User, time_machine: Any) -> None:
    start = timezone.now()
    time_machine.move_to(start, tick=False)
    guess("alice", 5)
    time_machine.move_to(start + 59 * MINUTE / 60, tick=False)
    assert guess("alice", 20) == [429] * 20
    time_machine.move_to(start + MINUTE, tick=False)
    assert guess("alice", 1) == [429], "the sixth was looked at, and closes for five minutes"
    time_machine.move_to(start + 6 * MINUTE, tick=False)
    assert is_in(log_in("alice", ip=GUESSER))


@pytest.mark.django_db
def test_many_addresses_against_one_person_wait_and_the_persons_own_does_not(alice: User) -> None:
    assert is_in(log_in("alice", ip=WARD))
    answers = [guess("alice", 1, ip=f"198.51.100.{n}")[0] for n in range(20)]
    assert answers == [200] * 19 + [429]
    assert log_in("alice", ip="198.51.100.200").status_code == 429
    assert is_in(log_in("alice", ip=WARD)), "from where she has logged in before"


@pytest.mark.django_db
def test_one_address_against_many_names_waits(alice: User, ivan: User) -> None:
    assert is_in(log_in("ivan", ip=GUESSER))
    answers = [guess(f"nobody{n}", 1)[0] for n in range(30)]
    assert answers == [200] * 29 + [429]
    assert log_in("alice", ip=GUESSER).status_code == 429
    assert is_in(log_in("alice", ip=WARD))
    assert is_in(log_in("ivan", ip=GUESSER)), "who works at this address"
    assert Lock.objects.get(kind=LockKind.BY_ADDRESS, ip=GUESSER).wrong == 30, "a right password undoes no wrong one"


@pytest.mark.django_db
def test_a_right_password_at_the_limit_closes_nothing(alice: User) -> None:
    for n in range(19):
        guess("alice", 1, ip=f"198.51.100.{n}")
    assert is_in(log_in("alice", ip=HOME))
    lock = Lock.objects.get(kind=LockKind.FROM_ELSEWHERE)
    assert (lock.wrong, lock.closed_until, lock.closed_at) == (19, None, None)


@pytest.mark.django_db
def test_one_ipv6_customer_is_one_address(alice: User) -> None:
    answers = [guess("alice", 1, ip=f"2001:db8:0:1::{n}")[0] for n in range(5)]
    assert answers[-1] == 429
    assert is_in(log_in("alice", ip="2001:db8:0:2::1"))


# --- whose word about the address counts --------------------------------------------------------


@pytest.mark.django_db
def test_without_a_proxy_a_forged_header_is_no_new_address(alice: User) -> None:
    answers = [guess("alice", 1, forwarded=f"203.0.113.{n}")[0] for n in range(5)]
    assert answers[-1] == 429


@pytest.mark.django_db
def test_a_forged_header_closes_nobody_elses_address(alice: User) -> None:
    guess("alice", 5, forwarded=WARD)
    assert is_in(log_in("alice", ip=WARD))


@pytest.mark.django_db
def test_behind_a_proxy_the_address_that_it_saw_counts(alice: User, settings: Any) -> None:
    settings.NUM_PROXIES = 1
    proxy = "10.0.0.1"
    answers = [guess("alice", 1, ip=proxy, forwarded=f"203.0.113.{n}, {GUESSER}")[0] for n in range(5)]
    assert answers[-1] == 429, "what the caller wrote before it is the caller's"
    assert log_in("alice", ip=proxy, forwarded=f"{WARD}, {GUESSER}").status_code == 429
    assert is_in(log_in("alice", ip=proxy, forwarded=WARD)), "another address behind the same proxy"
    assert {event.ip for event in SecurityEvent.objects.filter(kind=SecurityKind.LOGIN)} == {WARD}


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["x" * 500, "203.0.113.7:51234", "[2001:db8::1]:443", "unknown", ", ,"])
def test_an_address_that_is_none_breaks_nothing(alice: User, settings: Any, address: str) -> None:
    settings.NUM_PROXIES = 1
    assert guess("alice", 1, forwarded=address) == [200]
    assert is_in(log_in("alice", forwarded=address))


# --- what a guesser learns ----------------------------------------------------------------------


class CountingHasher(MD5PasswordHasher):
    """Counts how often a password is hashed."""

    algorithm = "counting"
    count = 0

    def encode(self, password: str, salt: str) -> str:
        CountingHasher.count += 1
        return str(super().encode(password, salt))


def said(response: Any, name: str) -> tuple[int, str]:
    text = re.sub(r'csrfmiddlewaretoken" value="\w+"|nonce="[^"]*"|_once" value="[^"]*"', "", response.content.decode())
    return response.status_code, text.replace(name, "NAME")


@pytest.mark.django_db
def test_a_name_that_nobody_has_gets_the_same_answers_after_the_same_work(
    site: Site, settings: Any, time_machine: Any
) -> None:
    settings.PASSWORD_HASHERS = [f"{CountingHasher.__module__}.CountingHasher"]
    person("alice", Role.COORDINATOR, site)
    time_machine.move_to(timezone.now(), tick=False)
    answers, hashed, asked = {}, {}, {}
    for name, ip in (("alice", GUESSER), ("bobby", HOME)):
        before = CountingHasher.count
        with CaptureQueriesContext(connection) as queries:
            answers[name] = [said(log_in(name, "wrong", ip=ip), name) for _n in range(7)]
        hashed[name], asked[name] = CountingHasher.count - before, len(queries)
    assert answers["alice"] == answers["bobby"]
    assert asked["alice"] == asked["bobby"]
    assert [status for status, _text in answers["bobby"]] == [200] * 4 + [429] * 3
    assert hashed["alice"] == hashed["bobby"] == 5


@pytest.mark.django_db
def test_what_was_typed_in_place_of_a_name_is_kept_nowhere(site: Site, root: User) -> None:
    secret = "my-real-password-2026"
    guess(secret, 6)
    tasks.sweep_doors()
    rows = [*Lock.objects.values(), *SecurityEvent.objects.values(), *Notification.objects.values()]
    assert SecurityEvent.objects.filter(kind=SecurityKind.LOCKED).exists()
    assert secret not in str(rows)
    assert not Notification.objects.exists(), "a name that nobody has is told to nobody"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("language", "words"),
    [("en", "You cannot log in from here for 1 minute; try again at"), ("zh-CN", "1 分钟内您不能从此处登录")],
)
def test_the_page_says_how_long_and_how_to_go_on(alice: User, language: str, words: str) -> None:
    guess("alice", 5)
    response = Client().post(
        LOGIN, {"username": "alice", "password": "x"}, REMOTE_ADDR=GUESSER, headers={"accept-language": language}
    )
    assert words in response.content.decode()
    assert 0 < int(response.headers["Retry-After"]) <= 60


# --- at once ------------------------------------------------------------------------------------


def at_once(count: int) -> list[int]:
    def one(number: int) -> int:
        try:
            return log_in("alice", f"wrong {number}", ip=GUESSER).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


@pytest.mark.django_db(transaction=True)
def test_two_guesses_at_once_count_twice(alice: User) -> None:
    at_once(2)
    assert Lock.objects.get(kind=LockKind.AT_ADDRESS).wrong == 2


@pytest.mark.django_db(transaction=True)
def test_of_many_guesses_at_once_five_are_looked_at(alice: User) -> None:
    assert 429 in at_once(12)
    assert Lock.objects.get(kind=LockKind.AT_ADDRESS).wrong == 5
    assert SecurityEvent.objects.filter(kind=SecurityKind.LOGIN_FAILED).count() == 5


# --- signatures ---------------------------------------------------------------------------------


@pytest.mark.django_db
def test_wrong_passwords_under_a_signature_slow_it_down_and_leave_the_login_alone(
    site: Site, alice: User, ivan: User, login: Any
) -> None:
    participant = factories.eligible(site=site, by=alice, now=timezone.now() - dt.timedelta(hours=1))
    page = reverse("admin:participants_participant_confirm", args=[participant.pk])
    client = login(ivan)
    texts = [client.post(page, {"password": f"wrong {n}"}).content.decode() for n in range(5)]
    assert "This is not your password" in texts[3]
    assert "Try again in 1 minute; your login goes on" in texts[4]
    assert "Try again in" in client.post(page, {"password": PASSWORD}).content.decode()
    assert not EligibilityConfirmation.objects.exists()
    assert client.get("/admin/").status_code == 200
    assert is_in(log_in("ivan", ip=GUESSER))
    lines = SecurityEvent.objects.filter(kind=SecurityKind.SIGNATURE_FAILED)
    assert [(line.person, line.detail["signer"]) for line in lines] == [(ivan, "ivan")] * 5


@pytest.mark.django_db
def test_whoever_guesses_anothers_signature_does_not_stop_that_person(alice: User, ivan: User, rf: Any) -> None:
    request = rf.post("/")
    request.user = ivan
    for n in range(4):
        assert locks.signer(request, username="alice", password=f"wrong {n}") is None
    with pytest.raises(locks.Closed):
        locks.signer(request, username="alice", password="wrong")
    with pytest.raises(locks.Closed):
        locks.signer(request, username="alice", password=PASSWORD)
    assert locks.signer(request, username="ivan", password=PASSWORD) == ivan
    request.user = alice
    assert locks.signer(request, username="alice", password=PASSWORD) == alice


# --- told, seen and opened ----------------------------------------------------------------------


@pytest.mark.django_db
def test_the_person_and_the_administrator_are_told_once(alice: User, root: User, time_machine: Any) -> None:
    start = timezone.now()
    time_machine.move_to(start, tick=False)
    guess("alice", 5)
    assert [tasks.sweep_doors()["told"], tasks.sweep_doors()["told"]] == [1, 0]
    time_machine.move_to(start + MINUTE, tick=False)
    guess("alice", 1)
    tasks.sweep_doors()
    to = {message.recipient: message for message in Notification.objects.all()}
    assert set(to) == {alice, root}
    assert GUESSER in to[alice].body_text
    assert "/admin/my-logins/" in to[alice].body_text
    assert "/admin/trialsite/lock/" in to[root].body_text
    assert "doors" in {run.name for run in sweeps.health(now=timezone.now()) if not run.is_silent}


@pytest.mark.django_db
def test_the_next_attack_is_told_anew(alice: User, root: User, time_machine: Any) -> None:
    start = timezone.now()
    time_machine.move_to(start, tick=False)
    guess("alice", 5)
    tasks.sweep_doors()
    time_machine.move_to(start + dt.timedelta(days=2), tick=False)
    tasks.sweep_doors()
    assert not Lock.objects.exists(), "what is forgotten is no row any more"
    guess("alice", 5)
    tasks.sweep_doors()
    assert Notification.objects.filter(recipient=alice).count() == 2


@pytest.mark.django_db
def test_who_guesses_a_signature_is_told_to_its_owner(alice: User, ivan: User, root: User, rf: Any) -> None:
    request = rf.post("/")
    request.user = ivan
    for n in range(5):
        with contextlib.suppress(locks.Closed):
            locks.signer(request, username="alice", password=f"wrong {n}")
    tasks.sweep_doors()
    assert "within the login of Ivan" in Notification.objects.get(recipient=alice).body_text


@pytest.mark.django_db
def test_the_administrator_sees_and_unlocks(alice: User, root: User, login: Any) -> None:
    guess("alice", 5)
    page = reverse("admin:trialsite_lock_changelist")
    client = login(root)
    text = client.get(page).content.decode()
    assert GUESSER in text
    assert "Alice" in text
    chosen = Lock.objects.filter(kind=LockKind.AT_ADDRESS).values_list("pk", flat=True)
    client.post(page, {"action": "unlock", "_selected_action": list(chosen)})
    assert is_in(log_in("alice", ip=GUESSER))
    line = SecurityEvent.objects.get(kind=SecurityKind.UNLOCKED)
    assert (line.person, line.detail["by"], line.detail["from"]) == (alice, "root", GUESSER)


@pytest.mark.django_db
@pytest.mark.parametrize("role", [role for role in Role if role is not Role.SPONSOR_PROGRAM])
def test_no_role_opens_the_locks_of_others(role: Role, alice: User, site: Site, login: Any) -> None:
    guess("alice", 5)
    page = reverse("admin:trialsite_lock_changelist")
    lock = Lock.objects.get(kind=LockKind.AT_ADDRESS)
    answer = login(person("somebody", role, site)).post(page, {"action": "unlock", "_selected_action": [lock.pk]})
    assert answer.status_code == 403
    assert log_in("alice", ip=GUESSER).status_code == 429


@pytest.mark.django_db
def test_the_person_unlocks_where_they_are_logged_in_with_their_password(alice: User) -> None:
    client = Client()
    assert is_in(log_in("alice", ip=WARD, client=client))
    guess("alice", 5)
    page = reverse("admin:my_logins")
    assert GUESSER in client.get(page).content.decode()
    refused = client.post(page, {"unlock": "1", "password": "wrong"})
    assert "nothing was unlocked" in refused.content.decode()
    assert log_in("alice", ip=GUESSER).status_code == 429
    client.post(page, {"unlock": "1", "password": PASSWORD})
    assert is_in(log_in("alice", ip=GUESSER))
    assert SecurityEvent.objects.get(kind=SecurityKind.UNLOCKED).detail["by"] == "alice"


@pytest.mark.django_db
def test_a_stolen_login_guesses_a_password_five_times_and_waits(alice: User, login: Any) -> None:
    client = login(alice)
    page = reverse("admin:my_logins")
    for n in range(5):
        client.post(page, {"unlock": "1", "password": f"wrong {n}"})
    answer = client.post(page, {"unlock": "1", "password": PASSWORD})
    assert "Try again in 1 minute" in answer.content.decode()
    assert Lock.objects.get(kind=LockKind.SIGNATURE).closed_until is not None


# --- the application's own login ----------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_the_application_logs_people_in_and_counts_with_its_own_rights(as_app_role: None, alice: User) -> None:
    assert is_in(log_in("alice"))
    assert guess("alice", 5)[-1] == 429
    tasks.sweep_doors()
    assert Notification.objects.filter(recipient=alice).exists()
