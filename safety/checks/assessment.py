"""What an investigator assesses of an event for each agent: relatedness, and what was done with the treatment.

The only checks that read the columns `relatedness` and `action_taken`.
"""

import datetime as dt
from collections.abc import Iterable

from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from dosing.models import Infusion, InfusionInterruption
from safety.checks.registry import Found, Scope, check, found
from safety.models import ActionTaken, AdverseEvent

# [P] An investigator assesses a serious event within days; a week later it was forgotten.
ASSESSED_WITHIN = dt.timedelta(days=7)
STOPPED = (ActionTaken.INTERRUPTED, ActionTaken.STOPPED)


@check(
    title=_("Serious event without its relatedness"),
    why=_("A week after the site became aware of a serious event, nobody has said whether it is related."),
    way_out=_("An investigator assesses the relatedness. Reports wait for it."),
    looks_at=(AdverseEvent,),
)
def relatedness_missing(scope: Scope) -> Iterable[Found]:
    rows = scope.of(AdverseEvent).filter(is_serious=True, site_aware_at__lt=scope.now - ASSESSED_WITHIN)
    return found(rows.filter(relatedness=""), "onset", "grade", "site_aware_at")


@check(
    title=_("Infusion interrupted for an event, but not on the infusion"),
    why=_("The action taken is “interrupted” or “stopped”; no infusion of the participant has an interruption."),
    way_out=_("Record the interruption on the infusion, or correct the action taken."),
    looks_at=(AdverseEvent, Infusion, InfusionInterruption),
)
def interruption_missing(scope: Scope) -> Iterable[Found]:
    paused = InfusionInterruption.objects.standing().filter(infusion__participant=OuterRef("participant"))
    rows = scope.of(AdverseEvent).filter(Q(action_taken__in=STOPPED)).exclude(Exists(paused))
    return found(rows, "onset", "action_taken")
