"""/healthz answers while the process lives; /readyz and the first page are red while something is silent."""

import datetime as dt
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.utils import timezone

from trialsite import sweeps
from trialsite.models import User


def run_all(at: dt.datetime) -> None:
    for name in django_settings.CELERY_BEAT_SCHEDULE:
        sweeps.record_run(name, counts={}, now=at)


def test_healthz_needs_nothing() -> None:
    assert Client().get("/healthz").json() == {"status": "ok"}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("minutes", "status"),
    [pytest.param(14, 200, id="14-minutes-fine"), pytest.param(16, 503, id="16-minutes-silent")],
)
def test_readyz_is_red_when_beat_is_silent_for_15_minutes(minutes: int, status: int) -> None:
    run_all(timezone.now() - dt.timedelta(minutes=minutes))
    assert Client().get("/readyz").status_code == status


@pytest.mark.django_db
def test_readyz_is_red_when_a_sweep_never_ran() -> None:
    answer = Client().get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["sweeps"]["silent"] == list(django_settings.CELERY_BEAT_SCHEDULE)


@pytest.mark.django_db
def test_readyz_is_red_when_the_broker_is_gone(settings: Any) -> None:
    run_all(timezone.now())
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    answer = Client().get("/readyz")
    assert (answer.status_code, answer.json()["broker"]["ok"]) == (503, False)


@pytest.mark.django_db
def test_the_first_page_says_so(alice: User, login: Any) -> None:
    assert "Reminders are not running" in login(alice).get("/admin/").content.decode()
    run_all(timezone.now())
    assert "Reminders are not running" not in login(alice).get("/admin/").content.decode()
