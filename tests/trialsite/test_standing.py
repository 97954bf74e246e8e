"""What is void counts nowhere, and one query says so: over every kind of record, and over the source."""

import ast
import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.db.models import Model

from participants.models import Participant
from tests import factories
from trialsite.models import Record, User
from trialsite.voiding import void

RECORDS = [model for model in apps.get_models() if issubclass(model, Record) and not model._meta.proxy]
# Rows of a site, not of a person.
OF_A_SITE = {"participants.Participant", "safety.OnCallShift", "safety.GuidanceText", "safety.ReferenceSafety"}
APPS = ("trialsite", "participants", "dosing", "safety", "sponsor", "demo")


def at_the_end(model: Any, path: str) -> type[Model]:
    for name in path.split("__"):
        model = model._meta.get_field(name).related_model
    return model  # type: ignore[no-any-return]


@pytest.mark.parametrize("model", RECORDS, ids=lambda m: m._meta.label)
def test_every_record_says_whose_it_is(model: Any) -> None:
    """A row of a void participant falls with it, whatever the way from one to the other."""
    if model._meta.label in OF_A_SITE:
        assert model.part_of == ()
    else:
        assert Participant in [at_the_end(model, path) for path in model.part_of]
    assert all(issubclass(at_the_end(model, path), Record) for path in model.part_of)


@pytest.mark.django_db
@pytest.mark.parametrize("model", RECORDS, ids=lambda m: m._meta.label)
def test_the_one_query_asks_the_row_and_all_that_it_is_part_of(model: Any) -> None:
    asked = str(model.objects.standing().query)
    assert asked.count('"voided_at" IS NULL') == 1 + len(model.part_of)


@pytest.mark.django_db
def test_with_a_participant_everything_falls(site: Any, alice: User, dana: User, now: dt.datetime) -> None:
    participant = factories.infused(site=site, by=alice, now=now)
    before = {model: model.objects.standing().count() for model in RECORDS}
    assert sum(1 for count in before.values() if count) >= 12, "a life with many kinds of rows"
    void(participant, reason="another person", by=dana, now=now)
    for model in RECORDS:
        assert model.objects.standing().count() == 0, model._meta.label
        assert model.objects.fallen().count() == before[model], model._meta.label
        assert not any(row.is_standing for row in model.objects.all()), model._meta.label


@pytest.mark.django_db
def test_a_void_row_leaves_the_others_standing(site: Any, alice: User, dana: User, now: dt.datetime) -> None:
    participant = factories.infused(site=site, by=alice, now=now)
    one, *others = participant.visits.all()
    void(one, reason="by mistake", by=dana, now=now)
    assert set(participant.visits.standing()) == set(others)
    assert (one.is_standing, others[0].is_standing) == (False, True)


def _is_constraint(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "UniqueConstraint"


def asks_for_void_rows(path: Path) -> list[int]:
    """Lines that ask for void rows in words of their own; conditions of constraints and indexes may."""
    tree = ast.parse(path.read_text())
    in_meta = {
        id(node)
        for meta in ast.walk(tree)
        if (isinstance(meta, ast.ClassDef) and meta.name == "Meta") or _is_constraint(meta)
        for node in ast.walk(meta)
    }
    return [
        node.value.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.keyword) and (node.arg or "").endswith("voided_at__isnull") and id(node) not in in_meta
    ]


def test_nobody_asks_for_void_rows_in_words_of_their_own() -> None:
    sources = [
        path for app in APPS for path in (Path(settings.BASE_DIR) / app).rglob("*.py") if "migrations" not in path.parts
    ]
    assert len(sources) > 100
    found = {path.name: lines for path in sources if (lines := asks_for_void_rows(path))}
    assert found == {}, "use standing() or fallen(): only they know of the participant's own void"


def test_the_search_itself_finds_them(tmp_path: Path) -> None:
    source = tmp_path / "bad.py"
    source.write_text("rows.filter(visits__voided_at__isnull=True)\nclass Meta:\n    x = Q(voided_at__isnull=True)\n")
    assert asks_for_void_rows(source) == [1]
