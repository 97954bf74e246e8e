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
    """Failed attempts since the last answer: on how many days, the first and the last of them."""

    days: int = 0
    first_on: dt.date | None = None
    last_on: dt.date | None = None

    @property
    def span(self) -> int:
        """Days from the first to the last failed attempt."""
        return (self.last_on - self.first_on).days if self.first_on and self.last_on else 0

    def is_loss(self, *, attempts: int, over_days: int) -> bool:
        """At least so many attempts on different days, over at least so many days."""
        return self.days >= attempts and self.span >= over_days


def silence(attempts: Iterable[Attempt], last_alive_on: dt.date | None = None) -> Silence:
    """What failed since the last answer, or since the participant was last known to be alive.

    >>> day = dt.date(2026, 1, 1)
    >>> silence([Attempt(day, False), Attempt(day + dt.timedelta(40), False)]).is_loss(attempts=2, over_days=40)
    True
    """
    rows = list(attempts)
    answers = [one.on for one in rows if one.is_answered] + ([last_alive_on] if last_alive_on else [])
    since = max(answers, default=dt.date.min)
    failed = sorted({one.on for one in rows if not one.is_answered and one.on > since})
    return Silence(len(failed), failed[0], failed[-1]) if failed else Silence()
