"""/healthz: this process answers. /readyz: database, broker and sweeps do their work."""

from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache

from trialsite import sweeps


@never_cache
def healthz(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "ok"})


@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    parts = {"database": _database(), "broker": _broker(), "sweeps": _sweeps()}
    is_ready = all(part["ok"] for part in parts.values())
    return JsonResponse({"status": "ok" if is_ready else "not ready", **parts}, status=200 if is_ready else 503)


def _database() -> dict[str, Any]:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        return {"ok": False, "reason": type(error).__name__}
    return {"ok": True}


def _broker() -> dict[str, Any]:
    import redis  # a tenth of a second that a start need not wait for

    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=2, socket_timeout=2) as client:
            client.ping()
    except redis.RedisError as error:
        return {"ok": False, "reason": type(error).__name__}
    return {"ok": True}


def _sweeps() -> dict[str, Any]:
    try:
        runs = sweeps.health(now=timezone.now())
    except DatabaseError as error:
        return {"ok": False, "reason": type(error).__name__}
    return {
        "ok": not any(run.is_silent for run in runs),
        "last": {run.name: run.finished_at and run.finished_at.isoformat() for run in runs},
        "silent": [run.name for run in runs if run.is_silent],
    }
