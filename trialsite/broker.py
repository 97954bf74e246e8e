"""What we ask the broker ourselves; all else goes through Celery."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

QUEUE = "celery"


def depth() -> int | None:
    """How many tasks no worker has taken yet; None where the broker does not answer."""
    import redis  # a tenth of a second that a start need not wait for

    try:
        with _client() as client:
            prefix = settings.CELERY_BROKER_TRANSPORT_OPTIONS["global_keyprefix"]
            return int(client.llen(f"{prefix}{QUEUE}"))  # type: ignore[arg-type]
    except redis.RedisError:
        return None


def why_not() -> str:
    """Why it takes nothing from us, in a sentence with the way out; empty where it does."""
    import redis

    parts = urlsplit(settings.REDIS_URL)
    where = f"The broker at {parts.hostname}:{parts.port or 6379}"
    try:
        with _client() as client:
            client.ping()
    except redis.AuthenticationError:
        return f"{where} refuses the password: correct REDIS_PASSWORD, or the one in REDIS_URL, and start again."
    except redis.RedisError as error:
        return (
            f"{where} does not answer ({type(error).__name__}): start Redis or Valkey, or correct REDIS_URL. It is tried "
            "again; nothing that waits is lost."
        )
    return ""


def _client() -> Any:
    import redis

    return redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=2, socket_timeout=2)
