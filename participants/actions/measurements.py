"""Verbs of measurements: record what a laboratory printed, correct it, read it as facts."""

import datetime as dt
from collections import namedtuple
from collections.abc import Collection, Hashable, Iterable, Sequence
from decimal import Decimal
from functools import cache
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Case, Value, When
from django.utils.translation import gettext as _

from participants.actions.consents import keep_consent_deviation, procedure_without_consent
from participants.actions.days import long_moment, site_day
from participants.actions.standing import NOBODY, Question, ask
from participants.models import Examination, Measurement, Participant
from participants.names import MEASURE_NAMES, answer_text
from participants.rules.eligibility import Fact, Facts
from participants.rules.measures import MEASURES, PANELS, Kind, Measure, outside
from participants.rules.status import ENROLLED_BEFORE_INFUSION
from participants.units import UnknownUnit, convert
from trialsite import signing
from trialsite.bounds import Allowed, allowed
from trialsite.models import Meaning, User
from trialsite.partialdate import PartialDate
from trialsite.refusal import Refused
from trialsite.wake import wake

# Values that mean something only beside another one of the same examination.
HAVE_COMPANIONS = ("OXYSAT", "CD19", "QT")
COMPANIONS = ("ON_OXYGEN", "CD19_METHOD", "RR", "EGHR")
# Of a measurement, what a rule may ask about.
FACT_COLUMNS = (
    "pk",
    "code",
    "value",
    "unit",
    "comparator",
    "reference_high",
    "lloq",
    "choice",
    "day",
    "not_done_reason",
    "taken_at",
    "examination_id",
)
Answer: Any = namedtuple("Answer", FACT_COLUMNS)  # type: ignore[misc]
STORED = Decimal("0.000001")


def check_examination(
    examination: Examination,
    answers: Sequence[Measurement],
    *,
    deviation_reason: str = "",
    accepted: Iterable[str] = (),
    now: dt.datetime,
) -> None:
    """Raises Refused for what cannot be; and for what is improbable until it is accepted by its code.

    All reasons come at once, so that one look at the form is enough.
    """
    reasons = [*_wrong_moment(examination, now=now), *_wrong_answers(examination, answers, set(accepted))]
    late = procedure_without_consent(examination)
    if late and not deviation_reason.strip():
        reasons.append(f"{late} {_('Record it and give a reason for the protocol deviation.')}")
    if reasons:
        raise Refused([ValidationError(reason) for reason in reasons])


def _wrong_moment(examination: Examination, *, now: dt.datetime) -> list[str]:
    if examination.taken_at > now:
        return [
            _("%(at)s is in the future (now: %(now)s). Correct the date and time.")
            % {"at": long_moment(examination.taken_at), "now": long_moment(now)}
        ]
    born = examination.participant.born_on
    if born and site_day(examination.taken_at) < born:
        return [
            _("%(at)s is before the birth of the participant. Correct the year.")
            % {"at": long_moment(examination.taken_at)}
        ]
    return []


def _wrong_answers(examination: Examination, answers: Sequence[Measurement], accepted: set[str]) -> list[str]:
    if not answers:
        return [_("Nothing is entered. Give at least one result, or why it was not done.")]
    known = {measure.code for measure in PANELS[examination.panel]}
    reasons = []
    for answer in answers:
        if answer.code not in known:
            reasons.append(_("%(name)s does not belong to this examination.") % {"name": answer.code})
        else:
            reasons += wrong_answer(answer, is_accepted=answer.code in accepted, now_day=site_day(examination.taken_at))
    return reasons


def wrong_answer(answer: Measurement, *, is_accepted: bool, now_day: dt.date) -> list[str]:
    """What is impossible about one answer, in words; or improbable, unless it was accepted."""
    measure = MEASURES[answer.code]
    if answer.not_done_reason:
        return []
    if measure.kind == Kind.CHOICE:
        return [] if answer.choice in measure.choices else [_unknown_choice(measure, answer.choice)]
    if measure.kind == Kind.DATE:
        return _wrong_day(measure, answer.day, now_day)
    return _wrong_number(measure, answer, is_accepted)


def _unknown_choice(measure: Measure, given: str) -> str:
    return _("%(name)s: “%(given)s” is not one of %(choices)s.") % {
        "name": MEASURE_NAMES[measure.code],
        "given": given,
        "choices": _(", ").join(measure.choices),
    }


def _wrong_day(measure: Measure, text: str, now_day: dt.date) -> list[str]:
    name = MEASURE_NAMES[measure.code]
    try:
        day = PartialDate.parse(text)
    except ValueError:
        return [_("%(name)s: write YYYY-MM-DD, YYYY-MM or YYYY, not “%(given)s”.") % {"name": name, "given": text}]
    if day.certainly_after_day(now_day):
        return [
            _("%(name)s: %(day)s lies after the day of this entry. Correct the date.") % {"name": name, "day": text}
        ]
    return []


def _wrong_number(measure: Measure, answer: Measurement, is_accepted: bool) -> list[str]:
    name = MEASURE_NAMES[measure.code]
    if answer.value is None:
        return [_("%(name)s: write a number.") % {"name": name}]
    try:
        value = convert(measure, answer.value, answer.unit)
    except UnknownUnit:
        units = _(", ").join(answer_text("unit", unit) or "—" for unit in measure.all_units)
        return [
            _("%(name)s is not given in %(unit)s; use %(units)s.")
            % {"name": name, "unit": answer.unit or "—", "units": units}
        ]
    if answer.comparator and not measure.takes_bound:
        return [_("%(name)s: “%(given)s” is no number. Give the number itself.") % {"name": name, "given": answer.text}]
    values = {"name": name, "given": answer.text, "unit": answer_text("unit", measure.unit)}
    if answer.comparator == "<" and value <= 0:
        return [_("%(name)s: nothing can be %(given)s. Compare it with the report.") % values]
    if outside(measure, value, measure.possible):
        assert measure.possible is not None
        span = {"low": f"{measure.possible[0]:f}", "high": f"{measure.possible[1]:f}"}
        return [
            _("%(name)s: %(given)s cannot be (possible: %(low)s to %(high)s %(unit)s). Check the number and the unit.")
            % {**values, **span}
        ]
    if outside(measure, value, measure.probable) and not is_accepted:
        assert measure.probable is not None
        span = {"low": f"{measure.probable[0]:f}", "high": f"{measure.probable[1]:f}"}
        return [
            _(
                "%(name)s: %(given)s is unusual (usually %(low)s to %(high)s %(unit)s). Compare it with the report; if "
                "it is right, tick “as printed” beside it."
            )
            % {**values, **span}
        ]
    return _wrong_range(measure, answer)


def _wrong_range(measure: Measure, answer: Measurement) -> list[str]:
    low, high = answer.reference_low, answer.reference_high
    if low is not None and high is not None and low > high:
        return [
            _("%(name)s: the lower limit of normal lies above the upper one.") % {"name": MEASURE_NAMES[measure.code]}
        ]
    if high is not None and high <= 0:
        return [_("%(name)s: the upper limit of normal is not above zero.") % {"name": MEASURE_NAMES[measure.code]}]
    return []


@transaction.atomic
def record_examination(
    *,
    examination: Examination,
    answers: Sequence[Measurement],
    deviation_reason: str = "",
    accepted: Iterable[str] = (),
    by: User,
    now: dt.datetime,
) -> Examination:
    """Save an examination with its answers. Raises Refused; nothing is saved then."""
    # The lock puts this after, or before, an enrolment that reads the same facts.
    participant = Participant.objects.select_for_update().get(pk=examination.participant_id)
    examination.participant = participant
    check_examination(examination, answers, deviation_reason=deviation_reason, accepted=accepted, now=now)
    examination.created_by, examination.created_at = by, now
    examination.save()
    Measurement.objects.bulk_create(prepared(examination, answers, by=by, now=now))
    keep_consent_deviation(examination.participant, deviation_reason, by=by, now=now)
    _look_at_eligibility(participant)
    return examination


def _look_at_eligibility(participant: Participant) -> None:
    """Before the infusion a result may break a confirmed eligibility: whoever decides is told at once, not by the
    next sweep."""
    if participant.status in ENROLLED_BEFORE_INFUSION:
        wake(ELIGIBILITY_TASK)


def prepared(
    examination: Examination, answers: Sequence[Measurement], *, by: User, now: dt.datetime
) -> list[Measurement]:
    """The answers as rows of this examination, with their values in the standard unit."""
    for answer in answers:
        answer.examination, answer.participant = examination, examination.participant
        answer.taken_at = examination.taken_at
        answer.created_by, answer.created_at = by, now
        answer.standard_value = standard_value(answer)
    return list(answers)


def standard_value(answer: Measurement) -> Decimal | None:
    if answer.value is None:
        return None
    return convert(MEASURES[answer.code], answer.value, answer.unit).quantize(STORED)


def allowed_by(answer: Measurement) -> Allowed:
    """The values that a number or its bound allows, in the measure's own unit and unrounded."""
    assert answer.value is not None, "only a number allows numbers"
    return allowed(convert(MEASURES[answer.code], answer.value, answer.unit), answer.comparator)


def part_above_whole(part: Measurement, whole: Measurement) -> str:
    return _(
        "%(part)s is more than %(whole)s of the same sample, of which it is a part. Compare both numbers and units "
        "with the report."
    ) % {"part": part, "whole": whole}


ELIGIBILITY_TASK = "participants.tasks.sweep_eligibility"
ANSWER_FIELDS = (
    "value",
    "comparator",
    "unit",
    "reference_low",
    "reference_high",
    "lloq",
    "choice",
    "day",
    "not_done_reason",
)


@transaction.atomic
def correct_examination(
    *,
    examination: Examination,
    answers: Sequence[Measurement],
    reason: str,
    deviation_reason: str = "",
    accepted: Iterable[str] = (),
    by: User,
    now: dt.datetime,
) -> Examination:
    """Save a corrected examination: changed answers change, new ones are added, those left out become void."""
    participant = Participant.objects.select_for_update().get(pk=examination.participant_id)
    check_examination(examination, answers, deviation_reason=deviation_reason, accepted=accepted, now=now)
    examination.save()
    known = {one.code: one for one in examination.measurements.standing()}
    new = [answer for answer in answers if answer.code not in known]
    for answer in answers:
        if answer.code in known:
            _correct(known.pop(answer.code), answer, examination)
    for left_out in known.values():
        left_out.voided_at, left_out.voided_by, left_out.void_reason = now, by, reason
        left_out.save(update_fields=["voided_at", "voided_by", "void_reason"])
    signing.sign(*known.values(), meaning=Meaning.VOID, by=by, is_own=False)
    Measurement.objects.bulk_create(prepared(examination, new, by=by, now=now))
    keep_consent_deviation(examination.participant, deviation_reason, by=by, now=now)
    _look_at_eligibility(participant)
    return examination


def _correct(row: Measurement, answer: Measurement, examination: Examination) -> None:
    before = (row.taken_at, *(getattr(row, name) for name in ANSWER_FIELDS))
    if before == (examination.taken_at, *(getattr(answer, name) for name in ANSWER_FIELDS)):
        return
    for name in ANSWER_FIELDS:
        setattr(row, name, getattr(answer, name))
    row.taken_at, row.standard_value = examination.taken_at, standard_value(answer)
    row.save()


# --- Facts -------------------------------------------------------------------------------------------


def facts_of(participant: Participant, *, until: dt.datetime) -> Facts:
    """The newest answer to each question, taken by this moment; two queries, whatever the number of results."""
    return facts_at(participant, [until])[until]


def facts_at(participant: Participant, moments: Collection[dt.datetime]) -> dict[dt.datetime, Facts]:
    """The newest answers by each of these moments: two queries, however many moments and results.

    A result goes before a later "not done": the question has its answer.
    """
    newest = sorted(_newest_answers(participant, sorted(moments)), key=_newest_last)
    examinations = {row.examination_id for row in newest if row.code in HAVE_COMPANIONS}
    companions = _companions(participant, sorted(examinations)) if examinations else []
    facts = {row.pk: fact_of(row) for row in (*newest, *companions)}
    return {
        moment: Facts(
            {row.code: facts[row.pk] for row in newest if row.taken_at <= moment},
            {(row.examination_id, row.code): facts[row.pk] for row in companions if row.taken_at <= moment},
        )
        for moment in moments
    }


def _newest_answers(participant: Participant, moments: Sequence[dt.datetime]) -> list[Any]:
    given: dict[Hashable, Any] = dict(zip(_some_moments(len(moments)), moments, strict=True))
    given[NOBODY] = participant.pk
    return [Answer(*row) for row in ask(_question_of(len(moments)), given)]


@cache
def _question_of(count: int) -> Question:
    """For the newest answers by so many moments."""
    rows = Measurement.objects.standing().filter(participant=NOBODY)
    was_not_done = Case(When(not_done_reason="", then=Value(0)), default=Value(1))
    first, *others = [
        rows.filter(taken_at__lte=moment)
        .order_by("code", was_not_done, "-taken_at", "-id")
        .distinct("code")
        .values_list(*FACT_COLUMNS)
        for moment in _some_moments(count)
    ]
    return (first.union(*others) if others else first).query.sql_with_params()


def _companions(participant: Participant, examinations: Sequence[int]) -> list[Any]:
    given: dict[Hashable, Any] = dict(zip(_some_rows(len(examinations)), examinations, strict=True))
    given[NOBODY] = participant.pk
    return [Answer(*row) for row in ask(_question_of_companions(len(examinations)), given)]


@cache
def _question_of_companions(count: int) -> Question:
    rows = Measurement.objects.standing().filter(participant=NOBODY)
    rows = rows.filter(examination__in=_some_rows(count), code__in=sorted(COMPANIONS))
    return rows.values_list(*FACT_COLUMNS).query.sql_with_params()


def _some_rows(count: int) -> list[int]:
    """Stand for the rows that are asked about."""
    return [NOBODY - 1 - number for number in range(count)]


def _some_moments(count: int) -> list[dt.datetime]:
    """Stand for the moments that are asked about."""
    return [dt.datetime(1, 1, 1, second, tzinfo=dt.UTC) for second in range(count)]


def _newest_last(row: Any) -> tuple[bool, dt.datetime, int]:
    return row.not_done_reason == "", row.taken_at, row.pk


def fact_of(row: Any) -> Fact:
    """A measurement as the rules read it: unrounded in the measure's unit, with the limits as printed beside it."""
    return Fact(
        code=row.code,
        value=_fact_value(row),
        on=site_day(row.taken_at),
        comparator=row.comparator,
        printed=row.value,
        upper_limit=row.reference_high,
        lloq=row.lloq,
        not_done=row.not_done_reason,
        examination=row.examination_id,
        source=row.pk,
    )


def _fact_value(row: Any) -> Decimal | str | PartialDate | None:
    if row.value is not None:
        return convert(MEASURES[row.code], row.value, row.unit)
    if row.day:
        return PartialDate.parse(row.day)
    return row.choice or None
