"""What the ground floor asks of people today: messages that do not leave, the review of who may do what."""

import datetime as dt

from django.utils.translation import gettext as _

from trialsite import mailhealth, reviews, servers
from trialsite.firstpage import Place, Row, Section, moment, sites_of
from trialsite.lines import Kind, Line
from trialsite.models import ChannelName, Urgency, User


def kinds(*, user: User, now: dt.datetime) -> list[Kind]:
    rows = mailhealth.late(now=now)
    return [Kind("mail-late", rows, _late, what="urgency", at="waits_since", participant=None)]


def _late(found: list[Line]) -> Section:
    """For everybody: whoever waits for a message must not believe that there is none. Whose they are is not said."""
    return Section(
        code="mail-late",
        title=_("Messages do not leave"),
        hint=_(
            "Alerts wait for more than %(alert)s minutes, or reminders for more than %(other)s. Until they leave, tell "
            "people yourself, and call whoever runs the server (mail server, worker). Last delivery: %(last)s."
        )
        % {
            "alert": _minutes(Urgency.ALERT),
            "other": _minutes(Urgency.REMINDER),
            "last": moment(servers.state_of(ChannelName.MAIL).last_sent_at),
        },
        rows=tuple(Row(str(Urgency(name).label), "", since=at) for name, at in _oldest(found).items()),
        count=found[0].of_all,
        place=Place.URGENT,
        tone="alarm",
    )


def _oldest(found: list[Line]) -> dict[str, dt.datetime | None]:
    """By urgency, since when the longest of those that are shown has waited."""
    first: dict[str, dt.datetime | None] = {}
    for line in found:
        first.setdefault(line.what, line.at)
    return first


def _minutes(urgency: Urgency) -> int:
    return int(mailhealth.limit(urgency).total_seconds() // 60)


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
