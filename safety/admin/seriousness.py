"""Whether an event is serious is said aloud: six boxes that nobody ticked are no answer."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget, UnfoldBooleanWidget

from safety.models import SERIOUSNESS, AdverseEvent, SeriousnessSaid
from trialsite import formfields
from trialsite.fields import PLEASE_CHOOSE

SAID = "is_serious_said"
YES, NO, OPEN = "yes", "no", "open"
ANSWERS = [
    ("", PLEASE_CHOOSE),
    (YES, _("serious: at least one of the criteria")),
    (NO, _("not serious: none of the criteria")),
    (OPEN, _("open: nobody has judged it yet")),
]
STORED = {YES: SeriousnessSaid.SERIOUS, NO: SeriousnessSaid.NOT_SERIOUS, OPEN: ""}


def field() -> forms.ChoiceField:
    return forms.ChoiceField(
        label=_("Is it serious?"), choices=ANSWERS, widget=UnfoldAdminSelectWidget(choices=ANSWERS)
    )


# For those who record what was seen: that it is not serious is an investigator's judgement, and stays open.
SEEN = [
    ("", PLEASE_CHOOSE),
    (YES, _("serious: at least one of the criteria was seen")),
    (NO, _("none of the criteria was seen; an investigator judges")),
]


def only_seen(field: Any) -> None:
    field.choices = SEEN


# Whoever ticks a criterion is asked for its day: the clock starts there, and not before it was known.
CRITERIA = tuple(name for one in SERIOUSNESS for name in (one, f"{one}_on"))


def criteria(event: AdverseEvent | None = None) -> dict[str, forms.Field]:
    """A box for each criterion, and the day since which it holds; as the event has them now."""
    return {name: _criterion(name, getattr(event, name, None)) for name in CRITERIA}


def _criterion(name: str, initial: Any) -> forms.Field:
    options: dict[str, Any] = {
        "label": AdverseEvent._meta.get_field(name).verbose_name,  # type: ignore[union-attr]
        "required": False,
        "initial": initial,
    }
    if name in SERIOUSNESS:
        return forms.BooleanField(widget=UnfoldBooleanWidget, **options)
    return formfields.PartialDateField(widget=UnfoldAdminTextInputWidget, **options)


def said_of_criteria(cleaned: dict[str, Any]) -> dict[str, Any]:
    """What the form says of the criteria, as the verbs take it."""
    return {name: cleaned[name] for name in CRITERIA}


def answer_of(said: str) -> str:
    """The answer that stands on record, for the form."""
    return next((answer for answer, stored in STORED.items() if stored == said), "")


def compare(form: forms.BaseForm, cleaned: dict[str, Any]) -> None:
    """The answer and the boxes must tell the same; the error stands at the answer."""
    said = cleaned.get(SAID)
    if not said:
        return
    ticked = [form.fields[name].label for name in SERIOUSNESS if cleaned.get(name)]
    if said == YES and not ticked:
        form.add_error(SAID, _("Tick what makes it serious, or answer that it is not."))
    if ticked and said != YES:
        text = _("“%(criterion)s” is ticked, and makes it serious: take the tick back, or answer “serious”.")
        form.add_error(SAID, text % {"criterion": ticked[0]})
