"""Early ICAHT as the authors of the published grader compute it, to stand beside our own grade.

Source: Liang EC (University of Washington, Fred Hutchinson Cancer Center), "Automated approach to grade early and late
ICAHT by EHA/EBMT criteria", published code with a synthetic data set of ten participants; the criteria are those of
Rejeski K et al. (EHA/EBMT), Blood 2023;142:865-877.

Days 0 to 30, to the last day of follow-up where that is earlier; counts outside take no part. The lowest count of a day
counts. Up to 7 consecutive days without a count lie on the line between the two counts around them, for weekly blood
draws; at the start and at the end they repeat the nearest count. All counts, the measured ones too, are rounded to 10,
halves to the even ten. More than 7 consecutive days without a count stay without one, and are not counted as low: in
that it is milder than our own grade, which asks what they may have been (participant 10 of the data set: no count on
Day 22 to 29; theirs is grade 2, ours lies between 2 and 3). Runs at most 500 and at most 100 are joined over fewer than
3 days above; the longest of each gives the grade, and a run at most 500 that begins by Day 3 and lasts to the last day
is grade 4.

Policy, where the code says nothing [P]: while the days are not over, they end with the last count, and a run that lasts
to it is not grade 4 yet; a count that is only a bound is read at both its ends, as in our own grade.

The late grade of the code is that of our own rule (icaht.grade_late): it interpolates nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from safety.rules.grading import Graded, Reason, mark
from safety.rules.icaht import (
    EARLY_DAYS,
    MAX_GAP_DAYS,
    PROFOUND_PER_UL,
    SCALE,
    SEVERE_PER_UL,
    START_BY_DAY,
    Anc,
    Observed,
    Run,
    between,
    filled,
    gaps,
    grade_runs,
    highest,
    longest,
    lowest,
    lowest_per_day,
    runs,
    to_ten,
)
from safety.rules.icaht import (
    FLAG_TEXT as OWN_FLAG_TEXT,
)

FLAG_TEXT = {
    **OWN_FLAG_TEXT,
    "FILLED": mark("Days in gaps of at most 7 days were interpolated."),
    "LEFT_OUT": mark("Days in gaps of more than 7 days were left out, as if nothing had been low."),
}


@dataclass(frozen=True)
class Published:
    """The grade with the longest runs of the mildest reading; `at_least` and `at_most` differ by bounds alone."""

    graded: Graded
    longest_500: Run | None = None
    longest_100: Run | None = None
    never_recovered: bool = False
    at_least: int | None = None
    at_most: int | None = None


def grade_published(values: Iterable[Anc], observed: Observed) -> Published:
    """Early ICAHT of all counts of a participant by the published method, given in any order, several a day."""
    last_day = min(observed.last_day, EARLY_DAYS[-1])
    is_over = observed.is_over or observed.last_day > EARLY_DAYS[-1]
    inside = [value for value in values if 0 <= value.day <= last_day]
    so_far = () if is_over else ("SO_FAR",)
    if not inside:
        nothing = Reason("no-value", {"first": "0", "last": str(max(last_day, 0))})
        return Published(Graded(None, (), so_far, (nothing,), SCALE))
    if not is_over:
        last_day = max(value.day for value in inside)
    mild, worst = (_counted(each, last_day, is_over) for each in (highest(inside), lowest(inside)))
    found = replace(mild, at_least=mild.graded.grade, at_most=worst.graded.grade)
    flags = (*so_far, *_flags(inside, last_day))
    return replace(found, graded=_one_or_between(found, flags))


def _counted(values: Sequence[Anc], last_day: int, is_over: bool) -> Published:
    """The runs of one reading of the counts, with their grade."""
    days = days_of(values, last_day)
    severe, profound = runs(days, SEVERE_PER_UL), runs(days, PROFOUND_PER_UL)
    never = is_over and any(run.first_day <= START_BY_DAY and run.last_day == last_day for run in severe)
    longest_500, longest_100 = longest(severe), longest(profound)
    graded = grade_runs(_days(longest_500), _days(longest_100), never_recovered=never)
    return Published(graded, longest_500, longest_100, never)


def days_of(values: Sequence[Anc], last_day: int) -> tuple[Anc, ...]:
    """Days 0 to the last one as the code fills and rounds them; without those in a gap of more than 7 days.

    >>> from decimal import Decimal
    >>> [str(day.per_ul) for day in days_of([Anc(1, Decimal(504)), Anc(3, Decimal(530))], 4)]
    ['500', '500', '520', '530', '530']
    """
    inner = filled(values)
    first, last = inner[0], inner[-1]
    before = range(first.day) if first.day <= MAX_GAP_DAYS else range(0)
    after = range(last.day + 1, last_day + 1) if last_day - last.day <= MAX_GAP_DAYS else range(0)
    ends = (*((day, first) for day in before), *((day, last) for day in after))
    repeated = (Anc(day, near.per_ul, is_interpolated=True) for day, near in ends)
    rounded = (replace(day, per_ul=to_ten(day.per_ul)) for day in (*inner, *repeated))
    return tuple(sorted(rounded, key=lambda day: day.day))


def _one_or_between(found: Published, flags: tuple[str, ...]) -> Graded:
    if found.at_least == found.at_most:
        return replace(found.graded, flags=flags)
    surely = tuple(reason for reason in found.graded.reasons if reason.code != "never-low")
    reason = between(found.at_least or 0, found.at_most or 0, "between-bounds")
    return Graded(None, (), flags, (*surely, reason), SCALE)


def _flags(inside: Sequence[Anc], last_day: int) -> Iterable[str]:
    """What a reader of the grade must know of its days; each flag has its sentence."""
    measured = lowest_per_day(inside)
    missing = gaps(measured, last_day)
    if any(len(gap.days) <= MAX_GAP_DAYS for gap in missing):
        yield "FILLED"
    if any(len(gap.days) > MAX_GAP_DAYS for gap in missing):
        yield "LEFT_OUT"
    if any(value.comparator for value in measured):
        yield "BOUNDS"


def _days(run: Run | None) -> int:
    return run.days if run else 0
