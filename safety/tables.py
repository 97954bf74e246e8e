"""What the tables of safety are made of: adverse events as they are counted, populations, events of special interest.

All that is read of an adverse event for tables, listings and the stopping rule is read here: in `row_of`.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.db.models import Min
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from dosing.models import Infusion
from participants.actions import site_day
from participants.models import Consent, Participant
from safety.actions.ctcae import site_names
from safety.ctcae.catalogue import VERSIONS, UnknownTerm, term, terms, with_names
from safety.models import (
    SERIOUSNESS,
    AdverseEvent,
    Agent,
    IcahtAssessment,
    IecHsAssessment,
    Submission,
    ToxicityEpisode,
    current,
)
from safety.rules.tabulation import Event
from trialsite.models import Site
from trialsite.partialdate import PartialDate
from trialsite.study import Recognised, SpecialInterestEvent, get_study


class Population(StrEnum):
    """Of whom a table tells; the first is what safety is usually reported of."""

    SINCE_INFUSION = "since-infusion"
    INFUSED = "infused"
    CONSENTED = "consented"


POPULATION_NAMES = {
    Population.SINCE_INFUSION: _("Infused participants; events from the first infusion on"),
    Population.INFUSED: _("Infused participants; all their events"),
    Population.CONSENTED: _("Everybody who consented; all events"),
}


@dataclass(frozen=True)
class EventRow:
    """What is known of an adverse event, as far as tables ask for it."""

    pk: int
    participant: int
    number: str
    reported: str
    code: str
    version: str
    term: str
    soc: str
    onset: str
    resolved: str
    grade: int
    is_serious: bool
    criteria: tuple[str, ...]
    relatedness: str
    outcome: str
    aware_at: dt.datetime
    is_reaction: bool
    special_interest: str
    # As it is coded in the site's MedDRA; empty where it is not.
    pt: str
    pt_soc: str
    meddra_version: str
    # Whether the investigator has said if it is serious.
    is_seriousness_said: bool

    def first_day(self, since: dt.date) -> dt.date | None:
        """The first day from `since` on at which it can have begun; None if it certainly began before."""
        onset = PartialDate.parse(self.onset)
        return max(onset.earliest, since) if onset.latest >= since else None


def row_of(event: AdverseEvent) -> EventRow:
    return EventRow(
        pk=event.pk,
        participant=event.participant_id,
        number=event.participant.number,
        reported=event.term,
        code=event.ctcae_code,
        version=event.ctcae_version,
        # An event from before terms were asked for is counted as it was reported.
        term=event.ctcae_term or event.term.strip(),
        soc=event.ctcae_soc,
        onset=event.onset,
        resolved=event.resolved,
        grade=event.grade,
        is_serious=bool(event.is_serious),
        criteria=tuple(name for name in SERIOUSNESS if getattr(event, name)),
        relatedness=relatedness_of(event),
        outcome=str(event.get_outcome_display()) if event.outcome else "",
        aware_at=event.site_aware_at,
        is_reaction=event.infusion_id is not None,
        special_interest=event.special_interest,
        pt=event.meddra_pt,
        pt_soc=event.meddra_soc,
        meddra_version=event.meddra_version,
        is_seriousness_said=bool(event.seriousness_said),
    )


def relatedness_of(event: AdverseEvent) -> str:
    """The investigator's view of the CAR-T cells, in words; empty while it is open."""
    row = event.relation_to(Agent.CAR_T)
    return str(row.get_investigator_display()) if row is not None and row.investigator else ""


def rows_of(sites: Iterable[Site] | None = None) -> list[EventRow]:
    """Of these sites, or of all: two queries, however many they are."""
    rows = AdverseEvent.objects.standing().filter(participant__in=Participant.objects.standing())
    if sites is not None:
        rows = rows.filter(participant__site__in=sites)
    return [
        row_of(event) for event in rows.select_related("participant").prefetch_related("agents").order_by("onset", "id")
    ]


def first_reports(events: Iterable[int]) -> dict[int, dt.datetime]:
    """When the first report about each of these events was sent, to whomever; without those that none went out for."""
    rows = Submission.objects.standing().filter(event__in=list(events)).order_by()
    return dict(rows.values_list("event").annotate(first=Min("submitted_at")))


# --- populations -------------------------------------------------------------------------------------


def first_infusions(sites: Iterable[Site] | None = None) -> dict[int, dt.date]:
    """Who was infused, and on which day of the site for the first time."""
    rows = Infusion.objects.standing().filter(participant__in=Participant.objects.standing())
    if sites is not None:
        rows = rows.filter(participant__site__in=sites)
    found = rows.order_by().values("participant").annotate(first=Min("infused_at"))
    return {row["participant"]: site_day(row["first"]) for row in found}


def people_of(population: Population, sites: Iterable[Site]) -> dict[int, dt.date | None]:
    """Who is counted, with the day from which their events are; None for all events."""
    if population is Population.CONSENTED:
        given = Consent.objects.standing().filter(
            participant__in=Participant.objects.standing(), participant__site__in=sites
        )
        return dict.fromkeys(given.values_list("participant", flat=True))
    found = first_infusions(sites)
    return {pk: day if population is Population.SINCE_INFUSION else None for pk, day in found.items()}


def counted(rows: Iterable[EventRow], people: Mapping[int, dt.date | None]) -> list[EventRow]:
    """The events of these people; one that may have begun since their day counts."""
    return [row for row in rows if row.participant in people and _is_since(row, people[row.participant])]


def _is_since(row: EventRow, day: dt.date | None) -> bool:
    return day is None or row.first_day(day) is not None


def as_event(row: EventRow) -> Event:
    return Event(row.participant, row.soc, row.term, row.grade, row.is_serious)


# --- names -------------------------------------------------------------------------------------------


def is_chinese() -> bool:
    return (get_language() or "").startswith("zh")


def soc_names() -> dict[str, str]:
    """In the reader's language, by the English name of the class."""
    found = {one.soc: one.soc_zh for version in VERSIONS for one in terms(version)}
    return found if is_chinese() else {name: name for name in found}


def names_by_code() -> dict[str, str]:
    """Of all versions, the newest name of each code, in the reader's language."""
    is_zh = is_chinese()
    return {one.code: one.name_zh if is_zh else one.name for version in VERSIONS for one in terms(version)}


def term_names(rows: Iterable[EventRow]) -> dict[str, str]:
    """In the reader's language, by the name under which an event is counted; the site's own name before ours."""
    rows = list(rows)
    names = site_names() if is_chinese() else {}
    return {row.term: _term_name(row, names) for row in rows}


def _term_name(row: EventRow, names: Mapping[str, str]) -> str:
    if not row.code or not is_chinese():
        return row.term
    try:
        return with_names(term(row.version, row.code), names).name_zh
    except UnknownTerm:
        return row.term


# --- special interest --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Interest:
    """An event of special interest: the adverse events that are one, and what the program graded as one."""

    event: SpecialInterestEvent
    logged: tuple[EventRow, ...]
    graded: tuple[Event, ...]

    @property
    def events(self) -> list[Event]:
        """Both; a participant with both is one participant, at the highest grade."""
        return [*map(as_event, self.logged), *self.graded]


def is_of_interest(row: EventRow, event: SpecialInterestEvent) -> bool:
    """By the code set on it, or as the study file says."""
    return row.special_interest == event.code or _is_recognised(row, event.recognised)


def _is_recognised(row: EventRow, how: Recognised | None) -> bool:
    if how is None or row.grade < how.grade_from:
        return False
    return row.code in how.ctcae or (how.soc is not None and row.soc == how.soc) or (how.infusion and row.is_reaction)


def interests(rows: Iterable[EventRow], people: Iterable[int]) -> list[Interest]:
    """Each event of special interest of the study, in its order; four queries at most."""
    rows, events = list(rows), get_study().latest.special_interest_events
    graded = _graded(people)
    return [
        Interest(
            event,
            tuple(row for row in rows if is_of_interest(row, event)),
            tuple(one for one in graded if _is_graded(one, event.recognised)),
        )
        for event in events
    ]


def _is_graded(one: Event, how: Recognised | None) -> bool:
    return how is not None and one.term == how.graded and one.grade >= how.grade_from


def _graded(people: Iterable[int]) -> list[Event]:
    """Episodes of CRS and ICANS, IEC-HS and ICAHT of grade 1 or more: what the scales say, without their events."""
    people = list(people)
    episodes = ToxicityEpisode.objects.standing().filter(participant__in=people)
    found = [Event(row.participant_id, "", row.toxicity, row.highest_grade) for row in episodes]
    blood: tuple[tuple[str, Any], ...] = (
        ("IEC-HS", current(IecHsAssessment.objects.filter(participant__in=people))),
        ("ICAHT", IcahtAssessment.objects.standing().filter(participant__in=people)),
    )
    for name, rows in blood:
        found += [Event(row.participant_id, "", name, row.final_grade) for row in rows if row.final_grade]
    return found
