"""When CRS or ICANS began, how bad it became, and when it was over, from the assessments of one scale.

Sources: Lee 2019 for the start, the first fever that meets the definition, and the end, fever, hypotension and hypoxia
all gone [M]; CIBMTR dates CRS at its first documented symptom. How long it must stay away before it is over is nowhere
said: what comes back within so many hours belongs to the same episode [P].
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

JOINS_WITHIN = dt.timedelta(hours=24)


@dataclass(frozen=True)
class Seen:
    """One assessment: when, its final grade (None: not gradable), and which row it is."""

    at: dt.datetime
    grade: int | None
    source: int = 0


def course(seen: Iterable[tuple[dt.date, int]]) -> list[tuple[dt.date, int]]:
    """Days and grades of an episode, in the order of time: the highest of each day, where it differs from before.

    Source: the grade history of ICH E2B(R3) and SDTM AE asks for changes, not for every look.
    """
    highest: dict[dt.date, int] = {}
    for day, grade in seen:
        highest[day] = max(grade, highest.get(day, 0))
    found: list[tuple[dt.date, int]] = []
    for day, grade in sorted(highest.items()):
        if grade > 0 and (not found or found[-1][1] != grade):
            found.append((day, grade))
    return found


@dataclass(frozen=True)
class Episode:
    """From the first grade above 0; `resolved_at` is the first grade 0 after its last, None while it goes on."""

    onset_at: dt.datetime
    highest_grade: int
    highest_at: dt.datetime
    last_at: dt.datetime
    resolved_at: dt.datetime | None = None

    @property
    def duration(self) -> dt.timedelta | None:
        return None if self.resolved_at is None else self.resolved_at - self.onset_at


def episodes(seen: Iterable[Seen], *, joins_within: dt.timedelta = JOINS_WITHIN) -> tuple[Episode, ...]:
    """In the order of time. Assessments that could not be graded neither begin nor end anything."""
    found: list[Episode] = []
    for one in sorted(seen, key=_in_order):
        current = found[-1] if found else None
        newest = _after(current, one, joins_within)
        if newest is not None and (current is None or newest.onset_at != current.onset_at):
            found.append(newest)
        elif newest is not None:
            found[-1] = newest
    return tuple(found)


def _in_order(one: Seen) -> tuple[dt.datetime, int]:
    return one.at, one.source


def _after(current: Episode | None, one: Seen, joins_within: dt.timedelta) -> Episode | None:
    """The newest episode once the next assessment was made; what could not be graded changes nothing."""
    if one.grade:
        if current is None or _is_over(current, one.at, joins_within):
            return Episode(one.at, one.grade, one.at, one.at)
        return _worse(current, one.grade, one.at)
    if one.grade == 0 and current is not None and current.resolved_at is None:
        return replace(current, resolved_at=one.at)
    return current


class Walk:
    """Through the assessments in the order of time, saying at each moment since when the toxicity was there; what is
    graded anew on the way counts from there on. Each assessment is passed once, however many moments are asked about.

    >>> morning, hour = dt.datetime(2026, 3, 12, 8, tzinfo=dt.UTC), dt.timedelta(hours=1)
    >>> walk = Walk([Seen(morning, 0, 1), Seen(morning + hour, 2, 2)])
    >>> walk.established_since(morning + hour) is None
    True
    >>> walk.established_since(morning + 2 * hour) == morning + hour
    True
    """

    def __init__(self, seen: Iterable[Seen], *, joins_within: dt.timedelta = JOINS_WITHIN) -> None:
        self._ahead = sorted(seen, key=_in_order, reverse=True)
        self._joins_within = joins_within
        self._current: Episode | None = None

    def established_since(self, before: dt.datetime) -> dt.datetime | None:
        """As the function of this name; the moments come in the order of time."""
        while self._ahead and self._ahead[-1].at < before:
            self._current = _after(self._current, self._ahead.pop(), self._joins_within)
        if self._current is None or _is_over(self._current, before, self._joins_within):
            return None
        return self._current.onset_at

    def regrade(self, source: int, grade: int | None) -> None:
        """The assessment of the moment asked about last, or a later one, has another grade; it was recorded last."""
        number = next(number for number, one in enumerate(reversed(self._ahead), start=1) if one.source == source)
        old = self._ahead.pop(-number)
        place = next((n for n, one in enumerate(reversed(self._ahead)) if one.at > old.at), len(self._ahead))
        self._ahead.insert(len(self._ahead) - place, replace(old, grade=grade))


def established_since(
    seen: Iterable[Seen], *, before: dt.datetime, joins_within: dt.timedelta = JOINS_WITHIN
) -> dt.datetime | None:
    """Since when there is the toxicity to which what is found at this moment belongs: one good hour ends nothing.

    None where it was not seen before. It goes on until it has been gone for as long as joins two bouts to one
    episode [P], and began with the first grade above 0 of that episode.

    >>> morning = dt.datetime(2026, 3, 12, 8, tzinfo=dt.UTC)
    >>> bad, good = Seen(morning, 4), Seen(morning + dt.timedelta(hours=1), 0)
    >>> established_since([bad, good], before=morning + dt.timedelta(hours=2)) == morning
    True
    """
    return Walk(seen, joins_within=joins_within).established_since(before)


def is_established(seen: Iterable[Seen], *, before: dt.datetime, joins_within: dt.timedelta = JOINS_WITHIN) -> bool:
    """Whether what is found at this moment belongs to a toxicity seen before."""
    return established_since(seen, before=before, joins_within=joins_within) is not None


Span = tuple[dt.datetime, dt.datetime | None]


def match(known: Sequence[Span], found: Sequence[Span]) -> tuple[int | None, ...]:
    """For each episode found, in the order of time, which of the known ones it is; None for a new one.

    As many as before: each moved at most. Otherwise the first that shares a moment with it, so that the second episode
    keeps its row, and its adverse event, when the first one turns out to be a mistake.

    >>> at = [dt.datetime(2026, 3, day, tzinfo=dt.UTC) for day in range(1, 7)]
    >>> match([(at[0], at[1]), (at[4], None)], [(at[4], None)])
    (1,)
    """
    if len(known) == len(found):
        return tuple(range(len(found)))
    free = list(range(len(known)))
    matched: list[int | None] = []
    for span in found:
        number = next((one for one in free if _share(known[one], span)), None)
        # What is later in time stays later: the ones before it are passed by.
        free = free if number is None else [one for one in free if one > number]
        matched.append(number)
    return tuple(matched)


def _share(one: Span, other: Span) -> bool:
    return (one[1] is None or other[0] <= one[1]) and (other[1] is None or one[0] <= other[1])


def _is_over(episode: Episode, at: dt.datetime, joins_within: dt.timedelta) -> bool:
    return episode.resolved_at is not None and at - episode.resolved_at > joins_within


def _worse(episode: Episode, grade: int, at: dt.datetime) -> Episode:
    """The episode with one more assessment above 0: open again, and higher where it is."""
    going_on = replace(episode, resolved_at=None, last_at=at)
    return replace(going_on, highest_grade=grade, highest_at=at) if grade > episode.highest_grade else going_on
