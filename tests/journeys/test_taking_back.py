"""Every mistake can be taken back, by somebody, after a preview of what goes with it; then the right entry works."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.contrib import admin
from django.urls import reverse
from django.utils import timezone

from dosing import actions as dosing
from dosing.actions.stops import keep_stop, stopped_infusion
from dosing.actions.voids import PLAN_OF_DOSE
from dosing.models import (
    CellProduct,
    DosingHold,
    Infusion,
    InfusionInterruption,
    Leukapheresis,
    LymphodepletionDose,
    Medication,
    ReadinessRuling,
)
from dosing.rules.product import State
from participants import actions
from participants.actions.enrolment import places_given_back
from participants.models import (
    Consent,
    ConsentWithdrawal,
    DeviationKind,
    DiseaseAssessment,
    EligibilityRuling,
    MeasurementImport,
    Participant,
    ProtocolDeviation,
    Reconsent,
    ReconsentState,
    SubsequentTherapy,
    SurvivalContact,
    Visit,
    VisitProcedure,
    VisitState,
    WithdrawalScope,
)
from participants.rules.status import Status
from safety import actions as safety
from safety.actions import due_rounds
from safety.models import (
    CrsAssessment,
    DataFinding,
    Discharge,
    FollowUp,
    FollowUpKind,
    IcansAssessment,
    IecHsAssessment,
    OnCallShift,
    ReportingDuty,
    ReviewKind,
    SafetyAlert,
    Scale,
    ToxicityEpisode,
)
from safety.rules.crs import CrsFindings
from safety.rules.icans import IcansFindings
from safety.rules.iec_hs import IecHsFindings
from tests import factories
from tests.safety.test_bedside import assessed, seen
from tests.safety.test_blood import confirmed as icaht_confirmed
from tests.safety.test_blood import measured
from tests.safety.test_guidance import own as guidance_own
from trialsite import notifications
from trialsite.models import Notification, NotificationState, Record, Site, User
from trialsite.recordadmin import RecordAdmin
from trialsite.refusal import Refused
from trialsite.roles import ROLE_PERMISSIONS, Role
from trialsite.voiding import Consequences

DAY, HOUR = dt.timedelta(days=1), dt.timedelta(hours=1)
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("english")]

RECORDS = [page for page in admin.site._registry.values() if isinstance(page, RecordAdmin)]
PAGES = [page for page in RECORDS if page.can_void]


@pytest.fixture
def moment(time_machine: Any) -> dt.datetime:
    """Pages ask the clock, and at night nobody is reminded: these journeys begin at noon."""
    noon = noon_of_today()
    time_machine.move_to(noon)
    return noon


def noon_of_today() -> dt.datetime:
    return timezone.localtime().replace(hour=12, minute=0, second=0, microsecond=0)


@pytest.fixture
def infused(site: Site, ivan: User, moment: dt.datetime) -> Participant:
    return infused_at(site, ivan, moment)


def infused_at(site: Site, ivan: User, moment: dt.datetime) -> Participant:
    """Planned for today, infused five days before: as somebody writes it into the wrong record."""
    one = factories.enrolled(site=site, by=ivan, now=moment - 25 * DAY)
    one = actions.plan_infusion(participant=one, on=on(moment - 2 * DAY), by=ivan, now=moment - 20 * DAY)
    dosing.infuse(infusion=factories.infusion_of(one, at=moment - 5 * DAY), by=ivan, now=moment)
    one.refresh_from_db()
    return one


def on(at: dt.datetime) -> dt.date:
    return timezone.localtime(at).date()


def newest_status(participant: Participant) -> str:
    return actions.standing_statuses(participant)[-1].status


def all_of(consequences: Consequences) -> str:
    return " ".join([*consequences.follows, *consequences.rests])


# --- every page ------------------------------------------------------------------------------------


def test_only_what_is_computed_from_other_entries_cannot_be_voided() -> None:
    """Their pages say what to void instead."""
    assert {page.model for page in RECORDS} - {page.model for page in PAGES} == {
        SafetyAlert,
        ToxicityEpisode,
        DataFinding,
        ReportingDuty,
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.opts.label)
def test_every_entry_can_be_voided_by_somebody_and_the_page_says_who(page: Any) -> None:
    assert page.permission("void").split(".")[1] in dict(page.opts.permissions), "the permission is declared"
    assert Role.DATA_MANAGER in page.roles_that_void()
    assert (
        "void_record" in page._extract_action_names(page.actions_detail)
        or page.opts.label == "participants.Examination"
    )


def lived(participant: Participant, by: User, now: dt.datetime) -> None:
    """One row at least of every kind that a page of ours shows."""
    row: dict[str, Any] = {"created_by": by, "created_at": now}
    mine: dict[str, Any] = {"participant": participant, **row}
    d1 = participant.visits.get(code="D1")
    d1.state, d1.occurred_on = VisitState.DONE, d1.target_date
    actions.record_visit(visit=d1, by=by, now=now)
    Reconsent.objects.create(
        cause="new_version", version="9.9", opens_on=on(now), due_on=on(now), state=ReconsentState.OPEN, **mine
    )
    EligibilityRuling.objects.create(
        check_name="INCL01", kind="judgement", is_met=True, reason="seen", basis="x", **mine
    )
    ReadinessRuling.objects.create(line="fitness", basis="x", reason="seen", **mine)
    DosingHold.objects.create(reason="wait", **mine)
    Leukapheresis.objects.create(started_at=now - HOUR, ended_at=now, **mine)
    InfusionInterruption.objects.create(
        infusion=participant.infusions.get(), stopped_at=now - 5 * DAY, reason="fever", **row
    )
    Medication.objects.create(
        kind="antipyretic", name="paracetamol", route="po", started_at=now - HOUR, indication="fever", **mine
    )
    second = factories.thawed(participant, at=now - DAY)
    dosing.move_product(product=second, new=State.DISCARDED, at=now - HOUR, reason="broken", by=by, now=now)
    keep_stop(stopped_infusion(participant, second, "not this bag"), by=by, now=now)
    suffered(participant, by, now)
    followed(mine, now)
    withdrawal = ConsentWithdrawal(
        participant=participant,
        withdrawn_at=now,
        scope=WithdrawalScope.VISITS,
        may_keep_samples=True,
        may_contact=True,
    )
    actions.withdraw_consent(withdrawal=withdrawal, by=by, now=now)
    seen_by_hand = ProtocolDeviation(
        participant=participant, kind=DeviationKind.SAMPLE, occurred_on=on(now), description="x", reason="x"
    )
    actions.add_deviation(deviation=seen_by_hand, by=by, now=now)


def followed(mine: dict[str, Any], now: dt.datetime) -> None:
    """How the leukaemia was found, what else it was treated with, and who was asked about the participant."""
    day = f"{on(now)}"
    DiseaseAssessment.objects.create(
        assessed_on=day,
        marrow="not_done",
        blood_blasts="absent",
        extramedullary="absent",
        transfusion="no",
        mrd="not_done",
        **mine,
    )
    SubsequentTherapy.objects.create(started_on=day, kind="other", name="x", reason="other", **mine)
    SurvivalContact.objects.create(contacted_on=on(now), means="phone", vital="no_answer", **mine)


def suffered(participant: Participant, by: User, now: dt.datetime) -> None:
    """What the pages of safety show: assessed at the bed, on each scale alone and in the blood, with what follows."""
    assessed(participant, now - 3 * HOUR, seen(temperature_c=Decimal("38.6")), by)
    weight = {"outcome": "recovering"}
    refused = VisitProcedure(participant=participant, visit_code="D28", code="MARROW", state="not_done")
    refused.not_done_reason = "refused"
    actions.record_procedure(row=refused, by=by, now=now)
    safety.propose_event(episode=ToxicityEpisode.objects.get(), site_aware_at=now, by=by, now=now, **weight)
    crs = CrsAssessment(participant=participant, assessed_at=now - 2 * HOUR)
    fever = CrsFindings(days_since_infusion=5, temperature_c=Decimal("38.6"))
    safety.assess(assessment=crs, scale=Scale.CRS, findings=fever, by=by, now=now)
    writes_not = IcansFindings(age_years=40, orientation=4, naming=3, commands=1, writing=0, attention=1)
    icans = IcansAssessment(participant=participant, assessed_at=now - 2 * HOUR)
    safety.assess(assessment=icans, scale=Scale.ICANS, findings=writes_not, by=by, now=now)
    iec_hs = IecHsAssessment(participant=participant, assessed_at=now - HOUR)
    safety.assess_iec_hs(assessment=iec_hs, findings=IecHsFindings(), by=by, now=now)
    measured(participant, now - 2 * HOUR, NEUT="0.4")
    icaht_confirmed(participant, by, now)
    safety.record_discharge(discharge=Discharge(participant=participant, discharged_at=now - HOUR), by=by, now=now)
    row: dict[str, Any] = {"created_by": by, "created_at": now}
    OnCallShift.objects.create(site=participant.site, person=by, starts_at=now, ends_at=now + 8 * HOUR, **row)
    guidance_own(participant.site, by, now)
    reported(participant, by, now)


def reported(participant: Participant, by: User, now: dt.datetime) -> None:
    """A serious event with its course, its drug, what became known later, a question, a report and a signature."""
    event = factories.judged_event(participant, by=by, now=now, is_life_threatening=True, grade=3)
    safety.record_grade(event=event, grade=1, since=f"{on(now):%Y-%m-%d}", by=by, now=now)
    safety.link_medications(event=event, medications=Medication.objects.all(), by=by, now=now)
    later = FollowUp(event=event, learned_at=now, kind=FollowUpKind.NEW_INFORMATION, what="it hurts less")
    safety.add_followup(followup=later, by=by, now=now)
    safety.ask_about(event=event, question="since when?", by=by, now=now)
    factories.reference_safety(participant.site, by=by, now=now)
    owed = safety.open_duties().filter(event=event)[:1]
    safety.submit_report(duties=owed, submitted_at=now, reference="2026-1", by=by, now=now)
    safety.sign_event(event=event, kind=ReviewKind.ASSESSMENT, by=by, now=now)


def test_what_was_seen_at_the_bed_since_an_infusion_is_asked_about(
    infused: Participant, ivan: User, moment: dt.datetime
) -> None:
    infusion = infused.infusions.get()
    assert not dosing.infusion_consequences(infusion).rests
    assessed(infused, moment - 6 * DAY, seen(), ivan)
    assert not dosing.infusion_consequences(infusion).rests, "before the cells"
    assessed(infused, moment - HOUR, seen(), ivan)
    (sentence,) = dosing.infusion_consequences(infusion).rests
    assert "assessed once since this infusion" in sentence


def test_who_may_not_void_reads_who_may(infused: Participant, alice: User, dana: User, login: Any) -> None:
    infusion = infused.infusions.get()
    path = reverse("admin:dosing_infusion_change", args=[infusion.pk])
    text = login(alice).get(path).content.decode()
    assert "can be voided by: Investigator, Principal investigator, Data manager" in text
    text = login(dana).get(path).content.decode()
    assert "can be voided by" not in text


def test_what_only_follows_says_what_to_void_instead(infused: Participant, dana: User, login: Any) -> None:
    client = login(dana)
    status = infused.statuses.get(status=Status.INFUSED)
    path = reverse("admin:participants_participantstatus_change", args=[status.pk])
    assert "Void the infusion" in client.get(path).content.decode()
    void_page = reverse("admin:participants_participantstatus_void", args=[status.pk])
    assert "Void the infusion" in client.get(void_page, follow=True).content.decode()
    with pytest.raises(Refused, match="Void the infusion"):
        actions.void_status(row=status, reason="x", by=dana, now=timezone.now())
    planned = infused.visits.get(code="D28")
    with pytest.raises(Refused, match="follows from Day 0"):
        actions.void_visit(visit=planned, reason="x", by=dana, now=timezone.now())


def waiting() -> list[Notification]:
    """The messages that will leave: what a waiting one is about is compared again then."""
    queued = Notification.objects.filter(state=NotificationState.QUEUED)
    return [one for one in queued if notifications.still_wanted(one) is None]


# --- the infusion ----------------------------------------------------------------------------------


def test_an_infusion_of_the_wrong_person_takes_everything_back(
    site: Site, infused: Participant, alice: User, ivan: User, dana: User, moment: dt.datetime
) -> None:
    infusion = infused.infusions.get()
    d1 = infused.visits.get(code="D1")
    d1.state, d1.occurred_on = VisitState.DONE, d1.target_date
    actions.record_visit(visit=d1, by=ivan, now=moment)
    actions.remind_of_visits(now=moment)
    assert Notification.objects.filter(state=NotificationState.QUEUED).exists()
    dose = {"kind": DeviationKind.DOSE, "about": f"infusion:{infusion.pk}", "description": "x", "reason": "x"}
    actions.report_deviation(participant=infused, **dose, by=ivan, now=moment)
    text = all_of(dosing.infusion_consequences(infusion))
    for words in ("from “Infused” to “Enrolled”", "planned visits are withdrawn", "stay: D1", infusion.product_lot):
        assert words in text
    dosing.void_infusion(infusion=infusion, reason="wrong person", by=dana, now=moment)
    infused.refresh_from_db()
    assert (infused.status, newest_status(infused)) == (Status.ENROLLED, Status.ENROLLED)
    assert infused.planned_infusion_on == on(moment - 2 * DAY), "as it was planned"
    assert [visit.code for visit in infused.visits.standing()] == ["D1"]
    assert not Visit.objects.owed().exists()
    assert not waiting()
    assert not infused.deviations.standing().filter(about=f"infusion:{infusion.pk}").exists()
    product = infused.products.get()
    assert (product.state, product.steps.standing().latest("id").state) == (State.THAWED, State.THAWED)
    assert product.steps.get(state=State.INFUSED).void_reason == "wrong person"
    assert not [due for due in due_rounds(Site.objects.all(), moment) if due.participant == infused and due.round]
    with pytest.raises(Refused, match="void already"):
        dosing.void_infusion(infusion=infusion, reason="again", by=dana, now=moment)


def test_after_the_void_the_same_lot_is_given_rightly(
    infused: Participant, ivan: User, dana: User, moment: dt.datetime
) -> None:
    wrong = infused.infusions.get()
    dosing.void_infusion(infusion=wrong, reason="another day", by=dana, now=moment)
    right = factories.infusion_of(infused, at=moment - HOUR, product=infused.products.get())
    result = dosing.infuse(infusion=right, deviation_reason="signed on paper", by=ivan, now=moment)
    infused.refresh_from_db()
    assert (infused.status, infused.planned_infusion_on) == (Status.INFUSED, on(moment - HOUR))
    assert result.day0 == on(moment - HOUR)
    assert len(result.new_visits) == infused.visits.standing().count() > 20
    assert infused.products.get().state == State.INFUSED


def test_a_split_dose_is_taken_back_from_its_end(
    infused: Participant, ivan: User, dana: User, moment: dt.datetime
) -> None:
    first = infused.infusions.get()
    part = factories.infusion_of(infused, at=moment - 4 * DAY, product=factories.thawed(infused, at=moment - 4 * DAY))
    part.occasion, part.occasion_reason = "split", "fever"
    dosing.infuse(infusion=part, deviation_reason="two bags", by=ivan, now=moment)
    asked = dosing.infusion_consequences(first)
    assert "goes on from it" in all_of(asked)
    assert asked.rests, "to void the first before its part is asked about"
    first.refresh_from_db()
    assert first.dose_band == "OUT_HIGH", "two bags of 0.5 are too much"
    dosing.void_infusion(infusion=part, reason="not given", by=dana, now=moment)
    first.refresh_from_db()
    infused.refresh_from_db()
    assert (first.dose_band, infused.status) == ("NOMINAL", Status.INFUSED)
    assert dosing.day0_of(infused) == first.day


def test_day_0_is_that_of_the_infusion_that_stays(
    infused: Participant, ivan: User, dana: User, moment: dt.datetime
) -> None:
    first = infused.infusions.get()
    part = factories.infusion_of(infused, at=moment - 3 * DAY, product=factories.thawed(infused, at=moment - 3 * DAY))
    part.occasion, part.occasion_reason = "split", "fever"
    dosing.infuse(infusion=part, deviation_reason="two bags", by=ivan, now=moment)
    before = infused.visits.standing().get(code="D28").target_date
    assert "Day 0 is then" in all_of(dosing.infusion_consequences(first))
    dosing.void_infusion(infusion=first, reason="never given", by=dana, now=moment)
    infused.refresh_from_db()
    assert infused.visits.standing().get(code="D28").target_date == before + 2 * DAY
    assert (infused.status, infused.planned_infusion_on) == (Status.INFUSED, part.day)
    assert not infused.deviations.standing().filter(kind=DeviationKind.DOSE).exists(), "one bag is not too much"


def test_what_rests_on_the_infusion_comes_first(
    infused: Participant, ivan: User, dana: User, moment: dt.datetime
) -> None:
    """From "enrolled" nobody completes the study: that must be taken back before."""
    d28 = infused.visits.get(code="D28")
    d28.state, d28.occurred_on = VisitState.DONE, on(moment)
    actions.record_visit(visit=d28, deviation_reason="early", by=ivan, now=moment)
    infused.refresh_from_db()
    assert infused.status == Status.IN_FOLLOW_UP
    change(infused, Status.COMPLETED, ivan, moment)
    infusion = infused.infusions.get()
    with pytest.raises(Refused, match=r"“Completed”.*Take that back first"):
        dosing.void_infusion(infusion=infusion, reason="x", by=dana, now=moment)
    infusion.refresh_from_db()
    assert not infusion.is_void, "nothing was changed"


def change(participant: Participant, new: Status, by: User, now: dt.datetime) -> Any:
    return actions.change_status(participant=participant, new=new, on=on(now), reason="x", by=by, now=now)


# --- other treatment -------------------------------------------------------------------------------


def given(participant: Participant, by: User, now: dt.datetime) -> LymphodepletionDose:
    dose = LymphodepletionDose(
        participant=participant,
        drug="flu",
        number=1,
        planned_on=on(now),
        mg_m2=30,
        height_cm=170,
        weight_kg=65,
        bsa_m2=Decimal("1.7521"),
        bsa_formula="mosteller",
        planned_mg=Decimal("52.6"),
        created_by=by,
    )
    dose.save()
    dose.state, dose.given_at, dose.given_mg = "given", now, Decimal("52.6")
    return dosing.record_dose(dose=dose, deviation_reason="no check", by=by, now=now)


def test_a_dose_of_lymphodepletion_is_planned_again_and_its_status_goes(
    site: Site, ivan: User, dana: User, moment: dt.datetime
) -> None:
    one = factories.enrolled(site=site, by=ivan, now=moment - DAY)
    dose = given(one, ivan, moment)
    one.refresh_from_db()
    assert one.status == Status.LYMPHODEPLETED
    assert one.deviations.standing().count() == 1
    text = all_of(dosing.dose_consequences(dose))
    for words in ("planned again", "from “Lymphodepleted” to “Enrolled”", "1 protocol deviation"):
        assert words in text
    dosing.void_dose(dose=dose, reason="wrong person", by=dana, now=moment)
    one.refresh_from_db()
    assert (one.status, newest_status(one)) == (Status.ENROLLED, Status.ENROLLED)
    again = one.lymphodepletion_doses.standing().get()
    assert (again.state, again.planned_mg, again.given_at) == ("planned", dose.planned_mg, None)
    assert not one.deviations.standing().exists()
    with pytest.raises(Refused, match="void already"):
        dosing.void_dose(dose=dose, reason="again", by=dana, now=moment)
    again.state, again.given_at, again.given_mg = "given", moment, Decimal("52.6")
    dosing.record_dose(dose=again, deviation_reason="no check", by=ivan, now=moment)
    one.refresh_from_db()
    assert one.status == Status.LYMPHODEPLETED, "the right entry works"


def test_all_that_was_planned_of_a_dose_is_planned_again() -> None:
    of_every_record = {field.name for field in Record._meta.fields} | {"id"}
    became = {"state", "given_at", "given_mg", "change_reason"}
    fields = {field.name for field in LymphodepletionDose._meta.concrete_fields}
    assert set(PLAN_OF_DOSE) == fields - of_every_record - became


def test_one_of_two_doses_leaves_the_status(site: Site, ivan: User, dana: User, moment: dt.datetime) -> None:
    one = factories.enrolled(site=site, by=ivan, now=moment - DAY)
    dose = given(one, ivan, moment)
    other = LymphodepletionDose.objects.create(
        **{name: getattr(dose, name) for name in PLAN_OF_DOSE} | {"number": 2, "created_by": ivan}
    )
    other.state, other.given_at, other.given_mg = "given", moment, Decimal("52.6")
    dosing.record_dose(dose=other, deviation_reason="no check", by=ivan, now=moment)
    dosing.void_dose(dose=dose, reason="not given", by=dana, now=moment)
    one.refresh_from_db()
    assert one.status == Status.LYMPHODEPLETED


def test_a_product_that_was_given_asks_and_becomes_a_deviation(
    infused: Participant, dana: User, moment: dt.datetime
) -> None:
    product = infused.products.get()
    assert "It was given on" in " ".join(dosing.product_consequences(product).rests)
    dosing.void_product(product=product, reason="another lot", by=dana, now=moment)
    deviation = infused.deviations.standing().get(kind=DeviationKind.VOIDED)
    assert "It was given on" in deviation.description
    assert deviation.reason == "another lot"
    assert dosing.product_of_lot(product.lot) is None
    assert not product.steps.standing().exists()
    assert not product.identity_checks.standing().exists()


def test_a_product_that_was_not_given_goes_quietly(site: Site, ivan: User, dana: User, moment: dt.datetime) -> None:
    one = factories.enrolled(site=site, by=ivan, now=moment - DAY)
    product = factories.thawed(one, at=moment)
    assert dosing.product_consequences(product).rests == ()
    dosing.void_product(product=product, reason="typing error", by=dana, now=moment)
    assert not ProtocolDeviation.objects.exists()
    assert factories.thawed(one, at=moment, lot=product.lot).pk, "the lot is free for the right entry"


def test_only_the_newest_step_of_a_product_is_taken_back(
    site: Site, ivan: User, dana: User, moment: dt.datetime
) -> None:
    one = factories.enrolled(site=site, by=ivan, now=moment - 9 * DAY)
    product = CellProduct(participant=one, chain_of_identity="COI-1", lot="L-1")
    dosing.order_product(product=product, at=moment - 9 * DAY, by=ivan, now=moment)
    row = Leukapheresis(participant=one, started_at=moment - 8 * DAY, ended_at=moment - 8 * DAY)
    dosing.record_leukapheresis(row=row, by=ivan, now=moment)
    made = dosing.move_product(product=product, new=State.IN_MANUFACTURE, at=moment - 7 * DAY, by=ivan, now=moment)
    ordered, collected = product.steps.standing().order_by("id")[:2]
    with pytest.raises(Refused, match="Only the newest step"):
        dosing.void_step(step=collected, reason="x", by=dana, now=moment)
    with pytest.raises(Refused, match="begins with its order"):
        dosing.void_step(step=ordered, reason="x", by=dana, now=moment)
    assert "was made from it" in " ".join(dosing.leukapheresis_consequences(row).rests)
    dosing.void_step(step=made, reason="not yet", by=dana, now=moment)
    product.refresh_from_db()
    assert product.state == State.COLLECTED
    assert "waits for its cells again" in all_of(dosing.leukapheresis_consequences(row))
    dosing.void_leukapheresis(row=row, reason="another person's", by=dana, now=moment)
    product.refresh_from_db()
    assert (product.state, product.leukapheresis) == (State.ORDERED, None)
    right = Leukapheresis(participant=one, started_at=moment - 6 * DAY, ended_at=moment - 6 * DAY)
    dosing.record_leukapheresis(row=right, by=ivan, now=moment)
    product.refresh_from_db()
    assert (product.state, product.leukapheresis) == (State.COLLECTED, right)


@pytest.mark.parametrize("kind", ["fitness_checks", "identity_checks"])
def test_a_check_that_an_infusion_rested_on_becomes_a_deviation(
    kind: str, infused: Participant, dana: User, moment: dt.datetime
) -> None:
    row = getattr(infused, kind).first()
    assert "was given on it" in " ".join(dosing.check_consequences(row).rests)
    dosing.void_check(row=row, reason="another person", by=dana, now=moment)
    assert infused.deviations.standing().get(kind=DeviationKind.VOIDED).reason == "another person"


def test_a_dose_too_many_of_tocilizumab_takes_its_warnings_back(
    infused: Participant, ivan: User, dana: User, moment: dt.datetime
) -> None:
    def dose(at: dt.datetime) -> Medication:
        row = Medication(
            participant=infused, kind="tocilizumab", name="toci", route="iv", started_at=at, indication="CRS"
        )
        return dosing.record_medication(medication=row, is_accepted=True, by=ivan, now=moment)

    wrong, right = dose(moment - 3 * HOUR), dose(moment - HOUR)
    assert right.warning
    dosing.void_medication(medication=wrong, reason="not given", by=dana, now=moment)
    right.refresh_from_db()
    assert right.warning == ""


# --- statuses --------------------------------------------------------------------------------------


@pytest.mark.parametrize("new", [Status.DIED, Status.WITHDRAWN, Status.LOST_TO_FOLLOW_UP, Status.RELAPSED])
def test_a_status_entered_by_mistake_goes_back_with_all_that_it_closed(
    new: Status, infused: Participant, alice: User, ivan: User, dana: User, moment: dt.datetime
) -> None:
    actions.remind_of_visits(now=moment)
    owed = set(Visit.objects.owed().values_list("code", flat=True))
    queued = set(Notification.objects.filter(state=NotificationState.QUEUED).values_list("dedupe_key", flat=True))
    row = change(infused, new, ivan, moment)
    text = all_of(actions.status_consequences(row))
    assert "to “Infused”" in text
    assert ("are due again" in text) == (new is not Status.RELAPSED)
    actions.void_status(row=row, reason="wrong person", by=dana, now=moment)
    infused.refresh_from_db()
    assert (infused.status, newest_status(infused)) == (Status.INFUSED, Status.INFUSED)
    assert set(Visit.objects.owed().values_list("code", flat=True)) == owed
    assert queued
    waiting = Notification.objects.filter(state=NotificationState.QUEUED)
    assert set(waiting.values_list("dedupe_key", flat=True)) == queued
    assert row.void_reason == "wrong person"
    with pytest.raises(Refused, match="void already"):
        actions.void_status(row=row, reason="again", by=dana, now=moment)


def test_what_was_planned_is_planned_again(site: Site, ivan: User, dana: User, moment: dt.datetime) -> None:
    one = factories.enrolled(site=site, by=ivan, now=moment)
    one = actions.plan_infusion(participant=one, on=on(moment + 9 * DAY), by=ivan, now=moment)
    row = change(one, Status.WITHDRAWN, ivan, moment)
    one.refresh_from_db()
    assert one.planned_infusion_on is None
    assert "The planned infusion is again" in all_of(actions.status_consequences(row))
    actions.void_status(row=row, reason="wrong person", by=dana, now=moment)
    one.refresh_from_db()
    assert (one.status, one.planned_infusion_on) == (Status.ENROLLED, on(moment + 9 * DAY))


def test_only_the_newest_status_is_taken_back(
    infused: Participant, ivan: User, dana: User, moment: dt.datetime
) -> None:
    relapsed = change(infused, Status.RELAPSED, ivan, moment)
    change(infused, Status.DIED, ivan, moment)
    with pytest.raises(Refused, match=r"Only the newest.*“Died”"):
        actions.void_status(row=relapsed, reason="x", by=dana, now=moment)


def test_a_screen_failure_is_taken_back(site: Site, ivan: User, dana: User, moment: dt.datetime) -> None:
    one = factories.consented(site=site, by=ivan, now=moment)
    row = actions.fail_screening(participant=one, reason="x", on=on(moment), by=ivan, now=moment)
    actions.void_status(row=row, reason="wrong person", by=dana, now=moment)
    one.refresh_from_db()
    assert one.status == Status.SCREENING
    change(one, Status.WITHDRAWN, ivan, moment)


def test_who_was_screened_again_by_mistake_is_screened_again_rightly(
    site: Site, ivan: User, dana: User, moment: dt.datetime
) -> None:
    one = factories.consented(site=site, by=ivan, now=moment)
    row = actions.fail_screening(participant=one, reason="x", on=on(moment), by=ivan, now=moment)
    wrong = actions.rescreen(participant=one, by=ivan, now=moment)
    assert f"Screened again as {wrong.number}" in all_of(actions.status_consequences(row))
    with pytest.raises(Refused, match="screened again already"):
        actions.rescreen(participant=one, by=ivan, now=moment)
    actions.void_participant(participant=wrong, reason="pressed twice", by=dana, now=moment)
    assert actions.rescreen(participant=one, by=ivan, now=moment).rescreening_of == one


def test_an_enrolment_is_taken_back_and_its_place_is_free(
    site: Site, ivan: User, dana: User, moment: dt.datetime
) -> None:
    one = factories.enrolled(site=site, by=ivan, now=moment - 5 * DAY)
    row = one.statuses.get(status=Status.ENROLLED)
    assert "place in the study is free" in all_of(actions.status_consequences(row))
    actions.void_status(row=row, reason="too early", by=dana, now=moment)
    one.refresh_from_db()
    assert (one.status, one.participant_number) == (Status.SCREENING, None)
    again = actions.enrol(participant=one, by=ivan, now=moment)
    assert again.participant_number == "ZJ-002", "no number is used twice"
    assert places_given_back() == 1
    first = again.statuses.standing().get(status=Status.ENROLLED)
    for days in (1, 2):
        before = on(moment - days * DAY)
        first = actions.correct_day(row=first, on=before, reason="the day before", by=ivan, now=moment)
        assert places_given_back() == 1, "it is the same enrolment on another day"
    actions.void_status(row=first, reason="too early", by=dana, now=moment)
    assert places_given_back() == 2


def test_a_withdrawal_of_consent_is_taken_back(
    infused: Participant, ivan: User, dana: User, moment: dt.datetime
) -> None:
    def withdrawal() -> ConsentWithdrawal:
        return actions.withdraw_consent(
            withdrawal=ConsentWithdrawal(
                participant=infused,
                withdrawn_at=moment,
                scope=WithdrawalScope.EVERYTHING,
                may_keep_samples=False,
                may_contact=False,
            ),
            by=ivan,
            now=moment,
        )

    owed = Visit.objects.owed().count()
    row = withdrawal()
    infused.refresh_from_db()
    assert (infused.status, Visit.objects.owed().count()) == (Status.WITHDRAWN, 0)
    status = infused.statuses.get(status=Status.WITHDRAWN)
    assert "Void the withdrawal" in actions.instead_of_status(status)
    actions.void_withdrawal(withdrawal=row, reason="wrong person", by=dana, now=moment)
    infused.refresh_from_db()
    assert (infused.status, Visit.objects.owed().count()) == (Status.INFUSED, owed)
    assert actions.has_consent(infused, at=moment)
    assert withdrawal().pk, "the right one can be recorded"


# --- visits and consent ----------------------------------------------------------------------------


def test_a_visit_done_by_mistake_is_planned_again_with_its_reminders(
    infused: Participant, alice: User, ivan: User, dana: User, moment: dt.datetime
) -> None:
    d28 = infused.visits.get(code="D28")
    d28.state, d28.occurred_on = VisitState.DONE, on(moment)
    actions.record_visit(visit=d28, deviation_reason="early", by=ivan, now=moment)
    infused.refresh_from_db()
    assert (infused.status, infused.deviations.standing().count()) == (Status.IN_FOLLOW_UP, 1)
    text = all_of(actions.visit_consequences(d28))
    for words in ("D28 is planned again", "1 protocol deviation", "to “Infused”"):
        assert words in text
    again = actions.void_visit(visit=d28, reason="another person", by=dana, now=moment)
    infused.refresh_from_db()
    assert (infused.status, newest_status(infused)) == (Status.INFUSED, Status.INFUSED)
    assert not infused.deviations.standing().exists()
    assert (again.state, again.target_date, again.occurred_on) == (VisitState.PLANNED, d28.target_date, None)
    actions.remind_of_visits(now=moment + 22 * DAY)
    (told,) = again.reminders.all()
    assert told.message in waiting()
    with pytest.raises(Refused, match="void already"):
        actions.void_visit(visit=d28, reason="again", by=dana, now=moment)


def test_the_only_consent_of_somebody_infused_asks_and_becomes_a_deviation(
    infused: Participant, dana: User, moment: dt.datetime
) -> None:
    consent = infused.consents.get()
    rests = " ".join(actions.consent_consequences(consent).rests)
    assert "only consent" in rests
    assert "“Infused”" in rests
    actions.void_consent(consent=consent, reason="another person's form", by=dana, now=moment)
    deviation = infused.deviations.standing().get(kind=DeviationKind.VOIDED)
    assert "only consent" in deviation.description
    assert deviation.reason == "another person's form"


def test_a_consent_beside_another_goes_quietly_and_its_duty_comes_back(
    infused: Participant, ivan: User, dana: User, moment: dt.datetime
) -> None:
    second = Consent(participant=infused, version="1.0", consented_at=moment)
    actions.record_consent(consent=second, by=ivan, now=moment)
    duty = Reconsent.objects.create(
        participant=infused,
        cause="new_version",
        version="9.9",
        opens_on=on(moment),
        due_on=on(moment),
        state=ReconsentState.DONE,
        settled_by=second,
        created_by=ivan,
    )
    asked = actions.consent_consequences(second)
    assert asked.rests == ()
    assert "owed again" in all_of(asked)
    assert "void that consent" in actions.instead_of_reconsent(duty)
    actions.void_consent(consent=second, reason="mistake", by=dana, now=moment)
    duty.refresh_from_db()
    assert (duty.state, duty.settled_by) == (ReconsentState.OPEN, None)
    assert not infused.deviations.standing().filter(kind=DeviationKind.VOIDED).exists()


def test_results_that_eligibility_was_signed_on_ask(site: Site, ivan: User, dana: User, moment: dt.datetime) -> None:
    one = factories.confirmed(site=site, by=ivan, now=moment)
    weight = one.examinations.filter(measurements__code="ECOG").first()
    asked = actions.examination_consequences(weight)
    assert asked.rests == ()
    assert "confirmed again" in all_of(asked)
    one = actions.enrol(participant=one, by=ivan, now=moment)
    row = weight.measurements.get(code="ECOG")
    assert "was enrolled on it" in " ".join(actions.measurement_consequences(row).rests)
    actions.void_measurement(row=row, reason="another person's", by=dana, now=moment)
    assert one.deviations.standing().get(kind=DeviationKind.VOIDED).reason == "another person's"
    confirmation = one.confirmations.get()
    assert "was enrolled on it" in " ".join(actions.decision_consequences(confirmation).rests)


# --- a participant who should not be there ---------------------------------------------------------


def test_a_void_participant_is_nowhere(
    site: Site, infused: Participant, alice: User, dana: User, moment: dt.datetime, login: Any
) -> None:
    actions.remind_of_visits(now=moment)
    number = infused.number
    client = login(dana)
    assert number in client.get("/admin/").content.decode()
    page = admin.site._registry[Participant]
    asked = client.get(page.url("void", infused.pk))
    assert "was infused on" in asked.content.decode()
    assert "visits: " in asked.content.decode()
    posted = client.post(page.url("void", infused.pk), {"reason": "no such person", "is_confirmed": "on"})
    assert posted.status_code == 302
    assert number not in client.get("/admin/").content.decode()
    assert not Visit.objects.owed().exists()
    assert not waiting()
    later = moment + 20 * DAY
    assert sum(actions.remind_of_visits(now=later).values()) == 0
    assert actions.remind_of_reconsents(now=later) == {"owed": 0, "queued": 0}
    assert not [due for due in due_rounds(Site.objects.all(), moment) if due.participant == infused]
    assert places_given_back() == 1
    lists = {one.model: one for one in admin.site._registry.values() if isinstance(one, RecordAdmin)}
    for model, one in lists.items():
        path = reverse(f"admin:{one.opts.app_label}_{one.opts.model_name}_changelist")
        assert number not in client.get(path).content.decode(), model
        if model in (Infusion, Visit, Consent):
            assert number in client.get(f"{path}?void=only").content.decode(), "whoever looks for them finds them"
    for name, shown in (
        ("participants_screeninglogentry", infused.screening_number),
        ("participants_enrolmentlogentry", number),
    ):
        path, file = reverse(f"admin:{name}_changelist"), reverse(f"admin:{name}_export")
        assert shown not in client.get(path).content.decode()
        for query, is_in in (("", False), ("?void=all", True)):
            exported = client.post(f"{file}{query}", {"format": "csv"})
            assert (shown.encode() in b"".join(exported.streaming_content)) is is_in
        assert shown in client.get(f"{path}?void=all").content.decode()
    query = {"app_label": "dosing", "model_name": "infusion", "field_name": "participant", "term": "ZJ"}
    assert client.post(reverse("admin:autocomplete"), query).json()["results"] == []
    form = login(alice).get(reverse("admin:dosing_infusion_add")).context_data["adminform"].form
    assert infused not in form.fields["participant"].queryset
    # Whoever follows an old link still reads what was there.
    for row in (infused, infused.visits.first(), infused.infusions.get(), infused.consents.get()):
        path = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
        assert client.get(path).status_code == 200
    for name in ("dosing_timeline", "dosing_readiness", "safety_course", "participants_participant_eligibility"):
        assert client.get(reverse(f"admin:{name}", args=[infused.pk])).status_code in (200, 404), name


def test_the_lot_of_a_void_participant_is_free_for_the_right_one(
    site: Site, infused: Participant, ivan: User, dana: User, moment: dt.datetime
) -> None:
    """The same person was entered twice, and all that was given stands under the wrong number."""
    lot = infused.products.get().lot
    actions.void_participant(participant=infused, reason="entered twice", by=dana, now=moment)
    right = factories.enrolled(site=site, by=ivan, now=moment - 20 * DAY)
    product = factories.thawed(right, at=moment - HOUR, lot=lot)
    factories.make_ready(right, product, at=moment - HOUR)
    dosing.infuse(infusion=factories.infusion_of(right, at=moment - HOUR, product=product), by=ivan, now=moment)
    right.refresh_from_db()
    assert right.status == Status.INFUSED
    assert dosing.product_of_lot(lot) == product


def test_roles_hold_only_voids_that_exist() -> None:
    """An import is no record: its page has a void of its own."""
    imports = {admin.site._registry[MeasurementImport].permission("void")}
    known = {page.permission("void") for page in PAGES} | imports
    held = {name for granted in ROLE_PERMISSIONS.values() for name in granted if ".void_" in name}
    assert held <= known
