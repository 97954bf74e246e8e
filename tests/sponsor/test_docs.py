"""What docs/api.md tells is so, and its client reads a live server."""

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from participants.models import Participant
from sponsor.api import ROUTES
from sponsor.auth import issue_token
from tests import factories
from tests.conftest import first_site, person
from trialsite.problems import KINDS
from trialsite.roles import Role
from trialsite.voiding import void

DOCS = Path(settings.BASE_DIR) / "docs"
TEXT = (DOCS / "api.md").read_text(encoding="utf-8")
ADDRESSES = re.findall(r'curl .*"\$SITE(/api/[^"]+)"', TEXT)


@pytest.fixture
def client_of_the_docs() -> Any:
    spec = importlib.util.spec_from_file_location("client", DOCS / "examples" / "client.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.django_db
@pytest.mark.parametrize("address", ADDRESSES)
def test_every_address_of_the_docs_answers(address: str, site: Any) -> None:
    token, _end = issue_token(person("sponsor-edc", Role.SPONSOR_PROGRAM), days=1)
    assert Client().get(address, headers={"authorization": f"Token {token}"}).status_code == 200


def test_the_docs_name_every_resource_and_every_error() -> None:
    assert len(ADDRESSES) >= 5
    assert {name for name in ROUTES if f"`{name}`" not in TEXT} == set()
    assert {name for name in KINDS if f"`{name}`" not in TEXT} == set()


@pytest.mark.django_db(transaction=True)
def test_the_client_keeps_a_copy_up_to_date(live_server: Any, client_of_the_docs: Any, tmp_path: Path) -> None:
    site = first_site()
    alice, now = person("alice", Role.COORDINATOR, site), timezone.now()
    participant: Participant = factories.infused(site=site, by=alice, now=now)
    token, _end = issue_token(person("sponsor-edc", Role.SPONSOR_PROGRAM), days=1)
    api = client_of_the_docs.Api(live_server.url, token)
    count = participant.visits.count()
    assert client_of_the_docs.keep(api, "visits", tmp_path) == count
    # What changed within the last minute comes again, so that no step of a clock loses a row.
    assert client_of_the_docs.keep(api, "visits", tmp_path) == count
    void(participant, reason="entered twice", by=alice, now=now)
    assert client_of_the_docs.keep(api, "visits", tmp_path) == count
    rows = client_of_the_docs.json.loads((tmp_path / "visits.json").read_text())["rows"]
    assert len(rows) == count
    assert all(row["is_void"] for row in rows.values())
    # The same address once more: nothing is sent, and the same is known.
    first = next(api.pages("visits", page_size="1000"))
    assert next(api.pages("visits", page_size="1000")) is first
    with pytest.raises(client_of_the_docs.Problem) as found:
        api.get(f"{api.root}visits/?page_size=0")
    assert (found.value.kind, list(found.value.errors)) == ("invalid-page-size", ["page_size"])
