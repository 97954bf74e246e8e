"""Snapshots: one look at everything, made once whatever befalls the worker, kept with their checksums for a while."""

import datetime as dt
import hashlib
import json
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from participants.models import Participant
from sponsor.datasets.files import WRITERS
from sponsor.models import FreeTextRelease, Snapshot
from sponsor.snapshots import actions, job, store
from tests import factories
from tests.conftest import first_site, known, person
from trialsite.models import User
from trialsite.refusal import Refused
from trialsite.roles import Role
from trialsite.study import get_study
from trialsite.study.parts import SponsorAgreement

# What another connection must see is committed for true.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.SNAPSHOT_DIR = tmp_path / "snapshots"
    return tmp_path / "snapshots"


@pytest.fixture
def dora(transactional_db: None) -> User:
    """Data manager of all sites there are."""
    return known("dora") or person("dora", Role.DATA_MANAGER, first_site())


@pytest.fixture
def enrolled(dora: User, now: dt.datetime) -> Participant:
    ivan = known("ivan") or person("ivan", Role.INVESTIGATOR, first_site())
    return factories.infused(site=first_site(), by=ivan, now=now, infused_at=now - dt.timedelta(days=21))


def ask(dora: User, **more: Any) -> Snapshot:
    return actions.ask(by=dora, now=timezone.now(), **more)


def again(row: Snapshot) -> Snapshot:
    return Snapshot.objects.get(pk=row.pk)


def lines_of(row: Snapshot, name: str) -> list[list[Any]]:
    found: list[list[Any]] = json.loads((store.folder_of(row.label) / name).read_text())["rows"]
    return found


def elsewhere(do: Callable[[], Any]) -> None:
    """What somebody else does meanwhile, over a connection of their own."""

    def run() -> None:
        do()
        connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


def at_first(do: Callable[[], Any]) -> Callable[[str, int, int], None]:
    """A listener who does this once, when the look has begun."""
    left = iter([do])

    def tell(what: str, done: int, total: int) -> None:
        if found := next(left, None):
            elsewhere(found)

    return tell


def test_it_holds_each_file_with_its_checksum(dora: User, enrolled: Participant, folder: Path) -> None:
    row = ask(dora)
    assert job.run_next() == "made"
    row = again(row)
    assert (row.state, row.cut_off is not None, row.lease_until) == ("complete", True, None)
    place = folder / row.label
    names = {one.name for one in row.files.all()}
    assert names == {path.name for path in place.iterdir()} - {store.INDEX}
    assert {"dm.json", "define.xml", "odm.xml", "manifest.json", "SHA256SUMS"} < names
    for one in row.files.all():
        held = (place / one.name).read_bytes()
        assert (one.bytes, one.sha256) == (len(held), hashlib.sha256(held).hexdigest())
    manifest = json.loads((place / "manifest.json").read_text())
    assert manifest["cut_off"] == row.cut_off.isoformat()  # type: ignore[union-attr]
    assert {one["name"]: one["sha256"] for one in manifest["files"]}.items() <= {
        one.name: one.sha256 for one in row.files.all()
    }.items()
    with zipfile.ZipFile(place / row.files.get(format="zip").name) as archive:
        assert archive.testzip() is None
        assert {Path(name).name for name in archive.namelist()} == names - {
            archive.filename and Path(archive.filename).name
        }
    assert job.run_next() == ""
    assert [path.name for path in folder.iterdir()] == [row.label]


def test_what_is_committed_during_the_look_is_not_in_it(dora: User, enrolled: Participant) -> None:
    first = ask(dora)
    late = lambda: factories.screened(site=first_site(), by=dora, now=timezone.now())  # noqa: E731
    assert job.run_next(tell=at_first(late)) == "made"
    second = ask(dora)
    assert job.run_next() == "made"
    assert (len(lines_of(first, "dm.json")), len(lines_of(second, "dm.json"))) == (1, 2)
    assert again(first).cut_off < Participant.objects.latest("pk").modified_at < again(second).cut_off  # type: ignore[operator]


def test_progress_is_seen_while_it_lasts_and_leaves_no_trail(dora: User, enrolled: Participant) -> None:
    row, seen = ask(dora), []
    look = lambda: seen.append(again(row))  # noqa: E731

    def tell(what: str, done: int, total: int) -> None:
        elsewhere(look)

    job.run_next(tell=tell)
    assert {one.state for one in seen} == {"running"}
    percents = [one.percent for one in seen]
    assert percents == sorted(percents)
    assert len(set(percents)) > 4
    # Asked for, claimed, complete.
    assert again(row).events.count() == 3  # type: ignore[attr-defined]


def test_who_cancels_is_heard_at_the_next_step(dora: User, enrolled: Participant, folder: Path) -> None:
    row = ask(dora)
    stop = lambda: actions.cancel(row=row, by=dora, now=timezone.now())  # noqa: E731
    assert job.run_next(tell=at_first(stop)) == "cancelled"
    row = again(row)
    assert (row.state, row.cancel_asked_by) == ("cancelled", dora)
    assert list(folder.iterdir()) == []
    with pytest.raises(Refused):
        actions.cancel(row=row, by=dora, now=timezone.now())


def test_what_waits_is_cancelled_at_once(dora: User) -> None:
    row = actions.cancel(row=ask(dora), by=dora, now=timezone.now())
    assert row.state == "cancelled"
    assert job.run_next() == ""


def test_two_workers_make_one(dora: User, enrolled: Participant) -> None:
    outcomes: list[str] = []
    ask(dora)
    assert job.run_next(tell=at_first(lambda: outcomes.append(job.run_next()))) == "made"
    assert outcomes == [""]


def test_one_that_was_taken_for_dead_stops_and_the_other_makes_it(
    dora: User, enrolled: Participant, folder: Path
) -> None:
    row, outcomes = ask(dora), []

    def overtake() -> None:
        Snapshot.objects.filter(pk=row.pk).update(lease_until=timezone.now() - dt.timedelta(seconds=1))
        outcomes.append(job.run_next())

    assert job.run_next(tell=at_first(overtake)) == "overtaken"
    assert outcomes == ["made"]
    row = again(row)
    assert (row.state, row.attempts) == ("complete", 2)
    assert [path.name for path in folder.iterdir()] == [row.label]


def test_what_is_lost_too_often_is_not_tried_for_ever(dora: User) -> None:
    row = ask(dora)
    past = timezone.now() - dt.timedelta(minutes=5)
    Snapshot.objects.filter(pk=row.pk).update(state="running", attempts=job.MAX_ATTEMPTS, lease_until=past)
    assert job.run_next() == "failed"
    assert (again(row).error, again(row).attempts) == ("too often", job.MAX_ATTEMPTS + 1)


def fills_the_disk(package: Any, folder: Path, tick: Any) -> list[Path]:
    with Path("/dev/full").open("w") as file:
        file.write("x" * 100_000)
    return []


def breaks(package: Any, folder: Path, tick: Any) -> list[Path]:
    raise RuntimeError("王小明")


@pytest.mark.parametrize(("writer", "error"), [(fills_the_disk, "disk full"), (breaks, "broken")])
def test_it_fails_in_a_sentence_and_keeps_nothing(
    writer: Any, error: str, dora: User, monkeypatch: Any, folder: Path
) -> None:
    monkeypatch.setitem(WRITERS, "csv", writer)
    row = ask(dora)
    assert job.run_next() == "failed"
    row = again(row)
    assert (row.state, row.error) == ("failed", error)
    assert row.get_error_display()
    assert "王小明" not in row.error_detail
    assert list(folder.iterdir()) == []


def test_free_text_leaves_only_under_a_signature_that_holds(dora: User, enrolled: Participant) -> None:
    factories.adverse_event(enrolled, by=dora, now=timezone.now(), term="their own words")
    row = ask(dora, with_free_text=True)
    assert FreeTextRelease.objects.get().snapshot == row
    assert job.run_next() == "made"
    assert json.loads((store.folder_of(row.label) / "manifest.json").read_text())["free_text"] == "released"
    unsigned = ask(dora)
    Snapshot.objects.filter(pk=unsigned.pk).update(has_free_text=True)
    assert job.run_next() == "failed"
    assert again(unsigned).error == "unsigned"


@pytest.mark.parametrize(
    ("days", "words"), [(1, "lies in the future"), (-1, "lies in the past")], ids=["future", "past"]
)
def test_it_is_of_now(days: int, words: str, dora: User, english: None) -> None:
    with pytest.raises(Refused, match=words):
        ask(dora, cut_off=timezone.now() + dt.timedelta(days=days))
    assert not Snapshot.objects.exists()


def test_there_is_one_at_a_time(dora: User, english: None) -> None:
    ask(dora)
    with pytest.raises(Refused, match="being made already"):
        ask(dora)


def test_who_works_at_one_of_two_sites_makes_none(dora: User, other_site: Any, english: None) -> None:
    with pytest.raises(Refused, match="all sites"):
        ask(dora)


def test_files_go_when_their_time_has_come_and_what_belongs_to_nothing(
    dora: User, folder: Path, settings: Any, time_machine: Any
) -> None:
    row = ask(dora)
    job.run_next()
    for name in ("work-77-1", "2026-03-05-9", "of somebody else"):
        (folder / name).mkdir()
    assert actions.sweep(now=timezone.now()) == {"expired": 0, "removed": 2, "due": 0}
    assert {path.name for path in folder.iterdir()} == {row.label, "of somebody else"}
    end = again(row).expires_at
    assert end is not None
    assert actions.sweep(now=end - dt.timedelta(seconds=1))["expired"] == 0
    assert actions.sweep(now=end) == {"expired": 1, "removed": 1, "due": 0}
    assert again(row).state == "expired"
    # Its record stays, with every checksum.
    assert again(row).files.exists()


def test_the_agreement_with_the_sponsor_says_what_may_be_asked_for(dora: User, monkeypatch: pytest.MonkeyPatch) -> None:
    agreed = SponsorAgreement(dates="shifted", free_text="withheld")
    latest = get_study().latest.model_copy(update={"sponsor_agreement": agreed})
    monkeypatch.setattr(actions, "get_study", lambda: SimpleNamespace(latest=latest))
    for asked in ({}, {"shifts_dates": True, "with_free_text": True}):
        with pytest.raises(Refused):
            actions.ask(by=dora, now=timezone.now(), **asked)
    assert actions.ask(by=dora, now=timezone.now(), shifts_dates=True).shifts_dates


def test_the_command_makes_one_and_says_where(dora: User, capsys: Any, folder: Path) -> None:
    call_command("snapshot", "--by", "dora")
    assert capsys.readouterr().out.strip() == str(folder / Snapshot.objects.get().label)
    with pytest.raises(CommandError, match=r"future|将来|未来"):
        call_command("snapshot", "--by", "dora", "--cut-off", "2999-01-01T00:00")
