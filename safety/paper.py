"""Taking over paper records: the steps that this app knows."""

import datetime as dt
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from participants.models import Participant
from safety.models import AdverseEvent, BedsideAssessment
from trialsite.paper import Entry, Step, add, allowed, link


def steps(participant: Participant, *, user: Any, as_of: dt.date | None, now: dt.datetime) -> list[Step]:
    return [_assessments(participant, user), _events(participant, user)]


def _assessments(participant: Participant, user: Any) -> Step:
    rows = BedsideAssessment.objects.standing().filter(participant=participant).order_by("assessed_at")
    entries = tuple(Entry(f"{timezone.localtime(row.assessed_at):%Y-%m-%d %H:%M}") for row in rows)
    links = [
        (_("Bedside assessment"), add("safety_bedsideassessment", participant), "safety.add_bedsideassessment"),
    ]
    return Step("assessments", _("CRS and ICANS at the bedside"), entries, allowed(user, links), is_optional=True)


def _events(participant: Participant, user: Any) -> Step:
    rows = AdverseEvent.objects.standing().filter(participant=participant).order_by("onset")
    page = "safety_adverseevent_change"
    entries = tuple(Entry(f"{row.term} · {row.onset}", link(page, participant, row.pk)) for row in rows)
    links = [(_("Log an adverse event"), add("safety_adverseevent", participant), "safety.add_adverseevent")]
    return Step("events", _("Adverse events"), entries, allowed(user, links), is_optional=True)
