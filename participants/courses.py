"""What the record shows of each participant's leukaemia and life, read for the rules of response and of endpoints.

One participant or all of a site's: the number of queries is the same. What is dated in part counts from its earliest
day [P]: no time is made longer than is known.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any

from django.db.models import Max
from django.utils import timezone

from participants.models import (
    DiseaseAssessment,
    Examination,
    Looked,
    MarrowState,
    Measurement,
    MrdState,
    Participant,
    ParticipantStatus,
    SubsequentTherapy,
    SurvivalContact,
    Visit,
    VisitState,
    Vital,
)
from participants.models.people import HISTORY
from participants.responses import limits_of
from participants.rules.contact import Attempt, Silence, silence
from participants.rules.endpoints import Course
from participants.rules.response import (
    Amount,
    Assessed,
    Dated,
    Findings,
    MrdFinding,
    MrdRelapse,
    Response,
    assess,
    mrd_relapse,
)
from participants.rules.status import Status
from trialsite.partialdate import PartialDate
from trialsite.study import get_study

# The measures of a blood count that tell recovery.
COUNTS = ("NEUT", "PLAT")
SEEN = {Looked.PRESENT: True, Looked.ABSENT: False}
TRANSFUSED = {"yes": True, "no": False}


def day_of(text: str) -> dt.date:
    """The earliest day that a date known in part can mean."""
    return PartialDate.parse(text).earliest


def span_of(text: str) -> tuple[dt.date, dt.date] | None:
    """The first and the last day that it can mean; None of no text."""
    known = PartialDate.parse(text) if text else None
    return None if known is None else (known.earliest, known.latest)


# --- One assessment ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Count:
    """A blood count on record: when, and each number with its bound."""

    on: dt.date
    code: str
    amount: Amount


@dataclass(frozen=True)
class Judged:
    """An assessment with what the rule makes of it; the investigator's own view goes before it."""

    row: DiseaseAssessment
    on: dt.date
    found: Findings
    assessed: Assessed
    # The days of the counts that were taken from reports of the blood, by measure.
    counted_on: dict[str, dt.date] = field(default_factory=dict)

    @property
    def response(self) -> Response:
        return Response(self.row.stated_response) if self.row.stated_response else self.assessed.response

    @property
    def differs(self) -> bool:
        return bool(self.row.stated_response) and self.row.stated_response != self.assessed.response

    @property
    def is_adequate(self) -> bool:
        """Whether it tells if there was a relapse."""
        return self.response is not Response.NOT_EVALUABLE or self.assessed.is_in_remission is not None

    @property
    def dated(self) -> Dated:
        """As the rules of the course take it, the investigator's view in place of the computed one."""
        told = Assessed(self.response, self.assessed.mrd, is_in_remission=self.assessed.is_in_remission)
        return Dated(self.on, told)


def judge(row: DiseaseAssessment, counts: Iterable[Count] | None = None) -> Judged:
    """What the rule makes of an assessment, saved or not; without `counts` they are looked for on record."""
    on = day_of(row.assessed_on)
    protocol = get_study().protocol(row.participant.protocol_version)
    if counts is None:
        counts = counts_of([row.participant])[row.participant_id]
    near = _nearest(counts, on, protocol.policy.response_counts_within_days)
    typed = {"NEUT": row.anc, "PLAT": row.platelets}
    taken = {code: one for code, one in near.items() if typed[code] is None}
    amounts = {code: Amount(value) for code, value in typed.items() if value is not None}
    amounts |= {code: one.amount for code, one in taken.items()}
    found = Findings(
        marrow_blasts=_blasts(row),
        has_blood_blasts=SEEN.get(Looked(row.blood_blasts)),
        is_extramedullary=SEEN.get(Looked(row.extramedullary)),
        anc=amounts.get("NEUT"),
        platelets=amounts.get("PLAT"),
        is_transfused=TRANSFUSED.get(row.transfusion),
        mrd=_mrd(row),
    )
    days = {code: one.on for code, one in taken.items()}
    return Judged(row, on, found, assess(found, limits_of(protocol)), days)


def _blasts(row: DiseaseAssessment) -> Amount | None:
    if row.marrow != MarrowState.DONE or row.marrow_blasts is None:
        return None
    return Amount(Decimal(row.marrow_blasts), row.marrow_bound)


def _mrd(row: DiseaseAssessment) -> MrdFinding | None:
    if row.mrd == MrdState.NOT_DONE:
        return None
    level = None if row.mrd_level is None else Amount(Decimal(row.mrd_level), row.mrd_bound)
    return MrdFinding(row.mrd == MrdState.DETECTED, level, row.mrd_sensitivity)


def _nearest(counts: Iterable[Count], on: dt.date, within: int) -> dict[str, Count]:
    """Of each measure the count that is nearest in days; of two as near the later one, after recovery if any."""
    near: dict[str, Count] = {}
    for one in counts:
        away = abs((one.on - on).days)
        known = near.get(one.code)
        if away <= within and (known is None or _away(one, on) <= _away(known, on)):
            near[one.code] = one
    return near


def _away(one: Count, on: dt.date) -> tuple[int, int]:
    return abs((one.on - on).days), -one.on.toordinal()


def counts_of(people: Sequence[Participant]) -> dict[int, list[Count]]:
    """Neutrophils and platelets of these participants, in 10⁹/L; one query."""
    rows = (
        Measurement.objects.standing()
        .filter(participant__in=people, code__in=COUNTS, standard_value__isnull=False)
        .order_by("taken_at", "id")
        .values_list("participant_id", "taken_at", "code", "standard_value", "comparator")
    )
    found: dict[int, list[Count]] = defaultdict(list)
    for whose, at, code, value, sign in rows:
        found[whose].append(Count(timezone.localtime(at).date(), code, Amount(Decimal(value or 0), sign)))
    return found


# --- The course of a participant -----------------------------------------------------------------------


@dataclass
class History:
    """All that is on record of one participant's response and survival."""

    participant: Participant
    statuses: list[ParticipantStatus] = field(default_factory=list)
    assessments: list[Judged] = field(default_factory=list)
    therapies: list[SubsequentTherapy] = field(default_factory=list)
    contacts: list[SurvivalContact] = field(default_factory=list)
    # Days on which the participant was certainly alive by other records: seen at a visit, examined.
    seen_on: list[dt.date] = field(default_factory=list)

    @property
    def day0(self) -> dt.date | None:
        infused = self._since(Status.INFUSED)
        return (self.participant.planned_infusion_on or infused) if infused else None

    def _since(self, status: Status) -> dt.date | None:
        return next((row.effective_on for row in self.statuses if row.status == status), None)

    @cached_property
    def relapsed_on(self) -> dt.date | None:
        """The first assessment since the infusion that shows it, or the day of the status where that is earlier.

        One from before the cells is of the leukaemia's history.
        """
        since = [one for one in self.assessments if self.day0 is not None and one.on >= self.day0]
        seen = [one.on for one in since if one.response is Response.RELAPSE]
        status = self._since(Status.RELAPSED)
        return min([*seen, *([status] if status else [])], default=None)

    @property
    def mrd_relapse(self) -> MrdRelapse | None:
        policy = get_study().protocol(self.participant.protocol_version).policy
        course = (one.dated for one in self.assessments)
        return mrd_relapse(course, needs_confirmation=policy.mrd_relapse_needs_confirmation)

    @property
    def died_on(self) -> dt.date | None:
        """By the status; until that is recorded, by what a contact learnt."""
        told = [day_of(one.died_on) for one in self.contacts if one.died_on]
        return self._since(Status.DIED) or min(told, default=None)

    @property
    def last_alive_on(self) -> dt.date | None:
        told = [day_of(one.last_alive_on) for one in self.contacts if one.last_alive_on]
        return max([*told, *self.seen_on, *(one.on for one in self.assessments)], default=None)

    @property
    def lost_on(self) -> dt.date | None:
        """Only while it holds: who was found again is not lost."""
        if self.statuses and self.statuses[-1].status == Status.LOST_TO_FOLLOW_UP:
            return self.statuses[-1].effective_on
        return None

    @property
    def therapy_on(self) -> dt.date | None:
        """The first day of a later therapy."""
        return min((day_of(one.started_on) for one in self.therapies), default=None)

    @property
    def has_failed(self) -> bool:
        """The first assessment after the infusion that tells anything shows no remission, and no relapse from one."""
        told = [one for one in self.assessments if one.is_adequate and self.day0 and one.on > self.day0]
        return bool(told) and told[0].response is Response.NO_REMISSION

    @property
    def course(self) -> Course | None:
        """As the endpoints take it; None for whoever was not infused."""
        if (origin := self.day0) is None:
            return None
        return Course(
            origin=origin,
            relapsed_on=self.relapsed_on,
            died_on=self.died_on,
            last_alive_on=self.last_alive_on,
            lost_on=self.lost_on,
            assessed_on=tuple(one.on for one in self.assessments if one.is_adequate),
            therapies_on=tuple(day_of(one.started_on) for one in self.therapies),
            has_failed=self.has_failed,
        )

    @property
    def silence(self) -> Silence:
        """Failed attempts to reach the participant since the last answer."""
        tries = (Attempt(one.contacted_on, one.vital != Vital.NO_ANSWER) for one in self.contacts)
        return silence(tries, self.last_alive_on)

    @property
    def loss_on(self) -> dt.date | None:
        """Since when by the study's definition the participant is lost, whatever the status says; None: is not."""
        policy = get_study().protocol(self.participant.protocol_version).policy
        return self.silence.lost_on(attempts=policy.lost_after_attempts, over_days=policy.lost_over_days)


def history_of(participant: Participant) -> History:
    return histories([participant])[0]


def histories(people: Sequence[Participant]) -> list[History]:
    """Of each of these participants, in their order; seven queries."""
    found = {one.pk: History(one) for one in people}
    counts = counts_of(people)
    for status in _of(ParticipantStatus, people).order_by(*HISTORY):
        found[status.participant_id].statuses.append(status)
    for row in _of(DiseaseAssessment, people).order_by("assessed_on", "id"):
        whose = found[row.participant_id]
        # The participant that is in hand, not one more query.
        row.participant = whose.participant
        whose.assessments.append(judge(row, counts.get(row.participant_id, [])))
    for therapy in _of(SubsequentTherapy, people).order_by("started_on", "id"):
        found[therapy.participant_id].therapies.append(therapy)
    for contact in _of(SurvivalContact, people).order_by("contacted_on", "id"):
        found[contact.participant_id].contacts.append(contact)
    for whose_id, day in _last_seen(people):
        found[whose_id].seen_on.append(day)
    return list(found.values())


def _of(model: Any, people: Sequence[Participant]) -> Any:
    return model.objects.own_standing().filter(participant__in=people)


def _last_seen(people: Sequence[Participant]) -> Iterable[tuple[int, dt.date]]:
    visits = _of(Visit, people).filter(state=VisitState.DONE).order_by().values_list("participant")
    yield from visits.annotate(last=Max("occurred_on")).values_list("participant_id", "last")
    examined = _of(Examination, people).order_by().values("participant")
    for whose, at in examined.annotate(last=Max("taken_at")).values_list("participant_id", "last"):
        yield whose, timezone.localtime(at).date()


# --- Which visit an assessment belongs to --------------------------------------------------------------


def visit_of(one: Judged, visits: Sequence[Visit]) -> str:
    """The code of the visit of that day, else of the one whose window holds it; "" for what lies between."""
    same = next((visit.code for visit in visits if visit.occurred_on == one.on), None)
    if same is not None:
        return same
    ordered = sorted(visits, key=lambda visit: visit.window_closes_on)
    place = bisect_left([visit.window_closes_on for visit in ordered], one.on)
    holds = place < len(ordered) and ordered[place].window_opens_on <= one.on
    return ordered[place].code if holds else ""
