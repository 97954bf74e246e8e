"""Raising an alert at a site that runs, by its own verbs: for the fault of an address that is refused."""

import datetime as dt

from django.utils import timezone

from participants.models import Participant
from safety.actions.calls import pending, people_on_call, steps_of, tell_first
from safety.actions.calls import people_of as people_with
from safety.models import OnCallShift, SafetyAlert
from trialsite.models import User

HOUR = dt.timedelta(hours=1)


def who() -> None:
    """Put one investigator on call, and print the address, and then those of whoever comes next."""
    alert, now = SafetyAlert.objects.order_by("-pk").first(), timezone.now()
    assert alert is not None
    site, first = alert.participant.site, User.objects.get(username="investigator")
    OnCallShift.objects.create(
        site=site, person=first, starts_at=now - HOUR, ends_at=now + HOUR, created_by=first, created_at=now
    )
    assert people_on_call(site, now) == [first]
    others = {one.email for step in steps_of(alert) for one in people_with(site, step.roles)}
    print(first.email, *sorted(others - {first.email}))


def alert(about: str) -> None:
    """A grade 2 of which nobody has heard, in a thread of its own."""
    now, people = timezone.now(), Participant.objects.filter(infusions__isnull=False).exclude(status="died").distinct()
    threads = ((one, kind, scale) for one in people for kind, scale in (("new_crs", "CRS"), ("new_icans", "ICANS")))
    participant, kind, scale = next(found for found in threads if not _is_open(found[0], found[2]))
    row = SafetyAlert.objects.create(
        participant=participant,
        kind=kind,
        toxicity=scale,
        grade=2,
        happened_at=now,
        about=about,
        key=about,
        raised_at=now,
        created_at=now,
        created_by=User.objects.get(username="coordinator"),
    )
    tell_first([row], now=now)


def _is_open(participant: Participant, scale: str) -> bool:
    return pending().filter(participant=participant, toxicity=scale).exists()
