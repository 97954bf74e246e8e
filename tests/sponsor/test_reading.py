"""Filters, orders, columns, tags and compression: over every resource, so that the next one has them too."""

import datetime as dt
import gzip
import hashlib
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from participants.models import Visit
from safety.models import AdverseEvent
from sponsor import api
from sponsor.api.rows import Resource
from sponsor.auth import issue_token
from sponsor.models import ApiRead
from tests import factories
from tests.test_budgets import statements
from trialsite.models import Site, User
from trialsite.roles import Role

DAY = dt.timedelta(days=1)


@pytest.fixture
def read(db: None, site: Site) -> Any:
    user = User.objects.create(username="sponsor-edc")
    user.groups.add(Group.objects.get(name=Role.SPONSOR_PROGRAM))
    token, _end = issue_token(user, days=1)
    client = Client(headers={"authorization": f"Token {token}"})
    return lambda path, **more: client.get(f"/api/v1/{path}", **more)


# --- filters -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("resource", api.RESOURCES, ids=lambda one: one.name)
def test_every_filter_of_a_resource_is_asked_of_the_database(resource: Resource, read: Any, site: Site) -> None:
    for name, one in api.ROUTES[resource.name].filterset_class.base_filters.items():
        if name == "participant":
            continue
        value = _fitting(one, name)
        answer = read(f"{resource.name}/?{name}={value}")
        assert answer.status_code == 200, (name, value, answer.content)


def _fitting(one: Any, name: str) -> str:
    shown = one._spectacular_annotation["field"]
    by_format = {"date": "2026-03-05", "date-time": "2026-03-05T01:30:00Z"}
    if name == "site":
        return "ZJ"
    return str(shown.get("enum", [by_format.get(shown.get("format", ""), "1")])[0])


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["2026", "2026-02-28", "2026-03", "2026-03-04", "2026-03-05"]),
        ("onset_from=2026-03-05", ["2026", "2026-03", "2026-03-05"]),
        ("onset_from=2026-03-06", ["2026", "2026-03"]),
        ("onset_to=2026-03-04", ["2026", "2026-02-28", "2026-03", "2026-03-04"]),
        ("onset_to=2026-02-28", ["2026", "2026-02-28"]),
        ("onset_from=2026-03-04&onset_to=2026-03-04", ["2026", "2026-03", "2026-03-04"]),
        ("resolved_to=2026-12-31", []),
        ("grade_from=2", ["2026-03-05"]),
        ("grade_to=2", ["2026", "2026-02-28", "2026-03", "2026-03-04", "2026-03-05"]),
        ("is_serious=true", ["2026-03-05"]),
        ("is_serious=false&grade_from=1", ["2026", "2026-02-28", "2026-03", "2026-03-04"]),
        ("is_void=true", []),
        ("ordering=-onset", ["2026-03-05", "2026-03-04", "2026-03", "2026-02-28", "2026"]),
    ],
)
def test_a_filter_finds_what_it_says(query: str, found: list[str], read: Any, events: list[AdverseEvent]) -> None:
    order = "" if "ordering" in query else "&ordering=onset"
    rows = read(f"adverse-events/?{query}{order}".replace("?&", "?")).json()["results"]
    assert [row["onset"] for row in rows] == found


@pytest.fixture
def events(site: Site, alice: User, now: dt.datetime) -> list[AdverseEvent]:
    """Onsets known in full and in part; the last is of grade 2, and serious."""
    participant = factories.infused(site=site, by=alice, now=now, infused_at=now - 40 * DAY)
    return [
        AdverseEvent.objects.create(
            participant=participant,
            term="Fever",
            onset=onset,
            grade=2 if onset == "2026-03-05" else 1,
            is_life_threatening=onset == "2026-03-05",
            ctcae_version="5.0",
            outcome="recovering",
            site_aware_at=now,
            created_by=alice,
        )
        for onset in ("2026-03-05", "2026", "2026-03", "2026-02-28", "2026-03-04")
    ]


# --- orders and columns --------------------------------------------------------------------------------


@pytest.mark.parametrize("resource", api.RESOURCES, ids=lambda one: one.name)
def test_every_order_has_an_index_with_the_key_behind_it(resource: Resource) -> None:
    """Or each page would sort all rows; and a column that may be empty has no place in an order."""
    with_key = {tuple(index.fields) for index in resource.model._meta.indexes}
    for name in resource.order.split():
        field = resource.model._meta.get_field(name)
        assert not field.null, name
        assert (name, "id") in with_key, name


@pytest.mark.parametrize("order", ["id", "-id", "onset", "-onset", "grade", "-grade"])
@pytest.mark.parametrize("size", [1, 2, 5])
def test_pages_of_any_order_hold_every_row_once(order: str, size: int, read: Any, events: list[AdverseEvent]) -> None:
    column, rows = order.strip("-"), []
    link = f"adverse-events/?ordering={order}&page_size={size}&fields=id,{column}".replace("id,id", "id")
    while link:
        page = read(link).json()
        rows += page["results"]
        link = page["next"] and page["next"].split("/api/v1/")[1]
    assert sorted(row["id"] for row in rows) == sorted(one.pk for one in events)
    keys = [(row[column], row["id"]) for row in rows]
    assert keys == sorted(keys, reverse=order.startswith("-"))
    assert all(set(row) == {"id", column} for row in rows)


def test_what_changes_under_a_reader_comes_with_the_next_look(read: Any, events: list[AdverseEvent]) -> None:
    """A row that would have moved to a page that lies behind is on none of them, and is not lost."""
    first = read("adverse-events/?ordering=onset&page_size=3").json()
    moved = events[0]
    moved.onset = "2025-12-24"
    moved.save()
    second = read(first["next"].split("/api/v1/")[1]).json()
    seen = [row["id"] for page in (first, second) for row in page["results"]]
    assert sorted(seen) == sorted({one.pk for one in events} - {moved.pk})
    later = read(f"adverse-events/?modified_since={first['complete_until']}").json()["results"]
    assert moved.pk in {row["id"] for row in later}


@pytest.mark.parametrize("many", [0, 30])
def test_a_page_asks_the_same_of_the_database_however_many_rows_there_are(
    many: int, read: Any, events: list[AdverseEvent], alice: User
) -> None:
    for number in range(many):
        one = AdverseEvent.objects.get(pk=events[0].pk)
        one.pk, one.term = None, f"Fever {number}"
        one.save(force_insert=True)
    read("adverse-events/")
    for route, most in (("adverse-events", 14), ("visits", 13), ("participants", 15)):
        asked = statements(lambda route=route: read(f"{route}/?page_size=1000"))  # type: ignore[misc]
        assert len(asked) <= most, "\n".join(asked)


def test_a_page_is_read_along_an_index(read: Any, events: list[AdverseEvent]) -> None:
    with connection.cursor() as cursor:
        for method in ("seqscan", "sort", "bitmapscan", "hashjoin", "mergejoin"):
            cursor.execute(f"SET LOCAL enable_{method} = off")
    first = read("adverse-events/?ordering=onset&page_size=2").json()
    with CaptureQueriesContext(connection) as found:
        read(first["next"].split("/api/v1/")[1])
    (page,) = [one["sql"] for one in found if 'AS "changed_at"' in one["sql"]]
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN " + page)
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "ae_by_onset" in plan
    assert "Index Cond: (ROW(" in plan
    assert "Sort" not in plan


# --- the same answer again -----------------------------------------------------------------------------


def test_rows_that_are_the_same_are_not_sent_again(read: Any, events: list[AdverseEvent], now: dt.datetime) -> None:
    first = read("adverse-events/")
    tag = first["ETag"]
    for given in (tag, tag.removeprefix("W/"), f'"other", {tag}', "*"):
        again = read("adverse-events/", headers={"if-none-match": given})
        assert (again.status_code, again.content, again["ETag"]) == (304, b"", tag)
    noted = ApiRead.objects.latest("pk")
    assert (noted.status, noted.rows, noted.sha256) == (304, 0, hashlib.sha256(b"").hexdigest())
    assert noted.complete_until is not None
    for given in ('"other"', "nonsense", tag[:-2]):
        assert read("adverse-events/", headers={"if-none-match": given}).status_code == 200
    AdverseEvent.objects.filter(pk=events[0].pk).update(grade=3)
    assert read("adverse-events/", headers={"if-none-match": tag}).status_code == 200
    one = read(f"adverse-events/{events[1].pk}/")
    assert read(f"adverse-events/{events[1].pk}/", headers={"if-none-match": one["ETag"]}).status_code == 304
    assert "ETag" not in read("adverse-events/?x=1")


def test_an_answer_is_compressed_and_its_checksum_is_of_the_text(read: Any, events: list[AdverseEvent]) -> None:
    answer = read("adverse-events/", headers={"accept-encoding": "gzip"})
    assert answer["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in answer["Vary"]
    text = gzip.decompress(answer.content)
    noted = ApiRead.objects.get()
    assert (noted.sha256, noted.rows) == (hashlib.sha256(text).hexdigest(), len(events))
    assert "Content-Encoding" not in read("adverse-events/")


def test_a_problem_is_explained_at_its_address(client: Client, read: Any) -> None:
    said = read("visits/?page_size=9999").json()
    assert said["type"] == "/api/problems/invalid-page-size/"
    assert client.get(said["type"]).json()["status"] == 400
    assert client.get("/api/problems/nonsense/").status_code == 404
    assert {one["type"] for one in client.get("/api/problems/").json()} >= {said["type"]}
    assert not Visit.objects.exists()
