"""What names a participant is not saved in any free text of theirs: over all records, forms and pages."""

import datetime as dt
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from django import forms
from django.apps import apps
from django.contrib.auth.models import Group
from django.db import connection, models
from django.test import Client
from django.utils import timezone

from participants.models import Participant, ProtocolDeviation
from participants.rules.identifying import Kind
from safety.models import AdverseEvent
from tests import factories
from tests.addforms import FILL, Filled, send
from tests.conftest import person
from tests.forms import forms_of
from tests.test_reach import _about
from trialsite import audit, formfields, freetext, questions
from trialsite.fields import EncryptedDateField, EncryptedTextField, PartialDateField
from trialsite.identity import IDENTITY
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
    user.groups.set(Group.objects.exclude(name=Role.SPONSOR_PROGRAM))
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


def _said(field: Any, text: str) -> Any:
    return {"said": ["x", text]} if isinstance(field, models.JSONField) else text


@pytest.mark.django_db
def test_no_row_takes_the_identity_of_its_person(
    planted: Participant, everybody: User, login: Any, now: dt.datetime
) -> None:
    """Saved, changed alone, many at once, or added by the hundred."""
    fill_all(login(everybody), planted, now, everybody)
    seen = set()
    for row in list(rows_of(planted)):
        rows: Any = type(row)._default_manager
        for field, (kind, text) in product(freetext.fields_of(type(row)), SPELT.items()):
            one = rows.get(pk=row.pk)
            setattr(one, field.name, _said(field, text))
            with pytest.raises(Refused) as refused:
                one.save()
            assert text not in str(refused.value), kind
            with pytest.raises(Refused):
                rows.bulk_update([one], [field.name])
            if not isinstance(field, models.JSONField):
                with pytest.raises(Refused):
                    rows.filter(pk=row.pk).update(**{field.name: text})
            one.pk, one._state.adding = None, True
            with pytest.raises(Refused):
                rows.bulk_create([one])
            seen.add((row._meta.label, field.name))
    assert len(seen) > 40
    assert holding(*SPELT.values()) == {}


def fill_all(client: Client, participant: Participant, now: dt.datetime, by: User) -> None:
    for label in sorted(set(FILL) - {"participants.ConsentWithdrawal", "dosing.Infusion", "participants.Participant"}):
        filled = FILL[label](participant, now, by)
        send(client, filled)


@pytest.mark.django_db
def test_what_stands_there_already_can_still_be_mended(planted: Participant, alice: User, now: dt.datetime) -> None:
    """The name was corrected after the note was written: the row can be voided, and its other fields changed."""
    event = _deviation(planted, "the neighbour, 李四海, called", by=alice, now=now)
    planted.name = "李四海"
    planted.save()
    event.refresh_from_db()
    event.occurred_on = now.date() - DAY
    event.save()
    with pytest.raises(Refused):
        void(event, reason="李四海 called twice", by=alice, now=now)
    event.refresh_from_db()
    void(event, reason="entered twice", by=alice, now=now)
    event.refresh_from_db()
    assert event.is_void


def _deviation(participant: Participant, text: str, *, by: User, now: dt.datetime) -> ProtocolDeviation:
    facts = {"kind": "sample", "occurred_on": now.date(), "description": text, "reason": "fell"}
    return ProtocolDeviation.objects.create(participant=participant, created_by=by, created_at=now, **facts)


# --- every form ---------------------------------------------------------------------------------------


def shown_form(response: Any, filled: Filled) -> Any:
    shown = response.context[filled.form]
    return shown.form if filled.form == "adminform" else shown


def free_names(form: Any) -> list[str]:
    """Fields into which somebody can write a sentence, found by looking at the form."""
    return [
        name
        for name, field in form.fields.items()
        if isinstance(field, forms.CharField)
        and not isinstance(field, formfields.PartialDateField)
        and not isinstance(field.widget, forms.HiddenInput | forms.PasswordInput)
        and name not in NOT_KEPT | IDENTITY | {questions.ANSWER, "reason_for_change"}
    ]


def counts() -> dict[str, int]:
    return {model._meta.label: model._default_manager.count() for model in records()}


# What is asked for only where another answer says so, and is not kept where it does not.
DROPPED = {"temperature_not_done", "ice_not_done"}
ASKED_WITH = {
    "investigator_reason": {"investigator_grade": "4"},
    "other_named": {"relatedness_other": "possible"},
    "extramedullary_sites": {"extramedullary": "present"},
}
ABOUT_SOMEBODY = sorted(
    set(FILL) - {"safety.OnCallShift", "safety.GuidanceText", "safety.ReferenceSafety", "participants.Participant"}
)


@pytest.mark.django_db
@pytest.mark.parametrize("label", ABOUT_SOMEBODY)
def test_no_form_saves_a_name_and_none_loses_what_was_typed(
    label: str, planted: Participant, everybody: User, login: Any, now: dt.datetime
) -> None:
    client = login(everybody)
    filled = FILL[label](planted, now, everybody)
    names = free_names(shown_form(client.get(filled.address), filled))
    for name in names:
        before = counts()
        text = SPELT["name"]
        response = client.post(filled.address, {**filled.data, **ASKED_WITH.get(name, {}), name: text})
        if name in DROPPED:
            assert holding(text) == {}
            continue
        assert response.status_code == 200, name
        form = shown_form(response, filled)
        said = " ".join([*form.errors.get(name, ()), *form.non_field_errors()])
        assert "the participant’s name" in said.replace("'", "’"), (name, form.errors)
        assert text not in said
        assert form[name].value() == text
        assert text in response.content.decode()
        assert counts() == before, name
    assert names or label in {"participants.Consent", "safety.Discharge"}


@pytest.mark.django_db
@pytest.mark.parametrize("kind", SPELT)
def test_every_kind_is_refused_with_its_name_beside_the_field(
    kind: str, planted: Participant, alice: User, login: Any, now: dt.datetime, english: None
) -> None:
    filled = FILL["safety.AdverseEvent"](planted, now, alice)
    response = login(alice).post(filled.address, {**filled.data, "note": SPELT[kind]})
    (said,) = shown_form(response, filled).errors["note"]
    words = {"pinyin": "the participant's name"}.get(kind) or str(freetext.KINDS[kind])
    assert words in said
    assert "“the participant”" in said
    assert not AdverseEvent.objects.exists()


@pytest.mark.django_db
def test_a_ticked_box_masks_it_and_the_trail_says_so(
    planted: Participant, alice: User, login: Any, now: dt.datetime
) -> None:
    filled = FILL["safety.AdverseEvent"](planted, now, alice)
    typed = {**filled.data, "note": f"{SPELT['name']}, {SPELT['phone']}", "term": "fever of 欧阳梓萱"}
    response = login(alice).post(filled.address, typed)
    assert f'name="{freetext.MASK}"' in response.content.decode()
    assert login(alice).post(filled.address, {**typed, freetext.MASK: "on"}).status_code == 302
    event = AdverseEvent.objects.get()
    assert (event.note, event.term) == ("家属称[name]今晨, 致电 [phone]", "fever of [name]")
    assert "identity masked in" in audit.trail(event)[0].reason


@pytest.mark.django_db
def test_what_may_be_a_word_is_asked_about_and_kept_with_its_reason(
    site: Site, alice: User, login: Any, now: dt.datetime
) -> None:
    li = factories.infused(site=site, by=alice, now=now, infused_at=now - 40 * DAY, name="张力", phone="13955512345")
    filled = FILL["safety.AdverseEvent"](li, now, alice)
    typed = {**filled.data, "note": "右侧张力性气胸"}
    form = shown_form(login(alice).post(filled.address, typed), filled)
    assert "may hold the participant's name" in " ".join(form.non_field_errors())
    answered = {questions.ASKED: form.data[questions.ASKED], questions.ANSWER: "a tension pneumothorax"}
    other = login(alice).post(filled.address, {**typed, **answered, "note": "见张力面色苍白"})
    assert other.status_code == 200, "another text is another question"
    assert login(alice).post(filled.address, {**typed, **answered}).status_code == 302
    event = AdverseEvent.objects.get()
    assert event.note == "右侧张力性气胸"
    assert "a tension pneumothorax" in audit.trail(event)[0].reason


@pytest.mark.django_db
def test_the_answer_to_a_question_names_nobody_either(
    planted: Participant, alice: User, login: Any, now: dt.datetime
) -> None:
    filled = FILL["safety.AdverseEvent"](planted, now, alice)
    login(alice).post(filled.address, filled.data)
    form = shown_form(login(alice).post(filled.address, filled.data), filled)
    answered = {questions.ASKED: form.data[questions.ASKED], questions.ANSWER: SPELT["name"]}
    again = login(alice).post(filled.address, {**filled.data, **answered})
    assert "the participant's name" in " ".join(shown_form(again, filled).errors[questions.ANSWER])
    assert AdverseEvent.objects.count() == 1


@pytest.mark.django_db
def test_another_persons_name_is_no_business_of_this_one(
    planted: Participant, alice: User, login: Any, now: dt.datetime
) -> None:
    filled = FILL["safety.AdverseEvent"](planted, now, alice)
    assert login(alice).post(filled.address, {**filled.data, "note": "seen by Dr. 李四"}).status_code == 302


# --- every page ---------------------------------------------------------------------------------------


# Rows of the site, which belong to no participant: whose identity should be looked for, nobody can say.
ABOUT_NOBODY = {"safety_guidancetext", "safety_oncallshift"}


@pytest.mark.django_db
def test_no_page_of_a_row_saves_what_names_its_person(
    planted: Participant, everybody: User, login: Any, now: dt.datetime
) -> None:
    """Changes, voids, rulings, judgements, stops, holds, answers: whatever has a box for words, filled with the name
    or the birth date; then neither is in any table, but of what is about nobody."""
    client = login(everybody)
    client.raise_request_exception = False
    fill_all(client, planted, now, everybody)
    tried: set[str] = set()
    for address in sorted(_about(planted)):
        page = client.get(address)
        is_page = page.status_code == 200 and page.headers["Content-Type"].startswith("text/html")
        for form in forms_of(page) if is_page else ():
            if boxes := form.texts:
                where = form.attrs.get("action") or address
                for text in (SPELT["name"], SPELT["birth_date"]):
                    sent = client.post(where.partition("#")[0], {**form.data, **dict.fromkeys(boxes, text)})
                    assert sent.status_code < 500, (address, text)
                tried.add(address)
    assert len(tried) > 25, sorted(tried)
    assert {table.removesuffix("event") for table in holding(*SPELT.values())} <= ABOUT_NOBODY
