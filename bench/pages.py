"""The participant's page and the first page, over HTTP in one process, beside a plain admin list of fifty rows."""

from collections.abc import Callable, Iterable, Iterator

from django.test import Client, override_settings
from django.urls import reverse

from bench import scene
from bench.measure import Line, Size, Work, in_turns
from bench.plainlist import ROWS
from participants.models import Participant


def lines(size: Size) -> Iterable[Line]:
    with override_settings(ROOT_URLCONF="bench.plainlist", ALLOWED_HOSTS=["testserver"]):
        yield _participant(size)
        yield from _first_page(size)


def _participant(size: Size) -> Line:
    person = scene.infused()
    scene.due_visits(ROWS, by=scene.coordinator())
    client = _client()
    page = _page(client, reverse("admin:participants_participant_page", args=[person.pk]))
    found = in_turns(size.turns, page=Work(page, writes=False), list=Work(_plain(), writes=False))
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


def _first_page(size: Size) -> Iterator[Line]:
    """Beside the plain list with few people; then with many, each time warm: these cannot be had in turns.

    The goal of 60 ms was set where the plain list took 30: as a ratio it means the same on every machine.
    """
    few, many = size.participants
    page, plain = Work(_page(_client(), reverse("admin:index")), writes=False), Work(_plain(), writes=False)
    found = {}
    for name, wanted in (("few", few), ("many", many)):
        scene.due_visits(max(0, wanted - Participant.objects.count()), by=scene.coordinator(), in_days=60)
        scene.analyze()
        one = in_turns(size.turns, page=page, plain=plain)
        found |= {name: one["page"], f"{name} plain": one["plain"]}
    yield Line(
        f"the first page, {few} participants",
        found["few"].ms,
        found["few"].queries,
        found["few"].ms / found["few plain"].ms,
        f"a plain admin list of {ROWS} rows ({found['few plain'].ms:.0f} ms)",
        goal_queries=20,
        goal_ratio=2,
    )
    yield Line(
        f"the same, {many:,} participants",
        found["many"].ms,
        found["many"].queries,
        found["many"].ms / found["few"].ms,
        f"the same, {few} participants",
        goal_queries=20,
        goal_ratio=1.25,
    )


def _plain() -> Callable[[], int]:
    return _page(_client(), "/plain-list/")


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
