"""The questions that are asked about an event on pages of their own."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminSplitDateTimeWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from dosing.models import Medication
from safety.admin import seriousness
from safety.admin.eventform import view_field, view_name
from safety.models import AdverseEvent, Agent, FollowUpKind, Outcome, ReferenceSafety, Relatedness
from trialsite import formfields
from trialsite.fields import PLEASE_CHOOSE


def _select(label: Any, choices: Any, **options: Any) -> forms.ChoiceField:
    shown = [("", PLEASE_CHOOSE), *choices]
    return forms.ChoiceField(label=label, choices=shown, widget=UnfoldAdminSelectWidget(choices=shown), **options)


def _text(label: Any, **options: Any) -> forms.CharField:
    return forms.CharField(label=label, widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}), **options)


class _Assessment(forms.Form):
    """All of it is asked, and nothing is chosen that nobody has judged."""

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        seriousness.compare(self, cleaned)
        return cleaned


def assessment_form(event: AdverseEvent) -> type[forms.Form]:
    """The form of one event: its agents, its outcome, and whether it is serious, as they stand now."""
    fields: dict[str, Any] = {}
    for row in standing_agents(event):
        field = view_field(Agent(row.agent))
        field.required, field.initial = True, row.investigator
        field.choices = [("", PLEASE_CHOOSE), *Relatedness.choices]
        fields[view_name(row.agent)] = field
    fields["outcome"] = _select(_("outcome"), Outcome.choices, initial=event.outcome)
    answer = seriousness.field()
    answer.choices = seriousness.ANSWERS[:-1]
    answer.initial = seriousness.answer_of(event.seriousness_said) if event.seriousness_said else ""
    fields[seriousness.SAID] = answer
    fields |= seriousness.criteria(event)
    return type("AssessmentForm", (_Assessment,), fields)


def assessed(data: dict[str, Any]) -> dict[str, Any]:
    """What the form says, as `assess_event` takes it."""
    views = {agent: data[view_name(agent)] for agent in Agent if view_name(agent) in data}
    said = seriousness.STORED[data[seriousness.SAID]]
    criteria = seriousness.said_of_criteria(data)
    return {"views": views, "outcome": data["outcome"], "seriousness_said": said, **criteria}


def standing_agents(event: AdverseEvent) -> list[Any]:
    return list(event.agents.standing().order_by("id"))


class SignForm(forms.Form):
    """Nothing but the password, which is added where it is asked."""


class GradeForm(forms.Form):
    grade = _select(_("grade (CTCAE)"), [(grade, grade) for grade in (1, 2, 3, 4)])
    since = formfields.PartialDateField(
        label=_("since"),
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "YYYY-MM-DD / YYYY-MM / YYYY"}),
        help_text=_("From this day on the event had this grade."),
    )


class FollowUpForm(forms.Form):
    kind = _select(_("kind"), FollowUpKind.choices)
    learned_at = formfields.MomentField(
        label=_("learned at"),
        widget=UnfoldAdminSplitDateTimeWidget,
        help_text=_("When anybody of the site's team knew of it."),
    )
    what = _text(_("what became known"))


def drugs_form(event: AdverseEvent) -> type[forms.Form]:
    """The drugs that the participant received, to tick those that were given against the event."""
    rows = Medication.objects.standing().filter(participant=event.participant_id).order_by("started_at")
    field = forms.ModelMultipleChoiceField(
        rows, label=_("drugs given against it"), widget=UnfoldAdminCheckboxSelectMultipleWidget
    )
    return type("DrugsForm", (forms.Form,), {"medications": field})


class QuestionForm(forms.Form):
    question = _text(_("question"))


class AnswerForm(forms.Form):
    text = _text(_("answer"))


def sponsor_form(event: AdverseEvent) -> type[forms.Form]:
    """The sponsor's view of each agent, and whether the event is expected by a version of the reference."""
    fields: dict[str, Any] = {}
    for row in standing_agents(event):
        field = view_field(Agent(row.agent), label=_("sponsor: related to {}"))
        field.required, field.initial = True, row.sponsor
        field.choices = [("", PLEASE_CHOOSE), *Relatedness.choices]
        fields[view_name(row.agent)] = field
    expected = [("yes", _("expected")), ("no", _("unexpected, in kind, grade or frequency"))]
    fields["is_expected"] = _select(_("Is it expected by the reference?"), expected)
    versions = ReferenceSafety.objects.standing().filter(site=event.participant.site_id)
    fields["reference"] = forms.ModelChoiceField(
        versions, label=_("reference safety information"), empty_label=PLEASE_CHOOSE, widget=UnfoldAdminSelectWidget
    )
    return type("SponsorForm", (forms.Form,), fields)


def judged(data: dict[str, Any]) -> dict[str, Any]:
    """What the form says, as `judge_for_sponsor` takes it."""
    views = {agent: data[view_name(agent)] for agent in Agent if view_name(agent) in data}
    return {"views": views, "is_expected": data["is_expected"] == "yes", "reference": data["reference"]}
