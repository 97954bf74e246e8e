"""ICAHT, haematotoxicity after immune effector cells: neutropenia in the first 30 days, and from Day 31 to 100.

Source: Rejeski K et al. (EHA/EBMT), Blood 2023;142:865-877; thresholds and algorithm as in the authors' published
code (Liang EC, Fred Hutchinson, automated grading of early and late ICAHT). Neutrophils per microlitre.

Early, Day 0 to 30, by the longest run: at most 500 for 1-6, 7-13 or 14-30 days is grade 1, 2 or 3; at most 100 for
7-13 days grade 3, from 14 days on grade 4; never above 500, for all 31 days or from Day 0-3 to the last value,
grade 4. The lowest value of a day counts, up to 7 missing days are interpolated and rounded to 10, runs are joined
when fewer than 3 consecutive days lie above the threshold. Late, Day 31 to the first of Day 100, next therapy,
relapse and last follow-up: the lowest value at most 1500, 1000, 500 or 100 is grade 1 to 4, unless the second
lowest lies above 1500: then it was transient, grade 0.

Policy, where the sources are silent or differ [P]: a measured value is compared as it is (the code rounds those too,
and would count 504 as 500), halves are rounded to the even ten as in the code; values before Day 0 and after Day 30
carry an interpolation, and are not counted; days before the first and after the last value are not counted (the
code repeats the nearest value up to 7 days); a grade is given only where every reading of the days that nobody
measured gives the same one: none counted, and the worst that they allow; "never above 500" is judged when the 30
days or the observation are over, until then the grade is the one so far; a single late value is graded as the code
does, flagged; the two lowest late values are those of two days. The grade of the code itself, with its rounding and
its reading of days that nobody measured, stands in icaht_published.

A count that the laboratory gives as a bound ("<500") is no number: it is read at both its ends, and the grade is the
one that both give, or lies between the two. A lower count never lowers a grade, so that no reading in between can
lie outside. What is shown as a run is the one that the bounds leave no doubt of.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import pairwise

from safety.rules.grading import Graded, ImpossibleFinding, Reason, check_range, mark

SCALE = "EHA/EBMT 2023"
SEVERE_PER_UL = Decimal(500)
PROFOUND_PER_UL = Decimal(100)
TRANSIENT_ABOVE_PER_UL = Decimal(1500)
EARLY_DAYS = range(31)
LATE_DAYS = range(31, 101)
MAX_GAP_DAYS = 7
RECOVERY_DAYS = 3
START_BY_DAY = 3
# Longest run at most 500, at most 100, in days: from which length on which grade.
SEVERE_GRADES = ((31, 4), (14, 3), (7, 2), (1, 1))
PROFOUND_GRADES = ((14, 4), (7, 3))
LATE_GRADES = ((Decimal(100), 4), (Decimal(500), 3), (Decimal(1000), 2), (Decimal(1500), 1))

REASON_TEXT = {
    "severe": mark("Neutrophils at most 500/µL for {days} days without recovery in between: grade {grade}."),
    "severe-31": mark("Neutrophils at most 500/µL for all {days} days, without recovery: grade 4."),
    "severe-open": mark("How long neutrophils were at most 500/µL is not known."),
    "profound": mark("Neutrophils at most 100/µL for {days} days without recovery in between: grade {grade}."),
    "profound-short": mark("Neutrophils at most 100/µL for {days} days: below 7 days that adds nothing."),
    "profound-open": mark("How long neutrophils were at most 100/µL is not known."),
    "never-recovered": mark("Neutrophils never recovered above 500/µL up to the last value: grade 4."),
    "never-open": mark("Whether neutrophils ever recovered above 500/µL is not known."),
    "never-low": mark("Neutrophils were never at most 500/µL: grade 0."),
    "no-value": mark("No neutrophil count from Day {first} to Day {last}: it cannot be graded."),
    "gap": mark("No neutrophil count from Day {first} to Day {last}."),
    "between": mark("The days without a count leave it open: grade {at_least} to {at_most}."),
    "between-bounds": mark("Counts that are only a bound leave it open: grade {at_least} to {at_most}."),
    "between-both": mark(
        "The days without a count, and counts that are only a bound, leave it open: grade {at_least} to {at_most}."
    ),
    "late": mark("Lowest neutrophils {lowest}/µL, second lowest {second}/µL: grade {grade}."),
    "late-one": mark("The only neutrophil count of the time is {lowest}/µL: grade {grade}."),
    "late-transient": mark(
        "Lowest neutrophils {lowest}/µL, second lowest {second}/µL, above 1500/µL: transient, grade 0."
    ),
    "late-bounds": mark("Lowest neutrophils per µL: {counts}."),
    "late-open": mark("The lowest neutrophil count is not known: it cannot be graded."),
    "not-begun": mark("The time after Day 30 has not begun, or ended before Day 31: there is nothing to grade."),
}
FLAG_TEXT = {
    "SO_FAR": mark("The time that is graded is not over: the grade may still rise."),
    "INTERPOLATED": mark("Some days of the longest run were not measured but interpolated."),
    "DAYS_NOT_MEASURED": mark("Some days have no count: they were not counted, and could not change the grade."),
    "BOUNDS": mark("Some counts are only a bound: they were read at both their ends."),
    "ONE_VALUE": mark("Only one count: whether it lasted is not shown. Count again."),
}


HIGHEST_PER_UL = 500_000
# More than a bound by the least that a stored count can tell: 0.000001 × 10^9/L.
ABOVE = Decimal("0.001")
UNDER, OVER, ABOUT = frozenset({"<", "<="}), frozenset({">", ">="}), "~"


@dataclass(frozen=True)
class Anc:
    """The neutrophils of one trial day, per microlitre (10^9/L × 1000); with a comparator a bound, not a number.

    <, <=, > and >= are the laboratory's; ~ is a day between two bounds that point apart.

    >>> [str(end) for end in (Anc(3, Decimal(500), comparator="<").least, Anc(3, Decimal(500), comparator="<").most)]
    ['0', '500']
    """

    day: int
    per_ul: Decimal
    is_interpolated: bool = False
    comparator: str = ""

    def __post_init__(self) -> None:
        check_range("per_ul", self.per_ul, 0, HIGHEST_PER_UL)
        if self.comparator not in ("", *UNDER, *OVER, ABOUT):
            raise ImpossibleFinding("comparator", f"comparator is {self.comparator}: it is one of <, <=, > and >=.")

    @property
    def least(self) -> Decimal:
        """The lowest that it may be."""
        if self.comparator in {*UNDER, ABOUT}:
            return Decimal(0)
        return min(self.per_ul + ABOVE, Decimal(HIGHEST_PER_UL)) if self.comparator == ">" else self.per_ul

    @property
    def most(self) -> Decimal:
        """The highest that it may be: of "<500" the 500, which is at most every threshold that 499 is at most."""
        return Decimal(HIGHEST_PER_UL) if self.comparator in {*OVER, ABOUT} else self.per_ul


@dataclass(frozen=True)
class Run:
    """Consecutive days at most the threshold, joined over days above it that were too few to be a recovery."""

    first_day: int
    last_day: int
    interpolated_days: tuple[int, ...] = ()

    @property
    def days(self) -> int:
        return self.last_day - self.first_day + 1


@dataclass(frozen=True)
class Gap:
    """Days that have no value, not even an interpolated one."""

    first_day: int
    last_day: int

    @property
    def days(self) -> range:
        return range(self.first_day, self.last_day + 1)


@dataclass(frozen=True)
class Observed:
    """How far a participant was observed: the last trial day, and whether nothing more will come.

    It is over with death, the end of follow-up, and for the late time with relapse or the next therapy.
    """

    last_day: int
    is_over: bool = False


@dataclass(frozen=True)
class Early:
    """Early ICAHT with all that it was computed from; `at_least` and `at_most` differ where it cannot be graded.

    The longest runs are those that every reading of gaps and bounds shows, `most_500` and `most_100` the days that
    the worst one gives.
    """

    graded: Graded
    days: tuple[Anc, ...] = ()
    gaps: tuple[Gap, ...] = ()
    longest_500: Run | None = None
    longest_100: Run | None = None
    most_500: int = 0
    most_100: int = 0
    never_recovered: bool = False
    at_least: int | None = None
    at_most: int | None = None


@dataclass(frozen=True)
class Late:
    """Late ICAHT: the window as far as it was observed, and its two lowest days."""

    graded: Graded
    first_day: int = LATE_DAYS.start
    last_day: int | None = None
    lowest: Anc | None = None
    second: Anc | None = None
    at_least: int | None = None
    at_most: int | None = None


# --- From values to days and runs ----------------------------------------------------------------


def highest(values: Iterable[Anc]) -> tuple[Anc, ...]:
    """Each bound at its upper end: the mildest reading."""
    return tuple(replace(value, per_ul=value.most, comparator="") for value in values)


def lowest(values: Iterable[Anc]) -> tuple[Anc, ...]:
    """Each bound at its lower end: the worst reading."""
    return tuple(replace(value, per_ul=value.least, comparator="") for value in values)


def lowest_per_day(values: Iterable[Anc]) -> tuple[Anc, ...]:
    """One value a day, the lowest, in the order of the days."""
    by_day: dict[int, list[Anc]] = {}
    for value in values:
        by_day.setdefault(value.day, []).append(value)
    return tuple(_lowest_of(by_day[day]) for day in sorted(by_day))


def _lowest_of(values: Sequence[Anc]) -> Anc:
    """The lowest for sure; where another one is a bound that may lie lower still, that is said."""
    found = min(values, key=lambda value: (value.most, value.least))
    may_be_lower = any(value.least < found.least for value in values)
    return replace(found, comparator="<=") if may_be_lower else found


def filled(values: Iterable[Anc]) -> tuple[Anc, ...]:
    """The lowest value of each day, and the days between two values on the line between them, 7 at most.

    >>> [str(day.per_ul) for day in filled([Anc(0, Decimal(400)), Anc(2, Decimal(300))])]
    ['400', '350', '300']
    """
    measured = lowest_per_day(values)
    between = (day for one, other in pairwise(measured) for day in _interpolated(one, other))
    return tuple(sorted((*measured, *between), key=lambda day: day.day))


def _interpolated(one: Anc, other: Anc) -> Iterable[Anc]:
    span = other.day - one.day
    if span - 1 > MAX_GAP_DAYS:
        return
    for day in range(one.day + 1, other.day):
        # One division at the end: a third of the way must not lose a digit before it is rounded.
        line = (one.per_ul * (other.day - day) + other.per_ul * (day - one.day)) / span
        yield Anc(day, to_ten(line), is_interpolated=True, comparator=_between_signs(one, other))


def _between_signs(one: Anc, other: Anc) -> str:
    """What the line between two counts says where one of them, or both, are bounds."""
    signs = {one.comparator, other.comparator} - {""}
    if signs <= UNDER:
        return min(signs, key=len, default="")
    return min(signs, key=len) if signs <= OVER else ABOUT


def to_ten(value: Decimal) -> Decimal:
    return (value / 10).quantize(Decimal(1), rounding=ROUND_HALF_EVEN) * 10


def runs(days: Sequence[Anc], threshold: Decimal) -> tuple[Run, ...]:
    """Runs of days at most the threshold; fewer than 3 days above it do not end one.

    >>> counts = (600, 400, 300, 600, 600, 400, 700, 700, 700)
    >>> [run.days for run in runs([Anc(day, Decimal(count)) for day, count in enumerate(counts)], SEVERE_PER_UL)]
    [5]
    """
    found: list[Run] = []
    for day in (day.day for day in days if day.per_ul <= threshold):
        if found and day - found[-1].last_day - 1 < RECOVERY_DAYS:
            found[-1] = Run(found[-1].first_day, day)
        else:
            found.append(Run(day, day))
    guessed = [day.day for day in days if day.is_interpolated]
    return tuple(
        replace(run, interpolated_days=tuple(day for day in guessed if run.first_day <= day <= run.last_day))
        for run in found
    )


def longest(found: Iterable[Run]) -> Run | None:
    """The longest run, the first of several; None where there is none."""
    return max(found, key=lambda run: run.days, default=None)


def gaps(days: Sequence[Anc], last_day: int) -> tuple[Gap, ...]:
    """The days from Day 0 to the last one that have no value, as stretches."""
    known = {day.day for day in days}
    found: list[Gap] = []
    for day in (day for day in range(last_day + 1) if day not in known):
        if found and found[-1].last_day == day - 1:
            found[-1] = Gap(found[-1].first_day, day)
        else:
            found.append(Gap(day, day))
    return tuple(found)


# --- Early ---------------------------------------------------------------------------------------


def grade_runs(days_500: int | None, days_100: int | None, never_recovered: bool | None) -> Graded:
    """The early grade of the longest runs in days; None is not known, and leaves no grade if it could change it.

    >>> grade_runs(13, 0, False).grade
    2
    """
    _check_runs(days_500, days_100, never_recovered)
    at_least = early_grade(max(days_500 or 0, days_100 or 0), days_100 or 0, bool(never_recovered))
    most_500 = EARLY_DAYS.stop if days_500 is None else days_500
    most_100 = most_500 if days_100 is None else days_100
    at_most = early_grade(most_500, most_100, never_recovered is not False and most_500 > 0)
    reasons = (*_severe_reasons(days_500), *_profound_reasons(days_100), *_never_reasons(never_recovered))
    if at_least != at_most:
        return Graded(None, (), (), (*reasons, between(at_least, at_most)), SCALE)
    names = _determinants(at_least, days_500 or 0, days_100 or 0, bool(never_recovered))
    return Graded(at_least, names, (), reasons or (Reason("never-low"),), SCALE)


def early_grade(days_500: int, days_100: int, never_recovered: bool) -> int:
    """The table: the worst of the longest run at most 500, the one at most 100, and no recovery at all.

    >>> [early_grade(days, 0, False) for days in (0, 1, 6, 7, 13, 14, 30, 31)]
    [0, 1, 1, 2, 2, 3, 3, 4]
    """
    never = 4 if never_recovered else 0
    return max(_from(days_500, SEVERE_GRADES), _from(days_100, PROFOUND_GRADES), never)


def grade_early(values: Iterable[Anc], observed: Observed) -> Early:
    """Early ICAHT of all counts of a participant, given in any order, several a day."""
    last_day = min(observed.last_day, EARLY_DAYS[-1])
    values = tuple(values)
    days = _inside(values, last_day)
    is_over = observed.is_over or observed.last_day > EARLY_DAYS[-1]
    if not days:
        nothing = Reason("no-value", {"first": "0", "last": str(max(last_day, 0))})
        return Early(Graded(None, (), () if is_over else ("SO_FAR",), (nothing,), SCALE))
    if not is_over and last_day - days[-1].day <= MAX_GAP_DAYS:
        # The next count may still close these days.
        last_day = days[-1].day
    return _graded_early(_readings(values, days, last_day, is_over), is_over)


def _inside(values: Iterable[Anc], last_day: int) -> tuple[Anc, ...]:
    return tuple(day for day in filled(values) if 0 <= day.day <= last_day)


@dataclass(frozen=True)
class _Readings:
    """The mildest and the worst reading of bounds and of days without a count, each alone and both together."""

    found: Early
    by_bounds: int
    by_gaps: int

    @property
    def why_open(self) -> str:
        """The code of the sentence: what alone explains the whole range, or both."""
        if self.by_bounds == self.found.at_least and self.by_gaps == self.found.at_most:
            return "between"
        if self.by_gaps == self.found.at_least and self.by_bounds == self.found.at_most:
            return "between-bounds"
        return "between-both"


def _readings(values: Sequence[Anc], days: tuple[Anc, ...], last_day: int, is_over: bool) -> _Readings:
    mild, severe = _inside(highest(values), last_day), _inside(lowest(values), last_day)
    missing = gaps(days, last_day)
    known, by_bounds, by_gaps, worst = (
        _counted(each, last_day, is_over) for each in (mild, severe, _worst(mild, missing), _worst(severe, missing))
    )
    found = replace(
        known,
        days=days,
        gaps=missing,
        most_500=_days(worst.longest_500),
        most_100=_days(worst.longest_100),
        at_least=_grade_of(known),
        at_most=_grade_of(worst),
    )
    return _Readings(found, _grade_of(by_bounds), _grade_of(by_gaps))


def _counted(days: tuple[Anc, ...], last_day: int, is_over: bool) -> Early:
    """The longest runs of these days, before they are graded."""
    severe, profound = runs(days, SEVERE_PER_UL), runs(days, PROFOUND_PER_UL)
    # Where the last days have no value, the last value that there is must lie in the run.
    end = days[-1].day
    never = any(run.first_day <= START_BY_DAY and run.last_day == end for run in severe)
    is_near_the_end = last_day - end <= MAX_GAP_DAYS
    return Early(
        Graded(None, (), (), (), SCALE),
        days,
        longest_500=longest(severe),
        longest_100=longest(profound),
        never_recovered=is_over and never and is_near_the_end,
    )


def _worst(days: tuple[Anc, ...], missing: Iterable[Gap]) -> tuple[Anc, ...]:
    """The worst that the days without a value allow: short ones at an end are like the nearest, long ones are 0."""
    added = (Anc(day, _worst_value(days, gap), is_interpolated=True) for gap in missing for day in gap.days)
    return tuple(sorted((*days, *added), key=lambda day: day.day))


def _worst_value(days: tuple[Anc, ...], gap: Gap) -> Decimal:
    if len(gap.days) > MAX_GAP_DAYS:
        return Decimal(0)
    return days[0].per_ul if gap.last_day < days[0].day else days[-1].per_ul


def _graded_early(readings: _Readings, is_over: bool) -> Early:
    found = readings.found
    graded = grade_runs(_days(found.longest_500), _days(found.longest_100), found.never_recovered)
    named = tuple(Reason("gap", {"first": str(gap.first_day), "last": str(gap.last_day)}) for gap in found.gaps)
    flags = (() if is_over else ("SO_FAR",)) + (("INTERPOLATED",) if _is_interpolated(found) else ())
    flags += ("BOUNDS",) if any(day.comparator for day in found.days) else ()
    if found.at_least == found.at_most:
        flags += ("DAYS_NOT_MEASURED",) if named else ()
        return replace(found, graded=replace(graded, flags=flags, reasons=(*graded.reasons, *named)))
    # What was found stands without its grade: what is not known may have changed it.
    surely = tuple(reason for reason in graded.reasons if reason.code != "never-low")
    open_between = between(found.at_least or 0, found.at_most or 0, readings.why_open)
    return replace(found, graded=Graded(None, (), flags, (*surely, *named, open_between), SCALE))


def _is_interpolated(found: Early) -> bool:
    return any(run is not None and run.interpolated_days for run in (found.longest_500, found.longest_100))


def _grade_of(found: Early) -> int:
    return early_grade(_days(found.longest_500), _days(found.longest_100), found.never_recovered)


def _days(run: Run | None) -> int:
    return run.days if run else 0


def _from(days: int, grades: Sequence[tuple[int, int]]) -> int:
    return next((grade for least, grade in grades if days >= least), 0)


def _determinants(grade: int, days_500: int, days_100: int, never_recovered: bool) -> tuple[str, ...]:
    reached = {
        "anc_500": _from(days_500, SEVERE_GRADES),
        "anc_100": _from(days_100, PROFOUND_GRADES),
        "never_recovered": 4 if never_recovered else 0,
    }
    return tuple(name for name, own in reached.items() if grade and own == grade)


def _check_runs(days_500: int | None, days_100: int | None, never_recovered: bool | None) -> None:
    check_range("days_500", days_500, 0, EARLY_DAYS.stop)
    check_range("days_100", days_100, 0, EARLY_DAYS.stop)
    if days_500 is not None and days_100 is not None and days_100 > days_500:
        message = f"days_100 is {days_100}, days_500 is {days_500}: a count at most 100 is at most 500. Correct one."
        raise ImpossibleFinding("days_100", message)
    if never_recovered and days_500 == 0:
        raise ImpossibleFinding("never_recovered", "Without a day at most 500 there is nothing to recover from.")


def _severe_reasons(days: int | None) -> tuple[Reason, ...]:
    if days is None:
        return (Reason("severe-open"),)
    if not days:
        return ()
    values = {"days": str(days), "grade": str(_from(days, SEVERE_GRADES))}
    return (Reason("severe-31" if days >= EARLY_DAYS.stop else "severe", values),)


def _profound_reasons(days: int | None) -> tuple[Reason, ...]:
    if days is None:
        return (Reason("profound-open"),)
    if not days:
        return ()
    grade = _from(days, PROFOUND_GRADES)
    return (Reason("profound" if grade else "profound-short", {"days": str(days), "grade": str(grade)}),)


def _never_reasons(never_recovered: bool | None) -> tuple[Reason, ...]:
    if never_recovered is None:
        return (Reason("never-open"),)
    return (Reason("never-recovered"),) if never_recovered else ()


def between(at_least: int, at_most: int, code: str = "between") -> Reason:
    """The sentence of a grade that stays open between two."""
    return Reason(code, {"at_least": str(at_least), "at_most": str(at_most)})


# --- Late ----------------------------------------------------------------------------------------


def grade_lowest(lowest: Decimal | None, second: Decimal | None) -> Graded:
    """The late grade of the two lowest counts per microlitre; a second above 1500 shows that it was transient.

    >>> grade_lowest(Decimal(501), Decimal(900)).grade
    2
    """
    check_range("lowest", lowest, 0, 500_000)
    check_range("second", second, 0, 500_000)
    if lowest is None:
        return Graded(None, (), (), (Reason("late-open"),), SCALE)
    if second is not None and second < lowest:
        raise ImpossibleFinding("second", f"second is {second}: it cannot be below the lowest, {lowest}. Correct one.")
    level = next((grade for limit, grade in LATE_GRADES if lowest <= limit), 0)
    values = {"lowest": plain(lowest), "second": "" if second is None else plain(second), "grade": str(level)}
    names = ("anc_late",) if level else ()
    if second is None:
        return Graded(level, names, ("ONE_VALUE",), (Reason("late-one", values),), SCALE)
    if level and second > TRANSIENT_ABOVE_PER_UL:
        return Graded(0, (), (), (Reason("late-transient", values),), SCALE)
    return Graded(level, names, (), (Reason("late", values),), SCALE)


def plain(value: Decimal) -> str:
    """A number as people write it: no trailing zeros, no exponent."""
    return f"{value.normalize():f}"


def grade_late(values: Iterable[Anc], observed: Observed) -> Late:
    """Late ICAHT of all counts; `observed` ends with the first of next therapy, relapse and last follow-up."""
    last_day = min(observed.last_day, LATE_DAYS[-1])
    so_far = () if observed.is_over or observed.last_day > LATE_DAYS[-1] else ("SO_FAR",)
    if last_day < LATE_DAYS.start:
        return Late(Graded(None, (), (), (Reason("not-begun"),), SCALE))
    inside = [value for value in values if LATE_DAYS.start <= value.day <= last_day]
    if not inside:
        nothing = Reason("no-value", {"first": str(LATE_DAYS.start), "last": str(last_day)})
        return Late(Graded(None, (), so_far, (nothing,), SCALE), last_day=last_day)
    found = _late(inside, last_day)
    return replace(found, graded=replace(found.graded, flags=(*so_far, *found.graded.flags)))


def _late(inside: Sequence[Anc], last_day: int) -> Late:
    """The grade that the mildest and the worst reading of bounds give; where they differ, it lies between."""
    first, second = two_lowest(inside)
    mild, worst = (grade_lowest(*_per_ul(two_lowest(each))) for each in (highest(inside), lowest(inside)))
    found = Late(mild, LATE_DAYS.start, last_day, first, second, mild.grade, worst.grade)
    if not any(value.comparator for value in inside):
        return found
    flags = (*mild.flags, "BOUNDS")
    if mild.grade == worst.grade:
        return replace(found, graded=replace(mild, flags=flags, reasons=_as_given(mild.reasons, first, second)))
    shown = {first, *_worst_two(inside)} if second is None else {first, second, *_worst_two(inside)}
    telling = sorted(shown, key=lambda each: (each.least, each.day))
    counts = Reason("late-bounds", {"counts": " · ".join(f"D{each.day} {count_text(each)}" for each in telling)})
    open_between = between(mild.grade or 0, worst.grade or 0, "between-bounds")
    return replace(found, graded=Graded(None, (), flags, (counts, open_between), SCALE))


def two_lowest(values: Iterable[Anc]) -> tuple[Anc, Anc | None]:
    """Those of two days, of at least one value; None where there is one day only."""
    first, second, *_rest = (*sorted(lowest_per_day(values), key=lambda each: (each.most, each.least)), None)
    assert first is not None, "asked of one value at least"
    return first, second


def _worst_two(values: Sequence[Anc]) -> list[Anc]:
    """The two counts, as they were given, that may lie lowest."""
    return sorted(values, key=lambda each: each.least)[:2]


def _per_ul(found: tuple[Anc, Anc | None]) -> tuple[Decimal, Decimal | None]:
    first, second = found
    return first.per_ul, second.per_ul if second else None


def _as_given(reasons: Iterable[Reason], first: Anc, second: Anc | None) -> tuple[Reason, ...]:
    """The same sentences with the counts as the laboratory gave them."""
    given = {"lowest": count_text(first), "second": count_text(second) if second else ""}
    return tuple(replace(reason, values={**reason.values, **given}) for reason in reasons)


def count_text(count: Anc) -> str:
    """The number with the sign of its bound: <500, ≤500; of a day between bounds that point apart, ≈500."""
    sign = {"<=": "≤", ">=": "≥", ABOUT: "≈"}.get(count.comparator, count.comparator)
    return f"{sign}{plain(count.per_ul)}"
