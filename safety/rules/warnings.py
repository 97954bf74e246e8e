"""Which early warnings one more assessment of CRS or ICANS gives.

Source: the sponsor's wish to be told early; ASCO 2021 (Santomasso, J Clin Oncol 2021) takes grade 3 to intensive care
and treats each higher grade otherwise. No text says when to warn, so all of this is policy [P]: a toxicity is new when
the gradable assessment before found none; a rise is one of two grades or more within 24 hours, both ends included;
severe is grade 3 or higher and higher than before, so that 3 to 4 warns again.

Also [P]: a correction warns only of what the corrected grade did not warn of, and one that is not higher of nothing; an
assessment that is recorded late, when a later one has found as much or worse, warns of nothing; what could not be
graded neither warns nor counts as the grade before; a first assessment is no rise, for nothing stands before it.

And [P]: a vasopressor or high-flow oxygen that is put down to CRS while CRS is grade 0 is warned of, since fever may be
masked (ASTCT 2019, Table 2: with either, CRS is grade 3 or more once there is fever).
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import Any

from safety.rules.crs import DEVICE_GRADE, LOW_FLOW_L_MIN, OxygenDevice, OxygenReason
from safety.rules.episodes import Seen


class Kind(StrEnum):
    NEW = "new"
    RISE = "rise"
    SEVERE = "severe"


@dataclass(frozen=True)
class WarningPolicy:
    """When to warn [P]; the defaults are those of the first study."""

    rise_by: int = 2
    rise_within: dt.timedelta = dt.timedelta(hours=24)
    severe_from: int = 3


FIRST_STUDY = WarningPolicy()


@dataclass(frozen=True)
class EarlyWarning:
    """What to warn of, because of which row."""

    kind: Kind
    grade: int
    source: int

    @property
    def key(self) -> str:
        """One row warns of one kind once.

        >>> EarlyWarning(Kind.SEVERE, 3, source=17).key
        'assessment:17:severe'
        """
        return f"assessment:{self.source}:{self.kind}"


def due(
    newest: Seen,
    others: Iterable[Seen],
    *,
    instead_of: int | None = None,
    policy: WarningPolicy = FIRST_STUDY,
) -> tuple[EarlyWarning, ...]:
    """The warnings of this assessment, among the other current ones of the same toxicity, in any order.

    `instead_of` is the grade that it corrects; the corrected row is not among the others.

    >>> at = dt.datetime(2026, 3, 5, 8, tzinfo=dt.UTC)
    >>> [one.kind.value for one in due(Seen(at, 3, 2), [Seen(at - dt.timedelta(hours=10), 0, 1)])]
    ['new', 'rise', 'severe']
    """
    if instead_of is None:
        return _due(newest, others, policy)
    if newest.grade is None or newest.grade <= instead_of:
        return ()
    others = tuple(others)
    known = {_told(one) for one in _due(replace(newest, grade=instead_of), others, policy)}
    return tuple(one for one in _due(newest, others, policy) if _told(one) not in known)


def still_rises(newest: Seen, others: Iterable[Seen], *, policy: WarningPolicy = FIRST_STUDY) -> bool:
    """Whether an earlier assessment within the time stands so far below that a rise was rightly warned of.

    >>> at = dt.datetime(2026, 3, 5, 8, tzinfo=dt.UTC)
    >>> still_rises(Seen(at, 2, 2), [Seen(at - dt.timedelta(hours=10), 1, 1)])
    False
    """
    lower = (newest.grade or 0) - policy.rise_by
    since = newest.at - policy.rise_within
    return any(one.grade is not None and one.grade <= lower and since <= one.at <= newest.at for one in others)


def is_masked(grade: int | None, findings: Mapping[str, Any]) -> bool:
    """Whether CRS of grade 0 stands beside support that would make it grade 3: findings as they are kept.

    >>> is_masked(0, {"days_since_infusion": 3, "vasopressors": 1})
    True
    """
    if grade != 0 or findings.get("days_since_infusion", 0) < 0:
        return False
    return _has_vasopressor(findings) or _has_high_flow(findings)


def _has_vasopressor(findings: Mapping[str, Any]) -> bool:
    is_running = bool(findings.get("vasopressors") or findings.get("vasopressin"))
    return is_running and findings.get("hypotension_attributable") is not False


def _has_high_flow(findings: Mapping[str, Any]) -> bool:
    device, flow = findings.get("oxygen_device"), findings.get("oxygen_flow_l_min")
    if device is None or findings.get("oxygen_reason") not in (None, OxygenReason.CRS_HYPOXIA):
        return False
    if device == OxygenDevice.NASAL_CANNULA:
        return flow is not None and Decimal(flow) > LOW_FLOW_L_MIN
    return DEVICE_GRADE[OxygenDevice(device)] >= 3


def _told(warning: EarlyWarning) -> tuple[Kind, int]:
    """What people were told: a severe grade with its number, since 4 is other news than 3."""
    return warning.kind, warning.grade if warning.kind is Kind.SEVERE else 0


def _due(newest: Seen, others: Iterable[Seen], policy: WarningPolicy) -> tuple[EarlyWarning, ...]:
    if not newest.grade:
        return ()
    ordered = sorted((one for one in others if one.grade is not None), key=lambda one: one.at)
    before = [one for one in ordered if one.at <= newest.at]
    after = [one for one in ordered if one.at > newest.at]
    if after and (after[0].grade or 0) >= newest.grade:
        return ()
    last = (before[-1].grade or 0) if before else 0
    found = {
        Kind.NEW: last == 0,
        Kind.RISE: _rises(newest, before, policy),
        Kind.SEVERE: newest.grade >= policy.severe_from and newest.grade > last,
    }
    return tuple(EarlyWarning(kind, newest.grade, newest.source) for kind, is_due in found.items() if is_due)


def _rises(newest: Seen, before: Sequence[Seen], policy: WarningPolicy) -> bool:
    """A climb of so many grades that no assessment since its start has reached: up and down again warns once."""
    grade, highest_since = newest.grade or 0, -1
    for one in reversed(before):
        if newest.at - one.at > policy.rise_within or highest_since >= grade:
            return False
        if grade - (one.grade or 0) >= policy.rise_by:
            return True
        highest_since = max(highest_since, one.grade or 0)
    return False
