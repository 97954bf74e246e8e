from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig as DjangoAdminConfig
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _


class TrialsiteConfig(AppConfig):
    name = "trialsite"
    verbose_name = _("Site and people")

    def ready(self) -> None:
        """A study file with a mistake stops the start: nothing may run on a schedule that nobody checked."""
        from trialsite import checks  # noqa: F401  (registers the system checks)
        from trialsite.study import StudyFileError, get_study
        from trialsite.triggers import keep_rendered

        keep_rendered()
        try:
            get_study()
        except StudyFileError as error:
            raise ImproperlyConfigured(str(error)) from None


class AdminConfig(DjangoAdminConfig):
    default_site = "trialsite.adminsite.TrialsiteAdminSite"
