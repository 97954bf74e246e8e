"""The search: participants by number, pages by a word of either language, and what is to be done for whom."""

import datetime as dt
import logging
from typing import Any

import pytest
from django.urls import reverse

from participants.models import Participant
from tests import factories
from tests.conftest import Once
from trialsite import finding
from trialsite.models import User

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("english")]


@pytest.fixture(scope="module")
def made(once: Once, now: dt.datetime) -> Participant:
    return factories.enrolled(site=once.site, by=once.alice, now=now)


def links(user: User, text: str) -> list[str]:
    return [one.link for one in finding.find(user, text)]


def page(participant: Participant) -> str:
    return reverse("admin:participants_participant_page", args=[participant.pk])


def test_a_number_in_any_spelling(participant: Participant, alice: User) -> None:
    letters, _dash, digits = participant.number.partition("-")
    short = digits.lstrip("0")
    screening = participant.screening_number
    for text in (
        participant.number,
        participant.number.lower(),
        f"{letters}{digits}",
        f"{letters.lower()}-{short}",
        short,
        screening,
        screening.replace("-", "").lower(),
        screening.partition("-")[2],
    ):
        assert links(alice, text)[0] == page(participant), text


def test_a_part_of_a_number_finds_all_that_have_it(
    participant: Participant, site: Any, alice: User, now: dt.datetime
) -> None:
    other = factories.screened(site=site, by=alice, now=now)
    assert {page(participant), page(other)} <= set(links(alice, "zj-s0"))


def test_nobody_of_another_site_nor_by_a_name(participant: Participant, alice: User, charlie: User) -> None:
    assert page(participant) not in links(charlie, participant.number)
    for text in (participant.name, participant.phone, participant.hospital_number or "H 770077"):
        assert page(participant) not in links(alice, text), "that is what “Find a person” is for"


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("record consent for {}", "participants_consent_add"),
        ("{} 知情同意", "participants_consent_add"),
        ("登记{}知情同意", "participants_consent_add"),
        ("enter results {}", "participants_examination_add"),
        ("化验 {}", "participants_examination_add"),
        ("ae {}", "safety_adverseevent_add"),
        ("crs {}", "safety_bedsideassessment_add"),
    ],
)
def test_a_number_and_a_verb_lead_to_the_form(text: str, form: str, participant: Participant, alice: User) -> None:
    address = f"{reverse(f'admin:{form}')}?participant={participant.pk}"
    assert address in links(alice, text.format(participant.number))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("visits", "participants_visit_changelist"),
        ("访视", "participants_visit_changelist"),
        ("CRS", "safety_crsassessment_changelist"),
        ("不良事件", "safety_adverseevent_changelist"),
        ("sae", "safety_adverseevent_changelist"),
        ("托珠单抗", "dosing_medication_changelist"),
    ],
)
def test_a_page_by_a_word_of_either_language(text: str, name: str, alice: User) -> None:
    assert reverse(f"admin:{name}") in links(alice, text)


def test_only_what_this_person_may_do_and_open(participant: Participant, alice: User, mona: User) -> None:
    form = f"{reverse('admin:participants_consent_add')}?participant={participant.pk}"
    assert form in links(alice, f"consent {participant.number}")
    assert links(mona, f"consent {participant.number}") == [page(participant)]
    assert reverse("admin:trialsite_user_changelist") not in links(mona, "people")


def test_every_verb_leads_somewhere(participant: Participant, root: User, login: Any) -> None:
    client = login(root)
    verbs = [verb for module in finding._modules() for verb in module.VERBS]
    answers = {verb.name: client.get(verb.link(participant.pk)).status_code for verb in verbs}
    assert set(answers.values()) == {200}, answers


@pytest.fixture
def root(db: None) -> User:
    return User.objects.create_superuser("root")


def test_what_is_typed_stands_in_no_address_and_no_log(
    participant: Participant, alice: User, login: Any, caplog: Any
) -> None:
    client = login(alice)
    with caplog.at_level(logging.DEBUG, logger="django.request"):
        answer = client.post(reverse("admin:find"), {"text": participant.number}, HTTP_ACCEPT="application/json")
    assert answer.json()["found"][0]["link"] == page(participant)
    assert participant.number not in caplog.text
    assert client.get(reverse("admin:find") + f"?text={participant.number}").context["found"] == []


def test_without_the_script_it_is_a_page(participant: Participant, alice: User, login: Any) -> None:
    text = login(alice).post(reverse("admin:find"), {"text": participant.number}).content.decode()
    assert f'href="{page(participant)}"' in text
    nothing = login(alice).post(reverse("admin:find"), {"text": participant.name}).content.decode()
    assert "Find a person" in nothing
