"""Whom an alert calls: somebody new, once; what one answer answers; what a message says."""

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from django.db import connections
from django.urls import reverse
from django.utils import translation

from participants.models import Participant
from safety import actions, alertlist
from safety.deaths import owed_after_death
from safety.models import (
    AlertKind,
    AlertState,
    BedsideAssessment,
    IecHsAssessment,
    OnCallShift,
    SafetyAlert,
    Scale,
    SettledBy,
    ToxicityEpisode,
)
from safety.rules.bedside import Death, Observations
from safety.rules.crs import OxygenDevice, OxygenReason
from safety.rules.icans import Consciousness
from safety.rules.iec_hs import IecHsFindings
from tests import factories
from tests.conftest import person
from tests.safety.test_bedside import assessed, seen
from trialsite import notifications
from trialsite.models import Language, Notification, NotificationState, Site, Urgency, User
from trialsite.refusal import Refused
from trialsite.roles import Role

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("english")]
MINUTE, HOUR, DAY = dt.timedelta(minutes=1), dt.timedelta(hours=1), dt.timedelta(days=1)
LOW: dict[str, Any] = {"hypotension": True, "fluids_given": True}
PRESSOR: dict[str, Any] = {"hypotension": True, "vasopressors": ("norepinephrine",)}
FEBRILE = seen(temperature_c=Decimal("38.6"))
HYPOTENSIVE = seen(temperature_c=Decimal("39.2"), **LOW)
SHOCKED = seen(temperature_c=Decimal("39.5"), **PRESSOR)
WORST = seen(temperature_c=Decimal("39.8"), hypotension=True, vasopressors=("norepinephrine", "dopamine"))
DROWSY = seen(temperature_c=Decimal("39.0"), consciousness=Consciousness.AWAKENS_TO_VOICE)
MASKED = seen(temperature_c=Decimal("36.9"), anticytokine_given=True, **PRESSOR)
HIGH_FLOW = {"oxygen_device": OxygenDevice.HFNC, "oxygen_reason": OxygenReason.CRS_HYPOXIA}
# Hours after the first, and what was seen: two days from the first fever to its end.
COURSE = (
    (0, FEBRILE),
    (6, HYPOTENSIVE),
    (12, SHOCKED),
    (14, WORST),
    (20, seen(temperature_c=Decimal("38.9"), consciousness=Consciousness.AWAKENS_TO_VOICE, **PRESSOR)),
    (28, DROWSY),
    (36, FEBRILE),
    (46, seen()),
)


@pytest.fixture
def participant(site: Site, alice: User, now: dt.datetime) -> Participant:
    return factories.infused(site=site, by=alice, now=now, infused_at=now - 3 * DAY)


@pytest.fixture
def nora(site: Site, now: dt.datetime) -> User:
    """On call for the whole time."""
    nora = person("nora", Role.COORDINATOR, site)
    shift = OnCallShift(site=site, person=nora, starts_at=now - 5 * DAY, ends_at=now + 5 * DAY)
    actions.plan_shift(shift=shift, by=nora, now=now)
    return nora


def look(participant: Participant, at: dt.datetime, what: Observations, by: User) -> BedsideAssessment:
    """Assessed and entered at once."""
    row = BedsideAssessment(participant=participant, assessed_at=at)
    return actions.assess_bedside(assessment=row, seen=what, by=by, now=at)


def mails(**conditions: Any) -> list[tuple[str, str]]:
    """Who gets which message, of those that are not withdrawn."""
    rows = Notification.objects.exclude(state=NotificationState.CANCELLED).filter(**conditions)
    return [(row.recipient.username, row.dedupe_key.split(":")[3]) for row in rows.order_by("id")]


def waiting() -> list[tuple[str, int | None]]:
    """What somebody has to answer: one alert a toxicity, whatever the number of its warnings."""
    return list(dict.fromkeys((row.toxicity, row.grade) for row in actions.unanswered()))


def answer(by: User, at: dt.datetime) -> None:
    while alert := actions.unanswered().first():
        actions.acknowledge(alert=alert, by=by, now=at)


# --- The newest stands for all -----------------------------------------------------------------------


class TestCourse:
    def test_typed_after_the_fact_it_is_one_mail_a_toxicity(
        self, participant: Participant, alice: User, ivan: User, nora: User, now: dt.datetime
    ) -> None:
        start = now - 47 * HOUR
        for hours, what in COURSE:
            assessed(participant, start + hours * HOUR, what, alice)
        assert SafetyAlert.objects.count() >= 6
        assert waiting() == [("CRS", 4), ("ICANS", 2)]
        assert mails() == [("nora", "first")] * 2
        later = max(SafetyAlert.objects.values_list("raised_at", flat=True)) + 31 * MINUTE
        assert actions.escalate(now=later) == 2
        assert [actions.escalate(now=later + hours * HOUR) for hours in (1, 2, 9)] == [1, 0, 0]
        assert sorted(mails()[2:]) == [("alice", "step-2")] * 2 + [("ivan", "step-1")] * 2, "others, each once"

    def test_as_it_happens_each_news_is_told_once_and_an_answer_ends_it(
        self, participant: Participant, alice: User, ivan: User, nora: User, now: dt.datetime
    ) -> None:
        start = now - 2 * DAY
        for hours, what in COURSE:
            at = start + hours * HOUR
            look(participant, at, what, alice)
            notifications.deliver_due()
            answer(nora, at + MINUTE)
            actions.raise_overdue(now=at + 2 * MINUTE)
        assert {name for name, _stage in mails()} == {"nora"}
        assert len(mails()) == len({row.about for row in SafetyAlert.objects.all()})

    def test_a_worse_one_is_told_to_those_whom_it_was_escalated_to(
        self, participant: Participant, alice: User, ivan: User, nora: User, now: dt.datetime
    ) -> None:
        start = now - 10 * HOUR
        look(participant, start, FEBRILE, alice)
        actions.escalate(now=start + 31 * MINUTE)
        look(participant, start + 40 * MINUTE, SHOCKED, alice)
        told = {row.recipient.username for row in Notification.objects.filter(subject__contains="CRS grade 3")}
        assert told == {"nora", "ivan"}
        assert actions.escalate(now=start + 45 * MINUTE) == 0, "its time runs from the first that nobody answered"
        assert actions.escalate(now=start + 61 * MINUTE) == 1
        assert mails()[-1] == ("alice", "step-2")

    def test_one_answer_answers_all_that_it_names(
        self, participant: Participant, alice: User, ivan: User, nora: User, now: dt.datetime
    ) -> None:
        for hours, what in ((8, FEBRILE), (6, SHOCKED), (4, WORST), (3, DROWSY)):
            assessed(participant, now - hours * HOUR, what, alice)
        crs = SafetyAlert.objects.filter(toxicity="CRS")
        assert {row.state for row in crs} == {AlertState.OPEN, AlertState.SUPERSEDED}
        old, newest = crs.order_by("id")[0], actions.unanswered().filter(toxicity="CRS")[0]
        with pytest.raises(Refused, match="A newer alert stands in its place: CRS grade 4"):
            actions.acknowledge(alert=old, by=nora, now=now)
        actions.acknowledge(alert=newest, by=nora, now=now, note="tocilizumab")
        assert {(row.acknowledged_by, row.acknowledge_note) for row in crs.all()} == {(nora, "tocilizumab")}
        assert waiting() == [("ICANS", 2)]
        assert not Notification.objects.filter(about__in=[row.about for row in crs], state="queued").exists()

    def test_voiding_the_newest_opens_the_one_before_with_its_message(
        self, participant: Participant, alice: User, nora: User, dana: User, now: dt.datetime
    ) -> None:
        assessed(participant, now - 3 * HOUR, FEBRILE, alice)
        wrong = assessed(participant, now - 2 * HOUR, SHOCKED, alice)
        assert waiting() == [("CRS", 3)]
        actions.void_bedside(assessment=wrong, reason="another participant", by=dana, now=now)
        assert waiting() == [("CRS", 1)]
        (message,) = Notification.objects.filter(state=NotificationState.QUEUED)
        assert "CRS grade 1" in message.subject
        assert actions.escalate(now=now + DAY) == 1

    def test_the_first_page_has_a_row_for_each_toxicity(
        self, participant: Participant, alice: User, nora: User, now: dt.datetime
    ) -> None:
        assessed(participant, now - 3 * HOUR, FEBRILE, alice)
        assessed(participant, now - 2 * HOUR, SHOCKED, alice)
        (alarm, *_due) = alertlist.sections(user=alice, now=now)
        assert [row.facts[0] for row in alarm.rows] == ["CRS grade 3"]
        assert "On call now: Nora." in alarm.hint

    def test_the_first_page_asks_as_much_for_many(
        self,
        participant: Participant,
        site: Site,
        alice: User,
        nora: User,
        now: dt.datetime,
        django_assert_num_queries: Any,
    ) -> None:
        def rows(count: int) -> None:
            with django_assert_num_queries(6):
                assert len(alertlist.sections(user=alice, now=now)[0].rows) == count

        alice = User.objects.get(pk=alice.pk)
        alice.has_perm("safety.view_safetyalert")
        assessed(participant, now - 3 * HOUR, FEBRILE, alice)
        rows(1)
        for _one in range(3):
            another = factories.infused(site=site, by=alice, now=now, infused_at=now - 3 * DAY)
            assessed(another, now - 3 * HOUR, FEBRILE, alice)
            assessed(another, now - 2 * HOUR, SHOCKED, alice)
        # And what the three severe ones say of the whole study: its stopping rule is crossed.
        rows(5)


@pytest.mark.django_db(transaction=True)
def test_two_sweeps_at_once_call_each_person_once(
    participant: Participant, alice: User, ivan: User, nora: User, now: dt.datetime
) -> None:
    assessed(participant, now - 3 * HOUR, FEBRILE, alice)
    assessed(participant, now - 2 * HOUR, SHOCKED, alice)
    at = now + 13 * HOUR

    def sweep(_turn: int) -> None:
        try:
            actions.raise_overdue(now=at)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(sweep, range(4)))
    told = Notification.objects.exclude(state=NotificationState.CANCELLED)
    assert sorted((row.recipient.username, row.about.partition(":")[0]) for row in told) == [
        ("alice", "assessment"),
        ("ivan", "assessment"),
        ("nora", "assessment"),
        ("nora", "rounds"),
    ]


# --- Masked fever, the screen for IEC-HS -------------------------------------------------------------


class TestMaskedFever:
    def test_support_without_a_grade_is_told_once_a_day(
        self, participant: Participant, alice: User, nora: User, now: dt.datetime
    ) -> None:
        for hours in (30, 20, 6, 5):
            look(participant, now - hours * HOUR, MASKED, alice)
            answer(nora, now - hours * HOUR + MINUTE)
        told = SafetyAlert.objects.filter(kind=AlertKind.MASKED).order_by("happened_at")
        assert [row.happened_at for row in told] == [now - 30 * HOUR, now - 6 * HOUR], "24 hours, both ends included"
        (first, _again) = Notification.objects.filter(about__startswith="assessment").order_by("id")
        assert first.subject == f"Safety alert: CRS grade 0, {participant.number}"
        assert "fever may be masked" in first.body_text

    @pytest.mark.parametrize(
        ("what", "is_told"),
        [
            pytest.param(MASKED, True, id="vasopressor"),
            pytest.param(seen(temperature_c=Decimal("36.9"), **HIGH_FLOW), True, id="high-flow-without-a-drug"),
            pytest.param(seen(temperature_c=Decimal("36.9"), anticytokine_given=True, **LOW), False, id="fluids-only"),
            pytest.param(
                seen(temperature_c=Decimal("36.9"), **{**HIGH_FLOW, "oxygen_reason": OxygenReason.PROCEDURE}),
                False,
                id="for-a-procedure",
            ),
        ],
    )
    def test_what_counts(
        self, what: Observations, is_told: bool, participant: Participant, alice: User, nora: User, now: dt.datetime
    ) -> None:
        look(participant, now, what, alice)
        assert SafetyAlert.objects.filter(kind=AlertKind.MASKED).exists() == is_told

    def test_a_correction_takes_it_back(
        self, participant: Participant, alice: User, nora: User, now: dt.datetime
    ) -> None:
        row = look(participant, now - HOUR, MASKED, alice)
        assessed(participant, now - HOUR, seen(), alice, corrects=row, why="another bed")
        assert SafetyAlert.objects.get().settled_because == SettledBy.CORRECTED


# --- A message that cannot arrive ----------------------------------------------------------------------


class TestUnreached:
    def test_refused_for_good_it_is_the_next_persons_at_once(
        self, participant: Participant, alice: User, ivan: User, nora: User, now: dt.datetime
    ) -> None:
        look(participant, now, FEBRILE, alice)
        assert actions.escalate(now=now + MINUTE) == 0, "it may still arrive"
        fail("nora", now)
        assert actions.escalate(now=now + MINUTE) == 1
        assert mails()[-1] == ("ivan", "step-1")
        assert actions.escalate(now=now + 2 * MINUTE) == 0
        fail("ivan", now)
        assert actions.escalate(now=now + 2 * MINUTE) == 1
        assert ("alice", "step-2") in mails()
        for name in ("alice", "nora"):
            fail(name, now)
        assert actions.escalate(now=now + 3 * MINUTE) == 0, "nobody else is left"

    def test_where_one_of_two_was_reached_its_time_runs(
        self, participant: Participant, site: Site, alice: User, ivan: User, nora: User, now: dt.datetime
    ) -> None:
        other = person("olga", Role.INVESTIGATOR, site)
        shift = OnCallShift.objects.get()
        OnCallShift.objects.create(
            site=site, person=other, starts_at=shift.starts_at, ends_at=shift.ends_at, created_by=alice, created_at=now
        )
        look(participant, now, FEBRILE, alice)
        fail("nora", now)
        assert actions.escalate(now=now + MINUTE) == 0

    def test_only_what_is_grave_goes_the_second_way_too(
        self, participant: Participant, alice: User, nora: User, now: dt.datetime, settings: Any
    ) -> None:
        settings.SECOND_CHANNEL = "/bin/true"
        look(participant, now - HOUR, HYPOTENSIVE, alice)
        look(participant, now, SHOCKED, alice)
        sent = Notification.objects.order_by("id").values_list("channel", "urgency", "subject")
        assert {urgency for _channel, urgency, _subject in sent} == {Urgency.ALERT}
        grades = [subject for channel, _urgency, subject in sent if channel == "second"]
        assert len(grades) == 1
        assert "grade 3" in grades[0]


def fail(username: str, now: dt.datetime) -> None:
    rows = Notification.objects.filter(recipient__username=username)
    rows.update(state=NotificationState.FAILED, finished_at=now)


POSITIVE = IecHsFindings(ferritin_high=True, cytopenia=True, transaminases_high=True)


def screened(
    participant: Participant, by: User, at: dt.datetime, findings: IecHsFindings, **facts: Any
) -> IecHsAssessment:
    row = IecHsAssessment(participant=participant, assessed_at=at, **facts)
    return actions.assess_iec_hs(assessment=row, findings=findings, by=by, now=at)


class TestScreen:
    def test_a_positive_screen_is_told_when_it_turns(
        self, participant: Participant, ivan: User, nora: User, now: dt.datetime
    ) -> None:
        for hours, findings in (
            (9, POSITIVE),
            (8, POSITIVE),
            (7, IecHsFindings(ferritin_high=False, ferritin_rising=False)),
            (6, POSITIVE),
        ):
            screened(participant, ivan, now - hours * HOUR, findings)
        told = SafetyAlert.objects.order_by("happened_at")
        assert [row.happened_at for row in told] == [now - 9 * HOUR, now - 6 * HOUR]
        assert (waiting(), len(mails())) == ([("IEC-HS", None)], 1)
        message = Notification.objects.order_by("-id")[0]
        assert message.subject == f"Safety alert: IEC-HS screen positive, {participant.number}"
        assert "Ferritin above 2" in message.body_text

    def test_a_correction_or_void_settles_it(
        self, participant: Participant, ivan: User, nora: User, now: dt.datetime
    ) -> None:
        old = screened(participant, ivan, now - HOUR, POSITIVE)
        no = IecHsFindings(ferritin_high=False, ferritin_rising=False)
        screened(participant, ivan, now, no, corrects=old, correction_reason="mistyped")
        assert SafetyAlert.objects.get().settled_because == SettledBy.CORRECTED

    def test_its_page_leads_to_the_assessment(
        self, participant: Participant, ivan: User, nora: User, now: dt.datetime, login: Any
    ) -> None:
        row = screened(participant, ivan, now - HOUR, POSITIVE)
        alert = SafetyAlert.objects.get()
        text = login(nora).get(reverse("admin:safety_safetyalert_change", args=[alert.pk])).content.decode()
        assert reverse("admin:safety_iechsassessment_change", args=[row.pk]) in text
        assert "What guidelines say" not in text


# --- Death -------------------------------------------------------------------------------------------


class TestDeath:
    def test_what_must_follow_stands_in_the_mail_and_on_the_pages_until_it_is_done(
        self, participant: Participant, alice: User, ivan: User, nora: User, login: Any, now: dt.datetime
    ) -> None:
        look(participant, now, seen(temperature_c=Decimal("39.9"), death=Death.CRS), alice)
        (message,) = Notification.objects.all()
        assert "CRS grade 5" in message.subject
        for said in ("Make the adverse event, with grade 5", "Record the status “died”", "SAE to the sponsor"):
            assert said in message.body_text
            assert said in message.body_html
        assert "Next assessment by" not in message.body_text
        event = actions.propose_event(
            episode=ToxicityEpisode.objects.get(),
            outcome="fatal",
            site_aware_at=now,
            results_in_death=True,
            by=ivan,
            now=now,
        )
        owed = owed_after_death(participant, Scale.CRS)
        assert [one.is_done for one in owed[:2]] == [True, False]
        alert = SafetyAlert.objects.first()
        assert alert is not None
        for page in (alert, event):
            url = reverse(f"admin:safety_{page._meta.model_name}_change", args=[page.pk])
            text = login(ivan).get(url).content.decode()
            assert "What must follow a death" in text
            assert reverse("admin:participants_participant_status", args=[participant.pk]) in text
            assert "Report: Sponsor · first report, by" in text
        actions.submit_report(
            duties=actions.open_duties().filter(recipient="sponsor"), submitted_at=now, reference="1", by=ivan, now=now
        )
        reports = [one for one in owed_after_death(participant, Scale.CRS) if one.text.startswith("Report: Sponsor")]
        assert [one.is_done for one in reports] == [True]


# --- What a message says -----------------------------------------------------------------------------


class TestMessage:
    def test_it_says_grade_findings_since_when_and_what_is_owed_next(
        self, participant: Participant, site: Site, alice: User, ivan: User, nora: User, now: dt.datetime
    ) -> None:
        look(participant, now - 5 * HOUR, FEBRILE, alice)
        look(participant, now, SHOCKED, alice)
        message = Notification.objects.get(subject__contains="CRS grade 3")
        for said in (
            "What: CRS grade 3",
            "Findings: CRS has been established since 2026-03-05 04:30. Fever of 39.5 °C",
            "One vasopressor",
            "Since: 5 Mar 2026, 04:30",
            "Answers, too: CRS grade 1",
            "Next assessment by: 5 Mar 2026, 13:30",
            "Told next: 5 Mar 2026, 05:00, if nobody has answered by then: Investigator, Principal investigator",
        ):
            assert said in message.body_text, message.body_text

    def test_in_chinese_a_grade_has_its_word(
        self, participant: Participant, site: Site, alice: User, now: dt.datetime
    ) -> None:
        person("zhang", Role.INVESTIGATOR, site, language=Language.ZH)
        look(participant, now, SHOCKED, alice)
        message = Notification.objects.get()
        assert message.subject == f"安全警报：CRS 3 级，{participant.number}"
        for word in ("预警", "警告", "CRS 3，"):
            assert word not in message.body_text + message.body_html

    def test_words_of_an_investigator_stay_on_the_page(
        self, participant: Participant, alice: User, ivan: User, nora: User, now: dt.datetime
    ) -> None:
        row = look(participant, now - HOUR, FEBRILE, alice).grades.get(toxicity=Scale.CRS)
        actions.regrade(assessment=row, investigator_grade=3, reason="fainted in the garden", by=ivan, now=now)
        for message in Notification.objects.all():
            assert "garden" not in message.subject + message.body_text + message.body_html

    def test_the_page_says_who_is_on_call_and_who_is_told_next(
        self, participant: Participant, alice: User, ivan: User, nora: User, login: Any, now: dt.datetime
    ) -> None:
        look(participant, now, FEBRILE, alice)
        alert = SafetyAlert.objects.get()
        url = reverse("admin:safety_safetyalert_change", args=[alert.pk])
        text = login(nora).get(url).content.decode()
        assert "Nora" in text
        assert "Ivan, if nobody has answered by then" in text
        actions.escalate(now=now + DAY)
        text = login(nora).get(url).content.decode()
        assert "Everybody was told." in text

    def test_an_older_alert_points_to_the_newest(
        self, participant: Participant, alice: User, nora: User, login: Any, now: dt.datetime
    ) -> None:
        look(participant, now - HOUR, FEBRILE, alice)
        look(participant, now, SHOCKED, alice)
        old = SafetyAlert.objects.order_by("id")[0]
        with translation.override("en"):
            text = login(nora).get(reverse("admin:safety_safetyalert_change", args=[old.pk])).content.decode()
        assert "A newer alert stands in its place: CRS grade 3" in text
        assert "Acknowledge…" not in text
