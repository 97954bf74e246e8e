"""What we ask the broker ourselves; all else goes through Celery."""

from typing import Any

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


def refusal() -> str:
    """Why the broker takes nothing, in a sentence with the way out; empty where it does."""
    import redis

    try:
        with _client() as client:
            client.ping()
    except redis.exceptions.AuthenticationError:
        return (
            "The broker refuses the password: put the one of Redis or Valkey (requirepass) into REDIS_PASSWORD or "
            "REDIS_URL."
        )
    except redis.RedisError as error:
        if "NOAUTH" in str(error) or "WRONGPASS" in str(error):
            return (
                "The broker asks for a password: put the one of Redis or Valkey (requirepass) into REDIS_PASSWORD or "
                "REDIS_URL."
            )
        return "The broker does not answer: start Redis or Valkey, or correct REDIS_URL. What is due waits as rows."
    return ""


def _client() -> Any:
    import redis

    return redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=2, socket_timeout=2)
