"""Lymphodepletion before the cells: body surface area, doses, timing and the kidney.

Sources: registry record NCT07072494 ("lymphodepleting pre-treatment will begin one week before", FC regimen, no
doses); doses as in NCT03919240, NCT06179524 and NCT07441291 [P] in the study file. Body surface area: Mosteller,
N Engl J Med 1987;317:1098 [M]; Du Bois and Du Bois, Arch Intern Med 1916;17:863 [M]; the formulas agree within
2.5 %, so the one that was used is stored. Creatinine clearance: Cockcroft and Gault, Nephron 1976;16:31 [M].
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class BsaFormula(StrEnum):
    MOSTELLER = "mosteller"
    DU_BOIS = "du_bois"


def bsa_m2(height_cm: Decimal, weight_kg: Decimal, formula: BsaFormula = BsaFormula.MOSTELLER) -> Decimal:
    """Body surface area in m², unrounded: round for reading only. Raises ValueError unless both are above 0.

    >>> round(bsa_m2(Decimal(160), Decimal(50)), 4)
    Decimal('1.4907')
    """
    if height_cm <= 0 or weight_kg <= 0:
        raise ValueError("Height and weight are above 0.")
    if formula is BsaFormula.MOSTELLER:
        return (height_cm * weight_kg / 3600).sqrt()
    return Decimal("0.007184") * weight_kg ** Decimal("0.425") * height_cm ** Decimal("0.725")


def planned_mg(mg_m2: Decimal, bsa: Decimal) -> Decimal:
    """The dose in mg from the unrounded body surface area."""
    return mg_m2 * bsa


class DoseCheck(StrEnum):
    TYPICAL = "TYPICAL"
    ATYPICAL = "ATYPICAL"


@dataclass(frozen=True)
class AcceptedRange:
    """Of a drug, in mg/m² a day; both limits belong to it."""

    low_mg_m2: Decimal
    high_mg_m2: Decimal


def check_dose(mg_m2: Decimal, accepted: AcceptedRange) -> DoseCheck:
    """Outside the range is a warning, or a deviation, as the study file says: the record names no doses [P]."""
    return DoseCheck.TYPICAL if accepted.low_mg_m2 <= mg_m2 <= accepted.high_mg_m2 else DoseCheck.ATYPICAL


@dataclass(frozen=True)
class DrugPlan:
    """What the study file says of a drug: the accepted mg/m² a day, and how many days of it are accepted."""

    accepted: AcceptedRange
    accepted_doses: tuple[int, ...]


@dataclass(frozen=True)
class Given:
    """A dose that was given: the mg/m² that were planned for this body, and those that went in."""

    drug: str
    on: dt.date
    mg_m2: Decimal
    planned_mg_m2: Decimal


def atypical(given: Iterable[Given], plans: Mapping[str, DrugPlan]) -> list[tuple[Given, Decimal, Decimal]]:
    """The doses outside the accepted range, each with its limits: an overdose, or too little.

    A level that was chosen for the kidney is not too little by itself, nor what rounding to vials adds too much.
    """
    found = []
    for dose in given:
        if dose.drug in plans and needs_reason(dose.planned_mg_m2, dose.mg_m2):
            accepted = plans[dose.drug].accepted
            accepted = AcceptedRange(min(accepted.low_mg_m2, dose.planned_mg_m2), accepted.high_mg_m2)
            if check_dose(dose.mg_m2, accepted) is DoseCheck.ATYPICAL:
                found.append((dose, accepted.low_mg_m2, accepted.high_mg_m2))
    return found


def skipped(given: Iterable[Given]) -> list[tuple[str, dt.date]]:
    """The days between the first and the last dose of a drug on which it was not given: one dose a day, no pause."""
    days: dict[str, set[dt.date]] = {}
    for dose in given:
        days.setdefault(dose.drug, set()).add(dose.on)
    return [
        (drug, day)
        for drug, known in sorted(days.items())
        for day in planned_days(min(known), (max(known) - min(known)).days + 1)
        if day not in known
    ]


def short_of_doses(given: Iterable[Given], plans: Mapping[str, DrugPlan]) -> list[tuple[str, int]]:
    """The drugs of which another number of doses was given than is accepted, with that number."""
    counts = dict.fromkeys(plans, 0)
    for dose in given:
        counts[dose.drug] = counts.get(dose.drug, 0) + 1
    return [(drug, counts[drug]) for drug in plans if counts[drug] not in plans[drug].accepted_doses]


# Dispensing rounds to vials: within this share of the planned dose nobody has to explain [P].
UNEXPLAINED_SHARE = Decimal("0.05")


def needs_reason(planned: Decimal, given: Decimal) -> bool:
    """Whether a given dose, in mg, is so far from the planned one that somebody must say why."""
    return abs(given - planned) > planned * UNEXPLAINED_SHARE


class Timing(StrEnum):
    OK = "OK"
    TOO_EARLY = "TOO_EARLY"
    TOO_LATE = "TOO_LATE"
    TOO_OLD = "TOO_OLD"
    # Nothing was given before the cells: it prepared another infusion, or none.
    NOT_BEFORE = "NOT_BEFORE"


@dataclass(frozen=True)
class TimingLimits:
    """Days count from the infusion, Day 0; those before it are negative."""

    earliest_day: int
    last_day: int
    question_after_days: int


def timing(given_on: Iterable[dt.date], infusion_on: dt.date, limits: TimingLimits) -> Timing:
    """Whether these days of lymphodepletion suit this day of infusion; everything but OK is for an investigator.

    What begins on the day of the infusion or after it cannot have prepared it: that is refused.

    Earlier than "one week before", ending too close to the infusion, or so old that it may have to be repeated
    [P]. Raises ValueError without a day.
    """
    days = sorted((day - infusion_on).days for day in given_on)
    if not days:
        raise ValueError("There is no day of lymphodepletion.")
    if days[0] >= 0:
        return Timing.NOT_BEFORE
    if -days[-1] > limits.question_after_days:
        return Timing.TOO_OLD
    if days[-1] > limits.last_day:
        return Timing.TOO_LATE
    return Timing.TOO_EARLY if days[0] < limits.earliest_day else Timing.OK


def planned_days(first: dt.date, doses: int) -> tuple[dt.date, ...]:
    """One dose a day, without a pause."""
    return tuple(first + dt.timedelta(days=number) for number in range(doses))


def creatinine_clearance_ml_min(
    age: int, weight_kg: Decimal, creatinine_umol_l: Decimal, *, is_female: bool
) -> Decimal:
    """Cockcroft-Gault: (140 - age) × weight / (72 × creatinine in mg/dL), × 0.85 for women [M].

    Raises ValueError unless weight and creatinine are above 0.
    """
    if weight_kg <= 0 or creatinine_umol_l <= 0:
        raise ValueError("Weight and creatinine are above 0.")
    # 1 mg/dL of creatinine (113.12 g/mol) is 88.4 µmol/L.
    mg_dl = creatinine_umol_l * Decimal("113.12") / 10_000
    clearance = Decimal(140 - age) * weight_kg / (72 * mg_dl)
    return clearance * Decimal("0.85") if is_female else clearance


@dataclass(frozen=True)
class Level:
    """Below this creatinine clearance, in mL/min, so many mg/m² a day; 0 leaves the drug out."""

    below_ml_min: int
    mg_m2: Decimal


def suggested_level(clearance: Decimal | None, levels: Iterable[Level]) -> Level | None:
    """The level of the lowest limit that the clearance falls below; None where the full dose is usual, or where the
    clearance is not known. A suggestion [P]: an investigator chooses."""
    if clearance is None:
        return None
    return min(
        (level for level in levels if clearance < level.below_ml_min), key=lambda one: one.below_ml_min, default=None
    )


def shifted(planned_on: dt.date, *, planned_for: dt.date, infusion_on: dt.date) -> dt.date:
    """The day of a dose once the infusion, which it counts back from, has moved: by as many days."""
    return planned_on + (infusion_on - planned_for)


def course_before(infusion_on: dt.date, begins: Mapping[int, dt.date]) -> int | None:
    """Which course prepares this infusion: the newest that begins by its day; else the newest there is.

    `begins` has the first day of each course, given or planned. None without a course.
    """
    by_then = [course for course, first in begins.items() if first <= infusion_on]
    return max(by_then or begins, default=None)


def clearance_warning(clearance: Decimal, limits: Iterable[int]) -> int | None:
    """The lowest limit that the clearance falls below; None above all. Fludarabine leaves by the kidney [M]."""
    below = [limit for limit in limits if clearance < limit]
    return min(below) if below else None
