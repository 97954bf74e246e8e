"""The page of a participant: to be read, with what is owed, what comes next, and forms that come back to it."""

import datetime as dt
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from participants import actions
from participants.models import IdentityRead, Participant
from tests import factories
from tests.conftest import person
from trialsite import subjectpage
from trialsite.models import Site, User
from trialsite.roles import Role

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("english")]

DAY = dt.timedelta(days=1)


def page_of(participant: Participant) -> str:
    return reverse("admin:participants_participant_page", args=[participant.pk])


def section_of(participant: Participant, code: str) -> str:
    return reverse("admin:participants_participant_section", args=[participant.pk, code])


@pytest.fixture
def screened(site: Site, alice: User) -> Participant:
    return factories.screened(site=site, by=alice, now=timezone.now())


@pytest.fixture
def infused(site: Site, alice: User) -> Participant:
    now = timezone.now()
    return factories.infused(site=site, by=alice, now=now, infused_at=now - 40 * DAY)


def text_of(client: Client, participant: Participant) -> str:
    answer = client.get(page_of(participant))
    assert answer.status_code == 200
    return answer.content.decode()


# --- who ------------------------------------------------------------------------------------------------


def test_it_says_who_and_the_day(infused: Participant, alice: User, login: Any) -> None:
    text = text_of(login(alice), infused)
    assert infused.number in text
    assert infused.name in text
    assert "Day 40" in text
    assert f"{infused.age_on(actions.site_day(timezone.now()))} years" in text


def test_who_may_not_see_the_identity_reads_the_number_alone(infused: Participant, mona: User, login: Any) -> None:
    text = text_of(login(mona), infused)
    assert infused.number in text
    assert infused.name not in text
    assert " years" not in text
    assert not IdentityRead.objects.filter(by=mona).exists()


def test_reading_the_name_leaves_a_trace(infused: Participant, alice: User, login: Any) -> None:
    text_of(login(alice), infused)
    assert IdentityRead.objects.get(by=alice, participant=infused, how="page").fields == ["name", "birth_date", "bed"]


def test_another_site_finds_no_page(infused: Participant, charlie: User, login: Any) -> None:
    client = login(charlie)
    assert client.get(page_of(infused)).status_code == 404
    assert client.get(section_of(infused, "consent")).status_code == 404


# --- what comes next ------------------------------------------------------------------------------------


def next_of(client: Client, participant: Participant) -> str:
    return str(client.get(page_of(participant)).context["next"].text)


def test_the_next_step_goes_from_consent_to_enrolment(site: Site, alice: User, ivan: User, login: Any) -> None:
    now, client = timezone.now(), login(alice)
    one = factories.screened(site=site, by=alice, now=now)
    assert "record the consent" in next_of(client, one)
    two = factories.consented(site=site, by=alice, now=now, name="二")
    assert "enter the screening visit" in next_of(client, two)
    three = factories.eligible(site=site, by=alice, now=now, name="三")
    assert "decide eligibility" in next_of(client, three)
    actions.confirm_eligibility(participant=three, by=ivan, now=timezone.now())
    assert "enrol" in next_of(client, three)


def test_who_may_not_do_it_reads_whose_it_is(site: Site, alice: User, login: Any) -> None:
    three = factories.eligible(site=site, by=alice, now=timezone.now())
    answer = login(alice).get(page_of(three))
    assert not answer.context["may_next"]
    assert "Investigator" in answer.content.decode()


def test_a_void_participant_has_no_next_step(screened: Participant, alice: User, login: Any) -> None:
    actions.void_participant(participant=screened, reason="twice", by=alice, now=timezone.now())
    answer = login(alice).get(page_of(screened))
    assert answer.context["next"] is None
    assert "twice" in answer.content.decode()


def test_what_is_owed_says_by_whom(infused: Participant, alice: User, login: Any) -> None:
    owed = login(alice).get(page_of(infused)).context["owed"]
    visits = [one for one, _may in owed if one.permission == "participants.change_visit"]
    assert visits
    assert all("Coordinator" in one.by_whom for one in visits)
    assert [bool(one.late) for one, _may in owed] == sorted((bool(one.late) for one, _may in owed), reverse=True)


# --- sections --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.SPONSOR_PROGRAM], ids=str)
def test_a_role_opens_the_sections_it_may_see_and_no_other(
    role: Role, infused: Participant, site: Site, login: Any
) -> None:
    client = login(person("reader", role, site))
    shown = {one["code"] for one in client.get(page_of(infused)).context["sections"]}
    for one in subjectpage.sections():
        assert client.get(section_of(infused, one.code)).status_code == (200 if one.code in shown else 403), one.code


def test_without_scripts_the_address_opens_a_section(infused: Participant, alice: User, login: Any) -> None:
    client, url = login(alice), page_of(infused)
    assert "open data-loaded" not in client.get(url).content.decode()
    assert client.get(f"{url}?open=consent").content.decode().count("open data-loaded") == 1


def test_no_section_of_another_name(infused: Participant, alice: User, login: Any) -> None:
    assert login(alice).get(section_of(infused, "nonsense")).status_code == 404


def test_every_verb_comes_back(infused: Participant, alice: User, login: Any) -> None:
    sections = login(alice).get(page_of(infused)).context["sections"]
    verbs = {address for one in sections for _text, address in one["actions"] if "/add/" in address}
    assert verbs
    for address in verbs:
        assert f"back=page-{infused.pk}" in address, address


def test_every_row_of_a_section_comes_back(infused: Participant, alice: User, login: Any) -> None:
    text = login(alice).get(section_of(infused, "consent")).content.decode()
    consent = reverse("admin:participants_consent_change", args=[infused.consents.get().pk])
    assert f'href="{consent}?back=page-{infused.pk}-consent"' in text


def test_a_form_comes_back_to_its_section(screened: Participant, alice: User, login: Any) -> None:
    sections = login(alice).get(page_of(screened)).context["sections"]
    consent = next(one for one in sections if one["code"] == "consent")
    link = next(address for text, address in consent["actions"] if str(text) == "Record consent")
    local = timezone.localtime()
    typed = {
        "participant": screened.pk,
        "version": "1.0",
        "consented_at_0": f"{local:%Y-%m-%d}",
        "consented_at_1": "00:00",
    }
    answer = login(alice).post(link, typed)
    assert answer.status_code == 302
    assert answer["Location"] == f"{page_of(screened)}?open=consent#consent"


def test_without_a_way_a_saved_row_leads_to_its_participant(screened: Participant, alice: User, login: Any) -> None:
    local = timezone.localtime()
    typed = {
        "participant": screened.pk,
        "version": "1.0",
        "consented_at_0": f"{local:%Y-%m-%d}",
        "consented_at_1": "00:00",
    }
    answer = login(alice).post(reverse("admin:participants_consent_add"), typed)
    assert answer.status_code == 302
    assert answer["Location"] == page_of(screened)


# --- fast ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("whose", ["screened", "infused"])
def test_it_asks_few_questions_of_the_database(
    whose: str, request: Any, alice: User, login: Any, django_assert_max_num_queries: Any
) -> None:
    participant, client = request.getfixturevalue(whose), login(alice)
    client.get(page_of(participant))
    with django_assert_max_num_queries(25):
        answer = client.get(page_of(participant))
    assert len(answer.content) <= 120_000
