"""Logs: one JSON object a line, of one shape and by one clock, from every process of the site.

Study identifiers only: no names, no values that people typed, no query of an address. Nothing is written to files of
our own: journald or the containers' engine keeps the lines, and throws the old ones away.
"""

import datetime as dt
import json
import logging
import logging.config
from typing import Any
from zoneinfo import ZoneInfo

# The clock of the site, in every process and whatever the machine's own is.
ZONE = "Asia/Shanghai"


class JsonFormatter(logging.Formatter):
    """`{"at": "2026-03-05T08:00:00+0800", "level": …, "logger": …, "message": …}` and what more is known."""

    def format(self, record: logging.LogRecord) -> str:
        at = dt.datetime.fromtimestamp(record.created, ZoneInfo(ZONE))
        line: dict[str, Any] = {
            "at": f"{at:%Y-%m-%dT%H:%M:%S%z}",
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        # What the page of the error shows to whoever met it.
        if reference := getattr(getattr(record, "request", None), "error_reference", ""):
            line["reference"] = reference
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def config(level: str = "INFO") -> dict[str, Any]:
    """For `logging.config.dictConfig`: every logger of every library ends in the one handler."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": "trialsite.logs.JsonFormatter"}},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            # They bring handlers of their own, with a format of their own.
            **{name: {"handlers": [], "propagate": True} for name in ("gunicorn.error", "gunicorn.access", "django")},
            "django.server": {"handlers": ["console"], "level": "INFO", "propagate": False},
            # They would tell which letters stand on a print, and so the name of a person.
            "fontTools": {"level": "ERROR"},
            "fpdf": {"level": "ERROR"},
        },
    }


def begin(level: str = "INFO") -> None:
    """For a process that logs before Django has set anything up, or cannot: Python's own warnings included."""
    logging.config.dictConfig(config(level))
    logging.captureWarnings(True)


def line(name: str, level: int, message: str) -> bytes:
    """One line as it stands in the log, for what must not take a lock: inside the handler of a signal."""
    record = logging.LogRecord(name, level, "", 0, message, None, None)
    return (JsonFormatter().format(record) + "\n").encode()
