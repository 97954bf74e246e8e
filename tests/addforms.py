"""Every page on which a record is added, filled as a person fills it: for tests that go over all of them."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.contrib import admin
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone

from participants.models import Participant
from tests import factories
from tests.forms import forms_of
from tests.safety.test_bedside import typed as bedside_typed
from tests.safety.test_blood import iec_hs_form
from tests.safety.test_pages import CRS, ICANS
from trialsite.models import User
from trialsite.recordadmin import RecordAdmin
from trialsite.shown import SEEN

HOUR = dt.timedelta(hours=1)


@dataclass(frozen=True)
class Filled:
    """Where it is sent and what; `at` names the field of its day or moment, `also` those of an hour later."""

    address: str
    data: dict[str, Any]
    at: str = ""
    is_day: bool = False
    form: str = "adminform"
    also: tuple[str, ...] = field(default=())

    def on(self, moment: dt.datetime) -> "Filled":
        """The same, of another moment."""
        data = dict(self.data)
        data |= {self.at: f"{timezone.localtime(moment):%Y-%m-%d}"} if self.is_day else when(self.at, moment)
        for name in self.also:
            data |= when(name, moment + HOUR)
        return Filled(self.address, data, self.at, self.is_day, self.form, self.also)


def when(name: str, moment: dt.datetime) -> dict[str, str]:
    local = timezone.localtime(moment)
    return {f"{name}_0": f"{local:%Y-%m-%d}", f"{name}_1": f"{local:%H:%M:%S}"}


def add(label: str, query: str = "") -> str:
    return reverse(f"admin:{label.replace('.', '_').lower()}_add") + query


def pages() -> set[str]:
    """The labels of all records that somebody may add on a page."""
    request = RequestFactory().get("/")
    request.user = User(is_superuser=True, is_active=True)
    own = [page for page in admin.site._registry.values() if isinstance(page, RecordAdmin)]
    return {page.model._meta.label for page in own if page.has_add_permission(request)}


Fill = Callable[[Participant, dt.datetime, User], Filled]


def send(client: Client, filled: Filled, **more: str) -> Any:
    """As typed; where the form first shows what it changes of the visits, once more."""
    response = client.post(filled.address, {**filled.data, **more})
    if seen := next((one.data[SEEN] for one in _shown(response) if SEEN in one.data), ""):
        return client.post(filled.address, {**filled.data, **more, SEEN: seen})
    return response


def _shown(response: Any) -> list[Any]:
    return forms_of(response) if response.status_code == 200 else []


def of(participant: Participant, **more: Any) -> dict[str, Any]:
    return {"participant": str(participant.pk), **more}


def _person(participant: Participant, now: dt.datetime, by: User) -> Filled:
    facts = {"name": "李雷", "sex": "M", "birth_date": "1988-02-03", "hospital_number": "H 1", "phone": ""}
    facts["screened_on"] = f"{timezone.localtime(now):%Y-%m-%d}"
    return Filled(add("participants.Participant"), {**facts, "site": participant.site_id})


def _consent(participant: Participant, now: dt.datetime, by: User) -> Filled:
    data = of(participant, version="1.0", **when("consented_at", now - HOUR))
    return Filled(add("participants.Consent"), data, "consented_at")


def _withdrawal(participant: Participant, now: dt.datetime, by: User) -> Filled:
    # Visits go on as they are: nothing is shown before.
    data = of(participant, scope="treatment", may_contact="on", **when("withdrawn_at", now - HOUR))
    return Filled(add("participants.ConsentWithdrawal"), data, "withdrawn_at")


def _examination(participant: Participant, now: dt.datetime, by: User) -> Filled:
    data = {"number": participant.number, "HGB-value": "118", "HGB-unit": "g/L", **when("taken_at", now - HOUR)}
    return Filled(add("participants.Examination", "?panel=CBC"), data, "taken_at", form="form")


def _medication(participant: Participant, now: dt.datetime, by: User) -> Filled:
    what = {"kind": "antipyretic", "name": "对乙酰氨基酚", "dose": "500", "dose_unit": "mg", "route": "po"}
    data = of(participant, **what, indication="fever", **when("started_at", now - HOUR))
    return Filled(add("dosing.Medication"), data, "started_at")


def _leukapheresis(participant: Participant, now: dt.datetime, by: User) -> Filled:
    data = of(participant, **when("started_at", now - 2 * HOUR), **when("ended_at", now - HOUR))
    return Filled(add("dosing.Leukapheresis"), data, "started_at", also=("ended_at",))


def _product(participant: Participant, now: dt.datetime, by: User) -> Filled:
    data = of(participant, chain_of_identity="COI-A", lot="", **when("ordered_at", now - HOUR))
    return Filled(add("dosing.CellProduct"), data, "ordered_at")


def _fitness(participant: Participant, now: dt.datetime, by: User) -> Filled:
    answers = dict.fromkeys(("is_on_oxygen", "has_uncontrolled_infection", "needs_vasopressors"), "False")
    data = of(participant, before="infusion", tocilizumab_doses="2", **answers, **when("checked_at", now - HOUR))
    return Filled(add("dosing.FitnessCheck"), data, "checked_at")


def _hold(participant: Participant, now: dt.datetime, by: User) -> Filled:
    return Filled(add("dosing.DosingHold"), of(participant, reason="fever"))


def _infusion(participant: Participant, now: dt.datetime, by: User) -> Filled:
    bag = factories.thawed(participant, at=now - HOUR)
    factories.checked(participant, before="infusion", at=now - HOUR)
    for person in factories.people(participant.site, 2):
        factories.signed_by(person, participant, bag, at=now - HOUR)
    data = of(
        participant,
        product_lot=bag.lot,
        volume_given_ml="10",
        occasion="second",
        occasion_reason="relapse",
        deviation_reason="relapse",
        **when("infused_at", now - HOUR),
        **when("ended_at", now - HOUR),
        **{"interruptions-TOTAL_FORMS": "0", "interruptions-INITIAL_FORMS": "0"},
    )
    return Filled(add("dosing.Infusion"), data, "infused_at", also=("ended_at",))


def _event(participant: Participant, now: dt.datetime, by: User) -> Filled:
    data = of(
        participant,
        term="fever",
        onset=f"{timezone.localtime(now):%Y-%m-%d}",
        grade="1",
        ctcae_code="10016558",
        outcome="recovering",
        is_serious_said="no",
        **when("site_aware_at", now),
    )
    return Filled(add("safety.AdverseEvent"), data, "onset", is_day=True)


def _crs(participant: Participant, now: dt.datetime, by: User) -> Filled:
    return Filled(add("safety.CrsAssessment"), of(participant, **CRS, **when("assessed_at", now)), "assessed_at")


def _icans(participant: Participant, now: dt.datetime, by: User) -> Filled:
    return Filled(add("safety.IcansAssessment"), of(participant, **ICANS, **when("assessed_at", now)), "assessed_at")


def _bedside(participant: Participant, now: dt.datetime, by: User) -> Filled:
    address = add("safety.BedsideAssessment", f"?participant={participant.pk}")
    return Filled(address, bedside_typed(participant, now), "assessed_at", form="form")


def _iec_hs(participant: Participant, now: dt.datetime, by: User) -> Filled:
    address = reverse("admin:safety_blood", args=[participant.pk])
    return Filled(address, {**iec_hs_form(), **when("assessed_at", now)}, "assessed_at", form="form")


def _deviation(participant: Participant, now: dt.datetime, by: User) -> Filled:
    day = f"{timezone.localtime(now):%Y-%m-%d}"
    data = of(participant, kind="sample", occurred_on=day, description="tube broken", reason="fell")
    return Filled(add("participants.ProtocolDeviation"), data, "occurred_on", is_day=True)


def _assessment(participant: Participant, now: dt.datetime, by: User) -> Filled:
    looked = {"marrow": "done", "marrow_blasts": "1", "blood_blasts": "absent", "extramedullary": "absent"}
    day = f"{timezone.localtime(now):%Y-%m-%d}"
    data = of(participant, assessed_on=day, transfusion="no", mrd="not_done", **looked)
    return Filled(add("participants.DiseaseAssessment"), data, "assessed_on", is_day=True)


def _later_therapy(participant: Participant, now: dt.datetime, by: User) -> Filled:
    data = of(participant, kind="dli", reason="mrd", started_on=f"{timezone.localtime(now):%Y-%m-%d}")
    return Filled(add("participants.SubsequentTherapy"), data, "started_on", is_day=True)


def _contact(participant: Participant, now: dt.datetime, by: User) -> Filled:
    data = of(participant, contacted_on=f"{timezone.localtime(now):%Y-%m-%d}", means="phone", vital="no_answer")
    return Filled(add("participants.SurvivalContact"), data, "contacted_on", is_day=True)


def _discharge(participant: Participant, now: dt.datetime, by: User) -> Filled:
    data = of(participant, **when("discharged_at", now - 2 * HOUR), **when("readmitted_at", now - HOUR))
    return Filled(add("safety.Discharge"), data, "discharged_at", also=("readmitted_at",))


def _shift(participant: Participant, now: dt.datetime, by: User) -> Filled:
    span = {**when("starts_at", now), **when("ends_at", now + 8 * HOUR)}
    return Filled(add("safety.OnCallShift"), {"site": participant.site_id, "person": by.pk, **span})


def _guidance(participant: Participant, now: dt.datetime, by: User) -> Filled:
    texts = {"text_zh": "退热", "text_en": "Cool", "source": "SOP", "version": "3"}
    return Filled(add("safety.GuidanceText"), {"site": participant.site_id, "toxicity": "CRS", "grade": "1", **texts})


def _reference(participant: Participant, now: dt.datetime, by: User) -> Filled:
    texts = {"version": "2.0", "effective_on": f"{timezone.localtime(now):%Y-%m-%d}", "source": "IB", "expected": "CRS"}
    return Filled(add("safety.ReferenceSafety"), {"site": participant.site_id, **texts})


FILL: dict[str, Fill] = {
    "participants.Participant": _person,
    "participants.Consent": _consent,
    "participants.ConsentWithdrawal": _withdrawal,
    "participants.Examination": _examination,
    "participants.ProtocolDeviation": _deviation,
    "participants.DiseaseAssessment": _assessment,
    "participants.SubsequentTherapy": _later_therapy,
    "participants.SurvivalContact": _contact,
    "dosing.Medication": _medication,
    "dosing.Leukapheresis": _leukapheresis,
    "dosing.CellProduct": _product,
    "dosing.FitnessCheck": _fitness,
    "dosing.DosingHold": _hold,
    "dosing.Infusion": _infusion,
    "safety.AdverseEvent": _event,
    "safety.CrsAssessment": _crs,
    "safety.IcansAssessment": _icans,
    "safety.BedsideAssessment": _bedside,
    "safety.IecHsAssessment": _iec_hs,
    "safety.Discharge": _discharge,
    "safety.OnCallShift": _shift,
    "safety.GuidanceText": _guidance,
    "safety.ReferenceSafety": _reference,
}
