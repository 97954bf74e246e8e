"""CRS grade by the ASTCT consensus grading of 2019.

Source: Lee DW et al., Biol Blood Marrow Transplant 2019;25:625-638, Table 2, doi 10.1016/j.bbmt.2018.12.758
(read in the tables that quote it). The grade is the worse of two axes, hypotension and hypoxia, once there
is fever of 38.0 °C or more that nothing else explains. In somebody who has CRS already and got antipyretic
or anticytokine therapy, fever is no longer required. There is no limit of blood pressure, saturation or
vasopressor dose: what is required counts. Organ toxicities are graded by CTCAE and change nothing here.

Policy, where the text is silent [P]: vasopressin alone counts as one vasopressor, flagged; a vasopressor is
hypotension even where the box says no; established CRS that is afebrile without therapy but still hypotensive
or hypoxic stays graded, flagged; fever that was never seen because of earlier therapy gives grade 0, flagged;
a nasal cannula without its flow cannot be graded, unless the other axis decides; a high-flow device is high
flow whatever its flow; support that has another reason than CRS (as before, airway protection, a procedure)
does not count; before the infusion there is no CRS; a missing temperature is flagged where it would decide; a
question about pressure or oxygen that nobody answered is no "no": unless the other answers reach the most that it could
mean, there is no grade. A cause or a reason that nobody named is CRS.

Unverified [M], recalled and not read in the source: airway protection or a procedure without hypoxia is not
grade 4; an onset after day 14 is graded, but flagged for another cause; CRS ends when fever, hypotension and
hypoxia are all gone.
"""

import datetime as dt
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from safety.rules.grading import Graded, Reason, check_range, mark

FEVER_C = Decimal("38.0")
LOW_FLOW_L_MIN = Decimal(6)
USUAL_ONSET_DAYS = 14


class OxygenDevice(StrEnum):
    NONE = "none"
    NASAL_CANNULA = "nasal_cannula"
    BLOW_BY = "blow_by"
    HFNC = "hfnc"
    SIMPLE_FACEMASK = "simple_facemask"
    NONREBREATHER = "nonrebreather"
    VENTURI = "venturi"
    CPAP = "cpap"
    BIPAP = "bipap"
    INVASIVE_VENTILATION = "invasive_ventilation"


class OxygenReason(StrEnum):
    CRS_HYPOXIA = "crs_hypoxia"
    BASELINE_CHRONIC = "baseline_chronic"
    AIRWAY_PROTECTION = "airway_protection"
    PROCEDURE = "procedure"
    OTHER = "other"


class CrsDeath(StrEnum):
    NONE = "none"
    CRS = "crs"
    OTHER = "other"


DEVICE_GRADE = {
    OxygenDevice.NONE: 0,
    OxygenDevice.BLOW_BY: 2,
    OxygenDevice.HFNC: 3,
    OxygenDevice.SIMPLE_FACEMASK: 3,
    OxygenDevice.NONREBREATHER: 3,
    OxygenDevice.VENTURI: 3,
    OxygenDevice.CPAP: 4,
    OxygenDevice.BIPAP: 4,
    OxygenDevice.INVASIVE_VENTILATION: 4,
}
# What a nasal cannula can mean, whatever its flow.
CANNULA = {"at_least": 2, "at_most": 3}
HIGHEST_OF_AN_AXIS = 4

REASON_TEXT = {
    "before-infusion": mark("Day {day}: before the infusion there is no CRS."),
    "death": mark("Death due to CRS: grade 5."),
    "fever": mark("Fever of {temperature} °C (38.0 °C or more), not explained otherwise: grade 1 at least."),
    "no-fever": mark("{temperature} °C is below 38.0 °C, and CRS was not established before: grade 0."),
    "fever-explained": mark(
        "Fever of {temperature} °C is explained by another cause, and CRS was not established: grade 0."
    ),
    "fever-not-due": mark(
        "No temperature is recorded, but any fever has another cause, and CRS was not established: grade 0."
    ),
    "established-since": mark("CRS has been established since {since}."),
    "fever-masked": mark("Fever may be masked by therapy, and the study grades by the axes all the same."),
    "afebrile-ended": mark("No fever, and no therapy that would explain it: as the study decided, grade 0."),
    "fever-not-needed": mark(
        "CRS is established and antipyretic or anticytokine therapy was given: fever is no longer required."
    ),
    "afebrile-kept": mark("CRS is established and has not resolved: it stays graded without fever."),
    "resolved": mark("No fever due to CRS, no hypotension and no hypoxia due to CRS: grade 0."),
    "temperature-missing": mark("Without a temperature it cannot be decided whether there is CRS: not gradable."),
    "hypotension-fluids": mark("Hypotension that needs no vasopressor: grade 2."),
    "hypotension-one": mark("One vasopressor, with or without vasopressin: grade 3."),
    "hypotension-vasopressin": mark("Vasopressin without another vasopressor, as the study decided: grade {grade}."),
    "hypotension-many": mark("Two or more vasopressors ({count}), vasopressin not counted: grade 4."),
    "hypotension-explained": mark("The hypotension has another cause: it does not count."),
    "hypoxia-low-flow": mark("Nasal cannula at {flow} L/min is low flow (at most 6 L/min): grade 2."),
    "hypoxia-high-flow": mark("Nasal cannula at {flow} L/min is high flow (more than 6 L/min): grade 3."),
    "hypoxia-blow_by": mark("Blow-by oxygen counts as low flow: grade 2."),
    "hypoxia-hfnc": mark("High-flow nasal cannula: grade 3."),
    "hypoxia-simple_facemask": mark("Face mask, whatever the flow: grade 3."),
    "hypoxia-nonrebreather": mark("Non-rebreather mask, whatever the flow: grade 3."),
    "hypoxia-venturi": mark("Venturi mask, whatever the flow: grade 3."),
    "hypoxia-cpap": mark("CPAP is positive pressure: grade 4."),
    "hypoxia-bipap": mark("BiPAP is positive pressure: grade 4."),
    "hypoxia-invasive_ventilation": mark("Intubation and ventilation is positive pressure: grade 4."),
    "hypoxia-explained": mark("The oxygen support has another reason than hypoxia due to CRS: it does not count."),
    "hypotension-not-asked": mark("Nobody has said yet whether there is hypotension: not gradable."),
    "vasopressors-not-asked": mark(
        "Hypotension, grade 2 at least; nobody has said whether a vasopressor is running: not gradable."
    ),
    "hypoxia-not-asked": mark("Nobody has said yet whether oxygen is given: not gradable."),
    "flow-missing": mark("Nasal cannula without its flow: low and high flow cannot be told apart."),
}
# Set beside the rule, by whoever computes a grade anew on the same findings.
GRADED_ANEW = "GRADED_ANEW"
FLAG_TEXT = {
    "MISSING_TEMPERATURE": mark("Measure the temperature and assess again."),
    "INCOMPLETE_O2_FLOW": mark("Record the oxygen flow in L/min and assess again."),
    "NOT_ASKED": mark("Look, answer what is open and assess again."),
    "VASOPRESSIN_ALONE": mark("Vasopressin without another vasopressor: the scale is silent, an investigator reviews."),
    "AFEBRILE_NO_THERAPY": mark("No fever and no therapy that would explain it: an investigator reviews."),
    "FEVER_MASKED_BY_PRIOR_THERAPY": mark(
        "Hypotension or hypoxia without fever after antipyretics, steroids or anticytokines: fever may be masked."
    ),
    GRADED_ANEW: mark("Graded anew: an earlier assessment, or the infusion, was added, corrected or voided."),
    "LATE_ONSET_GT14D": mark("New onset more than 14 days after the infusion: look for another cause."),
}


@dataclass(frozen=True)
class CrsPolicy:
    """What the study chose where the text is silent [P]; the defaults are those of the first study."""

    vasopressin_alone_grade: int = 3
    # Established, no fever, no therapy that would explain it, an axis still there: go on grading, or grade 0.
    keeps_afebrile_without_therapy: bool = True
    # Never febrile on therapy, with an axis: grade by the axes, or grade 0. Flagged either way.
    grades_masked_fever: bool = False
    usual_onset_days: int = USUAL_ONSET_DAYS


FIRST_STUDY = CrsPolicy()


@dataclass(frozen=True)
class CrsFindings:
    """What was found at one moment; None means not recorded.

    Temperature in °C, flow in L/min, days since Day 0; vasopressors without vasopressin.
    """

    days_since_infusion: int
    temperature_c: Decimal | None
    fever_attributable: bool | None = True
    crs_established: bool = False
    # Where it is known: with the clock of the site, as the sentence tells it.
    crs_established_since: dt.datetime | None = None
    antipyretic_or_anticytokine_given: bool | None = False
    hypotension: bool | None = False
    hypotension_attributable: bool | None = True
    vasopressors: int | None = 0
    vasopressin: bool | None = False
    oxygen_device: OxygenDevice | None = OxygenDevice.NONE
    oxygen_flow_l_min: Decimal | None = None
    oxygen_reason: OxygenReason | None = OxygenReason.CRS_HYPOXIA
    death: CrsDeath | None = CrsDeath.NONE

    def __post_init__(self) -> None:
        check_range("temperature_c", self.temperature_c, 25, 45)
        check_range("vasopressors", self.vasopressors, 0, 10)
        check_range("oxygen_flow_l_min", self.oxygen_flow_l_min, 0, 100)


@dataclass(frozen=True)
class Axis:
    """One axis of the table: its grade, None when it cannot be told, and why."""

    name: str
    grade: int | None
    reasons: tuple[Reason, ...] = ()
    flags: tuple[str, ...] = ()
    # Where the grade cannot be told: what it is at least, and what it could be.
    at_least: int = 0
    at_most: int = HIGHEST_OF_AN_AXIS


def grade(findings: CrsFindings, policy: CrsPolicy = FIRST_STUDY) -> Graded:
    """The CRS grade of these findings, 0 to 5; None when they do not suffice.

    >>> grade(CrsFindings(days_since_infusion=3, temperature_c=Decimal("38.0"))).grade
    1
    """
    if findings.death is CrsDeath.CRS:
        return Graded(5, ("death",), (), (Reason("death"),))
    if findings.days_since_infusion < 0:
        return _nothing(Reason("before-infusion", {"day": str(findings.days_since_infusion)}))
    axes = (hypotension_axis(findings, policy), hypoxia_axis(findings))
    if not findings.crs_established:
        return _new_onset(findings, axes, policy)
    return _since(findings, _established(findings, axes, policy))


def _since(findings: CrsFindings, graded: Graded) -> Graded:
    """What was established is told with its beginning: one good hour between does not end it."""
    if findings.crs_established_since is None:
        return graded
    since = Reason("established-since", {"since": f"{findings.crs_established_since:%Y-%m-%d %H:%M}"})
    return replace(graded, reasons=(since, *graded.reasons))


def hypotension_axis(findings: CrsFindings, policy: CrsPolicy = FIRST_STUDY) -> Axis:
    """Table 2, row hypotension. A vasopressor is the requirement itself, whatever the pressure under it."""
    name = "hypotension"
    if not (findings.hypotension or findings.vasopressors or findings.vasopressin):
        return _not_asked(name) if findings.hypotension is None else Axis(name, 0)
    if findings.hypotension_attributable is False:
        return Axis(name, 0, (Reason("hypotension-explained"),))
    if (findings.vasopressors or 0) >= 2:
        return Axis(name, 4, (Reason("hypotension-many", {"count": str(findings.vasopressors)}),))
    if findings.vasopressors == 1:
        return Axis(name, 3, (Reason("hypotension-one"),))
    if findings.vasopressin:
        reason = Reason("hypotension-vasopressin", {"grade": str(policy.vasopressin_alone_grade)})
        return Axis(name, policy.vasopressin_alone_grade, (reason,), ("VASOPRESSIN_ALONE",))
    if findings.vasopressors is None:
        return Axis(name, None, (Reason("vasopressors-not-asked"),), ("NOT_ASKED",), at_least=2)
    return Axis(name, 2, (Reason("hypotension-fluids"),))


def _not_asked(name: str) -> Axis:
    return Axis(name, None, (Reason(f"{name}-not-asked"),), ("NOT_ASKED",))


def hypoxia_axis(findings: CrsFindings) -> Axis:
    """Table 2, row hypoxia. Only a nasal cannula depends on the flow."""
    name = "hypoxia"
    if findings.oxygen_device is None:
        return _not_asked(name)
    if findings.oxygen_device is OxygenDevice.NONE:
        return Axis(name, 0)
    if findings.oxygen_reason not in (None, OxygenReason.CRS_HYPOXIA):
        return Axis(name, 0, (Reason("hypoxia-explained"),))
    if findings.oxygen_device is OxygenDevice.NASAL_CANNULA:
        return _cannula(findings.oxygen_flow_l_min)
    return Axis(name, DEVICE_GRADE[findings.oxygen_device], (Reason(f"hypoxia-{findings.oxygen_device}"),))


def _cannula(flow: Decimal | None) -> Axis:
    if flow is None:
        return Axis("hypoxia", None, (Reason("flow-missing"),), ("INCOMPLETE_O2_FLOW",), **CANNULA)
    if flow <= LOW_FLOW_L_MIN:
        return Axis("hypoxia", 2, (Reason("hypoxia-low-flow", {"flow": str(flow)}),))
    return Axis("hypoxia", 3, (Reason("hypoxia-high-flow", {"flow": str(flow)}),))


def _has_fever(findings: CrsFindings) -> bool:
    return findings.temperature_c is not None and findings.temperature_c >= FEVER_C


def _may_have_fever(findings: CrsFindings) -> bool:
    """Nobody measured, and fever would count."""
    return findings.temperature_c is None and findings.fever_attributable is not False


def _temperature(findings: CrsFindings) -> dict[str, str]:
    return {"temperature": str(findings.temperature_c)}


def _new_onset(findings: CrsFindings, axes: tuple[Axis, Axis], policy: CrsPolicy) -> Graded:
    """Without CRS before, everything hangs on fever that nothing else explains."""
    if _may_have_fever(findings):
        return _without_temperature()
    if not (_has_fever(findings) and findings.fever_attributable is not False):
        return _no_crs(findings, axes, policy)
    late = ("LATE_ONSET_GT14D",) if findings.days_since_infusion > policy.usual_onset_days else ()
    return _worst(1, axes, (Reason("fever", _temperature(findings)),), late)


def _no_crs(findings: CrsFindings, axes: tuple[Axis, Axis], policy: CrsPolicy) -> Graded:
    if findings.temperature_c is None:
        return _nothing(Reason("fever-not-due"))
    if _has_fever(findings):
        return _nothing(Reason("fever-explained", _temperature(findings)))
    is_masked = findings.antipyretic_or_anticytokine_given and any(axis.grade or axis.at_least for axis in axes)
    flags = ("FEVER_MASKED_BY_PRIOR_THERAPY",) if is_masked else ()
    if is_masked and policy.grades_masked_fever:
        return _worst(0, axes, (Reason("fever-masked"),), flags)
    return Graded(0, (), flags, (Reason("no-fever", _temperature(findings)),))


def _established(findings: CrsFindings, axes: tuple[Axis, Axis], policy: CrsPolicy) -> Graded:
    """With CRS before, fever gives grade 1 at least, and the axes count with or without it."""
    if _has_fever(findings) and findings.fever_attributable is not False:
        return _worst(1, axes, (Reason("fever", _temperature(findings)),), ())
    if all(axis.grade == 0 for axis in axes):
        if _may_have_fever(findings):
            return _without_temperature()
        return _nothing(*(reason for axis in axes for reason in axis.reasons), Reason("resolved"))
    if findings.antipyretic_or_anticytokine_given:
        return _worst(0, axes, (Reason("fever-not-needed"),), ())
    flags = _untreated_flags(findings)
    if "AFEBRILE_NO_THERAPY" in flags and not policy.keeps_afebrile_without_therapy:
        return Graded(0, (), flags, (Reason("afebrile-ended"),))
    return _worst(0, axes, (Reason("afebrile-kept"),), flags)


def _untreated_flags(findings: CrsFindings) -> tuple[str, ...]:
    """Hypotension or hypoxia goes on without therapy: only the temperature tells whether that is odd."""
    if findings.temperature_c is None:
        return ("MISSING_TEMPERATURE",)
    return () if _has_fever(findings) else ("AFEBRILE_NO_THERAPY",)


def _worst(floor: int, axes: tuple[Axis, Axis], reasons: tuple[Reason, ...], flags: tuple[str, ...]) -> Graded:
    """The worse of the two axes, never below the floor that fever gives."""
    known = max(floor, *(axis.grade or 0 for axis in axes))
    why = (*reasons, *(reason for axis in axes for reason in axis.reasons))
    all_flags = (*(flag for axis in axes for flag in axis.flags), *flags)
    if any(axis.grade is None and known < axis.at_most for axis in axes):
        return Graded(None, (), all_flags, why)
    reached = tuple(axis.name for axis in axes if axis.grade == known and known > 0)
    return Graded(known, reached or (("fever",) if known else ()), all_flags, why)


def _nothing(*reasons: Reason) -> Graded:
    return Graded(0, (), (), reasons)


def _without_temperature() -> Graded:
    return Graded(None, (), ("MISSING_TEMPERATURE",), (Reason("temperature-missing"),))
