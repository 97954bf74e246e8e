"""Taking back: what was recorded by mistake goes, and so does everything that followed from it."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from dosing import actions as dosing
from dosing.models import Medication
from participants.models import Participant
from safety import actions, consequences, questions
from safety.actions.calls import unanswered
from safety.models import (
    AdverseEvent,
    AlertState,
    BedsideAssessment,
    CrsAssessment,
    Discharge,
    IecHsAssessment,
    SafetyAlert,
    Scale,
    SettledBy,
    ToxicityAssessment,
    ToxicityEpisode,
    current,
)
from safety.rules.crs import CrsFindings
from safety.rules.iec_hs import IecHsFindings
from tests import factories
from tests.conftest import Once
from tests.safety.test_bedside import assessed, seen
from trialsite.models import Notification, NotificationState, Record, Site, User
from trialsite.recordadmin import RecordAdmin
from trialsite.refusal import Refused
from trialsite.roles import ROLE_PERMISSIONS, Role

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("english")]
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
FEBRILE = seen(temperature_c=Decimal("38.6"))
PRESSED = seen(temperature_c=Decimal("36.9"), anticytokine_given=True, hypotension=True)
SHOCKED = seen(temperature_c=Decimal("39.5"), hypotension=True, vasopressors=("norepinephrine",))


@pytest.fixture(scope="module")
def made(once: Once, now: dt.datetime) -> Participant:
    return factories.infused(site=once.site, by=once.alice, now=now, infused_at=now - 3 * DAY)


def void_bedside(row: BedsideAssessment, by: User, now: dt.datetime) -> None:
    actions.void_bedside(assessment=row, reason="another participant", by=by, now=now)


def counting(participant: Participant) -> list[tuple[str, int | None]]:
    rows = current(ToxicityAssessment.objects.filter(participant=participant)).order_by("assessed_at", "toxicity")
    return [(row.toxicity, row.final_grade) for row in rows]


def episodes_of(participant: Participant) -> list[tuple[int, int]]:
    rows = ToxicityEpisode.objects.filter(participant=participant, voided_at__isnull=True).order_by("number")
    return [(row.number, row.highest_grade) for row in rows]


# --- A look at the bed -------------------------------------------------------------------------------


class TestBedside:
    def test_both_grades_the_episode_the_alert_and_the_waiting_messages_go_with_it(
        self, participant: Participant, alice: User, ivan: User, dana: User, now: dt.datetime
    ) -> None:
        row = assessed(participant, now - HOUR, SHOCKED, alice)
        assert episodes_of(participant) == [(1, 3)]
        assert unanswered().count() == 2, "new, and severe"
        assert Notification.objects.get().state == NotificationState.QUEUED
        void_bedside(row, dana, now)
        assert counting(participant) == []
        assert {one.void_reason for one in row.grades.all()} == {"another participant"}
        assert episodes_of(participant) == []
        assert not unanswered().exists()
        assert {alert.settled_because for alert in SafetyAlert.objects.all()} == {SettledBy.VOIDED}
        assert Notification.objects.get().state == NotificationState.CANCELLED

    def test_twice_is_refused(self, participant: Participant, alice: User, dana: User, now: dt.datetime) -> None:
        row = assessed(participant, now, FEBRILE, alice)
        void_bedside(row, dana, now)
        with pytest.raises(Refused, match="void already"):
            void_bedside(row, dana, now)

    def test_then_it_is_entered_for_the_right_person(
        self, participant: Participant, site: Site, alice: User, dana: User, now: dt.datetime
    ) -> None:
        right = factories.infused(site=site, by=alice, now=now, infused_at=now - 3 * DAY)
        void_bedside(assessed(participant, now - HOUR, FEBRILE, alice), dana, now)
        assessed(right, now - HOUR, FEBRILE, alice)
        assert (episodes_of(participant), episodes_of(right)) == ([], [(1, 1)])
        assert [alert.participant for alert in unanswered()] == [right]

    def test_a_later_grade_that_rested_on_it_is_computed_anew(
        self, participant: Participant, alice: User, dana: User, now: dt.datetime
    ) -> None:
        """Without the fever before, a low pressure without fever is no CRS."""
        first = assessed(participant, now - 2 * HOUR, FEBRILE, alice)
        later = assessed(participant, now - HOUR, PRESSED, alice)
        assert later.grades.get(toxicity=Scale.CRS).grade == 2
        void_bedside(first, dana, now)
        anew = current(later.grades.filter(toxicity=Scale.CRS)).get()
        assert (anew.grade, anew.flags[-1]) == (0, "GRADED_ANEW")
        assert episodes_of(participant) == []
        assert not unanswered().exists()

    def test_an_investigators_own_grade_stands(
        self, participant: Participant, alice: User, ivan: User, dana: User, now: dt.datetime
    ) -> None:
        first = assessed(participant, now - 2 * HOUR, FEBRILE, alice)
        later = assessed(participant, now - HOUR, PRESSED, alice).grades.get(toxicity=Scale.CRS)
        actions.regrade(assessment=later, investigator_grade=3, reason="vasopressor in transfer", by=ivan, now=now)
        void_bedside(first, dana, now)
        assert counting(participant) == [("CRS", 3), ("ICANS", 0)]
        assert episodes_of(participant) == [(1, 3)]

    def test_an_episode_that_other_assessments_carry_goes_on_with_them(
        self, participant: Participant, alice: User, dana: User, now: dt.datetime
    ) -> None:
        assessed(participant, now - 3 * HOUR, FEBRILE, alice)
        worst = assessed(participant, now - 2 * HOUR, SHOCKED, alice)
        assert episodes_of(participant) == [(1, 3)]
        void_bedside(worst, dana, now)
        assert episodes_of(participant) == [(1, 1)]
        assert [alert.kind for alert in unanswered()] == ["new_crs"], "of the one that remains"

    def test_the_second_episode_keeps_its_row_and_its_event_when_the_first_was_a_mistake(
        self, participant: Participant, alice: User, ivan: User, dana: User, now: dt.datetime
    ) -> None:
        first = assessed(participant, now - 60 * HOUR, SHOCKED, alice)
        assessed(participant, now - 50 * HOUR, seen(), alice)
        assessed(participant, now - 3 * HOUR, FEBRILE, alice)
        one, two = ToxicityEpisode.objects.order_by("number")
        event = proposed(two, ivan, now)
        void_bedside(first, dana, now)
        one.refresh_from_db()
        two.refresh_from_db()
        event.refresh_from_db()
        assert (one.is_void, two.is_void, two.number) == (True, False, 1)
        assert (two.adverse_event, event.grade, event.is_void) == (event, 1, False)

    def test_a_correction_that_was_the_mistake_lets_the_corrected_one_count_again(
        self, participant: Participant, alice: User, ivan: User, dana: User, now: dt.datetime
    ) -> None:
        old = assessed(participant, now - 2 * HOUR, SHOCKED, alice)
        new = assessed(participant, now - 2 * HOUR, seen(), alice, corrects=old, why="typed wrongly")
        assert (counting(participant), episodes_of(participant)) == ([("CRS", 0), ("ICANS", 0)], [])
        assert not unanswered().exists()
        void_bedside(new, dana, now)
        assert (counting(participant), episodes_of(participant)) == ([("CRS", 3), ("ICANS", 0)], [(1, 3)])
        assert {alert.kind for alert in unanswered()} == {"new_crs", "severe"}, "open again"
        again = assessed(participant, now - 2 * HOUR, FEBRILE, alice, corrects=old, why="no vasopressor")
        assert counting(participant) == [("CRS", 1), ("ICANS", 0)]
        with pytest.raises(Refused, match="corrected already"):
            assessed(participant, now, seen(), alice, corrects=old, why="again")
        void_bedside(again, dana, now)
        void_bedside(old, dana, now)
        assert counting(participant) == []

    def test_a_replaced_one_goes_alone(
        self, participant: Participant, alice: User, dana: User, now: dt.datetime
    ) -> None:
        old = assessed(participant, now - 2 * HOUR, SHOCKED, alice)
        assessed(participant, now - 2 * HOUR, FEBRILE, alice, corrects=old, why="no vasopressor")
        void_bedside(old, dana, now)
        assert (counting(participant), episodes_of(participant)) == ([("CRS", 1), ("ICANS", 0)], [(1, 1)])

    def test_a_warning_that_goes_does_not_hide_what_the_next_one_found(
        self, participant: Participant, alice: User, ivan: User, dana: User, now: dt.datetime
    ) -> None:
        """The first was of somebody else; that this one is in shock, too, nobody was told yet."""
        wrong = assessed(participant, now - 2 * HOUR, SHOCKED, alice)
        right = assessed(participant, now - HOUR, SHOCKED, alice)
        void_bedside(wrong, dana, now)
        about = f"assessment:{current(right.grades.filter(toxicity=Scale.CRS)).get().pk}"
        assert {(alert.kind, alert.about) for alert in unanswered()} == {("new_crs", about), ("severe", about)}
        assert Notification.objects.filter(about=about, state=NotificationState.QUEUED).exists()

    def test_what_somebody_has_answered_stays_answered(
        self, participant: Participant, alice: User, dana: User, now: dt.datetime
    ) -> None:
        row = assessed(participant, now - HOUR, FEBRILE, alice)
        actions.acknowledge(alert=SafetyAlert.objects.get(), by=alice, now=now)
        void_bedside(row, dana, now)
        assert SafetyAlert.objects.get().state is AlertState.ACKNOWLEDGED

    def test_a_rise_from_what_was_never_there_is_settled(
        self, participant: Participant, alice: User, dana: User, now: dt.datetime
    ) -> None:
        low = assessed(participant, now - 2 * HOUR, seen(), alice)
        assessed(participant, now - HOUR, SHOCKED, alice)
        assert {alert.kind for alert in unanswered()} == {"new_crs", "rise", "severe"}
        void_bedside(low, dana, now)
        assert {alert.kind for alert in unanswered()} == {"new_crs", "severe"}
        assert SafetyAlert.objects.get(kind="rise").settled_because == SettledBy.UNSUPPORTED


def proposed(episode: ToxicityEpisode, by: User, now: dt.datetime) -> AdverseEvent:
    return actions.propose_event(
        episode=episode,
        outcome="recovering",
        site_aware_at=now,
        by=by,
        now=now,
    )


# --- The infusion, and drugs --------------------------------------------------------------------------


class TestInfusion:
    def test_without_it_there_is_no_crs_and_with_it_again_there_is(
        self, participant: Participant, alice: User, ivan: User, dana: User, now: dt.datetime
    ) -> None:
        assessed(participant, now - 2 * HOUR, FEBRILE, alice)
        assessed(participant, now - HOUR, PRESSED, alice)
        before = counting(participant)
        infusion = participant.infusions.get()
        dosing.void_infusion(infusion=infusion, reason="another bag", by=dana, now=now)
        assert {grade for _scale, grade in counting(participant)} == {0}
        assert episodes_of(participant) == []
        assert not unanswered().exists()
        anew = current(ToxicityAssessment.objects.filter(participant=participant))
        assert {row.findings["days_since_infusion"] for row in anew} == {-1}
        assert all("GRADED_ANEW" in row.flags and row.corrects_id for row in anew)
        again = factories.infusion_of(
            participant, at=now - 3 * DAY, product=factories.thawed(participant, at=now - 3 * DAY)
        )
        dosing.infuse(infusion=again, deviation_reason="as it was", by=alice, now=now)
        questions.corrected(again, by=alice, now=now)
        assert counting(participant) == before
        assert episodes_of(participant) == [(1, 2)]
        assert unanswered().exists()

    def test_a_corrected_day_moves_the_days_of_the_findings_and_calls_nobody(
        self, participant: Participant, alice: User, ivan: User, now: dt.datetime
    ) -> None:
        assessed(participant, now - HOUR, FEBRILE, alice)
        infusion = participant.infusions.get()
        infusion.infused_at -= DAY
        infusion.ended_at = infusion.ended_at and infusion.ended_at - DAY
        infusion.save()
        messages = Notification.objects.count()
        for _turn in range(2):
            questions.corrected(infusion, by=alice, now=now)
        rows = current(ToxicityAssessment.objects.filter(participant=participant))
        assert {(row.toxicity, row.final_grade, row.findings["days_since_infusion"]) for row in rows} == {
            ("CRS", 1, 4),
            ("ICANS", 0, 4),
        }
        assert ToxicityAssessment.objects.filter(participant=participant).count() == 4, "a second time changes nothing"
        assert Notification.objects.count() == messages
        assert unanswered().count() == 1

    def test_the_preview_tells_it_and_changes_nothing(
        self, participant: Participant, alice: User, dana: User, login: Any, now: dt.datetime
    ) -> None:
        assessed(participant, now - HOUR, FEBRILE, alice)
        page = reverse("admin:dosing_infusion_void", args=[participant.infusions.get().pk])
        text = login(dana).get(page).content.decode()
        assert "is computed anew: CRS grade 1 becomes CRS grade 0" in text
        assert "no assessment supports it any more" in text
        assert counting(participant) == [("CRS", 1), ("ICANS", 0)]

    def test_an_answer_about_a_drug_stays_and_is_named(
        self, participant: Participant, alice: User, dana: User, login: Any, now: dt.datetime
    ) -> None:
        drug = Medication.objects.create(
            participant=participant,
            kind="tocilizumab",
            name="tocilizumab",
            route="iv",
            started_at=now - 5 * HOUR,
            indication="CRS",
            created_by=alice,
        )
        assessed(participant, now - 2 * HOUR, FEBRILE, alice)
        assert questions.rests_on(drug) == ()
        assessed(participant, now - HOUR, PRESSED, alice)
        (said,) = questions.rests_on(drug)
        assert "graded once after this drug" in said


# --- One scale alone ---------------------------------------------------------------------------------


def crs_alone(participant: Participant, at: dt.datetime, by: User, **findings: Any) -> ToxicityAssessment:
    found = CrsFindings(**{"days_since_infusion": 3, "temperature_c": Decimal("38.6"), **findings})
    row = CrsAssessment(participant=participant, assessed_at=at)
    return actions.assess(assessment=row, scale=Scale.CRS, findings=found, by=by, now=at)


class TestOneScale:
    def void(self, row: ToxicityAssessment, by: User, now: dt.datetime) -> None:
        actions.void_assessment(assessment=row, reason="another participant", by=by, now=now)

    def test_episode_and_alert_go_with_it_once(
        self, participant: Participant, alice: User, dana: User, now: dt.datetime
    ) -> None:
        row = crs_alone(participant, now - HOUR, alice)
        self.void(row, dana, now)
        assert (counting(participant), episodes_of(participant)) == ([], [])
        assert SafetyAlert.objects.get().settled_because == SettledBy.VOIDED
        with pytest.raises(Refused, match="void already"):
            self.void(row, dana, now)

    def test_what_the_program_graded_anew_from_it_goes_with_it(
        self, participant: Participant, alice: User, dana: User, now: dt.datetime
    ) -> None:
        later = crs_alone(participant, now - HOUR, alice, temperature_c=Decimal("36.9"), hypotension=True)
        assert counting(participant) == [("CRS", 0)]
        first = crs_alone(participant, now - 2 * HOUR, alice)
        assert counting(participant) == [("CRS", 1), ("CRS", 2)]
        anew = ToxicityAssessment.objects.get(corrects=later)
        self.void(anew, dana, now)
        later.refresh_from_db()
        assert (later.is_void, counting(participant)) == (True, [("CRS", 1)])
        self.void(first, dana, now)
        assert counting(participant) == []

    def test_an_investigators_own_grade_leaves_the_computed_one(
        self, participant: Participant, alice: User, ivan: User, now: dt.datetime
    ) -> None:
        computed = assessed(participant, now - HOUR, FEBRILE, alice).grades.get(toxicity=Scale.CRS)
        own = actions.regrade(assessment=computed, investigator_grade=3, reason="shock", by=ivan, now=now)
        self.void(own, ivan, now)
        assert (counting(participant), episodes_of(participant)) == ([("CRS", 1), ("ICANS", 0)], [(1, 1)])

    def test_a_grade_of_the_bedside_says_what_to_void_instead(
        self, participant: Participant, alice: User, ivan: User, login: Any, now: dt.datetime
    ) -> None:
        row = assessed(participant, now, FEBRILE, alice)
        grade = row.grades.get(toxicity=Scale.CRS)
        with pytest.raises(Refused, match="computed from the bedside assessment"):
            self.void(grade, ivan, now)
        answer = login(ivan).get(reverse("admin:safety_crsassessment_void", args=[grade.pk]))
        assert answer["Location"] == reverse("admin:safety_bedsideassessment_void", args=[row.pk])


# --- The preview -------------------------------------------------------------------------------------


class TestPreview:
    def page(self, row: Record) -> str:
        return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_void", args=[row.pk])

    def test_it_says_all_that_goes_and_changes_nothing(
        self, participant: Participant, alice: User, ivan: User, dana: User, login: Any, now: dt.datetime
    ) -> None:
        row = assessed(participant, now - 2 * HOUR, SHOCKED, alice)
        assessed(participant, now - HOUR, PRESSED, alice)
        proposed(ToxicityEpisode.objects.get(), ivan, now)
        before = counting(participant)
        text = login(dana).get(self.page(row)).content.decode()
        for said in (
            "CRS grade 3 of",
            "no longer counts",
            "CRS grade 2 becomes CRS grade 0",
            "no assessment supports it any more",
            "The open alert “CRS grade 3: new CRS” is settled",
            "not sent yet are withdrawn: 1",
            "Cytokine release syndrome",
            "void it, too, if it did not happen",
            "I have read what rests on this entry",
        ):
            assert said in text, said
        assert (counting(participant), episodes_of(participant)) == (before, [(1, 3)])
        assert Notification.objects.filter(state=NotificationState.QUEUED).exists()

    def test_what_rests_on_it_has_to_be_confirmed(
        self, participant: Participant, alice: User, ivan: User, dana: User, login: Any, now: dt.datetime
    ) -> None:
        row = assessed(participant, now - HOUR, FEBRILE, alice)
        event = proposed(ToxicityEpisode.objects.get(), ivan, now)
        client = login(dana)
        assert client.post(self.page(row), {"reason": "another participant"}).status_code == 200
        row.refresh_from_db()
        assert not row.is_void
        client.post(self.page(row), {"reason": "another participant", "is_confirmed": "on"})
        row.refresh_from_db()
        event.refresh_from_db()
        assert (row.is_void, event.is_void) == (True, False)
        client.post(self.page(event), {"reason": "did not happen"})
        event.refresh_from_db()
        assert event.is_void

    def test_of_a_correction_it_says_that_the_corrected_one_counts_again(
        self, participant: Participant, alice: User, now: dt.datetime
    ) -> None:
        old = assessed(participant, now - HOUR, FEBRILE, alice)
        new = assessed(participant, now - HOUR, seen(), alice, corrects=old, why="typed wrongly")
        said = consequences.of_assessment(new, actions.void_bedside, now=now).follows
        assert any("counts again. If that one is wrong, too, void it next" in line for line in said)
        assert any("CRS grade 1 of" in line and "counts again" in line for line in said)
        assert any("An episode begins" in line for line in said)
        said = consequences.of_assessment(old, actions.void_bedside, now=now).follows
        assert any("does not count: the correction stays" in line for line in said)

    def test_of_an_event_it_says_that_its_episode_asks_for_another(
        self, participant: Participant, alice: User, ivan: User, now: dt.datetime
    ) -> None:
        assessed(participant, now - HOUR, FEBRILE, alice)
        event = proposed(ToxicityEpisode.objects.get(), ivan, now)
        assert "has no adverse event then" in consequences.of_event(event).follows[0]

    def test_it_asks_the_database_as_often_for_one_assessment_as_for_ten(
        self, participant: Participant, alice: User, now: dt.datetime
    ) -> None:
        asked = []
        for number in range(1, 11):
            row = assessed(participant, now - (12 - number) * HOUR, FEBRILE, alice)
            if number in {2, 10}:
                with CaptureQueriesContext(connection) as captured:
                    consequences.of_assessment(row, actions.void_bedside, now=now)
                asked.append(len(captured))
        assert asked[0] == asked[1]


# --- The others --------------------------------------------------------------------------------------


def test_a_discharge_that_was_a_mistake_leaves_the_bedside_due_again(
    site: Site, alice: User, dana: User, now: dt.datetime
) -> None:
    one = factories.infused(site=site, by=alice, now=now)
    later = now + 14 * HOUR
    actions.raise_overdue(now=later)
    alert = SafetyAlert.objects.get(participant=one)
    row = Discharge(participant=one, discharged_at=now + HOUR)
    actions.record_discharge(discharge=row, by=alice, now=later)
    alert.refresh_from_db()
    assert alert.settled_because == SettledBy.OVER
    actions.void_discharge(discharge=row, reason="another participant", by=dana, now=later)
    actions.raise_overdue(now=later)
    alert.refresh_from_db()
    assert alert.state is AlertState.OPEN
    with pytest.raises(Refused, match="void already"):
        actions.void_discharge(discharge=row, reason="again", by=dana, now=later)
    actions.record_discharge(discharge=Discharge(participant=one, discharged_at=now + HOUR), by=alice, now=later)


def test_a_void_correction_of_iec_hs_lets_the_corrected_one_stand(
    participant: Participant, ivan: User, login: Any, now: dt.datetime
) -> None:
    def judged(**more: Any) -> IecHsAssessment:
        row = IecHsAssessment(participant=participant, assessed_at=now, **more)
        return actions.assess_iec_hs(assessment=row, findings=IecHsFindings(), by=ivan, now=now)

    old = judged()
    new = judged(corrects=old, correction_reason="mistyped")
    client = login(ivan)
    page = reverse("admin:safety_iechsassessment_void", args=[new.pk])
    assert "counts again" in client.get(page).content.decode()
    client.post(page, {"reason": "it was right"})
    assert list(current(IecHsAssessment.objects.all())) == [old]
    assert judged(corrects=old, correction_reason="mistyped after all").pk


# --- Everybody's page --------------------------------------------------------------------------------

OURS = [
    page
    for page in admin.site._registry.values()
    if isinstance(page, RecordAdmin) and page.model._meta.app_label == "safety"
]
# Computed from other rows: their page says what to void instead.
COMPUTED = {
    "SafetyAlert": "void or correct the assessment",
    "ToxicityEpisode": "void or correct that one",
    "DataFinding": "correct or void that one",
    "ReportingDuty": "correct or void the event",
}


@pytest.mark.parametrize("page", OURS, ids=lambda page: page.model.__name__)
def test_somebody_can_void_it_or_the_page_says_what_to_void_instead(page: Any) -> None:
    name = page.model.__name__
    if name in COMPUTED:
        said = " ".join(str(options.get("description", "")) for _title, options in page.fieldsets)
        assert COMPUTED[name] in said
        return
    assert page.can_void
    assert "void_record" in page._extract_action_names(page.actions_detail)
    codename = f"void_{page.opts.model_name}"
    assert codename in {name for name, _words in page.model._meta.permissions}
    assert f"safety.{codename}" in ROLE_PERMISSIONS[Role.DATA_MANAGER]
    assert f"safety.{codename}" in ROLE_PERMISSIONS[Role.PRINCIPAL_INVESTIGATOR]
