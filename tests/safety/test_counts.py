"""Neutrophil counts of outpatients are asked for in time, so that early ICAHT can be graded."""

import datetime as dt
import re
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from participants.actions import change_status, record_examination
from participants.actions.telling import NO_LONGER_DUE
from participants.models import Examination, Measurement, Participant
from participants.rules.status import Status
from safety import tasks, worklist
from safety.actions import owed_counts, remind_of_counts
from tests import factories
from tests.conftest import Once
from trialsite import notifications
from trialsite.models import Notification, NotificationState, Site, SweepRun, User
from trialsite.recordadmin import void

DAY, HOUR = dt.timedelta(days=1), dt.timedelta(hours=1)

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def day0() -> dt.datetime:
    """Eight in the morning at the site, a month ago."""
    return timezone.localtime().replace(hour=8, minute=0, second=0, microsecond=0) - 32 * DAY


@pytest.fixture(scope="module")
def made(once: Once, day0: dt.datetime) -> Participant:
    return factories.infused(site=once.site, by=once.alice, now=day0, infused_at=day0)


def counted(participant: Participant, at: dt.datetime, value: str | None = "1.2", comparator: str = "") -> Examination:
    row = Measurement(
        code="NEUT", value=value and Decimal(value), comparator=comparator, unit="10^9/L" if value else ""
    )
    row.not_done_reason = "" if value else "clotted"
    examination = Examination(participant=participant, panel="CBC", taken_at=at)
    by = participant.created_by
    return record_examination(examination=examination, answers=[row], accepted=["NEUT"], by=by, now=at)


def told() -> list[tuple[str, str, str]]:
    """Who, about which day and stage, and whether it still waits."""
    rows = Notification.objects.filter(about__startswith="count:").order_by("id").select_related("recipient")
    return [(row.recipient.username, ":".join(row.dedupe_key.split(":")[2:4]), row.state) for row in rows]


QUEUED, CANCELLED = NotificationState.QUEUED, NotificationState.CANCELLED


@pytest.mark.usefixtures("english")
def test_the_coordinator_is_told_before_and_when_it_is_late_once_each(
    participant: Participant, alice: User, day0: dt.datetime
) -> None:
    counted(participant, day0 + 14 * DAY)
    assert remind_of_counts(now=day0 + 18 * DAY) == {"withdrawn": 0, "coming": 0, "overdue": 0}
    assert remind_of_counts(now=day0 + 19 * DAY)["coming"] == 1
    assert remind_of_counts(now=day0 + 20 * DAY)["coming"] == 0
    due_on = timezone.localdate(day0 + 21 * DAY)
    assert told() == [("alice", f"{due_on}:coming", QUEUED)]
    assert remind_of_counts(now=day0 + 22 * DAY)["overdue"] == 1
    assert remind_of_counts(now=day0 + 30 * DAY)["overdue"] == 0
    assert told()[1:] == [("alice", f"{due_on}:overdue", QUEUED)]
    first, late = Notification.objects.filter(about__startswith="count:").order_by("id")
    assert participant.number in first.subject
    assert "gaps of at most 7 days" in first.body_text
    assert late.subject == f"Overdue: neutrophil count of {participant.number}"
    assert [timezone.localdate(row.relevant_until) for row in (first, late)] == [due_on, due_on + 9 * DAY]


@pytest.mark.usefixtures("english")
def test_several_are_one_mail_and_what_was_counted_meanwhile_is_told_no_more(
    participant: Participant, site: Site, alice: User, day0: dt.datetime, time_machine: Any
) -> None:
    """One of two is counted while their mail waits: it does not leave, and the next tells of the other alone."""
    other = factories.infused(site=site, by=alice, now=day0, infused_at=day0, name="李丽")
    noon = day0 + 6 * DAY + 4 * HOUR
    time_machine.move_to(noon, tick=False)
    Notification.objects.all().delete()
    assert remind_of_counts(now=noon)["coming"] == 2
    assert remind_of_counts(now=noon)["coming"] == 0
    (mail,) = Notification.objects.filter(about__startswith="counts:")
    lines = re.findall(r"^\d\. (.+)$", mail.body_text, re.MULTILINE)
    assert len(lines) == 2
    assert all(sum(one.number in line for line in lines) == 1 for one in (participant, other))
    assert "李丽" not in mail.body_text
    counted(other, noon)
    assert notifications.deliver_due()["stale"] == 1
    mail.refresh_from_db()
    assert (mail.state, mail.error) == (CANCELLED, NO_LONGER_DUE)
    assert remind_of_counts(now=noon)["coming"] == 1
    (again,) = Notification.objects.filter(state=QUEUED, about__startswith="count")
    assert participant.number in again.subject
    assert other.number not in again.body_text


def test_a_count_answers_it_and_a_void_count_does_not(participant: Participant, day0: dt.datetime) -> None:
    remind_of_counts(now=day0 + 6 * DAY)
    wrong = counted(participant, day0 + 6 * DAY, "0.5", "<")
    assert remind_of_counts(now=day0 + 6 * DAY)["withdrawn"] == 1
    assert [state for *_who, state in told()] == [CANCELLED]
    void(wrong, reason="another participant", by=participant.created_by, now=day0 + 6 * DAY)
    remind_of_counts(now=day0 + 7 * DAY)
    assert [state for *_who, state in told()] == [QUEUED]


def test_what_was_not_done_is_no_count(participant: Participant, day0: dt.datetime) -> None:
    counted(participant, day0 + 6 * DAY, None)
    assert remind_of_counts(now=day0 + 6 * DAY)["coming"] == 1


@pytest.mark.parametrize("end", [Status.DIED, Status.WITHDRAWN])
def test_death_and_withdrawal_end_it(end: Status, participant: Participant, ivan: User, day0: dt.datetime) -> None:
    remind_of_counts(now=day0 + 6 * DAY)
    on = timezone.localdate(day0 + 6 * DAY)
    change_status(participant=participant, new=end, on=on, reason="", by=ivan, now=day0 + 6 * DAY)
    assert remind_of_counts(now=day0 + 7 * DAY) == {"withdrawn": 1, "coming": 0, "overdue": 0}
    assert owed_counts(Site.objects.all(), day0 + 8 * DAY) == []


def test_it_ends_after_day_30(participant: Participant, site: Site, day0: dt.datetime) -> None:
    assert len(owed_counts([site], day0 + 30 * DAY)) == 1
    assert owed_counts([site], day0 + 31 * DAY) == []
    remind_of_counts(now=day0 + 30 * DAY)
    assert remind_of_counts(now=day0 + 31 * DAY)["withdrawn"] == 1


@pytest.mark.usefixtures("english")
def test_the_first_page_says_what_is_due_and_leads_to_the_form(
    participant: Participant, alice: User, charlie: User, day0: dt.datetime
) -> None:
    def shown(now: dt.datetime) -> list[Any]:
        return [one for one in worklist.sections(user=alice, now=now) if one.title == "Neutrophil counts due"]

    counted(participant, day0 + 14 * DAY)
    assert shown(day0 + 18 * DAY) == []
    rows = [shown(day0 + days * DAY)[0].rows[0] for days in (19, 21, 23)]
    assert [(row.facts[2:], row.late) for row in rows] == [
        (("in 2 days",), ""),
        ((), "today"),
        ((), "overdue by 2 days"),
    ]
    last_on, due_on = (timezone.localdate(day0 + days * DAY) for days in (14, 21))
    assert rows[0].facts[:2] == (str(last_on), f"{due_on} (Day 21)")
    assert rows[0].link == reverse("admin:participants_examination_add") + f"?panel=CBC&participant={participant.pk}"
    counted(participant, day0 + 23 * DAY)
    assert shown(day0 + 23 * DAY) == []
    assert worklist.sections(user=charlie, now=day0 + 23 * DAY) == [], "another site"


def test_one_and_many_participants_ask_the_same_questions(
    participant: Participant, site: Site, alice: User, day0: dt.datetime
) -> None:
    def questions() -> int:
        with CaptureQueriesContext(connection) as captured:
            owed_counts([site], day0 + 6 * DAY)
        return len(captured)

    before = questions()
    factories.infused(site=site, by=alice, now=day0, infused_at=day0)
    assert len(owed_counts([site], day0 + 6 * DAY)) == 2
    assert questions() == before


def test_the_sweep_records_its_run(participant: Participant) -> None:
    counts = tasks.sweep_counts()
    assert SweepRun.objects.get(name="neutrophil-counts").counts == counts
