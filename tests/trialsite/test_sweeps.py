"""One row that breaks stops no other, in any sweep: what broke is counted, logged by its key, and seen."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db.models import F
from django.utils import timezone
from django.utils.module_loading import import_string

from participants.actions import remind_of_visits
from participants.actions.imports import upload
from participants.models import MeasurementImport, Participant, Reconsent, Visit, VisitReminder
from participants.models.imports import ImportState
from participants.rules.settling import ToldBy
from safety.actions import days
from safety.checks import CHECKS
from safety.models import AdverseEvent, DataFinding
from sponsor.models import Snapshot
from tests import factories
from tests.conftest import person
from trialsite import delivery, notifications, sweeps
from trialsite.models import Lock, LockKind, Notification, NotificationState, Site, SweepRun, User
from trialsite.roles import Role

pytestmark = pytest.mark.django_db
DAY, HOUR = dt.timedelta(days=1), dt.timedelta(hours=1)
SECRET = "王小明"


@pytest.fixture
def now(time_machine: Any) -> dt.datetime:
    """Noon, when people are told of what is due."""
    noon = timezone.localtime().replace(hour=12, minute=0, second=0, microsecond=0)
    time_machine.move_to(noon, tick=False)
    return noon


@dataclass(frozen=True)
class Scene:
    site: Site
    other_site: Site
    alice: User
    now: dt.datetime
    monkeypatch: Any

    def two(self, hours: int = 100) -> tuple[Participant, Participant]:
        """Infused so many hours ago."""
        at = self.now - hours * HOUR
        first, second = (
            factories.infused(site=self.site, by=self.alice, now=self.now, infused_at=at) for _one in range(2)
        )
        Notification.objects.all().delete()
        return first, second

    def only_at(self, bad: int, module: Any, name: str, key: Callable[..., int]) -> None:
        """What this is called for breaks for one row of all."""
        sound = getattr(module, name)

        def breaks(*args: Any, **more: Any) -> Any:
            if key(*args, **more) == bad:
                raise ValueError(SECRET)
            return sound(*args, **more)

        self.monkeypatch.setattr(module, name, breaks)


@dataclass(frozen=True)
class Trial:
    """Two rows are due, and the sweep breaks at one: what its log says of it, and whether it has reached the other."""

    key: str
    reached: Callable[[], bool]
    counted: str = sweeps.STUMBLED


@pytest.fixture
def scene(site: Site, other_site: Site, alice: User, ivan: User, now: dt.datetime, monkeypatch: Any) -> Scene:
    person("paul", Role.PRINCIPAL_INVESTIGATOR, site)
    return Scene(site, other_site, alice, now, monkeypatch)


def break_one(row: Participant) -> None:
    """A participant of whom nothing can be computed: their version of the protocol is none."""
    Participant.objects.filter(pk=row.pk).update(protocol_version="none such")
    Visit.objects.filter(participant=row).update(protocol_version="none such")


def told(row: Participant) -> bool:
    return Notification.objects.filter(subject__contains=row.number).exists()


def run(name: str) -> dict[str, int]:
    counts: dict[str, int] = import_string(str(django_settings.CELERY_BEAT_SCHEDULE[name]["task"]))()
    return counts


# --- Each sweep, with the row at which it breaks -----------------------------------------------------------


def visit_reminders(scene: Scene) -> Trial:
    bad, good = scene.two()
    break_one(bad)
    rows = VisitReminder.objects.filter(visit__participant=good)
    return Trial("reminders of visit ", rows.exists)


def eligibility(scene: Scene) -> Trial:
    """The other one turns out to be too old."""
    bad, good = scene.two()
    break_one(bad)
    Participant.objects.filter(pk=good.pk).update(birth_date=dt.date(1930, 1, 1))
    return Trial(f"eligibility of participant:{bad.pk}", lambda: told(good))


def reconsents(scene: Scene) -> Trial:
    bad, good = scene.two()
    break_one(bad)
    today = timezone.localdate(scene.now)
    row = Reconsent.objects.create(
        participant=good,
        cause="new_version",
        version="9.9",
        opens_on=today - DAY,
        due_on=today + 3 * DAY,
        created_by=scene.alice,
        created_at=scene.now,
    )
    mails = Notification.objects.filter(about=f"reconsent:{row.pk}")
    return Trial(f"consents of participant:{bad.pk}", mails.exists)


def rounds(scene: Scene) -> Trial:
    bad, good = scene.two()
    break_one(bad)
    return Trial(f"round of participant:{bad.pk}", lambda: told(good) and not told(bad))


def counts(scene: Scene) -> Trial:
    bad, good = scene.two(hours=10 * 24)
    break_one(bad)
    return Trial(f"count of participant:{bad.pk}", lambda: told(good) and not told(bad))


def duties(scene: Scene) -> Trial:
    bad, good = scene.two()
    events = [serious(row, scene) for row in (bad, good)]
    Notification.objects.all().delete()
    break_one(bad)
    return Trial(f"message event:{events[0].pk}:", lambda: told(good) and not told(bad))


def serious(row: Participant, scene: Scene) -> AdverseEvent:
    from safety.actions import log_adverse_event

    event = AdverseEvent(
        participant=row, term="fever", onset=f"{timezone.localdate(scene.now - DAY)}", grade=3,
        is_life_threatening=True, ctcae_version="5.0", site_aware_at=scene.now - 20 * HOUR,
    )  # fmt: skip
    log_adverse_event(event=event, by=scene.alice, now=scene.now - 19 * HOUR)
    return event


def inpatient_days(scene: Scene) -> Trial:
    """Days that are done by records that are no more: they are planned again."""
    bad, good = (row.visits.get(code="D2") for row in scene.two())
    done = {"state": Visit.State.DONE, "told_by": ToldBy.RECORDS, "occurred_on": F("target_date")}
    Visit.objects.filter(pk__in=[bad.pk, good.pk]).update(**done)
    scene.only_at(bad.pk, days, "settle_by_records", lambda visit, **_more: int(visit.pk))
    return Trial(f"visit:{bad.pk}", Visit.objects.filter(pk=good.pk, state=Visit.State.PLANNED).exists)


def imports(scene: Scene) -> Trial:
    """A file at which workers die, and one that is fine."""
    text = "participant,measure,value,unit,taken_at\nZJ-001,ALT,50,U/L,2026-03-05 09:0{}\n"
    bad, good = (
        upload(site=scene.site, content=text.format(n).encode(), by=scene.alice, now=scene.now) for n in (1, 2)
    )
    tried = {"state": ImportState.CHECKING, "attempts": 3, "lease_until": scene.now - DAY}
    MeasurementImport.objects.filter(pk=bad.pk).update(**tried)
    rows = MeasurementImport.objects.filter(pk=good.pk, state=ImportState.CHECKED)
    return Trial(f"import {bad.pk}", rows.exists, counted="failed")


def findings(scene: Scene) -> Trial:
    bad, good = scene.two()
    event = factories.adverse_event(good, by=scene.alice, now=scene.now)
    AdverseEvent.objects.filter(pk=event.pk).update(outcome="recovered", resolved="")
    check = CHECKS["recovered_without_end"]

    def fails(looked_at: Any) -> Any:
        if looked_at.people.filter(pk=bad.pk).exists():
            raise ValueError(SECRET)
        return check.find(looked_at)

    scene.monkeypatch.setitem(CHECKS, check.code, replace(check, find=fails))
    rows = DataFinding.objects.filter(participant=good, code=check.code)
    return Trial(f"{check.code} of participant:{bad.pk}", rows.exists)


def seals(scene: Scene) -> Trial:
    bad, good = (person(name, Role.DATA_MANAGER, site) for name, site in (("d1", scene.site), ("d2", scene.other_site)))
    cannot_be_told(scene.monkeypatch, lambda letter: bad in letter.recipients)
    return Trial("audit-seal:", Notification.objects.filter(recipient=good).exists)


def doors(scene: Scene) -> Trial:
    User.objects.create_superuser("root", "root@example.org", is_active=True)
    bad, good = (
        Lock.objects.create(
            key=f"k{n}", kind=LockKind.BY_ADDRESS, ip=f"10.0.0.{n}", closed_at=scene.now, closed_until=scene.now
        )
        for n in (1, 2)
    )
    cannot_be_told(scene.monkeypatch, lambda letter: letter.about == f"lock:{bad.pk}")
    return Trial(f"lock:{bad.pk}", Notification.objects.filter(about=f"lock:{good.pk}").exists)


def reviews(scene: Scene) -> Trial:
    person("petra", Role.PRINCIPAL_INVESTIGATOR, scene.other_site)
    cannot_be_told(scene.monkeypatch, lambda letter: letter.about == f"access-review:{scene.site.pk}")
    rows = Notification.objects.filter(about=f"access-review:{scene.other_site.pk}")
    return Trial(f"access review of site:{scene.site.pk}", rows.exists)


def messages(scene: Scene) -> Trial:
    """In the thread of the test, which alone sees its rows."""
    scene.monkeypatch.setattr(delivery, "deliver_side_by_side", delivery.deliver_due)
    notifications.queue_all([letter("bad", scene), letter("good", scene)], now=scene.now)
    bad, good = (Notification.objects.get(about=f"{name}:1") for name in ("bad", "good"))

    def breaks(row: Notification) -> str | None:
        raise ValueError(SECRET)

    scene.monkeypatch.setattr(delivery, "_asked", {"bad": breaks})
    sent = Notification.objects.filter(pk=good.pk, state=NotificationState.SENT)
    return Trial(f"notification {bad.pk}", sent.exists, counted="retry")


def snapshots(scene: Scene) -> Trial:
    """Two whose files have been kept for as long as they are kept."""
    whole = {
        "study": "A",
        "asked_by": scene.alice,
        "asked_at": scene.now - DAY,
        "state": "complete",
        "cut_off": scene.now - DAY,
        "finished_at": scene.now - DAY,
        "expires_at": scene.now,
        "sha256": "0" * 64,
    }
    bad, good = (Snapshot.objects.create(label=f"2026-03-05-{n}", **whole) for n in (1, 2))
    scene.only_at(bad.pk, Snapshot, "save", lambda row, **_more: int(row.pk))
    return Trial(f"snapshot:{bad.pk}", Snapshot.objects.filter(pk=good.pk, state="expired").exists)


BROKEN: dict[str, Callable[[Scene], Trial]] = {
    "visit-reminders": visit_reminders,
    "consents-again": reconsents,
    "eligibility": eligibility,
    "imports": imports,
    "bedside-rounds": rounds,
    "inpatient-days": inpatient_days,
    "neutrophil-counts": counts,
    "data-findings": findings,
    "reporting-duties": duties,
    "doors": doors,
    "audit-seals": seals,
    "access-reviews": reviews,
    "snapshots": snapshots,
    "deliver-notifications": messages,
}


@pytest.mark.parametrize("name", django_settings.CELERY_BEAT_SCHEDULE)
def test_a_row_at_which_it_breaks_keeps_no_other(scene: Scene, caplog: Any, name: str) -> None:
    """Every sweep of the schedule: a new one has no trial here, and fails."""
    trial = BROKEN[name](scene)
    counts = run(name)
    assert counts[trial.counted] >= 1
    assert trial.reached()
    assert SweepRun.objects.get(name=name).counts == counts
    assert trial.key in caplog.text
    assert SECRET not in caplog.text


# --- Letters ---------------------------------------------------------------------------------------------


def cannot_be_told(monkeypatch: Any, which: Callable[[Any], bool]) -> None:
    """A template that raises, for some messages of all."""
    plain = notifications._texts

    def texts(letter: Any, language: str) -> dict[str, str]:
        if which(letter):
            raise ValueError(SECRET)
        return plain(letter, language)

    monkeypatch.setattr(notifications, "_texts", texts)


def letter(name: str, scene: Scene) -> notifications.Letter:
    return notifications.Letter(
        key=name,
        about=f"{name}:1",
        site=scene.site,
        recipients=[scene.alice],
        template="trialsite/email/access_review",
        context={"site": scene.site, "due_on": None, "link": ""},
    )


def test_a_letter_that_cannot_be_written_keeps_no_other_of_its_sweep(scene: Scene) -> None:
    cannot_be_told(scene.monkeypatch, lambda one: one.key == "k1")
    letters = [letter(f"k{n}", scene) for n in range(3)]
    assert notifications.queue_all(letters, now=scene.now) == {"k0": 1, "k2": 1}
    assert notifications.queue_all(letters, now=scene.now) == {"k0": 0, "k2": 0}


def test_of_a_visit_whose_letter_could_not_be_written_nobody_was_told_and_they_are_once_it_can(scene: Scene) -> None:
    scene.alice.sites.add(scene.other_site)
    for site in (scene.site, scene.other_site):
        factories.infused(site=site, by=scene.alice, now=scene.now, infused_at=scene.now - 100 * HOUR)
    with scene.monkeypatch.context() as broken:
        cannot_be_told(broken, lambda one: one.site == scene.site)
        assert remind_of_visits(now=scene.now)
    told_of = VisitReminder.objects.values_list("visit__participant__site", flat=True)
    assert set(told_of) == {scene.other_site.pk}
    assert remind_of_visits(now=scene.now)
    assert set(told_of.all()) == {scene.site.pk, scene.other_site.pk}


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
