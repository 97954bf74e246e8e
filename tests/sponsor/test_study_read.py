"""Over the small demo study, with a row of every resource: each is as described, and names nobody."""

from typing import Any

import pytest
import schemathesis
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator

from demo.build import build
from participants.models import Participant
from sponsor import api
from tests.conftest import Once
from tests.sponsor.test_reading import read
from tests.test_trail import _what_the_demo_lacks

__all__ = ["read"]

schema = schemathesis.openapi.from_dict(SchemaGenerator().get_schema(request=None, public=True))


@pytest.fixture(scope="module")
def study(once: Once) -> None:
    """The small demo study, and a row of each kind that it has none of."""
    assert once.site
    for _participant in build(now=timezone.now(), is_small=True):
        pass
    _what_the_demo_lacks(timezone.now())


def test_every_row_of_a_study_is_as_it_is_described(study: None, read: Any) -> None:
    """Each row also answers alone, and has the columns that the resource names and no others."""
    found = {}
    for route, view in api.ROUTES.items():
        answer = read(f"{route}/?page_size=1000")
        assert answer.status_code == 200, (route, answer.content)
        schema[f"/api/v1/{route}/"]["GET"].validate_response(_response(answer))
        found[route] = answer.json()["results"]
        for row in found[route][:1]:
            assert tuple(row) == view.serializer_class.Meta.fields  # type: ignore[union-attr]
            assert read(f"{route}/{row['id']}/").json() == row
    assert [route for route, rows in found.items() if not rows] == []


def _response(answer: Any) -> Any:
    return schemathesis.Response(
        status_code=answer.status_code,
        headers={name.lower(): [value] for name, value in answer.items()},
        content=answer.content,
        request=None,  # type: ignore[arg-type]
        elapsed=0.1,
        verify=False,
    )


def test_no_text_of_a_participant_leaves(study: None, read: Any) -> None:
    """Neither who somebody is nor a sentence that somebody wrote: what things are called is no sentence."""
    text = "".join(read(f"{route}/?page_size=1000").content.decode() for route in api.ROUTES)
    people = Participant.objects.all()
    assert people
    for person in people:
        for secret in (person.name, person.phone, person.hospital_number, str(person.birth_date)):
            assert not secret or secret not in text, person
