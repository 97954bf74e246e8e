"""Inpatient days that are done without being entered: what is recorded of a day settles its visit."""

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import F, Q
from django.utils import timezone

from participants.actions import site_day
from participants.actions.visits import settle_by_records
from participants.models import Measurement, Participant, Visit
from participants.rules.measures import PANEL_OF
from participants.rules.settling import ToldBy
from safety.actions.rounds import day_begins, is_scored
from safety.models import Scale, ToxicityAssessment, current
from safety.rules import days
from safety.rules.icans import IcePerformed
from trialsite import sweeps
from trialsite.models import RecordQuerySet
from trialsite.study import get_study

TASK = "safety.tasks.sweep_days"
PHASE = "inpatient"
# For so long a sweep looks whether a done day still has what it asks for; a void looks at once, however old the day is.
REACH = dt.timedelta(days=60)
DAY = dt.timedelta(days=1)
# A participant and a day of the site, and what was recorded there, how often.
Recorded = Mapping[tuple[int, dt.date], Counter[str]]


def settle_days(*, now: dt.datetime) -> dict[str, int]:
    """Settle every inpatient day that waits, and look again at those that were settled lately; counts by outcome.

    Running it twice or beside itself is harmless. A fixed number of queries, and some for each day that changes.
    """
    today = site_day(now)
    waiting = Visit.objects.owed().filter(target_date__lte=today).exclude(told_by=ToldBy.PERSON)
    settled = Visit.objects.standing().filter(told_by=ToldBy.RECORDS, target_date__gte=today - REACH)
    return _settle([*_inpatient(waiting), *_inpatient(settled)], each=sweeps.noted, now=now)


def settle_days_of(participant: Participant, *, now: dt.datetime) -> dict[str, int]:
    """The same of one participant, however long ago it was."""
    rows = Visit.objects.standing().filter(participant=participant, target_date__lte=site_day(now))
    return _settle(list(_inpatient(rows.exclude(told_by=ToldBy.PERSON))), each=lambda _key: nullcontext(), now=now)


def _inpatient(visits: RecordQuerySet[Visit]) -> RecordQuerySet[Visit]:
    of_version = (
        Q(protocol_version=version, code__in=[one.code for one in protocol.visits if one.phase == PHASE])
        for version, protocol in get_study().versions.items()
    )
    found = reduce(or_, of_version)
    # A day of which it cannot be said whether it was this one or the next is for a person to say.
    return visits.filter(found, window_opens_on=F("target_date"), window_closes_on=F("target_date"))


def _settle(
    visits: list[Visit], *, each: Callable[[str], AbstractContextManager[None]], now: dt.datetime
) -> dict[str, int]:
    counts = {"done": 0, "planned again": 0}
    recorded = _recorded(visits)
    for visit in visits:
        with each(f"visit:{visit.pk}"):
            asked = get_study().protocol(visit.protocol_version).visit(visit.code).procedures
            found = recorded.get((visit.participant_id, visit.target_date), Counter())
            is_complete = days.is_complete(asked, found)
            if is_complete != (visit.state == Visit.State.DONE) and settle_by_records(
                visit=visit, is_complete=is_complete, now=now
            ):
                counts["done" if is_complete else "planned again"] += 1
    return counts


def _recorded(visits: Iterable[Visit]) -> dict[tuple[int, dt.date], Counter[str]]:
    """Everything that counts of these days: two queries."""
    found: dict[tuple[int, dt.date], Counter[str]] = {}
    wanted = {(visit.participant_id, visit.target_date) for visit in visits}
    if not wanted:
        return found
    for participant, at, what in (*_assessed(wanted), *_measured(wanted)):
        found.setdefault((participant, timezone.localtime(at).date()), Counter())[what] += 1
    return found


def _within(wanted: set[tuple[int, dt.date]], field: str) -> dict[str, Any]:
    first, last = min(day for _who, day in wanted), max(day for _who, day in wanted)
    return {
        "participant__in": {who for who, _day in wanted},
        f"{field}__gte": day_begins(first),
        f"{field}__lt": day_begins(last + DAY),
    }


def _assessed(wanted: set[tuple[int, dt.date]]) -> Iterable[tuple[int, dt.datetime, str]]:
    rows = current(ToxicityAssessment.objects.filter(**_within(wanted, "assessed_at")))
    graded = rows.values_list("participant", "assessed_at", "toxicity", "grade", "investigator_grade", "findings")
    for participant, at, toxicity, grade, own, findings in graded:
        if grade is not None or own is not None:
            yield participant, at, toxicity
        if toxicity == Scale.ICANS and _has_ice(findings):
            yield participant, at, "ICE"


def _has_ice(findings: Mapping[str, Any]) -> bool:
    """The score, CAPD in its place, or that the participant could not do it: that is an answer."""
    unable = (IcePerformed.UNABLE_AROUSABLE, IcePerformed.UNABLE_UNAROUSABLE)
    return is_scored(dict(findings)) or findings.get("ice_performed") in unable


def _measured(wanted: set[tuple[int, dt.date]]) -> Iterable[tuple[int, dt.datetime, str]]:
    """Results, each for itself and for its panel; what was not done is none."""
    rows = Measurement.objects.standing().filter(not_done_reason="", **_within(wanted, "taken_at"))
    for participant, at, code in rows.values_list("participant", "taken_at", "code"):
        yield participant, at, code
        yield participant, at, PANEL_OF.get(code, code)
