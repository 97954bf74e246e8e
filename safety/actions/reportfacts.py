"""What the reporting rules need to know of an event, read from its rows: nothing else reads them for these rules."""

import datetime as dt
from collections.abc import Iterable

from safety.models import SERIOUSNESS, AdverseEvent, EventAgent, FollowUp, FollowUpKind, Submission
from safety.rules.reporting import SHANGHAI, Facts, Kind, News, Sent, View
from trialsite.partialdate import PartialDate

KINDS = {
    FollowUpKind.NEW_INFORMATION: Kind.FOLLOW_UP,
    FollowUpKind.UPGRADE: Kind.UPGRADE,
    FollowUpKind.DOWNGRADE: Kind.DOWNGRADE,
    FollowUpKind.NULLIFICATION: Kind.NULLIFICATION,
}
THREATENING = ("results_in_death", "is_life_threatening")


def facts_of(event: AdverseEvent) -> Facts:
    """All that is known of the event, with what was sent about it; three queries."""
    # What was told of an event that is void by now has to be taken back: its own parts count, whatever became of it.
    later = list(FollowUp.objects.own_standing().filter(event=event).order_by("learned_at", "id"))
    sent = Submission.objects.own_standing().filter(event=event).order_by("submitted_at", "id")
    agents = EventAgent.objects.own_standing().filter(event=event).order_by("id")
    return Facts(
        site_aware_at=event.site_aware_at,
        sponsor_aware_at=event.sponsor_aware_at,
        serious_at=_first_known(event, SERIOUSNESS, later),
        threatening_at=_first_known(event, THREATENING, later),
        fatal_at=_first_known(event, ("results_in_death",), later),
        views=tuple(View(one.agent, one.investigator, one.sponsor) for one in agents),
        is_expected=event.is_expected,
        news=(
            *(News(str(one.pk), one.learned_at, KINDS[FollowUpKind(one.kind)]) for one in later),
            *_taken_back(event),
        ),
        sent=tuple(Sent(one.recipient, one.submitted_at) for one in sent),
        nullified_at=_nullified_at(event, later),
    )


def _first_known(event: AdverseEvent, names: Iterable[str], later: Iterable[FollowUp]) -> dt.datetime | None:
    """Since when one of these criteria was known to hold; None where none does."""
    return min((_known_at(event, name, later) for name in names if getattr(event, name)), default=None)


def _known_at(event: AdverseEvent, name: str, later: Iterable[FollowUp]) -> dt.datetime:
    """With the event; a criterion of a later day with the first upgrade learned since, or else at once on that day."""
    aware, since = event.first_aware_at, getattr(event, f"{name}_on")
    begins = _midnight(since) if since else aware
    if begins <= aware:
        return aware
    learned = [one.learned_at for one in later if one.kind == FollowUpKind.UPGRADE and one.learned_at >= begins]
    return min(learned, default=begins)


def _midnight(day: str) -> dt.datetime:
    """When the first day that a partial date can mean begins."""
    return dt.datetime.combine(PartialDate.parse(day).earliest, dt.time(), SHANGHAI)


def _taken_back(event: AdverseEvent) -> tuple[News, ...]:
    """An event that is void was none: whoever was told of it must hear so."""
    return (News("void", event.voided_at, Kind.NULLIFICATION),) if event.voided_at is not None else ()


def _nullified_at(event: AdverseEvent, later: Iterable[FollowUp]) -> dt.datetime | None:
    learned = [one.learned_at for one in later if one.kind == FollowUpKind.NULLIFICATION]
    return min(filter(None, (*learned, event.voided_at)), default=None)
