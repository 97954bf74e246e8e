"""What an export is of: the moment it looks at, and what the sponsor's agreement lets leave."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field

# Told after each portion of work: what is being done, how much of it is done, and how much there is.
# Whoever gave it may raise `Cancelled` from it: nothing else ends an export early.
Tick = Callable[[str, int, int], None]


class Cancelled(Exception):
    """Somebody has asked to stop."""


@dataclass(frozen=True)
class Scope:
    """`sites` are codes, all of them when empty. `shift_key` is a secret: it never leaves with the rows."""

    cut_off: dt.datetime
    sites: tuple[str, ...] = ()
    shifts_dates: bool = False
    shift_key: bytes = field(default=b"", repr=False)
    has_free_text: bool = False


def no_tick(what: str, done: int, total: int) -> None:
    """For whoever wants to hear nothing."""
