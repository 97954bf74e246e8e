"""The tables of safety and the watch on the stopping rule: who counts, who is told, who may look, what leaves."""

import csv
import datetime as dt
import io
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import translation

from participants.actions import site_day
from participants.models import Consent, Participant
from safety import actions, tablepages, tables
from safety.actions import Said, stopping
from safety.ctcae.catalogue import VERSIONS, terms
from safety.models import (
    ActionTaken,
    AdverseEvent,
    Agent,
    AlertKind,
    AlertState,
    Outcome,
    Relatedness,
    SafetyAlert,
    Scale,
    SettledBy,
    Submission,
    ToxicityAssessment,
)
from safety.tables import Population
from tests import factories
from tests.conftest import person
from tests.pdftext import words_of
from trialsite.models import ListExport, Notification, Site, User
from trialsite.recordadmin import void
from trialsite.roles import Role
from trialsite.study import get_study

pytestmark = pytest.mark.django_db
DAY, HOUR = dt.timedelta(days=1), dt.timedelta(hours=1)
SECRETS = ("王小明", "13800000000", "1990")
JUDGES = (Role.INVESTIGATOR, Role.PRINCIPAL_INVESTIGATOR, Role.MEDICAL_MONITOR)
READERS = (*JUDGES, Role.DATA_MANAGER, Role.MONITOR, Role.AUDITOR)


@pytest.fixture
def people(site: Site, alice: User, now: dt.datetime) -> list[Participant]:
    """Three infused ten days ago."""
    return [factories.infused(site=site, by=alice, now=now, infused_at=now - 10 * DAY) for _one in range(3)]


def log(participant: Participant, *, by: User, now: dt.datetime, **facts: Any) -> AdverseEvent:
    given = {
        "term": "fever",
        "ctcae_code": "10016558",
        "onset": f"{now:%Y-%m-%d}",
        "grade": 2,
        "outcome": Outcome.NOT_RECOVERED,
        "site_aware_at": now,
    }
    cells = {Agent.CAR_T: Said(investigator=Relatedness.POSSIBLE, action_taken=ActionTaken.NONE)}
    event = AdverseEvent(participant=participant, **{**given, **facts})
    return actions.log_adverse_event(event=event, agents=cells, by=by, now=now)


def graded(participant: Participant, grade: int, *, at: dt.datetime, by: User) -> ToxicityAssessment:
    """As the scale would have it, without its findings."""
    return ToxicityAssessment.objects.create(
        participant=participant,
        toxicity=Scale.CRS,
        scale="ASTCT 2019",
        findings={},
        grade=grade,
        assessed_at=at,
        created_by=by,
        created_at=at,
    )


def page(client: Client, code: str, kind: str = "", **query: str) -> Any:
    name = f"admin:safety_safetyalert_{code}" + ("_file" if kind else "")
    return client.get(reverse(name, args=[kind] if kind else []), query)


def file_of(client: Client, code: str, **query: str) -> list[dict[str, str]]:
    answer = page(client, code, "csv", **query)
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


# --- the study file ----------------------------------------------------------------------------------


def test_every_code_and_class_of_the_study_file_is_one_of_ctcae() -> None:
    known = {one.code for version in VERSIONS for one in terms(version)}
    classes = {one.soc for version in VERSIONS for one in terms(version)}
    for protocol in get_study().versions.values():
        for how in (one.recognised for one in protocol.special_interest_events if one.recognised):
            assert set(how.ctcae) <= known
            assert how.soc is None or how.soc in classes


# --- what is counted ---------------------------------------------------------------------------------


def test_populations_and_their_events(people: list[Participant], site: Site, alice: User, now: dt.datetime) -> None:
    waiting = factories.enrolled(site=site, by=alice, now=now - 5 * DAY)
    early = f"{now - 15 * DAY:%Y-%m-%d}"
    log(people[0], by=alice, now=now)
    log(people[0], by=alice, now=now, onset=early, site_aware_at=now, term="rash", ctcae_code="")
    log(waiting, by=alice, now=now, term="pain", ctcae_code="")
    void(log(people[1], by=alice, now=now), reason="typed twice", by=alice, now=now)
    rows = tables.rows_of([site])

    def seen(population: Population) -> tuple[int, list[str]]:
        whose = tables.people_of(population, [site])
        return len(whose), sorted(row.reported for row in tables.counted(rows, whose))

    assert seen(Population.SINCE_INFUSION) == (3, ["fever"])
    assert seen(Population.INFUSED) == (3, ["fever", "rash"])
    assert seen(Population.CONSENTED) == (4, ["fever", "pain", "rash"])
    void(Consent.objects.get(participant=waiting), reason="typed twice", by=alice, now=now)
    assert seen(Population.CONSENTED) == (3, ["fever", "rash"])


@pytest.mark.parametrize(("onset", "day"), [("2026", 10), ("2026-03", 10), ("2026-03-10", 10), ("2026-03-11", 11)])
def test_an_onset_known_in_part_counts_unless_it_was_certainly_before(
    people: list[Participant], alice: User, now: dt.datetime, onset: str, day: int
) -> None:
    row = tables.row_of(log(people[0], by=alice, now=now))
    row = type(row)(**{**vars(row), "onset": onset})
    assert row.first_day(dt.date(2026, 3, 10)) == dt.date(2026, 3, day)
    assert type(row)(**{**vars(row), "onset": "2026-03-09"}).first_day(dt.date(2026, 3, 10)) is None
    assert type(row)(**{**vars(row), "onset": "2026-02"}).first_day(dt.date(2026, 3, 10)) is None


def test_special_interest_by_code_by_class_from_its_grade_and_by_hand(
    people: list[Participant], site: Site, alice: User, now: dt.datetime
) -> None:
    crs = log(people[0], by=alice, now=now, term="CRS", ctcae_code="10052015", grade=3)
    sepsis = {"term": "sepsis", "ctcae_code": "10040047"}
    log(people[0], by=alice, now=now, **sepsis, grade=4)
    log(people[1], by=alice, now=now, term="thrush", ctcae_code="10043649", grade=2)
    rows = tables.rows_of([site])
    found = {one.event.code: one for one in tables.interests(rows, [one.pk for one in people])}
    assert [row.pk for row in found["CRS"].logged] == [crs.pk]
    assert [row.reported for row in found["INFECTION"].logged] == ["sepsis"], "of grade 3 or more alone"
    ticked = type(rows[0])(**{**vars(rows[0]), "special_interest": "PREGNANCY"})
    (pregnancy,) = [one for one in tables.interests([ticked], []) if one.event.code == "PREGNANCY"]
    assert pregnancy.logged == (ticked,)


def test_the_files_hold_numbers(
    people: list[Participant], mona: User, alice: User, now: dt.datetime, login: Any, english: Any
) -> None:
    log(people[0], by=alice, now=now, grade=2)
    log(people[0], by=alice, now=now, grade=4, onset=f"{now - DAY:%Y-%m-%d}", is_life_threatening=True)
    log(people[1], by=alice, now=now, grade=1)
    rows = file_of(login(mona), "classes")
    (fever,) = [row for row in rows if row["Term"] == "Fever"]
    assert (fever["N"], fever["Any grade, n"], fever["Any grade, %"]) == ("3", "2", "66.7")
    assert (fever["Grade ≥ 3, n"], fever["Grade 4"], fever["Grade 2"], fever["Events"]) == ("1", "1", "0", "3")
    (serious,) = file_of(login(mona), "serious")
    assert (serious["Participant"], serious["Serious because"]) == (people[0].number, "life-threatening")
    assert (serious["First report sent"], serious["Days to report"]) == ("not yet", "—")
    assert (serious["End"], serious["MedDRA code"]) == ("ongoing", "10016558")


def test_the_line_listing_counts_the_days_to_the_first_report(
    people: list[Participant], mona: User, alice: User, now: dt.datetime, login: Any, english: Any
) -> None:
    event = log(people[0], by=alice, now=now, grade=4, is_life_threatening=True)
    for days in (3, 1):
        Submission.objects.create(
            event=event,
            recipient="sponsor",
            submitted_at=event.site_aware_at + days * DAY,
            submitted_by=alice,
            reference="by e-mail",
            created_by=alice,
        )
    (serious,) = file_of(login(mona), "serious")
    assert serious["First report sent"] == f"{site_day(event.site_aware_at + DAY)}"
    assert serious["Days to report"] == "1"


def test_whoever_has_two_sites_may_look_at_one(
    people: list[Participant], site: Site, alice: User, charlie: User, now: dt.datetime, login: Any
) -> None:
    log(people[0], by=alice, now=now, grade=4, is_life_threatening=True, term="odd fever")
    (elsewhere,) = charlie.sites.all()
    both = login(person("both", Role.MONITOR, site, elsewhere))
    assert [code for code in (site.code, elsewhere.code, "nowhere", "") if shows(both, "odd fever", site=code)] == [
        site.code,
        "nowhere",
        "",
    ]
    one = login(person("one", Role.MONITOR, elsewhere))
    assert not shows(one, "odd fever", site=site.code), "what one does not reach cannot be chosen"


def shows(client: Client, words: str, **query: str) -> bool:
    return words in page(client, "serious", **query).content.decode()


# --- who may, and what leaves ------------------------------------------------------------------------


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.SPONSOR_PROGRAM])
def test_who_reads_them(role: Role, site: Site, login: Any) -> None:
    client = login(person("somebody", role, site))
    expected = 200 if role in READERS else 403
    assert {page(client, code).status_code for code in tablepages.TITLES} == {expected}
    taken = page(client, "serious", "csv")
    assert taken.status_code == expected
    assert b"".join(taken), "an answer that nobody reads leaves its file open"


def test_nothing_of_another_site_and_nobody_by_name(
    people: list[Participant], alice: User, charlie: User, mona: User, now: dt.datetime, login: Any
) -> None:
    log(people[0], by=alice, now=now, grade=4, is_life_threatening=True, term="odd fever")
    there = login(person("there", Role.MONITOR, *charlie.sites.all()))
    assert "odd fever" not in page(there, "serious").content.decode()
    here = page(login(mona), "serious").content.decode()
    assert "odd fever" in here
    assert people[0].number in here
    assert not any(secret in here for secret in SECRETS)


@pytest.mark.parametrize("code", list(tablepages.TITLES))
def test_each_leaves_as_paper_and_as_files_and_is_recorded(
    code: str, people: list[Participant], alice: User, mona: User, now: dt.datetime, login: Any, english: Any
) -> None:
    log(people[0], by=alice, now=now, grade=4, is_life_threatening=True)
    client = login(mona)
    printed = page(client, code, "pdf")
    words = words_of(printed.content)
    assert str(tablepages.TITLES[code]).replace(" ", "") in words.replace(" ", "")
    assert not any(secret in words for secret in SECRETS)
    for kind in ("csv", "xlsx"):
        answer = page(client, code, kind)
        assert b"".join(answer.streaming_content)
        assert f"safety-{code}" in answer["Content-Disposition"]
    assert list(ListExport.objects.order_by("id").values_list("kind", "has_identity")) == [
        ("pdf", False),
        ("csv", False),
        ("xlsx", False),
    ]
    assert page(client, code, "exe").status_code == 404


@pytest.mark.parametrize("code", list(tablepages.TITLES))
def test_no_more_queries_with_more_rows(
    code: str, people: list[Participant], alice: User, mona: User, now: dt.datetime, login: Any
) -> None:
    client = login(mona)
    log(people[0], by=alice, now=now, grade=4, is_life_threatening=True)
    page(client, code)
    counts = []
    for _again in range(2):
        with CaptureQueriesContext(connection) as found:
            assert page(client, code).status_code == 200
        counts.append(len(found))
        for whose in people:
            for number in range(4):
                event = {"term": f"fever {number}", "is_life_threatening": True}
                log(whose, by=alice, now=now, grade=4, **event)
    assert counts[0] == counts[1]
    assert counts[0] <= 20


@pytest.mark.parametrize("code", list(tablepages.TITLES))
def test_an_empty_study_has_its_pages(code: str, mona: User, login: Any) -> None:
    assert page(login(mona), code).status_code == 200
    assert page(login(mona), code, "pdf").status_code == 200


# --- the watch ---------------------------------------------------------------------------------------


def alerts() -> list[SafetyAlert]:
    return list(SafetyAlert.objects.filter(kind=AlertKind.STOPPING).order_by("id"))


def watch(now: dt.datetime, by: User) -> list[SafetyAlert]:
    return stopping.watch(now=now, by=by)


@pytest.fixture
def ida(site: Site) -> User:
    return person("ida", Role.PRINCIPAL_INVESTIGATOR, site)


@pytest.fixture
def crossed(people: list[Participant], ida: User, alice: User, now: dt.datetime) -> list[ToxicityAssessment]:
    """Three events in three participants: the first number at which the rule speaks."""
    return [graded(one, 3, at=now - (5 - n) * DAY, by=alice) for n, one in enumerate(people)]


def test_whoever_is_still_watched_does_not_count_yet(people: list[Participant], alice: User, now: dt.datetime) -> None:
    graded(people[0], 3, at=now, by=alice)
    graded(people[1], 2, at=now, by=alice)
    found = stopping.state(now=now)
    assert found is not None
    assert (found.infused, found.waiting) == (3, 2)
    assert [(point.treated, point.events) for point in found.points] == [(1, 1)]
    later = stopping.state(now=now + 18 * DAY)
    assert later is not None
    assert later.waiting == 2, "Day 28 is the last of the window"
    after = stopping.state(now=now + 19 * DAY)
    assert after is not None
    assert [(point.treated, point.events) for point in after.points] == [(1, 1), (2, 1), (3, 1)]


def test_an_adverse_event_counts_like_a_grade_and_both_count_once(
    people: list[Participant], alice: User, now: dt.datetime
) -> None:
    logged = {"term": "CRS", "ctcae_code": "10052015"}
    log(people[0], by=alice, now=now, **logged, grade=3)
    log(people[1], by=alice, now=now, **logged, grade=2)
    graded(people[0], 4, at=now - DAY, by=alice)
    found = stopping.state(now=now)
    assert found is not None
    (point,) = found.points
    assert (point.key, point.events, point.on) == (people[0].pk, 1, (now - DAY).date())


def test_the_principal_investigator_is_told_once(
    crossed: list[ToxicityAssessment], people: list[Participant], ida: User, alice: User, now: dt.datetime
) -> None:
    (alert,) = watch(now, alice)
    assert (alert.participant, alert.grade, alert.toxicity) == (people[2], None, "")
    assert watch(now + HOUR, alice) == []
    (message,) = Notification.objects.filter(about=alert.about)
    assert message.recipient == ida
    assert people[2].number in message.body_text
    assert not any(secret in message.body_text for secret in SECRETS)


def test_it_is_settled_when_the_facts_say_so_no_longer_and_told_again_for_another(
    crossed: list[ToxicityAssessment], site: Site, alice: User, now: dt.datetime
) -> None:
    (alert,) = watch(now, alice)
    void(crossed[2], reason="another participant", by=alice, now=now, by_rule=True)
    assert watch(now, alice) == []
    alert.refresh_from_db()
    assert (alert.state, alert.settled_because) == (AlertState.SETTLED, SettledBy.CORRECTED)
    other = factories.infused(site=site, by=alice, now=now, infused_at=now - 3 * DAY)
    graded(other, 3, at=now, by=alice)
    (again,) = watch(now, alice)
    assert again.participant == other


def test_it_is_answered_like_others_and_by_nothing_else(
    crossed: list[ToxicityAssessment], ida: User, alice: User, now: dt.datetime
) -> None:
    (alert,) = watch(now, alice)
    actions.settle_alerts(participant=alert.participant, now=now)
    alert.refresh_from_db()
    assert alert.state is AlertState.OPEN
    actions.acknowledge(alert=alert, by=ida, now=now + HOUR, note="Nobody is infused until the board has met.")
    alert.refresh_from_db()
    assert alert.state is AlertState.ACKNOWLEDGED
    assert watch(now + 2 * HOUR, alice) == []
    assert len(alerts()) == 1


def test_without_a_principal_investigator_all_investigators_are_told(
    people: list[Participant], ivan: User, alice: User, now: dt.datetime
) -> None:
    for one in people:
        graded(one, 3, at=now, by=alice)
    (alert,) = watch(now, alice)
    assert [one.recipient for one in Notification.objects.filter(about=alert.about)] == [ivan]


def test_the_verb_that_regrades_asks_the_rule(
    people: list[Participant], ida: User, alice: User, now: dt.datetime
) -> None:
    rows = [graded(one, grade, at=now - HOUR, by=alice) for one, grade in zip(people, (3, 3, 2), strict=True)]
    assert not stopping.matters([rows[2]])
    new = actions.regrade(assessment=rows[2], investigator_grade=3, reason="as seen at the bed", by=ida, now=now)
    (alert,) = alerts()
    assert alert.created_by == ida
    actions.void_assessment(assessment=new, reason="a mistake", by=ida, now=now)
    alert.refresh_from_db()
    assert alert.state is AlertState.SETTLED


def test_its_page_says_stop_and_why(
    crossed: list[ToxicityAssessment], people: list[Participant], ida: User, alice: User, now: dt.datetime, login: Any
) -> None:
    watch(now, alice)
    client = login(ida)
    words = page(client, "stopping").content.decode()
    assert "The rule says stop" in words
    assert "Beta(0.6, 1.4)" in words
    assert reverse("admin:participants_participant_page", args=[people[2].pk]) not in words
    opened = client.get(reverse("admin:safety_safetyalert_change", args=[alerts()[0].pk])).content.decode()
    assert reverse("admin:safety_safetyalert_stopping") in opened


def test_the_pages_speak_chinese(people: list[Participant], alice: User, now: dt.datetime, site: Site) -> None:
    log(people[0], by=alice, now=now)
    with translation.override("zh-hans"):
        report = tablepages.classes([site], Population.SINCE_INFUSION)
    cells = [str(row[0]).strip() for row in report.parts[0].rows]
    assert "发热" in cells
    assert "全身性疾病和给药部位情况" in cells
