"""People and their passwords: chosen by themselves through a mailed link, under a name that is theirs for ever."""

import datetime as dt
import re
from typing import Any

import pytest
import time_machine
from django.contrib.auth import authenticate
from django.contrib.auth.models import Group
from django.core import mail
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests.conftest import PASSWORD, person
from trialsite import links, notifications, people
from trialsite.links import Kind
from trialsite.models import Notification, NotificationState, SecurityEvent, SecurityKind, Site, User
from trialsite.refusal import Refused
from trialsite.roles import Role

NEW = "four words on paper"
LOGIN = "/admin/login/"


@pytest.fixture
def root(site: Site) -> User:
    return User.objects.create_superuser("root", "root@example.org", PASSWORD, language="en")


@pytest.fixture
def nina(site: Site) -> User:
    """Invited, and without a password so far."""
    nina = User(username="nina", email="nina@example.org", is_staff=True, language="en")
    nina.set_unusable_password()
    nina.save()
    nina.groups.add(Group.objects.get(name=Role.COORDINATOR))
    nina.sites.add(site)
    return nina


def form_of(site: Site, *roles: Role, **more: str) -> dict[str, Any]:
    groups = [Group.objects.get(name=role.value).pk for role in roles]
    given = {"username": "nina", "email": "nina@example.org", "language": "en", "last_name": "", "first_name": ""}
    return {**given, "groups": groups, "sites": [site.pk], **more}


def mailed_link() -> str:
    """The address in the newest mail, as its reader would press it."""
    notifications.deliver_due()
    (found,) = set(re.findall(r"http://\S+", str(mail.outbox[-1].body)))
    return found.partition("//")[2].partition("/")[2].join(["/", ""])


def open_link(client: Client, link: str) -> Any:
    return client.get(link, follow=True)


def set_password(client: Client, password: str = NEW) -> Any:
    return client.post(reverse("admin:link"), {"new_password1": password, "new_password2": password})


def is_in(client: Client) -> bool:
    return client.get("/admin/").status_code == 200


# --- the link ------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_new_person_gets_a_link_by_mail_and_sets_their_own_password(site: Site, root: User, login: Any) -> None:
    chief = login(root)
    page = chief.get(reverse("admin:trialsite_user_add")).content.decode()
    assert 'name="password' not in page
    assert chief.post(reverse("admin:trialsite_user_add"), form_of(site, Role.COORDINATOR)).status_code == 302
    nina = User.objects.get(username="nina")
    assert (nina.is_staff, nina.has_usable_password()) == (True, False)
    client = Client()
    shown = open_link(client, mailed_link())
    assert "nina" in shown.content.decode()
    assert "t=" not in shown.wsgi_request.get_full_path(), "the secret does not stay in the line of the browser"
    assert set_password(client).headers["Location"] == "/admin/"
    assert is_in(client)
    nina.refresh_from_db()
    assert nina.check_password(NEW)
    assert nina.password_chosen_at is not None


@pytest.mark.django_db
def test_the_link_stands_in_no_row_no_log_and_no_task(nina: User, root: User, caplog: Any) -> None:
    with caplog.at_level("DEBUG"):
        people.send_link(person=nina, kind=Kind.PASSWORD, by=root, now=timezone.now())
        link = mailed_link()
        client = Client()
        open_link(client, link)
        set_password(client)
    token = link.partition("t=")[2]
    assert len(token) > 30
    assert token not in caplog.text
    row = Notification.objects.get(about=links.about(nina, Kind.PASSWORD))
    assert token not in str(vars(row))
    assert links.PLACEHOLDER in row.body_text
    assert token not in str([*SecurityEvent.objects.values()])


@pytest.mark.django_db
def test_words_like_the_placeholder_in_another_message_stay_words(nina: User) -> None:
    assert links.filled(links.PLACEHOLDER, about="visit:1", person=nina) == links.PLACEHOLDER


@pytest.mark.django_db
def test_a_link_works_once_and_what_looks_at_it_uses_nothing_up(nina: User, root: User) -> None:
    people.send_link(person=nina, kind=Kind.PASSWORD, by=root, now=timezone.now())
    link = mailed_link()
    open_link(Client(), link)  # a mail scanner
    first, second = Client(), Client()
    open_link(first, link)
    open_link(second, link)
    assert set_password(first).status_code == 302
    assert set_password(second, "another four words").status_code == 404
    late = open_link(Client(), link)
    assert late.status_code == 404
    assert reverse("admin:admin_password_reset") in late.content.decode()
    nina.refresh_from_db()
    assert nina.check_password(NEW)
    assert SecurityEvent.objects.filter(kind=SecurityKind.LINK_DEAD).count() == 2


@pytest.mark.django_db
@pytest.mark.parametrize(("seconds", "status"), [(-2, 200), (2, 404)])
def test_a_link_is_good_for_a_day(nina: User, seconds: int, status: int, settings: Any) -> None:
    link = links.address(nina, Kind.PASSWORD).removeprefix(settings.SITE_URL)
    late = timezone.now() + dt.timedelta(seconds=settings.PASSWORD_RESET_TIMEOUT + seconds)
    with time_machine.travel(late.timestamp(), tick=False):
        assert open_link(Client(), link).status_code == status


@pytest.mark.django_db
@pytest.mark.parametrize(
    "query",
    [
        "k=password&p=%(pk)s&t=x",
        "k=x&p=%(pk)s&t=%(t)s",
        "k=factor&p=%(pk)s&t=%(t)s",
        "k=password&p=%(other)s&t=%(t)s",
        "k=password&p=²&t=%(t)s",
        "k=password&p=&t=%(t)s",
        "k=password&p=99999999999999999999999&t=%(t)s",
        "t=%(t)s",
    ],
)
def test_a_link_that_was_tampered_with_opens_nothing(nina: User, alice: User, query: str, settings: Any) -> None:
    token = links.address(nina, Kind.PASSWORD).partition("t=")[2]
    client = Client()
    path = reverse("admin:link") + "?" + query % {"pk": nina.pk, "other": alice.pk, "t": token}
    assert open_link(client, path).status_code == 404
    assert set_password(client).status_code == 404
    assert not is_in(client)


@pytest.mark.django_db
def test_a_link_is_dead_once_the_login_is_closed_or_the_mailbox_is_another(nina: User, settings: Any) -> None:
    link = links.address(nina, Kind.PASSWORD).removeprefix(settings.SITE_URL)
    User.objects.filter(pk=nina.pk).update(is_active=False)
    assert open_link(Client(), link).status_code == 404
    User.objects.filter(pk=nina.pk).update(is_active=True, email="else@example.org")
    assert open_link(Client(), link).status_code == 404


@pytest.mark.django_db
def test_a_weak_password_is_refused_and_the_link_stays_good(nina: User, settings: Any) -> None:
    client = Client()
    open_link(client, links.address(nina, Kind.PASSWORD).removeprefix(settings.SITE_URL))
    assert set_password(client, "short").status_code == 200
    assert set_password(client).status_code == 302


@pytest.mark.django_db
def test_an_administrator_sends_the_link_again(nina: User, root: User, mona: User, login: Any) -> None:
    chief, path = login(root), reverse("admin:trialsite_user_link", args=[nina.pk])
    page = chief.get(reverse("admin:trialsite_user_change", args=[nina.pk])).content.decode()
    assert "Send the link again" in page
    assert "Phone lost" not in page, "there is none"
    assert chief.get(path).status_code == 200
    assert not Notification.objects.exists(), "to open the page sends nothing"
    assert chief.post(path, {}).status_code == 302
    assert open_link(Client(), mailed_link()).status_code == 200
    assert chief.get(reverse("admin:trialsite_user_link", args=[10**9])).status_code == 404
    assert login(mona).post(path, {}).status_code in {403, 404}


# --- forgotten -----------------------------------------------------------------------------------


@pytest.mark.django_db
def test_whoever_forgot_the_password_asks_for_a_link_and_the_answer_tells_nobody_who_exists(
    alice: User, site: Site
) -> None:
    ask = reverse("admin:admin_password_reset")
    assert ask in Client().get(LOGIN).content.decode()
    User.objects.create_user("gone", "gone@example.org", PASSWORD, is_active=False, is_staff=True)
    program = User.objects.create(username="edc", email="edc@example.org")
    program.groups.add(Group.objects.get(name=Role.SPONSOR_PROGRAM))
    answers = set()
    for name in ("alice", "nobody", "gone", "edc"):
        answer = Client().post(ask, {"username": name})
        answers.add((answer.status_code, re.sub(r'(value|nonce)="[^"]+"', "", answer.content.decode())))
    assert len(answers) == 1
    assert [row.recipient for row in Notification.objects.all()] == [alice]
    client = Client()
    open_link(client, mailed_link())
    assert set_password(client).status_code == 302
    assert is_in(client)


@pytest.mark.django_db
def test_nobody_floods_a_mailbox_and_no_address_asks_for_ever(alice: User, now: dt.datetime) -> None:
    ask = reverse("admin:admin_password_reset")
    answers = [Client().post(ask, {"username": "alice"}).status_code for _time in range(21)]
    assert answers == [200] * 20 + [429]
    assert Notification.objects.filter(recipient=alice).count() == people.LINKS_AN_HOUR
    later = timezone.now() + dt.timedelta(hours=1, seconds=1)
    assert people.send_own_link(person=alice, kind=Kind.PASSWORD, now=later)


# --- nobody else sets it -------------------------------------------------------------------------


@pytest.mark.django_db
def test_no_administrator_sets_or_sees_a_password(alice: User, root: User, login: Any) -> None:
    chief = login(root)
    at = f"/admin/trialsite/user/{alice.pk}/password/"
    assert chief.get(at).status_code in {302, 404}
    chief.post(at, {"password1": NEW, "password2": NEW, "usable_password": "true"}, follow=True)
    page = reverse("admin:trialsite_user_change", args=[alice.pk])
    text = chief.get(page).content.decode()
    alice.refresh_from_db()
    assert alice.check_password(PASSWORD)
    assert "md5" not in text.lower()
    assert 'name="password' not in text
    chief.post(page, {**form_of(alice.sites.get(), Role.COORDINATOR), "is_active": "on", "password": NEW})
    alice.refresh_from_db()
    assert alice.check_password(PASSWORD)


@pytest.mark.django_db
def test_a_password_that_somebody_else_set_opens_one_page_only(alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(password_chosen_at=None)
    client = Client()
    answer = client.post(LOGIN, {"username": "alice", "password": PASSWORD})
    assert answer.headers["Location"] == reverse("admin:first_password")
    assert not is_in(client)
    same = client.post(reverse("admin:first_password"), {"new_password1": PASSWORD, "new_password2": PASSWORD})
    assert same.status_code == 200
    assert not is_in(client)
    own = client.post(reverse("admin:first_password"), {"new_password1": NEW, "new_password2": NEW})
    assert own.headers["Location"] == "/admin/"
    assert is_in(client)


@pytest.mark.django_db
def test_a_password_that_somebody_else_set_signs_nothing(alice: User, rf: Any) -> None:
    request = rf.post("/")
    assert authenticate(request, username="alice", password=PASSWORD) == alice
    User.objects.filter(pk=alice.pk).update(password_chosen_at=None)
    assert authenticate(request, username="alice", password=PASSWORD) is None


@pytest.mark.django_db
def test_ones_own_change_asks_for_the_old_password_and_ends_the_other_sessions(alice: User, login: Any) -> None:
    here, there = login(alice), login(alice)
    at = reverse("admin:password_change")
    data = {"old_password": "wrong", "new_password1": NEW, "new_password2": NEW}
    assert here.post(at, data).status_code == 200
    assert here.post(at, {**data, "old_password": PASSWORD}).status_code == 302
    assert is_in(here)
    assert not is_in(there)
    assert SecurityEvent.objects.get(kind=SecurityKind.PASSWORD_SET).person == alice


@pytest.mark.django_db
@pytest.mark.usefixtures("english")
def test_the_first_administrator_gets_a_link_and_no_known_password(site: Site, capsys: Any, settings: Any) -> None:
    call_command("createsuperuser", username="chief", email="chief@example.org", language="en")
    link = capsys.readouterr().out.strip()
    assert not User.objects.get(username="chief").has_usable_password()
    client = Client()
    open_link(client, link.removeprefix(settings.SITE_URL))
    assert set_password(client).status_code == 302
    assert is_in(client)
    with pytest.raises(CommandError, match="user name"):
        call_command("createsuperuser", username="CHIEF", email="chief@example.org", language="en")
    call_command("changepassword", "chief")
    assert open_link(Client(), capsys.readouterr().out.strip().removeprefix(settings.SITE_URL)).status_code == 200


# --- names are for ever --------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_name_is_never_given_twice_whatever_its_capitals(site: Site, root: User, alice: User, login: Any) -> None:
    form = form_of(site, Role.COORDINATOR, username="ALICE")
    answer = login(root).post(reverse("admin:trialsite_user_add"), form)
    assert answer.status_code == 200
    assert "never given twice" in answer.content.decode()
    with pytest.raises(DatabaseError), transaction.atomic():
        User.objects.create(username="Alice")


@pytest.mark.django_db
def test_a_name_is_never_changed(alice: User, site: Site, root: User, login: Any) -> None:
    form = form_of(site, Role.COORDINATOR, username="other", email="alice@example.org", is_active="on")
    login(root).post(reverse("admin:trialsite_user_change", args=[alice.pk]), form)
    alice.refresh_from_db()
    assert alice.username == "alice"
    with pytest.raises(DatabaseError), transaction.atomic():
        User.objects.filter(pk=alice.pk).update(username="other")


def test_the_applications_own_login_neither_renames_nor_deletes_a_person(as_app_role: None) -> None:
    nurse = User.objects.create(username="nurse")
    for statement in (
        "UPDATE trialsite_user SET username = 'other' WHERE id = %s",
        "DELETE FROM trialsite_user WHERE id = %s",
    ):
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement, [nurse.pk])
    assert User.objects.get(pk=nurse.pk).username == "nurse"


@pytest.mark.django_db
def test_not_even_the_owner_deletes_a_person(alice: User) -> None:
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM trialsite_user WHERE id = %s", [alice.pk])


# --- who can log in ------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("role", Role)
def test_a_role_of_people_is_all_that_a_login_needs(role: Role, site: Site, root: User, login: Any) -> None:
    answer = login(root).post(reverse("admin:trialsite_user_add"), form_of(site, role))
    assert answer.status_code == 302
    nina = User.objects.get(username="nina")
    is_person = role is not Role.SPONSOR_PROGRAM
    assert nina.is_staff == is_person
    assert Notification.objects.filter(recipient=nina).exists() == is_person


@pytest.mark.django_db
def test_a_role_given_later_opens_the_login_and_one_taken_away_closes_it(site: Site, root: User, login: Any) -> None:
    chief = login(root)
    chief.post(reverse("admin:trialsite_user_add"), form_of(site))
    nina = User.objects.get(username="nina")
    assert (nina.is_staff, Notification.objects.count()) == (False, 0)
    page = reverse("admin:trialsite_user_change", args=[nina.pk])
    assert "No role is chosen yet" in chief.get(page).content.decode()
    for _time in range(2):
        chief.post(page, form_of(site, Role.MONITOR, is_active="on"))
        nina.refresh_from_db()
        assert (nina.is_staff, Notification.objects.count()) == (True, 1)
    chief.post(page, form_of(site, is_active="on"))
    nina.refresh_from_db()
    assert not nina.is_staff


@pytest.mark.django_db
def test_a_program_is_no_person(site: Site, root: User, alice: User, login: Any) -> None:
    chief, add = login(root), reverse("admin:trialsite_user_add")
    both = chief.post(add, form_of(site, Role.COORDINATOR, Role.SPONSOR_PROGRAM))
    assert both.status_code == 200
    assert "has no login" in both.content.decode()
    program = User.objects.create_user("edc", "edc@example.org", PASSWORD, is_staff=True)
    program.groups.add(Group.objects.get(name=Role.SPONSOR_PROGRAM))
    User.objects.filter(pk=program.pk).update(password_chosen_at=timezone.now())
    client = Client()
    client.post(LOGIN, {"username": "edc", "password": PASSWORD})
    assert not is_in(client), "not even with a password that somebody gave it"
    with pytest.raises(Refused):
        people.send_link(person=program, kind=Kind.PASSWORD, by=root, now=timezone.now())


@pytest.mark.django_db
def test_a_person_without_e_mail_gets_no_role(site: Site, root: User, login: Any) -> None:
    answer = login(root).post(reverse("admin:trialsite_user_add"), form_of(site, Role.MONITOR, email=""))
    assert answer.status_code == 200
    assert "Give the e-mail" in answer.content.decode()


@pytest.mark.django_db
@pytest.mark.usefixtures("english")
def test_what_became_of_the_link_is_said_where_it_opens_nothing(nina: User, root: User, settings: Any) -> None:
    now, lasts = timezone.now(), dt.timedelta(seconds=settings.PASSWORD_RESET_TIMEOUT)
    assert "No link was sent yet" in str(people.what_is_missing(nina, now=now))
    people.send_link(person=nina, kind=Kind.PASSWORD, by=root, now=now)
    for moment, is_dead in ((now + lasts - dt.timedelta(seconds=1), False), (now + lasts, True)):
        assert ("The link has run out" in str(people.what_is_missing(nina, now=moment))) == is_dead
    Notification.objects.update(state=NotificationState.FAILED, finished_at=now)
    assert "could not be sent" in str(people.what_is_missing(nina, now=now))


@pytest.mark.django_db
def test_who_knows_the_password_reads_what_is_missing_for_the_login(site: Site) -> None:
    bob = person("bob", Role.MONITOR, site)
    bob.groups.clear()
    User.objects.filter(pk=bob.pk).update(is_staff=False)
    headers = {"accept-language": "en"}
    right = Client(headers=headers).post(LOGIN, {"username": "bob", "password": PASSWORD}).content.decode()
    wrong = Client(headers=headers).post(LOGIN, {"username": "bob", "password": "wrong"}).content.decode()
    assert "No role is chosen yet" in right
    assert "No role is chosen yet" not in wrong
