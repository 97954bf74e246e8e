"""The review of who may do what at a site: whom it is about, when it is due, and who is told."""

import datetime as dt
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from django.conf import settings
from django.db.models import Count, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from trialsite import notifications, sweeps
from trialsite.clinical import is_clinical
from trialsite.models import AccessReview, Site, User, people_in
from trialsite.roles import ROLE_NAMES, Role
from trialsite.rules import reviews as rules
from trialsite.study import get_study

PERMISSION = "trialsite.review_access"
ACTIVE = "active"


@dataclass(frozen=True)
class Entry:
    """One person with what they are allowed now; `may_take` is what the reviewer can take away, by its name."""

    person: User
    roles: dict[str, str]
    sites: dict[str, str]
    permissions: tuple[str, ...]
    tokens: tuple[tuple[str, dt.datetime | None], ...]
    last_reviewed: dt.datetime | None
    may_take: tuple[tuple[str, str], ...]

    def rights(self) -> dict[str, Any]:
        """What is reviewed, as it is kept; the names are those of the database, in no language."""
        return {
            "person": self.person.pk,
            "username": self.person.username,
            "name": str(self.person),
            "is_superuser": self.person.is_superuser,
            "roles": sorted(self.roles.values()),
            "sites": sorted(self.sites.values()),
            "permissions": list(self.permissions),
            "tokens": [[begins, iso(until)] for begins, until in self.tokens],
        }

    def role_names(self) -> list[str]:
        return [role_name(name) for name in self.roles.values()]


def role_name(name: str) -> str:
    """A role in the reader's language; a group that is no role of ours keeps its name."""
    return str(ROLE_NAMES[Role(name)]) if name in set(Role) else name


def iso(moment: dt.datetime | None) -> str | None:
    return moment.astimezone(dt.UTC).isoformat() if moment else None


def may_review(person: User, site: Site) -> bool:
    """Whether this person signs for the site: by role, and with eyes at the bedside; no administrator does."""
    return person.has_perm(PERMISSION) and is_clinical(person, site)


def entries(site: Site, *, by: User) -> list[Entry]:
    """Active people who may do anything here: those of the site, and those of none (administrators, programs)."""
    people = (
        User.objects.filter(Q(sites=site) | Q(sites=None), is_active=True)
        .distinct()
        .prefetch_related("groups", "sites", "user_permissions__content_type", "auth_token_set")
        .order_by("last_name", "first_name", "username")
    )
    found = [person for person in people if _has_rights(person)]
    reviewed = _last_reviewed(site, {person.pk for person in found})
    is_last = sum(person.is_superuser for person in found) == 1
    ours = {one.pk for one in by.sites.all()}
    return [_entry(person, site, by, ours, is_last, reviewed.get(person.pk)) for person in found]


def _has_rights(person: User) -> bool:
    held = (person.groups, person.sites, person.user_permissions)
    return person.is_superuser or any(len(one.all()) for one in held)


def _entry(
    person: User, site: Site, by: User, ours: set[int], is_last: bool, last_reviewed: dt.datetime | None
) -> Entry:
    sites = {str(one.pk): one.code for one in person.sites.all() if one.pk in ours}
    roles = {str(group.pk): group.name for group in person.groups.all()}
    takeable = [(f"site:{site.pk}", _("the site %(site)s") % {"site": site})] if str(site.pk) in sites else []
    # Roles and activation hold at every site of a person: whoever answers for one of them takes away that one only.
    if all(one.pk in ours for one in person.sites.all()):
        takeable += [(f"role:{pk}", _("the role %(role)s") % {"role": role_name(name)}) for pk, name in roles.items()]
        if not (person.is_superuser and is_last):
            takeable.append((ACTIVE, _("all: the person becomes inactive")))
    return Entry(
        person=person,
        roles=roles,
        sites=sites,
        permissions=tuple(
            sorted(f"{one.content_type.app_label}.{one.codename}" for one in person.user_permissions.all())
        ),
        tokens=tuple(sorted(_tokens(person), key=itemgetter(0))),
        last_reviewed=last_reviewed,
        may_take=() if person == by else tuple(takeable),
    )


def _tokens(person: Any) -> Iterator[tuple[str, dt.datetime | None]]:
    """How each begins, and until when it is good; one that ran out is good for nothing."""
    now = timezone.now()
    for one in person.auth_token_set.all():
        if one.expiry is None or one.expiry > now:
            yield one.token_key, one.expiry


def _last_reviewed(site: Site, people: set[int]) -> dict[int, dt.datetime]:
    """When each of them was last reviewed at this site; as a rule the newest review has them all."""
    found: dict[int, dt.datetime] = {}
    for at, seen in AccessReview.objects.filter(site=site).values_list("reviewed_at", "seen").iterator(chunk_size=5):
        for one in seen["people"]:
            found.setdefault(one["person"], at)
        if people <= found.keys():
            break
    return found


def state_of(found: list[Entry]) -> str:
    """A digest of the rights that stand on the page: another one means that somebody changed them meanwhile."""
    return digest([one.rights() for one in found])


def digest(content: Any) -> str:
    text = json.dumps(content, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


# --- when it is due -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Due:
    """A site whose review is due: `due_on` is None where nobody has reviewed it yet."""

    site: Site
    last: AccessReview | None
    due_on: dt.date | None
    reminder: int


def due(sites: Any, *, now: dt.datetime) -> list[Due]:
    """Those of these sites whose review is due, with the number of the reminder that it owes."""
    last = {
        review.site_id: review
        for review in AccessReview.objects.order_by("site_id", "-reviewed_at").distinct("site_id").defer("seen")
    }
    found = [_due(site, last.get(site.pk), now) for site in sites]
    return [one for one in found if one is not None]


def _due(site: Site, last: AccessReview | None, now: dt.datetime) -> Due | None:
    every = get_study().latest.policy.access_review_every_days
    day = timezone.localdate(last.reviewed_at) if last else None
    number = rules.reminder(day, every, timezone.localdate(now))
    return None if number is None else Due(site, last, rules.due_on(day, every), number)


def about(site: Site) -> str:
    return f"access-review:{site.pk}"


def tell_due(*, now: dt.datetime) -> dict[str, int]:
    """Mail the principal investigators of each site whose review is due; a second call finds nothing to send."""
    sites = Site.objects.alias(n=Count("people")).filter(n__gt=0)
    queued = 0
    for one in due(sites, now=now):
        with sweeps.guarded(f"access review of site:{one.site.pk}"):
            queued += _tell(one, now=now)
    return {"told": queued}


def _tell(one: Due, *, now: dt.datetime) -> int:
    last = one.last.pk if one.last else 0
    return sum(
        notifications.queue(
            key=f"{about(one.site)}:{last}:{one.reminder}",
            about=about(one.site),
            site=one.site,
            recipient=person,
            template="trialsite/email/access_review",
            context={"site": one.site, "due_on": one.due_on, "link": settings.SITE_URL + address(one.site)},
            now=now,
        )
        for person in people_in(Role.PRINCIPAL_INVESTIGATOR, one.site)
    )


def address(site: Site) -> str:
    return reverse("admin:trialsite_accessreview_sign", args=[site.pk])
