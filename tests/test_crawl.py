"""Every address, as every role of its site: who gets what, who writes nothing, who learns no name.

The rows are made once; what a walk changes is taken back after it. `-s` prints the table: role by address.
"""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from participants.middleware import VERBATIM
from participants.models import Participant
from tests.crawl import (
    OURS_SAID,
    READERS,
    STAFF,
    Answer,
    World,
    addresses,
    client_of,
    counts,
    faults,
    filled_of,
    note,
    of_a_row,
    taken_back,
    told,
    undrawn,
    unprinted,
    walk,
    walk_undrawn,
    world_for,
)
from tests.test_admin import OURS, is_log
from tests.test_headers import wrong
from trialsite.roles import ROLE_PERMISSIONS, Role

# One world for all of them.
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("unlogged"), pytest.mark.xdist_group("crawl")]

# Who has the most pages: they are drawn, and so are those of the readers, who must find no name there.
DRAWN_FOR = Role.PRINCIPAL_INVESTIGATOR.value
# What a page shows as Python writes it: a pair with the key of its colour, a list, nothing.
AS_PYTHON = re.compile(r">\s*((?:[(\[]&#x27;[^<]{0,200}|None))\s*<")


@pytest.fixture(scope="module")
def world(request: Any, django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    yield from world_for(request, django_db_blocker)


# --- our own site's people ---------------------------------------------------------------------


def test_the_crawl_goes_over_every_address_with_words_that_would_be_noticed(world: World) -> None:
    assert len(addresses(world)) > 400
    assert len(of_a_row(world)) > 250
    assert len([word for word in world.needles if word.startswith("planted-")]) >= 15


@pytest.mark.parametrize("who", [*(role.value for role in STAFF), "superuser"])
def test_no_address_ends_in_an_error_for_the_people_of_the_site(who: str, world: World) -> None:
    shown = shown_to(world, who)
    note(who, shown)
    assert faults(shown) == {}
    if who == DRAWN_FOR:
        amiss = {name: list(wrong(one.headers, one.text)) for name, one in shown.items()}
        assert {name: words for name, words in amiss.items() if words} == {}
        assert beside(world, shown) == {}
        written = {name: AS_PYTHON.findall(one.text) for name, one in shown.items()}
        assert {name: words for name, words in written.items() if words} == {}


@pytest.mark.parametrize("role", STAFF)
def test_every_role_opens_the_lists_it_may_view_and_no_other(role: Role, world: World) -> None:
    shown = shown_to(world, role.value)
    assert shown["index "].status == 200
    opened = {name.split()[0]: one.status for name, one in shown.items()}
    for page in OURS:
        of = page.opts.concrete_model._meta if is_log(page.model) else page.opts
        may = f"{of.app_label}.view_{of.model_name}" in ROLE_PERMISSIONS[role]
        label = f"{page.opts.app_label}_{page.opts.model_name}_changelist"
        assert opened[label] == (200 if may else 403), label


def shown_to(world: World, who: str) -> dict[str, Answer]:
    """What this person gets from every address: walked once, for all tests that read it."""
    if who not in world.shown:
        person = world.people.get(("ZJ", who)) or world.people["", who]
        client, found = client_of(person), addresses(world)
        if who == DRAWN_FOR:
            world.shown[who] = walk(client, found, "get", are_prints_drawn=True)
        elif who in READERS:
            world.shown[who] = walk(client, found, "get", reader=person)
        else:
            world.shown[who] = walk_undrawn(client, found, "get")
    return world.shown[who]


class Reader(HTMLParser):
    """What a person reads of a page, and what only the browser reads, apart."""

    UNREAD = ("script", "style", "title", "textarea", "svg")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.read, self.unread, self.open, self.is_verbatim = "", "", [""], False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.is_verbatim = "data-verbatim" in dict(attrs)
        self.unread += " ".join(value or "" for _name, value in attrs)
        if tag in self.UNREAD:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self.is_verbatim = False
        if tag == self.open[-1]:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open[-1]:
            self.unread += data
        elif not self.is_verbatim:
            self.read += data


def beside(world: World, answers: dict[str, Answer]) -> dict[str, str]:
    """Pages on which a number of ours stands without its name, or the name where only a program would read it."""
    number, name, found = world.ours.number, OURS_SAID["name"], {}
    for page, one in answers.items():
        kind = one.headers.get("Content-Type", "")
        if one.status != 200 or page.startswith(VERBATIM):
            continue
        if not kind.startswith("text/html"):
            if name in one.text and not page.startswith("autocomplete"):
                found[page] = kind
            continue
        reader = Reader(one.text)
        alone = reader.read.replace("\u2068", "").replace("\u2069", "").replace(f"{number} {name}", "")
        if re.search(rf"(?<![\w./-]){number}(?![\w-])", alone):
            found[page] = "the number alone"
        elif name in reader.unread and not page.startswith("participants_participant_change "):
            found[page] = "the name in an attribute or in what is not read"
    return found


@pytest.mark.parametrize("who", [role.value for role in READERS])
def test_who_may_not_see_names_is_shown_none_on_any_page(who: str, world: World) -> None:
    """Lists, forms, pages; nor is anything kept of a name that was read."""
    shown = shown_to(world, who)
    assert len([one for one in shown.values() if one.status == 200]) > 80
    said = {page: [word for word in OURS_SAID.values() if word in one.text] for page, one in shown.items()}
    assert {page: words for page, words in said.items() if words} == {}
    assert [page for page, one in shown.items() if one.kept] == []


def test_nor_when_nothing_is_sent_where_something_is_expected(world: World) -> None:
    client = client_of(world.people["ZJ", "all"])
    assert faults(walk(client, addresses(world), "post")) == {}


def test_who_only_reads_writes_nothing(world: World) -> None:
    """Monitor and auditor in one: whatever they press, also what others would send."""
    sent = filled_of(world.ours, world.now, world.people["ZJ", "all"])
    client, before = client_of(world.people["ZJ", "readers"]), counts()
    with undrawn(), unprinted():
        for address in addresses(world).values():
            client.post(address)
        for label, filled in sent.items():
            assert client.post(filled.address, filled.data).status_code in {403, 404}, label
    after = counts()
    assert {label: n for label, n in after.items() if n != before[label]} == {}


@pytest.mark.parametrize("who", ["no role", "anonymous"])
def test_who_has_no_role_reads_nothing(who: str, world: World) -> None:
    client = client_of(world.people.get(("ZJ", who)))
    shown = walk(client, addresses(world), "get")
    note(who, shown)
    assert faults(shown) == {}
    assert told(world, shown, but="none-ZJ") == {}
    if who == "anonymous":
        # The ways in: a link that is none is told so.
        doors = {"login login/": 200, "admin_password_reset link/ask/": 200, "link link/": 404}
        assert {name: one.status for name, one in shown.items() if one.status != 302} == doors


# Who asks (4), when they were last here, how many, the page; what the page is about, such as signatures, besides.
LIST_BUDGET = 14


def test_no_list_asks_more_for_more_rows_nor_looks_for_the_values_that_occur(world: World) -> None:
    """The other site's participant becomes one of ours for this question: twice the rows of everything."""
    client = client_of(world.people["ZJ", "all"])
    lists = {name: at for name, at in addresses(world).items() if name.split()[0].endswith("_changelist")}
    # An empty list shows no number, and so asks for no name beside it.
    few = {name: _queries(client, at) for name, at in lists.items() if _has_lines(client, at)}
    with taken_back():
        Participant.objects.filter(pk=world.theirs.pk).update(site=world.ours.site)
        # The first look of a day keeps whose name was read.
        many = {name: _queries(client, at) for name, at in lists.items() if client.get(at)}
    assert len(few) > 30
    assert {name: (len(few[name]), len(many[name])) for name in few if len(many[name]) > len(few[name])} == {}
    assert {name: len(asked) for name, asked in many.items() if len(asked) > LIST_BUDGET} == {}
    assert max(len(asked) for name, asked in many.items() if name.startswith("safety_adverseevent")) <= 8
    assert {name: sql for name, asked in many.items() for sql in asked if sql.startswith("SELECT DISTINCT")} == {}


def _has_lines(client: Client, address: str) -> bool:
    response = client.get(address)
    return response.status_code == 200 and bool(response.context["cl"].result_list)


def _queries(client: Client, address: str) -> list[str]:
    with CaptureQueriesContext(connection) as found:
        client.get(address)
    return [query["sql"] for query in found if "SAVEPOINT" not in query["sql"]]
