"""How tables of worked cases of IEC-HS and ICAHT map to their rules."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext

from safety.rules import icaht, iec_hs
from safety.rules.grading import Graded, ImpossibleFinding
from safety.rules.icaht import Anc
from safety.rules.iec_hs import IecHsFindings, Screen, Severity
from trialsite.casetables import (
    DESCRIPTIVE,
    CaseTable,
    Parser,
    UnusableValue,
    bounded,
    decimal,
    integer,
    key_of,
    optional,
    word,
    yes_no,
)

NOTED = (*DESCRIPTIVE, "note")
NOT_MEASURED = frozenset({"", "na", "n_a", "nan", "nd", "none", "null", "missing", "not_done"})
# The first that is found in a word decides: "severe_not_immediately_life_threatening" is severe.
SAID: tuple[tuple[str, Severity], ...] = (
    ("death", Severity.DEATH),
    ("fatal", Severity.DEATH),
    ("died", Severity.DEATH),
    ("not_immediately", Severity.SEVERE),
    ("not_life", Severity.SEVERE),
    ("life", Severity.LIFE_THREATENING),
    ("urgent", Severity.LIFE_THREATENING),
    ("severe", Severity.SEVERE),
    ("hospital", Severity.SEVERE),
    ("no_intervention", Severity.OBSERVE),
    ("not_indicated", Severity.OBSERVE),
    ("not_needed", Severity.OBSERVE),
    ("without_intervention", Severity.OBSERVE),
    ("interven", Severity.INTERVENTION),
    ("treat", Severity.INTERVENTION),
    ("moderate", Severity.INTERVENTION),
    ("observ", Severity.OBSERVE),
    ("asymptomatic", Severity.OBSERVE),
    ("mild", Severity.OBSERVE),
)


def severity(text: str) -> Severity | None:
    """The chosen severity in the words of the rule or of the publication; empty and none: not chosen."""
    key = key_of(text)
    if key in NOT_MEASURED:
        return None
    for piece, chosen in SAID:
        if piece in key:
            return chosen
    raise ValueError(f"one of: {', '.join(Severity)}")


def recorded(text: str) -> bool | None:
    """Y or N; empty, NA and unknown: nobody recorded it."""
    return None if key_of(text) in NOT_MEASURED | {"unknown", "u", "not_recorded"} else yes_no(text)


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
    sign, ratio = inputs["ferritin_x_uln_or_baseline"] or ("", None)
    try:
        high = iec_hs.ratio_is_high(ratio, sign)
    except ImpossibleFinding as error:
        raise UnusableValue("ferritin_x_uln_or_baseline", str(error)) from None
    findings = IecHsFindings(ferritin_high=high, severity=inputs["severity_choice"], **found)
    graded = iec_hs.grade(findings)
    computed = {"screen_positive": SCREENED[iec_hs.screen(findings)], "grade": graded.grade}
    return computed, _sentence(graded, iec_hs.REASON_TEXT, iec_hs.FLAG_TEXT)


# --- ICAHT ---------------------------------------------------------------------------------------

ICAHT_INPUTS: dict[str, Parser] = {
    "phase": word({"early": "early", "late": "late"}),
    "max_run_anc_le_500_days": optional(integer),
    "max_run_anc_le_100_days": optional(integer),
    "never_recovered": recorded,
    "anc_lowest": optional(decimal),
    "anc_second_lowest": optional(decimal),
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
    for column in other.values():
        if inputs[column] not in (None, False):
            raise UnusableValue(column, f"a value of the other time; the phase is {inputs['phase']}")
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


CASES: dict[str, CaseTable] = {
    "iec_hs": CaseTable(
        inputs={
            "ferritin_x_uln_or_baseline": optional(bounded),
            **dict.fromkeys(IEC_HS_FINDINGS, recorded),
            "severity_choice": severity,
        },
        expected={"screen_positive": recorded, "grade": graded_or_none},
        evaluate=screen_iec_hs,
        descriptive=NOTED,
        ordinary=dict.fromkeys(IEC_HS_FINDINGS, False),
    ),
    "icaht": CaseTable(
        inputs=ICAHT_INPUTS,
        expected={"grade": graded_or_none},
        evaluate=grade_icaht,
        descriptive=NOTED,
        ordinary={"never_recovered": False},
    ),
    "icaht_run": CaseTable(
        inputs={"daily_anc_from_day0": counts},
        expected={"max_run_le_500": integer, "max_run_le_100": integer},
        evaluate=run_lengths,
        descriptive=NOTED,
    ),
}
