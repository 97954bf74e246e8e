"""A sign of life as a file: touched by whoever works, looked at by whoever checks, with no question asked.

Its time says when the process last did what it is there for; what stands in it says what is wrong, and nothing where
all is well. A process that is frozen, or whose work fails, lets the file grow old. To start a program that asks the
process each minute would cost more than the process itself.
"""

import os

from django.conf import settings


def beat(wrong: str = "") -> None:
    """Now; in one step, so that nobody reads half of it. Without HEARTBEAT_FILE nothing happens."""
    if settings.HEARTBEAT_FILE is None:
        return
    written = settings.HEARTBEAT_FILE.with_name(f"{settings.HEARTBEAT_FILE.name}.{os.getpid()}")
    written.write_text(wrong, encoding="utf-8")
    os.replace(written, settings.HEARTBEAT_FILE)
