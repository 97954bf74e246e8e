"""A case report from what the database tells of an event: the one place that reads it.

Of the person only the number in the study, age at onset, sex and death are told; free text is masked once more
where it names somebody. Everything is told in English or as it was typed, whoever asks for it.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django.utils import timezone, translation
from django.utils.translation import gettext as _

from dosing.models import DoseState, Medication
from dosing.prints import cells
from participants.models import Measurement, Participant
from participants.names import MEASURE_NAMES
from participants.rules.measures import MEASURES, PANELS
from participants.rules.normal import Limits
from participants.units import convert
from safety.models import AdverseEvent, Agent, Autopsy, EventAgent, FollowUp, FollowUpKind, Outcome
from sponsor.icsr.model import (
    Assessment,
    Batch,
    Change,
    Coded,
    Death,
    Dosage,
    Drug,
    Icsr,
    LabTest,
    Native,
    NullFlavor,
    Patient,
    Reaction,
    Role,
    Sender,
    Seriousness,
    Source,
    Study,
    When,
)
from sponsor.icsr.relevant import Result, days, relevant
from trialsite.freetext import MASKS
from trialsite.partialdate import PartialDate
from trialsite.study import Protocol, get_study

# The release of MedDRA that each version of CTCAE takes its terms from.
MEDDRA_OF_CTCAE = {"5.0": "20.1", "6.0": "28.0"}
# E.i.7.
OUTCOMES = {
    Outcome.RECOVERED: "1",
    Outcome.RECOVERING: "2",
    Outcome.NOT_RECOVERED: "3",
    Outcome.SEQUELAE: "4",
    Outcome.FATAL: "5",
    Outcome.UNKNOWN: "0",
}
# G.k.8. [M] An interruption has no code of its own there: it is a withdrawal, and G.k.11 says that it was interrupted.
ACTIONS = {"stopped": "1", "interrupted": "1", "reduced": "2", "none": "4", "not_applicable": "9"}
RELATED = frozenset({"definite", "probable", "possible"})
METHOD = "CDE 2024 No. 31, five categories"
SEXES = {"M": "1", "F": "2"}
AUTOPSIES = {Autopsy.DONE: True, Autopsy.NOT_DONE: False, Autopsy.PLANNED: False}
# What a laboratory measures as a number with limits, and how UCUM writes the units that differ from ours.
LABORATORY = [measure.code for panel in ("CBC", "CHEM", "COAG") for measure in PANELS[panel]]
UCUM = {"10^9/L": "10*9/L", "10^3/uL": "10*3/uL", "": "1"}
# What is a drug, by the code that lymphodepletion has in the study file.
LYMPHODEPLETION = {Agent.FLUDARABINE: "flu", Agent.CYCLOPHOSPHAMIDE: "cy"}


@dataclass(frozen=True)
class Told:
    """What of the event is read once: its standing rows, and the protocol its participant is held to."""

    event: AdverseEvent
    protocol: Protocol
    agents: tuple[EventAgent, ...]
    followups: tuple[FollowUp, ...]

    @property
    def participant(self) -> Participant:
        return self.event.participant

    @property
    def country(self) -> str:
        return self.protocol.report_sender.country if self.protocol.report_sender else ""

    def plain(self, text: str) -> str:
        return self.participant.masked(text, MASKS)


def told_of(event: AdverseEvent) -> Told:
    study = get_study()
    # Who sends and receives is how things are now; what the participant consented to does not change it.
    return Told(
        event=event,
        protocol=study.latest,
        agents=tuple(event.agents.own_standing().order_by("id")),
        followups=tuple(event.followups.own_standing().order_by("learned_at", "id")),
    )


def batch_of(event: AdverseEvent, *, now: dt.datetime, amended: str = "") -> Batch:
    """The report as it is sent now; `amended` is why one without new information is sent again."""
    with translation.override("en"):
        told = told_of(event)
        sender = told.protocol.report_sender
        at = now.replace(microsecond=0)
        number = f"{report_id(told)}-{timezone.localtime(at):%Y%m%d%H%M%S}" if sender else ""
        return Batch(
            number=number,
            message_id=number,
            sender=sender.organisation if sender else "",
            receiver=sender.receiver if sender else "",
            transmitted_at=at,
            icsr=_icsr(told, at, amended),
        )


def report_id(told: Told) -> str:
    """C.1.1 and C.1.8.1: country, organisation, number; the same in every report of this event.

    The number is that of the participant and of the event: CN-ZJH-ZJ-001-17.
    """
    sender = told.protocol.report_sender
    return f"{sender.country}-{sender.organisation}-{told.participant.number}-{told.event.pk}" if sender else ""


def version_of(told: Told) -> int:
    """0 for the first report; each follow-up is one more."""
    return len(told.followups)


def most_recent(told: Told) -> dt.datetime:
    """C.1.5: when the newest of it became known."""
    return max(told.event.first_aware_at, *(one.learned_at for one in told.followups), told.event.first_aware_at)


def _icsr(told: Told, at: dt.datetime, amended: str) -> Icsr:
    change, reason = _change(told, amended)
    sender = told.protocol.report_sender
    return Icsr(
        report_id=report_id(told),
        worldwide_id=report_id(told),
        created_at=at,
        first_received=told.event.first_aware_at,
        most_recent=most_recent(told),
        is_expedited=is_expedited(told),
        sources=(Source(organisation=str(told.participant.site), country=told.country),),
        sender=Sender(sender.kind, sender.name.en, sender.country) if sender else None,
        study=Study(told.protocol.registry_id, told.protocol.title.en, told.protocol.org_study_id),
        patient=_patient(told),
        reactions=(_reaction(told),),
        drugs=tuple(_drugs(told)),
        narrative=narrative(told),
        sender_comments=comments(told),
        tests=tests(told),
        native=(native(told),),
        change=change,
        change_reason=reason,
    )


def _change(told: Told, amended: str) -> tuple[Change | None, str]:
    """What became known to be no event is withdrawn; so is what was entered by mistake."""
    withdrawn = [one for one in told.followups if one.kind == FollowUpKind.NULLIFICATION]
    if withdrawn:
        return Change.NULLIFICATION, told.plain(withdrawn[-1].what)
    if told.event.is_void:
        return Change.NULLIFICATION, told.plain(told.event.void_reason or "")
    return (Change.AMENDMENT, told.plain(amended)) if amended else (None, "")


def is_expedited(told: Told) -> bool | NullFlavor:
    """Serious, suspected to be related by either, and not expected; no information while a judgement is open."""
    event = told.event
    if not event.is_serious or event.is_expected:
        return False
    views = [view for row in told.agents if row.agent != Agent.DISEASE for view in (row.investigator, row.sponsor)]
    if not RELATED.isdisjoint(views):
        return True if event.is_expected is False else NullFlavor.NO_INFORMATION
    is_open = not told.agents or any(not row.investigator for row in told.agents)
    return NullFlavor.NO_INFORMATION if is_open else False


# --- the patient ---------------------------------------------------------------------------------------


def _patient(told: Told) -> Patient:
    conditions = "; ".join(condition.en for condition in told.protocol.conditions)
    height = _body(told, "HEIGHT")
    return Patient(
        number=told.participant.number,
        age_years=age_at_onset(told),
        sex=SEXES.get(told.participant.sex),
        weight_kg=_body(told, "WEIGHT"),
        height_cm=None if height is None else int(height.to_integral_value(ROUND_HALF_UP)),
        history=conditions,
        death=_death(told) if told.event.results_in_death else None,
    )


def _body(told: Told, code: str) -> Decimal | None:
    """As it was last measured by the day of the onset, in kg or cm; else as it was measured first after it."""
    day = PartialDate.parse(told.event.onset).latest
    rows = Measurement.objects.standing().filter(participant=told.participant, code=code, value__isnull=False)
    before = rows.filter(taken_at__date__lte=day).order_by("-taken_at", "-id").first()
    row = before or rows.order_by("taken_at", "id").first()
    if row is None or row.value is None:
        return None
    return convert(MEASURES[code], row.value, row.unit).quantize(Decimal("0.1"), ROUND_HALF_UP)


def age_at_onset(told: Told) -> int | None:
    """Completed years, where the whole of the onset, as far as it is known, gives the same."""
    onset = PartialDate.parse(told.event.onset)
    ages = {told.participant.age_on(day) for day in (onset.earliest, onset.latest)}
    return ages.pop() if len(ages) == 1 else None


def _death(told: Told) -> Death:
    event = told.event
    on = PartialDate.parse(event.results_in_death_on) if event.results_in_death_on else None
    autopsy = AUTOPSIES.get(Autopsy(event.autopsy)) if event.autopsy else NullFlavor.UNKNOWN
    return Death(on=on, cause=told.plain(event.cause_of_death), autopsy=autopsy)


# --- tests ---------------------------------------------------------------------------------------------


def tests(told: Told) -> tuple[LabTest, ...]:
    """F.r: what the laboratory found while the event began, as far as it matters."""
    resolved = PartialDate.parse(told.event.resolved) if told.event.resolved else None
    first, last = days(PartialDate.parse(told.event.onset), resolved)
    rows = Measurement.objects.standing().filter(
        participant=told.participant, code__in=LABORATORY, value__isnull=False, taken_at__date__range=(first, last)
    )
    return relevant(_result(row) for row in rows.order_by("taken_at", "id"))


def _result(row: Measurement) -> Result:
    measure = MEASURES[row.code]
    printed = (row.reference_low, row.reference_high)
    limits = (None if one is None else convert(measure, one, row.unit) for one in printed)
    value = row.value or Decimal(0)
    return Result(row.code, convert(measure, value, row.unit), row.comparator, Limits(*limits), _test(row, value))


def _test(row: Measurement, value: Decimal) -> LabTest:
    low, high = (None if one is None else _short(one) for one in (row.reference_low, row.reference_high))
    name, unit = str(MEASURE_NAMES[row.code]), UCUM.get(row.unit, row.unit)
    return LabTest(name, row.taken_at, _short(value), unit, row.comparator, low, high)


def _short(value: Decimal) -> Decimal:
    """Without the zeros that the column adds."""
    return Decimal(f"{value.normalize():f}")


# --- the event -----------------------------------------------------------------------------------------


def _reaction(told: Told) -> Reaction:
    event = told.event
    term = told.plain(event.term)
    return Reaction(
        key=str(event.pk),
        term=term,
        language="eng" if term.isascii() else "zho",
        translation=event.meddra_llt or event.ctcae_term,
        meddra=coded(event),
        seriousness=Seriousness(
            death=event.results_in_death,
            life_threatening=event.is_life_threatening,
            hospitalisation=event.requires_hospitalisation,
            disability=event.results_in_disability,
            congenital_anomaly=event.is_congenital_anomaly,
            other=event.is_other_important,
        ),
        start=_when(event.onset, event.onset_time),
        end=_when(event.resolved, event.resolved_time) if event.resolved else None,
        outcome=OUTCOMES[Outcome(event.outcome)] if event.outcome else None,
        country=told.country,
    )


def coded(event: AdverseEvent) -> Coded | None:
    """By the site's own MedDRA where there is one; else CTCAE's terms, which are lowest level terms of MedDRA."""
    if event.meddra_llt_code:
        return Coded(event.meddra_version, event.meddra_llt_code)
    version = MEDDRA_OF_CTCAE.get(event.ctcae_version.removeprefix("v"), "")
    return Coded(version, event.ctcae_code) if event.ctcae_code else None


def _when(day: str, time: dt.time | None) -> When:
    known = PartialDate.parse(day)
    if time is None or known.day is None:
        return known
    return timezone.make_aware(dt.datetime.combine(known.earliest, time))


# --- drugs ---------------------------------------------------------------------------------------------


def _drugs(told: Told) -> Iterator[Drug]:
    rows = {row.agent: row for row in told.agents}
    if rows.get(Agent.CAR_T) is not None or told.participant.infusions.standing().exists():
        yield _cells(told, rows.get(Agent.CAR_T))
    for agent, code in LYMPHODEPLETION.items():
        yield from _lymphodepletion(told, agent, code, rows.get(agent))
    if (other := rows.get(Agent.OTHER)) is not None and other.named:
        yield _drug("other", told.plain(other.named), other, ())
    yield from _concomitant(told)


def _drug(key: str, name: str, row: EventAgent | None, dosages: tuple[Dosage, ...], **more: Any) -> Drug:
    action = row.action_taken if row else ""
    return Drug(
        key=key,
        name=name,
        dosages=dosages,
        action=ACTIONS.get(action),
        assessments=tuple(_assessments(row)) if row else (),
        **{
            "role": role_of(row),
            "more": "The administration was interrupted." if action == "interrupted" else "",
            **more,
        },
    )


def role_of(row: EventAgent | None) -> Role:
    """Suspected unless both who judged it, as far as they did, excluded it: what is open is not excluded."""
    if row is None:
        return Role.CONCOMITANT
    views = {row.investigator, row.sponsor} - {""}
    return Role.SUSPECT if not views or not RELATED.isdisjoint(views) else Role.CONCOMITANT


def _assessments(row: EventAgent) -> Iterator[Assessment]:
    views = (
        (_("Investigator"), row.investigator, row.get_investigator_display()),
        (_("Sponsor"), row.sponsor, row.get_sponsor_display()),
    )
    for source, view, words in views:
        if view:
            yield Assessment(source=source, method=METHOD, result=str(words))


def _cells(told: Told, row: EventAgent | None) -> Drug:
    """The studied product is suspected whatever is said of it: a report of this study is about it."""
    given = told.participant.infusions.standing().order_by("infused_at")
    dosages = tuple(
        Dosage(
            text=f"{cells(one.viable_car_t_cells_e8)}, viable CAR-T cells",
            start=one.infused_at,
            end=one.ended_at,
            lot=one.product_lot,
            route="intravenous",
        )
        for one in given
    )
    return _drug(
        "car_t",
        "Autologous CD19 CAR-T cells",
        row,
        dosages,
        role=Role.SUSPECT if dosages else Role.NOT_ADMINISTERED,
        indication=told.protocol.conditions[0].en,
        recurred="4",
    )


def _lymphodepletion(told: Told, agent: str, code: str, row: EventAgent | None) -> Iterator[Drug]:
    doses = told.participant.lymphodepletion_doses.standing().filter(drug=code, state=DoseState.GIVEN)
    dosages = tuple(
        Dosage(
            text=f"{_amount(one.given_mg)} mg", start=one.given_at, amount=one.given_mg, unit="mg", route="intravenous"
        )
        for one in doses.order_by("given_at")
    )
    if dosages or row is not None:
        name = next((str(one.name.en) for one in told.protocol.lymphodepletion.drugs if one.code == code), str(agent))
        yield _drug(str(agent), name, row, dosages, indication="Lymphodepletion before CAR-T cells")


def _amount(value: Decimal | None) -> str:
    return "" if value is None else f"{value.normalize():f}"


def _concomitant(told: Told) -> Iterator[Drug]:
    """What had begun before the event and had not ended; what was given against it is told in the narrative."""
    onset = PartialDate.parse(told.event.onset).latest
    against = told.event.medications.own_standing().values("medication")
    rows = told.participant.medications.standing().exclude(pk__in=against).order_by("started_at", "id")
    for row in rows.filter(started_at__date__lte=onset).exclude(ended_at__date__lt=onset):
        if row.ended_at or row.is_ongoing or timezone.localtime(row.started_at).date() == onset:
            yield Drug(
                key=f"medication-{row.pk}",
                name=told.plain(row.name),
                role=Role.CONCOMITANT,
                dosages=(_given(row),),
                indication=told.plain(row.indication),
            )


def _given(row: Medication) -> Dosage:
    text = row.dose_text or "dose not recorded"
    return Dosage(text=text, start=row.started_at, end=row.ended_at, route=str(row.get_route_display()))


# --- in words ------------------------------------------------------------------------------------------


def narrative(told: Told) -> str:
    """H.1: grade and course, what was done, the outcome, and what became known later, as it was typed."""
    return "\n".join(_narrative(told))


def native(told: Told) -> Native:
    """H.5: the narrative and the comments once more, in Chinese."""
    with translation.override("zh-hans"):
        return Native("\n".join([*_narrative(told), *_comments(told)]), "zho")


def _narrative(told: Told) -> Iterator[str]:
    event = told.event
    yield _(
        "Participant %(number)s of study %(study)s: %(term)s, onset %(onset)s, highest grade %(grade)s "
        "(CTCAE %(ctcae)s)."
    ) % {
        "number": told.participant.number,
        "study": told.protocol.registry_id,
        "term": told.plain(event.term),
        "onset": event.onset,
        "grade": event.grade,
        "ctcae": event.ctcae_version,
    }
    grades = event.grades.own_standing().order_by("since", "id")
    if grades:
        course = (_("grade %(grade)s since %(since)s") % {"grade": one.grade, "since": one.since} for one in grades)
        yield _("Course of grades: %(course)s.") % {"course": _("; ").join(course)}
    if event.note:
        yield told.plain(event.note)
    if event.treatment_given:
        yield _("Treatment: %(what)s") % {"what": told.plain(event.treatment_given)}
    for one in event.medications.own_standing().select_related("medication").order_by("id"):
        drug = f"{told.plain(one.medication.name)} {one.medication.dose_text}".rstrip()
        yield _("Given against it: %(drug)s.") % {"drug": drug}
    if event.outcome:
        yield _("Outcome: %(outcome)s.") % {"outcome": event.get_outcome_display()}
    for said in told.followups:
        values = {"day": timezone.localtime(said.learned_at).date(), "what": told.plain(said.what)}
        yield _("Learned on %(day)s: %(what)s") % values


def comments(told: Told) -> str:
    """H.4: what is judged of causes that are no drugs, and whether the event was expected."""
    return "\n".join(_comments(told))


def _comments(told: Told) -> Iterator[str]:
    for row in told.agents:
        if row.agent in (Agent.LEUKAPHERESIS, Agent.PROCEDURE, Agent.DISEASE):
            views = (f"{one.source}: {one.result}" for one in _assessments(row))
            said = _("; ").join(views) or _("not yet assessed")
            yield _("Relation to %(agent)s: %(views)s.") % {"agent": row.get_agent_display(), "views": said}
    if told.event.is_expected is not None:
        words = _("expected") if told.event.is_expected else _("unexpected")
        values = {"reference": told.event.reference_safety, "words": words}
        yield _("By the reference safety information %(reference)s the event is %(words)s.") % values
