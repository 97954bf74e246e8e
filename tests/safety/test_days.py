"""An inpatient day is done once it is recorded, planned again when that was a mistake; a person has the last word."""

import datetime as dt
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from participants import actions as participants
from participants.models import Examination, Measurement, Participant, Visit, VisitState
from participants.rules.measures import MEASURES, PANELS
from participants.rules.settling import ToldBy
from safety import actions
from safety.models import BedsideAssessment
from tests import factories
from tests.conftest import Once
from tests.safety.test_bedside import assessed, seen
from trialsite.models import Notification, NotificationState, Site, User

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("english")]
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
# One result of each of these is what an inpatient day asks of the laboratory.
LABORATORY = (("CBC", ("NEUT",)), ("CHEM", ("CREAT", "CRP", "FERRITIN")), ("COAG", ("FIBRINO",)))


@pytest.fixture(scope="module")
def made(once: Once, now: dt.datetime) -> Participant:
    return factories.infused(site=once.site, by=once.alice, now=now, infused_at=now - 3 * DAY)


@pytest.fixture
def day2(participant: Participant) -> Visit:
    """Yesterday."""
    return participant.visits.get(code="D2")


def measured(participant: Participant, at: dt.datetime, by: User, *, but: str = "") -> None:
    for panel, codes in LABORATORY:
        examination = Examination(participant=participant, panel=panel, taken_at=at)
        rows = [_result(code) for code in codes if code != but]
        participants.record_examination(
            examination=examination, answers=rows, accepted=[one.code for one in PANELS[panel]], by=by, now=at
        )


def _result(code: str) -> Measurement:
    low, high = MEASURES[code].probable or (Decimal(1), Decimal(1))
    return Measurement(code=code, value=(low + high) / 2, unit=MEASURES[code].unit)


def looked(participant: Participant, now: dt.datetime, by: User) -> list[BedsideAssessment]:
    """Twice yesterday."""
    return [assessed(participant, now - DAY + hours * HOUR, seen(), by) for hours in (0, 10)]


def state_of(visit: Visit) -> tuple[str, dt.date | None, str]:
    visit.refresh_from_db()
    return visit.state, visit.occurred_on, visit.told_by


def test_it_is_done_once_all_is_recorded_and_says_why(
    participant: Participant, day2: Visit, alice: User, now: dt.datetime
) -> None:
    participants.remind_of_visits(now=now - DAY)
    looked(participant, now, alice)
    assert actions.settle_days(now=now) == {"done": 0, "planned again": 0}, "the laboratory is missing"
    measured(participant, now - DAY, alice)
    assert actions.settle_days(now=now) == {"done": 1, "planned again": 0}
    assert state_of(day2) == (VisitState.DONE, timezone.localdate(now - DAY), ToldBy.RECORDS)
    event = day2.events.order_by("pgh_id").last()
    assert event.pgh_context["reason"] == "everything that the day asks for is recorded"
    waiting = Notification.objects.filter(about=f"visit:{day2.pk}", state=NotificationState.QUEUED)
    assert not waiting.exists()
    assert actions.settle_days(now=now) == {"done": 0, "planned again": 0}, "a second time"


@pytest.mark.parametrize("but", ["FERRITIN", "CRP"])
def test_one_result_is_missing(but: str, participant: Participant, day2: Visit, alice: User, now: dt.datetime) -> None:
    looked(participant, now, alice)
    measured(participant, now - DAY, alice, but=but)
    actions.settle_days(now=now)
    assert state_of(day2) == (VisitState.PLANNED, None, ToldBy.NOBODY)


def test_one_look_is_too_few(participant: Participant, day2: Visit, alice: User, now: dt.datetime) -> None:
    assessed(participant, now - DAY, seen(), alice)
    # The second one is of the next day at the site.
    assessed(participant, now - 9 * HOUR, seen(), alice)
    measured(participant, now - DAY, alice)
    actions.settle_days(now=now)
    assert state_of(day2)[0] == VisitState.PLANNED


def test_a_void_takes_it_back_at_once_and_the_reminder_waits_again(
    participant: Participant, day2: Visit, alice: User, dana: User, now: dt.datetime
) -> None:
    first, _second = looked(participant, now, alice)
    measured(participant, now - DAY, alice)
    actions.settle_days(now=now)
    actions.void_bedside(assessment=first, reason="another participant", by=dana, now=now)
    assert state_of(day2) == (VisitState.PLANNED, None, ToldBy.NOBODY)
    assessed(participant, now - DAY + HOUR, seen(), alice)
    assert actions.settle_days(now=now)["done"] == 1


def test_a_result_that_was_a_mistake_is_noticed_by_the_sweep(
    participant: Participant, day2: Visit, alice: User, dana: User, now: dt.datetime
) -> None:
    looked(participant, now, alice)
    measured(participant, now - DAY, alice)
    actions.settle_days(now=now)
    participants.void_examination(
        examination=participant.examinations.get(panel="COAG", taken_at=now - DAY), reason="mixed up", by=dana, now=now
    )
    assert actions.settle_days(now=now) == {"done": 0, "planned again": 1}
    assert state_of(day2)[0] == VisitState.PLANNED


def test_what_a_person_has_typed_stands(participant: Participant, day2: Visit, alice: User, now: dt.datetime) -> None:
    day2.state, day2.not_done_reason = VisitState.NOT_DONE, "transferred"
    participants.record_visit(visit=day2, by=alice, now=now)
    looked(participant, now, alice)
    measured(participant, now - DAY, alice)
    actions.settle_days(now=now)
    assert state_of(day2) == (VisitState.NOT_DONE, None, ToldBy.PERSON)
    day2.state, day2.not_done_reason = VisitState.PLANNED, ""
    participants.record_visit(visit=day2, by=alice, now=now)
    actions.settle_days(now=now)
    assert state_of(day2) == (VisitState.PLANNED, None, ToldBy.PERSON), "also what they have set back"


def test_what_a_person_has_confirmed_is_not_taken_back(
    participant: Participant, day2: Visit, alice: User, dana: User, now: dt.datetime
) -> None:
    first, _second = looked(participant, now, alice)
    measured(participant, now - DAY, alice)
    actions.settle_days(now=now)
    day2.refresh_from_db()
    day2.note = "in the ward's chart"
    participants.record_visit(visit=day2, by=alice, now=now)
    actions.void_bedside(assessment=first, reason="another participant", by=dana, now=now)
    assert state_of(day2)[::2] == (VisitState.DONE, ToldBy.PERSON)


def test_days_to_come_and_other_visits_wait(participant: Participant, alice: User, now: dt.datetime) -> None:
    looked(participant, now, alice)
    measured(participant, now - DAY, alice)
    actions.settle_days(now=now)
    assert [visit.code for visit in participant.visits.filter(state=VisitState.DONE)] == ["D2"]


def test_one_and_many_days_ask_the_same_questions(
    participant: Participant, site: Site, alice: User, now: dt.datetime
) -> None:
    def questions() -> int:
        with CaptureQueriesContext(connection) as captured:
            actions.settle_days(now=now)
        return len(captured)

    one = questions()
    for _one in range(2):
        factories.infused(site=site, by=alice, now=now, infused_at=now - 5 * DAY)
    assert questions() == one


def test_whoever_takes_back_what_the_records_said_means_it(
    participant: Participant, day2: Visit, alice: User, dana: User, now: dt.datetime
) -> None:
    looked(participant, now, alice)
    measured(participant, now - DAY, alice)
    actions.settle_days(now=now)
    day2.refresh_from_db()
    participants.void_visit(visit=day2, reason="transferred that day", by=dana, now=now)
    assert actions.settle_days(now=now) == {"done": 0, "planned again": 0}


def test_another_day_of_the_infusion_moves_the_day_and_its_records_tell_anew(
    participant: Participant, day2: Visit, alice: User, now: dt.datetime
) -> None:
    looked(participant, now, alice)
    measured(participant, now - DAY, alice)
    actions.settle_days(now=now)
    day0 = timezone.localdate(now - 4 * DAY)
    participants.schedule_follow_up(participant=participant, day0=day0, by=alice, now=now)
    assert state_of(day2) == (VisitState.PLANNED, None, ToldBy.NOBODY)
    assert actions.settle_days(now=now)["done"] == 1
    assert [visit.code for visit in participant.visits.filter(state=VisitState.DONE)] == ["D3"]
