"""What this app asks before an assessment is saved: answers that do not go together.

And what it says before an entry of a lower floor is void: what was seen in the belief that it was right.
"""

import datetime as dt
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from django.db.models import Model
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy, ngettext

from dosing import actions as dosing
from dosing.models import Infusion, Medication, MedicationKind
from participants.actions.imports import brought
from participants.models import MeasurementImport
from safety import consequences
from safety.actions.assessments import grade_by_infusion, locked, questions_about
from safety.actions.blood import grades_on
from safety.actions.contradictions import TASK
from safety.choices import FINDING_NAMES, SEEN_KINDS, name_of
from safety.models import AdverseEvent, BedsideAssessment, ToxicityAssessment, current
from safety.rules import plausible
from safety.rules.bedside import Vasopressor
from safety.rules.contradictions import QUESTION_TEXT
from safety.rules.grading import Reason
from trialsite.models import Record
from trialsite.questions import Question
from trialsite.wake import wake


def questions_of(row: Record, *, changed: Collection[str] | None, by: Any, now: dt.datetime) -> Iterator[Question]:
    """Each with what was typed: once per contradiction, and anew for another value."""
    if isinstance(row, BedsideAssessment | ToxicityAssessment) and row.observed is not None:
        for one in questions_about(row.participant, row.assessed_at, row.observed):
            yield Question(one.code, in_words(one))
    if isinstance(row, AdverseEvent) and (changed is None or TOLD & set(changed)):
        yield from _about_event(row)


# The fields of an event that have to agree: a change of another one asks nothing again.
TOLD = frozenset({"outcome", "resolved", "grade", "is_life_threatening"})
EVENT_TEXT = {
    "recovered_without_end": gettext_lazy(
        "The outcome is “%(outcome)s”, and there is no end. Write the day on which it ended, as far as it is known, or "
        "say why there is none."
    ),
    "end_not_recovered": gettext_lazy(
        "It ended (%(resolved)s), and the outcome is “%(outcome)s”. Correct one of the two, or say why both are right."
    ),
    "life_threatening_low_grade": gettext_lazy(
        "It is said to be life-threatening, and has grade %(grade)s. Life-threatening means a risk of death at the "
        "time; grade 1 is mild, grade 2 moderate. Correct one of the two, or say why both are right."
    ),
}


def _about_event(row: AdverseEvent) -> Iterator[Question]:
    told = plausible.Told(row.outcome, bool(row.resolved), row.grade or 0, row.is_life_threatening)
    values = {"outcome": row.get_outcome_display(), "resolved": row.resolved, "grade": row.grade}
    for code in plausible.implausible(told):
        yield Question(code, EVENT_TEXT[code] % values)


def in_words(one: Reason) -> str:
    """The question in the reader's language, answers by their names on the form."""
    return gettext(QUESTION_TEXT[one.code]).format(**{name: _said(name, text) for name, text in one.values.items()})


def _said(name: str, text: str) -> str:
    if name == "running":
        named = (FINDING_NAMES[one] if one == "vasopressin" else name_of(Vasopressor, one) for one in text.split(","))
        return ", ".join(str(one) for one in named)
    return str(name_of(SEEN_KINDS[name], text)) if name in SEEN_KINDS else text


def rests_on(row: Model) -> Sequence[str]:
    """In sentences, the grades that hang on an infusion, on a drug, or on the results of an import."""
    if isinstance(row, Infusion):
        return _assessed_since(row)
    if isinstance(row, Medication):
        return _answered_by(row)
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


# What the bedside asks about as anticytokine therapy; an answer of the bedside stands for itself, and is not changed.
ANTICYTOKINES = (
    MedicationKind.TOCILIZUMAB,
    MedicationKind.CORTICOSTEROID,
    MedicationKind.ANAKINRA,
    MedicationKind.SILTUXIMAB,
)


def _answered_by(drug: Medication) -> Sequence[str]:
    """Assessments that say so, unless another such drug is on record before each of them."""
    if drug.kind not in ANTICYTOKINES:
        return ()
    others = drug.participant.medications.standing().filter(kind__in=ANTICYTOKINES).exclude(pk=drug.pk)
    first_other = others.order_by("started_at").values_list("started_at", flat=True).first()
    answered = current(ToxicityAssessment.objects.filter(participant=drug.participant_id)).filter(
        assessed_at__gte=drug.started_at, findings__antipyretic_or_anticytokine_given=True
    )
    count = sum(first_other is None or at < first_other for at in answered.values_list("assessed_at", flat=True))
    if not count:
        return ()
    text = ngettext(
        "CRS was graded once after this drug with the answer that such a drug was given. The answer stays: correct "
        "that assessment if it is no longer true, and the grade follows.",
        "CRS was graded %(count)s times after this drug with the answer that such a drug was given. The answers stay: "
        "correct those assessments if they are no longer true, and the grades follow.",
        count,
    )
    return (text % {"count": count},)


# --- What follows an infusion ------------------------------------------------------------------------


def goes_with(row: Model) -> Sequence[str]:
    """In sentences, what becomes of the grades, episodes and alerts that hang on the day of this infusion."""
    if not isinstance(row, Infusion):
        return ()

    def act() -> None:
        infusion = Infusion.objects.get(pk=row.pk)
        dosing.void_infusion(infusion=infusion, reason="preview", by=row.created_by, now=timezone.now())

    return consequences.of_void(row.participant, act).follows


def take_back(row: Model, *, reason: str, by: Any, now: dt.datetime) -> None:
    """Grades are computed from findings: without the infusion, or with another Day 0, they are computed anew."""
    corrected(row, by=by, now=now)


def corrected(row: Model, *, by: Any, now: dt.datetime) -> None:
    if isinstance(row, Infusion):
        grade_by_infusion(locked(row.participant_id), by=by, now=now)


def kept() -> None:
    """The consistency checks look at whoever was changed, once it is saved."""
    wake(TASK)
