"""Which infusion's day is Day 0.

Source: registry record NCT07072494 knows one infusion, whose day is Day 0. Where there is a second one, the study file
says whether the visits go on counting from the first or start again from the last [P]; the parts of a split dose
count from the first part [P].
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Given:
    """One infusion: its day, and whether it was a second one (a part of a split dose is not)."""

    on: dt.date
    is_second: bool = False


def day0(given: Sequence[Given], *, follows_last: bool = False) -> dt.date | None:
    """None before any infusion.

    >>> day0([Given(dt.date(2026, 3, 5)), Given(dt.date(2026, 6, 1), is_second=True)])
    datetime.date(2026, 3, 5)
    """
    if not given:
        return None
    seconds = [one.on for one in given if one.is_second]
    return max(seconds) if follows_last and seconds else min(one.on for one in given)
