"""What a worker does for a snapshot: look once, write every file, give the whole its name.

Everything is read in one transaction that sees the database as it was at its first question, and can write nothing.
Progress, the wish to cancel and the lease go over a connection beside it, which commits at once: so they are seen while
the long look lasts. A worker that is killed leaves a lease that runs out, and the next begins from nothing, in a folder
of its own; one that was overtaken finds that its attempt is no longer the row's, and stops.
"""

import datetime as dt
import logging
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pghistory
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import F
from django.utils import timezone, translation

from sponsor.datasets.build import build
from sponsor.datasets.files import WRITERS, Unwritable
from sponsor.datasets.model import Package
from sponsor.datasets.odm import write_odm
from sponsor.datasets.scope import Cancelled, Scope, Tick, no_tick
from sponsor.snapshots import actions, packing, store
from sponsor.snapshots.models import ShiftSecret, Snapshot, SnapshotError, SnapshotFile, SnapshotState
from trialsite import changes, fieldkeys, signing, sweeps

log = logging.getLogger(__name__)

# What takes its worker down with it must not do so for ever.
MAX_ATTEMPTS = 3


class Overtaken(Exception):
    """The row is another worker's by now: nothing more may be written."""


# --- One attempt -------------------------------------------------------------------------------------


def run_next(*, only: int | None = None, tell: Tick = no_tick) -> str:
    """Make the next snapshot that is due: "made", "cancelled", "failed" or "overtaken"; "" when none is due.

    `tell` hears of the progress, too; what it raises ends the attempt.
    """
    row = _claim(only)
    if row is None:
        return ""
    who = {"user": row.asked_by.pk, "username": row.asked_by.username}
    # What leaves is the same whoever has asked for it.
    with pghistory.context(**who), translation.override("en"):
        return _attempt(row, tell)


def _claim(only: int | None) -> Snapshot | None:
    """Take the next one under a lease, committed before anything is read."""
    now = timezone.now()
    with transaction.atomic():
        found = actions.due(now).select_for_update(skip_locked=True, of=("self",)).select_related("asked_by")
        # What nobody has tried yet goes before what a worker was lost with.
        found = found.order_by(F("lease_until").asc(nulls_first=True), "id")
        row = (found.filter(pk=only) if only else found).first()
        if row is not None:
            row.state, row.attempts = SnapshotState.RUNNING, row.attempts + 1
            row.started_at, row.lease_until = now, _lease(now)
            row.step, row.steps, row.done, row.total, row.doing = 0, 0, 0, 0, ""
            row.save()
    return row


def _lease(now: dt.datetime) -> dt.datetime:
    return now + dt.timedelta(seconds=settings.SNAPSHOT_LEASE_SECONDS)


def _attempt(row: Snapshot, tell: Tick) -> str:
    if row.attempts > MAX_ATTEMPTS:
        return _end(row, SnapshotState.FAILED, SnapshotError.TOO_OFTEN)
    work = None
    try:
        work = store.new_work(row.pk, row.attempts)
        with Beside(row) as beside:
            return _make(row, work, beside, tell)
    except Cancelled:
        return _end(row, SnapshotState.CANCELLED)
    except Overtaken:
        return "overtaken"
    except (OperationalError, InterfaceError):
        raise  # the database is away: the lease runs out, and it is tried again
    except OSError as error:
        full = error.errno in store.FULL
        return _end(row, SnapshotState.FAILED, SnapshotError.DISK_FULL if full else SnapshotError.BROKEN, error)
    except Exception as error:
        return _end(row, SnapshotState.FAILED, SnapshotError.BROKEN, error)
    finally:
        if work is not None:
            store.remove(work)


def _end(row: Snapshot, state: SnapshotState, error: str = "", why: Exception | None = None) -> str:
    """The end of an attempt that makes nothing; its words are not kept, for they may quote a value."""
    detail = f"{type(why).__name__} {sweeps.where(why)}"[:200] if why else ""
    log.log(logging.ERROR if error else logging.INFO, "snapshot %s: %s %s %s", row.pk, state, error, detail)
    ended = {"state": state, "error": error, "error_detail": detail, "finished_at": timezone.now(), "lease_until": None}
    return str(state) if _ours(row).update(**ended) else "overtaken"


def _ours(row: Snapshot) -> Any:
    return Snapshot.objects.filter(pk=row.pk, state=SnapshotState.RUNNING, attempts=row.attempts)


# --- Its parts ---------------------------------------------------------------------------------------


def _make(row: Snapshot, work: Path, beside: "Beside", tell: Tick) -> str:
    if row.has_free_text and not _is_released(row):
        return _end(row, SnapshotState.FAILED, SnapshotError.UNSIGNED)
    # Before the look, and outside of it: what is committed by then is seen, and nothing of before comes later.
    row.cut_off = changes.horizon()
    scope = Scope(
        cut_off=row.cut_off,
        shifts_dates=row.shifts_dates,
        shift_key=shift_key() if row.shifts_dates else b"",
        has_free_text=row.has_free_text,
    )
    names = ["datasets", "odm", *WRITERS, "files"]
    ticks = partial(_ticks, beside, tell, names)
    with one_look():
        package = build(scope, work / store.ROWS, ticks("datasets"))
        written = [("odm", path) for path in write_odm(scope, work, ticks("odm"))]
    row.left_out = []
    for name, write in WRITERS.items():
        try:
            written += [(name, path) for path in write(package, work, ticks(name))]
        except Unwritable as error:
            row.left_out.append(error.told())
            _remove_begun(work, {path for _name, path in written})
    _say(row, package)
    packed = packing.pack(row, package, work, written, ticks("files"))
    return _keep(row, package, work, packed)


def _remove_begun(work: Path, whole: set[Path]) -> None:
    """What a format had written before it met what it cannot hold."""
    for path in work.iterdir():
        if path.is_file() and path not in whole:
            path.unlink()


def _is_released(row: Snapshot) -> bool:
    release = getattr(row, "release", None)
    return release is not None and signing.counts(release)


def shift_key() -> bytes:
    """The secret by which dates are shifted; drawn when it is first asked for.

    Raises ImproperlyConfigured where no key opens it: another one would move every date anew.
    """
    row, _is_new = ShiftSecret.objects.get_or_create(pk=1, defaults={"secret": secrets.token_hex(32)})
    if isinstance(row.secret, fieldkeys.Unreadable):
        raise ImproperlyConfigured("No key of FIELD_KEYS opens the secret by which dates are shifted: put it back.")
    return row.secret.encode()


@contextmanager
def one_look() -> Iterator[None]:
    """A transaction that sees the database as it is now, whatever is committed while it lasts, and writes nothing."""
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            # The first question fixes what is seen.
            cursor.execute("SELECT 1")
        yield


def _ticks(beside: "Beside", tell: Tick, names: list[str], name: str) -> Tick:
    """What this step tells of itself; it begins with telling that it is there."""

    def tick(what: str, done: int, total: int) -> None:
        tell(what, done, total)
        doing = f"{name} {what}".strip()[:80]
        beside.say(step=names.index(name), steps=len(names), doing=doing, done=done, total=total)

    tick("", 0, 0)
    return tick


def _say(row: Snapshot, package: Package) -> None:
    row.protocol_version, row.software, row.terminology = (
        package.protocol_version,
        package.software,
        package.terminology,
    )
    row.rows, row.pending = sum(one.records for one in package.staged), len(package.pending)


def _keep(row: Snapshot, package: Package, work: Path, packed: packing.Packed) -> str:
    """The rows of the files and the folder's name in one transaction: while it lasts, nobody else takes the row."""
    now = timezone.now()
    with transaction.atomic():
        held = _ours(row).select_for_update().first()
        if held is None:
            raise Overtaken
        if held.cancel_asked_at is not None:
            raise Cancelled
        for name in ("cut_off", "protocol_version", "software", "terminology", "rows", "pending", "left_out"):
            setattr(held, name, getattr(row, name))
        held.study_oid, held.sha256 = packed.study_oid, packed.sha256
        held.state, held.finished_at, held.lease_until = SnapshotState.COMPLETE, now, None
        held.expires_at = actions.expires_at(now)
        held.save()
        SnapshotFile.objects.bulk_create(SnapshotFile(snapshot=held, **vars(one)) for one in packed.files)
        store.keep(work, held.label)
    log.info("snapshot %s: complete, %s files", row.pk, len(packed.files))
    return "made"


# --- Beside the look ---------------------------------------------------------------------------------

SAY = """
    UPDATE sponsor_snapshot
    SET step = %(step)s, steps = %(steps)s, doing = %(doing)s, done = %(done)s, total = %(total)s,
        lease_until = %(lease)s
    WHERE id = %(pk)s AND state = 'running' AND attempts = %(attempts)s
    RETURNING cancel_asked_at IS NOT NULL
"""
RENEW = """
    UPDATE sponsor_snapshot SET lease_until = %(lease)s
    WHERE id = %(pk)s AND state = 'running' AND attempts = %(attempts)s
"""


class Beside:
    """A connection of its own, which commits at once: progress, the wish to cancel, and the sign of life.

    The sign of life does not wait for progress: one long question must not look like a worker that is gone.
    """

    def __init__(self, row: Snapshot) -> None:
        self._row = {"pk": row.pk, "attempts": row.attempts}
        self._alone = threading.Lock()
        self._over = threading.Event()

    def __enter__(self) -> "Beside":
        self._connection: BaseDatabaseWrapper = connection.copy()
        self._connection.inc_thread_sharing()
        self._pulse = threading.Thread(target=self._beat, daemon=True)
        self._pulse.start()
        return self

    def __exit__(self, *_error: Any) -> None:
        self._over.set()
        self._pulse.join()
        self._connection.close()

    def say(self, **progress: Any) -> None:
        """Raises Cancelled when somebody has asked to stop, Overtaken when the row is another worker's."""
        found = self._run(SAY, **progress)
        if found is None:
            raise Overtaken
        if found[0]:
            raise Cancelled

    def _beat(self) -> None:
        while not self._over.wait(settings.SNAPSHOT_LEASE_SECONDS / 4):
            try:
                self._run(RENEW)
            except (OperationalError, InterfaceError):
                # The next step tells it, too.
                return

    def _run(self, statement: str, **values: Any) -> Any:
        with self._alone, self._connection.cursor() as cursor:
            cursor.execute(statement, {**self._row, "lease": _lease(timezone.now()), **values})
            return cursor.fetchone() if cursor.description else None
