"""Which window of collection an event lies in, with the participant's own days."""

import datetime as dt

from django.db.models import Min
from django.utils.translation import gettext as _

from dosing.models import Infusion, LymphodepletionDose
from participants.actions import site_day
from participants.models import Participant
from safety.models import AdverseEvent, Agent
from safety.rules.collection import Occurred, Window, is_collected, window_of
from trialsite.partialdate import PartialDate
from trialsite.study import get_study

OF_PROCEDURE = (Agent.LEUKAPHERESIS, Agent.PROCEDURE)


def windows_of(participant: Participant) -> list[Window]:
    """Those of the participant's protocol, by its days."""
    begins = _beginnings(participant)
    found = []
    for number, one in enumerate(get_study().protocol(participant.protocol_version).collection_windows):
        day = begins[one.starts]
        on = day + dt.timedelta(days=one.day or 0) if day else None
        found.append(Window(str(number), on, frozenset(one.collects)))
    return found


def _beginnings(participant: Participant) -> dict[str, dt.date | None]:
    consented = participant.consents.standing().aggregate(at=Min("consented_at"))["at"]
    prepared = (
        LymphodepletionDose.objects.standing().filter(participant=participant).aggregate(at=Min("given_at"))["at"]
    )
    infused = Infusion.objects.standing().filter(participant=participant).aggregate(at=Min("infused_at"))["at"]
    moments = {"consent": consented, "lymphodepletion": prepared, "day": infused}
    return {name: site_day(at) if at else None for name, at in moments.items()}


def collected(event: AdverseEvent) -> str:
    """In words: which window the event lies in, and whether it is collected there."""
    onset = PartialDate.parse(event.onset).latest
    window = window_of(onset, windows_of(event.participant))
    if window is None:
        return _("before the first window of collection: history of the participant")
    views = event.agents.standing().filter(agent__in=OF_PROCEDURE, investigator__in=RELATED)
    occurred = Occurred(onset, event.is_serious, bool(event.special_interest), views.exists())
    name = get_study().protocol(event.participant.protocol_version).collection_windows[int(window.code)].name
    if is_collected(occurred, window):
        return str(name)
    return _("%(window)s; this event is none of them, and is kept all the same") % {"window": name}


# The categories that count as related.
RELATED = ("definite", "probable", "possible")
