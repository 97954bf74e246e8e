"""What stops a process of the site before it takes any work: a setting that is wrong, said in a sentence."""

import logging
import os
from collections.abc import Callable
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connections

from trialsite import logs

log = logging.getLogger(__name__)

# gunicorn takes this one for "will not start", and does not try again and again.
WILL_NOT_START = 3


def or_say_why(begin: Callable[[], Any]) -> Any:
    """What `begin` gives; where the settings forbid it, the reason in the log, and the end."""
    try:
        return begin()
    except ImproperlyConfigured as error:
        logs.begin(os.environ.get("LOG_LEVEL") or "INFO")  # Django has not set them up where a setting is missing
        log.critical("Trialsite does not start. %s", error)
        raise SystemExit(WILL_NOT_START) from None


def refuse_unfit() -> None:
    """Raises ImproperlyConfigured where this code and these keys do not fit the database.

    A database that does not answer now may do so later: /readyz says it, and looks at the keys again.
    """
    from trialsite import codeage, databases, keyseals

    try:
        codeage.refuse_older_code()
        keyseals.refuse_unknown()
    except DatabaseError as error:
        log.error("The database does not let us in. %s", databases.said(error))
    finally:
        connections.close_all()  # a process that forks must not share one
