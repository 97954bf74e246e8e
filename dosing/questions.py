"""What this app asks before a row is saved: an amount far beyond the usual is typed a second time, with its reason."""

import datetime as dt
from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import Any

from django.utils.translation import gettext as _

from dosing.actions import amounts
from dosing.actions.lymphodepletion import range_text
from dosing.models import LymphodepletionDose, Medication
from trialsite.models import Record
from trialsite.questions import Question

FIELDS = {Medication: {"kind", "dose", "dose_unit"}, LymphodepletionDose: {"given_mg"}}


def questions_of(row: Record, *, changed: Collection[str] | None, by: Any, now: dt.datetime) -> Iterator[Question]:
    fields = FIELDS.get(type(row), set())
    if changed is not None and not fields & set(changed):
        return
    if isinstance(row, Medication) and amounts.unusual_medication(row):
        yield _question(row, "medication", partial(amounts.unusual_medication, row), row.dose)
    if isinstance(row, LymphodepletionDose) and amounts.is_unusual_dose(row):
        yield _question(row, "lymphodepletion", partial(range_text, row), row.given_mg)


def _question(row: Any, about: str, describe: Callable[[], str], given: Any) -> Question:
    how = _(
        "If it was really given, type the number once more and say why: it becomes a protocol deviation, and the "
        "principal investigator is told."
    )
    keep = partial(amounts.report_amount, row, about=about, describe=describe, given=given)
    return Question("amount", f"{describe()} {how}", keep=keep, again=given)
