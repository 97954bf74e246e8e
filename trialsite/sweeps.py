"""How a sweep is run, and how we notice silence: each writes when it ran to its end.

One row that breaks stops no other: whoever loops over rows does each of them `guarded`. What broke is undone, logged by
its key, counted, and seen on the first page.
"""

import datetime as dt
import logging
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TypeVar

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction
from django.utils import timezone

from trialsite.models import SweepRun

log = logging.getLogger(__name__)

Item = TypeVar("Item")
Found = TypeVar("Found")
STUMBLED = "stumbled"
_broken: ContextVar[int] = ContextVar("broken rows of the sweep that runs", default=0)


@dataclass(frozen=True)
class SweepHealth:
    """`stumbled`: how many rows its last run could not do."""

    name: str
    finished_at: dt.datetime | None
    is_silent: bool
    stumbled: int = 0


# --- Running -----------------------------------------------------------------------------------------


def sweep(name: str) -> Callable[[Callable[[dt.datetime], dict[str, int]]], Callable[[], dict[str, int]]]:
    """The task of a sweep: it gets the time, and counts as run when it came to its end."""

    def decorate(do: Callable[[dt.datetime], dict[str, int]]) -> Callable[[], dict[str, int]]:
        @wraps(do)
        def run() -> dict[str, int]:
            _broken.set(0)
            now = timezone.now()
            counts = do(now)
            if broken := _broken.get():
                counts = {**counts, STUMBLED: counts.get(STUMBLED, 0) + broken}
            record_run(name, counts=counts, now=now)
            return counts

        return run

    return decorate


@contextmanager
def noted(key: str) -> Iterator[None]:
    """One row of a sweep that needs no transaction of its own: where it is only read, or its verb has one.

    `key` is a number of ours: what a person typed is not logged.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, OperationalError | InterfaceError) and not connection.is_usable():
            # The database itself is gone: no other row would fare better.
            raise
        note_broken(key, error)


@contextmanager
def guarded(key: str) -> Iterator[None]:
    """One row of a sweep, in a transaction of its own; `key` as for `noted`."""
    with noted(key), transaction.atomic():
        yield


def all_or_each(
    together: Callable[[], list[Found]],
    *,
    items: Iterable[Item],
    alone: Callable[[Item], list[Found]],
    key: Callable[[Item], str],
) -> list[Found]:
    """What is found for all together, in few queries; where that breaks, for each of the items by itself, without those
    with which it breaks."""
    try:
        with transaction.atomic():
            return together()
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        found: list[Found] = []
        for item in items:
            with guarded(key(item)):
                found += alone(item)
        return found


def note_broken(key: str, error: Exception) -> None:
    _broken.set(_broken.get() + 1)
    log.error("%s: %s %s", key, type(error).__name__, where(error))


def where(error: Exception) -> str:
    """File and line of ours at which it broke; never the words of the error, which may name somebody."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [one for one in frames if "site-packages" not in one.filename] or list(frames)
    return f"at {Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else ""


def record_run(name: str, *, counts: dict[str, int], now: dt.datetime) -> None:
    SweepRun.objects.update_or_create(name=name, defaults={"finished_at": now, "counts": counts})


# --- Watching ----------------------------------------------------------------------------------------


def health(*, now: dt.datetime) -> list[SweepHealth]:
    """Every scheduled sweep; one that never ran is as silent as one that stopped."""
    return health_of(SweepRun.objects.in_bulk(), now=now)


def health_of(runs: Mapping[str, SweepRun], *, now: dt.datetime) -> list[SweepHealth]:
    """The same of rows that were read already."""
    return [_health(runs.get(name), name, now) for name in settings.CELERY_BEAT_SCHEDULE]


def _health(run: SweepRun | None, name: str, now: dt.datetime) -> SweepHealth:
    if run is None:
        return SweepHealth(name, None, True)
    is_silent = run.is_silent(now, settings.SWEEP_SILENCE)
    return SweepHealth(name, run.finished_at, is_silent, run.counts.get(STUMBLED, 0))
