"""When each follow-up visit is due: windows counted in whole days from Day 0, the day of the infusion.

Source: the study's visit schedule (a proposal, marked [P] there, since published windows could not be
read). Day 0 is the site's calendar day of the infusion; Day n is n calendar days later, so a change of
clocks moves nothing. Visits whose target lies after the study's end go on as long-term follow-up.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True)
class VisitPlan:
    """A line of the schedule; days are relative to Day 0."""

    code: str
    target_day: int
    window_open_day: int
    window_close_day: int
    is_long_term: bool = False


@dataclass(frozen=True)
class PlannedVisit:
    code: str
    target_date: dt.date
    window_opens_on: dt.date
    window_closes_on: dt.date
    is_long_term: bool


def plan_visit(plan: VisitPlan, *, day0: dt.date, study_end: dt.date) -> PlannedVisit:
    """The dates of one visit. Raises ValueError if the window does not hold the target."""
    if not plan.window_open_day <= plan.target_day <= plan.window_close_day:
        raise ValueError(f"{plan.code}: the window does not contain the target day")
    target = day0 + dt.timedelta(days=plan.target_day)
    return PlannedVisit(
        code=plan.code,
        target_date=target,
        window_opens_on=day0 + dt.timedelta(days=plan.window_open_day),
        window_closes_on=day0 + dt.timedelta(days=plan.window_close_day),
        is_long_term=plan.is_long_term or target > study_end,
    )


def plan_visits(plans: Iterable[VisitPlan], *, day0: dt.date, study_end: dt.date) -> tuple[PlannedVisit, ...]:
    return tuple(plan_visit(plan, day0=day0, study_end=study_end) for plan in plans)


def trial_day(date: dt.date, *, day0: dt.date) -> int:
    """Day 0 is the infusion, the day before is Day −1."""
    return (date - day0).days


def days_outside(date: dt.date, *, opens: dt.date, closes: dt.date) -> int:
    """0 inside the window (both ends belong to it), negative days too early, positive days too late."""
    if date < opens:
        return (date - opens).days
    return max(0, (date - closes).days)


class Standing(StrEnum):
    """Where a visit stands on a day: what is recorded of it, and what the calendar says."""

    PLANNED = "planned"
    OPEN = "open"
    # The window has closed, and nobody has said what became of it: not yet known to be missed.
    OVERDUE = "overdue"
    DONE = "done"
    PARTLY = "partly"
    MISSED = "not_done"
    NOT_APPLICABLE = "cancelled"


def standing(state: str, *, opens: dt.date, closes: dt.date, today: dt.date) -> Standing:
    """`state` is what its row says: planned, or what became of it. Both ends of the window belong to it.

    >>> standing("planned", opens=dt.date(2026, 3, 5), closes=dt.date(2026, 3, 11), today=dt.date(2026, 3, 11))
    <Standing.OPEN: 'open'>
    """
    if state != Standing.PLANNED:
        return Standing(state)
    if closes < today:
        return Standing.OVERDUE
    return Standing.OPEN if opens <= today else Standing.PLANNED
