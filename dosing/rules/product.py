"""The way of a cell product, from the order to the vein or the bin, and what must be true before it is given.

Source: registry record NCT07072494 ("for autologous intravenous infusion only"); the states are those of a chain
of custody [P].
"""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    ORDERED = "ordered"
    COLLECTED = "collected"
    IN_MANUFACTURE = "in_manufacture"
    RELEASED = "released"
    RECEIVED = "received"
    THAWED = "thawed"
    INFUSED = "infused"
    FAILED = "failed"
    DISCARDED = "discarded"


S = State

TRANSITIONS: dict[State, frozenset[State]] = {
    S.ORDERED: frozenset({S.COLLECTED, S.DISCARDED}),
    S.COLLECTED: frozenset({S.IN_MANUFACTURE, S.FAILED, S.DISCARDED}),
    S.IN_MANUFACTURE: frozenset({S.RELEASED, S.FAILED, S.DISCARDED}),
    S.RELEASED: frozenset({S.RECEIVED, S.DISCARDED}),
    S.RECEIVED: frozenset({S.THAWED, S.DISCARDED}),
    S.THAWED: frozenset({S.INFUSED, S.DISCARDED}),
    S.INFUSED: frozenset(),
    S.FAILED: frozenset(),
    S.DISCARDED: frozenset(),
}
# Steps that say why.
WITH_REASON = frozenset({S.FAILED, S.DISCARDED})


def can_become(current: State, new: State) -> bool:
    return new in TRANSITIONS[current]


class Check(StrEnum):
    OK = "OK"
    REJECT = "REJECT"
    REVIEW = "REVIEW"


AUTOLOGOUS = "autologous"
INTRAVENOUS = "intravenous"


@dataclass(frozen=True)
class Administration:
    """Who gives what to whom, and how; None: not asked about."""

    source: str | None = None
    route: str | None = None
    product_of: str | None = None
    given_to: str | None = None
    is_second: bool | None = None


def check_administration(given: Administration) -> Check:
    """Refused: another person's cells, another source, another route. A second infusion is reviewed.

    The record knows autologous intravenous infusion only, and one of it.
    """
    is_foreign = given.product_of is not None and given.product_of != given.given_to
    wrong_source = given.source is not None and given.source != AUTOLOGOUS
    wrong_route = given.route is not None and given.route != INTRAVENOUS
    if is_foreign or wrong_source or wrong_route:
        return Check.REJECT
    return Check.REVIEW if given.is_second else Check.OK
