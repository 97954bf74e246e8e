"""`prepare_database` says what it will do; a server, a password or a right that is not there is said in a sentence.

The owner of the suite's database may not make roles: what a DBA of a hospital grants is just that.
"""

import io
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from tests.conftest import person
from trialsite import databases, env, people, ready, start
from trialsite.models import Site, User
from trialsite.roles import Role


def prepared(*words: str) -> str:
    out = io.StringIO()
    call_command("prepare_database", *words, stdout=out)
    return out.getvalue()


@pytest.mark.django_db
def test_the_plan_is_said_and_nothing_is_done_until_it_is_asked_for(site: Site, alice: User) -> None:
    assert "Nothing is to be done" in prepared("--plan")
    User.objects.filter(pk=alice.pk).update(is_staff=False)
    Site.objects.filter(pk=site.pk).update(name_en="Elsewhere")
    group = Group.objects.get(name=Role.MONITOR)
    permission = group.permissions.all()[0]
    group.permissions.remove(permission)
    with connection.cursor() as cursor:
        cursor.execute("GRANT DELETE ON trialsite_user TO trialsite_app")
    wanted = (
        f"roles       monitor: +{permission.content_type.app_label}.{permission.codename}\n",
        "sites       ZJ is named anew\n",
        "people      alice has a role and can log in from now on\n",
        "rights      trialsite_user: INSERT, SELECT, UPDATE for trialsite_app\n",
    )
    told = prepared("--plan")
    assert told.endswith("Nothing was changed.\n")
    assert all(line in told for line in wanted), told
    assert list(people.shut_out()) == [alice]
    told = prepared()
    assert all(line in told for line in wanted), told
    assert not people.shut_out()
    assert "Nothing is to be done" in prepared("--plan")


@pytest.mark.django_db
def test_a_program_is_not_let_in_by_it(site: Site) -> None:
    program = person("edc", Role.SPONSOR_PROGRAM, site)
    User.objects.filter(pk=program.pk).update(is_staff=False)
    assert people.let_in() == 0


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("role", "password", "said"),
    [
        pytest.param("nobody_yet", "x", "may not make database roles. .*CREATE ROLE nobody_yet LOGIN", id="no-role"),
        pytest.param(
            "nobody_yet", "", "no database role nobody_yet. .*CREATE ROLE nobody_yet LOGIN", id="nor-password"
        ),
        pytest.param("trialsite_app", "x", "does not get in .*ALTER ROLE trialsite_app LOGIN", id="another-password"),
        pytest.param("trialsite_app", "its own", "", id="made-by-the-dba"),
    ],
)
def test_an_owner_who_may_not_make_roles_is_told_what_the_dba_must_run(
    role: str, password: str, said: str, site: Site, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = str(env.database(env.text("APP_DATABASE_URL"))["PASSWORD"])
    settings.APP_DATABASE_ROLE = role
    monkeypatch.setenv("APP_DATABASE_PASSWORD", own if password == "its own" else password)
    if said:
        with pytest.raises(CommandError, match=said) as raised:
            prepared()
        assert own not in str(raised.value)
    else:
        assert "up to date" in prepared()


COOKIE = {"cookie": f"sessionid={'a' * 32}"}
MISTAKES = {
    "the password of trialsite_owner is another one": ("PASSWORD", "wrong"),
    "it lets nobody not in|the password of nobody": ("USER", "nobody"),
    "there is no such database. .*CREATE DATABASE nowhere": ("NAME", "nowhere"),
    "it does not answer. Start the server": ("PORT", "1"),
}


@contextmanager
def mistaken(name: str, value: str) -> Iterator[None]:
    """The settings of the connection changed in this one, as a mistake in DATABASE_URL does."""
    connection.close()
    before = connection.settings_dict[name]
    connection.settings_dict[name] = value
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict[name] = before


@pytest.mark.django_db(transaction=True)
def test_a_database_that_lets_nobody_in_is_said_in_a_sentence_by_whoever_meets_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    for said, mistake in MISTAKES.items():
        caplog.clear()
        with mistaken(*mistake):
            with pytest.raises(CommandError, match=said):
                prepared()
            (found,) = [" ".join(look.missing) for look in ready.looks() if look.name == "database"]
            with caplog.at_level(logging.ERROR, "trialsite.start"):
                start.refuse_unfit()
            # What a session in a cookie would ask of the database is not asked.
            plain, browser = Client(), Client(raise_request_exception=False, headers=COOKIE)
            answers = [one.get("/readyz") for one in (plain, browser)]
            assert [one.status_code for one in answers] == [503, 503]
            assert answers[0].json()["database"] == answers[1].json()["database"]
            assert browser.get("/healthz").json() == {"status": "ok"}
            # Nor a page that needs it: ours, and it says what became of what was sent.
            page = browser.post("/admin/login/", headers={"accept-language": "en"})
            assert page.status_code == 503
            assert "was not saved" in page.content.decode()
        for words in (found, caplog.text, answers[0].json()["database"]["reason"]):
            assert re.search(said, words), words


@pytest.mark.django_db
def test_a_server_that_is_too_old_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert databases.too_old() == ""
    monkeypatch.setattr(databases, "OLDEST", 99)
    with pytest.raises(CommandError, match="Trialsite needs 99 or newer"):
        prepared()


@pytest.mark.django_db
def test_a_broker_that_asks_for_a_password_is_said_so(settings: Any) -> None:
    url = settings.REDIS_URL
    head, at, tail = url.rpartition("@")
    assert at, "the suite's broker has a password"
    for changed, said in (
        (f"redis://{tail}", "asks for a password|refuses"),
        (f"{head}x@{tail}", "refuses the password|asks"),
    ):
        settings.REDIS_URL = changed
        reason = Client().get("/readyz").json()["broker"]["reason"]
        assert re.search(said, reason), reason
