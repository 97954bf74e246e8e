"""What disagrees, in words: the names of the facts of a finding, and how each is written."""

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from dosing.models import MedicationKind
from participants.models import STATUS_NAMES, WithdrawalScope
from participants.names import PANEL_NAMES
from participants.rules.status import Status
from safety.models import ActionTaken, AlertKind, Outcome

NAMES: dict[str, Any] = {
    "action_taken": _("action taken"),
    "alert": _("warning"),
    "assessed_at": _("assessed at"),
    "at": _("taken at"),
    "consented_at": _("consented at"),
    "ctcae_code": _("CTCAE term"),
    "died_on": _("died on"),
    "drug": _("drug"),
    "enrolled_on": _("enrolled on"),
    "event_grade": _("grade of the event"),
    "examination": _("examination"),
    "given_at": _("given at"),
    "grade": _("grade"),
    "has_reaction": _("infusion reaction"),
    "how_far": _("how far"),
    "hypotension": _("hypotension"),
    "infused_at": _("infusion started at"),
    "is_life_threatening": _("life-threatening"),
    "left_on": _("left the study on"),
    "medication": _("medication"),
    "occurred_on": _("took place on"),
    "onset": _("onset"),
    "onset_at": _("onset"),
    "other_on": _("the other one took place on"),
    "other_row": _("the other entry"),
    "other_visit": _("the other visit"),
    "outcome": _("outcome"),
    "raised_at": _("raised at"),
    "released_on": _("released on"),
    "resolved": _("resolved"),
    "results_in_death": _("results in death"),
    "site_aware_at": _("site aware at"),
    "started_at": _("given or begun at"),
    "status": _("status"),
    "taken_at": _("taken at"),
    "target_date": _("target date"),
    "toxicity": _("toxicity"),
    "vasopressor_on_record": _("vasopressor by the medication record"),
    "visit": _("visit"),
    "window_closes_on": _("window closes"),
    "window_opens_on": _("window opens"),
    "withdrawn_at": _("withdrawn at"),
}
CHOICES: dict[str, Mapping[Any, Any]] = {
    "action_taken": dict(ActionTaken.choices),
    "alert": dict(AlertKind.choices),
    "examination": PANEL_NAMES,
    "how_far": dict(WithdrawalScope.choices),
    "medication": dict(MedicationKind.choices),
    "outcome": dict(Outcome.choices),
    "status": {status.value: STATUS_NAMES[Status(status)] for status in Status},
}
NOTHING = pgettext_lazy("fact of a finding", "not recorded")


def lines(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Name and value of each, in the reader's language and the site's time."""
    for name, value in facts.items():
        yield str(NAMES[name]), in_words(name, value)


def in_words(name: str, value: Any) -> str:
    if value is None or value == "":
        return str(NOTHING)
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    if name == "other_row":
        return f"#{value}"
    if name in CHOICES:
        return str(CHOICES[name].get(value, value))
    return _moment(value) if name == "at" or name.endswith("_at") else str(value)


def _moment(text: str) -> str:
    return f"{timezone.localtime(dt.datetime.fromisoformat(text)):%Y-%m-%d %H:%M}"


def sentence(facts: Mapping[str, Any]) -> str:
    """All of them in one line, as a list shows them."""
    return gettext("; ").join(
        gettext("%(name)s: %(value)s") % {"name": name, "value": text} for name, text in lines(facts)
    )
