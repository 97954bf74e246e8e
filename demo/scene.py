"""Who acts in the demo study, on which days, and the dice that make it vary."""

import datetime as dt
import random

from django.utils import timezone

from trialsite.models import Site, User
from trialsite.study import get_study

SEED = 20250719
DAY = dt.timedelta(days=1)


class Scene:
    """Holds who acts and the dice; every step of a participant's way asks it."""

    def __init__(self, now: dt.datetime) -> None:
        self.now = now
        self.dice = random.Random(SEED)
        self.site = Site.objects.order_by("pk")[0]
        self.coordinator = User.objects.get(username="coordinator")
        self.investigator = User.objects.get(username="investigator")
        self.principal = User.objects.get(username="pi")
        self.monitor = User.objects.get(username="monitor")
        # Inside the study's window also when somebody tries the product after its end.
        last = get_study().latest.window.ends_on
        self.today = min(timezone.localtime(now).date(), last)

    def at(self, days_ago: int, hour: int, minute: int = 0) -> dt.datetime:
        """A moment so many days before today; never after now."""
        day = self.today - days_ago * DAY
        moment = dt.datetime.combine(day, dt.time(hour, minute), tzinfo=timezone.get_current_timezone())
        return min(moment, self.now)

    def after(self, at: dt.datetime, **span: float) -> dt.datetime:
        """So much later; never after now."""
        return min(at + dt.timedelta(**span), self.now)

    def soon(self, at: dt.datetime) -> dt.datetime:
        """When somebody has entered what was seen at that moment; never after now."""
        return min(at + dt.timedelta(minutes=10), self.now)
