"""The form of an adverse event: what was seen, and, for those who may judge, what they say of it."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from participants.models import Participant
from safety import actions
from safety.actions.events import Said
from safety.actions.meddra import has_meddra
from safety.admin import ctcae, seriousness
from safety.models import SERIOUSNESS, TREATMENTS, ActionTaken, AdverseEvent, Agent, Outcome, Relatedness
from trialsite import formfields
from trialsite.recordadmin import RecordForm
from trialsite.study import get_study

ASSESS = "safety.assess_adverseevent"
STILL_OPEN = _("still open")
NONE_OF_THEM = _("none of them")


def view_name(agent: str) -> str:
    return f"relatedness_{agent}"


def action_name(agent: str) -> str:
    return f"action_{agent}"


RELATED_TO = _("related to: {}")


def view_field(agent: Agent, *, label: Any = RELATED_TO) -> forms.ChoiceField:
    """Somebody's view of one agent; nothing is chosen at first."""
    return _choice(format_lazy(label, agent.label), Relatedness.choices)


def action_field(agent: Agent) -> forms.ChoiceField:
    return _choice(format_lazy(_("action taken with: {}"), agent.label), ActionTaken.choices)


def _choice(label: Any, choices: Any) -> forms.ChoiceField:
    shown = [("", STILL_OPEN), *choices]
    return forms.ChoiceField(label=label, choices=shown, required=False, widget=UnfoldAdminSelectWidget(choices=shown))


VIEWS = {view_name(agent): view_field(agent) for agent in Agent}
ACTIONS = {action_name(agent): action_field(agent) for agent in TREATMENTS}
AgentForm: Any = type("AgentForm", (forms.Form,), {**VIEWS, **ACTIONS})


def said_of_agents(cleaned: Mapping[str, Any]) -> dict[str, Said]:
    """What a form says of each agent; an agent of which it says nothing is left out."""
    found = {}
    for agent in Agent:
        view, action = cleaned.get(view_name(agent)), cleaned.get(action_name(agent))
        named = cleaned.get("other_named") if agent is Agent.OTHER else None
        if view or action or named:
            found[agent.value] = Said(investigator=view, action_taken=action, named=named)
    return found


class MeddraField(formfields.LineField):
    """A lowest level term of the loaded release: its code or its whole name; of a part, what there is is offered."""

    def clean(self, value: Any) -> str:
        typed = str(super().clean(value) or "").strip()
        if not typed or (len(typed) == 8 and typed.isdecimal()):
            return typed
        found = actions.find_meddra(typed, limit=8)
        for one in found:
            if one.llt.casefold() == typed.casefold():
                return str(one.llt_code)
        if not found:
            raise ValidationError(_("No term of the loaded MedDRA release has these words. Try other words."))
        offered = gettext(", ").join(str(one) for one in found)
        raise ValidationError(_("Which one? Write its code: %(terms)s"), params={"terms": offered})


def interest_choices() -> list[tuple[str, Any]]:
    """The study's list, in the reader's language."""
    events = get_study().latest.special_interest_events
    return [("", NONE_OF_THEM), *((one.code, str(one.name)) for one in events)]


class AdverseEventForm(AgentForm, RecordForm):  # type: ignore[misc]
    ctcae_code = ctcae.CtcaeField(label=_("CTCAE term"))
    is_serious_said = seriousness.field()
    other_named = forms.CharField(
        label=_("what else"), max_length=120, required=False, widget=UnfoldAdminTextInputWidget
    )
    special_interest = forms.ChoiceField(
        label=_("event of special interest"),
        choices=interest_choices,
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text=_("The list of the protocol."),
    )
    meddra_llt_code = MeddraField(
        label=_("MedDRA term (LLT)"),
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("Of the release that is loaded here: a code, a whole name, or some words to be offered what fits."),
    )
    grade_since = formfields.PartialDateField(
        label=_("this grade since"),
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("Where the grade changed in the course. Empty: the former grade was a mistake."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not has_meddra():
            self.fields.pop("meddra_llt_code", None)
        self._begin_agents()
        self._begin_seriousness()
        if self.instance.pk is None:
            self.fields.pop("grade_since", None)
        if "ctcae_code" in self.fields:
            field: Any = self.fields["ctcae_code"]
            field.of_version(self.instance.ctcae_version or actions.ctcae_version(self._participant()))
            # An event from before the term was asked for may stay without one.
            field.required = self.instance.pk is None or bool(self.instance.ctcae_code)

    @property
    def may_assess(self) -> bool:
        return self.by is None or self.by.has_perm(ASSESS)

    def _begin_agents(self) -> None:
        if not self.may_assess:
            for name in (*VIEWS, "other_named"):
                self.fields.pop(name, None)
        for row in self.instance.agents.standing() if self.instance.pk else ():
            self.initial.update({view_name(row.agent): row.investigator, action_name(row.agent): row.action_taken})
            if row.agent == Agent.OTHER:
                self.initial["other_named"] = row.named

    def _begin_seriousness(self) -> None:
        if seriousness.SAID not in self.fields:
            return
        if self.instance.pk is not None:
            if not self.may_assess:
                self.fields.pop(seriousness.SAID)
                return
            self.initial[seriousness.SAID] = seriousness.answer_of(self.instance.seriousness_said)
        if not self.may_assess:
            seriousness.only_seen(self.fields[seriousness.SAID])

    def _participant(self) -> Participant | None:
        """Who was chosen already, for the version of their protocol."""
        value = self.data.get(self.add_prefix("participant")) if self.is_bound else self.initial.get("participant")
        try:
            return self.fields["participant"].clean(value)
        except ValidationError:
            return None

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        seriousness.compare(self, cleaned)
        self._say_seriousness(cleaned)
        self._open_outcome(cleaned)
        if cleaned.get("other_named") and not cleaned.get(view_name(Agent.OTHER)):
            self.add_error(view_name(Agent.OTHER), _("Say how it relates to what else you named."))
        return cleaned

    def _say_seriousness(self, cleaned: Mapping[str, Any]) -> None:
        """What an investigator says stands; what others tick contradicts it or not, and opens the question again."""
        event = self.instance
        ticked = any(cleaned.get(name) for name in SERIOUSNESS)
        if self.may_assess and (said := cleaned.get(seriousness.SAID)):
            event.seriousness_said = seriousness.STORED[said]
        elif event.seriousness_said and seriousness.STORED["yes" if ticked else "no"] != event.seriousness_said:
            event.seriousness_said = ""

    def _open_outcome(self, cleaned: Mapping[str, Any]) -> None:
        """A death that was seen contradicts the outcome that an investigator said: that is asked again."""
        event, is_death = self.instance, bool(cleaned.get("results_in_death"))
        if not self.may_assess and event.outcome and (event.outcome == Outcome.FATAL) != is_death:
            event.outcome = ""

    def check(self, row: AdverseEvent) -> None:
        actions.check_adverse_event(row, now=timezone.now())
