"""The sections of a participant's page: what each role reads there, where every form leads back to, and what it costs.

The rows are made once; what a test changes is taken back after it.
"""

import datetime as dt
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import Group
from django.db import connection, transaction
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import resolve, reverse
from django.utils import timezone, translation

from dosing.models import DoseState, FitnessCheck, LymphodepletionDose, Medication
from dosing.rules.product import State as Bag
from participants.actions import plan_infusion, site_day
from participants.models import Examination, Measurement, Participant, Visit
from safety.models import AdverseEvent, SafetyAlert, ToxicityAssessment
from tests import factories
from tests.addforms import FILL, Filled, send
from tests.conftest import person
from tests.forms import forms_of
from trialsite import subjectpage, wayback
from trialsite.models import Site, User
from trialsite.roles import Role

pytestmark = [pytest.mark.django_db, pytest.mark.xdist_group("page sections")]

DAY, HOUR = dt.timedelta(days=1), dt.timedelta(hours=1)
OURS = ("treatment", "toxicity", "events", "medication", "labs", "visits")
NOTHING = {"en": "Nothing is recorded yet.", "zh-hans": "尚无记录"}
# What the page of a participant with everything on record may cost, however much there is of each kind.
MOST_QUERIES, MOST_BYTES = 25, 120_000


@dataclass
class World:
    """One participant with all that can be recorded, one of whom nothing is, one on the way to the infusion."""

    full: Participant
    empty: Participant
    enrolled: Participant
    people: dict[str, User]
    now: dt.datetime


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    with django_db_blocker.unblock(), transaction.atomic(), pytest.MonkeyPatch.context() as patched:
        patched.setattr("django.conf.settings.PASSWORD_HASHERS", ["django.contrib.auth.hashers.MD5PasswordHasher"])
        yield _made(timezone.now())
        transaction.set_rollback(True)


def _made(now: dt.datetime) -> World:
    site = Site.objects.get(code="ZJ")
    other = Site.objects.create(code="OT", name_zh="别的医院", name_en="Another hospital")
    people = {role.value: person(role.value.replace(" ", "-"), role, site) for role in Role}
    people["all"] = person("all", Role.COORDINATOR, site)
    people["all"].groups.set(Group.objects.exclude(name=Role.SPONSOR_PROGRAM.value))
    people["elsewhere"] = person("elsewhere", Role.PRINCIPAL_INVESTIGATOR, other)
    by = people["all"]
    full = factories.infused(site=site, by=by, now=now, infused_at=now - 10 * DAY)
    for label in sorted(set(FILL) - {"participants.Participant", "participants.ConsentWithdrawal", "dosing.Infusion"}):
        filled = FILL[label](full, now, by)
        response = sent(logged_in(by), filled.address, filled.data)
        assert response.status_code == 302, (label, _errors(response))
    empty = factories.screened(site=site, by=by, now=now - DAY)
    return World(full, empty, factories.enrolled(site=site, by=by, now=now - 2 * DAY), people, now)


def sent(client: Client, address: str, data: dict[str, Any]) -> Any:
    """A form as somebody sends it: what looks like a mistake is asked about, and answered."""
    response = send(client, Filled(address, data))
    asked = re.search(r'name="question_asked" value="([^"]+)"', response.content.decode())
    if response.status_code == 302 or asked is None:
        return response
    return client.post(address, {**data, "question_asked": asked[1], "question_answer": "seen so by both of us"})


@contextmanager
def taken_back() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def logged_in(user: User, language: str = "") -> Client:
    client = Client(headers={"Accept-Language": language} if language else {})
    client.force_login(user)
    return client


def page_of(participant: Participant) -> str:
    return reverse("admin:participants_participant_page", args=[participant.pk])


def section_of(participant: Participant, code: str) -> str:
    return reverse("admin:participants_participant_section", args=[participant.pk, code])


def text_of(client: Client, address: str) -> str:
    response = client.get(address)
    assert response.status_code == 200, address
    return str(response.content.decode())


def links_in(html: str) -> list[str]:
    """Of the page's own part, without the side bar and the head of every page."""
    own = html.partition('<div class="ts-page ts-person">')[2] or html
    return [unescape(one) for one in re.findall(r'\shref="(/[^"]*)"', own.partition("</main>")[0])]


# --- coming back -------------------------------------------------------------------------------------


def test_every_form_that_a_section_opens_comes_back_to_it(world: World) -> None:
    client = logged_in(world.people["all"])
    seen = 0
    for participant in (world.full, world.enrolled):
        for one in subjectpage.sections():
            for link in set(links_in(text_of(client, section_of(participant, one.code)))):
                seen += comes_back(client, link, wayback.page(participant, one.code))
    assert seen > 30, "the forms of the sections"


def test_every_form_that_the_page_itself_opens_comes_back(world: World) -> None:
    client = logged_in(world.people["all"])
    for participant in (world.full, world.enrolled, world.empty):
        links = set(links_in(text_of(client, page_of(participant))))
        found = [comes_back(client, link, wayback.page(participant)) for link in links if "/void/" not in link]
        assert sum(found) > 5


def comes_back(client: Client, link: str, back: str) -> bool:
    """Whether the link opens a form; and then it says where it leads."""
    with taken_back():
        response = client.get(link)
    assert response.status_code == 200, link
    if not response["Content-Type"].startswith("text/html"):
        # A file to print.
        return False
    told = parse_qs(urlsplit(link).query).get(wayback.PARAMETER, [""])[0]
    # A page to read has no form that records something, or forms with addresses of their own.
    name = resolve(urlsplit(link).path).url_name or ""
    is_form = name.endswith(("_add", "_change")) or (bool(forms_of(response)) and "readiness" not in name)
    assert not is_form or told.startswith(back), f"{link} leads nowhere"
    return is_form


def test_a_record_that_was_added_from_a_section_leads_back_to_it(world: World) -> None:
    client = logged_in(world.people["all"])
    for one in subjectpage.sections():
        for verb in one.verbs:
            label = next((label for label in FILL if verb.name == f"{label.replace('.', '_').lower()}_add"), "")
            if label == "participants.ConsentWithdrawal":
                continue
            filled = FILL[label](world.full, world.now - HOUR / 60, world.people["all"])
            back = wayback.page(world.full, one.code)
            asked = {"participant": world.full.pk, "back": back}
            asked |= {"panel": "CBC"} if label == "participants.Examination" else {}
            with taken_back():
                response = sent(
                    client, f"{urlsplit(filled.address).path}?{_query(asked)}", {**filled.data, "term": "chills"}
                )
                assert response.status_code == 302, (label, _errors(response))
                assert response.url == wayback.address_of(back), label


def _query(asked: dict[str, Any]) -> str:
    return "&".join(f"{name}={value}" for name, value in asked.items())


def _errors(response: Any) -> list[str]:
    html = response.content.decode()
    return re.findall(r'class="[^"]*(?:error|alarm|alert|red)[^"]*"[^>]*>([^<]*(?:<[^>]+>[^<]*){0,8})', html)


# --- who reads what ----------------------------------------------------------------------------------

WRITING = ("_add", "_lift", "_acknowledge", "_step", "_proposal", "_plan", "_enrol", "_confirm")


def written_to(html: str) -> set[str]:
    names = {resolve(urlsplit(link).path).url_name or "" for link in links_in(html)}
    return {name for name in names if name.endswith(WRITING)}


@pytest.mark.parametrize("role", [Role.MONITOR, Role.AUDITOR])
def test_who_only_reads_sees_every_section_and_no_verb(world: World, role: Role) -> None:
    client = logged_in(world.people[role.value])
    for participant in (world.full, world.enrolled):
        html = text_of(client, page_of(participant))
        assert all(f'id="{code}"' in html for code in OURS)
        assert written_to(html) == set()
        for code in OURS:
            assert written_to(text_of(client, section_of(participant, code))) == set()


def test_the_pharmacist_medicates_and_grades_nothing(world: World) -> None:
    html = text_of(logged_in(world.people[Role.PHARMACIST.value]), page_of(world.full))
    found = written_to(html)
    assert "dosing_medication_add" in found
    assert not found & {"safety_bedsideassessment_add", "safety_adverseevent_add", "participants_examination_add"}


def test_another_site_finds_neither_page_nor_section(world: World) -> None:
    client = logged_in(world.people["elsewhere"])
    assert client.get(page_of(world.full)).status_code == 404
    for one in subjectpage.sections():
        assert client.get(section_of(world.full, one.code)).status_code == 404


# --- what stands there -------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_an_empty_participant_has_nothing_recorded(world: World, language: str) -> None:
    user = world.people["all"]
    user.language = language
    with taken_back():
        user.save(update_fields=["language"])
        client = logged_in(user, language)
        for code in ("treatment", "events", "medication", "labs", "visits"):
            assert NOTHING[language] in text_of(client, section_of(world.empty, code)), code
        toxicity = text_of(client, section_of(world.empty, "toxicity"))
    assert 'data-picture="heatmap"' not in toxicity
    assert "CRS –" in toxicity


def test_the_heat_map_stands_from_day_0_on(world: World) -> None:
    client = logged_in(world.people["all"])
    assert 'data-picture="heatmap"' in text_of(client, section_of(world.full, "toxicity"))
    assert 'data-picture="heatmap"' not in text_of(client, section_of(world.enrolled, "toxicity"))


def test_what_is_void_stands_nowhere(world: World) -> None:
    client = logged_in(world.people["all"])
    rows = {
        "medication": world.full.medications.standing(),
        "events": world.full.adverse_events.standing(),
        "labs": Measurement.objects.standing().filter(participant=world.full),
        "visits": world.full.visits.standing(),
    }
    with taken_back():
        for code, found in rows.items():
            assert found.exists(), code
            found.update(voided_at=world.now, voided_by=world.people["all"], void_reason="typed twice")
            assert NOTHING["en"] in text_of(client, section_of(world.full, code)), code


def test_the_worst_event_stands_first_and_what_is_over_last(world: World) -> None:
    with taken_back():
        for term, grade, resolved in (("mild", 1, ""), ("ended", 4, "2026-01-02"), ("severe", 3, "")):
            a_copy(AdverseEvent, world.full, term=term, grade=grade, resolved=resolved)
        body = text_of(logged_in(world.people["all"]), section_of(world.full, "events"))
    assert body.index("severe") < body.index("mild") < body.index("ended")


def test_a_value_is_told_by_sign_and_word_and_a_bound_stays_a_bound(world: World) -> None:
    client = logged_in(world.people["all"])
    with taken_back():
        limits = {"reference_low": Decimal(2), "reference_high": Decimal(7), "unit": "10^9/L", "code": "NEUT"}
        measured(world, 3, value="4", **limits)
        measured(world, 2, value="9.5", **limits)
        measured(world, 1, value="0.5", comparator="<", **limits)
        body = text_of(client, section_of(world.full, "labs"))
        summary = text_of(client, page_of(world.full))
    assert "↓ below" in body
    assert "&lt; 0.5 ×10⁹/L" in body
    assert "9.5 ×10⁹/L ↑ above" in body, "the title of the point"
    assert 'class="ts-bound"' in body
    assert "↓ Neutrophils (ANC) &lt;0.5" in summary


def test_a_value_without_limits_is_seen_beside_those_that_were_printed_last(world: World) -> None:
    with taken_back():
        measured(world, 5, code="NEUT", unit="10^9/L", value="4", reference_low=Decimal(2), reference_high=Decimal(7))
        measured(world, 1, code="NEUT", unit="10^9/L", value="0")
        body = text_of(logged_in(world.people["all"]), section_of(world.full, "labs"))
    assert "↓ below" in body, "0 is a value"
    day = site_day(world.now - 5 * DAY)
    assert f"2–7 (report of {day})" in body


def test_what_was_not_done_is_said(world: World) -> None:
    with taken_back():
        measured(world, 0, code="NEUT", not_done_reason="clotted")
        body = text_of(logged_in(world.people["all"]), section_of(world.full, "labs"))
    assert "not done: clotted" in body


def test_each_visit_has_its_bar_that_leads_to_it_and_says_how_it_stands(world: World) -> None:
    """By a shape and in words: done, closed without it, open today, still to come."""
    client = logged_in(world.people["all"])
    today = site_day(world.now)
    rows = Visit.objects.filter(participant=world.full)
    with taken_back():
        rows.filter(code="D1").update(state="done", occurred_on=today - 9 * DAY)
        rows.filter(code="D2").update(state="done", occurred_on=today - 6 * DAY)
        rows.filter(code="D5").update(state="not_done", not_done_reason="asleep")
        body = text_of(client, section_of(world.full, "visits"))
        summary = text_of(client, page_of(world.full))
    bars = {
        code: body.split(f"<strong>{code}</strong>")[1].split("</li>")[0]
        for code in ("D1", "D2", "D5", "D3", "D10", "D28")
    }
    assert body.count('class="ts-bar" href=') == rows.count()
    assert "<circle" in bars["D1"]
    assert "outside its window" not in bars["D1"]
    assert "outside its window" in bars["D2"]
    assert "×" in bars["D5"]
    assert "window closed" in bars["D3"]
    assert "<circle" not in bars["D3"]
    assert "window open" in bars["D10"]
    assert "window" not in bars["D28"]
    assert body.index("<details>") < body.index("<strong>Y5</strong>"), "the long-term ones are folded"
    assert f"2 of {rows.exclude(state='cancelled').count()} done" in summary, "what is not due is not counted"


def measured(world: World, days_ago: int, **facts: Any) -> Measurement:
    """One result of a blood count, written directly."""
    common = {"participant": world.full, "created_by": world.people["all"], "created_at": world.now}
    at = world.now - days_ago * DAY
    report = Examination.objects.create(panel="CBC", taken_at=at, **common)
    if "value" in facts:
        facts["value"] = facts["standard_value"] = Decimal(facts["value"])
    return Measurement.objects.create(examination=report, taken_at=at, **common, **facts)


def a_copy(model: Any, participant: Participant, **facts: Any) -> Any:
    row = model.objects.filter(participant=participant).order_by("pk").first()
    values = {
        field.attname: getattr(row, field.attname)
        for field in model._meta.concrete_fields
        if not {field.name, field.attname} & {"id", "is_serious", *facts}
    }
    return model.objects.create(**values, **facts)


# --- what it costs -----------------------------------------------------------------------------------


def cost(client: Client, address: str) -> tuple[int, int]:
    with CaptureQueriesContext(connection) as told:
        size = len(client.get(address).content)
    return len([one for one in told.captured_queries if "SAVEPOINT" not in one["sql"]]), size


def test_the_page_and_each_section_cost_the_same_with_one_row_and_with_thirty(world: World) -> None:
    client = logged_in(world.people["all"])
    addresses = [page_of(world.full), *(section_of(world.full, code) for code in OURS)]
    with taken_back():
        before = {address: cost(client, address)[0] for address in addresses}
        _thirty(world)
        after = {address: cost(client, address) for address in addresses}
    assert {address: queries for address, (queries, _size) in after.items()} == before
    queries, size = after[page_of(world.full)]
    assert queries <= MOST_QUERIES, f"{queries} queries"
    assert size <= MOST_BYTES, f"{size} bytes"


def _thirty(world: World) -> None:
    """Of everything that there may be much of, thirty more; the visits are there already."""
    for number in range(30):
        at = world.now - number * 3 * HOUR
        a_copy(Medication, world.full, started_at=at, name=f"drug {number}")
        a_copy(AdverseEvent, world.full, term=f"event {number}")
        a_copy(ToxicityAssessment, world.full, assessed_at=at, bedside_id=None)
        measured(world, number, code="NEUT", value="1", unit="10^9/L")


def test_the_page_costs_the_same_with_all_visits_and_with_two(world: World) -> None:
    client = logged_in(world.people["all"])
    addresses = [page_of(world.full), section_of(world.full, "visits")]
    with taken_back():
        many = [cost(client, address)[0] for address in addresses]
        rows = Visit.objects.filter(participant=world.full).order_by("target_date")
        kept = list(rows.values_list("pk", flat=True)[:2])
        rows.exclude(pk__in=kept).update(voided_at=world.now, voided_by=world.people["all"], void_reason="x")
        assert [cost(client, address)[0] for address in addresses] == many


# --- what is owed, and what comes next ---------------------------------------------------------------


def asked(world: World, participant: Participant, user: str = "all", now: dt.datetime | None = None) -> Any:
    request = RequestFactory().get("/")
    request.user = User.objects.get(pk=world.people[user].pk)
    return subjectpage.Asked(Participant.objects.get(pk=participant.pk), request, now or world.now)


def owed(world: World, participant: Participant, **more: Any) -> dict[str, str]:
    with translation.override("en"):
        return {str(one.text): str(one.late) for one in subjectpage.owed(asked(world, participant, **more))}


def following(world: World, participant: Participant, **more: Any) -> str:
    with translation.override("en"):
        found = subjectpage.following(asked(world, participant, **more))
        assert found is not None
        assert found.by_whom, "somebody may do it"
        return str(found.text)


def test_what_comes_next_on_the_way_to_the_infusion(world: World) -> None:
    """Step by step, as each is recorded."""
    one, by, now = world.enrolled, world.people["all"], world.now
    with taken_back():
        assert following(world, one) == "Enrolled: record the leukapheresis."
        sent(logged_in(by), *_filled("dosing.Leukapheresis", one, world))
        assert following(world, one) == "Cells are collected: record the product."
        sent(logged_in(by), *_filled("dosing.CellProduct", one, world))
        assert following(world, one) == "Product COI-B is ordered: record its next step."
        bag = factories.thawed(one, at=now - HOUR)
        assert following(world, one) == "The product is released: plan the infusion."
        plan_infusion(participant=one, on=site_day(now), by=by, now=now)
        assert following(world, one).endswith("plan the lymphodepletion.")
        factories.lymphodepleted(one, until=now)
        type(bag).objects.filter(pk=bag.pk).update(state=Bag.RELEASED)
        assert following(world, one) == f"Product {bag.lot} is released: record its next step."
        type(bag).objects.filter(pk=bag.pk).update(state=Bag.THAWED)
        assert "check fitness in the" in following(world, one)
        factories.checked(one, before="infusion", at=now - HOUR)
        assert following(world, one) == "Product, lymphodepletion and fitness are on record: may we infuse?"
        valid = dt.timedelta(hours=48)
        assert "check fitness" in following(world, one, now=now + valid), "the check is too old by then"


def _filled(label: str, participant: Participant, world: World) -> tuple[str, dict[str, Any]]:
    filled = FILL[label](participant, world.now, world.people["all"])
    data = {**filled.data, "chain_of_identity": "COI-B"} if label == "dosing.CellProduct" else filled.data
    return filled.address, data


def test_a_dose_is_owed_from_its_day_on_and_is_the_next_step(world: World) -> None:
    with taken_back():
        factories.lymphodepleted(world.enrolled, until=world.now + 7 * DAY)
        doses = LymphodepletionDose.objects.filter(participant=world.enrolled)
        doses.update(state=DoseState.PLANNED, given_at=None, given_mg=None)
        assert Participant.objects.get(pk=world.enrolled.pk).status == "enrolled"
        first = doses.order_by("planned_on")[0].planned_on
        before = dt.datetime.combine(first - DAY, dt.time(4), tzinfo=dt.UTC)
        for days, late in ((0, None), (1, ""), (2, "late")):
            found = owed(world, world.enrolled, now=before + days * DAY)
            doses_owed = {late for text, late in found.items() if text.startswith("Lymphodepletion")}
            assert doses_owed == (set() if late is None else {late} if days == 1 else {"", "late"})
        assert following(world, world.enrolled, now=before + DAY).startswith("Lymphodepletion is due")


def test_a_planned_day_that_is_past_is_owed_and_today_is_not(world: World) -> None:
    today = site_day(world.now)
    with taken_back():
        for day, is_owed in ((today, False), (today - DAY, True)):
            Participant.objects.filter(pk=world.enrolled.pk).update(planned_infusion_on=day)
            assert (f"Infusion planned for {day}" in owed(world, world.enrolled)) is is_owed


def test_a_hold_is_owed_to_those_who_lift_it(world: World) -> None:
    with taken_back():
        sent(logged_in(world.people["all"]), *_filled("dosing.DosingHold", world.enrolled, world))
        assert owed(world, world.enrolled, now=world.now + HOUR)["On hold: fever"] == "nothing may be given"
        found = subjectpage.owed(asked(world, world.enrolled, now=world.now + HOUR))[0]
        assert found.permission == "dosing.lift_dosinghold"


def test_what_safety_asks_for_of_one_participant(world: World) -> None:
    """Alerts, the next look, serious events without an end: each in a line with its way."""
    with taken_back():
        SafetyAlert.objects.create(
            participant=world.full,
            kind="severe",
            toxicity="CRS",
            grade=4,
            happened_at=world.now - 2 * HOUR,
            about="assessment:1",
            key="assessment:1:severe",
            raised_at=world.now - HOUR,
            created_by=world.people["all"],
            created_at=world.now,
        )
        a_copy(
            AdverseEvent,
            world.full,
            term="sepsis",
            grade=4,
            is_life_threatening=True,
            seriousness_said="",
            onset="2026-01",
        )
        found = owed(world, world.full, now=world.now + 3 * DAY)
    assert next(iter(found)).startswith("Alert"), "before everything else"
    alert = "Alert that nobody has acknowledged: CRS grade 4 (grade 3 or higher)"
    assert found[alert].startswith("waiting for 73 h")
    assert any("Serious adverse event without an end: sepsis, grade 4, since 2026-01" in text for text in found)
    assert any(text.startswith("Bedside assessment") and late.startswith("overdue") for text, late in found.items())
    assert not any(text.startswith("Bedside") for text in owed(world, world.full)), "assessed just now"


def test_a_reaction_at_the_infusion_is_owed_until_it_is_an_event(world: World) -> None:
    with taken_back():
        infusion = world.full.infusions.get()
        world.full.infusions.update(has_reaction=True)
        text = f"Reaction to the infusion of {infusion.day}: not yet an adverse event"
        assert text in owed(world, world.full)
        a_copy(AdverseEvent, world.full, term="reaction", infusion_id=infusion.pk)
        assert text not in owed(world, world.full)


def test_nothing_is_owed_by_the_dead(world: World) -> None:
    with taken_back():
        Participant.objects.filter(pk=world.full.pk).update(status="died")
        texts = owed(world, world.full, now=world.now + 3 * DAY)
    assert not any(text.startswith(("Bedside", "Neutrophil", "Visit")) for text in texts)


def test_the_newest_fitness_check_is_the_one_that_is_shown(world: World) -> None:
    rows = FitnessCheck.objects.filter(participant=world.full)
    assert rows.count() > 1
    body = text_of(logged_in(world.people["all"]), section_of(world.full, "treatment"))
    shown = [pk for pk in rows.values_list("pk", flat=True) if f"/dosing/fitnesscheck/{pk}/change/" in body]
    assert shown == [rows.order_by("-checked_at", "-pk")[0].pk]
