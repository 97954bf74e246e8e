"""/healthz: this process answers. /readyz: database, keys, broker, sweeps and mail do their work."""

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache

from trialsite import broker, databases, keyseals, mailhealth, sweeps
from trialsite.models import Urgency


@never_cache
def healthz(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "ok"})


@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    parts = {"database": _database(), "broker": _broker(), "keys": _keys(), "sweeps": _sweeps(), "mail": _mail()}
    is_ready = all(part["ok"] for part in parts.values())
    return JsonResponse({"status": "ok" if is_ready else "not ready", **parts}, status=200 if is_ready else 503)


def _database() -> dict[str, Any]:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        return {"ok": False, "reason": databases.meaning(error)}
    return {"ok": True}


def _keys() -> dict[str, Any]:
    try:
        keyseals.refuse_unknown()
    except DatabaseError as error:
        return {"ok": False, "reason": databases.meaning(error)}
    except ImproperlyConfigured as error:
        return {"ok": False, "reason": str(error)}
    return {"ok": True}


def _broker() -> dict[str, Any]:
    refusal = broker.refusal()
    return {"ok": False, "reason": refusal} if refusal else {"ok": True}


def _sweeps() -> dict[str, Any]:
    try:
        runs = sweeps.health(now=timezone.now())
    except DatabaseError as error:
        return {"ok": False, "reason": databases.meaning(error)}
    return {
        "ok": not any(run.is_silent for run in runs),
        "last": {run.name: run.finished_at and run.finished_at.isoformat() for run in runs},
        "silent": [run.name for run in runs if run.is_silent],
        "stumbled": {run.name: run.stumbled for run in runs if run.stumbled},
    }


def _mail() -> dict[str, Any]:
    now = timezone.now()
    try:
        found = mailhealth.health(now=now)
    except DatabaseError as error:
        return {"ok": False, "reason": databases.meaning(error)}
    return {
        "ok": found.is_well,
        "waiting": {name: one.count for name, one in found.waiting.items()},
        "oldest_seconds": {name: found.waiting[name].seconds(now) for name in Urgency.values},
        "late": found.late,
        "failed": found.failed,
        "failed_within_an_hour": found.failed_lately,
        "last_delivery": {
            name: row.last_sent_at and row.last_sent_at.isoformat() for name, row in found.channels.items()
        },
        "down_since": {name: row.down_since.isoformat() for name, row in found.channels.items() if row.down_since},
    }
