from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SafetyConfig(AppConfig):
    name = "safety"
    verbose_name = _("Safety")

    def ready(self) -> None:
        """Whoever voids results on the floor below is told which grades rest on them."""
        from participants.actions.imports import RESTING
        from safety.actions.blood import grades_on

        RESTING.append(grades_on)
