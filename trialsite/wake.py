"""Waking a worker for work that is a row already. Lost is fine: the sweep comes within minutes."""

import logging
from functools import partial

from django.db import connection, transaction
from kombu.exceptions import OperationalError

from trialsite.celery import app

log = logging.getLogger(__name__)


def wake(task: str) -> None:
    """Send this task, without arguments, after the commit; once a transaction, however often it is asked for."""
    waiting = [entry[1] for entry in connection.run_on_commit]
    if not any(isinstance(callback, partial) and callback.args == (task,) for callback in waiting):
        transaction.on_commit(partial(_send, task))


def _send(task: str) -> None:
    try:
        app.send_task(task)
    except (OperationalError, OSError):
        log.warning("broker unreachable: a sweep will find the work of %s", task)
