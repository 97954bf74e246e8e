"""A program that keeps the last `complete_until` has every row, whoever commits late: transactions that overlap."""

import datetime as dt
from collections.abc import Iterator
from itertools import permutations
from typing import Any

import psycopg
import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.utils import timezone
from psycopg import sql

from participants.models import Participant, Visit
from safety.models import AdverseEvent
from sponsor.auth import issue_token
from tests import factories
from tests.conftest import person
from tests.sponsor.test_api import RECORDS
from trialsite import changes
from trialsite.models import Site, User
from trialsite.roles import Role

DAY = dt.timedelta(days=1)
Session = psycopg.Connection[Any]


class Sponsor:
    """What a sponsor's program does: it keeps the newest of each row, and where it goes on the next time."""

    def __init__(self, client: Client, route: str, page_size: int = 1000) -> None:
        self.client, self.route, self.page_size = client, route, page_size
        self.rows: dict[int, Any] = {}
        self.since = ""

    def start(self) -> str | None:
        since = f"&modified_since={self.since}" if self.since else ""
        return self.page(f"/api/v1/{self.route}/?page_size={self.page_size}{since}")

    def page(self, address: str) -> str | None:
        answer = self.client.get(address).json()
        self.rows |= {row["id"]: row for row in answer["results"]}
        self.until = answer["complete_until"]
        link: str | None = answer["next"]
        return link

    def poll(self) -> dict[int, Any]:
        link = self.start()
        while link:
            link = self.page(link)
        self.since = self.until
        return dict(self.rows)


@pytest.fixture
def sessions(as_app_role: None) -> Iterator[tuple[Session, Session]]:
    """Two connections with the application's login, as two web processes have them."""
    cache.clear()
    given = connection.settings_dict
    access = {"host": given["HOST"], "port": given["PORT"], "user": given["USER"], "password": given["PASSWORD"]}
    with psycopg.connect(dbname=given["NAME"], **access) as one, psycopg.connect(dbname=given["NAME"], **access) as two:
        yield one, two
        one.rollback()
        two.rollback()


@pytest.fixture
def people(as_app_role: None, site: Site, alice: User, now: dt.datetime) -> list[Participant]:
    return [factories.infused(site=site, by=alice, now=now, infused_at=now - 21 * DAY) for _one in range(2)]


@pytest.fixture
def client(as_app_role: None) -> Client:
    token, _expiry = issue_token(person("sponsor-edc", Role.SPONSOR_PROGRAM), days=1)
    return Client(headers={"authorization": f"Token {token}"})


@pytest.fixture(autouse=True)
def _no_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a program reads twice would hide what it would have missed."""
    monkeypatch.setattr(changes, "OVERLAP", dt.timedelta(0))


def fever(participant: Participant, by: User) -> AdverseEvent:
    return AdverseEvent.objects.create(
        participant=participant,
        term="Fever",
        onset="2026-03-01",
        grade=1,
        ctcae_version="5.0",
        outcome="recovering",
        site_aware_at=timezone.now(),
        created_by=by,
    )


def truth(client: Client, route: str) -> dict[int, Any]:
    return Sponsor(client, route).poll()


def settle() -> None:
    """Until the second is over in which the last record was written: moments are told apart by seconds here."""
    newest = Visit.objects.latest("modified_at").modified_at
    while changes.horizon().replace(microsecond=0) <= newest:
        pass


# --- what a transaction writes -----------------------------------------------------------------------------------


def change_visit(session: Session, people: list[Participant], which: int) -> None:
    visits = Visit.objects.filter(participant=people[0]).order_by("pk")
    session.execute("UPDATE participants_visit SET target_day = target_day + 1 WHERE id = %s", [visits[which].pk])


def add_event(session: Session, people: list[Participant], which: int) -> None:
    columns = [
        field.column
        for field in AdverseEvent._meta.concrete_fields
        if not field.primary_key and not field.generated and field.name != "term"
    ]
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    copy = "INSERT INTO safety_adverseevent (term, {0}) SELECT %s, {0} FROM safety_adverseevent ORDER BY id LIMIT 1"
    session.execute(sql.SQL(copy).format(names), [f"new {which}"])


def void_participant(session: Session, people: list[Participant], which: int) -> None:
    """The clock of the web process stands in the void; it may be far from the database's."""
    session.execute(
        "UPDATE participants_participant SET voided_at = %s, voided_by_id = created_by_id, void_reason = 'twice' "
        "WHERE id = %s",
        [timezone.now() - DAY, people[which].pk],
    )


ROUTES = ("participants", "visits", "infusions", "adverse-events")
# Each session writes, then commits: every way in which the two can overlap.
ORDERS = sorted(set(permutations("AABB")))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("order", ORDERS, ids="".join)
def test_no_row_is_lost_whoever_commits_first(
    order: tuple[str, ...], sessions: Any, people: list[Participant], client: Client, ivan: User
) -> None:
    """Changed, added, and fallen with a participant; a program looks after each step."""
    fever(people[0], ivan)
    sponsors = [Sponsor(client, route) for route in ROUTES]
    before = [sponsor.poll() for sponsor in sponsors]
    has_written = set()
    for who in order:
        session, which = sessions["AB".index(who)], "AB".index(who)
        if who in has_written:
            session.commit()
        else:
            for write in (change_visit, add_event, void_participant):
                write(session, people, which)
            has_written.add(who)
        for sponsor in sponsors:
            sponsor.poll()
    for sponsor, old in zip(sponsors, before, strict=True):
        now_there = truth(client, sponsor.route)
        assert all(row["is_void"] for row in now_there.values())
        assert sponsor.poll() == now_there != old


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("after", [0, 1, 2])
def test_nor_while_a_reader_is_half_way(
    after: int, sessions: Any, people: list[Participant], client: Client, now: dt.datetime
) -> None:
    """The late row belongs on a page that the reader has behind it, or on one that comes."""
    slow, fast = sessions
    settle()
    sponsor = Sponsor(client, "visits", page_size=5)
    link = sponsor.start() if after else None
    change_visit(slow, people, 0)
    change_visit(fast, people, 1)
    fast.commit()
    link = sponsor.start() if not after else link
    for _page in range(max(after - 1, 0)):
        link = sponsor.page(str(link))
    slow.commit()
    seen = len(sponsor.rows)
    while link:
        link = sponsor.page(link)
    assert len(sponsor.rows) > seen
    sponsor.since = sponsor.until
    sponsor.poll()
    assert sponsor.rows == truth(client, "visits")


@pytest.mark.django_db(transaction=True)
def test_what_is_not_committed_holds_back_what_came_after_it(
    sessions: Any, people: list[Participant], client: Client
) -> None:
    """A program that goes on from the newest `modified_at` that it has seen loses nothing, either."""
    slow, fast = sessions
    settle()
    change_visit(slow, people, 0)
    change_visit(fast, people, 1)
    fast.commit()
    newest = max(row["modified_at"] for row in truth(client, "visits").values())
    slow.commit()
    assert Visit.objects.filter(modified_at__gt=newest).count() == 2
    assert len(truth(client, "visits")) == Visit.objects.count()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("end", ["rollback", "commit"])
def test_only_writers_of_records_are_waited_for(
    end: str, sessions: Any, people: list[Participant], client: Client
) -> None:
    reader, writer = sessions
    before = changes.horizon()
    reader.execute("SELECT count(*) FROM participants_visit")
    assert (mid := changes.horizon()) > before
    writer.execute("INSERT INTO trialsite_counter (name, value) VALUES ('x', 1)")
    assert (later := changes.horizon()) > mid
    change_visit(writer, people, 0)
    began = writer.execute("SELECT now()").fetchone()[0]
    assert later - dt.timedelta(seconds=2) <= changes.horizon() <= began
    assert changes.horizon() == changes.horizon()
    getattr(writer, end)()
    assert changes.horizon() > began


@pytest.mark.django_db(transaction=True)
def test_nobody_can_say_when_a_row_was_added(sessions: Any, people: list[Participant], ivan: User) -> None:
    """Also the application's own login: a row from the past would be seen by no reader."""
    fever(people[0], ivan)
    session, _other = sessions
    before = changes.horizon()
    add_event(session, people, 0)  # with the moment of the row that it copies
    session.commit()
    assert AdverseEvent.objects.latest("pk").modified_at > before


@pytest.mark.django_db(transaction=True)
def test_a_participant_changes_with_the_consents_that_it_shows(
    people: list[Participant], client: Client, sessions: Any
) -> None:
    sponsor = Sponsor(client, "participants")
    sponsor.poll()
    session, _other = sessions
    session.execute(
        "UPDATE participants_consent SET consented_at = consented_at - interval '2 days' WHERE participant_id = %s",
        [people[0].pk],
    )
    session.commit()
    sponsor.poll()
    assert sponsor.rows == truth(client, "participants")


@pytest.mark.parametrize("model", RECORDS, ids=lambda m: m._meta.label)
def test_every_record_is_announced_before_its_clock_is_read(model: Any) -> None:
    names = [trigger.name for trigger in model._meta.triggers]
    assert "announce" in names
    assert "announce" < "touch" in names


@pytest.mark.django_db(transaction=True)
def test_all_pages_of_a_look_name_the_moment_of_the_first(people: list[Participant], client: Client) -> None:
    sponsor = Sponsor(client, "visits", page_size=7)
    link = sponsor.start()
    first = sponsor.until
    while link:
        link = sponsor.page(link)
        assert sponsor.until == first
    assert sponsor.rows == truth(client, "visits")


@pytest.mark.django_db
def test_a_clock_that_is_set_back_a_little_loses_nothing(
    site: Site, alice: User, now: dt.datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    factories.infused(site=site, by=alice, now=now)
    token, _expiry = issue_token(person("sponsor-edc", Role.SPONSOR_PROGRAM), days=1)
    answer = Client(headers={"authorization": f"Token {token}"}).get("/api/v1/visits/").json()
    newest = max(dt.datetime.fromisoformat(row["modified_at"]) for row in answer["results"])
    assert dt.datetime.fromisoformat(answer["complete_until"]) < newest - dt.timedelta(seconds=30)
