"""One report as a form: when, where and for what, and a line for each measure; on the page of an examination, and on
the page on which a visit is entered."""

from collections.abc import Collection
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pghistory
from django import forms
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
    UnfoldBooleanWidget,
)

from participants import actions
from participants.admin import limits
from participants.models import Examination, Measurement, Participant, numbered
from participants.names import MEASURE_NAMES, answer_text
from participants.rules.measures import PANELS, QUESTIONS, Kind, Measure, outside
from participants.units import UnknownUnit, convert
from trialsite import formfields, questions
from trialsite.constraints import as_refusals
from trialsite.recordadmin import rewritten
from trialsite.refusal import Refused
from trialsite.study import get_study

FASTING_PANELS = frozenset({"CHEM"})
# Taken long before the study as a rule.
HISTORICAL = frozenset({*QUESTIONS, "CD19"})
# Fewer questions than these are answered one by one.
FEW = 4
# What a line may hold as its answer.
ANSWERS = ("value", "choice", "day", "not_done")


class ExaminationForm(forms.ModelForm):  # type: ignore[type-arg]
    """When, where and for what; the answers stand in forms of their own below."""

    number = formfields.CodeField(
        label=_("Participant"), widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"})
    )
    deviation_reason = forms.CharField(
        label=_("Reason for the protocol deviation"),
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text=_("Only when it was done for this study before the consent."),
    )
    limits_compared = forms.BooleanField(
        label=_("I have compared the marked limits with this report"), required=False, widget=UnfoldBooleanWidget
    )
    rest_is_no = forms.BooleanField(
        label=_("Every other question in sight: no. I have asked about each"),
        required=False,
        widget=UnfoldBooleanWidget,
    )
    reason_for_change = forms.CharField(
        label=_("Reason for the change"),
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text=_("Goes into the audit trail beside the old and the new values."),
    )

    class Meta:
        model = Examination
        fields = ("taken_at", "is_fasting", "laboratory", "is_study_procedure", "note")
        field_classes = {"taken_at": formfields.MomentField}
        widgets = {
            "taken_at": formfields.MinuteWidget,
            "laboratory": UnfoldAdminTextInputWidget,
            "is_study_procedure": UnfoldBooleanSwitchWidget,
            "note": UnfoldAdminTextareaWidget(attrs={"rows": 2}),
            "is_fasting": UnfoldAdminSelectWidget(
                choices=[formfields.UNCHOSEN, ("true", _("yes")), ("false", _("no"))]
            ),
        }

    def __init__(
        self,
        *args: Any,
        participants: QuerySet[Participant],
        panel: str,
        first: Collection[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.participants = participants
        if panel not in FASTING_PANELS:
            self.fields.pop("is_fasting")
        if self.instance.pk is None:
            self.fields.pop("reason_for_change")
        else:
            self.fields.pop("limits_compared")
        if self.instance.pk is not None or len(_questions_in_sight(panel, first)) < FEW:
            self.fields.pop("rest_is_no")
        if self.instance.participant_id is not None:
            # Whose it is stands above the form.
            self.fields.pop("number")
        questions.prepare(self)

    @cached_property
    def whose(self) -> Participant | None:
        """Whom the number means that was typed or that the address has chosen: shown with the name beside it."""
        number = self["number"].value() if "number" in self.fields else ""
        return self.participants.filter(numbered(number)).first() if number else None

    @property
    def begins(self) -> str:
        """How the numbers of participants begin: by the code of a site."""
        return " ".join(one.code for one in get_study().latest.sites)

    def clean_number(self) -> str:
        number: str = self.cleaned_data["number"]
        participant = self.whose
        if participant is None:
            raise forms.ValidationError(_("No participant of your sites has this number. Check it."))
        self.instance.participant = participant
        return number


class AnswerForm(forms.Form):
    """One line of the laboratory's report, or one question. Nothing typed is no answer."""

    not_done = forms.CharField(required=False, max_length=200, widget=UnfoldAdminTextInputWidget)

    def __init__(self, *args: Any, measure: Measure, **kwargs: Any) -> None:
        super().__init__(*args, prefix=measure.code, use_required_attribute=False, **kwargs)
        self.measure = measure
        self.marked: set[str] = set()
        getattr(self, f"_add_{measure.kind.value}")()

    @property
    def name(self) -> Any:
        return MEASURE_NAMES[self.measure.code]

    @property
    def holds(self) -> bool:
        """Whether something stands in this line: an answer, or why there is none."""
        return any(self[name].value() for name in ANSWERS if name in self.fields)

    @property
    def unit_text(self) -> str:
        return answer_text("unit", self.measure.unit)

    def mark(self, suggested: dict[str, str]) -> None:
        """The boxes that hold what an older report said stand out until somebody has looked."""
        self.marked = {
            name for name, text in suggested.items() if name in self.fields and text and self[name].value() == text
        }
        for name in self.marked:
            attrs = self.fields[name].widget.attrs
            attrs["class"] = f"{attrs.get('class', '')} ts-suggested"
            attrs["title"] = gettext("From an older report of this laboratory: compare it.")

    @property
    def holds_marked(self) -> bool:
        """Whether limits would be stored that only an older report has said."""
        return bool(self.marked & {"low", "high", "lloq"})

    def _add_number(self) -> None:
        # A keyboard of digits has no sign for "below": where reports give bounds as a rule, it is the whole one.
        keyboard = {} if self.measure.has_lloq else {"inputmode": "decimal"}
        self.fields["value"] = formfields.BoundField(required=False, max_length=40, widget=_line(**keyboard))
        if len(self.measure.all_units) > 1:
            units = [(unit, answer_text("unit", unit)) for unit in self.measure.all_units]
            self.fields["unit"] = forms.ChoiceField(choices=units, required=False, widget=UnfoldAdminSelectWidget)
        if self.measure.has_range:
            self.fields["low"] = _limit_field(_("%(name)s: lower limit of normal"), self.name)
            self.fields["high"] = _limit_field(_("%(name)s: upper limit of normal"), self.name)
        if self.measure.has_lloq:
            self.fields["lloq"] = _limit_field(_("%(name)s: limit of quantification"), self.name)
        self.fields["accepted"] = forms.BooleanField(required=False, label=_("as printed"))

    def _add_choice(self) -> None:
        choices = [(choice, answer_text(self.measure.code, choice)) for choice in self.measure.choices]
        if len(choices) <= 3:
            # Nothing chosen is not a no: the buttons start empty.
            self.fields["choice"] = forms.ChoiceField(choices=choices, required=False, widget=forms.RadioSelect)
        else:
            self.fields["choice"] = forms.ChoiceField(
                choices=[formfields.UNCHOSEN, *choices], required=False, widget=UnfoldAdminSelectWidget
            )

    def _add_date(self) -> None:
        widget = _line(placeholder="YYYY-MM-DD / YYYY-MM / YYYY")
        self.fields["day"] = formfields.PartialDateField(required=False, max_length=40, widget=widget)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("value"):
            cleaned["comparator"], cleaned["value"] = cleaned["value"]
        if cleaned.get("not_done") and any(cleaned.get(name) not in (None, "") for name in ("value", "choice", "day")):
            self.add_error("not_done", _("There is a result: leave this empty, or take the result out."))
        return cleaned

    def answer(self) -> Measurement | None:
        """What was typed as a measurement that is not saved yet; None where nothing was."""
        data = self.cleaned_data
        if data.get("not_done"):
            return Measurement(code=self.measure.code, not_done_reason=data["not_done"])
        if data.get("choice") or data.get("day"):
            return Measurement(code=self.measure.code, choice=data.get("choice", ""), day=data.get("day", ""))
        if data.get("value") is None:
            return None
        return Measurement(
            code=self.measure.code,
            value=data["value"],
            comparator=data.get("comparator", ""),
            unit=data.get("unit") or self.measure.unit,
            reference_low=data.get("low"),
            reference_high=data.get("high"),
            lloq=data.get("lloq"),
        )

    @property
    def is_unusual(self) -> bool:
        """Whether the typed value may be but rarely is: then the box "as printed" is offered."""
        if not self.is_bound or self.measure.kind != Kind.NUMBER or not hasattr(self, "cleaned_data"):
            return False
        value = self.cleaned_data.get("value")
        if not isinstance(value, Decimal):
            return False
        try:
            converted = convert(self.measure, value, self.cleaned_data.get("unit") or self.measure.unit)
        except UnknownUnit:
            return False
        return outside(self.measure, converted, self.measure.probable) and not outside(
            self.measure, converted, self.measure.possible
        )


def _is_yes_no(measure: Measure) -> bool:
    return measure.choices == ("yes", "no")


def _questions_in_sight(panel: str, first: Collection[str]) -> list[Measure]:
    return [one for one in PANELS[panel] if _is_yes_no(one) and (not first or one.code in first)]


def with_rest(posted: Any, panel: str, first: Collection[str]) -> Any:
    """What was sent; where somebody has asked each question in sight, no to those that were left open."""
    if posted is None or not posted.get("rest_is_no"):
        return posted
    data = posted.copy()
    for measure in _questions_in_sight(panel, first):
        if not any(data.get(f"{measure.code}-{name}", "").strip() for name in ANSWERS):
            data[f"{measure.code}-choice"] = "no"
    return data


def _line(**attrs: str) -> UnfoldAdminTextInputWidget:
    return UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", **attrs})


def _limit_field(label: Any, name: Any) -> formfields.DecimalField:
    widget = _line(**{"aria-label": str(label) % {"name": name}})
    return formfields.DecimalField(required=False, max_digits=20, decimal_places=6, widget=widget)


def initial_of(row: Measurement) -> dict[str, Any]:
    """A saved answer as the form shows it."""
    value = f"{row.comparator} {limits.plain(row.value)}".strip()
    return {
        "unit": row.unit,
        **limits.of_row(row),
        "value": value,
        "choice": row.choice,
        "day": row.day,
        "not_done": row.not_done_reason,
    }


def answer_form(measure: Measure, saved: dict[str, Any], posted: Any = None) -> AnswerForm:
    return AnswerForm(posted, measure=measure, initial=saved.get(measure.code, {}))


def rows_of(obj: Examination) -> list[Any]:
    return [obj, *obj.measurements.all()]


@dataclass
class Panel:
    """The form of one report: filled in, judged and saved as a whole, or shown again with why it was not taken.

    `first` are the measures that stand in sight; the rest is folded, unless it holds something.
    """

    request: HttpRequest
    obj: Examination
    form: ExaminationForm
    lines: list[AnswerForm]
    offer: limits.Offer
    first: Collection[str] = field(default_factory=tuple)

    @property
    def is_question(self) -> bool:
        return all(line.measure.kind != Kind.NUMBER for line in self.lines)

    @property
    def has_range(self) -> bool:
        return any(line.measure.has_range for line in self.lines)

    @property
    def has_lloq(self) -> bool:
        return any(line.measure.has_lloq for line in self.lines)

    @property
    def shown(self) -> list[AnswerForm]:
        return [line for line in self.lines if not self.first or line.measure.code in self.first]

    @property
    def more(self) -> list[AnswerForm]:
        return [line for line in self.lines if self.first and line.measure.code not in self.first]

    @property
    def is_more_open(self) -> bool:
        return any(line.holds or line.errors for line in self.more)

    # --- saving ---------------------------------------------------------------------------------

    def save(self) -> bool:
        """Save, or put every reason where it belongs and keep what was typed."""
        is_complete = self.form.is_valid()
        for line in self.lines:
            is_complete &= line.is_valid()
        if not is_complete:
            return False
        answers = {line.measure.code: answer for line in self.lines if (answer := line.answer()) is not None}
        accepted = {line.measure.code for line in self.lines if line.cleaned_data.get("accepted")}
        for line in self.lines:
            self._judge(line, answers.get(line.measure.code), accepted)
        if any(line.errors for line in self.lines) or not self._are_limits_compared():
            return False
        if self._lacks_reason() or not self._is_answered_for(list(answers.values())):
            return False
        try:
            with as_refusals(), transaction.atomic():
                self._act(list(answers.values()), accepted)
                questions.keep(self.form, by=self.request.user, now=timezone.now())
        except Refused as refusal:
            self.form.add_error(None, refusal)
            return False
        return True

    def _lacks_reason(self) -> bool:
        is_rewritten = any(rewritten(one) for one in (self.form, *self.lines))
        if self.obj.pk is None or not is_rewritten or self.form.cleaned_data["reason_for_change"].strip():
            return False
        self.form.add_error("reason_for_change", _("A change after the first save needs its reason."))
        return True

    def _is_answered_for(self, answers: list[Measurement]) -> bool:
        """What looks wrong is asked, once everything else is right."""
        row, now = self.form.instance, timezone.now()
        for one in answers:
            one.participant = row.participant
        row.answers = answers
        changed = None if row.pk is None else self.form.changed_data
        return questions.ask(self.form, row, *answers, changed=changed, by=self.request.user, now=now)

    def _are_limits_compared(self) -> bool:
        """Nobody's limits are stored because an older report had them: somebody has looked at this one."""
        is_compared = self.form.cleaned_data.get("limits_compared")
        if self.offer.is_of_another:
            self.form.add_error("laboratory", limits.other_text(self.offer))
        elif any(line.holds_marked and line.answer() for line in self.lines) and not is_compared:
            self.form.add_error("limits_compared", limits.compare_text(self.offer))
        return not self.form.errors

    def _judge(self, line: AnswerForm, answer: Measurement | None, accepted: set[str]) -> None:
        if answer is None:
            return
        day = actions.site_day(self.form.instance.taken_at)
        for reason in actions.wrong_answer(answer, is_accepted=line.measure.code in accepted, now_day=day):
            line.add_error(None, reason)

    def _act(self, answers: list[Measurement], accepted: set[str]) -> None:
        common = {
            "examination": self.form.instance,
            "answers": answers,
            "accepted": accepted,
            "deviation_reason": self.form.cleaned_data["deviation_reason"],
            "by": self.request.user,
            "now": timezone.now(),
        }
        if self.form.instance.pk is None:
            with pghistory.context(reason=questions.reason_of(self.form)):
                actions.record_examination(**common)
            return
        reason = questions.reason_of(self.form, self.form.cleaned_data["reason_for_change"])
        with pghistory.context(reason=reason):
            actions.correct_examination(**common, reason=reason)


def lines_of(posted: Any, obj: Examination, offer: limits.Offer) -> list[AnswerForm]:
    """One form for each measure; a new one with the limits that its laboratory printed last, marked as such."""
    measures = PANELS[obj.panel]
    if obj.pk:
        first = {m.code: initial_of(m) for m in obj.measurements.all() if not m.is_void}
    else:
        first = {m.code: offer.values(m.code) for m in measures}
    lines = [answer_form(m, first, posted) for m in measures]
    for line in lines:
        line.mark(offer.values(line.measure.code))
    return lines
