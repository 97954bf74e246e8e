"""How much of a visit is missing: the same on its own page, in lists and in the calendar, in few queries."""

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from demo import results as demo_results
from participants import actions
from participants.admin.enter import missing_of
from participants.models import Examination, Participant, Visit, VisitProcedure, VisitState
from participants.progress import progress_of, words_of
from safety.actions import assess_bedside
from safety.models import BedsideAssessment
from tests import factories
from tests.conftest import Once
from tests.safety.test_bedside import seen
from trialsite.entering import Section
from trialsite.models import User

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("english", "at_now")]
DAY, HOUR = dt.timedelta(days=1), dt.timedelta(hours=1)
AGO = 40


@pytest.fixture
def at_now(time_machine: Any, now: dt.datetime) -> None:
    time_machine.move_to(now, tick=False)


@pytest.fixture(scope="module")
def made(once: Once, now: dt.datetime) -> Participant:
    """Day 40: on D3 somebody looked once and on D4 twice, a count of D14 is whole and one of D21 is not; of D28 one
    thing was ticked and one was said not to be done."""
    participant = factories.infused(site=once.site, by=once.alice, now=now, infused_at=now - AGO * DAY)
    by, day0 = once.alice, now - AGO * DAY
    for hours in (3 * 24, 4 * 24, 4 * 24 + 8):
        at = day0 + dt.timedelta(hours=hours)
        assess_bedside(
            assessment=BedsideAssessment(participant=participant, assessed_at=at), seen=seen(), by=by, now=at
        )
    counted(participant, day0 + 14 * DAY, by, now, "WBC", "NEUT", "LYM", "HGB", "PLAT", "PB_BLASTS")
    counted(participant, day0 + 21 * DAY, by, now, "WBC", "HGB")
    for code, facts in (("IG", {"state": "done", "done_on": now.date()}), ("MARROW", {"state": "not_done"})):
        reason = {} if facts["state"] == "done" else {"not_done_reason": "refused the puncture"}
        row = VisitProcedure(participant=participant, visit_code="D28", code=code, **facts, **reason)
        actions.record_procedure(row=row, by=by, now=now)
    return participant


def counted(participant: Participant, at: dt.datetime, by: User, now: dt.datetime, *tests: str) -> None:
    given = {"HGB": "100", "PB_BLASTS": "absent"}
    answers = [demo_results.answer(code, given.get(code, "2")) for code in tests]
    examination = Examination(participant=participant, panel="CBC", taken_at=at)
    actions.record_examination(examination=examination, answers=answers, accepted=list(tests), by=by, now=now)


def visits_of(participant: Participant) -> list[Visit]:
    return list(participant.visits.standing().select_related("participant"))


def begun(participant: Participant, now: dt.datetime) -> list[Visit]:
    return [visit for visit in visits_of(participant) if visit.window_opens_on <= now.date()]


def on_its_page(client: Any, visit: Visit) -> tuple[set[str], set[str]]:
    """What the page on which it is entered asks, and what it says is missing."""
    page = client.get(reverse("admin:participants_visit_enter", args=[visit.pk]))
    found: list[Section] = [one["section"] for one in page.context["sections"] if one["section"].code != "visit"]
    return {one.code for one in found if not one.is_optional}, {one.code for one in missing_of(found)}


def test_it_is_what_the_visits_own_page_says(
    participant: Participant, alice: User, login: Any, now: dt.datetime
) -> None:
    client, visits = login(alice), begun(participant, now)
    found = progress_of(visits, now=now)
    assert len(visits) > 15
    for visit in visits:
        told = set(found[visit.pk].asked), set(found[visit.pk].missing)
        assert told == on_its_page(client, visit), visit.code
    missing = {visit.code: found[visit.pk].missing for visit in visits}
    assert ("bedside" in missing["D3"], "bedside" in missing["D4"]) == (True, False)
    assert ("CBC" in missing["D14"], "CBC" in missing["D21"]) == (False, True)
    assert {"IG", "MARROW"}.isdisjoint(missing["D28"])


def test_after_a_relapse_less_is_asked(participant: Participant, alice: User, login: Any, now: dt.datetime) -> None:
    before = progress_of(begun(participant, now), now=now)
    participant.relapsed_on = now.date() - 20 * DAY
    participant.save()
    visits = begun(participant, now)
    after = progress_of(visits, now=now)
    assert any(len(after[key].asked) < len(before[key].asked) for key in after)
    for visit in visits[-2:]:
        assert (set(after[visit.pk].asked), set(after[visit.pk].missing)) == on_its_page(login(alice), visit)


def test_it_is_told_of_what_has_begun_and_did_not_fall_away(participant: Participant, now: dt.datetime) -> None:
    told = words_of(visits_of(participant), now=now)
    codes = {visit.code for visit in visits_of(participant) if visit.pk in told}
    assert "D28" in codes
    assert "M12" not in codes, "nothing is missing of what is still to come"
    participant.visits.filter(code="D28").update(state=VisitState.CANCELLED, told_by="person", not_done_reason="x")
    assert participant.visits.get(code="D28").pk not in words_of(visits_of(participant), now=now)


def test_lists_calendar_and_pages_say_how_much_and_the_visit_says_what(
    participant: Participant, alice: User, login: Any, now: dt.datetime
) -> None:
    client, visit = login(alice), participant.visits.get(code="D21")
    found = progress_of([visit], now=now)[visit.pk]
    words = f"{len(found.missing)} of {len(found.asked)} missing"
    section = reverse("admin:participants_participant_section", args=[participant.pk, "visits"])
    calendar = reverse("admin:participants_visit_calendar")
    day = f"{visit.target_date:%Y-%m-%d}"
    for address, query in (
        (section, {}),
        (reverse("admin:participants_visit_changelist"), {"code": "D21"}),
        *((calendar, {"view": view, "on": day}) for view in ("month", "week", "list")),
    ):
        assert words in client.get(address, query).content.decode(), (address, query)
    own = client.get(reverse("admin:participants_visit_change", args=[visit.pk])).content.decode()
    assert f"{words}: " in own
    assert "Blood count" in own


def test_it_costs_the_same_for_many(participant: Participant, now: dt.datetime) -> None:
    def asked(visits: list[Visit]) -> int:
        with CaptureQueriesContext(connection) as found:
            progress_of(visits, now=now)
        return len(found)

    visits = begun(participant, now)
    assert asked(visits) == asked(visits[:2]) <= 5
    assert asked([]) == 0
