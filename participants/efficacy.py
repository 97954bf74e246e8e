"""Efficacy of the study as its page, its picture and its files show it: one reading of the record for all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from participants import courses
from participants.models import Participant, ParticipantStatus, Visit
from participants.responses import CAUSE_NAMES, ENDPOINT_NAMES, MRD_NAMES, RESPONSE_NAMES, SUBSEQUENT_NAMES, conventions
from participants.rules.endpoints import (
    Cause,
    Curve,
    Endpoint,
    Outcome,
    Subsequent,
    Time,
    cumulative_incidence,
    kaplan_meier,
    outcome,
)
from participants.rules.response import Mrd, Response
from participants.rules.status import Status
from trialsite.models import Site
from trialsite.study import get_study

DAYS_OF_A_MONTH = 365.25 / 12
# Where tables read the curves, in months.
READ_AT = (3, 6, 12, 18, 24)
ASSESSING = frozenset({"MARROW", "MRD"})
BETWEEN = ""


@dataclass(frozen=True)
class Line:
    """A curve with its name, and the times that it was made from."""

    code: str
    name: str
    curve: Curve


@dataclass(frozen=True)
class Plot:
    """Curves in one picture; `rises`: they begin at nothing, as an incidence does."""

    code: str
    title: str
    lines: tuple[Line, ...]
    rises: bool = False


@dataclass(frozen=True)
class Row:
    """The responses of a visit: how many were assessed, and how many of each."""

    code: str
    title: str
    responses: Counter[Response]
    mrds: Counter[Mrd]

    @property
    def assessed(self) -> int:
        return self.responses.total()


@dataclass(frozen=True)
class Efficacy:
    histories: tuple[courses.History, ...]
    plots: tuple[Plot, ...]
    visits: tuple[Row, ...]

    @property
    def infused(self) -> int:
        return len(self.histories)


def of_sites(sites: Sequence[Site]) -> Efficacy:
    """Everybody who was infused; nine queries, however many they are."""
    given = ParticipantStatus.objects.own_standing().filter(status=Status.INFUSED)
    rows = Participant.objects.standing().filter(site__in=sites, pk__in=given.values("participant"))
    infused = courses.histories(list(rows.order_by("participant_number", "id")))
    return Efficacy(tuple(infused), tuple(_plots(infused)), tuple(_by_visit(infused)))


# --- Times ---------------------------------------------------------------------------------------------


def readings() -> Iterator[tuple[Endpoint, Subsequent]]:
    """Every endpoint by each convention that the study reports."""
    yield Endpoint.OS, Subsequent.IGNORE
    for how in conventions(get_study().latest):
        yield Endpoint.RFS, how
    for how in (Subsequent.IGNORE, Subsequent.EVENT):
        yield Endpoint.EFS, how


def outcomes(
    histories: Sequence[courses.History], endpoint: Endpoint, how: Subsequent
) -> Iterator[tuple[courses.History, Outcome]]:
    for one in histories:
        if (course := one.course) is not None:
            yield one, outcome(course, endpoint, how)


def _times(histories: Sequence[courses.History], endpoint: Endpoint, how: Subsequent) -> list[Time]:
    return [Time(one.days, one.is_event, one.cause) for _whose, one in outcomes(histories, endpoint, how)]


def _plots(histories: Sequence[courses.History]) -> Iterator[Plot]:
    for endpoint in Endpoint:
        lines = [_line(histories, one, how) for one, how in readings() if one is endpoint]
        yield Plot(endpoint.lower(), str(ENDPOINT_NAMES[endpoint]), tuple(lines))
    times = _times(histories, Endpoint.RFS, Subsequent.IGNORE)
    lines = [
        Line("cir", _("relapse"), cumulative_incidence(times, Cause.RELAPSE)),
        Line("nrm", _("death without relapse"), cumulative_incidence(times, Cause.DEATH)),
    ]
    yield Plot("cir", _("Cumulative incidence of relapse, death competing"), tuple(lines), rises=True)


def _line(histories: Sequence[courses.History], endpoint: Endpoint, how: Subsequent) -> Line:
    name = endpoint.value if endpoint is Endpoint.OS else str(SUBSEQUENT_NAMES[how])
    return Line(f"{endpoint.lower()}_{how}", name, kaplan_meier(_times(histories, endpoint, how)))


# --- Response by visit ---------------------------------------------------------------------------------


def _by_visit(histories: Sequence[courses.History]) -> Iterator[Row]:
    """The last assessment of each participant at each visit that asks for one, in the order of the schedule."""
    visits = visits_of([one.participant for one in histories])
    found: dict[str, dict[int, courses.Judged]] = {}
    for history in histories:
        for one in history.assessments:
            if history.day0 is not None and one.on >= history.day0:
                code = courses.visit_of(one, visits.get(history.participant.pk, []))
                found.setdefault(code, {})[history.participant.pk] = one
    titles = {one.code: str(one.name) for one in get_study().latest.visits}
    asked = [one.code for one in get_study().latest.visits if ASSESSING & set(one.procedures)]
    order = [code for code in titles if code in found or (code in asked and titles[code])]
    for code in (*order, *([BETWEEN] if BETWEEN in found else [])):
        rows = list(found.get(code, {}).values())
        if rows or code in _planned(visits):
            title = titles.get(code, "") or _("between visits")
            yield Row(code, title, Counter(o.response for o in rows), Counter(o.assessed.mrd for o in rows))


def _planned(visits: dict[int, list[Visit]]) -> set[str]:
    return {one.code for rows in visits.values() for one in rows}


def visits_of(people: Sequence[Participant]) -> dict[int, list[Visit]]:
    """The visits of these participants, in the order of their days; one query."""
    found: dict[int, list[Visit]] = {}
    for visit in Visit.objects.own_standing().filter(participant__in=people).order_by("target_date", "id"):
        found.setdefault(visit.participant_id, []).append(visit)
    return found


# --- The numbers in words ------------------------------------------------------------------------------


def months(days: float) -> str:
    return f"{days / DAYS_OF_A_MONTH:.1f}"


def percent(share: float) -> str:
    return f"{100 * share:.1f}"


def median_in_words(curve: Curve) -> str:
    """In months with its limits; "not reached" where the curve does not fall to a half."""
    low, high = ("—" if one is None else months(one) for one in curve.median_limits)
    middle = _("not reached") if curve.median is None else months(curve.median)
    return f"{middle} ({low} – {high})"


def readings_of(line: Line) -> Iterator[tuple[int, int, str]]:
    """At each of some months that somebody was followed to: months, at risk, estimate with its limits in percent."""
    for month in READ_AT:
        day = month * DAYS_OF_A_MONTH
        if line.curve.days and line.curve.days[-1] >= day:
            yield month, line.curve.at_risk(day), _estimate(line.curve, day)


def _estimate(curve: Curve, day: float) -> str:
    step = next((one for one in reversed(curve.steps) if one.days <= day), None)
    if step is None:
        return percent(curve.start)
    return f"{percent(step.estimate)} ({percent(step.low)} – {percent(step.high)})"


# --- Files ---------------------------------------------------------------------------------------------

Table = tuple[list[Any], list[list[Any]]]


def times_table(found: Efficacy) -> Table:
    """A row for each participant, endpoint and convention: what the curves are made from."""
    header = [
        _("participant"),
        _("Day 0"),
        _("endpoint"),
        _("later therapy"),
        _("event"),
        _("ended on"),
        _("days"),
        _("cause"),
    ]
    rows = [
        [whose.participant.number, whose.day0, end, SUBSEQUENT_NAMES[how], one.is_event, one.on, one.days, _cause(one)]
        for end, how in readings()
        for whose, one in outcomes(found.histories, end, how)
    ]
    return header, rows


def _cause(one: Outcome) -> str:
    return str(CAUSE_NAMES[one.cause])


def curves_table(found: Efficacy) -> Table:
    """A row for each step of each curve, as the pictures draw them."""
    header = [
        _("endpoint"),
        _("curve"),
        _("days"),
        _("at risk"),
        _("events"),
        _("censored"),
        _("estimate"),
        _("lower limit (95 %)"),
        _("upper limit (95 %)"),
    ]
    rows: list[list[Any]] = [
        [plot.title, line.name, step.days, step.at_risk, step.events, step.censored, *_rounded(step)]
        for plot in found.plots
        for line in plot.lines
        for step in line.curve.steps
    ]
    return header, rows


def _rounded(step: Any) -> list[float]:
    return [round(value, 6) for value in (step.estimate, step.low, step.high)]


def visits_table(found: Efficacy) -> Table:
    header = [_("visit"), _("assessed"), *RESPONSE_NAMES.values(), *MRD_NAMES.values()]
    rows = [
        [
            row.title,
            row.assessed,
            *(row.responses[one] for one in RESPONSE_NAMES),
            *(row.mrds[one] for one in MRD_NAMES),
        ]
        for row in found.visits
    ]
    return header, rows


FILES: dict[str, Callable[[Efficacy], Table]] = {
    "times": times_table,
    "curves": curves_table,
    "visits": visits_table,
}
