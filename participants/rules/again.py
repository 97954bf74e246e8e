"""Eligibility asked again before the infusion: which later results would not meet a criterion.

Source: the criteria of registry record NCT07072494 speak of the screening, apart from those that count back from the
infusion; rules, section 0. A corrected fact is a fact of the screening and is decided as such. Whether a result that
was taken after the enrolment stands against the infusion is for an investigator, or blocks, as the study file says [P].
"""

from collections.abc import Collection, Iterable
from enum import StrEnum

from participants.rules.eligibility import NOT_MET, Decision, Fact, Facts, Result


class Signature(StrEnum):
    """Of the investigator, that all criteria are met; current: given on what is recorded now."""

    CURRENT = "current"
    OUTDATED = "outdated"
    MISSING = "missing"
    # What was signed was changed underneath: it does not count.
    BROKEN = "broken"


def until_lowered(now: Facts, before: Facts | None, lowered: Collection[str]) -> Facts:
    """What is known now, but of blood counts that lymphodepletion lowers on purpose the newest from before it.

    `before` is what was known when it began; None while it has not.
    """
    if before is None:
        return now
    kept: dict[str, Fact] = {code: fact for code, fact in now.newest.items() if code not in lowered}
    return Facts(kept | {code: fact for code, fact in before.newest.items() if code in lowered}, now.beside)


def later(decided: Iterable[Decision], again: Iterable[Decision]) -> tuple[Decision, ...]:
    """The checks that a newer result would not meet, or would leave to an investigator.

    `decided` are those of the enrolment, `again` the same checks on newer facts, in the same order. A check that was
    only not asked again, or whose values are those of the enrolment, says nothing new.
    """
    against = NOT_MET | {Result.NEEDS_INVESTIGATOR}
    pairs = zip(decided, again, strict=True)
    return tuple(new for old, new in pairs if new.result in against and new.basis != old.basis)
