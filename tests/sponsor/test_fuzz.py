"""The API is asked everything that its schema promises, and much that it excludes.

In the suite one resource is, for all are made alike; `make fuzz` asks each of them, 3,000 times.
"""

import datetime as dt
import os
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, settings
from schemathesis import Case, Config, GenerationMode

from participants.models import Participant
from sponsor.auth import issue_token
from sponsor.limits import Limit
from tests import factories
from tests.conftest import person
from tests.safety.test_bedside import assessed, seen
from trialsite.models import Site, User
from trialsite.roles import Role

CASES = int(os.environ.get("API_CASES", "0"))
DAY = dt.timedelta(days=1)
described = SchemaGenerator().get_schema(request=None, public=True)
OPERATIONS = len(described["paths"])
FEW = 5
# Ends of filters, with how much of a moment they take: some are days.
MOMENTS = {
    parameter["name"]: 10 if parameter["schema"]["format"] == "date" else None
    for path in described["paths"].values()
    for parameter in path["get"]["parameters"]
    if parameter["schema"].get("format") in {"date", "date-time"}
}
schema = schemathesis.openapi.from_dict(described, config=Config(seed=20260305))
# Not the site's own, which looks into the database before it begins.
schema.app = get_wsgi_application()
asked = schema if CASES else schema.include(path_regex="/reconsents/")


@pytest.fixture
def token(db: None, site: Site, alice: User, now: dt.datetime, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A program of the sponsor, something to read, and nobody who counts how often."""
    participant = factories.infused(site=site, by=alice, now=now, infused_at=now - 21 * DAY)
    for make in (factories.adverse_event, factories.judged_event):
        make(participant, by=alice, now=now)
    assessed(participant, now, seen(temperature_c=Decimal("38.4"), writes=False), alice)
    monkeypatch.setattr(Limit, "THROTTLE_RATES", dict.fromkeys(("program", "address"), "1000000/min"))
    # A real server closes its connection after a request; here it is the test's own.
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield issue_token(person("sponsor-edc", Role.SPONSOR_PROGRAM), days=1)[0]
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def keep_promises(case: Case, participant: str) -> None:
    """What is right by the schema, and can be told right from wrong by the site alone."""
    if case.meta is None or case.meta.generation.mode != GenerationMode.POSITIVE:
        return
    query: dict[str, Any] = case.query or {}
    query.pop("cursor", None)
    if "participant" in query:
        query["participant"] = participant
    if "site" in query:
        query["site"] = "ZJ"
    for name in set(query) & {"modified_since", *MOMENTS}:
        if name == "modified_since" or not "1900" <= str(query[name])[:4] < "2100":
            query[name] = "2026-03-05T01:30:00Z"[: MOMENTS.get(name)]


@asked.parametrize()
@settings(
    max_examples=CASES // OPERATIONS + 1 if CASES else FEW,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
def test_no_answer_is_unlike_its_description(case: Case, token: str) -> None:
    keep_promises(case, Participant.objects.values_list("screening_number", flat=True)[0])
    # What calls the application without a server between does not unpack.
    case.call_and_validate(headers={"Authorization": f"Token {token}", "Accept-Encoding": "identity"})
