"""What becomes of each row: new, already there, unusual, different from what is recorded, or refused."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext_lazy

from participants.actions.days import long_moment, minute, site_day
from participants.actions.measurements import allowed_by, part_above_whole, standard_value, wrong_answer
from participants.imports.cells import Known, Reading, study_number
from participants.imports.file import Line
from participants.imports.words import key, measure_words
from participants.models import Measurement
from participants.names import MEASURE_NAMES, answer_text
from participants.rules.measures import MEASURES, outside
from participants.rules.wholes import parts_above_wholes
from participants.units import convert


class Fate(StrEnum):
    NEW = "new"
    THERE = "there"
    UNUSUAL = "unusual"
    DIFFERS = "differs"
    REFUSED = "refused"


FATE_NAMES: dict[str, Any] = {
    Fate.NEW: pgettext_lazy("row", "new"),
    Fate.THERE: pgettext_lazy("row", "already there"),
    Fate.UNUSUAL: pgettext_lazy("row", "unusual"),
    Fate.DIFFERS: pgettext_lazy("row", "differs from what is recorded"),
    Fate.REFUSED: pgettext_lazy("row", "refused"),
}
FINE = frozenset({Fate.NEW, Fate.THERE})
# One such row, and nothing of the file is imported.
BLOCKING = frozenset({Fate.DIFFERS, Fate.REFUSED})


@dataclass(frozen=True)
class Judged:
    """A row's fate with its reason, and the reading where there is one."""

    line: int
    fate: Fate
    message: str = ""
    participant: str = ""
    measure: str = ""
    examination: int | None = None
    place: str = ""
    reading: Reading | None = None

    def entry(self) -> dict[str, Any]:
        """As it is kept with the import."""
        entry: dict[str, Any] = {
            "line": self.line,
            "fate": self.fate.value,
            "message": self.message,
            "participant": self.participant,
            "measure": self.measure,
        }
        if self.place and self.place != str(self.line):
            entry["place"] = self.place
        return entry if self.examination is None else {**entry, "examination": self.examination}


@dataclass
class Row:
    """A line on its way to its fate."""

    line: Line
    reading: Reading | None
    reasons: list[str]


def judged(row: Row, known: Known, first_lines: dict[Any, Line], *, now: dt.datetime) -> Judged:
    """What becomes of a row. `first_lines` gathers the line that had each answer first."""
    reading, number = row.reading, row.line.number
    given: dict[str, Any] = {"participant": study_number(row.line.cells["participant"]), "line": number}
    given["place"] = row.line.place
    if reading is None:
        given["measure"] = measure_words().get(key(row.line.cells["measure"]), "")
        return Judged(fate=Fate.REFUSED, message=" ".join(row.reasons), **given)
    given |= {"measure": reading.code, "participant": reading.participant.number, "reading": reading}
    first = first_lines.setdefault(reading.key, row.line)
    reasons = [*_twice(first, row.line), *_wrong_moment(reading, known, now=now), *_wrong(reading)]
    if reasons:
        return Judged(fate=Fate.REFUSED, message=" ".join(reasons), **given)
    return _against_recorded(reading, known, given)


def _twice(first: Line, line: Line) -> list[str]:
    if first.number == line.number:
        return []
    text = _("The file has this measure at this moment in line %(line)s already. Keep one of the two rows.")
    return [text % {"line": first.place}]


def _wrong(reading: Reading) -> list[str]:
    return wrong_answer(reading.answer, is_accepted=True, now_day=site_day(reading.taken_at))


def _wrong_moment(reading: Reading, known: Known, *, now: dt.datetime) -> list[str]:
    """The questions of a single entry, in its words, without a query for each row."""
    at, consented = reading.taken_at, known.consented_at.get(reading.participant.pk)
    if at > now:
        text = _("%(at)s is in the future (now: %(now)s). Correct the date and time.")
        return [text % {"at": long_moment(at), "now": long_moment(now)}]
    born = reading.participant.born_on
    if born and site_day(at) < born:
        return [_("%(at)s is before the birth of the participant. Correct the year.") % {"at": long_moment(at)}]
    if reading.is_study_procedure and consented is None:
        text = _(
            "Done for the study, and no consent of %(number)s is on record. Record the consent first; if routine care "
            "did it anyway, write no in “study_procedure”."
        )
        return [text % {"number": reading.participant.number}]
    if reading.is_study_procedure and consented is not None and at < minute(consented):
        return [_before_consent(at, consented)]
    return []


def _before_consent(at: dt.datetime, consented: dt.datetime) -> str:
    text = _("Consent comes before every study procedure: consent was given %(consent)s, this was %(procedure)s.")
    way_out = _(
        "If routine care did it anyway, write no in “study_procedure”; if not, enter it on a page of its own, which "
        "asks for the reason of the deviation."
    )
    return f"{text % {'consent': long_moment(consented), 'procedure': long_moment(at)}} {way_out}"


def _against_recorded(reading: Reading, known: Known, given: dict[str, Any]) -> Judged:
    odd = _unusual(reading.answer) or _above_whole(reading, known)
    recorded = known.recorded.get(reading.key, [])
    if any(_same(one, reading.answer) for one in recorded):
        return Judged(fate=Fate.THERE, **given)
    if recorded:
        message = _(
            "Recorded already with another value: %(recorded)s; the file says %(given)s. If the file is right, correct "
            "the value on its page; then this row is found already there. If not, take the row out."
        ) % {"recorded": recorded[0].text, "given": reading.answer.text}
        return Judged(fate=Fate.DIFFERS, message=message, examination=recorded[0].examination_id, **given)
    if odd:
        return Judged(fate=Fate.UNUSUAL, message=odd, **given)
    return Judged(fate=Fate.NEW, **given)


def _same(one: Measurement, other: Measurement) -> bool:
    """The same answer, whatever the unit; limits beside it may be printed or not."""
    return _essence(one) == _essence(other)


def _essence(answer: Measurement) -> tuple[Any, ...]:
    return standard_value(answer), answer.comparator, answer.choice, answer.day, answer.not_done_reason


def _above_whole(reading: Reading, known: Known) -> str:
    """A part that is more than its whole, said with the later of the two rows."""
    sample = known.samples.setdefault((reading.participant.pk, reading.taken_at), {})
    if reading.answer.value is not None:
        sample[reading.code] = reading.answer
    for part, whole in parts_above_wholes({code: allowed_by(one) for code, one in sample.items()}):
        if reading.code in (part, whole):
            return part_above_whole(sample[part], sample[whole])
    return ""


def _unusual(answer: Measurement) -> str:
    measure = MEASURES[answer.code]
    if answer.value is None or measure.probable is None:
        return ""
    if not outside(measure, convert(measure, answer.value, answer.unit), measure.probable):
        return ""
    return _("%(name)s: %(given)s is unusual (usually %(low)s to %(high)s %(unit)s). Compare it with the source.") % {
        "name": MEASURE_NAMES[measure.code],
        "given": answer.text,
        "low": f"{measure.probable[0]:f}",
        "high": f"{measure.probable[1]:f}",
        "unit": answer_text("unit", measure.unit),
    }


def counted(entries: Iterable[dict[str, Any]]) -> dict[str, int]:
    """How many rows met each fate."""
    counts = dict.fromkeys([fate.value for fate in Fate], 0)
    for entry in entries:
        counts[entry["fate"]] += 1
    return counts


def taken(accept_unusual: bool) -> frozenset[str]:
    """The fates with which a row is written."""
    return frozenset({Fate.NEW, Fate.UNUSUAL} if accept_unusual else {Fate.NEW})


def why_not(counts: dict[str, Any], *, accept_unusual: bool, is_partial: bool = False) -> str:
    """In words, why the rows cannot be imported; empty when they can.

    `is_partial`: the good rows are wanted, and the others are handed back.
    """
    blocked = sum(int(counts.get(fate, 0)) for fate in BLOCKING)
    unusual, new = int(counts.get(Fate.UNUSUAL, 0)), int(counts.get(Fate.NEW, 0))
    if blocked and not is_partial:
        return ngettext(
            "%(count)s row is refused or differs, so the file is not imported as it is. Take the good rows and have "
            "this one handed back to mend; or correct the file, discard this import and upload the file again.",
            "%(count)s rows are refused or differ, so the file is not imported as it is. Take the good rows and have "
            "these handed back to mend; or correct the file, discard this import and upload the file again.",
            blocked,
        ) % {"count": blocked}
    if not new + unusual and not blocked:
        return _("Every row of this file is recorded already: there is nothing to import. Discard this import.")
    if is_partial and not sum(int(counts.get(fate, 0)) for fate in taken(accept_unusual)):
        return _("No row of this file can be taken now. Download all rows, mend them, and upload the file again.")
    if unusual and not accept_unusual and not is_partial:
        return ngettext(
            "%(count)s value is unusual. Compare it with the source; if it is right, tick that you did.",
            "%(count)s values are unusual. Compare them with the source; if they are right, tick that you did.",
            unusual,
        ) % {"count": unusual}
    return ""
