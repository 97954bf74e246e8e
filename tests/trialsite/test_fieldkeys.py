"""A key that is not the database's is refused in words; another key is put in its place while the site works."""

import base64
import datetime as dt
import os
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import translation

from participants.models import Participant
from sponsor.snapshots.job import shift_key
from tests import factories
from trialsite import audit, codeage, fieldkeys, keyseals, rekeying, seals
from trialsite.codeage import OlderCode
from trialsite.fieldkeys import Unreadable
from trialsite.keyseals import WrongKeys
from trialsite.models import Site, User

TOKEN = "SELECT name, birth_date, hospital_number FROM participants_participant WHERE id = %s"


def key() -> str:
    return base64.b64encode(os.urandom(64)).decode()


def stored(participant: Participant) -> tuple[Any, ...]:
    with connection.cursor() as cursor:
        cursor.execute(TOKEN, [participant.pk])
        return tuple(cursor.fetchone())


# --- Refusals ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        pytest.param([], "holds no key", id="none"),
        pytest.param(["ÄÖ"], "place 1 is none: it is no base64", id="letters-of-another-alphabet"),
        pytest.param([key(), "AAAA"], "of its 2 the one in place 2 is none: it holds 3 bytes", id="too-short"),
        pytest.param([key()[:-4]], "it holds 63 bytes", id="cut-off-when-copied"),
    ],
)
def test_a_malformed_key_is_named_by_its_place(keys: list[str], said: str, settings: Any) -> None:
    settings.FIELD_KEYS = keys
    with pytest.raises(ImproperlyConfigured, match=said) as raised:
        fieldkeys.encrypt("a", "b")
    assert not any(one in str(raised.value) for one in keys if len(one) > 10)


@pytest.mark.django_db
def test_only_keys_that_open_all_that_was_sealed_are_taken(settings: Any) -> None:
    own, new, stranger = settings.FIELD_KEYS[0], key(), key()
    keyseals.refuse_unknown()
    settings.FIELD_KEYS = [stranger]
    with pytest.raises(WrongKeys, match="none of its 1 opens the value that is sealed"):
        keyseals.refuse_before_preparing()
    answer = Client().get("/readyz")
    assert answer.status_code == 503
    assert "Put back the FIELD_KEYS from your copy" in answer.json()["keys"]["reason"]
    settings.FIELD_KEYS = [new, own]
    keyseals.refuse_before_preparing()
    with pytest.raises(WrongKeys, match="prepare_database"):
        keyseals.refuse_unknown()
    keyseals.seal()
    keyseals.refuse_unknown()
    settings.FIELD_KEYS = [own]
    with pytest.raises(WrongKeys, match="1 of 2 keys missing"):
        keyseals.refuse_wrong()


@pytest.mark.django_db
def test_a_database_older_than_its_sealed_value_is_held_against_its_rows(
    site: Site, alice: User, now: dt.datetime, settings: Any
) -> None:
    factories.screened(site=site, by=alice, now=now)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM guard.field_key")
    keyseals.refuse_before_preparing()
    settings.FIELD_KEYS = [key()]
    with pytest.raises(WrongKeys, match="values of identity in it none opens"):
        keyseals.refuse_before_preparing()


@pytest.mark.django_db
def test_code_older_than_its_database_is_refused() -> None:
    codeage.refuse_older_code()
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO django_migrations (app, name, applied) VALUES ('gone', '0001_x', now())")
        codeage.refuse_older_code()  # an app that was taken out
        cursor.execute("INSERT INTO django_migrations (app, name, applied) VALUES ('safety', '0999_later', now())")
    with pytest.raises(OlderCode, match=r"newer than this software: safety\.0999_later"):
        codeage.refuse_older_code()


# --- What cannot be read -------------------------------------------------------------------------------


@pytest.mark.django_db
def test_an_unreadable_value_is_a_word_in_its_field_and_is_written_back_as_it_came(
    site: Site, alice: User, now: dt.datetime, settings: Any
) -> None:
    participant = factories.screened(site=site, by=alice, now=now, hospital_number="H1")
    before, own = stored(participant), settings.FIELD_KEYS
    settings.FIELD_KEYS = [key()]
    with translation.override("zh-hans"):
        read = Participant.objects.get(pk=participant.pk)
        assert (read.name, read.birth_date, read.phone) == ("无法读取",) * 3
    assert (read.born_on, read.age_on(now.date())) == (None, None)
    read.full_clean()
    read.save()
    assert stored(participant) == before
    assert Participant.objects.get(name=read.name) == participant
    settings.FIELD_KEYS = own
    assert Participant.objects.get(pk=participant.pk).name == "王小明"


@pytest.mark.django_db
def test_two_people_who_cannot_be_read_are_not_one_person(
    site: Site, alice: User, now: dt.datetime, settings: Any
) -> None:
    factories.screened(site=site, by=alice, now=now, hospital_number="H1")
    settings.FIELD_KEYS = [key()]
    lost = Participant.objects.get()
    other = Participant(site=site, name=lost.name, birth_date=lost.birth_date, hospital_number="", sex="F")
    assert Participant.twin.find(other) is None
    assert lost.identity_in("the ECG was unreadable, 无法读取") == []


@pytest.mark.django_db
def test_a_form_keeps_what_it_could_not_show_and_takes_what_is_typed_anew(
    site: Site, alice: User, now: dt.datetime, settings: Any, login: Any
) -> None:
    participant = factories.screened(site=site, by=alice, now=now, hospital_number="H1")
    before = stored(participant)
    settings.FIELD_KEYS = [key()]
    address = f"/admin/participants/participant/{participant.pk}/change/"
    client = login(alice)
    form = client.get(address).context["adminform"].form
    shown = {name: form[name].value() for name in form.fields}
    assert [shown["name"], shown["birth_date"]] == ["unreadable"] * 2
    typed = {name: "" if value is None else str(value) for name, value in shown.items()}
    typed |= {"hospital_number": "H2", "reason_for_change": "the number is on the wristband"}
    client.post(address, {**typed, **dict(_hidden(client, address).items())})
    name, birth_date, number = stored(participant)
    assert (name, birth_date) == before[:2]
    assert number != before[2]
    assert Participant.objects.get(pk=participant.pk).hospital_number == "H2"


def _hidden(client: Client, address: str) -> dict[str, str]:
    form = client.get(address).context["adminform"].form
    return {one.html_name: str(one.value() or "") for one in form.hidden_fields()}


# --- Another key ---------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_people_of_both_keys_are_found_meanwhile(site: Site, alice: User, now: dt.datetime, settings: Any) -> None:
    old = factories.screened(site=site, by=alice, now=now, name="李明", hospital_number="H1")
    settings.FIELD_KEYS = [key(), *settings.FIELD_KEYS]
    new = factories.screened(site=site, by=alice, now=now, name="王芳", hospital_number="H2", phone="139")
    for one, number in ((old, "H1"), (new, "H2")):
        assert Participant.objects.get(hospital_number=number) == one
        assert Participant.objects.get(name__in=[one.name]) == one
    assert set(Participant.objects.filter(name__in=["李明", "王芳"])) == {old, new}
    assert Participant.objects.exclude(name="李明").get() == new
    assert Participant.objects.filter(birth_date=dt.date(1990, 5, 17)).count() == 2
    assert not Participant.objects.filter(name__in=[]).exists()
    assert Participant.objects.filter(phone="").count() == 0


@pytest.mark.django_db(transaction=True)
def test_rotation_changes_tokens_and_nothing_else(
    unsealed: None,
    other_keys: None,
    site: Site,
    alice: User,
    now: dt.datetime,
    settings: Any,
    capsys: Any,
    english: None,
) -> None:
    participant = factories.screened(site=site, by=alice, now=now, hospital_number="H1")
    seals.make()
    seals.make()
    before = Participant.objects.get(pk=participant.pk)
    tokens, trail = stored(participant), audit.trail(participant)
    moves_dates = shift_key()
    settings.FIELD_KEYS = [key(), *settings.FIELD_KEYS]
    call_command("rotate_field_keys")
    told = capsys.readouterr().out
    assert "1 written with the newest key" in told
    assert "opens no row any more, but 4 values of the audit trail" in told
    assert not set(stored(participant)) & set(tokens)
    after = Participant.objects.get(pk=participant.pk)
    assert {f.name: getattr(after, f.name) for f in Participant._meta.fields} == {
        f.name: getattr(before, f.name) for f in Participant._meta.fields
    }
    assert audit.trail(after) == trail
    assert seals.verify().faults == ()
    # The triggers are in force again, and the next change says what it was: nothing of the key.
    after.bed = "12"
    after.save()
    assert [change.field for change in audit.trail(after)[0].changes] == ["bed"]
    settings.FIELD_KEYS = settings.FIELD_KEYS[:1]
    keyseals.refuse_unknown()
    assert Participant.objects.get(pk=participant.pk).name == "王小明"
    # The sponsor's dates stay where they were.
    assert shift_key() == moves_dates
    assert isinstance(participant.events.first().name, Unreadable)  # type: ignore[attr-defined]


@pytest.mark.django_db(transaction=True)
def test_rotation_that_ends_in_the_middle_goes_on_where_it_ended(
    other_keys: None, site: Site, alice: User, now: dt.datetime, settings: Any, monkeypatch: Any
) -> None:
    people = [factories.screened(site=site, by=alice, now=now, name=name) for name in ("甲一", "乙二", "丙三")]
    settings.FIELD_KEYS = [key(), *settings.FIELD_KEYS]
    monkeypatch.setattr(rekeying, "BATCH", 1)

    def stop(text: str) -> None:
        if "2 rows looked at" in text:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rekeying.rotate(stop)
    assert [_place(one) for one in people] == [0, 0, 1]
    assert keyseals.standing()[1:] != []  # both keys are still needed
    said: list[str] = []
    counted = rekeying.rotate(said.append)
    assert "participants_participant: all 3 rows looked at, 1 written with the newest key" in said
    assert (counted.rows[0], counted.rows[1]) == (9, 0)
    assert len(keyseals.standing()) == 1


def _place(participant: Participant) -> int | None:
    found = fieldkeys.opened(stored(participant)[0], "participant.name")
    return found and found[0]


@pytest.mark.django_db(transaction=True)
def test_the_application_s_own_role_may_not_rotate(as_app_role: None) -> None:
    assert not rekeying.is_owner()
