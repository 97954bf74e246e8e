"""What we ask the broker ourselves; all else goes through Celery."""

from django.conf import settings

QUEUE = "celery"


def depth() -> int | None:
    """How many tasks no worker has taken yet; None where the broker does not answer."""
    import redis  # a tenth of a second that a start need not wait for

    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=2, socket_timeout=2) as client:
            prefix = settings.CELERY_BROKER_TRANSPORT_OPTIONS["global_keyprefix"]
            return int(client.llen(f"{prefix}{QUEUE}"))  # type: ignore[arg-type]
    except redis.RedisError:
        return None
