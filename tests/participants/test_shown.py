"""Every form whose saving changes which visits are owed shows it first, loses nothing that was typed, and does nothing
until it was seen; its void says what comes back."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from participants import actions
from participants.models import (
    Consent,
    ConsentWithdrawal,
    DiseaseAssessment,
    Participant,
    ParticipantStatus,
    SubsequentTherapy,
    SurvivalContact,
)
from participants.rules.status import Status
from tests import factories
from tests.addforms import add, when
from tests.conftest import Once
from tests.forms import forms_of
from trialsite import questions
from trialsite.models import User
from trialsite.shown import SEEN

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("english")]
DAY = dt.timedelta(days=1)
DEATH, THERAPY = "No longer due, death: M2, M3", "No longer due, new anti-cancer therapy: M2, M3"
RELAPSE = "Asked no more at later visits: "


@pytest.fixture(scope="module")
def made(once: Once, now: dt.datetime) -> Participant:
    """Forty days after the infusion: M2 is the next visit."""
    return factories.infused(site=once.site, by=once.alice, now=now, infused_at=now - 40 * DAY)


@dataclass(frozen=True)
class Case:
    """A form as somebody fills it, what it must show, and the rows that it writes once that was seen."""

    address: str
    typed: dict[str, Any]
    shows: str
    model: Any


def _own(participant: Participant, name: str) -> str:
    return reverse(f"admin:participants_participant_{name}", args=[participant.pk])


def _status(one: Participant, today: dt.date, by: User, now: dt.datetime) -> Case:
    typed = {"new": "died", "on": str(today), "reason": "told by the family", "reason_code": ""}
    return Case(_own(one, "status"), typed, DEATH, ParticipantStatus)


def _day(one: Participant, today: dt.date, by: User, now: dt.datetime) -> Case:
    d28 = one.visits.get(code="D28")
    row = actions.change_status(
        participant=one, new=Status.DIED, on=d28.window_closes_on, reason="told", by=by, now=now
    )
    typed = {"row": row.pk, "on": str(d28.window_closes_on + DAY), "reason": "the certificate says so"}
    return Case(_own(one, "day"), typed, "1 visit is due again, with its reminders: D28.", ParticipantStatus)


def _consent(one: Participant, today: dt.date, by: User, now: dt.datetime) -> Case:
    typed = {"participant": one.pk, "version": "1.0", "long_term_agreed": "false", **when("consented_at", now - DAY)}
    return Case(add("participants.Consent"), typed, "No longer due, no consent to long-term follow-up: ", Consent)


def _withdrawal(one: Participant, today: dt.date, by: User, now: dt.datetime) -> Case:
    typed = {"participant": one.pk, "scope": "visits", "may_keep_samples": "on", "may_contact": "on"}
    typed |= when("withdrawn_at", now)
    shows = "No longer due, withdrawal of consent: M2"
    return Case(add("participants.ConsentWithdrawal"), typed, shows, ConsentWithdrawal)


def _assessment(one: Participant, today: dt.date, by: User, now: dt.datetime) -> Case:
    looked = {"marrow": "done", "marrow_blasts": "30", "blood_blasts": "present", "extramedullary": "absent"}
    typed = {"participant": one.pk, "assessed_on": str(today), "transfusion": "no", "mrd": "not_done", **looked}
    return Case(add("participants.DiseaseAssessment"), typed, RELAPSE, DiseaseAssessment)


def _therapy(one: Participant, today: dt.date, by: User, now: dt.datetime) -> Case:
    typed = {"participant": one.pk, "kind": "allo_hsct", "reason": "consolidation", "started_on": str(today)}
    return Case(add("participants.SubsequentTherapy"), typed, THERAPY, SubsequentTherapy)


def _contact(one: Participant, today: dt.date, by: User, now: dt.datetime) -> Case:
    typed = {"participant": one.pk, "contacted_on": str(today), "means": "phone", "vital": "dead"}
    typed |= {"answered_by": "family", "died_on": str(today)}
    return Case(add("participants.SurvivalContact"), typed, DEATH, SurvivalContact)


CASES: dict[str, Callable[[Participant, dt.date, User, dt.datetime], Case]] = {
    "a new status": _status,
    "another day of a status": _day,
    "a consent without the long term": _consent,
    "a withdrawal": _withdrawal,
    "an assessment that shows a relapse": _assessment,
    "a later therapy": _therapy,
    "a contact that learnt of a death": _contact,
}


def owed_of(participant: Participant) -> list[Any]:
    fresh = Participant.objects.get(pk=participant.pk)
    visits = fresh.visits.order_by("pk").values_list("code", "state", "released_because", "released_on")
    return [fresh.status, fresh.relapsed_on, fresh.new_therapy_on, *visits]


@pytest.mark.parametrize("name", CASES)
def test_what_a_form_changes_of_the_visits_is_seen_before_it_is_taken(
    name: str, participant: Participant, alice: User, now: dt.datetime, login: Any
) -> None:
    client = login(alice)
    case = CASES[name](participant, timezone.localdate(now), alice, now)
    before, rows = owed_of(participant), case.model.objects.count()
    shown = client.post(case.address, case.typed)
    assert shown.status_code == 200
    assert case.shows in shown.content.decode()
    assert "Please correct" not in shown.content.decode(), "nothing of it is wrong"
    assert (owed_of(participant), case.model.objects.count()) == (before, rows), "nothing is done yet"
    sent = next(one.data for one in forms_of(shown) if SEEN in one.data)
    assert {key: str(sent[key]) for key in case.typed} == {key: str(value) for key, value in case.typed.items()}
    answer = {questions.ANSWER: "Dr Li told us"} if questions.ANSWER in sent else {}
    wrong = client.post(case.address, {**sent, **answer, SEEN: "something else"})
    assert wrong.status_code == 200, "other changes are another question"
    assert client.post(case.address, {**sent, **answer}).status_code == 302
    assert owed_of(participant) != before
    assert case.model.objects.count() == rows + 1


VOIDS: dict[str, tuple[str, str, str]] = {
    "a consent without the long term": ("consent", "void_consent", "consent_consequences"),
    "a withdrawal": ("withdrawal", "void_withdrawal", "withdrawal_consequences"),
    "an assessment that shows a relapse": ("row", "void_response", "response_consequences"),
    "a later therapy": ("row", "void_response", "response_consequences"),
}


@pytest.mark.parametrize("name", VOIDS)
def test_its_void_says_which_visits_come_back(
    name: str, participant: Participant, alice: User, now: dt.datetime, login: Any
) -> None:
    client, (argument, verb, lines_of) = login(alice), VOIDS[name]
    case = CASES[name](participant, timezone.localdate(now), alice, now)
    sent = forms_of(client.post(case.address, case.typed))[0].data
    client.post(case.address, {**sent, **({questions.ANSWER: "so it is"} if questions.ANSWER in sent else {})})
    row = case.model.objects.latest("pk")
    told = " ".join(getattr(actions, lines_of)(row).follows)
    assert ("due again" in told) == (case.model is not DiseaseAssessment), "a relapse takes no visit"
    getattr(actions, verb)(**{argument: row}, reason="another person", by=alice, now=now)
    assert not participant.visits.filter(state="cancelled").exists()
