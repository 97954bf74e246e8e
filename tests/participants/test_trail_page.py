"""One page over the trail of all records: found by person, participant, kind and time, in words, and as a file."""

import csv
import datetime as dt
import hashlib
import io
from types import SimpleNamespace
from typing import Any

import pghistory
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from dosing.models import Medication
from participants import trails
from participants.admin import trail
from participants.models import Participant
from tests import factories
from tests.conftest import person
from trialsite.models import ListExport, Site, User
from trialsite.roles import Role

URL = "/admin/participants/participant/trail/"


@pytest.fixture
def one(site: Site, ivan: User, now: dt.datetime) -> Participant:
    with pghistory.context(user=ivan.pk, username="ivan", ip="10.1.2.3"):
        return factories.infused(site=site, by=ivan, now=now, hospital_number="H-445566")


def lines(client: Client, **asked: str) -> list[trails.Line]:
    answer = client.get(URL, asked)
    assert answer.status_code == 200
    return [line for line, _link, _whose in answer.context["lines"]]


def _of(found: list[trails.Line]) -> set[tuple[str, str]]:
    return {(line.model._meta.label, line.entry.kind) for line in found}


@pytest.mark.django_db
def test_it_is_in_the_menu_of_those_who_may_read_the_trail(
    one: Participant, arthur: User, mona: User, login: Any
) -> None:
    assert f'href="{URL}"' in login(arthur).get("/admin/").content.decode()
    assert f'href="{URL}"' not in login(mona).get("/admin/").content.decode()
    assert login(mona).get(URL).status_code == 403
    assert login(mona).post(f"{URL}export/", {"format": "csv"}).status_code == 403


@pytest.mark.django_db
def test_every_entry_is_on_exactly_one_page(
    one: Participant, arthur: User, login: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many entries have the same moment: they were written in one transaction."""
    total, kinds = 0, trails.readable(SimpleNamespace(user=arthur))
    for events in trails.event_models():
        if events.pgh_tracked_model not in kinds:
            continue
        rows = events.objects.all()
        if events.pgh_tracked_model in (User, Site):
            rows = rows.filter(
                pgh_obj_id__in=one.site.people.values("pk") if events.pgh_tracked_model is User else [one.site_id]
            )
        total += rows.count()
    monkeypatch.setattr(trail, "PER_PAGE", 7)
    client, url, seen = login(arthur), URL, []
    while url:
        answer = client.get(url)
        seen += [line for line, _link, _whose in answer.context["lines"]]
        url = f"{URL}{answer.context['older']}" if answer.context["older"] else ""
    assert len(seen) == len({line.mark for line in seen}) == total
    assert [line.mark.at for line in seen] == sorted((line.mark.at for line in seen), reverse=True)


@pytest.mark.django_db
def test_filters(one: Participant, site: Site, arthur: User, alice: User, english: None, login: Any) -> None:
    client = login(arthur)
    other = factories.screened(site=site, by=alice, now=timezone.now())
    with pghistory.context(user=alice.pk, username="alice", reason="typed the wrong box"):
        Participant.objects.filter(pk=other.pk).update(sex="F")
    assert {line.participant for line in lines(client, participant=other.number)} == {other}
    assert lines(client, participant="ZJ-S999") == []
    assert _of(lines(client, record="participants.Visit")) == {("participants.Visit", "First entry")}
    (found,) = lines(client, reason="WRONG box")
    assert (found.participant, found.entry.who) == (other, "Alice (alice)")
    assert [(c.old, c.new) for c in found.entry.changes] == [("male", "female")]
    assert {line.entry.who for line in lines(client, person=str(alice.pk))} == {"Alice (alice)"}
    assert "Ivan (ivan)" not in {line.entry.who for line in lines(client, person=trails.PAST_THE_SITE)}
    today = timezone.localdate()
    assert lines(client, since=f"{today}", until=f"{today}")
    assert lines(client, since=f"{today + dt.timedelta(days=1)}") == []
    assert lines(client, until=f"{today - dt.timedelta(days=1)}") == []
    assert lines(client, since=f"{today}", until=f"{today - dt.timedelta(days=1)}") == []


@pytest.mark.django_db
def test_kinds_of_change(
    one: Participant, ivan: User, arthur: User, now: dt.datetime, english: None, login: Any
) -> None:
    client = login(arthur)
    row = Medication.objects.create(participant=one, kind="antibiotic", name="x", started_at=now, created_by=ivan)
    Medication.objects.filter(pk=row.pk).update(note="seen")
    Medication.objects.filter(pk=row.pk).update(voided_at=now, voided_by=ivan, void_reason="twice")
    Medication.objects.filter(pk=row.pk).update(note="seen again")
    asked = {"record": "dosing.Medication", "participant": one.number}
    changed = lines(client, **asked, change="changed")
    assert [[change.new for change in line.entry.changes] for line in changed] == [["seen again"], ["seen"]]
    (voided,) = lines(client, **asked, change="voided")
    assert (voided.entry.kind, voided.row) == ("Voided", row)
    assert all(line.entry.is_first for line in lines(client, **asked, change="made"))
    assert lines(client, **asked, change="deleted") == []


@pytest.mark.django_db
def test_another_site_reads_nothing_of_ours(one: Participant, other_site: Site, login: Any) -> None:
    otto = person("otto", Role.AUDITOR, other_site)
    found = lines(login(otto))
    assert {line.model for line in found} <= {User, Site}
    assert all(line.row in (otto, other_site) for line in found)
    assert lines(login(otto), participant=one.number) == []


@pytest.mark.django_db
def test_an_old_entry_shows_the_person_as_they_were(one: Participant, ivan: User, arthur: User, login: Any) -> None:
    ivan.first_name, ivan.last_name = "Iwan", "Newname"
    ivan.save()
    asked = {"participant": one.number, "record": "participants.Participant"}
    assert {line.entry.who for line in lines(login(arthur), **asked)} == {"Ivan (ivan)"}
    made = lines(login(arthur), **asked)[-1]
    assert "Ivan (ivan)" in {change.new for change in made.entry.changes}
    listed = login(arthur).get(URL).content.decode()
    assert "Iwan Newname / Ivan (ivan)" in listed


@pytest.mark.django_db
def test_more_rows_need_no_more_queries(one: Participant, alice: User, arthur: User, login: Any) -> None:
    client, counts = login(arthur), []
    for size in (60, 3000):
        Medication.objects.bulk_create(
            Medication(participant=one, kind="antibiotic", name="x", started_at=timezone.now(), created_by=alice)
            for _number in range(size)
        )
        with CaptureQueriesContext(connection) as queries:
            assert len(lines(client)) == trail.PER_PAGE
        counts.append(len(queries))
    assert counts[0] == counts[1]
    with CaptureQueriesContext(connection) as queries:
        lines(client, participant=one.number, change="made", since="2026-01-01")
    assert len(queries) < 60


@pytest.mark.django_db
@pytest.mark.parametrize("place", ["nonsense", "2026-01-01T00:00:00~1~1", "x~y~z", "2026-01-01T00:00:00+00:00~999~1"])
def test_a_mark_that_is_none_is_no_error(one: Participant, arthur: User, login: Any, place: str) -> None:
    assert login(arthur).get(URL, {"after": place}).status_code == 200


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_the_file_has_every_entry_without_identity_and_is_recorded(
    one: Participant, ivan: User, login: Any, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(trail, "BATCH", 20)
    query = f"?participant={one.number}&reason="
    answer = login(ivan).post(f"{URL}export/{query}", {"format": kind})
    content = b"".join(answer.streaming_content)  # type: ignore[attr-defined]
    kept = ListExport.objects.get()
    assert (kept.model, kept.by, kept.has_identity) == ("audit trail", ivan, False)
    assert kept.sha256 == hashlib.sha256(content).hexdigest()
    assert kept.filters == "participant=•••"
    if kind == "csv":
        text = content.decode("utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
        assert len(rows) == kept.rows
        assert {row["Participant"] for row in rows} == {one.number}
        assert not [secret for secret in ("王小明", "H-445566", "13800000000", "1990") if secret in text]
        assert "Cell product" in {row["Kind of record"] for row in rows}
    listed = login(person("otto", Role.AUDITOR, one.site)).get(reverse("admin:trialsite_listexport_changelist"))
    assert "Audit trail" in listed.content.decode()
