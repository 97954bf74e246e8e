"""How many statements the daily verbs take, with few rows and with many: counted, never timed."""

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from dosing.actions import infuse
from dosing.rules.readiness import Code
from participants.actions import remind_of_visits
from participants.models import Examination, Measurement, Participant, ReminderPreference, Visit, VisitReminder
from participants.rules.measures import MEASURES
from participants.rules.status import Status
from safety.actions import assess_bedside, log_adverse_event
from safety.models import AdverseEvent, BedsideAssessment, Outcome, ToxicityAssessment
from tests import factories
from tests.conftest import person
from tests.safety.test_bedside import WELL
from trialsite.models import Notification, Site, User
from trialsite.roles import Role

pytestmark = pytest.mark.django_db
DAY, HOUR = dt.timedelta(days=1), dt.timedelta(hours=1)
FEBRILE = replace(WELL, temperature_c=Decimal("38.4"), fever_attributable=True)
FEW, MANY = 1, 30


def statements(do: Callable[[], Any]) -> list[str]:
    """What the verb asks of the database, without the marks of its transaction."""
    with CaptureQueriesContext(connection) as found:
        do()
    return [one["sql"] for one in found if not one["sql"].startswith(("SAVEPOINT", "RELEASE"))]


def written(asked: list[str], table: str) -> list[str]:
    return [one for one in asked if one.startswith(f'INSERT INTO "{table}"')]


# --- An infusion ---------------------------------------------------------------------------------------

# Behind the lines of readiness: the history, the consents, the results and those beside them, the rulings, the
# confirmation; of what is signed, its signature, too. And the bag, with what was given of it before.
LOOKED_AT = len(Code) + 7
BEYOND = 12


@pytest.mark.parametrize("count", [FEW, MANY])
def test_an_infusion_asks_nothing_twice_and_plans_all_visits_at_once(
    site: Site, alice: User, now: dt.datetime, count: int
) -> None:
    participant = factories.enrolled(site=site, by=alice, now=now - 20 * DAY)
    product = factories.ready(participant, at=now)
    results_of(participant, count, by=alice, now=now)
    people(participant, count, by=alice)
    infusion = factories.infusion_of(participant, at=now, product=product)
    asked = statements(lambda: infuse(infusion=infusion, by=alice, now=now))
    # The bag is read to be checked, and again under its lock.
    changes = [one for one in asked if one.startswith(("INSERT", "UPDATE"))]
    read = [one for one in asked if one not in changes]
    assert len(read) == len(set(read))
    (_visits,) = written(asked, "participants_visit")
    assert participant.visits.count() > MANY
    assert len(asked) <= LOOKED_AT + BEYOND, "\n".join(asked)
    assert len(changes) == 6, "\n".join(changes)


def results_of(participant: Participant, count: int, *, by: User, now: dt.datetime) -> None:
    """So many blood counts since the enrolment."""
    taken = [now - number * HOUR for number in range(count)]
    reports = Examination.objects.bulk_create(
        Examination(participant=participant, panel="blood_count", taken_at=at, created_by=by) for at in taken
    )
    Measurement.objects.bulk_create(
        Measurement(
            participant=participant,
            examination=report,
            code="WBC",
            value=5,
            unit=MEASURES["WBC"].unit,
            standard_value=5,
            taken_at=report.taken_at,
            created_by=by,
        )
        for report in reports
    )


def people(participant: Participant, count: int, *, by: User) -> list[Participant]:
    """Others at the same site, in screening."""
    return Participant.objects.bulk_create(
        Participant(
            site=participant.site,
            screening_number=f"ZJ-B{number:03d}",
            name="x",
            birth_date=participant.birth_date,
            sex="F",
            status=Status.SCREENING,
            protocol_version=participant.protocol_version,
            created_by=by,
        )
        for number in range(count)
    )


# --- An adverse event ----------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, MANY])
def test_an_adverse_event_costs_the_same_beside_many(site: Site, alice: User, now: dt.datetime, count: int) -> None:
    participant = factories.screened(site=site, by=alice, now=now)
    for _number in range(count):
        log_adverse_event(event=fever(participant, now), by=alice, now=now)
    event = fever(participant, now)
    asked = statements(lambda: log_adverse_event(event=event, by=alice, now=now))
    # The event, its first grade, what was given before, and an agent that is open.
    assert len(asked) <= 4
    assert "safety_adverseevent" in asked[0]
    assert event.ctcae_term == "Fever"


def fever(participant: Participant, now: dt.datetime) -> AdverseEvent:
    return AdverseEvent(
        participant=participant,
        term="fever",
        ctcae_code="10016558",
        onset=f"{now:%Y-%m-%d}",
        grade=2,
        outcome=Outcome.NOT_RECOVERED,
        site_aware_at=now,
    )


# --- Reminders -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_single", [False, True])
@pytest.mark.parametrize("count", [FEW, MANY])
def test_the_reminders_of_a_sweep_are_queued_at_once(
    site: Site, alice: User, now: dt.datetime, count: int, is_single: bool
) -> None:
    told = [
        alice,
        *(person(f"alice{number}", Role.COORDINATOR, site, language=["en", "zh-hans"][number]) for number in (0, 1)),
    ]
    ReminderPreference.objects.bulk_create(ReminderPreference(person=one, is_single=is_single) for one in told)
    due_tomorrow(people(factories.screened(site=site, by=alice, now=now), count, by=alice), by=alice, now=now)
    asked = statements(lambda: remind_of_visits(now=now))
    assert len(asked) <= 10, "\n".join(asked)
    assert len(written(asked, "trialsite_notification")) == 1
    messages = (count if is_single else 1) * len(told)
    assert (VisitReminder.objects.count(), Notification.objects.count()) == (count * len(told), messages)
    assert len(statements(lambda: remind_of_visits(now=now))) < len(asked), "nothing is written again"
    assert Notification.objects.count() == messages


def test_each_reminder_is_in_the_language_of_whoever_reads_it(site: Site, alice: User, now: dt.datetime) -> None:
    bob = person("bob", Role.COORDINATOR, site, language="zh-hans")
    due_tomorrow(people(factories.screened(site=site, by=alice, now=now), 1, by=alice), by=alice, now=now)
    remind_of_visits(now=now)
    texts = {row.recipient: row.body_text for row in Notification.objects.all()}
    assert "Target date" in texts[alice]
    assert "Target date" not in texts[bob]


def due_tomorrow(those: list[Participant], *, by: User, now: dt.datetime) -> None:
    day = now.date() + DAY
    Visit.objects.bulk_create(
        Visit(
            participant=participant,
            code="D28",
            protocol_version=participant.protocol_version,
            target_day=28,
            target_date=day,
            window_opens_on=day - 2 * DAY,
            window_closes_on=day + 2 * DAY,
            created_by=by,
        )
        for participant in those
    )


# --- At the bedside ------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [2, MANY])
def test_what_is_graded_anew_is_one_statement(site: Site, alice: User, now: dt.datetime, count: int) -> None:
    participant = factories.infused(site=site, by=alice, now=now, infused_at=now - 3 * DAY)

    def assess(at: dt.datetime) -> None:
        assess_bedside(
            assessment=BedsideAssessment(participant=participant, assessed_at=at), seen=FEBRILE, by=alice, now=now
        )

    for number in range(count):
        assess(now - (count - number) * HOUR)
    newest = statements(lambda: assess(now))
    assert len(newest) < 10, "\n".join(newest)
    before = ToxicityAssessment.objects.count()
    first = statements(lambda: assess(now - (count + 1) * HOUR))
    # Both grades of the new one, and the CRS of all others, whose beginning lies earlier now.
    assert ToxicityAssessment.objects.count() == before + 2 + count + 1
    assert len(written(first, "safety_toxicityassessment")) == 2
    assert len(first) <= 16, "\n".join(first)
