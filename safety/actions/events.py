"""Verbs of adverse events."""

import datetime as dt

from django.db import transaction
from django.utils.translation import gettext as _

from participants.actions import long_moment, site_day
from safety.actions.ctcae import check_ctcae, freeze_term, version_of
from safety.models import AdverseEvent
from trialsite.models import User
from trialsite.partialdate import PartialDate
from trialsite.refusal import Refused


def check_adverse_event(event: AdverseEvent, *, now: dt.datetime) -> None:
    """Raises Refused for dates that cannot be true, such as an end before the start, and for a grade that the
    CTCAE term lacks in the event's version.
    """
    onset = PartialDate.parse(event.onset)
    today = site_day(now)
    if onset.certainly_after_day(today):
        raise Refused(_("Onset %(onset)s is in the future. Correct the date.") % {"onset": event.onset})
    if event.resolved:
        resolved = PartialDate.parse(event.resolved)
        if resolved.certainly_before(onset):
            raise Refused(
                _("It cannot end (%(end)s) before it began (%(start)s). Correct one of the two dates.")
                % {"end": event.resolved, "start": event.onset}
            )
        if resolved.certainly_after_day(today):
            raise Refused(
                _("It cannot have ended on %(end)s, in the future. Leave the field empty while it goes on.")
                % {"end": event.resolved}
            )
    _check_awareness(event, onset, now=now)
    check_ctcae(event)
    if event.infusion is not None and event.infusion.participant_id != event.participant_id:
        raise Refused(
            _("The infusion of %(owner)s cannot have caused a reaction of %(number)s. Choose another one.")
            % {"owner": event.infusion.participant.number, "number": event.participant.number}
        )


def _check_awareness(event: AdverseEvent, onset: PartialDate, *, now: dt.datetime) -> None:
    if event.site_aware_at > now:
        raise Refused(
            _("The site cannot become aware in the future (%(at)s). Correct the date and time.")
            % {"at": long_moment(event.site_aware_at)}
        )
    if onset.certainly_after_day(site_day(event.site_aware_at)):
        raise Refused(
            _("The site cannot know (%(at)s) of what had not begun (%(onset)s). Correct one of the two.")
            % {"at": long_moment(event.site_aware_at), "onset": event.onset}
        )


@transaction.atomic
def log_adverse_event(*, event: AdverseEvent, by: User, now: dt.datetime) -> AdverseEvent:
    """Save a new event with the study's CTCAE version, which stays with it, and with its term if it has a code."""
    event.ctcae_version = ""
    check_adverse_event(event, now=now)
    event.ctcae_version = version_of(event)
    freeze_term(event)
    event.created_by, event.created_at = by, now
    event.save()
    return event


@transaction.atomic
def correct_adverse_event(*, event: AdverseEvent, by: User, now: dt.datetime) -> AdverseEvent:
    """Save a changed event; its term follows its code, in the version that it was logged with."""
    check_adverse_event(event, now=now)
    freeze_term(event)
    event.save()
    return event
