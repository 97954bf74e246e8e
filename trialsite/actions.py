"""The ground floor's verbs: a signed review of who may do what, which takes away what should not be held."""

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import pghistory
from django.contrib.auth.models import Group
from django.db import transaction
from django.utils.translation import gettext as _

from trialsite import notifications, reviews, signing
from trialsite.clinical import check_clinical
from trialsite.models import AccessReview, Meaning, Site, User
from trialsite.refusal import Refused
from trialsite.reviews import ACTIVE, PERMISSION, Entry


@dataclass(frozen=True)
class Decision:
    """About one person: everything is kept, or what is named (`role:3`, `site:1`, `active`) is taken away, and why."""

    take: frozenset[str] = frozenset()
    reason: str = ""


@transaction.atomic
def review_access(
    *, site: Site, decisions: Mapping[int, Decision], shown: str, by: User, now: dt.datetime
) -> AccessReview:
    """Sign for every active person of a site, by their number, and take away what was decided.

    `shown` is `reviews.state_of` of what the person read. Raises Refused when the rights are others by now, when
    somebody is left out, when something cannot be taken away here or has no reason, or for who may not sign.
    """
    _check_may_review(by, site)
    # Whoever gives a right to one of them at this moment waits, and so do we.
    list(User.objects.select_for_update().order_by("pk").values_list("pk"))
    found = reviews.entries(site, by=by)
    if reviews.state_of(found) != shown:
        raise Refused(_("Somebody's rights were changed since you opened the page; nothing was signed. Look again."))
    _check_decided(found, decisions)
    review = _sign(site, found, decisions, by, now)
    notifications.cancel(about=reviews.about(site), reason="reviewed", now=now)
    for entry in found:
        take_away(person=entry.person, take=decisions[entry.person.pk].take, reason=decisions[entry.person.pk].reason)
    return review


def _check_may_review(by: User, site: Site) -> None:
    check_clinical(by, site, permission=PERMISSION)
    if not reviews.may_review(by, site):
        raise Refused(
            _(
                "%(name)s may not review who may do what at %(site)s; nothing was signed. A principal investigator of "
                "the site does."
            )
            % {"name": by, "site": site}
        )


def _check_decided(found: list[Entry], decisions: Mapping[int, Decision]) -> None:
    for entry in found:
        decision = decisions.get(entry.person.pk)
        if decision is None:
            raise Refused(_("%(name)s: say whether to keep or to take away.") % {"name": entry.person})
        if not decision.take <= {name for name, _label in entry.may_take}:
            raise Refused(_("%(name)s: this cannot be taken away here.") % {"name": entry.person})
        if decision.take and not decision.reason.strip():
            raise Refused(_("%(name)s: give a reason for taking it away.") % {"name": entry.person})


def _sign(
    site: Site, found: list[Entry], decisions: Mapping[int, Decision], by: User, now: dt.datetime
) -> AccessReview:
    people = [_as_signed(entry, decisions[entry.person.pk]) for entry in found]
    review = AccessReview(site=site, reviewed_at=now, reviewed_by=by, seen={"site": site.code, "people": people})
    review.save()
    signing.sign(review, meaning=Meaning.ACCESS, by=by)
    return review


def _as_signed(entry: Entry, decision: Decision) -> dict[str, Any]:
    return {
        **entry.rights(),
        "last_login": reviews.iso(entry.person.last_login),
        "password_set_at": reviews.iso(entry.person.password_set_at),
        "last_reviewed": reviews.iso(entry.last_reviewed),
        "taken": sorted(_in_the_record(entry, name) for name in decision.take),
        "reason": decision.reason.strip(),
    }


def _in_the_record(entry: Entry, name: str) -> str:
    """`role:investigator`, `site:ZJ`, `active`: without numbers, so that it can be read in ten years."""
    kind, _colon, number = name.partition(":")
    return name if name == ACTIVE else f"{kind}:{(entry.roles if kind == 'role' else entry.sites)[number]}"


@transaction.atomic
def take_away(*, person: User, take: Collection[str], reason: str) -> None:
    """Take roles, sites or all access from somebody; the trail has the reason."""
    if not take:
        return
    numbers = {name.partition(":")[2] for name in take if name.startswith("site:")}
    groups = {name.partition(":")[2] for name in take if name.startswith("role:")}
    with pghistory.context(reason=reason):
        person.sites.remove(*Site.objects.filter(pk__in=numbers))
        person.groups.remove(*Group.objects.filter(pk__in=groups))
        if ACTIVE in take:
            person.is_active = False
            person.save(update_fields=["is_active"])
