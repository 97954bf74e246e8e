"""Amounts far beyond the usual are typed twice, with a reason; people are told. What cannot be is refused."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from dosing import actions
from dosing.models import Infusion, LymphodepletionDose, Medication
from participants.actions import plan_infusion
from participants.models import Participant, ProtocolDeviation
from tests import factories
from tests.addforms import FILL, Filled, when
from tests.conftest import person
from tests.test_twins import asked, send
from trialsite import questions
from trialsite.models import Notification, Site, User
from trialsite.refusal import Refused
from trialsite.roles import Role

DAY = dt.timedelta(days=1)
HOUR = dt.timedelta(hours=1)

pytestmark = pytest.mark.django_db


@pytest.fixture
def now() -> dt.datetime:
    return timezone.now()


@pytest.fixture
def paula(site: Site) -> User:
    return person("paula", Role.PRINCIPAL_INVESTIGATOR, site, language="zh-hans")


@pytest.fixture
def participant(site: Site, ivan: User, paula: User, now: dt.datetime) -> Participant:
    return factories.enrolled(site=site, by=ivan, now=now - DAY)


@pytest.fixture
def dose(participant: Participant, ivan: User, now: dt.datetime) -> LymphodepletionDose:
    """The first fludarabine, 30 mg/m² planned, somebody fit."""
    on = timezone.localtime(now).date() + 7 * DAY
    plan_infusion(participant=participant, on=on, by=ivan, now=now)
    doses, _warnings = actions.plan_lymphodepletion(participant=participant, first_on=on - 7 * DAY, by=ivan, now=now)
    factories.checked(participant, before="lymphodepletion", at=now - 2 * HOUR)
    return next(one for one in doses if one.drug == "flu")


def dose_form(dose: LymphodepletionDose, mg: str, now: dt.datetime) -> Filled:
    address = reverse("admin:dosing_lymphodepletiondose_change", args=[dose.pk])
    typed = {"state": "given", "given_mg": mg, "change_reason": "pump", "reason_for_change": "given"}
    return Filled(address, {**typed, **when("given_at", now - HOUR)}, "given_at")


def again(client: Client, filled: Filled, number: str, reason: str = "the pump ran ten times too fast") -> Any:
    form = asked(send(client, filled), filled)
    answer = {questions.ASKED: form.data[questions.ASKED], questions.ANSWER: reason, questions.AGAIN: number}
    return send(client, filled, **answer)


def test_ten_times_the_dose_is_typed_twice_and_told(
    dose: LymphodepletionDose, ivan: User, paula: User, login: Any, now: dt.datetime
) -> None:
    client, mg = login(ivan), f"{dose.planned_mg * 10}"
    filled = dose_form(dose, mg, now)
    text = send(client, filled).content.decode()
    assert " mg/m² is outside the accepted 25 to 30 mg/m²" in text
    assert "principal investigator is told" in text
    assert "differs from the first" in again(client, filled, f"{dose.planned_mg}").content.decode()
    assert "differs from the first" in again(client, filled, "three hundred").content.decode()
    assert again(client, filled, mg, reason="").status_code == 200
    dose.refresh_from_db()
    assert (dose.state, ProtocolDeviation.objects.count()) == ("planned", 0)
    wide = mg.translate({ord(digit): chr(ord(digit) + 0xFEE0) for digit in "0123456789."})
    assert again(client, filled, f"　{wide} ").status_code == 302
    dose.refresh_from_db()
    assert dose.given_mg == Decimal(mg)
    deviation = ProtocolDeviation.objects.get()
    assert (deviation.kind, deviation.reason) == ("dose", "the pump ran ten times too fast")
    message = Notification.objects.get(about=f"lymphodepletion:{dose.pk}")
    assert message.recipient == paula
    assert " mg/m²" in message.body_text
    assert "氟达拉滨" in message.body_text
    assert not [secret for secret in ("王小明", "1990", "13800000000") if secret in message.body_text]


@pytest.mark.usefixtures("english")
@pytest.mark.parametrize(("times", "is_refused"), [("99.9", False), ("100.1", True)])
def test_the_hundredfold_is_refused_with_its_range(
    dose: LymphodepletionDose, ivan: User, now: dt.datetime, times: str, is_refused: bool
) -> None:
    dose.state, dose.given_at, dose.change_reason = "given", now, "pump"
    dose.given_mg = (dose.bsa_m2 * 30 * Decimal(times)).quantize(Decimal("0.1"))
    if not is_refused:
        assert actions.record_dose(dose=dose, by=ivan, now=now).given_mg
        return
    with pytest.raises(Refused, match="cannot be"):
        actions.record_dose(dose=dose, by=ivan, now=now)


def test_a_dose_as_planned_asks_nothing(dose: LymphodepletionDose, ivan: User, login: Any, now: dt.datetime) -> None:
    """Also where the plan itself lies below the accepted range: its reason stands there."""
    LymphodepletionDose.objects.filter(pk=dose.pk).update(planned_mg=dose.planned_mg / 2)
    dose.refresh_from_db()
    assert send(login(ivan), dose_form(dose, f"{dose.planned_mg}", now)).status_code == 302
    assert not Notification.objects.filter(about=f"lymphodepletion:{dose.pk}").exists()


def medication(participant: Participant, now: dt.datetime, by: User, dose: str, unit: str) -> Filled:
    filled = FILL["dosing.Medication"](participant, now, by)
    filled.data.update(dose=dose, dose_unit=unit, name="paracetamol of the aunt")
    return filled


def test_more_of_a_drug_than_usual_is_typed_twice_and_told(
    participant: Participant, ivan: User, paula: User, login: Any, now: dt.datetime
) -> None:
    client, filled = login(ivan), medication(participant, now, ivan, "10", "g")
    assert "10 g is more than usual (up to 1 g)" in send(client, filled).content.decode()
    assert again(client, filled, "１０.0").status_code == 302
    row = Medication.objects.get()
    deviation = ProtocolDeviation.objects.get(about=f"medication:{row.pk}")
    assert "10 g" in deviation.description
    message = Notification.objects.get(about=f"medication:{row.pk}")
    assert (message.recipient, "10 g" in message.body_text) == (paula, True)
    assert "aunt" not in message.body_text + message.subject
    change = reverse("admin:dosing_medication_change", args=[row.pk])
    data = {**filled.data, "indication": "pain", "reason_for_change": "misread"}
    assert client.post(change, data).status_code == 302, "the amount is the same: nothing is asked again"


@pytest.mark.parametrize(("dose", "unit", "words"), [("500", "g", "below 100 g"), ("400", "L/min", "below 100 L/min")])
def test_what_nobody_can_be_given_is_refused_with_its_range(
    participant: Participant, ivan: User, login: Any, now: dt.datetime, dose: str, unit: str, words: str
) -> None:
    text = send(login(ivan), medication(participant, now, ivan, dose, unit)).content.decode()
    assert words in text
    assert not Medication.objects.exists()


@pytest.mark.usefixtures("english")
@pytest.mark.parametrize(("cells", "is_refused"), [("10", False), ("10.1", True), ("50", True)])
def test_cells_by_the_hundredfold_are_refused_with_their_range(
    participant: Participant, ivan: User, now: dt.datetime, cells: str, is_refused: bool
) -> None:
    infusion = factories.infusion_of(participant, at=now, cells=cells)
    if is_refused:
        with pytest.raises(Refused, match="up to 10 × 10⁸"):
            actions.infuse(infusion=infusion, deviation_reason="really", by=ivan, now=now)
    else:
        actions.infuse(infusion=infusion, deviation_reason="really", by=ivan, now=now)
    assert Infusion.objects.exists() != is_refused
