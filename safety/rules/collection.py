"""Which adverse events the protocol collects, by the window in which they began.

Source: the study's own choice [P]; the usual windows of CAR-T trials: from consent what is serious or due to a study
procedure, everything from lymphodepletion on for some months, then what is serious or of special interest. A protocol
may start only at the first dose and treat what was before as history, so that the windows are an argument.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Window:
    """`begins_on` is None while its moment has not come; `collects`: all, serious, special_interest, procedure."""

    code: str
    begins_on: dt.date | None
    collects: frozenset[str]


@dataclass(frozen=True)
class Occurred:
    """An event: the last day on which it can have begun, and what it is."""

    onset: dt.date
    is_serious: bool = False
    is_special_interest: bool = False
    is_of_procedure: bool = False


def window_of(onset: dt.date, windows: Iterable[Window]) -> Window | None:
    """The last of the windows, which stand in the order of time, that has begun by then."""
    begun = [one for one in windows if one.begins_on is not None and one.begins_on <= onset]
    return begun[-1] if begun else None


def is_collected(event: Occurred, window: Window | None) -> bool:
    """Before the first window nothing is: it is history."""
    if window is None:
        return False
    kinds = {
        "all": True,
        "serious": event.is_serious,
        "special_interest": event.is_special_interest,
        "procedure": event.is_of_procedure,
    }
    return any(kinds[one] for one in window.collects)
