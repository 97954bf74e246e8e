"""What can be true but looks like a mistake: asked about once, and saved with the reason that somebody gives.

A question is no refusal. The form shows it with a field for the reason; sent again with a reason for exactly these
questions, it is saved. The reason goes into the audit trail beside the entry, and to where the question keeps it.
Each app asks its own questions in a module of that name: `questions_of(row, changed=…, by=…, now=…)`. What its
answers leave beside a row follows the row: `corrected(row, by=…, now=…)` once it is saved, `goes_with(row)` and
`rests_on(row)` before its void, `take_back(row, reason=…, by=…, now=…)` with it. `kept()` is called in the
transaction of every form that saves, whatever it saves: what looks at the record anew is woken there.
"""

import datetime as dt
import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from django import forms
from django.apps import apps
from django.db.models import Model
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from trialsite import freetext, reading, twins
from trialsite.models import Record
from trialsite.refusal import Refused

APPS = ("participants", "dosing", "safety")
ANSWER, AGAIN, ASKED = "question_answer", "question_again", "question_asked"
FIELDS = (freetext.MASK, ANSWER, AGAIN, ASKED)


@dataclass(frozen=True)
class Question:
    """A sentence that ends in what to do; `again` is a number that is typed a second time.

    `keep` is called with `reason`, `by` and `now` once the entry is saved: where the answer belongs besides the trail.
    """

    code: str
    sentence: Any
    keep: Callable[..., Any] | None = None
    again: Decimal | None = None

    @property
    def key(self) -> str:
        """Another value in the sentence is another question."""
        return hashlib.sha256(f"{self.code}:{self.sentence}".encode()).hexdigest()[:12]


def questions_of(row: Record, *, changed: Collection[str] | None, by: Any, now: dt.datetime) -> list[Question]:
    """About a row that is not saved yet; `changed` names the fields that a change touches, None stands for a new row.

    Raises Refused for what cannot be true whatever the reason.
    """
    found = [*_twins(row, changed, by)]
    for ask_of in _each("questions_of"):
        found += ask_of(row, changed=changed, by=by, now=now)
    return found


def _each(verb: str) -> Iterator[Callable[..., Any]]:
    """What the apps have of this name."""
    for name in APPS:
        if apps.is_installed(name) and find_spec(f"{name}.questions"):
            found = getattr(import_module(f"{name}.questions"), verb, None)
            if found is not None:
                yield found


def _twins(row: Record, changed: Collection[str] | None, by: Any) -> list[Question]:
    return [Question("twin", sentence) for sentence in twins.sentences(row, changed=changed, by=by)]


# --- On a form ---------------------------------------------------------------------------------------


def prepare(form: forms.BaseForm) -> None:
    """A form that was asked before keeps its answer in sight, whatever else is wrong with it."""
    freetext.prepare(form)
    if form.is_bound and form.data.get(form.add_prefix(ASKED)):
        _add_fields(form, is_again=form.add_prefix(AGAIN) in form.data)


def about(*rows: Record, changed: Collection[str] | None = None, by: Any, now: dt.datetime) -> list[Question]:
    """What to ask about all rows that a form is about to save. Raises Refused for what cannot be true."""
    return [one for row in rows for one in questions_of(row, changed=changed, by=by, now=now)]


def ask(
    form: Any,
    *rows: Record,
    changed: Collection[str] | None = None,
    by: Any,
    now: dt.datetime,
    about_whom: Model | None = None,
) -> bool:
    """Whether nothing is to be asked about these rows, or all of it is answered; otherwise the form shows it.

    What was typed is looked through for the identity of whom the first row is about, or `about_whom`.
    """
    try:
        found = about(*rows, changed=changed, by=by, now=now)
    except Refused as refusal:
        form.add_error(None, refusal)
        return False
    return settle(form, found, *([about_whom] if about_whom else rows))


def settle(form: Any, questions: Iterable[Question], *rows: Model) -> bool:
    """Whether every question was asked before and is answered now; otherwise the form shows them.

    What was answered stays on the form as `answered`, with its reason as `answer`. Identity in what was typed, of
    whom the first of the rows is about, is one thing more to settle.
    """
    owner = next(map(freetext.owner_of, rows), None)
    questions = [*questions, *(Question(code, text) for code, text in freetext.read(form, owner, rows))]
    answer, asked = str(form.cleaned_data.get(ANSWER) or "").strip(), set(_typed(form, ASKED).split())
    form.answered, form.answer = questions, answer if questions else ""
    is_known = all(question.key in asked for question in questions)
    if questions:
        _show(form, questions)
        if not (is_known and answer):
            for question in questions:
                form.add_error(None, forms.ValidationError(question.sentence, code=question.code))
            if is_known:
                form.add_error(ANSWER, _("Correct what is above, or write why it is right."))
        _compare(form, questions, is_known=is_known)
    for name in FIELDS:
        form.cleaned_data.pop(name, None)
    return not form.errors


def keep(form: Any, *, by: Any, now: dt.datetime) -> None:
    """Put the answers of a saved form where they belong besides the audit trail."""
    for question in getattr(form, "answered", ()):
        if question.keep is not None:
            question.keep(reason=form.answer, by=by, now=now)
    if isinstance(row := getattr(form, "instance", None), Record):
        for correct in _each("corrected"):
            correct(row, by=by, now=now)
    for after in _each("kept"):
        after()


def goes_with(row: Record) -> tuple[str, ...]:
    """In sentences, what answers about this row have left beside it and its void takes back."""
    return tuple(line for lines_of in _each("goes_with") for line in lines_of(row))


def rests_on(row: Model) -> tuple[str, ...]:
    """In sentences, what was done because of this row though nothing points at it."""
    return tuple(line for lines_of in _each("rests_on") for line in lines_of(row))


def take_back(row: Record, *, reason: str, by: Any, now: dt.datetime) -> None:
    for each in _each("take_back"):
        each(row, reason=reason, by=by, now=now)


def reason_of(form: Any, reason: str = "") -> str:
    """For the audit trail: why it was changed, why it is right although it was asked about, and what was masked."""
    masked = _(", ").join(getattr(form, "masked", ()))
    said = _("identity masked in: %(fields)s") % {"fields": masked} if masked else ""
    return " · ".join(text for text in (reason.strip(), getattr(form, "answer", ""), said) if text)


def _typed(form: forms.BaseForm, name: str) -> str:
    return str(form.data.get(form.add_prefix(name)) or "").strip()


def _show(form: Any, questions: list[Question]) -> None:
    _add_fields(form, is_again=any(question.again is not None for question in questions))
    # The next answer is for these questions, not for those of the page before.
    data: Any = form.data.copy()  # type: ignore[attr-defined]  # a QueryDict, or the dict of a test
    form.data = data
    data[form.add_prefix(ASKED)] = " ".join(question.key for question in questions)


def _add_fields(form: forms.BaseForm, *, is_again: bool) -> None:
    form.fields[ANSWER] = forms.CharField(
        label=gettext_lazy("Reason why it is saved as it stands"),
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text=gettext_lazy("Answers the questions above; it is kept with the entry."),
    )
    if is_again:
        form.fields[AGAIN] = forms.CharField(
            label=gettext_lazy("The same number once more"),
            required=False,
            widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "inputmode": "decimal"}),
            help_text=gettext_lazy("Read it again from the source, and type it again."),
        )
    form.fields[ASKED] = forms.CharField(required=False, widget=forms.HiddenInput)


def _compare(form: forms.BaseForm, questions: list[Question], *, is_known: bool) -> None:
    expected = next((question.again for question in questions if question.again is not None), None)
    if expected is None or not is_known:
        return
    try:
        is_same = reading.read_decimal(_typed(form, AGAIN)) == expected
    except reading.Unreadable:
        is_same = False
    if not is_same:
        form.add_error(
            AGAIN,
            _("The second number differs from the first, %(first)s. Correct the one that is wrong.")
            % {"first": f"{expected.normalize():f}"},
        )
