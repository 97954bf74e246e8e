"""Rows of the database as facts of participants: the one place of the datasets that reads it.

A portion of participants costs the same number of queries however many they are and whatever they have. What is void
stays here, and so does what was recorded after the cut-off. Dates are moved and texts withheld here and nowhere
else: nothing behind this page knows what they were.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from django.db.models import Prefetch, QuerySet
from django.utils import timezone

from dosing.models import DoseState, Infusion, InfusionInterruption, Leukapheresis, LymphodepletionDose, Medication
from participants.courses import History, Judged, histories
from participants.models import Consent, Measurement, Participant, Visit
from participants.rules.measures import MEASURES
from participants.units import UnknownUnit, convert
from safety.models import (
    AdverseEvent,
    BedsideAssessment,
    EventAgent,
    EventGrade,
    EventMedication,
    IcahtAssessment,
    IecHsAssessment,
    MeddraTerm,
    ToxicityAssessment,
    ToxicityEpisode,
)
from safety.models.corrections import current
from safety.models.events import SERIOUSNESS
from safety.rules.bedside import ICE_POINTS, MEASURE_OF
from sponsor.datasets.scope import Scope
from sponsor.datasets.sdtm import subject as facts
from sponsor.rules.deidentify import grouped_age, offset_days, shifted
from trialsite.freetext import MASKS
from trialsite.study import get_study

PORTION = 100
# Standard values are kept to so many places: a conversion makes endless ones.
PLACES = Decimal("0.000001")


def subjects(scope: Scope, study_id: str) -> Iterator[list[facts.Subject]]:
    """All participants in the order of their numbers, in portions; the caller has opened the transaction."""
    keys = list(participants(scope).order_by("screening_number").values_list("pk", flat=True))
    for start in range(0, len(keys), PORTION):
        yield portion(keys[start : start + PORTION], scope, study_id)


def participants(scope: Scope) -> QuerySet[Participant]:
    rows = Participant.objects.standing().filter(created_at__lte=scope.cut_off)
    return rows.filter(site__code__in=scope.sites) if scope.sites else rows


def portion(keys: Sequence[int], scope: Scope, study_id: str) -> list[facts.Subject]:
    rows = Participant.objects.filter(pk__in=keys).select_related("site").order_by("screening_number")
    people = list(rows)
    read = _Read(scope, people)
    found = [_subject(one, read, scope, study_id) for one in people]
    # Everybody knows the day of the cut-off: moved with the others it would tell by how much.
    return [replace(one, cut_off=one.last_record()) for one in found] if scope.shifts_dates else found


# --- How a value leaves --------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Way:
    """How the days and the words of one participant leave."""

    person: Participant
    offset: int
    has_free_text: bool

    def day(self, day: dt.date | None) -> str:
        return "" if day is None else (day + dt.timedelta(days=self.offset)).isoformat()

    def moment(self, at: dt.datetime | None) -> str:
        """As the clock at the site showed it, to the minute."""
        if at is None:
            return ""
        return f"{timezone.localtime(at) + dt.timedelta(days=self.offset):%Y-%m-%dT%H:%M}"

    def part(self, text: str, time: dt.time | None = None) -> str:
        moved = shifted(text, self.offset)
        return f"{moved}T{time:%H:%M}" if time is not None and len(moved) == len("2026-03-05") else moved

    def term(self, text: str) -> str:
        """A name of something that somebody typed, looked through once more for whoever it must not name."""
        return self.person.masked(text, MASKS) if text else ""

    def words(self, text: str) -> str:
        """Sentences leave only where a data manager has released them."""
        return self.term(text) if self.has_free_text else ""


# --- What is read --------------------------------------------------------------------------------------


class _Read:
    """The rows of a portion of participants, by participant."""

    def __init__(self, scope: Scope, people: Sequence[Participant]) -> None:
        self.scope, self.people = scope, people
        self.histories: dict[int, History] = {one.participant.pk: one for one in histories(people)}
        self.consents = self._of(Consent, "consented_at", "id")
        self.visits = self._of(Visit, "target_date", "id")
        self.results = self._measurements()
        self.collections = self._of(Leukapheresis, "started_at", "id")
        self.infusions = self._infusions()
        self.doses = self._doses()
        self.drugs = self._of(Medication, "started_at", "id")
        self.events = self._events()
        self.episodes = self._of(ToxicityEpisode, "onset_at", "id")
        self.toxicities = self._current(ToxicityAssessment, "assessed_at")
        self.iec_hs = self._current(IecHsAssessment, "assessed_at")
        self.icaht = self._of(IcahtAssessment, "computed_at", "id")
        self.bedside = self._current(BedsideAssessment, "assessed_at")
        self.terms = self._terms()

    def _rows(self, model: Any) -> QuerySet[Any]:
        known = model.objects.standing().filter(participant__in=self.people)
        return known.filter(created_at__lte=self.scope.cut_off)

    def _grouped(self, rows: Iterable[Any]) -> dict[int, list[Any]]:
        found: dict[int, list[Any]] = defaultdict(list)
        for row in rows:
            found[row.participant_id].append(row)
        return found

    def _of(self, model: Any, *order: str) -> dict[int, list[Any]]:
        return self._grouped(self._rows(model).order_by(*order))

    def _current(self, model: Any, at: str) -> dict[int, list[Any]]:
        return self._grouped(current(self._rows(model)).order_by(at, "id"))

    def _measurements(self) -> dict[int, list[Measurement]]:
        rows = self._rows(Measurement).select_related("examination")
        return self._grouped(rows.order_by("taken_at", "examination_id", "id"))

    def _infusions(self) -> dict[int, list[Infusion]]:
        stops = InfusionInterruption.objects.own_standing()
        rows = self._rows(Infusion).prefetch_related(Prefetch("interruptions", stops))
        return self._grouped(rows.order_by("infused_at", "id"))

    def _doses(self) -> dict[int, list[LymphodepletionDose]]:
        rows = self._rows(LymphodepletionDose).exclude(state=DoseState.PLANNED)
        return self._grouped(rows.order_by("course", "planned_on", "drug", "number"))

    def _events(self) -> dict[int, list[AdverseEvent]]:
        with_it: list[Any] = [
            Prefetch("agents", EventAgent.objects.own_standing().order_by("id")),
            Prefetch("grades", EventGrade.objects.own_standing().order_by("since", "id")),
            Prefetch("medications", EventMedication.objects.own_standing().order_by("id")),
        ]
        rows = self._rows(AdverseEvent).prefetch_related(*with_it)
        return self._grouped(rows.order_by("onset", "id"))

    def _terms(self) -> dict[tuple[str, str], MeddraTerm]:
        """What stands above a term in its release, which an event does not keep: by release and term."""
        wanted = {one.meddra_llt_code for rows in self.events.values() for one in rows if one.meddra_llt_code}
        rows = MeddraTerm.objects.filter(llt_code__in=wanted) if wanted else MeddraTerm.objects.none()
        return {(one.version, one.llt_code): one for one in rows}


# --- One participant -----------------------------------------------------------------------------------


def _subject(person: Participant, read: _Read, scope: Scope, study_id: str) -> facts.Subject:
    usubjid = f"{study_id}-{person.screening_number}"
    offset = offset_days(scope.shift_key, usubjid) if scope.shifts_dates else 0
    way = _Way(person, offset, scope.has_free_text)
    pk, history = person.pk, read.histories[person.pk]
    consents = read.consents[pk]
    age, group = grouped_age(_age(person, consents))
    return facts.Subject(
        key=pk,
        usubjid=usubjid,
        number=person.screening_number,
        participant_number=person.participant_number or "",
        site=person.site.code,
        country=_country(person),
        sex=person.sex,
        age=age,
        age_group=group,
        protocol_version=person.protocol_version,
        cut_off=way.day(timezone.localtime(scope.cut_off).date()),
        consents=tuple(way.moment(one.consented_at) for one in consents),
        statuses=tuple(
            facts.Standing(one.status, way.day(one.effective_on), one.reason_code, tuple(one.criteria))
            for one in history.statuses
            if one.created_at <= scope.cut_off
        ),
        visits=tuple(
            facts.Seen(one.code, one.state, way.day(one.occurred_on), one.contact, way.words(one.not_done_reason))
            for one in read.visits[pk]
        ),
        results=tuple(_result(one, way) for one in read.results[pk]),
        assessments=tuple(_assessment(one, way) for one in history.assessments),
        therapies=tuple(
            facts.Therapy(
                f"therapy:{one.pk}",
                one.kind,
                way.term(one.name),
                way.part(one.started_on),
                way.part(one.ended_on),
                one.is_ongoing,
                one.reason,
            )
            for one in history.therapies
        ),
        contacts=tuple(
            facts.Contact(
                f"contact:{one.pk}",
                way.day(one.contacted_on),
                one.means,
                one.vital,
                way.part(one.last_alive_on),
                way.part(one.died_on),
            )
            for one in history.contacts
        ),
        collections=tuple(_collection(one, way) for one in read.collections[pk]),
        infusions=tuple(_cells(one, way) for one in read.infusions[pk]),
        doses=tuple(_dose(one, way) for one in read.doses[pk]),
        drugs=tuple(_drug(one, way) for one in read.drugs[pk]),
        events=tuple(_events(pk, read, way)),
        grades=tuple(_grades(pk, read, way)),
        ice=tuple(_ice(one, way) for one in read.bedside[pk] if one.observations.get("ice_performed")),
        vitals=tuple(vital for one in read.bedside[pk] for vital in _vitals(one, way)),
        remarks=tuple(_remarks(pk, read, way)) if scope.has_free_text else (),
    )


def _age(person: Participant, consents: Sequence[Consent]) -> int | None:
    """Completed years on the day of the first consent."""
    return person.age_on(timezone.localtime(consents[0].consented_at).date()) if consents else None


def _country(person: Participant) -> str:
    study = get_study()
    version = study.versions.get(person.protocol_version, study.latest)
    sites = (*version.sites, *study.latest.sites)
    return next((one.country for one in sites if one.code == person.site.code), sites[0].country)


def _result(row: Measurement, way: _Way) -> facts.Result:
    measure = MEASURES.get(row.code)

    def standard(value: Decimal | None) -> Decimal | None:
        if value is None or measure is None:
            return None
        try:
            return convert(measure, value, row.unit).quantize(PLACES).normalize()
        except UnknownUnit:
            return None

    exam = row.examination
    return facts.Result(
        key=f"measurement:{row.pk}",
        code=row.code,
        panel=exam.panel,
        at=way.moment(row.taken_at)[:10] if exam.is_time_assumed else way.moment(row.taken_at),
        value=row.value,
        sign=row.comparator,
        unit=row.unit,
        standard=standard(row.value),
        low=row.reference_low,
        high=row.reference_high,
        standard_low=standard(row.reference_low),
        standard_high=standard(row.reference_high),
        choice=row.choice,
        day=way.part(row.day),
        is_not_done=bool(row.not_done_reason),
        reason=way.words(row.not_done_reason),
        laboratory=way.words(exam.laboratory),
        is_fasting=exam.is_fasting,
    )


def _assessment(one: Judged, way: _Way) -> facts.Assessment:
    row = one.row
    return facts.Assessment(
        key=f"assessment:{row.pk}",
        on=way.part(row.assessed_on),
        response=str(one.response.value),
        rule_response=str(one.assessed.response.value),
        mrd=str(one.assessed.mrd.value),
        mrd_method=row.mrd_method,
        mrd_level="" if row.mrd_level is None else f"{row.mrd_bound}{row.mrd_level.normalize():f}",
        mrd_sensitivity="" if row.mrd_sensitivity is None else f"{row.mrd_sensitivity.normalize():f}",
        blasts=row.marrow_blasts,
        blasts_sign=row.marrow_bound,
    )


def _collection(row: Leukapheresis, way: _Way) -> facts.Collection:
    return facts.Collection(
        f"leukapheresis:{row.pk}",
        way.moment(row.started_at),
        way.moment(row.ended_at),
        row.processed_ml,
        row.collected_ml,
        row.t_cells_e8,
    )


def _cells(row: Infusion, way: _Way) -> facts.Cells:
    return facts.Cells(
        key=f"infusion:{row.pk}",
        start=way.moment(row.infused_at),
        end=way.moment(row.ended_at),
        # A lot often tells the day on which it was made.
        lot="" if way.offset else row.product_lot,
        dose_e8=row.viable_car_t_cells_e8,
        volume_ml=row.volume_given_ml,
        band=row.dose_band,
        occasion=row.occasion,
        interruptions=len(row.interruptions.all()),
    )


def _dose(row: LymphodepletionDose, way: _Way) -> facts.Dose:
    return facts.Dose(
        key=f"dose:{row.pk}",
        drug=row.drug,
        at=way.moment(row.given_at),
        planned_on=way.day(row.planned_on),
        is_given=row.state == DoseState.GIVEN,
        given_mg=row.given_mg,
        planned_mg=row.planned_mg,
        mg_m2=row.mg_m2,
        bsa_m2=row.bsa_m2,
        reason=way.words(row.change_reason),
    )


def _drug(row: Medication, way: _Way) -> facts.Drug:
    return facts.Drug(
        key=f"medication:{row.pk}",
        kind=row.kind,
        name=way.term(row.name),
        dose=row.dose,
        unit=row.dose_unit,
        route=row.route,
        start=way.moment(row.started_at),
        end=way.moment(row.ended_at),
        is_ongoing=row.is_ongoing,
        indication=way.words(row.indication),
        is_premedication=row.is_premedication,
    )


def _events(pk: int, read: _Read, way: _Way) -> Iterator[facts.Event]:
    """Where dates are shifted, numbered within the participant: keys that count up over all tell an order of days."""
    rows = read.events[pk]
    own = {one: number for number, one in enumerate(sorted(row.pk for row in rows), start=1)}
    for row in rows:
        yield _event(row, way, read.terms, str(own[row.pk] if way.offset else row.pk))


def _event(row: AdverseEvent, way: _Way, terms: dict[tuple[str, str], MeddraTerm], number: str) -> facts.Event:
    above = terms.get((row.meddra_version, row.meddra_llt_code))
    return facts.Event(
        key=f"event:{row.pk}",
        number=number,
        term=way.term(row.term),
        start=way.part(row.onset, row.onset_time),
        end=way.part(row.resolved, row.resolved_time),
        grade=row.grade,
        ctcae_version=row.ctcae_version,
        ctcae_code=row.ctcae_code,
        ctcae_term=row.ctcae_term,
        meddra_version=row.meddra_version,
        llt_code=row.meddra_llt_code,
        llt=row.meddra_llt,
        pt_code=row.meddra_pt_code,
        pt=row.meddra_pt,
        hlt_code=above.hlt_code if above else "",
        hlt=above.hlt if above else "",
        hlgt_code=above.hlgt_code if above else "",
        hlgt=above.hlgt if above else "",
        soc_code=above.soc_code if above else "",
        soc=row.meddra_soc,
        special_interest=row.special_interest,
        criteria=frozenset(name for name in SERIOUSNESS if getattr(row, name)),
        outcome=row.outcome,
        died_on=way.part(row.results_in_death_on),
        cause_of_death=way.words(row.cause_of_death),
        autopsy=row.autopsy,
        pattern=row.pattern,
        is_treated=bool(row.treatment_given or row.medications.all()),
        relations=tuple(
            facts.Relation(one.agent, one.investigator, one.sponsor, one.action_taken) for one in row.agents.all()
        ),
        grades=tuple((one.grade, way.part(one.since)) for one in row.grades.all()),
        drugs=tuple(f"medication:{one.medication_id}" for one in row.medications.all()),
        note=way.words(row.note),
    )


def _grades(pk: int, read: _Read, way: _Way) -> Iterator[facts.Graded]:
    for row in read.toxicities[pk]:
        event = _event_of(read.episodes[pk], row)
        yield facts.Graded(
            f"toxicity:{row.pk}",
            row.toxicity,
            row.scale,
            way.moment(row.assessed_at),
            row.final_grade,
            row.grade,
            f"event:{event}" if event else "",
        )
    for row in read.iec_hs[pk]:
        at = way.moment(row.assessed_at)
        yield facts.Graded(f"iechs:{row.pk}", "IEC-HS", row.scale, at, row.final_grade, row.grade, "")
    for row in read.icaht[pk]:
        name, at = f"ICAHT-{row.phase}", way.moment(row.computed_at)
        yield facts.Graded(f"icaht:{row.pk}", name, row.scale, at, row.final_grade, row.grade, "")


def _event_of(episodes: Iterable[ToxicityEpisode], row: ToxicityAssessment) -> int | None:
    """The event of the episode during which something was assessed, its first moment without the toxicity included."""
    for one in episodes:
        is_within = one.resolved_at is None or row.assessed_at <= one.resolved_at
        if one.toxicity == row.toxicity and one.onset_at <= row.assessed_at and is_within:
            return one.adverse_event_id
    return None


def _ice(row: BedsideAssessment, way: _Way) -> facts.Ice:
    seen = row.observations
    points = tuple((name, seen.get(name)) for names in ICE_POINTS.values() for name in names)
    performed = seen["ice_performed"]
    is_whole = performed == "yes" and all(answer is not None for _name, answer in points)
    total = sum(bool(answer) for _name, answer in points) if is_whole else None
    return facts.Ice(
        key=f"bedside:{row.pk}",
        at=way.moment(row.assessed_at),
        points=points,
        total=0 if performed.startswith("unable") else total,
        performed=performed,
        reason=way.words(seen.get("ice_not_done") or ""),
    )


def _vitals(row: BedsideAssessment, way: _Way) -> Iterator[facts.Vital]:
    for name, code in MEASURE_OF.items():
        if (value := row.observations.get(name)) is not None:
            yield facts.Vital(f"bedside:{row.pk}:{code}", code, way.moment(row.assessed_at), Decimal(str(value)))


def _remarks(pk: int, read: _Read, way: _Way) -> Iterator[tuple[str, str]]:
    for row in read.events[pk]:
        if row.note:
            yield f"event:{row.pk}", way.words(row.note)
    for row in read.drugs[pk]:
        if row.note:
            yield f"medication:{row.pk}", way.words(row.note)
    for given in read.infusions[pk]:
        if given.note:
            yield f"infusion:{given.pk}", way.words(given.note)
