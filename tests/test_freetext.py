"""What names a participant is not saved in any free text of theirs: over all records, forms and pages."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from django import forms
from django.apps import apps
from django.contrib.auth.models import Group
from django.db import connection, models
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from participants.actions import report_deviation
from participants.models import Participant, Visit
from participants.rules.identifying import Kind
from safety.models import AdverseEvent
from tests import factories
from tests.addforms import FILL, Filled
from tests.conftest import person
from tests.forms import forms_of
from tests.test_reach import _about
from trialsite import freetext, questions
from trialsite.fields import EncryptedDateField, EncryptedTextField, PartialDateField
from trialsite.models import Record, Site, User
from trialsite.refusal import Refused
from trialsite.roles import Role
from trialsite.voiding import void

DAY = dt.timedelta(days=1)
PLANTED = {
    "name": "欧阳梓萱",
    "phone": "13955512345",
    "hospital_number": "ZY7700123",
    "birth_date": dt.date(1983, 7, 19),
}
SPELT = {
    "name": "家属称欧阳 梓萱今晨",
    "pinyin": "Zixuan OUYANG",
    "phone": "致电 139-5551-2345",
    "hospital_number": "住院号 zy-7700123",
    "birth_date": "生于1983年7月19日",
    "id_number": "11010519491231002X",
}
# Where somebody writes which row is meant, or what the study's lists must know: nothing of it is kept as text.
NOT_KEPT = {"number", "ctcae_code", "product_lot", "lot", "chain_of_identity", "certificate", "second_reading"}


@pytest.fixture
def now() -> dt.datetime:
    return timezone.now()


@pytest.fixture
def planted(site: Site, alice: User, now: dt.datetime) -> Participant:
    return factories.infused(site=site, by=alice, now=now, infused_at=now - 40 * DAY, **PLANTED)


@pytest.fixture
def everybody(site: Site) -> User:
    """Somebody with every role."""
    user = person("every", Role.COORDINATOR, site)
    user.groups.set(Group.objects.all())
    return user


def tables() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        return [name for (name,) in cursor.fetchall()]


def holding(*texts: str) -> dict[str, int]:
    """How many rows of each table hold one of these texts in any of their columns, JSON's escapes included."""
    found = {}
    wanted = [f"%{one}%" for text in texts for one in (text, ascii(text)[1:-1].replace("\\", "\\\\"))]
    with connection.cursor() as cursor:
        for table in tables():
            cursor.execute(f'SELECT count(*) FROM "{table}" AS one WHERE one::text LIKE ANY(%s)', [wanted])
            if count := cursor.fetchone()[0]:
                found[table] = count
    return found


# --- what is free text --------------------------------------------------------------------------------


def records() -> list[Any]:
    found = [model for model in apps.get_models() if issubclass(model, Record) and not model._meta.proxy]
    assert len(found) > 25
    return found


@pytest.mark.parametrize("model", records(), ids=lambda model: model._meta.label)
def test_every_text_of_a_record_is_free_or_made_by_us_or_identity(model: Any) -> None:
    """Somebody decides of a new field: what is not editable and no long text is written by the program."""
    free = {field.name for field in freetext.fields_of(model)}
    assert "void_reason" in free
    kinds = (models.CharField, models.TextField, models.JSONField)
    for field in model._meta.concrete_fields:
        is_text = isinstance(field, kinds) and not field.choices
        is_identity = isinstance(field, EncryptedTextField | EncryptedDateField)
        is_ours = field.name in freetext.MADE_BY_US or (isinstance(field, models.CharField) and not field.editable)
        is_date = isinstance(field, PartialDateField)
        assert (field.name in free) == (is_text and not (is_identity or is_ours or is_date)), field.name


def test_every_kind_of_finding_has_its_words() -> None:
    assert {kind.value for kind in Kind} == set(freetext.KINDS) == set(freetext.MASKS)


# --- every row, by whatever way -----------------------------------------------------------------------


def rows_of(participant: Participant) -> Iterator[Any]:
    """The newest row of each kind that is about this participant."""
    for model in records():
        for row in model._default_manager.order_by("-pk"):
            if freetext.owner_of(row) == participant:
                yield row
                break


@pytest.mark.django_db
def test_no_row_takes_the_identity_of_its_person(
    planted: Participant, everybody: User, login: Any, now: dt.datetime
) -> None:
    fill_all(login(everybody), planted, now, everybody)
    seen = set()
    for row in rows_of(planted):
        for field in freetext.fields_of(type(row)):
            for text in SPELT.values():
                is_json = isinstance(field, models.JSONField)
                setattr(row, field.name, {"said": [text]} if is_json else text)
                with pytest.raises(Refused):
                    row.save(update_fields=[field.name])
                if not is_json:
                    rows = type(row)._default_manager.filter(pk=row.pk)
                    with pytest.raises(Refused):
                        rows.update(**{field.name: text})
                    with pytest.raises(Refused):
                        type(row)._default_manager.bulk_update([row], [field.name])
            row.pk, row._state.adding = None, True
            with pytest.raises(Refused):
                type(row)._default_manager.bulk_create([row])
            row.refresh_from_db() if row.pk else None
            seen.add((type(row)._meta.label, field.name))
            row = type(row)._default_manager.order_by("-pk").first()  # noqa: PLW2901  # as it is stored
    assert len(seen) > 40


def fill_all(client: Client, participant: Participant, now: dt.datetime, by: User) -> None:
    for label in sorted(set(FILL) - {"participants.ConsentWithdrawal", "dosing.Infusion", "participants.Participant"}):
        filled = FILL[label](participant, now, by)
        client.post(filled.address, filled.data)


@pytest.mark.django_db
def test_what_stands_there_already_can_still_be_mended(planted: Participant, alice: User, now: dt.datetime) -> None:
    """The name was corrected after the note was written: the row can be voided, and its other fields changed."""
    event = _deviation(planted, "the neighbour, 李四海, called", by=alice, now=now)
    planted.name = "李四海"
    planted.save()
    event.refresh_from_db()
    event.severity = "minor"
    event.save()
    with pytest.raises(Refused):
        void(event, reason="李四海 called twice", by=alice, now=now)
    event.refresh_from_db()
    void(event, reason="entered twice", by=alice, now=now)
    event.refresh_from_db()
    assert event.is_void


def _deviation(participant: Participant, text: str, *, by: User, now: dt.datetime) -> Any:
    from participants.models import ProtocolDeviation

    row = ProtocolDeviation(
        participant=participant, kind="sample", occurred_on=now.date(), description=text, reason="fell"
    )
    row.created_by, row.created_at = by, now
    row.save()
    return row
