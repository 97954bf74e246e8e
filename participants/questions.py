"""What this app asks before a row is saved: whether a date that contradicts the record is right, or a value another."""

import datetime as dt
from collections.abc import Collection
from functools import partial
from typing import Any

from django.utils.translation import gettext_lazy

from participants.actions.contradictions import (
    Contradiction,
    close_what_is_agreed,
    close_where_agreed,
    contradictions,
    owner_of,
    report_without_agreement,
    without_agreement,
)
from participants.actions.days import long_date, long_moment, site_day
from participants.actions.measurements import allowed_by, part_above_whole
from participants.actions.voids import lines_about, void_deviations
from participants.models import Consent, ConsentWithdrawal, Examination, Measurement
from participants.names import MEASURE_NAMES
from participants.responsequestions import about_response
from participants.rules.contradictions import Code
from participants.rules.wholes import parts_above_wholes
from trialsite.models import Record
from trialsite.questions import Question
from trialsite.refusal import Refused

SENTENCES = {
    Code.BEFORE_BIRTH: gettext_lazy("%(what)s: %(at)s is before the birth of %(number)s. Correct the year."),
    Code.FUTURE: gettext_lazy("%(what)s: %(at)s is in the future (now: %(limit)s). Record it when it has happened."),
    Code.BEFORE_CONSENT: gettext_lazy(
        "%(what)s: %(at)s is before the consent of %(number)s, %(limit)s. Correct the date, or say why it is right."
    ),
    Code.WITHOUT_CONSENT: gettext_lazy(
        "%(what)s: %(at)s, and no consent of %(number)s is on record. Record the consent first, or say why there is "
        "none."
    ),
    Code.AFTER_WITHDRAWAL: gettext_lazy(
        "%(what)s: %(at)s is after %(number)s took the consent back, %(limit)s. Ask the principal investigator; "
        "correct the date, or say why it is right."
    ),
    Code.AFTER_DEATH: gettext_lazy(
        "%(what)s: %(at)s is after the death of %(number)s, %(limit)s. Ask the principal investigator; correct "
        "the date, or say why it is right."
    ),
    Code.AFTER_NO_MORE_DATA: gettext_lazy(
        "%(what)s: %(at)s is after %(limit)s, when %(number)s wanted no further data to be kept. Ask the data manager "
        "whether it may be recorded; say what was decided."
    ),
    Code.AFTER_LEAVING: gettext_lazy(
        "%(what)s: %(at)s is after %(number)s left the study, %(limit)s. Ask the data manager; correct the date, or "
        "say why it is recorded."
    ),
}
CORRECT_OR_EXPLAIN = gettext_lazy("Correct what is wrong, or say why it is right.")
BECOMES_A_DEVIATION = gettext_lazy("It becomes a protocol deviation with your reason.")


def questions_of(row: Record, *, changed: Collection[str] | None, by: Any, now: dt.datetime) -> list[Question]:
    """Raises Refused for a date before birth, or in the future of what has happened."""
    found = contradictions(row, changed=changed, now=now)
    refused = [sentence(row, one) for one in found if one.finding.is_refused]
    if refused:
        raise Refused(" ".join(refused))
    return [*(_question(row, one) for one in found), *_about_values(row), *about_response(row, changed, by=by, now=now)]


def _about_values(row: Record) -> list[Question]:
    """A part that is more than its whole; not again where both stand on record as they are."""
    if not isinstance(row, Examination):
        return []
    answers = {one.code: one for one in row.answers if one.value is not None}
    found = list(parts_above_wholes({code: allowed_by(one) for code, one in answers.items()}))
    known = {one.code: one.text for one in row.measurements.standing()} if found and row.pk else {}
    return [
        Question("part_above_whole", f"{part_above_whole(answers[part], answers[whole])} {CORRECT_OR_EXPLAIN}")
        for part, whole in found
        if any(known.get(code) != answers[code].text for code in (part, whole))
    ]


def _question(row: Record, one: Contradiction) -> Question:
    text = sentence(row, one)
    if not one.finding.deviates:
        return Question(one.finding.code, text)
    keep = partial(report_without_agreement, row, description=text)
    return Question(one.finding.code, f"{text} {BECOMES_A_DEVIATION}", keep=keep)


def corrected(row: Record, *, by: Any, now: dt.datetime) -> None:
    close_where_agreed(row, by=by, now=now)
    if isinstance(row, Consent):
        close_what_is_agreed(row.participant, by=by, now=now)


def goes_with(row: Record) -> tuple[str, ...]:
    return lines_about(without_agreement(row))


def take_back(row: Record, *, reason: str, by: Any, now: dt.datetime) -> None:
    void_deviations(without_agreement(row), reason=reason, by=by, now=now)
    if isinstance(row, ConsentWithdrawal):
        close_what_is_agreed(row.participant, by=by, now=now)


def sentence(row: Any, one: Contradiction) -> str:
    """The rule, the values and the way out; never the birth date, which not everybody may see."""
    limit = one.finding.limit
    is_day = one.finding.code in (Code.AFTER_DEATH, Code.AFTER_LEAVING)
    return str(SENTENCES[one.finding.code]) % {
        "what": _name(row, one.field),
        "at": _shown(getattr(row, one.field)),
        "number": owner_of(row),
        "limit": "" if limit is None else long_date(site_day(limit)) if is_day else long_moment(limit),
    }


def _name(row: Any, field: str) -> str:
    if isinstance(row, Measurement):
        return str(MEASURE_NAMES[row.code])
    name = str(row._meta.get_field(field).verbose_name)
    return name[:1].upper() + name[1:]


def _shown(value: dt.datetime | dt.date | str) -> str:
    if isinstance(value, dt.datetime):
        return long_moment(value)
    return long_date(value) if isinstance(value, dt.date) else value
