"""Who is there before a subject begins: the site, its people, and participants as far as they have come."""

import datetime as dt
from functools import cache

from django.contrib.auth.models import Group
from django.db import connection
from django.utils import timezone

from participants.models import Participant, Visit
from participants.rules.status import Status
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


def enrolled(**facts: object) -> Participant:
    return factories.enrolled(site=site(), by=coordinator(), now=now() - 20 * DAY, **facts)


def infused(*, days_ago: int = 10) -> Participant:
    return factories.infused(site=site(), by=coordinator(), now=now(), infused_at=now() - days_ago * DAY)


def copies(person: Participant, count: int) -> list[Participant]:
    """As many people as wanted, in screening: the database lets nobody be enrolled in bulk."""
    names = ("site", "birth_date", "sex", "protocol_version", "created_by", "created_at")
    facts = {name: getattr(person, name) for name in names}
    site, begun = person.site.code, Participant.objects.count()
    return Participant.objects.bulk_create(
        Participant(
            screening_number=f"{site}-B{number:05d}",
            name=f"Nobody {number}",
            status=Status.SCREENING,
            **facts,
        )
        for number in range(begun, begun + count)
    )


def analyze() -> None:
    """What a server that has run for some minutes knows of its tables; a throwaway one never looks by itself."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def due_visits(count: int, *, by: User, in_days: int = 1) -> None:
    """So many planned visits of as many people; each of tomorrow owes a reminder today."""
    one = Visit.objects.filter(code="D28").first() or infused().visits.get(code="D28")
    people, day = copies(one.participant, count), timezone.localtime(now()).date() + in_days * DAY
    Visit.objects.bulk_create(
        Visit(
            participant=copy,
            code=one.code,
            protocol_version=one.protocol_version,
            target_day=one.target_day,
            target_date=day,
            window_opens_on=day - 2 * DAY,
            window_closes_on=day + 2 * DAY,
            created_by=by,
            created_at=now(),
        )
        for copy in people
    )
