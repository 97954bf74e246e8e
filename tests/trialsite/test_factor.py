"""The second factor: nobody is inside with a password alone, and a code or a link is good once."""

import datetime as dt
import os
import re
import subprocess
import sys
import time
from binascii import unhexlify
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import django_otp
import pytest
import time_machine
from django.core import mail
from django.db import connection, connections
from django.test import Client
from django.urls import reverse, reverse_lazy
from django.utils import timezone
from django_otp.oath import TOTP

from tests.conftest import PASSWORD
from tests.test_error_pages import addresses
from trialsite import links, login, notifications, people, totp
from trialsite.links import Kind
from trialsite.models import RecoveryCode, SecondFactor, SecurityEvent, SecurityKind, Site, User

LOGIN = "/admin/login/"
NEW = "four words on paper"


@pytest.fixture(autouse=True)
def _asked_for(settings: Any) -> None:
    settings.SECOND_FACTOR = True


@pytest.fixture
def root(site: Site) -> User:
    return User.objects.create_superuser(
        "root", "root@example.org", PASSWORD, language="en", password_chosen_at=timezone.now()
    )


def code_of(person: User, steps: int = 0) -> str:
    clock = TOTP(unhexlify(SecondFactor.objects.get(user=person).key))
    clock.time = time.time() + 30 * steps
    return f"{clock.token():06}"


def connected(person: User) -> list[str]:
    """With a confirmed factor, of which no code was used yet; the recovery codes."""
    return people.confirm_factor(factor=people.begun_factor(person), now=timezone.now())


def with_password(person: User) -> Client:
    """As far as the password leads."""
    client = Client(headers={"accept-language": "en"})
    client.post(LOGIN, {"username": person.username, "password": PASSWORD})
    return client


def typed(client: Client, code: str) -> Any:
    return client.post(reverse("admin:factor"), {"code": code})


def is_in(client: Client) -> bool:
    return client.get("/admin/").status_code == 200


def link(person: User, kind: Kind, settings: Any) -> str:
    return links.address(person, kind).removeprefix(settings.SITE_URL)


# --- no page without it --------------------------------------------------------------------------

DOOR = {
    reverse_lazy(f"admin:{name}")
    for name in ("login", "link", "admin_password_reset", "first_password", "factor", "factor_setup", "factor_missing")
}


@pytest.mark.django_db
def test_no_page_is_reached_without_the_factor(root: User) -> None:
    """Neither after the password, nor with a session from before factors were asked for."""
    connected(root)
    old = Client()
    old.force_login(root, backend="trialsite.locks.PasswordBackend")
    walked = [at for at in addresses("1") if at not in DOOR]
    assert len(walked) > 150
    for client in (with_password(root), old):
        answers = {at: client.get(at) for at in walked}
        assert not {at: one.status_code for at, one in answers.items() if not is_sent_away(one)}
        assert client.get("/admin/").status_code == 302


def is_sent_away(answer: Any) -> bool:
    return answer.status_code == 302 and answer.headers["Location"].startswith(LOGIN)


@pytest.mark.django_db
def test_a_session_from_before_ends(alice: User, settings: Any) -> None:
    settings.SECOND_FACTOR = False
    client = with_password(alice)
    assert is_in(client)
    settings.SECOND_FACTOR = True
    assert not is_in(client)
    settings.SECOND_FACTOR = False
    assert not is_in(client), "it is ended, not hidden"


# --- the code ------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_password_and_code_let_in(alice: User) -> None:
    connected(alice)
    client = with_password(alice)
    assert not is_in(client)
    assert "six digits" in client.get(reverse("admin:factor")).content.decode()
    assert typed(client, code_of(alice)).headers["Location"] == "/admin/"
    assert is_in(client)


@pytest.mark.django_db
def test_the_way_leads_on_to_the_page_that_was_asked_for(alice: User) -> None:
    connected(alice)
    client, asked = Client(), "/admin/participants/visit/"
    client.post(f"{LOGIN}?next={asked}", {"username": "alice", "password": PASSWORD, "next": asked})
    assert typed(client, code_of(alice)).headers["Location"] == asked
    away = Client()
    away.post(LOGIN, {"username": "alice", "password": PASSWORD, "next": "https://example.org/"})
    assert typed(away, code_of(alice, 1)).headers["Location"] == "/admin/"


@pytest.mark.django_db
@pytest.mark.parametrize("steps", [-2, 2])
def test_a_code_of_another_time_is_refused(alice: User, steps: int) -> None:
    connected(alice)
    client = with_password(alice)
    with time_machine.travel(timezone.now(), tick=False):
        answer = typed(client, code_of(alice, steps))
    assert "wrong, or was used already" in answer.content.decode()
    assert not is_in(client)
    assert SecurityEvent.objects.get(kind=SecurityKind.FACTOR_FAILED).person == alice


@pytest.mark.django_db
@pytest.mark.parametrize("steps", [-1, 0, 1])
def test_clocks_of_phones_may_differ_by_half_a_minute(alice: User, steps: int) -> None:
    connected(alice)
    client = with_password(alice)
    with time_machine.travel(timezone.now(), tick=False):
        assert typed(client, code_of(alice, steps)).status_code == 302


@pytest.mark.django_db
def test_a_code_is_good_once_and_none_before_it_either(alice: User) -> None:
    connected(alice)
    with time_machine.travel(timezone.now(), tick=False):
        code, before = code_of(alice), code_of(alice, -1)
        assert typed(with_password(alice), code).status_code == 302
        assert typed(with_password(alice), code).status_code == 200
    with time_machine.travel(timezone.now(), tick=False):
        SecondFactor.objects.update(throttling_failure_count=0, throttling_failure_timestamp=None)
        assert typed(with_password(alice), before).status_code == 200


@pytest.mark.django_db
@pytest.mark.parametrize("code", ["", "12345", "1234567", "１２３４５６", "²²²²²²", "abcdef", "A" * 39, "\x00"])
def test_what_is_no_code_is_refused(alice: User, code: str) -> None:
    connected(alice)
    client = with_password(alice)
    assert typed(client, code).status_code == 200
    assert not is_in(client)


@pytest.mark.django_db
def test_wrong_codes_make_one_wait_longer_each_time_but_never_for_days(alice: User) -> None:
    connected(alice)
    client = with_password(alice)
    now = timezone.now()
    with time_machine.travel(now, tick=False) as clock:
        for wait in (1, 2, 4, 8):
            typed(client, "000000")
            clock.shift(wait - 0.5)
            early = typed(client, code_of(alice)).content.decode()
            assert "After wrong codes" in early
            clock.shift(1)
        assert typed(client, code_of(alice)).status_code == 302
        SecondFactor.objects.update(throttling_failure_count=5000)
        found = SecondFactor.objects.get(user=alice)
        found.throttle_increment()
        assert 900 < people.wait_of(found) < 1100


def test_two_at_once_with_one_code_let_one_in(transactional_db: None, site: Site, alice: User) -> None:
    connected(alice)
    factor, code = SecondFactor.objects.get(user=alice), code_of(alice)

    def try_it(_n: int) -> bool:
        try:
            return django_otp.verify_token(alice, factor.persistent_id, code) is not None
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(try_it, range(4))) == 1


@pytest.mark.django_db
def test_steps_that_took_too_long_begin_anew(alice: User) -> None:
    connected(alice)
    client = with_password(alice)
    with time_machine.travel(timezone.now() + login.PATIENCE + dt.timedelta(seconds=1), tick=False):
        answer = typed(client, code_of(alice))
        assert answer.headers["Location"] == LOGIN
        assert not is_in(client)


@pytest.mark.django_db
def test_a_password_that_was_changed_meanwhile_ends_the_steps(alice: User) -> None:
    connected(alice)
    client = with_password(alice)
    people.choose_password(person=alice, password=NEW, now=timezone.now(), how="link")
    assert typed(client, code_of(alice)).headers["Location"] == LOGIN
    assert not is_in(client)


@pytest.mark.django_db
def test_nobody_uses_the_factor_of_another(alice: User, ivan: User) -> None:
    connected(alice)
    connected(ivan)
    client = with_password(alice)
    assert typed(client, code_of(ivan)).status_code == 200
    assert not is_in(client)


# --- setting it up -------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_password_alone_connects_no_phone(alice: User) -> None:
    client = with_password(alice)
    for at in ("factor_setup", "factor"):
        assert client.get(reverse(f"admin:{at}")).headers["Location"] == reverse("admin:factor_missing")
        client.post(reverse(f"admin:{at}"), {"code": "000000"})
    assert not SecondFactor.objects.exists()
    assert not is_in(client)


@pytest.mark.django_db
def test_the_first_link_leads_from_the_password_to_the_phone_and_in(site: Site, root: User, settings: Any) -> None:
    nina = User(username="nina", email="nina@example.org", is_staff=True, language="en")
    nina.set_unusable_password()
    nina.save()
    client = Client(headers={"accept-language": "en"})
    client.get(link(nina, Kind.PASSWORD, settings), follow=True)
    answer = client.post(reverse("admin:link"), {"new_password1": NEW, "new_password2": NEW})
    assert answer.headers["Location"] == reverse("admin:factor_setup")
    assert not is_in(client)
    page = client.get(answer.headers["Location"])
    text = page.content.decode()
    secret = SecondFactor.objects.get(user=nina).key
    assert totp.spelled(secret) in text
    assert "<svg" in text
    assert "no-store" in page.headers["Cache-Control"]
    assert client.post(reverse("admin:factor_setup"), {"code": "000000"}).status_code == 200
    assert not people.has_factor(nina)
    SecondFactor.objects.update(throttling_failure_count=0, throttling_failure_timestamp=None)
    shown = client.post(reverse("admin:factor_setup"), {"code": code_of(nina)}).content.decode()
    codes = re.findall(r"<li>(\w{4}-\w{4}-\w{4})</li>", shown)
    assert len(set(codes)) == 10
    assert is_in(client)
    assert client.get(reverse("admin:factor_setup")).status_code == 302, "they are shown once"
    assert {one.kind for one in SecurityEvent.objects.filter(person=nina)} >= {
        SecurityKind.PASSWORD_SET,
        SecurityKind.FACTOR_SET,
    }


@pytest.mark.django_db
def test_a_link_for_the_phone_asks_for_the_password_and_is_mailed_on_demand(alice: User, settings: Any) -> None:
    client = with_password(alice)
    assert "mailed to you" in client.get(reverse("admin:factor_missing")).content.decode()
    for _time in range(people.LINKS_AN_HOUR + 1):
        client.post(reverse("admin:factor_missing"))
    notifications.deliver_due()
    assert len(mail.outbox) == 1, "of several that wait, the newest is sent"
    address = re.search(r"/admin/link/\S+", str(mail.outbox[0].body))
    assert address
    own = Client()
    own.get(address.group(), follow=True)
    assert own.post(reverse("admin:link"), {"password": "wrong"}).status_code == 200
    answer = own.post(reverse("admin:link"), {"password": PASSWORD})
    assert answer.headers["Location"] == reverse("admin:factor_setup")
    own.get(answer.headers["Location"])
    assert own.post(reverse("admin:factor_setup"), {"code": code_of(alice)}).status_code == 200
    assert is_in(own)
    assert Client().get(address.group(), follow=True).status_code == 404, "used"


@pytest.mark.django_db
def test_a_link_does_not_replace_a_phone_that_is_there(alice: User, settings: Any) -> None:
    """Whoever reads somebody's mail sets a password, and is asked for the code all the same."""
    connected(alice)
    client = Client()
    client.get(link(alice, Kind.PASSWORD, settings), follow=True)
    answer = client.post(reverse("admin:link"), {"new_password1": NEW, "new_password2": NEW})
    assert answer.headers["Location"] == reverse("admin:factor")
    assert client.get(reverse("admin:factor_setup")).headers["Location"] == reverse("admin:factor")
    assert not is_in(client)
    alice.refresh_from_db()
    other = Client()
    other.get(link(alice, Kind.FACTOR, settings), follow=True)
    answer = other.post(reverse("admin:link"), {"password": NEW})
    assert answer.headers["Location"] == reverse("admin:factor")


# --- recovery codes, and a phone that is lost ----------------------------------------------------


@pytest.mark.django_db
def test_a_recovery_code_opens_once_however_it_is_typed(alice: User) -> None:
    first, second, *_others = connected(alice)
    client = with_password(alice)
    assert typed(client, f" {first.lower().replace('-', ' ')} ").status_code == 302
    assert "9 are left" in client.get("/admin/").content.decode()
    again = with_password(alice)
    assert typed(again, first).status_code == 200
    SecondFactor.objects.update(throttling_failure_count=0, throttling_failure_timestamp=None)
    assert typed(again, second).status_code == 302
    assert SecurityEvent.objects.filter(kind=SecurityKind.RECOVERY_USED, person=alice).count() == 2


@pytest.mark.django_db
def test_new_recovery_codes_need_password_and_code_and_end_the_old_ones(alice: User) -> None:
    old = connected(alice)
    client = with_password(alice)
    typed(client, code_of(alice))
    at = reverse("admin:recovery_codes")
    assert "10 codes are left" in client.get(at).content.decode()
    assert client.post(at, {"password": "wrong", "code": code_of(alice, 1)}).status_code == 200
    assert RecoveryCode.objects.filter(digest=totp.digest_of(old[0])).exists()
    shown = client.post(at, {"password": PASSWORD, "code": code_of(alice, 1)}).content.decode()
    assert len(re.findall(r"<li>\w{4}-\w{4}-\w{4}</li>", shown)) == 10
    assert not RecoveryCode.objects.filter(digest__in=[totp.digest_of(one) for one in old]).exists()
    assert SecurityEvent.objects.filter(kind=SecurityKind.RECOVERY_MADE, person=alice).exists()


@pytest.mark.django_db
def test_an_administrator_takes_a_lost_phone_away_and_the_person_connects_another(
    alice: User, root: User, mona: User
) -> None:
    connected(root)
    connected(alice)
    inside, chief = with_password(alice), with_password(root)
    typed(inside, code_of(alice))
    typed(chief, code_of(root))
    at = reverse("admin:trialsite_user_factor", args=[alice.pk])
    assert "Phone lost" in chief.get(reverse("admin:trialsite_user_change", args=[alice.pk])).content.decode()
    assert chief.post(at, {"reason": ""}).status_code == 200
    assert people.has_factor(alice)
    assert chief.post(at, {"reason": "left in a taxi, called back"}).status_code == 302
    assert not is_in(inside), "whoever holds the phone is out"
    event = SecurityEvent.objects.get(kind=SecurityKind.FACTOR_REMOVED)
    assert (event.person, event.detail["by"]) == (alice, root.username)
    assert with_password(alice).get(reverse("admin:factor_setup")).status_code == 302
    notifications.deliver_due()
    assert mail.outbox[-1].to == ["alice@example.org"]
    address = re.search(r"/admin/link/\S+", str(mail.outbox[-1].body))
    assert address
    own = Client()
    own.get(address.group(), follow=True)
    assert own.post(reverse("admin:link"), {"password": PASSWORD}).headers["Location"] == reverse("admin:factor_setup")
    nothing_left = chief.post(at, {"reason": "again"})
    assert "nothing to take away" in nothing_left.content.decode()


# --- at rest -------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_neither_secret_nor_code_lies_in_the_database(alice: User, caplog: Any) -> None:
    with caplog.at_level("DEBUG"):
        codes = connected(alice)
    secret = SecondFactor.objects.get(user=alice).key
    with connection.cursor() as cursor:
        cursor.execute("SELECT key FROM trialsite_secondfactor")
        (kept,) = cursor.fetchone()
        cursor.execute("SELECT digest FROM trialsite_recoverycode")
        digests = {row[0] for row in cursor.fetchall()}
    assert secret not in kept
    assert len(digests) == 10
    for code in codes:
        assert code not in digests
        assert code not in caplog.text


@pytest.mark.parametrize(("local", "expected"), [("0", "True"), ("1", "False")])
def test_the_factor_is_asked_for_everywhere_but_in_the_demo(local: str, expected: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from trialsite import settings; print(settings.SECOND_FACTOR)"],
        env={**{name: text for name, text in os.environ.items() if name != "SECOND_FACTOR"}, "LOCAL": local},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == expected
