"""The questions that a laboratory's file leaves open, as a form: what its columns and tests are, how it is meant."""

import re
from collections.abc import Iterator
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminRadioSelectWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from participants.imports import Answers, Layout, Table, questions_of
from participants.imports.clean import DECIMAL, REFUSE, THOUSANDS
from participants.imports.headings import DAY, HOSPITAL_NUMBER, IGNORE, RANGE, TEST, TIME
from participants.imports.layout import LEFT_OUT, Heading
from participants.imports.words import key
from participants.names import MEASURE_NAMES, answer_text
from participants.rules.measures import MEASURES
from trialsite import formfields

UNKNOWN = "?"
ROLES: dict[str, Any] = {
    "participant": _("Screening or participant number"),
    HOSPITAL_NUMBER: _("Hospital number (used to find the participant, not kept)"),
    "measure": _("Test"),
    "value": _("Result"),
    "unit": _("Unit"),
    "low": _("Lower limit of normal"),
    "high": _("Upper limit of normal"),
    RANGE: _("Range of normal in one cell (3.5-9.5)"),
    "lloq": _("Lower limit of quantification"),
    "taken_at": _("Day and time of the sample"),
    DAY: _("Day of the sample"),
    TIME: _("Time of the sample"),
    "fasting": _("Fasting: yes or no"),
    "laboratory": _("Laboratory or device"),
    "study_procedure": _("Done for this study: yes or no"),
    "not_done": _("Why there is no value"),
    "time_assumed": _("Time assumed: yes or no"),
}


def _tests() -> list[tuple[str, Any]]:
    return [(code, MEASURE_NAMES[code]) for code in MEASURES]


def _role_choices() -> list[Any]:
    tests = [(f"{TEST}{code}", name) for code, name in _tests()]
    left_out = (IGNORE, _("Leave out: not read"))
    return [("", _("Please choose")), left_out, *ROLES.items(), (_("Results of one test"), tests)]


def _test_choices() -> list[Any]:
    out = [(LEFT_OUT, _("No test of this study: leave out")), (UNKNOWN, _("Not clear: hand these rows back"))]
    return [("", _("Please choose")), *out, (_("The same as"), _tests())]


def looks_like(table: Table, heading: Heading) -> str:
    """The shape of the first cell below a heading, so that it can be told without showing what may be a name."""
    text = next((cells[heading.place] for _number, cells in table.rows() if cells[heading.place]), "")
    shape = re.sub(r"[^\W\d_]", "x", re.sub(r"\d", "9", text))
    return shape[:24]


class QuestionsForm(forms.Form):
    """One field a question; what is known already is chosen, and can be changed."""

    def __init__(self, data: Any = None, *, table: Table) -> None:
        super().__init__(data)
        self.table, self.questions = table, questions_of(table)
        for heading in table.headings:
            self.fields[f"role-{heading.place}"] = self._choice(heading.text, _role_choices(), heading.role)
        for number, name in enumerate(self.questions.tests):
            self.fields[f"test-{number}"] = self._choice(name, _test_choices(), "")
        for heading in self.questions.units:
            units = [(unit, answer_text("unit", unit)) for unit in MEASURES[heading.code].all_units]
            choices = [("", _("Please choose")), *units]
            self.fields[f"unit-{heading.place}"] = self._choice(heading.text, choices, "")
        if self.questions.comma:
            self._ask_for_comma()
        if self.questions.day:
            self._ask_for_time()

    def _choice(self, label: str, choices: list[Any], known: str) -> forms.ChoiceField:
        """Wants an answer unless one is known."""
        return forms.ChoiceField(
            label=label, choices=choices, initial=known, required=not known, widget=UnfoldAdminSelectWidget
        )

    def _ask_for_comma(self) -> None:
        self.fields["comma"] = forms.ChoiceField(
            label=_("What does a comma in a number mean in this file, as in “%(example)s”?")
            % {"example": self.questions.comma},
            choices=[
                (DECIMAL, _("Decimals: 7,5 is seven and a half")),
                (THOUSANDS, _("Thousands: 1,200 is one thousand two hundred")),
                (REFUSE, _("Not clear: hand such rows back")),
            ],
            widget=UnfoldAdminRadioSelectWidget,
        )

    def _ask_for_time(self) -> None:
        self.fields["time"] = formfields.TimeField(
            label=_("Days without a time, as “%(example)s”: which time is put?") % {"example": self.questions.day},
            required=False,
            input_formats=["%H:%M"],
            widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "08:00"}),
            help_text=_("Left empty, such rows are handed back. A time that you give is marked as assumed."),
            error_messages={"invalid": _("Write the time as 08:00, or leave it empty.")},
        )

    # --- what the page shows ------------------------------------------------------------------

    def columns(self) -> Iterator[tuple[str, str, Any, Any]]:
        """Heading, the shape of its cells, the field of its role, the field of its unit if that is asked for."""
        for one in self.table.headings:
            unit = self[f"unit-{one.place}"] if f"unit-{one.place}" in self.fields else None
            yield one.text, looks_like(self.table, one), self[f"role-{one.place}"], unit

    def tests(self) -> Iterator[tuple[str, Any]]:
        for number, name in enumerate(self.questions.tests):
            yield name, self[f"test-{number}"]

    def others(self) -> Iterator[Any]:
        return (self[name] for name in ("comma", "time") if name in self.fields)

    # --- what was said ------------------------------------------------------------------------

    def layout(self) -> Layout:
        said = self.cleaned_data
        roles = {
            one.key: role for one in self.table.headings if (role := said[f"role-{one.place}"]) not in ("", one.role)
        }
        named = {key(name): said[f"test-{number}"] for number, name in enumerate(self.questions.tests)}
        units = {one.key: said[f"unit-{one.place}"] for one in self.questions.units}
        return Layout(roles, {name: code for name, code in named.items() if code != UNKNOWN}, units)

    def answers(self) -> Answers:
        time = self.cleaned_data.get("time")
        return Answers(self.cleaned_data.get("comma", REFUSE), f"{time:%H:%M}" if time else "")
