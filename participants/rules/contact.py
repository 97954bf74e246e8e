"""When somebody who does not answer counts as lost to follow-up.

Source: ICH E9(R1) and E6(R3) ask that efforts to reach a participant are recorded, and that loss is told from
withdrawal; how many failed attempts over how long make a loss is the study's own choice [P], named in its file.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Attempt:
    """Somebody tried on this day; `is_answered`: whoever answered, and whatever was said."""

    on: dt.date
    is_answered: bool


@dataclass(frozen=True)
class Silence:
    """The days since the last answer on which somebody tried in vain, in their order."""

    on: tuple[dt.date, ...] = ()

    @property
    def days(self) -> int:
        return len(self.on)

    @property
    def span(self) -> int:
        """Days from the first to the last failed attempt."""
        return (self.on[-1] - self.on[0]).days if self.on else 0

    def lost_on(self, *, attempts: int, over_days: int) -> dt.date | None:
        """The day of the attempt that made it a loss: so many on different days, over so many days; None: it is none.

        >>> Silence((dt.date(2026, 1, 1), dt.date(2026, 2, 1), dt.date(2026, 4, 1))).lost_on(attempts=2, over_days=30)
        datetime.date(2026, 2, 1)
        """
        enough = (day for place, day in enumerate(self.on, 1) if place >= attempts)
        return next((day for day in enough if (day - self.on[0]).days >= over_days), None)

    def is_loss(self, *, attempts: int, over_days: int) -> bool:
        """At least so many attempts on different days, over at least so many days."""
        return self.lost_on(attempts=attempts, over_days=over_days) is not None


def silence(attempts: Iterable[Attempt], last_alive_on: dt.date | None = None) -> Silence:
    """What failed since the last answer, or since the participant was last known to be alive.

    >>> day = dt.date(2026, 1, 1)
    >>> silence([Attempt(day, False), Attempt(day + dt.timedelta(40), False)]).is_loss(attempts=2, over_days=40)
    True
    """
    rows = list(attempts)
    answers = [one.on for one in rows if one.is_answered] + ([last_alive_on] if last_alive_on else [])
    since = max(answers, default=dt.date.min)
    return Silence(tuple(sorted({one.on for one in rows if not one.is_answered and one.on > since})))
