"""Whether an event is serious is said aloud: six boxes that nobody ticked are no answer."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget

from safety.models import SERIOUSNESS
from trialsite.fields import PLEASE_CHOOSE

SAID = "is_serious_said"
ANSWERS = [
    ("", PLEASE_CHOOSE),
    ("yes", _("serious: at least one of the criteria")),
    ("no", _("not serious: none of the criteria")),
]


def field() -> forms.TypedChoiceField:
    return forms.TypedChoiceField(
        label=_("Is it serious?"),
        choices=ANSWERS,
        coerce=lambda value: value == "yes",
        widget=UnfoldAdminSelectWidget(choices=ANSWERS),
    )


def compare(form: forms.BaseForm, cleaned: dict[str, Any]) -> None:
    """The answer and the boxes must tell the same; the error stands at the answer."""
    said = cleaned.get(SAID)
    if said is None:
        return
    ticked = [form.fields[name].label for name in SERIOUSNESS if cleaned.get(name)]
    if said and not ticked:
        form.add_error(SAID, _("Tick what makes it serious, or answer that it is not."))
    if ticked and not said:
        text = _("“%(criterion)s” is ticked, and makes it serious: take the tick back, or answer “serious”.")
        form.add_error(SAID, text % {"criterion": ticked[0]})
