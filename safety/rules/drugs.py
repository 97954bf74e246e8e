"""How long a drug that keeps fever away stays given, from what was answered at the bed.

Policy [P]: once tocilizumab, a steroid or another anticytokine was answered with yes, the next form has that answer
until the drug no longer works, as the study set it for each; a later “no” takes it back. A drug that nobody named
counts as the one that works for the shortest time. Who says yes afterwards has given it anew.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from safety.rules.bedside import Anticytokine


@dataclass(frozen=True)
class Answer:
    """One assessment: when, whether something was given, and which as far as it was named; None: not answered."""

    at: dt.datetime
    is_given: bool | None
    named: tuple[Anticytokine, ...] = ()


@dataclass(frozen=True)
class Works:
    """For how long each of them works."""

    span: Mapping[Anticytokine, dt.timedelta]

    def of(self, drug: Anticytokine | None) -> dt.timedelta:
        return min(self.span.values()) if drug is None else self.span[drug]


def still_given(answers: Iterable[Answer], *, at: dt.datetime, works: Works) -> dict[Anticytokine | None, dt.datetime]:
    """What was given until this moment and still works then, and when it was answered first; None: nobody named it.

    >>> day, hour = dt.datetime(2026, 3, 12, tzinfo=dt.UTC), dt.timedelta(hours=1)
    >>> works = Works({Anticytokine.CORTICOSTEROID: 72 * hour})
    >>> still_given([Answer(day, True)], at=day + 72 * hour, works=works) == {None: day}
    True
    >>> still_given([Answer(day, True)], at=day + 73 * hour, works=works)
    {}
    """
    since: dict[Anticytokine | None, dt.datetime] = {}
    for one in sorted((one for one in answers if one.at <= at), key=lambda one: one.at):
        if one.is_given is not None:
            since = _after(one, _working(since, one.at, works)) if one.is_given else {}
    return _working(since, at, works)


def _after(one: Answer, since: dict[Anticytokine | None, dt.datetime]) -> dict[Anticytokine | None, dt.datetime]:
    """Whoever names the drugs says which of those before they were."""
    if one.named:
        first = since.get(None, one.at)
        return {drug: since.get(drug, first) for drug in one.named}
    return since or {None: one.at}


def _working(
    since: Mapping[Anticytokine | None, dt.datetime], at: dt.datetime, works: Works
) -> dict[Anticytokine | None, dt.datetime]:
    return {drug: first for drug, first in since.items() if at - first <= works.of(drug)}
