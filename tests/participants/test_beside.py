"""Beside every number the name, for those who may see it: written into pages, kept once a day, and nowhere else."""

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from participants import beside
from participants.actions import note_beside
from participants.beside import LAST, MARKED, PLAIN, Named
from participants.models import IdentityRead, Participant
from tests import factories
from tests.conftest import person
from trialsite.models import Site, User
from trialsite.roles import Role

MARKED_NAME, LAST_NAME = MARKED.format("王小明"), LAST.format("王小明")
CONSENTS = reverse("admin:participants_consent_changelist")
KNOWN = {"ZJ-003": Named(3, "王小明", False), "ZJ-S029": Named(29, "<b>李&雷</b>", False)}


def page(html: str) -> str:
    return beside.written(html, beside.places_in_page(html), KNOWN)


# --- where a name is written ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("html", "shown"),
    [
        ("<td>ZJ-003</td>", f"<td>ZJ-003{LAST_NAME}</td>"),
        ("<td>ZJ-003 · D28</td>", f"<td>ZJ-003{MARKED_NAME} · D28</td>"),
        ("<p>受试者ZJ-003的访视</p>", f"<p>受试者ZJ-003{MARKED_NAME}的访视</p>"),
        ("<p>(ZJ-003), ZJ-003.</p>", f"<p>(ZJ-003{MARKED_NAME}), ZJ-003{MARKED_NAME}.</p>"),
        ('<option value="3">ZJ-003</option>', f'<option value="3">ZJ-003{PLAIN.format("王小明")}</option>'),
        (
            '<a x-on:click="a > b" title="ZJ-003">ZJ-003</a>',
            f'<a x-on:click="a > b" title="ZJ-003">ZJ-003{LAST_NAME}</a>',
        ),
    ],
)
def test_the_name_stands_right_after_the_number(html: str, shown: str) -> None:
    assert page(html) == shown


@pytest.mark.parametrize(
    "html",
    [
        "<title>ZJ-003 | Trialsite</title>",
        '<script nonce="x">if (a < b) say("ZJ-003")</script>',
        "<textarea>ZJ-003</textarea>",
        "<svg><title>ZJ-003</title><text>ZJ-003</text></svg>",
        "<!-- ZJ-003 -->",
        '<input value="ZJ-003"><a href="/?q=ZJ-003" aria-label=ZJ-003></a>',
        "<p data-verbatim>ZJ-003</p>",
        "<p>eligibility-ZJ-003.pdf, ZJ-0031, ZJ-003-2, XZJ-003, ZJ-004, /ZJ-003</p>",
    ],
)
def test_nothing_is_written_where_no_reader_reads_a_number(html: str) -> None:
    assert page(html) == html


def test_a_name_is_text_and_never_markup() -> None:
    assert page("<td>ZJ-S029.</td>").endswith('<bdi class="ts-called">&lt;b&gt;李&amp;雷&lt;/b&gt;</bdi>.</td>')


# --- who is shown it, and what it leaves ------------------------------------------------------------------


@pytest.fixture
def participants(site: Site, alice: User, now: dt.datetime) -> list[Participant]:
    return [factories.consented(site=site, by=alice, now=now, name=f"欧阳{n}", phone="") for n in "一二三四五六"]


def reads_of(user: User) -> list[tuple[str, int | None]]:
    return list(IdentityRead.objects.filter(by=user).order_by("pk").values_list("how", "participant_id"))


@pytest.mark.django_db
def test_a_list_with_names_leaves_one_trace_a_day_for_each_participant(
    participants: list[Participant], alice: User, login: Any
) -> None:
    client = login(alice)
    for _time in range(2):
        text = client.get(CONSENTS).content.decode()
        assert all(f"{one.number}{LAST.format(one.name)}" in text for one in participants)
    assert sorted(reads_of(alice)) == [("beside", one.pk) for one in participants]
    assert {tuple(row.fields) for row in IdentityRead.objects.all()} == {("name",)}


@pytest.mark.django_db
def test_the_next_day_is_kept_again_and_two_at_once_are_one(participants: list[Participant], ivan: User) -> None:
    morning = dt.datetime(2026, 3, 5, 1, tzinfo=dt.UTC)
    keys = [one.pk for one in participants]
    for at in (morning, morning + dt.timedelta(hours=14, minutes=59), morning + dt.timedelta(hours=15)):
        note_beside(keys, by=ivan, now=at)
    assert len(reads_of(ivan)) == 2 * len(keys)
    assert set(IdentityRead.objects.values_list("day", flat=True)) == {dt.date(2026, 3, 5), dt.date(2026, 3, 6)}


def queries_of(client: Client, address: str) -> list[str]:
    with CaptureQueriesContext(connection) as queries:
        assert client.get(address).status_code == 200
    return [one["sql"] for one in queries]


@pytest.mark.django_db
def test_names_cost_one_query_however_many_rows(
    participants: list[Participant], site: Site, alice: User, ivan: User, now: dt.datetime, login: Any
) -> None:
    """The trace is one statement more, on the first look of the day."""
    client = login(ivan)
    first, again = queries_of(client, CONSENTS), queries_of(client, CONSENTS)
    assert len([sql for sql in first if sql.startswith('INSERT INTO "participants_identityread"')]) == 1
    assert len([sql for sql in again if "identityread" in sql]) == 1
    for number in range(20):
        factories.consented(site=site, by=alice, now=now, name=f"司马{number}", phone="")
    client.get(CONSENTS)
    assert len(queries_of(client, CONSENTS)) == len(again)


@pytest.mark.django_db
def test_a_page_without_a_number_asks_nothing_about_names(
    participants: list[Participant], alice: User, login: Any
) -> None:
    queries = queries_of(login(alice), reverse("admin:participants_consent_add"))
    assert not [sql for sql in queries if "identityread" in sql]


@pytest.mark.django_db
@pytest.mark.parametrize("role", [Role.MONITOR, Role.AUDITOR])
def test_who_may_not_see_names_reads_numbers_alone_and_is_led_to_the_page(
    role: Role, participants: list[Participant], site: Site, login: Any
) -> None:
    reader = person("reader", role, site)
    client = login(reader)
    assert "欧阳" not in client.get(CONSENTS).content.decode()
    form = reverse("admin:participants_participant_change", args=[participants[0].pk])
    read = reverse("admin:participants_participant_page", args=[participants[0].pk])
    assert client.get(form).headers["Location"] == read
    assert client.post(form, {"name": "李雷"}).status_code == 403
    assert form not in client.get(read).content.decode()
    assert reads_of(reader) == []


@pytest.mark.django_db
def test_a_number_of_another_site_has_no_name(participants: list[Participant], charlie: User) -> None:
    assert beside.names(charlie, {one.number for one in participants}, on=dt.date(2026, 3, 5)) == {}


@pytest.mark.django_db
def test_whoever_is_enrolled_goes_by_the_participant_number(site: Site, alice: User, now: dt.datetime) -> None:
    one = factories.enrolled(site=site, by=alice, now=now)
    known = beside.names(alice, {one.screening_number, one.participant_number or ""}, on=now.date())
    assert set(known) == {one.participant_number}


@pytest.mark.django_db
def test_a_choice_shows_the_name_too(participants: list[Participant], alice: User, login: Any) -> None:
    of = {"app_label": "participants", "model_name": "consent", "field_name": "participant"}
    one = participants[0]
    found = login(alice).post("/admin/autocomplete/", {**of, "term": one.number}).json()["results"]
    assert [(row["id"], row["text"]) for row in found] == [(str(one.pk), f"{one.number}{PLAIN.format(one.name)}")]
    assert reads_of(alice) == [("beside", one.pk)]
