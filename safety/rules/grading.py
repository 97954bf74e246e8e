"""What every grading rule returns: the grade, what determined it, flags for review, and the reasons.

Rules are pure, so a reason is a code with values; its sentence stands beside the rule as an English
template that the pages translate. A grade is None when the findings do not suffice: that is not grade 0.
"""

from dataclasses import dataclass, field
from decimal import Decimal


def mark(text: str) -> str:
    """Mark a sentence for translation; the pages translate it when they show it."""
    return text


@dataclass(frozen=True)
class Reason:
    """One step of the grading: the code of its sentence and the values that go into it."""

    code: str
    values: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Graded:
    grade: int | None
    # What determined the grade: every axis or domain that reaches it.
    determinants: tuple[str, ...]
    flags: tuple[str, ...]
    reasons: tuple[Reason, ...]
    scale: str = "ASTCT 2019"
    ice_total: int | None = None


class ImpossibleFinding(ValueError):
    """A finding that cannot be true; `name` is its field, so that a form or a table can point to it."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


def check_range(name: str, value: Decimal | int | None, low: int, high: int) -> None:
    """Raises ImpossibleFinding with the name, the value and the range; None is not recorded, and passes."""
    if value is not None and not low <= value <= high:
        raise ImpossibleFinding(name, f"{name} is {value}: it must lie between {low} and {high}. Correct the value.")
