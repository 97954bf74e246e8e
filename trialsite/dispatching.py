"""Beat's scheduler: Celery's own, with a sign of life after each task that the broker took."""

from typing import Any

from celery.beat import PersistentScheduler

from trialsite import heartbeat


class Scheduler(PersistentScheduler):  # type: ignore[misc]
    def apply_async(self, *args: Any, **kwargs: Any) -> Any:
        result = super().apply_async(*args, **kwargs)
        heartbeat.beat()
        return result
