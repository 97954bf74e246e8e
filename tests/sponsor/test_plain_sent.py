"""An export with real commits and the application's login: as a web process sends it, and as a reader breaks it off."""

import datetime as dt
import hashlib
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client

from bench.lists import copy
from safety.models import AdverseEvent
from sponsor.models import ApiRead, ReadStage
from tests import factories
from tests.sponsor.test_plain import EVENTS, client, read
from trialsite.models import Site, User

__all__ = ["client"]


@pytest.fixture
def event(transactional_db: None, site: Site, alice: User, now: dt.datetime) -> AdverseEvent:
    return factories.adverse_event(factories.infused(site=site, by=alice, now=now), by=alice, now=now)


@pytest.mark.django_db(transaction=True)
def test_a_reader_that_goes_away_ends_the_statement(event: AdverseEvent, client: Client) -> None:
    """In the database too, which would write for nobody; the connection is good for the next request."""
    copy(event, 20_000)
    answer: Any = client.get(f"{EVENTS}.csv")
    first = next(answer.streaming_content)
    answer.close()
    ended = ApiRead.objects.get(stage=ReadStage.BROKEN_OFF)
    assert (ended.rows, ended.bytes, ended.sha256) == (0, len(first), hashlib.sha256(first).hexdigest())
    assert not client.get(f"/api/v1/export/{answer['Export-Number']}/").json()["is_whole"]
    assert AdverseEvent.objects.count() == 20_001
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY%' AND state = 'active'")
        assert cursor.fetchone() == (0,)


@pytest.mark.django_db(transaction=True)
def test_the_applications_login_is_enough(as_app_role: None, event: AdverseEvent, client: Client) -> None:
    cache.clear()
    assert b"\n" in read(client, f"{EVENTS}.csv")
    assert [one.stage for one in ApiRead.objects.order_by("pk")] == [ReadStage.BEGUN, ReadStage.WHOLE]
