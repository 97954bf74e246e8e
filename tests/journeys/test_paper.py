"""A trial that has run on paper is taken over: one participant from screening to today in one sitting."""

import datetime as dt
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from demo import results as demo_results
from dosing.models import LymphodepletionDose
from participants import actions
from participants.models import EligibilityConfirmation, Participant, Visit
from participants.rules.measures import PANEL_OF, QUESTIONS
from participants.tasks import sweep_visit_reminders
from tests.conftest import PASSWORD, person
from tests.journeys.test_screening import typed
from trialsite.models import Notification, Site, User
from trialsite.paper import ORDER
from trialsite.roles import Role

DAY = dt.timedelta(days=1)
SCREENED, CONSENTED, EXAMINED = dt.date(2025, 9, 1), dt.date(2025, 9, 2), dt.date(2025, 9, 10)
ENROLLED, COLLECTED, DAY0 = dt.date(2025, 9, 20), dt.date(2025, 9, 22), dt.date(2025, 10, 15)
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("english")]


@pytest.fixture
def paula(site: Site) -> User:
    """The principal investigator, who enters what stands on paper by herself."""
    return person("paula", Role.PRINCIPAL_INVESTIGATOR, site)


def on(name: str, day: dt.date, time: str = "09:00") -> dict[str, str]:
    return {f"{name}_0": day.isoformat(), f"{name}_1": time}


class Taking:
    """Somebody at the steps of one participant: each form is opened from there, and leads back."""

    def __init__(self, client: Client, address: str) -> None:
        self.client, self.address = client, address

    @property
    def page(self) -> Any:
        return self.client.get(self.address)

    def links(self, code: str) -> dict[str, str]:
        step = next(step for step in self.page.context["steps"] if step.code == code)
        return {str(name): address for name, address in step.links}

    def entries(self, code: str) -> list[str]:
        step = next(step for step in self.page.context["steps"] if step.code == code)
        return [entry.link for entry in step.entries]

    def next_step(self) -> str:
        return next((step.code for step in self.page.context["steps"] if step.is_next), "")

    def enter(self, address: str, data: dict[str, Any]) -> None:
        response = self.client.post(address, data)
        assert response.status_code == 302, _refusals(response)
        assert response["Location"] == self.address


def _refusals(response: Any) -> Any:
    context = response.context or {}
    form = context.get("adminform") or context.get("form")
    return getattr(form, "errors", None) or response.content.decode()


def take_over(site: Site, by: User, login: Any) -> tuple[Taking, Participant]:
    """Screened, consented, examined, confirmed, enrolled: all of September 2025."""
    client = login(by)
    begin = client.get(reverse("admin:participants_participant_begin_paper"))
    identity = {"name": "赵大勇", "birth_date": "1985-01-20", "sex": "M", "phone": "", "hospital_number": ""}
    response = client.post(begin["Location"], {**identity, "site": site.pk, "screened_on": SCREENED.isoformat()})
    participant = Participant.objects.get()
    assert response["Location"] == reverse("admin:participants_participant_paper", args=[participant.pk])
    at = Taking(client, f"{response['Location']}?as_of={ENROLLED.isoformat()}")
    assert at.next_step() == "consent"
    consent = {"participant": participant.pk, "version": "1.0", **on("consented_at", CONSENTED)}
    at.enter(at.links("consent")["Record consent"], consent)

    panels: dict[str, dict[str, str]] = {}
    for code, given in demo_results.ELIGIBLE.items():
        if code not in demo_results.WOMEN_ONLY:
            panels.setdefault(PANEL_OF[code], {}).update(typed(code, given))
    addresses = {address.split("panel=")[1].split("&")[0]: address for address in at.links("examinations").values()}
    for panel, answers in panels.items():
        mark = {} if panel in QUESTIONS else {"is_study_procedure": "on"}
        at.enter(addresses[panel], {"number": participant.number, **on("taken_at", EXAMINED), **mark, **answers})

    shown = client.get(at.links("eligibility")["Eligibility"])
    assert shown.context["overall"] == "Eligible" or "ELIGIBLE" in str(shown.context["evaluation"].overall)
    at.enter(at.links("eligibility")["Confirm eligibility…"], {"password": PASSWORD})
    assert at.next_step() == "enrolled"
    at.enter(at.links("enrolled")["Enrol…"], {"on": ENROLLED.isoformat(), "exception_reason": ""})
    participant.refresh_from_db()
    return at, participant


def give_cells(at: Taking, participant: Participant) -> None:
    """Collected, made, thawed, lymphodepleted, infused: October 2025."""
    at.enter(
        at.links("leukapheresis")["Record the collection"],
        {
            "participant": participant.pk,
            **on("started_at", COLLECTED, "08:00"),
            **on("ended_at", COLLECTED, "11:00"),
            "venous_access": "peripheral",
        },
    )
    product = {
        "participant": participant.pk,
        "chain_of_identity": "COI-P1",
        "lot": "LOT-P1",
        **on("ordered_at", COLLECTED, "11:30"),
        "certificate": "COA-P1",
        "released_on": "2025-10-08",
        "expires_on": "2026-10-08",
        "volume_ml": "10",
        "cells_per_ml": "5000000",
        "viability": "1",
        "car_positive": "1",
        "leukapheresis": participant.leukaphereses.get().pk,
    }
    at.enter(at.links("product")["Record a product"], product)
    for number, state in enumerate(("collected", "in_manufacture", "released", "received", "thawed")):
        step = next(address for name, address in at.links("product").items() if name.startswith("Next step"))
        day = DAY0 if state == "thawed" else COLLECTED + (1 + 4 * number) * DAY
        at.enter(step, {"new": state, **on("at", day, "08:30"), "reason": ""})

    plan = {"on": DAY0.isoformat()}
    refused = at.client.post(at.links("plan")["Plan the infusion…"], plan)
    assert "taken over from paper" in refused.content.decode()
    at.enter(at.links("plan")["Plan the infusion…"], {**plan, "is_from_paper": "on"})
    first_on = (DAY0 - 7 * DAY).isoformat()
    at.enter(at.links("lymphodepletion")["Plan lymphodepletion…"], {"number": participant.number, "first_on": first_on})
    for dose in LymphodepletionDose.objects.order_by("planned_on"):
        given = {"state": "given", **on("given_at", dose.planned_on, "10:00"), "given_mg": str(dose.planned_mg)}
        address = next(link for link in at.entries("lymphodepletion") if f"/{dose.pk}/" in link)
        why = {"reason_for_change": "from paper", "deviation_reason": "the check is on paper"}
        at.enter(address, {**given, **why})
    fit = {
        "participant": participant.pk,
        "before": "infusion",
        **on("checked_at", DAY0, "09:00"),
        "max_temperature_48h_c": "36.8",
        "spo2_percent": "98",
        "is_on_oxygen": "False",
        "lvef_percent": "62",
        "ecog": "1",
        "has_uncontrolled_infection": "False",
        "needs_vasopressors": "False",
        "tocilizumab_doses": "2",
    }
    at.enter(at.links("fitness")["Record a fitness check"], fit)
    infusion = {
        "participant": participant.pk,
        "product_lot": "LOT-P1",
        **on("infused_at", DAY0, "10:00"),
        **on("ended_at", DAY0, "10:20"),
        "volume_given_ml": "10",
        "occasion": "first",
        "has_reaction": "False",
        "interruptions-TOTAL_FORMS": "0",
        "interruptions-INITIAL_FORMS": "0",
    }
    asked = at.client.post(at.links("infusion")["Log an infusion"], infusion).content.decode()
    assert "0 of 2 people" in asked, "the signatures are on paper: asked about, not refused"
    at.enter(at.links("infusion")["Log an infusion"], {**infusion, "deviation_reason": "taken over from paper"})


def see(at: Taking, visit: Visit, day: dt.date) -> None:
    address = next(link for link in at.entries("visits") if f"/{visit.pk}/" in link)
    done = {"state": "done", "occurred_on": day.isoformat(), "note": "", "not_done_reason": "", "deviation_reason": ""}
    at.enter(address, {**done, "reason_for_change": "from paper"})


def test_from_screening_to_today_in_one_sitting(site: Site, paula: User, login: Any) -> None:
    at, participant = take_over(site, paula, login)
    assert participant.number == "ZJ-001"
    signed = EligibilityConfirmation.objects.get()
    assert (signed.judged_for, signed.is_signed_later) == (ENROLLED, True)
    give_cells(at, participant)
    visits = {visit.code: visit for visit in participant.visits.all()}
    assert visits["D28"].target_date == DAY0 + 28 * DAY
    see(at, visits["D28"], visits["D28"].target_date)
    see(at, visits["M3"], visits["M3"].window_opens_on)

    participant.refresh_from_db()
    assert [(row.status, row.effective_on) for row in actions.history_of(participant)] == [
        ("screening", SCREENED),
        ("enrolled", ENROLLED),
        ("lymphodepleted", DAY0 - 7 * DAY),
        ("infused", DAY0),
        ("in_follow_up", visits["D28"].target_date),
    ]
    assert participant.protocol_version == "1.0"
    assert "judged for 2025-09-20, signed later" in at.page.content.decode()
    # The signatures that stay on paper, and the check before the first dose: kept with their reason, nothing else.
    assert set(participant.deviations.values_list("kind", flat=True)) == {"readiness", "lymphodepletion"}
    sweep_visit_reminders()
    done = [f"visit:{visits[code].pk}" for code in ("D28", "M3")]
    assert not Notification.objects.filter(about__in=done).exists()
    long_past = Visit.objects.filter(window_closes_on__lt=timezone.localdate() - 60 * DAY)
    assert not Notification.objects.filter(about__in=[f"visit:{visit.pk}" for visit in long_past]).exists()


def test_every_step_is_known_in_its_place(site: Site, paula: User, alice: User, login: Any) -> None:
    from tests import factories

    participant = factories.screened(site=site, by=alice, now=timezone.now())
    page = login(paula).get(reverse("admin:participants_participant_paper", args=[participant.pk]))
    assert [step.code for step in page.context["steps"]] == list(ORDER)


def test_a_step_leads_nowhere_that_the_person_may_not_go(
    site: Site, alice: User, mona: User, charlie: User, login: Any
) -> None:
    from tests import factories

    participant = factories.infused(site=site, by=alice, now=timezone.now())
    address = reverse("admin:participants_participant_paper", args=[participant.pk])
    for user in (alice, mona):
        client = login(user)
        steps = client.get(address).context["steps"]
        links = [link for step in steps for _name, link in step.links]
        assert links or user == mona
        for link in [*links, *(entry.link for step in steps for entry in step.entries if entry.link)]:
            assert client.get(link).status_code == 200, link
    assert login(charlie).get(address).status_code == 404


@pytest.mark.parametrize("whose", ["", "x", "//evil.example", "１"])
def test_the_way_back_is_never_out_of_the_site(site: Site, alice: User, login: Any, whose: str) -> None:
    from tests import factories

    participant = factories.screened(site=site, by=alice, now=timezone.now() - DAY)
    local = timezone.localtime()
    data = {"participant": participant.pk, "version": "1.0", **on("consented_at", local.date(), "00:00")}
    address = reverse("admin:participants_consent_add")
    response = login(alice).post(f"{address}?participant={participant.pk}&paper={whose}", data)
    assert response["Location"].startswith("/admin/participants/")
    assert "evil" not in response["Location"]
