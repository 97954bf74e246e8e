"""Reporting duties: what is owed once an event is saved, how it is met, and who is told while it is not."""

import datetime as dt
import hashlib
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import DatabaseError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from participants.models import Participant
from safety import actions, tasks
from safety.actions.duties import void_submission
from safety.admin.duties import clock, countdown_label, duties_of
from safety.dutywords import countdown
from safety.models import (
    AdverseEvent,
    ClosedBecause,
    DutyKind,
    DutyState,
    EventAgent,
    FollowUp,
    FollowUpKind,
    ReportingDuty,
    Submission,
    SubmissionFile,
)
from safety.rules.reporting import SHANGHAI
from tests import factories
from tests.conftest import person
from trialsite import firstpage
from trialsite.models import Notification, NotificationState, Site, SweepRun, User
from trialsite.refusal import Refused
from trialsite.roles import Role

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("english")]
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
LOCAL = {"sponsor", "cde", "investigators", "institution", "ethics_committee"}


@pytest.fixture
def participant(site: Site, alice: User, now: dt.datetime) -> Participant:
    return factories.infused(site=site, by=alice, now=now - 5 * DAY)


@pytest.fixture
def paul(site: Site) -> User:
    return person("paul", Role.PRINCIPAL_INVESTIGATOR, site)


def serious(participant: Participant, by: User, now: dt.datetime, **facts: Any) -> AdverseEvent:
    """A stay in hospital; nobody has judged anything yet."""
    return factories.adverse_event(participant, by=by, now=now, **{"requires_hospitalisation": True, **facts})


def fatal(participant: Participant, by: User, now: dt.datetime) -> AdverseEvent:
    code = "10051792"  # Infusion related reaction, which has a grade 5
    return factories.adverse_event(participant, by=by, now=now, results_in_death=True, grade=5, ctcae_code=code)


def owed(event: AdverseEvent) -> dict[str, str]:
    """Open duties by recipient, kind and start, with their last day."""
    return {
        f"{row.recipient} {row.kind}": f"{timezone.localtime(row.due_at):%m-%d}"
        for row in actions.open_duties().filter(event=event)
    }


def duty(event: AdverseEvent, recipient: str, **facts: Any) -> ReportingDuty:
    return actions.open_duties().filter(event=event, recipient=recipient, **facts)[0]


def sent(row: ReportingDuty, *, at: dt.datetime, by: User, **facts: Any) -> Submission:
    values = {"reference": "CDE-1", "now": at, **facts}
    return actions.submit_report(duties=[row], submitted_at=at, by=by, **values)


def learned(event: AdverseEvent, kind: FollowUpKind, *, at: dt.datetime, by: User) -> FollowUp:
    return actions.add_followup(
        followup=FollowUp(event=event, learned_at=at, kind=kind, what="the family called"), by=by, now=at
    )


def judged(event: AdverseEvent, by: User, now: dt.datetime, **facts: Any) -> AdverseEvent:
    """Both say the same of every agent, by the way of `facts`."""
    EventAgent.objects.filter(event=event).update(**facts)
    actions.renew(event, by=by, now=now)
    return event


# --- What is owed -------------------------------------------------------------------------------------


def test_a_serious_event_owes_its_reports_the_moment_it_is_saved(
    participant: Participant, alice: User, paul: User, now: dt.datetime
) -> None:
    event = serious(participant, alice, now)
    assert owed(event) == {
        "sponsor initial": "03-06",
        "cde initial": "03-20",
        "investigators initial": "03-20",
        "institution initial": "03-20",
        "ethics_committee initial": "03-20",
    }
    assert duty(event, "sponsor").due_at == now + DAY
    assert {"relatedness_open", "expectedness_open"} < set(duty(event, "cde").why)
    assert Notification.objects.filter(recipient=paul, about=f"event:{event.pk}").exists()


def test_an_event_that_is_not_serious_owes_nothing(participant: Participant, alice: User, now: dt.datetime) -> None:
    assert owed(factories.adverse_event(participant, by=alice, now=now, grade=3)) == {}


def test_renewing_twice_changes_nothing(participant: Participant, alice: User, now: dt.datetime) -> None:
    event = serious(participant, alice, now)
    before = list(ReportingDuty.objects.values())
    assert actions.renew(event, by=alice, now=now + HOUR) == []
    assert list(ReportingDuty.objects.values()) == before


def test_a_save_that_fails_leaves_no_duty(participant: Participant, alice: User, now: dt.datetime) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        serious(participant, alice, now)
        raise ZeroDivisionError
    assert not ReportingDuty.objects.exists()


def test_a_duty_that_was_excluded_says_why_and_comes_back(
    participant: Participant, alice: User, now: dt.datetime
) -> None:
    event = serious(participant, alice, now)
    judged(event, alice, now, investigator="unrelated", sponsor="unlikely")
    assert owed(event) == {"sponsor initial": "03-06"}
    closed = ReportingDuty.objects.get(event=event, recipient="cde")
    assert (closed.state, closed.closed_because) == (DutyState.CLOSED, ClosedBecause.NOT_RELATED)
    judged(event, alice, now, investigator="possible", sponsor="unlikely")
    assert duty(event, "cde").pk == closed.pk


def test_another_moment_of_awareness_is_another_clock(participant: Participant, alice: User, now: dt.datetime) -> None:
    event = serious(participant, alice, now)
    event.site_aware_at = now - 2 * HOUR
    actions.correct_adverse_event(event=event, by=alice, now=now)
    assert duty(event, "sponsor").due_at == now + 22 * HOUR
    assert ReportingDuty.objects.filter(event=event, closed_because=ClosedBecause.REPLACED).count() == len(LOCAL)


# --- Journeys -----------------------------------------------------------------------------------------


def test_a_fatal_unexpected_event_has_its_seven_days_and_eight_more(
    participant: Participant, alice: User, now: dt.datetime
) -> None:
    event = fatal(participant, alice, now)
    assert (owed(event)["cde initial"], owed(event)["cde completion"]) == ("03-12", "03-20")
    sent(duty(event, "cde", kind=DutyKind.INITIAL), at=now + 2 * DAY, by=alice)
    complete = actions.open_duties().filter(event=event, recipient="cde")
    assert [(f"{timezone.localtime(row.due_at):%m-%d}", row.is_alarming) for row in complete] == [
        ("03-15", True),
        ("03-20", False),
    ]


def test_an_upgrade_adds_its_duties_and_takes_none_away(
    participant: Participant, alice: User, now: dt.datetime
) -> None:
    event = serious(participant, alice, now, ctcae_code="10051792")
    before = set(ReportingDuty.objects.values_list("pk", flat=True))
    died = now + 6 * DAY
    event.results_in_death, event.grade = True, 5
    event.results_in_death_on = f"{timezone.localtime(died):%Y-%m-%d}"
    actions.correct_adverse_event(event=event, by=alice, now=died)
    learned(event, FollowUpKind.UPGRADE, at=died, by=alice)
    found = actions.open_duties().filter(event=event)
    assert before <= {row.pk for row in found}
    upgrade = found.get(recipient="cde", clock="susar_fatal")
    assert (upgrade.kind, f"{timezone.localtime(upgrade.due_at):%m-%d}") == (DutyKind.UPGRADE, "03-18")


def test_what_became_known_later_is_told_within_fifteen_days(
    participant: Participant, alice: User, now: dt.datetime
) -> None:
    event = serious(participant, alice, now)
    learned(event, FollowUpKind.NEW_INFORMATION, at=now + 3 * DAY, by=alice)
    assert owed(event)["cde follow_up"] == "03-23"


def test_what_was_no_event_is_taken_back_from_those_who_were_told(
    participant: Participant, alice: User, now: dt.datetime
) -> None:
    event = serious(participant, alice, now)
    sent(duty(event, "cde"), at=now + DAY, by=alice)
    learned(event, FollowUpKind.NULLIFICATION, at=now + 2 * DAY, by=alice)
    assert owed(event) == {"cde nullification": "03-22"}
    closed = ReportingDuty.objects.filter(event=event, closed_because=ClosedBecause.NULLIFIED)
    assert {row.recipient for row in closed} == LOCAL - {"cde"}


def test_a_void_event_is_taken_back_too(participant: Participant, alice: User, now: dt.datetime) -> None:
    event = serious(participant, alice, now)
    sent(duty(event, "cde"), at=now + HOUR, by=alice)
    actions.void_event(event=event, reason="another participant", by=alice, now=now + DAY)
    assert owed(event) == {"cde nullification": "03-21"}


# --- What was sent ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("after", "state"), [(24 * HOUR, DutyState.MET), (24 * HOUR + dt.timedelta(seconds=1), None)])
def test_a_late_report_says_why(
    participant: Participant, alice: User, now: dt.datetime, after: dt.timedelta, state: DutyState | None
) -> None:
    event = serious(participant, alice, now)
    row = duty(event, "sponsor")
    if state is None:
        with pytest.raises(Refused, match="Say why it is late"):
            sent(row, at=now + after, by=alice)
        assert not Submission.objects.exists()
        sent(row, at=now + after, by=alice, late_reason="the portal was down")
    else:
        sent(row, at=now + after, by=alice)
    row.refresh_from_db()
    assert row.state == (state or DutyState.LATE)


def test_a_report_cannot_have_gone_before_anybody_knew_or_in_the_future(
    participant: Participant, alice: User, now: dt.datetime
) -> None:
    event = serious(participant, alice, now)
    row = duty(event, "sponsor")
    with pytest.raises(Refused, match="Nobody knew"):
        sent(row, at=now - HOUR, by=alice, now=now)
    with pytest.raises(Refused, match="future"):
        sent(row, at=now + HOUR, by=alice, now=now)
    sent(row, at=now, by=alice)
    with pytest.raises(Refused, match="is met"):
        sent(row, at=now, by=alice)


def test_one_report_goes_to_one_recipient(participant: Participant, alice: User, now: dt.datetime) -> None:
    event = serious(participant, alice, now)
    rows = [duty(event, "cde"), duty(event, "institution")]
    with pytest.raises(Refused, match="one recipient"):
        actions.submit_report(duties=rows, submitted_at=now, by=alice, now=now, reference="1")


def test_the_file_is_kept_as_it_was_sent_and_without_its_name(
    participant: Participant, alice: User, now: dt.datetime
) -> None:
    event, content = serious(participant, alice, now), b"%PDF-1.7 report"
    row = sent(duty(event, "cde"), at=now, by=alice, report=actions.Report("王小明 SAE.PDF", content))
    (file,) = row.files.all()
    assert bytes(file.content) == content
    assert (file.sha256, file.size) == (hashlib.sha256(content).hexdigest(), len(content))
    assert file.name == f"{participant.number}-AE{event.pk}-cde-{row.pk}.pdf"
    with pytest.raises(DatabaseError), transaction.atomic():
        SubmissionFile.objects.update(sha256="0" * 64)


@pytest.mark.parametrize(("name", "content"), [("report.html", b"<p>"), ("report.pdf", b"")])
def test_what_is_no_report_is_refused(
    participant: Participant, alice: User, now: dt.datetime, name: str, content: bytes
) -> None:
    event = serious(participant, alice, now)
    with pytest.raises(Refused, match=r"Known ones|bytes"):
        sent(duty(event, "cde"), at=now, by=alice, report=actions.Report(name, content))
    assert not Submission.objects.exists()


def test_a_report_that_was_not_sent_is_owed_again(participant: Participant, alice: User, now: dt.datetime) -> None:
    event = fatal(participant, alice, now)
    row = sent(duty(event, "cde", kind=DutyKind.INITIAL), at=now, by=alice)
    void_submission(submission=row, reason="not sent", by=alice, now=now + HOUR)
    assert owed(event)["cde initial"] == "03-12"
    assert not actions.open_duties().filter(event=event, clock="susar_fatal_completion").exists()


# --- Reminding ----------------------------------------------------------------------------------------


def told(person: User, what: str = "due-") -> list[str]:
    rows = Notification.objects.filter(recipient=person, about__contains=what).order_by("id")
    return [row.dedupe_key.split(":")[-2] for row in rows]


def test_the_sweep_warns_ahead_and_escalates_until_somebody_knows(
    participant: Participant, alice: User, ivan: User, paul: User, now: dt.datetime
) -> None:
    event = serious(participant, alice, now)
    for row in actions.open_duties().filter(event=event).exclude(recipient="sponsor"):
        sent(row, at=now, by=alice)
    for hours in (11, 12, 17, 18, 24, 25, 48, 49):
        actions.remind_of_duties(now=now + hours * HOUR)
        actions.remind_of_duties(now=now + hours * HOUR)
    assert told(alice) == ["ahead"]
    assert told(paul) == ["near", "overdue-0", "overdue-1"]
    assert told(ivan) == ["ahead", "near", "overdue-0", "overdue-1"]
    actions.acknowledge_duty(duty=duty(event, "sponsor"), by=paul, now=now + 50 * HOUR)
    actions.remind_of_duties(now=now + 96 * HOUR)
    assert told(paul) == ["near", "overdue-0", "overdue-1"]


@pytest.mark.parametrize(("hours", "stage"), [(20, "near"), (30, "overdue-0")])
def test_an_event_that_is_entered_late_is_told_once(
    participant: Participant, alice: User, ivan: User, paul: User, now: dt.datetime, hours: int, stage: str
) -> None:
    """The message about the event itself says what is owed; whoever has it gets no second one in the same moment."""
    event = serious(participant, alice, now, site_aware_at=now - hours * HOUR, onset=f"{now - 2 * DAY:%Y-%m-%d}")
    message = Notification.objects.get(recipient=paul, about=f"event:{event.pk}")
    left = countdown(duty(event, "sponsor").due_at, now=now)
    assert f"To be told: Sponsor, {timezone.localtime(now - (hours - 24) * HOUR):%-d %b}" in message.body_text
    assert left in message.body_text
    actions.remind_of_duties(now=now + dt.timedelta(minutes=5))
    assert told(paul) == []
    assert told(ivan) == [stage]
    # The next day says something new.
    actions.remind_of_duties(now=now + 48 * HOUR)
    assert [one.startswith("overdue-") for one in told(paul)] == [True]


def test_what_was_acknowledged_in_time_is_told_again_once_overdue(
    participant: Participant, alice: User, paul: User, now: dt.datetime
) -> None:
    event = serious(participant, alice, now)
    actions.acknowledge_duty(duty=duty(event, "sponsor"), by=paul, now=now + HOUR)
    actions.remind_of_duties(now=now + 20 * HOUR)
    assert told(paul) == []
    actions.remind_of_duties(now=now + 25 * HOUR)
    assert told(paul) == ["overdue-0"]


def test_messages_about_what_was_sent_are_withdrawn(
    participant: Participant, alice: User, paul: User, now: dt.datetime
) -> None:
    event = serious(participant, alice, now)
    actions.remind_of_duties(now=now + 18 * HOUR)
    sent(duty(event, "sponsor"), at=now + 19 * HOUR, by=alice)
    states = Notification.objects.filter(recipient=paul, about__contains="due-").values_list("state", flat=True)
    assert list(states) == [NotificationState.CANCELLED]


def test_an_event_that_cannot_be_told_of_does_not_stop_the_others(
    participant: Participant, alice: User, site: Site, now: dt.datetime
) -> None:
    broken = serious(participant, alice, now)
    other = factories.screened(site=site, by=alice, now=now - 5 * DAY)
    serious(other, alice, now)
    Participant.objects.filter(pk=broken.participant_id).update(protocol_version="none such")
    assert actions.remind_of_duties(now=now + 18 * HOUR) == {"told": 1}


def test_a_serious_event_from_before_duties_were_rows_gets_its_own(
    participant: Participant, alice: User, now: dt.datetime
) -> None:
    event = AdverseEvent.objects.create(
        participant=participant,
        term="x",
        onset=f"{now:%Y-%m-%d}",
        grade=3,
        is_life_threatening=True,
        ctcae_version="5.0",
        site_aware_at=now,
        created_by=alice,
    )
    for _turn in range(2):
        actions.remind_of_duties(now=now + HOUR)
    assert [row.due_at for row in actions.open_duties().filter(event=event, recipient="sponsor")] == [now + 24 * HOUR]


def test_a_message_names_the_number_and_no_more(
    participant: Participant, alice: User, paul: User, now: dt.datetime
) -> None:
    serious(participant, alice, now)
    actions.remind_of_duties(now=now + 18 * HOUR)
    row = Notification.objects.get(recipient=paul, about__contains="due-")
    assert participant.number in row.subject
    assert "6 hours left" in row.subject
    assert not {"王小明", "13800000000"} & set(row.body_text.split())
    assert "Sponsor" in row.body_text


def test_the_sweep_records_that_it_ran(db: None) -> None:
    assert tasks.sweep_duties() == {"told": 0}
    assert SweepRun.objects.filter(name="reporting-duties").exists()


# --- Pages --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hours", "words"),
    [
        (0.5, "0 hours left"),
        (47, "47 hours left"),
        (48, "2 days left"),
        (-5, "overdue by 5 hours"),
        (-24, "overdue by 1 day"),
    ],
)
def test_how_much_time_is_left(now: dt.datetime, hours: float, words: str) -> None:
    assert countdown(now + hours * HOUR, now=now) == words


def test_the_first_page_counts_down(participant: Participant, alice: User, now: dt.datetime) -> None:
    serious(participant, alice, now)
    page = {one.code: one for one in firstpage.read_page(alice, now=now + HOUR).sections}
    assert page["duties-near"].rows[0].facts == ("Sponsor", "first report", "2026-03-06 09:30", "23 hours left")
    assert page["duties"].count == 4


def test_the_event_and_the_list_count_down(participant: Participant, alice: User, now: dt.datetime) -> None:
    event = serious(participant, alice, now)
    cough = factories.adverse_event(participant, by=alice, now=now, term="cough")
    due = dict(AdverseEvent.objects.values_list("pk", actions.next_due()))
    assert countdown_label(due[event.pk], now=now) == ("open", "24 hours left")
    assert countdown_label(due[event.pk], now=now + 25 * HOUR) == ("overdue", "overdue by 1 hour")
    assert countdown_label(due[cough.pk], now=now) is None
    assert clock(duties_of(event), now=now) == {"words": "next: Sponsor, 24 hours left", "tone": "ts-tone-open"}
    assert clock(duties_of(cough), now=now) is None


def test_the_lists_of_events_count_down(login: Any, participant: Participant, ivan: User, now: dt.datetime) -> None:
    event = serious(participant, ivan, now)
    late = duty(event, "sponsor")
    client = login(ivan)
    shown = client.get(reverse("admin:safety_adverseevent_changelist")).content.decode()
    assert countdown(late.due_at, now=timezone.now()) in shown
    listed = client.get(reverse("admin:safety_safetyalert_serious")).content.decode()
    assert f"2026-03-06 09:30 ({countdown(late.due_at, now=timezone.now())})" in listed


def test_the_head_of_the_story_says_the_clock_and_who_reports(
    login: Any, participant: Participant, alice: User, mona: User, now: dt.datetime
) -> None:
    event = serious(participant, alice, now)
    address = reverse("admin:safety_adverseevent_story", args=[event.pk])
    row = duty(event, "sponsor")
    for who, verb in ((alice, reverse("admin:safety_reportingduty_submit", args=[row.pk])), (mona, "")):
        found = login(who).get(address)
        assert found.context["clock"]["words"] == f"next: Sponsor, {countdown(row.due_at, now=timezone.now())}"
        first, may = found.context["owed"][0]
        assert first.text.startswith("Report to: Sponsor. Due 2026-03-06 09:30, ")
        assert may is bool(verb)
        assert verb in found.content.decode()


def test_a_report_is_recorded_on_its_page_with_its_file(
    login: Any, participant: Participant, alice: User, now: dt.datetime
) -> None:
    event = serious(participant, alice, now)
    row, client = duty(event, "cde"), login(alice)
    address = reverse("admin:safety_reportingduty_submit", args=[row.pk])
    assert "multipart/form-data" in client.get(address).content.decode()
    form = {
        "duties": [str(row.pk)],
        "submitted_at_0": "2026-03-19",
        "submitted_at_1": "10:00",
        "submitted_by": str(alice.pk),
        "reference": "CDE-77",
        "file": SimpleUploadedFile("x.pdf", b"%PDF-1.7"),
    }
    answer = client.post(address, form)
    assert answer.status_code == 302, answer.content.decode()
    row.refresh_from_db()
    assert row.met_by is not None
    assert row.met_by.submitted_at == dt.datetime(2026, 3, 19, 10, 0, tzinfo=SHANGHAI)
    download(client, row.met_by, b"%PDF-1.7")


def download(client: Client, row: Submission, content: bytes) -> None:
    (file,) = row.files.all()
    answer = client.get(reverse("admin:safety_submission_file", args=[row.pk, file.pk]))
    assert answer.content == content
    assert answer["Content-Disposition"].startswith("attachment")


def test_the_file_of_another_site_is_not_found(
    login: Any, participant: Participant, alice: User, charlie: User, now: dt.datetime
) -> None:
    event = serious(participant, alice, now)
    row = sent(duty(event, "cde"), at=now, by=alice, report=actions.Report("a.pdf", b"%PDF"))
    address = reverse("admin:safety_submission_file", args=[row.pk, row.files.get().pk])
    assert login(charlie).get(address).status_code == 404
    assert login(alice).get(address).status_code == 200


@pytest.mark.parametrize("page", ["reportingduty_changelist", "submission_changelist"])
def test_the_lists_are_read(login: Any, participant: Participant, alice: User, now: dt.datetime, page: str) -> None:
    event = serious(participant, alice, now)
    row = sent(duty(event, "sponsor"), at=now, by=alice)
    client = login(alice)
    assert participant.number in client.get(reverse(f"admin:safety_{page}")).content.decode()
    assert client.get(reverse("admin:safety_submission_change", args=[row.pk])).status_code == 200
    open_one = client.get(reverse("admin:safety_reportingduty_change", args=[duty(event, "cde").pk]))
    assert "counts as unexpected" in open_one.content.decode()


def test_who_acknowledges_is_kept(login: Any, participant: Participant, alice: User, now: dt.datetime) -> None:
    event = serious(participant, alice, now)
    row = duty(event, "cde")
    login(alice).post(reverse("admin:safety_reportingduty_acknowledge", args=[row.pk]))
    row.refresh_from_db()
    assert row.acknowledged_by == alice


def test_the_story_of_the_event_shows_its_reports(
    login: Any, participant: Participant, alice: User, mona: User, now: dt.datetime
) -> None:
    event = serious(participant, alice, now)
    address = reverse("admin:safety_adverseevent_story", args=[event.pk])
    submit = reverse("admin:safety_reportingduty_submit", args=[duty(event, "cde").pk])
    page = login(alice).get(address).content.decode()
    assert "Center for Drug Evaluation" in page
    assert submit in page
    assert submit not in login(mona).get(address).content.decode()
