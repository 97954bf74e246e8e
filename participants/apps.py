from django.apps import AppConfig
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _


class ParticipantsConfig(AppConfig):
    name = "participants"
    verbose_name = _("Participants")

    def ready(self) -> None:
        """A study file that asks for tests which nobody can record stops the start, as any other mistake in it does."""
        from participants.actions import consents, reminders, telling
        from participants.entering import unknown_tests
        from trialsite import notifications
        from trialsite.study import get_study

        for kind in (reminders.VISIT, reminders.DIGEST):
            notifications.ask_before_sending(kind, reminders.still_wanted)
        notifications.ask_before_sending(consents.DIGEST, telling.still_wanted(consents.reconsents_owed))

        for protocol in get_study().versions.values():
            if wrong := unknown_tests(protocol):
                raise ImproperlyConfigured(f"Study file of version {protocol.version}, procedures: {'; '.join(wrong)}")
