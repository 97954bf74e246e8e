"""The trail of every record is written for people: words in the reader's language, no structures of the program."""

import datetime as dt
import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib import admin
from django.utils import timezone, translation

from demo.build import build
from dosing.models import DosingHold, IdentityStop, Infusion, InfusionInterruption, ReadinessRuling
from participants.actions import record_procedure
from participants.criteria import items
from participants.models import (
    ConsentWithdrawal,
    DiseaseAssessment,
    EligibilityRuling,
    Participant,
    ProtocolDeviation,
    Reconsent,
    SubsequentTherapy,
    SurvivalContact,
    VisitProcedure,
)
from participants.rules.eligibility import name_of
from participants.trails import event_models
from safety.actions import blood
from safety.actions.contradictions import close_finding
from safety.models import (
    AdverseEvent,
    DataFinding,
    Discharge,
    GuidanceText,
    IcahtAssessment,
    IcahtPhase,
    IecHsAssessment,
    OnCallShift,
)
from safety.rules.iec_hs import IecHsFindings
from sponsor.snapshots import actions
from trialsite import audit
from trialsite.models import AccessReview, Record, User
from trialsite.study import get_study

# Rights, loaded texts and layouts are on pages of their own.
TRACKED = [
    one.pgh_tracked_model
    for one in event_models()
    if issubclass(one.pgh_tracked_model, Record) or one.pgh_tracked_model in admin.site._registry
]
# A structure of Python, a value of its own, a code such as `visit:17`, a name out of the program.
NOT_FOR_PEOPLE = re.compile(
    r"\{['\"]|\[['\"\d{]|datetime\.|Decimal\(|\b(None|True|False|null|true|false)\b|\b[a-z_]+:\d+\b|\b[a-z]+_[a-z_]+\b"
)
CHINESE = re.compile(r"[\u4e00-\u9fff]")
# The same in every language.
SIGNS = {"Message-ID", "SHA-256", "ECOG"}
MOST = 60
HOUR = dt.timedelta(hours=1)


def _changes(model: Any) -> Iterator[audit.Change]:
    """Everything that the trails of some rows of this kind say: those with the longest history, and the newest."""
    events: Any = model.events.rel.related_model
    rows = events.objects.order_by("-pgh_id").values_list("pgh_obj_id", flat=True)
    keys = list(dict.fromkeys([*rows.filter(pgh_label="update")[:MOST], *rows[:MOST]]))
    page: Any = admin.site._registry.get(model)
    reader = SimpleNamespace(user=User.objects.get(username="investigator"))
    hidden = page.hidden_fields(reader) if hasattr(page, "hidden_fields") else ()
    for row in model._base_manager.in_bulk(keys).values():
        for entry in audit.trail(row, hidden=hidden):
            yield from entry.changes


def _faults(model: Any, language: str) -> Iterator[str]:
    with translation.override(language):
        for change in _changes(model):
            place = f"{model._meta.label} {language} {change.field}"
            if language != "en" and not CHINESE.search(change.field) and change.field not in SIGNS:
                yield f"{place}: not translated"
            found = [NOT_FOR_PEOPLE.search(text) for text in (change.old, change.new)]
            yield from (f"{place}: {one.group()} in {one.string[:80]}" for one in found if one)


def _what_the_demo_lacks(now: dt.datetime) -> None:
    """A row of each kind that the small demo study has none of."""
    by = User.objects.get(username="investigator")
    infusion = Infusion.objects.select_related("participant__site").earliest("pk")
    one, site = infusion.participant, infusion.participant.site
    made: dict[str, Any] = {"created_by": by, "created_at": now}
    item = next(item for item in items(get_study().latest) if item.checks)
    OnCallShift.objects.create(site=site, person=by, starts_at=now, ends_at=now + HOUR, **made)
    GuidanceText.objects.create(
        site=site, toxicity="CRS", grade=1, text_zh="观察", text_en="watch", source="SOP", version="1", **made
    )
    ReadinessRuling.objects.create(participant=one, line="identity", basis="0" * 64, reason="ok", **made)
    IdentityStop.objects.create(participant=one, place="identity", wrong="person", entered_by=by, **made)
    EligibilityRuling.objects.create(
        participant=one,
        check_name=name_of(item.code, item.checks[0]),
        kind="judgement",
        is_met=True,
        reason="ok",
        basis="0" * 64,
        **made,
    )
    Discharge.objects.create(participant=one, discharged_at=now, **made)
    day = f"{timezone.localdate(now)}"
    looked = {"blood_blasts": "absent", "extramedullary": "absent", "transfusion": "no", "mrd": "not_done"}
    DiseaseAssessment.objects.create(participant=one, assessed_on=day, marrow="not_done", **looked, **made)
    SubsequentTherapy.objects.create(participant=one, started_on=day, kind="other", name="x", reason="other", **made)
    SurvivalContact.objects.create(participant=one, contacted_on=day, means="phone", vital="no_answer", **made)
    Reconsent.objects.create(
        participant=one, cause="majority", version="1.0", opens_on=now.date(), due_on=now.date(), **made
    )
    DosingHold.objects.create(participant=one, reason="fever", **made)
    record_procedure(
        row=VisitProcedure(
            participant=one, visit_code="D28", code="MARROW", state="not_done", not_done_reason="refused"
        ),
        by=by,
        now=now,
    )
    for number, about in enumerate((f"visit:{one.visits.earliest('pk').pk}", "hand:0123", f"consent:{one.pk}")):
        ProtocolDeviation.objects.create(
            participant=one, kind="visit_window", about=about, description=f"late {number}", reason="snow", **made
        )
    InfusionInterruption.objects.create(infusion=infusion, stopped_at=infusion.infused_at, reason="rash", **made)
    ConsentWithdrawal.objects.create(
        participant=one, withdrawn_at=now, scope="treatment", may_keep_samples=True, may_contact=False, **made
    )
    AccessReview.objects.create(site=site, reviewed_at=now, reviewed_by=by, seen={"site": site.code, "people": []})
    event = {"row_model": "safety.adverseevent", "row_id": AdverseEvent.objects.earliest("pk").pk}
    facts = {"onset": "2026-03", "outcome": "recovered", "site_aware_at": now.isoformat(), "has_reaction": False}
    found = DataFinding.objects.create(participant=one, code="event_twice", **event, facts=facts, found_at=now, **made)
    close_finding(finding=found, reason="another one", by=by, now=now)
    _blood(infusion.participant, by, now)
    manager = User.objects.get(username="datamanager")
    actions.cancel(row=actions.ask(by=manager, now=now, with_free_text=True), by=manager, now=now)


def _blood(one: Participant, by: User, now: dt.datetime) -> None:
    graded, summary = blood.icaht_of(blood.course_of(one, now=now), IcahtPhase.EARLY)
    icaht = IcahtAssessment(participant=one, phase=IcahtPhase.EARLY)
    blood.record_icaht(assessment=icaht, seen=blood.fingerprint(graded, summary), by=by, now=now)
    found = IecHsFindings(ferritin_high=True, ferritin_rising=None, cytopenia=False)
    blood.assess_iec_hs(assessment=IecHsAssessment(participant=one, assessed_at=now), findings=found, by=by, now=now)


@pytest.mark.django_db
def test_every_trail_is_written_in_words() -> None:
    with translation.override("zh-hans"):
        for _participant in build(now=timezone.now(), is_small=True):
            pass
        _what_the_demo_lacks(timezone.now())
    assert [model for model in TRACKED if not model._base_manager.exists()] == []
    faults = {one for model in TRACKED for language in ("en", "zh-hans") for one in _faults(model, language)}
    assert sorted(faults) == []
