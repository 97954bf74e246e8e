"""The Celery application. Its schedule and options stand in settings, so a change is a reviewed commit."""

import logging
import os
from typing import Any

from celery import Celery, Task
from celery.apps import worker as celery_worker
from celery.signals import beat_init, celeryd_init, setup_logging, worker_init, worker_ready
from kombu.transport import TRANSPORT_ALIASES

from trialsite import logs

# Before the application reads the broker's address: see there.
TRANSPORT_ALIASES["redis"] = TRANSPORT_ALIASES["rediss"] = "trialsite.transport:Transport"
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "trialsite.settings")
SIGN_OF_LIFE_SECONDS = 20


class ClockedTask(Task):  # type: ignore[misc]
    """A worker does nothing by a wrong clock; whoever calls a task as a function has their own."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        from trialsite import clock  # needs Django's settings

        if not self.request.called_directly:
            clock.check()
        return super().__call__(*args, **kwargs)


class App(Celery):  # type: ignore[misc]
    """Celery, which says in one line of the log which setting is missing, and ends with the code for it."""

    def _load_config(self) -> Any:
        from trialsite import start

        return start.or_say_why(super()._load_config)  # type: ignore[misc]  # Celery's own, and not in its stubs


app = App("trialsite", task_cls=ClockedTask)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


def _say(message: str, _file: Any = None) -> None:
    """Celery's farewell, as a line of the log; it is said inside a signal's handler, where no lock may be taken."""
    os.write(2, logs.line("celery.worker", logging.INFO, message.strip()))


setattr(celery_worker, "safe_say", _say)  # noqa: B010  # not in its stubs


@celeryd_init.connect  # it warns, of being root, before it sets up any log
@setup_logging.connect
def log_as_all_do(**_more: Any) -> None:
    """Worker and beat write the lines that the web server writes: where somebody listens here, Celery sets up none."""
    logs.begin(os.environ.get("LOG_LEVEL") or "INFO")


@worker_init.connect
def refuse_unfit(sender: Any, **_more: Any) -> None:
    """A worker with a wrong key would send messages about nobody; one that is older than its database, wrong ones."""
    from trialsite import start

    start.or_say_why(start.refuse_unfit)


@worker_ready.connect
def sweep_at_once(sender: Any, **_more: Any) -> None:
    """After a restart or an update every sweep runs now, not when its minute comes: running twice is harmless."""
    for entry in app.conf.beat_schedule.values():
        app.send_task(entry["task"], expires=60)


@worker_ready.connect
def show_life(sender: Any, **_more: Any) -> None:
    """By the consumer's own clock: where its loop hangs, or has no broker, there is no sign."""
    from trialsite import heartbeat

    heartbeat.beat()
    sender.timer.call_repeatedly(SIGN_OF_LIFE_SECONDS, heartbeat.beat)


@worker_init.connect
@beat_init.connect
def say_what_the_broker_lacks(sender: Any, **_more: Any) -> None:
    """Once, in a sentence; after that Celery tries again and again."""
    from trialsite import broker

    if refusal := broker.refusal():
        logging.getLogger(__name__).error(refusal)
