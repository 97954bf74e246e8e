"""Concomitant and supportive medication: recorded as given, warned of where limits speak, never refused for good."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from dosing import actions
from dosing.models import Medication, MedicationKind
from dosing.rules.tocilizumab import Advice
from participants.actions import plan_infusion
from participants.models import Participant, ProtocolDeviation
from tests import factories
from tests.conftest import Once
from trialsite.models import Site, User
from trialsite.refusal import Refused
from trialsite.study import get_study

DAY, HOUR = dt.timedelta(days=1), dt.timedelta(hours=1)
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("english")]


def medication_of(participant: Participant, at: dt.datetime, kind: str = "tocilizumab", **more: Any) -> Medication:
    values = {"name": kind, "route": "iv", "indication": "CRS", "dose": Decimal(560), "dose_unit": "mg", **more}
    return Medication(participant=participant, kind=kind, started_at=at, **values)


@pytest.fixture(scope="module")
def made(once: Once, now: dt.datetime) -> Participant:
    return factories.infused(site=once.site, by=once.alice, now=now, infused_at=now - 4 * DAY)


def test_the_help_tells_dose_history_and_what_is_next(participant: Participant, alice: User, now: dt.datetime) -> None:
    for ago in (20, 10):
        actions.record_medication(medication=medication_of(participant, now - ago * HOUR), by=alice, now=now)
    shown = actions.tocilizumab_help(participant, now=now - 3 * HOUR)
    assert (shown.weight_kg, shown.dose_mg) == (62, 496)
    assert shown.given_at == (now - 20 * HOUR, now - 10 * HOUR)
    assert (shown.advice, shown.next_at) == (Advice.WARN_INTERVAL, now - 2 * HOUR)


def test_a_dose_too_soon_is_asked_about_and_flagged(participant: Participant, alice: User, now: dt.datetime) -> None:
    actions.record_medication(medication=medication_of(participant, now - 6 * HOUR), by=alice, now=now)
    with pytest.raises(Refused, match="too soon"):
        actions.record_medication(medication=medication_of(participant, now), by=alice, now=now)
    saved = actions.record_medication(medication=medication_of(participant, now), is_accepted=True, by=alice, now=now)
    assert saved.warning == "WARN_INTERVAL"


def test_a_corrected_dose_counts_not_against_itself(participant: Participant, alice: User, now: dt.datetime) -> None:
    saved = actions.record_medication(medication=medication_of(participant, now - HOUR), by=alice, now=now)
    saved.started_at = now - 2 * HOUR
    assert actions.record_medication(medication=saved, by=alice, now=now).warning == ""


def test_a_void_dose_counts_no_more(participant: Participant, alice: User, now: dt.datetime) -> None:
    from trialsite.recordadmin import void

    saved = actions.record_medication(medication=medication_of(participant, now - HOUR), by=alice, now=now)
    void(saved, reason="other patient", by=alice, now=now)
    assert actions.tocilizumab_help(participant, now=now).given_at == ()


def test_other_drugs_have_no_such_limits(participant: Participant, alice: User, now: dt.datetime) -> None:
    for _n in range(6):
        saved = actions.record_medication(
            medication=medication_of(participant, now - HOUR, "corticosteroid"), by=alice, now=now
        )
        assert saved.warning == ""


def test_in_the_future_nothing_was_given(participant: Participant, alice: User, now: dt.datetime) -> None:
    for wrong in (
        medication_of(participant, now + HOUR),
        medication_of(participant, now - HOUR, ended_at=now + HOUR),
    ):
        with pytest.raises(Refused, match="in the future"):
            actions.record_medication(medication=wrong, by=alice, now=now)


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"ended_at": dt.datetime(2026, 1, 1, tzinfo=dt.UTC)}, id="end-before-start"),
        pytest.param({"ended_at": dt.datetime(2026, 3, 5, tzinfo=dt.UTC), "is_ongoing": True}, id="ongoing-with-end"),
        pytest.param({"dose_unit": ""}, id="dose-without-unit"),
    ],
)
def test_the_database_refuses_what_cannot_be(
    participant: Participant, alice: User, now: dt.datetime, wrong: dict[str, Any]
) -> None:
    row = medication_of(participant, dt.datetime(2026, 3, 4, tzinfo=dt.UTC), **wrong)
    row.created_by = alice
    with pytest.raises(IntegrityError), transaction.atomic():
        row.save()


@pytest.mark.parametrize(
    ("days_before", "is_prohibited"),
    [
        pytest.param(43, False, id="43-days-before"),
        pytest.param(42, True, id="42-days-before"),
        pytest.param(0, True, id="on-the-day"),
    ],
)
def test_a_live_vaccine_before_the_infusion_is_a_deviation_with_its_reason(
    site: Site, alice: User, ivan: User, now: dt.datetime, days_before: int, is_prohibited: bool
) -> None:
    participant = factories.enrolled(site=site, by=ivan, now=now - 50 * DAY)
    at = now - 45 * DAY
    planned = plan_infusion(
        participant=participant, on=timezone.localtime(at).date() + days_before * DAY, by=ivan, now=at
    )
    vaccine = medication_of(planned, at, "live_vaccine")
    if not is_prohibited:
        actions.record_medication(medication=vaccine, by=alice, now=now)
        assert not ProtocolDeviation.objects.exists()
        return
    with pytest.raises(Refused, match="not allowed"):
        actions.record_medication(medication=vaccine, by=alice, now=now)
    actions.record_medication(medication=vaccine, deviation_reason="given by the district", by=alice, now=now)
    assert ProtocolDeviation.objects.get().kind == "medication"


def test_after_the_infusion_a_vaccine_is_no_deviation(participant: Participant, alice: User, now: dt.datetime) -> None:
    actions.record_medication(medication=medication_of(participant, now, "live_vaccine"), by=alice, now=now)
    assert not ProtocolDeviation.objects.exists()


def test_the_study_file_prohibits_known_kinds_only() -> None:
    assert {one.kind for one in get_study().latest.prohibited_medications} <= set(MedicationKind.values)


def test_over_the_page_with_the_help_above(participant: Participant, alice: User, login: Any) -> None:
    client = login(alice)
    path = reverse("admin:dosing_medication_add") + f"?participant={participant.pk}"
    page = client.get(path).content.decode()
    assert "496 mg for 62 kg" in page
    moment = timezone.localtime()
    data = {
        "participant": participant.pk,
        "kind": "tocilizumab",
        "name": "托珠单抗",
        "dose": "496",
        "dose_unit": "mg",
        "route": "iv",
        "started_at_0": f"{moment:%Y-%m-%d}",
        "started_at_1": f"{moment - HOUR:%H:%M}" if moment.hour else "00:00",
        "indication": "CRS 2",
    }
    assert client.post(path, data).status_code == 302
    page = client.post(path, data).content.decode()
    assert "given all the same" in page
    assert "托珠单抗" in page
    assert Medication.objects.count() == 1
    page = client.get(reverse("admin:dosing_medication_change", args=[Medication.objects.get().pk])).content.decode()
    assert "within the limits from" in page


def test_somebody_of_another_site_sees_no_weight(participant: Participant, charlie: User, login: Any) -> None:
    page = login(charlie).get(reverse("admin:dosing_medication_add") + f"?participant={participant.pk}")
    assert "62 kg" not in page.content.decode()
