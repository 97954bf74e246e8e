from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SafetyConfig(AppConfig):
    name = "safety"
    verbose_name = _("Safety")

    def ready(self) -> None:
        """An alert that cannot reach its person is the next person's, at once."""
        from participants.actions import telling
        from safety.actions import counts
        from trialsite import notifications

        notifications.ask_before_sending(counts.DIGEST, telling.still_wanted(counts.still_owed))
        notifications.after_failed_alert("safety.tasks.sweep_rounds")
