"""The watch on the study's stopping rule, and the alert when it is crossed."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db import connection, transaction
from django.db.models.functions import Coalesce

from participants.actions import site_day
from participants.models import Participant
from safety import tables
from safety.actions import alerts
from safety.actions.calls import FIRST, investigators, people_of, tell
from safety.models import AlertKind, SafetyAlert, SettledBy, ToxicityAssessment, current
from safety.rules import stopping as rules
from trialsite import notifications
from trialsite.models import User
from trialsite.roles import Role
from trialsite.study import Stopping, get_study

# Everybody who looks takes this lock first: two events that are saved at once must not each miss the other.
LOCK = 7_072_494


@dataclass(frozen=True)
class State:
    """How the study stands: the rule, its course, and how many were infused whose window is still open."""

    said: Stopping
    rule: rules.Rule
    points: tuple[rules.Point, ...]
    infused: int

    @property
    def last(self) -> rules.Point | None:
        return self.points[-1] if self.points else None

    @property
    def is_crossed(self) -> bool:
        return self.last is not None and self.last.is_crossed

    @property
    def waiting(self) -> int:
        return self.infused - len(self.points)


def rule_of(said: Stopping) -> rules.Rule:
    return rules.Rule(said.prior_events, said.prior_without, said.limit, said.probability, said.from_treated)


def state(*, now: dt.datetime) -> State | None:
    """Of the whole study, all sites together; None where the study has no such rule. At most three queries."""
    said = get_study().latest.stopping
    if said is None:
        return None
    infused = tables.first_infusions()
    events = _first_events(said, infused)
    watched = [
        rules.counted(pk, infused_on=day, event_on=events.get(pk), window_days=said.window_days, today=site_day(now))
        for pk, day in infused.items()
    ]
    rule = rule_of(said)
    return State(said, rule, rules.path(rule, [one for one in watched if one is not None]), len(infused))


def _first_events(said: Stopping, infused: Mapping[int, dt.date]) -> dict[int, dt.date]:
    """The first day, from the infusion on, at which each participant had what the rule watches."""
    found: dict[int, dt.date] = {}
    for pk, day in (*_assessed(said), *_logged(said, infused)):
        if pk in infused and day >= infused[pk]:
            found[pk] = min(day, found.get(pk, day))
    return found


def _assessed(said: Stopping) -> Iterable[tuple[int, dt.date]]:
    if "assessments" not in said.sources:
        return []
    rows = current(ToxicityAssessment.objects.filter(toxicity__in=said.events))
    severe = rows.annotate(final=Coalesce("investigator_grade", "grade")).filter(final__gte=said.grade_from)
    return [(pk, site_day(at)) for pk, at in severe.order_by().values_list("participant", "assessed_at")]


def _logged(said: Stopping, infused: Mapping[int, dt.date]) -> Iterable[tuple[int, dt.date]]:
    """Adverse events of these names. Of a day that is known in part the first that it can mean."""
    if "adverse_events" not in said.sources:
        return []
    watched = [one for one in get_study().latest.special_interest_events if one.code in said.events]
    rows = (row for row in tables.rows_of() if row.grade >= said.grade_from and row.participant in infused)
    of_interest = (row for row in rows if any(tables.is_of_interest(row, one) for one in watched))
    days = ((row.participant, row.first_day(infused[row.participant])) for row in of_interest)
    return [(pk, day) for pk, day in days if day is not None]


# --- the watch ---------------------------------------------------------------------------------------


@transaction.atomic(savepoint=False)
def watch(*, now: dt.datetime, by: User | None) -> list[SafetyAlert]:
    """Look at the rule again after something that it may count; the new alerts, one for each new crossing.

    In the transaction of the fact. Each crossing belongs to the participant with whom it came: looked at twice it is
    told once, and settled when the facts say so no longer. `by` is nobody when it was time alone.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
    found = state(now=now)
    points = () if found is None else tuple(one for one in found.points if one.is_crossing)
    known = {alert.key: alert for alert in SafetyAlert.objects.standing().filter(kind=AlertKind.STOPPING)}
    _settle_others(known, {_key(point) for point in points}, now=now)
    missing = [point for point in points if _is_untold(known.get(_key(point)))]
    return [alert for point in missing if (alert := _raise(point, known, by=by, now=now)) is not None]


def matters(rows: Iterable[ToxicityAssessment]) -> bool:
    """Whether the rule can look different after these: one of them, or what it replaces, is as bad as it counts."""
    said = get_study().latest.stopping
    if said is None:
        return False
    grades = [one.final_grade or 0 for row in rows for one in (row, row.corrects) if one is not None]
    return max(grades, default=0) >= said.grade_from


def _key(point: rules.Point) -> str:
    return f"stopping:{point.key}"


def _is_untold(alert: SafetyAlert | None) -> bool:
    return alert is None or alert.settled_at is not None


def _settle_others(known: Mapping[str, SafetyAlert], keys: set[str], *, now: dt.datetime) -> None:
    """What was told and is so no longer: also where somebody has answered, so that it can be told again."""
    for key, alert in known.items():
        if key not in keys and alert.settled_at is None:
            alert.settled_at, alert.settled_because = now, SettledBy.CORRECTED
            alert.save(update_fields=["settled_at", "settled_because"])
            notifications.cancel(about=alert.about, reason=f"settled: {SettledBy.CORRECTED}", now=now)


def _raise(
    point: rules.Point, known: Mapping[str, SafetyAlert], *, by: User | None, now: dt.datetime
) -> SafetyAlert | None:
    """The new alert; None for one that was told before, and holds again."""
    if (old := known.get(_key(point))) is not None:
        alerts.reopen(old, now=now)
        return None
    participant = Participant.objects.select_related("site").get(pk=point.key)
    alert = SafetyAlert.objects.create(
        key=_key(point),
        about=_key(point),
        participant=participant,
        kind=AlertKind.STOPPING,
        happened_at=now,
        raised_at=now,
        created_by=by or participant.created_by,
        created_at=now,
    )
    _tell(alert, now=now)
    return alert


def _tell(alert: SafetyAlert, *, now: dt.datetime) -> None:
    """The principal investigator; where there is none to be reached, all investigators of the site."""
    site = alert.participant.site
    people = people_of(site, (Role.PRINCIPAL_INVESTIGATOR,)) or investigators(site)
    tell([alert], people, FIRST, thread=[alert], told={person.pk for person in people}, now=now)
