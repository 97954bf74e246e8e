"""The first page: urgent, today, the rest; work for those who may do it; the same cost for three and for sixty."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dosing import worklist as dosing
from dosing.actions import lift_hold
from dosing.models import DosingHold, Infusion, LymphodepletionDose
from dosing.rules.dose import DoseBand
from participants.models import (
    EligibilityConfirmation,
    Participant,
    ParticipantStatus,
    Reconsent,
    SurvivalContact,
    Visit,
    VisitState,
)
from participants.rules.status import Status
from safety.models import (
    AdverseEvent,
    DataFinding,
    EventQuery,
    EventReview,
    ReportingDuty,
    SafetyAlert,
    Scale,
    ToxicityAssessment,
    ToxicityEpisode,
)
from tests import factories
from tests.conftest import person
from trialsite import firstpage, waiting
from trialsite.firstpage import ORDER, Place, Section
from trialsite.models import Notification, NotificationState, Record, Site, User
from trialsite.roles import Role
from trialsite.settings import CELERY_BEAT_SCHEDULE
from trialsite.study import get_study
from trialsite.sweeps import record_run

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("english")]
MINUTE, HOUR, DAY = dt.timedelta(minutes=1), dt.timedelta(hours=1), dt.timedelta(days=1)
SELDOM = {"trail", "sweeps", "mail-late", "stumbled", "nobody"}
EVERY_KIND = set(ORDER) - SELDOM - {"stops", "broken", "counts", "review", "infusions", "rounds"}


@pytest.fixture
def now() -> dt.datetime:
    return timezone.now().replace(second=0, microsecond=0)


@pytest.fixture
def swept(now: dt.datetime, db: None) -> None:
    for name in CELERY_BEAT_SCHEDULE:
        record_run(name, counts={}, now=now)


# --- Many rows of every kind, written directly -------------------------------------------------------


def _made(model: Any, rows: list[dict[str, Any]], by: User, at: dt.datetime) -> list[Any]:
    stamps = {"created_by": by, "created_at": at} if issubclass(model, Record) else {}
    return model.objects.bulk_create(model(**stamps, **one) for one in rows)


def _people(count: int, site: Site, by: User, now: dt.datetime, prefix: str) -> list[Participant]:
    rows = [
        {
            "site": site,
            "screening_number": f"{prefix}-S{number:03d}",
            "protocol_version": "1.0",
            "status": Status.SCREENING,
            "name": "x",
            "birth_date": dt.date(1990, 1, 1),
            "sex": "M",
        }
        for number in range(count)
    ]
    return _made(Participant, rows, by, now - 20 * DAY)


def _enrolled(people: list[Participant], status: Status, by: User, now: dt.datetime, **facts: Any) -> None:
    whose = [{"participant": one} for one in people]
    signed = {"overall": "ELIGIBLE", "meaning": "x", "snapshot": "{}", "content_hash": "0", "facts_digest": "0"}
    _made(EligibilityConfirmation, [{**one, **signed} for one in whose], by, now - 10 * DAY)
    for day, step in (
        (20, Status.SCREENING),
        (10, Status.ENROLLED),
        *([(3, status)] if status != Status.ENROLLED else []),
    ):
        rows = [{**one, "status": step, "effective_on": timezone.localdate(now - day * DAY)} for one in whose]
        _made(ParticipantStatus, rows, by, now - day * DAY)
    for one in people:
        number = one.screening_number.replace("-S", "-")
        Participant.objects.filter(pk=one.pk).update(participant_number=number, status=status, **facts)


def many(count: int, site: Site, by: User, now: dt.datetime) -> None:
    """So many rows of every kind that the first page shows."""
    prefix, today = f"M{count}", timezone.localdate(now)
    _people(count, site, by, now, f"{prefix}A")
    before = _people(count, site, by, now, f"{prefix}B")
    _enrolled(before, Status.ENROLLED, by, now, planned_infusion_on=today)
    after = _people(count, site, by, now, f"{prefix}C")
    _enrolled(after, Status.INFUSED, by, now)
    _before_infusion(before, by, now)
    _after_infusion(after, by, now)
    _visits(after, by, now)
    messages = [
        {
            "dedupe_key": f"{prefix}:{number}",
            "about": "x",
            "site": site,
            "recipient": by,
            "subject": "s",
            "state": NotificationState.FAILED,
            "queued_at": now - DAY,
            "not_before": now,
            "attempts": 9,
            "finished_at": now,
            "error": "x",
        }
        for number in range(count)
    ]
    _made(Notification, messages, by, now)


def _before_infusion(people: list[Participant], by: User, now: dt.datetime) -> None:
    sizes = {"mg_m2": 30, "height_cm": 170, "weight_kg": 65, "bsa_m2": "1.7521", "bsa_formula": "mosteller"}
    dose = {"drug": "flu", "number": 1, "planned_on": timezone.localdate(now - DAY), "planned_mg": "52.6", **sizes}
    _made(LymphodepletionDose, [{"participant": one, **dose} for one in people], by, now - 5 * DAY)
    _made(DosingHold, [{"participant": one, "reason": "fever"} for one in people], by, now - DAY)
    duty = {"cause": "new_version", "version": "2.0", "opens_on": timezone.localdate(now - 9 * DAY)}
    rows = [{"participant": one, "due_on": timezone.localdate(now - DAY), **duty} for one in people]
    _made(Reconsent, rows, by, now - 9 * DAY)


def _after_infusion(people: list[Participant], by: User, now: dt.datetime) -> None:
    at: dt.datetime = now - 3 * DAY
    facts: dict[str, Any] = {"viable_car_t_cells_e8": "0.5", "dose_band": DoseBand.NOMINAL, "has_reaction": True}
    facts |= {"infused_at": at, "ended_at": at}
    given = [{"participant": one, "product_lot": f"L{one.pk}", **facts} for one in people]
    _made(Infusion, given, by, at)
    graded = {"toxicity": Scale.CRS, "scale": "ASTCT 2019", "grade": 3, "findings": {}, "assessed_at": now - 9 * HOUR}
    _made(ToxicityAssessment, [{"participant": one, **graded} for one in people], by, now)
    episode = {"toxicity": Scale.CRS, "number": 1, "onset_at": now - DAY, "highest_grade": 3, "highest_at": now - DAY}
    _made(ToxicityEpisode, [{"participant": one, **episode} for one in people], by, now)
    warned = {
        "kind": "severe_crs",
        "toxicity": Scale.CRS,
        "grade": 3,
        "happened_at": now - HOUR,
        "raised_at": now - HOUR,
    }
    alerts = [{"participant": one, "about": f"x:{one.pk}", "key": f"x:{one.pk}", **warned} for one in people]
    _made(SafetyAlert, alerts, by, now)
    found = {"code": "event_twice", "row_model": "safety.adverseevent", "found_at": now}
    _made(DataFinding, [{"participant": one, "row_id": one.pk, **found} for one in people], by, now)
    event = {"term": "fever", "onset": "2026-01", "grade": 3, "is_life_threatening": True, "ctcae_version": "5.0"}
    told = {"outcome": "not_recovered", "site_aware_at": now - DAY}
    _made(AdverseEvent, [{"participant": one, **event, **told} for one in people], by, now)
    asked = [{"event": one.adverse_events.get(), "question": "why?"} for one in people]
    _made(EventQuery, asked, by, now)
    signed = {"resolved": "2026-02", "term": "rash"}
    _made(AdverseEvent, [{"participant": one, **event, **told, **signed} for one in people], by, now)
    rows = [{"event": one.adverse_events.get(term="rash"), "kind": "assessment", "content": {}} for one in people]
    _made(EventReview, rows, by, now)
    report = {"regime": "IND", "clock": "susar_other", "recipient": "cde", "kind": "initial", "trigger": "first"}
    _made(
        ReportingDuty,
        [
            {"event": one.adverse_events.get(term="rash"), "counted_from": now - DAY, "due_at": due, **report}
            for one in people
            for due in (now + HOUR, now + 9 * DAY)
        ],
        by,
        now,
    )


def _visits(people: list[Participant], by: User, now: dt.datetime) -> None:
    """One overdue, one that closes today, one that is open, one that comes."""
    for code, opens, closes in (("D1", -3, -2), ("D3", 0, 0), ("D21", -1, 3), ("D28", 4, 9)):
        first, last = (timezone.localdate(now + days * DAY) for days in (opens, closes))
        window = {"window_opens_on": first, "window_closes_on": last, "target_date": last}
        rows = [
            {"participant": one, "code": code, "protocol_version": "1.0", "target_day": 1, **window} for one in people
        ]
        _made(Visit, rows, by, now)
    # Whoever was seen since the first attempt is not lost.
    day = timezone.localdate(now - 101 * DAY)
    done = {"code": "M3", "protocol_version": "1.0", "target_day": 90, "state": VisitState.DONE, "occurred_on": day}
    window = {"window_opens_on": day, "window_closes_on": day, "target_date": day}
    _made(Visit, [{"participant": one, **done, **window} for one in people], by, now)
    tried = [{"contacted_on": timezone.localdate(now - days * DAY)} for days in (100, 50, 5)]
    silent = {"means": "phone", "vital": "no_answer"}
    _made(SurvivalContact, [{"participant": one, **day, **silent} for one in people for day in tried], by, now)


def counted(client: Any) -> tuple[int, dict[str, Section]]:
    """Once warm: what the rows say is kept until they change."""
    client.get("/admin/")
    with CaptureQueriesContext(connection) as captured:
        answer = client.get("/admin/")
    shown = [one for name in ("urgent", "todays", "later", "stands") for one in answer.context[name]]
    # The beginning and the end of a transaction ask nothing.
    asked = [one["sql"] for one in captured.captured_queries]
    asked = [one for one in asked if not one.startswith(("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE"))]
    return len(asked), {one.code: one for one in shown}


def test_three_and_sixty_of_every_kind_cost_the_same_queries(
    site: Site, alice: User, login: Any, now: dt.datetime, swept: None
) -> None:
    pi = person("petra", Role.PRINCIPAL_INVESTIGATOR, site)
    factories.people(site, 1)
    many(3, site, alice, now)
    few, sections = counted(login(pi))
    assert sections.keys() >= EVERY_KIND, "every kind that the count is about"
    assert {one.count for code, one in sections.items() if code in EVERY_KIND} == {3}
    assert all(section.rows[0].link for section in sections.values())
    assert few <= 20
    many(57, site, alice, now)
    most, sections = counted(login(pi))
    assert {one.count for code, one in sections.items() if code in EVERY_KIND} == {60}
    assert max(len(one.rows) for one in sections.values()) == firstpage.ROWS_SHOWN
    assert most == few


# --- What stands where --------------------------------------------------------------------------------


@pytest.fixture
def busy(site: Site, alice: User, now: dt.datetime) -> None:
    many(1, site, alice, now)


def sections_of(user: User, now: dt.datetime) -> list[Section]:
    return firstpage.read_page(user, now=now).sections


def test_it_begins_with_what_is_urgent_then_today_then_the_rest(
    busy: None, alice: User, login: Any, swept: None
) -> None:
    context = login(alice).get("/admin/").context
    urgent, today, later = ([one.code for one in context[name]] for name in ("urgent", "todays", "later"))
    assert urgent == ["alerts", "duties-near", "broken", "rounds-overdue", "severe", "mails"]
    assert today == ["infusions-today", "doses", "closing", "reconsents"]
    assert later[:6] == ["duties", "overdue", "lost", "unassessed", "open", "soon"]
    assert later[6:] == ["screening", "episodes", "reactions", "queries", "serious"]
    stands = [one.code for one in context["stands"]]
    assert stands[:3] == ["assessments", "reviews", "holds"], "judged and lifted by investigators"


def test_every_place_of_every_section_has_its_order(busy: None, alice: User, now: dt.datetime) -> None:
    places = [one.place for one in sections_of(alice, now) if one.code != "holds"]
    assert places == sorted(places, key=list(Place).index)


def test_every_line_of_work_leads_back_to_today(busy: None, alice: User, login: Any, swept: None) -> None:
    context = login(alice).get("/admin/").context
    links = [row.link for name in ("urgent", "todays", "later") for one in context[name] for row in one.rows]
    assert links
    assert [link for link in links if "back=today" not in link] == []


@pytest.mark.parametrize("role", [Role.MONITOR, Role.AUDITOR])
def test_who_reads_only_sees_how_things_stand_and_no_work(
    role: Role, busy: None, site: Site, login: Any, swept: None
) -> None:
    client = login(person("reader", role, site))
    answer = client.get("/admin/")
    assert [answer.context[name] for name in ("urgent", "todays", "later")] == [[], [], []]
    assert {"alerts", "overdue", "doses"} <= {one.code for one in answer.context["stands"]}
    links = {row.link for one in answer.context["stands"] for row in one.rows if row.link}
    assert not [link for link in links if "/add/" in link]
    assert {client.get(link).status_code for link in links} == {200}
    assert "Nothing is overdue" not in answer.content.decode()


def test_a_pharmacist_gives_doses_and_answers_no_alert(busy: None, site: Site, login: Any, swept: None) -> None:
    context = login(person("phil", Role.PHARMACIST, site)).get("/admin/").context
    assert [one.code for one in context["todays"]] == ["infusions-today", "doses"]
    assert "alerts" in {one.code for one in context["stands"]}


def test_an_administrator_mends_the_site_and_does_none_of_its_work(busy: None, login: Any, swept: None) -> None:
    context = login(User.objects.create_superuser("root")).get("/admin/").context
    assert [one.code for name in ("urgent", "todays", "later") for one in context[name]] == ["mails"]
    assert "alerts" in {one.code for one in context["stands"]}


def test_blocks_without_rows_are_left_out(alice: User, login: Any, swept: None) -> None:
    answer = login(alice).get("/admin/")
    assert [answer.context[name] for name in ("urgent", "todays", "later", "stands")] == [[], [], [], []]
    assert "Nothing is overdue." in answer.content.decode()


# --- Places, and how long -----------------------------------------------------------------------------


def test_it_says_how_many_places_are_left(site: Site, alice: User, now: dt.datetime, login: Any) -> None:
    assert "30 places left (0 of 30 enrolled)" in login(alice).get("/admin/").content.decode()
    factories.enrolled(site=site, by=alice, now=now)
    factories.screened(site=site, by=alice, now=now)
    places = firstpage.read_page(alice, now=now).places
    assert places == firstpage.Places(target=30, taken=1)
    assert firstpage.Places(target=30, taken=31).left == 0


def test_an_overdue_assessment_has_waited_since_it_was_due(
    site: Site, alice: User, now: dt.datetime, swept: None
) -> None:
    from safety import actions

    factories.infused(site=site, by=alice, now=now, infused_at=now - 15 * HOUR)
    actions.raise_overdue(now=now)
    alert, overdue = sections_of(alice, now)[:2]
    assert (alert.code, overdue.code) == ("alerts", "rounds-overdue")
    assert alert.rows[0].waited == overdue.rows[0].waited == "waiting 3 h 0 min"


@pytest.mark.parametrize(
    ("begun", "words"),
    [
        (dt.timedelta(0), ""),
        (-HOUR, ""),
        (dt.timedelta(seconds=59), ""),
        (dt.timedelta(minutes=1), "waiting 1 min"),
        (dt.timedelta(minutes=59), "waiting 59 min"),
        (HOUR, "waiting 1 h 0 min"),
        (dt.timedelta(hours=47, minutes=59), "waiting 47 h 59 min"),
        (2 * DAY, "waiting 2 days"),
    ],
)
def test_how_long_it_has_waited(begun: dt.timedelta, words: str, now: dt.datetime) -> None:
    assert waiting.since(now - begun, now=now) == words


@pytest.mark.parametrize(("days", "words"), [(-1, ""), (0, ""), (1, "waiting 1 day"), (40, "waiting 40 days")])
def test_whole_days_where_only_the_day_is_known(days: int, words: str, now: dt.datetime) -> None:
    assert waiting.since(timezone.localdate(now) - days * DAY, now=now) == words


# --- What is kept until a row changes -----------------------------------------------------------------


@pytest.fixture
def morning() -> dt.datetime:
    """Far from midnight at the site."""
    return dt.datetime(2026, 3, 5, 1, 30, tzinfo=dt.UTC)


@pytest.fixture
def ready(site: Site, alice: User, morning: dt.datetime) -> Participant:
    """To be infused today; an hour ago all was looked at and signed."""
    participant = factories.enrolled(site=site, by=alice, now=morning - 2 * DAY)
    Participant.objects.filter(pk=participant.pk).update(planned_infusion_on=timezone.localdate(morning))
    factories.ready(participant, at=morning - HOUR)
    return participant


def infusion(user: User, now: dt.datetime) -> tuple[str, str]:
    """What stands against it, and where its line leads."""
    (section,) = (one for one in sections_of(user, now) if one.code == "infusions-today")
    return section.rows[0].facts[1], section.rows[0].link


def test_an_infusion_that_is_ready_leads_to_its_form_and_a_change_is_seen_at_once(
    ready: Participant, alice: User, ivan: User, morning: dt.datetime
) -> None:
    assert infusion(alice, morning) == ("ready", f"/admin/dosing/infusion/add/?participant={ready.pk}&back=today")
    hold = DosingHold.objects.create(participant=ready, reason="fever", created_by=alice, created_at=morning)
    assert infusion(alice, morning) == ("Holds", f"/admin/dosing/infusion/readiness/{ready.pk}/?back=today")
    lift_hold(hold=hold, reason="over", by=ivan, now=morning)
    assert infusion(alice, morning)[0] == "ready"


def test_time_alone_lets_what_was_looked_at_run_out(ready: Participant, alice: User, morning: dt.datetime) -> None:
    limit = morning + (get_study().latest.bedside.identity_valid_hours - 1) * HOUR
    assert infusion(alice, limit)[0] == "ready"
    assert infusion(alice, limit + MINUTE)[0] == "Identity check by two people"
    limit = morning + (get_study().latest.fitness.valid_hours - 1) * HOUR
    assert "Fitness" not in infusion(alice, limit)[0]
    assert "Fitness" in infusion(alice, limit + MINUTE)[0]


def _tables(captured: Any) -> Iterator[str]:
    for query in captured.captured_queries:
        yield from (name for name in connection.introspection.table_names() if f'"{name}"' in query["sql"])


def test_the_state_of_the_facts_holds_every_table_that_is_judged_by(
    ready: Participant, alice: User, morning: dt.datetime
) -> None:
    with CaptureQueriesContext(connection) as captured:
        dosing._judge(Participant.objects.get(pk=ready.pk), morning)
    known = {model._meta.db_table for model in (*dosing.OF_ELIGIBILITY, *dosing.OF_READINESS)}
    # Signatures are never changed; people and sites say nothing of a participant.
    apart = {"participants_participant", "trialsite_signature", "trialsite_user", "trialsite_site"}
    assert {name for name in _tables(captured) if not name.endswith("event")} <= known | apart
