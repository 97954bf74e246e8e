"""Verbs of the blood: what laboratory values say about ICAHT, IEC-HS and CTCAE, and what a person confirms of it."""

import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property
from typing import Any

from django.db import transaction
from django.db.models import Min
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dosing.actions import day0_of
from dosing.models import DoseState, Infusion, LymphodepletionDose, Occasion
from participants.actions import long_moment, site_day
from participants.models import HISTORY, Measurement, Participant, ParticipantStatus
from participants.rules.measures import MEASURES
from participants.rules.status import NO_MORE_VISITS, Status
from participants.units import convert
from safety.actions.alerts import warn_of_screen
from safety.actions.assessments import check_may_judge
from safety.actions.ctcae import ctcae_version
from safety.models import IcahtAssessment, IcahtPhase, IecHsAssessment, is_replaced
from safety.rules import icaht, iec_hs
from safety.rules.grading import Graded
from safety.rules.icaht import Anc, Early, Late, Observed
from safety.rules.icaht_published import Published, grade_published
from safety.rules.iec_hs import Derived, IecHsFindings, LabResult
from safety.rules.lab_ctcae import (
    MEASURED,
    Suggestion,
    Version,
    corrected_calcium_mmol_l,
    corrected_sign,
    lab_value,
    suggestions,
)
from trialsite import signing
from trialsite.models import Meaning, User
from trialsite.refusal import Refused

# A value that is older is shown, but says nothing about now [P]: IEC-HS comes up within three days.
CURRENT = dt.timedelta(hours=72)
PER_UL = 1000
# The signs of a stored bound as the rules write them.
SIGNS = {"<": "<", ">": ">", "<=": "<=", ">=": ">=", "≤": "<=", "≥": ">="}
NOT_OBSERVED = Observed(-1)
# Who may choose the severity, or a grade other than the computed one.
JUDGE = "safety.regrade_assessment"


# --- What rests on results ---------------------------------------------------------------------------


def grades_on(results: Iterable[int]) -> Sequence[str]:
    """Grades of the blood that were computed while these results counted, in a sentence; for whoever voids them."""
    rows = Measurement.objects.filter(pk__in=results)
    first = dict(rows.order_by().values_list("participant").annotate(first=Min("created_at")))
    found = [
        one
        for model in (IecHsAssessment, IcahtAssessment)
        for one in model.objects.standing().filter(participant__in=first).select_related("participant")
        if one.created_at >= first[one.participant_id]
    ]
    if not found:
        return []
    text = ngettext(
        "%(count)s grade of the blood (ICAHT, IEC-HS) of %(people)s was computed with results of this import.",
        "%(count)s grades of the blood (ICAHT, IEC-HS) of %(people)s were computed with results of this import.",
        len(found),
    )
    numbers = sorted({one.participant.number for one in found})
    return [text % {"count": len(found), "people": _(", ").join(numbers)}]


# --- What was measured -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Result:
    """One number as the laboratory gave it, with its limits, all in the measure's own unit and unrounded."""

    code: str
    at: dt.datetime
    value: Decimal
    comparator: str = ""
    lln: Decimal | None = None
    uln: Decimal | None = None
    examination: int | None = None


@dataclass(frozen=True)
class Course:
    """All numbers of a participant, the oldest first, and the days that divide the time."""

    results: tuple[Result, ...]
    day0: dt.date | None = None
    # The first infusion of Day 0, and the first dose of lymphodepletion before it.
    infused_at: dt.datetime | None = None
    prepared_at: dt.datetime | None = None
    # How far the blood was followed, as trial days.
    early: Observed = NOT_OBSERVED
    late: Observed = NOT_OBSERVED

    def of(self, code: str) -> list[Result]:
        return self.by_code.get(code, [])

    @cached_property
    def by_code(self) -> dict[str, list[Result]]:
        found: dict[str, list[Result]] = {}
        for one in self.results:
            found.setdefault(one.code, []).append(one)
        return found

    def newest(self, code: str) -> Result | None:
        return next(reversed(self.of(code)), None)

    def before(self, code: str, moment: dt.datetime | None) -> Result | None:
        """The newest value that was taken before this moment."""
        if moment is None:
            return None
        return next((one for one in reversed(self.of(code)) if one.at < moment), None)

    @property
    def begun_at(self) -> dt.datetime | None:
        """When the participant was first prepared for the infusion; without preparation, the infusion itself."""
        return self.prepared_at or self.infused_at

    def baseline(self, code: str) -> Result | None:
        """The newest value from before treatment began."""
        return self.before(code, self.begun_at)

    def beside(self, result: Result, code: str) -> Result | None:
        """Another value of the same sample."""
        return next((one for one in self.of(code) if one.examination == result.examination), None)

    def day_of(self, moment: dt.datetime) -> int | None:
        return None if self.day0 is None else (site_day(moment) - self.day0).days


COLUMNS = ("code", "taken_at", "value", "comparator", "unit", "reference_low", "reference_high", "examination_id")


def course_of(participant: Participant, *, now: dt.datetime) -> Course:
    """Five queries, whatever the number of results."""
    rows = (
        Measurement.objects.standing()
        .filter(participant=participant, value__isnull=False, code__in=list(MEASURED), taken_at__lte=now)
        .order_by("taken_at", "id")
        .values_list(*COLUMNS)
    )
    results = tuple(_result(*row) for row in rows)
    day0 = day0_of(participant)
    if day0 is None:
        return Course(results, prepared_at=_prepared_at(participant, None))
    infusions = list(_infusions(participant))
    infused_at = min((one.infused_at for one in infusions if one.day == day0), default=None)
    early, late = _observed(participant, day0, infusions, now=now)
    return Course(results, day0, infused_at, _prepared_at(participant, infused_at), early, late)


def _result(
    code: str,
    at: dt.datetime,
    value: Decimal,
    comparator: str,
    unit: str,
    low: Decimal | None,
    high: Decimal | None,
    examination: int,
) -> Result:
    measure = MEASURES[code]
    lln, uln = (None if limit is None else convert(measure, limit, unit) for limit in (low, high))
    if comparator == "<" and value == 0:
        # Was once taken: nothing lies below 0, so that it is 0.
        comparator = "≤"
    return Result(code, at, convert(measure, value, unit), comparator, lln, uln, examination)


def _infusions(participant: Participant) -> Iterable[Infusion]:
    return participant.infusions.standing().order_by("infused_at")


def _prepared_at(participant: Participant, infused_at: dt.datetime | None) -> dt.datetime | None:
    """The first dose of lymphodepletion that was given (before this infusion)."""
    given = (
        LymphodepletionDose.objects.standing()
        .filter(participant=participant, state=DoseState.GIVEN, given_at__isnull=False)
        .order_by("given_at")
    )
    first = given.values_list("given_at", flat=True).first()
    # A first dose after the infusion prepares another one.
    return None if first is None or (infused_at is not None and first >= infused_at) else first


def _observed(
    participant: Participant, day0: dt.date, infusions: Sequence[Infusion], *, now: dt.datetime
) -> tuple[Observed, Observed]:
    """How far: to today, death or the end of follow-up; the late time also ends with relapse or a next infusion.

    The record knows no next therapy other than a second infusion: that one counts [P].
    """
    statuses = list(
        ParticipantStatus.objects.standing()
        .filter(participant=participant)
        .order_by(*HISTORY)
        .values_list("status", "effective_on")
    )
    ends = [on for status, on in statuses[-1:] if Status(status) in NO_MORE_VISITS]
    relapsed = [on for status, on in statuses if status == Status.RELAPSED and on >= day0]
    second = [one.day for one in infusions if one.occasion == Occasion.SECOND and one.day > day0]
    today = site_day(now)
    return _until(day0, ends, today), _until(day0, [*ends, *relapsed, *second], today)


def _until(day0: dt.date, ends: Sequence[dt.date], today: dt.date) -> Observed:
    last = min([*ends, today])
    return Observed((last - day0).days, is_over=bool(ends))


# --- ICAHT -------------------------------------------------------------------------------------------


def counts_of(course: Course) -> list[Anc]:
    """Neutrophils per microlitre by trial day; "< 0.1" stays a bound."""
    if course.day0 is None:
        return []
    return [
        Anc((site_day(one.at) - course.day0).days, one.value * PER_UL, comparator=SIGNS.get(one.comparator, ""))
        for one in course.of("NEUT")
    ]


def icaht_early(course: Course) -> Early:
    return icaht.grade_early(counts_of(course), course.early)


def icaht_published(course: Course) -> Published:
    """Early ICAHT as the authors of the published grader compute it; nothing is recorded by it."""
    return grade_published(counts_of(course), course.early)


def icaht_late(course: Course) -> Late:
    return icaht.grade_late(counts_of(course), course.late)


def icaht_of(course: Course, phase: IcahtPhase) -> tuple[Graded, dict[str, Any]]:
    """The grade of a time, and what it was computed from as JSON."""
    if phase is IcahtPhase.EARLY:
        early = icaht_early(course)
        summary = _early_as_json(early, course.early)
        return early.graded, {**summary, "published": _published_as_json(icaht_published(course))}
    late = icaht_late(course)
    return late.graded, _late_as_json(late, course.late)


def _early_as_json(found: Early, observed: Observed) -> dict[str, Any]:
    return {
        **_observed_as_json(observed),
        "days": [_day_as_json(day) for day in found.days],
        "gaps": [[gap.first_day, gap.last_day] for gap in found.gaps],
        "longest_500": _run_as_json(found.longest_500),
        "longest_100": _run_as_json(found.longest_100),
        "most_500": found.most_500,
        "most_100": found.most_100,
        "never_recovered": found.never_recovered,
        "at_least": found.at_least,
        "at_most": found.at_most,
    }


def _published_as_json(found: Published) -> dict[str, Any]:
    return {
        "at_least": found.at_least,
        "at_most": found.at_most,
        "longest_500": _run_as_json(found.longest_500),
        "longest_100": _run_as_json(found.longest_100),
        "never_recovered": found.never_recovered,
        "flags": list(found.graded.flags),
    }


def _late_as_json(found: Late, observed: Observed) -> dict[str, Any]:
    lowest = [_day_as_json(day) for day in (found.lowest, found.second) if day is not None]
    return {
        **_observed_as_json(observed),
        "window": [found.first_day, found.last_day],
        "lowest": lowest,
        "at_least": found.at_least,
        "at_most": found.at_most,
    }


def _observed_as_json(observed: Observed) -> dict[str, Any]:
    return {"observed_until_day": observed.last_day, "is_over": observed.is_over}


def _day_as_json(day: Anc) -> dict[str, Any]:
    told = {"day": day.day, "per_ul": icaht.plain(day.per_ul), "is_interpolated": day.is_interpolated}
    return {**told, "comparator": day.comparator} if day.comparator else told


def _run_as_json(run: icaht.Run | None) -> dict[str, Any] | None:
    if run is None:
        return None
    return {
        "first_day": run.first_day,
        "last_day": run.last_day,
        "days": run.days,
        "interpolated_days": list(run.interpolated_days),
    }


def fingerprint(graded: Graded, summary: dict[str, Any]) -> str:
    """Two grades that look the same have the same: so that nobody confirms what they have not seen.

    That a day went by without a new count changes nothing that people look at.
    """
    seen = {name: value for name, value in summary.items() if name != "observed_until_day"}
    reasons = [(one.code, one.values) for one in graded.reasons]
    text = json.dumps([graded.grade, graded.flags, reasons, seen], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@transaction.atomic
def record_icaht(*, assessment: IcahtAssessment, seen: str, by: User, now: dt.datetime) -> IcahtAssessment:
    """Confirm the computed grade of a time, or set another with its reason; `seen` is the fingerprint of the page."""
    participant = Participant.objects.select_for_update().get(pk=assessment.participant_id)
    course = course_of(participant, now=now)
    if course.day0 is None:
        raise Refused(_("There was no infusion yet: ICAHT counts the days from it. Record the infusion first."))
    graded, summary = icaht_of(course, IcahtPhase(assessment.phase))
    if seen != fingerprint(graded, summary):
        raise Refused(_("New counts have come in since you opened the page. Look at the grade again, then record it."))
    _check_own_grade(assessment, by)
    assessment.participant, assessment.summary, assessment.computed_at = participant, summary, now
    _take(assessment, graded, by=by, now=now)
    assessment.determinants = "+".join(graded.determinants)
    _check_is_new(assessment)
    assessment.save()
    _sign_own_grade(assessment, by)
    return assessment


def _check_own_grade(row: IcahtAssessment | IecHsAssessment, by: User) -> None:
    """Raises Refused for a grade of one's own without a reason, or by somebody who may not set it."""
    if row.investigator_grade is None:
        row.investigator_reason = ""
        return
    check_may_judge(row.participant, by)
    if not row.investigator_reason.strip():
        raise Refused(_("A grade other than the computed one needs its reason."))


def _sign_own_grade(row: IcahtAssessment | IecHsAssessment, by: User) -> None:
    if row.investigator_grade is not None:
        signing.sign(row, meaning=Meaning.GRADE, by=by)


def _take(row: IcahtAssessment | IecHsAssessment, graded: Graded, *, by: User, now: dt.datetime) -> None:
    row.grade, row.scale = graded.grade, graded.scale
    row.flags = list(graded.flags)
    row.reasons = [{"code": reason.code, "values": dict(reason.values)} for reason in graded.reasons]
    row.created_by, row.created_at = by, now


def _check_is_new(row: IcahtAssessment) -> None:
    """Raises Refused where the newest record says the same already: a second press of the button is no second fact."""
    newest = row.participant.icaht_assessments.standing().filter(phase=row.phase).first()
    same = ("grade", "flags", "reasons", "investigator_grade", "investigator_reason")
    if newest is not None and all(getattr(newest, name) == getattr(row, name) for name in same):
        raise Refused(
            _("This grade was recorded on %(at)s already, and nothing has changed since.")
            % {"at": long_moment(newest.computed_at)}
        )


# --- IEC-HS ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Prefilled:
    """What the newest values say about a finding, and when they were taken; None: nothing was measured."""

    derived: Derived
    taken_at: dt.datetime | None = None
    is_current: bool = False

    @property
    def finding(self) -> bool | None:
        """An old value says nothing about now."""
        return self.derived.finding if self.is_current else None


def prefilled(course: Course, at: dt.datetime) -> dict[str, Prefilled]:
    """By finding, from the newest values until this moment; the baseline is the newest value before the infusion."""
    ferritin, alt, ast, fibrinogen = (_until_moment(course, code, at) for code in ("FERRITIN", "ALT", "AST", "FIBRINO"))
    series = [(one.at, _alone(one)) for one in course.of("FERRITIN") if one.at <= at]
    derived = {
        "ferritin_high": (iec_hs.ferritin_high(_lab(course, ferritin)), (ferritin,)),
        "ferritin_rising": (iec_hs.ferritin_rising(series, ferritin.uln if ferritin else None), (ferritin,)),
        "transaminases_high": (iec_hs.transaminases_high(_lab(course, alt), _lab(course, ast)), (alt, ast)),
        "fibrinogen_low": (iec_hs.fibrinogen_low(_lab(course, fibrinogen)), (fibrinogen,)),
    }
    return {name: _prefilled(found, values, at) for name, (found, values) in derived.items()}


def _prefilled(derived: Derived, values: Sequence[Result | None], at: dt.datetime) -> Prefilled:
    """As old as the oldest of its values."""
    moments = [one.at for one in values if one is not None]
    oldest = min(moments, default=None)
    return Prefilled(derived, oldest, oldest is not None and at - oldest <= CURRENT)


def _until_moment(course: Course, code: str, at: dt.datetime) -> Result | None:
    return next((one for one in reversed(course.of(code)) if one.at <= at), None)


def _lab(course: Course, result: Result | None) -> LabResult | None:
    if result is None:
        return None
    baseline = course.before(result.code, course.infused_at)
    # A value of before the infusion is no baseline of itself.
    if baseline is None or baseline.at >= result.at:
        return _alone(result)
    return replace(
        _alone(result), baseline=baseline.value, baseline_uln=baseline.uln, baseline_sign=baseline.comparator
    )


def _alone(result: Result) -> LabResult:
    """Without a baseline."""
    return LabResult(result.value, result.lln, result.uln, sign=result.comparator)


def check_iec_hs(assessment: IecHsAssessment, *, by: User, now: dt.datetime) -> None:
    """Raises Refused for a moment in the future, and for a judgement by somebody who may not."""
    if assessment.assessed_at > now:
        raise Refused(
            _("%(at)s is after now, %(now)s. Correct the date and time of the assessment.")
            % {"at": long_moment(assessment.assessed_at), "now": long_moment(now)}
        )
    if assessment.severity and not by.has_perm(JUDGE):
        raise Refused(_("The severity of IEC-HS is an investigator's choice. Save the findings without it."))
    _check_own_grade(assessment, by)


@transaction.atomic
def assess_iec_hs(
    *, assessment: IecHsAssessment, findings: IecHsFindings, others: Iterable[str] = (), by: User, now: dt.datetime
) -> IecHsAssessment:
    """Keep the findings with the screen and the grade that they give; nothing of it is ever changed.

    `others` are the names of findings that were seen besides and take no part in the screen.
    """
    participant = Participant.objects.select_for_update().get(pk=assessment.participant_id)
    assessment.participant = participant
    assessment.severity = findings.severity.value if findings.severity else ""
    check_iec_hs(assessment, by=by, now=now)
    _check_correction(assessment)
    names = (*iec_hs.REQUIRED, *iec_hs.COMMON)
    seen = set(others)
    assessment.findings = {
        **{name: getattr(findings, name) for name in names},
        "others": [name for name in iec_hs.OTHER if name in seen],
    }
    assessment.laboratory = _laboratory(course_of(participant, now=now), assessment.assessed_at)
    assessment.screen = iec_hs.screen(findings).value
    _take(assessment, iec_hs.grade(findings), by=by, now=now)
    assessment.save()
    _sign_own_grade(assessment, by)
    warn_of_screen(assessment, now=now)
    return assessment


def _check_correction(assessment: IecHsAssessment) -> None:
    old = assessment.corrects
    if old is None:
        assessment.correction_reason = ""
        return
    if old.is_void or is_replaced(old):
        raise Refused(_("This assessment was corrected already, or is void. Correct the newest one."))
    if old.participant_id != assessment.participant_id:
        raise Refused(_("A correction is about the same participant as the assessment that it corrects."))
    if not assessment.correction_reason.strip():
        raise Refused(_("A correction says why."))


def _laboratory(course: Course, at: dt.datetime) -> dict[str, Any]:
    return {
        name: {
            "finding": one.derived.finding,
            "taken_at": one.taken_at.isoformat(),
            "reasons": [{"code": reason.code, "values": dict(reason.values)} for reason in one.derived.reasons],
        }
        for name, one in prefilled(course, at).items()
        if one.taken_at is not None
    }


# --- Grades that CTCAE suggests ----------------------------------------------------------------------


@dataclass(frozen=True)
class Suggested:
    """What both versions suggest for the newest value of one measurement; nothing is recorded by it."""

    result: Result
    baseline: Result | None
    # By version, one for each term; where a version has no term, one without.
    by_version: dict[Version, tuple[Suggestion, ...]]

    @property
    def differs(self) -> bool:
        """Whether the two versions suggest different grades; that a term is new or gone does not matter at grade 0."""
        grades = [sorted(map(_span, telling(found))) for found in self.by_version.values()]
        return any(one != grades[0] for one in grades)


def telling(found: Iterable[Suggestion]) -> list[Suggestion]:
    """Grades above 0, and terms whose grade the value leaves to a person."""
    return [one for one in found if one.term and one.grade != 0]


def _span(suggestion: Suggestion) -> tuple[int, int]:
    """The lowest and the highest grade; what the numbers cannot say lies below all."""
    lowest, highest = suggestion.lowest, suggestion.highest
    return (-1, -1) if lowest is None or highest is None else (lowest, highest)


def suggested(course: Course) -> list[Suggested]:
    """For the newest value of each measurement that CTCAE may grade, in the order of the measurements.

    Once treatment has begun, what was measured before is the baseline and suggests nothing any more.
    """
    newest = (course.newest(code) for code in MEASURED)
    begun = course.begun_at
    return [_suggested(course, one) for one in newest if one is not None and (begun is None or one.at >= begun)]


def _suggested(course: Course, result: Result) -> Suggested:
    baseline = course.baseline(result.code)
    albumin = course.beside(result, "ALB") if result.code == "CA" else None
    then = _comparable(course, baseline, is_corrected=albumin is not None)
    value = lab_value(
        result.code,
        result.value,
        sign=result.comparator,
        lln=result.lln,
        uln=result.uln,
        baseline=then[1] if then else None,
        baseline_sign=then[0] if then else "",
        baseline_lln=baseline.lln if baseline else None,
        baseline_uln=baseline.uln if baseline else None,
        albumin_g_l=albumin.value if albumin else None,
        albumin_sign=albumin.comparator if albumin else "",
    )
    assert value is not None, "only codes that the rule knows are read"
    return Suggested(result, baseline, {version: _telling(suggestions(value, version)) for version in Version})


def _telling(found: tuple[Suggestion, ...]) -> tuple[Suggestion, ...]:
    """Where the value grades one term, those of the other direction that lack a limit say nothing more."""
    if not any(one.grade or one.span for one in found):
        return found
    return tuple(one for one in found if one.grade is not None or one.span)


def _comparable(course: Course, baseline: Result | None, *, is_corrected: bool) -> tuple[str, Decimal] | None:
    """The baseline's value with its bound; of calcium only one that was corrected as the value is."""
    if baseline is None or not is_corrected:
        return (baseline.comparator, baseline.value) if baseline else None
    albumin = course.beside(baseline, "ALB")
    sign = corrected_sign(baseline.comparator, albumin.comparator) if albumin else None
    if albumin is None or sign is None:
        return None
    return sign, corrected_calcium_mmol_l(baseline.value, albumin.value)


def version_of_study(participant: Participant) -> Version:
    return Version(ctcae_version(participant))
