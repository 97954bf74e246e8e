"""Who is told of which visit, once and of what is still so; the pages on which people see and choose it."""

import datetime as dt
import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from participants import actions
from participants.actions import passing, preferences
from participants.models import (
    Absence,
    Consent,
    Outcome,
    Participant,
    ReminderPreference,
    Visit,
    VisitReminder,
    VisitState,
)
from tests import factories
from tests.conftest import Once, person
from tests.forms import forms_of
from trialsite import notifications
from trialsite.models import Notification, NotificationState, Site, Urgency, User
from trialsite.refusal import Refused
from trialsite.roles import Role

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("english")]
DAY = dt.timedelta(days=1)
PREVIEW, MINE = "admin:participants_visit_reminders", "admin:participants_visit_my_reminders"


@pytest.fixture(scope="module")
def made(once: Once, now: dt.datetime) -> Participant:
    """Twenty-one days after the cells: D21 is today, D28 in a week, and nobody wrote down what came before."""
    return factories.infused(site=once.site, by=once.alice, now=now, infused_at=now - 21 * DAY)


@pytest.fixture
def d28(participant: Participant) -> Visit:
    return participant.visits.get(code="D28")


def told(person: User) -> dict[str, Notification]:
    """Which message tells this person of which visit and stage."""
    rows = VisitReminder.objects.filter(recipient=person).select_related("visit", "message")
    return {f"{row.visit.code} {row.stage}": row.message for row in rows}


def morning(visit: Visit, days: int) -> dt.datetime:
    """So many days from the end of the window, at eight."""
    day = visit.window_closes_on + days * DAY
    return dt.datetime.combine(day, dt.time(8), tzinfo=timezone.get_current_timezone())


def settle_all_but(visit: Visit, by: User, now: dt.datetime) -> None:
    for other in visit.participant.visits.exclude(pk=visit.pk).filter(target_date__lte=timezone.localdate(now)):
        other.state, other.occurred_on = VisitState.DONE, other.target_date
        actions.record_visit(visit=other, by=by, now=now)


# --- what leaves --------------------------------------------------------------------------------------


def test_all_that_is_due_is_in_one_mail_and_each_thing_once(participant: Participant, alice: User, now: Any) -> None:
    actions.remind_of_visits(now=now)
    (mail,) = Notification.objects.filter(about__startswith="visit")
    lines = re.findall(r"^\d+\. (.+?)\s*$", mail.body_text, re.MULTILINE)
    assert len(lines) == len(set(lines)) == VisitReminder.objects.count() > 3
    assert f"Visits, 5 Mar 2026: {len(lines)} reminders" == mail.subject
    assert "Today: visit D21 of ZJ-001" in lines
    assert "Visit D28 of ZJ-001 in 7 days" in lines
    assert "王小明" not in mail.body_text + mail.body_html + mail.subject


def test_nothing_leaves_before_the_hour(participant: Participant, alice: User, now: dt.datetime) -> None:
    early = timezone.localtime(now).replace(hour=7, minute=29)
    assert actions.remind_of_visits(now=early) == {}
    assert actions.remind_of_visits(now=early + dt.timedelta(minutes=1))["T-7"] == 1


def test_a_digest_with_something_that_moved_does_not_leave_and_the_rest_is_told_anew(
    participant: Participant, alice: User, now: dt.datetime, time_machine: Any
) -> None:
    """As when a sweep had read the old dates, and wrote after the move had cancelled what waited."""
    time_machine.move_to(now, tick=False)
    actions.remind_of_visits(now=now)
    old = told(alice)["D28 T-7"]
    actions.schedule_follow_up(participant=participant, day0=timezone.localdate(now) - 23 * DAY, by=alice, now=now)
    assert notifications.still_wanted(old) == "the visit was moved"
    notifications.deliver_due()
    old.refresh_from_db()
    assert (old.state, old.error) == (NotificationState.CANCELLED, "the visit was moved")
    actions.remind_of_visits(now=now)
    (new,) = Notification.objects.filter(about__startswith="visit", state=NotificationState.QUEUED)
    assert "Visit D28 of ZJ-001 in 5 days" in new.body_text
    assert "in 7 days" not in new.body_text
    assert notifications.still_wanted(new) is None


def test_a_reminder_that_was_withdrawn_comes_back_once_the_visit_is_planned_again(
    participant: Participant, d28: Visit, alice: User, now: dt.datetime, time_machine: Any
) -> None:
    time_machine.move_to(now, tick=False)
    settle_all_but(d28, alice, now)
    actions.remind_of_visits(now=now)
    first = told(alice)["D28 T-7"]
    d28.state, d28.occurred_on = VisitState.DONE, timezone.localdate(now)
    actions.record_visit(visit=d28, deviation_reason="early", by=alice, now=now)
    notifications.deliver_due()
    assert actions.remind_of_visits(now=now) == {}
    d28.state, d28.occurred_on = VisitState.PLANNED, None
    actions.record_visit(visit=d28, by=alice, now=now)
    assert actions.remind_of_visits(now=now) == {"T-7": 1}
    second = told(alice)["D28 T-7"]
    assert second.dedupe_key != first.dedupe_key
    assert (second.state, Notification.objects.get(pk=first.pk).state) == ("queued", "cancelled")
    assert actions.remind_of_visits(now=now) == {}


def test_whoever_works_at_two_sites_gets_a_mail_of_each(
    participant: Participant, alice: User, other_site: Site, now: dt.datetime
) -> None:
    """The list of messages shows each site its own: another site's visits must not stand in it."""
    alice.sites.add(other_site)
    factories.infused(site=other_site, by=alice, now=now, infused_at=now - 21 * DAY)
    actions.remind_of_visits(now=now)
    rows = Notification.objects.filter(about__startswith="visits:", recipient=alice)
    assert {(row.site.code, *set(re.findall(r"\b(?:ZJ|OT)-\d+", row.body_text))) for row in rows} == {
        ("ZJ", "ZJ-001"),
        ("OT", *set(re.findall(r"\bOT-\d+", "".join(row.body_text for row in rows)))),
    }


def test_a_visit_that_cannot_be_read_stops_no_other(
    participant: Participant, d28: Visit, alice: User, now: dt.datetime, caplog: Any
) -> None:
    Visit.objects.filter(pk=participant.visits.get(code="D21").pk).update(code="D99")
    counts = actions.remind_of_visits(now=now)
    assert counts["T-7"] == 1
    assert "reminders of visit" in caplog.text, "counted and logged by its key, and shown as left out"


# --- escalation ---------------------------------------------------------------------------------------


def test_a_window_that_closes_unanswered_is_told_to_the_investigators(
    participant: Participant, d28: Visit, alice: User, ivan: User, now: dt.datetime
) -> None:
    settle_all_but(d28, alice, morning(d28, -1))
    actions.remind_of_visits(now=morning(d28, -2))
    assert set(told(ivan)) == set()
    night = morning(d28, -1).replace(hour=23)
    assert actions.remind_of_visits(now=night) == {"escalation": 1}, "quiet hours hold the rest back"
    assert told(ivan)["D28 escalation"].subject.startswith("Nobody has answered: the window of visit D28")
    assert told(ivan)["D28 escalation"].urgency == Urgency.ALERT, "it goes before all reminders"
    assert {row.urgency for row in told(alice).values()} == {Urgency.REMINDER}


def test_whoever_sees_to_it_says_so_and_nobody_else_is_told(
    participant: Participant, d28: Visit, alice: User, ivan: User, login: Any, time_machine: Any
) -> None:
    at = morning(d28, -1)
    time_machine.move_to(at, tick=False)
    actions.remind_of_visits(now=at)
    waiting = told(ivan)["D28 escalation"]
    client, page = login(alice), reverse("admin:participants_visit_acknowledge", args=[d28.pk])
    change = reverse("admin:participants_visit_change", args=[d28.pk])
    assert page in client.get(change).content.decode()
    (form,) = [one for one in forms_of(client.get(page)) if "note" in one.data]
    assert client.post(page, {**form.data, "note": "comes on Friday"}).status_code == 302
    shown = client.get(change).content.decode()
    assert "comes on Friday" in shown
    assert page not in shown, "no button that leads to a refusal"
    assert notifications.still_wanted(waiting) == "somebody has acknowledged it"
    with pytest.raises(Refused, match="Alice has acknowledged it already"):
        actions.acknowledge_visit(visit=d28, by=ivan, now=at)
    assert "escalation" not in actions.remind_of_visits(now=at)


def test_only_an_owed_visit_is_acknowledged(participant: Participant, d28: Visit, alice: User, now: Any) -> None:
    d28.state, d28.not_done_reason = VisitState.NOT_DONE, "away"
    actions.record_visit(visit=d28, by=alice, now=now)
    with pytest.raises(Refused, match="D28 is not owed any more"):
        actions.acknowledge_visit(visit=d28, by=alice, now=now)


# --- deputies -----------------------------------------------------------------------------------------


@pytest.fixture
def bob(site: Site) -> User:
    return person("bob", Role.INVESTIGATOR, site)


def away(of: User, deputy: User | None, now: dt.datetime, first: int = 0, last: int = 3) -> Absence:
    today = timezone.localdate(now)
    return preferences.plan_absence(
        person=of, first_on=today + first * DAY, last_on=today + last * DAY, deputy=deputy, now=now
    )


def test_a_deputy_reads_in_their_place(participant: Participant, alice: User, bob: User, now: dt.datetime) -> None:
    row = away(alice, bob, now)
    actions.remind_of_visits(now=now)
    assert (set(told(alice)), bool(told(bob))) == (set(), True)
    assert "in place of Alice" in told(bob)["D28 T-7"].body_text
    assert preferences.take_absence_back(absence=row, now=now)
    assert not preferences.take_absence_back(absence=row, now=now)
    actions.remind_of_visits(now=now)
    assert "D28 T-7" in told(alice)


def test_a_deputy_must_be_one_who_may_read_it(
    site: Site, alice: User, charlie: User, mona: User, now: dt.datetime
) -> None:
    for other in (charlie, mona, alice):
        with pytest.raises(Refused, match="cannot stand in"):
            away(alice, other, now)


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        pytest.param(2, 1, "is before the first", id="in-the-wrong-order"),
        pytest.param(-3, -1, "These days are over", id="over"),
        pytest.param(5, 7, "already: take that back first", id="on-the-last-day-of-another"),
        pytest.param(0, 2, "already: take that back first", id="on-the-first-day-of-another"),
    ],
)
def test_days_that_cannot_be_are_refused(
    site: Site, alice: User, now: dt.datetime, first: int, last: int, words: str
) -> None:
    away(alice, None, now, 2, 5)
    with pytest.raises(Refused, match=words):
        away(alice, None, now, first, last)
    away(alice, None, now, 6, 7)
    away(alice, None, now, 0, 1)


# --- to participants ----------------------------------------------------------------------------------

NAMING = ("CAR", "NCT", "ZJ-", "白血病", "淋巴", "研究", "试验", "王小明", "leuk", "trial", "study")


@pytest.mark.parametrize(
    ("wish", "is_there"), [pytest.param(None, False, id="not-asked"), (False, False), (True, True)]
)
def test_the_site_has_the_words_for_a_participant_who_wants_to_be_reminded(
    participant: Participant, d28: Visit, alice: User, now: dt.datetime, wish: bool | None, is_there: bool
) -> None:
    participant.consents.update(may_be_reminded=wish)
    settle_all_but(d28, alice, now)
    actions.remind_of_visits(now=now)
    text = told(alice)["D28 T-7"].body_text
    words = "温馨提醒：请您于2026年3月12日来院。如不能前来，请致电我们。"
    assert (words in text) == is_there
    assert not [name for name in NAMING if name in words]
    actions.remind_of_visits(now=morning(d28, -2))
    assert "温馨提醒" not in told(alice)["D28 closing"].body_text, "at the stages of the study file alone"


# --- the pages ----------------------------------------------------------------------------------------


def preview(client: Client) -> str:
    answer = client.get(reverse(PREVIEW))
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def test_the_preview_says_what_will_go_out_and_what_will_not_and_why(
    participant: Participant, d28: Visit, alice: User, bob: User, login: Any, now: dt.datetime, time_machine: Any
) -> None:
    time_machine.move_to(now, tick=False)
    away(alice, bob, now, 6, 6)
    text = preview(login(alice))
    assert "Seven days before the target . The target date is 12 Mar 2026. → Alice" in text
    assert "Bob · 2026-03-11 07:30 · in place of Alice" in text
    assert "The window closes on 15 Mar 2026 and nobody has acknowledged the visit." in text
    assert "away from 11 Mar 2026 to 11 Mar 2026: Bob reads them" in text
    assert "was not asked at the consent whether to be reminded" in text
    actions.acknowledge_visit(visit=d28, by=alice, now=now)
    actions.remind_of_visits(now=now)
    Notification.objects.filter(about__startswith="visits:").update(
        state=NotificationState.CANCELLED, error="the visit was moved", finished_at=now
    )
    text = preview(login(alice))
    assert "D28 · Escalation somebody has acknowledged it" in text
    assert "→ Alice the visit was moved" in text


def test_the_preview_shows_a_site_its_own(participant: Participant, charlie: User, login: Any) -> None:
    assert "ZJ-001" not in preview(login(charlie))
    assert "No visit owes a reminder in these days" in preview(login(charlie))


def test_the_preview_costs_the_same_beside_many(
    participant: Participant, alice: User, login: Any, now: dt.datetime, time_machine: Any
) -> None:
    time_machine.move_to(now, tick=False)
    client = login(alice)
    preview(client)

    def cost() -> int:
        with CaptureQueriesContext(connection) as found:
            preview(client)
        return len(found)

    alone = cost()
    for _number in range(2):
        factories.infused(site=participant.site, by=alice, now=now, infused_at=now - 9 * DAY)
    preview(client)
    assert cost() == alone


def test_my_reminders_are_chosen_by_myself(
    participant: Participant, alice: User, bob: User, login: Any, now: dt.datetime, time_machine: Any
) -> None:
    time_machine.move_to(now, tick=False)
    client, page = login(alice), reverse(MINE)

    def send(name: str, **typed: str) -> Any:
        (form,) = [one for one in forms_of(client.get(page)) if name in one.data]
        return client.post(page, {**form.data, **typed})

    assert send("choose", is_single="1", quiet_from="20:00", quiet_until="8:30").status_code == 302
    wish = ReminderPreference.objects.get(person=alice)
    assert (wish.is_single, wish.quiet_from, wish.quiet_until) == (True, dt.time(20), dt.time(8, 30))
    assert "Give both hours" in send("choose", quiet_from="20:00", quiet_until="").content.decode()
    assert send("away", first_on="2026-03-06", last_on="2026-03-09", deputy=str(bob.pk)).status_code == 302
    row = Absence.objects.get(person=alice)
    assert (row.deputy, row.last_on) == (bob, dt.date(2026, 3, 9))
    assert "already: take that back" in send("away", first_on="2026-03-09", last_on="2026-03-09").content.decode()
    login(bob).post(page, {"back": str(row.pk)})
    row.refresh_from_db()
    assert row.taken_back_at is None, "nobody takes it back for another"
    client.post(page, {"back": str(row.pk)})
    row.refresh_from_db()
    assert row.taken_back_at == now


def test_whoever_wants_each_by_itself_gets_it_so(participant: Participant, alice: User, now: dt.datetime) -> None:
    preferences.choose_reminders(person=alice, is_single=True, quiet_from=None, quiet_until=None)
    actions.remind_of_visits(now=now)
    assert Notification.objects.filter(about__startswith="visit:").count() == VisitReminder.objects.count() > 3


# --- passed on to the participant -------------------------------------------------------------------------


@pytest.mark.parametrize(("wants", "is_told"), [(True, True), (False, False), (None, False)])
def test_only_who_wants_it_is_told_once_in_neutral_words(
    participant: Participant,
    d28: Visit,
    alice: User,
    charlie: User,
    now: dt.datetime,
    login: Any,
    wants: Any,
    is_told: Any,
) -> None:
    Consent.objects.filter(participant=participant).update(may_be_reminded=wants)
    found = [one.visit for one in passing.to_tell([participant.site], now=now)]
    assert found == ([d28] if is_told else [])
    if not is_told:
        with pytest.raises(Refused):
            passing.pass_on(visit=d28, outcome=Outcome.TOLD, by=alice, now=now)
        return
    (one,) = passing.to_tell([participant.site], now=now)
    assert "请您于2026年3月12日来院" in one.words
    assert not any(word in one.words for word in (participant.name, participant.number, "CAR", "研究", "白血病"))
    passing.pass_on(visit=d28, outcome=Outcome.NOT_REACHED, by=alice, now=now)
    assert [one.tried for one in passing.to_tell([participant.site], now=now)] == [(now,)]
    passing.pass_on(visit=d28, outcome=Outcome.TOLD, by=alice, now=now)
    assert not passing.to_tell([participant.site], now=now)
    with pytest.raises(Refused, match="told already"):
        passing.pass_on(visit=d28, outcome=Outcome.TOLD, by=alice, now=now)
    assert login(charlie).post(reverse("admin:participants_visit_passed_on", args=[d28.pk])).status_code == 404


def test_the_list_says_whom_to_tell_and_takes_what_came_of_it(
    participant: Participant, d28: Visit, alice: User, now: dt.datetime, login: Any, time_machine: Any
) -> None:
    Consent.objects.filter(participant=participant).update(may_be_reminded=True)
    time_machine.move_to(now, tick=False)
    client = login(alice)
    shown = client.get(reverse(PREVIEW)).content.decode()
    assert passing.to_tell([participant.site], now=now)[0].words in shown
    address = reverse("admin:participants_visit_passed_on", args=[d28.pk])
    assert client.post(address, {"outcome": "told"}).status_code == 302
    assert "Nobody is to be told today." in client.get(reverse(PREVIEW)).content.decode()
    assert d28.passed_on.get().by == alice
