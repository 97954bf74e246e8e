"""Every address, asked by another site's people or where a name cannot be read: nothing of ours is told."""

import base64
import os
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from django.apps import apps
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from participants.models import Participant
from sponsor.api import ROUTES
from tests.addforms import FILL
from tests.crawl import (
    OURS_SAID,
    World,
    addresses,
    answer_of,
    client_of,
    faults,
    filled_of,
    note,
    of_a_row,
    taken_back,
    told,
    walk,
    walk_undrawn,
    world_for,
)
from trialsite.fieldkeys import Unreadable
from trialsite.fields import EncryptedDateField, EncryptedTextField

# One world for all of them.
pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("unlogged"),
    pytest.mark.xdist_group("crawl from elsewhere"),
]


@pytest.fixture(scope="module")
def world(request: Any, django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    yield from world_for(request, django_db_blocker)


# --- another site's people ---------------------------------------------------------------------


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_row_of_another_site_is_as_if_it_was_not_there(method: str, world: World) -> None:
    """To somebody with every role there: the same answer as for a row that does not exist, and nothing of ours."""
    client, found = client_of(world.people["OT", "all"]), addresses(world)
    answers = walk(client, found, method)
    if method == "get":
        note("other site", answers)
    assert faults(answers) == {}
    assert told(world, answers) == {}
    rows = sorted(of_a_row(world))
    nowhere = addresses(world, "999999")
    missing = walk_undrawn(client, {name: nowhere[name] for name in rows}, method)
    assert {name: answers[name].status for name in rows if answers[name].status != missing[name].status} == {}
    assert {name: answers[name].status for name in rows if answers[name].status not in {403, 404, 405}} == {}
    detail = [name for name in rows if "object_id" in name]
    assert {name: answers[name].status for name in detail if answers[name].status != 404} == {}


def test_no_address_that_asks_for_rows_of_another_site_tells_of_them(world: World) -> None:
    """Filters, prefilled forms, choices, searches."""
    client = client_of(world.people["OT", "all"])
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
        {label: answer_of(client.post(reverse("admin:autocomplete"), of)) for label, of in choices().items()},
    ]
    assert len(asked[-1]) > 15
    assert {one.status for one in asked[-1].values()} == {200}
    assert [found for answers in asked if (found := {**told(world, answers), **faults(answers)})] == []


def test_what_is_typed_to_look_up_a_choice_stands_in_no_address(world: World) -> None:
    """It may be a name, and addresses are kept in logs: whichever field asks, by its address it learns nothing."""
    client, address = client_of(world.people["ZJ", "all"]), reverse("admin:autocomplete")
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
    client = client_of(world.people["OT", "all"])
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
    client = client_of(world.people["OT", "all"])
    exports = {name: at for name, at in addresses(world).items() if name.split()[0].endswith("_export")}
    answers = {
        name: answer_of(client.post(at, {"format": "csv", "with_identity": "on"})) for name, at in exports.items()
    }
    assert len([one for one in answers.values() if one.status == 200 and "text/csv" in one.text]) > 25
    assert told(world, answers) == {}


def test_no_refusal_tells_of_another_site(world: World) -> None:
    """Their person with our name and numbers, their bag with our lot: refused or taken, nothing of ours is told."""
    by = world.people["OT", "all"]
    client = client_of(by)
    said = {**OURS_SAID, **_codes(world.ours)}
    echo = set(said.values())
    for label, filled in filled_of(world.theirs, world.now, by).items():
        data = {name: said.get(name, value) for name, value in filled.data.items()}
        with taken_back():
            answer = answer_of(client.post(filled.address, data, follow=True))
        assert answer.status < 500, label
        assert {word for word in world.needles - echo if word in answer.text} == set(), label


def _codes(participant: Participant) -> dict[str, str]:
    bag = apps.get_model("dosing.CellProduct")._default_manager.filter(participant=participant).first()
    return {"lot": bag.lot, "product_lot": bag.lot, "chain_of_identity": bag.chain_of_identity}


@pytest.mark.parametrize("path", [f"/api/v1/{name}/" for name in ROUTES])
def test_the_sponsor_s_doors_are_closed_to_staff(path: str, world: World) -> None:
    for who in (("OT", "all"), ("ZJ", "all"), ("", "superuser")):
        for address in (path, f"{path}1/"):
            assert client_of(world.people[who]).get(address).status_code == 401


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
    client, found = client_of(world.people["ZJ", "all"]), addresses(world)
    of_row = of_a_row(world)
    shown = {name: at for name, at in found.items() if name in of_row or "_changelist " in name}
    people = {"list": reverse("admin:participants_participant_changelist")}
    with taken_back():
        _unread()
        answers = walk(client, shown, "get")
        searched = walk(client, people, "get", query="?q=13900007777")
        files = [answer_of(client.post(at, {"with_identity": "on", "format": kind})) for at, kind in _named_files()]
    assert (faults(answers), faults(searched), {one.status for one in files}) == ({}, {}, {200})
    page = next(one for name, one in answers.items() if name.startswith("participants_participant_page "))
    assert "unreadable" in page.text
    assert any("unreadable" in one.text for one in files)


def _named_files() -> list[tuple[str, str]]:
    """The address of each list that leaves with names, and a kind of file."""
    pages = [one for one in admin.site._registry.values() if getattr(one, "identity_fields", ())]
    names = [f"admin:{one.opts.app_label}_{one.opts.model_name}_export" for one in pages]
    return [(reverse(name), kind) for name in names for kind in ("csv", "xlsx")]
