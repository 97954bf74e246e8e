"""Records that are written together go to the database as columns, however many they are."""

import datetime as dt
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from participants.models import Examination, Measurement, Participant, Visit
from tests import factories
from trialsite.models import Site, User


@pytest.mark.django_db
def test_records_written_together_are_sent_as_columns(site: Site, alice: User, now: dt.datetime) -> None:
    """And what the database fills in stands in the rows all the same."""
    person: Participant = factories.enrolled(site=site, by=alice, now=now)
    facts = {"participant": person, "protocol_version": person.protocol_version, "target_day": 28}
    day = now.date()
    dates = {"target_date": day, "window_opens_on": day, "window_closes_on": day}
    visits = [Visit(code=code, created_by=alice, **facts, **dates) for code in ("D28", "M2")]
    with CaptureQueriesContext(connection) as found:
        Visit.objects.bulk_create(visits)
    (insert,) = [query["sql"] for query in found if query["sql"].startswith("INSERT")]
    assert "UNNEST" in insert
    assert all(visit.pk and isinstance(visit.modified_at, dt.datetime) for visit in visits)
    assert Visit.objects.filter(modified_at__isnull=False, participant=person, target_day=28).count() == len(visits)


@pytest.mark.django_db
def test_values_of_one_column_may_come_in_several_kinds(site: Site, alice: User, now: dt.datetime) -> None:
    """A word and the choice that it is; a whole number, a decimal one, and either as text."""
    person: Participant = factories.enrolled(site=site, by=alice, now=now)
    examination = Examination(participant=person, panel="CBC", taken_at=now, created_by=alice)
    examination.save()
    visits = [
        Visit(
            code=code,
            state=state,
            participant=person,
            protocol_version=person.protocol_version,
            target_day=day,
            target_date=now.date(),
            window_opens_on=now.date(),
            window_closes_on=now.date(),
            created_by=alice,
        )
        for code, state, day in (("D28", Visit.State.PLANNED, 28), ("M2", "planned", "60"))
    ]
    Visit.objects.bulk_create(visits)
    assert set(Visit.objects.filter(participant=person).values_list("code", "state", "target_day")) >= {
        ("D28", "planned", 28),
        ("M2", "planned", 60),
    }
    values = (("PLAT", 90, "10^9/L"), ("HGB", Decimal("100.5"), "g/L"), ("NEUT", "1.2", "10^9/L"))
    Measurement.objects.bulk_create(
        Measurement(
            participant=person,
            examination=examination,
            code=code,
            value=value,
            unit=unit,
            taken_at=now,
            created_by=alice,
        )
        for code, value, unit in values
    )
    assert Measurement.objects.filter(examination=examination).count() == len(values)
