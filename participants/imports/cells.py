"""The cells of a row: whose, what, when, and the answer; or what is unclear about them, in words."""

import datetime as dt
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from participants.actions.measurements import STORED
from participants.imports.file import quoted
from participants.imports.words import choice_words, key, measure_words, unit_key, unit_words
from participants.models import Measurement, Participant
from participants.names import MEASURE_NAMES
from participants.rules.measures import MEASURES, PANEL_OF, QUESTIONS, Kind, Measure
from trialsite import reading
from trialsite.reading import Unreadable


class Unclear(ValueError):
    """A cell that cannot be understood; the text says what to write instead."""


@dataclass
class Reading:
    """One row, understood: whose, what, when, and the answer as a row that is not saved yet."""

    participant: Participant
    code: str
    taken_at: dt.datetime
    is_fasting: bool | None
    laboratory: str
    is_study_procedure: bool
    answer: Measurement
    is_time_assumed: bool = False

    @property
    def panel(self) -> str:
        return PANEL_OF[self.code]

    @property
    def key(self) -> tuple[int, str, dt.datetime]:
        """What can be answered once only."""
        return self.participant.pk, self.code, self.taken_at

    @property
    def group(self) -> tuple[Any, ...]:
        """What makes one examination."""
        return (
            self.participant.pk,
            self.panel,
            self.taken_at,
            self.is_fasting,
            self.laboratory,
            self.is_study_procedure,
            self.is_time_assumed,
        )


@dataclass
class Known:
    """What is recorded about the participants of a site, as far as a file needs it."""

    participants: dict[str, Participant]
    consented_at: dict[int, dt.datetime]
    site: Any
    recorded: dict[tuple[int, str, dt.datetime], list[Measurement]] = field(default_factory=dict)
    # What the file has said so far of each sample, by measure.
    samples: dict[tuple[int, dt.datetime], dict[str, Measurement]] = field(default_factory=dict)


class _Cells:
    """Reads a row's cells one by one and gathers what is unclear, so that one look at the row is enough."""

    def __init__(self, cells: dict[str, str]) -> None:
        self.cells = cells
        self.reasons: list[str] = []

    def get(self, name: str) -> str:
        return self.cells.get(name, "")

    def read(self, parse: Callable[..., Any], *args: Any) -> Any:
        try:
            return parse(*args)
        except Unclear as reason:
            self.reasons.append(str(reason))
            return None


def understood(cells: dict[str, str], known: Known) -> tuple[Reading | None, list[str]]:
    """The row as a reading, or the reasons why it is none."""
    row = _Cells(cells)
    participant = _participant(row, known)
    code = row.read(find_measure, row.get("measure"))
    taken_at = row.read(moment, row.get("taken_at"))
    is_fasting = row.read(yes_no, row.get("fasting"), "fasting")
    is_study = row.read(yes_no, row.get("study_procedure"), "study_procedure")
    is_assumed = row.read(yes_no, row.get("time_assumed"), "time_assumed")
    laboratory = row.read(_short, row.get("laboratory"), "laboratory", 100)
    answer = _answer(row, MEASURES[code]) if code else None
    if row.reasons or answer is None or participant is None:
        return None, row.reasons
    if is_study is None:
        # What is only told or read in the file is no procedure of the study.
        is_study = PANEL_OF[code] not in QUESTIONS
    return Reading(participant, code, taken_at, is_fasting, laboratory, is_study, answer, bool(is_assumed)), []


def _participant(row: _Cells, known: Known) -> Participant | None:
    """Whose row it is; what was wrong with a number that we do not keep was said when the file was read."""
    if row.get("problem"):
        row.reasons.append(row.get("problem"))
        return None
    found: Participant | None = row.read(find_participant, row.get("participant"), known)
    return found


# What a number of ours looks like; anything else in that column may be a name, and is not repeated.
_NUMBERED = re.compile(r"[A-Z0-9_-]{1,10}-S?\d{1,6}", re.ASCII)


def study_number(text: str) -> str:
    """The text if it looks like a number of the study, else nothing."""
    number = reading.code_key(text)
    return number if _NUMBERED.fullmatch(number) else ""


def numbers_of(participant: Participant) -> set[str]:
    return {number.upper() for number in (participant.screening_number, participant.participant_number) if number}


def find_participant(text: str, known: Known) -> Participant:
    number = study_number(text)
    if not number:
        raise Unclear(_("“participant” holds no screening or participant number. Write it as on the participant page."))
    participant = known.participants.get(number)
    if participant is None:
        raise Unclear(
            _("No participant of %(site)s has the number %(number)s. Check the number, and the site of this import.")
            % {"site": known.site, "number": number}
        )
    if participant.is_void:
        raise Unclear(_("Participant %(number)s is void. Check the number, or take the row out.") % {"number": number})
    return participant


def find_measure(text: str) -> str:
    code = measure_words().get(key(text))
    if code is None:
        raise Unclear(
            _("“%(given)s” is no measure of this study. Write its code or its name as in the list on the import page.")
            % {"given": text[:60]}
        )
    if not code:
        raise Unclear(_("Two measures are called “%(given)s”. Write the code of the one meant.") % {"given": text[:60]})
    return code


def moment(text: str) -> dt.datetime:
    """A moment in the site's time zone, unless the text names another."""
    try:
        return reading.read_moment(text).replace(tzinfo=timezone.get_default_timezone())
    except Unreadable:
        pass
    try:
        aware = dt.datetime.fromisoformat(reading.plain(text))
    except ValueError:
        aware = None
    if aware is None or aware.tzinfo is None:
        raise Unclear(
            _("“taken_at” needs the day and the time, as 2026-03-05 08:10; it holds “%(given)s”.")
            % {"given": text[:40]}
        )
    return aware


_YES_NO = {
    **dict.fromkeys(("yes", "y", "true", "1", "是"), True),
    **dict.fromkeys(("no", "n", "false", "0", "否"), False),
}


def yes_no(text: str, column: str) -> bool | None:
    if not text:
        return None
    if (answer := _YES_NO.get(key(text))) is None:
        raise Unclear(
            _("“%(column)s” takes yes, no or nothing; it holds “%(given)s”.") % {"column": column, "given": text[:40]}
        )
    return answer


def _short(text: str, column: str, limit: int) -> str:
    if len(text) > limit:
        raise Unclear(
            _("“%(column)s” has %(length)s letters; %(limit)s is the most. Shorten it.")
            % {"column": column, "length": len(text), "limit": limit}
        )
    return text


# --- The answer --------------------------------------------------------------------------------------


def _answer(row: _Cells, measure: Measure) -> Measurement:
    text, reason = row.get("value"), row.read(_short, row.get("not_done"), "not_done", 200)
    if text and not row.get("not_done"):
        answer = _number_answer if measure.kind == Kind.NUMBER else _word_answer
        return answer(row, measure, text)
    if text:
        row.reasons.append(_("There is a value and a reason why there is none. Empty one of the two cells."))
    elif not row.get("not_done"):
        row.reasons.append(_("There is no value. Give it, or write in “not_done” why there is none."))
    return Measurement(code=measure.code, not_done_reason=reason or "")


def _number_answer(row: _Cells, measure: Measure, text: str) -> Measurement:
    comparator, value = row.read(bounded_number, text) or ("", None)
    return Measurement(
        code=measure.code,
        value=value,
        comparator=comparator,
        unit=find_unit(measure, row.get("unit")),
        reference_low=row.read(plain_number, row.get("low"), "low"),
        reference_high=row.read(plain_number, row.get("high"), "high"),
        lloq=row.read(plain_number, row.get("lloq"), "lloq"),
    )


def _word_answer(row: _Cells, measure: Measure, text: str) -> Measurement:
    if filled := [name for name in ("unit", "low", "high", "lloq") if row.get(name)]:
        row.reasons.append(
            _("%(measure)s is answered without %(columns)s. Empty these cells.")
            % {"measure": MEASURE_NAMES[measure.code], "columns": quoted(filled)}
        )
    if measure.kind == Kind.DATE:
        return Measurement(code=measure.code, day=_day(text))
    return Measurement(code=measure.code, choice=choice_words(measure.code).get(key(text), text[:60]))


_PLAIN_NUMBER = re.compile(r"[+-]?\d{1,15}(?:\.\d{1,15})?(?:[eE][+-]?\d{1,2})?", re.ASCII)
_TOO_LARGE = Decimal(10) ** 14


def bounded_number(text: str) -> tuple[str, Decimal]:
    """A number and the bound before it: "<0.5" is ("<", 0.5)."""
    bound, number = reading.split_bound(text)
    if not _PLAIN_NUMBER.fullmatch(number):
        raise Unclear(
            _("“%(given)s” is not a number. Write it as 7.5, <0.5 or >100: with a point, without commas or words.")
            % {"given": text[:40]}
        )
    return bound, _storable(Decimal(number), text)


def _storable(number: Decimal, text: str) -> Decimal:
    if abs(number) >= _TOO_LARGE or number != number.quantize(STORED):
        raise Unclear(
            _("“%(given)s” has more than 14 digits before the point or 6 behind it. Check it.") % {"given": text[:40]}
        )
    return number


def plain_number(text: str, column: str) -> Decimal | None:
    if not text:
        return None
    try:
        bound, number = bounded_number(text)
    except Unclear:
        bound, number = "?", Decimal(0)
    if bound:
        raise Unclear(
            _("“%(column)s” takes one number; it holds “%(given)s”.") % {"column": column, "given": text[:40]}
        )
    return number


def find_unit(measure: Measure, text: str) -> str:
    """The unit as we write it; an unknown one as it came, which the check of the answer then refuses."""
    return unit_words(measure.code).get(unit_key(text), text[:40])


def _day(text: str) -> str:
    """A partial date in our spelling; anything else as it came, which the check of the answer then refuses."""
    try:
        return str(reading.read_partial_date(text))
    except Unreadable:
        return text[:40]
