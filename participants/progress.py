"""What each visit asks by the study file, and what of it nobody has recorded yet: for many visits in few queries.

The page on which a visit is entered says the same section by section, with its forms; a test holds both together.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.utils.translation import gettext as _

from participants import actions
from participants.entering import tests_of
from participants.models import HISTORY, Examination, Measurement, ParticipantStatus, Visit, VisitProcedure
from participants.models.visits import TOOK_PLACE, VisitState, procedure_title
from trialsite.entering import Page, moments_of, recorded_by_form


@dataclass(frozen=True)
class Progress:
    """The codes of what a visit asks, each once, and of what is missing of it, in the order of the study file."""

    asked: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def words(self) -> str:
        """Empty where nothing is missing."""
        if not self.missing:
            return ""
        return _("%(missing)s of %(asked)s missing") % {"missing": len(self.missing), "asked": len(self.asked)}


def words_of(visits: Iterable[Visit], *, now: dt.datetime) -> dict[int, str]:
    """How much is missing, by the keys of the visits of which something is."""
    return {key: one.words for key, one in progress_of(visits, now=now).items() if one.missing}


def is_told(visit: Visit, *, today: dt.date) -> bool:
    """Whether anybody asks what is missing: from the first day of its window on, unless it fell away or was missed."""
    if not visit.is_standing:
        return False
    return visit.state in TOOK_PLACE or (visit.state == VisitState.PLANNED and visit.window_opens_on <= today)


def progress_of(visits: Iterable[Visit], *, now: dt.datetime) -> dict[int, Progress]:
    """By the keys of those of which it is told; five queries, however many, and none where it is told of none."""
    today = actions.site_day(now)
    rows = [visit for visit in visits if is_told(visit, today=today) and not visit.is_unscheduled]
    if not rows:
        return {}
    # Nobody asks for these pages: they only know which days are whose.
    pages: list[Any] = [Page(row.participant, row.code, row, None, now) for row in rows]  # type: ignore[arg-type]
    steps, said, results = _steps(rows), _said(rows), _results(pages)
    forms = {word: count(pages) for word, count in recorded_by_form().items()}
    return {
        page.row.pk: _progress(
            page,
            owed_of(page, history=steps.get(page.row.participant_id, [])),
            said.get((page.row.participant_id, page.row.code), {}),
            results.get(page.row.pk, {}),
            {word: counts[page.row.pk] for word, counts in forms.items()},
        )
        for page in pages
    }


def owed_of(page: Page, *, history: Sequence[ParticipantStatus] | None = None) -> tuple[str, ...]:
    """The procedures that must be there: none at a visit beside the schedule, and less after a relapse or a therapy."""
    if page.row is None:
        return tuple(page.visit.procedures)
    if page.row.is_unscheduled:
        return ()
    happened = actions.events_of(page.participant, history)
    return actions.asked_of(page.row, on=_day_of(page), happened=happened)


def _day_of(page: Page) -> dt.date:
    """On which the visit was; one that is still to come is as of today, within its window."""
    row, today = page.row, actions.site_day(page.now)
    day: dt.date = row.occurred_on or min(max(row.window_opens_on, today), row.window_closes_on)
    return day


def asked_at(page: Page) -> list[Any]:
    """The procedures of the study file that concern this participant."""
    asked = (page.protocol.procedure(code) for code in page.visit.procedures)
    return [one for one in asked if one.sex in (None, page.participant.sex)]


# --- One visit ------------------------------------------------------------------------------------------


def _progress(
    page: Page,
    owed: Sequence[str],
    said: Mapping[str, str],
    results: Mapping[str, frozenset[str]],
    counts: Mapping[str, int],
) -> Progress:
    """`said`: what was ticked, or told not to be done, by code; `results`: the answered tests of each panel."""
    asked, found = asked_at(page), dict[str, bool]()
    parts = [part for one in asked for part in one.panels]
    for one in (one for one in asked if one.code in owed):
        for panel in (part.panel for part in one.panels):
            found[panel] = panel in results and results[panel].issuperset(tests_of(parts, panel))
        if one.form in counts:
            most = max(other.times for other in asked if other.form == one.form)
            found[one.form] = counts[one.form] >= most
        if not one.panels and not one.form:
            found[one.code] = said.get(one.code) == VisitProcedure.State.DONE
    left_out = {code for code, state in said.items() if state == VisitProcedure.State.NOT_DONE}
    missing = (code for code, is_done in found.items() if not is_done and code not in left_out)
    return Progress(tuple(found), tuple(missing))


def names_of(visit: Visit, codes: Iterable[str]) -> str:
    return _(", ").join(procedure_title(code, visit.protocol_version) for code in codes)


# --- What is on record of many ----------------------------------------------------------------------------


def _steps(rows: Iterable[Visit]) -> dict[int, list[ParticipantStatus]]:
    people = {row.participant_id for row in rows}
    found: dict[int, list[ParticipantStatus]] = {}
    steps = ParticipantStatus.objects.own_standing().filter(participant__in=people).order_by(*HISTORY)
    for step in steps:
        found.setdefault(step.participant_id, []).append(step)
    return found


def _said(rows: Sequence[Visit]) -> dict[tuple[int, str], dict[str, str]]:
    people, codes = {row.participant_id for row in rows}, {row.code for row in rows}
    ticks = VisitProcedure.objects.own_standing().filter(participant__in=people, visit_code__in=codes)
    found: dict[tuple[int, str], dict[str, str]] = {}
    for person, visit, code, state in ticks.values_list("participant", "visit_code", "code", "state"):
        found.setdefault((person, visit), {})[code] = state
    return found


# The days of many visits beside each other: the index of examinations by participant and moment finds those of each.
RESULTS = f"""
    SELECT v.id, e.panel, array_agg(DISTINCT m.code) FILTER (WHERE m.code IS NOT NULL)
    FROM unnest(%s::bigint[], %s::bigint[], %s::timestamptz[], %s::timestamptz[]) AS v (id, person, since, until)
    JOIN {Examination._meta.db_table} e
        ON e.participant_id = v.person AND e.taken_at >= v.since AND e.taken_at < v.until AND e.voided_at IS NULL
    LEFT JOIN {Measurement._meta.db_table} m ON m.examination_id = e.id AND m.voided_at IS NULL
    GROUP BY v.id, e.panel
"""


def _results(pages: Sequence[Page]) -> dict[int, dict[str, frozenset[str]]]:
    """The tests that have an answer, or a reason why there is none, by visit and panel."""
    spans = [moments_of(page) for page in pages]
    values = [
        [page.row.pk for page in pages],
        [page.row.participant_id for page in pages],
        [since for since, _until in spans],
        [until for _since, until in spans],
    ]
    found: dict[int, dict[str, frozenset[str]]] = {}
    with connection.cursor() as cursor:
        cursor.execute(RESULTS, values)
        for visit, panel, tests in cursor.fetchall():
            found.setdefault(visit, {})[panel] = frozenset(tests or ())
    return found
