"""The participant's page and the first page, over HTTP in one process, beside a plain admin list of fifty rows."""

from collections.abc import Callable, Iterable

from django.test import Client, override_settings
from django.urls import reverse

from bench import scene
from bench.measure import Line, Size, Work, in_turns
from bench.plainlist import ROWS
from participants.models import Participant


def lines(size: Size) -> Iterable[Line]:
    with override_settings(ROOT_URLCONF="bench.plainlist", ALLOWED_HOSTS=["testserver"]):
        yield _participant(size)
        yield _first_page(size)


def _participant(size: Size) -> Line:
    person = scene.infused()
    scene.due_visits(ROWS, by=scene.coordinator())
    client = _client()
    page = _page(client, reverse("admin:participants_participant_page", args=[person.pk]))
    found = in_turns(size.turns, page=Work(page, writes=False), list=Work(_page(client, "/plain-list/"), writes=False))
    return Line(
        "the participant's page",
        found["page"].ms,
        found["page"].queries,
        found["page"].ms / found["list"].ms,
        f"a plain admin list of {ROWS} rows ({found['list'].ms:.0f} ms)",
        kb=page() / 1024,
        goal_queries=25,
        goal_ratio=1.5,
        goal_kb=120,
    )


def _first_page(size: Size) -> Line:
    """The same page with few people and with many, each time warm: they cannot be had in turns."""
    few, many = size.participants
    page, found = Work(_page(_client(), reverse("admin:index")), writes=False), {}
    for name, wanted in (("few", few), ("many", many)):
        scene.due_visits(max(0, wanted - Participant.objects.count()), by=scene.coordinator(), in_days=60)
        found |= in_turns(size.turns, **{name: page})
    return Line(
        f"the first page, {many:,} participants",
        found["many"].ms,
        found["many"].queries,
        found["many"].ms / found["few"].ms,
        f"the same, {few} participants",
        goal_ms=60,
        goal_queries=20,
        goal_ratio=1.25,
    )


def _client() -> Client:
    client = Client()
    client.force_login(scene.coordinator())
    return client


def _page(client: Client, address: str) -> Callable[[], int]:
    """Asks for it; how many bytes it has."""

    def ask() -> int:
        answer = client.get(address)
        assert answer.status_code == 200, answer.status_code
        return len(answer.content)

    return ask
