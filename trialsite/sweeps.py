"""How we notice silence: each sweep writes when it ran to its end."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from django.conf import settings

from trialsite.models import SweepRun


@dataclass(frozen=True)
class SweepHealth:
    name: str
    finished_at: dt.datetime | None
    is_silent: bool


def record_run(name: str, *, counts: dict[str, int], now: dt.datetime) -> None:
    SweepRun.objects.update_or_create(name=name, defaults={"finished_at": now, "counts": counts})


def health(*, now: dt.datetime) -> list[SweepHealth]:
    """Every scheduled sweep; one that never ran is as silent as one that stopped."""
    return health_of(SweepRun.objects.in_bulk(), now=now)


def health_of(runs: Mapping[str, SweepRun], *, now: dt.datetime) -> list[SweepHealth]:
    """The same of rows that were read already."""
    return [_health(runs.get(name), name, now) for name in settings.CELERY_BEAT_SCHEDULE]


def _health(run: SweepRun | None, name: str, now: dt.datetime) -> SweepHealth:
    if run is None:
        return SweepHealth(name, None, True)
    return SweepHealth(name, run.finished_at, run.is_silent(now, settings.SWEEP_SILENCE))
