"""Which days a picture of treatment shows at full scale: one moment far away does not squeeze the others [P].

What lies outside stands at the edge of the picture, beyond a break of its axis, with its day.
"""

import datetime as dt
from collections.abc import Iterable
from itertools import pairwise

# Two days further apart than this do not belong together: the usual length of a picture.
PAUSE = dt.timedelta(days=35)


def reach_back(days: Iterable[dt.date], *, begin: dt.date) -> dt.date:
    """From `begin` back to the earliest of these days, as long as no pause longer than PAUSE lies before the next."""
    for day in sorted(days, reverse=True):
        if begin - day > PAUSE:
            break
        begin = min(begin, day)
    return begin


def main_days(days: Iterable[dt.date]) -> tuple[dt.date, ...]:
    """The largest group without a pause longer than PAUSE, and the newest of equal ones; none of no days.

    A day that stands twice counts twice: two drugs were given.
    """
    return max(_groups(sorted(days)), key=lambda group: (len(group), group))


def _groups(days: list[dt.date]) -> list[tuple[dt.date, ...]]:
    """In the order of time; of no days one group, of none."""
    breaks = [number for number, (one, other) in enumerate(pairwise(days), start=1) if other - one > PAUSE]
    return [tuple(days[first:last]) for first, last in pairwise([0, *breaks, len(days)])]
