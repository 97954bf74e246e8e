"""A form that first shows what it would change of the visits, and is taken once that was seen."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

from django import forms
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _

SEEN = "changes_seen"


def shown_first(form_class: type[forms.Form], lines_of: Callable[[dict[str, Any]], Sequence[str]]) -> type[forms.Form]:
    """The form, which comes back with these lines until it is sent for exactly them; without lines it is taken."""

    class ShownFirst(form_class):  # type: ignore[misc,valid-type]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            prepare(self)

        def clean(self) -> dict[str, Any]:
            cleaned: dict[str, Any] = super().clean() or self.cleaned_data
            if not self.errors:
                ask_to_look(self, lines_of(cleaned))
            return cleaned

    return ShownFirst


def prepare(form: forms.BaseForm) -> None:
    """What was seen stays seen, whatever else is wrong with the form."""
    if form.is_bound and form.data.get(SEEN):
        _add_field(form)


def ask_to_look(form: Any, lines: Sequence[str]) -> None:
    """Other lines are another question; what was typed stays. Without lines there is nothing to see."""
    key = hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
    if not lines or form.data.get(SEEN) == key:
        return
    _add_field(form)
    form.data = form.data.copy()
    form.data[SEEN] = key
    said = [_("Not recorded yet. This changes which visits are owed:"), *(f"• {one}" for one in lines)]
    text = format_html_join(mark_safe("<br>"), "{}", ((one,) for one in (*said, _("Send it again if so."))))
    form.add_error(None, text)


def _add_field(form: forms.BaseForm) -> None:
    form.fields[SEEN] = forms.CharField(required=False, widget=forms.HiddenInput)
