"""Verbs of the site's own guidance texts."""

import datetime as dt

from django.db import transaction
from django.utils.translation import gettext as _

from participants.actions import long_moment
from safety.models import GuidanceText
from trialsite.clinical import check_clinical
from trialsite.models import User
from trialsite.refusal import Refused


@transaction.atomic
def propose_guidance(*, text: GuidanceText, by: User, now: dt.datetime) -> GuidanceText:
    """Save a text; nobody reads it beside a grade before it is approved."""
    text.created_by, text.created_at = by, now
    text.save()
    return text


@transaction.atomic
def approve_guidance(*, text: GuidanceText, by: User, now: dt.datetime) -> GuidanceText:
    """From now on it stands beside its grade. Raises Refused for one that is approved already, or void."""
    text = GuidanceText.objects.select_for_update(of=("self",)).select_related("approved_by").get(pk=text.pk)
    if text.is_void:
        raise Refused(_("This text is void. Write a new one."))
    check_clinical(by, text.site, permission="safety.approve_guidancetext")
    if text.approved_at is not None:
        raise Refused(
            _("%(who)s approved this text at %(at)s already; nothing was changed.")
            % {"who": text.approved_by, "at": long_moment(text.approved_at)}
        )
    text.approved_at, text.approved_by = now, by
    text.save(update_fields=["approved_at", "approved_by"])
    return text
