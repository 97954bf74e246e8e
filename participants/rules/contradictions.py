"""Dates that contradict what else is known of a participant: what is refused, and what is asked about.

Source: ICH E6(R3) 4.2 (data are consistent, and queried where they are not) and 2.8 (consent comes before every
procedure); which kind of date may lie where is the study's own choice [P], written down in `RULES`. Nothing is claimed
of a date known in part unless it holds for each of its days.
"""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a date says."""

    # Done to the participant for the study: an assessment, a visit, a dose, a collection of cells.
    PROCEDURE = "procedure"
    # The study treatment and what prepares it: not after the consent to it was taken back.
    TREATMENT = "treatment"
    # Taken or found; whether it was done for the study stands on the row, and its own rule asks then.
    RESULT = "result"
    # Happened to the participant.
    EVENT = "event"
    # Medication and history: most of it is older than the study.
    BACKGROUND = "background"
    # When people of the site came to know, or decided.
    KNOWLEDGE = "knowledge"
    CONSENT = "consent"
    WITHDRAWAL = "withdrawal"
    # Where the participant stands in the study.
    STATUS = "status"
    # Of the product, on its way outside the participant.
    PRODUCT = "product"
    # What is planned, due, or good until.
    PLANNED = "planned"


class Code(StrEnum):
    BEFORE_BIRTH = "before_birth"
    FUTURE = "future"
    BEFORE_CONSENT = "before_consent"
    WITHOUT_CONSENT = "without_consent"
    AFTER_WITHDRAWAL = "after_withdrawal"
    AFTER_DEATH = "after_death"
    AFTER_NO_MORE_DATA = "after_no_more_data"
    AFTER_LEAVING = "after_leaving"
    OUTSIDE = "outside"
    DEATH_NOT_IN_STATUS = "death_not_in_status"
    DEATH_ON_ANOTHER_DAY = "death_on_another_day"


REFUSED = frozenset({Code.BEFORE_BIRTH, Code.FUTURE})
CONSENT = frozenset({Code.BEFORE_CONSENT, Code.WITHOUT_CONSENT})
# Those that are a protocol deviation where something was done for the study.
WITHOUT_AGREEMENT = CONSENT | {Code.AFTER_WITHDRAWAL}


@dataclass(frozen=True)
class Rule:
    """`asks`: which contradictions are asked about; `deviates`: without agreement it is a protocol deviation."""

    asks: frozenset[Code]
    has_happened: bool = True
    deviates: bool = False


_END = frozenset({Code.AFTER_DEATH, Code.AFTER_NO_MORE_DATA, Code.AFTER_LEAVING})

RULES = {
    Kind.PROCEDURE: Rule(_END | CONSENT, deviates=True),
    Kind.TREATMENT: Rule(_END | WITHOUT_AGREEMENT, deviates=True),
    Kind.RESULT: Rule(_END),
    Kind.EVENT: Rule(_END | {Code.BEFORE_CONSENT}),
    Kind.BACKGROUND: Rule(_END),
    # The site hears of an event after the death, too; what it hears after "no further data" is data.
    Kind.KNOWLEDGE: Rule(frozenset({Code.AFTER_NO_MORE_DATA})),
    # Consents renew each other; who has left may come back and sign again.
    Kind.CONSENT: Rule(frozenset({Code.AFTER_DEATH, Code.AFTER_NO_MORE_DATA})),
    # That there was something to withdraw is a rule of its own.
    Kind.WITHDRAWAL: Rule(frozenset({Code.AFTER_DEATH})),
    # The order of the steps is a rule of its own.
    Kind.STATUS: Rule(frozenset({Code.AFTER_NO_MORE_DATA})),
    Kind.PRODUCT: Rule(frozenset()),
    Kind.PLANNED: Rule(frozenset(), has_happened=False),
}


@dataclass(frozen=True)
class Dated:
    """A date of a row: what it says, and the first and last moment that it can mean."""

    kind: Kind
    earliest: dt.datetime
    latest: dt.datetime


@dataclass(frozen=True)
class Facts:
    """What is known of a participant: None where it is not known, or has not happened.

    A day counts as its first moment where it begins something, as its last where it ends something.
    """

    born_at: dt.datetime | None = None
    consented_at: dt.datetime | None = None
    withdrew_at: dt.datetime | None = None
    died_at: dt.datetime | None = None
    no_more_data_from: dt.datetime | None = None
    left_at: dt.datetime | None = None


@dataclass(frozen=True)
class Finding:
    """`limit` is the moment of the fact that the date contradicts."""

    code: Code
    limit: dt.datetime | None = None
    deviates: bool = False

    @property
    def is_refused(self) -> bool:
        return self.code in REFUSED


def findings(dated: Dated, facts: Facts, *, now: dt.datetime) -> tuple[Finding, ...]:
    """What contradicts this date, in the order of life; who died or wants no more data has left, which is not asked."""
    rule = RULES[dated.kind]
    found = list(_impossible(dated, facts, rule, now))
    if found:
        return tuple(found)
    codes = dict(_questions(dated, facts))
    if Code.AFTER_DEATH in codes or Code.AFTER_NO_MORE_DATA in codes:
        codes.pop(Code.AFTER_LEAVING, None)
    asked = ((code, limit) for code, limit in codes.items() if code in rule.asks)
    return tuple(Finding(code, limit, deviates=rule.deviates and code in WITHOUT_AGREEMENT) for code, limit in asked)


def _impossible(dated: Dated, facts: Facts, rule: Rule, now: dt.datetime) -> Iterator[Finding]:
    if facts.born_at is not None and dated.latest < facts.born_at:
        yield Finding(Code.BEFORE_BIRTH, facts.born_at)
    if rule.has_happened and dated.earliest > now:
        yield Finding(Code.FUTURE, now)


def _questions(dated: Dated, facts: Facts) -> Iterator[tuple[Code, dt.datetime | None]]:
    if facts.consented_at is None:
        yield Code.WITHOUT_CONSENT, None
    elif dated.latest < facts.consented_at:
        yield Code.BEFORE_CONSENT, facts.consented_at
    ends = (
        (Code.AFTER_WITHDRAWAL, facts.withdrew_at),
        (Code.AFTER_DEATH, facts.died_at),
        (Code.AFTER_NO_MORE_DATA, facts.no_more_data_from),
        (Code.AFTER_LEAVING, facts.left_at),
    )
    for code, end in ends:
        if end is not None and dated.earliest > end:
            yield code, end


def outside(dated: Dated, *, begins: dt.datetime | None, ends: dt.datetime | None) -> Finding | None:
    """Whether a date certainly lies outside what it belongs to: an infusion, the life of a product."""
    if begins is not None and dated.latest < begins:
        return Finding(Code.OUTSIDE, begins)
    if ends is not None and dated.earliest > ends:
        return Finding(Code.OUTSIDE, ends)
    return None


def worst(found: Iterable[tuple[str, Finding]]) -> list[tuple[str, Finding]]:
    """Of several dates of one row: each contradiction once, with the first field that shows it."""
    first: dict[Code, tuple[str, Finding]] = {}
    for name, finding in found:
        first.setdefault(finding.code, (name, finding))
    return list(first.values())


@dataclass(frozen=True)
class Told:
    """What a contact learnt: of a death, and the first and last day on which it can have been, where any is known."""

    is_dead: bool
    on: tuple[dt.date, dt.date] | None = None


def about_death(told: Told, died_on: dt.date | None) -> Code | None:
    """Whether a contact and the status tell one death; a day known in part contradicts only if none of its days fits.

    That somebody was alive after the death is a date of its own, and asked about as such.
    """
    if not told.is_dead:
        return None
    if died_on is None:
        return Code.DEATH_NOT_IN_STATUS
    is_other = told.on is not None and not told.on[0] <= died_on <= told.on[1]
    return Code.DEATH_ON_ANOTHER_DAY if is_other else None
