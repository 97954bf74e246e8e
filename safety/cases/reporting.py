"""How tables of worked cases of the reporting clocks map to their rule; limits are those of the regime in force."""

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _

from safety.actions.clocks import clocks_of
from safety.models.events import SERIOUSNESS, AdverseEvent, Relatedness
from safety.rules import reporting
from safety.rules.reporting import SHANGHAI, Clock, Facts, View
from trialsite.casetables import (
    DESCRIPTIVE,
    CaseTable,
    Column,
    Kind,
    UnusableValue,
    Word,
    Wrong,
    choice,
    column,
    mark,
    several,
    yes_no,
)
from trialsite.study import get_study

# The words of the tables, and the columns that hold the same.
CRITERIA = {
    "results_in_death": ("death", "fatal"),
    "is_life_threatening": ("life_threatening",),
    "requires_hospitalisation": ("hospitalization", "hospitalisation", "prolonged_hospitalization"),
    "results_in_disability": ("disability", "incapacity"),
    "is_congenital_anomaly": ("congenital_anomaly", "birth_defect"),
    "is_other_important": ("important_medical_event", "medically_important", "other"),
}
THREATENING = frozenset({"results_in_death", "is_life_threatening"})
RELATIONS = [Word(one.value, one.value, one.label) for one in Relatedness]


def _criteria() -> list[Word]:
    names = {name: AdverseEvent._meta.get_field(name).verbose_name for name in SERIOUSNESS}  # type: ignore[union-attr]
    return [Word(first, name, names[name], tuple(also)) for name, (first, *also) in CRITERIA.items()]


def moment(text: str) -> dt.datetime:
    """With its zone; without one it is a time in Shanghai."""
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:\d{2})?", text, re.ASCII):
        raise Wrong(mark("write a date and a time: 2026-03-10T09:00:00+08:00"))
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        raise Wrong(mark("there is no such day")) from None
    return found if found.tzinfo else found.replace(tzinfo=SHANGHAI)


def day(text: str) -> dt.date:
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII):
        raise Wrong(mark("write a date: YYYY-MM-DD"))
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise Wrong(mark("there is no such day")) from None


def _clocks() -> tuple[Clock, ...]:
    return clocks_of(get_study().latest)


# --- First reports -----------------------------------------------------------------------------------


def facts_of(case: Mapping[str, Any]) -> Facts:
    """An event of which all was known from the beginning."""
    if case["investigator_aware_at"] is None and case["sponsor_aware_at"] is None:
        raise UnusableValue("investigator_aware_at", mark("somebody must be aware: give one of the two moments"))
    aware = case["investigator_aware_at"] or case["sponsor_aware_at"]
    is_serious = bool(case["seriousness_criteria"])
    is_threatening = case["fatal_or_life_threatening"] or bool(THREATENING & case["seriousness_criteria"])
    return Facts(
        site_aware_at=aware,
        sponsor_aware_at=case["sponsor_aware_at"],
        minimum_at=case["min_criteria_met_at"],
        serious_at=aware if is_serious else None,
        threatening_at=aware if is_serious and is_threatening else None,
        views=(View("car_t", case["related_investigator"] or "", case["related_sponsor"] or ""),),
        is_expected=case["expected_per_rsi"],
    )


def first_reports(case: Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
    """What is owed at once, and the last day for the complete report."""
    facts, clocks = facts_of(case), _clocks()
    owed = reporting.duties(facts, clocks)
    why = reporting.suspected(facts)
    cde = [duty for duty in owed if duty.recipient == "cde"]
    site = [duty.due_at for duty in owed if duty.clock == "site_to_sponsor"]
    computed = {
        "is_sae": facts.serious_at is not None,
        "site_report_due": min(site, default=None),
        "is_susar": bool(why),
        "day0": reporting.day_of(reporting.day0_at(facts)) if why else None,
        "initial_report_due_date": _last_day(cde, reporting.Kind.INITIAL),
        "followup_due_date": _last_day(cde, reporting.Kind.COMPLETION),
    }
    return computed, ", ".join(why or (reporting.why_not(facts),))


def _last_day(owed: list[reporting.Duty], kind: reporting.Kind) -> dt.date | None:
    days = [reporting.day_of(duty.due_at) for duty in owed if duty.kind is kind]
    return min(days, default=None)


# --- What follows ------------------------------------------------------------------------------------

# The clock by which each of these is due, from the day in the table.
FOLLOWS = {
    "upgrade_to_fatal": "susar_fatal",
    "upgrade_to_serious": "susar_other",
    "followup": "new_information",
    "complete_report_target": "susar_fatal_completion",
    "complete_report_latest": "susar_fatal_completion_limit",
    "dsur": "dsur",
}
WHAT = [
    Word(
        "upgrade_to_fatal",
        "upgrade_to_fatal",
        _("it became fatal or life-threatening"),
        ("upgrade_to_life_threatening",),
    ),
    Word("upgrade_to_serious", "upgrade_to_serious", _("it became serious"), ("upgrade", "upgrade_to_susar")),
    Word(
        "followup",
        "followup",
        _("something became known later"),
        ("follow_up", "new_information", "downgrade", "nullification"),
    ),
    Word(
        "complete_report_target",
        "complete_report_target",
        _("the first report was sent"),
        ("complete_report", "completion"),
    ),
    Word(
        "complete_report_latest", "complete_report_latest", _("Day 0 of the first report"), ("complete_report_limit",)
    ),
    Word("dsur", "dsur", _("a full year since the approval of the trial"), ("yearly",)),
]


def follows(case: Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
    code = FOLLOWS[case["event"]]
    found = next((clock for clock in _clocks() if clock.code == code), None)
    if found is None:
        raise UnusableValue("event", mark("the regime in force has no clock for this: %(clock)s"), clock=code)
    since = dt.datetime.combine(case["date"], dt.time(12), SHANGHAI)
    return {"due": reporting.day_of(reporting.due_at(found, since))}, f"{found.code}: {found.limit} {found.unit}"


AWARE = "2026-03-10T09:00:00+08:00"
CASES = {
    "sae_clock": CaseTable(
        inputs={
            "investigator_aware_at": column(_("site aware at"), moment, AWARE, kind=Kind.MOMENT, optional=True),
            "sponsor_aware_at": column(_("sponsor aware at"), moment, AWARE, kind=Kind.MOMENT, optional=True),
            "seriousness_criteria": several(_("what makes it serious"), _criteria(), "hospitalization"),
            "fatal_or_life_threatening": column(_("fatal or life-threatening"), yes_no),
            "related_investigator": choice(_("investigator's view; empty: open"), RELATIONS, optional=True),
            "related_sponsor": choice(_("sponsor's view; empty: open"), RELATIONS, optional=True),
            "expected_per_rsi": column(
                _("expected by the reference; empty: not judged yet"), yes_no, "N", optional=True
            ),
            "min_criteria_met_at": column(
                _("when the four minimum criteria were known, if later"), moment, kind=Kind.MOMENT, optional=True
            ),
        },
        expected={
            "is_sae": column(_("serious"), yes_no, "Y"),
            "site_report_due": column(
                _("report of the site to the sponsor"),
                moment,
                "2026-03-11T09:00:00+08:00",
                kind=Kind.MOMENT,
                optional=True,
            ),
            "is_susar": column(_("suspected unexpected serious reaction"), yes_no, "Y"),
            "day0": column(_("Day 0"), day, "2026-03-10", kind=Kind.DAY, optional=True),
            "initial_report_due_date": column(
                _("first report to the authority"), day, "2026-03-25", kind=Kind.DAY, optional=True
            ),
            "followup_due_date": column(_("latest day for the complete report"), day, kind=Kind.DAY, optional=True),
        },
        evaluate=first_reports,
        descriptive=(*DESCRIPTIVE, "note"),
    ),
    "sae_followup": CaseTable(
        inputs={
            "event": choice(_("what happened"), WHAT),
            "date": column(_("on which day"), day, "2026-03-16", kind=Kind.DAY),
        },
        expected={"due": Column(_("last day of the report"), day, Kind.DAY, "2026-03-23")},
        evaluate=follows,
        descriptive=(*DESCRIPTIVE, "note"),
    ),
}
