"""What a site lives through with its events, over the pages that each person presses: from what was seen to the report.

The coordinator records, an investigator judges and signs, the principal investigator speaks for the sponsor and
reviews, the coordinator sends; what was mailed is read in the outbox.
"""

import datetime as dt
import re
from typing import Any

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from participants.models import Participant, Visit, VisitState
from safety import actions
from safety.actions.duties import open_duties
from safety.models import (
    AdverseEvent,
    Agent,
    DutyState,
    ReferenceSafety,
    ReportingDuty,
    Submission,
    SubmissionFile,
    ToxicityEpisode,
)
from tests import factories
from tests.addforms import add, when
from tests.conftest import Once, person
from tests.forms import form_of
from tests.journeys.test_mistakes import day, saved, send, words_of
from tests.safety.test_bedside import typed as bedside_typed
from trialsite.models import Notification, Site, User
from trialsite.roles import Role

HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
LOCAL = ("investigators", "institution", "ethics_committee")
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("english")]


@pytest.fixture(scope="module")
def made(once: Once) -> Participant:
    now = timezone.now()
    return factories.infused(site=once.site, by=once.alice, now=now, infused_at=now - 20 * DAY)


@pytest.fixture
def now() -> dt.datetime:
    """Pages ask the clock: these journeys happen now."""
    return timezone.now()


@pytest.fixture
def coordinator(alice: User, login: Any) -> Client:
    client: Client = login(alice)
    return client


@pytest.fixture
def investigator(ivan: User, login: Any) -> Client:
    client: Client = login(ivan)
    return client


@pytest.fixture
def paul(site: Site) -> User:
    return person("paul", Role.PRINCIPAL_INVESTIGATOR, site)


@pytest.fixture
def principal(paul: User, login: Any) -> Client:
    client: Client = login(paul)
    return client


# --- what a person does in front of an event ----------------------------------------------------------


def story(event: AdverseEvent) -> str:
    return reverse("admin:safety_adverseevent_story", args=[event.pk])


def link(client: Client, address: str, words: str) -> str:
    """Where the words on this page lead to; they have to stand there."""
    shown = words_of(client.get(address))
    links = re.findall(r'<a [^>]*href="([^"]+)"[^>]*>(.*?)</a>', shown, re.DOTALL)
    found = [target for target, inner in links if words in " ".join(re.sub("<[^>]+>", "", inner).split())]
    assert found, (words, [" ".join(re.sub("<[^>]+>", "", inner).split()) for _target, inner in links])
    return str(found[0])


def recorded(client: Client, participant: Participant, at: dt.datetime, **typed: Any) -> AdverseEvent:
    """What was seen, as it is typed on the form for adding an event."""
    values = {"participant": participant.pk, "onset": day(at), **when("site_aware_at", at), **typed}
    saved(send(client, add("safety.AdverseEvent"), **values))
    return AdverseEvent.objects.latest("pk")


def judged(client: Client, event: AdverseEvent, *, outcome: str, serious: str, **typed: Any) -> None:
    """Pressed on the story; due to the cells, and to nothing else that was given."""
    views = {f"relatedness_{row.agent}": "unrelated" for row in event.agents.standing()}
    views[f"relatedness_{Agent.CAR_T}"] = "probable"
    page = link(client, story(event), "Assess and sign")
    saved(send(client, page, **views, outcome=outcome, is_serious_said=serious, **typed))


def reviewed(client: Client, event: AdverseEvent, *, is_expected: str) -> None:
    """The principal investigator speaks for the sponsor, against a version of the reference, and signs the review."""
    reference = {"version": "1.0", "effective_on": day(timezone.now()), "source": "IB 3", "expected": "CRS 1-3"}
    saved(send(client, add("safety.ReferenceSafety"), site=event.participant.site_id, **reference))
    views = {f"relatedness_{row.agent}": "possible" for row in event.agents.standing()}
    page = link(client, story(event), "Judge for the sponsor")
    saved(send(client, page, **views, is_expected=is_expected, reference=ReferenceSafety.objects.get().pk))
    saved(send(client, link(client, story(event), "Review this serious event")))


def owed(event: AdverseEvent, **facts: Any) -> dict[str, ReportingDuty]:
    """Open duties about which somebody is reminded, by recipient."""
    return {row.recipient: row for row in open_duties().filter(event=event, is_alarming=True, **facts)}


def changed(client: Client, event: AdverseEvent, why: str, **typed: Any) -> None:
    """Pressed on the story, with the reason for the change."""
    page = link(client, story(event), "Change what was recorded")
    saved(send(client, page, reason_for_change=why, **typed))
    event.refresh_from_db()


def submit_page(duty: ReportingDuty) -> str:
    return reverse("admin:safety_reportingduty_submit", args=[duty.pk])


def sent(client: Client, duty: ReportingDuty, at: dt.datetime, **typed: Any) -> Submission:
    """Recorded as sent, with its file, from the button on the story."""
    address = submit_page(duty)
    assert address in words_of(client.get(story(duty.event)))
    file = SimpleUploadedFile("Wang Xiaoming.pdf", b"%PDF-1.7 report")
    saved(send(client, address, made=[], **when("submitted_at", at), reference="R-1", file=file, **typed))
    duty.refresh_from_db()
    assert duty.met_by is not None
    kept = SubmissionFile.objects.get(submission=duty.met_by)
    assert (bytes(kept.content), "Wang" in kept.name) == (b"%PDF-1.7 report", False)
    return duty.met_by


def mailed(person: User, about: str) -> list[str]:
    return list(Notification.objects.filter(recipient=person, about=about).values_list("subject", flat=True))


# --- the journeys -------------------------------------------------------------------------------------


def test_a_grade_2_crs_that_is_prolonged_in_hospital(
    participant: Participant,
    coordinator: Client,
    investigator: Client,
    principal: Client,
    ivan: User,
    paul: User,
    now: dt.datetime,
) -> None:
    fever = {"temperature_c": "38.9", "fever_attributable": "yes"}
    low = {"hypotension": "yes", "hypotension_attributable": "yes", "vasopressors": "none", "vasopressin": "no"}
    seen = bedside_typed(participant, now - 3 * DAY, **fever, **low, systolic="84")
    saved(coordinator.post(add("safety.BedsideAssessment", f"?participant={participant.pk}"), seen))
    episode = ToxicityEpisode.objects.get()
    page = link(coordinator, reverse("admin:safety_toxicityepisode_change", args=[episode.pk]), "Make an adverse event")
    aware = {**when("site_aware_at", now - 3 * DAY), "action_taken": "not_applicable"}
    saved(send(coordinator, page, **aware, is_serious_said="no"))
    event = AdverseEvent.objects.get()
    assert (event.grade, event.is_serious, owed(event)) == (2, False, {}), "a grade is not a seriousness"
    assert mailed(paul, f"event:{event.pk}") == []

    # Two days later the stay is longer than planned.
    longer = {"requires_hospitalisation": "on", "requires_hospitalisation_on": day(now)}
    changed(coordinator, event, "低血压未恢复，延长住院", **longer)
    duties = owed(event)
    assert {*duties} == {"sponsor", "cde", *LOCAL}
    assert day(duties["sponsor"].counted_from) == day(now), "it was not serious before"
    assert duties["sponsor"].due_at > now, "and nothing is late at once"
    (subject,) = mailed(paul, f"event:{event.pk}")
    assert participant.number in subject

    judged(investigator, event, outcome="recovering", serious="yes", **longer)
    reviewed(principal, event, is_expected="yes")
    assert {*owed(event)} == {"sponsor"}, "what is expected is no SUSAR"
    assert "the event is expected" in words_of(coordinator.get(story(event)))
    sent(coordinator, owed(event)["sponsor"], now)
    shown = words_of(principal.get(story(event)))
    assert "nothing is owed" in shown
    assert "Who must do what" not in shown


def test_a_fatal_unexpected_event_has_seven_days_and_eight_more(
    participant: Participant,
    coordinator: Client,
    investigator: Client,
    principal: Client,
    paul: User,
    now: dt.datetime,
) -> None:
    died = now - 2 * DAY
    death = {"results_in_death": "on", "results_in_death_on": day(died)}
    event = recorded(
        coordinator,
        participant,
        died,
        term="败血症",
        ctcae_code="10040047",
        grade="5",
        is_serious_said="yes",
        cause_of_death="败血症",
        autopsy="not_done",
        **death,
    )
    assert len(mailed(paul, f"event:{event.pk}")) == 1
    first = owed(event)["cde"]
    assert day(first.due_at) == day(died + 7 * DAY)
    assert {day(row.due_at) for name, row in owed(event).items() if name in LOCAL} == {day(died + 7 * DAY)}
    status = link(coordinator, story(event), "Record the status “died”")
    saved(send(coordinator, status, new="died", on=day(died), reason="败血症"))
    later = Visit.objects.filter(participant=participant, target_date__gt=timezone.localdate(died))
    assert {*later.values_list("state", flat=True)} == {VisitState.CANCELLED}

    judged(investigator, event, outcome="fatal", serious="yes", **death)
    reviewed(principal, event, is_expected="no")
    shown = words_of(coordinator.get(story(event)))
    assert "it is unexpected" in shown
    assert "it is fatal or life-threatening" in shown

    sent(coordinator, first, now - HOUR)
    complete = owed(event)["cde"]
    assert (complete.kind, day(complete.due_at)) == ("completion", day(now - HOUR + 8 * DAY))
    for row in [row for name, row in owed(event).items() if name != "sponsor"]:
        sent(coordinator, row, now)
    sent(coordinator, owed(event)["sponsor"], now, late_reason="夜间休息")
    assert owed(event) == {}
    assert "Who must do what" not in words_of(investigator.get(story(event)))


def test_an_event_that_becomes_serious_and_then_fatal(
    participant: Participant,
    coordinator: Client,
    investigator: Client,
    paul: User,
    now: dt.datetime,
) -> None:
    began, worse = now - 9 * DAY, now - 2 * DAY
    event = recorded(
        coordinator, participant, began, term="肺部感染", ctcae_code="10061229", grade="3", is_serious_said="no"
    )
    judged(investigator, event, outcome="not_recovered", serious="no")
    assert owed(event) == {}

    # Admitted to hospital: serious from that day on.
    stay = {"requires_hospitalisation": "on", "requires_hospitalisation_on": day(worse)}
    changed(coordinator, event, "收入院", **stay)
    assert event.seriousness_said == "", "what the investigator said is asked again"
    before = owed(event)
    assert day(before["cde"].due_at) == day(worse + 15 * DAY)
    assert len(mailed(paul, f"event:{event.pk}")) == 1
    shown = words_of(investigator.get(story(event)))
    assert "changed since it was signed" in shown
    assert "Assess and sign: seriousness" in shown

    # Dead today: another clock beside the one that runs, and nothing edited.
    death = {"grade": "5", "results_in_death": "on", "results_in_death_on": day(now), "cause_of_death": "肺部感染"}
    changed(coordinator, event, "死亡", **death, autopsy="planned")
    assert (event.outcome, event.grade) == ("", 5), "the outcome that was said cannot be true, and is asked again"
    after = {(row.trigger, row.recipient): row for row in open_duties().filter(event=event, is_alarming=True)}
    assert after["first", "cde"].due_at == before["cde"].due_at
    assert day(after["worse", "cde"].due_at) == day(now + 7 * DAY)
    judged(investigator, event, outcome="fatal", serious="yes", **stay, results_in_death="on")


def test_what_was_no_event_is_taken_back(participant: Participant, coordinator: Client, now: dt.datetime) -> None:
    stay = {"requires_hospitalisation": "on", "requires_hospitalisation_on": day(now - DAY)}
    event = recorded(
        coordinator,
        participant,
        now - DAY,
        term="头痛",
        ctcae_code="10019211",
        grade="2",
        is_serious_said="yes",
        **stay,
    )
    sent(coordinator, owed(event)["cde"], now - 2 * HOUR)
    later = link(coordinator, story(event), "What became known later")
    news = {"kind": "nullification", **when("learned_at", now - HOUR), "what": "另一位受试者"}
    saved(send(coordinator, later, **news))
    (back,) = owed(event).values()
    assert (back.recipient, back.kind) == ("cde", "nullification"), "only who was told must hear of it"
    assert "not needed any more: it was no event" in words_of(coordinator.get(story(event)))
    sent(coordinator, back, now)
    assert owed(event) == {}


def test_a_late_report_says_why(
    participant: Participant,
    coordinator: Client,
    principal: Client,
    alice: User,
    ivan: User,
    paul: User,
    now: dt.datetime,
) -> None:
    # Overdue by one day, and within the next hour by two.
    known = now - 3 * DAY + HOUR / 2
    event = recorded(
        coordinator,
        participant,
        known,
        term="败血症",
        ctcae_code="10040047",
        grade="4",
        is_serious_said="yes",
        is_life_threatening="on",
        is_life_threatening_on=day(known),
    )
    duty = owed(event)["sponsor"]
    actions.remind_of_duties(now=now)
    about = f"event:{event.pk}:due-{duty.due_at.astimezone(dt.UTC):%Y%m%dT%H%M}"
    assert [len(mailed(one, about)) for one in (ivan, paul)] == [1, 0]
    assert "overdue" in mailed(ivan, about)[0]
    at_once = Notification.objects.get(dedupe_key__startswith=f"event:{event.pk}:serious:", recipient=paul)
    assert "overdue" in at_once.body_text, "the mail about the event itself says so, and no second one does"
    first_page = words_of(principal.get(reverse("admin:index")))
    assert "Reports due within a day, or overdue" in first_page
    assert f'href="{story(event)}?back=today#duties"' in first_page, "where it is made, sent and recorded"

    late = {**when("submitted_at", now), "reference": "R-1", "made": []}
    refused = words_of(send(coordinator, submit_page(duty), **late))
    assert "Say why it is late" in refused
    assert Submission.objects.count() == 0
    opened = form_of(coordinator.get(submit_page(duty)))
    # The reason has to be asked for: an hour later, and logged in anew, the page is still good.
    with time_machine.travel(now + HOUR, tick=False):
        coordinator.force_login(alice)
        saved(coordinator.post(submit_page(duty), {**opened, **late, "late_reason": "周末无人值守"}))
    duty.refresh_from_db()
    assert duty.state is DutyState.LATE
    told = [words_of(principal.get(story(event)))]
    told.append(words_of(coordinator.get(reverse("admin:safety_submission_change", args=[duty.met_by_id]))))
    assert "report sent late" in told[0]
    assert "周末无人值守" in told[1]
    assert not Notification.objects.filter(about=about, state="queued").exists()
