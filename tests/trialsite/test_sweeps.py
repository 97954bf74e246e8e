"""One row that breaks stops no other, in any sweep: what broke is counted, logged by its key, and seen."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.utils import timezone
from django.utils.module_loading import import_string

from participants.models import Participant, Visit
from tests import factories
from tests.conftest import person
from trialsite import notifications, sweeps
from trialsite.models import Lock, LockKind, Notification, Site, SweepRun, User
from trialsite.roles import Role

pytestmark = pytest.mark.django_db
DAY, HOUR = dt.timedelta(days=1), dt.timedelta(hours=1)
SECRET = "王小明"


@pytest.fixture
def now() -> dt.datetime:
    return timezone.now().replace(microsecond=0)


def infused(site: Site, alice: User, now: dt.datetime, hours: int = 100) -> Participant:
    return factories.infused(site=site, by=alice, now=now, infused_at=now - hours * HOUR)


def break_one(row: Participant) -> None:
    """A participant of whom nothing can be computed: their version of the protocol is none."""
    Participant.objects.filter(pk=row.pk).update(protocol_version="none such")
    Visit.objects.filter(participant=row).update(protocol_version="none such")


def told(row: Participant) -> int:
    return Notification.objects.filter(subject__contains=row.number).count()


def run(name: str) -> dict[str, int]:
    counts: dict[str, int] = import_string(str(django_settings.CELERY_BEAT_SCHEDULE[name]["task"]))()
    return counts


# --- Sweeps over participants ---------------------------------------------------------------------------


def serious(row: Participant, alice: User, now: dt.datetime) -> None:
    from safety.actions import log_adverse_event
    from safety.models import AdverseEvent

    event = AdverseEvent(
        participant=row, term="fever", onset=f"{timezone.localdate(now - DAY)}", grade=3, is_life_threatening=True,
        ctcae_version="5.0", site_aware_at=now - 20 * HOUR,
    )  # fmt: skip
    log_adverse_event(event=event, by=alice, now=now - 19 * HOUR)


SWEPT: dict[str, Callable[[Participant, User, dt.datetime], Any]] = {
    "bedside-rounds": lambda row, alice, now: None,
    "reporting-duties": serious,
}


@pytest.mark.parametrize("name", SWEPT)
def test_a_participant_at_whom_it_breaks_keeps_nobody_else(
    site: Site, alice: User, ivan: User, now: dt.datetime, caplog: Any, name: str
) -> None:
    person("paul", Role.PRINCIPAL_INVESTIGATOR, site)
    bad, good = infused(site, alice, now), infused(site, alice, now)
    for row in (bad, good):
        SWEPT[name](row, alice, now)
    Notification.objects.all().delete()
    break_one(bad)
    counts = run(name)
    assert counts[sweeps.STUMBLED] >= 1
    assert (told(bad), told(good) > 0) == (0, True)
    assert SweepRun.objects.get(name=name).counts == counts
    assert f":{bad.pk}" in caplog.text or "event:" in caplog.text
    assert bad.name not in caplog.text


# --- Others ----------------------------------------------------------------------------------------------


def test_a_lock_that_cannot_be_told_keeps_no_other(site: Site, alice: User, now: dt.datetime, monkeypatch: Any) -> None:
    User.objects.create_superuser("root", "root@example.org", is_active=True)
    locks = [
        Lock.objects.create(key=f"k{n}", kind=LockKind.BY_ADDRESS, ip=f"10.0.0.{n}", closed_at=now, closed_until=now)
        for n in (1, 2)
    ]
    first_cannot_be_told(monkeypatch, about=f"lock:{locks[0].pk}")
    assert run("doors")[sweeps.STUMBLED] == 1
    assert list(Notification.objects.values_list("about", flat=True)) == [f"lock:{locks[1].pk}"]


def first_cannot_be_told(monkeypatch: Any, *, about: str) -> None:
    """A template that raises, for one message of all."""
    plain = notifications._texts

    def texts(letter: Any, language: str) -> dict[str, str]:
        if letter.about == about:
            raise ValueError(SECRET)
        return plain(letter, language)

    monkeypatch.setattr(notifications, "_texts", texts)


def test_a_site_whose_review_cannot_be_told_keeps_no_other(
    site: Site, other_site: Site, monkeypatch: Any, caplog: Any
) -> None:
    for one, name in ((site, "paul"), (other_site, "petra")):
        person(name, Role.PRINCIPAL_INVESTIGATOR, one)
    first_cannot_be_told(monkeypatch, about=f"access-review:{site.pk}")
    assert run("access-reviews") == {"told": 1, sweeps.STUMBLED: 1}
    assert SECRET not in caplog.text
    assert f"site:{site.pk}" in caplog.text


def test_a_letter_that_cannot_be_written_keeps_no_other_of_its_sweep(
    site: Site, alice: User, now: dt.datetime, monkeypatch: Any
) -> None:
    first_cannot_be_told(monkeypatch, about="x:1")
    letters = [
        notifications.Letter(
            key=f"k{n}",
            about=f"x:{n}",
            site=site,
            recipients=[alice],
            template="trialsite/email/access_review",
            context={"site": site, "due_on": None, "link": ""},
        )
        for n in range(3)
    ]
    assert notifications.queue_all(letters, now=now) == {"k0": 1, "k2": 1}
    assert notifications.queue_all(letters, now=now) == {"k0": 0, "k2": 0}


# Held by tests of their own, or over no rows.
ELSEWHERE = {
    "visit-reminders": "a letter that cannot be written: above; the rest with the reminders",
    "eligibility": "one participant is one guarded row, as above",
    "consents-again": "one participant is one guarded row, as above",
    "neutrophil-counts": "one participant is one guarded row, as above",
    "inpatient-days": "one day is one guarded row, as above",
    "imports": "tests of imports: one that breaks is tried and fails",
    "data-findings": "tests of the checks: each check, and each participant, by itself",
    "audit-seals": "one trail, no rows; whom it is told each by themselves",
    "snapshots": "one that expires is one guarded row, as above; the rest with the snapshots",
    "deliver-notifications": "tests of delivery",
}


def test_no_sweep_is_forgotten_here() -> None:
    named = {*SWEPT, *ELSEWHERE, "doors", "access-reviews"}
    assert named == set(django_settings.CELERY_BEAT_SCHEDULE)


# --- The record of a run ---------------------------------------------------------------------------------


def test_a_sweep_that_ends_early_has_not_run(now: dt.datetime) -> None:
    @sweeps.sweep("doors")
    def breaks(now: dt.datetime) -> dict[str, int]:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        breaks()
    assert not SweepRun.objects.filter(name="doors").exists()


def test_what_broke_is_counted_for_its_own_run_only(now: dt.datetime) -> None:
    @sweeps.sweep("doors")
    def breaks(now: dt.datetime) -> dict[str, int]:
        with sweeps.guarded("row:1"):
            raise RuntimeError(SECRET)
        return {}

    @sweeps.sweep("imports")
    def fine(now: dt.datetime) -> dict[str, int]:
        return {}

    assert (breaks(), fine()) == ({sweeps.STUMBLED: 1}, {})
