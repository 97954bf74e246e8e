"""The commands that build and guard an installation."""

import io
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from demo.people import make_people
from demo.scene import Scene
from participants.models import Participant, Visit
from participants.rules.status import Status
from trialsite.models import Counter, Site, User


@pytest.mark.django_db
def test_the_demo_study_is_believable(site: Site, settings: Any) -> None:
    settings.LOCAL = True
    call_command("demo", stdout=io.StringIO())
    statuses = set(Participant.objects.values_list("status", flat=True))
    assert statuses >= {
        Status.SCREENING,
        Status.SCREEN_FAILED,
        Status.ENROLLED,
        Status.INFUSED,
        Status.IN_FOLLOW_UP,
        Status.RELAPSED,
        Status.DIED,
    }
    assert Counter.objects.get(name="enrolment").value <= 30
    today = timezone.localdate()
    assert Visit.objects.overdue_on(today).exists()
    assert Visit.objects.open_on(today).exists()


@pytest.mark.django_db
def test_the_demo_study_refuses_a_database_that_holds_anything(site: Site, alice: User, settings: Any) -> None:
    settings.LOCAL = True
    with pytest.raises(CommandError, match="empty"):
        call_command("demo")
    out = io.StringIO()
    call_command("demo", "--if-empty", stdout=out)
    assert "left as it is" in out.getvalue()


@pytest.mark.django_db
def test_the_demo_study_is_the_same_each_time(site: Site, settings: Any) -> None:
    settings.LOCAL = True
    make_people()
    now = timezone.now()
    assert Scene(now).dice.random() == Scene(now).dice.random()


@pytest.mark.django_db
def test_a_token_is_issued_for_a_program_and_not_for_a_person(site: Site, alice: User, english: None) -> None:
    out = io.StringIO()
    call_command("sponsor_token", "sponsor-edc", "--days", "1", stdout=out, stderr=io.StringIO())
    assert len(out.getvalue().strip()) == 64
    with pytest.raises(CommandError, match="person of the site"):
        call_command("sponsor_token", "alice")
    out = io.StringIO()
    call_command("sponsor_token", "sponsor-edc", "--revoke", stdout=out)
    assert out.getvalue().startswith("1 token")


@pytest.mark.django_db
def test_beat_alive_says_which_sweep_is_silent(site: Site) -> None:
    error = io.StringIO()
    with pytest.raises(SystemExit):
        call_command("beat_alive", stderr=error)
    assert "visit-reminders" in error.getvalue()


def test_the_reference_pages_are_current() -> None:
    call_command("write_docs", "--check")
