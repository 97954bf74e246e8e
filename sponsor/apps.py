from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SponsorConfig(AppConfig):
    name = "sponsor"
    verbose_name = _("Sponsor")

    def ready(self) -> None:
        """The page of an event, and the recording of a report, offer the report files."""
        from safety import eventpage
        from sponsor.reportfiles import ADDITION

        eventpage.add(ADDITION)
