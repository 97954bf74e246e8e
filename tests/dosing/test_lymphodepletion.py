"""Lymphodepletion: planned from the body and the study's regimen, recorded dose by dose."""

import datetime as dt
import re
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from dosing import actions
from dosing.models import DoseState, LymphodepletionDose
from participants.actions import plan_infusion
from participants.models import Participant
from participants.rules.status import Status
from tests import factories
from trialsite.models import Site, User
from trialsite.refusal import Refused

DAY, HOUR = dt.timedelta(days=1), dt.timedelta(hours=1)
INFUSION = dt.date(2026, 3, 12)
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("english")]


def planned_for(site: Site, by: User, now: dt.datetime, **more: Any) -> Participant:
    participant = factories.enrolled(site=site, by=by, now=now - 5 * DAY, **more)
    return plan_infusion(participant=participant, on=INFUSION, by=by, now=now)


@pytest.fixture
def participant(site: Site, ivan: User, now: dt.datetime) -> Participant:
    """62 kg and 168 cm: 1.7010 m² by Mosteller."""
    return planned_for(site, ivan, now)


def test_the_regimen_is_planned_from_the_body(participant: Participant, ivan: User, now: dt.datetime) -> None:
    doses, warnings = actions.plan_lymphodepletion(
        participant=participant, first_on=INFUSION - 7 * DAY, by=ivan, now=now
    )
    assert [(d.drug, d.number, d.planned_on.isoformat()) for d in doses] == [
        *(("flu", n, f"2026-03-0{4 + n}") for n in (1, 2, 3)),
        *(("cy", n, f"2026-03-0{4 + n}") for n in (1, 2, 3)),
    ]
    assert {(d.bsa_m2.quantize(Decimal("0.0001")), d.bsa_formula) for d in doses} == {(Decimal("1.7010"), "mosteller")}
    assert {d.drug: d.planned_mg for d in doses} == {"flu": Decimal("51.0"), "cy": Decimal("510.3")}
    assert warnings == []


@pytest.mark.parametrize(
    ("days_before", "message"),
    [(8, "begins before Day -7"), (4, "ends after Day -3"), (7, ""), (5, "")],
)
def test_days_that_do_not_suit_the_infusion_are_told(
    participant: Participant, ivan: User, now: dt.datetime, days_before: int, message: str
) -> None:
    _doses, warnings = actions.plan_lymphodepletion(
        participant=participant, first_on=INFUSION - days_before * DAY, by=ivan, now=now
    )
    assert (message in warnings[0]) if message else (warnings == [])


def test_the_kidney_is_asked_about(site: Site, ivan: User, now: dt.datetime) -> None:
    participant = planned_for(site, ivan, now, results={"CREAT": ("190", "104")})
    _doses, warnings = actions.plan_lymphodepletion(
        participant=participant, first_on=INFUSION - 7 * DAY, by=ivan, now=now
    )
    assert "below 50" in warnings[0]


def test_without_a_weight_or_a_planned_infusion_nothing_is_planned(site: Site, ivan: User, now: dt.datetime) -> None:
    without_weight = planned_for(site, ivan, now, results={"WEIGHT": None})
    with pytest.raises(Refused, match="Weight and height"):
        actions.plan_lymphodepletion(participant=without_weight, first_on=INFUSION - 7 * DAY, by=ivan, now=now)
    unplanned = factories.enrolled(site=site, by=ivan, now=now)
    with pytest.raises(Refused, match="plan the infusion first"):
        actions.plan_lymphodepletion(participant=unplanned, first_on=INFUSION - 7 * DAY, by=ivan, now=now)


def test_planning_again_replaces_what_was_not_given(participant: Participant, ivan: User, now: dt.datetime) -> None:
    for days in (7, 6):
        actions.plan_lymphodepletion(participant=participant, first_on=INFUSION - days * DAY, by=ivan, now=now)
    doses = LymphodepletionDose.objects.filter(voided_at__isnull=True)
    assert doses.count() == 6
    dose = doses.first()
    assert dose is not None
    factories.checked(participant, before="lymphodepletion", at=now)
    dose.state, dose.given_at, dose.given_mg = DoseState.GIVEN, now, dose.planned_mg
    actions.record_dose(dose=dose, by=ivan, now=now)
    participant.refresh_from_db()
    assert participant.status == Status.LYMPHODEPLETED
    with pytest.raises(Refused, match="recorded already"):
        actions.plan_lymphodepletion(participant=participant, first_on=INFUSION - 6 * DAY, by=ivan, now=now)


@pytest.mark.parametrize(
    ("given", "reason", "is_refused"),
    [
        pytest.param("51.0", "", False, id="as-planned"),
        pytest.param("50", "", False, id="rounded-to-vials"),
        pytest.param("48.4", "", True, id="more-than-5-percent-less"),
        pytest.param("38", "clearance 60 mL/min", False, id="less-with-a-reason"),
        pytest.param("0", "", True, id="zero-is-a-dose-to-explain"),
    ],
)
def test_another_dose_says_why(
    participant: Participant, ivan: User, now: dt.datetime, given: str, reason: str, is_refused: bool
) -> None:
    doses, _warnings = actions.plan_lymphodepletion(
        participant=participant, first_on=INFUSION - 7 * DAY, by=ivan, now=now
    )
    dose = doses[0]
    factories.checked(participant, before="lymphodepletion", at=now)
    dose.state, dose.given_at, dose.given_mg, dose.change_reason = DoseState.GIVEN, now, Decimal(given), reason
    if is_refused:
        with pytest.raises(Refused, match="Say why"):
            actions.record_dose(dose=dose, by=ivan, now=now)
    else:
        assert actions.record_dose(dose=dose, by=ivan, now=now).given_mg == Decimal(given)


def test_not_given_needs_its_reason_and_has_no_time(participant: Participant, ivan: User, now: dt.datetime) -> None:
    doses, _warnings = actions.plan_lymphodepletion(
        participant=participant, first_on=INFUSION - 7 * DAY, by=ivan, now=now
    )
    wrong: tuple[dict[str, Any], ...] = (
        {"state": "not_given"},
        {"state": "given"},
        {"state": "not_given", "change_reason": "fever", "given_mg": 1},
    )
    for values in wrong:
        with pytest.raises(IntegrityError), transaction.atomic():
            LymphodepletionDose.objects.filter(pk=doses[0].pk).update(**values)
    with pytest.raises(Refused, match="in the future"):
        doses[0].state, doses[0].given_at, doses[0].given_mg = DoseState.GIVEN, now + HOUR, Decimal(51)
        actions.record_dose(dose=doses[0], by=ivan, now=now)


def test_over_the_pages(site: Site, ivan: User, mona: User, login: Any) -> None:
    now = timezone.now()
    participant = factories.enrolled(site=site, by=ivan, now=now - DAY)
    on = timezone.localtime(now).date() + 7 * DAY
    plan_infusion(participant=participant, on=on, by=ivan, now=now)
    client, path = login(ivan), reverse("admin:dosing_lymphodepletiondose_plan")
    assert "has this number" in client.post(path, {"number": "ZJ-999", "first_on": "2026-03-05"}).content.decode()
    response = client.post(path, {"number": "ZJ-001", "first_on": (on - 7 * DAY).isoformat()})
    assert response.status_code == 302
    page = client.get(response["Location"]).content.decode()
    assert "6 doses are planned" in page
    assert "Fludarabine" in page
    dose = LymphodepletionDose.objects.filter(drug="flu").first()
    assert dose is not None
    moment = timezone.localtime(now)
    typed = {
        "state": "planned",
        "given_at_0": f"{moment:%Y-%m-%d}",
        "given_at_1": f"{moment:%H:%M}",
        "given_mg": "51.0",
        "reason_for_change": "given",
    }
    change = reverse("admin:dosing_lymphodepletiondose_change", args=[dose.pk])
    assert "no such check is recorded" in client.post(change, typed).content.decode()
    factories.checked(participant, before="lymphodepletion", at=now - HOUR)
    assert client.post(change, typed).status_code == 302
    dose.refresh_from_db()
    assert dose.state == DoseState.GIVEN
    assert login(mona).get(path).status_code == 403


# --- a lower level for the kidney -----------------------------------------------------------------------


def test_a_lower_level_is_chosen_with_its_reason(site: Site, ivan: User, now: dt.datetime) -> None:
    participant = planned_for(site, ivan, now, results={"CREAT": ("190", "104")})
    plan = {"participant": participant, "first_on": INFUSION - 7 * DAY, "by": ivan, "now": now}
    body = actions.body_of(participant, now=now)
    assert {one.drug.code: one.suggested for one in actions.levels_of(participant, body)} == {
        "flu": Decimal(18),
        "cy": Decimal(300),
    }
    with pytest.raises(Refused, match="Give the reason for the lower level"):
        actions.plan_lymphodepletion(**plan, levels={"flu": Decimal(18)}, level_reason=" ")
    with pytest.raises(Refused, match="names 30, 24, 18, 0 mg/m², not 20"):
        actions.plan_lymphodepletion(**plan, levels={"flu": Decimal(20)}, level_reason="kidney")
    doses, _warnings = actions.plan_lymphodepletion(**plan, levels={"flu": Decimal(18)}, level_reason="kidney")
    flu = [dose for dose in doses if dose.drug == "flu"]
    assert {(d.mg_m2, d.planned_mg, d.level_reason) for d in flu} == {(Decimal(18), Decimal("30.6"), "kidney")}
    assert {d.level_reason for d in doses if d.drug == "cy"} == {""}
    assert flu[0].clearance_ml_min == body.clearance_ml_min.quantize(Decimal("0.1"))  # type: ignore[union-attr]
    assert flu[0].creatinine_on == body.creatinine_on
    factories.checked(participant, before="lymphodepletion", at=now)
    flu[0].state, flu[0].given_at, flu[0].given_mg = DoseState.GIVEN, now, Decimal("30.6")
    actions.record_dose(dose=flu[0], by=ivan, now=now)
    assert not participant.deviations.exists(), "the level that was chosen is no deviation"


def test_a_drug_may_be_left_out(site: Site, ivan: User, now: dt.datetime) -> None:
    participant = planned_for(site, ivan, now)
    doses, _warnings = actions.plan_lymphodepletion(
        participant=participant,
        first_on=INFUSION - 7 * DAY,
        levels={"flu": Decimal(0)},
        level_reason="on dialysis",
        by=ivan,
        now=now,
    )
    assert {dose.drug for dose in doses} == {"cy"}


# --- moved with the infusion, and repeated ----------------------------------------------------------------


def given(participant: Participant, dose: LymphodepletionDose, at: dt.datetime, by: User) -> None:
    if not participant.fitness_checks.exists():
        factories.checked(participant, before="lymphodepletion", at=at)
    dose.state, dose.given_at, dose.given_mg = DoseState.GIVEN, at, dose.planned_mg
    actions.record_dose(dose=dose, by=by, now=at)


def days(participant: Participant) -> set[tuple[str, str]]:
    rows = LymphodepletionDose.objects.filter(participant=participant, voided_at__isnull=True)
    return {(row.state, row.planned_on.isoformat()) for row in rows}


def test_a_plan_moves_with_the_infusion_but_for_what_was_given(
    participant: Participant, ivan: User, now: dt.datetime
) -> None:
    doses, _warnings = actions.plan_lymphodepletion(
        participant=participant, first_on=INFUSION - 7 * DAY, by=ivan, now=now
    )
    with pytest.raises(Refused, match="nothing was moved"):
        actions.shift_lymphodepletion(participant=participant, by=ivan, now=now)
    given(participant, doses[0], now, ivan)
    moved = plan_infusion(participant=participant, on=INFUSION + 2 * DAY, by=ivan, now=now)
    assert [day.isoformat() for _dose, day in actions.moves_of(moved)] == [
        "2026-03-07",
        "2026-03-08",
        "2026-03-08",
        "2026-03-09",
        "2026-03-09",
    ]
    _doses, warnings = actions.shift_lymphodepletion(participant=moved, by=ivan, now=now)
    assert days(moved) == {("given", "2026-03-05"), *(("planned", f"2026-03-0{n}") for n in (7, 8, 9))}
    assert "begins before Day -7" in warnings[0], "the given dose is now nine days before"
    assert actions.moves_of(moved) == []


def test_a_second_course_follows_a_lost_bag(participant: Participant, ivan: User, now: dt.datetime) -> None:
    doses, _warnings = actions.plan_lymphodepletion(
        participant=participant, first_on=INFUSION - 7 * DAY, by=ivan, now=now
    )
    with pytest.raises(Refused, match="planned anew, not another one"):
        actions.plan_lymphodepletion(
            participant=participant, first_on=INFUSION - 6 * DAY, new_course_reason="lost", by=ivan, now=now
        )
    given(participant, doses[0], now, ivan)
    later = plan_infusion(participant=participant, on=INFUSION + 30 * DAY, by=ivan, now=now)
    with pytest.raises(Refused, match="plan another course and give its reason"):
        actions.plan_lymphodepletion(participant=later, first_on=INFUSION + 23 * DAY, by=ivan, now=now)
    again, warnings = actions.plan_lymphodepletion(
        participant=later, first_on=INFUSION + 23 * DAY, new_course_reason="the bag broke", by=ivan, now=now
    )
    assert warnings == [], "only the days of the new course count"
    assert {(d.course, d.course_reason) for d in again} == {(2, "the bag broke")}
    first = actions.doses_of_course(later, 1)
    assert sorted(d.state for d in first) == ["given", *["not_given"] * 5]
    found = actions.readiness_of(later, at=now, now=now)
    line = next(one.line for one in found.lines if one.line.code == "lymphodepletion")
    assert "6" in line.values.values(), "the newest course is asked about"
    at = now + 30 * DAY
    factories.checked(participant, before="lymphodepletion", at=at)
    again[0].state, again[0].given_at, again[0].given_mg = DoseState.GIVEN, at, again[0].planned_mg
    actions.record_dose(dose=again[0], by=ivan, now=at)
    status = participant.statuses.get(status=Status.LYMPHODEPLETED, voided_at__isnull=True)
    assert status.effective_on == timezone.localtime(at).date()


def test_a_dose_that_was_not_given_after_all_takes_the_status_back(
    participant: Participant, ivan: User, now: dt.datetime
) -> None:
    doses, _warnings = actions.plan_lymphodepletion(
        participant=participant, first_on=INFUSION - 7 * DAY, by=ivan, now=now
    )
    given(participant, doses[0], now, ivan)
    doses[0].given_at = now - DAY
    actions.record_dose(dose=doses[0], deviation_reason="typed wrong", by=ivan, now=now)
    status = participant.statuses.get(status=Status.LYMPHODEPLETED, voided_at__isnull=True)
    assert status.effective_on == timezone.localtime(now - DAY).date()
    doses[0].state, doses[0].given_at, doses[0].given_mg = DoseState.NOT_GIVEN, None, None
    doses[0].change_reason = "another person's"
    actions.record_dose(dose=doses[0], by=ivan, now=now)
    participant.refresh_from_db()
    assert participant.status == Status.ENROLLED


def test_a_dose_before_the_enrolment_is_recorded_as_a_deviation(
    participant: Participant, ivan: User, now: dt.datetime
) -> None:
    """The participant was enrolled five days ago."""
    doses, _warnings = actions.plan_lymphodepletion(
        participant=participant, first_on=INFUSION - 7 * DAY, by=ivan, now=now
    )
    at = now - 6 * DAY
    factories.checked(participant, before="lymphodepletion", at=at)
    doses[0].state, doses[0].given_at, doses[0].given_mg = DoseState.GIVEN, at, doses[0].planned_mg
    with pytest.raises(Refused, match="before the enrolment"):
        actions.record_dose(dose=doses[0], by=ivan, now=now)
    actions.record_dose(dose=doses[0], deviation_reason="emergency", by=ivan, now=now)
    status = participant.statuses.get(status=Status.LYMPHODEPLETED, voided_at__isnull=True)
    assert status.effective_on == timezone.localtime(now - 5 * DAY).date()


def test_the_pages_show_clearance_levels_and_what_moves(site: Site, ivan: User, alice: User, login: Any) -> None:
    now = timezone.now()
    participant = factories.enrolled(site=site, by=ivan, now=now - DAY, results={"CREAT": ("190", "104")})
    on = timezone.localtime(now).date() + 10 * DAY
    plan_infusion(participant=participant, on=on, by=ivan, now=now)
    client, path = login(ivan), reverse("admin:dosing_lymphodepletiondose_plan")
    typed = {"number": "ZJ-001", "first_on": (on - 7 * DAY).isoformat()}
    shown = client.post(path, {**typed, "_show": "1"}).content.decode()
    clearance = actions.body_of(participant, now=now).clearance_ml_min
    assert clearance is not None
    assert f"Creatinine clearance {round(clearance)} mL/min" in shown
    assert "190 µmol/L of" in shown
    assert re.search(r"62(\.0+)? kg of", shown)
    assert "18 mg/m² (below 50 mL/min) ← usual for this clearance" in shown
    assert not LymphodepletionDose.objects.exists()
    refused = client.post(path, {**typed, "level_flu": "18"}).content.decode()
    assert "Give the reason for the lower level" in refused
    assert client.post(path, {**typed, "level_flu": "18", "level_reason": "kidney"}).status_code == 302
    moved = {"on": (on + 3 * DAY).isoformat()}
    answer = client.post(reverse("admin:participants_participant_plan", args=[participant.pk]), moved, follow=True)
    page, shift = answer.content.decode(), answer.redirect_chain[-1][0]
    assert (on - 4 * DAY).isoformat() in page
    assert client.post(shift).status_code == 302
    rows = LymphodepletionDose.objects.filter(voided_at__isnull=True).order_by("planned_on")
    assert rows[0].planned_on == on - 4 * DAY
    assert client.get(shift).status_code == 302, "nothing is left to move"
