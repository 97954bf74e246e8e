"""Lists stay as fast as they are however many rows there are: over all lists, so that the next one does too.

What takes time is seen in what is asked of the database and how it will answer, not on a clock.
"""

import datetime as dt
import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.utils import get_fields_from_path
from django.contrib.auth.models import Group
from django.contrib.postgres.indexes import GinIndex
from django.db import connection
from django.db.models import F, QuerySet
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from dosing.models import Medication
from participants.models import Examination, Participant, Visit
from safety.models import AdverseEvent
from sponsor.models import ApiRead
from tests import factories
from tests.conftest import person
from trialsite import audit, flatlists
from trialsite.flatlists import FlatPaginator
from trialsite.listexport import ExportAdmin
from trialsite.models import Record, Site, User
from trialsite.recordadmin import RecordAdmin
from trialsite.roles import Role
from trialsite.search import Searchable, holding

DAY = dt.timedelta(days=1)
LISTS = [page for page in admin.site._registry.values() if isinstance(page, ExportAdmin)]
RECORDS = [page for page in LISTS if isinstance(page, RecordAdmin)]
# What grows with every day of every participant; the other lists have a few rows for each of them.
LONG = (AdverseEvent, Visit, Examination, Medication)
# A handful of texts, in the order of the ward's table.
SHORT = {"safety.GuidanceText", "safety.ReferenceSafety"}
# So that the planner of a nearly empty table shows what it can do in a full one.
AS_IF_FULL = ("seqscan", "sort", "bitmapscan", "hashjoin", "mergejoin", "hashagg")


@pytest.fixture
def now() -> dt.datetime:
    return timezone.now()


@pytest.fixture
def everybody(site: Site) -> User:
    user = person("every", Role.COORDINATOR, site)
    user.groups.set(Group.objects.exclude(name=Role.SPONSOR_PROGRAM.value))
    return user


def address(page: Any) -> str:
    return reverse(f"admin:{page.opts.app_label}_{page.opts.model_name}_changelist")


def label(page: Any) -> str:
    return str(page.opts.label)


# --- an index for what a list does -------------------------------------------------------------


@pytest.fixture
def planned(everybody: User, rf: Any) -> Any:
    """How PostgreSQL would read the first page of a list, in the order and with the filters of an address."""
    with connection.cursor() as cursor:
        for method in AS_IF_FULL:
            cursor.execute(f"SET LOCAL enable_{method} = off")

    def plan(page: Any, **asked: str) -> list[dict[str, Any]]:
        request = rf.get("/", asked)
        request.user = everybody
        return nodes_of(page.get_changelist_instance(request).queryset[:50])

    return plan


def nodes_of(rows: QuerySet[Any]) -> list[dict[str, Any]]:
    def below(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
        yield node
        for one in node.get("Plans", ()):
            yield from below(one)

    return list(below(json.loads(rows.explain(format="json"))[0]["Plan"]))


def slow_in(plan: list[dict[str, Any]], page: Any) -> list[str]:
    """What would read the whole table, or sort it."""
    whole = [node["Node Type"] for node in plan if node.get("Relation Name") == page.opts.db_table]
    return [kind for kind in whole if kind == "Seq Scan"] + [n["Node Type"] for n in plan if n["Node Type"] == "Sort"]


@pytest.mark.django_db
def test_every_list_of_records_begins_at_an_index(planned: Any) -> None:
    found = {label(page): slow_in(planned(page), page) for page in RECORDS if label(page) not in SHORT}
    assert len(found) > 25
    assert {name: slow for name, slow in found.items() if slow} == {}


@pytest.mark.django_db
@pytest.mark.parametrize("model", LONG, ids=lambda model: model._meta.label)
def test_a_long_list_is_sorted_by_an_index_both_ways(model: Any, planned: Any, rf: Any) -> None:
    page: Any = admin.site._registry[model]
    orders = _sorted_by(page, rf)
    assert len(orders) >= 3
    found = {order: slow_in(planned(page, o=order), page) for order in orders}
    assert {order: slow for order, slow in found.items() if slow} == {}


def _sorted_by(page: Any, rf: Any) -> list[str]:
    changes = page.get_changelist(rf.get("/"))
    names = page.get_list_display(rf.get("/"))
    offered = page.get_sortable_by(rf.get("/"))
    own = [n for n, name in enumerate(names) if name in offered and changes.get_ordering_field(_of(page), name)]
    return [f"{sign}{n}" for n in own for sign in ("", "-")]


def _of(page: Any) -> Any:
    """As much of a list as says what a column is sorted by."""
    return type("Columns", (), {"lookup_opts": page.opts, "model_admin": page, "model": page.model})()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("model", "asked"),
    [
        (AdverseEvent, {"grade": "3"}),
        (AdverseEvent, {"is_serious__exact": "1"}),
        (AdverseEvent, {"outcome__exact": "fatal"}),
        (Visit, {"state__exact": "done"}),
        (Visit, {"code": "D28"}),
        (Visit, {"target_date__year": "2026", "target_date__month": "3"}),
        (Examination, {"panel__exact": "CBC"}),
        (ApiRead, {}),
        (ApiRead, {"status": "400"}),
        (ApiRead, {"user__id__exact": "1"}),
    ],
    ids=str,
)
def test_a_filter_of_a_long_list_reads_no_whole_table(model: Any, asked: dict[str, str], planned: Any) -> None:
    page: Any = admin.site._registry[model]
    assert slow_in(planned(page, **asked), page) == []


@pytest.mark.parametrize("page", RECORDS, ids=label)
def test_every_column_of_records_that_is_searched_has_its_index(page: Any) -> None:
    for path in page.search_fields:
        fields = get_fields_from_path(page.model, path)
        model = fields[-1].model
        assert fields[-1].name in _searchable(model), f"{path}: add it to a search_index of {model._meta.label}"


def _searchable(model: Any) -> set[str]:
    spelled = [one for index in model._meta.indexes if isinstance(index, GinIndex) for one in _inside(index)]
    return {one.name for one in spelled if isinstance(one, F)}


def _inside(index: Any) -> Iterator[Any]:
    for expression in index.expressions:
        for inner in expression.flatten():
            if isinstance(inner, Searchable):
                yield from inner.get_source_expressions()


@pytest.mark.django_db
@pytest.mark.parametrize("word", ["fever", "热", "发热", "50%"])
def test_a_search_is_answered_by_the_index(word: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_indexscan = off")
    plan = nodes_of(AdverseEvent.objects.filter(term__holds=word).order_by())
    assert [node["Index Name"] for node in plan if "Index Name" in node] == ["ae_search"]


@pytest.mark.django_db
def test_the_sweep_of_reminders_reads_owed_visits_alone() -> None:
    """By its own index, which can answer it; a table without rows does not tell which of several is the better."""
    with connection.cursor() as cursor:
        for method in ("seqscan", "indexscan"):
            cursor.execute(f"SET LOCAL enable_{method} = off")
        cursor.execute("SELECT indexname FROM pg_indexes WHERE tablename = 'participants_visit'")
        for (name,) in cursor.fetchall():
            if name not in {"visit_reminded", "participants_visit_pkey"}:
                cursor.execute(f'DROP INDEX "{name}"')
    plan = nodes_of(Visit.objects.planned_between(dt.date(2026, 3, 1), dt.date(2026, 3, 8)))
    assert "visit_reminded" in [node.get("Index Name") for node in plan]


# --- how many ----------------------------------------------------------------------------------


@pytest.fixture
def events(site: Site, alice: User, now: dt.datetime) -> list[AdverseEvent]:
    """A hundred and twenty, of which every third is called otherwise."""
    participant = factories.infused(site=site, by=alice, now=now, infused_at=now - 40 * DAY)
    facts = {
        "participant": participant,
        "onset": f"{now - 5 * DAY:%Y-%m-%d}",
        "grade": 2,
        "outcome": "recovered",
        "site_aware_at": now,
        "created_by": alice,
    }
    words = ["Fever", "发热", "50% of the body_red\\sore"]
    made = [AdverseEvent(term=f"{words[n % 3]} {n}", **facts) for n in range(120)]
    return AdverseEvent.objects.bulk_create(made)


EVENTS = admin.site._registry[AdverseEvent]


@pytest.fixture
def dear(monkeypatch: Any) -> None:
    """Every count is dear, so that it is estimated."""
    monkeypatch.setattr(flatlists, "CHEAP", 0)


@pytest.mark.django_db
def test_few_rows_are_counted(events: list[AdverseEvent], alice: User, login: Any) -> None:
    text = login(alice).get(address(EVENTS)).content.decode()
    assert "120 adverse events" in " ".join(text.split())
    assert "about" not in text


@pytest.mark.django_db
def test_what_is_estimated_says_so_in_both_languages(
    events: list[AdverseEvent], alice: User, login: Any, dear: None
) -> None:
    client = login(alice)
    answer = client.get(address(EVENTS))
    paginator = answer.context["cl"].paginator
    assert paginator.is_estimate
    assert f"about {paginator.shown_count} adverse events" in " ".join(answer.content.decode().split())
    client.post(reverse("set_language"), {"language": "zh-hans"})
    assert f"约 {paginator.shown_count} 条不良事件" in " ".join(client.get(address(EVENTS)).content.decode().split())


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("expected", "shown"), [(987_654, "990,000"), (120, "120"), (99, "99"), (1_049, "1,000"), (1_051, "1,100")]
)
def test_an_estimate_pretends_no_more_than_it_knows(expected: int, shown: str, english: None) -> None:
    paginator = FlatPaginator(AdverseEvent.objects.order_by("pk"), 50)
    paginator.__dict__["count"], paginator.is_estimate = expected, True
    assert paginator.shown_count == shown


@pytest.mark.django_db
def test_a_first_page_that_is_not_full_is_all_there_is(
    events: list[AdverseEvent], alice: User, login: Any, dear: None
) -> None:
    found = login(alice).get(address(EVENTS), {"q": "Fever"}).context["cl"]
    assert (found.result_count, found.paginator.is_estimate, found.multi_page) == (40, False, False)


@pytest.mark.django_db
def test_the_last_pages_are_read_from_the_end(events: list[AdverseEvent]) -> None:
    paginator = FlatPaginator(AdverseEvent.objects.order_by("-pk"), 50)
    paginator.__dict__["count"], paginator.is_estimate = 1_000_000, True
    newest = [one.pk for one in AdverseEvent.objects.order_by("-pk")]
    pages = {n: [one.pk for one in paginator.page(n).object_list] for n in (1, 2, 19_999, 20_000)}
    assert pages == {1: newest[:50], 2: newest[50:100], 19_999: newest[-100:-50], 20_000: newest[-50:]}


@pytest.mark.django_db
def test_a_far_page_holds_the_same_rows(events: list[AdverseEvent], monkeypatch: Any) -> None:
    rows = AdverseEvent.objects.order_by("term", "-pk")
    near = [one.pk for one in FlatPaginator(rows, 50).page(3).object_list]
    monkeypatch.setattr(flatlists, "FAR", 0)
    assert [one.pk for one in FlatPaginator(rows, 50).page(3).object_list] == near
    assert len(near) == 20


@pytest.mark.django_db
def test_an_export_says_exactly_how_many_leave(events: list[AdverseEvent], dana: User, login: Any, dear: None) -> None:
    text = login(dana).get(reverse("admin:safety_adverseevent_export")).content.decode()
    assert "120 rows leave as a file" in text


@pytest.mark.django_db
@pytest.mark.parametrize("order", ["1", "-1", "3", "-3"])
def test_pages_share_no_row_and_miss_none(order: str, events: list[AdverseEvent], alice: User, login: Any) -> None:
    client = login(alice)
    pages = [client.get(address(EVENTS), {"o": order, "p": n}).context["cl"].result_list for n in (1, 2, 3)]
    assert sorted(one.pk for page in pages for one in page) == sorted(one.pk for one in events)


# --- searching ---------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("typed", "count"),
    [
        ("fever", 40),
        ("FEVER", 40),
        ("热", 40),
        ("发热", 40),
        ("热发", 0),
        ("50%", 40),
        ("5%", 0),
        ("body_red", 40),
        ("body red", 40),
        ("bodyxred", 0),
        ("red\\sore", 40),
        ("red\\\\sore", 0),
        ('"of the body"', 40),
        ('"body the of"', 0),
        ("fever 发热", 0),
        ("发热 117", 0),
        ("发热 117 1", 0),
        ("发热 115", 1),
        ('"', 0),
        ("ZJ-S", 120),
        ("ZJ-S fever", 40),
        ("ＦＥＶＥＲ", 40),
    ],
)
def test_a_search_finds_what_holds_every_word(
    typed: str, count: int, events: list[AdverseEvent], alice: User, login: Any
) -> None:
    assert login(alice).get(address(EVENTS), {"q": typed}).context["cl"].result_count == count


@pytest.mark.django_db
def test_few_and_many_participants_are_found_alike(events: list[AdverseEvent], monkeypatch: Any) -> None:
    paths, number = ("term", "participant__screening_number"), Participant.objects.get().screening_number
    few = AdverseEvent.objects.filter(holding(AdverseEvent, paths, f"{number} fever")).count()
    monkeypatch.setattr("trialsite.search.FEW", 0)
    assert few == AdverseEvent.objects.filter(holding(AdverseEvent, paths, f"{number} fever")).count() == 40


# --- days --------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_days_are_those_of_the_calendar(events: list[AdverseEvent], alice: User, login: Any) -> None:
    """No look through the table for days that occur; a month without its 31st has none."""
    client, page = login(alice), admin.site._registry[Visit]
    days = sorted(Visit.objects.values_list("target_date", flat=True))
    last = max(days[0].year, days[-1].year - flatlists.MOST_YEARS)
    assert _titles(client, page)[0] == str(last)
    assert _titles(client, page)[-1] == str(days[-1].year)
    assert len(_titles(client, page, target_date__year="2026")) == 12
    assert _titles(client, page, target_date__year="2026", target_date__month="4")[-1] == "30"
    day = {"target_date__year": "2026", "target_date__month": "4", "target_date__day": "30"}
    assert _titles(client, page, **day) == ["30"]


def _titles(client: Client, page: Any, **asked: str) -> list[str]:
    answer = client.get(address(page), asked)
    return [str(title) for title, _link in flatlists.day_choices(answer.context["cl"])["choices"]]


def test_a_filter_that_nobody_gave_values_says_so() -> None:
    page = type("Page", (), {"known_values": {}})()
    with pytest.raises(Exception, match="known_values must name what term may be"):
        flatlists.known_values(page, AdverseEvent._meta.get_field("term"), "term")
    assert flatlists.known_values(page, AdverseEvent._meta.get_field("grade"), "grade") == [1, 2, 3, 4, 5]


def test_every_record_has_its_list_here() -> None:
    assert all(issubclass(page.model, Record) for page in RECORDS)


# --- what a list says ---------------------------------------------------------------------------------


@pytest.mark.parametrize("page", LISTS, ids=lambda page: page.opts.label)
def test_a_list_says_words(page: Any) -> None:
    """On a phone each cell carries the name of its column: none is the name of a function; and what the trail says in
    words, because a code is stored, is no column as it is."""
    for name in page.list_display:
        assert not audit.is_said(page.model, name), f"{name} is stored as a code: show it in words"
        shown = getattr(page, name, None) or getattr(page.model, name, None)
        if callable(shown):
            assert getattr(shown, "short_description", ""), f"{name} has no name that can be read"
