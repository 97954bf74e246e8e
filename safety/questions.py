"""What this app asks before an assessment is saved: answers that do not go together.

And what it says before an entry of a lower floor is void: what was seen in the belief that it was right.
"""

import datetime as dt
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from django.db.models import Model
from django.utils.translation import gettext, ngettext

from dosing.models import Infusion
from participants.actions.imports import brought
from participants.models import MeasurementImport
from safety.actions.assessments import questions_about
from safety.actions.blood import grades_on
from safety.choices import FINDING_NAMES, SEEN_KINDS, name_of
from safety.models import BedsideAssessment, ToxicityAssessment, current
from safety.rules.bedside import Vasopressor
from safety.rules.contradictions import QUESTION_TEXT
from safety.rules.grading import Reason
from trialsite.models import Record
from trialsite.questions import Question


def questions_of(row: Record, *, changed: Collection[str] | None, by: Any, now: dt.datetime) -> Iterator[Question]:
    """Each with what was typed: once per contradiction, and anew for another value."""
    if isinstance(row, BedsideAssessment | ToxicityAssessment) and row.observed is not None:
        for one in questions_about(row.participant, row.assessed_at, row.observed):
            yield Question(one.code, in_words(one))


def in_words(one: Reason) -> str:
    """The question in the reader's language, answers by their names on the form."""
    return gettext(QUESTION_TEXT[one.code]).format(**{name: _said(name, text) for name, text in one.values.items()})


def _said(name: str, text: str) -> str:
    if name == "running":
        named = (FINDING_NAMES[one] if one == "vasopressin" else name_of(Vasopressor, one) for one in text.split(","))
        return ", ".join(str(one) for one in named)
    return str(name_of(SEEN_KINDS[name], text)) if name in SEEN_KINDS else text


def rests_on(row: Model) -> Sequence[str]:
    """In sentences, the grades that hang on an infusion or on the results of an import."""
    if isinstance(row, Infusion):
        return _assessed_since(row)
    if isinstance(row, MeasurementImport):
        return grades_on(brought(row).values_list("pk", flat=True))
    return ()


def _assessed_since(infusion: Infusion) -> Sequence[str]:
    """CRS and ICANS were looked for because of the cells; with another infusion before, they are of that one."""
    if infusion.participant.infusions.standing().exclude(pk=infusion.pk).exists():
        return ()
    assessed = current(ToxicityAssessment.objects.filter(participant=infusion.participant_id))
    count = assessed.filter(assessed_at__gte=infusion.infused_at).values("assessed_at").distinct().count()
    if not count:
        return ()
    text = ngettext(
        "CRS or ICANS was assessed once since this infusion, which stays. If that was another person, void it, too.",
        "CRS or ICANS was assessed %(count)s times since this infusion, which stay. If that was another person, "
        "void them, too.",
        count,
    )
    return (text % {"count": count},)
