"""Identity stands in the database as tokens only; a wrong key is an error, never a wrong name."""

import base64
import datetime as dt
import os
from typing import Any

import pytest
from django.core.exceptions import FieldError, ImproperlyConfigured, ValidationError
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from participants.models import Participant
from tests import factories
from trialsite.fieldkeys import decrypt, encrypt
from trialsite.fields import validate_partial_date
from trialsite.models import Site, User
from trialsite.partialdate import PartialDate


def _key() -> str:
    return base64.b64encode(os.urandom(64)).decode()


@given(st.text(max_size=200))
def test_what_is_encrypted_comes_back(text: str) -> None:
    assert decrypt(encrypt(text, "a"), "a") == text


def test_the_same_value_gives_the_same_token_in_its_field_only() -> None:
    assert encrypt("王小明", "name") == encrypt("王小明", "name") != encrypt("王小明", "phone")


def test_a_wrong_key_is_an_error(settings: Any) -> None:
    token = encrypt("王小明", "name")
    settings.FIELD_KEYS = [_key()]
    with pytest.raises(ImproperlyConfigured, match="FIELD_KEYS"):
        decrypt(token, "name")


def test_an_older_key_still_opens(settings: Any) -> None:
    token = encrypt("王小明", "name")
    settings.FIELD_KEYS = [_key(), *settings.FIELD_KEYS]
    assert decrypt(token, "name") == "王小明"


@pytest.mark.django_db
def test_the_database_holds_tokens_only(site: Site, alice: User, now: dt.datetime) -> None:
    factories.screened(site=site, by=alice, now=now, hospital_number="H-778899")
    with connection.cursor() as cursor:
        cursor.execute("SELECT row_to_json(p)::text FROM participants_participant p")
        row = cursor.fetchone()[0]
        cursor.execute("SELECT row_to_json(p)::text FROM participants_participantevent p")
        trail = cursor.fetchone()[0]
    for secret in ("王小明", "1990-05-17", "13800000000", "H-778899"):
        assert secret not in row + trail


@pytest.mark.django_db
def test_a_whole_value_can_be_found_and_a_part_cannot(site: Site, alice: User, now: dt.datetime) -> None:
    participant = factories.screened(site=site, by=alice, now=now)
    assert Participant.objects.get(name="王小明") == participant
    assert Participant.objects.get(birth_date=dt.date(1990, 5, 17)) == participant
    with pytest.raises(FieldError):
        Participant.objects.filter(name__icontains="王").exists()


@pytest.mark.django_db
def test_an_empty_value_stays_empty(site: Site, alice: User, now: dt.datetime) -> None:
    participant = factories.screened(site=site, by=alice, now=now, phone="")
    assert Participant.objects.get(pk=participant.pk).phone == ""


@pytest.mark.parametrize(
    ("text", "earliest", "latest"),
    [
        ("2026", "2026-01-01", "2026-12-31"),
        ("2028-02", "2028-02-01", "2028-02-29"),
        ("2026-03-05", "2026-03-05", "2026-03-05"),
    ],
)
def test_a_partial_date_means_a_span(text: str, earliest: str, latest: str) -> None:
    date = PartialDate.parse(text)
    assert (date.earliest.isoformat(), date.latest.isoformat()) == (earliest, latest)


@pytest.mark.parametrize("text", ["2026-13", "2026-02-30", "26-02-01", "2026-2-1", "UNK", "2026-", "", "2026-03-05 "])
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        validate_partial_date(text)


def test_before_is_claimed_only_where_it_is_certain() -> None:
    march, day = PartialDate.parse("2026-03"), PartialDate.parse("2026-03-05")
    assert not march.certainly_before(day)
    assert not day.certainly_before(march)
    assert PartialDate.parse("2026-02").certainly_before(day)
    assert march.certainly_after_day(dt.date(2026, 2, 28))
    assert not march.certainly_after_day(dt.date(2026, 3, 1))
