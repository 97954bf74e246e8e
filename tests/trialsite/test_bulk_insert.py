"""Records that are written together go to the database as columns, however many they are."""

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from participants.models import Participant, Visit
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
