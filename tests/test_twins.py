"""The same thing recorded twice is asked about, on every page; with a reason it is saved."""

import datetime as dt
from typing import Any

import pytest
from django.apps import apps
from django.urls import reverse
from django.utils import timezone

from participants.models import IdentityRead, Participant
from safety.models import AdverseEvent
from tests import factories
from tests.addforms import FILL, Filled, pages, send
from trialsite import audit, questions
from trialsite.models import Site, User
from trialsite.voiding import void

DAY = dt.timedelta(days=1)
# Recorded once only, whatever the reason: a rule of the model or of the action stands against the second.
ONCE = {"participants.Consent", "participants.ConsentWithdrawal", "dosing.CellProduct", "dosing.Infusion"}
# Confirmed from what is computed, on the page of the blood; the same again is refused there.
WITHOUT_FORM = {"safety.IcahtAssessment"}


@pytest.fixture
def now() -> dt.datetime:
    return timezone.now()


@pytest.fixture
def participant(site: Site, alice: User, now: dt.datetime) -> Participant:
    return factories.infused(site=site, by=alice, now=now, infused_at=now - 40 * DAY)


@pytest.fixture
def root(site: Site) -> User:
    user = User.objects.create_superuser("root", "root@example.org", "x", language="en")
    user.sites.set([site])
    return user


def asked(response: Any, filled: Filled) -> Any:
    """The form with its question; fails where nothing was asked."""
    assert response.status_code == 200, response.headers
    shown = response.context[filled.form]
    form = shown.form if filled.form == "adminform" else shown
    assert questions.ANSWER in form.fields, form.errors
    assert f'name="{questions.ANSWER}"' in response.content.decode()
    return form


def answer(form: Any, text: str = "it is another one") -> dict[str, str]:
    return {questions.ASKED: form.data[questions.ASKED], questions.ANSWER: text}


def test_every_page_that_adds_is_gone_over() -> None:
    assert set(FILL) == pages() - WITHOUT_FORM


@pytest.mark.django_db
@pytest.mark.parametrize("label", sorted(set(FILL) - ONCE))
def test_the_same_twice_is_asked_about_and_saved_with_a_reason(
    label: str, participant: Participant, root: User, login: Any, now: dt.datetime
) -> None:
    client, model = login(root), apps.get_model(label)
    filled = FILL[label](participant, now, root)
    assert send(client, filled).status_code == 302
    before = model.objects.count()
    response = send(client, filled)
    form = asked(response, filled)
    assert "s this the same" in response.content.decode()
    assert model.objects.count() == before
    assert send(client, filled, **{**answer(form), questions.ANSWER: " "}).status_code == 200
    assert send(client, filled, **{questions.ANSWER: "never asked"}).status_code == 200
    assert model.objects.count() == before
    assert send(client, filled, **answer(form)).status_code == 302
    assert model.objects.count() > before
    assert "it is another one" in audit.trail(model.objects.order_by("pk").last())[-1].reason


@pytest.mark.django_db
@pytest.mark.parametrize(("minutes", "is_asked"), [(-11, False), (-10, True), (10, True), (11, False)])
def test_minutes_apart_is_the_same_and_later_is_not(
    participant: Participant, root: User, login: Any, now: dt.datetime, minutes: int, is_asked: bool
) -> None:
    client, filled = login(root), FILL["participants.Examination"](participant, now, root)
    first = now.replace(microsecond=0) - DAY
    assert send(client, filled.on(first)).status_code == 302
    again = send(client, filled.on(first + dt.timedelta(minutes=minutes)))
    assert again.status_code == (200 if is_asked else 302)


@pytest.mark.django_db
def test_a_change_elsewhere_asks_nothing(participant: Participant, root: User, login: Any, now: dt.datetime) -> None:
    client, filled = login(root), FILL["safety.AdverseEvent"](participant, now, root)
    send(client, filled)
    send(client, filled, **answer(asked(send(client, filled), filled)))
    event = AdverseEvent.objects.latest("pk")
    path = reverse("admin:safety_adverseevent_change", args=[event.pk])
    changed = {**filled.data, "grade": "2", "reason_for_change": "misread"}
    assert client.post(path, changed).status_code == 302
    changed["term"] = "Fever "
    response = client.post(path, {**changed, "reason_for_change": "misspelt"})
    assert "Is this the same?" in response.content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("known", "typed", "is_asked"),
    [
        ({"hospital_number": "ＡＢ－ 0012"}, {"hospital_number": "ab0012"}, True),
        ({"hospital_number": "AB0012"}, {"hospital_number": "AB0013"}, False),
        ({"name": "王 小明"}, {"name": "王小明"}, True),
        ({}, {"name": "王小明", "birth_date": "1990-05-18"}, False),
        ({}, {"name": "王大明"}, False),
    ],
)
def test_a_person_who_was_screened_before_is_asked_about(
    site: Site, alice: User, login: Any, now: dt.datetime, known: Any, typed: dict[str, str], is_asked: bool
) -> None:
    before = factories.screened(site=site, by=alice, now=now, **known)
    other = {"name": "赵六", "birth_date": "1970-01-01"} if "hospital_number" in typed else {"birth_date": "1990-05-17"}
    filled = FILL["participants.Participant"](before, now, alice)
    filled.data.update({**other, "hospital_number": "", **typed})
    response = send(login(alice), filled)
    assert response.status_code == (200 if is_asked else 302)
    if is_asked:
        question = str(asked(response, filled).non_field_errors())
        assert f"/admin/participants/participant/{before.pk}/change/" in question
        assert not [secret for secret in ("王", "1990", "0012") if secret in question]
    # It tells whose number it is: that is a search, and leaves its trace.
    compared = ["hospital_number"] if "hospital_number" in typed else ["name", "birth_date"]
    searched = IdentityRead.objects.filter(by=alice, how="search").values_list("participant", "fields")
    assert list(searched) == ([(before.pk, compared)] if is_asked else [])


@pytest.mark.django_db
def test_who_failed_the_screening_is_screened_again_there(
    site: Site, alice: User, login: Any, now: dt.datetime
) -> None:
    before = factories.screened(site=site, by=alice, now=now)
    Participant.objects.filter(pk=before.pk).update(status="screen_failed")
    filled = FILL["participants.Participant"](before, now, alice)
    filled.data.update({"name": before.name, "birth_date": "1990-05-17"})
    assert "“Screen again…”" in send(login(alice), filled).content.decode()


@pytest.mark.django_db
def test_a_void_participant_and_another_site_are_no_twins(
    site: Site, other_site: Site, alice: User, dana: User, login: Any, now: dt.datetime
) -> None:
    void(factories.screened(site=site, by=alice, now=now), reason="twice", by=dana, now=now)
    before = factories.screened(site=other_site, by=alice, now=now)
    filled = FILL["participants.Participant"](before, now, alice)
    filled.data.update({"name": before.name, "birth_date": "1990-05-17", "site": site.pk})
    assert send(login(alice), filled).status_code == 302
