"""What a report says that gives a bound only: the grades of all values that it allows, as one suggestion."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from safety.rules.grading import Reason
from safety.rules.lab_ctcae.model import Basis, Suggestion

Item = TypeVar("Item")
# Said only where it holds for every value; all other flags ask for something that may matter.
ABOUT_THE_VALUE = frozenset({"BASELINE_GAP", "BASELINE_ABOVE_LIMIT", "NOT_WORSE_THAN_BASELINE", "WITHIN_LIMITS"})


@dataclass(frozen=True)
class Reported:
    """What is only a bound, in words as the report has it: the value, the baseline, or both."""

    value: str
    baseline: str = ""
    is_value_exact: bool = False

    def says(self, code: str, **values: str) -> tuple[Reason, ...]:
        """What follows, and of a value that is a bound that the baseline is one, too."""
        given = {"value": self.value, "baseline": self.baseline, **values}
        if self.is_value_exact:
            return (Reason(f"baseline-{code}", given),)
        told = (Reason("bound-baseline", {"value": self.baseline}),) if self.baseline else ()
        return (Reason(f"bound-{code}", given), *told)


def joined(found: Sequence[Suggestion], reported: Reported) -> Suggestion:
    """One suggestion for all values: a grade where they agree, a span where not, none where one of them has none."""
    grades = {one.grade for one in found if one.grade is not None}
    silent = [one for one in found if one.grade is None]
    flags = _flags(found)
    if silent:
        says, only = (reported.says("open"), ("BOUND_ONLY",)) if grades else ((), ())
        reasons = (*says, *_unique(reason for one in silent for reason in one.reasons))
        return replace(found[0], grade=None, decided_by=(), reasons=reasons, flags=(*only, *flags))
    low, high = min(grades), max(grades)
    basis = tuple(Basis(name) for name in _unique(basis for one in found for basis in one.decided_by))
    if low == high:
        says = reported.says("same", grade=str(low)) if low else ()
        return replace(found[0], decided_by=basis, reasons=(*says, *_why(found)), flags=flags)
    reasons = (*reported.says("differ", low=str(low), high=str(high)), *_why(found))
    flags = ("BOUND_ONLY", *flags)
    return replace(found[0], grade=None, span=(low, high), decided_by=basis, reasons=reasons, flags=flags)


def _why(found: Sequence[Suggestion]) -> list[Reason]:
    """The conditions of the grades, the highest first; that no grade is reached is said only where all say it."""
    worst_first = sorted(found, key=lambda one: one.grade or 0, reverse=True)
    reasons = _unique(reason for one in worst_first for reason in one.reasons)
    return [one for one in reasons if one.code != "none"] or reasons


def _flags(found: Sequence[Suggestion]) -> tuple[str, ...]:
    flags = _unique(flag for one in found for flag in one.flags)
    return tuple(flag for flag in flags if flag not in ABOUT_THE_VALUE or all(flag in one.flags for one in found))


def _unique(items: Iterable[Item]) -> list[Item]:
    found: list[Item] = []
    for one in items:
        if one not in found:
            found.append(one)
    return found
