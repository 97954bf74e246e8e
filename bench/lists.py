"""Lists, the sweep of reminders and a page of the API, over many rows beside few of them."""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from bench import scene
from bench.measure import Line, Measured, Size, Work, in_turns
from participants import actions
from participants.models import Participant, Visit
from safety.models import AdverseEvent
from sponsor.auth import issue_token
from trialsite.models import User
from trialsite.roles import Role
from trialsite.study import get_study

EVENTS_OF_EACH = 100
PAGE = 50
LIST = reverse("admin:safety_adverseevent_changelist")
# What is asked of the list, and how many times longer it may take.
ASKED = {
    "adverse events: the list": ("", 1.25),
    "adverse events: of grade 3": ("?grade=3", 2),
    "adverse events: serious": ("?is_serious__exact=1", 2),
    "adverse events: by term": ("?o=1", 2),
    "adverse events: newest onset": ("?o=-5", 2),
    "adverse events: by participant": ("?o=0", 2),
    "adverse events: last page": ("?p={last}", 2),
    "adverse events: search a word": ("?q=fever", 2),
    "adverse events: search in Chinese": ("?q=发热", 2),
    "adverse events: search a rare word": ("?q=quokka", 2),
    "adverse events: search a number": ("?q={number}", 2),
}


def lines(size: Size) -> Iterable[Line]:
    yield from _compared(_events, size.events, size)
    yield from _compared(_visits, size.visits, size)


Works = dict[str, tuple[Work, float | None, int | None]]


def _compared(fill: Callable[[int], Works], rows: tuple[int, int], size: Size) -> Iterator[Line]:
    """The same works over few rows, then over many, in one database that is filled between."""
    found: list[dict[str, Measured]] = []
    for count in rows:
        works = fill(count)
        found.append(in_turns(size.turns, **{name: work for name, (work, *_goals) in works.items()}))
    for name, (_work, ratio, queries) in works.items():
        few, many = (one[name] for one in found)
        against = f"{rows[0]:,} of {rows[1]:,} rows"
        yield Line(name, many.ms, many.queries, many.ms / few.ms, against, goal_ratio=ratio, goal_queries=queries)


# --- adverse events ----------------------------------------------------------------------------------


def _events(count: int) -> Works:
    # The one that was there first: its participant has no other event, however many there are.
    first = AdverseEvent.objects.order_by("pk").first() or first_event()
    assert first is not None
    people = _people(first.participant, max(count // EVENTS_OF_EACH, 1))
    copy(
        first,
        count - AdverseEvent.objects.count(),
        participant_id=f"{people} + {_any(1, max(count // EVENTS_OF_EACH, 1))}",
        # One word stands in as many rows among few as on a page among many.
        term=f"CASE WHEN n <= {PAGE} THEN 'Quokka bite' ELSE "
        f"(ARRAY['Fever', 'Nausea', '发热', '腹泻', 'Rash'])[1 + {_any(2, 5)}] || ' ' || {_any(3, 1000)} END",
        onset=f"to_char(date '2025-07-19' + {_any(4, 400)}::int, 'YYYY-MM-DD')",
        grade=f"1 + {_any(5, 4)}",
        is_life_threatening=f"{_any(6, 20)} = 0",
    )
    client = Client(SERVER_NAME="localhost")
    client.force_login(scene.coordinator())
    last = max(map(int, re.findall(r"[?&]p=(\d+)", client.get(LIST).content.decode())))
    number = first.participant.screening_number
    works: Works = {
        name: (Work(_asking(client, LIST + query.format(last=last, number=number)), writes=False), goal, None)
        for name, (query, goal) in ASKED.items()
    }
    whole, goal, _none = works["adverse events: the list"]
    rows, program = f"/api/v1/adverse-events/?page_size={PAGE}", _program()
    since = f"{rows}&modified_since={timezone.now():%Y-%m-%dT%H:%M:%SZ}"
    return {
        **works,
        "adverse events: the list": (whole, goal, 8),
        "adverse events: API page": (Work(_asking(program, rows), writes=False), 1.15, None),
        "adverse events: API, what changed since": (Work(_asking(program, since), writes=False), 2, None),
    }


def first_event() -> AdverseEvent:
    participant = scene.infused(days_ago=40)
    return AdverseEvent.objects.create(
        participant=participant,
        term="Fever",
        onset="2026-01",
        grade=2,
        ctcae_version="5.0",
        outcome="recovering",
        site_aware_at=scene.now(),
        created_by=scene.coordinator(),
    )


def _program() -> Client:
    user, _is_new = User.objects.get_or_create(username="bench-program")
    user.groups.add(Group.objects.get(name=Role.SPONSOR_PROGRAM))
    token, _expiry = issue_token(user, days=1)
    return Client(SERVER_NAME="localhost", headers={"authorization": f"Token {token}"})


def _asking(client: Client, address: str) -> Callable[[], None]:
    def ask() -> None:
        assert client.get(address).status_code == 200, address

    return ask


# --- visits ------------------------------------------------------------------------------------------


def _visits(count: int) -> Works:
    """Twenty visits around today are owed, the same among few as among many; the rest are over, or years ahead."""
    first = Visit.objects.first() or scene.infused(days_ago=40).visits.first()
    codes = [visit.code for visit in get_study().latest.follow_up_visits]
    assert first is not None
    people = _people(first.participant, count // len(codes) + 1)
    today = actions.site_day(scene.now())
    owed = 0 if Visit.objects.exclude(participant=first.participant).exists() else 20
    day = f"date '{today}' + CASE WHEN n <= {owed} THEN (n % 10)::int - 5 ELSE 400 * (1 - 2 * (n % 2)::int) END"
    copy(
        first,
        count,
        participant_id=f"{people} + (n - 1) / {len(codes)}",
        code=f"(ARRAY{codes})[1 + n % {len(codes)}]",
        target_date=day,
        window_opens_on=f"{day} - 1",
        window_closes_on=f"{day} + 1",
        state=f"CASE WHEN n > {owed} AND n % 2 = 1 THEN 'cancelled' ELSE 'planned' END",
        occurred_on="NULL",
    )
    return {"sweep of visit reminders": (Work(lambda: actions.remind_of_visits(now=scene.now())), 1.3, None)}


# --- filling -----------------------------------------------------------------------------------------


def _people(like: Participant, count: int) -> int:
    """So many more participants, under numbers that nobody has; the key of the first."""
    return copy(
        like,
        count,
        screening_number=f"'B{Participant.objects.count()}-' || n",
        participant_number=f"'P{Participant.objects.count()}-' || n",
        rescreening_of_id="NULL",
    )


def _any(what: int, below: int) -> str:
    """A number below that, another for each row, the same in every run."""
    return f"((hashint8(n * 31 + {what}) & 2147483647) % {below})"


def copy(row: Any, count: int, *, has_trail: bool = False, **but: str) -> int:
    """The row so often again, with these columns as SQL says of `n`; the key of the first copy.

    Nobody audits rows that nobody entered: the triggers are off meanwhile, which only the owner can do. With
    `has_trail` that which writes down what is new stays on.
    """
    table = row._meta.db_table
    names = [one.column for one in row._meta.concrete_fields if not one.primary_key and not one.generated]
    into = ", ".join(f'"{name}"' for name in names)
    shown = ", ".join(but.get(name, f'"{name}"') for name in names)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT coalesce(max(id), 0) + 1 FROM {table}")
        ((first,),) = cursor.fetchall()
        cursor.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), {first}, false)")
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        if has_trail:
            cursor.execute(
                "SELECT tgname FROM pg_trigger WHERE tgrelid = %s::regclass AND starts_with(tgname, %s)",
                [table, "pgtrigger_insert_insert"],
            )
            for (name,) in cursor.fetchall():
                cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER {name}")
        cursor.execute(
            f"INSERT INTO {table} ({into}) "
            f"SELECT {shown} FROM {table}, generate_series(1::bigint, {count}) AS n WHERE id = {row.pk}"
        )
        cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
        cursor.execute(f"VACUUM ANALYZE {table}")
    return int(first)
