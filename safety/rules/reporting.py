"""Who must be told of an event, what, by when and why.

Sources: ICH E2A (serious, unexpected, the four minimum criteria), GCP 2020 (site to sponsor), the CDE's standard and
procedure for expedited reporting (2018): a suspected unexpected serious adverse reaction (SUSAR) that is fatal or
life-threatening within 7 days of first knowledge and complete within the following 8, any other within 15, what becomes
known later within 15 of learning it. CDE guideline 2024 No. 31: the first three of five categories count as related; if
either investigator or sponsor cannot exclude it, it counts. Limits and recipients come from the study's regime.

Policy [P]: Day 0 is the day of the earliest awareness by anybody, in Shanghai, once the four minimum criteria are
known; calendar days, no holiday stops them, and a day ends at midnight. What nobody has judged yet counts as related
and as unexpected. "The following 8 days" counts from the report that was really sent, which alarms; Day 15 is shown
beside it. What turns fatal or life-threatening on a later day starts 7 days on that day, beside the clock that runs.
"""

import calendar
import datetime as dt
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from zoneinfo import ZoneInfo

SHANGHAI = ZoneInfo("Asia/Shanghai")
RELATED = frozenset({"definite", "probable", "possible"})
# What is given or done for the study: only what may be due to one of these is a reaction.
STUDY_AGENTS = frozenset({"car_t", "fludarabine", "cyclophosphamide", "leukapheresis", "procedure"})
THREATENING, OTHER = "susar_fatal_or_life_threatening", "susar_other"


class Kind(StrEnum):
    """What a report is."""

    INITIAL = "initial"
    COMPLETION = "completion"
    FOLLOW_UP = "follow_up"
    UPGRADE = "upgrade"
    DOWNGRADE = "downgrade"
    NULLIFICATION = "nullification"


class Why(StrEnum):
    """Why something must be told."""

    SERIOUS = "serious"
    RELATED = "related"
    RELATEDNESS_OPEN = "relatedness_open"
    UNEXPECTED = "unexpected"
    EXPECTEDNESS_OPEN = "expectedness_open"
    THREATENING = "threatening"
    WORSE = "worse"
    DEATH = "death"
    NEWS = "news"


class WhyNot(StrEnum):
    """Why something need not be told any more."""

    NULLIFIED = "nullified"
    NOT_SERIOUS = "not_serious"
    NOT_RELATED = "not_related"
    EXPECTED = "expected"
    REPLACED = "replaced"


@dataclass(frozen=True)
class Clock:
    """One limit of a regime, as the study file has it."""

    code: str
    applies_to: str
    recipients: tuple[str, ...]
    limit: int
    unit: str
    counted_from: str
    alarms: bool = True

    @property
    def is_completion(self) -> bool:
        """A clock that does not alarm is the second reading of one that does."""
        return self.counted_from == "initial_report" or not self.alarms


@dataclass(frozen=True)
class View:
    """How the event relates to one agent, by both; empty while it is open."""

    agent: str
    investigator: str = ""
    sponsor: str = ""


@dataclass(frozen=True)
class News:
    """What became known later; `kind` is that of the report which tells it."""

    key: str
    learned_at: dt.datetime
    kind: Kind


@dataclass(frozen=True)
class Sent:
    """A report that went out."""

    recipient: str
    at: dt.datetime


@dataclass(frozen=True)
class Facts:
    """What is known of an event. `serious_at`, `threatening_at`, `fatal_at`: since when that was known; None: it is not
    so. `nullified_at`: since when it was known to be no event at all."""

    site_aware_at: dt.datetime
    sponsor_aware_at: dt.datetime | None = None
    minimum_at: dt.datetime | None = None
    serious_at: dt.datetime | None = None
    threatening_at: dt.datetime | None = None
    fatal_at: dt.datetime | None = None
    views: tuple[View, ...] = ()
    is_expected: bool | None = None
    news: tuple[News, ...] = ()
    sent: tuple[Sent, ...] = ()
    nullified_at: dt.datetime | None = None

    @property
    def told(self) -> frozenset[str]:
        return frozenset(one.recipient for one in self.sent)


@dataclass(frozen=True)
class Duty:
    """One recipient must have one report by `due_at`. `trigger`: what started it; with clock and recipient its name."""

    clock: str
    recipient: str
    kind: Kind
    trigger: str
    counted_from: dt.datetime
    due_at: dt.datetime
    why: tuple[Why, ...]
    alarms: bool = True

    @property
    def name(self) -> str:
        return f"{self.clock}:{self.recipient}:{self.trigger}"


# --- Days --------------------------------------------------------------------------------------------


def day_of(at: dt.datetime) -> dt.date:
    """The day in Shanghai.

    >>> day_of(dt.datetime(2026, 1, 31, 16, 1, tzinfo=dt.UTC))
    datetime.date(2026, 2, 1)
    """
    return at.astimezone(SHANGHAI).date()


def end_of(day: dt.date) -> dt.datetime:
    """The last moment of a day in Shanghai."""
    return dt.datetime.combine(day, dt.time.max, SHANGHAI)


def months_later(day: dt.date, months: int) -> dt.date:
    """The same day of a later month, or its last.

    >>> months_later(dt.date(2026, 12, 31), 2)
    datetime.date(2027, 2, 28)
    """
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return dt.date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def due_at(clock: Clock, since: dt.datetime) -> dt.datetime:
    """Hours from the moment; days and months to the end of the day that they lead to."""
    if clock.unit == "hours":
        return since + dt.timedelta(hours=clock.limit)
    if clock.unit == "months":
        return end_of(months_later(day_of(since), clock.limit))
    return end_of(day_of(since) + dt.timedelta(days=clock.limit))


# --- Reminding ---------------------------------------------------------------------------------------


class Stage(StrEnum):
    """How near the end of a duty is."""

    AHEAD = "ahead"
    NEAR = "near"
    OVERDUE = "overdue"


def stage(since: dt.datetime, due: dt.datetime, now: dt.datetime) -> Stage | None:
    """Ahead once half of the time is gone, near once three quarters are [P]; None before.

    >>> begun = dt.datetime(2026, 3, 10, 9, tzinfo=dt.UTC)
    >>> stage(begun, begun + dt.timedelta(hours=24), begun + dt.timedelta(hours=18)).value
    'near'
    """
    if now > due:
        return Stage.OVERDUE
    left, whole = due - now, due - since
    if left <= whole / 4:
        return Stage.NEAR
    return Stage.AHEAD if left <= whole / 2 else None


# --- What it is --------------------------------------------------------------------------------------


def first_aware_at(facts: Facts) -> dt.datetime:
    """The sponsor is the hospital: whoever knew first counts."""
    return min(filter(None, (facts.site_aware_at, facts.sponsor_aware_at)))


def day0_at(facts: Facts) -> dt.datetime:
    """From when the clocks of the sponsor count: first knowledge of a serious event, with its four minimum criteria."""
    return max(filter(None, (first_aware_at(facts), facts.minimum_at, facts.serious_at)))


def relation(views: Collection[View]) -> Why | None:
    """Related, open, or None where both exclude it for all that was given or done for the study."""
    said = [one for view in views if view.agent in STUDY_AGENTS for one in (view.investigator, view.sponsor)]
    if RELATED.intersection(said):
        return Why.RELATED
    return Why.RELATEDNESS_OPEN if not views or "" in said else None


def expectedness(is_expected: bool | None) -> Why | None:
    """Unexpected, open, or None where it is expected.

    >>> expectedness(None).value
    'expectedness_open'
    """
    if is_expected is None:
        return Why.EXPECTEDNESS_OPEN
    return None if is_expected else Why.UNEXPECTED


def suspected(facts: Facts) -> tuple[Why, ...]:
    """Why it counts as a SUSAR; empty where it is none."""
    related, unexpected = relation(facts.views), expectedness(facts.is_expected)
    if facts.serious_at is None or facts.nullified_at is not None or related is None or unexpected is None:
        return ()
    return (Why.SERIOUS, related, unexpected)


# --- What is owed ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Start:
    """A moment from which clocks for one kind of thing count."""

    thing: str
    trigger: str
    at: dt.datetime
    why: tuple[Why, ...]


def duties(facts: Facts, clocks: Collection[Clock]) -> tuple[Duty, ...]:
    """All that was ever owed by what is known now, also what was sent since; the earliest first."""
    first = [duty for start in _starts(facts) for clock in clocks for duty in _started(facts, clock, start)]
    recipients = {duty.recipient for duty in first} | facts.told
    later = [
        duty for clock in clocks if clock.applies_to == "new_information" for duty in _news(facts, clock, recipients)
    ]
    return tuple(sorted([*first, *later], key=lambda duty: (duty.due_at, duty.name)))


def _starts(facts: Facts) -> Iterator[_Start]:
    if facts.serious_at is None or facts.nullified_at is not None:
        return
    yield _Start("sae", "first", max(facts.site_aware_at, facts.serious_at), (Why.SERIOUS,))
    if why := suspected(facts):
        yield from _suspected_starts(facts, why)


def _suspected_starts(facts: Facts, why: tuple[Why, ...]) -> Iterator[_Start]:
    """Once from Day 0, and anew on the later day on which it was known to threaten life, or to have ended it."""
    base = day0_at(facts)
    known = [at for at in (facts.threatening_at, facts.fatal_at) if at is not None]
    if not known:
        yield _Start(OTHER, "first", base, why)
        return
    worse = max(base, min(known))
    if day_of(worse) > day_of(base):
        yield _Start(OTHER, "first", base, why)
        yield _Start(THREATENING, "worse", worse, (*why, Why.WORSE))
    else:
        yield _Start(THREATENING, "first", base, (*why, Why.THREATENING))
    if facts.fatal_at is not None and day_of(facts.fatal_at) > day_of(worse):
        yield _Start(THREATENING, "death", facts.fatal_at, (*why, Why.DEATH))


def _started(facts: Facts, clock: Clock, start: _Start) -> Iterator[Duty]:
    if clock.applies_to != start.thing:
        return
    kind = Kind.COMPLETION if clock.is_completion else Kind.INITIAL if start.trigger == "first" else Kind.UPGRADE
    for recipient in clock.recipients:
        since = _counted(facts, clock, start, recipient)
        if since is not None:
            due = due_at(clock, since)
            yield Duty(clock.code, recipient, kind, start.trigger, since, due, start.why, clock.alarms)


def _counted(facts: Facts, clock: Clock, start: _Start, recipient: str) -> dt.datetime | None:
    """From when the clock counts; None while the report after which it counts is not sent."""
    if clock.counted_from != "initial_report":
        return start.at
    sent = [one.at for one in facts.sent if one.recipient == recipient and one.at >= start.at]
    return min(sent, default=None)


def _news(facts: Facts, clock: Clock, recipients: Collection[str]) -> Iterator[Duty]:
    """What became known later, to all who are told; that it was no event, to those who have been told."""
    for news in facts.news:
        is_nullified = news.kind is Kind.NULLIFICATION
        for recipient in clock.recipients:
            if recipient in (facts.told if is_nullified else recipients):
                due = due_at(clock, news.learned_at)
                trigger = f"news-{news.key}"
                yield Duty(clock.code, recipient, news.kind, trigger, news.learned_at, due, (Why.NEWS,), clock.alarms)


def why_not(facts: Facts) -> WhyNot:
    """Why a duty that was owed before is owed no longer."""
    if facts.nullified_at is not None:
        return WhyNot.NULLIFIED
    if facts.serious_at is None:
        return WhyNot.NOT_SERIOUS
    if relation(facts.views) is None:
        return WhyNot.NOT_RELATED
    return WhyNot.EXPECTED if expectedness(facts.is_expected) is None else WhyNot.REPLACED
