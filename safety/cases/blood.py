"""How tables of worked cases of IEC-HS and ICAHT map to their rules."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from safety.choices import IEC_HS_NAMES
from safety.models.blood import IcahtPhase, IecHsSeverity
from safety.rules import icaht, iec_hs
from safety.rules.grading import Graded, ImpossibleFinding
from safety.rules.icaht import Anc
from safety.rules.iec_hs import IecHsFindings, Screen, Severity
from trialsite.casetables import (
    DESCRIPTIVE,
    CaseTable,
    Column,
    Kind,
    UnusableValue,
    Word,
    choice,
    column,
    decimal,
    integer,
    key_of,
    mark,
    one_of,
    yes_no,
)

NOTED = (*DESCRIPTIVE, "note")
NOT_MEASURED = frozenset({"", "na", "n_a", "nan", "nd", "none", "null", "missing", "not_done"})
# The words of the rule, and others for the same in which tables and the publication put it.
SEVERITY = (
    Word(
        "observe",
        Severity.OBSERVE,
        IecHsSeverity.OBSERVE.label,
        (
            "observation",
            "observation_only",
            "mild",
            "mild_observe",
            "mild_observation",
            "mild_observation_only",
            "asymptomatic",
            "asymptomatic_mild",
            "asymptomatic_or_mild",
            "asymptomatic_or_mild_observation",
            "observe_no_intervention",
            "mild_asymptomatic",
            "no_intervention",
            "intervention_not_indicated",
            "intervention_not_needed",
            "without_intervention",
            "mild_no_intervention",
            "mild_intervention_not_indicated",
        ),
    ),
    Word(
        "intervention",
        Severity.INTERVENTION,
        IecHsSeverity.INTERVENTION.label,
        (
            "intervention_indicated",
            "intervention_needed",
            "moderate",
            "moderate_intervention",
            "moderate_intervention_indicated",
            "mild_moderate_intervention",
            "mild_to_moderate_intervention",
            "mild_or_moderate_intervention",
            "mild_intervention",
            "treatment",
        ),
    ),
    Word(
        "severe",
        Severity.SEVERE,
        IecHsSeverity.SEVERE.label,
        (
            "severe_not_immediately_life_threatening",
            "severe_not_life_threatening",
            "severe_hospitalization",
            "severe_hospitalisation",
            "hospitalization",
            "hospitalisation",
            "not_immediately_life_threatening",
            "not_life_threatening",
        ),
    ),
    Word(
        "life_threatening",
        Severity.LIFE_THREATENING,
        IecHsSeverity.LIFE_THREATENING.label,
        (
            "life_threatening_urgent",
            "life_threatening_urgent_intervention",
            "life_threatening_consequences",
            "immediately_life_threatening",
            "urgent",
            "urgent_intervention",
        ),
    ),
    Word(
        "death",
        Severity.DEATH,
        IecHsSeverity.DEATH.label,
        ("fatal", "died", "death_due_to_iec_hs", "death_due_to_iechs"),
    ),
)
CHOSEN = one_of(SEVERITY)
PHASE = (Word("early", "early", IcahtPhase.EARLY.label), Word("late", "late", IcahtPhase.LATE.label))


def severity(text: str) -> Severity | None:
    """The chosen severity in the words of the rule or of the publication; empty and none: not chosen."""
    return None if key_of(text) in NOT_MEASURED else CHOSEN(text)


def recorded(text: str) -> bool | None:
    """Y or N; empty, NA and unknown: nobody recorded it."""
    return None if key_of(text) in NOT_MEASURED | {"unknown", "u", "not_recorded"} else yes_no(text)


def _recorded(label: Any, example: str = "N") -> Column:
    return Column(label, recorded, Kind.YES_NO, example, may_be_empty=True)


def counts(text: str) -> tuple[Decimal | None, ...]:
    """One count a day from Day 0 on; NA or nothing between two commas: not measured."""
    cells = [cell.strip() for cell in re.split(r"[,;|]", text)]
    return tuple(None if key_of(cell) in NOT_MEASURED else decimal(cell) for cell in cells)


def graded_or_none(text: str) -> int | None:
    return None if key_of(text) in NOT_MEASURED | {"not_gradable"} else integer(text)


# --- IEC-HS --------------------------------------------------------------------------------------

IEC_HS_FINDINGS = {
    "ferritin_rapidly_rising": "ferritin_rising",
    "onset_with_resolving_crs_or_worsening_after_initial_improvement": "onset_with_resolving_crs",
    "transaminases_gt_5x": "transaminases_high",
    "fibrinogen_lt_150mg_dl_or_lln": "fibrinogen_low",
    "new_or_worsening_cytopenia": "cytopenia",
    "hemophagocytosis": "haemophagocytosis",
}
SCREENED = {Screen.POSITIVE: True, Screen.NEGATIVE: False, Screen.OPEN: None}


def screen_iec_hs(inputs: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    found = {name: inputs[column] for column, name in IEC_HS_FINDINGS.items()}
    try:
        high = iec_hs.ratio_is_high(inputs["ferritin_x_uln_or_baseline"])
    except ImpossibleFinding as error:
        raise UnusableValue("ferritin_x_uln_or_baseline", str(error)) from None
    findings = IecHsFindings(ferritin_high=high, severity=inputs["severity_choice"], **found)
    graded = iec_hs.grade(findings)
    computed = {"screen_positive": SCREENED[iec_hs.screen(findings)], "grade": graded.grade}
    return computed, _sentence(graded, iec_hs.REASON_TEXT, iec_hs.FLAG_TEXT)


# --- ICAHT ---------------------------------------------------------------------------------------

ICAHT_INPUTS: dict[str, Column] = {
    "phase": choice(_("early or late ICAHT"), PHASE),
    "max_run_anc_le_500_days": column(
        _("longest run of days with neutrophils of 500/µL or less"), integer, "10", unit=_("days"), optional=True
    ),
    "max_run_anc_le_100_days": column(
        _("longest run of days with neutrophils of 100/µL or less"), integer, "3", unit=_("days"), optional=True
    ),
    "never_recovered": _recorded(_("neutrophils never recovered")),
    "anc_lowest": column(_("lowest neutrophil count"), decimal, unit="/µL", optional=True),
    "anc_second_lowest": column(_("second lowest neutrophil count"), decimal, unit="/µL", optional=True),
}
EARLY_INPUTS = {
    "days_500": "max_run_anc_le_500_days",
    "days_100": "max_run_anc_le_100_days",
    "never_recovered": "never_recovered",
}
LATE_INPUTS = {"lowest": "anc_lowest", "second": "anc_second_lowest"}


def grade_icaht(inputs: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    is_early = inputs["phase"] == "early"
    own, other = (EARLY_INPUTS, LATE_INPUTS) if is_early else (LATE_INPUTS, EARLY_INPUTS)
    for name in other.values():
        if inputs[name] not in (None, False):
            raise UnusableValue(name, mark("a value of the other time; the phase is %(phase)s"), phase=inputs["phase"])
    given = {name: inputs[column] for name, column in own.items()}
    try:
        graded = icaht.grade_runs(**given) if is_early else icaht.grade_lowest(**given)
    except ImpossibleFinding as error:
        raise UnusableValue(own[error.name], str(error)) from None
    return {"grade": graded.grade}, _sentence(graded, icaht.REASON_TEXT, icaht.FLAG_TEXT)


def run_lengths(inputs: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    try:
        values = [Anc(day, count) for day, count in enumerate(inputs["daily_anc_from_day0"]) if count is not None]
    except ImpossibleFinding as error:
        raise UnusableValue("daily_anc_from_day0", str(error)) from None
    days = [day for day in icaht.filled(values) if day.day in icaht.EARLY_DAYS]
    severe = icaht.longest(icaht.runs(days, icaht.SEVERE_PER_UL))
    profound = icaht.longest(icaht.runs(days, icaht.PROFOUND_PER_UL))
    computed = {"max_run_le_500": severe.days if severe else 0, "max_run_le_100": profound.days if profound else 0}
    said = [f"≤500/µL: {_days(severe)}.", f"≤100/µL: {_days(profound)}."]
    return computed, " ".join(said)


def _days(run: icaht.Run | None) -> str:
    if run is None:
        return gettext("no day")
    return gettext("Day %(first)s to Day %(last)s") % {"first": run.first_day, "last": run.last_day}


def _sentence(graded: Graded, texts: Mapping[str, str], flags: Mapping[str, str]) -> str:
    said = [gettext(texts[reason.code]).format(**reason.values) for reason in graded.reasons]
    return " ".join([*said, *(f"[{flag}] {gettext(flags[flag])}" for flag in graded.flags)])


GRADE = _("grade; empty: not gradable")
CASES: dict[str, CaseTable] = {
    "iec_hs": CaseTable(
        inputs={
            "ferritin_x_uln_or_baseline": column(
                _("ferritin as a multiple of the upper limit or of the baseline"),
                decimal,
                "50",
                unit="×",
                optional=True,
            ),
            **{name: _recorded(IEC_HS_NAMES[finding], "Y") for name, finding in IEC_HS_FINDINGS.items()},
            "severity_choice": Column(
                _("severity, as the investigator chose it"),
                severity,
                Kind.WORD,
                "mild_moderate_intervention",
                words=SEVERITY,
                may_be_empty=True,
            ),
        },
        expected={
            "screen_positive": _recorded(_("screen positive; empty: cannot be decided"), "Y"),
            "grade": Column(GRADE, graded_or_none, Kind.GRADE, "2", may_be_empty=True),
        },
        evaluate=screen_iec_hs,
        descriptive=NOTED,
        ordinary=dict.fromkeys(IEC_HS_FINDINGS, False),
    ),
    "icaht": CaseTable(
        inputs=ICAHT_INPUTS,
        expected={"grade": Column(GRADE, graded_or_none, Kind.GRADE, "2", may_be_empty=True)},
        evaluate=grade_icaht,
        descriptive=NOTED,
        ordinary={"never_recovered": False},
        examples=(
            {},
            {
                **dict.fromkeys(("max_run_anc_le_500_days", "max_run_anc_le_100_days", "never_recovered"), ""),
                "phase": "late",
                "anc_lowest": "900",
                "anc_second_lowest": "1000",
                "expected_grade": "2",
            },
        ),
    ),
    "icaht_run": CaseTable(
        inputs={
            "daily_anc_from_day0": Column(
                _("neutrophil count of each day from Day 0 on"), counts, Kind.SERIES, "600,400,NA,600", "/µL"
            )
        },
        expected={
            "max_run_le_500": column(
                _("longest run of days with neutrophils of 500/µL or less"), integer, "2", unit=_("days")
            ),
            "max_run_le_100": column(
                _("longest run of days with neutrophils of 100/µL or less"), integer, "0", unit=_("days")
            ),
        },
        evaluate=run_lengths,
        descriptive=NOTED,
    ),
}
