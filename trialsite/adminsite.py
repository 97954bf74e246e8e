from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _
from unfold.sites import UnfoldAdminSite


class TrialsiteAdminSite(UnfoldAdminSite):
    """The site's pages for its staff."""

    index_title = _("What must be done today?")
    site_url = None
    login_url = reverse_lazy("admin:login")
