"""What the ground floor asks of people today: the review of who may do what."""

import datetime as dt

from django.utils.translation import gettext as _

from trialsite import reviews
from trialsite.firstpage import Place, Row, Section, sites_of
from trialsite.lines import Kind
from trialsite.models import User


def kinds(*, user: User, now: dt.datetime) -> list[Kind]:
    return []


def sections(*, user: User, now: dt.datetime) -> list[Section]:
    # No line that leads to a refusal: the administrator of the computer signs nothing.
    if user.is_superuser or not user.has_perm(reviews.PERMISSION):
        return []
    found = reviews.due(sites_of(user), now=now)
    if not found:
        return []
    return [
        Section(
            code="review",
            title=_("Access to be reviewed"),
            hint=_("Look at who may do what, keep it or take it away, and sign."),
            rows=tuple(
                Row(str(one.site), reviews.address(one.site), (_since(one),), since=one.due_on) for one in found
            ),
            count=len(found),
            place=Place.TODAY,
            work=reviews.PERMISSION,
        )
    ]


def _since(one: reviews.Due) -> str:
    if one.due_on is None:
        return _("never reviewed yet")
    return _("due since %(day)s") % {"day": f"{one.due_on:%Y-%m-%d}"}
