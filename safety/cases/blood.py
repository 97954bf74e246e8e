"""How tables of worked cases of IEC-HS and ICAHT map to their rules."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from safety.choices import IEC_HS_NAMES
from safety.models.blood import IcahtPhase, IecHsSeverity
from safety.rules import icaht, icaht_published, iec_hs
from safety.rules.grading import Graded, ImpossibleFinding
from safety.rules.icaht import Anc, Observed
from safety.rules.iec_hs import IecHsFindings, Screen, Severity
from trialsite.casetables import (
    DESCRIPTIVE,
    CaseTable,
    Column,
    Kind,
    UnusableValue,
    Word,
    Wrong,
    bounded,
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


@dataclass(frozen=True)
class Count:
    """A count as the laboratory printed it: a number, or a bound such as <500."""

    value: Decimal
    comparator: str = ""


SIGNS = {"≤": "<=", "≥": ">=", "＜": "<", "＞": ">", "≦": "<=", "≧": ">=", "=<": "<=", "=>": ">="}
COUNT = re.compile(r"(<=|>=|<|>|)\s*(.*)", re.DOTALL)


def count(text: str) -> Count:
    """A number per microlitre, or its bound: <500, ≤500, >1000, >=1000.

    >>> count("≤ 500")
    Count(value=Decimal('500'), comparator='<=')
    """
    for sign, plain in SIGNS.items():
        text = text.replace(sign, plain)
    found = COUNT.fullmatch(text.strip())
    assert found is not None, "the pattern takes any text"
    try:
        return Count(decimal(found[2]), found[1])
    except ValueError:
        raise Wrong(mark("write a number, such as 430, or a bound, such as <500")) from None


def counts(text: str) -> tuple[Count | None, ...]:
    """One count a day from Day 0 on; NA or nothing between two commas: not measured."""
    cells = [cell.strip() for cell in re.split(r"[,;|]", text)]
    return tuple(None if key_of(cell) in NOT_MEASURED else count(cell) for cell in cells)


def counts_by_day(text: str) -> tuple[tuple[int, Count], ...]:
    """Days and counts, several a day possible: "0:2070 3:<500 3:430"."""
    found = []
    for cell in re.split(r"[,;|\s]+", text.strip()):
        day, colon, value = cell.partition(":")
        if not colon:
            raise Wrong(mark("write day:count, such as 3:430 or 3:<500, with a space between two"))
        found.append((integer(day), count(value)))
    return tuple(found)


def graded_or_none(text: str) -> int | None:
    return None if key_of(text) in NOT_MEASURED | {"not_gradable"} else integer(text)


RANGE = re.compile(r"(\d+)\s*[-–~]\s*(\d+)", re.ASCII)


def one_or_range(text: str) -> int | str | None:
    """A whole number, or the two between which it lies: 3 or 3-4. Empty, NA and "not gradable": none.

    >>> one_or_range("3"), one_or_range("3 – 4")
    (3, '3-4')
    """
    found = RANGE.fullmatch(text.strip())
    if found is None:
        return graded_or_none(text)
    return _range(int(found[1]), int(found[2]))


def _range(least: int | None, most: int | None) -> int | str | None:
    return least if least is None or least == most else f"{least}-{most}"


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

ICAHT_INPUTS: dict[str, Column] = {
    "phase": choice(_("early or late ICAHT"), PHASE),
    "max_run_anc_le_500_days": column(
        _("longest run of days with neutrophils of 500/µL or less"), integer, "10", unit=_("days"), optional=True
    ),
    "max_run_anc_le_100_days": column(
        _("longest run of days with neutrophils of 100/µL or less"), integer, "3", unit=_("days"), optional=True
    ),
    "never_recovered": _recorded(_("neutrophils never recovered")),
    "anc_lowest": column(_("lowest neutrophil count"), count, kind=Kind.BOUND, unit="/µL", optional=True),
    "anc_second_lowest": column(_("second lowest neutrophil count"), count, kind=Kind.BOUND, unit="/µL", optional=True),
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
        if is_early:
            graded = icaht.grade_runs(**given)
            return {"grade": graded.grade}, _said(graded)
        return _grade_late(given["lowest"], given["second"])
    except ImpossibleFinding as error:
        raise UnusableValue(own.get(error.name, "anc_lowest"), str(error)) from None


def _grade_late(lowest: Count | None, second: Count | None) -> tuple[dict[str, Any], str]:
    """Of two numbers by the table; where one of them is a bound, of both its ends."""
    given = [one for one in (lowest, second) if one is not None]
    if lowest is None or not any(one.comparator for one in given):
        graded = icaht.grade_lowest(lowest.value if lowest else None, second.value if second else None)
        return {"grade": graded.grade}, _said(graded)
    days = [_anc(icaht.LATE_DAYS.start + number, one) for number, one in enumerate(given)]
    found = icaht.grade_late(days, OBSERVED)
    return {"grade": _range(found.at_least, found.at_most)}, _said(found.graded)


# The whole time was watched, and is over.
OBSERVED = Observed(icaht.LATE_DAYS.stop, is_over=True)


def _anc(day: int, given: Count) -> Anc:
    return Anc(day, given.value, comparator=given.comparator)


def run_lengths(inputs: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """The longest runs; with bounds, from what they leave no doubt of to what they allow."""
    given = enumerate(inputs["daily_anc_from_day0"])
    values = _ancs(((day, one) for day, one in given if one is not None), "daily_anc_from_day0")
    severe, profound = (_runs(values, threshold) for threshold in (icaht.SEVERE_PER_UL, icaht.PROFOUND_PER_UL))
    computed = {"max_run_le_500": _lengths(severe), "max_run_le_100": _lengths(profound)}
    said = [f"≤500/µL: {_days(severe[0])}.", f"≤100/µL: {_days(profound[0])}."]
    return computed, " ".join(said)


def _ancs(given: Iterable[tuple[int, Count]], column: str) -> list[Anc]:
    try:
        return [_anc(day, one) for day, one in given]
    except ImpossibleFinding as error:
        raise UnusableValue(column, str(error)) from None


def _runs(values: list[Anc], threshold: Decimal) -> tuple[icaht.Run | None, icaht.Run | None]:
    """The longest run of the mildest reading and of the worst."""
    readings = (icaht.filled(each) for each in (icaht.highest(values), icaht.lowest(values)))
    mild, worst = ([day for day in days if day.day in icaht.EARLY_DAYS] for days in readings)
    return icaht.longest(icaht.runs(mild, threshold)), icaht.longest(icaht.runs(worst, threshold))


def _lengths(found: Iterable[icaht.Run | None]) -> int | str | None:
    least, most = (run.days if run else 0 for run in found)
    return _range(least, most)


# --- a participant's counts, by our rule and by the published method ---------------------------------

COURSE_ENDS = ("progressed_on_day", "next_therapy_on_day")


def grade_course(inputs: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """Both times of one participant: our grade or what it lies between, and that of the published method."""
    values = _ancs(inputs["day_anc_per_ul"], "day_anc_per_ul")
    followed = inputs["last_followed_on_day"]
    ends = [followed, *(inputs.get(name) for name in COURSE_ENDS)]
    early, late = _until([followed]), _until(ends)
    own, published, later = (
        icaht.grade_early(values, early),
        icaht_published.grade_published(values, early),
        icaht.grade_late(values, late),
    )
    computed = {
        "early_grade": _range(own.at_least, own.at_most),
        "late_grade": _range(later.at_least, later.at_most),
        "published_early_grade": _range(published.at_least, published.at_most),
        "published_max_run_le_500": published.longest_500.days if published.longest_500 else 0,
        "published_max_run_le_100": published.longest_100.days if published.longest_100 else 0,
    }
    said = [
        _said(own.graded),
        gettext("Published method, linear interpolation between counts:"),
        _sentence(published.graded, icaht.REASON_TEXT, icaht_published.FLAG_TEXT),
        _said(later.graded),
    ]
    return computed, " ".join(said)


def _until(ends: Iterable[int | None]) -> Observed:
    """To the first of these days, at most to the end of the late time; nothing comes after it."""
    return Observed(min([OBSERVED.last_day, *(end for end in ends if end is not None)]), is_over=True)


def _days(run: icaht.Run | None) -> str:
    if run is None:
        return gettext("no day")
    return gettext("Day %(first)s to Day %(last)s") % {"first": run.first_day, "last": run.last_day}


def _said(graded: Graded) -> str:
    return _sentence(graded, icaht.REASON_TEXT, icaht.FLAG_TEXT)


def _sentence(graded: Graded, texts: Mapping[str, str], flags: Mapping[str, str]) -> str:
    said = [gettext(texts[reason.code]).format(**reason.values) for reason in graded.reasons]
    return " ".join([*said, *(f"[{flag}] {gettext(flags[flag])}" for flag in graded.flags)])


GRADE = _("grade; empty: not gradable")
CASES: dict[str, CaseTable] = {
    "iec_hs": CaseTable(
        inputs={
            "ferritin_x_uln_or_baseline": column(
                _("ferritin as a multiple of the upper limit or of the baseline"),
                bounded,
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
        expected={"grade": Column(GRADE, one_or_range, Kind.GRADE_RANGE, "2", may_be_empty=True)},
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
                _("longest run of days with neutrophils of 500/µL or less"),
                one_or_range,
                "2",
                kind=Kind.GRADE_RANGE,
                unit=_("days"),
            ),
            "max_run_le_100": column(
                _("longest run of days with neutrophils of 100/µL or less"),
                one_or_range,
                "0",
                kind=Kind.GRADE_RANGE,
                unit=_("days"),
            ),
        },
        evaluate=run_lengths,
        descriptive=NOTED,
    ),
    "icaht_course": CaseTable(
        inputs={
            "day_anc_per_ul": Column(
                _("neutrophil counts by trial day, several a day possible"),
                counts_by_day,
                Kind.DAY_SERIES,
                "0:2070 7:430 14:<500 21:800 28:1500",
                "/µL",
            ),
            "last_followed_on_day": column(_("last day of follow-up"), integer, "100", optional=True),
        },
        expected={
            "early_grade": Column(_("early ICAHT by our rule"), one_or_range, Kind.GRADE_RANGE, "2"),
            "late_grade": Column(_("late ICAHT"), one_or_range, Kind.GRADE_RANGE, "", may_be_empty=True),
            "published_early_grade": Column(
                _("early ICAHT by the published method"), one_or_range, Kind.GRADE_RANGE, "2"
            ),
            "published_max_run_le_500": column(
                _("longest run of 500/µL or less by the published method"), integer, "8", unit=_("days")
            ),
            "published_max_run_le_100": column(
                _("longest run of 100/µL or less by the published method"), integer, "0", unit=_("days")
            ),
        },
        evaluate=grade_course,
        descriptive=NOTED,
        optional={
            "progressed_on_day": column(_("day of progression"), integer, optional=True),
            "next_therapy_on_day": column(_("day of the next therapy"), integer, optional=True),
        },
    ),
}
