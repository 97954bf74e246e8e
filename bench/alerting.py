"""Raising an alert at a site that runs, by its own verbs: for the fault of an address that is refused."""

import datetime as dt

from django.utils import timezone

from participants.models import Participant
from safety.actions.calls import people_of as people_with
from safety.actions.calls import people_on_call, steps_of, tell_first
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
    """A CRS of grade 2 that nobody has heard of."""
    now, like = timezone.now(), SafetyAlert.objects.order_by("-pk").first()
    assert like is not None
    others = Participant.objects.filter(site=like.participant.site, status="infused")
    participant = next(one for one in others if not one.safety_alerts.exists())
    row = SafetyAlert.objects.create(
        participant=participant,
        kind="new_crs",
        toxicity="CRS",
        grade=2,
        happened_at=now,
        about=about,
        key=about,
        raised_at=now,
        created_at=now,
        created_by=User.objects.get(username="coordinator"),
    )
    tell_first([row], now=now)
