"""The record of the study, read for the registry's tables of results; and what is still missing in it.

Enrolled are counted for flow and baseline, infused for outcomes, treated (lymphodepletion or cells) for adverse events.
Of an event the table takes the MedDRA term where all of them have one, else the term of CTCAE: one event under two
names would stay below the threshold twice. Who has no coded term is left out, and told.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from functools import cached_property

from django.db.models import Min

from dosing.models import LymphodepletionDose
from participants import courses, efficacy
from participants.actions import site_day
from participants.models import Measurement, Participant, Visit
from participants.rules import flow as flows
from participants.rules.endpoints import Cause, Endpoint, Subsequent, Time, outcome
from participants.rules.response import Mrd
from participants.rules.status import Status
from safety import tables
from safety.rules.tabulation import Event as Graded
from safety.tables import EventRow
from sponsor.rules import results
from sponsor.rules.results import baseline, events, flow, outcomes
from sponsor.rules.results.model import Arm
from trialsite.models import Site
from trialsite.study import OutcomeMeasure, Protocol, get_study

AT_BASELINE = ("ECOG", "DIAGNOSIS")
INFUSED = "All infused participants."
ASSESSED = "All infused participants whose minimal residual disease was assessed at this visit."
# The registry's own names of countries, by ISO 3166-1 alpha-3.
COUNTRIES = {"CHN": "China"}


class Lack(StrEnum):
    """What keeps a table from being final."""

    UNCODED = "uncoded"
    SERIOUSNESS = "seriousness"
    BASELINE = "baseline"
    OUTCOME = "outcome"
    FOLLOW_UP = "follow_up"
    WAITING = "waiting"
    REASON = "reason"


@dataclass(frozen=True)
class Missing:
    """`what` is a field of the baseline or the number of an outcome; `whose` are numbers of participants."""

    lack: Lack
    count: int
    what: str = ""
    whose: tuple[str, ...] = ()


@dataclass(frozen=True)
class Told:
    """The results as they stand, and what is still missing."""

    facts: results.Facts
    missing: tuple[Missing, ...]
    as_of: dt.date
    events: tuple[EventRow, ...]

    @cached_property
    def section(self) -> results.Json:
        return results.section(self.facts)


# --- Reading --------------------------------------------------------------------------------------------


@dataclass
class Read:
    """What was read: everybody of these sites with what is on record of them, and their events."""

    sites: Sequence[Site]
    protocol: Protocol
    people: list[courses.History]
    events: list[EventRow]
    depleted: Mapping[int, dt.date]
    infused_on: Mapping[int, dt.date]
    # By participant and measure, the last up to the infusion: a number, or a choice.
    at_baseline: Mapping[tuple[int, str], str]

    @cached_property
    def enrolled(self) -> list[courses.History]:
        return [one for one in self.people if flows.place(_steps(one).statuses) is flows.Place.ENROLLED]

    @cached_property
    def infused(self) -> list[courses.History]:
        return [one for one in self.enrolled if one.course is not None]

    @cached_property
    def treated(self) -> dict[int, dt.date | None]:
        """Who was treated, with the day from which their events count."""
        days = [(one.participant.pk, self._treated_on(one.participant.pk)) for one in self.enrolled]
        return {pk: day for pk, day in days if day is not None}

    def _treated_on(self, pk: int) -> dt.date | None:
        known = (self.depleted.get(pk), self.infused_on.get(pk))
        return min((day for day in known if day is not None), default=None)

    @cached_property
    def had(self) -> dict[str, list[Graded]]:
        """By event of special interest what the infused had of it since, logged or graded by a scale."""
        people = {one.participant.pk: self.infused_on.get(one.participant.pk) for one in self.infused}
        found = tables.interests(tables.counted(self.events, people), people)
        return {one.event.code: one.events for one in found}

    @cached_property
    def counted(self) -> list[EventRow]:
        return tables.counted(self.events, self.treated)


def told_of(sites: Sequence[Site], *, now: dt.datetime) -> Told:
    """Of the participants of these sites; as many queries however many they are."""
    read = _read(sites)
    has_pt = all(row.pt for row in read.counted if row.pt or row.code)
    coded = [row for row in read.counted if (row.pt if has_pt else row.code)]
    uncoded = [row for row in read.counted if not (row.pt if has_pt else row.code)]
    facts = results.Facts(
        arm=Arm(read.protocol.design.arm.en, _description(read.protocol)),
        flow=flow.Screened(tuple(map(_steps, read.people)), _recruitment(read.protocol, sites)),
        people=tuple(_person(one, read) for one in read.enrolled),
        outcomes=tuple(_outcome(one, read) for one in read.protocol.outcome_measures),
        safety=_safety(read, coded, has_pt=has_pt and bool(coded)),
        caveats=_caveats(read, len(uncoded)),
    )
    return Told(facts, tuple(_missing(read, facts, uncoded)), site_day(now), tuple(coded))


def _read(sites: Sequence[Site]) -> Read:
    rows = Participant.objects.standing().filter(site__in=sites).select_related("site").prefetch_related("consents")
    people = courses.histories(list(rows.order_by("pk")))
    infused_on = tables.first_infusions(sites)
    return Read(
        sites=sites,
        protocol=get_study().latest,
        people=people,
        events=tables.rows_of(sites),
        depleted=_depleted(sites),
        infused_on=infused_on,
        at_baseline=_at_baseline(sites, infused_on),
    )


def _depleted(sites: Sequence[Site]) -> dict[int, dt.date]:
    given = LymphodepletionDose.objects.standing().filter(participant__site__in=sites, given_at__isnull=False)
    found = given.order_by().values("participant").annotate(first=Min("given_at"))
    return {row["participant"]: site_day(row["first"]) for row in found}


def _at_baseline(sites: Sequence[Site], infused_on: Mapping[int, dt.date]) -> dict[tuple[int, str], str]:
    rows = (
        Measurement.objects.standing()
        .filter(participant__site__in=sites, code__in=AT_BASELINE)
        .order_by("taken_at", "id")
        .values_list("participant_id", "code", "taken_at", "standard_value", "choice")
    )
    found: dict[tuple[int, str], str] = {}
    for whose, code, at, value, choice in rows:
        day = infused_on.get(whose)
        said = choice if value is None else f"{value:.0f}"
        if said and (day is None or site_day(at) <= day):
            found[whose, code] = said
    return found


def _steps(one: courses.History) -> flows.History:
    """As the rules of the flow take it."""
    steps = (
        flows.Step(Status(row.status), row.effective_on, row.reason_code, tuple(row.criteria)) for row in one.statuses
    )
    return flows.History(tuple(steps), one.participant.rescreening_of_id is not None)


# --- Each table's facts ---------------------------------------------------------------------------------


def _description(protocol: Protocol) -> str:
    dose = protocol.dose
    drugs = " and ".join(one.name.en.lower() for one in protocol.lymphodepletion.drugs)
    return (
        f"Lymphodepletion with {drugs}, then one {dose.route.en} infusion of {dose.cell_source.en} CAR-T cells, "
        f"{dose.nominal_low_e8} to {dose.nominal_high_e8} x 10^8 viable CAR-positive cells."
    )


def _recruitment(protocol: Protocol, sites: Sequence[Site]) -> str:
    opens = protocol.recruitment.opens_on
    ours = {site.code for site in sites}
    places = ", ".join(f"{one.name.en} ({one.city.en})" for one in protocol.sites if one.code in ours)
    return f"Participants were recruited from {opens:%Y-%m-%d} on at: {places}."


def _person(one: courses.History, read: Read) -> baseline.Person:
    row = one.participant
    first = min((given.consented_at for given in row.consents.all() if not given.is_void), default=None)
    ecog = read.at_baseline.get((row.pk, "ECOG"))
    return baseline.Person(
        number=row.number,
        age=None if first is None else row.age_on(site_day(first)),
        sex=row.sex,
        country=_country(read.protocol, row.site.code),
        ecog=None if ecog is None else int(ecog),
        disease=read.at_baseline.get((row.pk, "DIAGNOSIS"), ""),
        mrd=_mrd_before(one),
    )


def _country(protocol: Protocol, code: str) -> str:
    found = next((site.country for site in protocol.sites if site.code == code), "")
    return COUNTRIES.get(found, found)


def _mrd_before(one: courses.History) -> str:
    """Of the last assessment up to the infusion that tells it."""
    before = [found.assessed.mrd for found in one.assessments if one.day0 is None or found.on <= one.day0]
    told = [str(mrd) for mrd in before if mrd is not Mrd.NOT_EVALUABLE]
    return told[-1] if told else ""


def _outcome(one: OutcomeMeasure, read: Read) -> outcomes.Outcome:
    asked = outcomes.Asked(one.kind == "primary", one.title.en, one.description.en, one.time_frame.en, INFUSED)
    if one.mrd_negative_at is not None:
        return _mrd_at(replace(asked, population=ASSESSED), one.mrd_negative_at, read)
    if one.special_interest is not None:
        return _affected(asked, one, read)
    assert one.months is not None, "the study file is checked"
    is_relapse = one.endpoint == "relapse"
    endpoint = Endpoint.RFS if is_relapse else Endpoint(str(one.endpoint))
    how = Subsequent(one.later_therapy)
    times = (outcome(history.course, endpoint, how) for history in read.infused if history.course is not None)
    return outcomes.TimeTo(
        asked,
        tuple(Time(found.days, found.is_event, found.cause) for found in times),
        one.months * efficacy.DAYS_OF_A_MONTH,
        Cause.RELAPSE if is_relapse else "",
    )


def _mrd_at(asked: outcomes.Asked, code: str, read: Read) -> outcomes.Counted:
    """The last assessment of each participant at the visit; negative is what an assay of enough depth did not find."""
    visits = efficacy.visits_of([one.participant for one in read.infused])
    found = [_last_at(one, code, visits) for one in read.infused]
    told = [mrd for mrd in found if mrd is not None and mrd is not Mrd.NOT_EVALUABLE]
    return outcomes.Counted(asked, told.count(Mrd.NEGATIVE), len(told), len(found) - len(told))


def _last_at(one: courses.History, code: str, visits: Mapping[int, list[Visit]]) -> Mrd | None:
    planned = visits.get(one.participant.pk, [])
    since = (found for found in one.assessments if one.day0 is not None and found.on >= one.day0)
    at_visit = [found.assessed.mrd for found in since if courses.visit_of(found, planned) == code]
    return at_visit[-1] if at_visit else None


def _affected(asked: outcomes.Asked, one: OutcomeMeasure, read: Read) -> outcomes.Counted:
    had = read.had[str(one.special_interest)]
    people = {event.participant for event in had if event.grade >= one.grade_from}
    return outcomes.Counted(asked, len(people), len(read.infused))


def _safety(read: Read, coded: Iterable[EventRow], *, has_pt: bool) -> events.Safety:
    rows = list(coded)
    return events.Safety(
        at_risk=frozenset(read.treated),
        died=frozenset(one.participant.pk for one in read.enrolled if one.died_on is not None),
        events=tuple(
            events.Event(row.participant, *((row.pt_soc, row.pt) if has_pt else (row.soc, row.term)), row.is_serious)
            for row in rows
        ),
        threshold=Decimal(read.protocol.policy.results_frequency_threshold_percent),
        vocabulary=_vocabulary(rows, has_pt=has_pt),
        time_frame=_time_frame(read.protocol),
        description="Graded by CTCAE, CRS and ICANS by the ASTCT consensus (Lee 2019). Events were asked for at every "
        "visit. All-cause mortality counts all participants who were treated.",
    )


def _vocabulary(rows: Iterable[EventRow], *, has_pt: bool) -> str:
    versions = sorted({row.meddra_version if has_pt else row.version for row in rows} - {""})
    return f"{'MedDRA' if has_pt else 'CTCAE'} {', '.join(versions)}".strip()


def _time_frame(protocol: Protocol) -> str:
    until, months = protocol.policy.all_events_until_day, max(_months(protocol), 1)
    return (
        f"From the first dose of lymphodepletion: all events until Day {until} after infusion, then serious events and "
        f"events of special interest until the end of the study, up to {months} months."
    )


def _months(protocol: Protocol) -> int:
    return round((protocol.window.ends_on - protocol.window.starts_on).days / efficacy.DAYS_OF_A_MONTH)


def _caveats(read: Read, uncoded: int) -> str:
    said = ["One group without a comparison; small numbers of participants; estimates of survival are early."]
    if uncoded:
        said.append(f"{uncoded} adverse events whose coding is still open are not in the tables.")
    return " ".join(said)


# --- What is missing ------------------------------------------------------------------------------------


def _missing(read: Read, facts: results.Facts, uncoded: Sequence[EventRow]) -> Iterable[Missing]:
    yield from _of_events(Lack.UNCODED, uncoded)
    unsaid = [row for row in read.counted if not row.is_serious and not row.is_seriousness_said]
    yield from _of_events(Lack.SERIOUSNESS, unsaid)
    for name in ("age", "ecog", "disease", "mrd"):
        whose = tuple(one.number for one in facts.people if name in one.missing)
        if whose:
            yield Missing(Lack.BASELINE, len(whose), name, whose)
    for number, one in enumerate(facts.outcomes):
        if not one.is_complete:
            yield Missing(Lack.OUTCOME, one.not_evaluable, str(number))
    yield from _of_flow(facts, read)


def _of_events(lack: Lack, rows: Sequence[EventRow]) -> Iterable[Missing]:
    if rows:
        yield Missing(lack, len(rows), whose=tuple(sorted({row.number for row in rows})))


def _of_flow(facts: results.Facts, read: Read) -> Iterable[Missing]:
    first, second = (dict(one.reasons) for one in flow.periods(facts.flow.histories))
    for lack, count in ((Lack.WAITING, first.get(flow.AWAITING, 0)), (Lack.FOLLOW_UP, second.get(flow.FOLLOWED, 0))):
        if count:
            yield Missing(lack, count)
    silent = tuple(one.participant.number for one in read.enrolled if _left_without_reason(_steps(one)))
    if silent:
        yield Missing(Lack.REASON, len(silent), whose=silent)


def _left_without_reason(history: flows.History) -> bool:
    """Who left for no reason that the history or the status tells."""
    last = history.steps[-1]
    return last.status is Status.WITHDRAWN and not last.reason_code
