"""Lymphodepletion: planned from the body and the study's regimen, recorded dose by dose."""

import datetime as dt
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
