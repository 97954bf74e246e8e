"""The course of an event: a row for each grade from its day on; the event holds the highest."""

import datetime as dt
from collections.abc import Iterable

from django.utils.translation import gettext as _

from safety.models import AdverseEvent, EventGrade
from trialsite.models import User
from trialsite.voiding import void_rows

DEATH = 5


def begin_course(event: AdverseEvent, *, by: User, now: dt.datetime) -> None:
    """The first grade: since the onset, or since the death where that is all that was told."""
    since = event.results_in_death_on if event.grade == DEATH and event.results_in_death_on else event.onset
    EventGrade.objects.create(event=event, grade=event.grade, since=since, created_by=by, created_at=now)


def course_of(event: AdverseEvent) -> list[EventGrade]:
    """Standing grades by their day."""
    return sorted(event.grades.standing(), key=lambda one: (one.since, one.pk))


def follow_course(event: AdverseEvent, *, since: str, by: User, now: dt.datetime) -> None:
    """Bring the course in step with the grade and the onset that were typed; the event's grade becomes the highest.

    `since`: from this day on it had this grade. Empty: it always had, and the rows that said otherwise were wrong.
    """
    rows = course_of(event)
    if not rows:
        begin_course(event, by=by, now=now)
        return
    highest = max(row.grade for row in rows)
    if not since and event.grade == DEATH > highest:
        # A death is the end of its course, and corrects nothing of it.
        since = event.results_in_death_on
    if since:
        _add(event, event.grade, since, by=by, now=now)
    elif event.grade != highest:
        _correct(event, rows, by=by, now=now)
    _move_start(event, by=by, now=now)
    event.grade = max(row.grade for row in course_of(event))


def _correct(event: AdverseEvent, rows: list[EventGrade], *, by: User, now: dt.datetime) -> None:
    """The rows that cannot be true if this is the highest grade, or those that were thought the highest."""
    highest = max(row.grade for row in rows)
    wrong = [row for row in rows if row.grade > event.grade or row.grade == highest]
    _void(wrong, by=by, now=now)
    _add(event, event.grade, wrong[0].since, by=by, now=now)


def _move_start(event: AdverseEvent, *, by: User, now: dt.datetime) -> None:
    """The first grade begins with the event; later ones that the new onset leaves behind it go with it."""
    rows = course_of(event)
    early = [row for row in rows if row.since < event.onset]
    if not early and rows[0].grade != DEATH:
        early = rows[:1] if rows[0].since != event.onset else []
    if early:
        _void(early, by=by, now=now)
        _add(event, early[-1].grade, event.onset, by=by, now=now)


def _void(rows: list[EventGrade], *, by: User, now: dt.datetime) -> None:
    void_rows(rows, reason=_("the event was corrected"), by=by, now=now)


def _add(event: AdverseEvent, grade: int, since: str, *, by: User, now: dt.datetime) -> None:
    if not event.grades.standing().filter(since=since, grade=grade).exists():
        EventGrade.objects.create(event=event, grade=grade, since=since, created_by=by, created_at=now)


def rewrite_course(event: AdverseEvent, found: Iterable[tuple[str, int]], *, by: User, now: dt.datetime) -> None:
    """The course that somebody computed, of days and grades: only what differs is written."""
    wanted = list(found)
    rows = course_of(event)
    _void([row for row in rows if (row.since, row.grade) not in wanted], by=by, now=now)
    for since, grade in wanted:
        _add(event, grade, since, by=by, now=now)
