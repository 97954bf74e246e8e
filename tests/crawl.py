"""Every address, as every role, over the rows of two sites: the rows, the walk over the addresses, and who got what."""

import datetime as dt
import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group
from django.core.exceptions import FieldError
from django.db import DatabaseError, models, transaction
from django.template.response import TemplateResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from participants.models import IdentityRead, Participant
from tests import factories
from tests.addforms import FILL, Filled, send
from tests.conftest import TOLD, person
from tests.test_error_pages import names, patterns
from trialsite import pdf, reach
from trialsite.models import Record, Site, User
from trialsite.roles import Role

DAY = dt.timedelta(days=1)
STAFF = [role for role in Role if role is not Role.SPONSOR_PROGRAM]
READERS = (Role.MONITOR, Role.AUDITOR)
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
    # What was shown to whom of ours, by the address' name; filled by the tests.
    shown: dict[str, dict[str, "Answer"]] = field(default_factory=dict)


def _all_of(participant: Participant, now: dt.datetime, by: User) -> None:
    """What can be typed of a participant, typed by somebody who may do all of it at this site."""
    client = client_of(by)
    for label in sorted(set(FILL) - {"participants.Participant", "participants.ConsentWithdrawal", "dosing.Infusion"}):
        filled = FILL[label](participant, now, by)
        send(client, filled)


def _stopped(by: User, theirs: Participant, ours: Participant, now: dt.datetime) -> None:
    """A bag of ours lay at their bed, and was taken for theirs: its lot is all that they know of it."""
    bag = factories.thawed(ours, at=now - DAY, lot=LOT_SEEN)
    filled = FILL["dosing.Infusion"](theirs, now, by)
    client_of(by).post(filled.address, {**filled.data, "product_lot": bag.lot})


def client_of(user: User | None) -> Client:
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


def world_for(request: Any, blocker: Any) -> Iterator[World]:
    """Made once for the tests of a module; what they change is taken back after them."""
    with blocker.unblock(), transaction.atomic():
        yield _made(timezone.now())
        transaction.set_rollback(True)
    # Where several processes share the tests, this one hands it to the one that tells the end.
    output = getattr(request.config, "workeroutput", request.config.stash.setdefault(TOLD, {}))
    output["crawl"] = f"{output.get('crawl', '')}{table()}\n"
    TABLE.clear()


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
    """What came back: its status, and everything in it that can be read; `kept` that a name was."""

    status: int
    text: str
    headers: dict[str, str]
    kept: bool = False


def walk(
    client: Client,
    found: dict[str, str],
    method: str,
    *,
    query: str = "",
    are_prints_drawn: bool = False,
    reader: User | None = None,
) -> dict[str, Answer]:
    """The answer of each address; `reader`: of whom is noted whether a name was read."""
    answers = {}
    with nullcontext() if are_prints_drawn else unprinted():
        for name, address in found.items():
            with taken_back():
                answers[name] = answer_of(getattr(client, method)(address + query))
                if reader and IdentityRead.objects.filter(by=reader).exists():
                    answers[name] = replace(answers[name], kept=True)
    return answers


@contextmanager
def unprinted() -> Iterator[None]:
    """Nobody reads a word in the bytes of a PDF: one walk draws them."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(pdf, "render", lambda printed, **more: b"%PDF")
        yield


def answer_of(response: Any) -> Answer:
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


def walk_undrawn(client: Client, found: dict[str, str], method: str) -> dict[str, Answer]:
    with undrawn():
        return walk(client, found, method)


def filled_of(participant: Participant, now: dt.datetime, by: User) -> dict[str, Filled]:
    return {label: fill(participant, now, by) for label, fill in sorted(FILL.items())}


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
