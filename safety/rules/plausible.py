"""What of an event does not go together: asked about at entry, and never refused.

Source: ICH E6(R3) 4.2 (data are consistent, and queried where they are not); ICH E2A II.B (life-threatening is the risk
of death at the time) and CTCAE (grade 1 is mild, grade 2 moderate). Which combinations are asked about is the study's
own choice [P].
"""

from collections.abc import Iterator
from dataclasses import dataclass

ENDED = frozenset({"recovered", "sequelae"})
GOES_ON = frozenset({"not_recovered", "recovering"})
MODERATE = 2


@dataclass(frozen=True)
class Told:
    """As the form says it; empty is open."""

    outcome: str
    has_end: bool
    grade: int
    is_life_threatening: bool
    results_in_death: bool = False


def implausible(told: Told) -> Iterator[str]:
    """Codes of what looks wrong, in the order of the form."""
    if told.outcome in ENDED and not told.has_end:
        yield "recovered_without_end"
    if told.has_end and told.outcome in GOES_ON:
        yield "end_not_recovered"
    if told.is_life_threatening and told.grade <= MODERATE:
        yield "life_threatening_low_grade"
