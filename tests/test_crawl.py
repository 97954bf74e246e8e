"""Every address, as every role, over the rows of two sites: who gets what, who writes nothing, who learns nothing.

The rows are made once; what a walk changes is taken back after it. `-s` prints the table: role by address.
"""

import base64
import datetime as dt
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import count
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group
from django.core.exceptions import FieldError
from django.db import DatabaseError, connection, models, transaction
from django.template.response import TemplateResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from participants.middleware import VERBATIM
from participants.models import IdentityRead, Participant
from sponsor.api import ROUTES
from tests import factories
from tests.addforms import FILL, Filled, send
from tests.conftest import TOLD, person
from tests.test_error_pages import names, patterns
from tests.test_headers import wrong
from trialsite import pdf, reach
from trialsite.fieldkeys import Unreadable
from trialsite.fields import EncryptedDateField, EncryptedTextField
from trialsite.models import Record, Site, User
from trialsite.roles import Role

# One world for all of them.
pytestmark = [pytest.mark.django_db, pytest.mark.xdist_group("crawl")]

DAY = dt.timedelta(days=1)
STAFF = [role for role in Role if role is not Role.SPONSOR_PROGRAM]
READERS = (Role.MONITOR, Role.AUDITOR)
# Who has the most pages: they are drawn once.
DRAWN_FOR = Role.PRINCIPAL_INVESTIGATOR.value
# Who logs out sees no more.
LEFT_OUT = ("logout",)
# What stays as it is for the rows to work: it is read by the program, not written by a person.
COMPUTED = {"snapshot", "basis", "determinants", "about", "scale", "check_name", "content_hash", "facts_digest"}
# Written by every reader, too.
LOGS = {"trialsite.ListExport", "trialsite.FormToken", "trialsite.SecurityEvent", "sessions.Session"}
NO_ROW = 888888
LOT_SEEN = "BAG-AT-THE-WRONG-BED"
OURS_SAID = {"name": "李不可说", "phone": "13900007777", "hospital_number": "H 770077"}


@dataclass
class World:
    """Two sites with a participant each and all that can be recorded of them; what nobody of theirs may read."""

    ours: Participant
    theirs: Participant
    people: dict[tuple[str, str], User]
    keys: dict[str, int]
    now: dt.datetime
    needles: set[str] = field(default_factory=set)


def _all_of(participant: Participant, now: dt.datetime, by: User) -> None:
    """What can be typed of a participant, typed by somebody who may do all of it at this site."""
    client = _client(by)
    for label in sorted(set(FILL) - {"participants.Participant", "participants.ConsentWithdrawal", "dosing.Infusion"}):
        filled = FILL[label](participant, now, by)
        send(client, filled)


def _stopped(by: User, theirs: Participant, ours: Participant, now: dt.datetime) -> None:
    """A bag of ours lay at their bed, and was taken for theirs: its lot is all that they know of it."""
    bag = factories.thawed(ours, at=now - DAY, lot=LOT_SEEN)
    filled = FILL["dosing.Infusion"](theirs, now, by)
    _client(by).post(filled.address, {**filled.data, "product_lot": bag.lot})


def _client(user: User | None) -> Client:
    client = Client()
    client.raise_request_exception = False
    if user is not None:
        client.force_login(user)
    return client


def _people(sites: dict[str, Site]) -> dict[tuple[str, str], User]:
    made = {
        (code, role.value): person(f"{role.value.replace(' ', '-')}-{code}", role, site)
        for code, site in sites.items()
        for role in STAFF
    }
    for code, site in sites.items():
        made[code, "all"] = person(f"all-{code}", Role.COORDINATOR, site)
        made[code, "all"].groups.set(Group.objects.exclude(name=Role.SPONSOR_PROGRAM.value))
        made[code, "readers"] = person(f"readers-{code}", Role.MONITOR, site)
        made[code, "readers"].groups.set(Group.objects.filter(name__in=[role.value for role in READERS]))
        made[code, "no role"] = User.objects.create_user(f"none-{code}", is_staff=True)
        made[code, "no role"].sites.add(site)
    made["", "superuser"] = User.objects.create_superuser("root", "root@example.org", "correct horse battery")
    return made


def _planted(site: Site) -> Iterator[str]:
    """Words in every field of free text of the site's rows; what the database refuses to change stays."""
    number = count(1)
    for model in apps.get_models():
        if not issubclass(model, Record) or model._meta.proxy:
            continue
        path = reach.site_path(model, admin.site)
        rows = model._default_manager.filter(**{path: site})
        for one in model._meta.fields:
            if type(one) is models.TextField and one.name not in COMPUTED:
                word = f"planted-{next(number)}-word"
                try:
                    with transaction.atomic():
                        filled = rows.filter(voided_at__isnull=True) if one.name != "void_reason" else rows.none()
                        if filled.update(**{one.name: word}):
                            yield word
                except DatabaseError:
                    continue


def _identifying(site: Site) -> Iterator[str]:
    for one in Participant.objects.filter(site=site):
        yield from (one.screening_number, one.participant_number or one.screening_number)
    for label, name in (("dosing.CellProduct", "lot"), ("dosing.CellProduct", "chain_of_identity")):
        yield from apps.get_model(label)._default_manager.filter(participant__site=site).values_list(name, flat=True)
    yield from (site.name_zh, site.name_en)
    yield from (one.username for one in User.objects.filter(sites=site))


def _newest_of(site: Site) -> dict[str, int]:
    """The start of an address' name → the newest row of its model at the site, or a number that is none."""
    found = {}
    for page in admin.site._registry.values():
        row = _rows_at(page.model, site).order_by("pk").last()
        found[f"{page.opts.app_label}_{page.opts.model_name}_"] = row.pk if row is not None else NO_ROW
    return found


def _rows_at(model: Any, site: Site) -> Any:
    rows, path = model._default_manager.all(), reach.site_path(model, admin.site)
    if path is None and any(one.name == "participant" for one in model._meta.fields):
        # Rows of nobody are read by others, too.
        path = "participant__site"
    try:
        return rows if path is None else rows.filter(**{path: site.pk if path == "pk" else site})
    except FieldError:
        return rows


@pytest.fixture(scope="module")
def world(request: Any, django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    with django_db_blocker.unblock(), transaction.atomic(), pytest.MonkeyPatch.context() as patched:
        patched.setattr("django.conf.settings.PASSWORD_HASHERS", ["django.contrib.auth.hashers.MD5PasswordHasher"])
        yield _made(timezone.now())
        transaction.set_rollback(True)
    # Where several processes share the tests, this one hands it to the one that tells the end.
    getattr(request.config, "workeroutput", request.config.stash.setdefault(TOLD, {}))["crawl"] = table()


def _made(now: dt.datetime) -> World:
    ours = Site.objects.get(code="ZJ")
    theirs = Site.objects.create(code="OT", name_zh="别的医院", name_en="Another hospital")
    people = _people({"ZJ": ours, "OT": theirs})
    at = {}
    for site, facts in ((ours, OURS_SAID), (theirs, {"name": "韩梅梅"})):
        by = people[site.code, "all"]
        at[site.code] = factories.infused(site=site, by=by, now=now, infused_at=now - 40 * DAY, **facts)
        factories.confirmed(site=site, by=by, now=now - DAY)
        _all_of(at[site.code], now, by)
    _stopped(people["OT", "all"], at["OT"], at["ZJ"], now)
    assert apps.get_model("dosing.IdentityStop")._default_manager.filter(participant=at["OT"]).exists()
    needles = {*_planted(ours), *_identifying(ours), *OURS_SAID.values()} - {"", LOT_SEEN}
    return World(at["ZJ"], at["OT"], people, _newest_of(ours), now, needles)


@contextmanager
def taken_back() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


# --- the walk ----------------------------------------------------------------------------------


def addresses(world: World, key: str = "") -> dict[str, str]:
    """The name of each address → the address, of a row of our site or of the key that is given."""
    found = {}
    for one in patterns():
        if one.name in LEFT_OUT:
            continue
        own = next((pk for start, pk in world.keys.items() if one.name.startswith(start)), world.ours.pk)
        found[f"{one.name} {one.pattern}"] = reverse(f"admin:{one.name}", kwargs=names(one, key or str(own)))
    return found


@dataclass(frozen=True)
class Answer:
    """What came back: its status, and everything in it that can be read."""

    status: int
    text: str
    headers: dict[str, str]


def walk(
    client: Client, found: dict[str, str], method: str, *, query: str = "", are_prints_drawn: bool = False
) -> dict[str, Answer]:
    answers = {}
    with nullcontext() if are_prints_drawn else unprinted():
        for name, address in found.items():
            with taken_back():
                answers[name] = _answer(getattr(client, method)(address + query))
    return answers


@contextmanager
def unprinted() -> Iterator[None]:
    """Nobody reads a word in the bytes of a PDF: one walk draws them."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(pdf, "render", lambda printed, **more: b"%PDF")
        yield


def _answer(response: Any) -> Answer:
    body = b"".join(response.streaming_content) if response.streaming else response.content
    headers = dict(response.headers)
    return Answer(response.status_code, body.decode(errors="replace") + json.dumps(headers), headers)


@contextmanager
def undrawn() -> Iterator[None]:
    """Who gets which page is decided before it is drawn: the table of all roles need not draw each."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(TemplateResponse, "rendered_content", "")
        patched.setattr(admin.site, "each_context", lambda request: {})
        yield


def faults(answers: dict[str, Answer]) -> dict[str, int]:
    return {name: one.status for name, one in answers.items() if one.status >= 500}


def told(world: World, answers: dict[str, Answer], *, but: str = "") -> dict[str, list[str]]:
    """Which of the words of our site stand in which answers; `but` the reader's own name."""
    # Within one transaction, which only a test has, the trail takes who asked last for who writes next.
    passed = {name: {but, "all-ZJ"} if "_trail" in name else {but} for name in answers}
    found = {
        name: sorted(word for word in world.needles - passed[name] if word in one.text) for name, one in answers.items()
    }
    return {name: words for name, words in found.items() if words}


def of_a_row(world: World) -> set[str]:
    """The addresses that name one."""
    here, nowhere = addresses(world), addresses(world, "999999")
    return {name for name in here if here[name] != nowhere[name] and "kind>" not in name and "code>" not in name}


def counts() -> dict[str, int]:
    found = [model for model in apps.get_models() if model._meta.managed and not model._meta.proxy]
    return {m._meta.label: m._default_manager.count() for m in found if m._meta.label not in LOGS}


# What a page shows as Python writes it: a pair with the key of its colour, a list, nothing.
AS_PYTHON = re.compile(r">\s*((?:[(\[]&#x27;[^<]{0,200}|None))\s*<")
# Who got what from which address, by GET; filled by the walks, in the order of the tests.
TABLE: dict[str, dict[str, int]] = {}


def table() -> str:
    """Role × address, addresses of one answer to all in one line: how many, and which is the first of them."""
    columns = list(dict.fromkeys(who for row in TABLE.values() for who in row))
    alike: dict[tuple[str, ...], list[str]] = {}
    for name in sorted(TABLE):
        alike.setdefault(tuple(str(TABLE[name].get(who, "")) for who in columns), []).append(name)
    heads = [who.title().replace(" ", "")[:8] for who in columns]
    lines = [(*heads, "addresses"), *((*row, f"{len(names):4} {names[0]}") for row, names in alike.items())]
    return "\n".join(" ".join(f"{cell:<8}" for cell in line) for line in lines)


def note(who: str, answers: dict[str, Answer]) -> None:
    for name, one in answers.items():
        TABLE.setdefault(name, {})[who] = one.status


# --- our own site's people ---------------------------------------------------------------------


def test_the_crawl_goes_over_every_address_with_words_that_would_be_noticed(world: World) -> None:
    assert len(addresses(world)) > 400
    assert len(of_a_row(world)) > 250
    assert len([word for word in world.needles if word.startswith("planted-")]) >= 15


@pytest.mark.parametrize("who", [*(role.value for role in STAFF), "superuser"])
def test_no_address_ends_in_an_error_for_the_people_of_the_site(who: str, world: World) -> None:
    client = _client(world.people.get(("ZJ", who)) or world.people["", who])
    found = addresses(world)
    shown = walk(client, found, "get", are_prints_drawn=True) if who == DRAWN_FOR else _undrawn(client, found, "get")
    note(who, shown)
    assert faults(shown) == {}
    if who == DRAWN_FOR:
        amiss = {name: list(wrong(one.headers, one.text)) for name, one in shown.items()}
        assert {name: words for name, words in amiss.items() if words} == {}
        assert beside(world, shown) == {}
        written = {name: AS_PYTHON.findall(one.text) for name, one in shown.items()}
        assert {name: words for name, words in written.items() if words} == {}


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


def test_who_may_not_see_names_is_shown_none_on_any_page(world: World) -> None:
    """Lists, forms, pages; for monitor and auditor in one, nor is anything kept of them."""
    client = _client(world.people["ZJ", "readers"])
    found = {name: at for name, at in addresses(world).items() if not name.split()[0].endswith(("_export", "_add"))}
    shown = walk(client, found, "get")
    assert len([one for one in shown.values() if one.status == 200]) > 80
    said = {page: [word for word in OURS_SAID.values() if word in one.text] for page, one in shown.items()}
    assert {page: words for page, words in said.items() if words} == {}
    assert not IdentityRead.objects.filter(by=world.people["ZJ", "readers"]).exists()


def _undrawn(client: Client, found: dict[str, str], method: str) -> dict[str, Answer]:
    with undrawn():
        return walk(client, found, method)


def test_nor_when_nothing_is_sent_where_something_is_expected(world: World) -> None:
    client = _client(world.people["ZJ", "all"])
    assert faults(walk(client, addresses(world), "post")) == {}


def test_who_only_reads_writes_nothing(world: World) -> None:
    """Monitor and auditor in one: whatever they press, also what others would send."""
    sent = _filled(world.ours, world.now, world.people["ZJ", "all"])
    client, before = _client(world.people["ZJ", "readers"]), counts()
    with undrawn():
        for address in addresses(world).values():
            client.post(address)
        for label, filled in sent.items():
            assert client.post(filled.address, filled.data).status_code in {403, 404}, label
    after = counts()
    assert {label: n for label, n in after.items() if n != before[label]} == {}


@pytest.mark.parametrize("who", ["no role", "anonymous"])
def test_who_has_no_role_reads_nothing(who: str, world: World) -> None:
    client = _client(world.people.get(("ZJ", who)))
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
    client = _client(world.people["ZJ", "all"])
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


# --- another site's people ---------------------------------------------------------------------


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_row_of_another_site_is_as_if_it_was_not_there(method: str, world: World) -> None:
    """To somebody with every role there: the same answer as for a row that does not exist, and nothing of ours."""
    client, found = _client(world.people["OT", "all"]), addresses(world)
    answers = walk(client, found, method)
    if method == "get":
        note("other site", answers)
    assert faults(answers) == {}
    assert told(world, answers) == {}
    rows = sorted(of_a_row(world))
    nowhere = addresses(world, "999999")
    missing = _undrawn(client, {name: nowhere[name] for name in rows}, method)
    assert {name: answers[name].status for name in rows if answers[name].status != missing[name].status} == {}
    assert {name: answers[name].status for name in rows if answers[name].status not in {403, 404, 405}} == {}
    detail = [name for name in rows if "object_id" in name]
    assert {name: answers[name].status for name in detail if answers[name].status != 404} == {}


def test_no_address_that_asks_for_rows_of_another_site_tells_of_them(world: World) -> None:
    """Filters, prefilled forms, choices, searches."""
    client = _client(world.people["OT", "all"])
    keys = {"participant": world.ours.pk, "site": world.ours.site_id, "infusion": world.ours.infusions.get().pk}  # type: ignore[attr-defined]
    filled = "&".join(f"{name}={key}" for name, key in keys.items())
    lists = {name: at for name, at in addresses(world).items() if name.split()[0].endswith("_changelist")}
    adds = {name: at for name, at in addresses(world).items() if name.split()[0].endswith("_add")}
    asked = [
        walk(client, adds, "get", query=f"?{filled}&panel=CBC"),
        walk(client, lists, "get", query=f"?participant__id__exact={world.ours.pk}"),
        walk(client, lists, "get", query="?q=ZJ"),
        walk(client, {"search": reverse("admin:search")}, "get", query="?s=ZJ"),
        walk(client, {"flow": reverse("admin:participants_screeninglogentry_flow")}, "get", query="?site=ZJ"),
        {label: _answer(client.post(reverse("admin:autocomplete"), of)) for label, of in choices().items()},
    ]
    assert len(asked[-1]) > 15
    assert {one.status for one in asked[-1].values()} == {200}
    assert [found for answers in asked if (found := {**told(world, answers), **faults(answers)})] == []


def test_what_is_typed_to_look_up_a_choice_stands_in_no_address(world: World) -> None:
    """It may be a name, and addresses are kept in logs: whichever field asks, by its address it learns nothing."""
    client, address = _client(world.people["ZJ", "all"]), reverse("admin:autocomplete")
    for label, of in choices().items():
        assert client.get(address, {**of, "term": world.ours.number}).status_code == 405, label
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = client.cookies
    assert strict.post(address, of).status_code in {302, 403}


def choices() -> dict[str, dict[str, str]]:
    """Every field that is chosen by typing, and what it asks for before anything is typed."""
    return {
        f"{page.opts.label}.{name}": {
            "app_label": page.opts.app_label,
            "model_name": page.opts.model_name or "",
            "field_name": name,
            "term": "",
        }
        for page in admin.site._registry.values()
        for name in page.autocomplete_fields
    }


def test_no_form_starts_with_a_row_of_another_site(world: World) -> None:
    """It stands there as it does without the question; with a row of one's own, it is filled in."""
    client = _client(world.people["OT", "all"])
    theirs = {"participant": world.theirs.pk, "site": world.theirs.site_id, "person": world.people["OT", "all"].pk}
    ours = {"participant": world.ours.pk, "site": world.ours.site_id, "person": world.people["ZJ", "all"].pk}
    filled = 0
    for label in FILL:
        started = [_started(client, label, keys) for keys in ({}, ours, theirs)]
        assert started[0] == started[1], label
        filled += started[2] != started[0]
    assert filled > 5


def _started(client: Client, label: str, keys: dict[str, int]) -> dict[str, str]:
    """What stands in the fields that name a row, when the page is opened with these."""
    response = client.get(reverse(f"admin:{label.replace('.', '_').lower()}_add"), keys)
    shown = response.context.get("adminform") if response.status_code == 200 else None
    named = ("participant", "site", "person")
    return {name: str(shown.form[name].value()) for name in named if name in shown.form.fields} if shown else {}


def test_no_export_holds_a_row_of_another_site(world: World) -> None:
    client = _client(world.people["OT", "all"])
    exports = {name: at for name, at in addresses(world).items() if name.split()[0].endswith("_export")}
    answers = {name: _answer(client.post(at, {"format": "csv", "with_identity": "on"})) for name, at in exports.items()}
    assert len([one for one in answers.values() if one.status == 200 and "text/csv" in one.text]) > 25
    assert told(world, answers) == {}


def test_no_refusal_tells_of_another_site(world: World) -> None:
    """Their person with our name and numbers, their bag with our lot: refused or taken, nothing of ours is told."""
    by = world.people["OT", "all"]
    client = _client(by)
    said = {**OURS_SAID, **_codes(world.ours)}
    echo = set(said.values())
    for label, filled in _filled(world.theirs, world.now, by).items():
        data = {name: said.get(name, value) for name, value in filled.data.items()}
        with taken_back():
            answer = _answer(client.post(filled.address, data, follow=True))
        assert answer.status < 500, label
        assert {word for word in world.needles - echo if word in answer.text} == set(), label


def _codes(participant: Participant) -> dict[str, str]:
    bag = apps.get_model("dosing.CellProduct")._default_manager.filter(participant=participant).first()
    return {"lot": bag.lot, "product_lot": bag.lot, "chain_of_identity": bag.chain_of_identity}


def _filled(participant: Participant, now: dt.datetime, by: User) -> dict[str, Filled]:
    return {label: fill(participant, now, by) for label, fill in sorted(FILL.items())}


@pytest.mark.parametrize("path", [f"/api/v1/{name}/" for name in ROUTES])
def test_the_sponsor_s_doors_are_closed_to_staff(path: str, world: World) -> None:
    for who in (("OT", "all"), ("ZJ", "all"), ("", "superuser")):
        for address in (path, f"{path}1/"):
            assert _client(world.people[who]).get(address).status_code == 401


# --- identity that no key opens ----------------------------------------------------------------


def _unread() -> None:
    """Every value that names somebody, as if written with a key that is not here."""
    other = AESSIV(os.urandom(64))
    for one in Participant._meta.concrete_fields:
        if isinstance(one, EncryptedTextField | EncryptedDateField):
            token = base64.b64encode(other.encrypt("李不可说".encode(), [one.label.encode()])).decode()
            Participant.objects.update(**{one.name: Unreadable(token)})


def test_no_page_falls_over_a_name_that_cannot_be_read(world: World) -> None:
    """Every page of a row, every list, the search, and every file that holds a name."""
    client, found = _client(world.people["ZJ", "all"]), addresses(world)
    of_row = of_a_row(world)
    shown = {name: at for name, at in found.items() if name in of_row or "_changelist " in name}
    people = {"list": reverse("admin:participants_participant_changelist")}
    with taken_back():
        _unread()
        answers = walk(client, shown, "get")
        searched = walk(client, people, "get", query="?q=13900007777")
        files = [_answer(client.post(at, {"with_identity": "on", "format": kind})) for at, kind in _named_files()]
    assert (faults(answers), faults(searched), {one.status for one in files}) == ({}, {}, {200})
    page = next(one for name, one in answers.items() if name.startswith("participants_participant_page "))
    assert "unreadable" in page.text
    assert any("unreadable" in one.text for one in files)


def _named_files() -> list[tuple[str, str]]:
    """The address of each list that leaves with names, and a kind of file."""
    pages = [one for one in admin.site._registry.values() if getattr(one, "identity_fields", ())]
    names = [f"admin:{one.opts.app_label}_{one.opts.model_name}_export" for one in pages]
    return [(reverse(name), kind) for name in names for kind in ("csv", "xlsx")]
