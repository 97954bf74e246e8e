"""When a participant must be asked for consent again, and by when.

Source: ICH E6(R3) 2.8 (new information: the form is revised and consent asked again; a minor who comes of age
consents for herself). The time allowed is policy [P].
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from participants.rules.age import LeapDay, birthday


class Cause(StrEnum):
    NEW_VERSION = "new_version"
    MAJORITY = "majority"


@dataclass(frozen=True)
class FormVersion:
    version: str
    effective_on: dt.date


@dataclass(frozen=True)
class Given:
    """A consent: which version, on which day."""

    version: str
    on: dt.date


@dataclass(frozen=True)
class Duty:
    """`version` is empty where any version in force will do."""

    cause: Cause
    version: str
    opens_on: dt.date
    due_on: dt.date


@dataclass(frozen=True)
class ReconsentPolicy:
    majority_age: int
    within_days: int
    notice_days: int = 14
    leap_day: LeapDay = LeapDay.MAR_1


def duties(
    given: Sequence[Given],
    versions: Sequence[FormVersion],
    born: dt.date | None,
    policy: ReconsentPolicy,
    *,
    today: dt.date,
) -> tuple[Duty, ...]:
    """What is owed or soon will be, done or not; nothing before the first consent.

    A new version is owed by everybody who consented before it was in force. Coming of age is known
    `notice_days` ahead, and due on the birthday: the guardian's signature holds until then.
    """
    if not given:
        return ()
    first = min(one.on for one in given)
    allowed = dt.timedelta(days=policy.within_days)
    found = [
        Duty(Cause.NEW_VERSION, form.version, form.effective_on, form.effective_on + allowed)
        for form in versions
        if first < form.effective_on <= today and form == _newest(versions, today)
    ]
    if born is None:
        return tuple(found)
    adult_on = birthday(born, policy.majority_age, policy.leap_day)
    if first < adult_on <= today + dt.timedelta(days=policy.notice_days):
        found.append(Duty(Cause.MAJORITY, "", adult_on, adult_on))
    return tuple(found)


def _newest(versions: Sequence[FormVersion], today: dt.date) -> FormVersion:
    return max((form for form in versions if form.effective_on <= today), key=lambda form: form.effective_on)


def settles(one: Given, duty: Duty) -> bool:
    """A consent settles a duty from the day on which that became possible, with the version it asks for."""
    return one.on >= duty.opens_on and duty.version in ("", one.version)


def stage(due_on: dt.date, *, today: dt.date) -> str:
    """The reminder that a duty owes today: on opening, on the day, then every seven days while it is overdue."""
    late = (today - due_on).days
    if late < 0:
        return "open"
    return "due" if late < 7 else f"overdue-{late // 7}"
