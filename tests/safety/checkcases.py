"""A straightforward record, and for each consistency check one contradiction made in it."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.utils import timezone

from dosing.models import Infusion, InfusionInterruption, Leukapheresis, LymphodepletionDose, Medication
from participants.models import (
    Consent,
    ConsentWithdrawal,
    DiseaseAssessment,
    Examination,
    Participant,
    ParticipantStatus,
    ProtocolDeviation,
    SurvivalContact,
    Visit,
)
from safety.actions import propose_event
from safety.models import (
    AdverseEvent,
    BedsideAssessment,
    DataFinding,
    EventAgent,
    EventGrade,
    EventMedication,
    SafetyAlert,
    ToxicityAssessment,
    ToxicityEpisode,
)
from tests import factories
from tests.safety.test_bedside import assessed, seen
from trialsite.models import Record, Site, User

HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
FEVER = seen(temperature_c=Decimal("38.9"), fever_attributable=True)


@dataclass(frozen=True)
class Told:
    """One participant, ten days after the infusion, with a CRS that became an event, and was treated."""

    participant: Participant
    by: User
    now: dt.datetime
    event: AdverseEvent

    @property
    def today(self) -> dt.date:
        return timezone.localdate(self.now)

    def of(self, model: type[Record]) -> Any:
        return model._default_manager.filter(participant=self.participant)

    def make(self, model: type[Record], **facts: Any) -> Any:
        mine = {"participant": self.participant, "created_by": self.by, "created_at": self.now}
        return model._default_manager.create(**mine, **facts)

    def another_event(self, **facts: Any) -> AdverseEvent:
        usual = {
            "term": "Headache",
            "onset": f"{self.today - 4 * DAY}",
            "grade": 2,
            "ctcae_version": "5.0",
            "outcome": "not_recovered",
            "site_aware_at": self.now - 3 * DAY,
        }
        made: AdverseEvent = self.make(AdverseEvent, **{**usual, **facts})
        self.judge(made)
        return made

    def judge(self, event: AdverseEvent, **facts: Any) -> None:
        """Of the cells, as an investigator does; or otherwise."""
        said = {"investigator": "possible", "action_taken": "none", **facts}
        made = {"created_by": self.by, "created_at": self.now}
        rows = EventAgent.objects.filter(event=event)
        if not rows.update(**said):
            EventAgent.objects.create(event=event, agent="car_t", **said, **made)

    def dies(self, *, days_ago: int = 1, is_told: bool = True) -> dt.date:
        """By the status and, unless it is not told, by the event; what goes on has its end."""
        day = self.today - days_ago * DAY
        self.make(ParticipantStatus, status="died", effective_on=day)
        Participant.objects.filter(pk=self.participant.pk).update(status="died")
        self.of(Medication).update(is_ongoing=False)
        if is_told:
            self.fatal(self.another_event(term="Sepsis", resolved=f"{day}"))
        return day

    def fatal(self, event: AdverseEvent) -> None:
        facts = {"grade": 5, "outcome": "fatal", "results_in_death": True, "results_in_death_on": event.onset}
        AdverseEvent.objects.filter(pk=event.pk).update(**facts)

    def change(self, **facts: Any) -> None:
        AdverseEvent.objects.filter(pk=self.event.pk).update(**facts)

    def visit(self, code: str, **facts: Any) -> None:
        self.of(Visit).filter(code=code).update(**facts)

    def looked(self, at: dt.datetime, **observations: Any) -> None:
        self.make(BedsideAssessment, assessed_at=at, observations=observations)

    def graded(self, at: dt.datetime, grade: int) -> None:
        scale = {"toxicity": "CRS", "scale": "ASTCT 2019", "findings": {}}
        self.make(ToxicityAssessment, assessed_at=at, grade=grade, **scale)

    def infused_at(self) -> dt.datetime:
        at: dt.datetime = self.of(Infusion).get().infused_at
        return at

    def drug(self, **facts: Any) -> None:
        self.of(Medication).update(**facts)


def straightforward(*, site: Site, by: User, now: dt.datetime) -> Told:
    participant = factories.infused(site=site, by=by, now=now, infused_at=now - 10 * DAY)
    begun = now - 8 * DAY
    assessed(participant, begun, FEVER, by)
    SafetyAlert.objects.update(acknowledged_at=begun, acknowledged_by=by)
    episode = ToxicityEpisode.objects.get(participant=participant)
    event = propose_event(episode=episode, site_aware_at=begun, by=by, now=begun + HOUR, outcome="not_recovered")
    told = Told(participant, by, now, event)
    told.judge(event)
    what = {"kind": "tocilizumab", "name": "Actemra", "route": "iv", "indication": event.term, "is_ongoing": True}
    told.make(Medication, started_at=begun + 2 * HOUR, **what)
    told.make(Examination, panel="CBC", taken_at=now - 3 * DAY)
    told.visit("D1", state="done", occurred_on=timezone.localdate(now - 9 * DAY))
    told.visit("D7", state="done", occurred_on=timezone.localdate(now - 3 * DAY))
    return told


def _after(model: type[Record], moment: str) -> Callable[[Told], Any]:
    def make(told: Told) -> None:
        day = told.dies(days_ago=3)
        row = told.of(model).first()
        model._default_manager.filter(pk=row.pk).update(**{moment: _noon(day + DAY), **_given(model)})

    return make


def _noon(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(12), timezone.get_current_timezone())


def _given(model: type[Record]) -> dict[str, Any]:
    return {"ended_at": None} if model is Infusion else {}


def _bedside_after_death(told: Told) -> None:
    told.looked(_noon(told.dies(days_ago=3) + DAY))


def _leukapheresis(told: Told, at: dt.datetime) -> None:
    told.make(Leukapheresis, started_at=at, ended_at=at + HOUR)


def _leukapheresis_after_death(told: Told) -> None:
    _leukapheresis(told, _noon(told.dies(days_ago=3) + DAY))


def _consent_late(told: Told) -> None:
    told.of(Consent).update(consented_at=told.now - 5 * DAY)


def _dies_with(change: Callable[[Told, dt.date], Any]) -> Callable[[Told], Any]:
    return lambda told: change(told, told.dies(days_ago=3))


def _contacted(told: Told, **facts: Any) -> None:
    told.make(SurvivalContact, contacted_on=told.today, means="phone", answered_by="family", **facts)


def _assessed(told: Told, **facts: Any) -> None:
    nothing = {"marrow": "not_done", "blood_blasts": "absent", "extramedullary": "absent", "mrd": "not_done"}
    told.make(DiseaseAssessment, assessed_on=f"{told.today}", transfusion="no", **{**nothing, **facts})


def _two_fatal(told: Told) -> None:
    told.fatal(told.event)
    told.fatal(told.another_event())


def _withdrawn(told: Told, scope: str, at: dt.datetime) -> None:
    facts = {"may_keep_samples": True, "may_contact": True}
    told.make(ConsentWithdrawal, scope=scope, withdrawn_at=at, **facts)


def _left(told: Told) -> None:
    told.make(ParticipantStatus, status="withdrawn", effective_on=told.today - 5 * DAY)
    Participant.objects.filter(pk=told.participant.pk).update(status="withdrawn")


def _stop(told: Told) -> None:
    told.judge(told.event, action_taken="interrupted")


def _no_event(told: Told) -> None:
    ToxicityEpisode.objects.filter(participant=told.participant).update(adverse_event=None)


def _void(model: type[Record], told: Told) -> None:
    told.of(model).update(voided_at=told.now, voided_by=told.by, void_reason="x")


def _no_toxicity(told: Told) -> None:
    for model in (AdverseEvent, ToxicityEpisode, ToxicityAssessment):
        _void(model, told)


def _event_alone(told: Told) -> None:
    for model in (ToxicityEpisode, ToxicityAssessment):
        _void(model, told)


def _open(told: Told, *, days: int) -> None:
    told.change(is_other_important=True, is_other_important_on=f"{told.today}", site_aware_at=told.now - days * DAY)
    told.judge(told.event, investigator="")


def _another_course(told: Told) -> None:
    made = {"created_by": told.by, "created_at": told.now}
    EventGrade.objects.create(event=told.event, grade=4, since=f"{told.today}", **made)


def _against_later(told: Told) -> None:
    made = {"created_by": told.by, "created_at": told.now}
    told.drug(started_at=told.now - 9 * DAY)
    EventMedication.objects.create(event=told.event, medication=told.of(Medication).get(), **made)


def _denied(told: Told) -> None:
    told.of(Infusion).update(has_reaction=False)
    told.change(infusion=told.of(Infusion).get())


def _one_after_the_other(told: Told) -> None:
    told.change(resolved=f"{told.today - 6 * DAY}", outcome="recovered")
    told.another_event(term=told.event.term, onset=f"{told.today - 5 * DAY}")


def _late_with_deviation(told: Told) -> None:
    told.visit("D7", occurred_on=told.today)
    about = f"visit:{told.of(Visit).get(code='D7').pk}"
    told.make(ProtocolDeviation, kind="visit_window", about=about, description="late", reason="snow")


def _stopped(told: Told) -> None:
    _stop(told)
    made = {"created_by": told.by, "created_at": told.now}
    at = told.now - 10 * DAY
    InfusionInterruption.objects.create(infusion=told.of(Infusion).get(), stopped_at=at, reason="fever", **made)


def _alert(told: Told, hours: int = 48) -> None:
    at = told.now - hours * HOUR
    when = {"happened_at": at, "raised_at": at}
    told.make(SafetyAlert, kind="severe", toxicity="CRS", grade=3, about="assessment:0", key="assessment:0", **when)


def _product_late(told: Told) -> None:
    product = told.of(Infusion).get().product
    type(product).objects.filter(pk=product.pk).update(released_on=told.today)


def _again(model: type[Record], told: Told) -> None:
    row = told.of(model).last()
    row.pk, row._state.adding = None, True
    row.save()


def _missed(told: Told) -> None:
    told.visit("D7", state="not_done", occurred_on=None, not_done_reason="at home")


def _vasopressor(told: Told) -> None:
    told.looked(told.now - DAY, hypotension=False, vasopressors=["norepinephrine"], vasopressin=False)


def _born(told: Told) -> None:
    person = Participant.objects.get(pk=told.participant.pk)
    person.birth_date = told.today - 5 * DAY
    person.save()
    told.of(Examination).exclude(panel="CBC").update(taken_at=told.now - DAY)
    told.of(Examination).filter(panel="CBC").update(taken_at=told.now - 7 * DAY)
    told.of(AdverseEvent).update(onset=f"{told.today}", resolved="")


CASES: dict[str, Callable[[Told], Any]] = {
    "died_without_fatal_event": lambda told: told.dies(is_told=False),
    "fatal_event_without_death": lambda told: told.fatal(told.event),
    "grade_5_without_death": lambda told: told.graded(told.now - DAY, 5),
    "days_of_death_differ": _dies_with(
        lambda told, day: told.of(AdverseEvent).filter(grade=5).update(resolved=f"{day - DAY}")
    ),
    "several_fatal_events": _two_fatal,
    "event_goes_on_after_death": _dies_with(lambda told, day: told.another_event(outcome="recovering")),
    "event_after_death": _dies_with(lambda told, day: told.another_event(onset=f"{day + DAY}")),
    "visit_after_death": _dies_with(lambda told, day: told.visit("D7", occurred_on=day + DAY)),
    "medication_goes_on_after_death": _dies_with(lambda told, day: told.drug(is_ongoing=True)),
    "infusion_after_death": _after(Infusion, "infused_at"),
    "dose_after_death": _after(LymphodepletionDose, "given_at"),
    "leukapheresis_after_death": _leukapheresis_after_death,
    "medication_after_death": _after(Medication, "started_at"),
    "sample_after_death": _after(Examination, "taken_at"),
    "bedside_after_death": _bedside_after_death,
    "contact_without_death": lambda told: _contacted(told, vital="dead"),
    "alive_after_death": _dies_with(lambda told, day: _contacted(told, vital="alive", last_alive_on=f"{day + DAY}")),
    "relapse_without_status": lambda told: _assessed(told, blood_blasts="present"),
    "infusion_before_consent": _consent_late,
    "dose_before_consent": _consent_late,
    "leukapheresis_before_consent": lambda told: _leukapheresis(told, told.now - 60 * DAY),
    "procedure_before_consent": lambda told: told.make(Examination, panel="ECG", taken_at=told.now - 60 * DAY),
    "visit_before_consent": lambda told: told.visit("D1", occurred_on=told.today - 60 * DAY),
    "event_before_consent": lambda told: told.change(onset=f"{told.today - 60 * DAY}"),
    "enrolled_before_consent": _consent_late,
    "withdrawal_without_status": lambda told: _withdrawn(told, "visits", told.now),
    "visit_after_leaving": _left,
    "data_after_withdrawal": lambda told: _withdrawn(told, "everything", told.now - 4 * DAY),
    "before_birth": _born,
    "event_ends_before_start": lambda told: told.change(resolved=f"{told.today - 9 * DAY}"),
    "event_known_before_onset": lambda told: told.change(site_aware_at=told.now - 9 * DAY),
    "recovered_without_end": lambda told: told.change(outcome="recovered"),
    "ended_without_recovery": lambda told: told.change(resolved=f"{told.today}"),
    "life_threatening_but_mild": lambda told: told.change(is_life_threatening=True),
    "event_twice": lambda told: told.another_event(term=told.event.term.upper()),
    "reaction_denied": _denied,
    "relatedness_missing": lambda told: _open(told, days=8),
    "interruption_missing": _stop,
    "criterion_without_day": lambda told: told.change(requires_hospitalisation=True),
    "grade_differs_from_course": _another_course,
    "drug_against_later_event": _against_later,
    "grade_without_episode": lambda told: told.graded(told.now - 9 * DAY, 1),
    "episode_without_event": _no_event,
    "episode_grade_differs": lambda told: told.change(grade=3),
    "event_without_assessment": _event_alone,
    "toxicity_before_infusion": lambda told: told.of(ToxicityEpisode).update(onset_at=told.now - 11 * DAY),
    "vasopressor_without_hypotension": _vasopressor,
    "drug_without_toxicity": _no_toxicity,
    "drug_before_event": lambda told: told.drug(started_at=told.now - 9 * DAY),
    "alert_unanswered": _alert,
    "infusion_without_lymphodepletion": lambda told: _void(LymphodepletionDose, told),
    "dose_after_infusion": lambda told: told.of(LymphodepletionDose).filter(number=3).update(given_at=told.now),
    "infusion_before_enrolment": lambda told: told.of(Infusion).update(
        infused_at=told.now - 40 * DAY, ended_at=told.now - 40 * DAY
    ),
    "infusion_without_status": lambda told: Participant.objects.filter(pk=told.participant.pk).update(
        status="lymphodepleted"
    ),
    "status_without_infusion": lambda told: _void(Infusion, told),
    "infusion_before_release": _product_late,
    "reaction_without_event": lambda told: told.of(Infusion).update(has_reaction=True),
    "medication_twice": lambda told: _again(Medication, told),
    "visit_outside_window": lambda told: told.visit("D7", occurred_on=told.today),
    "visit_missed_without_deviation": _missed,
    "missed_visit_with_facts": _missed,
    "visits_out_of_order": lambda told: told.visit("D1", occurred_on=told.today),
    "examination_twice": lambda told: _again(Examination, told),
}

# Partial dates and answers at the edge: nothing that these say is certain, so nothing is found.
SILENT: dict[str, Callable[[Told], Any]] = {
    "the month of death": _dies_with(lambda told, day: told.another_event(onset=f"{day:%Y-%m}")),
    "the day of death": _dies_with(lambda told, day: told.another_event(onset=f"{day}")),
    "a visit on the day of death": _dies_with(lambda told, day: told.visit("D7", occurred_on=day)),
    "an end in the month of the onset": lambda told: told.change(resolved=told.event.onset[:7], outcome="recovered"),
    "an end in the year of the onset": lambda told: told.change(resolved=told.event.onset[:4], outcome="recovered"),
    "the same again, after the first had ended": _one_after_the_other,
    "an alert of this morning": lambda told: _alert(told, hours=23),
    "a visit outside its window, with its deviation": _late_with_deviation,
    "vasopressors were asked for, and none runs": lambda told: told.looked(
        told.now - DAY, hypotension=False, vasopressors=[], vasopressin=False
    ),
    "hypotension was not asked": lambda told: told.looked(told.now - DAY, vasopressors=["dopamine"]),
    "a serious event that is six days known": lambda told: _open(told, days=6),
    "an interruption that is there": _stopped,
}


def open_codes(told: Told) -> dict[str, int]:
    found: dict[str, int] = {}
    for code in DataFinding.objects.open().filter(participant=told.participant).values_list("code", flat=True):
        found[code] = found.get(code, 0) + 1
    return found
