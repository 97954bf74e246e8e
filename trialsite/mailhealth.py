"""Whether messages leave: how long the oldest has waited, what has failed, when the last one left."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from django.conf import settings
from django.db.models import Count, Min, Q, QuerySet
from django.db.models.functions import Coalesce

from trialsite.models import ChannelName, ChannelState, Notification, NotificationState, Urgency

# A failure is shown until somebody has queued it again; for so long it is news that makes the whole site not ready.
NEWS = dt.timedelta(hours=1)


@dataclass(frozen=True)
class Waiting:
    """What is due and has not left; `since` is when the oldest of it should have."""

    count: int = 0
    since: dt.datetime | None = None

    def seconds(self, now: dt.datetime) -> int:
        return 0 if self.since is None else max(int((now - self.since).total_seconds()), 0)


@dataclass(frozen=True)
class MailHealth:
    waiting: Mapping[str, Waiting]
    failed: int
    failed_lately: int
    channels: Mapping[str, ChannelState]
    now: dt.datetime

    @property
    def late(self) -> list[str]:
        """The urgencies of which something waits for too long."""
        return [name for name, one in self.waiting.items() if one.seconds(self.now) > limit(name).total_seconds()]

    @property
    def is_well(self) -> bool:
        return not self.late and not self.failed_lately

    @property
    def last_sent_at(self) -> dt.datetime | None:
        return self.channels[ChannelName.MAIL].last_sent_at if ChannelName.MAIL in self.channels else None


def limit(urgency: str) -> dt.timedelta:
    return settings.ALERT_SILENCE if urgency == Urgency.ALERT else settings.MAIL_SILENCE


def health(*, now: dt.datetime) -> MailHealth:
    """Three queries, however many messages there are."""
    asked = waiting(now=now).order_by().values("urgency").annotate(count=Count("pk"), since=Min("waits_since"))
    found = {row["urgency"]: Waiting(row["count"], row["since"]) for row in asked}
    failed = Notification.objects.filter(state=NotificationState.FAILED)
    counts = failed.aggregate(all=Count("pk"), lately=Count("pk", filter=Q(finished_at__gt=now - NEWS)))
    return MailHealth(
        waiting={name: found.get(name, Waiting()) for name in Urgency.values},
        failed=counts["all"],
        failed_lately=counts["lately"],
        channels=ChannelState.objects.in_bulk(),
        now=now,
    )


def waiting(*, now: dt.datetime) -> QuerySet[Notification]:
    """What should have left by now, the longest waiting first; `waits_since` is from when on."""
    rows = Notification.objects.filter(state__in=[NotificationState.QUEUED, NotificationState.SENDING])
    rows = rows.annotate(waits_since=Coalesce("due_at", "queued_at"))
    return rows.filter(waits_since__lte=now).order_by("waits_since", "pk")


def late(*, now: dt.datetime) -> QuerySet[Notification]:
    """Of these, what has waited for too long."""
    too_long = Q()
    for urgency in Urgency.values:
        too_long |= Q(urgency=urgency, waits_since__lt=now - limit(urgency))
    return waiting(now=now).filter(too_long)
