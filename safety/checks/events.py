"""Adverse events: their days, their outcome and their seriousness agree, and each is there once."""

from collections.abc import Iterable
from typing import Any

from django.db.models import F, OuterRef, Q, Value
from django.utils.translation import gettext_lazy as _

from dosing.models import Infusion
from safety.checks import sql
from safety.checks.registry import Found, Scope, check, found
from safety.models import AdverseEvent
from safety.rules.plausible import ENDED, GOES_ON, MODERATE

# In the order of dates, after all of them.
NEVER = "9999-12-31"


@check(
    title=_("Event ends before it begins"),
    why=_("The end of an event lies certainly before its onset."),
    way_out=_("Correct one of the two dates."),
    looks_at=(AdverseEvent,),
)
def event_ends_before_start(scope: Scope) -> Iterable[Found]:
    rows = scope.of(AdverseEvent).exclude(resolved="").filter(sql.certainly_before(F("resolved"), F("onset")))
    return found(rows, "onset", "resolved")


@check(
    title=_("Known before it began"),
    why=_("The site knew of an event on a day that lies certainly before its onset."),
    way_out=_("Correct the onset, or when the site became aware of it."),
    looks_at=(AdverseEvent,),
)
def event_known_before_onset(scope: Scope) -> Iterable[Found]:
    rows = scope.of(AdverseEvent).annotate(aware_text=sql.text_of(sql.day_of("site_aware_at")))
    return found(rows.filter(sql.certainly_after(F("onset"), F("aware_text"))), "onset", "site_aware_at")


@check(
    title=_("Recovered, but without an end"),
    why=_("The outcome says that the event is over; its end is missing."),
    way_out=_("Give the end, as far as it is known, or correct the outcome."),
    looks_at=(AdverseEvent,),
)
def recovered_without_end(scope: Scope) -> Iterable[Found]:
    return found(scope.of(AdverseEvent).filter(resolved="", outcome__in=ENDED), "onset", "outcome")


@check(
    title=_("Ended, but not recovered"),
    why=_("The event has an end; the outcome says that it goes on. An event that went on until death has no end."),
    way_out=_("Correct the outcome, or take out the end."),
    looks_at=(AdverseEvent,),
)
def ended_without_recovery(scope: Scope) -> Iterable[Found]:
    rows = scope.of(AdverseEvent).filter(outcome__in=GOES_ON).exclude(resolved="")
    return found(rows, "resolved", "outcome")


@check(
    title=_("Life-threatening, but grade 1 or 2"),
    why=_(
        "“Life-threatening” says that the participant was at risk of death at the time; grades 1 and 2 are mild or "
        "moderate."
    ),
    way_out=_("Correct the grade, or take out “life-threatening” if the risk was only thinkable."),
    looks_at=(AdverseEvent,),
)
def life_threatening_but_mild(scope: Scope) -> Iterable[Found]:
    rows = scope.of(AdverseEvent).filter(is_life_threatening=True, grade__lte=MODERATE)
    return found(rows, "grade", "is_life_threatening")


@check(
    title=_("The same event twice"),
    why=_("Two events of one participant have the same term, and their days overlap."),
    way_out=_("Void the one that is too much; or correct the days if the first had ended before."),
    looks_at=(AdverseEvent,),
)
def event_twice(scope: Scope) -> Iterable[Found]:
    earlier = AdverseEvent.objects.standing().filter(participant=OuterRef("participant"), pk__lt=OuterRef("pk"))
    same = (Q(ctcae_code=OuterRef("ctcae_code")) & ~Q(ctcae_code="")) | Q(term__iexact=OuterRef("term"))
    # They overlap unless one is certainly over before the other begins; without an end, none is over.
    apart = sql.certainly_before(_end(F("resolved")), OuterRef("onset"))
    apart |= sql.certainly_before(_end(OuterRef("resolved")), F("onset"))
    other = earlier.filter(same).exclude(apart).order_by("pk").values("pk")[:1]
    rows = scope.of(AdverseEvent).annotate(other_row=other).filter(other_row__isnull=False)
    return found(rows, "onset", "resolved", "other_row")


def _end(resolved: Any) -> Any:
    return sql.Coalesce(sql.NullIf(resolved, Value("")), Value(NEVER))


@check(
    title=_("Reaction of an infusion that had none"),
    why=_("An event is recorded as a reaction to an infusion; the infusion says that there was no reaction."),
    way_out=_("Correct the answer on the infusion, or take the infusion out of the event."),
    looks_at=(AdverseEvent, Infusion),
)
def reaction_denied(scope: Scope) -> Iterable[Found]:
    rows = scope.of(AdverseEvent).filter(Infusion.stands("infusion"), infusion__has_reaction=False)
    return found(rows, "onset", infused_at="infusion__infused_at", has_reaction="infusion__has_reaction")
