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

# In the order in which they are read: which entry, what it says, and what that disagrees with.
NAMES: dict[str, Any] = {
    "visit": _("visit"),
    "medication": _("medication"),
    "examination": _("examination"),
    "drug": _("drug"),
    "alert": _("warning"),
    "toxicity": _("toxicity"),
    "ctcae_code": _("CTCAE term"),
    "assessed_at": _("assessed at"),
    "assessed_on": _("assessed on"),
    "contacted_on": _("asked on"),
    "last_alive_on": _("last known alive on"),
    "at": _("taken at"),
    "given_at": _("given at"),
    "taken_at": _("taken at"),
    "occurred_on": _("took place on"),
    "target_date": _("target date"),
    "window_opens_on": _("window opens"),
    "window_closes_on": _("window closes"),
    "started_at": _("given or begun at"),
    "raised_at": _("raised at"),
    "onset": _("onset"),
    "onset_at": _("onset"),
    "site_aware_at": _("site aware at"),
    "resolved": _("resolved"),
    "grade": _("grade"),
    "event_grade": _("grade of the event"),
    "course_grade": _("highest grade of the course"),
    "outcome": _("outcome"),
    "results_in_death": _("results in death"),
    "is_life_threatening": _("life-threatening"),
    "action_taken": _("action taken"),
    "hypotension": _("hypotension"),
    "vasopressor_on_record": _("vasopressor by the medication record"),
    "has_reaction": _("infusion reaction"),
    "infused_at": _("infusion started at"),
    "released_on": _("released on"),
    "enrolled_on": _("enrolled on"),
    "how_far": _("how far"),
    "withdrawn_at": _("withdrawn at"),
    "consented_at": _("consented at"),
    "other_visit": _("the other visit"),
    "other_on": _("the other one took place on"),
    "other_row": _("the other entry"),
    "status": _("status"),
    "left_on": _("left the study on"),
    "died_on": _("died on"),
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
    """Name and value of each, in the reader's language and the site's time; the database keeps no order of them."""
    for name in NAMES:
        if name in facts:
            yield str(NAMES[name]), in_words(name, facts[name])


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
