"""Who is there before a subject begins: the site, its people, and participants as far as they have come."""

import datetime as dt
from functools import cache

from django.contrib.auth.models import Group
from django.utils import timezone

from tests import factories
from trialsite.models import Site, User
from trialsite.roles import Role

DAY = dt.timedelta(days=1)
HOUR = dt.timedelta(hours=1)


@cache
def now() -> dt.datetime:
    """One moment for the whole run."""
    return timezone.now()


def site() -> Site:
    return Site.objects.get()


def person(name: str, role: Role) -> User:
    """Somebody of the site who can be reached by e-mail; the same one whenever they are asked for."""
    user, is_new = User.objects.get_or_create(
        username=name,
        defaults={"email": f"{name}@example.org", "is_staff": True, "password_chosen_at": now(), "language": "en"},
    )
    if is_new:
        user.groups.add(Group.objects.get(name=role.value))
        user.sites.add(site())
    return user


def coordinator() -> User:
    return person("coordinator", Role.COORDINATOR)


def investigator() -> User:
    return person("investigator", Role.INVESTIGATOR)


def enrolled(**facts: object) -> factories.Participant:
    return factories.enrolled(site=site(), by=coordinator(), now=now() - 20 * DAY, **facts)


def infused(*, days_ago: int = 10) -> factories.Participant:
    return factories.infused(site=site(), by=coordinator(), now=now(), infused_at=now() - days_ago * DAY)
