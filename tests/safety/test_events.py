"""An adverse event from what a coordinator saw to what the principal investigator signed, and back by a change."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from participants import actions as participants
from participants.models import Participant
from participants.rules.status import Status
from safety import actions
from safety.actions.events import Said
from safety.actions.reviews import open_of, unsigned
from safety.deaths import owed_after_event
from safety.models import (
    SERIOUSNESS,
    AdverseEvent,
    Agent,
    BedsideAssessment,
    EventQuery,
    EventReview,
    FollowUp,
    ReviewKind,
    ToxicityEpisode,
)
from tests import factories
from tests.conftest import PASSWORD, person
from tests.safety.test_bedside import seen
from trialsite import signing
from trialsite.models import Notification, Site, User
from trialsite.refusal import Refused
from trialsite.roles import ROLE_PERMISSIONS, Role

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("english")]
DAY = dt.timedelta(days=1)
PARTS = ("%Y-%m-%d", "%H:%M:%S")


@pytest.fixture
def participant(site: Site, alice: User, now: dt.datetime) -> Participant:
    return factories.infused(site=site, by=alice, now=now, infused_at=now - 5 * DAY)


@pytest.fixture
def paul(site: Site) -> User:
    return person("paul", Role.PRINCIPAL_INVESTIGATOR, site)


def day(moment: dt.datetime) -> str:
    return f"{timezone.localtime(moment):%Y-%m-%d}"


def assessed(event: AdverseEvent, by: User, now: dt.datetime, **judged: Any) -> EventReview:
    views = {row.agent: "possible" for row in event.agents.all()}
    said = {"outcome": "recovering", "seriousness_said": "not_serious", **judged}
    return actions.assess_event(event=event, views=views, by=by, now=now, **said)


# --- what was seen, and what is open -------------------------------------------------------------------


def test_what_was_given_before_is_to_be_judged(participant: Participant, alice: User, now: dt.datetime) -> None:
    event = factories.adverse_event(participant, by=alice, now=now)
    agents = [row.agent for row in event.agents.all()]
    assert agents == [Agent.CAR_T, Agent.FLUDARABINE, Agent.CYCLOPHOSPHAMIDE]
    assert len(open_of(event)) == len(agents) + 2
    assert list(unsigned(AdverseEvent.objects.all(), ReviewKind.ASSESSMENT)) == [event]


def test_what_was_given_later_is_not(participant: Participant, alice: User, now: dt.datetime) -> None:
    event = factories.adverse_event(participant, by=alice, now=now, onset=day(now - 6 * DAY))
    assert Agent.CAR_T not in {row.agent for row in event.agents.all()}
    early = factories.adverse_event(participant, by=alice, now=now, onset="2020")
    assert [row.agent for row in early.agents.all()] == [Agent.PROCEDURE]


def test_a_serious_event_tells_the_principal_investigator_once(
    participant: Participant, alice: User, paul: User, now: dt.datetime
) -> None:
    event = factories.adverse_event(participant, by=alice, now=now, grade=3)
    assert not Notification.objects.filter(about=f"event:{event.pk}").exists()
    event.is_life_threatening = True
    for _twice in range(2):
        actions.correct_adverse_event(event=event, by=alice, now=now)
    message = Notification.objects.get(about=f"event:{event.pk}")
    assert message.recipient == paul
    assert participant.number in message.subject
    assert event.term not in message.body_text


# --- its course ----------------------------------------------------------------------------------------


def course(event: AdverseEvent) -> list[tuple[str, int]]:
    rows = event.grades.standing().order_by("since", "id")
    return list(rows.values_list("since", "grade"))


def test_a_grade_is_added_and_the_highest_stands(participant: Participant, alice: User, now: dt.datetime) -> None:
    first, last = day(now - 2 * DAY), day(now)
    event = factories.adverse_event(participant, by=alice, now=now, onset=first, grade=2)
    actions.record_grade(event=event, grade=3, since=day(now - DAY), by=alice, now=now)
    actions.record_grade(event=event, grade=1, since=last, by=alice, now=now)
    event.refresh_from_db()
    assert (event.grade, course(event)) == (3, [(first, 2), (day(now - DAY), 3), (last, 1)])
    for since, words in ((day(now + DAY), "future"), (day(now - 3 * DAY), "before it began")):
        with pytest.raises(Refused, match=words):
            actions.record_grade(event=event, grade=2, since=since, by=alice, now=now)
    with pytest.raises(Refused, match="death"):
        actions.record_grade(event=event, grade=5, since=last, by=alice, now=now)


def test_a_corrected_grade_replaces_the_wrong_one(participant: Participant, alice: User, now: dt.datetime) -> None:
    event = factories.adverse_event(participant, by=alice, now=now, grade=2)
    event.grade = 3
    actions.correct_adverse_event(event=event, by=alice, now=now)
    assert course(event) == [(event.onset, 3)]
    event.onset = day(now - DAY)
    actions.correct_adverse_event(event=event, by=alice, now=now)
    assert course(event) == [(event.onset, 3)]
    event.grade = 1
    actions.correct_adverse_event(event=event, by=alice, now=now, grade_since=day(now))
    assert (event.grade, course(event)) == (3, [(event.onset, 3), (day(now), 1)])


def test_a_grade_that_was_wrong_is_taken_back(participant: Participant, alice: User, now: dt.datetime) -> None:
    event = factories.adverse_event(participant, by=alice, now=now, onset=day(now - DAY))
    actions.record_grade(event=event, grade=3, since=day(now), by=alice, now=now)
    actions.void_part(event.grades.get(grade=3), reason="another event", by=alice, now=now)
    event.refresh_from_db()
    assert event.grade == 2
    with pytest.raises(Refused, match="correct the event"):
        actions.void_part(event.grades.standing().get(), reason="x", by=alice, now=now)


def test_a_death_ends_the_course_and_lists_what_is_missing(
    participant: Participant, alice: User, now: dt.datetime
) -> None:
    event = factories.adverse_event(
        participant, by=alice, now=now, ctcae_code="10040047", grade=3, onset=day(now - 2 * DAY)
    )
    event.grade, event.results_in_death, event.results_in_death_on = 5, True, day(now)
    actions.correct_adverse_event(event=event, by=alice, now=now)
    assert course(event) == [(event.onset, 3), (day(now), 5)]
    missing = [str(one.text) for one in owed_after_event(event) if not one.is_done]
    assert [
        words for words in ("cause of the death", "autopsy", "fatal outcome") if not any(words in m for m in missing)
    ] == []
    died_on = timezone.localdate(now - DAY)
    participants.change_status(participant=participant, new=Status.DIED, on=died_on, reason="", by=alice, now=now)
    event.cause_of_death, event.autopsy, event.outcome = "sepsis", "not_done", "fatal"
    actions.correct_adverse_event(event=event, by=alice, now=now)
    event.refresh_from_db()
    open_ones = [str(one.text) for one in owed_after_event(event) if not one.is_done]
    assert any(day(now) in one and f"{died_on}" in one for one in open_ones)
    assert not any("autopsy" in one for one in open_ones)


def test_a_death_told_in_part_is_refused(participant: Participant, alice: User, now: dt.datetime) -> None:
    for said in ({"grade": 5}, {"results_in_death": True}, {"outcome": "fatal"}):
        with pytest.raises(Refused, match="must agree"):
            factories.adverse_event(participant, by=alice, now=now, **said)
    with pytest.raises(Refused, match="tick it"):
        factories.adverse_event(participant, by=alice, now=now, is_life_threatening_on=day(now))


# --- what became known later ---------------------------------------------------------------------------


def test_a_follow_up_is_not_older_than_the_event(participant: Participant, alice: User, now: dt.datetime) -> None:
    event = factories.adverse_event(participant, by=alice, now=now, onset=day(now - DAY), site_aware_at=now - DAY)
    for at, words in ((now - 2 * DAY, "became known"), (now + DAY, "future")):
        with pytest.raises(Refused, match=words):
            row = FollowUp(event=event, kind="new_information", what="x", learned_at=at)
            actions.add_followup(followup=row, by=alice, now=now)
    row = FollowUp(event=event, kind="new_information", what="x", learned_at=now - DAY)
    assert actions.add_followup(followup=row, by=alice, now=now).pk


# --- signatures ----------------------------------------------------------------------------------------


def test_nothing_is_signed_while_something_is_open(
    participant: Participant, alice: User, ivan: User, now: dt.datetime
) -> None:
    event = factories.adverse_event(participant, by=alice, now=now)
    with pytest.raises(Refused, match="Still open: relatedness to CAR-T cells"):
        actions.sign_event(event=event, kind=ReviewKind.ASSESSMENT, by=ivan, now=now)
    with pytest.raises(Refused, match="No investigator has signed"):
        actions.sign_event(
            event=factories.judged_event(participant, by=alice, now=now, term="x"),
            kind=ReviewKind.REVIEW,
            by=ivan,
            now=now,
        )


CHANGES: dict[str, Any] = {
    "its outcome": lambda event, by, now: _changed(event, by, now, outcome="not_recovered"),
    "its treatment": lambda event, by, now: _changed(event, by, now, treatment_given="paracetamol"),
    "grade in the course of an event": lambda event, by, now: actions.record_grade(
        event=event, grade=3, since=event.onset, by=by, now=now
    ),
    "follow-up of an event": lambda event, by, now: actions.add_followup(
        followup=FollowUp(event=event, kind="new_information", what="x", learned_at=now), by=by, now=now
    ),
    "investigator's view": lambda event, by, now: actions.correct_adverse_event(
        event=event, agents={Agent.CAR_T: Said(investigator="definite")}, by=by, now=now
    ),
}


def _changed(event: AdverseEvent, by: User, now: dt.datetime, **values: Any) -> None:
    for name, value in values.items():
        setattr(event, name, value)
    actions.correct_adverse_event(event=event, by=by, now=now)


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_ends_the_signature_and_says_why(
    participant: Participant, alice: User, ivan: User, now: dt.datetime, what: str
) -> None:
    event = factories.adverse_event(participant, by=alice, now=now)
    row = assessed(event, ivan, now)
    assert signing.counts(row)
    event.refresh_from_db()
    CHANGES[what](event, alice, now)
    row.refresh_from_db()
    assert row.is_void
    assert what.removeprefix("its ") in row.void_reason  # type: ignore[operator]


def test_a_save_without_a_change_ends_nothing(
    participant: Participant, alice: User, ivan: User, paul: User, now: dt.datetime
) -> None:
    """What the sponsor says is not what the investigator signed."""
    event = factories.adverse_event(participant, by=alice, now=now, is_life_threatening=True, grade=3)
    row = assessed(event, ivan, now, seriousness_said="serious")
    review = actions.sign_event(event=event, kind=ReviewKind.REVIEW, by=paul, now=now)
    event.refresh_from_db()
    actions.correct_adverse_event(event=event, by=alice, now=now)
    reference = factories.reference_safety(participant.site, by=paul, now=now)
    views = {Agent.CAR_T: "probable"}
    kept = [EventReview.objects.get(pk=one.pk).is_void for one in (row, review)]
    actions.judge_for_sponsor(event=event, views=views, is_expected=False, reference=reference, by=paul, now=now)
    assert kept == [False, False]
    assert [EventReview.objects.get(pk=one.pk).is_void for one in (row, review)] == [False, True]


# --- the pages -----------------------------------------------------------------------------------------


def page(name: str, event: AdverseEvent) -> str:
    return reverse(f"admin:safety_adverseevent_{name}", args=[event.pk])


def test_coordinator_and_investigator_on_the_pages(
    participant: Participant, alice: User, ivan: User, paul: User, login: Any, now: dt.datetime
) -> None:
    """A coordinator records, an investigator judges and signs, the principal reviews, a monitor asks."""
    local = timezone.localtime(now)
    form = login(alice)
    add = reverse("admin:safety_adverseevent_add")
    shown = form.get(add).content.decode()
    assert 'name="outcome"' not in shown
    assert 'name="relatedness_car_t"' not in shown
    assert 'name="action_car_t"' in shown
    data = {
        "participant": participant.pk,
        "term": "头痛",
        "ctcae_code": "10019211",
        "onset": day(now),
        "grade": "3",
        "is_serious_said": "yes",
        "requires_hospitalisation": "on",
        "requires_hospitalisation_on": day(now),
        "action_car_t": "not_applicable",
        "outcome": "recovered",
        "relatedness_car_t": "definite",
        "site_aware_at_0": f"{local:%Y-%m-%d}",
        "site_aware_at_1": f"{local:%H:%M:%S}",
    }
    assert form.post(add, data).status_code == 302
    event = AdverseEvent.objects.get()
    cells = event.agents.get(agent=Agent.CAR_T)
    assert (event.outcome, event.seriousness_said, cells.investigator) == ("", "", "")
    assert cells.action_taken == "not_applicable"
    assert form.get(page("assess", event)).status_code == 403

    judge = login(ivan)
    assert "Assess and sign" in judge.get(page("story", event)).content.decode()
    said = {f"relatedness_{row.agent}": "possible" for row in event.agents.all()}
    said |= {"outcome": "recovered", "is_serious_said": "yes", "requires_hospitalisation": "on"}
    answered = judge.post(page("assess", event), {**said, "password": PASSWORD})
    assert "there is no end" in answered.content.decode()
    answered = judge.post(page("assess", event), {**said, "outcome": "recovering", "password": PASSWORD})
    assert answered.status_code == 302
    event.refresh_from_db()
    assert (event.outcome, event.seriousness_said) == ("recovering", "serious")

    monitor = login(person("mo", Role.MONITOR, participant.site))
    assert monitor.post(page("question", event), {"question": "Which drug?"}).status_code == 302
    answer = reverse("admin:safety_eventquery_answer", args=[EventQuery.objects.get().pk])
    assert monitor.get(answer).status_code == 403
    assert login(alice).post(answer, {"text": "None."}).status_code == 302

    principal = login(paul)
    assert "Review this serious event" in principal.get(page("story", event)).content.decode()
    assert principal.post(page("review", event), {"password": PASSWORD}).status_code == 302
    told = principal.get(page("story", event)).content.decode()
    # Nothing is left to be judged, signed or answered: only its reports are owed.
    owed = principal.get(page("story", event)).context["owed"]
    assert {one.permission for one, _may in owed} == {"safety.add_submission"}
    assert "None." in told


def test_the_medical_monitor_asks_and_is_answered_on_the_event(
    participant: Participant, alice: User, login: Any, now: dt.datetime
) -> None:
    """The sponsor's doctor reads the story without anybody's name, asks there, and finds the answer there."""
    event = factories.adverse_event(participant, by=alice, now=now, is_life_threatening=True)
    doctor, site = login(person("meili", Role.MEDICAL_MONITOR, participant.site)), login(alice)
    asks, story = page("question", event), page("story", event)
    shown = doctor.get(story).content.decode()
    assert asks in shown
    assert participant.name not in shown
    assert asks not in site.get(story).content.decode()
    assert doctor.post(asks, {"question": "Which drug?"}).status_code == 302
    answer = reverse("admin:safety_eventquery_answer", args=[EventQuery.objects.get().pk])
    assert answer not in doctor.get(story).content.decode()
    assert doctor.get(answer).status_code == 403
    assert answer in site.get(story).content.decode()
    assert site.post(answer, {"text": "None."}).status_code == 302
    assert "None." in doctor.get(story).content.decode()


def test_the_medical_monitor_may_read_events_and_ask_and_nothing_else() -> None:
    granted = {name.split(".")[1] for name in ROLE_PERMISSIONS[Role.MEDICAL_MONITOR]}
    assert {name for name in granted if not name.startswith("view_")} == {"add_eventquery"}
    assert "view_identity" not in granted
    assert granted < {name.split(".")[1] for name in ROLE_PERMISSIONS[Role.MONITOR]}


def test_whoever_ticks_a_criterion_is_asked_for_its_day(
    participant: Participant, alice: User, ivan: User, now: dt.datetime, login: Any
) -> None:
    event = factories.adverse_event(participant, by=alice, now=now)
    begun = BedsideAssessment(participant=participant, assessed_at=now - DAY)
    actions.assess_bedside(assessment=begun, seen=seen(temperature_c=Decimal("38.6")), by=alice, now=now)
    episode = reverse("admin:safety_toxicityepisode_proposal", args=[ToxicityEpisode.objects.get().pk])
    forms = [reverse("admin:safety_adverseevent_add"), page("change", event), page("assess", event), episode]
    for address in forms:
        shown = login(ivan).get(address).content.decode()
        for name in SERIOUSNESS:
            assert [f'name="{name}"' in shown, f'name="{name}_on"' in shown] == [True, True], (address, name)
    saved = login(ivan).post(
        episode,
        {
            **{f"site_aware_at_{part}": f"{timezone.localtime(now - DAY):{form}}" for part, form in enumerate(PARTS)},
            "is_serious_said": "yes",
            "requires_hospitalisation": "on",
            "requires_hospitalisation_on": day(now),
        },
    )
    assert saved.status_code == 302
    assert AdverseEvent.objects.latest("pk").requires_hospitalisation_on == day(now)


def test_a_chinese_story_says_term_and_class_in_chinese(
    participant: Participant, ivan: User, now: dt.datetime, login: Any
) -> None:
    ivan.language = "zh-hans"
    ivan.save()
    event = factories.adverse_event(participant, by=ivan, now=now, term="x")
    text = login(ivan).get(page("story", event)).content.decode()
    assert "头痛 (Headache) · 10019211" in text
    assert "神经系统疾病 (Nervous system disorders)" in text


def test_an_event_of_another_site_has_no_story(
    participant: Participant, alice: User, charlie: User, login: Any, now: dt.datetime
) -> None:
    event = factories.adverse_event(participant, by=alice, now=now)
    for name in ("story", "assess", "grade", "followup", "drugs", "question", "sponsor", "review"):
        assert login(charlie).get(page(name, event)).status_code == 404
